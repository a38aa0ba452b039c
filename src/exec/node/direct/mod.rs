//! Operations for whoever sends messages, without the client: `{Op, Args}` as a call or a cast, and subscriptions whose events are messages. Behind them is one copy of the port
//! program for each peer and role, which the node opens at the first call and speaks the port protocol with; whose an answer is it knows
//! by the number of the request.
//!
//! What is asked is read by `ask`, what a copy says by `said`, what becomes of each is in `line`, what is to be done then in `deed`; answers are made in `answer`.
#![forbid(unsafe_code)]

mod answer;
pub mod ask;
mod deed;
mod line;
pub mod said;

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use self::answer::Failure;
pub use self::answer::{Names, Waiting};
use self::ask::{Ask, Wish};
use self::deed::{Deed, Room};
use self::line::{Age, Broken, Line};
use super::actor::{self, Caller};
use super::identity::{Mark, Process};
use super::obey::PORTCULLIS;
use super::serve::{Node, Opening, Whose};
use super::sessions::{Full, Peer};
use crate::dist::command::Party;
use crate::dist::etf::{Pid, Ref};
use crate::dist::learn::Kept;
use crate::error::RequestError;
use crate::limits::{
    NODE_ANSWER_MAX, NODE_ANSWERS_BYTES, NODE_CALLS_PER_PEER, NODE_HANDLES_KEPT, NODE_SESSIONS_MAX,
    NODE_SESSIONS_PER_PEER, NODE_SUBSCRIPTIONS_PER_PEER, NODE_UNWRITTEN_MAX,
};
use crate::op::{Op, Role};

/// The copies behind direct calls, and what is counted.
#[derive(Debug, Default)]
pub struct Direct {
    lines: BTreeMap<(u64, Role), Line>,
    /// The last subscription that was made, of whichever peer.
    handles: u32,
    /// Subscriptions that have ended not long ago, of each peer: their handles may still be named.
    ended: BTreeMap<u64, VecDeque<u32>>,
    /// Casts that did nothing, and calls of nobody.
    pub ignored: u64,
}

impl Direct {
    /// The copy that a session is with.
    fn key(&self, session: u32) -> Option<(u64, Role)> {
        self.lines.iter().find(|(_, line)| line.session == Some(session)).map(|(key, _)| *key)
    }

    /// Whether that session is one of these.
    #[must_use]
    pub fn has(&self, session: u32) -> bool {
        self.key(session).is_some()
    }

    fn of(&self, peer: u64) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |((id, _), _)| *id == peer).map(|(_, line)| line)
    }

    fn count(lines: impl Iterator<Item = impl std::ops::Deref<Target = Line>>) -> (usize, usize) {
        lines.map(|line| line.count()).fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
    }

    /// Calls under way, and subscriptions, of all peers.
    #[must_use]
    pub fn all(&self) -> (usize, usize) {
        Self::count(self.lines.values())
    }

    /// Whether a peer has sent more than copies that are still being started should have to take.
    #[must_use]
    pub fn is_full(&self, peer: u64) -> bool {
        self.of(peer).any(|line| line.early() >= NODE_UNWRITTEN_MAX)
    }

    /// Whether a process of the peer waits for something, or is told of something.
    #[must_use]
    pub fn uses(&self, peer: u64, process: &Process) -> bool {
        self.of(peer).any(|line| line.uses(process))
    }

    /// What is in use for a peer.
    pub fn live(&self, peer: &Peer, own: &Pid<'_>, tell: &mut dyn FnMut(Party, Kept<'_>)) {
        let names = Names { own: *own, peer: &peer.name };
        tell(Party::Protected, Kept::Process(*own));
        for (n, subscriber) in self.of(peer.id).flat_map(Line::subscriptions) {
            tell(Party::Protected, Kept::Reference(names.handle(n)));
            tell(Party::Protected, Kept::Monitor(names.mark(n)));
            tell(Party::Peer, Kept::Process(subscriber.on(&peer.name)));
        }
        for waiting in self.of(peer.id).flat_map(Line::waiting) {
            tell(Party::Peer, Kept::Process(waiting.pid.on(&peer.name)));
            if let Some(mark) = waiting.mark {
                tell(Party::Peer, Kept::Reference(mark.on(&peer.name)));
            }
        }
    }

    /// The peer has gone; the sessions are ended by who knows them.
    pub fn leave(&mut self, peer: u64) {
        self.lines.retain(|(id, _), _| *id != peer);
        self.ended.remove(&peer);
    }

    /// When the clock is to be asked again.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.lines.values().map(Line::due).min()
    }
}

