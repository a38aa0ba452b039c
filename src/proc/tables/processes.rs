//! The table `processes`: the scan of the operation of that name, by the same columns.
#![forbid(unsafe_code)]

use crate::capability::Capability;
use crate::error::RequestError;
use crate::op::Role;
use crate::proc::args::ProcessesArgs;
use crate::proc::columns::{COLUMNS, KEY, unit};
use crate::proc::scan::Scan;
use crate::table::{Asked, Cost, Kind, ReadTable, Rows, Table, Unit};
use crate::wire::atoms::{self, Atom};

/// What reading a column can take, the least first: whoever may read the last may read the others.
const LEVELS: [&[Capability]; 3] =
    [&[], &[Capability::SysPtrace], &[Capability::SysPtrace, Capability::DacReadSearch]];

/// The table.
#[derive(Debug)]
pub struct Processes;

/// See [`Processes`].
pub static TABLE: Processes = Processes;

impl Table for Processes {
    fn name(&self) -> Atom {
        atoms::PROCESSES
    }

    fn roles(&self) -> &'static [Role] {
        &[Role::Proc]
    }

    fn capabilities(&self) -> &'static [Capability] {
        LEVELS[2]
    }

    fn cost(&self) -> Cost {
        Cost::PerProcess
    }

    fn source(&self) -> Atom {
        atoms::PROCFS
    }

    fn each_column(&self, tell: &mut dyn FnMut(Atom, Kind, Unit)) {
        COLUMNS.iter().for_each(|column| tell(column.name, column.kind, unit(column)));
    }

    fn action(&self, wants: &dyn Fn(Atom) -> bool) -> ReadTable {
        let wanted = COLUMNS.iter().filter(|column| wants(column.name));
        let most = wanted.map(|column| column.tier.capabilities()).max_by_key(|taken| taken.len());
        let level = LEVELS.into_iter().find(|level| Some(level.len()) == most.map(<[_]>::len));
        ReadTable::new(self.name(), level.unwrap_or_default()).with_environ(wants(atoms::ENVIRON))
    }

    fn query(&self, asked: &Asked<'_>) -> Result<Box<dyn Rows>, RequestError> {
        Ok(Box::new(Scan::new(ProcessesArgs::decode(asked)?)))
    }

    fn key(&self) -> &'static [Atom] {
        KEY
    }

    fn keyed_query(&self, asked: &Asked<'_>) -> Result<Box<dyn Rows>, RequestError> {
        Ok(Box::new(Scan::new(ProcessesArgs::decode(asked)?.keyed(KEY))))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::table::Context;
    use crate::wire::chunk::{Chunk, Slice};
    use crate::wire::schema::At;

    #[test]
    fn what_a_column_takes_is_one_of_the_levels() {
        for column in COLUMNS {
            let action = TABLE.action(&|name| name == column.name);
            assert_eq!(action.capabilities, column.tier.capabilities(), "{column:?}");
            assert_eq!(action.environ, column.name == atoms::ENVIRON);
        }
        assert!(TABLE.action(&|_| false).capabilities.is_empty());
        assert_eq!(TABLE.action(&|_| true).capabilities, LEVELS[2]);
    }

    #[test]
    fn a_scan_that_has_ended_holds_no_place() {
        let asked = Asked {
            columns: None,
            conditions: None,
            limit: u64::from(crate::limits::PID_MAX),
            cell_max: 64,
            interval: None,
            at: At::Top,
        };
        for limit in [asked.limit, 1] {
            let mut rows = TABLE.keyed_query(&Asked { limit, ..asked }).unwrap();
            let (mut chunk, soon) = (Chunk::default(), Instant::now() + Duration::from_secs(60));
            loop {
                let slice = rows.slice(&mut Context::default(), &mut chunk, soon).unwrap();
                chunk.clear();
                if slice == Slice::End {
                    break;
                }
                assert!(rows.is_open());
            }
            assert!(!rows.is_open(), "nobody asks for the next answer yet");
        }
    }
}
