//! The firewall of this network namespace: the socket to it, and the changes that wait to be confirmed.
#![forbid(unsafe_code)]

use std::time::Instant;

use crate::capability::Capabilities;
use crate::error::RequestError;
use crate::nft::action::{ApplyNft, ChangeNft, ReadNft};
use crate::nft::args::How;
use crate::nft::ban::{self, Near, Network};
use crate::nft::change::{Handles, Plan, of_failure, of_transport};
use crate::nft::marker;
use crate::nft::model::{Command, Object, TableRef};
use crate::nft::reset;
use crate::nft::snapshot::{self, Snapshot};
use crate::nft::transport::batch::{self, Batch, Failure};
use crate::nft::transport::{Error, Link, dump, get};
use crate::policy::permit::Permit;
use crate::sys::capset::{self, Raised};
use crate::sys::process;

/// How often a change is made anew that nobody bound to a generation, and that others came before.
const TRIES: u32 = 8;

/// Changes that can wait for confirmation at a time, each with a copy of its tables.
const PENDING_MAX: usize = 16;

/// What there is of it.
#[derive(Debug)]
pub struct Firewall {
    link: Option<Link>,
    pending: Vec<Pending>,
    references: u64,
    /// Of this process. Asked for once: seccomp allows no more of it.
    pid: u32,
}

/// A change that takes itself back.
#[derive(Debug)]
struct Pending {
    reference: u64,
    due: Instant,
    before: Snapshot,
    /// What taking it back raises: it belongs to the change that was allowed.
    capabilities: Capabilities,
}

/// What a change has come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The generation that it made.
    pub generation: u32,
    /// The numbers of what was added, by command.
    pub handles: Handles,
    /// What confirms it.
    pub reference: Option<u64>,
    /// What was reset, as it was before that, by command.
    pub reset: Vec<Option<Object>>,
}

/// A change that was taken back without being asked, or could not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenBack {
    /// Which.
    pub reference: u64,
    /// Its tables.
    pub tables: Vec<TableRef>,
    /// What went wrong.
    pub result: Result<(), RequestError>,
}

impl Firewall {
    /// None: the policy grants nothing of it.
    #[must_use]
    pub fn none() -> Self {
        Self { link: None, pending: Vec::new(), references: 0, pid: 0 }
    }

    /// Over that socket.
    #[must_use]
    pub fn over(link: Link) -> Self {
        Self { link: Some(link), pid: process::pid(), ..Self::none() }
    }

    /// The socket.
    pub fn link(&mut self) -> Result<&mut Link, RequestError> {
        self.link.as_mut().ok_or(RequestError::Posix(libc::ENOTCONN, "the firewall"))
    }

    /// The tables that there are.
    pub fn tables(&mut self, permit: &Permit<ReadNft>) -> Result<Vec<TableRef>, RequestError> {
        let _raised = raise(permit.capabilities())?;
        snapshot::tables(self.link()?).map_err(|e| of_transport(&e))
    }

    /// What there is near a network that is to be banned or not any more, and when that was.
    pub fn near(
        &mut self,
        permit: &Permit<ChangeNft>,
        network: &Network,
    ) -> Result<(u32, Near), RequestError> {
        let _raised = raise(permit.capabilities())?;
        let near = dump::consistent(self.link()?, |link, _| ban::near(link, network));
        near.map_err(|e| of_transport(&e))
    }

    /// Makes a change: all of it or nothing.
    pub fn apply(
        &mut self,
        permit: Permit<ApplyNft<'_>>,
        how: How,
        now: Instant,
    ) -> Result<Applied, RequestError> {
        if reset::only(permit.action().commands(), how)? {
            return self.reset(&permit, how);
        }
        let _raised = raise(permit.capabilities())?;
        let tables = touched(permit.action().commands());
        self.free(&tables, how)?;
        let (mut attempt, mut merging) = (1, false);
        loop {
            match self.attempt(&permit, how, &tables, now, merging) {
                // The kernel refuses what overlaps; sets that merge by themselves are looked into then, and not before.
                Err(RequestError::Nft(_, libc::EEXIST | libc::ENOENT, _)) if !merging => merging = true,
                Err(RequestError::Stale) if how.generation.is_none() && attempt < TRIES => attempt += 1,
                Err(RequestError::Stale) if how.generation.is_none() => return Err(RequestError::Busy),
                done => return done,
            }
        }
    }

    /// Resets objects: one by one, none of it to be taken back.
    fn reset(&mut self, permit: &Permit<ApplyNft<'_>>, how: How) -> Result<Applied, RequestError> {
        let _raised = raise(permit.capabilities())?;
        let commands = permit.action().commands();
        self.free(&touched(commands), how)?;
        let link = self.link()?;
        let generation = get::generation(link).map_err(|e| of_transport(&e))?;
        if how.generation.is_some_and(|expected| expected != generation) {
            return Err(RequestError::Stale);
        }
        let reset = reset::run(link, commands)?;
        Ok(Applied { generation, handles: vec![None; commands.len()], reference: None, reset })
    }

