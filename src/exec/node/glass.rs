//! What the starter has news of: a copy, the file read again, the broken glass. And codes of peers on their way to it.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::rc::Rc;

use nix::errno::Errno;

use super::actor::{self, Caller};
use super::connection::Phase;
use super::desk::News;
use super::direct::{Names, Waiting};
use super::obey::PORTCULLIS;
use super::serve::{Node, Opening, Whose};
use super::words::Ticket;
use crate::dist::config::{self, Config};
use crate::dist::etf::read::{Cursor, Head};
use crate::dist::etf::write::atom;
use crate::dist::filter::BrokenGlass;
use crate::dist::filter::policy::{Level, Policy};
use crate::dist::filter::{Decision, Verdict};
use crate::sys::clock;
use crate::wire::write::Writer;

/// A glass that is broken: one for all connections, so that what it let pass is counted once.
#[derive(Debug)]
pub struct Glass {
    /// In milliseconds since the host started: a clock that goes on while the host sleeps, and that nobody sets.
    until: u64,
    until_unix: u64,
    accepted: Cell<u64>,
}

impl Glass {
    /// Broken for so many milliseconds, until that Unix time, though no longer than `policy` lets it; `None`: it is whole.
    #[must_use]
    pub fn broken(left: u64, until_unix: u64, policy: &Policy) -> Option<Rc<Self>> {
        let left = left.min(policy.break_glass_s.saturating_mul(1000));
        let until = clock::boot_millis().saturating_add(left);
        (left > 0).then(|| Rc::new(Self { until, until_unix, accepted: Cell::new(0) }))
    }

    /// What is told of one that is over.
    #[must_use]
    pub fn farewell(&self) -> String {
        format!("messages that passed by the broken glass: {}", self.accepted.get())
    }

    /// As the firewall of a connection takes it, whose clock says `now`.
    #[must_use]
    pub fn at(&self, now: u64) -> Option<BrokenGlass> {
        let left = self.until.saturating_sub(clock::boot_millis());
        (left > 0).then(|| BrokenGlass { until: now.saturating_add(left) })
    }

    /// Counts what only it let pass.
    pub fn count(&self, decision: &Decision<'_, '_>) {
        let by_glass = decision.by.is_some_and(|by| by.level == Level::BreakGlass);
        if by_glass && !matches!(decision.verdict, Verdict::Deny(_)) {
            self.accepted.set(self.accepted.get().saturating_add(1));
        }
    }

    /// `#{accepted, left_s, until}` while it is broken; `false`.
    pub fn show(glass: Option<&Self>, w: &mut Writer) {
        let left = glass.map_or(0, |glass| glass.until.saturating_sub(clock::boot_millis()));
        let Some(glass) = glass.filter(|_| left > 0) else { return atom(w, "false") };
        w.map(3);
        for (key, number) in
            [("accepted", glass.accepted.get()), ("left_s", left.div_ceil(1000)), ("until", glass.until_unix)]
        {
            atom(w, key);
            w.uint(number);
        }
    }
}

/// `{break_glass, Code, Reason, Seconds}`; `Err` where it is meant to be one.
pub fn ticket<'a>(mut term: Cursor<'a>) -> Option<Result<Ticket<'a>, ()>> {
    if term.head() != Ok(Head::Tuple(4)) || term.atom() != Ok("break_glass") {
        return None;
    }
    let mut text = || match term.head() {
        Ok(Head::Binary(text) | Head::String(text)) => Some(text),
        _ => None,
    };
    let (code, reason) = (text(), text());
    let seconds = match term.head() {
        Ok(Head::Integer(seconds)) => u32::try_from(seconds).ok(),
        _ => None,
    };
    let ticket = code.zip(reason).zip(seconds).and_then(|((code, reason), s)| Ticket::new(code, reason, s));
    Some(ticket.ok_or(()))
}

/// What a call of [`ticket`]'s shape needs.
pub const USAGE: &str =
    "{break_glass, Code, Reason, Seconds}: 6 to 8 digits, one line of 1 to 200 characters, at most a day";

/// What is told of a file that was handed over and cannot be read: it was written by another version of the program, say.
pub const NOT_UNDERSTOOD: &str =
    "the file that was read again is not understood, and everything is as it was";

impl Node {
    /// Does what the starter has to say.
    pub fn news(&mut self) -> Result<(), Errno> {
        while let Some(news) = self.desk.take()? {
            match news {
                News::Copy(opening, result) => self.started(opening, result),
                News::Code(opening, result) => self.decided(&opening, &result),
                News::Policy(text) => {
                    let parsed = config::parse(text);
                    self.reload(parsed);
                }
                News::Glass(left, until) => self.elevate(left, until),
                News::Nothing => {}
            }
        }
        Ok(())
    }

    /// The file was read again: its rules hold from the next message on. Who is not allowed any more goes; the others notice nothing.
    fn reload(&mut self, parsed: Result<Config, Vec<config::Mistake>>) {
        let Ok(Config { policy, connections, .. }) = parsed else {
            return (self.report)(NOT_UNDERSTOOD);
        };
        self.policy = policy;
        self.bounds = connections;
        self.reports.keep(&self.policy.allow);
        self.control.limit(&self.policy);
        let mut unwelcome = Vec::new();
        for (id, connection) in &mut self.connections {
            if let Phase::Up(up) = &mut connection.phase {
                up.gate.relimit(&self.policy);
                if !self.policy.allow.contains(&*up.peer.name) {
                    unwelcome.push((*id, up.peer.name.clone()));
                }
            }
            connection.relimit(self.policy.limits.message_bytes);
        }
        for (id, name) in unwelcome {
            (self.report)(&format!("{name}: it is not allowed any more"));
            self.leave(id);
        }
        (self.report)("the file was read again");
    }

    /// The glass is broken for so many milliseconds, or whole again.
    fn elevate(&mut self, left: u64, until_unix: u64) {
        if let Some(glass) = self.glass.take() {
            (self.report)(&glass.farewell());
        }
        self.glass = Glass::broken(left, until_unix, &self.policy);
        for connection in self.connections.values_mut() {
            if let Phase::Up(up) = &mut connection.phase {
                up.gate.glass.clone_from(&self.glass);
            }
        }
    }

    /// A peer wants the glass broken: the starter decides.
    pub fn break_glass(&mut self, id: u64, caller: &Caller<'_>, ticket: Ticket<'_>) -> Result<(), String> {
        let Some(peer) = self.peer(id) else { return Ok(()) };
        let opening = Opening { peer: id, whose: Whose::Caller(Waiting::of(caller)) };
        let asked = self.desk.ask_glass(ticket, &peer.name, opening);
        asked.map_err(|e| format!("the starter: {}", e.desc()))
    }

    /// It has: `{ok, Seconds}` or `{error, {break_glass, Text}}`.
    fn decided(&mut self, opening: &Opening, result: &Result<u32, String>) {
        let (Some(whom), Whose::Caller(who)) = (self.peer(opening.peer), &opening.whose) else { return };
        let names = Names { own: self.sessions.pid(PORTCULLIS), peer: &whom.name };
        let reply = who.told(&names, |w| match result {
            Ok(seconds) => {
                w.tuple(2);
                atom(w, "ok");
                w.uint(u64::from(*seconds));
            }
            Err(why) => actor::failed("break_glass", why, w),
        });
        self.tell(opening.peer, &reply);
    }
}
