//! Expressions that send a packet elsewhere: addresses and ports come in registers.
#![forbid(unsafe_code)]

use super::constant;
use super::element::Target;
use super::register::{self, Cover, Mapped, Shape, What};
use super::{Lift, only};
use crate::nft::kernel::{KExpr, Range, Reg};
use crate::nft::model::{Expr, Family, Nat, NatKind, Order, Queue, Statement, Tproxy, Type, nat_type};
use crate::nft::value::largest_generated;

/// `NF_NAT_RANGE_MAP_IPS` and `PROTO_SPECIFIED`: set where there is an address, and a port.
const IMPLIED: u32 = 1 | 2;
/// `NF_NAT_RANGE_PROTO_RANDOM`, `PERSISTENT`, `PROTO_RANDOM_FULLY`, `NETMAP`
const KNOWN: u32 = 4 | 8 | 16 | NETMAP;
/// `NF_NAT_RANGE_NETMAP`
const NETMAP: u32 = 64;
/// `NFT_QUEUE_FLAG_CPU_FANOUT`: nft asks for it among several queues only.
const FANOUT: u16 = 2;

fn address(family: u32) -> Option<(Family, Shape)> {
    Some(match family {
        2 => (Family::Ip, Shape::new(Type::Ipv4Addr, 32, Order::Network)),
        10 => (Family::Ip6, Shape::new(Type::Ipv6Addr, 128, Order::Network)),
        _ => return None,
    })
}

fn port() -> Shape {
    Shape::new(Type::InetService, 16, Order::Network)
}

fn device() -> Shape {
    Shape::new(Type::IfaceIndex, 32, Order::Host)
}

/// Where there is no last one the kernel writes down the first again.
fn distinct(range: Range) -> Range {
    Range { max: range.max.filter(|max| Some(*max) != range.min), ..range }
}

impl Lift<'_, '_> {
    /// A value, or two that are the ends of a range.
    fn ends(&mut self, range: Range, shape: Shape, prefixes: bool) -> Option<(Option<Expr>, Cover)> {
        match (range.min, range.max) {
            (None, None) => Some((None, 0)),
            (None, Some(_)) => None,
            (Some(min), None) => self.value(min, shape).map(|(expr, cover)| (Some(expr), cover)),
            (Some(min), Some(max)) => {
                let (from, to) = (self.registers.take(min)?, self.registers.take(max)?);
                let (What::Data(first), What::Data(last)) = (from.what, to.what) else { return None };
                let sizes = [first, last].map(|data| u32::try_from(data.bytes().len()));
                if sizes != [Ok(shape.len); 2] {
                    return None;
                }
                let expr = constant::range(self.names, shape, first.bytes(), last.bytes(), prefixes)?;
                Some((Some(expr), from.from | to.from))
            }
        }
    }

    pub(super) fn nat(&mut self, index: usize, expression: &KExpr<'_>) -> Option<()> {
        let none = Range::default();
        let (kind, family, addr, proto, flags) = match expression {
            KExpr::Nat { kind: 0, family, addr, proto, flags } => {
                (NatKind::Snat, *family, *addr, *proto, flags)
            }
            KExpr::Nat { kind: 1, family, addr, proto, flags } => {
                (NatKind::Dnat, *family, *addr, *proto, flags)
            }
            KExpr::Masq { proto, flags } => (NatKind::Masquerade, 0, none, *proto, flags),
            KExpr::Redir { proto, flags } => (NatKind::Redirect, 0, none, *proto, flags),
            _ => return None,
        };
        let flags = flags.unwrap_or(0);
        if flags & !(KNOWN | IMPLIED) != 0 {
            return None;
        }
        let mut nat = Nat {
            kind,
            family: None,
            addr: None,
            port: None,
            flags: flags & KNOWN,
            type_flags: if flags & NETMAP != 0 { nat_type::PREFIX } else { 0 },
        };
        let cover = only(index) | self.translation(&mut nat, family, distinct(addr), distinct(proto))?;
        self.push(cover, Statement::Nat(nat))
    }

    /// Address and port of a translation.
    fn translation(&mut self, nat: &mut Nat, family: u32, addr: Range, proto: Range) -> Option<Cover> {
        let known = address(family);
        let mut cover = 0;
        if addr.min.is_some() {
            let (family, shape) = known?;
            if let Some((expr, from)) = self.joint(addr, proto, shape) {
                (nat.addr, nat.family) = (Some(expr), Some(family));
                return Some(from);
            }
            let (expr, from) = self.ends(addr, shape, true)?;
            nat.addr = expr;
            nat.family = Some(family).filter(|_| self.only_family().is_none());
            cover |= from;
        } else if family != 0 && family != u32::from(self.context.family.number()) {
            nat.family = Some(known?.0);
        }
        let (expr, from) = self.ends(proto, port(), false)?;
        nat.port = expr;
        Some(cover | from)
    }

