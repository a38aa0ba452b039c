//! What the memory of the host is used for: `/proc/meminfo` (proc_meminfo(5), fs/proc/meminfo.c).
#![forbid(unsafe_code)]

use crate::kernel::column::{Numbers, keyed, table};
use crate::kernel::file;
use crate::kernel::text::{decimal, pairs};
use crate::table::{Context, Cost, Opened, TableOf, Wanted};
use crate::wire::atoms;

/// The one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory([Option<u64>; KEYS.len()]);

impl Numbers for Memory {
    fn numbers(&self) -> &[Option<u64>] {
        &self.0
    }
}

keyed! { Memory:
    b"MemTotal:" MEM_TOTAL Bytes,
    b"MemFree:" MEM_FREE Bytes,
    b"MemAvailable:" MEM_AVAILABLE Bytes,
    b"Buffers:" BUFFERS Bytes,
    b"Cached:" CACHED Bytes,
    b"SwapCached:" SWAP_CACHED Bytes,
    b"Active:" ACTIVE Bytes,
    b"Inactive:" INACTIVE Bytes,
    b"Active(anon):" ACTIVE_ANON Bytes,
    b"Inactive(anon):" INACTIVE_ANON Bytes,
    b"Active(file):" ACTIVE_FILE Bytes,
    b"Inactive(file):" INACTIVE_FILE Bytes,
    b"Unevictable:" UNEVICTABLE Bytes,
    b"Mlocked:" MLOCKED Bytes,
    b"SwapTotal:" SWAP_TOTAL Bytes,
    b"SwapFree:" SWAP_FREE Bytes,
    b"Zswap:" ZSWAP Bytes,
    b"Zswapped:" ZSWAPPED Bytes,
    b"Dirty:" DIRTY Bytes,
    b"Writeback:" WRITEBACK Bytes,
    b"AnonPages:" ANON_PAGES Bytes,
    b"Mapped:" MAPPED Bytes,
    b"Shmem:" SHMEM Bytes,
    b"KReclaimable:" KRECLAIMABLE Bytes,
    b"Slab:" SLAB Bytes,
    b"SReclaimable:" SRECLAIMABLE Bytes,
    b"SUnreclaim:" SUNRECLAIM Bytes,
    b"KernelStack:" KERNEL_STACK Bytes,
    b"PageTables:" PAGE_TABLES Bytes,
    b"SecPageTables:" SEC_PAGE_TABLES Bytes,
    b"NFS_Unstable:" NFS_UNSTABLE Bytes,
    b"Bounce:" BOUNCE Bytes,
    b"WritebackTmp:" WRITEBACK_TMP Bytes,
    b"CommitLimit:" COMMIT_LIMIT Bytes,
    b"Committed_AS:" COMMITTED_AS Bytes,
    b"VmallocTotal:" VMALLOC_TOTAL Bytes,
    b"VmallocUsed:" VMALLOC_USED Bytes,
    b"VmallocChunk:" VMALLOC_CHUNK Bytes,
    b"Percpu:" PERCPU Bytes,
    b"HardwareCorrupted:" HARDWARE_CORRUPTED Bytes,
    b"AnonHugePages:" ANON_HUGE_PAGES Bytes,
    b"ShmemHugePages:" SHMEM_HUGE_PAGES Bytes,
    b"ShmemPmdMapped:" SHMEM_PMD_MAPPED Bytes,
    b"FileHugePages:" FILE_HUGE_PAGES Bytes,
    b"FilePmdMapped:" FILE_PMD_MAPPED Bytes,
    b"CmaTotal:" CMA_TOTAL Bytes,
    b"CmaFree:" CMA_FREE Bytes,
    b"Unaccepted:" UNACCEPTED Bytes,
    b"Balloon:" BALLOON Bytes,
    b"HugePages_Total:" HUGE_PAGES_TOTAL None,
    b"HugePages_Free:" HUGE_PAGES_FREE None,
    b"HugePages_Rsvd:" HUGE_PAGES_RSVD None,
    b"HugePages_Surp:" HUGE_PAGES_SURP None,
    b"Hugepagesize:" HUGEPAGESIZE Bytes,
    b"Hugetlb:" HUGETLB Bytes,
    b"DirectMap4k:" DIRECT_MAP_4K Bytes,
    b"DirectMap2M:" DIRECT_MAP_2M Bytes,
    b"DirectMap1G:" DIRECT_MAP_1G Bytes,
}

/// The table `memory`.
pub static TABLE: TableOf<Memory> = table(atoms::MEMORY, Cost::Constant, atoms::PROCFS, COLUMNS, open);

fn open(_: &Wanted<'_, Memory>, _: &mut Context<'_>) -> Opened<Memory> {
    file::one(c"/proc/meminfo", "reading /proc/meminfo", |bytes| Some(parse(bytes)))
}

/// Lines such as `MemTotal:  24684084 kB`; pages are counted without a unit. A kernel has lines that this table does not, and
/// the other way round.
#[must_use]
pub fn parse(bytes: &[u8]) -> Memory {
    let mut memory = Memory([None; KEYS.len()]);
    for (key, rest) in pairs(bytes) {
        let place = KEYS.iter().position(|known| *known == key);
        if let Some(number) = place.and_then(|place| memory.0.get_mut(place)) {
            *number = match rest.strip_suffix(b" kB") {
                Some(digits) => decimal(digits).and_then(|n| n.checked_mul(1024)),
                None => decimal(rest),
            };
        }
    }
    memory
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(memory: &Memory, key: &[u8]) -> Option<u64> {
        memory.0[KEYS.iter().position(|known| *known == key).unwrap()]
    }

    #[test]
    fn bytes_and_pages() {
        let memory =
            parse(b"MemTotal:       24684084 kB\nActive(anon):  3 kB\nNew: 4 kB\nHugePages_Total:       5\n");
        assert_eq!(of(&memory, b"MemTotal:"), Some(24_684_084 * 1024));
        assert_eq!((of(&memory, b"Active(anon):"), of(&memory, b"HugePages_Total:")), (Some(3072), Some(5)));
        assert_eq!(memory.0.iter().flatten().count(), 3);
    }

    #[test]
    fn odd_input_has_no_numbers() {
        for odd in [&b""[..], b"MemTotal: 1 kB", b"MemTotal:\n", b"MemTotal: -1 kB\n", b"MemTotal: \xff kB\n"]
        {
            assert_eq!(parse(odd).0.iter().flatten().count(), 0);
        }
        // More than 64 bits hold.
        assert_eq!(of(&parse(b"MemTotal: 18446744073709551615 kB\n"), b"MemTotal:"), None);
    }
}
