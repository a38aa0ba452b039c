//! What a message carries: nothing that runs, nothing that belongs to a third node, nobody of the receiver's that the sender was never told
//! of, no more than the bounds, no flood of atoms.
#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};

use super::policy::{Limits, View};
use super::{State, leader};
use crate::dist::atoms::Atoms;
use crate::dist::command::{Direction, Party};
use crate::dist::control::{Control, Message, Target, gen_call};
use crate::dist::etf::keys;
use crate::dist::etf::read::{Cursor, Head};
use crate::dist::etf::scan::{Bounds, Nobody, Stop, Visitor, Walk};
use crate::dist::etf::{Identifier, Pid, Ref};
use crate::dist::learn::{Learned, Lesson, Nodes, own_leader};
use crate::dist::reason::Reason;
use crate::limits::DIST_REASON_BYTES_MAX;

/// What delivering the message would teach: identifiers of the sender, and atoms.
type Taught<'m> = (Vec<Lesson<'m>>, Vec<&'m str>);

/// Walks the control tuple and the payload, once.
pub(super) fn look<'m>(
    view: &View<'_>,
    direction: Direction,
    message: &Message<'m>,
    state: &State<'_>,
) -> Result<Taught<'m>, Reason> {
    if message.size > view.limits.message_bytes {
        return Err(Reason::TooLong);
    }
    // OTP puts it into words more than once, for every log. Who waits for the end hears `denied` in its place.
    let of_an_end =
        matches!(message.control, Control::Exit { .. } | Control::Exit2 { .. } | Control::MonitorExit { .. });
    let reason = message.payload.filter(|_| of_an_end && direction == Direction::In);
    if reason.is_some_and(|reason| reason.len() > DIST_REASON_BYTES_MAX) {
        return Err(Reason::TooLong);
    }
    let mut seen = Seen {
        limits: view.limits,
        nodes: state.nodes,
        learned: state.learned,
        known: state.atoms,
        sender: direction.sender(),
        strict: false,
        identifiers: 0,
        references: HashMap::new(),
        lessons: Vec::new(),
        atoms: Vec::new(),
        met: HashSet::new(),
    };
    // The leader of a new process, or a new leader, can be anybody; every other element of a tuple was judged by what it is.
    let anybody = matches!(message.control, Control::GroupLeader { .. } | Control::SpawnRequest { .. });
    let mut walk = Walk::default();
    let mut read = |seen: &mut Seen<'_, 'm>, bytes: &'m [u8]| {
        let mut cursor = Cursor::new(bytes);
        walk.term(&mut cursor, &view.limits.bounds(), seen).map_err(|stop| match stop {
            Stop::Malformed(_) => Reason::Malformed,
            Stop::Unwanted(reason) => reason,
        })?;
        if !cursor.rest().is_empty() {
            return Err(Reason::Malformed);
        }
        if direction == Direction::In && walk.met_maps() { keys::check(bytes) } else { Ok(()) }
    };
    seen.strict = anybody;
    read(&mut seen, message.tuple)?;
    let in_tuple = seen.lessons.len();
    seen.strict = true;
    for bytes in [message.reason, message.payload].into_iter().flatten() {
        read(&mut seen, bytes)?;
    }
    if let Control::Send { to, .. } = &message.control {
        let receiver = direction.receiver();
        if !state.learned.knows(receiver, &Identifier::Pid(*to)) && !leader::is_asked(message) {
            return Err(Reason::NotLearned);
        }
    }
    if let Control::SpawnRequest { mfa, options, .. } = message.control {
        if options.of_node && direction == Direction::In {
            return Err(Reason::SpawnOption);
        }
        let given = arguments(message.payload.unwrap_or_default(), &view.limits.bounds());
        if given != Some(usize::from(mfa.arity)) {
            return Err(Reason::Arity);
        }
    }
    if !state.learned.has_room(seen.sender, &seen.lessons) {
        return Err(Reason::TableFull);
    }
    // Who a group leader is, is told so that it can be asked to write. OTP has the master of an application in its place, which stops it
    // for who says so: as a process that may be spoken to it must be told of by something else than its place in the tuple.
    let (silent, leader) = (tells_of_nobody(direction, &message.control), own_leader(&message.control));
    let told = |pid: &Pid<'_>| !silent && leader != Some(pid);
    let mut at = 0;
    seen.lessons.retain(|lesson| {
        at += 1;
        at > in_tuple || !matches!(&lesson.identifier, Identifier::Pid(pid) if !told(pid))
    });
    Ok((seen.lessons, seen.atoms))
}

