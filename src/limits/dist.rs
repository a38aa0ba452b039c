//! Bounds of distribution: what nodes, strangers and the two processes of a node or gateway may take.
#![forbid(unsafe_code)]

use super::{CREDIT_INITIAL, EVENTS_INITIAL, FRAME_HARD_MAX, NET_TERMS_MAX, SUBSCRIPTIONS_MAX};

/// Bytes of one frame of a handshake between nodes: a name of 255 bytes and 19 in front of it, with room.
pub const DIST_HANDSHAKE_FRAME_MAX: usize = 1024;

/// Names in the certificate of a node that are looked at: it has one or two, and one with more than this is none.
pub const CERTIFICATE_NAMES_MAX: usize = 64;

/// Bytes of a file of certificates: a chain, or the authorities of some companies. A key is far shorter.
pub const TLS_FILE_MAX: usize = 64 * 1024;

/// Bytes that wait inside TLS to be written: four of its records. The rest waits in front of it, where [`NODE_OUTPUT_MAX`] is its bound.
pub const TLS_BUFFER_MAX: usize = 64 * 1024;

/// Certificates that a peer may show beside its own. Reading the way from one to the other takes the better part of a second with ten of them.
pub const TLS_INTERMEDIATES_MAX: usize = 4;

/// Longest message between nodes that a file can allow: the address space of the program holds it twice.
pub const DIST_FRAME_HARD_MAX: usize = 64 * 1024 * 1024;

/// Longest message between nodes unless the file says otherwise: what a request of the `net` role can have.
pub const DIST_FRAME_MAX: usize = FRAME_HARD_MAX;

/// Bytes that are read of a node at once.
pub const DIST_READ_MAX: usize = 64 * 1024;

/// Bytes of a node's name: those of an atom, in ASCII.
pub const DIST_NAME_MAX: usize = 255;

/// Characters of an atom (`MAX_ATOM_CHARACTERS`, erts/emulator/beam/atom.h).
pub const DIST_ATOM_CHARS_MAX: usize = 255;

/// Bytes of such an atom: up to four for each character.
pub const DIST_ATOM_BYTES_MAX: usize = 4 * DIST_ATOM_CHARS_MAX;

/// Characters that the numbers of a format may ask for together, which a group leader is to print with: each takes sixteen bytes of it, and
/// `"~1000000000c"` ended the node.
pub const DIST_PRINTED_MAX: usize = 65_536;

/// Spaces before each line of a term that is printed, of which there are as many as there are elements.
pub const DIST_INDENTED_MAX: usize = 132;

/// Bytes of the terms that a group leader is to make text of: with [`DIST_INDENTED_MAX`] before each element it is 8 MB of it in 0.1 s, and
/// without a bound one binary of 16 MB was 5.3 GB in 45 s.
pub const DIST_PRINTED_ARGUMENTS_MAX: usize = 65_536;

/// Pairs of all maps of a message: a node makes each map in one go, while nobody else runs there. 200,000 took it 22 to 63 ms, 1.9 million half a second.
pub const DIST_PAIRS_MAX: usize = 65_536;

/// Bytes of all keys that are tuples, lists or maps, which a node compares each with each where a map is small.
pub const DIST_KEY_BYTES_MAX: usize = 1 << 20;

/// The largest number of a process that every release of OTP can have: OTP 25 has 15 bits for it, and 13 for how often they were all used.
pub const DIST_OLD_ID_MAX: u32 = (1 << 15) - 1;

/// The same, of how often.
pub const DIST_OLD_SERIAL_MAX: u32 = (1 << 13) - 1;

/// Bytes of the reason of an end that a peer tells: 6 MB of it were 1.1 GB in the node that had a supervisor report it.
pub const DIST_REASON_BYTES_MAX: usize = 65_536;

/// New atoms of one message, whatever the file says: as many take 0.2 s to look up and to note, in which nobody else is heard.
pub const DIST_MESSAGE_ATOMS_MAX: usize = 1 << 16;

