//! Rules, straight from the datagram into the chunk: ten thousand of them are the usual case, not the extreme one.
#![forbid(unsafe_code)]

use super::known::{InTable, Known};
use super::wanted::Form;
use super::{Listing, Stage, headers};
use crate::netlink::attr::Attrs;
use crate::netlink::message::Messages;
use crate::nft::kernel::Lists;
use crate::nft::lift;
use crate::nft::model::{Family, TableRef, Text};
use crate::nft::object::{message, rule};
use crate::nft::schema;
use crate::nft::transport::dump::{Dump, unless};
use crate::nft::transport::{Error, Link, kind};
use crate::wire::chunk::Chunk;
use crate::wire::write::Writer;

/// Expressions of most rules.
const USUAL: usize = 16;

/// How far it is.
#[derive(Debug, Default)]
pub struct Reading {
    dump: Option<Dump>,
}

impl Listing {
    /// A datagram of rules.
    pub(super) fn rules(
        &mut self,
        link: &mut Link,
        chunk: &mut Chunk,
        mut reading: Reading,
    ) -> Result<(), Error> {
        let mut dump = match reading.dump.take() {
            Some(dump) => dump,
            None => self.start_rules(link)?,
        };
        if self.generation == 0 {
            self.generation = dump.generation();
        }
        self.same(&dump)?;
        let known = std::mem::take(&mut self.known);
        // A table that is not there has no rules.
        let next = unless(dump.next(link), &[libc::ENOENT]);
        let mut end = false;
        match next {
            Ok(Some(messages)) => self.datagram(messages, &known, chunk),
            Ok(None) => end = true,
            Err(e) => {
                self.known = known;
                return Err(e);
            }
        }
        self.known = known;
        self.stage = if end { Stage::Close } else { Stage::Rules(Reading { dump: Some(dump) }) };
        Ok(())
    }

    /// Shows the rules of a datagram. What they share is kept from one to the next: most are of the same table, and none needs
    /// more than what was taken for the one before it.
    fn datagram(&mut self, messages: Messages<'_>, known: &Known, chunk: &mut Chunk) {
        let mut last: Option<(TableRef, InTable<'_>)> = None;
        let mut lists = Lists::with_capacity(USUAL);
        for message in messages {
            let Some(raw) = rule::decode(message.body) else { continue };
            let Some(family) = Family::numbered(message.family) else { continue };
            if last.as_ref().is_none_or(|(t, _)| t.family != family || *t.name != *raw.table) {
                let table = TableRef { family, name: Text::Owned(raw.table.to_vec()) };
                let sets = known.table(&table);
                last = Some((table, sets));
            }
            let Some((table, sets)) = &last else { continue };
            let expressions = lists.read(Attrs::new(raw.expressions));
            let statements = lift::statements(expressions, family, sets);
            let write = |w: &mut Writer| {
                schema::write_rule_parts(table, raw.chain, Some(raw.handle), &statements, raw.comment, w);
            };
            if self.form == Form::Terms && self.ready.is_empty() && !chunk.is_full() {
                chunk.push(|w| {
                    w.tuple(1);
                    write(w);
                });
                self.ready.extend(chunk.overhang());
                self.rows = self.rows.saturating_add(1);
            } else {
                self.row(write);
            }
        }
    }

    fn start_rules(&self, link: &mut Link) -> Result<Dump, Error> {
        let number = kind(message::GET_RULE);
        Dump::start(link, number, self.wanted.family(), |buffer| {
            headers::in_table(&self.wanted, buffer);
            if let Some(chain) = &self.wanted.name {
                buffer.put_text(2, chain);
            }
        })
    }
}
