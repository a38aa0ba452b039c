//! The sets of a table, read here by hand: as much of them as listing rules needs.

use std::collections::BTreeMap;

use portcullis::nft::lift::Sets;
use portcullis::nft::model::{
    Datum, Family, MapData, ObjectKind, Order, Part, RawData, RawElement, Set, TableRef, Type, Verdict,
    set_flag,
};

use crate::nft_support::raw::{self, Netlink, attribute, attributes};

/// All sets of a table, with their elements.
pub struct Held(BTreeMap<Vec<u8>, (Set, Vec<RawElement>)>);

impl Sets for Held {
    fn set(&self, name: &[u8]) -> Option<(&Set, &[RawElement])> {
        self.0.get(name).map(|(set, elements)| (set, elements.as_slice()))
    }
}

fn be32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().unwrap())
}

fn number(set: &[u8], kind: u16) -> u32 {
    attribute(set, kind).map_or(0, be32)
}

fn bits(ty: Type) -> u32 {
    match ty {
        Type::Ipv6Addr | Type::Ifname | Type::String => 128,
        Type::EtherAddr => 48,
        Type::InetService | Type::EtherType | Type::IfaceType => 16,
        Type::InetProto | Type::CtDir | Type::PktType | Type::NfProto | Type::Dscp | Type::IcmpType => 8,
        _ => 32,
    }
}

/// The parts of a key: six bits of its type for each.
fn datum(ty: u32, len: u32) -> Datum {
    let mut parts = Vec::new();
    for shift in (0..5).rev() {
        let number = ty >> (6 * shift) & 0x3f;
        if number != 0 {
            let ty = Type::numbered(number).unwrap_or(Type::Integer);
            parts.push(Part { ty, bits: bits(ty), order: Order::Network });
        }
    }
    if let [only] = parts.as_mut_slice() {
        only.bits = len * 8;
    }
    Datum { parts, of: None }
}

fn header(table: &str, name: &str, set: &[u8]) -> Set {
    let flags = number(set, 3);
    let data = number(set, 6);
    let kind = match number(set, 15) {
        1 => Some(ObjectKind::Counter),
        2 => Some(ObjectKind::Quota),
        4 => Some(ObjectKind::Limit),
        _ => None,
    };
    Set {
        table: TableRef { family: Family::Ip, name: table.as_bytes().to_vec().into() },
        name: name.as_bytes().to_vec().into(),
        handle: None,
        key: datum(number(set, 4), number(set, 5)),
        data: match (data, kind) {
            (_, Some(kind)) => Some(MapData::Objects(kind)),
            (0xffff_ff00, _) => Some(MapData::Verdicts),
            (0, _) => None,
            _ => {
                let mut values = datum(data, number(set, 7));
                let single = values.parts.iter().map(|p| p.bits.div_ceil(32) * 4).sum::<u32>();
                let doubled =
                    flags & set_flag::MAP != 0 && values.parts.len() > 1 && number(set, 7) == 2 * single;
                if doubled {
                    Some(MapData::Ranges(values))
                } else {
                    Some(MapData::Values(std::mem::replace(&mut values, Datum { parts: vec![], of: None })))
                }
            }
        },
        flags,
        timeout_ms: None,
        gc_ms: None,
        size: None,
        policy: None,
        auto_merge: false,
        comment: None,
        statements: Vec::new(),
    }
}

fn value(bytes: &[u8]) -> Option<Vec<u8>> {
    attribute(bytes, 1).map(<[u8]>::to_vec)
}

fn verdict(bytes: &[u8]) -> Option<RawData> {
    let verdict = attribute(bytes, 2)?;
    let chain = attribute(verdict, 2).map(|name| name[..name.len() - 1].to_vec().into());
    Some(RawData::Verdict(match be32(attribute(verdict, 1)?).cast_signed() {
        0 => Verdict::Drop,
        1 => Verdict::Accept,
        -1 => Verdict::Continue,
        -3 => Verdict::Jump(chain?),
        -4 => Verdict::Goto(chain?),
        _ => Verdict::Return,
    }))
}

fn element(bytes: &[u8]) -> RawElement {
    let mut element = RawElement::default();
    for (kind, inner) in attributes(bytes) {
        match kind {
            1 => element.key = value(inner),
            2 => element.data = verdict(inner).or_else(|| value(inner).map(RawData::Value)),
            3 => element.flags = be32(inner),
            9 => element.data = Some(RawData::Object(inner[..inner.len() - 1].to_vec().into())),
            10 => element.key_end = value(inner),
            _ => {}
        }
    }
    element
}

/// What the kernel holds.
pub fn held(netlink: &Netlink, family: u8, table: &str) -> Held {
    let one = |(name, set): (String, Vec<u8>)| {
        let elements = netlink.elements(family, table, &name);
        let elements = elements.iter().map(|bytes| element(bytes)).collect();
        (name.clone().into_bytes(), (header(table, &name, &set), elements))
    };
    Held(raw::Netlink::sets(netlink, family, table).into_iter().map(one).collect())
}
