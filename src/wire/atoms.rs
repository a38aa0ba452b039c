//! The atoms that the port can send, and no others: `tests/vectors/atoms.txt` is the same list for clients.
//!
//! A client that has loaded them can decode every frame with `binary_to_term(B, [safe])`. Each is encoded when the
//! program is compiled, so writing one is a copy.
#![forbid(unsafe_code)]

/// `SMALL_ATOM_UTF8_EXT`, the only form in which atoms are sent (ERTS User's Guide, External Term Format).
const SMALL_ATOM_UTF8_EXT: u8 = 119;

/// An atom of the vocabulary: no more than a pointer, since most cells of a table are as large as the largest that a cell can be.
#[derive(Clone, Copy)]
pub struct Atom(&'static Spelling);

/// How an atom is written.
struct Spelling {
    name: &'static str,
    encoded: &'static [u8],
}

impl PartialEq for Atom {
    /// Every row of an answer asks it of each condition, and mostly of one and the same constant.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0) || self.name() == other.name()
    }
}

impl Atom {
    /// The text.
    #[must_use]
    #[inline]
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// The whole term: tag, length and text.
    #[must_use]
    #[inline]
    pub const fn encoded(self) -> &'static [u8] {
        self.0.encoded
    }
}

impl Eq for Atom {}

impl std::fmt::Debug for Atom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
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
                Atom(&Spelling { name: text(ENCODED), encoded: ENCODED })
            };
        )*
        /// Every atom, sorted by its text.
        pub const ALL: &[Atom] = &[$($name),*];
    };
}

