//! The sections of the file, but for the rules.
#![forbid(unsafe_code)]

use std::net::SocketAddr;

use toml::de::DeTable;

use super::{Config, Connections, Epmd, Programs, Tls, VERSION};
use crate::dist::filter::policy::{Limits, Policy};
use crate::dist::handshake::name::NodeName;
use crate::limits::{
    self, DIST_ATOMS_BEHIND, DIST_ATOMS_DEFAULT, DIST_ATOMS_TOGETHER, DIST_CONNECTIONS_MAX,
    DIST_LEARNED_DEFAULT, DIST_LEARNED_TOGETHER,
};
use crate::settings::{Reader, Value, quoted};

/// Where EPMD listens (`EPMD_PORT_NO`, 4369) on the host itself.
pub(super) const EPMD: &str = "127.0.0.1:4369";

impl<'t> Reader<'t> {
    /// The file of a node.
    pub(super) fn config(&mut self, document: &DeTable<'t>) -> Option<Config> {
        let known = [
            "version",
            "node",
            "programs",
            "tls",
            "allow",
            "connections",
            "limits",
            "default",
            "group",
            "peer",
            "break_glass",
            "protects",
            "control",
        ];
        let [
            version,
            node,
            programs,
            tls,
            allow,
            connections,
            limits,
            default,
            groups,
            peers,
            glass,
            protects,
            control,
        ] = self.keys(document, "", known);
        match version {
            Some(value) => {
                self.integer(value, "version", VERSION, VERSION);
            }
            None => self.wrong(&(0..0), "before the first [section] there must be: version = 1"),
        }
        let mut policy = Policy::default();
        if let Some(table) = allow.and_then(|v| self.table(v, "allow")) {
            let [nodes] = self.keys(table, "allow", ["nodes"]);
            policy.allow =
                nodes.map(|v| self.nodes(v, "allow.nodes")).unwrap_or_default().into_iter().collect();
        }
        let connections = connections.and_then(|v| self.table(v, "connections"));
        let connections = connections.map(|table| self.connections(table)).unwrap_or_default();
        let names = policy.allow.len();
        // Of a gateway all of them come to one node, which ends when its table is full.
        let together = if protects.is_some() { DIST_ATOMS_BEHIND } else { DIST_ATOMS_TOGETHER };
        policy.limits.atoms = DIST_ATOMS_DEFAULT.min(together / names.max(1));
        policy.limits.learned = DIST_LEARNED_DEFAULT.min(DIST_LEARNED_TOGETHER / connections.nodes.max(1));
        if let Some(table) = limits.and_then(|v| self.table(v, "limits")) {
            policy.limits = self.message_limits(table, &policy.limits, [names, connections.nodes]);
        }
        if let Some(table) = default.and_then(|v| self.table(v, "default")) {
            policy.default = self.tables(table, "default");
        }
        if let Some(table) = groups.and_then(|v| self.table(v, "group")) {
            self.groups(table, &mut policy);
        }
        if let Some(table) = peers.and_then(|v| self.table(v, "peer")) {
            self.peers(table, &mut policy);
        }
        if let Some(table) = glass.and_then(|v| self.table(v, "break_glass")) {
            self.break_glass(table, &mut policy);
        }
        let (programs_at, protects_at, protects_there) = (programs, protects, protects.is_some());
        let protects = protects.and_then(|v| self.protects(v));
        if let Some(table) = control.and_then(|v| self.table(v, "control")) {
            self.control(table, &mut policy);
        }
        let programs = programs.and_then(|v| self.table(v, "programs"));
        let programs = programs.map(|table| self.programs(table)).unwrap_or_default();
        let tls = tls.and_then(|v| self.table(v, "tls")).and_then(|table| self.tls(table));
        let Some(node) = node else { return self.missing(&(0..0), "the file", "a section [node]") };
        let at = node.span();
        let table = self.table(node, "node")?;
        let [name, cookie_file, listen, epmd] =
            self.keys(table, "node", ["name", "cookie_file", "listen", "epmd"]);
        let epmd = epmd.map_or(Some(Epmd::Off), |v| self.epmd(v));
        let listen = listen.map(|v| self.listen(v)).unwrap_or_default();
        let Some(cookie_file) = cookie_file else { return self.missing(&at, "node", "cookie_file") };
        let cookie_file = self.path(cookie_file, "node.cookie_file");
        if let (Some(at), Some(protects)) = (protects_at, &protects) {
            self.apart(at, protects, cookie_file.as_deref().unwrap_or_default(), &listen);
        }
        if let (true, Some(programs)) = (protects_there, programs_at) {
            self.wrong(
                &programs.span(),
                "programs: a gateway starts none; leave out [programs], or [protects]",
            );
        }
        if protects_there {
            // Names behind a gateway are those of the node: nobody could be told a code, or asked for a filter.
            if let Some(value) = control {
                self.wrong(&value.span(), "control: a gateway has none yet; leave out [control]");
            }
            if let (Some(value), Some(_)) = (glass, &policy.code) {
                let message =
                    "break_glass.code_file: a gateway takes no codes; leave it out, root can break the glass";
                self.wrong(&value.span(), message);
            }
        }
        if protects_there && protects.is_none() {
            return None;
        }
        let name = match (name, &protects) {
            (Some(value), protects) => self.own_name(value, protects.as_ref())?,
            (None, Some(protects)) => protects.name.clone(),
            (None, None) => return self.missing(&at, "node", "name"),
        };
        if listen.is_empty() {
            return self.missing(&at, "node", "listen, such as [\"127.0.0.1:9100\"]");
        }
        if policy.allow.contains(name.as_str()) {
            self.wrong(&at, "allow.nodes has the node itself, which never connects to itself");
        }
        Some(Config {
            name,
            cookie_file: cookie_file?,
            listen,
            epmd: epmd?,
            tls,
            programs,
            protects,
            connections,
            policy,
        })
    }

