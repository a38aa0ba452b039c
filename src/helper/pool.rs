//! The port's side: who is asked what, who has not answered, and what is not asked again. Nothing here waits.
//!
//! A mount that has not answered in time is not asked again while the helper that asked it is held, nor for some time after; that
//! file systems of the same device are not either, where somebody's program or another host answers for them. The rest of the
//! helpers go on.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::message::{ANSWER_ROOM, Answer, Outcome, Question};
use crate::limits::{
    HELPERS_FOR_LOCAL, STATFS_ANSWER_MS, STATFS_LATE_MAX, STATFS_RETRY_MAX_MS, STATFS_RETRY_MIN_MS,
};
use crate::sys::helper;

/// What is said before the first question.
const BEGIN: &[u8] = b"!";

/// A mount, as it is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Its id in `/proc/self/mountinfo`.
    pub mount_id: u64,
    /// The device of its file system.
    pub device: [u64; 2],
    /// Where it is.
    pub path: &'a [u8],
    /// The kernel answers by itself, from memory or a disk.
    pub local: bool,
}

/// What is held back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Mount(u64),
    Device([u64; 2]),
}

impl Target<'_> {
    /// Another mount of a device that hangs hangs too. Not so where the kernel answers by itself: there the way to one mount can be held,
    /// by who mounts something over it, and must not hold back the others of its disk.
    fn key(&self) -> Key {
        if self.local { Key::Mount(self.mount_id) } else { Key::Device(self.device) }
    }
}

/// A question that is under way. More than one can wait for the same.
#[derive(Clone, Debug)]
pub struct Ticket {
    outcome: Rc<Cell<Option<Outcome>>>,
    /// When it is too late.
    pub late: Instant,
}

impl Ticket {
    /// What came of it.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome.get()
    }
}

/// What becomes of a question.
#[derive(Clone, Debug)]
pub enum Asked {
    /// It is under way.
    Ticket(Ticket),
    /// Everybody who could be asked is busy: when something has come, or at this time, it can be asked again.
    Later(Instant),
    /// It is held back, because this mount has not answered in time.
    Late,
    /// Everybody who could be asked is held by mounts that do not answer.
    Busy,
    /// It cannot be asked: its path is longer than the kernel takes one.
    TooLong,
}

#[derive(Debug)]
struct Ask {
    serial: u64,
    mount_id: u64,
    key: Key,
    local: bool,
    ticket: Ticket,
}

#[derive(Debug)]
struct Helper {
    socket: OwnedFd,
    ask: Option<Ask>,
}

/// What has answered late.
#[derive(Clone, Copy, Debug)]
struct Late {
    key: Key,
    times: u32,
    until: Instant,
}

/// All helpers.
#[derive(Debug, Default)]
pub struct Pool {
    helpers: Vec<Helper>,
    serial: u64,
    late: Vec<Late>,
}

impl Pool {
    /// None: the policy grants nothing that needs one.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Those at the other ends of these sockets, on which nothing waits.
    #[must_use]
    pub fn over(sockets: Vec<OwnedFd>) -> Self {
        let helpers = sockets.into_iter().map(|socket| Helper { socket, ask: None }).collect();
        Self { helpers, ..Self::default() }
    }

    /// Tells the first, which is the only one until then, that there is time to make the others and to confine itself. That nobody is
    /// there, the first question will show.
    pub fn begin(&self) {
        if let Some(first) = self.helpers.first() {
            let _ = helper::tell(first.socket.as_fd(), BEGIN);
        }
    }

