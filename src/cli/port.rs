//! `portcullis port`: the whole way from a fresh process to the end of the conversation.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;

use crate::audit::log::{Log, Sink};
use crate::audit::record::{Decision, Event};
use crate::capability::{Capabilities, Capability};
use crate::dist::handshake::name::NodeName;
use crate::error::{Reason, Refusal};
use crate::exec::{self, Court, Session, Watches};
use crate::harden::{self, Confined, Fenced, Start};
use crate::helper::pool::Pool;
use crate::icmp::pings::Pings;
use crate::limits::WATCH_ROOM;
use crate::measure::{Measure, in_force};
use crate::netlink::dump::Links;
use crate::nft::events::Events;
use crate::nft::firewall::Firewall;
use crate::nft::marker::{self, Orphan};
use crate::nft::transport::Link;
use crate::nft::transport::watch::Watch;
use crate::op::Role;
use crate::policy::{self, Policy};
use crate::proc::hidden;
use crate::protocol::hello::{self, Hello};
use crate::sys::netlink::{Socket, Tells};
use crate::sys::parameters::Directory;
use crate::sys::{capset, fd, icmp, process};
use crate::sysctl::parameters::Parameters;
use crate::watch::network::Network;
use crate::watch::processes::Processes;
use crate::wire::write::Writer;

/// Serves, or says why not. Ends without std's clean-up, which calls what seccomp no longer allows.
pub fn run(start: Start, peer: Option<NodeName>) -> ! {
    match serve(start, peer) {
        Ok(()) => process::exit_now(0),
        Err(refusal) => refuse(&refusal),
    }
}

fn serve(start: Start, peer: Option<NodeName>) -> Result<(), Refusal> {
    check_stdio()?;
    match converse(prepare_for(start, peer)?)? {
        Ok(None) => Ok(()),
        Ok(Some(refusal)) => Err(refusal),
        // The peer went while something was written to it: there is nobody left to tell.
        Err(_) => Ok(()),
    }
}

/// A process that may read its first byte of input, and what it opened before that.
#[derive(Debug)]
pub struct Prepared {
    /// The proof that it is confined.
    pub confined: Confined,
    policy: Policy,
    log: Log,
    pings: Pings,
    firewall: (Firewall, Events),
    links: Links,
    watches: Watches,
    helpers: Pool,
    termination: Option<OwnedFd>,
    parameters: Parameters,
    hidden_proc: bool,
}

/// The whole way up to the first byte of input.
pub fn prepare(start: Start) -> Result<Prepared, Refusal> {
    prepare_for(start, None)
}

/// The same for a node of distribution, if one is named.
fn prepare_for(start: Start, peer: Option<NodeName>) -> Result<Prepared, Refusal> {
    let mut fenced = harden::begin(start)?;
    let policy = policy_of(&mut fenced)?;
    let policy = peer.iter().fold(policy, |policy, peer| policy.for_peer(peer.as_str()));
    check_peers(&policy)?;
    let wanted = policy.capabilities(start.role);
    fenced.require(wanted)?;
    let mut log = open_log(&fenced, &policy)?;
    log.set_node(peer.as_ref().map(NodeName::as_str));
    let pings = open_pings(&mut fenced, &policy)?;
    let firewall = open_firewall(&mut fenced, &policy, &mut log)?;
    let links = open_links(start.role, &policy)?;
    let watches = open_watches(start.role, &policy)?;
    let termination = open_termination(start.role)?;
    let parameters = open_parameters(&fenced, &policy)?;
    let hidden_proc = hidden::here();
    let helped = start.role == Role::Proc && policy.disk_usage();
    let kept = if start.role == Role::Proc { policy.limits().kept_descriptors } else { 0 };
    let (confined, helpers) = fenced.confine(wanted, parameters.directory(), kept, helped)?;
    Ok(Prepared {
        confined,
        policy,
        log,
        pings,
        firewall,
        links,
        watches,
        helpers,
        termination,
        parameters,
        hidden_proc,
    })
}

/// What came of a conversation: how it ended, or that there was nobody to end it with.
type Ended = std::io::Result<Option<Refusal>>;

fn converse(prepared: Prepared) -> Result<Ended, Refusal> {
    let Prepared {
        confined,
        policy,
        mut log,
        pings,
        firewall,
        links,
        watches,
        helpers,
        termination,
        parameters,
        hidden_proc,
    } = prepared;
    let name = policy.name();
    let role_max = confined.role().frame_max();
    let frame_max = usize::try_from(policy.limits().frame_max).map_or(role_max, |max| max.min(role_max));
    log.set_held(confined.held());
    let started = Event {
        op: "start",
        target: name.clone().into_bytes(),
        decision: Decision::Loaded,
        rule: "policy".into(),
    };
    if log.write(&started).is_err() {
        return Err(no_log("a record could not be written"));
    }
    // Not a measure of ours; but what is not seen shall not pass for what is not there.
    let features = [confined.features(), if hidden_proc { &["hidepid"] } else { &[] }].concat();
    let greeting = Hello {
        role: confined.role(),
        held: confined.held(),
        missing: confined.missing(),
        features: &features,
        findings: confined.findings(),
        policy: &name,
        frame_max,
    };
    let court = Court { role: confined.role(), policy, held: confined.held(), hidden_proc };
    let mut session = Session::new(court, log, pings);
    (session.firewall, session.events) = firewall;
    session.links = links;
    session.watches = watches;
    session.helpers = helpers;
    session.termination = termination;
    session.parameters = parameters;
    Ok(exec::serve(session, &greeting))
}

