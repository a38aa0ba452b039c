//! The command line. The only place that prints, and the only one that joins the policy with the hardening.
#![forbid(unsafe_code)]

mod doctor;
mod installed;
mod options;
mod policy;
pub mod port;

use std::io::Write;
use std::process::ExitCode;

use crate::error::Reason;
use crate::sys::process;
use options::Command;

const HELP: &str = "\
portcullis: privileged questions for the BEAM, asked through a port

usage: portcullis port --role proc|net [--unprivileged] [--allow-root]
       portcullis doctor [--role proc|net] [FILE]
       portcullis policy check [FILE]
       portcullis policy explain [--policy FILE] OPERATION [ARGUMENT...]
       portcullis policy suggest [--policy FILE] [LOG]
       portcullis --help | --version

port      serves one BEAM on stdin and stdout: {packet, 4} frames of External Term Format. Started by open_port, not
          by hand; the protocol is in docs/protocol.md.
  --role           what to serve: proc (processes, listed files; read only) or net (ping)
  --unprivileged   give up every capability first; problems of the installation are then told, not fatal
  --allow-root     serve although the user is root

doctor    says what is wrong with the installed FILE (or with this program's own), why, and what to type, for the
          role in its name. Exit status 0: nothing is wrong; 1: something is.

policy    reads /etc/portcullis/policy.toml, which decides what the port does, or another FILE.
  check            the policy in words, or its mistakes with line and column (exit status 1)
  explain          which line allows an operation (0), or which line would (1)
  suggest          lines that would grant what the records in LOG (or stdin) were refused
";

/// Runs the program.
pub fn run() -> ExitCode {
    std::panic::set_hook(Box::new(on_panic));
    let arguments: Vec<Vec<u8>> =
        std::env::args_os().skip(1).map(std::os::unix::ffi::OsStringExt::into_vec).collect();
    match options::parse(&arguments) {
        Ok(Command::Help) => {
            say(HELP);
            ExitCode::SUCCESS
        }
        Ok(Command::Version) => {
            say(concat!("portcullis ", env!("CARGO_PKG_VERSION"), "\n"));
            ExitCode::SUCCESS
        }
        Ok(Command::Doctor(asked)) => {
            give_up_capabilities();
            doctor::run(&asked)
        }
        Ok(Command::Policy(command)) => {
            give_up_capabilities();
            policy::run(&command)
        }
        Ok(Command::Port(start)) => port::run(start),
        Err(refusal) => port::refuse(&refusal),
    }
}

/// A defect ends as an exit code and one line, not as a signal: unwinding on, or aborting, would look like an attack to
/// whoever reads the kernel's audit log.
fn on_panic(panic: &std::panic::PanicHookInfo<'_>) {
    if crate::proc::guard::active() {
        return;
    }
    complain(&format!("portcullis: internal error, please report it: {panic}\n"));
    process::exit_now(Reason::Internal.code());
}

/// What only looks needs none of what the file grants. That it failed is no reason not to look: nothing here raises any.
fn give_up_capabilities() {
    let _ = crate::sys::capset::keep_only(crate::capability::Capabilities::NONE);
}

/// The command that was typed, in a form that can be typed again anywhere.
fn me() -> String {
    crate::quote::shell(&crate::sys::fd::own_path().unwrap_or_else(|_| b"portcullis".to_vec()))
}

/// To stdout. Who closed it does not want to read it.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// To stderr, likewise.
fn complain(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