impl Node {
    /// Does what a caller wants, or tells him why not.
    pub fn call(&mut self, id: u64, caller: &Caller<'_>, wish: Result<Wish<'_>, RequestError>) {
        let Some(peer) = self.peer(id) else { return };
        // Who calls in the name of a process that is not its own node's gets no answer: there is nobody to send it to.
        if caller.pid.node != &*peer.name || caller.mark.is_some_and(|mark| mark.node != &*peer.name) {
            self.direct.ignored = self.direct.ignored.saturating_add(1);
            return;
        }
        let who = Waiting::of(caller);
        let done = match wish {
            Ok(Wish::Unsubscribe(handle)) => {
                self.unsubscribe(id, &handle);
                Ok(true)
            }
            Ok(Wish::Do(ask)) => self.ask(id, &ask, Some(who.clone())).map(|()| false),
            Err(error) => Err(Failure::Error(error)),
        };
        let names = Names { own: self.sessions.pid(PORTCULLIS), peer: &peer.name };
        let frame = match done {
            Ok(false) => return,
            Ok(true) => who.told(&names, |w| actor::word("ok", w)),
            Err(failure) => who.answered(&names, false, &failure.term()),
        };
        self.tell(id, &frame);
        self.forget_tag(id, caller.mark.as_ref());
    }

    /// What marks an answer means nothing once it has come.
    pub fn forget_tag(&mut self, id: u64, mark: Option<&Ref<'_>>) {
        let gate = self.connections.get_mut(&id).and_then(|c| c.gate());
        if let (Some(gate), Some(mark)) = (gate, mark) {
            gate.forget(Party::Peer, &Kept::Reference(*mark));
        }
    }

    /// Does what changes something; nobody waits for anything else.
    pub fn cast(&mut self, id: u64, wish: Option<Result<Wish<'_>, RequestError>>) {
        let done = match wish {
            Some(Ok(Wish::Unsubscribe(handle))) => {
                self.unsubscribe(id, &handle);
                true
            }
            Some(Ok(Wish::Do(ask))) if ask.row.op.changes() => self.ask(id, &ask, None).is_ok(),
            _ => false,
        };
        self.direct.ignored = self.direct.ignored.saturating_add(u64::from(!done));
    }

    fn ask(&mut self, id: u64, ask: &Ask<'_>, who: Option<Waiting>) -> Result<(), Failure> {
        let overloaded = || Failure::Error(RequestError::Overloaded);
        let (calls, subscriptions) = Direct::count(self.direct.of(id));
        let subscribes = ask.row.op == Op::Subscribe;
        if calls >= NODE_CALLS_PER_PEER || subscribes && subscriptions >= NODE_SUBSCRIPTIONS_PER_PEER {
            return Err(overloaded());
        }
        let (key, now) = ((id, ask.role), Instant::now());
        if !self.direct.lines.contains_key(&key) {
            self.start(id, Whose::Calls(ask.role), ask.role).map_err(Failure::Start)?;
            self.direct.lines.insert(key, Line::new(ask.role, now));
        }
        let mut deeds = Vec::new();
        let direct = &mut self.direct;
        let line = direct.lines.get_mut(&key).ok_or_else(overloaded)?;
        match who {
            Some(who) if subscribes => {
                direct.handles = direct.handles.wrapping_add(1);
                line.subscribe(ask, direct.handles, who, now, &mut deeds)?;
            }
            who => line.ask(ask, who, now, &mut deeds)?,
        }
        self.perform(key, deeds);
        Ok(())
    }

    /// Asks the starter for a copy.
    ///
    /// # Errors
    /// Why there is none.
    pub fn start(&mut self, id: u64, whose: Whose, role: Role) -> Result<(), String> {
        let own = self.desk.each().filter(|opening| opening.peer == id).count();
        let room = self.sessions.room(id, own, self.desk.waiting());
        let spare = if room == Err(Full::Node) && own == 0 { self.sessions.spare(id) } else { None };
        match (room, spare) {
            (Ok(()), _) => {}
            (Err(_), Some(session)) => self.give_away(session),
            (Err(Full::Peer), None) => {
                return Err(format!("a node has at most {NODE_SESSIONS_PER_PEER} sessions: close one"));
            }
            (Err(Full::Node), None) => {
                return Err(format!("there are {NODE_SESSIONS_MAX} sessions: close one"));
            }
        }
        let peer = self.peer(id).map(|peer| peer.name).unwrap_or_default();
        self.desk
            .ask(role, &peer, Opening { peer: id, whose })
            .map_err(|e| format!("the starter: {}", e.desc()))
    }

