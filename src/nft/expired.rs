//! Intervals whose time is over, in a dump: the kernel leaves their beginnings out and shows their ends, which have no time of their
//! own. It would not take those back: two ends one behind the other are refused (`nft_rbtree_insert`), and with them all that is
//! restored in the same change. Pure.
#![forbid(unsafe_code)]

use crate::netlink::attr::{Attrs, Buffer};
use crate::nft::object::element::{self, flag};

/// `NFTA_SET_ELEM_LIST_ELEMENTS`, and `NLA_F_NESTED`.
const ELEMENTS: u16 = 3;
const NESTED: u16 = 1 << 15;

/// The messages of a dump without such ends. The greatest key comes first: an end, and right behind it its beginning. Only the end of
/// nothing at all (key 0), which nft adds to every set, has none.
#[must_use]
pub fn left_out(mut bodies: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let alone = ends_alone(&bodies);
    let (mut alone, mut n) = (alone.iter().copied().peekable(), 0_usize);
    for body in &mut bodies {
        let count = element::elements(body).count();
        let next = n.saturating_add(count);
        let gone: Vec<usize> =
            std::iter::from_fn(|| alone.next_if(|at| *at < next)).map(|at| at.saturating_sub(n)).collect();
        if !gone.is_empty() {
            *body = without(body, &gone);
        }
        n = next;
    }
    bodies
}

/// Which of all elements they are, from 0.
fn ends_alone(bodies: &[Vec<u8>]) -> Vec<usize> {
    let (mut alone, mut open) = (Vec::new(), None);
    let all = bodies.iter().flat_map(|body| element::elements(body)).map(|attr| element::decode(&attr).0);
    for (n, found) in all.enumerate() {
        if found.flags & flag::INTERVAL_END == 0 {
            open = None;
        } else {
            let null = found.key.is_some_and(|key| key.iter().all(|byte| *byte == 0));
            alone.extend(open.replace((n, null)).map(|(n, _)| n));
        }
    }
    alone.extend(open.filter(|(_, null)| !null).map(|(n, _)| n));
    alone
}

/// The message without the elements at these places.
fn without(body: &[u8], gone: &[usize]) -> Vec<u8> {
    let mut buffer = Buffer::new();
    for attr in Attrs::new(body) {
        if attr.kind == ELEMENTS {
            let nest = buffer.nest(attr.kind);
            let kept = attr.attrs().enumerate().filter(|(n, _)| !gone.contains(n));
            kept.for_each(|(_, one)| buffer.put(one.kind | NESTED, one.value));
            buffer.end(nest);
        } else {
            buffer.put(attr.kind, attr.value);
        }
    }
    buffer.bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nft::model::RawElement;

    const END: bool = true;
    const BEGIN: bool = false;

    /// Messages of elements, each with its key.
    fn bodies(messages: &[&[(u8, bool)]]) -> Vec<Vec<u8>> {
        let of = element::Of { table: b"t", set: b"s", set_id: None };
        let one = |(key, end): &(u8, bool)| RawElement {
            key: Some(vec![*key]),
            flags: if *end { flag::INTERVAL_END } else { 0 },
            ..RawElement::default()
        };
        let message = |all: &&[(u8, bool)]| {
            let mut buffer = Buffer::new();
            element::encode(&of, &mut all.iter().map(one).peekable(), &mut buffer).unwrap();
            buffer.bytes().to_vec()
        };
        messages.iter().map(message).collect()
    }

    fn keys(bodies: &[Vec<u8>]) -> Vec<(u8, bool)> {
        let all = bodies.iter().flat_map(|body| element::elements(body)).map(|attr| element::decode(&attr).0);
        all.map(|e| (e.key.unwrap()[0], e.flags & flag::INTERVAL_END != 0)).collect()
    }

    #[test]
    fn what_is_whole_stays_byte_for_byte() {
        for whole in [
            &[&[(9, END), (7, BEGIN), (7, END), (5, BEGIN), (0, END)][..]][..],
            &[&[(9, BEGIN), (9, END)], &[(7, BEGIN)]],
            &[&[(0, END)]],
            &[],
        ] {
            let whole = bodies(whole);
            assert_eq!(left_out(whole.clone()), whole);
        }
    }

    #[test]
    fn ends_without_a_beginning_go_wherever_messages_end() {
        let rest = [(7, END), (5, BEGIN), (0, END)];
        for broken in [
            &[&[(9, END), (7, END), (5, BEGIN), (0, END)][..]][..],
            &[&[(9, END)], &[(7, END), (5, BEGIN)], &[(0, END)]],
            &[&[(9, END)], &[(8, END), (7, END)], &[(5, BEGIN), (3, END), (0, END)]],
        ] {
            assert_eq!(keys(&left_out(bodies(broken))), rest);
        }
        assert_eq!(keys(&left_out(bodies(&[&[(9, BEGIN), (3, END)]]))), [(9, BEGIN)]);
    }
}