/// Whether nobody who gets a message learns of a process by its control tuple. That an unlink was seen a node says in the name of whatever process
/// the other one has named, linked or not, alive or not: one who guesses all of them could speak with each. And who sends a message no process
/// is told: of `net_kernel`, which answers pings and starts processes for whoever calls it, a peer would have the pid. Nor is one told who
/// monitors it, links to it or has it started: a server that monitors its callers was ended by any of them. What such a message asks for is answered
/// by what is remembered of it, and not by who may be spoken to. What comes in is another matter, as a handler is told who sent it.
fn tells_of_nobody(direction: Direction, control: &Control<'_>) -> bool {
    match control {
        Control::UnlinkAck { .. } => true,
        Control::Send { .. }
        | Control::RegSend { .. }
        | Control::AliasSend { .. }
        | Control::Monitor { .. }
        | Control::Demonitor { .. }
        | Control::Link { .. }
        | Control::Unlink { .. } => direction == Direction::Out,
        // One that leads itself is asked to write what the other one prints.
        Control::SpawnRequest { from, leader, .. } => direction == Direction::Out && from != leader,
        _ => false,
    }
}

/// How many arguments a spawn request has; `None` if they are no proper list.
fn arguments(payload: &[u8], bounds: &Bounds) -> Option<usize> {
    let mut cursor = Cursor::new(payload);
    match cursor.head().ok()? {
        Head::Nil => Some(0),
        Head::String(bytes) => Some(bytes.len()),
        Head::List(n) => {
            for _ in 0..n {
                Walk::default().term(&mut cursor, bounds, &mut Nobody).ok()?;
            }
            (cursor.head().ok()? == Head::Nil).then_some(n)
        }
        _ => None,
    }
}

/// Whether a message belongs to a ping: a monitor of `net_kernel`, its end, and the call `{is_auth, Sender}`. A rule about the name would let
/// every call to it through, and it starts processes for whoever asks (`{spawn, M, F, A, GroupLeader}`).
pub(super) fn is_ping(message: &Message<'_>, sender: &str) -> bool {
    match message.control {
        Control::Monitor { to: Target::Name(NET_KERNEL), .. }
        | Control::Demonitor { to: Target::Name(NET_KERNEL), .. } => true,
        Control::RegSend { to: NET_KERNEL, .. } => {
            message.payload.and_then(asks).is_some_and(|name| name == sender)
        }
        _ => false,
    }
}

/// Why the loops of OTP (`gen_server`, `gen_statem`, `supervisor` and others) would obey a message before the module behind them sees
/// anything of it, or would end with it. `sys` reads and replaces the state of a process, suspends it, ends it, and has it write a file;
/// `{'EXIT', Parent, Why}` ends it; so does the answer to a call of which `From` is none. A rule lets somebody speak with a process: all of
/// this is more.
///
/// And so would every group leader ([`leader`]).
pub(super) fn obeyed(message: &Message<'_>, bounds: &Bounds) -> Option<Reason> {
    let sent =
        matches!(message.control, Control::Send { .. } | Control::RegSend { .. } | Control::AliasSend { .. });
    let mut said = Cursor::new(message.payload.filter(|_| sent)?);
    let Ok(Head::Tuple(arity)) = said.head() else { return None };
    match (said.atom().ok()?, arity) {
        ("system" | "EXIT", 3) => Some(Reason::System),
        ("io_request", 4) if leader::does_more(said, bounds) => Some(Reason::System),
        ("$gen_call", 3) => {
            let caller = said.head() == Ok(Head::Tuple(2))
                && matches!(said.head(), Ok(Head::Identifier(Identifier::Pid(_))));
            if caller { None } else { Some(Reason::Caller) }
        }
        _ => None,
    }
}

