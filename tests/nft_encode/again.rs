//! What the kernel holds, lifted and made again: the same bytes, whether or not all of it was understood.

use std::collections::BTreeMap;

use portcullis::netlink::attr::Attrs;
use portcullis::nft::compile;
use portcullis::nft::kernel::{self, KExpr};
use portcullis::nft::lift::{self, Sets};
use portcullis::nft::model::{Family, RawElement, Set, Statement};
use portcullis::nft::object::{element, set};

use crate::held;
use crate::made::{self, World};
use crate::nft_support::{nft, raw};

/// The sets of a table with their elements.
pub struct Full(BTreeMap<Vec<u8>, (Set, Vec<RawElement>)>);

impl Sets for Full {
    fn set(&self, name: &[u8]) -> Option<(&Set, &[RawElement])> {
        self.0.get(name).map(|(set, elements)| (set, elements.as_slice()))
    }
}

impl Full {
    pub fn of(netlink: &raw::Netlink, family: Family, table: &str) -> Self {
        let number = family.number();
        let read = netlink.sets(number, table).into_iter().map(|(name, body)| {
            let elements = netlink.elements(number, table, &name).into_iter().map(|body| {
                let whole = raw::attr(1, &body);
                element::decode(&Attrs::new(&whole).next().unwrap()).0
            });
            (name.clone().into_bytes(), (set::decode(number, &body).unwrap().what, elements.collect()))
        });
        Self(read.collect())
    }
}

/// What was lifted of a rule, and where that was made again, what the kernel then held.
pub struct Again {
    pub statements: Vec<Statement>,
    pub made: Result<held::Held, String>,
}

/// Lifts what the kernel has in the chain, clears the chain, and makes it again rule by rule.
pub fn again(netlink: &raw::Netlink, family: Family, table: &str, chain: &str) -> Vec<Again> {
    let full = Full::of(netlink, family, table);
    let rules = netlink.rules(family.number(), table);
    let lifted: Vec<Vec<Statement>> = rules
        .iter()
        .filter(|(of, _)| of == chain)
        .map(|(_, list)| {
            let mut expressions: Vec<KExpr<'_>> = Vec::new();
            kernel::decode(Attrs::new(list), &mut expressions);
            lift::statements(&expressions, family, &full)
        })
        .collect();
    let place = format!("{} {table} {chain}", family.name());
    nft(&format!("flush chain {place}")).unwrap();
    let world = World::of(netlink, family, table);
    let make = |statements: Vec<Statement>| {
        let made =
            compile::statements(&statements, &world).map_err(|fault| format!("{fault:?}")).and_then(|made| {
                let said = netlink.batch(&made::messages(made, family, table, chain));
                said.map_err(|refused| format!("the kernel: {refused:?}"))?;
                let held = held::rules(netlink, family, table, chain).pop().unwrap();
                nft(&format!("flush chain {place}")).unwrap();
                Ok(held)
            });
        Again { statements, made }
    };
    lifted.into_iter().map(make).collect()
}
