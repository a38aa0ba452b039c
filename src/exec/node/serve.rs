//! The loop of the node. One thread: who comes is greeted, messages are judged and done, what copies say is passed on.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;

use super::connection::{Came, Connection, Over, Phase};
use super::control::Control;
use super::desk::Desk;
use super::direct::{Direct, Waiting};
use super::gate::{Gate, Passage};
use super::glass::Glass;
use super::obey::PORTCULLIS;
use super::reports::Reports;
use super::sessions::{Farewell, Peer, Sessions};
use super::strangers::{Failures, Known};
use super::turns::{Fading, Spent, Turn, until};
use crate::dist::config::{Config, Connections};
use crate::dist::control::{self, Control as Signal, answer};
use crate::dist::filter::policy::Policy;
use crate::dist::handshake::cookie::Cookie;
use crate::dist::handshake::name::NodeName;
use crate::dist::handshake::{Connected, Existing, Failure, Guests};
use crate::dist::learn::Node as Place;
use crate::exec::stream::tls::Identity;
use crate::op::Role;
use crate::sys::poll::{self, Can as Ready, Interest};

/// What a node is made of.
#[derive(Debug)]
pub struct Setup {
    /// What its file says: its name, who may come, and what he may say.
    pub config: Config,
    /// Which start of it.
    pub creation: u32,
    /// What each must know.
    pub cookie: Cookie,
    /// Where they come.
    pub listeners: Vec<TcpListener>,
    /// What makes TLS of their connections; without it whoever reads the network reads along.
    pub tls: Option<Identity>,
    /// The socket to the starter.
    pub starter: OwnedFd,
    /// Where it is said who comes and goes.
    pub report: fn(&str),
}

/// A copy that is being started.
#[derive(Debug)]
pub(super) struct Opening {
    pub peer: u64,
    pub whose: Whose,
}

/// For whom it is.
#[derive(Debug)]
pub(super) enum Whose {
    /// A session of its own, for who called.
    Caller(Waiting),
    /// The direct calls of the peer.
    Calls(Role),
}

pub(super) struct Node {
    pub name: NodeName,
    pub creation: u32,
    pub policy: Policy,
    pub bounds: Connections,
    pub glass: Option<Rc<Glass>>,
    /// What is known of peers by their names.
    pub control: Control,
    pub failures: Failures,
    pub known: Known,
    cookie: Cookie,
    pub(super) listeners: Vec<TcpListener>,
    /// Nobody is taken in until then.
    pub rests: Option<Instant>,
    pub(super) tls: Option<Identity>,
    pub report: fn(&str),
    pub reports: Reports,
    pub desk: Desk<Opening>,
    pub sessions: Sessions,
    pub direct: Direct,
    pub connections: BTreeMap<u64, Connection>,
    pub(super) next: u64,
    /// What all took who have not said who they are.
    strangers: Spent,
    fading: Fading,
    /// The message in work: its memory is used again.
    body: Vec<u8>,
}

/// Who may come in, and who is there already.
struct Door<'n> {
    policy: &'n Policy,
    cookie: &'n Cookie,
    up: &'n [Arc<str>],
    /// There are as many nodes as there may be.
    full: bool,
}

impl Guests for Door<'_> {
    fn cookie(&self, name: &NodeName) -> Option<Cookie> {
        self.policy.allow.contains(name.as_str()).then(|| self.cookie.clone())
    }

    fn has_room(&self, name: &NodeName) -> bool {
        !self.full || self.existing(name) == Existing::Up
    }

    fn existing(&self, name: &NodeName) -> Existing {
        if self.up.iter().any(|up| **up == *name.as_str()) { Existing::Up } else { Existing::None }
    }
}

/// Serves until the starter has gone.
///
/// # Errors
/// What the node cannot go on without.
pub fn serve(setup: Setup) -> Result<(), Errno> {
    let Setup { config, creation, cookie, listeners, tls, starter, report } = setup;
    let Config { name, policy, connections: bounds, .. } = config;
    for listener in &listeners {
        listener.set_nonblocking(true).map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)))?;
    }
    let mut node = Node {
        sessions: Sessions::new(name.as_str(), creation),
        desk: Desk::new(starter)?,
        direct: Direct::default(),
        connections: BTreeMap::new(),
        next: 1,
        strangers: Spent::default(),
        fading: Fading::new(Instant::now()),
        body: Vec::new(),
        name,
        creation,
        policy,
        bounds,
        glass: None,
        control: Control::new(false, report),
        failures: Failures::default(),
        known: Known::default(),
        cookie,
        listeners,
        rests: None,
        tls,
        report,
        reports: Reports::new(report),
    };
    loop {
        node.turn()?;
    }
}

