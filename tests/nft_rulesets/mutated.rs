//! What the kernel says, with some bytes changed: whatever is made of it, it is made without a panic, and what is written is well
//! formed. `NFT_MUTATIONS` says how many are tried.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use portcullis::netlink::attr::{Attrs, Buffer};
use portcullis::nft::compile::{self, Scope};
use portcullis::nft::kernel::{self, KExpr};
use portcullis::nft::lift;
use portcullis::nft::model::{Family, RawElement, Set, TableRef, Text};
use portcullis::nft::object::element::Of;
use portcullis::nft::object::member::{element_of, expr_of, members};
use portcullis::nft::object::{chain, element, named, replay, rule, set, table};
use portcullis::nft::schema;
use portcullis::wire::json::from_term;
use portcullis::wire::scan::{Bounds, validate};
use portcullis::wire::write::Writer;

use crate::held::{RICH, everything};
use crate::nft_support::{network, nft, raw};

/// Family, table and name of a set.
type Key = (u8, Vec<u8>, Vec<u8>);

/// The sets of a table, as rules see them.
struct Held {
    sets: HashMap<Key, (Set, Vec<RawElement>)>,
}

struct InTable<'h> {
    held: &'h Held,
    family: Family,
    table: Vec<u8>,
}

impl InTable<'_> {
    fn find(&self, name: &[u8]) -> Option<&(Set, Vec<RawElement>)> {
        self.held.sets.get(&(self.family.number(), self.table.clone(), name.to_vec()))
    }
}

impl lift::Sets for InTable<'_> {
    fn set(&self, name: &[u8]) -> Option<(&Set, &[RawElement])> {
        self.find(name).map(|(set, elements)| (set, elements.as_slice()))
    }
}

impl Scope for InTable<'_> {
    fn family(&self) -> Family {
        self.family
    }

    fn set(&self, name: &[u8]) -> Option<Set> {
        self.find(name).map(|(set, _)| set.clone())
    }
}

/// What has come of the messages.
#[derive(Debug, Default)]
struct Tally {
    tried: u64,
    /// Read as something.
    read: u64,
    /// Rules that were compiled again.
    compiled: u64,
    /// Rules that could not be.
    refused: u64,
    /// Bytes written.
    written: usize,
}

/// Writes something, and holds it to what every answer must be.
fn written(tally: &mut Tally, write: impl FnOnce(&mut Writer)) {
    let mut w = Writer::new();
    w.raw(&[131]);
    write(&mut w);
    let bounds = Bounds { bytes: 16 << 20, depth: 255, terms: 1 << 21, map_pairs: 64 };
    assert!(validate(w.bytes(), &bounds).is_ok(), "a term that is none");
    let mut text = Vec::new();
    from_term(w.bytes(), &mut text).expect("text of a term");
    if tally.read % 64 == 0 {
        serde_json::from_slice::<serde_json::Value>(&text).expect("JSON");
    }
    tally.read += 1;
    tally.written += text.len();
}

fn a_rule(held: &Held, family: u8, body: &[u8], tally: &mut Tally) {
    let (Some(raw), Some(family)) = (rule::decode(body), Family::numbered(family)) else { return };
    let mut expressions: Vec<KExpr<'_>> = Vec::new();
    kernel::decode(Attrs::new(raw.expressions), &mut expressions);
    let scope = InTable { held, family, table: raw.table.to_vec() };
    let statements = lift::statements(&expressions, family, &scope);
    let at = TableRef { family, name: Text::Owned(raw.table.to_vec()) };
    written(tally, |w| {
        schema::write_rule_parts(&at, raw.chain, Some(raw.handle), &statements, raw.comment, w);
    });
    match compile::statements(&statements, &scope) {
        Ok(compiled) => {
            tally.compiled += 1;
            let mut buffer = Buffer::new();
            kernel::encode(&compiled.expressions, &mut buffer);
        }
        Err(_) => tally.refused += 1,
    }
}

fn some_elements(set: &Set, raw: Vec<RawElement>, tally: &mut Tally) {
    let shown: Vec<_> = members(set, raw).iter().map(|member| expr_of(set, member)).collect();
    written(tally, |w| schema::write_elements(&set.table, &set.name, &shown, w));
    let mut back = Vec::new();
    for expr in &shown {
        back.extend(
            element_of(set, expr)
                .into_iter()
                .flat_map(portcullis::nft::object::member::Member::into_elements),
        );
    }
    let of = Of { table: &set.table.name, set: &set.name, set_id: None };
    let mut back = back.into_iter().peekable();
    let mut buffer = Buffer::new();
    let _ = element::encode(&of, &mut back, &mut buffer);
}