/// Bytes of a cookie: those of an atom, which it is in OTP.
pub const DIST_COOKIE_MAX: usize = 255;

/// Bytes of a control tuple. Three identifiers and a module and function of the longest names take under 6,000; the rest is a reason of a
/// node without `DFLAG_EXIT_PAYLOAD`, or options of a spawn request.
pub const DIST_CONTROL_BYTES_MAX: usize = 64 * 1024;

/// Bytes that are read of a message above the bound: its control tuple, and who waits for the answer to a call (a process and a reference of
/// the longest names).
pub const DIST_HEAD_BYTES: usize = DIST_CONTROL_BYTES_MAX + 8 * 1024;

/// Terms in one element of a control tuple, such as that reason.
pub const DIST_CONTROL_TERMS_MAX: usize = 16 * 1024;

/// Options of one spawn request: OTP knows about ten.
pub const DIST_SPAWN_OPTIONS_MAX: usize = 64;

/// Levels of a message between nodes, whatever the file says: the size of the array of counters.
pub const DIST_DEPTH_MAX: usize = 256;

/// Levels unless the file says otherwise.
pub const DIST_DEPTH_DEFAULT: usize = 64;

/// Terms of a message unless the file says otherwise.
pub const DIST_TERMS_DEFAULT: usize = NET_TERMS_MAX;

/// Bytes of one integer unless the file says otherwise: keys of 4,096 bits are numbers too.
pub const DIST_INTEGER_DEFAULT: usize = 512;

/// Identifiers of one message unless the file says otherwise; each may have to be remembered.
pub const DIST_IDENTIFIERS_DEFAULT: usize = 1024;

/// Atoms of one message that were not seen before, unless the file says otherwise.
pub const DIST_MESSAGE_ATOMS_DEFAULT: usize = 256;

/// Atoms that one node can ever bring, unless the file says otherwise: a hundredth of what a node has room for by default (1,048,576, `+t`).
/// They stay in the receiving node for ever, so the count goes on when the node connects again.
pub const DIST_ATOMS_DEFAULT: usize = 10_000;

/// The same of all names that a file lets in, together: they are kept for names, whether those are connected or not. Some 18 bytes each, so 150 MB.
pub const DIST_ATOMS_TOGETHER: usize = 8 << 20;

/// The same where one node stands behind a gateway, unless the file says otherwise: three quarters of what it has room for by default. Without TLS
/// one peer can come by each name in turn.
pub const DIST_ATOMS_BEHIND: usize = 3 << 18;

/// Processes, aliases, monitors, links and requests that are remembered of one connection, unless the file says otherwise or lets in so many
/// nodes that each has less of [`DIST_LEARNED_TOGETHER`].
pub const DIST_LEARNED_DEFAULT: usize = 16_384;

/// The same of all connections together, as many as the file lets in: some 170 bytes each where a table is full, so 180 MB of the address
/// space. 256 full tables of the default would be 690 MB: a gateway ended at the 177th.
pub const DIST_LEARNED_TOGETHER: usize = 1 << 20;

/// Seconds after which what nobody used is forgotten, unless the file says otherwise.
pub const DIST_LEARNED_IDLE_S: u64 = 3600;

/// Milliseconds for a whole handshake, unless the file says otherwise: OTP gives seven seconds (`net_setuptime`).
pub const DIST_HANDSHAKE_MS: u64 = 5000;

/// Connections whose handshake is not over, in all and from one address, unless the file says otherwise.
pub const DIST_HALF_OPEN_DEFAULT: usize = 64;

/// The same from one address.
pub const DIST_HALF_OPEN_ADDRESS_DEFAULT: usize = 8;

/// Nodes that are connected at a time, unless the file says otherwise.
pub const DIST_NODES_DEFAULT: usize = 64;

/// Handshakes of one address that may fail in a minute, unless the file says otherwise.
pub const DIST_FAILURES_DEFAULT: usize = 30;

