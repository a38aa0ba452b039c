//! Every bound of the program, named, with its reason. A number that limits a peer stands here or nowhere.
#![forbid(unsafe_code)]

mod dist;

pub use dist::*;

/// Longest request frame of the `proc` role, in bytes. Queries are small; a list of 4,096 pids fits.
pub const PROC_FRAME_MAX: usize = 64 * 1024;

/// Longest frame whose body is skipped and answered with an error. A header above it is taken for a stream
/// that has lost its framing, which cannot be mended: exit 65.
pub const FRAME_HARD_MAX: usize = 16 * 1024 * 1024;

/// Longest frame that the program ever sends. `{packet,4}` has no limit of its own on the BEAM's side.
pub const REPLY_FRAME_MAX: usize = 1024 * 1024;

/// Longest request frame of the `net` role: a hundred thousand elements of a set in one change, with their comments.
pub const NET_FRAME_MAX: usize = FRAME_HARD_MAX;

/// Nesting of a request of the `net` role: maps of verdicts in rules in commands, with room.
pub const NET_DEPTH_MAX: usize = 64;

/// Terms in one request frame of the `net` role: as many as the longest frame can hold of the shortest elements.
pub const NET_TERMS_MAX: usize = 4 * 1024 * 1024;

/// Nesting of a request of the `proc` role: the deepest real one has five levels.
pub const PROC_DEPTH_MAX: usize = 16;

/// Terms in one request frame.
pub const TERMS_MAX: usize = 65_536;

/// Pairs of one map in a request of the `proc` role: the widest schema has fewer than ten keys.
pub const MAP_PAIRS_MAX: usize = 64;

/// Bytes of an integer's magnitude. Every schema's widest integer fits 64 bits.
pub const INTEGER_BYTES_MAX: usize = 8;

/// Bytes of an atom's name: OTP allows 255 characters, ours are ASCII.
pub const ATOM_BYTES_MAX: usize = 255;

/// Rows of one chunk of a row answer: the BEAM decodes such a chunk in well under a millisecond.
pub const CHUNK_ROWS_MAX: usize = 256;

/// Bytes after which a chunk is closed. One row may be longer; it then travels alone.
pub const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// Bytes of one row: with what stands around it, and a chunk before it, it fits into the longest frame.
pub const ROW_BYTES_MAX: usize = REPLY_FRAME_MAX - 2 * CHUNK_BYTES_MAX;

/// Chunks that a row answer may send before the first `credit` frame.
pub const CREDIT_INITIAL: u32 = 16;

/// Most chunks that one request can have in credit: more would only be a way to count without end.
pub const CREDIT_MAX: u32 = 1 << 20;

/// Row answers that are produced at the same time; each holds one descriptor on `/proc`.
pub const SCANS_MAX: usize = 16;

/// Requests that are unanswered at a time: those above, and others that wait for their turn. Beyond it the answer is
/// `overloaded`. A waiting request holds its decoded arguments, at most some 128 KiB.
pub const IN_FLIGHT_MAX: usize = 256;

/// Bytes of finished replies that wait for the peer to read. Above it no frame is taken and no scan goes on; as many that
/// were written are forgotten together. So a peer that reads slowly, or not at all, costs twice this and one frame.
pub const OUTPUT_PENDING_MAX: usize = 256 * 1024;

/// Longest time that one slice of a scan runs before input is looked at again, in microseconds.
pub const SLICE_MICROS: u64 = 2_000;

/// Longest deadline that a request can ask for, in milliseconds. Longer ones are cut to it.
pub const DEADLINE_MAX_MS: u64 = 10 * 60 * 1000;

/// Largest request id.
pub const REQUEST_ID_MAX: u64 = 1 << 59;

/// Bytes of one cell (a command line, a link target) unless the request asks otherwise.
pub const CELL_DEFAULT: usize = 4096;

/// Most bytes of one cell that a request can ask for.
pub const CELL_MAX: usize = 64 * 1024;

/// Bytes read of `/proc/PID/stat`: 52 numbers and a name of at most 64 bytes.
pub const STAT_MAX: usize = 2048;

