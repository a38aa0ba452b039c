//! One copy that all direct calls of a peer to a role share: which are under way, what has come of each, and what is to be said to whom. No socket and
//! no clock: who runs it carries the frames.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::answer::{Failure, Names, News, Rows, Waiting, news, subscribed, unwatch, watch};
use super::ask::{Ask, Unfit};
use super::deed::{ASK_LESS, Deed, Room, control, fitting, refused, request_too_long, word};
use super::said::{self, Said};
use crate::error::RequestError;
use crate::limits::{
    CONFIRM_MAX_MS, NODE_CALL_GRACE_MS, NODE_COPY_IDLE_MS, NODE_COPY_STUCK_MS, NODE_CREDIT_BATCH,
    NODE_EVENT_BATCH,
};
use crate::op::{Op, OpRow, Role};
use crate::protocol::ops;

use super::super::identity::{Mark, Process};

/// For whom a request is under way.
#[derive(Debug)]
enum Whose {
    /// A caller waits.
    Caller(Waiting, Option<Rows>),
    /// A cast: nobody.
    Nobody,
    /// A subscription, and who waits to hear that it was taken.
    Subscription { n: u32, subscriber: Process, asked: Option<Waiting> },
    /// Its answer means that the subscription under that id was taken: a copy takes frames in order and refuses at once.
    Behind(u64),
}

/// One request.
#[derive(Debug)]
struct Call {
    whose: Whose,
    row: &'static OpRow,
    /// When it is given up here; a subscription never is.
    due: Option<Instant>,
    /// Chunks or events since credit was given.
    taken: u32,
}

/// It says what no copy says, or will not serve: it has to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub Failure);

/// What the clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// It stays.
    Used,
    /// Nobody has asked for long.
    Idle,
    /// It has said nothing since it should have.
    Stuck,
}

/// The copy.
#[derive(Debug)]
pub struct Line {
    role: Role,
    /// The session with it, once it is started.
    pub session: Option<u32>,
    /// What it takes, once it has said so.
    frame_max: Option<usize>,
    /// Requests that came before it had.
    early: Vec<(u64, Vec<u8>)>,
    next: u64,
    calls: BTreeMap<u64, Call>,
    /// It is not given up before.
    kept: Instant,
    /// A deadline of its own has passed, and it has said nothing since.
    doubt: Option<Instant>,
}

impl Line {
    /// One that is being started.
    pub fn new(role: Role, now: Instant) -> Self {
        Self {
            role,
            session: None,
            frame_max: None,
            early: Vec::new(),
            next: 1,
            calls: BTreeMap::new(),
            kept: now + Duration::from_millis(NODE_COPY_IDLE_MS),
            doubt: None,
        }
    }

    /// Requests under way that are not subscriptions; subscriptions.
    pub fn count(&self) -> (usize, usize) {
        let subscriptions =
            self.calls.values().filter(|c| matches!(c.whose, Whose::Subscription { .. })).count();
        (self.calls.len().saturating_sub(subscriptions), subscriptions)
    }

    /// Bytes of answers in the making.
    pub fn gathered(&self) -> usize {
        let of = |call: &Call| match &call.whose {
            Whose::Caller(_, Some(rows)) => rows.len(),
            _ => 0,
        };
        self.calls.values().map(of).sum()
    }

    /// Bytes of requests that wait for its first word.
    pub fn early(&self) -> usize {
        self.early.iter().map(|(_, frame)| frame.len()).sum()
    }

    /// Whether something waits for that process, or is for it.
    pub fn uses(&self, process: &Process) -> bool {
        self.calls.values().any(|call| match &call.whose {
            Whose::Caller(waiting, _) => waiting.pid == *process,
            Whose::Subscription { subscriber, .. } => subscriber == process,
            Whose::Nobody | Whose::Behind(_) => false,
        })
    }

    /// The subscriptions, with their subscribers.
    pub fn subscriptions(&self) -> impl Iterator<Item = (u32, &Process)> {
        self.calls.values().filter_map(|call| match &call.whose {
            Whose::Subscription { n, subscriber, .. } => Some((*n, subscriber)),
            _ => None,
        })
    }

