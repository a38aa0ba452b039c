//! Terms as owned trees, and the oracle: two independent readings of a frame that must agree.
#![forbid(unsafe_code)]

use portcullis::wire::term::Term;

/// A term of ours, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Integer(i128),
    Float(f64),
    Atom(String),
    Binary(Vec<u8>),
    Tuple(Vec<Tree>),
    List(Vec<Tree>),
    Map(Vec<(Tree, Tree)>),
}

impl From<Term<'_>> for Tree {
    fn from(term: Term<'_>) -> Self {
        match term {
            Term::Integer(n) => Self::Integer(n),
            Term::Float(x) => Self::Float(x),
            Term::Atom(text) => Self::Atom(text.to_owned()),
            Term::Binary(bytes) => Self::Binary(bytes.to_owned()),
            Term::Tuple(items) => Self::Tuple(items.map(Self::from).collect()),
            Term::List(items) => Self::List(items.map(Self::from).collect()),
            Term::Map(pairs) => Self::Map(pairs.map(|(key, value)| (key.into(), value.into())).collect()),
        }
    }
}

/// Visits every term inside `term` and returns how many there are. Fails if an iterator ends before its `len()`.
pub fn walk(term: Term<'_>) -> usize {
    let inside = match term {
        Term::Tuple(items) | Term::List(items) => {
            let (mut met, mut sum) = (0, 0);
            for item in items {
                met += 1;
                sum += walk(item);
            }
            assert_eq!(met, items.len());
            sum
        }
        Term::Map(pairs) => {
            let (mut met, mut sum) = (0, 0);
            for (key, value) in pairs {
                met += 1;
                sum += walk(key) + walk(value);
            }
            assert_eq!(met, pairs.len());
            sum
        }
        _ => 0,
    };
    inside + 1
}

/// Reads an accepted frame with the oracle, which must take all of it.
pub fn oracle(frame: &[u8]) -> eetf::Term {
    let mut cursor = std::io::Cursor::new(frame);
    let term = eetf::Term::decode(&mut cursor).expect("an accepted frame decodes");
    assert_eq!(cursor.position(), u64::try_from(frame.len()).unwrap(), "bytes left over");
    term
}

/// Whether the two readings are the same tree. The oracle keeps one pair of each key.
pub fn agrees(term: Term<'_>, oracle: &eetf::Term) -> bool {
    match (term, oracle) {
        (Term::Integer(a), eetf::Term::FixInteger(b)) => a == i128::from(b.value),
        (Term::Integer(a), eetf::Term::BigInteger(b)) => i128::try_from(&b.value) == Ok(a),
        (Term::Float(a), eetf::Term::Float(b)) => a == b.value,
        (Term::Atom(a), eetf::Term::Atom(b)) => a == b.name,
        (Term::Binary(a), eetf::Term::Binary(b)) => a == b.bytes,
        (Term::Tuple(a), eetf::Term::Tuple(b)) => all_agree(a, &b.elements),
        (Term::List(a), eetf::Term::List(b)) => all_agree(a, &b.elements),
        (Term::List(a), eetf::Term::ByteList(b)) => {
            let bytes = b.bytes.iter().map(|byte| Tree::Integer(i128::from(*byte)));
            a.len() == b.bytes.len() && a.map(Tree::from).eq(bytes)
        }
        (Term::Map(a), eetf::Term::Map(b)) => {
            let found = |(key, value)| a.into_iter().any(|(k, v)| agrees(k, key) && agrees(v, value));
            let known = |key| b.map.keys().any(|k| agrees(key, k));
            b.map.iter().all(found) && (a.len() == b.map.len() || a.into_iter().all(|(key, _)| known(key)))
        }
        _ => false,
    }
}

fn all_agree<'a>(items: impl ExactSizeIterator<Item = Term<'a>>, oracle: &[eetf::Term]) -> bool {
    items.len() == oracle.len() && items.zip(oracle).all(|(item, other)| agrees(item, other))
}
