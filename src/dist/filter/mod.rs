//! The firewall: one pure function from the rules about a node, a direction, a message and what the two nodes told each other, to a
//! decision. The same function stands in the way of messages and behind `portcullis dist test-filter`.
//!
//! The order of questions: may this node be here at all; is the message whose it says it is; do the rules want it; does it address what was
//! told and answer what was asked; is what it carries harmless. The first answer that is no decides.
#![forbid(unsafe_code)]

mod answered;
pub mod counters;
mod leader;
mod payload;
pub mod policy;
pub mod runtime;
pub mod table;

use crate::dist::atoms::Atoms;
use crate::dist::command::{Command, Direction, Party};
use crate::dist::control::{Control, Message, Target};
use crate::dist::etf::{Identifier, Pid, Ref};
use crate::dist::learn::{Learned, Lesson, Nodes};
use crate::dist::reason::Reason;
use policy::{Level, View};
use runtime::Runtime;
use table::{Aim, Key};

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict<'p> {
    /// It is delivered.
    Accept,
    /// It is not.
    Deny(Reason),
    /// The process of that name gets it instead, with sender and target.
    Handler(&'p str),
}

/// Which rule decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By<'p> {
    /// Whose rules.
    pub level: Level<'p>,
    /// Which of them; `None` where nobody's did.
    pub key: Option<Key>,
    /// The line of the file, or 0.
    pub line: u32,
}

/// A verdict with its grounds, and what delivering it would teach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'p, 'm> {
    /// What becomes of it.
    pub verdict: Verdict<'p>,
    /// What the rules said about it, even where something else denies it. `None` if they were not asked.
    pub by: Option<By<'p>>,
    /// Identifiers of the sender in it. Empty unless it is delivered.
    pub lessons: Vec<Lesson<'m>>,
    /// Atoms in it that the receiver may not know. Empty unless it is delivered.
    pub atoms: Vec<&'m str>,
}

/// A glass that is broken until a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenGlass {
    /// Until when, in milliseconds of the caller's clock.
    pub until: u64,
}

/// What is known about a connection when a message comes.
#[derive(Clone, Copy, Debug)]
pub struct State<'s> {
    /// The two nodes.
    pub nodes: &'s Nodes,
    /// What they told each other.
    pub learned: &'s Learned,
    /// What the receiver knows by this sender.
    pub atoms: &'s Atoms,
    /// What was set at run time.
    pub runtime: &'s Runtime,
    /// An elevation, if one was opened.
    pub glass: Option<BrokenGlass>,
    /// Now, in milliseconds of the caller's clock.
    pub now: u64,
}

impl State<'_> {
    /// Whether the rules of the broken glass come before all others.
    fn is_glass_broken(&self) -> bool {
        self.glass.is_some_and(|glass| self.now < glass.until)
    }
}

/// Decides about one message.
pub fn decide<'p, 'm>(
    view: &View<'p>,
    direction: Direction,
    message: &Message<'m>,
    state: &State<'_>,
) -> Decision<'p, 'm> {
    let denied =
        |reason, by| Decision { verdict: Verdict::Deny(reason), by, lessons: Vec::new(), atoms: Vec::new() };
    let first = if view.allowed {
        identities(direction, &message.control, state.nodes)
    } else {
        Err(Reason::NotAllowed)
    };
    if let Err(reason) = first {
        return denied(reason, None);
    }
    let (command, aim) = (message.control.command(), Aim::of(&message.control));
    let ping = payload::is_ping(message, &state.nodes.of(direction.sender()).name);
    let (by, ruled) = rules(view, direction, command, aim, ping, state);
    let handler = match ruled.and_then(|handler| obeyed(view, direction, message, state).map(|()| handler)) {
        Ok(handler) => handler,
        Err(reason) => return denied(reason, Some(by)),
    };
    let rest = state
        .learned
        .check(direction, &message.control)
        .and(if message.traced { Err(Reason::TraceToken) } else { Ok(()) })
        .and_then(|()| payload::look(view, direction, message, state));
    match rest {
        Ok((lessons, atoms)) => {
            let verdict = handler.map_or(Verdict::Accept, Verdict::Handler);
            Decision { verdict, by: Some(by), lessons, atoms }
        }
        Err(reason) => denied(reason, Some(by)),
    }
}

/// What the rules say: who gets the message instead, or why nobody does.
fn rules<'p>(
    view: &View<'p>,
    direction: Direction,
    command: Command,
    aim: Option<Aim<'_>>,
    ping: bool,
    state: &State<'_>,
) -> (By<'p>, Result<Option<&'p str>, Reason>) {
    let said = view
        .tables(direction, state.is_glass_broken())
        .find_map(|(level, table)| table.says(command, aim, ping).map(|said| (level, said)));
    let Some((level, said)) = said else {
        let by = By { level: Level::Nobody, key: None, line: 0 };
        let ruled = match direction {
            Direction::In => Err(Reason::Default),
            Direction::Out if state.runtime.accepts(direction, command, aim) => Ok(None),
            Direction::Out => Err(Reason::Runtime),
        };
        return (by, ruled);
    };
    let by = By { level, key: Some(said.key), line: said.rule.line };
    let ruled = match said.rule.accept {
        false if said.key == Key::Default => Err(Reason::Default),
        false => Err(Reason::Rule),
        true if level == Level::BreakGlass || state.runtime.accepts(direction, command, aim) => {
            Ok(said.handler)
        }
        true => Err(Reason::Runtime),
    };
    (by, ruled)
}

