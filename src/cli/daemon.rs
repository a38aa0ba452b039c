//! What `portcullis node` and `portcullis gateway` do alike: how they begin, what an administrator hears where they cannot, and how the process
//! that reads what a network sends gives up everything.
#![forbid(unsafe_code)]

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::libc::PIPE_BUF;
use nix::sys::resource::Resource;

use crate::audit::log::Log;
use crate::dist::config::notes::notes;
use crate::dist::config::{Config, Connections, Epmd};
use crate::error::Refusal;
use crate::exec::node::epmd::Registration;
use crate::exec::node::starter::Source;
use crate::limits::NODE_DESCRIPTORS_OWN;
use crate::quote::shell;
use crate::sys::poll::{self, Interest};
use crate::sys::process::{self, Orphaned};
use crate::sys::{fd, random};

/// Why there is no node, and what mends it.
pub(super) type Wrong = (String, String);

/// Begins with nothing that was handed down, and serves until another of its processes has ended; or says why not.
pub(super) fn run(start: impl FnOnce() -> Result<(), Wrong>, report: fn(&str)) -> ExitCode {
    // What a copy may do its own file says. These programs need nothing, before and after.
    super::give_up_capabilities();
    let started = fd::close_inherited().map_err(|e| internal("closing inherited descriptors", e));
    let in_time = || process::usual_timer_slack().map_err(|e| internal("PR_SET_TIMERSLACK", e));
    match started.and_then(|()| in_time()).and_then(|()| start()) {
        Ok(()) => report("its other process has ended"),
        Err((why, fix)) => report(&format!("{why}\n  to mend it: {fix}")),
    }
    ExitCode::FAILURE
}

/// Lines that nobody read in time.
static LOST: AtomicU64 = AtomicU64::new(0);

/// A line for whoever reads stderr.
pub(super) fn tell(program: &str, text: &str) {
    tell_to(&mut std::io::stderr(), &LOST, program, text);
}

/// At once or not at all: peers must not wait for a log that has stopped. How many were lost is told with the next.
fn tell_to(log: &mut (impl Write + AsFd), lost: &AtomicU64, program: &str, text: &str) {
    let before = match lost.load(Ordering::Relaxed) {
        0 => String::new(),
        n => format!("{program}: {n} lines before this one are lost: nobody read them\n"),
    };
    let mut line = format!("{before}{program}: {text}\n").into_bytes();
    // A pipe that has room has room for a page.
    if line.len() > PIPE_BUF {
        line.truncate(PIPE_BUF - 1);
        line.push(b'\n');
    }
    let can = poll::now(&[Interest { fd: log.as_fd(), read: false, write: true }]);
    if can.is_ok_and(|can| can.first().is_some_and(|can| can.write)) {
        lost.store(0, Ordering::Relaxed);
        // Who closed it does not want to read it.
        let _ = log.write_all(&line);
    } else {
        lost.fetch_add(1, Ordering::Relaxed);
    }
}

/// A process that was forked: it keeps what `confine` leaves it, and serves. Ends without std's clean-up, which calls what seccomp no longer
/// allows.
pub(super) fn serve(
    parent: u32,
    confine: impl FnOnce() -> Result<(), Refusal>,
    serve: impl FnOnce() -> Result<(), Errno>,
    report: fn(&str),
) -> ! {
    let served = give_up(parent, confine).and_then(|()| serve().map_err(|e| e.desc().to_owned()));
    if let Err(why) = served {
        report(&why);
    }
    process::exit_now(1)
}

/// Said by the process that peers connect with when it has given everything up: whoever waits for it finds that done.
pub(super) const LISTENS: &str = "listens";

/// Nothing of what its parent has, whom it does not outlive, but what `confine` leaves.
fn give_up(parent: u32, confine: impl FnOnce() -> Result<(), Refusal>) -> Result<(), String> {
    process::clear_environment();
    process::die_with_parent(Orphaned::Killed).map_err(|e| e.to_string())?;
    // If it ended before the signal was asked for, none will come.
    if u32::try_from(process::parent()) != Ok(parent) {
        process::exit_now(1);
    }
    // What its file is read again by may come to a whole unit, and ends none of its processes: not one that has come while it was held
    // back for the parent either.
    process::ignore_hangups()
        .and_then(|()| process::let_signals_in())
        .and_then(|()| process::neutral_directory())
        .map_err(|e| e.to_string())?;
    confine().map_err(|refusal| refusal.message)
}

/// The command that says what is wrong with the file.
fn check(file: &[u8]) -> String {
    format!("{} dist check --config {}", super::me(), shell(file))
}

/// What the file says.
pub(super) fn config(file: &[u8]) -> Result<Config, Wrong> {
    let loaded = super::dist::load(file, false);
    loaded.map(|(_, config)| config).map_err(|text| (text.trim_end().to_owned(), check(file)))
}

