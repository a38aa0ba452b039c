//! The two nodes of a connection.
#![forbid(unsafe_code)]

use crate::dist::command::Party;

/// One of the two nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Which start of it, from the handshake.
    pub creation: u32,
}

/// The two nodes of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nodes {
    /// The node behind the firewall.
    pub protected: Node,
    /// The node in front of it.
    pub peer: Node,
}

impl Nodes {
    /// Whose node that is, if it is one of the two.
    #[must_use]
    pub fn party(&self, name: &str) -> Option<Party> {
        [Party::Protected, Party::Peer].into_iter().find(|party| self.of(*party).name == name)
    }

    /// The node of a party.
    #[must_use]
    pub fn of(&self, party: Party) -> &Node {
        match party {
            Party::Protected => &self.protected,
            Party::Peer => &self.peer,
        }
    }
}
