//! `[protects]`: the OTP node that a gateway stands in front of.
#![forbid(unsafe_code)]

use std::net::SocketAddr;

use super::sections::EPMD;
use crate::dist::handshake::name::NodeName;
use crate::settings::{Reader, Value};

/// How the node is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It listens there.
    At(SocketAddr),
    /// The port mapper at this address knows its port; the node listens at the same address.
    Epmd(SocketAddr),
}

/// The node behind a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protects {
    /// Its name, which is the one that peers know the gateway by.
    pub name: NodeName,
    /// The file of its cookie, which peers do not know.
    pub cookie_file: String,
    /// Where it is.
    pub place: Place,
}

impl Place {
    /// The address that is called.
    fn address(&self) -> SocketAddr {
        match self {
            Self::At(at) | Self::Epmd(at) => *at,
        }
    }
}

impl<'t> Reader<'t> {
    /// Whoever knows the cookie of the node goes around its gateway; and one that calls itself reaches nobody.
    pub(super) fn apart(
        &mut self,
        at: &Value<'t>,
        protects: &Protects,
        cookie_file: &str,
        listen: &[SocketAddr],
    ) {
        if protects.cookie_file == cookie_file {
            self.wrong(
                &at.span(),
                "protects.cookie_file: peers would know it, as node.cookie_file is the same file",
            );
        }
        if listen.contains(&protects.place.address()) {
            self.wrong(
                &at.span(),
                format!(
                    "protects: {} is where the gateway listens itself (node.listen)",
                    protects.place.address()
                ),
            );
        }
    }

    /// The section.
    pub(super) fn protects(&mut self, value: &Value<'t>) -> Option<Protects> {
        let at = value.span();
        let table = self.table(value, "protects")?;
        let [name, cookie_file, place, epmd] =
            self.keys(table, "protects", ["name", "cookie_file", "at", "epmd"]);
        let place = match (place, epmd) {
            (Some(value), None) => self.address(value, "protects.at").map(Place::At),
            (None, Some(value)) => self.mapper(value),
            (Some(_), Some(value)) => {
                self.wrong(&value.span(), "protects: at says where the node is already; leave out epmd");
                None
            }
            (None, None) => self.missing(&at, "protects", "at, such as \"127.0.0.1:9101\", or epmd"),
        };
        let Some(cookie_file) = cookie_file else { return self.missing(&at, "protects", "cookie_file") };
        let cookie_file = self.path(cookie_file, "protects.cookie_file");
        let Some(name) = name else { return self.missing(&at, "protects", "name") };
        let name = self.node(name, "protects.name")?;
        Some(Protects { name, cookie_file: cookie_file?, place: place? })
    }

    /// An address, or `true` for that of this host.
    fn mapper(&mut self, value: &Value<'t>) -> Option<Place> {
        if value.get_ref().is_str() {
            return self.address(value, "protects.epmd").map(Place::Epmd);
        }
        if self.boolean(value, "protects.epmd")? {
            return EPMD.parse().ok().map(Place::Epmd);
        }
        self.expected(value, "protects.epmd", "true or the address of a port mapper; else leave it out")
    }

    /// `node.name`. A gateway has the name of the node behind it: peers are not to see a difference.
    pub(super) fn own_name(&mut self, value: &Value<'t>, protects: Option<&Protects>) -> Option<NodeName> {
        let name = self.node(value, "node.name")?;
        match protects {
            Some(protects) if protects.name != name => {
                let message =
                    format!("node.name: a gateway is known by the name of {}; leave this out", protects.name);
                self.wrong(&value.span(), message);
                None
            }
            _ => Some(name),
        }
    }
}
