//! Elements for sets that merge by themselves: the kernel refuses what overlaps, so that joining is done here, as nft(8) does it.
#![forbid(unsafe_code)]

use super::{Plan, element_at, kind_of, member, of_transport};
use crate::error::RequestError;
use crate::nft::intervals::{self, Interval};
use crate::nft::model::{RawElement, Set};
use crate::nft::object::element::{self, flag};
use crate::nft::object::member::{Member, members};
use crate::nft::object::message;
use crate::nft::transport::dump::Dump;
use crate::nft::transport::{Error, get};
use crate::wire::term::Items;

impl Plan<'_, '_> {
    /// Adds or takes away intervals. The set is read, which is why it is done only where the kernel has refused the plain way.
    pub(super) fn merged_elements(
        &mut self,
        set: &Set,
        items: Items<'_>,
        number: u16,
        flags: u16,
        id: Option<u32>,
    ) -> Result<(), RequestError> {
        let command = self.at_command();
        let mut asked = Vec::with_capacity(items.len());
        for (n, term) in (1..).zip(items) {
            asked.push(member(set, term, || element_at(&command, n))?);
        }
        let Some(new) = asked.iter().map(interval).collect::<Option<Vec<_>>>() else {
            // What has a time or a comment of its own is no one's part.
            return self.send(set, asked.into_iter().flat_map(Member::into_elements), number, flags, id);
        };
        let mut held: Vec<Interval> = self.held(set)?.iter().filter_map(interval).collect();
        let bytes = asked.first().and_then(|m| m.first.key.as_ref()).map_or(0, Vec::len);
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        for one in intervals::merged(new) {
            let change = if number == message::NEW_ELEMENT {
                intervals::add(&held, one)
            } else {
                intervals::remove(&held, one)
            };
            held.retain(|old| !change.delete.contains(old));
            held.extend(&change.add);
            gone.extend(change.delete);
            come.extend(change.add);
        }
        // What one part brought and the next took away again was never there.
        come.retain(|new| held.contains(new));
        let raw = |all: Vec<Interval>| all.into_iter().flat_map(move |one| elements(one, bytes));
        self.send(set, raw(gone), message::DEL_ELEMENT, 0, id)?;
        self.send(set, raw(come), message::NEW_ELEMENT, flags, id)
    }

    /// What the set holds; nothing if it is of this change.
    fn held(&self, set: &Set) -> Result<Vec<Member>, RequestError> {
        let mut link = self.world.link();
        let mut raw = Vec::new();
        let started = Dump::start(&mut link, kind_of(message::GET_ELEMENT), set.table.family.number(), |b| {
            b.put_text(1, &set.table.name);
            b.put_text(2, &set.name);
        });
        let mut dump = match started {
            Err(Error::Refused(refusal)) if refusal.errno == libc::ENOENT => return Ok(Vec::new()),
            started => started.map_err(|e| of_transport(&e))?,
        };
        while let Some(messages) = dump.next(&mut link).map_err(|e| of_transport(&e))? {
            raw.extend(messages.flat_map(|m| element::elements(m.body)).map(|attr| element::decode(&attr).0));
        }
        // The dump has read to its end; asking once more makes the socket free.
        get::generation(&mut link).map_err(|e| of_transport(&e))?;
        Ok(members(set, raw))
    }
}

/// The keys of a member that has nothing else.
fn interval(member: &Member) -> Option<Interval> {
    let RawElement { key, key_end, data, flags, timeout_ms, comment, statements, expires_ms: _ } =
        &member.first;
    let plain = key_end.is_none() && data.is_none() && *flags == 0 && timeout_ms.is_none();
    let low = key.as_ref().filter(|_| plain && comment.is_none() && statements.is_empty())?;
    let first = intervals::number(low)?;
    let last = match &member.end {
        Some(end) => intervals::number(end.key.as_ref()?)?.checked_sub(1)?,
        None => intervals::low_bits(u32::try_from(low.len()).ok()?.checked_mul(8)?)?,
    };
    Interval::new(first, last)
}

fn elements(interval: Interval, bytes: usize) -> impl Iterator<Item = RawElement> {
    let first = RawElement { key: intervals::key(interval.first, bytes), ..RawElement::default() };
    let next = interval.last.checked_add(1).and_then(|next| intervals::key(next, bytes));
    let end =
        next.map(|key| RawElement { key: Some(key), flags: flag::INTERVAL_END, ..RawElement::default() });
    std::iter::once(first).chain(end)
}