/// What was waited for, in the order of the interests.
#[derive(Clone, Copy)]
enum Waited {
    Listener(usize),
    Starter,
    Connection(u64),
    Session(u32),
}

impl Node {
    /// Waits for something, and does what can be done then.
    fn turn(&mut self) -> Result<(), Errno> {
        let ready = self.wait()?;
        let now = Instant::now();
        let mut turn = Turn::default();
        for (what, can) in ready {
            match what {
                Waited::Connection(id) => self.line_up(&mut turn, id, what, can),
                _ if !can.read && !can.write => {}
                Waited::Listener(which) => self.accept(which, now)?,
                Waited::Starter => self.news()?,
                Waited::Session(id) => {
                    let spent =
                        self.sessions.peer(id).and_then(|peer| Some(self.connections.get(&peer)?.spent));
                    turn.peer(spent.unwrap_or_default(), (what, can));
                }
            }
        }
        turn.take(Instant::now(), |(what, Ready { read, write })| {
            match what {
                Waited::Connection(id) => self.attend(id, read, now),
                Waited::Session(id) => {
                    let (began, peer) = (Instant::now(), self.sessions.peer(id));
                    self.carry(id, read, write);
                    if let Some(connection) = peer.and_then(|peer| self.connections.get_mut(&peer)) {
                        connection.spent.since(began);
                    }
                }
                Waited::Listener(_) | Waited::Starter => {}
            }
            Ok(())
        })?;
        self.settle(now);
        Ok(())
    }

    /// A connection that can be read or written, or has said more than there was time for.
    fn line_up(&self, turn: &mut Turn<(Waited, Ready)>, id: u64, what: Waited, can: Ready) {
        let Some(connection) = self.connections.get(&id) else { return };
        if !can.read && !can.write && !connection.waits {
            return;
        }
        match connection.phase {
            Phase::Up(_) => turn.peer(connection.spent, (what, can)),
            Phase::Greeting(_) => turn.stranger(self.strangers, connection.spent, (what, can)),
        }
    }

    fn wait(&self) -> Result<Vec<(Waited, Ready)>, Errno> {
        let mut waited = vec![Waited::Starter];
        let mut interests = vec![Interest { fd: self.desk.fd(), read: true, write: false }];
        for (which, listener) in self.listeners.iter().enumerate() {
            waited.push(Waited::Listener(which));
            interests.push(Interest { fd: listener.as_fd(), read: self.rests.is_none(), write: false });
        }
        for (id, connection) in &self.connections {
            // Who does not read is not heard, and who sends more than its copies take waits with them.
            let full = connection.is_full() || self.sessions.is_full(*id) || self.direct.is_full(*id);
            let read = !full && !connection.waits;
            waited.push(Waited::Connection(*id));
            interests.push(Interest { fd: connection.fd(), read, write: connection.is_pending() });
        }
        for (id, peer, fd, pending) in self.sessions.each() {
            let read = self.connections.get(&peer).is_some_and(|connection| !connection.is_full());
            waited.push(Waited::Session(id));
            interests.push(Interest { fd, read, write: pending });
        }
        let due =
            self.connections.values().map(Connection::due).chain(self.direct.due()).chain(self.rests).min();
        let timeout = due.map(|due| due.saturating_duration_since(Instant::now()));
        let waits = self.connections.values().any(|connection| connection.waits);
        let can = if waits { poll::now(&interests) } else { poll::any(&interests, timeout) };
        Ok(waited.into_iter().zip(can?).collect())
    }

    /// A copy was started, or was not.
    pub fn started(&mut self, opening: Opening, result: Result<OwnedFd, String>) {
        let Some(whom) = self.peer(opening.peer) else { return };
        match opening.whose {
            Whose::Caller(who) => self.opened(whom, &who, result),
            Whose::Calls(role) => self.started_for_calls(whom, role, result),
        }
    }

