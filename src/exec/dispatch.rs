//! One frame, from bytes to effect: scan, decode, judge, carry out. The only match over operations.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use crate::capability::Capabilities;
use crate::error::{Denial, RequestError};
use crate::exec::counters::Counters;
use crate::exec::output::Output;
use crate::exec::rows::{RowAnswer, failure};
use crate::exec::running::Running;
use crate::ids::RequestId;
use crate::op::{Op, Role};
use crate::policy::permit::Permit;
use crate::policy::{self, Policy};
use crate::proc::action::ReadProcesses;
use crate::proc::args::{ProcessArgs, ProcessesArgs};
use crate::proc::scan::{self, Scan};
use crate::protocol::reply;
use crate::protocol::request::{self, Message, Request};
use crate::wire::atoms;
use crate::wire::scan::{Bounds, validate};
use crate::wire::schema::At;
use crate::wire::write::Writer;

/// What judges requests.
#[derive(Debug)]
pub struct Court {
    /// The role of this copy.
    pub role: Role,
    /// The rules.
    pub policy: Policy,
    /// The capabilities that are left.
    pub held: Capabilities,
    /// `/proc` is mounted so that other users' processes are hidden.
    pub hidden_proc: bool,
}

/// How a request goes on.
enum Outcome {
    /// The answer is in the output.
    Answered,
    /// An answer of many rows begins.
    Rows(Box<RowAnswer>),
}

/// Takes one frame. Whatever is wrong with it is answered; nothing ends but the request.
pub fn frame(
    body: &[u8],
    court: &Court,
    running: &mut Running,
    output: &mut Output,
    counters: &mut Counters,
) {
    let accepted = match validate(body, &Bounds::PROC) {
        Ok(accepted) => accepted,
        Err(malformed) => {
            counters.bad_frames = counters.bad_frames.saturating_add(1);
            let offset = u64::try_from(malformed.offset).unwrap_or(u64::MAX);
            let error = RequestError::BadFrame(offset, malformed.why.name());
            return reply::error(output.frames(), RequestId::NONE, &error);
        }
    };
    let result = match request::decode(accepted.term(), court.role) {
        Ok(Message::Request(request)) => take(&request, court, running, output, counters),
        Ok(Message::Cancel(id)) => {
            running.cancel(id, output);
            Ok(())
        }
        Ok(Message::Credit(id, chunks)) => {
            running.grant(id, chunks);
            Ok(())
        }
        Err(error) => Err(error),
    };
    if let Err((id, error)) = result {
        counters.errors = counters.errors.saturating_add(1);
        reply::error(output.frames(), id, &error);
    }
}

fn take(
    request: &Request<'_>,
    court: &Court,
    running: &mut Running,
    output: &mut Output,
    counters: &mut Counters,
) -> Result<(), (RequestId, RequestError)> {
    counters.requests = counters.requests.saturating_add(1);
    if running.has(request.id) {
        let twice = At::Index(&At::Top, 2).error(crate::error::Why::InFlight);
        return Err(twice.of(RequestId::NONE));
    }
    let w = output.frames();
    match carry_out(request, court, running, w, counters).map_err(|e| e.of(request.id))? {
        Outcome::Answered => Ok(()),
        Outcome::Rows(answer) => running.queue(*answer).map_err(|e| e.of(request.id)),
    }
}

/// The one match: arguments are read, the policy is asked, the permit is used.
fn carry_out(
    request: &Request<'_>,
    court: &Court,
    running: &Running,
    w: &mut Writer,
    counters: &Counters,
) -> Result<Outcome, RequestError> {
    let at = At::Top;
    match request.row.op {
        Op::Info => {
            let [] = crate::wire::schema::fields(request.args, &at, [])?;
            reply::ok(w, request.id, |w| counters.write(w, running.len()));
            Ok(Outcome::Answered)
        }
        Op::Process => {
            let args = ProcessArgs::decode(request.args, &at)?;
            let action = args.action().on_hidden_proc(court.hidden_proc);
            let permit = policy::authorize(&court.policy, court.held, action).map_err(denied)?;
            one_process(request.id, permit, &args, w)?;
            Ok(Outcome::Answered)
        }
        Op::Processes => {
            let args = ProcessesArgs::decode(request.args, &at)?;
            let action = args.action().on_hidden_proc(court.hidden_proc);
            let permit = policy::authorize(&court.policy, court.held, action).map_err(denied)?;
            let timeout = Duration::from_millis(request.timeout_ms.min(court.policy.deadline_ms()));
            let deadline = Instant::now() + timeout;
            let answer = RowAnswer::new(request.id, deadline, Scan::new(permit, args));
            Ok(Outcome::Rows(Box::new(answer)))
        }
        Op::FileOpen | Op::FileRead | Op::FileClose | Op::Ping | Op::Subscribe => {
            Err(RequestError::Unsupported(request.row.name.as_bytes().to_vec()))
        }
    }
}

fn one_process(
    id: RequestId,
    permit: Permit<ReadProcesses>,
    args: &ProcessArgs,
    w: &mut Writer,
) -> Result<(), RequestError> {
    let before = w.len();
    let mut result = Ok(Some(()));
    reply::ok(w, id, |w| result = scan::process(permit, args, w));
    match result {
        Ok(Some(())) => return Ok(()),
        Ok(None) | Err(_) => w.truncate(before),
    }
    result.map_err(failure).and_then(|found| found.ok_or(RequestError::NoProcess))
}

fn denied(denial: Denial) -> RequestError {
    RequestError::DeniedByPolicy(denial)
}

/// A frame that was longer than this role takes: its body is skipped, and it is said.
pub fn too_long(output: &mut Output, counters: &mut Counters) {
    counters.bad_frames = counters.bad_frames.saturating_add(1);
    let error = RequestError::BadFrame(0, atoms::FRAME_TOO_LONG.name());
    reply::error(output.frames(), RequestId::NONE, &error);
}
