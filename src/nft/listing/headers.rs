//! Tables, chains, named objects and headers of sets: few, and read as a whole.
#![forbid(unsafe_code)]

use super::known::Known;
use super::wanted::{Sets, Wanted};
use super::{Listing, known};
use crate::netlink::attr::Buffer;
use crate::netlink::message::Message;
use crate::nft::model::{ObjectKind, ObjectState};
use crate::nft::object::{chain, message, named, set, table};
use crate::nft::schema;
use crate::nft::transport::dump::{Dump, unless};
use crate::nft::transport::{Error, Link, kind};

/// Reads what is wanted of them, and the sets that wanted rules look into; and of which generation that is.
pub fn read(link: &mut Link, wanted: &Wanted) -> Result<(Option<u32>, Known), Error> {
    let mut known = Known::default();
    let mut generation = None;
    if wanted.tables {
        each(
            &mut generation,
            link,
            wanted,
            message::GET_TABLE,
            |_| {},
            |m| {
                let found = table::decode(m.family, m.body).map(|seen| seen.what);
                known.tables.extend(found.filter(|table| wanted.has(&table.id)));
            },
        )?;
    }
    if wanted.chains {
        each(
            &mut generation,
            link,
            wanted,
            message::GET_CHAIN,
            |_| {},
            |m| {
                let found = chain::decode(m.family, m.body).map(|seen| seen.what);
                known.chains.extend(found.filter(|c| wanted.has(&c.table) && wanted.names(&c.name)));
            },
        )?;
    }
    if let Some(only) = wanted.objects {
        each(
            &mut generation,
            link,
            wanted,
            message::GET_OBJECT,
            |b| in_table(wanted, b),
            |m| {
                let found = named::decode(m.family, m.body).map(|seen| seen.what);
                let is_wanted = |kind: u32| only.is_none_or(|only: ObjectKind| only as u32 == kind);
                known.objects.extend(found.filter(|object| {
                    wanted.has(&object.table)
                        && wanted.names(&object.name)
                        && is_wanted(named::kind(&object.state))
                }));
            },
        )?;
    }
    if wanted.rules || wanted.sets != Sets::None {
        each(
            &mut generation,
            link,
            wanted,
            message::GET_SET,
            |b| in_table(wanted, b),
            |m| {
                let found = set::decode(m.family, m.body).map(|seen| seen.what);
                known.sets.extend(found.filter(|set| wanted.has(&set.table)));
            },
        )?;
        known.index();
    }
    Ok((generation, known))
}

/// Chooses the table. `NFTA_CHAIN_TABLE`, `NFTA_SET_TABLE`, `NFTA_OBJ_TABLE` and `NFTA_RULE_TABLE` are the same number.
pub(super) fn in_table(wanted: &Wanted, buffer: &mut Buffer) {
    if let Some(table) = wanted.table() {
        buffer.put_text(1, &table.name);
    }
}

fn each(
    generation: &mut Option<u32>,
    link: &mut Link,
    wanted: &Wanted,
    number: u16,
    filter: impl FnOnce(&mut Buffer),
    mut one: impl FnMut(&Message<'_>),
) -> Result<(), Error> {
    let number = kind(u8::try_from(number).unwrap_or(u8::MAX));
    let mut dump = Dump::start(link, number, wanted.family(), filter)?;
    // A table that is not there has no sets.
    while let Some(messages) = unless(dump.next(link), &[libc::ENOENT])? {
        for message in messages {
            one(&message);
        }
    }
    // All of one generation, or none of it.
    match generation.replace(dump.generation()) {
        Some(before) if before != dump.generation() => Err(Error::Interrupted),
        _ => Ok(()),
    }
}

impl Listing {
    /// Shows what was read, but for the sets: those come with their elements.
    pub(super) fn show_headers(&mut self) {
        let known = std::mem::take(&mut self.known);
        for table in &known.tables {
            self.row(|w| schema::write_table(table, w));
        }
        for chain in &known.chains {
            self.row(|w| schema::write_chain(chain, w));
        }
        for object in &known.objects {
            // A listing of everything names what this program has no word for too.
            let _: &ObjectState = &object.state;
            self.row(|w| schema::write_object(object, w));
        }
        if let Sets::Headers { sets, maps } = self.wanted.sets {
            for set in known.sets.iter().filter(|set| !known::is_anonymous(set)) {
                if if set.data.is_some() { maps } else { sets } {
                    self.row(|w| schema::write_set_head(set, false, w));
                }
            }
        }
        self.known = known;
    }
}
