//! One client's session: the rules that hold for it, and everything of it that outlives a frame.
#![forbid(unsafe_code)]

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::audit::log::Log;
use crate::audit::record::{Decision, Event};
use crate::capability::Capabilities;
use crate::error::{Denial, RequestError};
use crate::exec::counters::Counters;
use crate::exec::output::Output;
use crate::exec::rows::Asked;
use crate::exec::running::Running;
use crate::exec::trail::{Topic, Trail};
use crate::exec::watches::Watches;
use crate::file::handles::Handles;
use crate::helper::pool::Pool;
use crate::icmp::pings::Pings;
use crate::ids::RequestId;
use crate::limits::{IN_FLIGHT_MAX, SLICE_MICROS};
use crate::measure::{Measure, in_force};
use crate::netlink::dump::Links;
use crate::nft::events::Events;
use crate::nft::firewall::{Firewall, TakenBack};
use crate::op::Role;
use crate::policy::permit::Permit;
use crate::policy::{self, Action, Policy};
use crate::protocol::reply;
use crate::quote::printable;
use crate::rate::Bucket;
use crate::sysctl::parameters::Parameters;
use crate::wire::write::Writer;

/// What judges requests.
#[derive(Debug)]
pub struct Court {
    /// The role of this copy.
    pub role: Role,
    /// The rules.
    pub policy: Policy,
    /// The capabilities that are left.
    pub held: Capabilities,
    /// `/proc` is mounted so that other users' processes are hidden.
    pub hidden_proc: bool,
}

/// Everything that a request can touch.
#[derive(Debug)]
pub struct Session {
    /// The rules.
    pub court: Court,
    /// Row answers that are not finished.
    pub running: Running,
    /// Open files.
    pub handles: Handles,
    /// Echo requests that wait for a reply.
    pub pings: Pings,
    /// Kernel parameters.
    pub parameters: Parameters,
    /// What is written down.
    pub trail: Trail,
    /// The firewall.
    pub firewall: Firewall,
    /// The sockets of tables.
    pub links: Links,
    /// Who asks for us what may never be answered.
    pub helpers: Pool,
    /// What the kernel tells of its changes.
    pub events: Events,
    /// Who watches what happens.
    pub watches: Watches,
    /// What is counted.
    pub counters: Counters,
    /// Readable when this process was asked to end.
    pub termination: Option<OwnedFd>,
    rate: Bucket,
    changes: Bucket,
}

impl Session {
    /// A session in which nothing has happened.
    pub fn new(court: Court, log: Log, pings: Pings) -> Self {
        let rate = Bucket::new(court.policy.limits().requests_per_s);
        let changes = Bucket::new(court.policy.limits().writes_per_s);
        let idle = Duration::from_millis(court.policy.limits().file_idle_ms);
        Self {
            court,
            running: Running::default(),
            handles: Handles::new(idle),
            pings,
            parameters: Parameters::new(None),
            trail: Trail::new(log),
            firewall: Firewall::none(),
            links: Links::none(),
            helpers: Pool::none(),
            events: Events::none(),
            watches: Watches::none(),
            counters: Counters::new(),
            termination: None,
            rate,
            changes,
        }
    }

    /// Whether a request of this id has not ended.
    pub fn has(&self, id: RequestId) -> bool {
        self.running.has(id) || self.pings.has(id) || self.trail.has(id) || self.watches.has(id)
    }

    /// Requests that have not ended.
    pub fn in_flight(&self) -> usize {
        self.running.len().saturating_add(self.pings.len()).saturating_add(self.subscriptions())
    }

    /// Subscriptions of every kind.
    pub fn subscriptions(&self) -> usize {
        self.trail.len().saturating_add(self.watches.len())
    }

    /// A place for a request that does not end at once.
    pub fn place(&self) -> Result<(), RequestError> {
        if self.in_flight() >= IN_FLIGHT_MAX && in_force(Measure::InFlight) {
            return Err(RequestError::Overloaded);
        }
        Ok(())
    }

