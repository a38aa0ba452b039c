//! Statements that set something: fields of the packet, what the kernel keeps beside it.
#![forbid(unsafe_code)]

use super::Fault;
use super::constant::is_constant;
use super::fault::{Make, Within, expected};
use super::load::around;
use super::operand::{Bits, chain};
use super::rule::{Place, Rule, Slot, reg};
use crate::error::Why;
use crate::nft::intervals;
use crate::nft::kernel::KExpr;
use crate::nft::model::{Expr, Order, Part};
use crate::nft::tables::{Field, Header, HeaderField, HeaderKind};

/// `NFT_PAYLOAD_CSUM_*`, and `NFT_PAYLOAD_L4CSUM_PSEUDOHDR`.
const CSUM_NONE: u32 = 0;
const CSUM_INET: u32 = 1;
const CSUM_SCTP: u32 = 2;
const PSEUDO_HEADER: u32 = 1;

/// The kind of a header's checksum, and its offset in bytes.
fn checksum(protocol: &str) -> (u32, u32) {
    match protocol {
        "ip" => (CSUM_INET, 10),
        "icmp" | "icmpv6" | "igmp" => (CSUM_INET, 2),
        "tcp" => (CSUM_INET, 16),
        "udp" => (CSUM_INET, 6),
        "sctp" => (CSUM_SCTP, 8),
        _ => (CSUM_NONE, 0),
    }
}

/// Whether the checksums of TCP and UDP cover a field of the network's header (RFC 9293, section 3.1; RFC 8200, section 8.1).
fn is_pseudo(field: &Field) -> bool {
    matches!(
        (field.protocol, field.name),
        ("ip", "saddr" | "daddr" | "protocol" | "length") | ("ip6", "saddr" | "daddr" | "nexthdr" | "length")
    )
}