fn take(held: &Held, kind: u8, family: u8, body: &[u8], tally: &mut Tally) {
    match kind {
        raw::NEWTABLE => {
            if let Some(seen) = table::decode(family, body) {
                written(tally, |w| schema::write_table(&seen.what, w));
            }
        }
        raw::NEWCHAIN => {
            if let Some(seen) = chain::decode(family, body) {
                written(tally, |w| schema::write_chain(&seen.what, w));
                let _ = chain::encode(&seen.what, &mut Buffer::new());
            }
        }
        raw::NEWOBJ => {
            if let Some(seen) = named::decode(family, body) {
                written(tally, |w| schema::write_object(&seen.what, w));
                let _ = named::encode(&seen.what, &mut Buffer::new());
            }
        }
        raw::NEWSET => {
            if let Some(seen) = set::decode(family, body) {
                written(tally, |w| schema::write_set(&seen.what, &[], w));
                let _ = set::encode(&seen.what, 1, &mut Buffer::new());
                // The elements of the set that it was, as those of what it has become.
                let key = (family, seen.what.table.name.to_vec(), seen.what.name.to_vec());
                if let Some((_, elements)) = held.sets.get(&key) {
                    some_elements(&seen.what, elements.clone(), tally);
                }
            }
        }
        raw::NEWSETELEM => {
            let found: Vec<RawElement> =
                element::elements(body).map(|attr| element::decode(&attr).0).collect();
            let name =
                |kind| Attrs::new(body).find(|a| a.kind == kind).and_then(|a| a.text()).map(<[u8]>::to_vec);
            let key = (family, name(1).unwrap_or_default(), name(2).unwrap_or_default());
            if let Some((set, _)) = held.sets.get(&key) {
                some_elements(set, found, tally);
            }
        }
        _ => a_rule(held, family, body, tally),
    }
    let mut copy = replay::Snapshot::new(family, b"rich");
    copy.take(u16::from(raw::NEWTABLE), family, &raw::name(1, "rich"));
    copy.take(u16::from(kind), family, body);
    let _ = copy.restore(|command| -> Result<(), ()> {
        assert!(Attrs::check(command.body).is_ok(), "a copy that is no message");
        Ok(())
    });
}

fn held(all: &[(u8, u8, Vec<u8>)]) -> Held {
    let mut sets = HashMap::new();
    for (kind, family, body) in all {
        let text = |kind| raw::attribute(body, kind).map(|name| name[..name.len() - 1].to_vec()).unwrap();
        if *kind == raw::NEWSET {
            sets.insert((*family, text(1), text(2)), (set::decode(*family, body).unwrap().what, Vec::new()));
        } else if *kind == raw::NEWSETELEM {
            let slot: &mut (Set, Vec<RawElement>) = sets.get_mut(&(*family, text(1), text(2))).unwrap();
            slot.1.extend(element::elements(body).map(|attr| element::decode(&attr).0));
        }
    }
    Held { sets }
}

/// A generator of numbers (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(most).unwrap()).unwrap()
    }

    /// Changes some bytes: to anything, by one, by a bit, to an edge; or cuts, or copies a piece to another place.
    fn mutate(&mut self, body: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(body.len());
            match self.below(8) {
                0 => body[at] = u8::try_from(self.below(256)).unwrap(),
                1 => body[at] = body[at].wrapping_add(1),
                2 => body[at] = body[at].wrapping_sub(1),
                3 => body[at] ^= 1 << self.below(8),
                4 => body[at] = [0, 0x7f, 0x80, 0xff][self.below(4)],
                5 if body.len() > 8 => body.truncate(at.max(4)),
                6 => {
                    let from = self.below(body.len());
                    let length = self.below(16).min(body.len() - from.max(at));
                    body.copy_within(from..from + length, at);
                }
                _ => {
                    let end = (at + 1 + self.below(8)).min(body.len());
                    body[at..end].fill(0xff);
                }
            }
        }
    }
}

#[test]
fn nothing_that_the_kernel_could_say_makes_it_panic() {
    let dumped = network(|| {
        nft(RICH).unwrap();
        everything(&raw::Netlink::open())
    });
    let Some(all) = dumped else { return };
    let held = held(&all);
    let mut tally = Tally::default();
    for (kind, family, body) in &all {
        take(&held, *kind, *family, body, &mut tally);
    }
    assert!(tally.read >= u64::try_from(all.len()).unwrap(), "all that is real is read");
    assert_eq!(tally.refused, 0, "and can be compiled again");
    let count: u64 = std::env::var("NFT_MUTATIONS").map_or(100_000, |n| n.parse().unwrap());
    let mut random = Random(std::env::var("NFT_SEED").map_or(0x2545_f491_4f6c_dd1d, |n| n.parse().unwrap()));
    let started = Instant::now();
    let mut tally = Tally::default();
    while tally.tried < count {
        let (kind, family, body) = &all[random.below(all.len())];
        let mut body = body.clone();
        random.mutate(&mut body);
        let family = if random.below(16) == 0 { u8::try_from(random.below(16)).unwrap() } else { *family };
        let result = catch_unwind(AssertUnwindSafe(|| take(&held, *kind, family, &body, &mut tally)));
        assert!(result.is_ok(), "message {kind}, family {family}: {body:02x?}");
        tally.tried += 1;
    }
    println!("{} messages, {} mutations in {:?}: {tally:?}", all.len(), count, started.elapsed());
    assert!(tally.read > count / 4 && tally.compiled > 0 && tally.refused > 0, "{tally:?}");
}
