//! `portcullis gateway`: from the file to three processes. One reads what peers say and can open nothing; another knows the cookie of the
//! protected node, calls that node, and reads nothing of any peer; the first of all reads the file again, and reads no network.
#![forbid(unsafe_code)]

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::time::Duration;

use super::daemon::{self, LISTENS, Wrong, creation, few_descriptors, internal, listen, not_by_root, noted};
use super::node_files::{self, cookie};
use crate::dist::config::{Place, Protects};
use crate::exec::gateway::{self, Setup, dialer};
use crate::exec::node::starter;
use crate::harden;
use crate::quote::shell;
use crate::sys::{addresses, handover, process};

/// A host that is this one answers at once.
const PATIENCE: Duration = Duration::from_millis(200);

/// Serves, or says why not.
pub fn run(file: &[u8]) -> ExitCode {
    daemon::run(|| start(file), report)
}

fn start(file: &[u8]) -> Result<(), Wrong> {
    let config = daemon::config(file)?;
    not_by_root()?;
    let edit = format!("sudoedit {}", shell(file));
    let Some(protects) = config.protects.clone() else {
        return Err((
            "the file does not say which node it protects: it is that of a node".to_owned(),
            format!(
                "{edit}   # a section [protects] with name, at and cookie_file; or: {} node --config {}",
                super::me(),
                shell(file)
            ),
        ));
    };
    let Protects { name, cookie_file, place } = protects;
    let tls = node_files::identity(&config, report)?;
    let (theirs, its_own) = (cookie(&config.cookie_file)?, cookie(&cookie_file)?);
    // Whoever knows the cookie of the node needs no gateway.
    if theirs.digest(0).is(&its_own.digest(0).0) {
        return Err((
            format!("peers and {name} have the same cookie, so that peers can go around the gateway"),
            format!(
                "head -c 24 /dev/urandom | base64 | sudo tee {} >/dev/null",
                shell(config.cookie_file.as_bytes())
            ),
        ));
    }
    let listeners = config.listen.iter().map(listen).collect::<Result<Vec<_>, Wrong>>()?;
    few_descriptors(&config, report);
    noted(&config, report);
    let (registered, _) = creation(&config, listeners.first())?;
    if let Place::At(at) = place {
        exposed(&name, at, &config.listen);
    }
    let callee = dialer::Callee { name, cookie: its_own, place, allow: config.policy.allow.clone() };
    let kept = config.clone();
    let pair = || handover::messages().map_err(|e| internal("a socket between two processes", e));
    let ((asks, answers), (front, told), (beside, learns)) = (pair()?, pair()?, pair()?);
    process::reset_signals().map_err(|e| internal("resetting signals", e))?;
    // From here on one is kept for the process that reads the file again, however soon it comes.
    process::hold_hangups().map_err(|e| internal("holding SIGHUP back", e))?;
    process::forbid_dumps().map_err(|e| internal("PR_SET_DUMPABLE", e))?;
    let setup = Setup { config, cookie: theirs, listeners, tls, dialer: asks, starter: told, report };
    let parent = process::pid();
    // Each process has the ends of its own sockets only: when one has gone, the others see it. Cookies and keys are overwritten where
    // nobody needs them.
    if process::fork().map_err(|e| internal("fork", e))?.is_none() {
        drop((callee, registered, answers, front, beside, learns));
        serve(setup, parent);
    }
    drop(setup);
    if process::fork().map_err(|e| internal("fork", e))?.is_none() {
        drop((registered, front, beside));
        call(callee, &answers, &learns, parent);
    }
    drop((callee, answers, learns));
    let source = daemon::source(file, kept, registered, Some(beside), report)?;
    harden::gateway::confine_starter()
        .map_err(|refusal| internal("giving privileges up", refusal.message))?;
    starter::serve_all(&front, source).map_err(|e| internal("a socket to the other processes", e))
}

/// The process that reads what peers say.
fn serve(setup: Setup, parent: u32) -> ! {
    let serve = || {
        report(LISTENS);
        gateway::serve(setup)
    };
    daemon::serve(parent, harden::gateway::confine, serve, report)
}

/// The process that calls the protected node.
fn call(callee: dialer::Callee, gateway: &OwnedFd, file: &OwnedFd, parent: u32) -> ! {
    let ports = match callee.place {
        Place::At(at) => Some([at.port()]),
        Place::Epmd(_) => None,
    };
    let confine = || harden::gateway::confine_dialer(ports.as_ref().map(<[u16; 1]>::as_slice));
    daemon::serve(parent, confine, || dialer::serve(gateway, file, callee), report)
}

fn report(text: &str) {
    daemon::tell("portcullis gateway", text);
}

/// Says so if peers could reach the node without the gateway: a hint, as a packet filter may stand in between that this host's own
/// connections do not pass.
fn exposed(name: &crate::dist::handshake::name::NodeName, at: SocketAddr, own: &[SocketAddr]) {
    if !at.ip().is_loopback() {
        report(&format!(
            "{name} is called at {at}: see to it that this port takes connections from the gateway only, for example\n  nft add rule inet filter input tcp dport {} ip saddr != GATEWAY drop",
            at.port()
        ));
        return;
    }
    let elsewhere = |ip: &IpAddr| {
        let there = SocketAddr::new(*ip, at.port());
        let mine =
            own.iter().any(|own| own.port() == at.port() && (own.ip() == *ip || own.ip().is_unspecified()));
        !mine && TcpStream::connect_timeout(&there, PATIENCE).is_ok()
    };
    let addresses = addresses::others().unwrap_or_default();
    if let Some(ip) = addresses.into_iter().find(elsewhere) {
        report(&format!(
            "something answers at {} too: if that is {name}, peers can go around the gateway\n  to mend it: start it with -kernel inet_dist_use_interface '{{127,0,0,1}}'",
            SocketAddr::new(ip, at.port())
        ));
    }
}
