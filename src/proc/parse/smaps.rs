//! `/proc/PID/smaps_rollup`: a line that names no file, and sums in kB (fs/proc/task_mmu.c, `show_smaps_rollup`).
#![forbid(unsafe_code)]

use super::bytes::decimal;

/// The sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the kernel's own names, in proc_pid_smaps(5)")]
pub enum Field {
    Rss,
    Pss,
    PssDirty,
    PssAnon,
    PssFile,
    PssShmem,
    SharedClean,
    SharedDirty,
    PrivateClean,
    PrivateDirty,
    Referenced,
    Anonymous,
    Swap,
    SwapPss,
    Locked,
}

const NAMES: &[(&[u8], Field)] = &[
    (b"Rss", Field::Rss),
    (b"Pss", Field::Pss),
    (b"Pss_Dirty", Field::PssDirty),
    (b"Pss_Anon", Field::PssAnon),
    (b"Pss_File", Field::PssFile),
    (b"Pss_Shmem", Field::PssShmem),
    (b"Shared_Clean", Field::SharedClean),
    (b"Shared_Dirty", Field::SharedDirty),
    (b"Private_Clean", Field::PrivateClean),
    (b"Private_Dirty", Field::PrivateDirty),
    (b"Referenced", Field::Referenced),
    (b"Anonymous", Field::Anonymous),
    (b"Swap", Field::Swap),
    (b"SwapPss", Field::SwapPss),
    (b"Locked", Field::Locked),
];

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollup([Option<u64>; 15]);

impl Rollup {
    /// Bytes of one sum; nothing if this kernel does not have it.
    #[must_use]
    pub fn bytes(&self, field: Field) -> Option<u64> {
        self.0.get(field as usize).copied().flatten()
    }
}

/// Reads the sums that are there, each once.
#[must_use]
pub fn rollup(bytes: &[u8]) -> Rollup {
    let mut rollup = Rollup::default();
    for line in bytes.split(|b| *b == b'\n') {
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let Some((_, field)) = NAMES.iter().find(|(known, _)| *known == name) else { continue };
        let kilobytes = value.get(1..).unwrap_or_default().trim_ascii().strip_suffix(b" kB");
        let number = kilobytes.and_then(decimal).and_then(|n| n.checked_mul(1024));
        if let Some(slot) = rollup.0.get_mut(*field as usize) {
            *slot = slot.or(number);
        }
    }
    rollup
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_bytes_and_what_is_odd_is_left_out() {
        let text = b"5563d0d3a000-7ffd2a5f9000 ---p 00000000 00:00 0   [rollup]\nRss:   884 kB\nPss:  385 kB\nPss:   1 kB\n\
            Swap: 18446744073709551615 kB\nLocked: 1\nPss_Anon:\n";
        let read = rollup(text);
        assert_eq!((read.bytes(Field::Rss), read.bytes(Field::Pss)), (Some(884 * 1024), Some(385 * 1024)));
        for field in [Field::Swap, Field::Locked, Field::PssAnon, Field::SwapPss] {
            assert_eq!(read.bytes(field), None);
        }
        assert_eq!(rollup(b"\xff\n:\nRss"), Rollup::default());
    }
}
