//! Expressions in any order, with any registers: what a rule that nobody meant could hold.

use std::borrow::Cow;

use portcullis::nft::kernel::{BitOp, Cmp, Data, Immediate, KExpr, Range};
use portcullis::nft::lift;
use portcullis::nft::model::{Family, Statement};
use portcullis::nft::object::stateful::opaque;
use proptest::prelude::*;

use crate::json::shown;
use crate::sets::Held;

fn data() -> impl Strategy<Value = Data> {
    let few = prop_oneof![Just(0_u8), Just(1), Just(6), Just(0xff), any::<u8>()];
    prop::collection::vec(few, 0..18).prop_map(|bytes| Data::new(&bytes).unwrap())
}

fn reg() -> impl Strategy<Value = u32> {
    prop_oneof![6 => Just(1), 1 => 0_u32..25, 1 => any::<u32>()]
}

fn len() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 1_u32..17, 1 => any::<u32>()]
}

fn loads() -> impl Strategy<Value = KExpr<'static>> {
    prop_oneof![
        (reg(), 0_u32..5, 0_u32..30, len()).prop_map(|(dreg, base, offset, len)| KExpr::Payload {
            dreg,
            base,
            offset,
            len
        }),
        (reg(), 0_u32..40).prop_map(|(dreg, key)| KExpr::Meta { dreg, key }),
        (reg(), 0_u32..26, prop::option::of(0_u8..3)).prop_map(|(dreg, key, direction)| KExpr::Ct {
            dreg,
            key,
            direction
        }),
        (reg(), any::<u8>(), 0_u32..30, len(), 0_u32..6, 0_u32..3).prop_map(
            |(dreg, kind, offset, len, op, flags)| KExpr::Exthdr { dreg, kind, offset, len, op, flags }
        ),
        (reg(), data()).prop_map(|(dreg, data)| KExpr::Immediate { dreg, data: Immediate::Value(data) }),
        (reg(), reg(), len(), data(), data()).prop_map(|(sreg, dreg, len, mask, xor)| KExpr::Bitwise {
            sreg,
            dreg,
            len,
            op: BitOp::Mask(mask, xor)
        }),
        (reg(), reg(), len(), any::<u32>()).prop_map(|(sreg, dreg, len, by)| KExpr::Bitwise {
            sreg,
            dreg,
            len,
            op: BitOp::Right(by)
        }),
        (reg(), reg(), len(), any::<bool>()).prop_map(|(sreg, dreg, len, to_network)| KExpr::Byteorder {
            sreg,
            dreg,
            to_network,
            len,
            size: len,
        }),
    ]
}

/// Looks inside of a tunnel, at anything.
fn inside() -> impl Strategy<Value = KExpr<'static>> {
    let tunnel = prop_oneof![4 => Just((2, 15, 8)), 2 => Just((3, 12, 4)), 1 => any::<(u32, u32, u32)>()];
    (tunnel, 0_u32..20, loads()).prop_map(|((kind, flags, hdrsize), num, load)| KExpr::Inner {
        num: num / 19,
        kind,
        flags,
        hdrsize,
        expr: Box::new(load),
    })
}

fn acts() -> impl Strategy<Value = KExpr<'static>> {
    let op = prop_oneof![
        4 => Just(Cmp::Eq), 1 => Just(Cmp::Neq), 1 => Just(Cmp::Gte), 1 => Just(Cmp::Lte), 1 => Just(Cmp::Lt),
    ];
    prop_oneof![
        6 => (reg(), op, data()).prop_map(|(sreg, op, data)| KExpr::Cmp { sreg, op, data }),
        1 => (reg(), any::<bool>(), data(), data()).prop_map(|(sreg, not, from, to)| KExpr::Range { sreg, not, from, to }),
        1 => (reg(), 0_u32..40).prop_map(|(sreg, key)| KExpr::MetaSet { sreg, key }),
        1 => (reg(), 0_u32..5, 0_u32..30, len()).prop_map(|(sreg, base, offset, len)| KExpr::PayloadSet {
            sreg, base, offset, len, csum_type: 1, csum_offset: 10, csum_flags: 0,
        }),
        1 => (0_u32..4, prop::option::of(any::<u8>())).prop_map(|(kind, code)| KExpr::Reject { kind, code }),
        1 => (reg(), reg()).prop_map(|(min, max)| KExpr::Nat {
            kind: 1, family: 2, addr: Range { min: Some(min), max: Some(max) }, proto: Range::default(), flags: None,
        }),
        1 => Just(KExpr::Counter { bytes: 1, packets: 2 }),
        1 => Just(KExpr::Opaque { name: Cow::Borrowed(b"xt"), data: Some(Cow::Borrowed(b"\x05\0\x01\0\0\0\0\0")) }),
    ]
}

