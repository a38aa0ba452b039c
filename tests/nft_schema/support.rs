//! JSON as terms and back, and reading and writing in one step.

use portcullis::error::{RequestError, Step};
use portcullis::nft::model::{Command, Creation, Expr};
use portcullis::nft::schema;
use portcullis::wire::atoms;
use portcullis::wire::scan::{Bounds, validate};
use portcullis::wire::schema::At;
use portcullis::wire::term::Term;
use portcullis::wire::write::Writer;
use serde_json::{Map, Value};

/// What the `net` role takes.
pub const BOUNDS: Bounds = Bounds { bytes: 16 << 20, depth: 64, terms: 1 << 21, map_pairs: 64 };

/// How keys and words are written.
#[derive(Clone, Copy, PartialEq)]
pub enum Keys {
    Binaries,
    Atoms,
}

/// A value as the term that a client makes of it, with the version byte.
pub fn etf(value: &Value, keys: Keys) -> Vec<u8> {
    let mut w = Writer::new();
    w.raw(&[131]);
    term(value, keys, &mut w);
    w.bytes().to_vec()
}

fn term(value: &Value, keys: Keys, w: &mut Writer) {
    match value {
        Value::Null => w.atom(atoms::NULL),
        Value::Bool(value) => w.bool(*value),
        Value::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(n), _) => w.int(n),
            (None, Some(n)) => w.uint(n),
            _ => {
                w.raw(&[70]);
                w.raw(&n.as_f64().unwrap().to_be_bytes());
            }
        },
        Value::String(text) => w.text(text),
        Value::Array(items) => {
            w.list(items.len());
            if !items.is_empty() {
                items.iter().for_each(|item| term(item, keys, w));
                w.nil();
            }
        }
        Value::Object(pairs) => {
            w.map(pairs.len());
            for (key, value) in pairs {
                if keys == Keys::Atoms {
                    w.raw(&[119, u8::try_from(key.len()).unwrap()]);
                    w.raw(key.as_bytes());
                } else {
                    w.text(key);
                }
                term(value, keys, w);
            }
        }
    }
}

/// A term as JSON. Fails where a map has a key twice.
pub fn json(term: Term<'_>) -> Value {
    match term {
        Term::Atom("null") => Value::Null,
        Term::Atom("true") => true.into(),
        Term::Atom("false") => false.into(),
        Term::Atom(text) => panic!("{text} is an atom"),
        Term::Integer(n) => i64::try_from(n).map_or_else(|_| u64::try_from(n).unwrap().into(), Value::from),
        Term::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned().into(),
        Term::List(items) => items.map(json).collect(),
        Term::Map(pairs) => {
            let mut map = Map::new();
            for (key, value) in pairs {
                let Term::Atom(key) = key else { panic!("{key:?} is not an atom") };
                assert!(map.insert(key.to_owned(), json(value)).is_none(), "{key} stands twice");
            }
            Value::Object(map)
        }
        Term::Float(_) | Term::Tuple(_) => panic!("{term:?}"),
    }
}

/// What `write` writes, as bytes with the version byte.
pub fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut w = Writer::new();
    w.raw(&[131]);
    write(&mut w);
    w.bytes().to_vec()
}

/// What `write` writes, as JSON.
pub fn shown(write: impl FnOnce(&mut Writer)) -> Value {
    let bytes = written(write);
    json(validate(&bytes, &BOUNDS).expect("what is written is a term").term())
}

/// Reads commands and gives them to `then`.
pub fn with_commands<T>(bytes: &[u8], then: impl FnOnce(Result<Vec<Command<'_>>, RequestError>) -> T) -> T {
    let accepted = validate(bytes, &BOUNDS).expect("the scan accepts it");
    then(schema::commands(accepted.term(), &At::Top))
}

/// The error of a request that must be refused: path and reason.
pub fn refused(value: &Value, keys: Keys) -> (Vec<Step>, portcullis::error::Why) {
    with_commands(&etf(value, keys), |read| match read {
        Err(RequestError::BadRequest(path, why)) => (path, why),
        other => panic!("{value}: {other:?}"),
    })
}

/// A path as text: `1.add.rule.expr.2`.
pub fn path(steps: &[Step]) -> String {
    let text = |step: &Step| match step {
        Step::Key(key) => (*key).to_owned(),
        Step::Unknown(name) => format!("?{}", String::from_utf8_lossy(name)),
        Step::Index(n) => n.to_string(),
    };
    steps.iter().map(text).collect::<Vec<_>>().join(".")
}

/// What a command makes, written.
pub fn show_command(command: &Command<'_>) -> Value {
    match command {
        Command::Append(rule, _) | Command::Insert(rule, _) | Command::Replace(rule) => {
            shown(|w| schema::write_rule(rule, w))
        }
        Command::Add(creation) | Command::Create(creation) => show_creation(creation),
        other => panic!("{other:?}"),
    }
}

fn show_creation(creation: &Creation<'_>) -> Value {
    match creation {
        Creation::Table(table) => shown(|w| schema::write_table(table, w)),
        Creation::Chain(chain) => shown(|w| schema::write_chain(chain, w)),
        Creation::Set(set, items) => {
            let elements: Vec<Expr> = items
                .map(|items| items.map(|term| schema::element(term, &At::Top).unwrap()).collect())
                .unwrap_or_default();
            shown(|w| schema::write_set(set, &elements, w))
        }
        Creation::Elements(table, name, items) => {
            let elements: Vec<Expr> = items.map(|term| schema::element(term, &At::Top).unwrap()).collect();
            shown(|w| schema::write_elements(table, name, &elements, w))
        }
        Creation::Object(object) => shown(|w| schema::write_object(object, w)),
    }
}
