//! The sessions of all peers: who owns each, who watches it, and the conversation behind it.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::actor;
use super::identity::{Mark, Process};
use super::session::{Over, Read, Session};
use crate::dist::command::Party;
use crate::dist::control::{Target, answer};
use crate::dist::etf::{Pid, Ref};
use crate::dist::learn::Kept;
use crate::limits::{NODE_SESSIONS_MAX, NODE_SESSIONS_PER_PEER, NODE_WATCHERS_MAX};

/// A connection to a peer.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The number that it was given when it came: a peer that comes again has another.
    pub id: u64,
    /// The name of its node.
    pub name: Arc<str>,
}

/// Numbers below are those of the processes that are always there.
const FIRST: u32 = 16;

/// A session that is open.
#[derive(Debug)]
struct Held {
    peer: Peer,
    /// Who speaks with it; nobody where the node itself does, for the direct calls of the peer.
    owner: Option<Process>,
    session: Session,
    /// Who is told of its end: by a monitor of that reference, or by a link.
    watchers: Vec<(Process, Option<Mark>)>,
}

/// All that are open.
#[derive(Debug)]
pub struct Sessions {
    node: String,
    creation: u32,
    next: u32,
    held: BTreeMap<u32, Held>,
}

/// Why there is no further session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The peer has as many as one may have.
    Peer,
    /// All peers together have.
    Node,
}

/// What a session's end says to its peer: the number of the connection, and frames for it.
pub type Farewell = (u64, Vec<Vec<u8>>);

impl Sessions {
    /// None, on a node of that name and creation.
    #[must_use]
    pub fn new(node: &str, creation: u32) -> Self {
        Self { node: node.to_owned(), creation, next: FIRST, held: BTreeMap::new() }
    }

