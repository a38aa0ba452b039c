//! The loop of the gateway. One thread: who comes is greeted, his connection behind the gateway is asked for, messages are judged and passed on.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashMap};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::desk::{Answer, Asked, Desk, Facts};
use super::guest::{Guest, Needs};
use super::leg::{Leg, Over};
use super::pair::Pair;
use crate::dist::atoms::Atoms;
use crate::dist::command::Party;
use crate::dist::config::{Config, Connections};
use crate::dist::filter::policy::Policy;
use crate::dist::handshake::cookie::Cookie;
use crate::dist::handshake::message::Hello;
use crate::dist::handshake::name::NodeName;
use crate::dist::handshake::{Existing, Failure, Guests};
use crate::dist::learn::Node as Place;
use crate::exec::node::control::Control;
use crate::exec::node::desk::Desk as Starter;
use crate::exec::node::gate::Gate;
use crate::exec::node::glass::Glass;
use crate::exec::node::reports::Reports;
use crate::exec::node::strangers::{Failures, Known};
use crate::exec::node::turns::{Fading, Spent, Turn};
use crate::exec::stream::Stream;
use crate::exec::stream::tls::Identity;
use crate::limits::{GATEWAY_BUFFERS_MAX, GATEWAY_FACTS_MS};
use crate::sys::poll::{self, Can, Interest};
use crate::sys::random;

/// What a gateway is made of.
#[derive(Debug)]
pub struct Setup {
    /// What its file says.
    pub config: Config,
    /// What each peer must know.
    pub cookie: Cookie,
    /// Where they come.
    pub listeners: Vec<TcpListener>,
    /// What makes TLS of their connections; without it whoever reads the network reads along. Behind the gateway there is none: the node is
    /// on this host, or inside a tunnel.
    pub tls: Option<Identity>,
    /// The socket to the dialer.
    pub dialer: OwnedFd,
    /// The socket to whoever reads the file again and looks after the broken glass.
    pub starter: OwnedFd,
    /// Where it is said who comes and goes.
    pub report: fn(&str),
}

/// Somebody who has come.
pub(super) enum Peer {
    Guest(Box<Guest>),
    Pair(Box<Pair>),
}

pub(super) struct Gateway {
    name: NodeName,
    pub policy: Policy,
    pub bounds: Connections,
    cookie: Cookie,
    pub(super) listeners: Vec<TcpListener>,
    /// Nobody is taken in until then.
    pub(super) rests: Option<Instant>,
    pub(super) tls: Option<Identity>,
    pub report: fn(&str),
    pub reports: Reports,
    desk: Desk,
    /// The process that reads the file again. Nothing is asked of it.
    pub starter: Starter<()>,
    pub glass: Option<Rc<Glass>>,
    /// What is known of the protected node, and since when.
    facts: Option<(Facts, Instant)>,
    pub peers: BTreeMap<u64, Peer>,
    /// What is known of peers by their names.
    pub control: Control,
    pub(super) failures: Failures,
    pub(super) known: Known,
    /// Which starts of the protected node and of a peer were connected last. Of peers in the allow-list, so that there are not more.
    starts: HashMap<String, [u32; 2]>,
    pub(super) next: u64,
    /// What all guests took.
    guests: Spent,
    fading: Fading,
}

/// Who may come in, and who is there already.
struct Door<'g> {
    gateway: &'g Gateway,
}

impl Guests for Door<'_> {
    fn cookie(&self, name: &NodeName) -> Option<Cookie> {
        self.gateway.policy.allow.contains(name.as_str()).then(|| self.gateway.cookie.clone())
    }

    fn has_room(&self, name: &NodeName) -> bool {
        !self.gateway.is_full() || self.existing(name) == Existing::Up
    }

    fn existing(&self, name: &NodeName) -> Existing {
        let up = self.gateway.pairs().any(|(_, pair)| *pair.name == *name.as_str());
        if up { Existing::Up } else { Existing::None }
    }
}

/// Serves until the dialer has gone.
///
/// # Errors
/// What the gateway cannot go on without.
pub fn serve(setup: Setup) -> Result<(), Errno> {
    let Setup { config, cookie, listeners, tls, dialer, starter, report } = setup;
    let Config { name, policy, connections: bounds, .. } = config;
    for listener in &listeners {
        listener.set_nonblocking(true).map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)))?;
    }
    let mut gateway = Gateway {
        name,
        policy,
        bounds,
        cookie,
        listeners,
        rests: None,
        tls,
        report,
        reports: Reports::new(report),
        desk: Desk::new(dialer)?,
        starter: Starter::new(starter)?,
        glass: None,
        facts: None,
        peers: BTreeMap::new(),
        control: Control::new(true, report),
        failures: Failures::default(),
        known: Known::default(),
        starts: HashMap::new(),
        next: 1,
        guests: Spent::default(),
        fading: Fading::new(Instant::now()),
    };
    loop {
        gateway.turn()?;
    }
}

