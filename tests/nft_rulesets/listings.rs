//! What is named in a listing is there, or it is said that it is not.

use portcullis::error::RequestError;
use serde_json::{Value, json};

use crate::nft_support::{network, nft};
use crate::world::World;

fn missing(world: &mut World, what: &Value) -> String {
    match world.list(what) {
        Err(RequestError::Nft(0, libc::ENOENT, text)) => String::from_utf8(text).unwrap(),
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn what_is_not_there_is_no_empty_list() {
    network(|| {
        let mut world = World::new(&[]);
        let inside = |table: &str, name: &str| json!({ "family": "inet", "table": table, "name": name });
        // Lists of what there is may be empty.
        for what in
            [json!("ruleset"), json!("tables"), json!({ "ruleset": { "family": "ip" } }), json!("chains")]
        {
            assert_eq!(world.list(&what).unwrap(), Vec::<Value>::new(), "{what}");
        }
        let text = missing(&mut world, &json!({ "table": { "family": "inet", "name": "fw" } }));
        assert!(text.ends_with("(there is no table inet fw)"), "{text}");
        for what in ["chain", "set", "map", "counter"] {
            let text = missing(&mut world, &json!({ what: inside("fw", "x") }));
            assert!(text.ends_with("(there is no table inet fw)"), "{text}");
        }
        nft("add table inet fw").unwrap();
        assert_eq!(world.list(&json!({ "table": { "family": "inet", "name": "fw" } })).unwrap().len(), 1);
        assert_eq!(world.list(&json!({ "rules": { "family": "inet", "table": "fw" } })).unwrap().len(), 0);
        nft("add chain inet fw c; add set inet fw s { type ipv4_addr; }; add counter inet fw n").unwrap();
        for (what, name, word) in [("chain", "x", "chain"), ("set", "c", "set"), ("counter", "s", "object")] {
            let text = missing(&mut world, &json!({ what: inside("fw", name) }));
            assert!(text.ends_with(&format!("(there is no {word} inet fw {name})")), "{text}");
        }
        for (what, name) in [("chain", "c"), ("set", "s"), ("counter", "n")] {
            assert_eq!(world.list(&json!({ what: inside("fw", name) })).unwrap().len(), 1, "{what}");
        }
        // The name of a table of another family is none of this one.
        missing(&mut world, &json!({ "table": { "family": "ip", "name": "fw" } }));
    });
}
