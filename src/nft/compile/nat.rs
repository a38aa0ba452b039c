//! Address translation.
#![forbid(unsafe_code)]

use super::Fault;
use super::context::Known;
use super::fault::{Make, Within, expected};
use super::load::{self, PORT};
use super::rule::{Rule, Slot, reg, slots};
use super::set;
use crate::error::Why;
use crate::nft::kernel::{KExpr, Range};
use crate::nft::model::{Datum, Expr, Family, MapData, Nat, NatKind, Order, Part, Type, nat_type};
use crate::nft::tables;

/// `NF_NAT_RANGE_MAP_IPS`, `NF_NAT_RANGE_PROTO_SPECIFIED`, `NF_NAT_RANGE_NETMAP` (nf_nat.h). The kernel adds the first two by itself
/// where there is an address or a port; here they stand as it lists them.
const MAP_IPS: u32 = 0x01;
const PROTO_SPECIFIED: u32 = 0x02;
const NETMAP: u32 = 0x40;

/// `NFT_NAT_SNAT` and `NFT_NAT_DNAT`.
const SNAT: u32 = 0;
const DNAT: u32 = 1;

/// The address of a family.
pub(super) fn address(family: Family) -> Make<Part> {
    match family {
        Family::Ip => Ok(Part { ty: Type::Ipv4Addr, bits: 32, order: Order::Network }),
        Family::Ip6 => Ok(Part { ty: Type::Ipv6Addr, bits: 128, order: Order::Network }),
        _ => Err(Fault::new(Why::Missing)).key("family"),
    }
}

