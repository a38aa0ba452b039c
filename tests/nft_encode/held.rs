//! Rules as the kernel holds them, in a form in which equal rules are equal: sets by what is in them, ranges in one form.

use portcullis::netlink::attr::Attrs;
use portcullis::nft::kernel::{self, Cmp, KExpr};
use portcullis::nft::model::Family;

use crate::nft_support::raw;

/// A rule: its expressions, and the sets that it alone looks into.
#[derive(Debug, PartialEq)]
pub struct Held {
    pub expressions: Vec<String>,
    pub sets: Vec<Vec<String>>,
    /// Size and user data of the sets: what the kernel does not look at, or only to choose how to keep them.
    pub hints: Vec<Vec<String>>,
}

/// The rules of a chain.
pub fn rules(netlink: &raw::Netlink, family: Family, table: &str, chain: &str) -> Vec<Held> {
    let number = family.number();
    let sets = netlink.sets(number, table);
    let held = |list: &Vec<u8>| {
        let mut decoded = Vec::new();
        kernel::decode(Attrs::new(list), &mut decoded);
        let mut held = Held { expressions: Vec::new(), sets: Vec::new(), hints: Vec::new() };
        for expression in ranges(decoded) {
            let expression = anonymous(expression, &mut held, &mut |name| {
                let (_, header) = sets.iter().find(|(other, _)| other.as_bytes() == name).unwrap();
                (contents(netlink, number, table, name, header), hints(header))
            });
            held.expressions.push(format!("{expression:?}"));
        }
        held
    };
    netlink.rules(number, table).iter().filter(|(of, _)| of == chain).map(|(_, list)| held(list)).collect()
}

/// Comparisons with both ends of a range are one expression in newer versions of nft.
fn ranges(decoded: Vec<KExpr<'_>>) -> Vec<KExpr<'_>> {
    let mut out: Vec<KExpr<'_>> = Vec::new();
    for expression in decoded {
        if let (
            KExpr::Cmp { sreg, op: Cmp::Lte, data: to },
            Some(KExpr::Cmp { sreg: other, op: Cmp::Gte, data: from }),
        ) = (&expression, out.last())
        {
            if sreg == other {
                let range = KExpr::Range { sreg: *sreg, not: false, from: *from, to: *to };
                out.pop();
                out.push(range);
                continue;
            }
        }
        out.push(expression);
    }
    out
}

type Look<'l> = dyn FnMut(&[u8]) -> (Vec<String>, Vec<String>) + 'l;

/// Replaces the name of a set that is the rule's own.
fn anonymous<'a>(mut expression: KExpr<'a>, held: &mut Held, look: &mut Look<'_>) -> KExpr<'a> {
    if let KExpr::Lookup { set, .. } | KExpr::ObjrefMap { set, .. } = &mut expression {
        if set.starts_with(b"__") {
            let (contents, hints) = look(set);
            held.sets.push(contents);
            held.hints.push(hints);
            *set = b"anonymous".as_slice().into();
        }
    }
    expression
}

/// Flags 3, key 4 and 5, data 6 and 7, objects 15; and the elements.
fn contents(netlink: &raw::Netlink, family: u8, table: &str, name: &[u8], header: &[u8]) -> Vec<String> {
    let mut out = Vec::new();
    for kind in [3, 4, 5, 6, 7, 15] {
        out.push(format!("{kind}: {:02x?}", raw::attribute(header, kind)));
    }
    let mut elements: Vec<String> = netlink
        .elements(family, table, std::str::from_utf8(name).unwrap())
        .iter()
        .map(|element| {
            let mut attributes: Vec<String> = raw::attributes(element)
                .into_iter()
                // What is written beside an element; a comment is one of those things (0).
                .filter(|(kind, value)| *kind != 6 || value.first() == Some(&0))
                .filter(|(kind, value)| *kind != 3 || value.iter().any(|byte| *byte != 0))
                .map(|(kind, value)| format!("{kind}={value:02x?}"))
                .collect();
            attributes.sort();
            attributes.join(" ")
        })
        .collect();
    elements.sort();
    out.extend(elements);
    out
}

fn hints(header: &[u8]) -> Vec<String> {
    [9, 13].iter().map(|kind| format!("{kind}: {:02x?}", raw::attribute(header, *kind))).collect()
}
