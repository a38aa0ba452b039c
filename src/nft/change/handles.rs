//! The numbers that the kernel gives to what is added, without asking for each. An echo is a copy of the whole rule: ten thousand
//! of them take the kernel a third of the time of their change.
//!
//! The kernel numbers what a table gets in the order in which it comes, from one counter of the table that only goes up
//! (net/netfilter/nf_tables_api.c, `nf_tables_alloc_handle`). So where the numbers of the first and the last of a row lie exactly as
//! far apart as there are things between them, each of these has the number of its place; where they do not, nothing is said of them.
#![forbid(unsafe_code)]

use crate::nft::model::TableRef;

/// Rules of a batch that stand in a row in one table, with the sets that only they look into.
#[derive(Debug)]
struct Row {
    table: TableRef,
    /// The messages of its rules, and the place of each among all that takes a number.
    rules: Vec<(usize, u64)>,
    /// Places so far.
    places: u64,
}

/// The rows of a batch.
#[derive(Debug, Default)]
pub(super) struct Rows {
    all: Vec<Row>,
    open: bool,
}

impl Rows {
    /// A rule comes, as that message. Returns the message of another rule of which no echo is needed now: one that is neither the first
    /// nor the last of its row.
    pub(super) fn rule(&mut self, table: &TableRef, message: usize) -> Option<usize> {
        match self.all.last_mut().filter(|row| self.open && row.table == *table) {
            Some(row) => {
                let before = (row.rules.len() > 1).then(|| row.rules.last().map(|(message, _)| *message));
                row.rules.push((message, row.places));
                row.places = row.places.saturating_add(1);
                before.flatten()
            }
            None => {
                self.all.push(Row { table: table.clone(), rules: vec![(message, 0)], places: 1 });
                self.open = true;
                None
            }
        }
    }

    /// A set of the next rule comes, which takes a number as well.
    pub(super) fn set(&mut self, table: &TableRef) {
        match self.all.last_mut().filter(|row| self.open && row.table == *table) {
            Some(row) => row.places = row.places.saturating_add(1),
            None => self.open = false,
        }
    }

    /// Something else comes, of which nobody knows how many numbers it takes.
    pub(super) fn end(&mut self) {
        self.open = false;
    }

    /// Tells the numbers of the rules between the first and the last of each row, whose own were told.
    pub(super) fn fill(&self, told: impl Fn(usize) -> Option<u64>, mut tell: impl FnMut(usize, u64)) {
        for row in &self.all {
            let [(first, low), between @ .., (last, high)] = row.rules.as_slice() else { continue };
            let (Some(from), Some(to)) = (told(*first), told(*last)) else { continue };
            if to.checked_sub(from) != high.checked_sub(*low) {
                continue;
            }
            for (message, place) in between {
                tell(*message, from.saturating_add(*place));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nft::model::{Family, Text};

    fn table(name: &'static [u8]) -> TableRef {
        TableRef { family: Family::Inet, name: Text::Borrowed(name) }
    }

    /// What is filled in where the first and last of each row were told these numbers.
    fn filled(rows: &Rows, told: &[(usize, u64)]) -> Vec<(usize, u64)> {
        let mut out = Vec::new();
        let number = |message| told.iter().find(|(m, _)| *m == message).map(|(_, number)| *number);
        rows.fill(number, |message, number| out.push((message, number)));
        out
    }

    #[test]
    fn only_what_lies_between_two_rules_is_not_asked_for() {
        let (mut rows, t) = (Rows::default(), table(b"t"));
        assert_eq!([5, 6, 7, 8].map(|n| rows.rule(&t, n)), [None, None, Some(6), Some(7)]);
        assert_eq!(filled(&rows, &[(5, 30), (8, 33)]), [(6, 31), (7, 32)]);
    }

    #[test]
    fn sets_of_rules_take_numbers_too() {
        let (mut rows, t) = (Rows::default(), table(b"t"));
        rows.set(&t);
        rows.rule(&t, 1);
        rows.set(&t);
        rows.set(&t);
        rows.rule(&t, 4);
        rows.rule(&t, 5);
        assert_eq!(filled(&rows, &[(1, 9), (5, 13)]), [(4, 12)]);
        assert_eq!(filled(&rows, &[(1, 9), (5, 11)]), []);
    }

    #[test]
    fn numbers_that_somebody_else_may_have_are_not_told() {
        let (mut rows, t) = (Rows::default(), table(b"t"));
        for n in 0..4 {
            rows.rule(&t, n);
        }
        for told in [&[(0, 5), (3, 9)][..], &[(0, 5), (3, 7)], &[(0, 8), (3, 5)], &[(0, 5)], &[(3, 8)], &[]] {
            assert_eq!(filled(&rows, told), [], "{told:?}");
        }
    }

    #[test]
    fn another_table_or_another_command_begins_another_row() {
        let (mut rows, t, u) = (Rows::default(), table(b"t"), table(b"u"));
        assert_eq!([(&t, 0), (&t, 1), (&u, 2), (&u, 3)].map(|(table, n)| rows.rule(table, n)), [None; 4]);
        rows.end();
        assert_eq!([4, 5].map(|n| rows.rule(&u, n)), [None; 2]);
        rows.set(&t);
        assert_eq!([6, 7, 8].map(|n| rows.rule(&u, n)), [None, None, Some(7)]);
        assert_eq!(filled(&rows, &[(6, 1), (8, 3)]), [(7, 2)]);
    }
}