    fn attempt(
        &mut self,
        permit: &Permit<ApplyNft<'_>>,
        how: How,
        tables: &[TableRef],
        now: Instant,
        merging: bool,
    ) -> Result<Applied, RequestError> {
        let reference = self.references.saturating_add(1);
        let marker = marker::of(self.pid, reference);
        let link = self.link()?;
        let current = get::generation(link).map_err(|e| of_transport(&e))?;
        let expected = how.generation.unwrap_or(current);
        if expected != current {
            return Err(RequestError::Stale);
        }
        let before = match how.confirm {
            Some(_) => Some(Snapshot::take(link, tables).map_err(|e| of_transport(&e))?),
            None => None,
        };
        if before.as_ref().is_some_and(|before| before.generation() != expected) {
            return Err(RequestError::Stale);
        }
        let (mut batch, origins) = Plan::new(link, permit.action().commands(), expected, merging)?.split();
        let wrong = |failure: &Failure, batch: &Batch| origins.error(failure, batch);
        if before.is_some() && !how.check {
            marker::set(&marker, tables, &mut batch).map_err(|e| of_transport(&e))?;
        }
        if how.check {
            batch::dry_run(link, &mut batch).map_err(|f| wrong(&f, &batch))?;
            return Ok(Applied {
                generation: current,
                handles: Vec::new(),
                reference: None,
                reset: Vec::new(),
            });
        }
        let outcome = batch::run(link, &mut batch).map_err(|f| wrong(&f, &batch))?;
        let handles = origins.handles(&outcome);
        let reference = before.zip(how.confirm).map(|(before, within)| {
            self.references = reference;
            let due = now.checked_add(within).unwrap_or(now);
            let capabilities = permit.capabilities();
            self.pending.push(Pending { reference, due, before, capabilities });
            reference
        });
        Ok(Applied { generation: outcome.generation, handles, reference, reset: Vec::new() })
    }

    /// Whether the tables can be changed: what waits for confirmation would otherwise take others' changes back with it.
    fn free(&self, tables: &[TableRef], how: How) -> Result<(), RequestError> {
        let waiting = self.pending.iter().find(|p| p.before.tables().iter().any(|t| tables.contains(t)));
        if let Some(Pending { reference, .. }) = waiting.filter(|_| !how.check) {
            let text = format!(
                "change {reference} of the same table is not confirmed yet: call nft_confirm({reference}) or \
                 nft_rollback({reference}) first"
            );
            return Err(RequestError::Nft(0, libc::EBUSY, text.into_bytes()));
        }
        if how.confirm.is_some() && self.pending.len() >= PENDING_MAX {
            return Err(RequestError::Overloaded);
        }
        Ok(())
    }

    /// A change stays.
    pub fn confirm(&mut self, reference: u64) -> Result<(), RequestError> {
        let pending = self.take(reference)?;
        let _raised = raise(pending.capabilities)?;
        let marker = marker::of(self.pid, reference);
        let link = self.link()?;
        let mut batch = Batch::begin(None);
        marker::clear(&marker, &mut batch).map_err(|e| of_transport(&e))?;
        // The change stays whether or not its marker does, which a later start would only tell of.
        let _ = batch::run(link, &mut batch);
        Ok(())
    }

    /// A change is taken back.
    pub fn roll_back(&mut self, reference: u64) -> Result<(), RequestError> {
        let pending = self.take(reference)?;
        self.restore(&pending).result
    }

    fn take(&mut self, reference: u64) -> Result<Pending, RequestError> {
        let found = self.pending.iter().position(|p| p.reference == reference);
        // It was confirmed, or taken back: whichever it was, there is nothing to decide any more.
        found.map(|at| self.pending.remove(at)).ok_or(RequestError::Stale)
    }

    /// When the next change takes itself back.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.pending.iter().map(|p| p.due).min()
    }

    /// Takes back what is due by now.
    pub fn take_back_due(&mut self, now: Instant) -> Vec<TakenBack> {
        self.take_back(|pending| pending.due <= now)
    }

    /// Takes back whatever is not confirmed: nobody is left to do it.
    pub fn take_back_all(&mut self) -> Vec<TakenBack> {
        self.take_back(|_| true)
    }

    /// The last change first, as one may build on another.
    fn take_back(&mut self, due: impl Fn(&Pending) -> bool) -> Vec<TakenBack> {
        let mut taken = Vec::new();
        while let Some(at) = self.pending.iter().rposition(&due) {
            let pending = self.pending.remove(at);
            taken.push(self.restore(&pending));
        }
        taken
    }

    fn restore(&mut self, pending: &Pending) -> TakenBack {
        let Pending { reference, before, capabilities, .. } = pending;
        let marker = marker::of(self.pid, *reference);
        let result = raise(*capabilities).and_then(|_raised| {
            let link = self.link()?;
            before
                .restore(link, &marker)
                .map_err(|failure| of_failure(&failure, &Batch::begin(None), &[], &[]))
        });
        TakenBack { reference: *reference, tables: before.tables().to_vec(), result }
    }
}

fn raise(capabilities: Capabilities) -> Result<Option<Raised>, RequestError> {
    capset::raise(capabilities).map_err(|e| RequestError::Posix(e as i32, "raising a capability"))
}

/// The tables that commands are about.
fn touched(commands: &[Command<'_>]) -> Vec<TableRef> {
    let mut tables: Vec<TableRef> = Vec::new();
    for table in commands.iter().filter_map(Command::table) {
        if !tables.contains(table) {
            tables.push(table.clone());
        }
    }
    tables
}

/// What a failed question means for a snapshot.
pub(super) type Taking<T> = Result<T, Error>;