    /// Counts a request against the rate that the policy allows.
    pub fn admit(&mut self, op: &'static str, output: &mut Output) -> Result<(), RequestError> {
        self.counters.requests = self.counters.requests.saturating_add(1);
        if !in_force(Measure::RequestRate) || self.rate.take(Instant::now()) {
            return Ok(());
        }
        let rate = self.court.policy.limits().requests_per_s;
        let line = format!("requests_per_s = {}", rate.saturating_mul(2));
        self.limited(op, Vec::new(), "limits.requests_per_s", line, output)
    }

    /// Whether the node that this copy is for may ask for the operation at all. A refusal is written down.
    pub fn admit_peer(&mut self, op: &'static str, output: &mut Output) -> Result<(), RequestError> {
        let Err(denial) = self.court.policy.admit(op) else { return Ok(()) };
        self.note(op, Vec::new(), Decision::Denied, denial.rule, output)?;
        Err(RequestError::DeniedByPolicy(denial))
    }

    /// Counts a change of the system against the rate that the policy allows: one that it has granted, right before it is made.
    pub fn admit_change(
        &mut self,
        op: &'static str,
        target: impl FnOnce() -> Vec<u8>,
        output: &mut Output,
    ) -> Result<(), RequestError> {
        if !in_force(Measure::ChangeRate) || self.changes.take(Instant::now()) {
            return Ok(());
        }
        let line = format!("writes_per_s = {}", self.court.policy.limits().writes_per_s.saturating_mul(2));
        self.limited(op, target(), "limits.writes_per_s", line, output)
    }

    /// Denies because of a limit, which `line` of the policy would raise.
    fn limited(
        &mut self,
        op: &'static str,
        target: Vec<u8>,
        rule: &'static str,
        line: String,
        output: &mut Output,
    ) -> Result<(), RequestError> {
        self.note(op, target, Decision::Limited, rule, output)?;
        Err(RequestError::DeniedByPolicy(self.court.policy.limit_denial(rule, line)))
    }

    /// Asks the policy. A refusal is written down with what `target` says.
    pub fn permit<A: Action>(
        &mut self,
        op: &'static str,
        action: A,
        target: impl FnOnce() -> Vec<u8>,
        output: &mut Output,
    ) -> Result<Permit<A::Granted>, RequestError> {
        match policy::authorize(&self.court.policy, self.court.held, action) {
            Ok(permit) => Ok(permit),
            Err(denial) => {
                self.note(op, target(), Decision::Denied, denial.rule, output)?;
                Err(RequestError::DeniedByPolicy(denial))
            }
        }
    }

    /// Writes something down. Where the policy demands that, what cannot be written down is not done.
    pub fn note(
        &mut self,
        op: &'static str,
        target: Vec<u8>,
        decision: Decision,
        rule: &str,
        output: &mut Output,
    ) -> Result<(), RequestError> {
        let event = Event { op, target, decision, rule: rule.to_owned() };
        self.trail.write(&event, output.frames()).map_err(|_| {
            RequestError::DeniedByPolicy(Denial::new(
                "audit.syslog",
                "the policy demands a record of it and the system's log takes none; \
                 see: systemctl status systemd-journald rsyslog",
            ))
        })
    }

    /// The client has gone, or the conversation is over for another reason.
    pub fn end(&mut self) {
        let taken = self.firewall.take_back_all();
        self.write_down(&taken, "nobody is left to confirm it", &mut Output::default());
    }

    /// Changes that took themselves back.
    fn write_down(&mut self, taken: &[TakenBack], why: &str, output: &mut Output) {
        for TakenBack { reference, tables, result } in taken {
            let names = tables.iter().map(|t| format!(" {} {}", t.family.name(), printable(&t.name)));
            let target = format!("change {reference} of table{}", names.collect::<String>());
            let (decision, rule) = match result {
                Ok(()) => (Decision::Granted, why.to_owned()),
                Err(error) => (Decision::Failed, reply::summary(error)),
            };
            // It is done whether or not it can be written down.
            let _ = self.note("nft_rollback", target.into_bytes(), decision, &rule, output);
        }
    }

    /// Ends a request because its client wants so.
    pub fn cancel(&mut self, id: RequestId, output: &mut Output) {
        let subscription = self.trail.cancel(id) || self.watches.cancel(id);
        if subscription || self.running.cancel(id) || self.pings.cancel(id) {
            reply::error(output.frames(), id, &RequestError::Cancelled);
        }
        if !self.trail.listens(Topic::Nft) {
            self.events.end();
        }
    }

