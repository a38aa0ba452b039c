//! What is known of a packet's headers at a point of a rule, and what has to be compared before a field may be named: the same
//! comparisons that are put in when a rule is made, so that those, and no others, are left out when it is listed.
#![forbid(unsafe_code)]

use super::inside;
use crate::nft::model::{Base, Expr, Family, Statement};
use crate::nft::tables::{self, Field, HeaderKind, Protocol, Tunnel, chain};

/// A comparison that may stand for a field that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dependency {
    /// `meta nfproto`
    NfProto(u8),
    /// `meta protocol`
    MetaProtocol(u16),
    /// The ethertype in the header of the link, behind so many tags.
    LinkType(u8, u16),
    /// `meta l4proto`
    L4(u8),
    /// `meta iiftype ether`
    Ether,
    /// The type of ICMP or ICMPv6.
    Message(u8),
}

/// Most dependencies that one statement has.
pub(super) const MOST: usize = 8;

/// The dependencies of a statement.
#[derive(Debug, Default)]
pub(super) struct Dependencies {
    rows: [Option<Dependency>; MOST],
    len: usize,
}

impl Dependencies {
    fn push(&mut self, dependency: Dependency) -> Option<()> {
        *self.rows.get_mut(self.len)? = Some(dependency);
        self.len += 1;
        Some(())
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, index: usize) -> Option<Dependency> {
        self.rows.get(index).copied().flatten()
    }
}

/// The header of a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Layer {
    Unknown,
    Is(&'static Protocol),
    /// One that has no name here.
    Other,
}

/// What is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    pub family: Family,
    /// An Ethernet header is there.
    pub ether: bool,
    /// Tags that are known to stand behind it.
    pub tags: u8,
    /// What follows the header of the link was compared; it is not known by the family alone. No tag can follow then.
    linked: bool,
    pub network: Layer,
    /// The protocol number above IP.
    pub l4: Option<u8>,
    types: [u8; 6],
    types_len: u8,
}