/// Bytes read of `/proc/PID/status` at first: it has 1,500 where the process is in few groups.
pub const STATUS_USUAL: usize = 8 * 1024;

/// Bytes read of `/proc/PID/status` at most: 65,536 groups, the kernel's limit, make 720,000. A smaller bound would let
/// a process push what stands behind its groups out of sight.
pub const STATUS_MAX: usize = 1024 * 1024;

/// Bytes read of `/proc/PID/io` and `/proc/PID/limits`: fixed lists of numbers.
pub const SMALL_FILE_MAX: usize = 4096;

/// Bytes read of `/proc/PID/environ` for a row for each variable: what a process is usually started with has a few thousand, and the
/// kernel takes two million at most; what a process makes of its memory later has no bound.
pub const ENVIRON_MAX: usize = 1024 * 1024;

/// Values in one condition of a `where`, and pids in one request.
pub const ANY_OF_MAX: usize = 4096;

/// Largest pid: the kernel's `PID_MAX_LIMIT` on 64 bit (include/linux/threads.h).
pub const PID_MAX: u32 = 4_194_304;

/// Address space of the program, in bytes: forty times what it uses, far below what would hurt the host.
pub const ADDRESS_SPACE_MAX: u64 = 256 * 1024 * 1024;

/// Open descriptors: three standard ones, two sockets of the audit trail, and of role `proc` two for tables and two for events, one per
/// helper process, one per handle and three for the walk to a file, two for the row that is being read, one per process whose end is
/// waited for, and of each scan and each periodic question under way three, which it keeps between two slices: `/proc`, a process, and
/// its list of threads or descriptors. That is 102. Role `net` has fewer. What the policy lets be kept (`limits.kept_descriptors`)
/// comes on top.
pub const DESCRIPTORS_MAX: u64 = 104;

/// Helper processes: what a file system holds one with cannot hold the port.
pub const HELPERS: usize = 4;

/// Helpers that are never asked about what somebody's program or another host answers (FUSE, NFS): any number of mounts that do not
/// answer leave one for the local disks.
pub const HELPERS_FOR_LOCAL: usize = 1;

/// Descriptors of a helper: its socket, and two steps of a path.
pub const HELPER_DESCRIPTORS_MAX: u64 = 3;

/// Milliseconds in which a file system must say how full it is: a disk that sleeps is up by then, a network is not waited for.
pub const STATFS_ANSWER_MS: u64 = 1_000;

/// Milliseconds after a late answer until the mount is asked again; twice as many after each further one,
pub const STATFS_RETRY_MIN_MS: u64 = 1_000;

/// and this at most.
pub const STATFS_RETRY_MAX_MS: u64 = 60_000;

/// Mounts that are remembered for having answered late. Each was one of [`HELPERS`] for a second at least.
pub const STATFS_LATE_MAX: usize = 64;

/// Bytes of what one query of `disk_usage` keeps of mounts, some 150 each: [`IN_FLIGHT_MAX`] of them fit the address space.
pub const DISK_MOUNTS_BYTES_MAX: usize = 512 * 1024;

/// Descriptors beyond those that the policy can let tables keep between two samples of processes: as many as processes are
/// remembered of one sample.
pub const KEPT_DESCRIPTORS_MAX: u64 = 64 * 1024;

/// Bytes that one reader keeps of its last sample.
pub const SAMPLES_BYTES: usize = 4 << 20;

/// Bytes that all readers together keep of theirs. A query that waits for its second sample has no place among the scans, so that
/// their number does not bound it.
pub const SAMPLES_ALL_BYTES: usize = 32 << 20;

/// Time between two samples, in milliseconds, unless the request says otherwise.
pub const INTERVAL_DEFAULT_MS: u64 = 1000;

/// Shortest: five clock ticks, in which the kernel counts processor time.
pub const INTERVAL_MIN_MS: u64 = 50;

/// Longest: who wants an average of more than a minute keeps counters.
pub const INTERVAL_MAX_MS: u64 = 60_000;

/// Bytes of a path that a client can name: the kernel's `PATH_MAX`, without the NUL.
pub const PATH_BYTES_MAX: usize = 4095;

/// Files that one copy keeps open for its client.
pub const HANDLES_MAX: usize = 16;

