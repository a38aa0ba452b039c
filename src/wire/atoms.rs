//! The atoms that the port can send, and no others: `tests/vectors/atoms.txt` is the same list for clients.
//!
//! A client that has loaded them can decode every frame with `binary_to_term(B, [safe])`. Each is encoded when the
//! program is compiled, so writing one is a copy.
#![forbid(unsafe_code)]

/// `SMALL_ATOM_UTF8_EXT`, the only form in which atoms are sent (ERTS User's Guide, External Term Format).
const SMALL_ATOM_UTF8_EXT: u8 = 119;

/// An atom of the vocabulary.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Atom {
    name: &'static str,
    encoded: &'static [u8],
}

impl Atom {
    /// The text.
    #[must_use]
    #[inline]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The whole term: tag, length and text.
    #[must_use]
    #[inline]
    pub const fn encoded(self) -> &'static [u8] {
        self.encoded
    }
}

impl std::fmt::Debug for Atom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The term for `text` in lower case. `N` must be the length of the text and 2.
#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "only ever runs in the compiler"
)]
const fn encode<const N: usize>(text: &str) -> [u8; N] {
    assert!(text.len() <= 255 && text.len() + 2 == N);
    let mut out = [0; N];
    out[0] = SMALL_ATOM_UTF8_EXT;
    out[1] = text.len() as u8;
    let mut i = 0;
    while i < text.len() {
        out[i + 2] = text.as_bytes()[i].to_ascii_lowercase();
        i += 1;
    }
    out
}

/// The text inside an encoded atom.
const fn text(encoded: &[u8]) -> &str {
    let Some((_, text)) = encoded.split_first_chunk::<2>() else { return "" };
    match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(_) => "",
    }
}

/// Makes a constant of every word and [`ALL`] of all of them. The atom is the word in lower case, unless a text
/// follows.
macro_rules! vocabulary {
    (@text $name:ident) => { stringify!($name) };
    (@text $name:ident $text:literal) => { $text };
    ($($name:ident $(= $text:literal)?),* $(,)?) => {
        $(
            #[doc = concat!("`", vocabulary!(@text $name $($text)?), "`, in lower case.")]
            pub const $name: Atom = {
                const TEXT: &str = vocabulary!(@text $name $($text)?);
                const ENCODED: &[u8] = &encode::<{ TEXT.len() + 2 }>(TEXT);
                Atom { name: text(ENCODED), encoded: ENCODED }
            };
        )*
        /// Every atom, sorted by its text.
        pub const ALL: &[Atom] = &[$($name),*];
    };
}

