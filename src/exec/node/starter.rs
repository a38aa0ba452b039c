//! The trusted process beside a node: it starts copies of the port program, reads the node's file again, looks after the broken glass, and
//! holds the key of one-time codes. It reads nothing from a network: of the node, which does, it takes a few short messages, and believes
//! none of them more than it must.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::elevation::Elevation;
use super::epmd::Registration;
use super::words::{Asked, Told};
use crate::audit::log::Log;
use crate::audit::record::{Decision, Event};
use crate::dist::config::{Config, Programs};
use crate::dist::handshake::name::NodeName;
use crate::dist::totp::Key;
use crate::limits::{
    GLASS_LOOK_MS, NODE_ADDRESSES_MAX, NODE_ASKS_MAX, NODE_COPIES_MAX, NODE_REAP_MS, NODE_STARTS_PER_PEER_S,
    NODE_STARTS_PER_S, NODE_UNHEARD_MS,
};
use crate::op::Role;
use crate::rate::Bucket;
use crate::sys::poll::{self, Interest};
use crate::sys::{clock, fd, handover};

/// The file of a node, and how it is read and told of.
#[derive(Debug)]
pub struct Source {
    /// Where it is.
    pub path: String,
    /// What it says.
    pub config: Config,
    /// Reads it with everything that its place must be: its text and what that says, or what is wrong with it.
    pub read: fn(&str) -> Result<(String, Config), String>,
    /// Reads the file of the key of one-time codes.
    pub key: fn(&str) -> Result<Key, String>,
    /// The command that says what is wrong with the file.
    pub check: String,
    /// What keeps the name known to a port mapper, if one is to know it.
    pub registered: Option<Registration>,
    /// Another process that is told of the file before the node is: whom a gateway then asks for must be known there.
    pub beside: Option<OwnedFd>,
    /// Becomes readable when the file is to be read again.
    pub hangups: OwnedFd,
    /// Where the broken glass and what was read again are recorded.
    pub log: Option<Log>,
    /// Where it is said.
    pub report: fn(&str),
}

/// What there is of a starter.
struct Starter<'s> {
    node: BorrowedFd<'s>,
    programs: &'s Programs,
    source: Option<Source>,
    glass: Elevation,
    copies: Vec<Child>,
    starts: Bucket,
    /// Of each peer, so that one does not take those of all.
    by_peer: BTreeMap<String, Bucket>,
}

/// Serves a node with copies alone, until it has gone: it has no file that could be read again.
///
/// # Errors
/// The socket to it.
pub fn serve(node: &OwnedFd, programs: &Programs) -> Result<(), Errno> {
    Starter::new(node, programs, None)?.serve()
}

/// Serves a node until it has gone.
///
/// # Errors
/// The socket to it.
pub fn serve_all(node: &OwnedFd, source: Source) -> Result<(), Errno> {
    let programs = source.config.programs.clone();
    Starter::new(node, &programs, Some(source))?.serve()
}

impl<'s> Starter<'s> {
    fn new(node: &'s OwnedFd, programs: &'s Programs, source: Option<Source>) -> Result<Self, Errno> {
        fd::set_nonblocking(node.as_fd())?;
        let mut glass = Elevation::new(clock::unix_micros() / 1_000_000);
        if let Some(source) = &source {
            let _ = glass.load_key(source).map_err(|why| (source.report)(&why));
        }
        let starts = Bucket::new(NODE_STARTS_PER_S);
        Ok(Self {
            node: node.as_fd(),
            programs,
            source,
            glass,
            copies: Vec::new(),
            starts,
            by_peer: BTreeMap::new(),
        })
    }