    /// The name of a node.
    pub(super) fn node(&mut self, value: &Value<'t>, path: &str) -> Option<NodeName> {
        let text = self.string(value, path)?;
        let name = NodeName::parse(text.as_bytes());
        if name.is_none() {
            let message =
                format!("{path}: {} is not the name of a node, such as app@host.example", quoted(text));
            self.wrong(&value.span(), message);
        }
        name
    }

    /// A list of names, each of which stands for one node: a pattern would be taken for a name that nobody has.
    pub(super) fn nodes(&mut self, value: &Value<'t>, path: &str) -> Vec<String> {
        let texts = self.texts(value, path);
        let names: Vec<_> = texts.into_iter().filter_map(|(_, value)| self.node(value, path)).collect();
        names.iter().map(|name| name.as_str().to_owned()).collect()
    }

    fn programs(&mut self, table: &DeTable<'t>) -> Programs {
        let [proc, net] = self.keys(table, "programs", ["proc", "net"]);
        let proc = proc.and_then(|v| self.path(v, "programs.proc"));
        Programs { proc, net: net.and_then(|v| self.path(v, "programs.net")) }
    }

    pub(super) fn path(&mut self, value: &Value<'t>, path: &str) -> Option<String> {
        let text = self.string(value, path)?;
        if text.starts_with('/') && !text.contains('\0') && text.len() <= limits::PATH_BYTES_MAX {
            return Some(text.to_owned());
        }
        self.expected(value, path, "a path that begins with /")
    }

    pub(super) fn address(&mut self, value: &Value<'t>, path: &str) -> Option<SocketAddr> {
        let text = self.string(value, path)?;
        let address = text.parse::<SocketAddr>().ok().filter(|address| address.port() > 0);
        if address.is_none() {
            let message = format!(
                "{path}: {} is no address with a port, such as 127.0.0.1:9100 or [::]:9100",
                quoted(text)
            );
            self.wrong(&value.span(), message);
        }
        address
    }

    fn listen(&mut self, value: &Value<'t>) -> Vec<SocketAddr> {
        let texts = self.texts(value, "node.listen");
        texts.into_iter().filter_map(|(_, value)| self.address(value, "node.listen")).collect()
    }

    fn epmd(&mut self, value: &Value<'t>) -> Option<Epmd> {
        if value.get_ref().is_str() {
            return self.address(value, "node.epmd").map(Epmd::At);
        }
        let on = self.boolean(value, "node.epmd")?;
        Some(if on { EPMD.parse().map_or(Epmd::Off, Epmd::At) } else { Epmd::Off })
    }