/// Groups, nodes and rules of one file are bounded by its size; rules that are set at run time by this, for each node.
pub const DIST_RUNTIME_RULES_MAX: usize = 1024;

/// Bytes of the names in those rules: of ordinary names as many as there can be rules, of the longest a hundred.
pub const DIST_RUNTIME_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a peer's requests that wait for a port program to take them. Above it nothing more is read from that peer, so that one
/// frame of the longest kind may stand above it and no more.
pub const NODE_UNWRITTEN_MAX: usize = 1024 * 1024;

/// Sessions of a peer: its supervisors and a shell or two.
pub const NODE_SESSIONS_PER_PEER: usize = 16;

/// Sessions in all. Each is a process of 4 MB and three descriptors.
pub const NODE_SESSIONS_MAX: usize = 64;

/// Monitors of a session. Its owner has one.
pub const NODE_WATCHERS_MAX: usize = 8;

/// Bytes of what marks the answer to a call: a reference and the name of a node, with room.
pub const NODE_TAG_MAX: usize = 2048;

/// Milliseconds for a direct call that names none: less than the five seconds after which `gen_server:call` gives up by itself, so that
/// its caller hears `timeout` and does not exit.
pub const NODE_CALL_TIMEOUT_MS: u64 = 4_500;

/// Milliseconds behind the deadline of a direct call in which its copy must have answered: a busy host, a long answer.
pub const NODE_CALL_GRACE_MS: u64 = 1_000;

/// Direct calls of a peer that are under way: with its subscriptions they are fewer than one copy takes ([`IN_FLIGHT_MAX`]).
pub const NODE_CALLS_PER_PEER: usize = 128;

/// Subscriptions of a peer by direct calls: as many as one copy has.
pub const NODE_SUBSCRIPTIONS_PER_PEER: usize = SUBSCRIPTIONS_MAX;

/// Handles of subscriptions that have ended and may still be named, of each peer: none stays remembered for good.
pub const NODE_HANDLES_KEPT: usize = 256;

/// Bytes of the answer to a direct call, whatever the file says: it is gathered whole, and stands twice while it goes out.
pub const NODE_ANSWER_MAX: usize = 16 * 1024 * 1024;

/// Bytes of all answers that are being gathered, with what no peer has read yet: a fourth of the address space.
pub const NODE_ANSWERS_BYTES: usize = 64 * 1024 * 1024;

/// Chunks of rows for which a copy is given credit together: half of what it begins with, so that it never waits for it.
pub const NODE_CREDIT_BATCH: u32 = CREDIT_INITIAL / 2;

/// Events for which it is, likewise.
pub const NODE_EVENT_BATCH: u32 = EVENTS_INITIAL / 2;

/// Milliseconds for which a copy is kept that no direct call was made of. Starting one takes some five.
pub const NODE_COPY_IDLE_MS: u64 = 60_000;

/// Milliseconds of silence after a deadline of its own that it let pass; then it is taken for stuck.
pub const NODE_COPY_STUCK_MS: u64 = 5_000;

/// Bytes for a peer that he has not read. Above it nothing is read from the programs behind his sessions, which then wait; one frame of
/// the longest kind may stand above it.
pub const NODE_OUTPUT_MAX: usize = 4 * 1024 * 1024;

/// Memory of what no peer has read, in bytes, above which each may leave only [`NODE_OUTPUT_SHARE`] unread, with what one turn adds. All
/// of it together stays below [`NODE_ANSWERS_BYTES`], or those who do not read would leave no room for answers to others.
pub const NODE_OUTPUTS_MAX: usize = NODE_ANSWERS_BYTES / 4;

/// See [`NODE_OUTPUTS_MAX`]: [`DIST_CONNECTIONS_MAX`] peers have as much again.
pub const NODE_OUTPUT_SHARE: usize = NODE_OUTPUTS_MAX / DIST_CONNECTIONS_MAX;

