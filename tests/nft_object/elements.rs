//! Elements as the schema says them: what nft added is shown as nft shows it, and made again it is what nft added.

use std::iter::Peekable;
use std::str::Chars;

use portcullis::nft::model::{Elem, Expr, RawElement, Set, Verdict};
use portcullis::nft::object::element::{self, Of, flag};
use portcullis::nft::object::member::{BadElement, element_of, expr_of, members};
use portcullis::nft::object::{message, set};

use crate::nft_support::{nft, nft_text, nft_with};
use crate::world::{Kernel, network};
use portcullis::netlink::attr::Buffer;
use portcullis::netlink::message::CREATE;

const SETS: &str = r#"
table inet x {
  counter c1 { }
  chain k { }
  set a { type mark; flags interval; elements = { 0x10-0x1f, 0x100-0x123, 5, 0xf0000000-0xffffffff } }
  set b { type mark; elements = { 0x10 } }
  set c { type mark . inet_service; flags interval; elements = { 0x10-0x1f . 80-95, 1 . 80-90, 2 . 1-65535 } }
  set d { type ifname; flags interval; elements = { "eth*", "wlan0" } }
  set e { type inet_service; flags interval; elements = { 80-95, 100-102, 200, 1024-65535 } }
  set f { type ether_addr; flags interval; elements = { 00:11:22:33:44:00-00:11:22:33:44:ff } }
  set g { type ipv6_addr; flags interval; elements = { fe80::/10, ::/3 } }
  set h { type ipv4_addr . ipv4_addr; flags interval; elements = { 0.0.0.0/0 . 10.0.0.0/8, 1.1.1.1-1.1.1.3 . 2.2.2.2 } }
  set i { type inet_proto; flags interval; elements = { 0-15 } }
  set l { type ipv4_addr; flags interval; elements = { 0.0.0.0/0 } }
  set j { type ifname; elements = { "eth0" } }
  set m { type ifname . mark; elements = { "eth0" . 5 } }
  set n { type ifname . ipv4_addr; flags interval; elements = { "eth0" . 10.0.0.0/8, "eth*" . 1.1.1.1 } }
  set o { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 comment "ten", 11.0.0.0/8, 1.1.1.1-1.1.1.4, 255.255.255.255 } }
  set p { type ipv4_addr; flags interval,timeout; elements = { 1.1.1.1 timeout 1h, * timeout 2h } }
  set q { type ipv4_addr . inet_service; elements = { 1.1.1.1 . 80 comment "x" } }
  set r { typeof vlan id . ip saddr; elements = { 5 . 1.1.1.1 } }
  map s { type ipv4_addr : mark; flags interval; elements = { 10.0.0.0/8 : 5 } }
  map t { type ipv4_addr : ipv4_addr . inet_service; elements = { 1.1.1.1 : 2.2.2.2 . 80 } }
  map u { type ipv4_addr : interval ipv4_addr; elements = { 1.1.1.1 : 2.2.2.2-3.3.3.3, 1.1.1.2 : 4.0.0.0/8 } }
  map v { type mark : verdict; elements = { 1 : jump k, 2 : drop, * : accept } }
  map w { type mark : counter; elements = { 1 : "c1" } }
}
"#;

fn show_all(exprs: &[Expr]) -> String {
    exprs.iter().map(show).collect::<Vec<_>>().join(", ")
}

fn show_elem(elem: &Elem) -> String {
    let mut text = format!("{{\"elem\": {{\"val\": {}", show(&elem.value));
    if let Some(timeout) = elem.timeout_ms {
        text += &format!(", \"timeout\": {}", timeout / 1000);
    }
    if elem.expires_ms.is_some() {
        text += ", \"expires\": X";
    }
    if let Some(comment) = &elem.comment {
        text += &format!(", \"comment\": \"{}\"", String::from_utf8_lossy(comment));
    }
    text + "}}"
}

