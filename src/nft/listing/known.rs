//! The sets that rules look into, and what else a listing keeps until it is at its end.
#![forbid(unsafe_code)]

use std::collections::HashMap;

use crate::nft::lift;
use crate::nft::model::{Chain, Family, Object, RawElement, Set, Table, TableRef, set_flag};

/// The places of the sets of a table.
type Names = HashMap<Vec<u8>, usize>;

/// What was read.
#[derive(Debug, Default)]
pub struct Known {
    /// Tables.
    pub tables: Vec<Table>,
    /// Chains.
    pub chains: Vec<Chain>,
    /// Named objects.
    pub objects: Vec<Object>,
    /// All sets of the tables that matter, in the kernel's order.
    pub sets: Vec<Set>,
    /// The elements of those that belong to a rule, by the place of the set.
    pub elements: HashMap<usize, Vec<RawElement>>,
    places: HashMap<Family, HashMap<Vec<u8>, Names>>,
}

impl Known {
    /// The places of the sets, once all are there.
    pub fn index(&mut self) {
        for (place, set) in self.sets.iter().enumerate() {
            let tables = self.places.entry(set.table.family).or_default();
            tables.entry(set.table.name.to_vec()).or_default().insert(set.name.to_vec(), place);
        }
    }

    /// What the rules of a table see.
    #[must_use]
    pub fn table(&self, table: &TableRef) -> InTable<'_> {
        InTable { known: self, names: self.places.get(&table.family).and_then(|t| t.get(&*table.name)) }
    }
}

/// Whether a set belongs to a rule and is listed as a part of it.
#[must_use]
pub fn is_anonymous(set: &Set) -> bool {
    set.flags & set_flag::ANONYMOUS != 0
}

/// The sets of one table.
#[derive(Debug)]
pub struct InTable<'k> {
    known: &'k Known,
    names: Option<&'k Names>,
}

impl lift::Sets for InTable<'_> {
    fn set(&self, name: &[u8]) -> Option<(&Set, &[RawElement])> {
        let place = *self.names?.get(name)?;
        let set = self.known.sets.get(place)?;
        Some((set, self.known.elements.get(&place).map_or(&[], Vec::as_slice)))
    }
}