    /// Allows an answer more chunks, or a subscription more events. Credit for what has ended came too late, and is no
    /// mistake.
    pub fn grant(&mut self, id: RequestId, more: u32, output: &mut Output) {
        self.running.grant(id, more);
        self.trail.grant(id, more, output.frames());
        self.watches.grant(id, more, output.frames());
    }

    /// Everything that is due: replies that have come, deadlines, one slice of one row answer.
    pub fn turn(&mut self, output: &mut Output) {
        if !self.pings.is_empty() || !self.handles.is_empty() {
            self.replies(output);
            self.handles.expire(Instant::now());
        }
        if self.helpers.receive(Instant::now()) {
            self.running.wake();
            self.watches.wake();
        }
        if self.trail.listens(Topic::Nft) {
            if let Err(error) = self.news(output) {
                self.events.end();
                self.trail.end(Topic::Nft, &error, output.frames());
            }
        }
        let asked =
            Asked { firewall: &mut self.firewall, links: &mut self.links, helpers: &mut self.helpers };
        self.watches.turn(asked, output);
        let asked =
            Asked { firewall: &mut self.firewall, links: &mut self.links, helpers: &mut self.helpers };
        self.running.slice(asked, output, &mut self.counters);
    }

    /// Changes that were not confirmed in time.
    pub fn take_back_due(&mut self, output: &mut Output) {
        if self.firewall.next_due().is_some() {
            let taken = self.firewall.take_back_due(Instant::now());
            self.write_down(&taken, "it was not confirmed in time", output);
        }
    }

    /// What has come of changes of the firewall, for one slice at most.
    fn news(&mut self, output: &mut Output) -> Result<(), RequestError> {
        let until = Instant::now() + Duration::from_micros(SLICE_MICROS);
        let link = self.firewall.link()?;
        let mut event = Writer::new();
        while let Some(news) = self.events.take(link)? {
            if news.lost > 0 {
                self.trail.missed(Topic::Nft, news.lost, output.frames());
            }
            for transaction in &news.transactions {
                event.clear();
                // What nobody has credit for is counted only.
                if self.trail.wants(Topic::Nft) {
                    self.events.write(transaction, link, &mut event);
                }
                self.trail.tell(Topic::Nft, output.frames(), |w| w.raw(event.bytes()));
            }
            if output.is_full() || Instant::now() >= until {
                break;
            }
        }
        Ok(())
    }

    fn replies(&mut self, output: &mut Output) {
        let now = Instant::now();
        let errors = &mut self.counters.errors;
        self.pings.receive(now, |id, result| match result {
            Ok(echo) => reply::ok(output.frames(), id, |w| echo.write(w)),
            Err(error) => {
                *errors = errors.saturating_add(1);
                reply::error(output.frames(), id, &error);
            }
        });
        self.pings.expire(now, |id| {
            *errors = errors.saturating_add(1);
            reply::error(output.frames(), id, &RequestError::Timeout);
        });
    }

    /// How long nothing will be due; `None`: until something comes.
    pub fn idle_for(&self) -> Option<Duration> {
        if self.running.can_run() || self.events.is_behind() || self.watches.can_run() {
            return Some(Duration::ZERO);
        }
        let due = [
            self.running.next_due(),
            self.pings.next_deadline(),
            self.handles.next_expiry(),
            self.firewall.next_due(),
            self.watches.next_due(),
        ];
        due.into_iter().flatten().min().map(until)
    }

    /// How long nothing will be due that does not wait for the peer.
    pub fn unconfirmed_for(&self) -> Option<Duration> {
        self.firewall.next_due().map(until)
    }

    /// The sockets on which something is waited for. What comes while nothing is would wake the loop for ever.
    pub fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let pings = self.pings.fds().filter(|_| !self.pings.is_empty());
        pings.chain(self.events.socket()).chain(self.watches.sockets()).chain(self.helpers.sockets())
    }
}

/// Never zero: that would read as "do not wait", and what is due is done in the next turn anyway.
fn until(due: Instant) -> Duration {
    due.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}
