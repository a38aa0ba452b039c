//! The operations on the firewall: what a request says is read, judged, counted, written down, done.
#![forbid(unsafe_code)]

use std::time::Instant;

use crate::audit::record::Decision;
use crate::error::{RequestError, Step, Why};
use crate::exec::output::Output;
use crate::exec::rows::{RowAnswer, Source};
use crate::exec::session::Session;
use crate::nft::action::{ApplyNft, ReadNft};
use crate::nft::args::{self, ApplyArgs, How};
use crate::nft::firewall::Applied;
use crate::nft::listing::{Form, Listing, Wanted};
use crate::nft::model::{Command, Flush, Target};
use crate::nft::{point, reset, schema};
use crate::protocol::reply;
use crate::protocol::request::Request;
use crate::wire::atoms;
use crate::wire::json;
use crate::wire::scan::{Bounds, validate};
use crate::wire::schema::{At, binary, fields};
use crate::wire::term::Term;
use crate::wire::write::Writer;

/// Records of one change: enough to see what it was about.
const NOTES_MAX: usize = 16;

/// `nft_apply`.
pub fn apply(request: &Request<'_>, session: &mut Session, output: &mut Output) -> Result<(), RequestError> {
    let args = ApplyArgs::decode(request.args, &At::Top)?;
    let commands = schema::commands(args.commands, &At::Key(&At::Top, "commands"))?;
    let applied = change(request.row.name, commands, args.how, session, output)?;
    reply::ok(output.frames(), request.id, |w| write_applied(&applied, args.how, w));
    Ok(())
}

/// Judges a change, writes it down and makes it.
fn change(
    op: &'static str,
    commands: Vec<Command<'_>>,
    how: How,
    session: &mut Session,
    output: &mut Output,
) -> Result<Applied, RequestError> {
    // Nobody confirms a reset: no packet takes another way by it, and there is no way back.
    let unconfirmed = how.check || reset::only(&commands, how)?;
    let commands = without_flush(op, commands, session, output)?;
    make(op, ApplyNft::new(commands, how.confirm.is_some() || unconfirmed), how, session, output)
}

/// The same for commands of which is known what they change.
pub(super) fn make(
    op: &'static str,
    action: ApplyNft<'_>,
    how: How,
    session: &mut Session,
    output: &mut Output,
) -> Result<Applied, RequestError> {
    let changes = action.changes().to_vec();
    // One by one first, so that the record of a refusal names what was refused.
    for change in &changes {
        let _permit = session.permit(op, change.clone(), || change.to_string().into_bytes(), output)?;
    }
    let target = || changes.first().map(ToString::to_string).unwrap_or_default().into_bytes();
    let permit = session.permit(op, action, target, output)?;
    if how.check {
        return session.firewall.apply(permit, how, Instant::now());
    }
    session.admit_change(op, target, output)?;
    for change in changes.iter().take(NOTES_MAX) {
        session.note(op, change.to_string().into_bytes(), Decision::Granted, "nft.write", output)?;
    }
    let applied = session.firewall.apply(permit, how, Instant::now());
    if let Err(error) = &applied {
        session.note(op, target(), Decision::Failed, &reply::summary(error), output)?;
    }
    applied
}

/// `flush ruleset` as what it is: the deletion of every table that there is, each of which the policy has to grant.
fn without_flush<'a>(
    op: &'static str,
    commands: Vec<Command<'a>>,
    session: &mut Session,
    output: &mut Output,
) -> Result<Vec<Command<'a>>, RequestError> {
    if !commands.iter().any(|c| matches!(c, Command::Flush(Flush::Ruleset(_)))) {
        return Ok(commands);
    }
    let permit = session.permit(op, ReadNft, Vec::new, output)?;
    let tables = session.firewall.tables(&permit)?;
    let mut expanded = Vec::with_capacity(commands.len());
    for command in commands {
        match command {
            Command::Flush(Flush::Ruleset(family)) => {
                let meant = tables.iter().filter(|t| family.is_none_or(|family| t.family == family));
                expanded.extend(meant.map(|t| Command::Destroy(Target::Table(t.clone()))));
            }
            other => expanded.push(other),
        }
    }
    Ok(expanded)
}

fn write_applied(applied: &Applied, how: How, w: &mut Writer) {
    let Applied { generation, handles, reference, reset } = applied;
    w.map(2 + usize::from(reference.is_some()) + usize::from(how.check) + usize::from(!reset.is_empty()));
    w.atom(atoms::GENERATION);
    w.uint(u64::from(*generation));
    w.atom(atoms::HANDLES);
    w.list(handles.len());
    for handle in handles {
        match handle {
            Some(handle) => w.uint(*handle),
            None => w.atom(atoms::NULL),
        }
    }
    if !handles.is_empty() {
        w.nil();
    }
    if let Some(reference) = reference {
        w.atom(atoms::REF);
        w.uint(*reference);
    }
    if how.check {
        w.atom(atoms::CHECK);
        w.bool(true);
    }
    if !reset.is_empty() {
        w.atom(atoms::RESET);
        w.list(reset.len());
        for object in reset {
            match object {
                Some(object) => schema::write_object(object, w),
                None => w.atom(atoms::NULL),
            }
        }
        w.nil();
    }
}

