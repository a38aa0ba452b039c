//! `portcullis node`: from the file to two processes. One reads what a network sends and holds nothing; the other, its starter, starts
//! copies of the port program and reads nothing but single bytes of the first.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use nix::errno::Errno;

use super::daemon::{self, LISTENS, Wrong, creation, few_descriptors, internal, listen, not_by_root, noted};
use super::node_files;
use crate::exec::node::starter;
use crate::exec::node::{self, Setup};
use crate::harden;
use crate::op::Role;
use crate::quote::shell;
use crate::sys::{handover, process};

/// Serves, or says why not.
pub fn run(file: &[u8]) -> ExitCode {
    daemon::run(|| start(file), report)
}

fn start(file: &[u8]) -> Result<(), Wrong> {
    let config = daemon::config(file)?;
    not_by_root()?;
    if config.protects.is_some() {
        return Err((
            "the file is one of a gateway: it has a section [protects]".to_owned(),
            format!("{} gateway --config {}", super::me(), shell(file)),
        ));
    }
    for role in [Role::Proc, Role::Net] {
        executable(role, config.programs.of(role))?;
    }
    let tls = node_files::identity(&config, report)?;
    let cookie = node_files::cookie(&config.cookie_file)?;
    let listeners = config.listen.iter().map(listen).collect::<Result<Vec<_>, Wrong>>()?;
    few_descriptors(&config, report);
    noted(&config, report);
    let (registered, creation) = creation(&config, listeners.first())?;
    let (mine, its) = handover::messages().map_err(|e| internal("a socket to the starter", e))?;
    // To see that it is right: the process that will hold it reads it again, and the other never has it.
    if let Some((path, _)) = &config.policy.code {
        drop(super::glass::read_key(path).map_err(|why| (why, format!("ls -l {}", shell(path.as_bytes()))))?);
    }
    let kept = config.clone();
    process::reset_signals().map_err(|e| internal("resetting signals", e))?;
    // From here on one is kept for the starter, however soon it comes.
    process::hold_hangups().map_err(|e| internal("holding SIGHUP back", e))?;
    process::forbid_dumps().map_err(|e| internal("PR_SET_DUMPABLE", e))?;
    let parent = process::pid();
    if process::fork().map_err(|e| internal("fork", e))?.is_none() {
        drop((mine, registered));
        let setup = Setup { config, creation, cookie, listeners, tls, starter: its, report };
        let serve = || {
            report(LISTENS);
            node::serve(setup)
        };
        daemon::serve(parent, harden::node::confine, serve, report);
    }
    // Only the node may hold these: when it has gone, nobody listens.
    drop((its, listeners, cookie, tls));
    let source = daemon::source(file, kept, registered, None, report)?;
    starter::serve_all(&mine, source).map_err(|e| internal("the socket to the node", e))
}

fn report(text: &str) {
    daemon::tell("portcullis node", text);
}

/// What every session would be told is told at the start.
fn executable(role: Role, program: Option<&str>) -> Result<(), Wrong> {
    let Some(program) = program else { return Ok(()) };
    process::may_execute(program).map_err(|e| {
        let name = shell(program.as_bytes());
        let fix = match e {
            Errno::EACCES => {
                format!("ls -l {name}; sudo usermod -aG GROUP USER   # its group; then log in again")
            }
            _ => format!(
                "sudo sh scripts/install.sh --role {}   # or name the file that is there in [programs]",
                role.name()
            ),
        };
        (format!("the program of role {} cannot be executed: {name}: {}", role.name(), e.desc()), fix)
    })
}