impl Rule<'_> {
    pub(super) fn mangle(&mut self, target: &Expr, value: &Expr) -> Make<()> {
        if matches!(target, Expr::Inner(..)) {
            return Err(Fault::new(Why::Unsupported("changing what is inside of a tunnel"))).key("key");
        }
        self.require(target).key("key")?;
        self.require(value).key("value")?;
        self.begin();
        let slot = self.register()?;
        match target {
            Expr::Payload(field) => self.set_field(field, value, slot)?,
            Expr::RawPayload(raw) => {
                let part = self.part(target).key("key")?;
                let Some(around) = around(raw.offset, raw.len).filter(|around| around.mask.is_none()) else {
                    return Err(Fault::new(Why::Unsupported("changing bits that are not whole bytes")))
                        .key("key");
                };
                self.assign(value, part, slot).key("value")?;
                let place = Place { base: raw.base, offset: around.offset, len: around.bytes };
                self.write_place(slot, place, (CSUM_NONE, 0), 0);
            }
            Expr::Meta(key) => {
                let part = self.part(target).key("key")?;
                self.assign(value, part, slot).key("value")?;
                self.emit(KExpr::MetaSet { sreg: reg(slot), key: key.number });
            }
            Expr::Ct(ct) => {
                let part = self.part(target).key("key")?;
                self.assign(value, part, slot).key("value")?;
                let direction = ct.direction.map(|direction| direction as u8);
                self.emit(KExpr::CtSet { sreg: reg(slot), key: ct.key.number, direction });
            }
            Expr::Exthdr(header, Some(field)) => self.set_option(target, header, field, value, slot)?,
            _ => return Err(Fault::new(Why::Unsupported("changing this"))).key("key"),
        }
        self.act();
        Ok(())
    }

    fn set_option(
        &mut self,
        target: &Expr,
        header: &Header,
        field: &HeaderField,
        value: &Expr,
        slot: Slot,
    ) -> Make<()> {
        if header.kind == HeaderKind::Ipv6 || header.kind == HeaderKind::IpOption {
            return Err(Fault::new(Why::Unsupported("changing this header"))).key("key");
        }
        let Some(around) = around(field.offset, field.len).filter(|around| around.mask.is_none()) else {
            return Err(Fault::new(Why::Unsupported("changing bits that are not whole bytes"))).key("key");
        };
        let part = self.part(target).key("key")?;
        self.assign(value, part, slot).key("value")?;
        self.emit(KExpr::ExthdrSet {
            sreg: Some(reg(slot)),
            kind: header.number,
            offset: around.offset,
            len: around.bytes,
            op: header.kind as u32,
            flags: 0,
        });
        Ok(())
    }

    fn write_place(&mut self, slot: Slot, place: Place, checksum: (u32, u32), csum_flags: u32) {
        let Place { base, offset, len } = place;
        let (csum_type, csum_offset) = checksum;
        let base = base as u32;
        self.emit(KExpr::PayloadSet {
            sreg: reg(slot),
            base,
            offset,
            len,
            csum_type,
            csum_offset,
            csum_flags,
        });
    }

    fn set_field(&mut self, field: &'static Field, value: &Expr, slot: Slot) -> Make<()> {
        let checksum = checksum(field.protocol);
        let flags = if is_pseudo(field) { PSEUDO_HEADER } else { 0 };
        let part = Part { ty: field.ty, bits: field.len, order: field.order };
        let (mut place, around) = self.around(field, None).key("key")?;
        // The kernel corrects checksums by sixteen bits.
        let odd = checksum.0 != CSUM_NONE && place.len % 2 == 1;
        if around.mask.is_none() && !odd {
            self.assign(value, part, slot).key("value")?;
            self.write_place(slot, place, checksum, flags);
            return Ok(());
        }
        let mut shift = around.shift;
        if odd {
            place.len = place.len.saturating_add(1);
            if place.offset % 2 == 1 {
                place.offset = place.offset.saturating_sub(1);
            } else {
                shift = shift.saturating_add(8);
            }
        }
        let bits = self.own_bits(field, part, value).key("value")?;
        let whole = Part { bits: place.len.saturating_mul(8), order: Order::Network, ..part };
        let unsupported = || Fault::new(Why::Unsupported("changing so many bits"));
        let ones = intervals::low_bits(whole.bits).ok_or_else(unsupported)?;
        let own =
            intervals::low_bits(part.bits).and_then(|own| own.checked_shl(shift)).ok_or_else(unsupported)?;
        let moved = |bits: u128| bits.checked_shl(shift).unwrap_or(0);
        let base = place.base as u32;
        self.emit(KExpr::Payload { dreg: reg(slot), base, offset: place.offset, len: place.len });
        self.bitwise(slot, whole, Bits { mask: (ones & !own) | moved(bits.mask), xor: moved(bits.xor) })?;
        self.write_place(slot, place, checksum, flags);
        Ok(())
    }

    /// What becomes of the bits of a field that shares its bytes with others: a constant, or what constants make of itself.
    fn own_bits(&self, field: &'static Field, part: Part, value: &Expr) -> Make<Bits> {
        if is_constant(value) {
            return Ok(Bits { mask: 0, xor: self.number(part, value)? });
        }
        let (inner, steps) = chain(value);
        if *inner != Expr::Payload(field) {
            return expected("a constant, or the field itself and constants");
        }
        let ones = intervals::low_bits(part.bits).unwrap_or(u128::MAX);
        let mut bits = Bits { mask: ones, xor: 0 };
        for (op, constant) in steps {
            bits = bits.then(op, self.number(part, constant)?);
        }
        Ok(bits)
    }

    /// Overwrites a TCP option with padding.
    pub(super) fn reset(&mut self, option: &Expr) -> Make<()> {
        let kind = match option {
            Expr::Exthdr(header, None) if header.kind == HeaderKind::TcpOption => header.number,
            Expr::RawOption(raw) if raw.offset == 0 && raw.len == 0 => raw.kind,
            _ => return expected("a TCP option without a field").key("tcp option"),
        };
        self.begin();
        let op = HeaderKind::TcpOption as u32;
        self.emit(KExpr::ExthdrSet { sreg: None, kind, offset: 0, len: 0, op, flags: 0 });
        self.act();
        Ok(())
    }
}