/// `nft_confirm`.
pub fn confirm(
    request: &Request<'_>,
    session: &mut Session,
    output: &mut Output,
) -> Result<(), RequestError> {
    let reference = args::reference(request.args, &At::Top)?;
    session.firewall.confirm(reference)?;
    session.note(request.row.name, name(reference), Decision::Granted, "nft.confirm", output)?;
    reply::ok(output.frames(), request.id, |w| w.atom(atoms::OK));
    Ok(())
}

/// `nft_rollback`.
pub fn roll_back(
    request: &Request<'_>,
    session: &mut Session,
    output: &mut Output,
) -> Result<(), RequestError> {
    let reference = args::reference(request.args, &At::Top)?;
    let result = session.firewall.roll_back(reference);
    let (decision, rule) = match &result {
        Ok(()) => (Decision::Granted, "nft.confirm".to_owned()),
        Err(error) => (Decision::Failed, reply::summary(error)),
    };
    session.note(request.row.name, name(reference), decision, &rule, output)?;
    result?;
    reply::ok(output.frames(), request.id, |w| w.atom(atoms::OK));
    Ok(())
}

fn name(reference: u64) -> Vec<u8> {
    format!("change {reference}").into_bytes()
}

/// `nft_list`.
pub fn list(request: &Request<'_>, session: &mut Session, output: &mut Output) -> Result<(), RequestError> {
    let [what] = fields(request.args, &At::Top, ["what"])?;
    let what = what.unwrap_or(Term::Atom("ruleset"));
    let what = schema::listing(what, &At::Key(&At::Top, "what"))?;
    answer(request, &what, Form::Terms, session, output)
}

fn answer(
    request: &Request<'_>,
    what: &schema::Listing<'_>,
    form: Form,
    session: &mut Session,
    output: &mut Output,
) -> Result<(), RequestError> {
    let permit = session.permit(request.row.name, ReadNft, Vec::new, output)?;
    session.place()?;
    let listing = match Wanted::of(what) {
        Some(wanted) => Listing::new(permit, wanted, form),
        None => point::elements(session.firewall.link()?, permit, what, form)?,
    };
    let deadline = Instant::now() + session.court.policy.deadline(request.timeout_ms);
    session.running.queue(RowAnswer::new(request.id, deadline, Source::Firewall(Box::new(listing))));
    Ok(())
}

/// `nft_json`: the same with JSON text in and out.
pub fn text(request: &Request<'_>, session: &mut Session, output: &mut Output) -> Result<(), RequestError> {
    let [text, confirm, generation, check] =
        fields(request.args, &At::Top, ["text", "confirm", "generation", "check"])?;
    let how = How::decode(confirm, generation, check, &At::Top)?;
    let at = At::Key(&At::Top, "text");
    let text = binary(text.ok_or_else(|| at.error(Why::Missing))?, &at)?;
    let body = json::to_term(text, &Bounds::NET).map_err(|wrong| not_json(&wrong))?;
    let accepted = validate(&body, &Bounds::NET).map_err(|_| at.error(Why::Expected("json")))?;
    if let Some(what) = listed(accepted.term()) {
        let what = schema::listing(what, &at)?;
        return answer(request, &what, Form::Text, session, output);
    }
    let commands = schema::commands(accepted.term(), &at)?;
    let applied = change(request.row.name, commands, how, session, output)?;
    reply::ok(output.frames(), request.id, |w| write_applied(&applied, how, w));
    Ok(())
}

/// What is to be listed, if the document is one `list` and nothing else.
fn listed(document: Term<'_>) -> Option<Term<'_>> {
    let mut commands = match document {
        Term::Map(mut pairs) if pairs.len() == 1 => match pairs.next()? {
            (Term::Binary(b"nftables"), Term::List(items)) => items,
            _ => return None,
        },
        Term::List(items) => items,
        _ => return None,
    };
    let (Some(Term::Map(mut command)), None) = (commands.next(), commands.next()) else { return None };
    match (command.next()?, command.next()) {
        ((Term::Binary(b"list"), what), None) => Some(what),
        _ => None,
    }
}

fn not_json(wrong: &json::NotJson) -> RequestError {
    let line = u64::try_from(wrong.line).unwrap_or(u64::MAX);
    let column = u64::try_from(wrong.column).unwrap_or(u64::MAX);
    RequestError::BadRequest(
        vec![Step::Key("text"), Step::Index(line), Step::Index(column)],
        Why::Expected("json"),
    )
}