    /// Ends a session for a peer that has none.
    fn give_away(&mut self, session: u32) {
        if let Some(peer) = self.sessions.peer(session).and_then(|id| self.peer(id)) {
            let what = "a session of it has ended: one that has none needed its place";
            self.reports.of_peer(&peer.name, what, Instant::now());
        }
        if let Some(key) = self.direct.key(session) {
            return self.give_up(key, &Failure::Down);
        }
        let farewell = self.sessions.end(session);
        self.bid_farewell(farewell);
    }

    /// A copy for direct calls was started, or was not.
    pub fn started_for_calls(&mut self, peer: Peer, role: Role, result: Result<OwnedFd, String>) {
        let key = (peer.id, role);
        // Nobody may wait any more; then it sees the end of its input.
        let Some(line) = self.direct.lines.get_mut(&key) else { return };
        let name = Arc::clone(&peer.name);
        let opened =
            result.and_then(|socket| self.sessions.open(peer, None, socket).map_err(|e| e.desc().to_owned()));
        match opened {
            Ok(session) => line.session = Some(session),
            Err(why) => {
                // Of a cast nobody else is told.
                let what = format!("no copy of role {}: {why}", role.name());
                self.reports.of_peer(&name, &what, Instant::now());
                self.give_up(key, &Failure::Start(why));
            }
        }
    }

    /// What a copy says, and what is to be written to it.
    pub fn carry_calls(&mut self, session: u32, read: bool, write: bool) {
        let Some(key) = self.direct.key(session) else { return };
        let Some(peer) = self.peer(key.0) else { return };
        if write && self.sessions.flush(session).is_some() {
            return self.give_up(key, &Failure::Down);
        }
        if !read {
            return;
        }
        let unread: usize = self.connections.values().map(|c| c.unread()).sum();
        let gathered: usize = self.direct.lines.values().map(Line::gathered).sum();
        let mut room = Room {
            answer: self.policy.limits.message_bytes.min(NODE_ANSWER_MAX),
            left: NODE_ANSWERS_BYTES.saturating_sub(unread).saturating_sub(gathered),
        };
        let (mut deeds, mut broken) = (Vec::new(), None);
        let own = Pid { node: self.name.as_str(), creation: self.creation, id: PORTCULLIS, serial: 0 };
        let names = Names { own, peer: &peer.name };
        let Some(line) = self.direct.lines.get_mut(&key) else { return };
        let now = Instant::now();
        let over = self.sessions.frames(session, |frame| {
            if broken.is_none() {
                broken = line.hear(&names, frame, &mut room, now, &mut deeds).err();
            }
        });
        self.perform(key, deeds);
        let failure = match (broken, over) {
            (Some(Broken(failure)), _) => failure,
            (None, Err(_)) => Failure::Down,
            (None, Ok(())) => return,
        };
        self.give_up(key, &failure);
    }

    /// A copy is no more: everybody who waits for it is told.
    fn give_up(&mut self, key: (u64, Role), failure: &Failure) {
        let Some(mut line) = self.direct.lines.remove(&key) else { return };
        if let Some(session) = line.session.take() {
            self.sessions.end(session);
        }
        let mut deeds = Vec::new();
        if let Some(peer) = self.peer(key.0) {
            let names = Names { own: self.sessions.pid(PORTCULLIS), peer: &peer.name };
            line.fail(&names, failure, &mut deeds);
        }
        self.perform(key, deeds);
    }

