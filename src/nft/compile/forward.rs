//! Statements that send packets elsewhere, log them, or put them into sets.
#![forbid(unsafe_code)]

use super::Fault;
use super::constant::is_constant;
use super::context::Known;
use super::fault::{Make, Within, expected};
use super::load::{self, PORT};
use super::map::fits;
use super::nat::address;
use super::rule::{Rule, reg, slots};
use crate::error::Why;
use crate::nft::kernel::KExpr;
use crate::nft::model::{
    Dynset, Expr, Family, Log, MapData, Order, Part, Queue, Statement, Tproxy, Type, set_flag,
};
use crate::nft::object::stateful;
use crate::nft::value::largest_generated;

/// `NFT_LOGLEVEL_WARNING`, which the kernel takes where nothing is said, and `NFT_LOGLEVEL_AUDIT`.
const WARNING: u32 = 4;
const AUDIT: u8 = 8;

/// `NFT_DYNSET_F_EXPR`: the kernel wants it where several expressions are kept.
const SEVERAL: u32 = 2;

/// `NFT_QUEUE_FLAG_CPU_FANOUT`
const FANOUT: u16 = 2;

const INDEX: Part = Part { ty: Type::IfaceIndex, bits: 32, order: Order::Host };

impl Rule<'_> {
    pub(super) fn log(&mut self, log: &Log) -> Make<()> {
        let Log { prefix, group, snaplen, queue_threshold, level, flags } = log;
        let excluded = |key, other| Err(Fault::new(Why::Excludes(other))).key(key);
        if group.is_some() {
            if level.is_some() {
                return excluded("level", "group");
            }
            if *flags != 0 {
                return excluded("flags", "group");
            }
        } else if snaplen.is_some() || queue_threshold.is_some() {
            return Err(Fault::new(Why::Missing)).key("group");
        }
        if *level == Some(AUDIT) && (prefix.is_some() || *flags != 0) {
            return excluded("level", if prefix.is_some() { "prefix" } else { "flags" });
        }
        self.begin();
        self.emit(KExpr::Log {
            prefix: prefix.clone(),
            group: *group,
            snaplen: *snaplen,
            qthreshold: queue_threshold.filter(|n| *n != 0),
            level: group.is_none().then(|| level.map_or(WARNING, u32::from)),
            flags: (*flags != 0).then_some(*flags),
        });
        self.act();
        Ok(())
    }

    /// A statement that keeps a state.
    pub(super) fn state(&mut self, statement: &Statement) -> Make<()> {
        self.begin();
        let Some(expression) = stateful::expression(statement).map(owned) else {
            return Err(Fault::new(Why::Unsupported("this statement")));
        };
        self.emit(expression);
        self.act();
        Ok(())
    }

    pub(super) fn dynset(&mut self, dynset: &Dynset) -> Make<()> {
        let word = if dynset.data.is_some() { "map" } else { "set" };
        let (elem, around) = match &dynset.elem {
            Expr::Elem(elem) => (&elem.value, Some(&**elem)),
            other => (other, None),
        };
        if is_constant(elem) {
            return expected("something that the packet or the kernel has").key("elem");
        }
        self.require_each(&[("elem", Some(elem)), ("data", dynset.data.as_ref())])?;
        let unknown = || Fault::new(Why::UnknownName(dynset.set.to_vec()));
        let known = self.scope.set(&dynset.set).ok_or_else(unknown).key(word)?;
        self.begin();
        let (key, _) = self.dynamic(elem, &known.key.parts, &known).key("elem")?;
        let data = match (&dynset.data, &known.data) {
            (None, None) => None,
            (Some(data), Some(MapData::Values(datum))) => {
                Some(self.dynamic_data(data, &datum.parts).key("data")?)
            }
            (None, Some(_)) => return expected("a set, not a map").key(word),
            (Some(_), _) => return expected("a map to values").key(word),
        };
        let kept = around.map_or(&[][..], |elem| elem.statements.as_slice());
        let exprs = kept_with(kept.iter().chain(&dynset.statements)).key("stmt")?;
        self.emit(KExpr::Dynset {
            set: dynset.set.clone(),
            set_id: None,
            op: dynset.op as u32,
            sreg_key: key,
            sreg_data: data,
            timeout: around.and_then(|elem| elem.timeout_ms),
            flags: if exprs.len() > 1 { SEVERAL } else { 0 },
            exprs,
        });
        self.act();
        Ok(())
    }

    /// Loads the key of an element that is added.
    fn dynamic(
        &mut self,
        elem: &Expr,
        parts: &[Part],
        known: &crate::nft::model::Set,
    ) -> Make<(u32, Vec<Part>)> {
        let interval = known.flags & set_flag::INTERVAL != 0;
        let Expr::Concat(exprs) = elem else {
            let slot = self.register()?;
            let part = self.operand(elem, slot, None)?;
            let part = self.for_lookup(part, slot, interval)?;
            fits(known, &[part])?;
            return Ok((reg(slot), vec![part]));
        };
        let count = parts.iter().map(|part| slots(load::size(part.bits.div_ceil(8)))).sum();
        let slot = self.registers(count)?;
        let loaded = self.side_by_side(exprs, slot, interval).key("concat")?;
        fits(known, &loaded)?;
        Ok((reg(slot), loaded))
    }

    /// Loads what the key of an element maps to.
    fn dynamic_data(&mut self, data: &Expr, parts: &[Part]) -> Make<u32> {
        let (exprs, slot) = match (data, parts) {
            (Expr::Concat(exprs), parts) if exprs.len() == parts.len() => {
                let count = parts.iter().map(|part| slots(load::size(part.bits.div_ceil(8)))).sum();
                (exprs.as_slice(), self.registers(count)?)
            }
            (one, [_]) => (std::slice::from_ref(one), self.register()?),
            _ => return expected("as many values side by side as the map has"),
        };
        let mut at = slot;
        for (n, (expr, part)) in exprs.iter().zip(parts).enumerate() {
            self.assign(expr, *part, at).nth(n)?;
            at = at.saturating_add(slots(load::size(part.bits.div_ceil(8))));
        }
        Ok(reg(slot))
    }

    pub(super) fn queue(&mut self, queue: &Queue) -> Make<()> {
        let narrow = |n: u64| u16::try_from(n).map_err(|_| Fault::new(Why::Range(0, 0xffff)));
        let number = |expr: &Expr| match expr {
            Expr::Int(n) => narrow(*n),
            _ => expected("a number"),
        };
        let range = |first: u16, last: u16| match last.checked_sub(first).and_then(|n| n.checked_add(1)) {
            Some(total) => Ok((Some(first), Some(total))),
            None => expected("a range that does not end before it begins"),
        };
        if queue.flags & FANOUT != 0 && !matches!(queue.num, Some(Expr::Range(_))) {
            return expected("a range of queues, for which of them").key("num");
        }
        let flags = Some(queue.flags);
        let (num, total) = match &queue.num {
            None => (Some(0), Some(1)),
            Some(Expr::Int(n)) => (Some(narrow(*n).key("num")?), Some(1)),
            Some(Expr::Range(ends)) => {
                let [first, last] = &**ends;
                range(number(first).nth(0).key("num")?, number(last).nth(1).key("num")?).key("num")?
            }
            Some(expr) => {
                if !matches!(expr, Expr::Numgen(_) | Expr::Jhash(_) | Expr::Symhash(_) | Expr::Map(_)) {
                    return expected("a number, a range, or a number that is generated").key("num");
                }
                if largest_generated(expr).is_some_and(|last| last > u64::from(u16::MAX)) {
                    return Err(Fault::new(Why::Range(0, u64::from(u16::MAX)))).key("num");
                }
                self.require(expr).key("num")?;
                self.begin();
                let slot = self.register()?;
                let target = Part { ty: Type::Integer, bits: 16, order: Order::Host };
                let target = matches!(expr, Expr::Map(_)).then_some(target);
                self.operand(expr, slot, target).key("num")?;
                self.emit(KExpr::Queue { num: None, total: None, flags, sreg_qnum: Some(reg(slot)) });
                self.act();
                return Ok(());
            }
        };
        self.begin();
        self.emit(KExpr::Queue { num, total, flags, sreg_qnum: None });
        self.act();
        Ok(())
    }

    fn tproxy_family(&self, tproxy: &Tproxy) -> Make<Option<Family>> {
        let own = self.family();
        let known = match &self.context.network {
            Known::Is(known) if own == Family::Inet => Family::named(known.name.as_bytes()),
            _ => None,
        };
        match (own, tproxy.family) {
            (Family::Ip | Family::Ip6, Some(other)) if other != own => {
                Err(Fault::new(Why::Excludes(own.name()))).key("family")
            }
            (Family::Ip | Family::Ip6, _) => Ok(Some(own)),
            (Family::Inet, given) => match (given, known) {
                (Some(given), Some(known)) if given != known => {
                    Err(Fault::new(Why::Excludes(known.name()))).key("family")
                }
                (given, known) => Ok(given.or(known)),
            },
            _ => Err(Fault::new(Why::Excludes(own.name()))),
        }
    }

    pub(super) fn tproxy(&mut self, tproxy: &Tproxy) -> Make<()> {
        let family = self.tproxy_family(tproxy)?;
        self.has_ports()?;
        self.require_each(&[("addr", tproxy.addr.as_ref()), ("port", tproxy.port.as_ref())])?;
        self.begin();
        let mut addr = None;
        if let Some(expr) = &tproxy.addr {
            let part = address(family.unwrap_or(Family::Inet))?;
            let slot = self.register()?;
            self.assign(expr, part, slot).key("addr")?;
            addr = Some(reg(slot));
        }
        let mut port = None;
        if let Some(expr) = &tproxy.port {
            let slot = self.register()?;
            self.assign(expr, PORT, slot).key("port")?;
            port = Some(reg(slot));
        }
        let family = family.map_or(0, |family| u32::from(family.number()));
        self.emit(KExpr::Tproxy { family, addr, port });
        self.act();
        Ok(())
    }

    pub(super) fn dup(&mut self, addr: Option<&Expr>, dev: Option<&Expr>) -> Make<()> {
        // In netdev nothing is routed, and what stands in the place of the address is the device.
        let (addr, dev) = match (self.family(), addr, dev) {
            (Family::Netdev, Some(dev), None) | (Family::Netdev, None, Some(dev)) => (None, Some(dev)),
            (Family::Netdev, ..) => return expected("a device alone"),
            (_, addr, dev) => (addr, dev),
        };
        self.require_each(&[("addr", addr), ("dev", dev)])?;
        self.begin();
        let mut registers = (None, None);
        if let Some(expr) = addr {
            let part = address(self.family())?;
            let slot = self.register()?;
            self.assign(expr, part, slot).key("addr")?;
            registers.0 = Some(reg(slot));
        }
        if let Some(expr) = dev {
            let slot = self.register()?;
            self.assign(expr, INDEX, slot).key("dev")?;
            registers.1 = Some(reg(slot));
        }
        self.emit(KExpr::Dup { addr: registers.0, dev: registers.1 });
        self.act();
        Ok(())
    }

    pub(super) fn fwd(&mut self, dev: &Expr, to: Option<&(Family, Expr)>) -> Make<()> {
        if self.family() != Family::Netdev {
            return Err(Fault::new(Why::Excludes(self.family().name())));
        }
        self.require_each(&[("dev", Some(dev)), ("addr", to.map(|(_, addr)| addr))])?;
        self.begin();
        let slot = self.register()?;
        self.assign(dev, INDEX, slot).key("dev")?;
        let (mut addr, mut family) = (None, None);
        if let Some((of, expr)) = to {
            let at = self.register()?;
            self.assign(expr, address(*of)?, at).key("addr")?;
            (addr, family) = (Some(reg(at)), Some(u32::from(of.number())));
        }
        self.emit(KExpr::Fwd { dev: reg(slot), addr, family });
        self.act();
        Ok(())
    }
}

/// What is kept with an element.
fn kept_with<'s>(statements: impl Iterator<Item = &'s Statement>) -> Make<Vec<KExpr<'static>>> {
    let one = |(n, statement)| {
        let expression = stateful::expression(statement).map(owned);
        expression.ok_or_else(|| Fault::new(Why::Unsupported("this statement"))).nth(n)
    };
    statements.enumerate().map(one).collect()
}

/// The expression of a statement that keeps a state holds nothing of it but numbers, or it is kept as bytes.
fn owned(expression: KExpr<'_>) -> KExpr<'static> {
    match expression {
        KExpr::Counter { bytes, packets } => KExpr::Counter { bytes, packets },
        KExpr::Limit { rate, unit, burst, kind, flags } => KExpr::Limit { rate, unit, burst, kind, flags },
        KExpr::Quota { bytes, consumed, flags } => KExpr::Quota { bytes, consumed, flags },
        KExpr::Last { set, msecs } => KExpr::Last { set, msecs },
        KExpr::Connlimit { count, flags } => KExpr::Connlimit { count, flags },
        other => {
            let opaque = stateful::opaque(&other);
            KExpr::Opaque { name: opaque.name, data: opaque.data.map(std::borrow::Cow::Owned) }
        }
    }
}
