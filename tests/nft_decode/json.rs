//! Terms as JSON, to compare them with what nft lists.

use portcullis::nft::model::Statement;
use portcullis::nft::schema;
use portcullis::wire::scan::{Bounds, validate};
use portcullis::wire::term::Term;
use portcullis::wire::write::Writer;
use serde_json::Value;

const BOUNDS: Bounds = Bounds { bytes: 16 << 20, depth: 64, terms: 1 << 21, map_pairs: 64 };

fn json(term: Term<'_>) -> Value {
    match term {
        Term::Atom("null") => Value::Null,
        Term::Atom("true") => true.into(),
        Term::Atom("false") => false.into(),
        Term::Integer(n) => i64::try_from(n).map_or_else(|_| u64::try_from(n).unwrap().into(), Value::from),
        Term::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned().into(),
        Term::List(items) => items.map(json).collect(),
        Term::Map(pairs) => {
            let pair = |(key, value)| match key {
                Term::Atom(key) => (key.to_owned(), json(value)),
                other => panic!("{other:?} is not an atom"),
            };
            pairs.map(pair).collect::<serde_json::Map<_, _>>().into()
        }
        other => panic!("{other:?}"),
    }
}

/// Statements as the schema has them.
pub fn shown(statements: &[Statement]) -> Value {
    let one = |statement| {
        let mut writer = Writer::new();
        writer.raw(&[131]);
        schema::write_statement(statement, &mut writer);
        json(validate(writer.bytes(), &BOUNDS).unwrap().term())
    };
    statements.iter().map(one).collect()
}
