//! What is not of the schema is refused, with the place where it stands and the reason.

mod bounds;
mod keys;
mod values;

use portcullis::error::{RequestError, Why};
use portcullis::ids::RequestId;
use portcullis::protocol::reply;
use portcullis::wire::scan::{Bounds, validate};
use portcullis::wire::write::Writer;
use serde_json::{Value, json};

use crate::support::{Keys, path, refused};

fn unknown(name: &str) -> Why {
    Why::UnknownName(name.as_bytes().to_vec())
}

fn misspelt(name: &str, meant: &'static str) -> Why {
    Why::Misspelt(name.as_bytes().to_vec(), meant)
}

/// Checks path and reason of a request, and that the error is a term of the vocabulary.
fn check(request: &Value, place: &str, why: &Why) {
    for keys in [Keys::Binaries, Keys::Atoms] {
        let (steps, found) = refused(request, keys);
        assert_eq!((path(&steps).as_str(), &found), (place, why), "{request}");
        let mut w = Writer::new();
        reply::error(&mut w, RequestId::NONE, &RequestError::BadRequest(steps, found));
        assert!(validate(&w.bytes()[4..], &Bounds { bytes: 1 << 20, ..Bounds::PROC }).is_ok());
    }
}

/// Checks a statement of a rule; the path goes on from its statements.
fn statement(statement: Value, place: &str, why: &Why) {
    let rule = json!({"family": "inet", "table": "t", "chain": "c", "expr": [{"accept": null}, statement]});
    let place = if place.is_empty() { String::new() } else { format!(".{place}") };
    check(&json!([{"add": {"rule": rule}}]), &format!("1.add.rule.expr.2{place}"), why);
}

/// Checks an expression, as the left of a match.
fn expression(expr: Value, place: &str, why: &Why) {
    let place = if place.is_empty() { String::new() } else { format!(".{place}") };
    statement(json!({"match": {"op": "==", "left": expr, "right": 1}}), &format!("match.left{place}"), why);
}

/// Checks a command.
fn command(command: Value, place: &str, why: &Why) {
    let place = if place.is_empty() { String::new() } else { format!(".{place}") };
    check(&json!([command]), &format!("1{place}"), why);
}