    /// A process of this node.
    #[must_use]
    pub fn pid(&self, id: u32) -> Pid<'_> {
        Pid { node: &self.node, creation: self.creation, id, serial: 0 }
    }

    /// The reference under which a session monitors its owner.
    #[must_use]
    pub fn mark(&self, id: u32) -> Ref<'_> {
        Ref { node: &self.node, creation: self.creation, words: [id, 0, 0, 0, 0], len: 3 }
    }

    /// How many are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether the peer may have one more, with so many that are being opened: of its own, and in all.
    ///
    /// # Errors
    /// [`Full`].
    pub fn room(&self, peer: u64, own: usize, all: usize) -> Result<(), Full> {
        let of_peer = self.held.values().filter(|held| held.peer.id == peer).count();
        if of_peer.saturating_add(own) >= NODE_SESSIONS_PER_PEER {
            return Err(Full::Peer);
        }
        if self.held.len().saturating_add(all) >= NODE_SESSIONS_MAX { Err(Full::Node) } else { Ok(()) }
    }

    /// Where all are taken, the one that ends for a peer that has none: of whoever has most the last that was opened, before those of direct
    /// calls. Four peers could otherwise keep all others out for as long as they like.
    #[must_use]
    pub fn spare(&self, peer: u64) -> Option<u32> {
        let mut of = BTreeMap::new();
        for held in self.held.values() {
            *of.entry(held.peer.id).or_insert(0_usize) += 1;
        }
        let (most, count) = of.iter().max_by_key(|(_, count)| **count)?;
        let own = |held: &Held| held.peer.id == *most;
        let last = || self.held.iter().rev().filter(|(_, held)| own(held));
        let opened = last().find(|(_, held)| held.owner.is_some());
        let last = opened.or_else(|| last().next()).map(|(id, _)| *id);
        last.filter(|_| *count > 1 && !of.contains_key(&peer))
    }

    /// Opens one over that socket: its number.
    ///
    /// # Errors
    /// The socket.
    pub fn open(
        &mut self,
        peer: Peer,
        owner: Option<Process>,
        socket: OwnedFd,
    ) -> Result<u32, nix::errno::Errno> {
        let session = Session::new(socket)?;
        let id = self.next;
        // A number is not used again while its session may still be thought to be open.
        self.next = self.next.checked_add(1).unwrap_or(FIRST);
        self.held.insert(id, Held { peer, owner, session, watchers: Vec::new() });
        Ok(id)
    }

    /// A session of that peer, whatever another peer says of it.
    fn of(&mut self, peer: u64, pid: &Pid<'_>) -> Option<(u32, &mut Held)> {
        let id = pid.id;
        let held = self.held.get_mut(&id).filter(|held| held.peer.id == peer && held.owner.is_some())?;
        (pid.serial == 0).then_some((id, held))
    }

    /// Whether the peer has that session.
    pub fn has(&mut self, peer: u64, pid: &Pid<'_>) -> bool {
        self.of(peer, pid).is_some()
    }

    /// A frame of the peer for the copy behind a session. One that has ended takes nothing.
    pub fn send(&mut self, peer: u64, pid: &Pid<'_>, frame: &[u8]) -> Option<Farewell> {
        let (id, held) = self.of(peer, pid)?;
        match held.session.send(frame) {
            Ok(()) => None,
            Err(Over) => self.end(id),
        }
    }

    /// The peer wants no more of it.
    pub fn close(&mut self, peer: u64, pid: &Pid<'_>) -> Option<Farewell> {
        let (id, _) = self.of(peer, pid)?;
        self.end(id)
    }

    /// A process of the peer will be told of a session's end. `false`: there is no such session, or too many watch it.
    pub fn watch(&mut self, peer: u64, pid: &Pid<'_>, watcher: Process, mark: Option<Mark>) -> bool {
        let Some((_, held)) = self.of(peer, pid) else { return false };
        let room = held.watchers.len() < NODE_WATCHERS_MAX;
        if room {
            held.watchers.push((watcher, mark));
        }
        room
    }

    /// Those of whom `who` is true will not.
    pub fn unwatch(&mut self, peer: u64, pid: &Pid<'_>, who: impl Fn(&Process, Option<Mark>) -> bool) {
        if let Some((_, held)) = self.of(peer, pid) {
            held.watchers.retain(|(process, mark)| !who(process, *mark));
        }
    }

    /// What is in use for the sessions of a peer: they themselves, their owners, and who is to be told of their end.
    pub fn live(&self, peer: u64, tell: &mut dyn FnMut(Party, Kept<'_>)) {
        for (id, held) in self.held.iter().filter(|(_, held)| held.peer.id == peer) {
            let name = &held.peer.name;
            tell(Party::Protected, Kept::Process(self.pid(*id)));
            tell(Party::Protected, Kept::Monitor(self.mark(*id)));
            if let Some(owner) = held.owner {
                tell(Party::Peer, Kept::Process(owner.on(name)));
            }
            for (watcher, _) in &held.watchers {
                tell(Party::Peer, Kept::Process(watcher.on(name)));
            }
            for mark in held.watchers.iter().filter_map(|(_, mark)| *mark) {
                tell(Party::Peer, Kept::Monitor(mark.on(name)));
            }
        }
    }

    /// Whether a process of the peer is told of something.
    #[must_use]
    pub fn uses(&self, peer: u64, process: &Process) -> bool {
        let of = |held: &Held| {
            held.owner == Some(*process) || held.watchers.iter().any(|(watcher, _)| watcher == process)
        };
        self.held.values().any(|held| held.peer.id == peer && of(held))
    }

    /// A frame of the node's own for a copy.
    ///
    /// # Errors
    /// [`Over`].
    pub fn pass(&mut self, id: u32, frame: &[u8]) -> Result<(), Over> {
        self.held.get_mut(&id).map_or(Err(Over), |held| held.session.send(frame))
    }

    /// What a copy says to the node.
    ///
    /// # Errors
    /// [`Over`].
    pub fn frames(&mut self, id: u32, take: impl FnMut(&[u8])) -> Result<(), Over> {
        self.held.get_mut(&id).map_or(Err(Over), |held| held.session.read(take).map(|_| ()))
    }

    /// Whose a session is.
    #[must_use]
    pub fn peer(&self, id: u32) -> Option<u64> {
        self.held.get(&id).map(|held| held.peer.id)
    }

    /// The peer has gone, and its sessions with it.
    pub fn leave(&mut self, peer: u64) {
        self.held.retain(|_, held| held.peer.id != peer);
    }

    /// Whether some session of the peer has more to take than it should wait for.
    #[must_use]
    pub fn is_full(&self, peer: u64) -> bool {
        self.held.values().any(|held| held.peer.id == peer && held.session.is_full())
    }

    /// Each, with its number, its peer, and whether something is to be written.
    pub fn each(&self) -> impl Iterator<Item = (u32, u64, BorrowedFd<'_>, bool)> {
        self.held.iter().map(|(id, held)| (*id, held.peer.id, held.session.fd(), held.session.is_pending()))
    }

    /// Writes on.
    pub fn flush(&mut self, id: u32) -> Option<Farewell> {
        match self.held.get_mut(&id)?.session.flush() {
            Ok(()) => None,
            Err(Over) => self.end(id),
        }
    }

    /// What its copy says, as frames for its peer; the end comes behind everything that it said.
    pub fn read(&mut self, id: u32, mut take: impl FnMut(Vec<u8>)) -> Option<Farewell> {
        let own = Pid { node: &self.node, creation: self.creation, id, serial: 0 };
        let held = self.held.get_mut(&id)?;
        let Held { peer, owner, session, .. } = held;
        let owner = owner.map(|owner| owner.on(&peer.name))?;
        let read = session.read(|frame| take(actor::data(&own, &owner, frame)));
        match read {
            Ok(Read::Some | Read::Nothing) => None,
            Err(Over) => self.end(id),
        }
    }

    /// Forgets a session; who watches it has to be told, and its owner is not monitored any more: each end would leave a monitor behind
    /// otherwise, there and among what is remembered of the connection. Its copy sees the end of its input.
    pub fn end(&mut self, id: u32) -> Option<Farewell> {
        let Held { peer, owner, watchers, .. } = self.held.remove(&id)?;
        let own = self.pid(id);
        let owner = owner.map(|owner| owner.on(&peer.name));
        let unwatched = owner.map(|owner| answer::demonitor(&own, &Target::Pid(owner), &self.mark(id)));
        let told = watchers.iter().map(|(watcher, mark)| {
            let watcher = watcher.on(&peer.name);
            match mark {
                Some(mark) => {
                    answer::monitor_exit(&Target::Pid(own), &watcher, &mark.on(&peer.name), "closed")
                }
                None => answer::exit(&own, &watcher, "closed"),
            }
        });
        Some((peer.id, told.chain(unwatched).collect()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::dist::control::{self, Control};

    const OWNER: Pid<'static> = Pid { node: "b@h", creation: 9, id: 80, serial: 1 };
    const MARK: Ref<'static> = Ref { node: "b@h", creation: 9, words: [1, 2, 3, 0, 0], len: 3 };

    fn peer(id: u64) -> Peer {
        Peer { id, name: "b@h".into() }
    }

    fn opened(sessions: &mut Sessions, peer_id: u64) -> (u32, UnixStream) {
        let (mine, its) = crate::sys::handover::stream().unwrap();
        let id = sessions.open(peer(peer_id), Some(Process::of(&OWNER)), mine).unwrap();
        (id, UnixStream::from(its))
    }

    fn own(id: u32) -> Pid<'static> {
        Pid { node: "a@h", creation: 5, id, serial: 0 }
    }

    #[test]
    fn frames_go_to_the_copy_and_what_it_says_to_the_owner() {
        let mut sessions = Sessions::new("a@h", 5);
        let (id, mut copy) = opened(&mut sessions, 1);
        assert_eq!(sessions.send(1, &own(id), b"question"), None);
        let mut bytes = [0; 12];
        copy.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"\0\0\0\x08question");
        copy.write_all(b"\0\0\0\x06answer").unwrap();
        let mut out = Vec::new();
        assert_eq!(sessions.read(id, |frame| out.extend(frame)), None);
        let message = control::read(&out[4..]).unwrap();
        assert_eq!(message.control, Control::Send { from: Some(own(id)), to: OWNER });
        assert!(message.payload.unwrap().ends_with(b"answer"));
    }

    #[test]
    fn a_session_is_its_peers_and_nobody_elses() {
        let mut sessions = Sessions::new("a@h", 5);
        let (id, mut copy) = opened(&mut sessions, 1);
        assert_eq!(sessions.send(2, &own(id), b"stolen"), None);
        assert_eq!(sessions.close(2, &own(id)), None);
        assert!(!sessions.watch(2, &own(id), Process::of(&OWNER), Some(Mark::of(&MARK))));
        sessions.leave(2);
        assert_eq!(sessions.len(), 1);
        sessions.leave(1);
        assert_eq!(sessions.len(), 0);
        let mut bytes = Vec::new();
        copy.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"", "what came of another peer");
    }

    #[test]
    fn who_watches_is_told_when_the_copy_ends_and_after_what_it_said() {
        let mut sessions = Sessions::new("a@h", 5);
        let (id, mut copy) = opened(&mut sessions, 1);
        assert!(sessions.watch(1, &own(id), Process::of(&OWNER), Some(Mark::of(&MARK))));
        let other = Ref { words: [7, 0, 0, 0, 0], ..MARK };
        assert!(sessions.watch(1, &own(id), Process::of(&OWNER), Some(Mark::of(&other))));
        sessions.unwatch(1, &own(id), |_, mark| mark == Some(Mark::of(&other)));
        copy.write_all(b"\0\0\0\x04last").unwrap();
        drop(copy);
        let mut out = Vec::new();
        assert_eq!(sessions.read(id, |frame| out.extend(frame)), None);
        assert!(out.ends_with(b"last"));
        let (to, frames) = sessions.read(id, |frame| out.extend(frame)).unwrap();
        assert_eq!((to, frames.len()), (1, 2));
        let from = Target::Pid(own(id));
        let said = |frame: usize| control::read(&frames[frame][4..]).unwrap().control;
        assert_eq!(said(0), Control::MonitorExit { from, to: OWNER, reference: MARK });
        let mark = Ref { node: "a@h", creation: 5, words: [id, 0, 0, 0, 0], len: 3 };
        let unwatched = Control::Demonitor { from: own(id), to: Target::Pid(OWNER), reference: mark };
        assert_eq!(said(1), unwatched, "the owner is not monitored any more");
        assert!(!sessions.watch(1, &own(id), Process::of(&OWNER), Some(Mark::of(&MARK))));
    }

    #[test]
    fn who_has_none_gets_the_last_of_who_has_most() {
        let mut sessions = Sessions::new("a@h", 5);
        assert_eq!(sessions.spare(9), None);
        let first = opened(&mut sessions, 1);
        assert_eq!(sessions.spare(9), None, "one each is everybody's");
        let more = [2, 2, 3, 2].map(|peer| opened(&mut sessions, peer));
        assert_eq!(sessions.spare(9), Some(more[3].0));
        assert_eq!([1, 2, 3].map(|peer| sessions.spare(peer)), [None; 3]);
        // One behind direct calls ends after the others.
        let (mine, _its) = crate::sys::handover::stream().unwrap();
        let direct = sessions.open(peer(2), None, mine).unwrap();
        assert_eq!(sessions.spare(9), Some(more[3].0));
        for (id, _) in [&more[0], &more[1], &more[3]] {
            sessions.end(*id);
        }
        assert_eq!(sessions.spare(9), None);
        let (mine, _its) = crate::sys::handover::stream().unwrap();
        let last = sessions.open(peer(2), None, mine).unwrap();
        assert_eq!((sessions.spare(9), direct < last), (Some(last), true));
        drop(first);
    }

    #[test]
    fn sessions_and_watchers_are_counted() {
        let mut sessions = Sessions::new("a@h", 5);
        let mut copies = Vec::new();
        for _ in 0..NODE_SESSIONS_PER_PEER {
            assert_eq!(sessions.room(1, 0, 0), Ok(()));
            copies.push(opened(&mut sessions, 1));
        }
        assert_eq!(sessions.room(1, 0, 0), Err(Full::Peer));
        assert_eq!(
            sessions.room(2, NODE_SESSIONS_PER_PEER, 0),
            Err(Full::Peer),
            "those that are being opened count"
        );
        assert_eq!(sessions.room(2, 0, 0), Ok(()));
        assert_eq!(sessions.room(2, 0, NODE_SESSIONS_MAX), Err(Full::Node));
        let id = copies[0].0;
        let watch =
            |sessions: &mut Sessions| sessions.watch(1, &own(id), Process::of(&OWNER), Some(Mark::of(&MARK)));
        assert_eq!((0..100).filter(|_| watch(&mut sessions)).count(), NODE_WATCHERS_MAX);
    }
}
