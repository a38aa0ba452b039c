//! The firewall of this network namespace: the sockets to it, and the changes that wait to be confirmed.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use crate::capability::Capabilities;
use crate::error::RequestError;
use crate::nft::action::{ApplyNft, ChangeNft, ReadNft};
use crate::nft::args::How;
use crate::nft::ban::{self, Near, Network};
use crate::nft::change::{Handles, Plan, of_failure, of_transport};
use crate::nft::marker::{self, Maker};
use crate::nft::model::{Command, Object, TableRef};
use crate::nft::reset;
use crate::nft::snapshot::{self, Snapshot};
use crate::nft::transport::batch::{self, Batch, Failure};
use crate::nft::transport::{Error, Link, dump, get};
use crate::policy::permit::Permit;
use crate::sys::capset::{self, Raised};

/// How often a change is made anew that nobody bound to a generation, and that others came before.
const TRIES: u32 = 8;

/// Changes that can wait for confirmation at a time, each with a copy of its tables.
const PENDING_MAX: usize = 16;

/// How long after taking a change back has failed it is tried again; then twice as long each time, up to a minute.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_secs(60);

/// How late a change may take itself back because of another request, that there is time to end what is short.
const GRACE: Duration = Duration::from_millis(250);

/// What there is of it.
#[derive(Debug)]
pub struct Firewall {
    link: Option<Link>,
    /// What takes changes back has a socket of its own: on the other one a list may be under way, which the kernel would have to
    /// bring to its end first.
    undo: Option<Link>,
    pending: Vec<Pending>,
    references: u64,
    /// When the request in work is to be given up.
    deadline: Option<Instant>,
    /// This process, as its markers name it.
    maker: Maker,
}

/// A change that takes itself back.
#[derive(Debug)]
struct Pending {
    reference: u64,
    due: Instant,
    before: Snapshot,
    /// What taking it back raises: it belongs to the change that was allowed.
    capabilities: Capabilities,
    /// What the tables were made of right after it, where taking it back must not undo what others do.
    after: Option<u64>,
    /// When it is tried again if the kernel refuses that.
    wait: Duration,
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
        Self {
            link: None,
            undo: None,
            pending: Vec::new(),
            references: 0,
            deadline: None,
            maker: Maker { pid: 0, started: 0 },
        }
    }

    /// Over these sockets: for requests, and for taking changes back.
    #[must_use]
    pub fn over(link: Link, undo: Link) -> Self {
        Self { link: Some(link), undo: Some(undo), maker: Maker::own(), ..Self::none() }
    }

    /// The socket.
    pub fn link(&mut self) -> Result<&mut Link, RequestError> {
        self.link.as_mut().ok_or(RequestError::Posix(libc::ENOTCONN, "the firewall"))
    }

    /// The tables that there are, but for the markers of the changes that wait here.
    pub fn tables(&mut self, permit: &Permit<ReadNft>) -> Result<Vec<TableRef>, RequestError> {
        let _raised = raise(permit.capabilities())?;
        let mut tables = snapshot::tables(self.link()?).map_err(|e| of_transport(&e))?;
        let own: Vec<TableRef> = self.pending.iter().map(|p| marker::of(self.maker, p.reference)).collect();
        tables.retain(|table| !own.contains(table));
        Ok(tables)
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
        let marker = marker::of(self.maker, reference);
        let until = self.until();
        let link = self.link()?;
        let current = get::generation(link).map_err(|e| of_transport(&e))?;
        let expected = how.generation.unwrap_or(current);
        if expected != current {
            return Err(RequestError::Stale);
        }
        let before = match how.confirm {
            Some(_) => Some(Snapshot::take_until(link, tables, until).map_err(|e| of_transport(&e))?),
            None => None,
        };
        if before.as_ref().is_some_and(|before| before.generation() != expected) {
            return Err(RequestError::Stale);
        }
        if let Some(before) = before.as_ref().filter(|_| !how.check) {
            marker::others(link, &marker, tables).map_err(|e| of_transport(&e))?.map_or(Ok(()), Err)?;
            before.rehearse(link, &marker).map_err(|failure| one_way(&failure))?;
        }
        let (mut batch, origins) =
            Plan::new(link, permit.action().commands(), expected, merging, until)?.split();
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
        let outcome = batch::run(link, &mut batch);
        // It may have been made, and nobody will be told how to confirm it: it is taken back.
        let made = matches!(outcome, Ok(_) | Err(Failure::Unknown { changed: true }));
        let partly = before.as_ref().filter(|_| made && !permit.action().is_of_whole_tables());
        let after = partly.and_then(|before| shape_after(link, before));
        let reference = before.zip(how.confirm).filter(|_| made).map(|(before, within)| {
            self.references = reference;
            let due = now.checked_add(within).unwrap_or(now);
            let capabilities = permit.capabilities();
            self.pending.push(Pending { reference, due, before, capabilities, after, wait: FIRST_WAIT });
            reference
        });
        let outcome = outcome.map_err(|f| wrong(&f, &batch))?;
        let handles = origins.handles(&outcome);
        Ok(Applied { generation: outcome.generation, handles, reference, reset: Vec::new() })
    }

    /// The request whose work comes next is given up at that time.
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    /// When work has to be given up: the request is too late, or a change that waits is to be taken back, which nothing else may hold up.
    fn until(&self) -> Option<Instant> {
        let due = self.next_due().and_then(|due| due.checked_add(GRACE));
        self.deadline.into_iter().chain(due).min()
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

    /// Whether a change waits to be confirmed.
    ///
    /// # Errors
    /// If it does not: it was confirmed or taken back.
    pub fn waits(&self, reference: u64) -> Result<(), RequestError> {
        let waits = self.pending.iter().any(|p| p.reference == reference);
        waits.then_some(()).ok_or(RequestError::Stale)
    }

    /// A change stays.
    pub fn confirm(&mut self, reference: u64) -> Result<(), RequestError> {
        let pending = self.take(reference)?;
        let _raised = raise(pending.capabilities)?;
        let marker = marker::of(self.maker, reference);
        let link = self.link()?;
        let mut batch = Batch::begin(None);
        marker::clear(&marker, &mut batch).map_err(|e| of_transport(&e))?;
        // The change stays whether or not its marker does, which a later start would only tell of.
        let _ = batch::run(link, &mut batch);
        Ok(())
    }

    /// A change is taken back.
    pub fn roll_back(&mut self, reference: u64) -> Result<(), RequestError> {
        self.settle(reference, Instant::now()).map_or(Err(RequestError::Stale), |taken| taken.result)
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
        self.take_back(|pending| pending.due <= now, now)
    }

    /// Takes back whatever is not confirmed: nobody is left to do it.
    pub fn take_back_all(&mut self) -> Vec<TakenBack> {
        self.take_back(|_| true, Instant::now())
    }

    /// The last change first, as one may build on another.
    fn take_back(&mut self, due: impl Fn(&Pending) -> bool, now: Instant) -> Vec<TakenBack> {
        let due: Vec<u64> = self.pending.iter().rev().filter(|p| due(p)).map(|p| p.reference).collect();
        due.into_iter().filter_map(|reference| self.settle(reference, now)).collect()
    }

    /// Takes a change back. One that cannot be waits, and is tried again: what stood in the way may go.
    fn settle(&mut self, reference: u64, now: Instant) -> Option<TakenBack> {
        let at = self.pending.iter().position(|p| p.reference == reference)?;
        let mut pending = self.pending.remove(at);
        let taken = self.restore(&pending);
        if taken.result.is_err() {
            pending.due = now.checked_add(pending.wait).unwrap_or(now);
            pending.wait = pending.wait.saturating_mul(2).min(LAST_WAIT);
            self.pending.insert(at, pending);
        }
        Some(taken)
    }

    fn restore(&mut self, pending: &Pending) -> TakenBack {
        let Pending { reference, before, capabilities, after, .. } = pending;
        let marker = marker::of(self.maker, *reference);
        let result = raise(*capabilities).and_then(|_raised| {
            let link = self.undo.as_mut().ok_or(RequestError::Posix(libc::ENOTCONN, "the firewall"))?;
            let mut tries = 1;
            loop {
                let expected = untouched(link, before, *after)?;
                match before.restore(link, &marker, expected) {
                    Err(Failure::Stale { .. }) if tries < TRIES => tries += 1,
                    done => {
                        return done.map_err(|failure| of_failure(&failure, &Batch::begin(None), &[], &[]));
                    }
                }
            }
        });
        TakenBack { reference: *reference, tables: before.tables().to_vec(), result }
    }
}

