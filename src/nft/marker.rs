//! What says in the kernel that a change waits to be confirmed: a table without anything in it, made with the change and gone with
//! its end. Whoever finds one whose maker is gone knows that nobody will take that change back any more.
#![forbid(unsafe_code)]

use crate::error::RequestError;
use crate::limits::NFT_COMMENT_MAX;
use crate::netlink::attr::Buffer;
use crate::netlink::message::{CREATE, EXCL};
use crate::nft::model::{Family, Table, TableRef, Text};
use crate::nft::object::{message, table};
use crate::nft::transport::batch::{self, Batch};
use crate::nft::transport::dump::Dump;
use crate::nft::transport::{Error, Link, kind};
use crate::quote::printable;
use crate::sys::process;

/// How their names begin; the process, its start and the number of the change follow.
const PREFIX: &str = "portcullis-unconfirmed-";

/// The process that made a change. Its number alone may be another's by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maker {
    /// Its number.
    pub pid: u32,
    /// When it began, in clock ticks; 0 where that is not known.
    pub started: u64,
}

impl Maker {
    /// This process. To be asked before the start is over: seccomp allows it no more.
    #[must_use]
    pub fn own() -> Self {
        let pid = process::pid();
        Self { pid, started: process::started(pid).unwrap_or(0) }
    }

    /// Whether it is still there, as far as anybody can tell.
    fn lives(self) -> bool {
        let now = process::started(self.pid).unwrap_or(0);
        process::is_there(self.pid) && (now == self.started || now == 0 || self.started == 0)
    }
}

/// The marker of a change of a process.
#[must_use]
pub fn of(maker: Maker, reference: u64) -> TableRef {
    let Maker { pid, started } = maker;
    let name = format!("{PREFIX}{pid}-{started}-{reference}");
    TableRef { family: Family::Inet, name: Text::Owned(name.into_bytes()) }
}

/// Makes the marker, as a part of the change.
pub fn set(marker: &TableRef, changed: &[TableRef], batch: &mut Batch) -> Result<(), Error> {
    let names: Vec<String> = changed.iter().map(name_of).collect();
    let mut comment = names.join(", ").into_bytes();
    comment.truncate(NFT_COMMENT_MAX);
    let table = Table { id: marker.clone(), handle: None, flags: 0, comment: Some(Text::Owned(comment)) };
    let fill = |buffer: &mut Buffer| {
        // The comment is as short as it must be.
        let _ = table::encode(&table, buffer);
    };
    batch.push(kind(message::NEW_TABLE), CREATE | EXCL, Family::Inet.number(), fill).map(drop)
}

/// Takes the marker away, as a part of what ends the change.
pub fn clear(marker: &TableRef, batch: &mut Batch) -> Result<(), Error> {
    let family = Family::Inet.number();
    let fill = |buffer: &mut Buffer| buffer.put_text(1, &marker.name);
    // Somebody may have flushed everything: what is not there is made first, since deleting it would be an error.
    batch.push(kind(message::NEW_TABLE), CREATE, family, fill)?;
    batch.push(kind(message::DEL_TABLE), 0, family, fill).map(drop)
}

/// Why a change of these tables has to wait: one of another process is not confirmed yet. Each would restore what the other had made.
pub fn others(link: &mut Link, own: &TableRef, changed: &[TableRef]) -> Result<Option<RequestError>, Error> {
    let own = maker(&own.name);
    let mut found = None;
    let mut dump = Dump::start(link, kind(message::GET_TABLE), Family::Inet.number(), |_| {})?;
    while let Some(messages) = dump.next(link)? {
        for Table { id, comment, .. } in
            messages.filter_map(|m| table::decode(m.family, m.body)).map(|seen| seen.what)
        {
            let of_another = maker(&id.name).is_some_and(|maker| Some(maker) != own);
            if of_another && comment.is_none_or(|names| changed.iter().any(|table| is_among(table, &names))) {
                found.get_or_insert(id.name);
            }
        }
    }
    Ok(found.map(|marker| {
        let marker = printable(&marker);
        let text = format!(
            "another port has changed the same table and that is not confirmed yet: wait, or if that port is gone delete its \
             marker, table inet {marker}"
        );
        RequestError::Nft(0, libc::EBUSY, text.into_bytes())
    }))
}

/// Whether the comment of a marker names the table, or may have been too short to.
fn is_among(table: &TableRef, names: &[u8]) -> bool {
    let names = String::from_utf8_lossy(names);
    names.len() >= NFT_COMMENT_MAX || format!(", {names}, ").contains(&format!(", {}, ", name_of(table)))
}

fn name_of(table: &TableRef) -> String {
    format!("{} {}", table.family.name(), printable(&table.name))
}

/// A change that nobody can take back any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// Its marker.
    pub name: Vec<u8>,
    /// The tables that it changed.
    pub tables: Vec<u8>,
}

/// The markers whose processes are gone. They are taken away: each is told of once.
pub fn orphans(link: &mut Link) -> Result<Vec<Orphan>, Error> {
    let mut found = Vec::new();
    let mut dump = Dump::start(link, kind(message::GET_TABLE), Family::Inet.number(), |_| {})?;
    while let Some(messages) = dump.next(link)? {
        for seen in messages.filter_map(|m| table::decode(m.family, m.body)) {
            let Table { id, comment, .. } = seen.what;
            if maker(&id.name).is_some_and(|maker| !maker.lives()) {
                let tables = comment.map(|c| c.to_vec()).unwrap_or_default();
                found.push(Orphan { name: id.name.to_vec(), tables });
            }
        }
    }
    for orphan in &found {
        let marker = TableRef { family: Family::Inet, name: Text::Owned(orphan.name.clone()) };
        let mut batch = Batch::begin(None);
        clear(&marker, &mut batch)?;
        // If that fails, it is told of once more.
        let _ = batch::run(link, &mut batch);
    }
    Ok(found)
}

/// The process in the name of a marker.
fn maker(name: &[u8]) -> Option<Maker> {
    let rest = std::str::from_utf8(name).ok()?.strip_prefix(PREFIX)?;
    let mut numbers = rest.split('-');
    let maker = Maker { pid: numbers.next()?.parse().ok()?, started: numbers.next()?.parse().ok()? };
    let _reference: u64 = numbers.next()?.parse().ok()?;
    numbers.next().is_none().then_some(maker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_names_its_maker_and_nothing_else_does() {
        let one = Maker { pid: 12, started: 345 };
        assert_eq!(maker(&of(one, 7).name), Some(one));
        for other in [
            "portcullis",
            "portcullis-unconfirmed-",
            "portcullis-unconfirmed-x-1-1",
            "portcullis-unconfirmed-12-1",
            "portcullis-unconfirmed-12-1-1-1",
            "filter",
        ] {
            assert_eq!(maker(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_process_that_has_the_number_of_another_is_not_that_one() {
        let own = Maker::own();
        assert!(own.started > 0);
        assert!(own.lives());
        assert!(!Maker { started: own.started - 1, ..own }.lives(), "it had the number before");
        assert!(Maker { started: 0, ..own }.lives(), "nobody can tell");
    }
}