    /// A map whose values hold more than an address: a port too, or the ends of both.
    fn joint(&mut self, addr: Range, proto: Range, shape: Shape) -> Option<(Expr, Cover)> {
        let first = addr.min?;
        let What::Mapped(_) = self.registers.get(first)?.what else { return None };
        let base = register::slot(first)?;
        let place = |reg: Reg| register::slot(reg)?.checked_sub(base);
        let width = register::width(shape.len);
        let places = [addr.max, proto.min, proto.max].map(|reg| reg.map(place));
        let (single, pair) = ([shape], [shape, port()]);
        let (shapes, ranges): (&[Shape], bool) = match places {
            [None, Some(port), None] if port == Some(width) => (&pair, false),
            [Some(to), None, None] if to == Some(width) => (&single, true),
            [Some(to), Some(port), Some(last)]
                if (to, port, last) == (Some(width + 1), Some(width), Some(width * 2 + 1)) =>
            {
                (&pair, true)
            }
            _ => return None,
        };
        let value = self.registers.take(first)?;
        let What::Mapped(mapped) = value.what else { return None };
        let mapped: Mapped = *mapped;
        Some((self.mapped(mapped, &Target::Values(shapes, ranges))?, value.from))
    }

    pub(super) fn tproxy(&mut self, index: usize, expression: &KExpr<'_>) -> Option<()> {
        let KExpr::Tproxy { family, addr, port: to } = expression else { return None };
        let known = address(*family);
        let mut cover = only(index);
        let mut tproxy = Tproxy { family: None, addr: None, port: None };
        if self.only_family().is_none() {
            tproxy.family = known.map(|(family, _)| family);
            if known.is_none() && ![0, 1].contains(family) {
                return None;
            }
        }
        if let Some(reg) = addr {
            let (expr, from) = self.value(*reg, known?.1)?;
            (tproxy.addr, cover) = (Some(expr), cover | from);
        }
        if let Some(reg) = to {
            let (expr, from) = self.value(*reg, port())?;
            (tproxy.port, cover) = (Some(expr), cover | from);
        }
        self.push(cover, Statement::Tproxy(Box::new(tproxy)))
    }

    pub(super) fn dup(&mut self, index: usize, addr: Option<Reg>, dev: Option<Reg>) -> Option<()> {
        let mut cover = only(index);
        let addr = match addr {
            Some(reg) => {
                let (_, shape) = address(u32::from(self.context.family.number()))?;
                let (expr, from) = self.value(reg, shape)?;
                cover |= from;
                Some(expr)
            }
            None => None,
        };
        let dev = match dev {
            Some(reg) => {
                let (expr, from) = self.value(reg, device())?;
                cover |= from;
                Some(expr)
            }
            None => None,
        };
        // Where there are no addresses the device stands in their place.
        let statement = match self.only_family() {
            None if addr.is_none() => Statement::Dup(dev, None),
            _ => Statement::Dup(addr, dev),
        };
        self.push(cover, statement)
    }

    pub(super) fn fwd(
        &mut self,
        index: usize,
        dev: Reg,
        addr: Option<Reg>,
        family: Option<u32>,
    ) -> Option<()> {
        let (dev, mut cover) = self.value(dev, device())?;
        let addr = match (addr, family) {
            (None, None) => None,
            (Some(reg), Some(family)) => {
                let (family, shape) = address(family)?;
                let (expr, from) = self.value(reg, shape)?;
                cover |= from;
                Some((family, expr))
            }
            _ => return None,
        };
        self.push(cover | only(index), Statement::Fwd(dev, addr))
    }

    pub(super) fn queue(&mut self, index: usize, expression: &KExpr<'_>) -> Option<()> {
        let KExpr::Queue { num, total, flags, sreg_qnum } = expression else { return None };
        let flags = flags.unwrap_or(0);
        if flags & !3 != 0 {
            return None;
        }
        let (num, cover) = match (num, total, sreg_qnum) {
            (None, None, Some(reg)) if flags & FANOUT == 0 => {
                let (expr, cover) = self.value(*reg, Shape::new(Type::Integer, 32, Order::Host))?;
                if largest_generated(&expr).is_some_and(|last| last > u64::from(u16::MAX)) {
                    return None;
                }
                (expr, cover)
            }
            (Some(num), None | Some(0 | 1), None) if flags & FANOUT == 0 => (Expr::Int(u64::from(*num)), 0),
            (Some(num), Some(total), None) => {
                let last = num.checked_add(total.checked_sub(1)?)?;
                let ends = [Expr::Int(u64::from(*num)), Expr::Int(u64::from(last))];
                (Expr::Range(Box::new(ends)), 0)
            }
            _ => return None,
        };
        let queue = Queue { num: Some(num), flags };
        self.push(cover | only(index), Statement::Queue(Box::new(queue)))
    }
}