    fn perform(&mut self, key: (u64, Role), deeds: Vec<Deed>) {
        let (peer, _) = key;
        for deed in deeds {
            match deed {
                Deed::Send(frame) => {
                    let session = self.direct.lines.get(&key).and_then(|line| line.session);
                    // One that has ended says so when it is read.
                    let _ = session.map(|session| self.sessions.pass(session, &frame));
                }
                Deed::Tell(frame) => drop(self.tell(peer, &frame)),
                Deed::Answer(who, frame, instead) => {
                    if !self.tell(peer, &frame) && !instead.is_empty() {
                        self.tell(peer, &instead);
                    }
                    if let (Some(mark), Some(peer)) = (who.mark, self.peer(peer)) {
                        self.forget_tag(peer.id, Some(&mark.on(&peer.name)));
                    }
                }
                Deed::News(n, frame) => {
                    if !self.tell(peer, &frame) {
                        self.unsubscribe_number(peer, n, false);
                    }
                }
                Deed::Over(n) => self.is_over(peer, n),
            }
        }
    }

    /// The handle of a subscription that has ended may be named for a while: who ends it then need not know that it has.
    fn is_over(&mut self, peer: u64, n: u32) {
        let ended = self.direct.ended.entry(peer).or_default();
        ended.push_back(n);
        let old = if ended.len() > NODE_HANDLES_KEPT { ended.pop_front() } else { None };
        if let (Some(n), Some(whom)) = (old, self.peer(peer)) {
            let names = Names { own: self.sessions.pid(PORTCULLIS), peer: &whom.name };
            let handle = names.handle(n);
            if let Some(gate) = self.connections.get_mut(&peer).and_then(|c| c.gate()) {
                gate.forget(Party::Protected, &Kept::Reference(handle));
            }
        }
    }

    fn unsubscribe(&mut self, id: u64, handle: &Ref<'_>) {
        let names = Names { own: self.sessions.pid(PORTCULLIS), peer: "" };
        let [n, ..] = handle.words;
        if names.handle(n) == *handle {
            self.unsubscribe_number(id, n, false);
        }
    }

    /// A process of the peer has ended that was monitored under that reference.
    pub fn subscriber_ended(&mut self, id: u64, mark: &Ref<'_>) {
        let names = Names { own: self.sessions.pid(PORTCULLIS), peer: "" };
        let [n, ..] = mark.words;
        if names.mark(n) == *mark {
            self.unsubscribe_number(id, n, true);
        }
    }

    fn unsubscribe_number(&mut self, id: u64, n: u32, gone: bool) {
        let Some(peer) = self.peer(id) else { return };
        let names = Names { own: self.sessions.pid(PORTCULLIS), peer: &peer.name };
        for role in Role::ALL {
            let mut deeds = Vec::new();
            let line = self.direct.lines.get_mut(&(id, *role));
            if line.is_some_and(|line| line.unsubscribe(&names, n, gone, &mut deeds)) {
                return self.perform((id, *role), deeds);
            }
        }
    }

    /// Nobody waits for what is marked so any more: that node will not be told of it.
    pub fn given_up(&mut self, id: u64, mark: &Ref<'_>, from: &Pid<'_>) {
        for role in Role::ALL {
            let mut deeds = Vec::new();
            if let Some(line) = self.direct.lines.get_mut(&(id, *role)) {
                line.given_up(Mark::of(mark), &Process::of(from), &mut deeds);
            }
            self.perform((id, *role), deeds);
        }
    }

    /// A process that has said something is forgotten unless something is still said to it: whoever asks from a new process each time
    /// would soon have told of as many as can be remembered.
    pub fn forget_caller(&mut self, id: u64, from: &Pid<'_>) {
        let process = Process::of(from);
        if self.direct.uses(id, &process) || self.sessions.uses(id, &process) {
            return;
        }
        if let Some(gate) = self.connections.get_mut(&id).and_then(|c| c.gate()) {
            gate.forget(Party::Peer, &Kept::Process(*from));
        }
    }

    /// Sees what the clock says.
    pub fn time_calls(&mut self, now: Instant) {
        if self.direct.due().is_none_or(|due| now < due) {
            return;
        }
        let keys: Vec<_> = self.direct.lines.keys().copied().collect();
        for key in keys {
            let Some(peer) = self.peer(key.0) else { continue };
            let read = self.connections.get(&key.0).is_some_and(|connection| !connection.is_full());
            let names = Names { own: self.sessions.pid(PORTCULLIS), peer: &peer.name };
            let mut deeds = Vec::new();
            let Some(line) = self.direct.lines.get_mut(&key) else { continue };
            let age = line.tick(&names, now, read, &mut deeds);
            self.perform(key, deeds);
            match age {
                Age::Used => {}
                Age::Idle | Age::Stuck => self.give_up(key, &Failure::Down),
            }
        }
    }
}
