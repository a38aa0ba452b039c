//! Values that are read from the packet or asked of the kernel, into a register.
#![forbid(unsafe_code)]

use super::fault::{Make, Within, expected};
use super::rule::{Place, Rule, Slot, reg, slots};
use super::{Fault, tunnel};
use crate::error::Why;
use crate::nft::kernel::KExpr;
use crate::nft::model::{Base, Expr, Family, Jhash, Modulus, Order, Part, RawPayload, Socket, Type};
use crate::nft::schema;
use crate::nft::tables::{Field, Header, HeaderField, HeaderKind, Tunnel};

/// A port.
pub(super) const PORT: Part = Part { ty: Type::InetService, bits: 16, order: Order::Network };

/// `NFT_EXTHDR_F_PRESENT`
const PRESENT: u32 = 1;

/// `NFTA_FIB_F_PRESENT`
const FIB_PRESENT: u32 = 32;

/// `NFT_FIB_RESULT_OIF`
const FIB_OIF: u8 = 1;

/// `NFT_HASH_JENKINS` and `NFT_HASH_SYM`.
const JENKINS: u32 = 0;
const SYMMETRIC: u32 = 1;

/// Bytes that were loaded, and where in them the value is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub part: Part,
    /// Bytes in the register.
    pub bytes: usize,
    /// The bits that count, where not all of them do; the bytes as a number, most significant first.
    pub mask: Option<u128>,
    /// Bits behind them.
    pub shift: u32,
}

/// The bytes around some bits: offset, how many, which bits count, bits behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Around {
    pub offset: u32,
    pub bytes: u32,
    pub mask: Option<u128>,
    pub shift: u32,
}

/// The bytes around `len` bits from `offset` on; nothing if they are not whole bytes and more than sixteen.
pub(super) fn around(offset: u32, len: u32) -> Option<Around> {
    let (first, skipped) = (offset / 8, offset % 8);
    let bytes = skipped.checked_add(len)?.div_ceil(8);
    let shift = bytes.checked_mul(8)?.checked_sub(skipped)?.checked_sub(len)?;
    if skipped == 0 && shift == 0 {
        return Some(Around { offset: first, bytes, mask: None, shift });
    }
    let ones = if bytes <= 16 { u128::MAX.checked_shr(128_u32.checked_sub(len)?)? } else { return None };
    Some(Around { offset: first, bytes, mask: Some(ones.checked_shl(shift)?), shift })
}

