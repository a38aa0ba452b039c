//! What nobody could ask for is kept as it is: a rule that another program made, of which compiling would refuse a part.

use std::borrow::Cow;

use portcullis::nft::kernel::{Cmp, Data, KExpr};
use portcullis::nft::lift;
use portcullis::nft::model::{Expr, Family, Statement};

use crate::sets::Held;

fn lifted(expressions: &[KExpr<'_>], family: Family) -> Vec<Statement> {
    lift::statements(expressions, family, &Held::default())
}

fn is_kept(expressions: &[KExpr<'_>], family: Family) -> bool {
    let lifted = lifted(expressions, family);
    lifted.len() == expressions.len() && lifted.iter().all(|s| matches!(s, Statement::Opaque(_)))
}

fn cmp(bytes: &[u8]) -> KExpr<'static> {
    KExpr::Cmp { sreg: 1, op: Cmp::Eq, data: Data::new(bytes).unwrap() }
}

#[test]
fn the_family_where_there_is_only_one() {
    let rule = [KExpr::Meta { dreg: 1, key: 15 }, cmp(&[2])];
    for family in [Family::Ip, Family::Ip6, Family::Arp, Family::Bridge, Family::Netdev] {
        assert!(is_kept(&rule, family), "{family:?}");
    }
    assert!(matches!(lifted(&rule, Family::Inet)[..], [Statement::Match(_)]));
}

#[test]
fn an_eighth_day() {
    let day = |day: u8| [KExpr::Meta { dreg: 1, key: 31 }, cmp(&[day])];
    assert!(is_kept(&day(7), Family::Inet));
    assert!(matches!(lifted(&day(6), Family::Inet)[..], [Statement::Match(_)]));
}

#[test]
fn an_address_of_the_connections_own_family_that_is_looked_up() {
    let load = |key| KExpr::Ct { dreg: 1, key, direction: Some(0) };
    let set = Cow::Borrowed(&b"hosts"[..]);
    let lookup = KExpr::Lookup { set, set_id: None, sreg: 1, dreg: None, flags: 0 };
    assert!(is_kept(&[load(8), lookup.clone()], Family::Ip));
    // `ct ip saddr` has a type that a set can have.
    assert!(matches!(lifted(&[load(19), lookup], Family::Ip)[..], [Statement::Match(_)]));
    assert!(matches!(lifted(&[load(8), cmp(&[1, 1, 1, 1])], Family::Ip)[..], [Statement::Match(_)]));
}

#[test]
fn queues_that_are_not_there() {
    let from = |modulus, flags| {
        [
            KExpr::Numgen { dreg: 1, modulus, kind: 0, offset: 0 },
            KExpr::Queue { num: None, total: None, flags: Some(flags), sreg_qnum: Some(1) },
        ]
    };
    assert!(is_kept(&from(65537, 0), Family::Ip));
    assert!(is_kept(&from(4, 2), Family::Ip));
    assert!(matches!(lifted(&from(65536, 1), Family::Ip)[..], [Statement::Queue(_)]));
    let one = [KExpr::Queue { num: Some(4), total: Some(1), flags: Some(2), sreg_qnum: None }];
    let [Statement::Queue(queue)] = &lifted(&one, Family::Ip)[..] else { panic!("no queue") };
    assert_eq!(queue.num, Some(Expr::Range(Box::new([Expr::Int(4), Expr::Int(4)]))), "fanout is of a range");
}
