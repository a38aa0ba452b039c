//! The forms in which the same can be said, and what is understood where something is left out.

use portcullis::nft::model::*;
use portcullis::nft::schema::{self, Listing, Within};
use portcullis::wire::atoms;
use portcullis::wire::scan::validate;
use portcullis::wire::schema::At;
use serde_json::{Value, json};

use crate::support::{BOUNDS, Keys, etf, shown, with_commands};

fn table(name: &'static str) -> TableRef {
    TableRef { family: Family::Ip, name: name.as_bytes().into() }
}

fn text(text: &'static str) -> Text {
    text.as_bytes().into()
}

/// Reads one command and gives it to `then`.
fn with_command<T>(command: Value, then: impl FnOnce(Command<'_>) -> T) -> T {
    with_commands(&etf(&json!([command]), Keys::Atoms), |read| then(read.unwrap().pop().unwrap()))
}

/// The only statement of a rule.
fn statement(value: Value) -> Statement {
    let rule = json!({"family": "ip", "table": "t", "chain": "c", "expr": [value]});
    with_command(json!({"add": {"rule": rule}}), |command| match command {
        Command::Append(mut rule, Place::Edge) => rule.statements.remove(0),
        other => panic!("{other:?}"),
    })
}

fn left(value: Value) -> Expr {
    match statement(json!({"match": {"op": "==", "left": value, "right": 1}})) {
        Statement::Match(m) => m.left,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_document_is_its_list_and_a_bare_object_is_added() {
    let object = json!({"table": {"family": "ip", "name": "t", "handle": 7}});
    let meta = json!({"metainfo": {"version": "1.1.6", "release_name": "x", "json_schema_version": 1}});
    for request in [json!([object]), json!({"nftables": [meta, object]}), json!([{"add": object}])] {
        with_commands(&etf(&request, Keys::Binaries), |read| match read.unwrap().as_slice() {
            [Command::Add(Creation::Table(read))]
            | [Command::Metainfo, Command::Add(Creation::Table(read))] => {
                assert_eq!(*read, Table { id: table("t"), handle: Some(7), flags: 0, comment: None });
            }
            other => panic!("{other:?}"),
        });
    }
    with_command(json!({"create": object}), |c| assert!(matches!(c, Command::Create(Creation::Table(_)))));
}

/// A listed rule has its own handle, which says nothing about its place; in a command it is the place.
#[test]
fn a_handle_is_a_place_in_commands_only() {
    let rule = json!({"rule": {"family": "ip", "table": "t", "chain": "c", "handle": 9, "expr": [{"accept": null}]}});
    let place = |command: &Command<'_>| match command {
        Command::Append(rule, place) | Command::Insert(rule, place) => (rule.handle, *place),
        Command::Replace(rule) => (rule.handle, Place::Edge),
        other => panic!("{other:?}"),
    };
    with_command(rule.clone(), |c| assert_eq!(place(&c), (Some(9), Place::Edge)));
    with_command(json!({"add": rule}), |c| assert_eq!(place(&c), (None, Place::Handle(9))));
    with_command(json!({"insert": rule}), |c| assert_eq!(place(&c), (None, Place::Handle(9))));
    with_command(json!({"replace": rule}), |c| assert_eq!(place(&c), (Some(9), Place::Edge)));
    let mut at = rule;
    at["rule"]["index"] = json!(0);
    at["rule"].as_object_mut().unwrap().remove("handle");
    with_command(json!({"insert": at}), |c| assert_eq!(place(&c), (None, Place::Index(0))));
}

#[test]
fn what_is_deleted_has_a_name_or_a_handle() {
    let target = |value: Value, then: &dyn Fn(&Target<'_>) -> bool| {
        let matches = |c: &Command<'_>| match c {
            Command::Delete(target) | Command::Destroy(target) => then(target),
            _ => false,
        };
        with_command(json!({"delete": value}), |c| assert!(matches(&c), "{c:?}"));
        with_command(json!({"destroy": value}), |c| assert!(matches(&c), "{c:?}"));
    };
    let named = json!({"family": "ip", "table": "t", "name": "n"});
    let handle = json!({"family": "ip", "table": "t", "handle": 3});
    let (t, n) = (table("t"), text("n"));
    target(json!({"table": {"family": "ip", "name": "t"}}), &|d| matches!(d, Target::Table(x) if *x == t));
    target(json!({"table": {"family": "ip", "handle": 3}}), &|d| {
        matches!(d, Target::TableHandle(Family::Ip, 3))
    });
    target(json!({"chain": named}), &|d| matches!(d, Target::Chain(x, y) if *x == t && *y == n));
    target(json!({"chain": handle}), &|d| matches!(d, Target::ChainHandle(x, 3) if *x == t));
    target(json!({"set": named}), &|d| matches!(d, Target::Set(x, y) if *x == t && *y == n));
    target(json!({"map": handle}), &|d| matches!(d, Target::SetHandle(x, 3) if *x == t));
    target(json!({"quota": named}), &|d| matches!(d, Target::Object(_, ObjectKind::Quota, y) if *y == n));
    target(json!({"ct helper": handle}), &|d| matches!(d, Target::ObjectHandle(_, ObjectKind::CtHelper, 3)));
    let rule = json!({"family": "ip", "table": "t", "chain": "n", "handle": 3});
    target(json!({"rule": rule}), &|d| matches!(d, Target::Rule(_, y, 3) if *y == n));
    let element = json!({"family": "ip", "table": "t", "name": "n", "elem": [1, 2]});
    target(json!({"element": element}), &|d| matches!(d, Target::Elements(_, _, items) if items.len() == 2));
}

#[test]
fn the_other_commands() {
    let flushed = |value: Value, expected: Flush| {
        with_command(json!({"flush": value}), |c| match c {
            Command::Flush(flush) => assert_eq!(flush, expected),
            other => panic!("{other:?}"),
        });
    };
    flushed(json!({"ruleset": null}), Flush::Ruleset(None));
    flushed(json!({"ruleset": {"family": "arp"}}), Flush::Ruleset(Some(Family::Arp)));
    flushed(json!({"table": {"family": "ip", "name": "t"}}), Flush::Table(table("t")));
    let named = json!({"family": "ip", "table": "t", "name": "n"});
    flushed(json!({"chain": named}), Flush::Chain(table("t"), text("n")));
    flushed(json!({"map": named}), Flush::Set(table("t"), text("n")));
    with_command(json!({"reset": {"counter": named}}), |c| {
        assert!(matches!(c, Command::Reset(_, ObjectKind::Counter, _)));
    });
    let new = json!({"family": "ip", "table": "t", "name": "n", "newname": "m"});
    with_command(json!({"rename": {"chain": new}}), |c| {
        assert!(matches!(c, Command::Rename(_, old, new) if old == text("n") && new == text("m")));
    });
}

/// One element alone, wherever it stands among the keys.
#[test]
fn elements_are_a_list_or_one() {
    let prefix = json!({"prefix": {"addr": "10.0.0.0", "len": 8}});
    for elem in [json!([prefix]), prefix.clone()] {
        for last in ["elem", "zzzz"] {
            // serde_json sorts keys: the element is the first key or the last one.
            let mut set = json!({"family": "ip", "table": "t", "name": "s", "type": "ipv4_addr"});
            set["elem"] = elem.clone();
            if last == "elem" {
                set = json!({"elem": elem, "family": "ip", "name": "s", "table": "t", "type": "ipv4_addr"});
            }
            with_command(json!({"add": {"set": set}}), |c| match c {
                Command::Add(Creation::Set(_, Some(items))) => {
                    let read: Vec<Expr> =
                        items.map(|term| schema::element(term, &At::Top).unwrap()).collect();
                    let addr = Box::new(Expr::Text(text("10.0.0.0")));
                    assert_eq!(read, [Expr::Prefix(addr, 8)]);
                }
                other => panic!("{other:?}"),
            });
        }
    }
    // Small numbers are a string to the BEAM.
    let request =
        b"\x83l\x00\x00\x00\x01t\x00\x00\x00\x01w\x03addt\x00\x00\x00\x01w\x07elementt\x00\x00\x00\x04\
        w\x06familyw\x02ipw\x05tablem\x00\x00\x00\x01tw\x04namem\x00\x00\x00\x01sw\x04elemk\x00\x02\x16\x50j";
    with_commands(request, |read| match read.unwrap().pop().unwrap() {
        Command::Add(Creation::Elements(_, _, items)) => {
            let read: Vec<Expr> = items.map(|term| schema::element(term, &At::Top).unwrap()).collect();
            assert_eq!(read, [Expr::Int(22), Expr::Int(80)]);
        }
        other => panic!("{other:?}"),
    });
}

#[test]
fn defaults_are_those_of_nft() {
    let limit = |rate: u64, burst: u32, bytes: bool| {
        Statement::Limit(Limit { rate, per_s: 1, burst, bytes, over: false })
    };
    assert_eq!(statement(json!({"limit": {"rate": 20}})), limit(20, 5, false));
    assert_eq!(statement(json!({"limit": {"rate": 20, "rate_unit": "packets"}})), limit(20, 5, false));
    assert_eq!(statement(json!({"limit": {"rate": 2, "rate_unit": "kbytes"}})), limit(2048, 0, true));
    assert_eq!(statement(json!({"counter": null})), Statement::Counter(Counter::default()));
    assert_eq!(statement(json!({"counter": {}})), Statement::Counter(Counter::default()));
    let port = |kind, code| Statement::Reject(Reject::Icmp(kind, code));
    assert_eq!(statement(json!({"reject": {"type": "icmp"}})), port(IcmpKind::V4, 3));
    assert_eq!(statement(json!({"reject": {"type": "icmpv6"}})), port(IcmpKind::V6, 4));
    assert_eq!(statement(json!({"reject": {"type": "icmpx"}})), port(IcmpKind::Either, 1));
    assert_eq!(statement(json!({"reject": null})), Statement::Reject(Reject::Default));
    assert_eq!(statement(json!({"synproxy": {"mss": 9}})), Statement::Synproxy(9, 0, 1));
    let relation = match statement(json!({"match": {"left": 1, "right": 1}})) {
        Statement::Match(m) => m.op,
        other => panic!("{other:?}"),
    };
    assert_eq!(relation, Relation::In);
}

#[test]
fn expressions_in_their_other_forms() {
    let or = |a, b| Expr::Binop(Binop::Or, Box::new([a, b]));
    let int = Expr::Int;
    assert_eq!(left(json!({"|": [1, 2, 3]})), or(or(int(1), int(2)), int(3)));
    assert_eq!(left(json!({"|": [1, {"|": [2, 3]}]})), or(int(1), or(int(2), int(3))));
    // Only what nests to the left is written side by side.
    let flat = or(or(int(1), int(2)), or(int(3), int(4)));
    assert_eq!(shown(|w| schema::write_element(&flat, w)), json!({"|": [1, 2, {"|": [3, 4]}]}));
    assert_eq!(left(json!({"set": 1})), Expr::Set(vec![int(1)]));
    assert_eq!(left(json!("@s")), Expr::SetRef(text("s")));
    assert_eq!(left(json!("*")), Expr::Text(text("*")));
    let key = |value: Value| match left(value) {
        Expr::Ct(ct) => ct.key.name,
        other => panic!("{other:?}"),
    };
    assert_eq!(key(json!({"ct": {"key": "ip saddr", "dir": "original"}})), "ip saddr");
    assert_eq!(key(json!({"ct": {"key": "saddr", "family": "ip6", "dir": "original"}})), "ip6 saddr");
    assert_eq!(
        left(json!({"fib": {"result": "check", "flags": "daddr"}})),
        Expr::Fib(Fib { result: 1, flags: 34 })
    );
    assert_eq!(
        left(json!({"rt": {"key": "nexthop", "family": "ip6"}})),
        Expr::Rt(Rt { key: 2, family: Some(Family::Ip6) })
    );
}

#[test]
fn priorities_are_numbers_or_names() {
    let priority = |family: &str, hook: &str, prio: Value| {
        let chain = json!({"family": family, "table": "t", "name": "c", "type": "filter", "hook": hook,
            "prio": prio, "policy": "drop"});
        with_command(json!({"add": {"chain": chain}}), |c| match c {
            Command::Add(Creation::Chain(chain)) => chain.base.unwrap().priority,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(priority("ip", "input", json!(-150)), -150);
    assert_eq!(priority("inet", "input", json!("filter")), 0);
    assert_eq!(priority("ip", "prerouting", json!("dstnat + 10")), -90);
    assert_eq!(priority("ip6", "postrouting", json!("srcnat-5")), 95);
    assert_eq!(priority("ip", "output", json!("mangle -5")), -155);
    assert_eq!(priority("bridge", "input", json!("filter")), -200);
    assert_eq!(priority("bridge", "output", json!("out")), 100);
    assert_eq!(priority("netdev", "egress", json!("filter")), 0);
}

#[test]
fn types_are_as_wide_as_nft_makes_them() {
    let parts = |ty: Value| {
        let set = json!({"family": "ip", "table": "t", "name": "s", "type": ty});
        with_command(json!({"add": {"set": set}}), |c| match c {
            Command::Add(Creation::Set(set, None)) => {
                set.key.parts.iter().map(|p| (p.ty, p.bits, p.order)).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        })
    };
    use Order::{Host, Network};
    assert_eq!(parts(json!("ipv4_addr")), [(Type::Ipv4Addr, 32, Network)]);
    assert_eq!(parts(json!(["ifname", "mark"])), [(Type::Ifname, 128, Host), (Type::Mark, 32, Host)]);
    let dscp = json!({"typeof": {"payload": {"protocol": "ip", "field": "dscp"}}});
    assert_eq!(parts(dscp), [(Type::Dscp, 6, Network)]);
    let raw = json!({"typeof": {"concat": [{"ct": {"key": "saddr", "dir": "original"}},
        {"payload": {"base": "ih", "offset": 32, "len": 24}}]}});
    assert_eq!(parts(raw), [(Type::Ipv4Addr, 32, Network), (Type::Integer, 24, Network)]);
}

#[test]
fn flags_follow_from_the_rest() {
    let flags = |key: &str, more: Value| {
        let mut set = json!({"family": "ip", "table": "t", "name": "s", "type": "mark"});
        set.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        with_command(json!({"add": {key: set}}), |c| match c {
            Command::Add(Creation::Set(set, _)) => set.flags,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(flags("set", json!({})), 0);
    assert_eq!(flags("set", json!({"timeout": 5})), set_flag::TIMEOUT);
    assert_eq!(flags("map", json!({"map": "mark"})), set_flag::MAP);
    assert_eq!(flags("map", json!({"map": "quota"})), set_flag::OBJECT);
    let both = json!({"type": ["mark", "mark"], "flags": "interval"});
    assert_eq!(flags("set", both), set_flag::INTERVAL | set_flag::CONCAT);
}

#[test]
fn listings_name_what_they_want() {
    let listing = |value: Value, then: &dyn Fn(&Listing<'_>) -> bool| {
        for keys in [Keys::Atoms, Keys::Binaries] {
            let bytes = etf(&value, keys);
            let read = schema::listing(validate(&bytes, &BOUNDS).unwrap().term(), &At::Top).unwrap();
            assert!(then(&read), "{read:?}");
        }
    };
    listing(json!("ruleset"), &|l| matches!(l, Listing::Ruleset(None)));
    listing(json!({"ruleset": {"family": "ip"}}), &|l| matches!(l, Listing::Ruleset(Some(Family::Ip))));
    listing(json!("tables"), &|l| matches!(l, Listing::Tables(None)));
    listing(json!({"chains": null}), &|l| matches!(l, Listing::Chains(Within::All)));
    listing(json!({"sets": {"family": "ip6"}}), &|l| matches!(l, Listing::Sets(Within::Family(Family::Ip6))));
    let t = table("t");
    listing(
        json!({"rules": {"family": "ip", "table": "t"}}),
        &|l| matches!(l, Listing::Rules(Within::Table(x)) if *x == t),
    );
    let named = json!({"family": "ip", "table": "t", "name": "n"});
    listing(json!({"chain": named}), &|l| matches!(l, Listing::Chain(x, y) if *x == t && *y == text("n")));
    listing(json!({"map": named}), &|l| matches!(l, Listing::Set(x, _) if *x == t));
    listing(json!({"counter": named}), &|l| matches!(l, Listing::Object(_, ObjectKind::Counter, _)));
    listing(json!("quotas"), &|l| matches!(l, Listing::Objects(ObjectKind::Quota, Within::All)));
    let element = json!({"family": "ip", "table": "t", "name": "n", "elem": "10.0.0.1"});
    listing(
        json!({"element": element}),
        &|l| matches!(l, Listing::Elements(_, _, items) if items.len() == 1),
    );
}

/// The schema has no word for maps to ranges; their elements show it.
#[test]
fn maps_to_ranges_are_known_by_their_elements() {
    let ranges = |data: Value, ty: Value| {
        let map = json!({"family": "ip", "table": "t", "name": "m", "type": "ipv4_addr", "map": ty,
            "elem": [["1.2.3.4", "4.3.2.1"], ["1.2.3.5", data]]});
        with_command(json!({"add": {"map": map}}), |c| match c {
            Command::Add(Creation::Set(set, _)) => matches!(set.data, Some(MapData::Ranges(_))),
            other => panic!("{other:?}"),
        })
    };
    let address = json!("ipv4_addr");
    assert!(!ranges(json!("1.1.1.1"), address.clone()));
    assert!(ranges(json!({"range": ["1.1.1.1", "1.1.1.9"]}), address.clone()));
    assert!(ranges(json!({"prefix": {"addr": "1.1.1.0", "len": 24}}), address));
    let both = json!(["ipv4_addr", "inet_service"]);
    assert!(ranges(json!({"concat": ["1.1.1.1", {"range": [1, 2]}]}), both.clone()));
    assert!(!ranges(json!({"concat": ["1.1.1.1", 2]}), both));
}

/// What the kernel holds and the schema has no word for is written all the same.
#[test]
fn what_is_not_known_is_shown() {
    let opaque = Statement::Opaque(Opaque { name: text("xt"), data: Some(vec![0, 0xaf]) });
    assert_eq!(
        shown(|w| schema::write_statement(&opaque, w)),
        json!({"opaque": {"name": "xt", "data": "00af"}})
    );
    let none = Statement::Opaque(Opaque { name: text("x"), data: None });
    assert_eq!(shown(|w| schema::write_statement(&none, w)), json!({"opaque": {"name": "x", "data": null}}));
    let object = |kind| Object {
        table: table("t"),
        name: text("o"),
        handle: Some(2),
        comment: None,
        state: ObjectState::Opaque(kind, Opaque { name: text(""), data: Some(vec![1]) }),
    };
    let rest =
        json!({"family": "ip", "table": "t", "name": "o", "handle": 2, "opaque": {"name": "", "data": "01"}});
    assert_eq!(shown(|w| schema::write_object(&object(3), w)), json!({"ct helper": rest}));
    let mut numbered = rest;
    numbered["type"] = json!(77);
    assert_eq!(shown(|w| schema::write_object(&object(77), w)), json!({"object": numbered}));
    let log = Statement::Log(Log { flags: 0x41, level: Some(99), ..Log::default() });
    assert_eq!(
        shown(|w| schema::write_statement(&log, w)),
        json!({"log": {"flags": ["tcp sequence", 64], "level": 99}})
    );
    // Two counters cannot both be a key, and a key that stands twice is not a term.
    let elem = Expr::Elem(Box::new(Elem {
        value: Expr::Int(1),
        timeout_ms: None,
        expires_ms: None,
        comment: None,
        statements: vec![Statement::Last(None), Statement::Last(None)],
    }));
    assert_eq!(
        shown(|w| schema::write_element(&elem, w)),
        json!({"elem": {"val": 1, "stmt": [{"last": null}, {"last": null}]}})
    );
}

/// A path of an error is made of atoms; a word that the vocabulary does not have would be sent as another.
#[test]
fn every_key_is_in_the_vocabulary() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/nft/schema");
    let mut met = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let code = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let of = |start: &'static str, end: char| {
            let mut rest = code.as_str();
            std::iter::from_fn(move || {
                rest = &rest[rest.find(start)? + start.len()..];
                Some(rest[..rest.find(end)?].to_owned())
            })
        };
        let listed =
            of(".fields(", ')').chain(of("KEYS: &[&str] = &[", ']')).chain(of("OBJECTS: &[&str] = &[", ']'));
        let listed = listed
            .chain(of("VERBS: &[&str] = &[", ']'))
            .chain(of("let keys = [", ']'))
            .chain(of(".only(", ')'));
        let single = of(".key(\"", '"').chain(of("Why::Expected(\"", '"')).chain(of("Excludes(\"", '"'));
        let words =
            listed.flat_map(|list| list.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
        for word in words.chain(single) {
            met += 1;
            assert!(atoms::ALL.iter().any(|atom| atom.name() == word), "{word}");
        }
    }
    assert!(met > 300, "{met}");
}