/// Whether a message that its receiver obeys before it looks at it may be sent. What the protected node tells others is theirs to judge.
fn obeyed(
    view: &View<'_>,
    direction: Direction,
    message: &Message<'_>,
    state: &State<'_>,
) -> Result<(), Reason> {
    if direction == Direction::Out {
        return Ok(());
    }
    let bounds = view.limits.bounds();
    if let Some(reason) = payload::obeyed(message, &bounds) {
        let rule = view.tables(direction, state.is_glass_broken()).find_map(|(_, table)| table.system);
        if reason != Reason::System || !rule.is_some_and(|rule| rule.accept) {
            return Err(reason);
        }
    }
    let callers = answered::callers(message, &bounds);
    if callers.iter().all(|caller| may_be_answered(view, direction, caller, state)) {
        Ok(())
    } else {
        Err(Reason::Caller)
    }
}

/// Whether the answer to a message may go there: to the sender's own node, or to whom the sender could send it himself.
fn may_be_answered(
    view: &View<'_>,
    direction: Direction,
    caller: &Identifier<'_>,
    state: &State<'_>,
) -> bool {
    let receiver = direction.receiver();
    if state.nodes.party(caller.node()) != Some(receiver) {
        return true;
    }
    // Who was only told of it as a group leader may ask it to write, and send it nothing else.
    let only_leads = matches!(caller, Identifier::Pid(pid) if state.learned.leads(receiver, pid))
        && !state.learned.knows(receiver, caller);
    let (_, ruled) = rules(view, direction, answered::command(caller), None, false, state);
    // A handler would get it in his place.
    ruled == Ok(None) && !only_leads
}

/// Whether everybody that a control message names is who he can be: the sender on the node that sends, the receiver on the one that
/// receives, both of this start.
fn identities(direction: Direction, control: &Control<'_>, nodes: &Nodes) -> Result<(), Reason> {
    let (sender, receiver) = (direction.sender(), direction.receiver());
    let ours = |identifier: Identifier<'_>| on(nodes, &identifier, Some(sender));
    let theirs = |identifier: Identifier<'_>| on(nodes, &identifier, Some(receiver));
    let pid = |pid: &Pid<'_>| ours(Identifier::Pid(*pid));
    let to_pid = |pid: &Pid<'_>| theirs(Identifier::Pid(*pid));
    let either = |pid: &Pid<'_>| on(nodes, &Identifier::Pid(*pid), None);
    let reference = |reference: &Ref<'_>| ours(Identifier::Ref(*reference));
    let of_theirs = |reference: &Ref<'_>| theirs(Identifier::Ref(*reference));
    let to = |target: &Target<'_>| match target {
        Target::Pid(pid) => to_pid(pid),
        Target::Name(_) => Ok(()),
    };
    match control {
        Control::Link { from, to }
        | Control::Exit { from, to }
        | Control::Exit2 { from, to }
        | Control::Unlink { from, to, .. }
        | Control::UnlinkAck { from, to, .. } => pid(from).and_then(|()| to_pid(to)),
        Control::Send { from, to } => from.as_ref().map_or(Ok(()), pid).and_then(|()| to_pid(to)),
        Control::RegSend { from, .. } => pid(from),
        Control::GroupLeader { leader, to } => either(leader).and_then(|()| to_pid(to)),
        Control::Monitor { from, to: target, reference: of }
        | Control::Demonitor { from, to: target, reference: of } => {
            pid(from).and_then(|()| to(target)).and_then(|()| reference(of))
        }
        Control::MonitorExit { from, to, reference: of } => {
            let from = match from {
                Target::Pid(from) => pid(from),
                Target::Name(_) => Ok(()),
            };
            from.and_then(|()| to_pid(to)).and_then(|()| of_theirs(of))
        }
        Control::SpawnRequest { request, from, leader, .. } => {
            reference(request).and_then(|()| pid(from)).and_then(|()| either(leader))
        }
        Control::SpawnReply { request, to, result, .. } => {
            of_theirs(request).and_then(|()| to_pid(to)).and_then(|()| result.as_ref().map_or(Ok(()), pid))
        }
        Control::AliasSend { from, alias } => pid(from).and_then(|()| of_theirs(alias)),
    }
}

/// Whether an identifier is of this start of a node of the connection: of `party`, if one is named.
fn on(nodes: &Nodes, identifier: &Identifier<'_>, party: Option<Party>) -> Result<(), Reason> {
    let found = nodes.party(identifier.node()).ok_or(Reason::ForeignNode)?;
    if party.is_some_and(|party| party != found) {
        return Err(Reason::Forged);
    }
    if nodes.of(found).creation == identifier.creation() { Ok(()) } else { Err(Reason::WrongCreation) }
}

#[cfg(test)]
mod tests;