    /// Those who wait for an answer.
    pub fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.calls.values().filter_map(|call| match &call.whose {
            Whose::Caller(waiting, _) => Some(waiting),
            Whose::Subscription { asked, .. } => asked.as_ref(),
            Whose::Nobody | Whose::Behind(_) => None,
        })
    }

    /// When the clock is to be asked again.
    pub fn due(&self) -> Instant {
        let calls = self.calls.values().filter_map(|call| call.due).min();
        let doubt = self.doubt.map(|since| since + Duration::from_millis(NODE_COPY_STUCK_MS));
        let idle = self.calls.is_empty().then_some(self.kept);
        [calls, doubt, idle].into_iter().flatten().min().unwrap_or(self.kept.max(Instant::now()) + IDLE)
    }

    /// A call, or with nobody who waits a cast.
    ///
    /// # Errors
    /// Why it is not even asked.
    pub fn ask(
        &mut self,
        ask: &Ask<'_>,
        who: Option<Waiting>,
        now: Instant,
        deeds: &mut Vec<Deed>,
    ) -> Result<(), Failure> {
        let whose = who.map_or(Whose::Nobody, |waiting| Whose::Caller(waiting, None));
        self.begin(ask, whose, now, deeds).map(|_| ())
    }

    /// A subscription, called `n`.
    ///
    /// # Errors
    /// Why it is not even asked.
    pub fn subscribe(
        &mut self,
        ask: &Ask<'_>,
        n: u32,
        who: Waiting,
        now: Instant,
        deeds: &mut Vec<Deed>,
    ) -> Result<(), Failure> {
        let whose = Whose::Subscription { n, subscriber: who.pid, asked: Some(who) };
        let id = self.begin(ask, whose, now, deeds)?;
        let info = ops::named(self.role, "info").ok_or(Failure::Down)?;
        let behind = Ask { row: info, role: self.role, args: EMPTY_MAP, timeout_ms: ask.timeout_ms };
        self.begin(&behind, Whose::Behind(id), now, deeds).map(|_| ())
    }

    fn begin(
        &mut self,
        ask: &Ask<'_>,
        whose: Whose,
        now: Instant,
        deeds: &mut Vec<Deed>,
    ) -> Result<u64, Failure> {
        let id = self.next;
        let frame = ask.frame(id).map_err(|unfit| match unfit {
            Unfit::TooLong(most) => request_too_long(most),
            Unfit::Refused(why) => Failure::NoTerm(why.name()),
        })?;
        if let Some(most) = self.frame_max.filter(|most| frame.len() > *most) {
            return Err(request_too_long(most));
        }
        self.next = self.next.saturating_add(1);
        let limit = Duration::from_millis(ask.timeout_ms.min(crate::limits::DEADLINE_MAX_MS)) + GRACE;
        let due = (ask.row.op != Op::Subscribe).then(|| now + limit);
        self.calls.insert(id, Call { whose, row: ask.row, due, taken: 0 });
        self.keep(ask.lasts(), now);
        if self.frame_max.is_some() {
            deeds.push(Deed::Send(frame));
        } else {
            self.early.push((id, frame));
        }
        Ok(id)
    }

    /// It is needed for a while: for a long one where it keeps something for later calls.
    fn keep(&mut self, long: bool, now: Instant) {
        let until = now + if long { LASTS } else { IDLE };
        self.kept = self.kept.max(until);
    }

    /// A frame of the copy.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn hear(
        &mut self,
        names: &Names<'_>,
        frame: &[u8],
        room: &mut Room,
        now: Instant,
        deeds: &mut Vec<Deed>,
    ) -> Result<(), Broken> {
        self.doubt = None;
        match said::read(frame) {
            Some(Said::Hello(most)) if self.frame_max.is_none() => self.ready(names, most, deeds),
            Some(Said::Refused(map)) => return Err(Broken(Failure::Refused(map.to_vec()))),
            _ if self.frame_max.is_none() => return Err(Broken(Failure::Down)),
            Some(Said::Done { id, ok, term }) if id > 0 => self.done(names, id, ok, term, room, now, deeds),
            Some(Said::Rows { id, columns, count, rows }) => {
                self.rows(names, id, columns, count, rows, room, deeds);
            }
            Some(Said::Event(id, event)) => self.event(names, id, News::Event(event), deeds),
            Some(Said::Lost(id, n)) => self.event(names, id, News::Lost(n), deeds),
            Some(Said::Hello(_) | Said::Done { .. }) | None => return Err(Broken(Failure::Down)),
        }
        Ok(())
    }

    fn ready(&mut self, names: &Names<'_>, most: usize, deeds: &mut Vec<Deed>) {
        self.frame_max = Some(most);
        for (id, frame) in std::mem::take(&mut self.early) {
            if frame.len() <= most {
                deeds.push(Deed::Send(frame));
            } else if let Some(call) = self.calls.remove(&id) {
                fail(names, call, &request_too_long(most), deeds);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one frame, and what it is judged by")]
    fn rows(
        &mut self,
        names: &Names<'_>,
        id: u64,
        columns: Option<&[u8]>,
        count: usize,
        rows: &[u8],
        room: &mut Room,
        deeds: &mut Vec<Deed>,
    ) {
        // What was given up may still come.
        let Some(Call { whose, taken, .. }) = self.calls.get_mut(&id) else { return };
        let mut failure = None;
        if let Whose::Caller(who, gathered) = whose {
            let begun = gathered.as_ref().map_or(0, Rows::len);
            match (gathered.as_mut(), columns) {
                _ if begun.saturating_add(rows.len()) > room.answer => {
                    failure = Some(Failure::TooLong(room.answer, ASK_LESS));
                }
                _ if rows.len() > room.left => failure = Some(Failure::Error(RequestError::Overloaded)),
                (Some(gathered), _) => gathered.push(count, rows),
                (None, Some(columns)) => {
                    gathered.insert(Rows::new(names, who, columns)).push(count, rows);
                }
                (None, None) => failure = Some(Failure::Down),
            }
            room.left = room.left.saturating_sub(rows.len());
        }
        *taken = taken.saturating_add(1);
        let credit = *taken >= NODE_CREDIT_BATCH;
        if let Some(failure) = failure {
            deeds.push(Deed::Send(control("cancel", id, None)));
            if let Some(call) = self.calls.remove(&id) {
                fail(names, call, &failure, deeds);
            }
        } else if credit {
            *taken = 0;
            deeds.push(Deed::Send(control("credit", id, Some(NODE_CREDIT_BATCH))));
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one frame, and what it is judged by")]
    fn done(
        &mut self,
        names: &Names<'_>,
        id: u64,
        ok: bool,
        term: &[u8],
        room: &Room,
        now: Instant,
        deeds: &mut Vec<Deed>,
    ) {
        let Some(call) = self.calls.remove(&id) else { return };
        self.keep(false, now);
        match call.whose {
            Whose::Caller(who, Some(rows)) if ok => deeds.push(fitting(names, who, rows.end(term), room)),
            Whose::Caller(who, _) => {
                let frame = who.answered(names, ok, term);
                deeds.push(fitting(names, who, frame, room));
            }
            Whose::Nobody => {}
            Whose::Subscription { asked: Some(who), .. } if !ok => {
                deeds.push(refused(names, who, term));
                self.drop_behind(id);
            }
            Whose::Subscription { n, subscriber, asked } => {
                if let Some(who) = asked {
                    deeds.push(Deed::News(n, subscribed(names, n, &who)));
                    self.drop_behind(id);
                } else {
                    deeds.push(Deed::Tell(unwatch(names, n, &subscriber)));
                }
                let reason = if ok { word("normal") } else { term.to_vec() };
                deeds.push(Deed::News(n, news(names, n, &subscriber, News::Ended(&reason))));
                deeds.push(Deed::Over(n));
            }
            Whose::Behind(subscription) if ok => self.taken(names, subscription, deeds),
            Whose::Behind(subscription) => {
                if let Some(call) = self.calls.remove(&subscription) {
                    deeds.push(Deed::Send(control("cancel", subscription, None)));
                    if let Whose::Subscription { asked: Some(who), .. } = call.whose {
                        deeds.push(refused(names, who, term));
                    }
                }
            }
        }
    }

    /// What tells that a subscription was taken means nothing once that is known.
    fn drop_behind(&mut self, subscription: u64) {
        self.calls.retain(|_, call| !matches!(call.whose, Whose::Behind(id) if id == subscription));
    }

    /// A subscription was taken: whoever asked hears it once.
    fn taken(&mut self, names: &Names<'_>, id: u64, deeds: &mut Vec<Deed>) {
        let whose = self.calls.get_mut(&id).map(|call| &mut call.whose);
        if let Some(Whose::Subscription { n, subscriber, asked }) = whose {
            if let Some(who) = asked.take() {
                deeds.push(Deed::News(*n, subscribed(names, *n, &who)));
                deeds.push(Deed::Tell(watch(names, *n, subscriber)));
            }
        }
    }

    fn event(&mut self, names: &Names<'_>, id: u64, what: News<'_>, deeds: &mut Vec<Deed>) {
        self.taken(names, id, deeds);
        let Some(Call { whose: Whose::Subscription { n, subscriber, .. }, taken, .. }) =
            self.calls.get_mut(&id)
        else {
            return;
        };
        deeds.push(Deed::News(*n, news(names, *n, subscriber, what)));
        *taken = taken.saturating_add(u32::from(matches!(what, News::Event(_))));
        // Given when they go out: a copy that is not read from, since the peer does not read, counts what is lost.
        if *taken >= NODE_EVENT_BATCH {
            *taken = 0;
            deeds.push(Deed::Send(control("credit", id, Some(NODE_EVENT_BATCH))));
        }
    }

    /// The answer to that call reaches nobody any more. What may have changed something goes on: that nobody asks is no reason to stop it.
    pub fn given_up(&mut self, tag: Mark, from: &Process, deeds: &mut Vec<Deed>) {
        let of = |call: &Call| match &call.whose {
            Whose::Caller(who, _) => who.mark == Some(tag) && who.pid == *from && !call.row.op.changes(),
            _ => false,
        };
        let found = self.calls.iter().find(|(_, call)| of(call)).map(|(id, _)| *id);
        if let Some(id) = found {
            self.withdraw(id, deeds);
        }
    }

    /// No more events of a subscription; `false` if it is not one of these.
    pub fn unsubscribe(&mut self, names: &Names<'_>, n: u32, gone: bool, deeds: &mut Vec<Deed>) -> bool {
        let of =
            |call: &Call| matches!(call.whose, Whose::Subscription { n: own, asked: None, .. } if own == n);
        let Some((id, call)) = self.calls.iter().find(|(_, call)| of(call)) else { return false };
        if let (Whose::Subscription { subscriber, .. }, false) = (&call.whose, gone) {
            deeds.push(Deed::Tell(unwatch(names, n, subscriber)));
        }
        let id = *id;
        self.withdraw(id, deeds);
        deeds.push(Deed::Over(n));
        true
    }

    fn withdraw(&mut self, id: u64, deeds: &mut Vec<Deed>) {
        self.calls.remove(&id);
        let early = self.early.len();
        self.early.retain(|(waits, _)| *waits != id);
        if self.early.len() == early {
            deeds.push(Deed::Send(control("cancel", id, None)));
        }
    }

    /// What the clock asks for. `read`: what it says is read; where the peer does not read, it is not.
    pub fn tick(&mut self, names: &Names<'_>, now: Instant, read: bool, deeds: &mut Vec<Deed>) -> Age {
        let over = self.calls.iter().filter(|(_, call)| call.due.is_some_and(|due| now >= due));
        let over: Vec<u64> = over.map(|(id, _)| *id).collect();
        for id in over {
            let Some(call) = self.calls.get(&id) else { continue };
            let (changes, behind) = (call.row.op.changes() && self.frame_max.is_some(), &call.whose);
            let id_of_subscription = if let Whose::Behind(of) = behind { Some(*of) } else { None };
            let failure = if changes { Failure::Unknown } else { Failure::Error(RequestError::Timeout) };
            for id in [Some(id), id_of_subscription].into_iter().flatten() {
                if let Some(call) = self.calls.remove(&id) {
                    fail(names, call, &failure, deeds);
                }
                self.withdraw(id, deeds);
            }
            self.doubt = self.doubt.or(Some(now));
        }
        if !read {
            self.doubt = self.doubt.map(|_| now);
        }
        if self.doubt.is_some_and(|since| now.saturating_duration_since(since) >= STUCK) {
            return Age::Stuck;
        }
        if self.calls.is_empty() && now >= self.kept { Age::Idle } else { Age::Used }
    }

    /// It has ended, or never was.
    pub fn fail(&mut self, names: &Names<'_>, failure: &Failure, deeds: &mut Vec<Deed>) {
        let sent = self.frame_max.is_some();
        for (_, call) in std::mem::take(&mut self.calls) {
            let unknown = sent && call.row.op.changes();
            fail(names, call, if unknown { &Failure::Unknown } else { failure }, deeds);
        }
        self.early.clear();
    }
}

/// Whoever waits for it is told.
fn fail(names: &Names<'_>, call: Call, failure: &Failure, deeds: &mut Vec<Deed>) {
    let term = failure.term();
    match call.whose {
        Whose::Caller(who, _) | Whose::Subscription { asked: Some(who), .. } => {
            deeds.push(refused(names, who, &term));
        }
        Whose::Subscription { n, subscriber, asked: None } => {
            deeds.push(Deed::Tell(unwatch(names, n, &subscriber)));
            deeds.push(Deed::News(n, news(names, n, &subscriber, News::Ended(&term))));
            deeds.push(Deed::Over(n));
        }
        Whose::Nobody | Whose::Behind(_) => {}
    }
}

const EMPTY_MAP: &[u8] = &[116, 0, 0, 0, 0];

const IDLE: Duration = Duration::from_millis(NODE_COPY_IDLE_MS);
const GRACE: Duration = Duration::from_millis(NODE_CALL_GRACE_MS);
const STUCK: Duration = Duration::from_millis(NODE_COPY_STUCK_MS);
/// A file that is open and a change that is not confirmed end with their copy: neither lasts longer.
const LASTS: Duration = Duration::from_millis(CONFIRM_MAX_MS);

const _: () = assert!(crate::limits::FILE_IDLE_MAX_MS <= CONFIRM_MAX_MS);

#[cfg(test)]
mod tests;