/// Milliseconds after which a file that nobody reads from is closed, unless the policy says otherwise.
pub const FILE_IDLE_MS: u64 = 60_000;

/// Most that the policy can say: a client that forgot its files shall not keep them for ever.
pub const FILE_IDLE_MAX_MS: u64 = 60 * 60 * 1000;

/// Bytes of one read: half of the longest frame, so that it fits with everything around it.
pub const FILE_READ_MAX: usize = 512 * 1024;

/// Bytes of one read unless the request asks otherwise.
pub const FILE_READ_DEFAULT: usize = 64 * 1024;

/// Bytes of payload of an echo request: below the smallest MTU that IPv6 allows, so that nothing is fragmented.
pub const PING_SIZE_MAX: usize = 1200;

/// Bytes of payload of an echo request unless it asks otherwise: what ping(8) sends.
pub const PING_SIZE_DEFAULT: usize = 56;

/// Echo requests that wait for a reply.
pub const PINGS_MAX: usize = 256;

/// Bytes of a kernel parameter's value: the longest known, `net.ipv4.ip_local_reserved_ports`, lists ranges of 65,536 ports and has
/// a few hundred in practice.
pub const SYSCTL_VALUE_MAX: usize = 64 * 1024;

/// Bytes of all values in one list of parameters: with the names of a policy of 64 KiB around them it fits into a frame.
pub const SYSCTL_LIST_BYTES_MAX: usize = 256 * 1024;

/// Subscriptions of one copy.
pub const SUBSCRIPTIONS_MAX: usize = 16;

/// Events that a subscription is sent before the first `credit` frame.
pub const EVENTS_INITIAL: u32 = 64;

/// Records of refusals that are written in a second: enough to see what happens, too few to fill a disk.
pub const AUDIT_REFUSALS_PER_S: u64 = 100;

/// Leading bits of a network that can be banned, at least. A ban asks for no confirmation, and one of all addresses would cut off the host for good.
pub const BAN_BITS_MIN_4: u64 = 8;

/// The same of IPv6: less is given to nobody (RFC 4291; regions have /12 and longer).
pub const BAN_BITS_MIN_6: u64 = 12;

/// Shortest time of a ban, in milliseconds: it is counted in seconds. Less is meant as seconds.
pub const BAN_MIN_MS: u64 = 1000;

/// Longest time of a ban, in milliseconds: a year. Longer ones have none.
pub const BAN_MAX_MS: u64 = 366 * 24 * 60 * 60 * 1000;

/// Elements that a listing shows inside their set; more come in rows of so many each, as `element` objects.
pub const NFT_ROW_ELEMENTS: usize = 1024;

/// Elements of a set of intervals that a listing holds at once, to put beginnings and ends together: a beginning and an end each,
/// some 150 bytes, which leaves room in the address space.
pub const NFT_INTERVALS_MAX: usize = 512 * 1024;

/// Beginnings and ends of intervals that one ban, or one that takes a ban back, meets: each is kept as it is, some hundred bytes, and what becomes
/// of it twice more.
pub const NFT_NEAR_MAX: usize = 64 * 1024;

/// Shortest time in which a change can be confirmed, in milliseconds: a round trip and somebody's decision.
pub const CONFIRM_MIN_MS: u64 = 100;

/// Longest: a change that nobody confirms within an hour was forgotten.
pub const CONFIRM_MAX_MS: u64 = 60 * 60 * 1000;

/// Commands of one change of the firewall, which the kernel takes or refuses as a whole.
pub const NFT_COMMANDS_MAX: usize = 65_536;

/// Changes of one transaction that an event shows; the others it counts.
pub const NFT_EVENT_CHANGES_MAX: usize = 1024;

/// Bytes of messages that are kept for one event. A transaction has as many as its maker likes, and is gathered to its end.
pub const NFT_EVENT_BYTES_MAX: usize = 256 * 1024;

/// Bytes of the changes of one event as terms, which say the same in more words: half of the longest frame.
pub const NFT_EVENT_TERM_MAX: usize = 512 * 1024;

/// Sets that are looked up for one event, some ten microseconds each.
pub const NFT_EVENT_SETS_MAX: u32 = 256;

