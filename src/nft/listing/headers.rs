//! Tables, chains, named objects and headers of sets: few, and read as a whole.
#![forbid(unsafe_code)]

use super::known::Known;
use super::wanted::{Sets, Wanted};
use super::{Listing, known};
use crate::netlink::attr::Buffer;
use crate::netlink::message::Message;
use crate::nft::model::{ObjectKind, TableRef};
use crate::nft::object::{chain, message, named, set, table};
use crate::nft::schema;
use crate::nft::transport::dump::{Dump, unless};
use crate::nft::transport::{Error, Link, Refusal, get, kind};
use crate::quote::printable;

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
    let number = kind(number);
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

/// What is named and not there is no empty list: whoever misspelt it would take it for one.
pub(super) fn check(link: &mut Link, wanted: &Wanted, known: &Known) -> Result<(), Error> {
    let Some(table) = wanted.table() else { return Ok(()) };
    let nothing = known.tables.is_empty() && known.chains.is_empty() && known.objects.is_empty();
    let there = !(nothing && known.sets.is_empty()) || is_there(link, table)?;
    let missing = if !there {
        Some(("table", None))
    } else if let Some(name) = &wanted.name {
        let (what, found) = if wanted.chains {
            ("chain", !known.chains.is_empty())
        } else if wanted.objects.is_some() {
            ("object", !known.objects.is_empty())
        } else {
            ("set", known.sets.iter().any(|set| set.name == *name))
        };
        (!found).then_some((what, Some(name)))
    } else {
        None
    };
    let Some((what, name)) = missing else { return Ok(()) };
    let name = name.map(|name| format!(" {}", printable(name))).unwrap_or_default();
    let (family, table) = (table.family.name(), printable(&table.name));
    let text = format!("(there is no {what} {family} {table}{name})").into_bytes();
    Err(Error::Refused(Refusal { errno: libc::ENOENT, offset: None, text: Some(text) }))
}

fn is_there(link: &mut Link, table: &TableRef) -> Result<bool, Error> {
    let number = kind(message::GET_TABLE);
    match get::point(link, number, table.family.number(), |buffer| buffer.put_text(1, &table.name)) {
        Ok(_) => Ok(true),
        Err(Error::Refused(refusal)) if refusal.errno == libc::ENOENT => Ok(false),
        Err(e) => Err(e),
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