/// What a part of a statement asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Need {
    Field(&'static Field),
    /// A field inside of a tunnel.
    Inside(Tunnel, &'static Field),
    Network(&'static Protocol),
}

impl Context {
    pub(super) fn new(family: Family) -> Self {
        Self {
            family,
            ether: chain::base(family, Base::Link).is_some(),
            tags: 0,
            linked: false,
            network: chain::base(family, Base::Network).map_or(Layer::Unknown, Layer::Is),
            l4: None,
            types: [0; 6],
            types_len: 0,
        }
    }

    /// The types of ICMP that are possible; none where that is not known.
    pub(super) fn types(&self) -> &[u8] {
        self.types.get(..usize::from(self.types_len)).unwrap_or(&[])
    }

    /// Only these types of ICMP are possible.
    pub(super) fn set_types(&mut self, types: &[u8]) {
        if let (Some(place), Ok(len)) = (self.types.get_mut(..types.len()), u8::try_from(types.len())) {
            place.copy_from_slice(types);
            self.types_len = len;
        } else {
            self.types_len = 0;
        }
    }

    /// The transport header: that of the known protocol, or any with ports.
    fn transport(&self) -> Option<&'static Protocol> {
        match self.l4 {
            None => Some(&tables::TH),
            Some(number) => chain::by_l4(u64::from(number)),
        }
    }

    /// The field at a place: bits from the base, and bits.
    pub(super) fn field(&self, base: Base, offset: u32, len: u32) -> Option<&'static Field> {
        match base {
            Base::Link => self.link_field(offset, len),
            Base::Network => match self.network {
                Layer::Is(protocol) => tables::at(protocol, offset, len),
                _ => None,
            },
            Base::Transport => {
                let protocol = self.transport()?;
                if is_icmp(protocol) {
                    return chain::message_field(protocol, offset, len, self.types());
                }
                tables::at(protocol, offset, len)
            }
            Base::Inner | Base::Tunnel => None,
        }
    }

    fn link_field(&self, offset: u32, len: u32) -> Option<&'static Field> {
        if !self.ether {
            return None;
        }
        let Some(behind) = offset.checked_sub(tables::VLAN.begins) else {
            return tables::at(&tables::ETHER, offset, len);
        };
        // A tag has four bytes; only the last that is known can be named, since a name does not say which.
        let behind = behind.checked_sub(u32::from(self.tags).checked_sub(1)? * 32)?;
        tables::at(&tables::VLAN, behind, len)
    }

    /// The header of a base whose fields can be named now, and the bits before it.
    pub(super) fn header(&self, base: Base) -> Option<(&'static Protocol, u32)> {
        match base {
            Base::Link if !self.ether => None,
            Base::Link => match u32::from(self.tags).checked_sub(1) {
                Some(outer) => Some((&tables::VLAN, tables::VLAN.begins + outer * 32)),
                None => Some((&tables::ETHER, 0)),
            },
            Base::Network => match self.network {
                Layer::Is(protocol) => Some((protocol, 0)),
                _ => None,
            },
            Base::Transport => self.transport().map(|protocol| (protocol, 0)),
            Base::Inner | Base::Tunnel => None,
        }
    }

    /// What has to be compared for that, from what is known already; and it is known then. Nothing where it contradicts.
    pub(super) fn require(&mut self, need: Need, out: &mut Dependencies) -> Option<()> {
        let field = match need {
            Need::Network(protocol) => return self.require_network(protocol, false, out),
            Need::Inside(tunnel, _) => return self.require_carrier(tunnel, out),
            Need::Field(field) => field,
        };
        match field.base {
            Base::Link => {
                if !self.ether {
                    out.push(Dependency::Ether)?;
                    self.ether = true;
                }
                if field.protocol == tables::VLAN.name && self.tags == 0 {
                    if self.linked {
                        return None;
                    }
                    out.push(Dependency::LinkType(0, 0x8100))?;
                    self.tags = 1;
                }
                Some(())
            }
            Base::Network => self.require_network(header_of(field)?, false, out),
            Base::Transport => self.require_transport(field, out),
            Base::Inner | Base::Tunnel => Some(()),
        }
    }

    /// `above`: for a protocol that only this one carries.
    pub(super) fn require_network(
        &mut self,
        protocol: &'static Protocol,
        above: bool,
        out: &mut Dependencies,
    ) -> Option<()> {
        match self.network {
            Layer::Is(known) => return (known == protocol || above).then_some(()),
            Layer::Other => return above.then_some(()),
            Layer::Unknown => {}
        }
        let ethertype = chain::ethertype(protocol)?;
        let by_link = match self.family {
            // As nft does it: a frame says itself that it is of ARP, of IP the device has said it.
            Family::Bridge => above || self.tags > 0 || std::ptr::eq(protocol, &tables::ARP),
            _ => self.ether,
        };
        out.push(match self.family {
            _ if by_link => Dependency::LinkType(self.tags, ethertype),
            Family::Inet => Dependency::NfProto(chain::nfproto(protocol)?),
            Family::Bridge | Family::Netdev => Dependency::MetaProtocol(ethertype),
            Family::Ip | Family::Ip6 | Family::Arp => return None,
        })?;
        self.network = Layer::Is(protocol);
        self.linked = true;
        Some(())
    }

    /// The protocol that carries a tunnel.
    fn require_carrier(&mut self, tunnel: Tunnel, out: &mut Dependencies) -> Option<()> {
        let (number, is_compared) = inside::carrier(tunnel);
        match self.l4 {
            Some(known) => (known == number).then_some(()),
            None if is_compared => {
                out.push(Dependency::L4(number))?;
                self.l4 = Some(number);
                Some(())
            }
            None => None,
        }
    }

    fn require_transport(&mut self, field: &'static Field, out: &mut Dependencies) -> Option<()> {
        let Some((protocol, number)) = transport_of(field) else { return Some(()) };
        match self.l4 {
            Some(known) if known != number => return None,
            Some(_) => {}
            // Nothing is above ARP.
            None if self.family == Family::Arp || self.network == Layer::Is(&tables::ARP) => return None,
            None => {
                if let Some(network) = carrier(protocol) {
                    self.require_network(network, true, out)?;
                }
                out.push(Dependency::L4(number))?;
                self.l4 = Some(number);
            }
        }
        if !is_icmp(protocol) {
            return Some(());
        }
        let wanted = chain::message_types(field);
        if wanted.is_empty() {
            return Some(());
        }
        if self.types_len > 0 {
            return self.types().iter().all(|t| wanted.contains(t)).then_some(());
        }
        // Several types would be compared by a set, which stays where it is.
        let [only] = wanted else { return None };
        out.push(Dependency::Message(*only))?;
        self.set_types(&[*only]);
        Some(())
    }

    /// What a comparison says, once it is made.
    pub(super) fn learn(&mut self, dependency: Dependency) {
        match dependency {
            Dependency::NfProto(number) => {
                if self.family == Family::Inet {
                    self.network = layer(chain::upper_of_meta(chain::META_NFPROTO, u64::from(number)));
                    self.linked = true;
                }
            }
            Dependency::MetaProtocol(number) => {
                if matches!(self.family, Family::Bridge | Family::Netdev) {
                    self.network = layer(chain::by_ethertype(u64::from(number)));
                    self.linked = true;
                }
            }
            Dependency::LinkType(behind, number) => match chain::by_ethertype(u64::from(number)) {
                Some(protocol) if protocol == &tables::VLAN => self.tags = behind.saturating_add(1),
                known => {
                    self.network = layer(known);
                    self.linked = true;
                }
            },
            Dependency::L4(number) => self.l4 = Some(number),
            Dependency::Ether => self.ether = true,
            Dependency::Message(number) => self.set_types(&[number]),
        }
    }
}

