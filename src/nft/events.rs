//! Changes of the firewall, whoever makes them, as they happen: a transaction each. The socket is opened at the start and joins its
//! group only while somebody has subscribed, since the kernel builds a message of every change for whoever listens.
#![forbid(unsafe_code)]

pub mod gather;
pub mod show;

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;

use crate::capability::Capabilities;
use crate::error::RequestError;
use crate::nft::action::ReadNft;
use crate::nft::change::{World, of_transport};
use crate::nft::transport::watch::{CHANGES, Seen, Watch};
use crate::nft::transport::{Link, get};
use crate::policy::permit::Permit;
use crate::sys::capset::{self, Raised};
use crate::wire::write::Writer;
use gather::{Gather, Transaction};

/// The socket, and what has come of a transaction that has not ended.
#[derive(Debug)]
pub struct Events {
    watch: Option<Watch>,
    joined: Option<Joined>,
}

#[derive(Debug)]
struct Joined {
    permit: Permit<ReadNft>,
    gather: Gather,
}

/// What a datagram has brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Transactions that ended in it.
    pub transactions: Vec<Transaction>,
    /// How many are known to be missing, all before the last of those.
    pub lost: u64,
}

impl Events {
    /// None: the policy grants no look at the firewall.
    #[must_use]
    pub fn none() -> Self {
        Self { watch: None, joined: None }
    }

    /// From that socket, which is in no group yet.
    #[must_use]
    pub fn over(watch: Watch) -> Self {
        Self { watch: Some(watch), joined: None }
    }

    /// Begins to listen, or goes on.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn begin(&mut self, permit: Permit<ReadNft>, link: &mut Link) -> Result<(), RequestError> {
        if self.joined.is_some() {
            return Ok(());
        }
        let watch = self.watch.as_mut().ok_or(RequestError::Posix(libc::ENOTCONN, EVENTS))?;
        let _raised = raise(permit.capabilities())?;
        watch.join(CHANGES).map_err(|e| RequestError::Posix(e as i32, EVENTS))?;
        // Asked after joining: of a later generation every message comes.
        match get::generation(link) {
            Ok(generation) => self.joined = Some(Joined { permit, gather: Gather::since(generation) }),
            Err(e) => {
                let _ = watch.leave(CHANGES);
                return Err(of_transport(&e));
            }
        }
        Ok(())
    }

    /// Listens no longer.
    pub fn end(&mut self) {
        if let (Some(watch), Some(joined)) = (&mut self.watch, self.joined.take()) {
            if let Ok(_raised) = raise(joined.permit.capabilities()) {
                // What cannot be left is not looked at any more.
                let _ = watch.leave(CHANGES);
            }
        }
    }

    /// The socket, while something is waited for on it.
    #[must_use]
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.joined.as_ref().and(self.watch.as_ref()).map(AsFd::as_fd)
    }

    /// Whether [`take`](Self::take) has something to do though nothing has come.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.joined.as_ref().is_some_and(|joined| joined.gather.is_behind())
    }

    /// Takes a datagram; nothing if there is none.
    ///
    /// # Errors
    /// Of the socket, or of the question what was missed: nothing will come any more.
    pub fn take(&mut self, link: &mut Link) -> Result<Option<News>, RequestError> {
        let (Some(watch), Some(Joined { permit, gather })) = (&mut self.watch, &mut self.joined) else {
            return Ok(None);
        };
        let mut news = News::default();
        match watch.take().map_err(|e: Errno| RequestError::Posix(e as i32, EVENTS))? {
            Seen::Events(messages) => {
                news.transactions.extend(messages.filter_map(|message| gather.take(&message)));
            }
            Seen::Gap => gather.gap(),
            Seen::Nothing if gather.is_behind() => {
                let _raised = raise(permit.capabilities())?;
                gather.caught_up(get::generation(link).map_err(|e| of_transport(&e))?);
            }
            Seen::Nothing => return Ok(None),
        }
        news.lost = gather.lost();
        Ok(Some(news))
    }

    /// Writes a transaction. Named sets that its rules look into are asked for, as they are by now.
    pub fn write(&self, transaction: &Transaction, link: &mut Link, w: &mut Writer) {
        let raised = self.joined.as_ref().map(|joined| raise(joined.permit.capabilities()));
        let world = World::new(link);
        // What cannot be looked up is shown as it came.
        show::write(transaction, &mut |table, name| world.set(table, name).ok().flatten(), w);
        drop(raised);
    }
}

/// What fails, in an error.
const EVENTS: &str = "events of the firewall";

fn raise(capabilities: Capabilities) -> Result<Option<Raised>, RequestError> {
    capset::raise(capabilities).map_err(|e| RequestError::Posix(e as i32, "raising a capability"))
}
