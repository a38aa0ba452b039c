//! From the text of a policy file to its rules, or to everything that is wrong with it, each with line and column.
//!
//! Nothing has a default that grants.
#![forbid(unsafe_code)]

mod peers;
mod sections;

use toml::de::DeTable;

use crate::policy::rules::{Line, Rules};
pub use crate::settings::Mistake;
use crate::settings::{self, Reader, Value, quoted};

/// The version of the format.
const VERSION: u64 = 1;

/// Reads the text of a policy file.
pub fn parse(text: &[u8]) -> Result<Rules, Vec<Mistake>> {
    settings::read(text, |reader, document| Some(reader.rules(document)))
}

impl<'t> Reader<'t> {
    fn line(&self, value: &Value<'t>) -> Line {
        Line(self.line_of(value))
    }

    fn rules(&mut self, document: &DeTable<'t>) -> Rules {
        let mut rules = Rules::nothing();
        let known = [
            "version",
            "proc",
            "files",
            "ping",
            "nft",
            "sysctl",
            "socket",
            "limits",
            "audit",
            "peers",
            "peer",
            "peer_group",
        ];
        let [version, proc, files, ping, nft, sysctl, socket, limits, audit, peers, peer, groups] =
            self.keys_but(document, "the policy", known, reserved);
        match version {
            Some(value) => {
                self.integer(value, "version", VERSION, VERSION);
            }
            None => self.wrong(&(0..0), "before the first [section] there must be: version = 1"),
        }
        if let Some(table) = proc.and_then(|v| self.table(v, "[proc]")) {
            rules.proc = self.proc(table);
        }
        if let Some(table) = files.and_then(|v| self.table(v, "[files]")) {
            rules.files = self.files(table);
        }
        if let Some(table) = ping.and_then(|v| self.table(v, "[ping]")) {
            rules.ping = self.ping(table);
        }
        if let Some(table) = nft.and_then(|v| self.table(v, "[nft]")) {
            rules.nft = self.nft(table);
        }
        if let Some(table) = sysctl.and_then(|v| self.table(v, "[sysctl]")) {
            rules.sysctl = self.sysctl(table);
        }
        if let Some(table) = socket.and_then(|v| self.table(v, "[socket]")) {
            rules.socket = self.socket(table);
        }
        if let Some(table) = limits.and_then(|v| self.table(v, "[limits]")) {
            rules.limits = self.limits(table);
        }
        if let Some(table) = audit.and_then(|v| self.table(v, "[audit]")) {
            rules.audit = self.audit(table);
        }
        if let Some(table) = peers.and_then(|v| self.table(v, "[peers]")) {
            self.other_peers(table, &mut rules.peers);
        }
        if let Some(table) = peer.and_then(|v| self.table(v, "[peer]")) {
            self.peer(table, &mut rules.peers);
        }
        if let Some(table) = groups.and_then(|v| self.table(v, "[peer_group]")) {
            self.peer_groups(table, &mut rules.peers);
        }
        rules
    }

    /// A list of texts, each of which `fits`.
    fn fitting(
        &mut self,
        value: &Value<'t>,
        what: &str,
        expected: &str,
        fits: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let mut texts = Vec::new();
        for item in self.array(value, what) {
            match self.string(item, what) {
                Some(text) if fits(text) => texts.push(text.to_owned()),
                Some(text) => {
                    let message = format!("{what}: {} is not {expected}", quoted(text));
                    self.wrong(&item.span(), message);
                }
                None => {}
            }
        }
        texts
    }

    fn entry_needs<T>(&mut self, value: &Value<'t>, what: &str) -> Option<T> {
        self.wrong(&value.span(), format!("this entry needs {what}"));
        None
    }
}

/// What to say of keys that a later version may have.
fn reserved(name: &str) -> Option<String> {
    match name {
        "node" => {
            Some("node: what nodes of Erlang distribution may do stands under [peer.\"app@host\"]".to_owned())
        }
        "uid" => Some("uid: users as principals are reserved for a later version".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