/// What was waited for, in the order of the interests.
#[derive(Clone, Copy)]
enum Waited {
    Dialer,
    Starter,
    Listener(usize),
    Guest(u64),
    Side(u64, Party),
}

impl Gateway {
    fn pairs(&self) -> impl Iterator<Item = (u64, &Pair)> {
        self.peers.iter().filter_map(|(id, peer)| match peer {
            Peer::Pair(pair) => Some((*id, &**pair)),
            Peer::Guest(_) => None,
        })
    }

    /// Waits for something, and does what can be done then.
    fn turn(&mut self) -> Result<(), Errno> {
        self.ration(Instant::now());
        let ready = self.wait()?;
        let now = Instant::now();
        let mut turn = Turn::default();
        for (what, can) in ready {
            match (what, self.spent(what)) {
                (Waited::Side(id, party), Some(spent)) if can.read || can.write || self.waits(id, party) => {
                    turn.peer(spent, (what, can.read));
                }
                _ if !can.read && !can.write => {}
                (Waited::Dialer, _) => self.answered(now)?,
                (Waited::Starter, _) => self.news()?,
                (Waited::Listener(which), _) => self.accept(which, now),
                (_, spent) => turn.stranger(self.guests, spent.unwrap_or_default(), (what, can.read)),
            }
        }
        turn.take(Instant::now(), |(what, read)| match what {
            Waited::Guest(id) => self.greet(id, read, now),
            Waited::Side(id, party) => {
                self.attend(id, read.then_some(party), now);
                Ok(())
            }
            Waited::Dialer | Waited::Starter | Waited::Listener(_) => Ok(()),
        })?;
        self.settle(now)
    }

    /// What one who has come took of the gateway's time lately.
    fn spent(&self, what: Waited) -> Option<Spent> {
        let (Waited::Guest(id) | Waited::Side(id, _)) = what else { return None };
        Some(match self.peers.get(&id)? {
            Peer::Guest(guest) => guest.spent,
            Peer::Pair(pair) => pair.spent,
        })
    }

    /// Whether that side has said more than there was time for.
    fn waits(&self, id: u64, party: Party) -> bool {
        matches!(self.peers.get(&id), Some(Peer::Pair(pair)) if pair.waits(party))
    }

    fn wait(&self) -> Result<Vec<(Waited, Can)>, Errno> {
        let mut waited = vec![Waited::Starter, Waited::Dialer];
        let mut interests: Vec<_> =
            [self.starter.fd(), self.desk.fd()].map(|fd| Interest { fd, read: true, write: false }).into();
        for (which, listener) in self.listeners.iter().enumerate() {
            waited.push(Waited::Listener(which));
            interests.push(Interest { fd: listener.as_fd(), read: self.rests.is_none(), write: false });
        }
        let (mut due, mut waits) = (self.rests, false);
        for (id, peer) in &self.peers {
            let wanted = match peer {
                Peer::Guest(guest) => {
                    let write = guest.leg.is_pending();
                    waited.push(Waited::Guest(*id));
                    interests.push(Interest { fd: guest.leg.fd(), read: guest.listens(), write });
                    guest.deadline
                }
                Peer::Pair(pair) => {
                    for party in [Party::Peer, Party::Protected] {
                        let (read, write) = (pair.listens(party), pair.pending(party));
                        waited.push(Waited::Side(*id, party));
                        interests.push(Interest { fd: pair.leg(party).fd(), read, write });
                        waits |= pair.waits(party);
                    }
                    pair.due()
                }
            };
            due = Some(due.map_or(wanted, |due| due.min(wanted)));
        }
        let timeout = due.map(|due| due.saturating_duration_since(Instant::now()));
        let can = if waits { poll::now(&interests) } else { poll::any(&interests, timeout) };
        Ok(waited.into_iter().zip(can?).collect())
    }

    /// Where all together hold much, one long message after the other is read on.
    fn ration(&mut self, now: Instant) {
        let held: usize = self.pairs().map(|(_, pair)| pair.memory()).sum();
        let (room, mut turn) = (held < GATEWAY_BUFFERS_MAX, true);
        let mut over = Vec::new();
        for (id, peer) in &mut self.peers {
            if let Peer::Pair(pair) = peer {
                if let Err(why) = pair.ration(room, &mut turn, now) {
                    over.push((*id, why));
                }
            }
        }
        over.into_iter().for_each(|(id, why)| self.part(id, &why));
    }

