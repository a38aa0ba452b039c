//! Protocol headers and their fields, as nft(8), "PAYLOAD EXPRESSIONS", names and measures them.
#![forbid(unsafe_code)]

mod link;
mod network;
mod transport;
mod tunnel;

use crate::nft::model::{Base, Order, Type};

pub use link::{ARP, ETHER, VLAN};
pub use network::{ICMP, ICMPV6, IGMP, IP, IP6};
pub use transport::{AH, COMP, DCCP, ESP, SCTP, TCP, TH, UDP, UDPLITE};
pub use tunnel::{GENEVE, GRE, GRETAP, VXLAN};

/// A header that a packet can have.
#[derive(Debug)]
pub struct Protocol {
    /// The word of the schema: `ip`, `tcp`, `vlan`.
    pub name: &'static str,
    /// From where its offsets count.
    pub base: Base,
    /// Bits from there to its first: 112 for `vlan`, which stands behind an Ethernet header; 0 for all others.
    pub begins: u32,
    /// Its fields, in the order of the header; where several lie in one place, nft(8)'s first comes first.
    pub fields: &'static [Field],
}

impl PartialEq for Protocol {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

/// A field of a header.
#[derive(Debug)]
pub struct Field {
    /// The word of the schema of the header that it lies in; see [`protocol`].
    pub protocol: &'static str,
    /// The word of the schema.
    pub name: &'static str,
    /// The [`Protocol::base`] of its header.
    pub base: Base,
    /// Bits from the beginning of the header.
    pub offset: u32,
    /// Bits.
    pub len: u32,
    /// What its value is.
    pub ty: Type,
    /// The order of its bytes: the network's but for a few.
    pub order: Order,
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

/// Tunnels whose inner headers can be matched (`enum nft_inner_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tunnel {
    /// `vxlan`
    Vxlan,
    /// `geneve`
    Geneve,
    /// `gre`
    Gre,
    /// `gretap`
    Gretap,
}

/// One header: name, base, bits before it, and rows of field, offset, bits, type.
macro_rules! header {
    ($(#[doc = $doc:literal])+ $id:ident $name:literal $base:ident + $begins:literal {
        $($field:literal $offset:literal $len:literal $ty:ident,)*
    }) => {
        $(#[doc = $doc])+
        pub static $id: $crate::nft::tables::Protocol = $crate::nft::tables::Protocol {
            name: $name,
            base: $crate::nft::model::Base::$base,
            begins: $begins,
            fields: &[$($crate::nft::tables::Field {
                protocol: $name,
                name: $field,
                base: $crate::nft::model::Base::$base,
                offset: $offset,
                len: $len,
                ty: $crate::nft::model::Type::$ty,
                order: $crate::nft::model::Order::Network,
            },)*],
        };
    };
}
use header;

/// All of them.
pub static PROTOCOLS: &[&Protocol] = &[
    &ETHER, &VLAN, &ARP, &IP, &IP6, &ICMP, &ICMPV6, &IGMP, &TCP, &UDP, &UDPLITE, &SCTP, &DCCP, &TH, &AH,
    &ESP, &COMP, &GRE, &GRETAP, &VXLAN, &GENEVE,
];

/// The header of that name.
#[must_use]
pub fn protocol(name: &str) -> Option<&'static Protocol> {
    named(name.as_bytes())
}

fn named(name: &[u8]) -> Option<&'static Protocol> {
    Some(match name {
        b"ip" => &IP,
        b"ip6" => &IP6,
        b"tcp" => &TCP,
        b"udp" => &UDP,
        b"th" => &TH,
        b"icmp" => &ICMP,
        b"icmpv6" => &ICMPV6,
        b"ether" => &ETHER,
        b"vlan" => &VLAN,
        b"arp" => &ARP,
        b"sctp" => &SCTP,
        b"dccp" => &DCCP,
        b"udplite" => &UDPLITE,
        b"igmp" => &IGMP,
        b"ah" => &AH,
        b"esp" => &ESP,
        b"comp" => &COMP,
        b"gre" => &GRE,
        b"gretap" => &GRETAP,
        b"vxlan" => &VXLAN,
        b"geneve" => &GENEVE,
        _ => return None,
    })
}

/// A field by the names of header and field. Where nft(8) knows an older word for a field it is understood too.
#[must_use]
pub fn field(protocol: &[u8], name: &[u8]) -> Option<&'static Field> {
    let name = match (protocol, name) {
        (b"vlan", b"cfi") => b"dei".as_slice(),
        _ => name,
    };
    named(protocol)?.fields.iter().find(|f| f.name.as_bytes() == name)
}

/// The field of a header at that place: bits from its beginning, bits. Of several that lie there (ICMP) the first; see
/// [`Protocol::at_all`].
#[must_use]
pub fn at(protocol: &Protocol, offset: u32, len: u32) -> Option<&'static Field> {
    protocol.fields.iter().find(|f| f.offset == offset && f.len == len)
}

impl Protocol {
    /// All fields that lie at that place: more than one where the type of the message decides what stands there; see
    /// [`message_types`](super::chain::message_types).
    pub fn at_all(&self, offset: u32, len: u32) -> impl Iterator<Item = &'static Field> + use<> {
        self.fields.iter().filter(move |f| f.offset == offset && f.len == len)
    }
}

impl Field {
    /// The header that it lies in.
    #[must_use]
    pub fn header(&self) -> Option<&'static Protocol> {
        protocol(self.protocol)
    }

    /// Bits from the base of its header; for `vlan` of the outermost one.
    #[must_use]
    pub fn from_base(&self) -> u32 {
        let begins = if self.protocol == VLAN.name { VLAN.begins } else { 0 };
        begins.saturating_add(self.offset)
    }
}

#[cfg(test)]
mod tests;
