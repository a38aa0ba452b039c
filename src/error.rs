//! What can go wrong, as the outside sees it: exit codes with their reasons, and the errors of requests.
//! Codes and terms are part of the protocol (docs/protocol.md); they never change their meaning.
#![forbid(unsafe_code)]

use crate::capability::Capability;
use crate::ids::RequestId;

/// Why the program will not serve. The discriminant is the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// The command line is not one that it knows.
    BadArguments = 2,
    /// stdin or stdout is not a pipe or a socket.
    StdioNotPipe = 64,
    /// A frame header above the hard bound.
    HeaderTooLarge = 65,
    /// Effective uid 0 without the explicit flag.
    RunningAsRoot = 66,
    /// A defect of the program.
    Internal = 70,
    /// The mode of its file is not 0750 or 0700.
    FileMode = 71,
    /// The owner of its file is not root.
    FileOwner = 72,
    /// Its file has more than one hard link.
    FileLinks = 73,
    /// Its file has a POSIX ACL.
    FileAcl = 74,
    /// A directory above it can be changed by others than root.
    DirectoryWritable = 75,
    /// The policy file is wrong.
    PolicyFile = 76,
    /// A capability of its role is missing.
    CapabilityMissing = 77,
    /// The kernel refused a hardening step.
    HardeningFailed = 78,
    /// Who is at the other end of the socket may not be there.
    PeerNotAllowed = 79,
}

impl Reason {
    /// The exit status.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The atom of the `refused` frame.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BadArguments => "bad_arguments",
            Self::StdioNotPipe => "stdio_not_pipe",
            Self::HeaderTooLarge => "header_too_large",
            Self::RunningAsRoot => "running_as_root",
            Self::Internal => "internal",
            Self::FileMode => "file_mode",
            Self::FileOwner => "file_owner",
            Self::FileLinks => "file_links",
            Self::FileAcl => "file_acl",
            Self::DirectoryWritable => "directory_writable",
            Self::PolicyFile => "policy_file",
            Self::CapabilityMissing => "capability_missing",
            Self::HardeningFailed => "hardening_failed",
            Self::PeerNotAllowed => "peer_not_allowed",
        }
    }
}

/// A refusal to serve: what is wrong and the command that mends it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}; to mend it: {fix}")]
pub struct Refusal {
    /// Which rule.
    pub reason: Reason,
    /// What was found, for a person.
    pub message: String,
    /// A command to type.
    pub fix: String,
}

impl Refusal {
    /// A refusal for `reason`.
    pub fn new(reason: Reason, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { reason, message: message.into(), fix: fix.into() }
    }
}

/// One step of the way to the place in a request that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A key of the schema.
    Key(&'static str),
    /// A key that the schema does not have, as the peer wrote it.
    Unknown(Vec<u8>),
    /// A position in a list or tuple, from 1.
    Index(u64),
}

/// What is wrong with a term that is not of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The schema has no such key.
    UnknownKey,
    /// The same, and the key that was probably meant.
    MisspeltKey(&'static str),
    /// A key that the schema asks for is not there.
    Missing,
    /// The key, or the list element, stands twice.
    Duplicate,
    /// A list that must have elements has none.
    Empty,
    /// The request id belongs to a request that is still running.
    InFlight,
    /// Another type of term belongs here.
    Expected(&'static str),
    /// One of these words belongs here: a text that names them.
    OneOf(String),
    /// A number outside its range.
    Range(u64, u64),
    /// A list that is too long.
    TooMany(u64),
    /// No column has this name.
    UnknownColumn(Vec<u8>),
    /// The same, and the column that was probably meant.
    MisspeltColumn(Vec<u8>, &'static str),
    /// A condition on a column that holds lists or maps.
    NotComparable(&'static str),
    /// A word that is none of those that can stand here: as the peer wrote it, cut.
    UnknownName(Vec<u8>),
    /// The same, and the word that was probably meant.
    Misspelt(Vec<u8>, &'static str),
    /// What stands in listings only, and can be restored but not written.
    ListedOnly,
    /// What the schema has and this program does not.
    Unsupported(&'static str),
    /// A text that is too short or too long, in bytes.
    Length(u64, u64),
    /// It excludes another key that is there too.
    Excludes(&'static str),
    /// What only tables of two samples take.
    NotSampled,
    /// A name with a NUL in it, which the kernel would take for its end.
    Nul,
}

/// Why an action is not allowed: the rule that decides, and what a person can do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The key of the policy.
    pub rule: &'static str,
    /// What is wrong, and what to do.
    pub hint: String,
    /// The line of the policy that would allow it, and the section that it belongs to.
    pub grant: Option<(&'static str, String)>,
}

impl Denial {
    /// A denial that no line of a policy would lift.
    pub fn new(rule: &'static str, hint: impl Into<String>) -> Self {
        Self { rule, hint: hint.into(), grant: None }
    }

    /// A denial that `line` in `section` of the file at `path` would lift.
    #[must_use]
    pub fn needs(rule: &'static str, path: &str, section: &'static str, line: String) -> Self {
        let hint = format!("{path} does not grant it; under {section} this would: {line}");
        Self { rule, hint, grant: Some((section, line)) }
    }
}

/// The error that ends a request. The port lives on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// The deadline passed.
    Timeout,
    /// Too many requests in flight.
    Overloaded,
    /// The client cancelled it.
    Cancelled,
    /// No such process, or no longer the one that was meant.
    NoProcess,
    /// The policy does not grant it.
    DeniedByPolicy(Denial),
    /// Capabilities that the port does not hold.
    NotPermitted(Vec<Capability>, &'static str),
    /// An operation that this port does not have.
    Unsupported(Vec<u8>),
    /// The kernel refused: the errno, and what was tried.
    Posix(i32, &'static str),
    /// What the request was made for has changed meanwhile.
    Stale,
    /// The kernel could not do it at the moment; another time it may.
    Busy,
    /// Whether it was done is not known.
    UnknownOutcome,
    /// The kernel refused a command of a change: which, from 1, the errno, and what is wrong, for a person.
    Nft(u64, i32, Vec<u8>),
    /// The term is not of the schema.
    BadRequest(Vec<Step>, Why),
    /// The frame is not an accepted term: the offset and the name of the reason. Always under [`RequestId::NONE`].
    BadFrame(u64, &'static str),
}

impl RequestError {
    /// The error together with the request that it ends.
    #[must_use]
    pub fn of(self, id: RequestId) -> (RequestId, Self) {
        (id, self)
    }

    /// The error of something that was read by itself, with the way to it in the request.
    #[must_use]
    pub fn below(self, at: &[Step]) -> Self {
        match self {
            Self::BadRequest(inside, why) => Self::BadRequest([at, &inside].concat(), why),
            other => other,
        }
    }
}