/// Whether that is a field of that header: by its place in memory, since names are slow to compare for every rule.
fn is_of(protocol: &Protocol, field: &Field) -> bool {
    protocol.fields.as_ptr_range().contains(&std::ptr::from_ref(field))
}

fn header_of(field: &'static Field) -> Option<&'static Protocol> {
    let near = [&tables::IP, &tables::IP6].into_iter().find(|protocol| is_of(protocol, field));
    near.or_else(|| field.header())
}

/// The transport header of a field, and its number; nothing for `th`, which has none.
fn transport_of(field: &'static Field) -> Option<(&'static Protocol, u8)> {
    if is_of(&tables::TH, field) {
        return None;
    }
    let near = [(&tables::TCP, 6), (&tables::UDP, 17), (&tables::ICMP, 1), (&tables::ICMPV6, 58)];
    near.into_iter().find(|(protocol, _)| is_of(protocol, field)).or_else(|| {
        let protocol = field.header()?;
        Some((protocol, chain::l4(protocol)?))
    })
}

pub(super) fn is_icmp(protocol: &Protocol) -> bool {
    std::ptr::eq(protocol, &tables::ICMP) || std::ptr::eq(protocol, &tables::ICMPV6)
}

/// The protocol of the network layer that alone carries another.
fn carrier(protocol: &'static Protocol) -> Option<&'static Protocol> {
    let common = std::ptr::eq(protocol, &tables::TCP) || std::ptr::eq(protocol, &tables::UDP);
    if common { None } else { chain::network_of(protocol) }
}

fn layer(protocol: Option<&'static Protocol>) -> Layer {
    protocol.map_or(Layer::Other, Layer::Is)
}

/// Calls `see` with everything that an expression needs, in its order; false as soon as that is.
pub(super) fn needs(expr: &Expr, see: &mut dyn FnMut(Need) -> bool) -> bool {
    match expr {
        Expr::Payload(field) => see(Need::Field(field)),
        Expr::Inner(tunnel, field) => see(Need::Inside(*tunnel, field)),
        Expr::Exthdr(header, _) => match header.kind {
            HeaderKind::Ipv6 => see(Need::Network(&tables::IP6)),
            HeaderKind::IpOption => see(Need::Network(&tables::IP)),
            _ => true,
        },
        Expr::Concat(parts) => parts.iter().all(|part| needs(part, see)),
        Expr::Binop(_, sides) | Expr::Pair(sides) => sides.iter().all(|side| needs(side, see)),
        Expr::Map(sides) => sides.first().is_none_or(|key| needs(key, see)),
        Expr::Jhash(hash) => needs(&hash.expr, see),
        Expr::Elem(elem) => needs(&elem.value, see),
        _ => true,
    }
}

/// Whether a statement needs anything.
pub(super) fn needs_something(statement: &Statement) -> bool {
    match statement {
        Statement::Match(m) if matches!(m.left, Expr::Meta(_) | Expr::Ct(_)) => false,
        Statement::Counter(_) | Statement::Verdict(_) | Statement::Log(_) | Statement::Limit(_) => false,
        _ => !statement_needs(statement, &mut |_| false),
    }
}

/// Whether a statement looks inside of a tunnel.
pub(super) fn is_inside(statement: &Statement) -> bool {
    !statement_needs(statement, &mut |need| !matches!(need, Need::Inside(..)))
}

/// The same for a statement.
pub(super) fn statement_needs(statement: &Statement, see: &mut dyn FnMut(Need) -> bool) -> bool {
    let mut optional = |expr: &Option<Expr>| expr.as_ref().is_none_or(|expr| needs(expr, see));
    match statement {
        Statement::Match(m) => needs(&m.left, see),
        Statement::Vmap(key, _) => needs(key, see),
        Statement::Mangle(target, value) => needs(target, see) && needs(value, see),
        Statement::Nat(nat) => optional(&nat.addr) && optional(&nat.port),
        Statement::Tproxy(tproxy) => optional(&tproxy.addr) && optional(&tproxy.port),
        Statement::Dup(addr, dev) => optional(addr) && optional(dev),
        Statement::Fwd(dev, addr) => {
            needs(dev, see) && addr.as_ref().is_none_or(|(_, addr)| needs(addr, see))
        }
        Statement::Object(_, name) => needs(name, see),
        Statement::Queue(queue) => optional(&queue.num),
        Statement::Dynset(dynset) => {
            needs(&dynset.elem, see) && dynset.data.as_ref().is_none_or(|d| needs(d, see))
        }
        Statement::Reset(option) => needs(option, see),
        _ => true,
    }
}