    fn serve(mut self) -> Result<(), Errno> {
        let mut buffer = vec![0; NODE_ASKS_MAX];
        let mut looked = None;
        loop {
            let (asks, hangs_up) = self.wait()?;
            if hangs_up {
                self.reload()?;
                looked = None;
            }
            // However much the node has to say, the glass is looked at so often and not more.
            let pause = Duration::from_millis(GLASS_LOOK_MS);
            if looked.is_none_or(|then: Instant| then.elapsed() >= pause) {
                self.look()?;
                looked = Some(Instant::now());
            }
            self.stay_registered();
            self.reap();
            if !asks {
                continue;
            }
            match handover::receive_bytes(self.node, &mut buffer) {
                Ok(0) => return Ok(()),
                // One that was cut is longer than the buffer: nothing of it is read.
                Ok(length) => self.answer(buffer.get(..length).unwrap_or_default())?,
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Whether the node asks something, and whether the file is to be read again.
    fn wait(&self) -> Result<(bool, bool), Errno> {
        let node = Interest { fd: self.node, read: true, write: false };
        let reap = (!self.copies.is_empty()).then(|| Duration::from_millis(NODE_REAP_MS));
        let Some(source) = &self.source else {
            return Ok((poll::any(&[node], reap)?.iter().any(|can| can.read), false));
        };
        let hangups = Interest { fd: source.hangups.as_fd(), read: true, write: false };
        let glass = source.config.policy.break_glass_s > 0 || self.glass.is_broken();
        let look = glass.then(|| Duration::from_millis(GLASS_LOOK_MS));
        let registered = source.registered.as_ref();
        let again = registered.and_then(|registered| registered.due(Instant::now()));
        let mut interests = vec![node, hangups];
        let mapper = registered.and_then(Registration::fd);
        interests.extend(mapper.map(|fd| Interest { fd, read: true, write: false }));
        let ready = poll::any(&interests, look.into_iter().chain(again).chain(reap).min())?;
        let read = |at: usize| ready.get(at).is_some_and(|can| can.read);
        Ok((read(0), read(1)))
    }

    fn answer(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        match Asked::read(bytes) {
            Some(Asked::Copy(role, peer)) => match self.start(role, &peer) {
                Ok(socket) => self.say(&Told::Started, Some(&socket)),
                Err(why) => self.say(&Told::Failed(why.as_bytes()), None),
            },
            Some(Asked::Glass(ticket, peer)) => {
                let opened = match self.source.as_mut().filter(|source| is_allowed(source, &peer)) {
                    Some(source) => self.glass.open(source, &ticket, &peer),
                    None => Err("this node takes no codes".to_owned()),
                };
                self.look()?;
                match opened {
                    Ok(seconds) => self.say(&Told::Opened(seconds), None),
                    Err(why) => self.say(&Told::Refused(why.as_bytes()), None),
                }
            }
            None => self.say(&Told::Failed(b"no such request"), None),
        }
    }

    /// A node that takes nothing any more hears nothing of a glass that is whole again: it has to end, and does so with this process.
    fn say(&self, told: &Told<'_>, socket: Option<&OwnedFd>) -> Result<(), Errno> {
        let bytes = told.write();
        let patience = Duration::from_millis(NODE_UNHEARD_MS);
        let began = Instant::now();
        loop {
            match handover::send(self.node, &bytes, socket.map(AsFd::as_fd)) {
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    let left = patience.checked_sub(began.elapsed()).ok_or(Errno::ETIMEDOUT)?;
                    poll::any(&[Interest { fd: self.node, read: false, write: true }], Some(left))?;
                }
                other => return other,
            }
        }
    }

    /// Sees whether the port mapper is still there, and tells one that has come of the node.
    fn stay_registered(&mut self) {
        let Some(Source { registered: Some(registered), report, .. }) = &mut self.source else { return };
        let told = |fd| {
            let ready = poll::any(&[Interest { fd, read: true, write: false }], Some(Duration::ZERO));
            ready.is_ok_and(|ready| ready.iter().any(|can| can.read))
        };
        if registered.fd().is_some_and(told) {
            registered.lose(*report);
        }
        registered.renew(Instant::now(), *report);
    }

    /// Copies that have ended are taken away. To have the kernel do it (`SIGCHLD` ignored) is not open to who starts programs by std: where one
    /// cannot be executed, it waits for the process that tried.
    fn reap(&mut self) {
        self.copies.retain_mut(|copy| matches!(copy.try_wait(), Ok(None)));
    }

    /// Starts a copy; the node's end of the conversation.
    fn start(&mut self, role: Role, peer: &NodeName) -> Result<OwnedFd, String> {
        if self.source.as_ref().is_some_and(|source| !is_allowed(source, peer)) {
            return Err(format!("{peer} is not allowed"));
        }
        let program = self.programs.of(role).ok_or_else(|| {
            format!("role {} is not served: the configuration names no program for it", role.name())
        })?;
        self.reap();
        let (now, name) = (Instant::now(), peer.as_str());
        if !self.by_peer.contains_key(name) {
            // Only allowed nodes come this far; those that the file has dropped are forgotten with all others.
            if self.by_peer.len() >= NODE_ADDRESSES_MAX {
                self.by_peer.clear();
            }
            self.by_peer.insert(name.to_owned(), Bucket::new(NODE_STARTS_PER_PEER_S));
        }
        let own = self.by_peer.get_mut(name).is_some_and(|own| own.take(now));
        if self.copies.len() >= NODE_COPIES_MAX || !own || !self.starts.take(now) {
            return Err("too many copies were started: try it again in a second".to_owned());
        }
        let failed = |e: std::io::Error| format!("{program}: {e}");
        let (mine, its) = handover::stream().map_err(|e| failed(e.into()))?;
        let output = its.try_clone().map_err(failed)?;
        let mut command = Command::new(program);
        command.args(["port", "--role", role.name(), "--peer", peer.as_str()]).env_clear().current_dir("/");
        // Nobody waits for its end: the node sees that of the stream.
        let copy = command.stdin(Stdio::from(its)).stdout(Stdio::from(output)).spawn().map_err(failed)?;
        self.copies.push(copy);
        Ok(mine)
    }

    /// Reads the file again. One that is wrong changes nothing.
    fn reload(&mut self) -> Result<(), Errno> {
        let Some(source) = &mut self.source else { return Ok(()) };
        let mut one = [0; 256];
        while nix::unistd::read(source.hangups.as_fd(), &mut one).is_ok_and(|n| n > 0) {}
        let (text, new) = match (source.read)(&source.path) {
            Ok(read) => read,
            Err(why) => {
                let check = &source.check;
                (source.report)(&format!(
                    "the file was not read again, and everything is as it was:\n{}\n  to mend it: {check}",
                    why.trim_end()
                ));
                return Ok(());
            }
        };
        for what in kept(&source.config, &new) {
            (source.report)(&format!("{what} is as it was: a change of it takes a restart"));
        }
        let Config { policy, connections, .. } = new;
        source.config = Config { policy, connections, ..source.config.clone() };
        if let Err(why) = self.glass.load_key(source) {
            (source.report)(&why);
        }
        let target = source.path.clone().into_bytes();
        note(source, Event { op: "node_reload", target, decision: Decision::Loaded, rule: "file".into() });
        let told = Told::Policy(text.as_bytes());
        let beside = source.beside.as_ref();
        let first = beside.map_or(Ok(()), |beside| handover::send(beside.as_fd(), &told.write(), None));
        match first.and_then(|()| self.say(&told, None)) {
            // The buffers of the host's sockets are smaller than any file that is to be expected.
            Err(Errno::EMSGSIZE) => {
                if let Some(source) = &self.source {
                    (source.report)(
                        "the file is too long to be handed over; it holds after a restart: sysctl net.core.wmem_default",
                    );
                }
                Ok(())
            }
            told => told,
        }
    }

    /// Tells the node when the glass was broken, or is whole again.
    fn look(&mut self) -> Result<(), Errno> {
        let Some(source) = &mut self.source else { return Ok(()) };
        match self.glass.look(source) {
            Some((left, until)) => self.say(&Told::Glass(left, until), None),
            None => Ok(()),
        }
    }
}

fn is_allowed(source: &Source, peer: &NodeName) -> bool {
    source.config.policy.allow.contains(peer.as_str())
}

/// Writes a record. One that is lost is counted, and the next that is not says so.
pub(super) fn note(source: &mut Source, event: Event) {
    if let Some(log) = &mut source.log {
        let _ = log.write(&event);
    }
}

/// What a file changes that only a restart can.
fn kept(old: &Config, new: &Config) -> Vec<&'static str> {
    let differs = [
        ("node.name", old.name != new.name),
        ("node.listen", old.listen != new.listen),
        ("node.epmd", old.epmd != new.epmd),
        ("node.cookie_file", old.cookie_file != new.cookie_file),
        ("tls", old.tls != new.tls),
        ("programs", old.programs != new.programs),
        ("protects", old.protects != new.protects),
    ];
    let mut kept: Vec<&str> = differs.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
    // Whatever else a file may say, only these two are taken from it.
    let Config { policy, connections, .. } = new.clone();
    if kept.is_empty() && (Config { policy, connections, ..old.clone() }) != *new {
        kept.push("another section");
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the node would get, and what a program without `port` in it does.
    fn asked(programs: &Programs, question: &[u8]) -> (Vec<u8>, Option<OwnedFd>) {
        let (mine, its) = handover::messages().unwrap();
        let programs = programs.clone();
        let served = std::thread::spawn(move || serve(&its, &programs));
        handover::send(mine.as_fd(), question, None).unwrap();
        let mut buffer = [0; 512];
        let (length, descriptor) = handover::receive(mine.as_fd(), &mut buffer).unwrap();
        drop(mine);
        served.join().unwrap().unwrap();
        (buffer[..length].to_vec(), descriptor)
    }

    #[test]
    fn a_program_is_started_with_a_socket_for_its_standard_descriptors() {
        let echo = Programs { proc: Some("/bin/echo".to_owned()), net: None };
        let (told, socket) = asked(&echo, b"pb@h");
        assert_eq!(Told::read(&told), Some(Told::Started));
        let mut said = String::new();
        std::io::Read::read_to_string(&mut std::fs::File::from(socket.unwrap()), &mut said).unwrap();
        assert_eq!(said, "port --role proc --peer b@h\n");
    }

    #[test]
    fn what_cannot_be_started_is_told() {
        let none = Programs { proc: Some("/nowhere/portcullis".to_owned()), net: None };
        let (told, socket) = asked(&none, b"pb@h");
        assert!(socket.is_none());
        let why = b"/nowhere/portcullis: No such file or directory (os error 2)";
        assert_eq!(Told::read(&told), Some(Told::Failed(why)));
        let (told, _) = asked(&none, b"nb@h");
        let why = b"role net is not served: the configuration names no program for it";
        assert_eq!(Told::read(&told), Some(Told::Failed(why)));
    }

    /// Somebody else has got hold of the node: whatever it says, what is started is the configured program with checked arguments, and so
    /// many and no more.
    #[test]
    fn a_hostile_node_starts_nothing_else_and_ends_nothing() {
        let (mine, its) = handover::messages().unwrap();
        // Lives as long as its input, as a copy does.
        let script = std::env::temp_dir().join(format!("portcullis-copy-{}", std::process::id()));
        std::fs::write(&script, "#!/bin/sh\nexec cat\n").unwrap();
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let programs = Programs { proc: Some(script.to_str().unwrap().to_owned()), net: None };
        let served = std::thread::spawn(move || serve(&its, &programs));
        let long = vec![b'p'; 60_000];
        let (given, _kept) = handover::stream().unwrap();
        for odd in [&b"x"[..], b"pp", b"p", b"pa@h --peer", b"pa@h\0", b"g", &[0; 400], &long, b"\xff"] {
            // A descriptor that nobody asked for is closed by the kernel: three at once did not fit the room for one.
            handover::send(mine.as_fd(), odd, Some(given.as_fd())).unwrap();
            let mut buffer = [0; 512];
            let (length, socket) = handover::receive(mine.as_fd(), &mut buffer).unwrap();
            assert!(socket.is_none());
            assert_eq!(Told::read(&buffer[..length]), Some(Told::Failed(b"no such request")), "{odd:?}");
        }
        let mut sockets = Vec::new();
        let mut refused = 0;
        for _ in 0..NODE_COPIES_MAX * 4 {
            handover::send(mine.as_fd(), b"pb@h", None).unwrap();
            let mut buffer = [0; 512];
            match handover::receive(mine.as_fd(), &mut buffer).unwrap() {
                (_, Some(socket)) => sockets.push(socket),
                _ => refused += 1,
            }
            if refused > 0 && sockets.len() < NODE_COPIES_MAX {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        assert_eq!(sockets.len(), NODE_COPIES_MAX);
        // Those that have ended make room.
        sockets.clear();
        std::thread::sleep(Duration::from_millis(1200));
        handover::send(mine.as_fd(), b"pb@h", None).unwrap();
        let mut buffer = [0; 512];
        assert!(handover::receive(mine.as_fd(), &mut buffer).unwrap().1.is_some());
        drop(mine);
        served.join().unwrap().unwrap();
        std::fs::remove_file(script).unwrap();
    }
}