/// Milliseconds for which one connection of a node or gateway is heard before others are; it ends with the message that is being answered then.
/// 64 KiB can be 260 questions that take a millisecond each to answer, and fifty peers that ask them kept another waiting for seconds.
pub const DIST_HEARD_MS: u64 = 1;

/// Milliseconds after which it is asked anew who has something to say. One who took little of the thread lately is heard first then, so that
/// this, with the one message that nobody can interrupt, is what others take of his time.
pub const DIST_TURN_MS: u64 = 2;

/// Milliseconds after which what a peer took of the thread counts half.
pub const DIST_FADES_MS: u64 = 100;

/// Seconds between two signs of life: a quarter of OTP's `net_ticktime`, after which a node is taken for dead.
pub const NODE_TICK_S: u64 = 15;

/// Milliseconds between two tries to tell a port mapper of the node again, which has ended and may be started again by any node of the host.
pub const EPMD_RETRY_MS: u64 = 5_000;

/// Connections of one kind that a file can allow: nodes, or those that have not said who they are. All of them, with what each may hold while
/// nothing is asked of it (128 KiB inside TLS before it has said who it is, and 256 KiB of each side later), fit into the address space
/// beside the messages that are under way.
pub const DIST_CONNECTIONS_MAX: usize = 256;

/// Descriptors of a process that is neither peers nor strangers: sessions, listeners, sockets to the other processes.
pub const NODE_DESCRIPTORS_OWN: usize = 160;

/// Descriptors of a node or a gateway: whatever a file can allow, as it can be read again, and behind each peer of a gateway a connection
/// with the protected node.
pub const NODE_DESCRIPTORS_MAX: usize = 3 * DIST_CONNECTIONS_MAX + NODE_DESCRIPTORS_OWN;

/// Connections that are taken in before those that are there get their turn.
pub const NODE_ACCEPTS_PER_TURN: usize = 16;

/// Lines a second about all those who have not said who they are.
pub const NODE_REPORTS_OF_STRANGERS_PER_S: u64 = 10;

/// Lines a second about the coming and going of one peer: that it has gone, that it is there again, and both once more.
pub const NODE_REPORTS_OF_PEER_PER_S: u64 = 4;

/// Characters of the reason for breaking the glass: one line that a person reads in a log.
pub const GLASS_REASON_MAX: usize = 200;

/// Bytes of the file that breaks it: the reason, written with escapes, and some numbers.
pub const GLASS_FILE_MAX: usize = 4096;

/// Longest time of a broken glass, in seconds, whatever the file says: a day. One that stays broken is no longer one.
pub const GLASS_MAX_S: u64 = 24 * 3600;

/// Milliseconds between two looks at that file: it counts within a second. A look is ten system calls.
pub const GLASS_LOOK_MS: u64 = 500;

/// Bytes of the key of one-time codes, at least: 128 bits (RFC 4226, 4).
pub const CODE_KEY_MIN: usize = 16;

/// And at most: a block of SHA-1, as a longer one would only be hashed first (RFC 2104).
pub const CODE_KEY_MAX: usize = 64;

/// Bytes of its file: in base32, which authenticators show with spaces.
pub const CODE_FILE_MAX: usize = 256;

/// Wrong codes within [`CODE_LOCK_MS`], after which none is looked at: of a million codes, three of which are right at a time, 30 an hour are
/// guessed, so that one is right after a year.
pub const CODE_WRONG_MAX: usize = 5;

/// Ten minutes.
pub const CODE_LOCK_MS: u64 = 10 * 60 * 1000;

/// Codes that wait for the starter's answer: people type them.
pub const NODE_CODES_WAITING: usize = 8;

/// Bytes of what a node tells its starter: a byte, or a name, a code and a reason.
pub const NODE_ASKS_MAX: usize = 1536;

/// Copies that a starter lets live at a time: twice the sessions of a node, as those that end take a moment. It counts itself, since a node
/// that was taken over does not.
pub const NODE_COPIES_MAX: usize = 2 * NODE_SESSIONS_MAX;

