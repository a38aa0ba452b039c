//! What is no subscription here, or not granted.

use super::support::{self, Term, atom, atoms, bytes, fixtures, int, name};
use super::{port, port_in_a_namespace, refused, text};

#[test]
fn in_a_network_namespace_of_its_own_it_is_said_that_no_processes_are_told() {
    let Some(f) = fixtures() else { return };
    let mut port = port_in_a_namespace(&f);
    let error = refused(&mut port, &[("topic", atom("processes"))]);
    let [what, why] = support::tuple(&error);
    let why = String::from_utf8(bytes(why)).unwrap();
    assert!(name(what) == "unsupported" && why.contains("first network namespace"), "{why}");
    assert!(why.contains("topic query"), "{why}");
}

#[test]
fn what_is_not_of_the_schema_or_not_granted_is_refused() {
    let Some(f) = fixtures() else { return };
    let mut port = port(&f);
    let query = |every: Term| [("topic", atom("query")), ("table", atom("load")), ("every", every)];
    for (args, part) in [
        (query(int(99)).to_vec(), "'range',100,3600000"),
        (query(atom("often")).to_vec(), "'integer'"),
        (vec![("topic", atom("query")), ("table", atom("load"))], "'missing'"),
        (vec![("topic", atom("query")), ("every", int(100))], "'table'"),
        (
            vec![
                ("topic", atom("query")),
                ("table", atom("processes")),
                ("every", int(100)),
                ("colour", int(1)),
            ],
            "unknown_key",
        ),
        (vec![("topic", atom("processes")), ("events", atoms(&["fork", "fork"]))], "'duplicate'"),
        (vec![("topic", atom("processes")), ("events", atoms(&[]))], "'empty'"),
        (vec![("topic", atom("processes")), ("events", atoms(&["birth"]))], "'expected'"),
        (vec![("topic", atom("exit"))], "'missing'"),
        (vec![("topic", atom("routes")), ("every", int(100))], "unknown_key"),
        (vec![("topic", atom("weather"))], "'unsupported'"),
        (vec![("topic", atom("nft"))], "'unsupported'"),
    ] {
        let error = text(&refused(&mut port, &args));
        assert!(error.contains(part), "{error} has no {part}");
    }
    let none = f.policy("version = 1\n[proc]\nlevel = \"none\"\n");
    let mut port = f.port_with("ok", &["--policy", &none], &[]);
    port.hello();
    for topic in ["processes", "interfaces", "exit"] {
        let mut args = vec![("topic", atom(topic))];
        args.extend((topic == "exit").then(|| ("pid", int(1))));
        let error = text(&refused(&mut port, &args));
        assert!(error.contains("denied_by_policy") && !error.contains("unsupported"), "{topic}: {error}");
    }
    let error = text(&refused(&mut port, &query(int(100))));
    assert!(error.contains("denied_by_policy"), "{error}");
}
