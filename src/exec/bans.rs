//! Bans: what there is near a network is looked at, what would change is worked out, and the change is one like any other.
#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::RequestError;
use crate::exec::firewall::{make, of_all};
use crate::exec::output::Output;
use crate::exec::rows::{RowAnswer, Source};
use crate::exec::session::Session;
use crate::nft::action::{ApplyNft, ChangeNft, ReadNft};
use crate::nft::args::How;
use crate::nft::ban::{self, BanArgs, BanNft, Held, Near, Network, Plan};
use crate::nft::intervals::Interval;
use crate::nft::listing::{Form, Listing, Wanted};
use crate::nft::model::{Command, Creation, Target, Text};
use crate::protocol::reply;
use crate::protocol::request::Request;
use crate::wire::atoms;
use crate::wire::scan::{Bounds, validate};
use crate::wire::schema::{At, fields};
use crate::wire::term::{Items, Term};
use crate::wire::write::Writer;

/// How often a change is worked out anew because others came before it.
const TRIES: u32 = 8;

/// `ban`.
pub fn ban(request: &Request<'_>, session: &mut Session, output: &mut Output) -> Result<(), RequestError> {
    let args = BanArgs::decode(request.args, &At::Top)?;
    let new = Held {
        interval: args.network.interval(),
        // The schema's unit; a part of a second more is as good.
        left: args.timeout.map(|t| t.as_millis().div_ceil(1000)).and_then(|s| u64::try_from(s).ok()),
        comment: args.comment,
    };
    let work = Work { op: request.row.name, verb: "add_element", network: args.network };
    session.firewall.set_deadline(deadline(request, session));
    let changed = work.settle(session, output, |near| ban::ban(&near.held, &new))?;
    answer(request, changed, output);
    Ok(())
}

/// `unban`.
pub fn unban(request: &Request<'_>, session: &mut Session, output: &mut Output) -> Result<(), RequestError> {
    let network = Network::decode(request.args, &At::Top)?;
    let work = Work { op: request.row.name, verb: "del_element", network };
    session.firewall.set_deadline(deadline(request, session));
    let changed = work.settle(session, output, |near| ban::unban(&near.held, network.interval()))?;
    answer(request, changed, output);
    Ok(())
}

fn deadline(request: &Request<'_>, session: &Session) -> std::time::Instant {
    std::time::Instant::now() + session.court.policy.deadline(request.timeout_ms)
}

fn answer(request: &Request<'_>, changed: bool, output: &mut Output) {
    reply::ok(output.frames(), request.id, |w| {
        w.map(1);
        w.atom(atoms::CHANGED);
        w.bool(changed);
    });
}

/// `banned`.
pub fn banned(request: &Request<'_>, session: &mut Session, output: &mut Output) -> Result<(), RequestError> {
    let [] = fields(request.args, &At::Top, [])?;
    let permit = session.permit(request.row.name, ReadNft, Vec::new, output)?;
    session.place()?;
    let listing = Listing::new(permit, Wanted::whole_sets(ban::table()), Form::Bans);
    let deadline = deadline(request, session);
    session.running.queue(RowAnswer::new(request.id, deadline, Source::Firewall(Box::new(listing))));
    Ok(())
}

/// One request.
struct Work {
    op: &'static str,
    verb: &'static str,
    network: Network,
}

impl Work {
    /// Works out the change and makes it, until nobody comes between. Whether there was anything to change.
    fn settle(
        &self,
        session: &mut Session,
        output: &mut Output,
        plan: impl Fn(&Near) -> Plan,
    ) -> Result<bool, RequestError> {
        let name = ban::set_name(self.network.width());
        let change = ChangeNft::element(self.verb, &ban::table(), name);
        let target = change.to_string().into_bytes();
        let permit = session.permit(self.op, change, || target.clone(), output).map_err(|one| {
            let (width, lifts) = (Some(self.network.width()), self.verb == "del_element");
            of_all(one, BanNft { width, lifts }, session)
        })?;
        for _ in 0..TRIES {
            let (generation, near) = session.firewall.near(&permit, &self.network)?;
            let plan = plan(&near);
            let new = if self.verb == "add_element" { ban::set_up(&near) } else { Vec::new() };
            if plan == Plan::default() && new.is_empty() {
                return Ok(false);
            }
            let how = How { generation: Some(generation), ..How::default() };
            match self.make(new, &plan, how, session, output) {
                Err(RequestError::Stale) => {}
                done => return done.map(|()| plan != Plan::default()),
            }
        }
        Err(RequestError::Busy)
    }

    fn make(
        &self,
        set_up: Vec<Command<'static>>,
        plan: &Plan,
        how: How,
        session: &mut Session,
        output: &mut Output,
    ) -> Result<(), RequestError> {
        let width = self.network.width();
        let (gone, new) = (deletions(plan, width), additions(plan, width));
        let mut commands: Vec<Command<'_>> = set_up;
        let (table, name) = (ban::table(), Text::Borrowed(ban::set_name(width).as_bytes()));
        if !plan.delete.is_empty() {
            let target = Target::Elements(table.clone(), name.clone(), items(&gone)?);
            commands.push(Command::Delete(target));
        }
        if !plan.add.is_empty() {
            commands.push(Command::Add(Creation::Elements(table, name, items(&new)?)));
        }
        // What is taken out and put back in parts is the ban's own doing: only what the verb says is judged of the elements.
        let action = ApplyNft::of_bans(commands, self.verb);
        let about = format!(" {}/{}", self.network.address, self.network.bits);
        make(self.op, action, &about, how, session, output).map(drop)
    }
}

/// The term that was just written, as the change reads it.
fn items(body: &[u8]) -> Result<Items<'_>, RequestError> {
    match validate(body, &Bounds::NET).map(|accepted| accepted.term()) {
        Ok(Term::List(items)) => Ok(items),
        _ => Err(RequestError::Posix(libc::EPROTO, "a list of elements")),
    }
}

fn deletions(plan: &Plan, width: u32) -> Vec<u8> {
    let mut w = Writer::new();
    w.list(plan.delete.len());
    plan.delete.iter().for_each(|interval| range(*interval, width, &mut w));
    if !plan.delete.is_empty() {
        w.nil();
    }
    [&[131], w.bytes()].concat()
}

fn additions(plan: &Plan, width: u32) -> Vec<u8> {
    let mut w = Writer::new();
    w.list(plan.add.len());
    for Held { interval, left, comment } in &plan.add {
        w.map(1);
        w.atom(atoms::ELEM);
        w.map(1 + usize::from(left.is_some()) + usize::from(comment.is_some()));
        w.atom(atoms::VAL);
        range(*interval, width, &mut w);
        if let Some(left) = left {
            w.atom(atoms::TIMEOUT);
            w.uint(*left);
        }
        if let Some(comment) = comment {
            w.atom(atoms::COMMENT);
            w.binary(comment);
        }
    }
    if !plan.add.is_empty() {
        w.nil();
    }
    [&[131], w.bytes()].concat()
}

fn range(interval: Interval, width: u32, w: &mut Writer) {
    let text = |n: u128| match u32::try_from(n) {
        Ok(n) if width == 32 => IpAddr::from(Ipv4Addr::from(n)).to_string(),
        _ => IpAddr::from(Ipv6Addr::from(n)).to_string(),
    };
    if interval.first == interval.last {
        return w.text(&text(interval.first));
    }
    w.map(1);
    w.atom(atoms::RANGE);
    w.list(2);
    w.text(&text(interval.first));
    w.text(&text(interval.last));
    w.nil();
}
