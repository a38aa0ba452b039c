//! A policy as data: what its file says, each rule with the line where it stands.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use crate::audit::log::Sink;
use crate::limits::{CELL_MAX, DEADLINE_MAX_MS, FILE_IDLE_MS, FRAME_HARD_MAX};
use crate::policy::peers::Peers;

/// Trees that cannot be listed: what stands there is made by the kernel when it is read, and some of it leads anywhere.
pub const NO_FILES: &[&[u8]] = &[b"/proc", b"/sys", b"/dev"];

/// Characters that a listed path cannot have: who writes them means something else than the policy would.
pub const WILDCARDS: [char; 3] = ['*', '?', '['];

/// The number of a line, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line(pub u32);

/// How much of other users' processes is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProcLevel {
    /// No process data at all.
    None,
    /// What every user of the host sees. What is in force without a file.
    Public,
    /// With `CAP_SYS_PTRACE` links and `hidepid` mounts too.
    Basic,
    /// Everything that the kernel shows, with `CAP_DAC_READ_SEARCH` too.
    Full,
}

impl ProcLevel {
    /// All of them, the least first.
    pub const ALL: &[Self] = &[Self::None, Self::Public, Self::Basic, Self::Full];

    /// The word in the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Public => "public",
            Self::Basic => "basic",
            Self::Full => "full",
        }
    }
}

/// `[proc]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proc {
    /// `level`.
    pub level: ProcLevel,
    /// Where it stands.
    pub level_line: Option<Line>,
    /// `environ`: the variables whose values are shown.
    pub environ: Vec<String>,
    /// Where they stand.
    pub environ_line: Option<Line>,
    /// `disk_usage`: file systems are asked how full they are, by helper processes.
    pub disk_usage: bool,
    /// Where it stands.
    pub disk_usage_line: Option<Line>,
}

/// One entry of `read` in `[files]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// A file, or a directory with everything below it.
    pub path: Vec<u8>,
    /// Bytes that can be read through one handle.
    pub max_bytes: u64,
    /// Where it stands.
    pub line: Line,
}

/// One entry of `allow` in `[ping]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its first address.
    pub address: IpAddr,
    /// Leading bits that must be equal.
    pub bits: u8,
    /// Where it stands.
    pub line: Line,
}

impl Network {
    /// Whether the address lies in it.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        let equal = |a: u128, b: u128, width: u8| {
            let ignored = u32::from(width.saturating_sub(self.bits));
            (a ^ b).checked_shr(ignored).unwrap_or(0) == 0
        };
        match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => equal(u32::from(a).into(), u32::from(b).into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => equal(a.into(), b.into(), 128),
            _ => false,
        }
    }
}

/// One entry of `write` in `[nft]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NftWrite {
    /// The family of the table.
    pub family: String,
    /// The table.
    pub table: String,
    /// What may be done.
    pub ops: Vec<String>,
    /// In which chains.
    pub chains: Vec<String>,
    /// In which sets.
    pub sets: Vec<String>,
    /// Of which named objects.
    pub objects: Vec<String>,
    /// `all`: every operation on the table and everything in it. The lists above are empty then.
    pub all: bool,
    /// Where it stands.
    pub line: Line,
}

/// `[nft]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nft {
    /// `read`.
    pub read: bool,
    /// Where it stands.
    pub read_line: Option<Line>,
    /// `write`.
    pub write: Vec<NftWrite>,
    /// `confirm`: every change must be confirmed, or it is taken back.
    pub confirm: bool,
}

/// One entry of `write` in `[sysctl]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SysctlWrite {
    /// The parameter.
    pub name: String,
    /// Its allowed values.
    pub values: Vec<String>,
    /// Where it stands.
    pub line: Line,
}

/// `[sysctl]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sysctl {
    /// `read`.
    pub read: Vec<(String, Line)>,
    /// `write`.
    pub write: Vec<SysctlWrite>,
}

