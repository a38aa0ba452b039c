//! The sets of a table.

use std::collections::BTreeMap;

use portcullis::netlink::attr::Attrs;
use portcullis::nft::lift::Sets;
use portcullis::nft::model::{RawElement, Set};
use portcullis::nft::object;

use crate::nft_support::raw::{self, Netlink};

/// All sets of a table, with their elements.
#[derive(Default)]
pub struct Held(pub BTreeMap<Vec<u8>, (Set, Vec<RawElement>)>);

impl Sets for Held {
    fn set(&self, name: &[u8]) -> Option<(&Set, &[RawElement])> {
        self.0.get(name).map(|(set, elements)| (set, elements.as_slice()))
    }
}

/// What the kernel holds.
pub fn held(netlink: &Netlink, family: u8, table: &str) -> Held {
    let one = |(name, body): (String, Vec<u8>)| {
        let set = object::set::decode(family, &body).unwrap().what;
        let read = |element: &Vec<u8>| {
            let element = raw::attr(1, element);
            object::element::decode(&Attrs::new(&element).next().unwrap()).0
        };
        let elements = netlink.elements(family, table, &name).iter().map(read).collect();
        (name.into_bytes(), (set, elements))
    };
    Held(netlink.sets(family, table).into_iter().map(one).collect())
}
