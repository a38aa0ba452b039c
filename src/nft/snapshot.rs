//! Tables as they are before a change, kept as the bytes that the kernel dumped, so that taking the change back takes no
//! understanding of them.
#![forbid(unsafe_code)]

use std::cell::RefCell;

use crate::nft::firewall::Taking;
use crate::nft::marker;
use crate::nft::model::TableRef;
use crate::nft::object::{element, message, replay, set, table};
use crate::nft::transport::batch::{self, Batch, Failure};
use crate::nft::transport::dump::{Dump, consistent, unless};
use crate::nft::transport::{Error, Link, kind};

/// How often taking back is tried against others who write.
const TRIES: u32 = 8;

/// Some tables, at one time.
#[derive(Debug)]
pub struct Snapshot {
    generation: u32,
    tables: Vec<TableRef>,
    copies: Vec<replay::Snapshot>,
}

/// The tables that there are.
pub fn tables(link: &mut Link) -> Taking<Vec<TableRef>> {
    let mut found = Vec::new();
    let mut dump = Dump::start(link, number(message::GET_TABLE), 0, |_| {})?;
    while let Some(messages) = dump.next(link)? {
        found.extend(messages.filter_map(|m| table::decode(m.family, m.body)).map(|seen| seen.what.id));
    }
    Ok(found)
}

impl Snapshot {
    /// Reads the tables. What is not there is remembered as that.
    pub fn take(link: &mut Link, tables: &[TableRef]) -> Taking<Self> {
        let (generation, copies) =
            consistent(link, |link, _| tables.iter().map(|table| copy(link, table)).collect())?;
        Ok(Self { generation, tables: tables.to_vec(), copies })
    }

    /// When that was.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Which they are.
    #[must_use]
    pub fn tables(&self) -> &[TableRef] {
        &self.tables
    }

    /// Makes them as they were, in one change, which takes the marker of the other away.
    pub fn restore(&self, link: &mut Link, marker: &TableRef) -> Result<(), Failure> {
        let mut batch = Batch::begin(None);
        for copy in &self.copies {
            copy.restore(|command| {
                let fill = |buffer: &mut crate::netlink::attr::Buffer| buffer.raw(command.body);
                batch.push(number(command.kind), command.flags, command.family, fill).map(drop)
            })?;
        }
        marker::clear(marker, &mut batch)?;
        let mut tries = 1;
        loop {
            match batch::run(link, &mut batch) {
                Err(Failure::Busy { .. }) if tries < TRIES => tries += 1,
                done => return done.map(drop),
            }
        }
    }
}

fn copy(link: &mut Link, table: &TableRef) -> Result<replay::Snapshot, Error> {
    let mut copy = replay::Snapshot::new(table.family.number(), &table.name);
    let mut sets: Vec<Vec<u8>> = Vec::new();
    for (get, new) in [
        (message::GET_TABLE, message::NEW_TABLE),
        (message::GET_FLOWTABLE, message::NEW_FLOWTABLE),
        (message::GET_CHAIN, message::NEW_CHAIN),
        (message::GET_OBJECT, message::NEW_OBJECT),
        (message::GET_SET, message::NEW_SET),
        (message::GET_RULE, message::NEW_RULE),
    ] {
        // Tables and chains are filtered here: their dumps know no filter.
        let filter = ![message::GET_TABLE, message::GET_CHAIN].contains(&get);
        let name = filter.then_some(&table.name);
        each(
            link,
            get,
            table,
            |b| name.into_iter().for_each(|name| b.put_text(1, name)),
            |body| {
                copy.take(new, table.family.number(), body);
                if new == message::NEW_SET {
                    sets.extend(
                        set::decode(table.family.number(), body).map(|seen| seen.what.name.into_owned()),
                    );
                }
            },
        )?;
        if copy.is_empty() {
            // There is no such table, and nothing in it.
            return Ok(copy);
        }
    }
    for name in sets {
        let of = |b: &mut crate::netlink::attr::Buffer| {
            b.put_text(1, &table.name);
            b.put_text(2, &name);
        };
        each(link, message::GET_ELEMENT, table, of, |body| {
            if element::elements(body).next().is_some() {
                copy.take(message::NEW_ELEMENT, table.family.number(), body);
            }
        })?;
    }
    Ok(copy)
}

fn each(
    link: &mut Link,
    get: u16,
    table: &TableRef,
    filter: impl FnOnce(&mut crate::netlink::attr::Buffer),
    one: impl FnMut(&[u8]),
) -> Result<(), Error> {
    let one = RefCell::new(one);
    // Kernels without flow tables or objects, and sets that are gone, have nothing to tell.
    let nothing = [libc::ENOENT, libc::EOPNOTSUPP, libc::EINVAL];
    let mut dump = Dump::start(link, number(get), table.family.number(), filter)?;
    while let Some(messages) = unless(dump.next(link), &nothing)? {
        messages.for_each(|m| (one.borrow_mut())(m.body));
    }
    Ok(())
}

fn number(of: u16) -> u16 {
    kind(u8::try_from(of).unwrap_or(u8::MAX))
}
