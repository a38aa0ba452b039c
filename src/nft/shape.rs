//! What a table is made of, as one number: which objects there are, and which elements. What packets and time change by themselves does
//! not count: counters, quotas, elements that end or that packets bring.
#![forbid(unsafe_code)]

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::netlink::attr::find;
use crate::nft::model::set_flag;
use crate::nft::object::{element, message};

/// `NFTA_SET_ELEM_KEY`, `NFTA_SET_ELEM_DATA`, `NFTA_SET_ELEM_FLAGS` and `NFTA_SET_ELEM_KEY_END` (nf_tables.h).
const OF_ELEMENT: &[u16] = &[1, 2, 3, 10];

/// A shape in the making.
#[derive(Debug, Default)]
pub struct Shape {
    /// Of objects, in the kernel's order, which is that of rules.
    objects: DefaultHasher,
    /// Of elements. Their order is the hash table's, and changes with it.
    elements: u64,
}

impl Shape {
    /// An object, as the kernel tells of it. What replaces a rule has another number.
    pub fn note(&mut self, new: u16, body: &[u8]) {
        new.hash(&mut self.objects);
        for attribute in of_object(new) {
            find(body, *attribute).map(|attr| attr.value).hash(&mut self.objects);
        }
    }

    /// Elements of a set with these flags.
    pub fn elements(&mut self, set: &[u8], set_flags: u32, body: &[u8]) {
        if set_flags & (set_flag::TIMEOUT | set_flag::EVAL) != 0 {
            return;
        }
        for attr in element::elements(body) {
            let mut hasher = DefaultHasher::new();
            set.hash(&mut hasher);
            for inner in attr.attrs().filter(|inner| OF_ELEMENT.contains(&inner.kind)) {
                (inner.kind, inner.value).hash(&mut hasher);
            }
            self.elements = self.elements.wrapping_add(hasher.finish());
        }
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u64 {
        let Self { mut objects, elements } = self;
        elements.hash(&mut objects);
        objects.finish()
    }
}

/// The attributes that make an object what it is: names, number, flags, the policy of a chain.
fn of_object(new: u16) -> &'static [u16] {
    match new {
        message::NEW_TABLE => &[1, 2, 4, 6],
        message::NEW_CHAIN => &[1, 2, 3, 5, 7, 10],
        message::NEW_RULE => &[1, 2, 3],
        message::NEW_SET => &[1, 2, 3, 16],
        message::NEW_OBJECT => &[1, 2, 3, 6],
        message::NEW_FLOWTABLE => &[1, 2, 5],
        _ => &[],
    }
}