/// How many expressions a statement of such a rule stands for at least.
fn at_least(statement: &Statement) -> usize {
    match statement {
        Statement::Match(_) | Statement::Mangle(..) => 2,
        _ => 1,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    /// Never fails; what is kept as it is is there and in its order, and everything else has its statement.
    #[test]
    fn any_rule_is_listed(
        expressions in prop::collection::vec(prop_oneof![3 => loads(), 2 => acts(), 1 => inside()], 0..140),
        family in prop::sample::select(Family::ALL),
    ) {
        let lifted = lift::statements(&expressions, family, &Held::default());
        prop_assert_eq!(lifted.is_empty(), expressions.is_empty());
        let mut rest = expressions.iter().map(opaque);
        for statement in &lifted {
            if let Statement::Opaque(kept) = statement {
                prop_assert!(rest.any(|expression| expression == *kept));
            }
        }
        let counted = |wanted: &str| lifted.iter().filter(|s| format!("{s:?}").starts_with(wanted)).count();
        if expressions.len() > 128 {
            return Ok(());
        }
        let counters = expressions.iter().filter(|e| matches!(e, KExpr::Counter { .. })).count();
        prop_assert_eq!(counted("Counter"), counters);
        // A merged load is one comparison and several statements; without any, nothing can be there twice.
        if counted("Match") == 0 {
            prop_assert!(lifted.iter().map(at_least).sum::<usize>() <= expressions.len());
        }
        prop_assert!(!shown(&lifted).to_string().contains("\"protocol\":\"\""), "a field without a name");
    }
}

#[test]
fn a_rule_that_is_too_long_is_kept() {
    let expressions = vec![KExpr::Notrack; 200];
    let lifted = lift::statements(&expressions, Family::Ip, &Held::default());
    assert_eq!(lifted.len(), 200);
    assert!(lifted.iter().all(|s| matches!(s, Statement::Opaque(_))));
}

#[test]
fn a_load_that_nobody_uses_is_kept() {
    let load = KExpr::Meta { dreg: 1, key: 3 };
    let expressions = [load.clone(), load.clone(), KExpr::Counter { bytes: 0, packets: 0 }, load];
    let lifted = lift::statements(&expressions, Family::Ip, &Held::default());
    let opaque: Vec<bool> = lifted.iter().map(|s| matches!(s, Statement::Opaque(_))).collect();
    assert_eq!(opaque, [true, true, false, true]);
}

/// Compiling would load right before it compares: what stands between must not change its place.
#[test]
fn a_load_that_does_not_stand_beside_its_comparison_is_kept() {
    let expressions = [
        KExpr::Meta { dreg: 1, key: 16 },
        KExpr::Counter { bytes: 0, packets: 0 },
        KExpr::Cmp { sreg: 1, op: Cmp::Eq, data: Data::new(&[6]).unwrap() },
    ];
    let lifted = lift::statements(&expressions, Family::Ip, &Held::default());
    assert!(
        matches!(lifted[..], [Statement::Opaque(_), Statement::Counter(_), Statement::Opaque(_)]),
        "{lifted:?}"
    );
}

/// A comparison is only left out if the same one would be put in again, at the same place.
#[test]
fn a_dependency_that_stands_elsewhere_stays() {
    let tcp = [
        KExpr::Meta { dreg: 1, key: 16 },
        KExpr::Cmp { sreg: 1, op: Cmp::Eq, data: Data::new(&[6]).unwrap() },
    ];
    let port = [
        KExpr::Payload { dreg: 1, base: 2, offset: 2, len: 2 },
        KExpr::Cmp { sreg: 1, op: Cmp::Eq, data: Data::new(&[0, 22]).unwrap() },
    ];
    let counter = [KExpr::Counter { bytes: 0, packets: 0 }];
    let beside = lift::statements(&[tcp.clone(), port.clone()].concat(), Family::Ip, &Held::default());
    assert!(matches!(beside[..], [Statement::Match(_)]), "{beside:?}");
    let apart = [&tcp[..], &counter[..], &port[..]].concat();
    let apart = lift::statements(&apart, Family::Ip, &Held::default());
    assert!(
        matches!(apart[..], [Statement::Match(_), Statement::Counter(_), Statement::Match(_)]),
        "{apart:?}"
    );
}