    pub fn peer(&self, id: u64) -> Option<Peer> {
        match &self.connections.get(&id)?.phase {
            Phase::Up(up) => Some(up.peer.clone()),
            Phase::Greeting(_) => None,
        }
    }

    /// Reads from a peer and does what it asks.
    fn attend(&mut self, id: u64, read: bool, now: Instant) {
        let began = Instant::now();
        let stranger = self.peer(id).is_none();
        let mut body = std::mem::take(&mut self.body);
        let heard = self.greet(id, read, now).and_then(|()| self.hear(id, &mut body, now));
        self.body = body;
        if stranger {
            self.strangers.since(began);
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.spent.since(began);
        }
        if let Err(over) = heard {
            self.part(id, over);
        }
    }

    fn greet(&mut self, id: u64, read: bool, now: Instant) -> Result<(), Over> {
        let names = |connection: &Connection| match &connection.phase {
            Phase::Up(up) => Some(up.peer.name.clone()),
            Phase::Greeting(_) => None,
        };
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        if read {
            connection.read(now)?;
        }
        if matches!(connection.phase, Phase::Up(_)) {
            return Ok(());
        }
        let up: Vec<_> = self.connections.values().filter_map(names).collect();
        let full = up.len() >= self.bounds.nodes;
        let door = Door { policy: &self.policy, cookie: &self.cookie, up: &up, full };
        let greeted = self.connections.get_mut(&id).map_or(Ok(None), |c| c.greet(&door, now))?;
        if let Some(connected) = greeted {
            self.connect(id, &connected);
        }
        Ok(())
    }

    /// A node has proved who it is. An older connection of it is dead, or it would not have come.
    fn connect(&mut self, id: u64, connected: &Connected) {
        let name: Arc<str> = connected.peer.name.as_str().into();
        if !self.policy.allow.contains(&*name) {
            // The file was read again while it said who it is.
            return self.leave(id);
        }
        let same =
            |connection: &Connection| matches!(&connection.phase, Phase::Up(up) if up.peer.name == name);
        let old: Vec<u64> = self.connections.iter().filter(|(_, c)| same(c)).map(|(old, _)| *old).collect();
        old.into_iter().for_each(|old| self.part(old, Over::Again));
        let up = self.connections.values().filter(|c| matches!(c.phase, Phase::Up(_))).count();
        if up >= self.bounds.nodes {
            // Others came while it said who it is.
            self.reports.of_peer(&name, &Failure::Full.to_string(), Instant::now());
            return self.leave(id);
        }
        let own = Place { name: self.name.as_str().to_owned(), creation: self.creation };
        let peer = Place { name: name.to_string(), creation: connected.peer.creation };
        let mut gate = Gate::new(own, peer, &self.policy);
        gate.glass.clone_from(&self.glass);
        self.reports.of_peer(&name, "connected", Instant::now());
        if let Some(connection) = self.connections.get_mut(&id) {
            self.known.note(connection.from);
            connection.connected(Peer { id, name }, gate, self.policy.limits.message_bytes);
        }
    }

    /// What has come whole is judged and done, as much of it as there is time for.
    fn hear(&mut self, id: u64, body: &mut Vec<u8>, now: Instant) -> Result<(), Over> {
        let until = until();
        loop {
            // What a message did may have ended it, or filled what it writes to.
            let full = self.sessions.is_full(id) || self.direct.is_full(id);
            let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
            // It is heard on when there is room, and not only when it says something more.
            connection.stalled = full || connection.is_full();
            connection.waits = !connection.stalled && Instant::now() >= until;
            if connection.stalled || connection.waits {
                return Ok(());
            }
            if !matches!(connection.phase, Phase::Up(_)) {
                return Ok(());
            }
            let came = connection.message(body, now)?;
            let Phase::Up(up) = &mut connection.phase else { return Ok(()) };
            if came == Came::Nothing {
                return Ok(());
            }
            let mut message = control::read(body).map_err(|fault| Over::Malformed(fault.name()))?;
            let mut ledger = self.control.ledger(&self.policy, &up.peer.name);
            // That somebody has ended is heard, however much is said about it.
            let end = matches!(message.control, Signal::Exit { .. } | Signal::MonitorExit { .. });
            if came == Came::Head && end {
                message.payload = Some(answer::DENIED_TERM);
            }
            let passage = match came {
                Came::Head if !end => up.gate.too_long(&mut ledger, &message),
                _ => up.gate.inbound(&self.policy, &mut ledger, &message),
            };
            match passage {
                Passage::Through => self.obey(id, &message),
                Passage::Malformed => return Err(Over::Malformed("payload")),
                Passage::Denied(Some(answer)) => connection.send(&answer),
                Passage::Denied(None) => {}
            }
        }
    }