fn raise(capabilities: Capabilities) -> Result<Option<Raised>, RequestError> {
    capset::raise(capabilities).map_err(|e| RequestError::Posix(e as i32, "raising a capability"))
}

/// What the tables are made of right after the change that came upon `before`. Where somebody came in between, nobody can tell his work
/// from the change's: then only tables that are as before are ours to restore.
fn shape_after(link: &mut Link, before: &Snapshot) -> Option<u64> {
    // What cannot be looked at cannot be told apart; being locked out for ever is worse.
    let after = Snapshot::take(link, before.tables()).ok()?;
    // The change was bound to the generation before it, and made the next one. What the kernel says afterwards may count others' changes.
    let made = before.generation().checked_add(1).unwrap_or(1);
    Some(if after.generation() == made { after.shape() } else { before.shape() })
}

/// Whether nobody else has changed the tables since, and of which generation that is known. Who may not change all of a table must not
/// undo what others did to it.
fn untouched(link: &mut Link, before: &Snapshot, after: Option<u64>) -> Result<Option<u32>, RequestError> {
    let Some(after) = after else { return Ok(None) };
    let Ok(now) = Snapshot::take(link, before.tables()) else { return Ok(None) };
    if now.shape() == after || now.shape() == before.shape() {
        return Ok(Some(now.generation()));
    }
    let text = "others have changed the table since, and the policy does not grant all of it: what they did would be undone. \
                Confirm the change, or take it back by commands";
    Err(RequestError::Nft(0, libc::EBUSY, text.as_bytes().to_vec()))
}

/// What the request hears of a change that could not be taken back, and so is not made.
fn one_way(failure: &Failure) -> RequestError {
    let said =
        |text: &str| format!("it could not be taken back, so that it is not made: {text}").into_bytes();
    match of_failure(failure, &Batch::begin(None), &[], &[]) {
        RequestError::Nft(_, errno, text) => {
            RequestError::Nft(0, errno, said(&String::from_utf8_lossy(&text)))
        }
        RequestError::Posix(errno, what) => RequestError::Nft(0, errno, said(what)),
        other => other,
    }
}

/// The tables that commands are about.
fn touched(commands: &[Command<'_>]) -> Vec<TableRef> {
    let mut tables: Vec<TableRef> = Vec::new();
    for table in commands.iter().flat_map(Command::tables) {
        if !tables.contains(table) {
            tables.push(table.clone());
        }
    }
    tables
}

/// What a failed question means for a snapshot.
pub(super) type Taking<T> = Result<T, Error>;
