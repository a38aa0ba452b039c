//! What is known of a packet's headers at a point of the rule, and what has to be compared before a field may be looked at.
//! What nft puts in, and in which order, was observed with nft 1.0.6 (`nft --debug=netlink`) in all families.
#![forbid(unsafe_code)]

use super::Fault;
use super::fault::{Make, expected};
use crate::error::Why;
use crate::nft::model::{Base, Family};
use crate::nft::tables::{self, Field, Protocol, chain};

/// A comparison that is put in before the field that needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dependency {
    /// `meta iiftype ether`
    Ether,
    /// `meta nfproto`
    NfProto(u8),
    /// `meta protocol`
    MetaProtocol(u16),
    /// The ethertype in the header of the link, behind so many tags.
    LinkType(u32, u16),
    /// `meta l4proto`
    L4(u8),
    /// The type of ICMP or ICMPv6 is one of these.
    Message(&'static [u8]),
}

/// What is known of the header of a layer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Known {
    Nothing,
    Is(&'static Protocol),
    /// One of several, or one that has no fields here.
    Vague,
}

/// What is known.
#[derive(Clone, Debug)]
pub(super) struct Context {
    family: Family,
    /// An Ethernet header is there.
    ether: bool,
    /// A tunnel that carries IP and nothing below it.
    pub without_link: bool,
    /// Tags that are known to stand behind it.
    tags: u32,
    /// What follows the header of the link was named; not by the family alone.
    linked: bool,
    pub network: Known,
    pub transport: Known,
    /// The types of ICMP that are possible; none where that is not known.
    types: Vec<u8>,
}

impl Context {
    pub(super) fn new(family: Family) -> Self {
        Self {
            family,
            ether: chain::base(family, Base::Link).is_some(),
            without_link: false,
            tags: 0,
            linked: false,
            network: chain::base(family, Base::Network).map_or(Known::Nothing, Known::Is),
            transport: Known::Nothing,
            types: Vec::new(),
        }
    }

    /// Bytes from the beginning of the link's header to that field's header.
    pub(super) fn begins(&self, field: &Field) -> u32 {
        if field.protocol == tables::VLAN.name {
            tables::VLAN.begins / 8 + self.tags.saturating_sub(1) * 4
        } else {
            0
        }
    }

    /// What a field needs that is not known yet; it is known then.
    pub(super) fn need(&mut self, field: &'static Field) -> Make<Vec<Dependency>> {
        let mut out = Vec::new();
        match (field.base, field.header()) {
            (Base::Link, _) => self.need_link(field, &mut out)?,
            (Base::Network, Some(header)) => self.need_network(header, &mut out)?,
            (Base::Transport, Some(header)) => self.need_transport(field, header, &mut out)?,
            _ => {}
        }
        Ok(out)
    }

    fn need_link(&mut self, field: &'static Field, out: &mut Vec<Dependency>) -> Make<()> {
        if self.without_link {
            return Err(Fault::new(Why::Excludes("gre")));
        }
        if !self.ether {
            out.push(Dependency::Ether);
            self.ether = true;
        }
        if field.protocol == tables::VLAN.name && self.tags == 0 {
            if self.linked {
                return Err(Fault::new(Why::Excludes(self.named())));
            }
            out.push(Dependency::LinkType(0, 0x8100));
            self.tags = 1;
        }
        Ok(())
    }

