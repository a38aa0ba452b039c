//! Puts the comparisons in that an expression needs before it.
#![forbid(unsafe_code)]

use super::context::{Context, Dependency, Known};
use super::fault::{Make, Within};
use super::rule::{Place, Rule, Unit, data, reg};
use super::{Fault, set, tunnel};
use crate::error::Why;
use crate::nft::kernel::{Cmp, KExpr};
use crate::nft::model::{Base, Ct, Expr, Family, Order, Part, RawElement, Type};
use crate::nft::tables::{self, Field, HeaderKind, Tunnel, chain};

impl Rule<'_> {
    /// Puts in what an expression needs that is not known yet.
    pub(super) fn require(&mut self, expr: &Expr) -> Make<()> {
        match expr {
            Expr::Payload(field) => self.require_field(field).key("payload"),
            Expr::Inner(tunnel, field) => self.require_inner(*tunnel, field).key("payload"),
            Expr::Exthdr(header, _) => match header.kind {
                HeaderKind::Ipv6 => self.require_first(&tables::IP6).key("exthdr"),
                HeaderKind::IpOption => self.require_first(&tables::IP).key("ip option"),
                _ => Ok(()),
            },
            Expr::Ct(ct) => self.check_ct(ct).key("ct"),
            Expr::Meta(key) => self.check_meta(key.number).key("meta"),
            Expr::Rt(rt) => match (rt.family, self.family()) {
                (Some(Family::Ip6), Family::Ip) => Err(Fault::new(Why::Excludes("ip"))).key("rt"),
                (Some(Family::Ip), Family::Ip6) => Err(Fault::new(Why::Excludes("ip6"))).key("rt"),
                _ => Ok(()),
            },
            Expr::Concat(parts) => {
                parts.iter().enumerate().try_for_each(|(n, part)| self.require(part).nth(n).key("concat"))
            }
            Expr::Binop(_, sides) => {
                sides.iter().enumerate().try_for_each(|(n, side)| self.require(side).nth(n))
            }
            Expr::Map(sides) => match &**sides {
                [key, _] => self.require(key).key("key").key("map"),
            },
            Expr::Jhash(hash) => self.require(&hash.expr).key("expr").key("jhash"),
            Expr::Elem(elem) => self.require(&elem.value).key("val").key("elem"),
            _ => Ok(()),
        }
    }

    /// The same for values that need not be there, each below its key.
    pub(super) fn require_each(&mut self, values: &[(&'static str, Option<&Expr>)]) -> Make<()> {
        values.iter().try_for_each(|(key, value)| match value {
            Some(value) => self.require(value).key(key),
            None => Ok(()),
        })
    }

    fn require_field(&mut self, field: &'static Field) -> Make<()> {
        if field.base == Base::Tunnel {
            return Err(Fault::new(Why::Unsupported("the header of a tunnel without its tunnel")));
        }
        for dependency in self.context.need(field)? {
            let unit = self.unit(dependency, None)?;
            self.units.push(unit);
        }
        Ok(())
    }

    /// The network layer that an extension header or option belongs to; nft compares it before all else.
    fn require_first(&mut self, header: &'static tables::Protocol) -> Make<()> {
        if let Known::Is(known) = self.context.network {
            return if known == header { Ok(()) } else { Err(Fault::new(Why::Excludes(known.name))) };
        }
        let mut out = Vec::new();
        self.context.need_above(header, &mut out)?;
        self.put_first(out)
    }

    /// Puts comparisons before everything else of the rule.
    pub(super) fn put_first(&mut self, dependencies: Vec<Dependency>) -> Make<()> {
        for dependency in dependencies.into_iter().rev() {
            let unit = self.unit(dependency, None)?;
            self.units.insert(0, unit);
        }
        Ok(())
    }

    fn require_inner(&mut self, tunnel: Tunnel, field: &'static Field) -> Make<()> {
        let outer = tunnel::outer(tunnel);
        match (self.context.need_l4(outer)?, tunnel) {
            (Some(dependency), Tunnel::Gre | Tunnel::Gretap) => {
                let unit = self.unit(dependency, None)?;
                self.units.push(unit);
            }
            // Which port it has nobody can know: nft wants UDP to be matched before.
            (Some(_), _) => return Err(Fault::new(Why::Expected("a match of udp before it"))),
            (None, _) => {}
        }
        let mut inner = match self.inner.take() {
            Some((other, context)) if other == tunnel => context,
            Some((_, _)) => return Err(Fault::new(Why::Unsupported("two tunnels in one rule"))),
            None => {
                let link = tunnel != Tunnel::Gre;
                let mut context = Context::new(if link { Family::Bridge } else { Family::Netdev });
                context.without_link = !link;
                context
            }
        };
        let needed = if field.base == Base::Tunnel { Ok(Vec::new()) } else { inner.need(field) };
        self.inner = Some((tunnel, inner));
        for dependency in needed? {
            let unit = self.unit(dependency, Some(tunnel))?;
            self.units.push(unit);
        }
        Ok(())
    }

    fn unit(&mut self, dependency: Dependency, inside: Option<Tunnel>) -> Make<Unit> {
        let number = |key: u32, value: &[u8]| -> Make<Vec<KExpr<'static>>> {
            let cmp = KExpr::Cmp { sreg: reg(0), op: Cmp::Eq, data: data(value)? };
            Ok(vec![KExpr::Meta { dreg: reg(0), key }, cmp])
        };
        let equal = |base, offset, value: Vec<u8>, len| Unit::Equal {
            place: Place { base, offset, len },
            value,
            key: true,
        };
        let unit = match dependency {
            Dependency::Ether => Unit::Test(number(chain::META_IIFTYPE, &chain::ARPHRD_ETHER.to_ne_bytes())?),
            Dependency::NfProto(n) => Unit::Test(number(chain::META_NFPROTO, &[n])?),
            Dependency::MetaProtocol(n) => Unit::Test(number(chain::META_PROTOCOL, &n.to_be_bytes())?),
            Dependency::L4(n) => Unit::Test(number(chain::META_L4PROTO, &[n])?),
            Dependency::LinkType(tags, n) => equal(Base::Link, 12 + 4 * tags, n.to_be_bytes().to_vec(), 2),
            Dependency::Message([one]) => equal(Base::Transport, 0, vec![*one], 1),
            Dependency::Message(several) => self.message(several)?,
        };
        Ok(match inside {
            Some(tunnel) => Unit::Test(tunnel::wrapped(tunnel, unit.into_expressions()?)),
            None => unit,
        })
    }

    /// One of several types of ICMP.
    fn message(&mut self, types: &[u8]) -> Make<Unit> {
        let key = |t: &u8| RawElement { key: Some(vec![*t]), ..RawElement::default() };
        let ty = if types.first().is_some_and(|t| *t >= 128) { Type::Icmpv6Type } else { Type::IcmpType };
        let part = Part { ty, bits: 8, order: Order::Network };
        let (name, id) = self.add_set(set::plain(part), types.iter().map(key).collect());
        let load = KExpr::Payload { dreg: reg(0), base: Base::Transport as u32, offset: 0, len: 1 };
        let lookup = KExpr::Lookup { set: name, set_id: Some(id), sreg: reg(0), dreg: None, flags: 0 };
        Ok(Unit::Test(vec![load, lookup]))
    }

    fn check_ct(&self, ct: &Ct) -> Make<()> {
        // Which of them are of a direction: nft_ct_get_init (net/netfilter/nft_ct.c).
        let (allowed, needed) = match ct.key.number {
            8 | 9 | 11 | 12 | 19..=22 => (true, true),
            7 | 10 | 14..=17 => (true, false),
            _ => (false, false),
        };
        if ct.direction.is_some() && !allowed {
            return Err(Fault::new(Why::Excludes("key"))).key("dir");
        }
        if ct.direction.is_none() && needed {
            return Err(Fault::new(Why::Missing)).key("dir");
        }
        let other = match ct.key.number {
            19 | 20 => &tables::IP,
            21 | 22 => &tables::IP6,
            _ => return Ok(()),
        };
        match self.context.network {
            Known::Is(known) if known != other => Err(Fault::new(Why::Excludes(known.name))).key("key"),
            _ => Ok(()),
        }
    }

    /// Keys that only a bridge has (net/bridge/netfilter/nft_meta_bridge.c), and the family, which elsewhere than in inet is
    /// that of the table: nft refuses to ask for it.
    fn check_meta(&self, number: u32) -> Make<()> {
        match number {
            chain::META_NFPROTO if self.family() != Family::Inet => {
                Err(Fault::new(Why::Excludes(self.family().name()))).key("key")
            }
            17 | 18 | 28 | 29 | 35 | 37 if self.family() != Family::Bridge => {
                Err(Fault::new(Why::Excludes(self.family().name()))).key("key")
            }
            _ => Ok(()),
        }
    }
}

impl Unit {
    /// What it is for the kernel.
    pub(super) fn into_expressions(self) -> Make<Vec<KExpr<'static>>> {
        match self {
            Self::Equal { place: Place { base, offset, len }, value, .. } => {
                let load = KExpr::Payload { dreg: reg(0), base: base as u32, offset, len };
                let cmp = KExpr::Cmp { sreg: reg(0), op: Cmp::Eq, data: data(&value)? };
                Ok(vec![load, cmp])
            }
            Self::Test(out) | Self::Act(out) => Ok(out),
        }
    }
}
