//! What the kernel has counted since boot: the last lines of `/proc/stat` (proc_stat(5)).
#![forbid(unsafe_code)]

use crate::kernel::column::{Numbers, keyed, table};
use crate::kernel::file;
use crate::kernel::text::{decimal, pairs, words};
use crate::table::{Context, Cost, Opened, TableOf, Wanted};
use crate::wire::atoms;

/// The one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters([Option<u64>; KEYS.len()]);

impl Numbers for Counters {
    fn numbers(&self) -> &[Option<u64>] {
        &self.0
    }
}

keyed! { Counters:
    b"ctxt" CTXT None,
    b"intr" INTR None,
    b"softirq" SOFTIRQ None,
    b"processes" PROCESSES None,
    b"procs_running" PROCS_RUNNING None,
    b"procs_blocked" PROCS_BLOCKED None,
    b"btime" BTIME Seconds,
}

/// The table `kernel_counters`.
pub static TABLE: TableOf<Counters> =
    table(atoms::KERNEL_COUNTERS, Cost::Constant, atoms::PROCFS, COLUMNS, open);

fn open(_: &Wanted<'_, Counters>, _: &mut Context<'_>) -> Opened<Counters> {
    file::one(c"/proc/stat", "reading /proc/stat", |bytes| Some(parse(bytes)))
}

/// The first number of each line: behind the sums of interrupts stand those of each.
#[must_use]
pub fn parse(bytes: &[u8]) -> Counters {
    let mut counters = Counters([None; KEYS.len()]);
    for (key, rest) in pairs(bytes) {
        let place = KEYS.iter().position(|known| *known == key);
        if let Some(number) = place.and_then(|place| counters.0.get_mut(place)) {
            *number = words(rest).next().and_then(decimal);
        }
    }
    counters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_of_a_line_counts() {
        let text = b"cpu  1 2\nintr 21 0 0 21\nctxt 69\nbtime 1795251469\nprocesses 5\nprocs_running 8\n\
            procs_blocked 0\nnew_one 4\nsoftirq 12 0 12\n";
        assert_eq!(parse(text).0, [69, 21, 12, 5, 8, 0, 1_795_251_469].map(Some));
    }

    #[test]
    fn odd_input_has_no_numbers() {
        for odd in [&b""[..], b"ctxt\n", b"ctxt 69", b"ctxt -1\nintr \xff\n", b"ctxt 99999999999999999999\n"]
        {
            assert_eq!(parse(odd).0, [None; 7]);
        }
    }
}
