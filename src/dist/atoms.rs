//! The atoms that one node has brought to the other. An atom is never collected, and a node that has no room for more of them ends: so
//! each node has a budget for as long as this program runs, however often it connects.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::hash::BuildHasher;

/// The atoms that were delivered to one receiver, by one sender.
#[derive(Clone, Debug)]
pub struct Atoms {
    /// Hashes under a key that nobody knows: eight bytes where an atom can take a thousand. Two atoms that shared one would count as one.
    seen: HashSet<u64>,
    max: usize,
    /// Whether the sender's words are those of this program.
    vocabulary: bool,
}

/// What every node knows: these cost nothing.
const KNOWN: &[&str] =
    &["", "true", "false", "ok", "error", "undefined", "$gen_call", "$gen_cast", "alias", "nil"];

impl Atoms {
    /// A budget of `max` atoms.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { seen: HashSet::new(), max, vocabulary: false }
    }

    /// Another budget. What was brought stays brought, though it be more.
    pub fn limit(&mut self, max: usize) {
        self.max = max;
    }

    /// Whether the receiver has it already.
    #[must_use]
    pub fn knows(&self, atom: &str) -> bool {
        KNOWN.contains(&atom)
            || self.vocabulary && crate::wire::atoms::find(atom).is_some()
            || self.seen.contains(&self.seen.hasher().hash_one(atom))
    }

    /// The words of the port protocol cost nothing: they are a closed list, which whoever asks this program learns.
    pub fn know_the_vocabulary(&mut self) {
        self.vocabulary = true;
    }

    /// How many more there may be.
    #[must_use]
    pub fn left(&self) -> usize {
        self.max.saturating_sub(self.seen.len())
    }

    /// They were delivered.
    pub fn note(&mut self, atoms: &[&str]) {
        for atom in atoms {
            if self.left() > 0 && !self.knows(atom) {
                let hash = self.seen.hasher().hash_one(*atom);
                self.seen.insert(hash);
            }
        }
    }
}