    fn named(&self) -> &'static str {
        match &self.network {
            Known::Is(protocol) => protocol.name,
            _ => "ether",
        }
    }

    /// The header of the network layer.
    pub(super) fn need_network(&mut self, header: &'static Protocol, out: &mut Vec<Dependency>) -> Make<()> {
        match &self.network {
            Known::Is(known) if *known == header => return Ok(()),
            Known::Is(known) => return Err(Fault::new(Why::Excludes(known.name))),
            Known::Vague => return Err(Fault::new(Why::Excludes("an earlier match of the protocol"))),
            Known::Nothing => {}
        }
        // In a bridge nft asks what the device said, so that frames with a tag are meant too.
        let by_link = if self.family == Family::Bridge { self.tags > 0 } else { self.ether };
        self.select(header, by_link, out)
    }

    /// The header of the network layer, for what exists only above it: in a bridge by the ethertype.
    pub(super) fn need_above(&mut self, header: &'static Protocol, out: &mut Vec<Dependency>) -> Make<()> {
        match self.network {
            Known::Nothing => self.select(header, self.ether, out),
            _ => Ok(()),
        }
    }

    fn select(&mut self, header: &'static Protocol, by_link: bool, out: &mut Vec<Dependency>) -> Make<()> {
        let Some(ethertype) = chain::ethertype(header) else { return expected("a protocol of the network") };
        // For nft a bridge's frame says itself that it is of ARP; of IP the device has said it.
        let by_link = by_link || (self.family == Family::Bridge && *header == tables::ARP);
        out.push(match (self.family, chain::nfproto(header)) {
            _ if by_link => Dependency::LinkType(self.tags, ethertype),
            (Family::Inet, Some(number)) => Dependency::NfProto(number),
            (Family::Bridge | Family::Netdev, _) => Dependency::MetaProtocol(ethertype),
            _ => return Err(Fault::new(Why::Excludes(self.family.name()))),
        });
        self.network = Known::Is(header);
        self.linked = true;
        Ok(())
    }

    fn need_transport(
        &mut self,
        field: &'static Field,
        header: &'static Protocol,
        out: &mut Vec<Dependency>,
    ) -> Make<()> {
        // `th` has no number: it is whatever is there.
        let Some(number) = chain::l4(header) else { return Ok(()) };
        match &self.transport {
            // GRE is one protocol, whatever it carries.
            Known::Is(known) if chain::l4(known) == Some(number) => {}
            Known::Is(known) => return Err(Fault::new(Why::Excludes(known.name))),
            Known::Vague => return Err(Fault::new(Why::Excludes("an earlier match of the protocol"))),
            Known::Nothing => {
                if self.family == Family::Arp || self.network == Known::Is(&tables::ARP) {
                    return Err(Fault::new(Why::Excludes("arp")));
                }
                if let Some(network) = chain::network_of(header) {
                    self.need_above(network, out)?;
                }
                out.push(Dependency::L4(number));
                self.transport = Known::Is(header);
            }
        }
        let wanted = chain::message_types(field);
        if wanted.is_empty() {
            return Ok(());
        }
        if self.types.is_empty() {
            out.push(Dependency::Message(wanted));
            self.types = wanted.to_vec();
        }
        match self.types.iter().all(|t| wanted.contains(t)) {
            true => Ok(()),
            false => Err(Fault::new(Why::Excludes("an earlier match of the type"))),
        }
    }

    /// The transport protocol of that number.
    pub(super) fn need_l4(&mut self, header: &'static Protocol) -> Make<Option<Dependency>> {
        match &self.transport {
            Known::Is(known) if chain::l4(known) == chain::l4(header) => Ok(None),
            Known::Is(known) => Err(Fault::new(Why::Excludes(known.name))),
            Known::Vague => Err(Fault::new(Why::Excludes("an earlier match of the protocol"))),
            Known::Nothing => {
                self.transport = Known::Is(header);
                Ok(chain::l4(header).map(Dependency::L4))
            }
        }
    }

    /// Learns that a key of `meta` is one of these numbers.
    pub(super) fn learn_meta(&mut self, key: u32, values: &[u64]) {
        match key {
            chain::META_IIFTYPE if self.family != Family::Bridge => {
                self.ether |= matches!(values, [one] if *one == u64::from(chain::ARPHRD_ETHER));
            }
            chain::META_NFPROTO if self.family == Family::Inet => {
                self.network = known(values, |n| chain::upper_of_meta(key, n));
                self.linked = true;
            }
            chain::META_PROTOCOL if matches!(self.family, Family::Bridge | Family::Netdev) => {
                self.network = known(values, |n| chain::upper_of_meta(key, n));
                self.linked = true;
            }
            chain::META_L4PROTO => {
                self.transport = known(values, chain::by_l4);
                self.types.clear();
            }
            _ => {}
        }
    }

    /// Learns that a field is one of these numbers.
    pub(super) fn learn_field(&mut self, field: &'static Field, values: &[u64]) {
        match (field.protocol, field.name) {
            ("ether", "type") => self.learn_link(values, 0),
            ("vlan", "type") => self.learn_link(values, self.tags),
            ("ip", "protocol") | ("ip6", "nexthdr") => {
                self.transport = known(values, chain::by_l4);
                self.types.clear();
            }
            ("icmp" | "icmpv6", "type") => {
                self.types = values.iter().filter_map(|n| u8::try_from(*n).ok()).collect();
            }
            _ => {}
        }
    }

    /// The type of what stands behind so many tags.
    fn learn_link(&mut self, values: &[u64], behind: u32) {
        match known(values, chain::by_ethertype) {
            Known::Is(header) if *header == tables::VLAN => self.tags = behind.saturating_add(1),
            now => {
                self.network = now;
                self.linked = true;
            }
        }
    }
}

fn known(values: &[u64], of: impl Fn(u64) -> Option<&'static Protocol>) -> Known {
    match values {
        [] => Known::Nothing,
        [one] => of(*one).map_or(Known::Vague, Known::Is),
        _ => Known::Vague,
    }
}