    /// What is known of the protected node, if it can be relied on: it was asked just now, or there is a connection with it whose end would have been
    /// read. That of a peer who reads nothing is not read either.
    fn fresh(&self, now: Instant) -> Option<Facts> {
        let (facts, since) = self.facts?;
        let recent = now.saturating_duration_since(since) < Duration::from_millis(GATEWAY_FACTS_MS);
        (recent || self.pairs().any(|(_, pair)| pair.listens(Party::Protected))).then_some(facts)
    }

    /// Reads from a guest and goes on with its handshake.
    fn greet(&mut self, id: u64, read: bool, now: Instant) -> Result<(), Errno> {
        let began = Instant::now();
        let Some(Peer::Guest(mut guest)) = self.peers.remove(&id) else { return Ok(()) };
        let heard = if read { guest.leg.read(now) } else { Ok(()) };
        // Behind the reading: who goes away at once is gone before what was signed for his first message is all written.
        let begun = guest.has_begun();
        let (facts, challenge) = (self.fresh(now), random::number()?);
        let door = Door { gateway: self };
        let needs = heard.and_then(|()| guest.step(&self.name, facts, challenge, &door, now));
        let needs = needs.and_then(|needs| guest.leg.flush(now).map(|_| needs));
        let from = guest.from;
        self.guests.since(began);
        guest.spent.since(began);
        match needs {
            Ok(needs) => {
                self.peers.insert(id, Peer::Guest(guest));
                match needs {
                    Needs::Nothing => Ok(()),
                    Needs::Facts => self.desk.probe(),
                    Needs::Call(peer) => self.proved(id, &peer),
                }
            }
            Err(over) => {
                self.reports.of_claimant(&from, guest.said(), &over.to_string(), now);
                self.failed(from, begun, Some(&over), now);
                Ok(())
            }
        }
    }

    /// A peer has proved who it is. An older connection of it is dead, or it would not have come.
    fn proved(&mut self, id: u64, peer: &Hello) -> Result<(), Errno> {
        if !self.policy.allow.contains(peer.name.as_str()) {
            // The file was read again while it said who it is.
            self.part(id, &Over::Handshake(Failure::NotAllowed));
            return Ok(());
        }
        let same = |pair: &Pair| *pair.name == *peer.name.as_str();
        let old: Vec<u64> = self.pairs().filter(|(_, pair)| same(pair)).map(|(old, _)| old).collect();
        old.into_iter().for_each(|old| self.part(old, &Over::Again));
        // Nor does one wait twice.
        let waits = |other: &u64, waiting: &Peer| {
            *other != id && matches!(waiting, Peer::Guest(g) if g.name() == Some(&peer.name))
        };
        let twice: Vec<u64> = self
            .peers
            .iter()
            .filter(|(other, waiting)| waits(other, waiting))
            .map(|(other, _)| *other)
            .collect();
        twice.into_iter().for_each(|other| self.part(other, &Over::Again));
        self.desk.call(id, peer)
    }

    /// There are as many nodes as there may be.
    fn is_full(&self) -> bool {
        self.pairs().count() >= self.bounds.nodes
    }

    /// What the dialer found.
    fn answered(&mut self, now: Instant) -> Result<(), Errno> {
        while let Some((asked, answer)) = self.desk.take()? {
            if let Ok((facts, _)) = &answer {
                self.facts = Some((*facts, now));
            }
            match asked {
                Asked::Facts => self.told(answer, now)?,
                Asked::Call(id) => self.connect(id, answer, now),
            }
        }
        Ok(())
    }

    /// Those who waited to be told of the protected node go on, or go.
    fn told(&mut self, answer: Answer, now: Instant) -> Result<(), Errno> {
        let waits =
            |peer: &Peer| matches!(peer, Peer::Guest(guest) if guest.is_stranger() && !guest.listens());
        let waiting: Vec<u64> =
            self.peers.iter().filter(|(_, peer)| waits(peer)).map(|(id, _)| *id).collect();
        for id in waiting {
            match &answer {
                Ok(_) => self.greet(id, false, now)?,
                Err(why) => self.part(id, &Over::Unreachable(why.clone())),
            }
        }
        Ok(())
    }