    /// Whether there is anybody left to ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.helpers.is_empty()
    }

    /// How many there are, and how many of them are held by mounts that do not answer.
    #[must_use]
    pub fn counts(&self, now: Instant) -> (usize, usize) {
        (self.helpers.len(), self.asks().filter(|ask| ask.ticket.late <= now).count())
    }

    /// The sockets on which an answer can come.
    pub fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.helpers.iter().filter(|helper| helper.ask.is_some()).map(|helper| helper.socket.as_fd())
    }

    fn asks(&self) -> impl Iterator<Item = &Ask> {
        self.helpers.iter().filter_map(|helper| helper.ask.as_ref())
    }

    /// Asks about a mount.
    pub fn ask(&mut self, target: &Target<'_>, now: Instant) -> Asked {
        let key = target.key();
        if let Some(ask) = self.asks().find(|ask| ask.key == key) {
            return match (ask.ticket.late <= now, ask.mount_id == target.mount_id) {
                (true, _) => Asked::Late,
                (false, true) => Asked::Ticket(ask.ticket.clone()),
                (false, false) => Asked::Later(ask.ticket.late),
            };
        }
        if self.late.iter().any(|late| late.key == key && late.until > now) {
            return Asked::Late;
        }
        let remote = self.asks().filter(|ask| !ask.local).count();
        let most = self.helpers.len().saturating_sub(HELPERS_FOR_LOCAL).max(1);
        let full = !target.local && remote >= most;
        let idle = self.helpers.iter().position(|helper| helper.ask.is_none()).filter(|_| !full);
        let Some(at) = idle else {
            let held = self.asks().filter(|ask| !(full && ask.local)).map(|ask| ask.ticket.late);
            return held.filter(|late| *late > now).min().map_or(Asked::Busy, Asked::Later);
        };
        self.send(at, target, now)
    }

    fn send(&mut self, at: usize, target: &Target<'_>, now: Instant) -> Asked {
        self.serial = self.serial.wrapping_add(1);
        let Target { mount_id, device: _, path, local } = *target;
        let Some(question) = (Question { serial: self.serial, mount_id, path }).encode() else {
            return Asked::TooLong;
        };
        let Some(one) = self.helpers.get_mut(at) else { return Asked::Busy };
        if helper::tell(one.socket.as_fd(), &question).is_err() {
            // It has ended; the next call finds another, or none.
            self.helpers.remove(at);
            return if self.helpers.is_empty() { Asked::Busy } else { Asked::Later(now) };
        }
        let late = now + Duration::from_millis(STATFS_ANSWER_MS);
        let ticket = Ticket { outcome: Rc::default(), late };
        one.ask =
            Some(Ask { serial: self.serial, mount_id, key: target.key(), local, ticket: ticket.clone() });
        Asked::Ticket(ticket)
    }

    /// Takes what has come. Whether something has.
    pub fn receive(&mut self, now: Instant) -> bool {
        let mut ended = Vec::new();
        self.helpers.retain_mut(|helper| {
            if helper.ask.is_none() {
                return true;
            }
            let mut buffer = [0; ANSWER_ROOM];
            let outcome = match helper::hear(helper.socket.as_fd(), &mut buffer) {
                Err(Errno::EAGAIN) => return true,
                Ok(length) => buffer.get(..length).and_then(Answer::decode),
                Err(_) => None,
            };
            // What says anything but the answer that is waited for is no helper of ours any more.
            let serial = helper.ask.as_ref().map(|ask| ask.serial);
            let outcome = outcome.filter(|answer| Some(answer.serial) == serial).map(|answer| answer.outcome);
            if let Some(ask) = helper.ask.take() {
                ask.ticket.outcome.set(Some(outcome.unwrap_or(Outcome::Lost)));
                ended.push((ask.key, ask.ticket.late <= now || outcome.is_none()));
            }
            outcome.is_some()
        });
        for (key, late) in &ended {
            self.remember(*key, *late, now);
        }
        !ended.is_empty()
    }

    /// How the last question about it went.
    fn remember(&mut self, key: Key, late: bool, now: Instant) {
        let found = self.late.iter().position(|late| late.key == key);
        let times = found.map(|at| self.late.swap_remove(at).times).unwrap_or_default();
        if !late {
            return;
        }
        if self.late.len() >= STATFS_LATE_MAX {
            let oldest = self.late.iter().enumerate().min_by_key(|(_, late)| late.until).map(|(at, _)| at);
            oldest.map(|at| self.late.swap_remove(at));
        }
        let wait = STATFS_RETRY_MIN_MS.checked_shl(times).unwrap_or(STATFS_RETRY_MAX_MS);
        let until = now + Duration::from_millis(wait.min(STATFS_RETRY_MAX_MS));
        // More would shift the first pause out of its number.
        self.late.push(Late { key, times: times.saturating_add(1).min(16), until });
    }
}

#[cfg(test)]
mod tests;
