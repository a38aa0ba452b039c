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
use crate::nft::model::{Command, Flush};
use crate::nft::{point, reset, schema};
use crate::policy::{Action, authorize};
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
    change(request, "commands", args.commands, args.how, session, output)
}

/// Reads a change from where it stands in the request, judges it, writes it down, makes it and answers.
fn change(
    request: &Request<'_>,
    key: &'static str,
    term: Term<'_>,
    how: How,
    session: &mut Session,
    output: &mut Output,
) -> Result<(), RequestError> {
    let op = request.row.name;
    let at = At::Key(&At::Top, key);
    let mut commands = schema::commands(term, &at)?;
    // Nobody confirms a reset: no packet takes another way by it, and there is no way back.
    let unconfirmed = how.check || reset::only(&commands, how)?;
    let deadline = Instant::now() + session.court.policy.deadline(request.timeout_ms);
    session.firewall.set_deadline(deadline);
    look_up_tables(op, &mut commands, session, output)?;
    let action = ApplyNft::new(commands, how.confirm.is_some() || unconfirmed);
    let applied = make(op, action, "", how, session, output).map_err(|e| schema::placed(e, term, &at))?;
    reply::ok(output.frames(), request.id, |w| write_applied(&applied, how, w));
    Ok(())
}

/// The same for commands of which is known what they change. `about` is what a record says of the elements that they change.
pub(super) fn make(
    op: &'static str,
    action: ApplyNft<'_>,
    about: &str,
    how: How,
    session: &mut Session,
    output: &mut Output,
) -> Result<Applied, RequestError> {
    let changes = action.changes().to_vec();
    // One by one first, so that the record of a refusal names what was refused.
    for change in &changes {
        if let Err(one) = session.permit(op, change.clone(), || change.to_string().into_bytes(), output) {
            return Err(of_all(one, action, session));
        }
    }
    let target = || changes.first().map(ToString::to_string).unwrap_or_default().into_bytes();
    let permit = session.permit(op, action, target, output)?;
    if how.check {
        return session.firewall.apply(permit, how, Instant::now());
    }
    session.admit_change(op, target, output)?;
    for change in changes.iter().take(NOTES_MAX) {
        let about = if change.verb.ends_with("_element") { about } else { "" };
        session.note(op, format!("{change}{about}").into_bytes(), Decision::Granted, "nft.write", output)?;
    }
    if let Some(more) = changes.len().checked_sub(NOTES_MAX).filter(|more| *more > 0) {
        let target = format!("and {more} more changes in the same transaction").into_bytes();
        session.note(op, target, Decision::Granted, "nft.write", output)?;
    }
    let applied = session.firewall.apply(permit, how, Instant::now());
    if let Err(error) = &applied {
        session.note(op, target(), Decision::Failed, &reply::summary(error), output)?;
    }
    applied
}

/// The same refusal, for whoever asked: with what would grant all that the transaction lacks.
pub(super) fn of_all(one: RequestError, action: impl Action, session: &Session) -> RequestError {
    match (one, authorize(&session.court.policy, session.court.held, action)) {
        (RequestError::DeniedByPolicy(first), Err(all)) if first.rule == all.rule => {
            RequestError::DeniedByPolicy(all)
        }
        (one, _) => one,
    }
}

/// `flush ruleset` is the deletion of every table that there is, each of which the policy has to grant.
fn look_up_tables(
    op: &'static str,
    commands: &mut [Command<'_>],
    session: &mut Session,
    output: &mut Output,
) -> Result<(), RequestError> {
    for command in commands {
        if let Command::Flush(flush @ Flush::Ruleset(_)) = command {
            let permit = session.permit(op, ReadNft, Vec::new, output)?;
            let mut tables = session.firewall.tables(&permit)?;
            if let Flush::Ruleset(Some(family)) = flush {
                tables.retain(|table| table.family == *family);
            }
            *flush = Flush::Tables(tables);
        }
    }
    Ok(())
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
    session.firewall.waits(reference)?;
    session.note(request.row.name, name(reference), Decision::Granted, "nft.confirm", output)?;
    session.firewall.confirm(reference)?;
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
    // What it restores was there before: like a change that takes itself back, it is done whether or not it can be written down.
    let _ = session.note(request.row.name, name(reference), decision, &rule, output);
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
    change(request, "text", accepted.term(), how, session, output)
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
