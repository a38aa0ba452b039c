//! The file of a node, as docs/distribution.md describes it: from text to what it says, or to everything that is wrong with it.
//!
//! Nothing has a default that lets anybody in: without names in `allow` no node connects, without a rule nothing passes from one.
#![forbid(unsafe_code)]

pub mod notes;
mod protects;
mod rules;
mod sections;

use std::net::SocketAddr;

use crate::dist::filter::policy::Policy;
use crate::dist::handshake::name::NodeName;
use crate::limits;
use crate::op::Role;
use crate::settings;
pub use crate::settings::Mistake;
pub use protects::{Place, Protects};

/// The version of the format.
const VERSION: u64 = 1;

/// How nodes find this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epmd {
    /// They know the port.
    Off,
    /// By the daemon at this address.
    At(SocketAddr),
}

/// Files of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate of this node, with those above it.
    pub certificate: String,
    /// Its key.
    pub key: String,
    /// The authorities that peers' certificates must come from.
    pub authorities: String,
}

/// Bounds of connections, before and after they are up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Milliseconds for a handshake.
    pub handshake_ms: u64,
    /// Handshakes at a time.
    pub half_open: usize,
    /// Of one address.
    pub half_open_per_address: usize,
    /// Handshakes of one address that may fail in a minute.
    pub failures_per_minute: usize,
    /// Nodes at a time.
    pub nodes: usize,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            handshake_ms: limits::DIST_HANDSHAKE_MS,
            half_open: limits::DIST_HALF_OPEN_DEFAULT,
            half_open_per_address: limits::DIST_HALF_OPEN_ADDRESS_DEFAULT,
            failures_per_minute: limits::DIST_FAILURES_DEFAULT,
            nodes: limits::DIST_NODES_DEFAULT,
        }
    }
}

/// The installed copies of the port program that sessions are with; a role without one is not served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Programs {
    /// For role `proc`.
    pub proc: Option<String>,
    /// For role `net`.
    pub net: Option<String>,
}

impl Programs {
    /// The program for a role.
    #[must_use]
    pub fn of(&self, role: Role) -> Option<&str> {
        match role {
            Role::Proc => self.proc.as_deref(),
            Role::Net => self.net.as_deref(),
        }
    }
}

/// What a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name of this node.
    pub name: NodeName,
    /// The file of its cookie.
    pub cookie_file: String,
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// How others find it.
    pub epmd: Epmd,
    /// Certificates; without them whoever reads the network reads along.
    pub tls: Option<Tls>,
    /// What sessions are with.
    pub programs: Programs,
    /// The node that stands behind this one; only for `portcullis gateway`.
    pub protects: Option<Protects>,
    /// Bounds of connections.
    pub connections: Connections,
    /// The rules, before any node connects.
    pub policy: Policy,
}

/// Reads the text of a file.
///
/// # Errors
/// Everything that is wrong with it, up to twenty mistakes.
pub fn parse(text: &[u8]) -> Result<Config, Vec<Mistake>> {
    settings::read(text, |reader, document| reader.config(document))
}

#[cfg(test)]
mod tests;