vocabulary! {
    BIT_AND = "&", SHIFT_LEFT = "<<", SHIFT_RIGHT = ">>", BIT_XOR = "^", ACCEPT, ADD, ADDR, ADDRESS,
    ADDRESS_SPACE, ADDRESSES, AFTER, ATOM_ALL = "all", ARGS, ARGV, AS_ASKED, ATOM, AUDIT, AUDIT_WRITE,
    AUTO_MERGE = "auto-merge", BAD_ARGUMENTS, BAD_FRAME, BAD_FRAMES, BAD_REQUEST, BAN, BANNED, BASE, BEFORE,
    BINARY, BLKIO_TICKS, BOOLEAN, BOOT_TIME, BURST, BURST_UNIT, BUSY, BY, BYTES, CANCEL, CANCELLED,
    CANCELLED_WRITE_BYTES, CAP_AMB, CAP_BND, CAP_EFF, CAP_INH, CAP_PRM, CAPABILITIES, CAPABILITY_MISSING,
    CELL_MAX, CHAIN, CHAINS, CHANGE, CHANGED, CHANGES, CHECK, CMAJFLT, CMDLINE, CMINFLT, CODE, COLUMNS,
    COMM, COMMANDS, COMMENT, CONCAT, CONCATENATION, CONDITION, CONFIRM, CONFIRMED, CONTINUE, CORE_FILE_SIZE,
    COUNTER, COUNTERS, CPU_TIME, CREATE, CREDIT, CSTIME, CT, CT_COUNT = "ct count",
    CT_EXPECTATION = "ct expectation", CT_HELPER = "ct helper", CT_TIMEOUT = "ct timeout", CUT, CUTIME, CWD,
    DAC_READ_SEARCH, DATA, DATA_SIZE, DCCP_OPTION = "dccp option", DEAD, DECISION, DELETE, DENIED,
    DENIED_BY_POLICY, DESTROY, DEV, DIR, DIRECTORY_WRITABLE, DISK_SLEEP, DNAT, DROP, DUP, DUPLICATE,
    DURATION, E2BIG, EACCES, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EBADF, EBUSY, ECONNREFUSED, EDESTADDRREQ,
    EEXIST, EFAULT, EFBIG, EHOSTUNREACH, EINTR, EINVAL, EIO, EISDIR, ELEM, ELEMENT, ELEMENTS, ELOOP, EMFILE,
    EMPTY, EMSGSIZE, ENAMETOOLONG, ENETDOWN, ENETUNREACH, ENFILE, ENOBUFS, ENODEV, ENOENT, ENOMEM, ENOSPC,
    ENOSYS, ENOTCONN, ENOTDIR, ENOTEMPTY, ENOTTY, ENVIRON, ENXIO, EOPNOTSUPP, EOVERFLOW, EPERM, EPIPE,
    EPROTO, EPROTONOSUPPORT, ERANGE, EROFS, ERROR, ERRORS, ESPIPE, ESRCH, ETIMEDOUT, EVENT, EXCLUDES, EXE,
    EXIT_SIGNAL, EXPECTED, EXPIRES, EXPR, EXPRESSION, EXTHDR, FAILED, FALSE, FAMILY, FD_SIZE, FEATURES, FIB,
    FIELD, FILE_ACL, FILE_CLOSE, FILE_LINKS, FILE_LOCKS, FILE_MODE, FILE_OPEN, FILE_OWNER, FILE_READ,
    FILE_SIZE, FILES, FINDINGS, FIX, FLAGS, FLOAT, FLOW, FLOWTABLE, FLOWTABLES, FLUSH, FRAME_MAX,
    FRAME_TOO_LONG, FSGID, FSUID, FWD, GC_INTERVAL = "gc-interval", GENERATION, GID, GOTO, GRANTED, GROUP,
    GROUPS, GUEST_TIME, HANDLE, HANDLES, HARDENING_FAILED, HEADER_TOO_LARGE, HELLO, HOOK, IDLE,
    IMPROPER_LIST, IN_FLIGHT, INDEX, INFO, INSERT, INTEGER, INTERFACE, INTERNAL, INV,
    IP_OPTION = "ip option", IPSEC, ITEMS, JHASH, JSON, JSON_SCHEMA_VERSION, JUMP, KERNEL_AUDIT, KEY, KIND,
    LANDLOCK, LAST, LEFT, LEN, LENGTH, LEVEL, LIMIT, LIMITED, LIMITS, LIST, LISTED_ONLY, LOADED,
    LOCKED_MEMORY, LOG, LOST, MAJFLT, MANGLE, MAP, MAPS, MASQUERADE, MATCH, MAX, MAX_IN_FLIGHT, MDWE,
    MESSAGE, META, METAINFO, METER, MIN, MINFLT, MISSING, MOD, MODE, MORE, MSGQUEUE_SIZE, MSS, MTIME, NAME,
    NET, NET_ADMIN, NET_RAW, NETFILTER, NEWNAME, NFT, NFT_APPLY, NFT_CONFIRM, NFT_JSON, NFT_LIST,
    NFT_ROLLBACK, NFTABLES, NICE, NICE_PRIORITY, NO_NEW_PRIVS, NONVOLUNTARY_CTXT_SWITCHES, NOT_COMPARABLE,
    NOT_PERMITTED, NOTRACK, NUL, NULL, NUM, NUM_THREADS, NUMGEN, OBJECT, OFFSET, OK, OP, OPAQUE, OPEN_FILES,
    OPERATION, OPERATIONS, OSF, OVERLOADED, PACKETS, PAGE_SIZE, PARAMETER, PARKED, PATH, PAYLOAD, PEER,
    PENDING_SIGNALS, PER, PGRP, PID, PING, POLICY, POLICY_FILE, PORT, POSIX, PPID, PREFIX, PRIO, PRIORITY,
    PROC, PROCESS, PROCESSES, PROCESSOR, PROCFS, PROTOCOL, QUEUE, QUEUE_THRESHOLD = "queue-threshold",
    QUOTA, QUOTAS, RANGE, RATE, RATE_UNIT, RCHAR, READ_BYTES, REALTIME_PRIORITY, REALTIME_TIMEOUT, REASON,
    REDACTED, REDIRECT, REF, REFUSED, REJECT, RELEASE_NAME, RENAME, REPLACE, REPLY_MAX, REQ, REQUEST,
    REQUESTS, RESET, RESIDENT_SET, RESULT, RETURN, RGID, RIGHT, ROLE, ROOT, ROWS, RSS, RSS_ANON, RSS_FILE,
    RSS_SHMEM, RT, RT_PRIORITY, RTT, RUID, RULE, RULES, RULESET, RUNNING, RUNNING_AS_ROOT, SAME,
    SCTP_CHUNK = "sctp chunk", SECCOMP, SECMARK, SEED, SEQ, SESSION, SET, SETPCAP, SETS, SGID, SIZE,
    SLEEPING, SNAPLEN, SNAT, SOCKET, SOURCE, SPNUM, STACK_SIZE, STALE, STARTED, STARTTIME, STATE,
    STDIO_NOT_PIPE, STIME, STMT, STOPPED, SUBSCRIBE, SUBSCRIPTIONS, SUID, SYMHASH, SYNPROXY, SYS_PTRACE,
    SYSCR, SYSCTL_GET, SYSCTL_LIST, SYSCTL_SET, SYSCW, SYSLOG, TABLE, TABLES, TAG, TARGET,
    TCP_OPTION = "tcp option", TEXT, TICKS_PER_S, TIME, TIMEOUT, TOO_DEEP, TOO_MANY, TOO_MANY_PAIRS,
    TOO_MANY_TERMS, TOPIC, TPGID, TPROXY, TRACER_PID, TRACING_STOP, TRAILING_BYTES, TRUE, TRUNCATED, TTL,
    TTY_NR, TUNNEL, TUPLE, TYPE, TYPE_FLAGS, TYPEOF, UID, UMASK, UNBAN, UNDEFINED, UNIT, UNKNOWN,
    UNKNOWN_COLUMN, UNKNOWN_KEY, UNKNOWN_NAME, UNKNOWN_OUTCOME, UNLIMITED, UNSUPPORTED, UPTIME, USED,
    USED_UNIT, UTIME, VAL, VAL_UNIT, VALUE, VANISHED, VERDICT, VERSION, VM_DATA, VM_EXE, VM_HWM, VM_LCK,
    VM_LIB, VM_PEAK, VM_PIN, VM_PTE, VM_STK, VM_SWAP, VMAP, VOLUNTARY_CTXT_SWITCHES, VSIZE, WCHAR, WHAT,
    WHERE, WRITE_BYTES, WSCALE, XT, ZOMBIE, BIT_OR = "|",
}

