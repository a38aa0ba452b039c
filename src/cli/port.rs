//! `portcullis port`: the whole way from a fresh process to the end of the conversation.
#![forbid(unsafe_code)]

use crate::error::{Reason, Refusal};
use crate::exec;
use crate::harden::{self, Start};
use crate::policy::Policy;
use crate::proc::hidden;
use crate::protocol::hello;
use crate::sys::{fd, process};
use crate::wire::write::Writer;

/// Serves, or says why not. Ends without std's clean-up, which calls what seccomp no longer allows.
pub fn run(start: Start) -> ! {
    match serve(start) {
        Ok(()) => process::exit_now(0),
        Err(refusal) => refuse(&refusal),
    }
}

fn serve(start: Start) -> Result<(), Refusal> {
    check_stdio()?;
    let policy = Policy::builtin();
    let wanted = policy.capabilities(start.role);
    let fenced = harden::begin(start, wanted)?;
    let hidden_proc = hidden::here();
    let confined = fenced.confine(wanted)?;
    match exec::serve(&confined, policy, hidden_proc) {
        Ok(None) => Ok(()),
        Ok(Some(refusal)) => Err(refusal),
        // The peer went while something was written to it: there is nobody left to tell.
        Err(_) => Ok(()),
    }
}

fn check_stdio() -> Result<(), Refusal> {
    if fd::is_pipe_or_socket(fd::stdin()) && fd::is_pipe_or_socket(fd::stdout()) {
        return Ok(());
    }
    Err(Refusal::new(
        Reason::StdioNotPipe,
        "stdin and stdout must be pipes or sockets: this program is started by open_port, not by hand",
        "portcullis doctor   # checks the installation from a terminal",
    ))
}

/// Says why not, to the peer if there can be one and to the log otherwise, and ends.
pub fn refuse(refusal: &Refusal) -> ! {
    let code = refusal.reason.code();
    let told = fd::is_pipe_or_socket(fd::stdout()) && {
        let mut w = Writer::new();
        hello::refused(&mut w, refusal);
        exec::say(w).is_ok()
    };
    if !told || refusal.reason == Reason::StdioNotPipe || refusal.reason == Reason::BadArguments {
        let name = refusal.reason.name();
        let Refusal { message, fix, .. } = refusal;
        super::complain(&format!("portcullis: {name} (exit {code}): {message}\n  to mend it: {fix}\n"));
    }
    process::exit_now(code)
}
