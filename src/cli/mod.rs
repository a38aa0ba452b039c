//! The command line. The only place that prints, and the only one that joins the policy with the hardening.
#![forbid(unsafe_code)]

mod daemon;
mod dist;
mod doctor;
mod gateway;
mod glass;
mod installed;
mod keys;
mod named;
mod node;
mod node_files;
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

usage: portcullis port --role proc|net [--peer NODE] [--unprivileged] [--allow-root]
       portcullis doctor [--role proc|net] [FILE]
       portcullis policy check [FILE]
       portcullis policy explain [--policy FILE] [--peer NODE] OPERATION [ARGUMENT...]
       portcullis policy suggest [--policy FILE] [LOG]
       portcullis node --config FILE
       portcullis gateway --config FILE
       portcullis dist check --config FILE
       portcullis dist test-filter --config FILE --node NODE --direction in|out --message MESSAGE [TARGET]
       portcullis dist break-glass --config FILE --reason TEXT [--for SECONDS] | --close
       portcullis dist code-key --config FILE
       portcullis dist keys ca|cookie|node NODE --dir DIR [--days N] [--at DIR]
       portcullis --help | --version

port      serves one BEAM on stdin and stdout: {packet, 4} frames of External Term Format. Started by open_port, not
          by hand; the protocol is in docs/protocol.md.
  --role           what to serve: proc (processes, the kernel's state, listed files; changes nothing) or net (firewall,
                   ping, kernel parameters of the network)
  --peer           for that node of Erlang distribution: what the policy says of it narrows everything else
  --unprivileged   give up every capability first; problems of the installation are then told, not fatal
  --allow-root     serve although the user is root

doctor    says what is wrong with the installed FILE (or with this program's own), why, and what to type, for the
          role in its name. Exit status 0: nothing is wrong; 1: something is.

policy    reads /etc/portcullis/policy.toml, which decides what the port does, or another FILE.
  check            the policy in words, or its mistakes with line and column (exit status 1)
  explain          which line allows an operation (0), or which line would (1)
  suggest          lines that would grant what the records in LOG (or stdin) were refused

node      joins Erlang distribution as a hidden node, with copies of the port program behind it, as FILE says. SIGHUP: it is
          read again.

gateway   stands in front of an OTP node, as FILE says: peers connect with it as if it were that node, and every message
          passes the firewall (docs/distribution.md).

dist      reads the file of a distribution node, with the firewall's rules in it (docs/distribution.md).
  check            its mistakes with line and column (exit status 1), or who may connect
  test-filter      what becomes of a message between NODE and the protected node, and by which line: 0 accepted, 1 denied
    --message        reg_send NAME, monitor [NAME], spawn_request M:F/A, or send, link, exit2, ... without target
    --break-glass    as if the glass were broken
  --draft          the file is not in force yet: who could have written it is not asked
  break-glass      the rules of [break_glass] hold on this host's node for a time, which is recorded; only root can
  code-key         makes the key of one-time codes, which break it too, and prints what an authenticator reads
  keys             makes what nodes know each other by, in DIR. What is there is never overwritten
    ca               an authority: ca.pem, which everybody may read, and ca.key, which stays where it is
    node NODE        a certificate for one node, its key, and a file of options for OTP (-ssl_dist_optfile)
    cookie           32 random bytes
    --days           how long a certificate holds: 3650 (ca) and 365 (node) unless told
    --at             where the files will lie on the node's own host, for the file of options
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
        Ok(Command::Dist(command)) => {
            give_up_capabilities();
            dist::run(&command)
        }
        Ok(Command::Gateway(file)) => gateway::run(&file),
        Ok(Command::Keys(command)) => {
            give_up_capabilities();
            keys::run(&command)
        }
        Ok(Command::Node(file)) => node::run(&file),
        Ok(Command::Policy(command)) => {
            give_up_capabilities();
            policy::run(&command)
        }
        Ok(Command::Port(start, peer)) => port::run(start, peer),
        // A frame is for who started the port; everybody else reads words.
        Err(refusal) if arguments.first().is_some_and(|word| word == b"port") => port::refuse(&refusal),
        Err(refusal) => {
            port::complain_of(&refusal);
            ExitCode::from(refusal.reason.code())
        }
    }
}

/// A defect ends as an exit code and one line, not as a signal: unwinding on, or aborting, would look like an attack to
/// whoever reads the kernel's audit log.
fn on_panic(panic: &std::panic::PanicHookInfo<'_>) {
    if crate::sys::guard::active() {
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