    /// Passes on what a session's copy says, and what it is to be told.
    fn carry(&mut self, session: u32, read: bool, write: bool) {
        if self.direct.has(session) {
            return self.carry_calls(session, read, write);
        }
        if write {
            let farewell = self.sessions.flush(session);
            self.bid_farewell(farewell);
        }
        if read {
            let mut frames = Vec::new();
            let peer = self.sessions.peer(session);
            let mut farewell = self.sessions.read(session, |frame| frames.push(frame));
            // What may not go out would leave a hole in what the copy says.
            if !frames.iter().all(|frame| peer.is_some_and(|peer| self.tell(peer, frame))) {
                farewell = farewell.or_else(|| self.sessions.end(session));
            }
            self.bid_farewell(farewell);
        }
    }

    pub fn bid_farewell(&mut self, farewell: Option<Farewell>) {
        if let Some((peer, frames)) = farewell {
            for frame in &frames {
                self.tell(peer, frame);
            }
        }
    }

    /// Sends a frame to a peer, if it may go out.
    pub fn tell(&mut self, id: u64, frame: &[u8]) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        let Phase::Up(up) = &mut connection.phase else { return false };
        let mut ledger = self.control.ledger(&self.policy, &up.peer.name);
        let may = up.gate.outbound(&self.policy, &mut ledger, frame).unwrap_or(false);
        if may {
            connection.send(frame);
        }
        may
    }

    /// Writes what is to be written, and sees what the clock says.
    fn settle(&mut self, now: Instant) {
        self.rests = self.rests.filter(|until| now < *until);
        self.make_memory();
        self.share_output();
        self.time_calls(now);
        let own = self.sessions.pid(PORTCULLIS);
        let time = |c: &mut Connection| c.flush(now).and_then(|()| c.time(now));
        for (id, connection) in &mut self.connections {
            if let Phase::Up(up) = &mut connection.phase {
                let peer = &up.peer;
                up.gate.sweep(&self.policy, |tell| {
                    self.sessions.live(*id, tell);
                    self.direct.live(peer, &own, tell);
                });
            }
        }
        let over: Vec<(u64, Over)> =
            self.connections.iter_mut().filter_map(|(id, c)| Some((*id, time(c).err()?))).collect();
        over.into_iter().for_each(|(id, over)| self.part(id, over));
        let waits = |(id, c): (&u64, &Connection)| {
            let room = !c.is_full() && !self.sessions.is_full(*id) && !self.direct.is_full(*id);
            (c.stalled && room).then_some(*id)
        };
        let stalled: Vec<u64> = self.connections.iter().filter_map(waits).collect();
        for id in stalled {
            self.connections.entry(id).and_modify(|connection| connection.waits = true);
        }
        let halves = self.fading.halves(now);
        self.strangers.fade(halves);
        self.connections.values_mut().for_each(|connection| connection.spent.fade(halves));
        self.control.time(now);
    }

    /// A connection is over, and it is said why.
    pub fn part(&mut self, id: u64, over: Over) {
        let Some(connection) = self.connections.remove(&id) else { return };
        match &connection.phase {
            Phase::Up(up) => {
                if matches!(over, Over::Malformed(_) | Over::TooLong(_)) {
                    self.control.malformed(&self.policy, &up.peer.name);
                }
                self.control.left(&up.peer.name, Instant::now());
                self.reports.of_peer(&up.peer.name, &over.to_string(), Instant::now());
            }
            Phase::Greeting(acceptor) => {
                let said = acceptor.said();
                self.reports.of_claimant(&connection.from, said, &over.to_string(), Instant::now());
                self.failed(&connection, Some(over), Instant::now());
            }
        }
        self.leave(id);
    }

    pub fn leave(&mut self, id: u64) {
        self.connections.remove(&id);
        self.sessions.leave(id);
        self.direct.leave(id);
    }
}
