//! What is written reads as what it was.

use portcullis::nft::model::{Command, Creation, Expr, Place};
use portcullis::nft::schema;
use portcullis::wire::scan::validate;
use portcullis::wire::schema::At;
use portcullis::wire::write::Writer;
use proptest::prelude::*;

use crate::models;
use crate::support::{BOUNDS, with_commands, written};

/// The object that `write` writes, as the only command of a change.
fn read_back<T>(write: impl FnOnce(&mut Writer), then: impl FnOnce(Command<'_>) -> T) -> T {
    let bytes = written(|w| {
        w.list(1);
        write(w);
        w.nil();
    });
    with_commands(&bytes, |read| then(read.expect("what is written is read").pop().unwrap()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn expressions(expr in models::expr()) {
        let bytes = written(|w| schema::write_element(&expr, w));
        let again = schema::element(validate(&bytes, &BOUNDS).unwrap().term(), &At::Top);
        // An element that is a list is a pair; all others are expressions as anywhere.
        match &expr {
            Expr::List(_) => {}
            _ => prop_assert_eq!(again.unwrap(), expr),
        }
    }

    #[test]
    fn rules(rule in models::rule()) {
        read_back(|w| schema::write_rule(&rule, w), |command| match command {
            Command::Append(again, place) => {
                prop_assert_eq!(&again, &rule);
                prop_assert_eq!(place, Place::Edge);
                Ok(())
            }
            other => panic!("{other:?}"),
        })?;
    }

    #[test]
    fn tables(table in models::table()) {
        read_back(|w| schema::write_table(&table, w), |command| match command {
            Command::Add(Creation::Table(again)) => {
                prop_assert_eq!(&again, &table);
                Ok(())
            }
            other => panic!("{other:?}"),
        })?;
    }

    #[test]
    fn chains(chain in models::chain()) {
        read_back(|w| schema::write_chain(&chain, w), |command| match command {
            Command::Add(Creation::Chain(again)) => {
                prop_assert_eq!(&again, &chain);
                Ok(())
            }
            other => panic!("{other:?}"),
        })?;
    }

    #[test]
    fn sets(set in models::set(), elements in proptest::collection::vec(models::expr(), 0..3)) {
        // Elements that map to ranges say something about their map.
        let elements: Vec<Expr> =
            elements.into_iter().filter(|e| !matches!(e, Expr::List(_) | Expr::Pair(_))).collect();
        read_back(|w| schema::write_set(&set, &elements, w), |command| match command {
            Command::Add(Creation::Set(again, items)) => {
                prop_assert_eq!(&*again, &set);
                let read: Vec<Expr> = items.map(|items| {
                    items.map(|term| schema::element(term, &At::Top).unwrap()).collect()
                }).unwrap_or_default();
                prop_assert_eq!(&read, &elements);
                Ok(())
            }
            other => panic!("{other:?}"),
        })?;
    }

    #[test]
    fn objects(object in models::named_object()) {
        read_back(|w| schema::write_object(&object, w), |command| match command {
            Command::Add(Creation::Object(again)) => {
                prop_assert_eq!(&again, &object);
                Ok(())
            }
            other => panic!("{other:?}"),
        })?;
    }
}
