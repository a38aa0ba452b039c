//! How long, how deep and how many; and elements and listings, which are read by themselves.

use portcullis::error::{RequestError, Why};
use portcullis::limits::{NFT_EXPRESSIONS_MAX, NFT_LEVELS_MAX};
use portcullis::nft::schema;
use portcullis::wire::scan::validate;
use portcullis::wire::schema::At;
use serde_json::{Value, json};

use super::{check, command, expression, misspelt};
use crate::support::{BOUNDS, Keys, etf, path, refused, with_commands};

#[test]
fn lists_of_the_wrong_length_are_refused() {
    expression(json!([]), "", &Why::Empty);
    expression(json!({"set": []}), "set", &Why::Empty);
    expression(json!({"set": [[1, 2, 3]]}), "set.1", &Why::TooMany(2));
    expression(json!({"set": [1, [2]]}), "set.2.2", &Why::Missing);
    expression(json!({"range": [1]}), "range.2", &Why::Missing);
    expression(json!({"range": [1, 2, 3]}), "range", &Why::TooMany(2));
    expression(json!({"concat": [1]}), "concat.2", &Why::Missing);
    expression(json!({"concat": vec![1; 17]}), "concat", &Why::TooMany(16));
    expression(json!({"|": [1]}), "|.2", &Why::Missing);
    expression(json!({"|": vec![1; 65]}), "|", &Why::TooMany(64));
    let rule = json!({"family": "ip", "table": "t", "chain": "c", "expr": []});
    command(json!({"add": {"rule": rule}}), "add.rule.expr", &Why::Empty);
    let many =
        json!({"family": "ip", "table": "t", "chain": "c", "expr": vec![json!({"accept": null}); 129]});
    command(json!({"add": {"rule": many}}), "add.rule.expr", &Why::TooMany(128));
    check(&json!([]), "", &Why::Empty);
}

/// Operators with many operands nest deeper than their term does.
#[test]
fn depth_is_bounded_in_what_is_made() {
    let flat: Vec<Value> = (0..64).map(|n| json!(n)).collect();
    let fine = json!({"match": {"op": "==", "left": {"|": flat[..62]}, "right": 1}});
    let rule = |statement: &Value| {
        json!([{"add": {"rule": {"family": "ip", "table": "t", "chain": "c",
        "expr": [statement]}}}])
    };
    with_commands(&etf(&rule(&fine), Keys::Atoms), |read| assert!(read.is_ok()));
    // Sixty-four operands twice, the second inside the first of the first.
    let mut deep = flat.clone();
    deep[1] = json!({"&": flat});
    expression(json!({"|": deep}), "|.2", &Why::TooMany(u64::from(NFT_LEVELS_MAX)));
    let mut tower = json!(1);
    for _ in 0..24 {
        tower = json!({"^": [tower, 1]});
    }
    let request = rule(&json!({"match": {"op": "==", "left": tower, "right": 1}}));
    with_commands(&etf(&request, Keys::Atoms), |read| assert!(read.is_ok()));
}

/// A byte of the frame can make an expression of a hundred bytes; their number is bounded, whatever the frame's length.
#[test]
fn the_number_of_expressions_is_bounded() {
    let set = json!({"match": {"op": "==", "left": 1, "right": {"set": vec![1; 60_000]}}});
    let rule = json!({"add": {"rule": {"family": "ip", "table": "t", "chain": "c", "expr": [set]}}});
    let (steps, why) = refused(&json!(vec![rule; 12]), Keys::Atoms);
    assert_eq!(why, Why::TooMany(u64::from(NFT_EXPRESSIONS_MAX)));
    assert!(path(&steps).starts_with("9.add.rule.expr.1.match.right.set."), "{}", path(&steps));
}

#[test]
fn elements_and_listings_are_as_strict() {
    let element = |value: Value| {
        let bytes = etf(&value, Keys::Atoms);
        match schema::element(validate(&bytes, &BOUNDS).unwrap().term(), &At::Key(&At::Top, "elem")) {
            Err(RequestError::BadRequest(steps, why)) => (path(&steps), why),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(element(json!({"elem": {"val": 1, "timeout": -1}})).0, "elem.elem.timeout");
    assert_eq!(element(json!([1, 2, 3])), ("elem".to_owned(), Why::TooMany(2)));
    assert_eq!(element(json!([1, null])), ("elem.2".to_owned(), Why::Expected("expression")));
    let listing = |value: Value| {
        let bytes = etf(&value, Keys::Binaries);
        match schema::listing(validate(&bytes, &BOUNDS).unwrap().term(), &At::Top) {
            Err(RequestError::BadRequest(steps, why)) => (path(&steps), why),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(listing(json!("rulesets")), (String::new(), misspelt("rulesets", "ruleset")));
    assert_eq!(listing(json!("chain")), ("chain".to_owned(), Why::Expected("map")));
    assert_eq!(
        listing(json!({"chain": {"family": "ip", "table": "t"}})),
        ("chain.name".to_owned(), Why::Missing)
    );
    assert_eq!(listing(json!({"chains": {"table": "t"}})), ("chains.family".to_owned(), Why::Missing));
    assert_eq!(
        listing(json!({"flowtables": null})),
        ("flowtables".to_owned(), Why::Unsupported("flowtables"))
    );
    assert_eq!(listing(json!({})), (String::new(), Why::Empty));
}