/// The policy of the file. Without privileges there is nothing that a wrong file could give away, so that it is a finding
/// there, and what every user sees is served.
fn policy_of(fenced: &mut Fenced) -> Result<Policy, Refusal> {
    match policy::file::load() {
        Ok(policy) => Ok(policy),
        Err(refusal) => fenced.find(refusal).map(|()| Policy::without_a_file()),
    }
}

/// The sockets of the audit trail. Whoever starts the program chooses its limits and must not be able to choose silence, so
/// that anything but an absent daemon ends it.
fn open_log(fenced: &Fenced, policy: &Policy) -> Result<Log, Refusal> {
    let audit = policy.audit();
    let log = Log::open(fenced.start().role, audit.syslog, audit.kernel).map_err(|e| {
        Refusal::new(
            Reason::HardeningFailed,
            format!("the sockets of the audit trail cannot be opened: {e}"),
            "ls -l /dev/log; ulimit -n   # a socket that everybody may write to; 128 or more",
        )
    })?;
    if audit.syslog == Sink::Required && !log.is_connected() {
        return Err(no_log("nobody listens on /dev/log"));
    }
    Ok(log)
}

/// The refusal where the policy demands a log.
pub(super) fn no_log(why: &str) -> Refusal {
    Refusal::new(
        Reason::PolicyFile,
        format!("the policy demands records in the system's log (syslog = \"required\"), and {why}"),
        "sudo systemctl start systemd-journald-dev-log.socket   # or: sudo apt-get install --no-install-recommends rsyslog",
    )
}

/// The sockets for echo requests, if some address may be pinged at all.
fn open_pings(fenced: &mut Fenced, policy: &Policy) -> Result<Pings, Refusal> {
    if fenced.start().role != Role::Net || !policy.pings() {
        return Ok(Pings::new(icmp::Sockets::none()));
    }
    let raw = Capabilities::of(&[Capability::NetRaw]);
    let sockets = icmp::Sockets::open(fenced.held().and(raw));
    if sockets.lacks_net_raw() {
        fenced.require(raw)?;
    }
    sockets.pinned().map(Pings::new).map_err(|e| {
        Refusal::new(
            Reason::HardeningFailed,
            format!("the sockets for echo requests: {e}"),
            "ulimit -n   # 128 or more",
        )
    })
}

/// The sockets to the firewall, if the policy grants anything of it. The kernel looks at who opened them, too.
fn open_firewall(fenced: &mut Fenced, policy: &Policy, log: &mut Log) -> Result<(Firewall, Events), Refusal> {
    if fenced.start().role != Role::Net || !policy.firewall() {
        return Ok((Firewall::none(), Events::none()));
    }
    let admin = Capabilities::of(&[Capability::NetAdmin]);
    fenced.require(admin)?;
    let opened = capset::raise(fenced.held().and(admin)).and_then(|_raised| {
        let mut link = Link::open()?;
        // What cannot be asked will be said by the first request.
        let orphans = marker::orphans(&mut link).unwrap_or_default();
        Ok((link, orphans, Link::open_undo()?, Watch::open(&[])?))
    });
    let (link, orphans, undo, watch) = opened.map_err(|e| {
        Refusal::new(
            Reason::HardeningFailed,
            format!("the sockets to the firewall: {e}"),
            "sudo modprobe nfnetlink nf_tables   # the kernel must have nftables; ulimit -n: 128 or more",
        )
    })?;
    for Orphan { name, tables } in orphans {
        let target = [b"marker ", name.as_slice(), b" of table ", &tables].concat();
        let rule =
            "the port that made the change was killed before it was confirmed; look at it: nft list ruleset";
        let event = Event { op: "nft_rollback", target, decision: Decision::Failed, rule: rule.into() };
        if log.write(&event).is_err() {
            return Err(no_log("a record could not be written"));
        }
    }
    Ok((Firewall::over(link, undo), Events::over(watch)))
}

/// The sockets of tables, if any table may be read. A kernel, or a sandbox around this, that has no such sockets is no reason to
/// refuse: the tables that need them say so.
fn open_links(role: Role, policy: &Policy) -> Result<Links, Refusal> {
    if role != Role::Proc || !policy.tables() {
        return Ok(Links::none());
    }
    Links::open().map_err(|e| {
        Refusal::new(
            Reason::HardeningFailed,
            format!("the sockets for the tables of sockets and routes: {e}"),
            "ulimit -n   # 128 or more",
        )
    })
}

