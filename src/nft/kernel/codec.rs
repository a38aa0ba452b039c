//! The attributes of each expression, in the order in which the kernel writes them: one table for both directions.
//! Numbers: `enum nft_*_attributes` of include/uapi/linux/netfilter/nf_tables.h.
#![forbid(unsafe_code)]

use std::borrow::Cow;

use super::field::{Field, Fields};
use super::{KExpr, Range, special};
use crate::netlink::attr::Buffer;

/// A field is `name: number`, and
/// - `or 0` where the kernel takes it for 0 if it is not there, and always writes it itself;
/// - `unless 0` where the kernel leaves it out then;
/// - two numbers for the two registers of a range.
///
/// `if n` chooses among expressions of one name by an attribute that only one of them has; `pad n` is the padding
/// before numbers of 64 bits that some architectures write.
macro_rules! codec {
    ($($name:literal $variant:ident $(if $mark:literal)? $(pad $pad:literal)? {
        $($field:ident: $kind:tt $($how:ident 0)?,)+
    })+) => {
        /// The name of an expression that is not opaque.
        pub(super) fn name(expression: &KExpr<'_>) -> &'static [u8] {
            match expression {
                $(KExpr::$variant { .. } => $name,)+
                _ => special::name(expression),
            }
        }

        /// Reads an expression and hands it to `make`. It is opaque if it is unknown, or has other attributes than are known of
        /// it. Each is made where it is handed over, once nothing can go wrong, so that it is written where it stays: most of the
        /// time that this takes would otherwise be moving them about.
        #[inline]
        pub(super) fn decode<'a, R>(
            name: &'a [u8],
            data: Option<&'a [u8]>,
            outer: bool,
            make: impl FnOnce(KExpr<'a>) -> R,
        ) -> R {
            let opaque = || KExpr::Opaque { name: Cow::Borrowed(name), data: data.map(Cow::Borrowed) };
            let Some(bytes) = data else { return make(special::without_data(name).unwrap_or_else(opaque)) };
            let mut fields = Fields::new();
            if fields.read(bytes).is_none() {
                return make(opaque());
            }
            match name {
                $($name $(if fields.has($mark))? => {
                    $(fields.skip($pad);)?
                    $(let Some($field) = codec!(@take fields $kind $($how)?) else { return make(opaque()) };)+
                    if !fields.is_empty() {
                        return make(opaque());
                    }
                    make(KExpr::$variant { $($field),+ })
                })+
                _ => match special::decode(name, &mut fields, outer) {
                    Some(known) if fields.is_empty() => make(known),
                    _ => make(opaque()),
                },
            }
        }

        /// Writes the attributes of an expression that is not opaque.
        pub(super) fn encode(expression: &KExpr<'_>, buffer: &mut Buffer) {
            match expression {
                $(KExpr::$variant { $($field),+ } => {
                    $(codec!(@write $field buffer $kind $($how)?);)+
                })+
                _ => special::encode(expression, buffer),
            }
        }
    };
    (@take $fields:ident ($min:literal $max:literal)) => {
        match ($fields.take($min), $fields.take($max)) {
            (Some(min), Some(max)) => Some(Range { min, max }),
            _ => None,
        }
    };
    (@take $fields:ident $kind:literal) => { $fields.take($kind) };
    (@take $fields:ident $kind:literal $how:ident) => {
        $fields.take::<Option<_>>($kind).map(Option::unwrap_or_default)
    };
    (@write $field:ident $buffer:ident ($min:literal $max:literal)) => {
        $field.min.write($min, $buffer);
        $field.max.write($max, $buffer);
    };
    (@write $field:ident $buffer:ident $kind:literal) => { $field.write($kind, $buffer) };
    (@write $field:ident $buffer:ident $kind:literal or) => { $field.write($kind, $buffer) };
    (@write $field:ident $buffer:ident $kind:literal unless) => {
        if *$field != 0 {
            $field.write($kind, $buffer);
        }
    };
}

codec! {
    b"cmp" Cmp { sreg: 1, op: 2, data: 3, }
    b"payload" PayloadSet if 5 {
        sreg: 5, base: 2, offset: 3, len: 4, csum_type: 6 or 0, csum_offset: 7 or 0, csum_flags: 8 or 0,
    }
    b"payload" Payload { dreg: 1, base: 2, offset: 3, len: 4, }
    b"meta" MetaSet if 3 { key: 2, sreg: 3, }
    b"meta" Meta { key: 2, dreg: 1, }
    b"immediate" Immediate { dreg: 1, data: 2, }
    b"counter" Counter pad 3 { bytes: 1 or 0, packets: 2 or 0, }
    b"ct" CtSet if 4 { sreg: 4, key: 2, direction: 3, }
    b"ct" Ct { dreg: 1, key: 2, direction: 3, }
    b"lookup" Lookup { set: 1, set_id: 4, sreg: 2, dreg: 3, flags: 5 or 0, }
    b"range" Range { sreg: 1, not: 2, from: 3, to: 4, }
    b"byteorder" Byteorder { sreg: 1, dreg: 2, to_network: 3, len: 4, size: 5, }
    b"exthdr" Exthdr if 1 { dreg: 1, kind: 2, offset: 3, len: 4, flags: 5 or 0, op: 6 or 0, }
    b"exthdr" ExthdrSet { sreg: 7, kind: 2, offset: 3, len: 4, flags: 5 or 0, op: 6 or 0, }
    b"rt" Rt { key: 2, dreg: 1, }
    b"socket" Socket { key: 1, dreg: 2, level: 3, }
    b"osf" Osf { ttl: 2 or 0, flags: 3 or 0, dreg: 1, }
    b"fib" Fib { dreg: 1, result: 2, flags: 3, }
    b"xfrm" Xfrm { dreg: 1, key: 2, direction: 3, spnum: 4 or 0, }
    b"numgen" Numgen { dreg: 1, modulus: 2, kind: 3, offset: 4 or 0, }
    b"hash" Hash { sreg: 1, dreg: 2, len: 3 unless 0, modulus: 4, seed: 5, offset: 6 unless 0, kind: 7 or 0, }
    b"limit" Limit pad 6 { rate: 1, unit: 2, burst: 3 or 0, kind: 4 or 0, flags: 5 or 0, }
    b"quota" Quota pad 3 { bytes: 1, consumed: 4 or 0, flags: 2 or 0, }
    b"last" Last pad 3 { set: 1 or 0, msecs: 2 or 0, }
    b"connlimit" Connlimit { count: 1, flags: 2 or 0, }
    b"log" Log { prefix: 2, group: 1, snaplen: 3, qthreshold: 4, level: 5, flags: 6, }
    b"reject" Reject { kind: 1, code: 2, }
    b"nat" Nat { kind: 1, family: 2, addr: (3 4), proto: (5 6), flags: 7, }
    b"masq" Masq { flags: 1, proto: (2 3), }
    b"redir" Redir { proto: (1 2), flags: 3, }
    b"objref" ObjrefMap if 3 { sreg: 3, set: 4, set_id: 5, }
    b"objref" Objref { name: 2, kind: 1, }
    b"queue" Queue { num: 1, total: 2, flags: 3, sreg_qnum: 4, }
    b"tproxy" Tproxy { family: 1, addr: 2, port: 3, }
    b"dup" Dup { addr: 1, dev: 2, }
    b"fwd" Fwd { dev: 1, addr: 2, family: 3, }
    b"synproxy" Synproxy { mss: 1, wscale: 2, flags: 3, }
}