/// What the process that reads the file again begins with. `beside`: another that is told of it first.
pub(super) fn source(
    file: &[u8],
    config: Config,
    registered: Option<Registration>,
    beside: Option<OwnedFd>,
    report: fn(&str),
) -> Result<Source, Wrong> {
    Ok(Source {
        path: String::from_utf8_lossy(file).into_owned(),
        config,
        read: |path| super::dist::load(path.as_bytes(), false),
        key: super::glass::read_key,
        check: check(file),
        registered,
        beside,
        hangups: process::hangups().map_err(|e| internal("a descriptor for SIGHUP", e))?,
        log: Log::of_node().map_err(|e| report(&format!("without a trail in the system's log: {e}"))).ok(),
        report,
    })
}

pub(super) fn internal(what: &str, e: impl std::fmt::Display) -> Wrong {
    (format!("{what}: {e}"), "dmesg | tail   # a container profile or a limit forbids it".to_owned())
}

/// Copies of the port program would refuse to serve, one after the other.
pub(super) fn not_by_root() -> Result<(), Wrong> {
    if !process::is_root() {
        return Ok(());
    }
    let why = "it was started by root; it is meant for an ordinary user, who needs no privilege for it";
    Err((
        why.to_owned(),
        "runuser -u USER -- COMMAND   # USER owns the cookie, and is in the group of the program".to_owned(),
    ))
}

/// Says so where the host lets it have fewer descriptors than its file lets peers and strangers take: whoever is one too many waits.
pub(super) fn few_descriptors(config: &Config, report: fn(&str)) {
    let Connections { half_open, nodes, .. } = config.connections;
    let beside = if config.protects.is_some() { 2 } else { 1 };
    let needs = NODE_DESCRIPTORS_OWN.saturating_add(half_open).saturating_add(nodes.saturating_mul(beside));
    let most = process::hard_limit(Resource::RLIMIT_NOFILE).unwrap_or(u64::MAX);
    if u64::try_from(needs).is_ok_and(|needs| needs > most) {
        report(&format!(
            "it may have {most} descriptors, and [connections] of its file can take {needs}: who is one too many waits\n  to mend it: ulimit -n {needs}   # of a unit: LimitNOFILE={needs}; or lower half_open and nodes"
        ));
    }
}

/// What its file may not have meant.
pub(super) fn noted(config: &Config, report: fn(&str)) {
    notes(config).iter().for_each(|note| report(&format!("note: {note}")));
}

pub(super) fn listen(at: &SocketAddr) -> Result<TcpListener, Wrong> {
    TcpListener::bind(at).map_err(|e| {
        let fix = match e.kind() {
            ErrorKind::AddrNotAvailable => "ip address   # the addresses of this host".to_owned(),
            _ => format!("ss -ltnp 'sport = :{}'   # who has the port", at.port()),
        };
        (format!("it cannot listen on {at}: {e}"), fix)
    })
}

/// Which start of the node this is: what the port mapper says, and what keeps the name there; a number of its own without one.
pub(super) fn creation(
    config: &Config,
    listener: Option<&TcpListener>,
) -> Result<(Option<Registration>, u32), Wrong> {
    if let (Epmd::At(daemon), Some(Ok(at))) = (config.epmd, listener.map(TcpListener::local_addr)) {
        let registered = Registration::new(daemon, config.name.alive(), at.port());
        let (registration, creation) = registered.map_err(|e| {
            (
                format!("epmd at {daemon}: {e}"),
                "epmd -daemon   # or take epmd out of [node]; epmd -names shows who has the name".to_owned(),
            )
        })?;
        return Ok((Some(registration), creation));
    }
    // 0 stands for none, 1 to 3 for those of OTP before 23.
    let number = random::number().map_err(|e| internal("getrandom", e))?;
    Ok((None, number.max(4)))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use nix::unistd::pipe;

    use super::*;

    /// A log driver that has stopped reading held up a gateway, and with it every peer.
    #[test]
    fn who_does_not_read_the_log_holds_up_nobody() {
        let (read, write) = pipe().unwrap();
        let (mut read, mut write) = (File::from(read), File::from(write));
        let lost = AtomicU64::new(0);
        // More than a pipe holds, in lines that are longer than a page.
        for n in 0..100 {
            tell_to(&mut write, &lost, "it", &format!("line {n} {}", "x".repeat(2 * PIPE_BUF)));
        }
        let missing = lost.load(Ordering::Relaxed);
        assert!((1..100).contains(&missing), "{missing}");
        let mut page = [0; PIPE_BUF];
        while lost.load(Ordering::Relaxed) != 0 {
            read.read_exact(&mut page).unwrap();
            tell_to(&mut write, &lost, "it", "it goes on");
        }
        drop(write);
        let mut rest = Vec::new();
        read.read_to_end(&mut rest).unwrap();
        let rest = String::from_utf8(rest).unwrap();
        // What is cut is a line all the same.
        assert!(rest.lines().skip(1).all(|line| line.starts_with("it: ")), "{rest}");
        assert!(
            rest.contains("lines before this one are lost") && rest.ends_with("it: it goes on\n"),
            "{rest}"
        );
    }
}