/// As `nft -j` writes it.
fn show(expr: &Expr) -> String {
    let text = |text: &[u8]| format!("\"{}\"", String::from_utf8_lossy(text));
    match expr {
        Expr::Int(n) => n.to_string(),
        Expr::Text(t) => text(t),
        Expr::Range(range) => format!("{{\"range\": [{}]}}", show_all(&**range)),
        Expr::Prefix(addr, len) => format!("{{\"prefix\": {{\"addr\": {}, \"len\": {len}}}}}", show(addr)),
        Expr::Concat(parts) => format!("{{\"concat\": [{}]}}", show_all(parts)),
        Expr::Pair(pair) => format!("[{}]", show_all(&**pair)),
        Expr::Verdict(Verdict::Jump(chain)) => format!("{{\"jump\": {{\"target\": {}}}}}", text(chain)),
        Expr::Verdict(Verdict::Accept) => "{\"accept\": null}".to_owned(),
        Expr::Verdict(Verdict::Drop) => "{\"drop\": null}".to_owned(),
        Expr::Elem(elem) => show_elem(elem),
        other => panic!("{other:?}"),
    }
}

/// What stands after `"elem": ` up to the end of the list.
fn list_in(json: &str) -> String {
    let Some((_, rest)) = json.split_once("\"elem\": [") else { panic!("{json}") };
    let mut depth = 1;
    let end = rest.find(|c| {
        depth += i32::from(c == '[') - i32::from(c == ']');
        depth == 0
    });
    without_numbers_after("\"expires\": ", &rest[..end.unwrap()])
}

