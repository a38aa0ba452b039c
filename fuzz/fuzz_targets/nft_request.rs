//! Whatever the scan accepts is a change of the firewall or an error that is a term of the vocabulary; what is accepted is
//! written as terms that read as what it was. Nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::error::RequestError;
use portcullis::ids::RequestId;
use portcullis::nft::model::{Command, Creation, Expr, MapData};
use portcullis::nft::schema;
use portcullis::protocol::reply;
use portcullis::wire::atoms;
use portcullis::wire::scan::{Bounds, Validated, validate};
use portcullis::wire::schema::At;
use portcullis::wire::term::Term;
use portcullis::wire::write::Writer;

const BOUNDS: Bounds = Bounds { bytes: 1 << 20, depth: 64, terms: 1 << 16, map_pairs: 64 };

fuzz_target!(|frame: &[u8]| {
    let Ok(accepted) = validate(frame, &BOUNDS) else { return };
    check(schema::listing(accepted.term(), &At::Top).map(|_| ()));
    match schema::element(accepted.term(), &At::Top) {
        Ok(expr) => same_element(&expr),
        Err(error) => check(Err(error)),
    }
    match schema::commands(accepted.term(), &At::Top) {
        Ok(commands) => commands.iter().for_each(written),
        Err(error) => check(Err(error)),
    }
});

/// An error can be told to a client.
fn check(read: Result<(), RequestError>) {
    if let Err(error) = read {
        let mut w = Writer::new();
        reply::error(&mut w, RequestId::NONE, &error);
        assert!(validate(&w.bytes()[4..], &BOUNDS).is_ok(), "{error:?}");
    }
}

fn body(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut w = Writer::new();
    w.raw(&[131]);
    write(&mut w);
    w.bytes().to_vec()
}

/// What is written is a term. One word is written as the list of it, so it can be a few levels deeper than what was read.
fn term(bytes: &[u8]) -> Option<Validated<'_>> {
    match validate(bytes, &Bounds { bytes: 1 << 24, terms: 1 << 20, ..BOUNDS }) {
        Ok(accepted) => Some(accepted),
        Err(malformed) => {
            assert_eq!(malformed.why, atoms::TOO_DEEP);
            None
        }
    }
}

/// Reads what is written as the only command of a change.
fn again(write: impl FnOnce(&mut Writer), same: impl FnOnce(Command<'_>)) {
    let bytes = body(|w| {
        w.list(1);
        write(w);
        w.nil();
    });
    let Some(accepted) = term(&bytes) else { return };
    let mut commands = schema::commands(accepted.term(), &At::Top).expect("what is written is read");
    same(commands.pop().expect("it is a command"));
}

fn written(command: &Command<'_>) {
    match command {
        Command::Append(rule, _) | Command::Insert(rule, _) | Command::Replace(rule) => again(
            |w| schema::write_rule(rule, w),
            |read| assert!(matches!(&read, Command::Append(other, _) if other == rule), "{read:?}"),
        ),
        Command::Add(what) | Command::Create(what) => created(what),
        _ => {}
    }
}

fn created(what: &Creation<'_>) {
    match what {
        Creation::Table(table) => again(
            |w| schema::write_table(table, w),
            |read| assert!(matches!(&read, Command::Add(Creation::Table(other)) if other == table)),
        ),
        Creation::Chain(chain) => again(
            |w| schema::write_chain(chain, w),
            |read| assert!(matches!(&read, Command::Add(Creation::Chain(other)) if other == chain)),
        ),
        Creation::Object(object) => again(
            |w| schema::write_object(object, w),
            |read| assert!(matches!(&read, Command::Add(Creation::Object(other)) if other == object)),
        ),
        Creation::Set(set, items) => {
            let read = items.map(|items| items.map(|term| schema::element(term, &At::Top)).collect());
            // Elements are looked at when they are encoded.
            let Some(Ok::<Vec<Expr>, _>(elements)) = read else { return };
            let mut set = (**set).clone();
            // Usual, and therefore not written.
            set.policy = set.policy.filter(|policy| *policy != 0);
            let bytes = body(|w| schema::write_set(&set, &elements, w));
            again(
                |w| w.raw(&bytes[1..]),
                |read| match read {
                    Command::Add(Creation::Set(mut other, _)) => {
                        without_expression(&mut other.data);
                        without_expression(&mut set.data);
                        assert_eq!(*other, set);
                    }
                    other => panic!("{other:?}"),
                },
            );
        }
        Creation::Elements(_, _, items) => elements(*items),
    }
}

/// nft lists the data of a map by its types, also where it was declared by an expression.
fn without_expression(data: &mut Option<MapData>) {
    if let Some(MapData::Values(datum) | MapData::Ranges(datum)) = data {
        datum.of = None;
    }
}

fn elements<'a>(items: impl Iterator<Item = Term<'a>>) {
    for term in items {
        match schema::element(term, &At::Top) {
            Ok(expr) => same_element(&expr),
            Err(error) => check(Err(error)),
        }
    }
}

fn same_element(expr: &Expr) {
    let bytes = body(|w| schema::write_element(expr, w));
    let Some(accepted) = term(&bytes) else { return };
    assert_eq!(schema::element(accepted.term(), &At::Top).as_ref(), Ok(expr));
}
