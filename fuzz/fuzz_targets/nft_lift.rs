//! Any bytes where the expressions of a rule should stand, and any elements in its sets: listing them never fails, what is kept
//! as it is keeps its order, and nothing becomes of a rule that was something.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::netlink::attr::Attrs;
use portcullis::nft::kernel::decode;
use portcullis::nft::lift::{Sets, statements};
use portcullis::nft::model::{
    Datum, Family, MapData, Order, Part, RawData, RawElement, Set, Statement, TableRef, Type, set_flag,
};
use portcullis::nft::object::stateful::opaque;
use portcullis::nft::schema;
use portcullis::wire::write::Writer;

struct One(Set, Vec<RawElement>);

impl Sets for One {
    fn set(&self, name: &[u8]) -> Option<(&Set, &[RawElement])> {
        (name.first() != Some(&b'n')).then_some((&self.0, self.1.as_slice()))
    }
}

/// A set of any flags, keys and data.
fn set(data: &[u8]) -> One {
    let byte = |at: usize| data.get(at).copied().unwrap_or(0);
    let ty = |n: u8| Type::ALL[usize::from(n) % Type::ALL.len()];
    let part = |n| Part {
        ty: ty(n),
        bits: u32::from(n),
        order: if n & 1 == 0 { Order::Host } else { Order::Network },
    };
    let datum =
        Datum { parts: data.iter().take(usize::from(byte(0) & 3)).map(|n| part(*n)).collect(), of: None };
    let maps = match byte(1) & 3 {
        0 => None,
        1 => Some(MapData::Verdicts),
        2 => Some(MapData::Values(datum.clone())),
        _ => Some(MapData::Ranges(datum.clone())),
    };
    let set = Set {
        table: TableRef { family: Family::Ip, name: b"t".to_vec().into() },
        name: b"s".to_vec().into(),
        handle: None,
        key: datum,
        data: maps,
        flags: set_flag::ANONYMOUS | u32::from(byte(2)),
        timeout_ms: None,
        gc_ms: None,
        size: None,
        policy: None,
        auto_merge: false,
        comment: None,
        statements: Vec::new(),
    };
    let element = |bytes: &[u8]| RawElement {
        key: (bytes.len() > 2).then(|| bytes.to_vec()),
        key_end: (bytes.first() == Some(&0)).then(|| bytes.to_vec()),
        data: Some(RawData::Value(bytes.to_vec())),
        flags: u32::from(bytes.len() as u8 & 3),
        ..RawElement::default()
    };
    One(set, data.split(|b| *b == 0xff).take(16).map(element).collect())
}

fuzz_target!(|data: &[u8]| {
    let Some((at, data)) = data.split_first() else { return };
    let (sets, list) = data.split_at(usize::from(*at).min(data.len()));
    let mut expressions = Vec::new();
    decode(Attrs::new(list), &mut expressions);
    let sets = set(sets);
    for family in Family::ALL {
        let lifted = statements(&expressions, *family, &sets);
        assert_eq!(lifted.is_empty(), expressions.is_empty());
        assert!(lifted.len() <= expressions.len() * 64);
        let mut rest = expressions.iter().map(opaque);
        for statement in &lifted {
            if let Statement::Opaque(kept) = statement {
                assert!(rest.any(|expression| expression == *kept), "{kept:?} is not there, or not in order");
            }
            schema::write_statement(statement, &mut Writer::new());
        }
    }
});