/// The sockets of events, if any table may be read; likewise.
fn open_watches(role: Role, policy: &Policy) -> Result<Watches, Refusal> {
    if role != Role::Proc || !policy.tables() {
        return Ok(Watches::none());
    }
    let open = |tells: Tells| match Socket::open_listener(tells, WATCH_ROOM) {
        Ok(socket) => socket.pinned(tells.number()).map(Ok),
        Err(e) if exec::absent(e) => Ok(Err(e)),
        Err(e) => Err(e),
    };
    let opened = open(Tells::Processes).and_then(|processes| Ok((processes, open(Tells::Network)?)));
    let (processes, network) = opened.map_err(|e| {
        Refusal::new(
            Reason::HardeningFailed,
            format!("the sockets for events of processes and interfaces: {e}"),
            "ulimit -n   # 128 or more",
        )
    })?;
    Ok(Watches::over(Processes::over(processes), Network::over(network)))
}

/// How role `net` learns that it is to end: it may have a change to take back first.
fn open_termination(role: Role) -> Result<Option<OwnedFd>, Refusal> {
    if role == Role::Proc {
        return Ok(None);
    }
    process::termination().map(Some).map_err(|e| {
        Refusal::new(
            Reason::HardeningFailed,
            format!("the descriptor for signals: {e}"),
            "ulimit -n   # 128 or more",
        )
    })
}

/// The directory of kernel parameters, if the policy names one.
fn open_parameters(fenced: &Fenced, policy: &Policy) -> Result<Parameters, Refusal> {
    let reach = policy.parameters().filter(|_| fenced.start().role == Role::Net);
    let directory = reach.map(Directory::open).transpose().map_err(|e| {
        Refusal::new(
            Reason::HardeningFailed,
            format!("the policy names kernel parameters, and /proc/sys/net cannot be opened: {e}"),
            "findmnt -T /proc/sys/net   # must be procfs; a unit with ProcSubset=pid has none; ulimit -n: 128 or more",
        )
    })?;
    Ok(Parameters::new(directory))
}

/// Whoever connects to a socket is somebody, and the policy says who may. A pipe was inherited from who may execute the program.
fn check_peers(policy: &Policy) -> Result<(), Refusal> {
    for fd in [fd::stdin(), fd::stdout()] {
        let peer = fd::peer(fd).map_err(|e| {
            Refusal::new(
                Reason::HardeningFailed,
                format!("the kernel does not say who is at the other end of the socket: {e}"),
                "uname -r   # Linux 5.11 or newer is needed",
            )
        })?;
        match peer {
            fd::Peer::Holder => {}
            fd::Peer::User(uid) if policy.serves(uid, process::uid()) || !in_force(Measure::Peer) => {}
            fd::Peer::User(uid) => {
                return Err(Refusal::new(
                    Reason::PeerNotAllowed,
                    format!("uid {uid} is at the other end of the socket, and the policy does not list it"),
                    format!("sudoedit {}   # [socket] uids = [{uid}]", policy::file::PATH),
                ));
            }
            fd::Peer::Stranger => {
                return Err(Refusal::new(
                    Reason::StdioNotPipe,
                    "stdin and stdout are a socket of a network, whose other end nobody can vouch for",
                    "use a unix socket: priv/systemd/portcullis-proc.socket in the source",
                ));
            }
        }
    }
    Ok(())
}

fn check_stdio() -> Result<(), Refusal> {
    let pipes = fd::is_pipe_or_socket(fd::stdin()) && fd::is_pipe_or_socket(fd::stdout());
    if pipes || !in_force(Measure::Stdio) {
        return Ok(());
    }
    Err(Refusal::new(
        Reason::StdioNotPipe,
        "stdin and stdout must be pipes or sockets: this program is started by open_port, not by hand",
        format!("{} doctor   # checks the installation from a terminal", super::me()),
    ))
}

/// Says why not, to the peer if there can be one and to the log otherwise, and ends.
pub fn refuse(refusal: &Refusal) -> ! {
    let code = refusal.reason.code();
    // Where there is no peer whom it could be meant for, nobody hears of it.
    let told = refusal.reason != Reason::StdioNotPipe && fd::is_pipe_or_socket(fd::stdout()) && {
        let mut w = Writer::new();
        hello::refused(&mut w, refusal);
        exec::say(w).is_ok()
    };
    if !told || refusal.reason == Reason::BadArguments {
        complain_of(refusal);
    }
    process::exit_now(code)
}

/// A refusal in words.
pub(super) fn complain_of(refusal: &Refusal) {
    let Refusal { reason, message, fix } = refusal;
    let (name, code) = (reason.name(), reason.code());
    super::complain(&format!("portcullis: {name} (exit {code}): {message}\n  to mend it: {fix}\n"));
}
