//! What says in the kernel that a change waits to be confirmed: a table without anything in it, made with the change and gone with
//! its end. Whoever finds one whose maker is gone knows that nobody will take that change back any more.
#![forbid(unsafe_code)]

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

/// How their names begin; the process and the number of the change follow.
const PREFIX: &str = "portcullis-unconfirmed-";

/// The marker of a change of a process.
#[must_use]
pub fn of(maker: u32, reference: u64) -> TableRef {
    let name = format!("{PREFIX}{maker}-{reference}");
    TableRef { family: Family::Inet, name: Text::Owned(name.into_bytes()) }
}

/// Makes the marker, as a part of the change.
pub fn set(marker: &TableRef, changed: &[TableRef], batch: &mut Batch) -> Result<(), Error> {
    let names: Vec<String> =
        changed.iter().map(|t| format!("{} {}", t.family.name(), printable(&t.name))).collect();
    let mut comment = names.join(", ").into_bytes();
    comment.truncate(NFT_COMMENT_MAX);
    let table = Table { id: marker.clone(), handle: None, flags: 0, comment: Some(Text::Owned(comment)) };
    let fill = |buffer: &mut Buffer| {
        // The comment is as short as it must be.
        let _ = table::encode(&table, buffer);
    };
    batch.push(number(message::NEW_TABLE), CREATE | EXCL, Family::Inet.number(), fill).map(drop)
}

/// Takes the marker away, as a part of what ends the change.
pub fn clear(marker: &TableRef, batch: &mut Batch) -> Result<(), Error> {
    let family = Family::Inet.number();
    let fill = |buffer: &mut Buffer| buffer.put_text(1, &marker.name);
    // Somebody may have flushed everything: what is not there is made first, since deleting it would be an error.
    batch.push(number(message::NEW_TABLE), CREATE, family, fill)?;
    batch.push(number(message::DEL_TABLE), 0, family, fill).map(drop)
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
    let mut dump = Dump::start(link, number(message::GET_TABLE), Family::Inet.number(), |_| {})?;
    while let Some(messages) = dump.next(link)? {
        for seen in messages.filter_map(|m| table::decode(m.family, m.body)) {
            let Table { id, comment, .. } = seen.what;
            if maker(&id.name).is_some_and(|pid| !process::is_there(pid)) {
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
fn maker(name: &[u8]) -> Option<u32> {
    let rest = std::str::from_utf8(name).ok()?.strip_prefix(PREFIX)?;
    rest.split_once('-')?.0.parse().ok()
}

fn number(of: u16) -> u16 {
    kind(u8::try_from(of).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_names_its_maker_and_nothing_else_does() {
        assert_eq!(maker(&of(12, 7).name), Some(12));
        for other in [
            "portcullis",
            "portcullis-unconfirmed-",
            "portcullis-unconfirmed-x-1",
            "portcullis-unconfirmed-12",
            "filter",
        ] {
            assert_eq!(maker(other.as_bytes()), None, "{other}");
        }
    }
}
