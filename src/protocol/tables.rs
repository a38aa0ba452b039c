//! Every table: those of each feature.
#![forbid(unsafe_code)]

use crate::op::Role;
use crate::table::Table;
use crate::{kernel, proc, sockets};

const TABLES: &[&[&dyn Table]] = &[proc::tables::TABLES, kernel::TABLES, sockets::TABLES];

/// The tables that a role answers.
pub fn of(role: Role) -> impl Iterator<Item = &'static dyn Table> {
    TABLES.iter().flat_map(|tables| tables.iter().copied()).filter(move |table| table.roles().contains(&role))
}

/// The table of that name, if the role answers it.
#[must_use]
pub fn named(role: Role, name: &str) -> Option<&'static dyn Table> {
    of(role).find(|table| table.name().name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Cost;

    #[test]
    fn every_table_of_more_than_one_row_has_a_key_of_its_columns() {
        for table in Role::ALL.iter().flat_map(|role| of(*role)) {
            let mut columns = Vec::new();
            table.each_column(&mut |name, _, _| columns.push(name));
            assert!(table.key().iter().all(|name| columns.contains(name)), "{:?}", table.name());
            assert!(!table.key().is_empty() || table.cost() == Cost::Constant, "{:?}", table.name());
        }
    }

    #[test]
    fn names_of_tables_and_of_their_columns_are_unique() {
        for role in Role::ALL {
            let mut names: Vec<_> = of(*role).map(|table| table.name().name()).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all);
            for table in of(*role) {
                let (mut columns, mut all) = (Vec::new(), 0);
                table.each_column(&mut |name, _, _| {
                    columns.push(name.name());
                    all += 1;
                });
                columns.sort_unstable();
                columns.dedup();
                assert_eq!((columns.len(), all > 0), (all, true), "{}", table.name().name());
            }
        }
    }
}