/// The atom of that text; [`UNKNOWN`] if the vocabulary has none, which no name that the program itself uses may meet.
#[must_use]
pub fn named(name: &str) -> Atom {
    let found = find(name);
    debug_assert!(found.is_some(), "{name} is not in the vocabulary");
    found.unwrap_or(UNKNOWN)
}

/// The atom of that text, if the vocabulary has it.
#[must_use]
pub fn find(name: &str) -> Option<Atom> {
    let found = ALL.binary_search_by(|atom| atom.name().cmp(name)).ok();
    found.and_then(|at| ALL.get(at)).copied()
}

/// The atom for an error number, as Erlang spells it; [`UNKNOWN`] for those that no operation is expected to meet.
#[must_use]
pub fn errno(raw: i32) -> Atom {
    macro_rules! table {
        ($($name:ident),* $(,)?) => {
            match raw {
                $(libc::$name => $name,)*
                _ => UNKNOWN,
            }
        };
    }
    table! {
        EPERM, ENOENT, ESRCH, EINTR, EIO, ENXIO, E2BIG, EBADF, EAGAIN, ENOMEM, EACCES, EFAULT, EBUSY,
        EEXIST, ENODEV, ENOTDIR, EISDIR, EINVAL, ENFILE, EMFILE, ENOTTY, EFBIG, ENOSPC, ESPIPE, EROFS,
        EPIPE, ERANGE, ENAMETOOLONG, ENOSYS, ENOTEMPTY, ELOOP, EOVERFLOW, EPROTO, EOPNOTSUPP, ETIMEDOUT,
        ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EADDRNOTAVAIL, EMSGSIZE, ENETDOWN, ENOTCONN, EDESTADDRREQ,
        EPROTONOSUPPORT, EAFNOSUPPORT, ENOBUFS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_unique_and_well_formed() {
        assert!(ALL.windows(2).all(|pair| pair[0].name() < pair[1].name()));
        for atom in ALL {
            let name = atom.name();
            let plain = |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b' ');
            let operator = ["&", "<<", ">>", "^", "|"].contains(&name);
            assert!(operator || !name.is_empty() && name.bytes().all(plain), "{name}");
            assert_eq!(atom.encoded()[..2], [119, u8::try_from(name.len()).unwrap()]);
            assert_eq!(&atom.encoded()[2..], name.as_bytes());
        }
    }

    #[test]
    fn error_numbers() {
        assert_eq!(errno(libc::EACCES), EACCES);
        assert_eq!(errno(libc::EOPNOTSUPP).name(), "eopnotsupp");
        assert_eq!(errno(0), UNKNOWN);
        assert_eq!(errno(i32::MIN), UNKNOWN);
    }
}