pub(super) fn size(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn too_wide() -> Fault {
    Fault::new(Why::Unsupported("more than sixteen bytes that are not whole"))
}

/// The same expression asking whether something is there, where it is compared with yes or no and its words do not say so: a
/// route, and a TCP option of any kind.
pub(super) fn as_presence(left: &Expr, right: &Expr) -> Option<Expr> {
    let yes_or_no = |expr: &Expr| match expr {
        Expr::Pair(pair) => matches!(&**pair, [Expr::Bool(_), _]),
        other => matches!(other, Expr::Bool(_)),
    };
    let asked = match right {
        Expr::Set(elements) => elements.iter().any(yes_or_no),
        other => yes_or_no(other),
    };
    match left {
        Expr::Fib(fib) if asked && fib.result == FIB_OIF => {
            let mut fib = *fib;
            fib.flags |= FIB_PRESENT;
            Some(Expr::Fib(fib))
        }
        Expr::RawOption(raw) if asked && raw.offset == 0 && raw.len == 8 => {
            let mut raw = *raw;
            raw.len = 0;
            Some(Expr::RawOption(raw))
        }
        _ => None,
    }
}

impl Rule<'_> {
    /// What the value of an expression is.
    pub(super) fn part(&self, expr: &Expr) -> Make<Part> {
        let one_bit = Part { ty: Type::Integer, bits: 1, order: Order::Host };
        match expr {
            // `NFT_SOCKET_TRANSPARENT` and `NFT_SOCKET_WILDCARD`
            Expr::Socket(Socket { key: 0 | 2, .. }) => Ok(one_bit),
            // For nft these are `th sport` and `th dport`, however they are said; the type of a set tells.
            Expr::RawPayload(RawPayload { base: Base::Transport, offset: 0 | 16, len: 16 }) => Ok(PORT),
            Expr::Concat(_) => expected("one value, not several side by side"),
            other => match schema::part_of(other, self.family()) {
                Some(part) if part.bits > 0 => Ok(part),
                _ => expected("something that the packet or the kernel has"),
            },
        }
    }

    /// Loads what is no operation on other values; `None` for all else.
    pub(super) fn load(&mut self, expr: &Expr, slot: Slot) -> Make<Option<Window>> {
        let dreg = reg(slot);
        match expr {
            Expr::Payload(field) => return self.load_field(field, None, slot).key("payload").map(Some),
            Expr::Inner(tunnel, field) => {
                return self.load_field(field, Some(*tunnel), slot).key("payload").map(Some);
            }
            Expr::RawPayload(raw) => {
                let around = around(raw.offset, raw.len).ok_or_else(too_wide).key("payload")?;
                self.emit(KExpr::Payload {
                    dreg,
                    base: raw.base as u32,
                    offset: around.offset,
                    len: around.bytes,
                });
                return self.window(expr, around).map(Some);
            }
            Expr::Exthdr(header, field) => return self.load_header(expr, header, *field, slot).map(Some),
            Expr::RawOption(raw) => {
                let there = raw.len == 0;
                let around = around(raw.offset, if there { 8 } else { raw.len }).ok_or_else(too_wide)?;
                self.emit(option(slot, HeaderKind::TcpOption, raw.kind, around, there));
                return self.window(expr, around).map(Some);
            }
            Expr::Meta(key) => self.emit(KExpr::Meta { dreg, key: key.number }),
            Expr::Ct(ct) => {
                let direction = ct.direction.map(|direction| direction as u8);
                self.emit(KExpr::Ct { dreg, key: ct.key.number, direction });
            }
            _ => {
                let Some(expression) = self.asked(expr, slot)? else { return Ok(None) };
                self.emit(expression);
            }
        }
        let part = self.part(expr)?;
        Ok(Some(Window { part, bytes: size(part.bits.div_ceil(8)), mask: None, shift: 0 }))
    }

    fn window(&self, expr: &Expr, around: Around) -> Make<Window> {
        let part = self.part(expr)?;
        Ok(Window { part, bytes: size(around.bytes), mask: around.mask, shift: around.shift })
    }

    /// The bytes around a field.
    pub(super) fn around(&self, field: &'static Field, inside: Option<Tunnel>) -> Make<(Place, Around)> {
        let context = match (inside, &self.inner) {
            (Some(_), Some((_, context))) => context,
            _ => &self.context,
        };
        let mut around = around(field.offset, field.len).ok_or_else(too_wide)?;
        around.offset = around.offset.saturating_add(context.begins(field));
        Ok((Place { base: field.base, offset: around.offset, len: around.bytes }, around))
    }

    fn load_field(&mut self, field: &'static Field, inside: Option<Tunnel>, slot: Slot) -> Make<Window> {
        let (place, around) = self.around(field, inside)?;
        let Place { base, offset, len } = place;
        let load = KExpr::Payload { dreg: reg(slot), base: base as u32, offset, len };
        match inside {
            Some(tunnel) => self.out.extend(tunnel::wrapped(tunnel, vec![load])),
            None => self.emit(load),
        }
        let part = Part { ty: field.ty, bits: field.len, order: field.order };
        Ok(Window { part, bytes: size(around.bytes), mask: around.mask, shift: around.shift })
    }

    fn load_header(
        &mut self,
        expr: &Expr,
        header: &'static Header,
        field: Option<&'static HeaderField>,
        slot: Slot,
    ) -> Make<Window> {
        let (offset, len) = field.map_or((0, 8), |field| (field.offset, field.len));
        let around = around(offset, len).ok_or_else(too_wide)?;
        self.emit(option(slot, header.kind, header.number, around, field.is_none()));
        self.window(expr, around)
    }

    /// What the kernel is asked for.
    fn asked(&mut self, expr: &Expr, slot: Slot) -> Make<Option<KExpr<'static>>> {
        let dreg = reg(slot);
        Ok(Some(match expr {
            Expr::Rt(rt) => {
                let six = rt.family.unwrap_or(self.family()) == Family::Ip6;
                // `NFT_RT_NEXTHOP4` and `NFT_RT_NEXTHOP6`
                KExpr::Rt { dreg, key: if rt.key == 1 && six { 2 } else { u32::from(rt.key) } }
            }
            Expr::Socket(socket) => KExpr::Socket { dreg, key: u32::from(socket.key), level: socket.level },
            Expr::Osf(osf) => KExpr::Osf { dreg, ttl: osf.ttl, flags: u32::from(osf.version) },
            Expr::Fib(fib) => KExpr::Fib { dreg, result: u32::from(fib.result), flags: fib.flags },
            Expr::Ipsec(ipsec) => KExpr::Xfrm {
                dreg,
                key: u32::from(ipsec.key),
                direction: ipsec.direction,
                spnum: ipsec.spnum,
            },
            Expr::Numgen(numgen) => {
                let Modulus { modulus, offset } = numgen.modulus;
                KExpr::Numgen { dreg, modulus, kind: u32::from(numgen.random), offset }
            }
            Expr::Jhash(hash) => self.jhash(hash, slot).key("expr").key("jhash")?,
            Expr::Symhash(modulus) => KExpr::Hash {
                sreg: None,
                dreg,
                len: 0,
                modulus: modulus.modulus,
                seed: None,
                offset: modulus.offset,
                kind: SYMMETRIC,
            },
            _ => return Ok(None),
        }))
    }

    /// What is hashed lies in registers of its own.
    fn jhash(&mut self, hash: &Jhash, slot: Slot) -> Make<KExpr<'static>> {
        let (from, bytes) = self.source(&hash.expr)?;
        self.release(from);
        Ok(KExpr::Hash {
            sreg: Some(reg(from)),
            dreg: reg(slot),
            len: u32::try_from(bytes).unwrap_or(u32::MAX),
            modulus: hash.modulus.modulus,
            seed: hash.seed,
            offset: hash.modulus.offset,
            kind: JENKINS,
        })
    }

    /// Loads a value into registers of its own: which, and how many bytes.
    pub(super) fn source(&mut self, expr: &Expr) -> Make<(Slot, usize)> {
        if let Expr::Concat(parts) = expr {
            let widths = parts.iter().map(|part| Ok(slots(size(self.part(part)?.bits.div_ceil(8)))));
            let count = widths.sum::<Make<u32>>()?;
            let slot = self.registers(count)?;
            self.side_by_side(parts, slot, false).key("concat")?;
            return Ok((slot, size(count) * 4));
        }
        let slot = self.register()?;
        let part = self.operand(expr, slot, None)?;
        Ok((slot, size(part.bits.div_ceil(8))))
    }
}

fn option(slot: Slot, kind: HeaderKind, number: u8, around: Around, there: bool) -> KExpr<'static> {
    KExpr::Exthdr {
        dreg: reg(slot),
        kind: number,
        offset: around.offset,
        len: around.bytes,
        op: kind as u32,
        flags: if there { PRESENT } else { 0 },
    }
}

/// Whether the field lies in a header that is read from the packet, and not from within a tunnel.
pub(super) fn plain_place(rule: &Rule<'_>, expr: &Expr) -> Option<(Place, bool)> {
    match expr {
        Expr::Payload(field) => {
            let (place, around) = rule.around(field, None).ok()?;
            let key = field.header().and_then(crate::nft::tables::chain::key) == Some(field);
            around.mask.is_none().then_some((place, key))
        }
        Expr::RawPayload(raw) if raw.base != Base::Tunnel => {
            let around = around(raw.offset, raw.len)?;
            let place = Place { base: raw.base, offset: around.offset, len: around.bytes };
            around.mask.is_none().then_some((place, false))
        }
        _ => None,
    }
}