const NET_KERNEL: &str = "net_kernel";

/// The name in a call of `{is_auth, Name}`.
fn asks(payload: &[u8]) -> Option<&str> {
    let call = gen_call(payload).filter(|call| !call.system)?;
    let mut request = Cursor::new(call.request);
    if request.head() != Ok(Head::Tuple(2)) || request.atom() != Ok("is_auth") {
        return None;
    }
    let name = request.atom().ok()?;
    request.rest().is_empty().then_some(name)
}

impl Seen<'_, '_> {
    /// OTP 25 finds the keys of a map by three words of a reference, and tells them apart by all: two that differ behind those have it look for ever
    /// deeper, until the node ends by its stack. No node makes such two, nor any of another length than three and, of an alias, five.
    fn reference(&mut self, reference: &Ref<'_>) -> Result<(), Reason> {
        let [a, b, c, rest @ ..] = reference.words;
        let whole = (rest, reference.len);
        let alike = *self.references.entry([a, b, c]).or_insert(whole);
        let made =
            matches!(reference.len, 3 | 5) && alike == whole && !self.learned.clashes(Party::Peer, reference);
        if made { Ok(()) } else { Err(Reason::Reference) }
    }
}

struct Seen<'s, 'm> {
    limits: &'s Limits,
    nodes: &'s Nodes,
    learned: &'s Learned,
    known: &'s Atoms,
    sender: Party,
    /// In the payload: the control tuple was judged by what each element is.
    strict: bool,
    identifiers: usize,
    /// References of the peer's in this message: what stands behind their first three words, and how many words they have.
    references: HashMap<[u32; 3], ([u32; 2], u8)>,
    lessons: Vec<Lesson<'m>>,
    atoms: Vec<&'m str>,
    /// The same, to be found.
    met: HashSet<&'m str>,
}

impl<'m> Visitor<'m> for Seen<'_, 'm> {
    fn atom(&mut self, text: &'m str) -> Result<(), Reason> {
        // Not by comparing with each: a list of millions of one atom would take seconds.
        if self.met.contains(text) || self.known.knows(text) {
            return Ok(());
        }
        if self.atoms.len() >= self.limits.message_atoms.min(self.known.left()) {
            return Err(Reason::NewAtoms);
        }
        self.met.insert(text);
        self.atoms.push(text);
        Ok(())
    }

    fn identifier(&mut self, identifier: Identifier<'m>, once: bool) -> Result<(), Reason> {
        let party = self.nodes.party(identifier.node()).ok_or(Reason::ForeignNode)?;
        self.identifiers += 1;
        if self.identifiers > self.limits.identifiers {
            return Err(Reason::TooManyIdentifiers);
        }
        let current = self.nodes.of(party).creation == identifier.creation();
        // The table of nodes of the one behind the firewall keeps an entry for each start of a node that anything names, a minute at least.
        if !current && self.sender == Party::Peer {
            return Err(Reason::WrongCreation);
        }
        if let (Party::Peer, Identifier::Ref(reference)) = (party, &identifier) {
            self.reference(reference)?;
        }
        if party == self.sender {
            // One of an earlier start is an old one that somebody kept: nobody can answer to it.
            if current {
                self.lessons.push(Lesson { identifier, once });
            }
            return Ok(());
        }
        // A process of the receiver's own: what answers to it would deliver for the sender what the sender may not send.
        if !self.strict {
            Ok(())
        } else if !current {
            Err(Reason::WrongCreation)
        } else if self.learned.knows(party, &identifier)
            || matches!(&identifier, Identifier::Pid(pid) if self.learned.leads(party, pid))
        {
            Ok(())
        } else {
            Err(Reason::NotLearned)
        }
    }
}
