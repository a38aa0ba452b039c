//! Tables as they are before a change, kept as the bytes that the kernel dumped, so that taking the change back takes no
//! understanding of them.
#![forbid(unsafe_code)]

use std::time::Instant;

use crate::nft::elements::Seen;
use crate::nft::expired;
use crate::nft::firewall::Taking;
use crate::nft::marker;
use crate::nft::model::{TableRef, set_flag};
use crate::nft::object::{element, message, replay, set, table};
use crate::nft::shape::Shape;
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
    shape: u64,
}

/// The tables that there are.
pub fn tables(link: &mut Link) -> Taking<Vec<TableRef>> {
    let mut found = Vec::new();
    let mut dump = Dump::start(link, kind(message::GET_TABLE), 0, |_| {})?;
    while let Some(messages) = dump.next(link)? {
        found.extend(messages.filter_map(|m| table::decode(m.family, m.body)).map(|seen| seen.what.id));
    }
    Ok(found)
}

impl Snapshot {
    /// Reads the tables. What is not there is remembered as that.
    pub fn take(link: &mut Link, tables: &[TableRef]) -> Taking<Self> {
        Self::take_until(link, tables, None)
    }

    /// The same, given up at some time ([`Error::TimedOut`]): to list much takes the kernel long.
    pub fn take_until(link: &mut Link, tables: &[TableRef], until: Option<Instant>) -> Taking<Self> {
        let (generation, (copies, shape)) = consistent(link, |link, _| {
            let mut shape = Shape::default();
            let copies: Result<Vec<_>, _> =
                tables.iter().map(|table| copy(link, table, until, &mut shape)).collect();
            Ok((copies?, shape.number()))
        })?;
        Ok(Self { generation, tables: tables.to_vec(), copies, shape })
    }

    /// When that was.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// What the tables are made of. Where it is another, somebody has changed them.
    #[must_use]
    pub fn shape(&self) -> u64 {
        self.shape
    }

    /// Which they are.
    #[must_use]
    pub fn tables(&self) -> &[TableRef] {
        &self.tables
    }

    /// Whether that could be done, as far as the kernel says without doing it.
    pub fn rehearse(&self, link: &mut Link, marker: &TableRef) -> Result<(), Failure> {
        batch::dry_run(link, &mut self.restoring(marker, None)?)
    }

    /// Makes them as they were, in one change, which takes the marker of the other away. `expected`: only if the ruleset is of that
    /// generation.
    pub fn restore(&self, link: &mut Link, marker: &TableRef, expected: Option<u32>) -> Result<(), Failure> {
        let mut batch = self.restoring(marker, expected)?;
        let mut tries = 1;
        loop {
            match batch::run(link, &mut batch) {
                Err(Failure::Busy { .. }) if tries < TRIES => tries += 1,
                done => return done.map(drop),
            }
        }
    }

    fn restoring(&self, marker: &TableRef, expected: Option<u32>) -> Result<Batch, Error> {
        let mut batch = Batch::begin(expected);
        for copy in &self.copies {
            copy.restore(|command| {
                let fill = |buffer: &mut crate::netlink::attr::Buffer| buffer.raw(command.body);
                batch.push(kind(command.kind), command.flags, command.family, fill).map(drop)
            })?;
        }
        marker::clear(marker, &mut batch)?;
        Ok(batch)
    }
}

fn copy(
    link: &mut Link,
    table: &TableRef,
    until: Option<Instant>,
    shape: &mut Shape,
) -> Result<replay::Snapshot, Error> {
    let mut copy = replay::Snapshot::new(table.family.number(), &table.name);
    let mut sets: Vec<(Vec<u8>, u32)> = Vec::new();
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
            (table, until),
            |b| name.into_iter().for_each(|name| b.put_text(1, name)),
            |body| {
                if copy.take(new, table.family.number(), body) != replay::Taken::Not {
                    shape.note(new, body);
                }
                if new == message::NEW_SET {
                    let set = set::decode(table.family.number(), body);
                    sets.extend(set.map(|seen| (seen.what.name.into_owned(), seen.what.flags)));
                }
                Ok(())
            },
        )?;
        if copy.is_empty() {
            // There is no such table, and nothing in it.
            return Ok(copy);
        }
    }
    for (name, flags) in sets {
        let mut seen = Seen::is_needed(flags).then(Seen::default);
        let of = |b: &mut crate::netlink::attr::Buffer| {
            b.put_text(1, &table.name);
            b.put_text(2, &name);
        };
        let mut bodies = Vec::new();
        each(link, message::GET_ELEMENT, (table, until), of, |body| {
            if element::elements(body).next().is_some() {
                bodies.push(body.to_vec());
            }
            shape.elements(&name, flags, body);
            seen.as_mut().map_or(Ok(()), |seen| {
                element::elements(body).try_for_each(|attr| seen.once(&element::decode(&attr).0))
            })
        })?;
        const EXPIRING: u32 = set_flag::INTERVAL | set_flag::TIMEOUT;
        let bodies = if flags & EXPIRING == EXPIRING { expired::left_out(bodies) } else { bodies };
        for body in bodies {
            copy.take(message::NEW_ELEMENT, table.family.number(), &body);
        }
    }
    Ok(copy)
}

fn each(
    link: &mut Link,
    get: u16,
    (table, until): (&TableRef, Option<Instant>),
    filter: impl FnOnce(&mut crate::netlink::attr::Buffer),
    mut one: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    // Kernels without flow tables or objects, and sets that are gone, have nothing to tell.
    let nothing = [libc::ENOENT, libc::EOPNOTSUPP, libc::EINVAL];
    let mut dump = Dump::start(link, kind(get), table.family.number(), filter)?;
    while let Some(messages) = unless(dump.next(link), &nothing)? {
        messages.into_iter().try_for_each(|m| one(m.body))?;
        if until.is_some_and(|until| Instant::now() >= until) {
            return Err(Error::TimedOut);
        }
    }
    Ok(())
}
