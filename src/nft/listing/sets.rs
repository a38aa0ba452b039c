//! Sets with their elements: in one row where they are few, in rows of their own where they are many.
#![forbid(unsafe_code)]

use super::wanted::{Form, Sets};
use super::{Listing, Stage, bans, known, rules};
use crate::limits::{NFT_INTERVALS_MAX, NFT_ROW_ELEMENTS};
use crate::nft::elements::Seen;
use crate::nft::model::{Expr, RawElement, Set};
use crate::nft::object::member::{Member, expr_of, is_halved, members};
use crate::nft::object::{element, message};
use crate::nft::schema;
use crate::nft::transport::dump::Dump;
use crate::nft::transport::{Error, Link, Refusal, kind};

/// How far it is.
#[derive(Debug, Default)]
pub struct Reading {
    /// The place of the set.
    place: usize,
    dump: Option<Dump>,
    /// Elements that are not shown yet.
    waiting: Vec<RawElement>,
    /// The head was shown: its elements follow in rows of their own.
    begun: bool,
    /// Those that came, if one could come twice.
    seen: Seen,
}

impl Listing {
    /// A datagram of elements.
    pub(super) fn sets(&mut self, link: &mut Link, mut reading: Reading) -> Result<(), Error> {
        let Some(set) = self.known.sets.get(reading.place) else {
            self.stage =
                if self.wanted.rules { Stage::Rules(rules::Reading::default()) } else { Stage::Close };
            return Ok(());
        };
        let anonymous = known::is_anonymous(set);
        let shown = self.wanted.sets == Sets::Whole && self.wanted.names(&set.name) && !anonymous;
        if !(shown || anonymous && self.wanted.rules) {
            reading.place = reading.place.saturating_add(1);
            self.stage = Stage::Sets(reading);
            return Ok(());
        }
        let set = set.clone();
        let mut dump = match reading.dump.take() {
            Some(dump) => dump,
            None => start(link, &set)?,
        };
        self.same(&dump)?;
        if let Some(messages) = dump.next(link)? {
            for attr in messages.flat_map(|m| element::elements(m.body)) {
                let (element, _) = element::decode(&attr);
                if Seen::is_needed(set.flags) {
                    reading.seen.once(&element)?;
                }
                reading.waiting.push(element);
            }
            if is_halved(&set) && reading.waiting.len() > NFT_INTERVALS_MAX {
                return Err(Error::Refused(too_many()));
            }
            if shown
                && !is_halved(&set)
                && self.form != Form::Bans
                && reading.waiting.len() > NFT_ROW_ELEMENTS
            {
                self.head(&set, reading.begun);
                reading.begun = true;
                self.many(&set, &mut reading.waiting, false);
            }
            reading.dump = Some(dump);
            self.stage = Stage::Sets(reading);
            return Ok(());
        }
        let Reading { place, mut waiting, begun, .. } = reading;
        if shown && self.form == Form::Bans {
            for member in members(&set, waiting) {
                self.row(|w| bans::write(&member, w));
            }
        } else if !shown {
            self.known.elements.insert(place, waiting);
        } else if begun || waiting.len() > NFT_ROW_ELEMENTS {
            self.head(&set, begun);
            self.many(&set, &mut waiting, true);
        } else {
            let elements = shown_elements(&set, waiting);
            self.row(|w| schema::write_set(&set, &elements, w));
        }
        self.stage = Stage::Sets(Reading { place: place.saturating_add(1), ..Reading::default() });
        Ok(())
    }

    /// The set itself, unless it stands there already.
    fn head(&mut self, set: &Set, begun: bool) {
        if !begun {
            self.row(|w| schema::write_set_head(set, false, w));
        }
    }

    /// Elements in rows of their own. `all`: also those that do not fill a row.
    fn many(&mut self, set: &Set, waiting: &mut Vec<RawElement>, all: bool) {
        let full = if all { waiting.len() } else { waiting.len() - waiting.len() % NFT_ROW_ELEMENTS };
        let rest = waiting.split_off(full.min(waiting.len()));
        let elements = shown_elements(set, std::mem::replace(waiting, rest));
        for part in elements.chunks(NFT_ROW_ELEMENTS) {
            self.row(|w| schema::write_elements(&set.table, &set.name, part, w));
        }
    }
}

fn shown_elements(set: &Set, raw: Vec<RawElement>) -> Vec<Expr> {
    members(set, raw).iter().map(|member: &Member| expr_of(set, member)).collect()
}

fn start(link: &mut Link, set: &Set) -> Result<Dump, Error> {
    let number = kind(message::GET_ELEMENT);
    Dump::start(link, number, set.table.family.number(), |buffer| {
        buffer.put_text(1, &set.table.name);
        buffer.put_text(2, &set.name);
    })
}

fn too_many() -> Refusal {
    Refusal {
        errno: libc::EFBIG,
        offset: None,
        text: Some(b"a set of more intervals than a listing holds; ask for single elements".to_vec()),
    }
}