impl Rule<'_> {
    pub(super) fn nat(&mut self, nat: &Nat) -> Make<()> {
        let family = self.nat_family(nat)?;
        self.require_each(&[("addr", nat.addr.as_ref()), ("port", nat.port.as_ref())])?;
        self.begin();
        let (mut addr, mut proto) = (Range::default(), Range::default());
        if let Some(expr) = &nat.addr {
            let part = address(family)?;
            if let Expr::Map(sides) = expr {
                let [key, data] = &**sides;
                (addr, proto) = self.nat_map(nat, key, data, part).key("map").key("addr")?;
            } else {
                addr = self.one_or_range(expr, part).key("addr")?;
            }
        }
        if let Some(expr) = &nat.port {
            if proto != Range::default() {
                return Err(Fault::new(Why::Excludes("addr"))).key("port");
            }
            proto = self.one_or_range(expr, PORT).key("port")?;
        }
        if proto != Range::default() {
            self.has_ports().key("port")?;
        }
        self.emit(translation(nat, family, addr, proto));
        self.act();
        Ok(())
    }

    fn nat_family(&self, nat: &Nat) -> Make<Family> {
        let own = self.family();
        match (own, nat.family) {
            (Family::Ip | Family::Ip6, Some(other)) if other != own => {
                Err(Fault::new(Why::Excludes(own.name()))).key("family")
            }
            (Family::Ip | Family::Ip6, _) => Ok(own),
            (Family::Inet, _) if nat.addr.is_none() => Ok(Family::Inet),
            (Family::Inet, given) => match (&self.context.network, given) {
                (Known::Is(known), Some(given)) if known.name != given.name() => {
                    Err(Fault::new(Why::Excludes(known.name))).key("family")
                }
                (_, Some(given)) => Ok(given),
                (Known::Is(known), None) if **known == tables::IP => Ok(Family::Ip),
                (Known::Is(known), None) if **known == tables::IP6 => Ok(Family::Ip6),
                _ => Err(Fault::new(Why::Missing)).key("family"),
            },
            _ => Err(Fault::new(Why::Excludes(own.name()))),
        }
    }

    /// Ports are there only behind a match of a protocol that has them.
    pub(super) fn has_ports(&self) -> Make<()> {
        match &self.context.transport {
            Known::Is(known) if !matches!(known.name, "tcp" | "udp" | "udplite" | "sctp" | "dccp") => {
                Err(Fault::new(Why::Excludes(known.name)))
            }
            Known::Nothing => expected("a match of the transport protocol before it"),
            _ => Ok(()),
        }
    }

    /// An address or port, or the first and the last of several, each in a register.
    pub(super) fn one_or_range(&mut self, expr: &Expr, part: Part) -> Make<Range> {
        let both = match expr {
            Expr::Range(_) | Expr::Prefix(..) => Some(self.bounds(part, expr)?),
            _ => None,
        };
        let min = self.register()?;
        let Some((first, last)) = both else {
            self.assign(expr, part, min)?;
            return Ok(Range { min: Some(reg(min)), max: None });
        };
        let max = self.register()?;
        self.immediate(min, &first)?;
        self.immediate(max, &last)?;
        Ok(Range { min: Some(reg(min)), max: Some(reg(max)) })
    }

    /// A map to addresses, to addresses with ports, or to ranges of either; what it maps to lies side by side.
    fn nat_map(&mut self, nat: &Nat, key: &Expr, data: &Expr, part: Part) -> Make<(Range, Range)> {
        let (mut concat, mut ranges) = match data {
            Expr::Set(elements) => set::data_shape(elements),
            _ => (false, false),
        };
        concat |= nat.type_flags & nat_type::CONCAT != 0;
        ranges |= nat.type_flags & nat_type::INTERVAL != 0;
        let parts = if concat { vec![part, PORT] } else { vec![part] };
        let datum = Datum { parts, of: None };
        let kind = if ranges { MapData::Ranges(datum) } else { MapData::Values(datum) };
        let slot = self.register()?;
        let found = self.look_up(key, data, Some(kind), Some(slot), "key", "data")?;
        let (datum, ranges) = match &found.data {
            Some(MapData::Values(datum)) => (datum, false),
            Some(MapData::Ranges(datum)) => (datum, true),
            _ => return expected("a map to addresses").key("data"),
        };
        let same = |a: &Part, b: Part| a.bits == b.bits && (a.ty == b.ty || a.ty == Type::Integer);
        let concat = match datum.parts.as_slice() {
            [one] if same(one, part) => false,
            [one, port] if same(one, part) && same(port, PORT) => true,
            _ => return expected(part.ty.name()).key("data"),
        };
        self.emit(found.lookup(Some(reg(slot)), false));
        Ok(side_by_side(slot, slots(load::size(part.bits / 8)), concat, ranges))
    }
}

/// The expression, with the flags as the kernel lists them.
fn translation(nat: &Nat, family: Family, addr: Range, proto: Range) -> KExpr<'static> {
    let mut flags = nat.flags;
    if proto.min.is_some() {
        flags |= PROTO_SPECIFIED;
    }
    if nat.type_flags & nat_type::PREFIX != 0 {
        flags |= NETMAP;
    }
    let some = |flags| (flags != 0).then_some(flags);
    let of = |kind| {
        let flags = if addr.min.is_some() { flags | MAP_IPS } else { flags };
        KExpr::Nat { kind, family: u32::from(family.number()), addr, proto, flags: some(flags) }
    };
    match nat.kind {
        NatKind::Snat => of(SNAT),
        NatKind::Dnat => of(DNAT),
        NatKind::Masquerade => KExpr::Masq { proto, flags: some(flags) },
        NatKind::Redirect => KExpr::Redir { proto, flags: some(flags) },
    }
}

/// The registers of what a map gave: the first address, the first port, the last address, the last port.
fn side_by_side(slot: Slot, width: u32, concat: bool, ranges: bool) -> (Range, Range) {
    let mut next = slot;
    let mut take = |there: bool, width: u32| {
        there.then(|| {
            let at = reg(next);
            next = next.saturating_add(width);
            at
        })
    };
    let (first, first_port) = (take(true, width), take(concat, 1));
    let (last, last_port) = (take(ranges, width), take(ranges && concat, 1));
    (Range { min: first, max: last }, Range { min: first_port, max: last_port })
}
