//! One frame, from bytes to effect: scan, decode, judge, carry out. The only match over operations.
#![forbid(unsafe_code)]

use std::time::Instant;

use crate::audit::record::Decision;
use crate::error::{RequestError, Why};
use crate::exec::bans;
use crate::exec::counters::Now;
use crate::exec::firewall;
use crate::exec::output::Output;
use crate::exec::parameters;
use crate::exec::rows::failure;
use crate::exec::session::Session;
use crate::exec::subscribe;
use crate::exec::tables;
use crate::file::args::{FileCloseArgs, FileOpenArgs, FileReadArgs};
use crate::icmp::args::PingArgs;
use crate::ids::RequestId;
use crate::limits::PID_MAX;
use crate::op::Op;
use crate::policy::permit::Permit;
use crate::policy::rules::ProcLevel;
use crate::proc::action::ReadProcesses;
use crate::proc::args::ProcessArgs;
use crate::proc::scan;
use crate::proc::tables::processes::TABLE;
use crate::protocol::reply;
use crate::protocol::request::{self, Message, Request};
use crate::wire::atoms;
use crate::wire::scan::{Bounds, validate};
use crate::wire::schema::{At, fields, integer};
use crate::wire::write::Writer;

/// Takes one frame. Whatever is wrong with it is answered; nothing ends but the request.
pub fn frame(body: &[u8], session: &mut Session, output: &mut Output) {
    let accepted = match validate(body, Bounds::of(session.court.role)) {
        Ok(accepted) => accepted,
        Err(malformed) => {
            session.counters.bad_frames = session.counters.bad_frames.saturating_add(1);
            let offset = u64::try_from(malformed.offset).unwrap_or(u64::MAX);
            let error = RequestError::BadFrame(offset, malformed.why.name());
            return reply::error(output.frames(), RequestId::NONE, &error);
        }
    };
    let result = match request::decode(accepted.term(), session.court.role) {
        Ok(Message::Request(request)) => take(&request, session, output),
        Ok(Message::Cancel(id)) => {
            session.cancel(id, output);
            Ok(())
        }
        Ok(Message::Credit(id, more)) => {
            session.grant(id, more, output);
            Ok(())
        }
        Err(error) => Err(error),
    };
    if let Err((id, error)) = result {
        session.counters.errors = session.counters.errors.saturating_add(1);
        reply::error(output.frames(), id, &error);
    }
}

fn take(
    request: &Request<'_>,
    session: &mut Session,
    output: &mut Output,
) -> Result<(), (RequestId, RequestError)> {
    if session.has(request.id) {
        let twice = At::Index(&At::Top, 2).error(Why::InFlight);
        return Err(twice.of(RequestId::NONE));
    }
    let op = request.row.name;
    let admitted = session.admit(op, output).and_then(|()| session.admit_peer(op, output));
    admitted.and_then(|()| carry_out(request, session, output)).map_err(|e| e.of(request.id))
}

/// The one match: arguments are read, the policy is asked, the permit is used.
fn carry_out(request: &Request<'_>, session: &mut Session, output: &mut Output) -> Result<(), RequestError> {
    match request.row.op {
        Op::Info => info(request, session, output),
        Op::Process => process(request, session, output),
        Op::Processes => processes(request, session, output),
        Op::Query => tables::query(request, session, output),
        Op::Tables => tables::list(request, session, output),
        Op::FileOpen => file_open(request, session, output),
        Op::FileRead => {
            let args = FileReadArgs::decode(request.args, &At::Top)?;
            let path = session.handles.path(args.handle);
            let read = answer(output.frames(), request.id, |w| session.handles.read(args, Instant::now(), w));
            if let Err(RequestError::DeniedByPolicy(denial)) = &read {
                session.note(
                    request.row.name,
                    path.unwrap_or_default(),
                    Decision::Denied,
                    denial.rule,
                    output,
                )?;
            }
            read
        }
        Op::FileClose => {
            let args = FileCloseArgs::decode(request.args, &At::Top)?;
            session.handles.close(args.handle)?;
            reply::ok(output.frames(), request.id, |w| w.atom(atoms::OK));
            Ok(())
        }
        Op::Ping => ping(request, session, output),
        Op::NftApply => firewall::apply(request, session, output),
        Op::NftConfirm => firewall::confirm(request, session, output),
        Op::NftRollback => firewall::roll_back(request, session, output),
        Op::NftList => firewall::list(request, session, output),
        Op::NftJson => firewall::text(request, session, output),
        Op::Ban => bans::ban(request, session, output),
        Op::Unban => bans::unban(request, session, output),
        Op::Banned => bans::banned(request, session, output),
        Op::SysctlGet => parameters::get(request, session, output),
        Op::SysctlSet => parameters::set(request, session, output),
        Op::SysctlList => parameters::list(request, session, output),
        Op::Subscribe => subscribe::subscribe(request, session, output),
    }
}