fn without_numbers_after(word: &str, text: &str) -> String {
    let mut parts = text.split(word);
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| text + word + "X" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

fn dumped(kernel: &Kernel, set: &Set) -> Vec<RawElement> {
    let mut of = Buffer::new();
    set::target(&set.table.name, &set.name, &mut of);
    let bodies = kernel.dump(message::GET_ELEMENT, set.table.family.number(), of.bytes());
    let read =
        |body: &Vec<u8>| element::elements(body).map(|attr| element::decode(&attr).0).collect::<Vec<_>>();
    bodies.iter().flat_map(|(_, body)| read(body)).collect()
}

/// Numbers as ranges, inside of concatenations too: nft 1.0 shows some of them as a prefix, which is for addresses, and nft 1.1 does not any more.
fn as_range(piece: String) -> String {
    const PREFIX: &str = "{\"prefix\": {\"addr\": ";
    let Some((front, rest)) = piece.split_once(PREFIX) else { return piece };
    let number = |text: &str| text.parse::<u64>().ok();
    let parts = rest.split_once("}}").and_then(|(numbers, behind)| {
        let (first, length) = numbers.split_once(", \"len\": ")?;
        Some((number(first)?, number(length)?, behind))
    });
    match parts {
        Some((first, length, behind)) => {
            let last = first + (1_u64 << (32 - length)) - 1;
            format!("{front}{{\"range\": [{first}, {last}]}}{}", as_range(behind.to_owned()))
        }
        None => format!("{front}{PREFIX}{}", as_range(rest.to_owned())),
    }
}

/// In an order, and without what nft puts before the first interval.
fn comparable(mut elements: Vec<RawElement>) -> Vec<RawElement> {
    elements.retain(|e| e.flags != flag::INTERVAL_END || e.key.iter().flatten().any(|byte| *byte != 0));
    elements.sort_by(|a, b| (&a.key, a.flags).cmp(&(&b.key, b.flags)));
    elements.iter_mut().for_each(|e| e.expires_ms = None);
    elements
}

#[test]
fn elements_are_shown_and_made_as_nft_does() {
    network(|| {
        nft(SETS).unwrap();
        let kernel = Kernel::open();
        let mut again = Vec::new();
        let before = nft_text("ruleset").unwrap();
        for (family, body) in kernel.dump(message::GET_SET, 0, &[]) {
            let set = set::decode(family, &body).unwrap().what;
            let name = String::from_utf8_lossy(&set.name).into_owned();
            let elements = dumped(&kernel, &set);
            let exprs: Vec<Expr> = members(&set, elements.clone()).iter().map(|m| expr_of(&set, m)).collect();
            let kind = if set.data.is_some() { "map" } else { "set" };
            let json = nft_with(&["-j", "list", kind, "inet", "x", &name], "").unwrap();
            let (mut ours, mut theirs) = (pieces(&show_all(&exprs)), pieces(&list_in(&json)));
            // Elements of sets without an order come as they lie.
            for pieces in [&mut ours, &mut theirs] {
                pieces.iter_mut().for_each(|piece| *piece = as_range(std::mem::take(piece)));
                pieces.sort();
            }
            assert_eq!(ours, theirs, "{name}");
            let made: Vec<_> =
                exprs.iter().flat_map(|e| element_of(&set, e).unwrap().into_elements()).collect();
            assert_eq!(comparable(made.clone()), comparable(elements), "{name}");
            let of = Of { table: &set.table.name, set: &set.name, set_id: None };
            let mut buffer = Buffer::new();
            set::target(b"x", &set.name, &mut buffer);
            again.push((message::DEL_ELEMENT, 0, family, buffer.bytes().to_vec()));
            buffer.clear();
            element::encode(&of, &mut made.into_iter().peekable(), &mut buffer).unwrap();
            again.push((message::NEW_ELEMENT, CREATE, family, buffer.bytes().to_vec()));
        }
        // All elements go and come from what was shown.
        kernel.batch(&again).unwrap();
        let words = |text: &str| -> Vec<String> {
            text.lines().map(|l| l.split(" expires").next().unwrap().to_owned()).collect()
        };
        assert_eq!(words(&nft_text("ruleset").unwrap()), words(&before));
    });
}

/// The elements of a list, each whole.
fn pieces(list: &str) -> Vec<String> {
    fn one(chars: &mut Peekable<Chars<'_>>) -> String {
        let (mut text, mut depth) = (String::new(), 0);
        for c in chars.by_ref() {
            depth += i32::from(c == '[' || c == '{') - i32::from(c == ']' || c == '}');
            if depth == 0 && c == ',' {
                break;
            }
            text.push(c);
        }
        text.trim().to_owned()
    }
    let mut chars = list.chars().peekable();
    let mut all = Vec::new();
    while chars.peek().is_some() {
        all.push(one(&mut chars));
    }
    all
}

#[test]
fn elements_that_are_not_of_the_set_are_refused() {
    network(|| {
        nft(SETS).unwrap();
        let kernel = Kernel::open();
        let sets: Vec<Set> = kernel
            .dump(message::GET_SET, 0, &[])
            .iter()
            .map(|(family, body)| set::decode(*family, body).unwrap().what)
            .collect();
        let of = |name: &[u8]| sets.iter().find(|set| *set.name == *name).unwrap();
        let text = |text: &'static [u8]| Expr::Text(text.into());
        let pair = |a, b| Expr::Pair(Box::new([a, b]));
        let range = |a, b| Expr::Range(Box::new([a, b]));
        let wrong = [
            (of(b"o"), range(text(b"1.1.1.2"), text(b"1.1.1.1"))),
            (of(b"o"), Expr::Prefix(Box::new(text(b"1.1.1.2")), 33)),
            (of(b"o"), text(b"::1")),
            (of(b"o"), Expr::Concat(vec![text(b"1.1.1.1")])),
            (of(b"o"), pair(text(b"1.1.1.1"), text(b"1.1.1.1"))),
            (of(b"q"), text(b"1.1.1.1")),
            (of(b"q"), Expr::Concat(vec![text(b"1.1.1.1")])),
            (of(b"q"), Expr::Concat(vec![text(b"1.1.1.1"), range(Expr::Int(1), Expr::Int(2))])),
            (of(b"b"), range(Expr::Int(1), Expr::Int(2))),
            (of(b"j"), text(b"eth*")),
            (of(b"v"), pair(Expr::Int(1), Expr::Int(2))),
            (of(b"w"), pair(Expr::Int(1), Expr::Int(2))),
            (of(b"s"), pair(text(b"1.1.1.1"), Expr::Verdict(Verdict::Drop))),
        ];
        for (set, expr) in &wrong {
            assert!(element_of(set, expr).is_err(), "{expr:?}");
        }
        let backwards = element_of(wrong[0].0, &wrong[0].1);
        assert_eq!(backwards, Err(BadElement::Backwards));
    });
}