impl Sysctl {
    /// Every parameter that is named.
    pub fn names(&self) -> impl Iterator<Item = (&str, Line)> {
        let read = self.read.iter().map(|(name, line)| (name.as_str(), *line));
        read.chain(self.write.iter().map(|rule| (rule.name.as_str(), rule.line)))
    }
}

/// `[limits]`. They hold for each copy of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests in a second.
    pub requests_per_s: u64,
    /// Changes in a second.
    pub writes_per_s: u64,
    /// The longest deadline of a request, in milliseconds.
    pub deadline_ms: u64,
    /// The longest frame, in bytes; a role's own bound stands above it.
    pub frame_max: u64,
    /// Rows of one answer.
    pub rows_max: u64,
    /// Bytes of one cell.
    pub cell_max: u64,
    /// Milliseconds after which a file that nobody reads from is closed.
    pub file_idle_ms: u64,
    /// Descriptors that tables keep from one sample of processes to the next.
    pub kept_descriptors: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_s: 50_000,
            writes_per_s: 100,
            deadline_ms: DEADLINE_MAX_MS,
            frame_max: FRAME_HARD_MAX as u64,
            rows_max: u64::from(crate::limits::PID_MAX),
            cell_max: CELL_MAX as u64,
            file_idle_ms: FILE_IDLE_MS,
            kept_descriptors: 0,
        }
    }
}

/// `[audit]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// `syslog`.
    pub syslog: Sink,
    /// `kernel`: into the kernel's audit log too.
    pub kernel: bool,
}

/// One entry of `uids` in `[socket]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub uid: u32,
    /// Where it stands.
    pub line: Line,
}

/// All rules of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// `[proc]`.
    pub proc: Proc,
    /// `[files]`.
    pub files: Vec<Listed>,
    /// `[ping]`.
    pub ping: Vec<Network>,
    /// `[nft]`.
    pub nft: Nft,
    /// `[sysctl]`.
    pub sysctl: Sysctl,
    /// `[socket]`: who may be at the other end of a unix socket, beside the user that the program runs as.
    pub socket: Vec<Caller>,
    /// `[limits]`.
    pub limits: Limits,
    /// `[audit]`.
    pub audit: Audit,
    /// What nodes of Erlang distribution may do of all this.
    pub peers: Peers,
}

impl Rules {
    /// What a file grants that says nothing: nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            proc: Proc {
                level: ProcLevel::None,
                level_line: None,
                environ: Vec::new(),
                environ_line: None,
                disk_usage: false,
                disk_usage_line: None,
            },
            files: Vec::new(),
            ping: Vec::new(),
            nft: Nft { read: false, read_line: None, write: Vec::new(), confirm: true },
            sysctl: Sysctl::default(),
            socket: Vec::new(),
            limits: Limits::default(),
            audit: Audit { syslog: Sink::On, kernel: false },
            peers: Peers::default(),
        }
    }

    /// What is in force without a file: what every user of the host sees.
    #[must_use]
    pub fn without_a_file() -> Self {
        let nothing = Self::nothing();
        Self { proc: Proc { level: ProcLevel::Public, ..nothing.proc }, ..nothing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str, bits: u8) -> Network {
        Network { address: text.parse().unwrap(), bits, line: Line(1) }
    }

    #[test]
    fn a_network_has_the_addresses_of_its_prefix_and_its_family() {
        let has = |net: Network, address: &str| net.has(address.parse().unwrap());
        assert!(has(network("10.0.0.0", 8), "10.255.0.1") && !has(network("10.0.0.0", 8), "11.0.0.0"));
        assert!(has(network("192.0.2.1", 32), "192.0.2.1") && !has(network("192.0.2.1", 32), "192.0.2.0"));
        assert!(has(network("0.0.0.0", 0), "255.1.2.3") && !has(network("0.0.0.0", 0), "::1"));
        assert!(has(network("fe80::", 10), "febf::1") && !has(network("fe80::", 10), "fec0::"));
        assert!(
            has(network("::", 0), "ffff::")
                && has(network("::1", 128), "::1")
                && !has(network("::1", 128), "::")
        );
    }
}
