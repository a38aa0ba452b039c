//! `/proc/PID/cmdline`: the arguments, each followed by NUL (proc_pid_cmdline(5), `get_mm_cmdline` in fs/proc/base.c).
//!
//! The process owns that memory: it may have written a title without any NUL over it, or nothing but NULs.
#![forbid(unsafe_code)]

/// The file without its one final NUL.
#[must_use]
pub fn trimmed(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\0").unwrap_or(bytes)
}

/// The arguments. An empty file has none; one that is a single NUL has one, which is empty.
pub fn arguments(bytes: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let file = if bytes.is_empty() { None } else { Some(trimmed(bytes)) };
    file.into_iter().flat_map(|text| text.split(|&byte| byte == 0))
}

/// How many [`arguments`] there are.
#[must_use]
pub fn count(bytes: &[u8]) -> usize {
    arguments(bytes).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(bytes: &[u8]) -> Vec<&[u8]> {
        arguments(bytes).collect()
    }

    #[test]
    fn arguments_end_with_nul() {
        assert_eq!(list(b"sleep\09\0"), [&b"sleep"[..], b"9"]);
        assert_eq!(list(b"a\0\0b\0"), [&b"a"[..], b"", b"b"]);
        assert_eq!(list(b"a\0\0"), [&b"a"[..], b""]);
        assert_eq!(list(b"\xff\xfe\0\n\0"), [&b"\xff\xfe"[..], b"\n"]);
    }

    #[test]
    fn no_argument_is_not_an_empty_argument() {
        assert_eq!(list(b""), [&b""[..]; 0]);
        assert_eq!(list(b"\0"), [b""]);
        assert_eq!(list(b"\0\0"), [b"", b""]);
    }

    #[test]
    fn a_title_without_nul_is_one_argument() {
        assert_eq!(list(b"nginx: master process"), [b"nginx: master process"]);
        assert_eq!(trimmed(b"nginx: master process"), b"nginx: master process");
    }

    #[test]
    fn only_one_nul_is_trimmed() {
        assert_eq!(trimmed(b""), b"");
        assert_eq!(trimmed(b"\0"), b"");
        assert_eq!(trimmed(b"a\0\0"), b"a\0");
        assert_eq!(trimmed(b"\0a"), b"\0a");
    }

    proptest! {
        #[test]
        fn arguments_round_trip(args in prop::collection::vec(prop::collection::vec(1_u8.., 0..8), 0..8)) {
            let file: Vec<u8> = args.iter().flat_map(|arg| arg.iter().copied().chain([0])).collect();
            prop_assert_eq!(list(&file), args.iter().map(Vec::as_slice).collect::<Vec<_>>());
            prop_assert_eq!(count(&file), args.len());
        }

        #[test]
        fn nothing_but_the_final_nul_is_lost(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(list(&bytes).join(&0), trimmed(&bytes));
            prop_assert_eq!(count(&bytes), list(&bytes).len());
        }
    }
}