/// Changes of one transaction that a denial has the line for. What a person reads and copies; more come with the next attempt.
pub const NFT_GRANTS_MAX: usize = 32;

/// Statements of one rule: the kernel takes 128 expressions (`NFT_RULE_MAXEXPRS`, net/netfilter/nf_tables_api.c), and a
/// statement is one at least.
pub const NFT_STATEMENTS_MAX: usize = 128;

/// Levels of the expressions of a statement. The scan bounds the term; this bounds what is made of it, as operators
/// with many operands nest to the left.
pub const NFT_LEVELS_MAX: u32 = 64;

/// Expressions and statements of one request without those of `element` commands, which stay in the frame: ten thousand
/// rules of fifty. Some hundred bytes each, they take a fraction of the address space.
pub const NFT_EXPRESSIONS_MAX: u32 = 1 << 19;

/// Elements of a set inside a rule, and of any other list there.
pub const NFT_RULE_LIST_MAX: usize = 65_536;

/// Bytes of the name of a table, chain, set or object: `NFT_NAME_MAXLEN` without the NUL (nf_tables.h).
pub const NFT_NAME_MAX: usize = 255;

/// Bytes of a comment: what nft(8) takes; with its header it fits user data (`NFT_USERDATA_MAXLEN` 256).
pub const NFT_COMMENT_MAX: usize = 128;

/// Bytes of a value written as text: `@` and a name. The widest number, 64 bytes in hexadecimal, is shorter.
pub const NFT_TEXT_MAX: usize = 256;

/// Bytes of the name of a device: `IFNAMSIZ` without the NUL (if.h).
pub const DEVICE_NAME_MAX: usize = 15;

/// Devices of one chain: `NFT_NETDEVICE_MAX` (include/net/netfilter/nf_tables.h).
pub const NFT_DEVICES_MAX: usize = 256;

/// Statements that are kept with every element of a set: `NFT_SET_EXPR_MAX` (include/net/netfilter/nf_tables.h).
pub const NFT_ELEMENT_STATEMENTS_MAX: usize = 2;

/// Parts of a concatenation: registers of four bytes (`NFT_REG32_COUNT`, nf_tables.h).
pub const NFT_PARTS_MAX: usize = 16;

/// Bytes before a logged line: `NF_LOG_PREFIXLEN` without the NUL (nf_log.h).
pub const NFT_LOG_PREFIX_MAX: usize = 127;

/// Bytes of a word of the peer that an error repeats.
pub const ECHO_MAX: usize = 255;

/// Shortest period of a question that is asked over and over, in milliseconds: ten times a second is what a person can follow, and a
/// scan of ten thousand processes takes about that long.
pub const EVERY_MIN_MS: u64 = 100;

/// Longest: an hour. Who asks more seldom asks by himself.
pub const EVERY_MAX_MS: u64 = 60 * 60 * 1000;

/// Bytes of rows that one subscription to a question keeps to compare with, as they travel, with what it takes to find them: some
/// 20,000 processes with their default columns. All subscriptions together then take a fourth of the address space.
pub const WATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes that a kept row takes beside its own, for the tree and the allocator.
pub const WATCH_ROW_COST: usize = 96;

/// Bytes of one row that is compared: with what it was before, and a part that is nearly full, it fits into the longest frame.
pub const WATCH_ROW_MAX: usize = REPLY_FRAME_MAX / 4;

/// Periodic questions that are being answered at the same time; each holds one descriptor on `/proc`.
pub const PERIODIC_OPEN_MAX: usize = 4;

/// Processes whose end is waited for; each holds a descriptor.
pub const EXITS_MAX: usize = 8;

/// Milliseconds between the end of a process and the time when its parent must have asked for its exit code, or it is told as
/// unknown. Who waits for its children does so within microseconds.
pub const REAP_MAX_MS: u64 = 1000;

/// Bytes that may wait in a socket of events, as asked for; everybody is given as much as `net.core.rmem_max`.
pub const WATCH_ROOM: usize = 4 * 1024 * 1024;

/// Messages in which the answer to the demand for events of processes must be: what had come before is among them.
pub const CONNECTOR_ACK_MESSAGES: u32 = 4096;