vocabulary! {
    BIT_AND = "&", SHIFT_LEFT = "<<", SHIFT_RIGHT = ">>", BIT_XOR = "^", ABOVE, ACCEPT, ACTIVE, ACTIVE_ANON,
    ACTIVE_FILE, ADD, ADDED, ADDR, ADDRESS, ADDRESS_SPACE, ADDRESSES, AFTER, AIO_MAX_NR, AIO_NR,
    ATOM_ALL = "all", ANON_HUGE_PAGES, ANON_INODE, ANON_PAGES, ANONYMOUS, ANY_OF, ANYCAST, ARGS, ARGV, AS_ASKED,
    ATIME, ATOM, AUDIT, AUDIT_WRITE, AUTO_MERGE = "auto-merge", AVAILABLE, AVG10, AVG300, AVG60, BACKLOG,
    BAD_ARGUMENTS, BAD_FRAME, BAD_FRAMES, BAD_REQUEST, BALLOON, BAN, BANNED, BASE, BEFORE, BELOW, BGP,
    BINARY, BIRD, BLACKHOLE, BLKIO_TICKS, BLOCK_DEVICES, BOOLEAN, BOOT, BOOT_ID, BOOT_TIME, BOUNCE, BOUND,
    BROADCAST, BTIME, BUFFERS, BURST, BURST_UNIT, BUSY, BY, BYTES, BYTES_ACKED, BYTES_PER_SECOND,
    BYTES_RECEIVED, CACHED, CANCEL, CANCELLED, CANCELLED_WRITE_BYTES, CAP_AMB, CAP_BND, CAP_EFF, CAP_INH,
    CAP_PRM, CAPABILITIES, CAPABILITY_MISSING, CELL_MAX, CGID, CGROUP_ID, CGROUP_NS, CGROUPFS, CGROUPS,
    CHAIN, CHAINS, CHANGE, CHANGED, CHANGES, CHECK, CLOSE, CLOSE_WAIT, CLOSING, CMA_FREE, CMA_TOTAL,
    CMAJFLT, CMDLINE, CMINFLT, CODE, COLUMNS, COMM, COMMANDS, COMMENT, COMMIT_LIMIT, COMMITTED_AS, COMPOUND,
    CONCAT, CONCATENATION, CONDITION, CONFIRM, CONFIRMED, CONGESTION, CONSTANT, CONTINUE, CONTROLLERS,
    COOKIE, CORE_FILE_SIZE, COREDUMP, COST, COUNTER, COUNTERS, COUNTS, COVERED, CPID, CPU, CPU_PERIOD,
    CPU_QUOTA, CPU_RATES, CPU_SYSTEM, CPU_TIME, CPU_USAGE, CPU_USER, CPUS, CREATE, CREDIT, CSTIME, CT,
    CT_COUNT = "ct count", CT_EXPECTATION = "ct expectation", CT_HELPER = "ct helper",
    CT_TIMEOUT = "ct timeout", CTIME, CTXT, CUID, CUT, CUTIME, CWD, DAC_READ_SEARCH, DATA, DATA_SIZE,
    DCCP_OPTION = "dccp option", DEAD, DECISION, DELAY, DELETE, DELETED, DELIVERY_RATE, DENIED,
    DENIED_BY_POLICY, DESTINATION, DESTROY, DEV, DGRAM, DHCP, DIR, DIRECT_MAP_1G, DIRECT_MAP_2M,
    DIRECT_MAP_4K, DIRECTORY_WRITABLE, DIRTY, DISCARD_BYTES, DISCARD_IOS, DISCARD_MERGES, DISCARD_TIME,
    DISK_RATES, DISK_SLEEP, DISK_USAGE, DISKS, DNAT, DOMAINNAME, DORMANT, DOWN, DROP, DTIME, DUP, DUPLICATE,
    DURATION, E2BIG, EACCES, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EBADF, EBUSY, ECONNREFUSED, EDESTADDRREQ,
    EEXIST, EFAULT, EFBIG, EGID, EHOSTUNREACH, EIGRP, EINTR, EINVAL, EIO, EISDIR, ELEM, ELEMENT, ELEMENTS,
    ELOOP, EMFILE, EMPTY, EMSGSIZE, ENAMETOOLONG, ENETDOWN, ENETUNREACH, ENFILE, ENOBUFS, ENODEV, ENOENT,
    ENOMEM, ENOSPC, ENOSYS, ENOTCONN, ENOTDIR, ENOTEMPTY, ENOTTY, ENVIRON, ENXIO, EOPNOTSUPP, EOVERFLOW,
    EPERM, EPIPE, EPROTO, EPROTONOSUPPORT, ERANGE, EROFS, ERROR, ERRORS, ESPIPE, ESRCH, ESTABLISHED,
    ETIMEDOUT, EUID, EVENT, EVENTS, EVERY, EXCLUDES, EXE, EXEC, EXIT, EXIT_SIGNAL, EXPECTED, EXPIRES, EXPR,
    EXPRESSION, EXTHDR, FAILED, FALSE, FAMILY, FD, FD_SIZE, FEATURES, FIB, FIELD, FILE, FILE_ACL,
    FILE_CLOSE, FILE_HUGE_PAGES, FILE_LINKS, FILE_LOCKS, FILE_MAX, FILE_MODE, FILE_NR, FILE_OPEN,
    FILE_OWNER, FILE_PMD_MAPPED, FILE_READ, FILE_SIZE, FILES, FILESYSTEMS, FIN_WAIT1, FIN_WAIT2, FINDINGS,
    FIX, FLAGS, FLOAT, FLOW, FLOWTABLE, FLOWTABLES, FLUSH, FLUSH_IOS, FLUSH_TIME, FORK, FRAME_MAX,
    FRAME_TOO_LONG, FS_TYPE, FSGID, FSUID, FULL, FWD, GATEWAY, GC_INTERVAL = "gc-interval", GENERATION, GID,
    GLOBAL, GOTO, GRANTED, GROUP, GROUPS, GUEST, GUEST_NICE, GUEST_TIME, HANDLE, HANDLES, HARD,
    HARDENING_FAILED, HARDWARE_CORRUPTED, HEADER_TOO_LARGE, HELLO, HIDEPID, HIERARCHY, HOOK, HOST, HOSTNAME,
    HUGE_PAGES_FREE, HUGE_PAGES_RSVD, HUGE_PAGES_SURP, HUGE_PAGES_TOTAL, HUGEPAGESIZE, HUGETLB, HUNDREDTHS,
    IDLE, IMPROPER_LIST, IN_FLIGHT, INACTIVE, INACTIVE_ANON, INACTIVE_FILE, INCOMPLETE, INDEX, INET, INET6,
    INFO, INO, INODE, INODE_NR, INODE_NR_FREE, INODES, INODES_USED, INSERT, INTEGER, INTERFACE,
    INTERFACE_RATES, INTERFACES, INTERNAL, INTERRUPTED, INTERRUPTS, INTERVAL, INTR, INV, IO, IO_TIME,
    IOWAIT, IP_OPTION = "ip option", IPC_NS, IPSEC, IRQ, ISIS, ITEMS, JHASH, JSON, JSON_SCHEMA_VERSION,
    JUMP, KEEPALIVE, KEEPALIVED, KERNEL, KERNEL_AUDIT, KERNEL_COUNTERS, KERNEL_LIMITS, KERNEL_STACK, KEY,
    KIND, KRECLAIMABLE, LABEL, LANDLOCK, LAST, LAST_ACK, LAST_PID, LEFT, LEN, LENGTH, LEVEL, LIMIT, LIMITED,
    LIMITS, LINK, LIST, LISTED_ONLY, LISTEN, LISTENING, LIVE, LOAD, LOAD1, LOAD15, LOAD5, LOADED, LOADING,
    LOCAL, LOCAL_ADDRESS, LOCAL_PORT, LOCKED, LOCKED_MEMORY, LOG, LOST, LOWERLAYERDOWN, LPID, MAC, MACHINE,
    MAJFLT, MAJOR, MANGLE, MAP, MAPPED, MAPS, MASQUERADE, MASTER, MATCH, MAX, MAX_BACKLOG, MAX_IN_FLIGHT,
    MAX_MAP_COUNT, MDWE, MEASURE, MEM_AVAILABLE, MEM_FREE, MEM_TOTAL, MEMORY, MEMORY_ANON, MEMORY_CURRENT,
    MEMORY_FILE, MEMORY_KERNEL, MEMORY_MAX, MEMORY_SHMEM, MEMORY_SLAB, MEMORY_SOCK, MEMORY_SWAP_CURRENT,
    MEMORY_SWAP_MAX, MESSAGE, META, METAINFO, METER, METRIC, MICROSECONDS, MILLISECONDS, MIN, MIN_RTT,
    MINFLT, MINOR, MISSING, MLOCKED, MNT_ID, MNT_NS, MOD, MODE, MODEL, MODULES, MORE, MOUNT_ID, MOUNT_POINT,
    MOUNTS, MSGQUEUE_SIZE, MSS, MTIME, MTU, MULTICAST, NAME, NANOSECONDS, NAT, NATTCH, NEIGHBOURS, NET,
    NET_ADMIN, NET_NS, NET_RAW, NETFILTER, NETLINK, NEW, NEWNAME, NEXTHOP_ID, NFS_UNSTABLE, NFT, NFT_APPLY,
    NFT_CONFIRM, NFT_JSON, NFT_LIST, NFT_ROLLBACK, NFTABLES, NICE, NICE_PRIORITY, NO_NEW_PRIVS, NOARP,
    NODEV, NONE, NONVOLUNTARY_CTXT_SWITCHES, NOT_COMPARABLE, NOT_PERMITTED, NOT_SAMPLED, NOTPRESENT,
    NOTRACK, NOWHERE, NR_OPEN, NR_PERIODS, NR_THROTTLED, NUL, NULL, NUM, NUM_THREADS, NUMBER, NUMGEN,
    OBJECT, OFF, OFFSET, OK, ON, OOM_KILL, OP, OPAQUE, OPEN_FILES, OPERATION, OPERATIONS, OPERSTATE,
    OPTIONAL_FIELDS, OPTIONS, OSF, OSPF, OSRELEASE, OSTYPE, OTHER, OVERLOADED, OWN_LIMITS, PACING_RATE,
    PACKET, PACKETS, PAGE_SIZE, PAGE_TABLES, PARAMETER, PARENT_ID, PARKED, PARTITION, PATH, PAYLOAD, PEER,
    PEER_NOT_ALLOWED, PENDING_SIGNALS, PER, PER_PROCESS, PER_ROW, PER_SECOND, PERCPU, PERMANENT, PERMS,
    PERSIST, PGFAULT, PGMAJFAULT, PGRP, PID, PID_MAX, PID_NS, PIDS_CURRENT, PIDS_MAX, PING, PIPE, POLICY,
    POLICY_FILE, POPULATED, PORT, PORTID, POS, POSIX, PPID, PREFERRED_LIFETIME, PREFIX, PREFIX_LENGTH,
    PREFSRC, PRESSURE, PRIO, PRIORITY, PRIVATE_CLEAN, PRIVATE_DIRTY, PROBE, PROC, PROCESS, PROCESS_CGROUPS,
    PROCESS_FILES, PROCESS_LIMITS, PROCESS_MEMORY, PROCESS_NAMESPACES, PROCESS_RATES, PROCESS_SOCKETS,
    PROCESSES, PROCESSOR, PROCFS, PROCS_BLOCKED, PROCS_RUNNING, PROHIBIT, PROTOCOL, PROTOCOL_NUMBER, PSS,
    PSS_ANON, PSS_DIRTY, PSS_FILE, PSS_SHMEM, PTRACE, QDISC, QUERY, QUEUE,
    QUEUE_THRESHOLD = "queue-threshold", QUOTA, QUOTAS, RA, RANGE, RATE, RATE_UNIT, RAW, RCHAR, RDM,
    REACHABLE, READ_BYTES, READ_IOS, READ_MERGES, READ_ONLY, READ_TIME, REALTIME_PRIORITY, REALTIME_TIMEOUT,
    REASON, REDACTED, REDIRECT, REF, REFCOUNT, REFERENCED, REFUSED, REJECT, RELEASE_NAME, REMOTE_ADDRESS,
    REMOTE_PORT, REMOVABLE, REMOVED, RENAME, REPLACE, REPLY_MAX, REQ, REQUEST, REQUESTS, RESET,
    RESIDENT_SET, RESNAPSHOT, RESOURCE, RESULT, RETRANS, RETRANSMITS, RETURN, RGID, RIGHT, RIP, ROLE, ROOT,
    ROTATIONAL, ROUTES, ROWS, RQUEUE, RSS, RSS_ANON, RSS_FILE, RSS_SHMEM, RT, RT_PRIORITY, RTNETLINK, RTT,
    RTTVAR, RUID, RULE, RULES, RULESET, RUNNABLE, RUNNING, RUNNING_AS_ROOT, RX_BYTES, RX_DROPPED, RX_ERRORS,
    RX_PACKETS, SAME, SAMPLED, SCOPE, SCTP_CHUNK = "sctp chunk", SEC_PAGE_TABLES, SECCOMP, SECMARK, SECONDS,
    SEED, SEGS_IN, SEGS_OUT, SEQ, SEQPACKET, SESSION, SET, SETPCAP, SETS, SGID, SHARE, SHARED_CLEAN,
    SHARED_DIRTY, SHARED_MEMORY, SHMEM, SHMEM_HUGE_PAGES, SHMEM_PMD_MAPPED, SHMID, SID, SIGNAL, SITE, SIZE,
    SKIPPED, SLAB, SLEEPING, SNAPLEN, SNAT, SND_CWND, SOCK_DIAG, SOCKET, SOCKETS, SOFT, SOFTIRQ, SOFTIRQS,
    SOMAXCONN, SOME, SOURCE, SPNUM, SRECLAIMABLE, STACK_SIZE, STALE, STALL, STARTED, STARTTIME, STATE,
    STATFS, STATIC, STDIO_NOT_PIPE, STEAL, STIME, STMT, STOPPED, STREAM, SUBSCRIBE, SUBSCRIPTIONS, SUID,
    SUNRECLAIM, SUPER_OPTIONS, SWAP, SWAP_CACHED, SWAP_FREE, SWAP_PSS, SWAP_TOTAL, SWAPS, SYMHASH, SYN_RECV,
    SYN_SENT, SYNPROXY, SYS_PTRACE, SYSCR, SYSCTL_GET, SYSCTL_LIST, SYSCTL_SET, SYSCW, SYSFS, SYSLOG,
    SYSTEM, TABLE, TABLES, TAG, TAINTS, TARGET, TASKS, TCP, TCP_OPTION = "tcp option", TESTING, TEXT,
    THOUSANDTHS, THREADS, THREADS_MAX, THRESHOLD, THROTTLED_TIME, THROW, TICKS, TICKS_PER_S, TID, TIME,
    TIME_IN_QUEUE, TIME_NS, TIME_WAIT, TIMEOUT, TIMER, TIMER_EXPIRES, TOO_DEEP, TOO_MANY, TOO_MANY_PAIRS,
    TOO_MANY_TERMS, TOPIC, TOS, TOTAL, TOTAL_RETRANS, TPGID, TPROXY, TRACER_PID, TRACING_STOP,
    TRAILING_BYTES, TRUE, TRUNCATED, TTL, TTY_NR, TUNNEL, TUPLE, TX_BYTES, TX_DROPPED, TX_ERRORS,
    TX_PACKETS, TYPE, TYPE_FLAGS, TYPEOF, UDP, UID, UMASK, UNACCEPTED, UNBAN, UNDEFINED, UNEVICTABLE,
    UNICAST, UNIT, UNIX, UNKNOWN, UNKNOWN_COLUMN, UNKNOWN_KEY, UNKNOWN_NAME, UNKNOWN_OUTCOME, UNLIMITED,
    UNLOADING, UNREACHABLE, UNSPEC, UNSUPPORTED, UP, UPTIME, USED, USED_BY, USED_UNIT, USER, USER_NS, UTIME,
    UTS_NS, VAL, VAL_UNIT, VALID_LIFETIME, VALUE, VANISHED, VERDICT, VERSION, VM_DATA, VM_EXE, VM_HWM,
    VM_LCK, VM_LIB, VM_PEAK, VM_PIN, VM_PTE, VM_STK, VM_SWAP, VMALLOC_CHUNK, VMALLOC_TOTAL, VMALLOC_USED,
    VMAP, VMSTAT, VOLUNTARY_CTXT_SWITCHES, VSIZE, WCHAR, WEIGHT, WHAT, WHERE, WQUEUE, WRITE_BYTES,
    WRITE_IOS, WRITE_MERGES, WRITE_TIME, WRITEBACK, WRITEBACK_TMP, WSCALE, XRESOLVE, XT, ZEBRA, ZOMBIE,
    ZSWAP, ZSWAPPED, BIT_OR = "|",
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