/// Copies that are started for one peer in a second: as many as it may have at a time.
pub const NODE_STARTS_PER_PEER_S: u64 = NODE_SESSIONS_PER_PEER as u64;

/// Wrong one-time codes that are told and recorded in a second, beside which others are only refused.
pub const CODE_RECORDS_PER_S: u64 = 1;

/// Milliseconds for which nobody is taken in where there are no descriptors left.
pub const NODE_REST_MS: u64 = 500;

/// Memory of a node that unfinished messages of all peers take together, in bytes. Above it the connection that holds most is ended. Beside
/// it there are a message in work, what copies have not read, and answers that wait.
pub const NODE_BUFFERS_MAX: usize = 160 * 1024 * 1024;

/// Address space of a node.
pub const NODE_ADDRESS_SPACE_MAX: u64 = 768 * 1024 * 1024;

/// Milliseconds for which a copy that has ended stays a zombie at most.
pub const NODE_REAP_MS: u64 = 5_000;

/// Copies that it starts in a second: all sessions at once, when a node's clients come back.
pub const NODE_STARTS_PER_S: u64 = 64;

/// Milliseconds in which a node must take what its starter says. One that does not is ended with it.
pub const NODE_UNHEARD_MS: u64 = 10_000;
/// Bytes that the buffers of a gateway take in all. Above it a message that has become large is read on only for one connection at a time.
pub const GATEWAY_BUFFERS_MAX: usize = 192 * 1024 * 1024;

/// Bytes of the buffer of one side of a connection above which it is large then: both sides of as many as there can be have no more together.
pub const GATEWAY_SHARE: usize = GATEWAY_BUFFERS_MAX / (2 * DIST_CONNECTIONS_MAX);

/// Address space of a gateway, in bytes: all buffers, each of which can double before they are counted again (384 MiB), what is remembered of
/// all connections (180 MiB), and the longest message twice.
pub const GATEWAY_ADDRESS_SPACE_MAX: u64 = 768 * 1024 * 1024;

/// Bytes of a connection's buffer that stay for a while after a long message, one way, as the next may be as long: calls of 1 MB pass
/// through without making it anew. Not where the buffers of all together are above their bound.
pub const GATEWAY_KEPT: usize = 2 * 1024 * 1024;

/// Bytes of answers to a node that it has not read. Above it nothing more of it is judged, as each message could have an answer.
pub const GATEWAY_ANSWERS_MAX: usize = 256 * 1024;

/// Milliseconds for which a protected node is taken for the one that it was, if nobody is connected with it: strangers that know a name can
/// have it asked once in this time.
pub const GATEWAY_FACTS_MS: u64 = 1000;

/// Milliseconds for a call to the protected node, its handshake included: it is near, or it is not there.
pub const GATEWAY_CALL_MS: u64 = 3000;

/// Milliseconds without new connections after one could not be taken in for want of descriptors.
pub const GATEWAY_REST_MS: u64 = 500;
/// Lines a second about denied messages, of all peers. Those about who comes and goes have their own, so that neither hides the other.
pub const NODE_DENIALS_PER_S: u64 = 10;

/// Seconds for which a denial of one kind is told once and then counted.
pub const NODE_DENIAL_S: u64 = 60;

/// Characters of a name that a message brought, in a line.
pub const NODE_NAME_SHOWN_MAX: usize = 64;

/// Changes at run time that one peer can ask for in a second: each compares two tables, which takes as long as some hundred messages.
pub const NODE_CHANGES_PER_S: u64 = 50;

/// Names beside those of the allow-list of which filters and counters are kept: a name that root's file has dropped may stand in it again.
pub const NODE_RECORDS_SPARE: usize = 64;

/// Addresses whose failed handshakes are counted, in some 100 bytes each. Who comes from more of them displaces those that failed least.
pub const NODE_ADDRESSES_MAX: usize = 4096;

/// Seconds for which failed handshakes of an address are counted.
pub const NODE_FAILURES_S: u64 = 60;