fn info(request: &Request<'_>, session: &Session, output: &mut Output) -> Result<(), RequestError> {
    let [] = fields(request.args, &At::Top, [])?;
    let now = Now {
        in_flight: session.in_flight(),
        handles: session.handles.len(),
        subscriptions: session.subscriptions(),
        lost: session.trail.lost(),
    };
    reply::ok(output.frames(), request.id, |w| session.counters.write(w, &now));
    Ok(())
}

fn process(request: &Request<'_>, session: &mut Session, output: &mut Output) -> Result<(), RequestError> {
    let links = session.court.policy.rules().proc.level >= ProcLevel::Basic;
    let mut args = ProcessArgs::decode(request.args, &At::Top, links)?;
    args.cell_max = tables::cell_max(session, args.cell_max);
    let action = args.action().on_hidden_proc(session.court.hidden_proc);
    let permit = session.permit(request.row.name, action, || args.names(), output)?;
    one_process(request.id, permit, &args, output.frames())
}

fn one_process(
    id: RequestId,
    permit: Permit<ReadProcesses>,
    args: &ProcessArgs,
    w: &mut Writer,
) -> Result<(), RequestError> {
    answer(w, id, |w| {
        let found = scan::process(permit, args, w).map_err(failure)?;
        found.ok_or(RequestError::NoProcess)
    })
}

/// `{ok, Id, Value}` with the term that `value` writes, or nothing if it fails.
fn answer(
    w: &mut Writer,
    id: RequestId,
    value: impl FnOnce(&mut Writer) -> Result<(), RequestError>,
) -> Result<(), RequestError> {
    let before = w.len();
    let mut result = Ok(());
    reply::ok(w, id, |w| result = value(w));
    if result.is_err() {
        w.truncate(before);
    }
    result
}

/// The table of that name, as an operation of its own.
fn processes(request: &Request<'_>, session: &mut Session, output: &mut Output) -> Result<(), RequestError> {
    let keys = ["columns", "where", "limit", "cell_max"];
    let [columns, conditions, limit, cell_max] = fields(request.args, &At::Top, keys)?;
    // There are no more than so many.
    limit.map(|term| integer(term, &At::Key(&At::Top, "limit"), 1, u64::from(PID_MAX))).transpose()?;
    let asked = tables::Arguments { columns, conditions, limit, cell_max, interval: None };
    tables::rows(request, &TABLE, &asked, session, output)
}

fn file_open(request: &Request<'_>, session: &mut Session, output: &mut Output) -> Result<(), RequestError> {
    let action = FileOpenArgs::decode(request.args, &At::Top)?.action();
    let path = action.path.bytes().to_vec();
    let op = request.row.name;
    let permit = session.permit(op, action, || path.clone(), output)?;
    session.note(op, path.clone(), Decision::Granted, "files.read", output)?;
    match session.handles.open(permit, Instant::now()) {
        Ok(opened) => {
            reply::ok(output.frames(), request.id, |w| opened.write(w));
            Ok(())
        }
        Err(error) => {
            // What is at the path is the attacker's doing where he can write there: that is worth a record of its own.
            let rule = reply::summary(&error);
            session.note(op, path, Decision::Failed, &rule, output)?;
            Err(error)
        }
    }
}

fn ping(request: &Request<'_>, session: &mut Session, output: &mut Output) -> Result<(), RequestError> {
    let args = PingArgs::decode(request.args, &At::Top)?;
    let op = request.row.name;
    let target = || args.address.to_string().into_bytes();
    let permit = session.permit(op, args.action(), target, output)?;
    session.place()?;
    session.note(op, target(), Decision::Granted, "ping.allow", output)?;
    session.pings.clear_out();
    let now = Instant::now();
    let deadline = now + session.court.policy.deadline(request.timeout_ms);
    session.pings.send(permit, request.id, args.size, deadline, now)
}

/// A frame that was longer than this role takes: its body is skipped, and it is said.
pub fn too_long(session: &mut Session, output: &mut Output) {
    session.counters.bad_frames = session.counters.bad_frames.saturating_add(1);
    let error = RequestError::BadFrame(0, atoms::FRAME_TOO_LONG.name());
    reply::error(output.frames(), RequestId::NONE, &error);
}
