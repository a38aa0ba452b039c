//! An encoder that can choose any accepted form of a term, not only the one that the BEAM or the port would.
#![forbid(unsafe_code)]

use super::tree::Tree;

/// A frame without its length: the version byte and `tree`. `choices` picks among the forms of each term, in turn.
pub fn frame(tree: &Tree, choices: &[u8]) -> Vec<u8> {
    let mut out = vec![131];
    term(tree, &mut choices.iter().copied().cycle(), &mut out);
    out
}

fn term(tree: &Tree, choices: &mut dyn Iterator<Item = u8>, out: &mut Vec<u8>) {
    let choice = choices.next().unwrap_or(0);
    match tree {
        Tree::Integer(n) => integer(*n, choice, out),
        Tree::Float(x) => {
            out.push(70);
            out.extend(x.to_be_bytes());
        }
        Tree::Atom(text) => {
            header(choice, (119, 1), (118, 2), text.len(), out);
            out.extend(text.as_bytes());
        }
        Tree::Binary(bytes) => {
            header(0, (109, 4), (109, 4), bytes.len(), out);
            out.extend(bytes);
        }
        Tree::Tuple(items) => {
            header(choice, (104, 1), (105, 4), items.len(), out);
            items.iter().for_each(|item| term(item, choices, out));
        }
        Tree::List(items) => list(items, choice, choices, out),
        Tree::Map(pairs) => {
            header(0, (116, 4), (116, 4), pairs.len(), out);
            for (key, value) in pairs {
                term(key, choices, out);
                term(value, choices, out);
            }
        }
    }
}

/// A tag and a length, in the first form or the second.
fn header(choice: u8, first: (u8, usize), second: (u8, usize), n: usize, out: &mut Vec<u8>) {
    let fits = n < 1 << (8 * first.1);
    let (tag, width) = if fits && choice % 2 == 0 { first } else { second };
    out.push(tag);
    out.extend(&n.to_be_bytes()[8 - width..]);
}

fn integer(n: i128, choice: u8, out: &mut Vec<u8>) {
    match (choice % 4, u8::try_from(n), i32::try_from(n)) {
        (0, Ok(byte), _) => out.extend([97, byte]),
        (0 | 1, _, Ok(word)) => {
            out.push(98);
            out.extend(word.to_be_bytes());
        }
        (form, _, _) => {
            let magnitude = u64::try_from(n.unsigned_abs()).unwrap();
            let used = 8 - magnitude.leading_zeros() / 8;
            // Leading zeros, as many as there is room for, change nothing.
            let width = (used as usize + usize::from(choice / 4)).min(8);
            header(form, (110, 1), (111, 4), width, out);
            // A zero can be negative.
            out.push(u8::from(n < 0 || (n == 0 && choice >= 128)));
            out.extend(&magnitude.to_le_bytes()[..width]);
        }
    }
}

fn list(items: &[Tree], choice: u8, choices: &mut dyn Iterator<Item = u8>, out: &mut Vec<u8>) {
    let bytes: Option<Vec<u8>> = items
        .iter()
        .map(|item| if let Tree::Integer(n) = item { u8::try_from(*n).ok() } else { None })
        .collect();
    match bytes {
        Some(bytes) if choice % 2 == 0 => {
            header(0, (107, 2), (107, 2), bytes.len(), out);
            out.extend(bytes);
        }
        Some(bytes) if bytes.is_empty() => out.push(106),
        _ => {
            header(0, (108, 4), (108, 4), items.len(), out);
            items.iter().for_each(|item| term(item, choices, out));
            out.push(106);
        }
    }
}