    /// A peer's connection is there, or cannot be had.
    fn connect(&mut self, id: u64, answer: Answer, now: Instant) {
        if !matches!(self.peers.get(&id), Some(Peer::Guest(_))) {
            return;
        }
        let joined = match answer {
            // Others came while it said who it is.
            Ok(_) if self.is_full() => Err(Over::Handshake(Failure::Full)),
            Ok((facts, Some(socket))) => self.join(id, facts, socket, now),
            Ok((_, None)) => Err(Over::Unreachable("too many descriptors are open".to_owned())),
            Err(why) => Err(Over::Unreachable(why)),
        };
        if let Err(over) = joined {
            self.part(id, &over);
        }
    }

    fn join(&mut self, id: u64, facts: Facts, socket: TcpStream, now: Instant) -> Result<(), Over> {
        let node = Stream::accept(socket, None).map_err(|_| Over::Closed)?;
        let node = Leg::new(node, now);
        let Some(Peer::Guest(guest)) = self.peers.remove(&id) else { return Ok(()) };
        let from = guest.from;
        let (peer, hello) = match guest.admit(facts) {
            Ok(admitted) => admitted,
            Err(over) => {
                self.reports.of_stranger(&from, &over.to_string(), now);
                return Ok(());
            }
        };
        self.known.note(from);
        let name = hello.name.as_str().to_owned();
        let own = Place { name: self.name.as_str().to_owned(), creation: facts.creation };
        let place = Place { name: name.clone(), creation: hello.creation };
        let mut gate = Gate::new(own, place.clone(), &self.policy).in_front();
        gate.glass.clone_from(&self.glass);
        // An atom stays in the node that it came to, until that one is started anew.
        let starts = [facts.creation, hello.creation];
        let before = self.starts.insert(name.clone(), starts).unwrap_or(starts);
        let record = self.control.ledger(&self.policy, &name.as_str().into()).record;
        for (atoms, (before, now)) in record.atoms.iter_mut().zip(before.into_iter().zip(starts)) {
            if before != now {
                *atoms = Atoms::new(self.policy.limits.atoms);
            }
        }
        self.reports.of_peer(&name, "connected", now);
        let pair = Pair::new(place, gate, peer, node, self.policy.limits.message_bytes);
        self.peers.insert(id, Peer::Pair(Box::new(pair)));
        // What follows the handshake may have come with it.
        self.attend(id, None, now);
        Ok(())
    }

    /// Reads from a side of a connection, and passes on what came.
    fn attend(&mut self, id: u64, read: Option<Party>, now: Instant) {
        let began = Instant::now();
        let Some(Peer::Pair(pair)) = self.peers.get_mut(&id) else { return };
        if let Some(party) = read.filter(|party| pair.listens(*party)) {
            pair.read(party, now);
        }
        let mut ledger = self.control.ledger(&self.policy, &pair.name);
        let pumped = pair.pump(&self.policy, &mut ledger, now);
        pair.spent.since(began);
        if let Err(over) = pumped {
            self.part(id, &over);
        }
    }

    /// Sees what the clock says.
    fn settle(&mut self, now: Instant) -> Result<(), Errno> {
        self.rests = self.rests.filter(|until| now < *until);
        self.control.time(now);
        let halves = self.fading.halves(now);
        self.guests.fade(halves);
        let policy = &self.policy;
        let time = |peer: &mut Peer| match peer {
            Peer::Guest(guest) => {
                guest.spent.fade(halves);
                guest.time(now)
            }
            Peer::Pair(pair) => {
                pair.spent.fade(halves);
                pair.time(policy, now)
            }
        };
        let over: Vec<(u64, Over)> =
            self.peers.iter_mut().filter_map(|(id, peer)| Some((*id, time(peer).err()?))).collect();
        over.into_iter().for_each(|(id, over)| self.part(id, &over));
        Ok(())
    }

    /// A connection is over, and it is said why.
    fn part(&mut self, id: u64, over: &Over) {
        match self.peers.get(&id) {
            Some(Peer::Pair(pair)) => {
                self.reports.of_peer(&pair.name, &over.to_string(), Instant::now());
            }
            Some(Peer::Guest(guest)) => {
                let (from, begun) = (guest.from, guest.has_begun());
                self.reports.of_claimant(&from, guest.said(), &over.to_string(), Instant::now());
                self.failed(from, begun, Some(over), Instant::now());
            }
            None => return,
        }
        if let (Some(Peer::Pair(pair)), Over::Malformed(_)) = (self.peers.get(&id), over) {
            self.control.malformed(&self.policy, &pair.name);
        }
        self.leave(id);
    }

    pub fn leave(&mut self, id: u64) {
        self.desk.forget(id);
        let Some(Peer::Pair(pair)) = self.peers.remove(&id) else {
            return;
        };
        self.control.left(&pair.name, Instant::now());
        // If it was the protected node that went, it will be another when it comes back.
        self.facts = None;
    }
}