    fn tls(&mut self, table: &DeTable<'t>) -> Option<Tls> {
        let [certificate, key, authorities] = self.keys(table, "tls", ["certificate", "key", "authorities"]);
        let mut file = |value: Option<&Value<'t>>, name: &str| match value {
            Some(value) => self.path(value, &format!("tls.{name}")),
            None => self.missing(&(0..0), "tls", name),
        };
        let (certificate, key) = (file(certificate, "certificate"), file(key, "key"));
        let authorities = file(authorities, "authorities");
        Some(Tls { certificate: certificate?, key: key?, authorities: authorities? })
    }

    fn connections(&mut self, table: &DeTable<'t>) -> Connections {
        let known = ["handshake_ms", "half_open", "half_open_per_address", "failures_per_minute", "nodes"];
        let [handshake, half_open, per_address, failures, nodes] = self.keys(table, "connections", known);
        let mut c = Connections::default();
        if let Some(n) = handshake.and_then(|v| self.integer(v, "connections.handshake_ms", 100, 60_000)) {
            c.handshake_ms = n;
        }
        for (value, name, field, max) in [
            (half_open, "half_open", &mut c.half_open, DIST_CONNECTIONS_MAX),
            (per_address, "half_open_per_address", &mut c.half_open_per_address, DIST_CONNECTIONS_MAX),
            (failures, "failures_per_minute", &mut c.failures_per_minute, 1_000_000),
            (nodes, "nodes", &mut c.nodes, DIST_CONNECTIONS_MAX),
        ] {
            self.size(value, &format!("connections.{name}"), field, 1, max);
        }
        c
    }

    /// Those of messages, where the file says others than `usual`, and of what is remembered of each of so many names and connected nodes.
    fn message_limits(&mut self, table: &DeTable<'t>, usual: &Limits, [names, nodes]: [usize; 2]) -> Limits {
        let known = [
            "message_bytes",
            "depth",
            "terms",
            "integer_bytes",
            "identifiers",
            "message_atoms",
            "atoms",
            "learned",
            "learned_idle_s",
        ];
        let [bytes, depth, terms, integer, identifiers, message_atoms, atoms, learned, idle] =
            self.keys(table, "limits", known);
        let mut l = usual.clone();
        for (value, name, field, min, max) in [
            (bytes, "message_bytes", &mut l.message_bytes, 1024, limits::DIST_FRAME_HARD_MAX),
            (depth, "depth", &mut l.depth, 1, limits::DIST_DEPTH_MAX),
            (terms, "terms", &mut l.terms, 64, limits::DIST_FRAME_HARD_MAX),
            (integer, "integer_bytes", &mut l.integer_bytes, 8, 1 << 20),
            (identifiers, "identifiers", &mut l.identifiers, 8, 1 << 20),
            (message_atoms, "message_atoms", &mut l.message_atoms, 0, limits::DIST_MESSAGE_ATOMS_MAX),
            (atoms, "atoms", &mut l.atoms, 0, 1 << 20),
            (learned, "learned", &mut l.learned, 64, DIST_LEARNED_TOGETHER),
        ] {
            self.size(value, &format!("limits.{name}"), field, min, max);
        }
        for (value, what, each, of, all) in [
            (
                atoms,
                "atoms",
                l.atoms,
                format!("{names} names (allow.nodes)"),
                DIST_ATOMS_TOGETHER / names.max(1),
            ),
            (
                learned,
                "learned",
                l.learned,
                format!("{nodes} nodes (connections.nodes)"),
                DIST_LEARNED_TOGETHER / nodes.max(1),
            ),
        ] {
            if let Some(value) = value.filter(|_| each > all) {
                let message = format!(
                    "limits.{what}: {each} for each of {of} are more than there is memory for; at most {all}, or fewer of these"
                );
                self.wrong(&value.span(), message);
            }
        }
        if let Some(n) = idle.and_then(|v| self.integer(v, "limits.learned_idle_s", 1, 31 * 24 * 3600)) {
            l.learned_idle_s = n;
        }
        l
    }

    fn size(&mut self, value: Option<&Value<'t>>, path: &str, field: &mut usize, min: usize, max: usize) {
        let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let number = value.and_then(|v| self.integer(v, path, wide(min), wide(max)));
        if let Some(n) = number.and_then(|n| usize::try_from(n).ok()) {
            *field = n;
        }
    }
}
