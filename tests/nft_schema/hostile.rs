//! What is not of the schema is refused, with the place where it stands and the reason.

use portcullis::error::{RequestError, Why};
use portcullis::ids::RequestId;
use portcullis::limits::{NFT_EXPRESSIONS_MAX, NFT_LEVELS_MAX};
use portcullis::nft::schema;
use portcullis::protocol::reply;
use portcullis::wire::scan::{Bounds, validate};
use portcullis::wire::schema::At;
use portcullis::wire::write::Writer;
use serde_json::{Value, json};

use crate::support::{BOUNDS, Keys, etf, path, refused, with_commands};

fn unknown(name: &str) -> Why {
    Why::UnknownName(name.as_bytes().to_vec())
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

#[test]
fn unknown_keys_are_refused_at_every_level() {
    let why = &Why::UnknownKey;
    check(&json!({"nftable": []}), "?nftable", why);
    command(json!({"append": {}}), "?append", why);
    command(json!({"add": {"tables": {}}}), "add.?tables", why);
    command(json!({"add": {"table": {"family": "ip", "name": "t", "nmae": "x"}}}), "add.table.?nmae", why);
    let chain = json!({"family": "ip", "table": "t", "name": "c", "type": "filter", "hook": "input",
                       "prio": 0, "polcy": "drop"});
    command(json!({"add": {"chain": chain}}), "add.chain.?polcy", why);
    let rule = json!({"family": "ip", "table": "t", "chain": "c", "expr": [{"accept": null}], "position": 1});
    command(json!({"add": {"rule": rule}}), "add.rule.?position", why);
    let set = json!({"family": "ip", "table": "t", "name": "s", "type": "mark", "gc_interval": 1});
    command(json!({"add": {"set": set}}), "add.set.?gc_interval", why);
    command(
        json!({"delete": {"chain": {"family": "ip", "table": "t", "name": "c", "type": "filter"}}}),
        "delete.chain.?type",
        why,
    );
    command(json!({"flush": {"tables": null}}), "flush.?tables", why);
    command(json!({"metainfo": {"verson": "1"}}), "metainfo.?verson", why);
    statement(json!({"acept": null}), "?acept", why);
    statement(json!({"match": {"op": "==", "left": 1, "right": 1, "rigth": 2}}), "match.?rigth", why);
    statement(json!({"counter": {"packet": 1}}), "counter.?packet", why);
    statement(json!({"masquerade": {"addr": "1.2.3.4"}}), "masquerade.?addr", why);
    statement(json!({"jump": {"target": "c", "chain": "d"}}), "jump.?chain", why);
    statement(json!({"limit": {"rate": 1, "unit": "packets"}}), "limit.?unit", why);
    expression(json!({"payloads": {}}), "?payloads", why);
    expression(json!({"payload": {"protocol": "tcp", "filed": "dport"}}), "payload.?filed", why);
    expression(json!({"meta": {"key": "mark", "dir": "in"}}), "meta.?dir", why);
    expression(
        json!({"concat": [{"meta": {"key": "mark"}}, {"ct": {"key": "mark", "index": 1}}]}),
        "concat.2.ct.?index",
        why,
    );
    expression(json!({"elem": {"val": 1, "timout": 1}}), "elem.?timout", why);
}

#[test]
fn keys_that_stand_twice_are_refused_in_whichever_form() {
    // As an atom, and as a binary.
    let twice = |first: &[u8], second: &[u8]| {
        let table = [
            b"t\x00\x00\x00\x03",
            first,
            b"m\x00\x00\x00\x01a",
            second,
            b"m\x00\x00\x00\x01b",
            b"w\x06familyw\x02ip",
        ]
        .concat();
        let request = [
            b"\x83l\x00\x00\x00\x01t\x00\x00\x00\x01w\x03addt\x00\x00\x00\x01w\x05table",
            table.as_slice(),
            b"j",
        ]
        .concat();
        with_commands(&request, |read| match read {
            Err(RequestError::BadRequest(steps, why)) => (path(&steps), why),
            other => panic!("{other:?}"),
        })
    };
    let (atom, binary) = (b"w\x04name".as_slice(), b"m\x00\x00\x00\x04name".as_slice());
    for (first, second) in [(atom, atom), (atom, binary), (binary, atom), (binary, binary)] {
        assert_eq!(twice(first, second), ("1.add.table.name".to_owned(), Why::Duplicate));
    }
    // Also where a map has one key: the second is made the same by hand.
    let rule =
        json!({"family": "ip", "table": "t", "chain": "c", "expr": [{"accept": null, "bccept": null}]});
    let mut bytes = etf(&json!([{"add": {"rule": rule}}]), Keys::Binaries);
    let at = bytes.windows(6).position(|w| w == b"bccept").unwrap();
    bytes[at] = b'a';
    with_commands(&bytes, |read| match read {
        Err(RequestError::BadRequest(steps, why)) => {
            assert_eq!((path(&steps).as_str(), why), ("1.add.rule.expr.1.accept", Why::Duplicate));
        }
        other => panic!("{other:?}"),
    });
    statement(json!({"accept": null, "drop": null}), "drop", &Why::Excludes("accept"));
    command(json!({"add": {"table": {}}, "delete": {"table": {}}}), "delete", &Why::Excludes("add"));
    command(json!({"add": {"table": {}}, "bogus": 1}), "?bogus", &Why::UnknownKey);
}

/// Terms that crash nft or that it takes for something else: each where it does not belong.
#[test]
fn wrong_types_are_refused_everywhere() {
    let bogons = [
        json!(null),
        json!(true),
        json!(-1),
        json!(7),
        json!(1.5),
        json!(""),
        json!("\u{0}"),
        json!([]),
        json!([[]]),
        json!([null]),
        json!({}),
        json!({"": 1}),
        json!([1, 2, 3]),
        json!({"a": {"b": []}}),
        json!(u64::MAX),
    ];
    let rule = |key: &str, value: &Value| {
        let mut rule = json!({"family": "ip", "table": "t", "chain": "c", "handle": 4, "expr": [{"accept": null}],
            "comment": "x"});
        rule[key] = value.clone();
        json!([{"replace": {"rule": rule}}])
    };
    let mut met = 0;
    for bogon in &bogons {
        for key in ["family", "table", "chain", "expr", "comment"] {
            let (steps, _) = refused(&rule(key, bogon), Keys::Atoms);
            assert!(path(&steps).starts_with(&format!("1.replace.rule.{key}")), "{key} {bogon}");
            met += 1;
        }
        if !matches!(bogon, Value::Number(n) if n.as_u64().is_some()) {
            let (steps, _) = refused(&rule("handle", bogon), Keys::Atoms);
            assert_eq!(path(&steps), "1.replace.rule.handle", "{bogon}");
        }
        if !bogon.is_array() || bogon == &json!([]) {
            let (steps, _) = refused(bogon, Keys::Atoms);
            assert!(steps.is_empty() || bogon.is_object(), "{bogon}");
        }
        let (steps, _) = refused(&json!([{"add": {"table": bogon}}]), Keys::Atoms);
        assert!(path(&steps).starts_with("1.add.table"), "{bogon}");
        let (steps, _) = refused(&json!([{"add": {"table": {"family": "ip", "name": bogon}}}]), Keys::Atoms);
        assert_eq!(path(&steps), "1.add.table.name", "{bogon}");
        met += 2;
    }
    assert_eq!(met, bogons.len() * 7);
}

#[test]
fn every_statement_refuses_every_wrong_value() {
    // null is a value of some, a name of others.
    let empty =
        ["counter", "last", "log", "reject", "snat", "dnat", "masquerade", "redirect", "queue", "synproxy"];
    let verdicts = ["accept", "drop", "return", "continue", "notrack"];
    let named =
        ["counter", "limit", "quota", "synproxy", "ct helper", "ct timeout", "ct expectation", "secmark"];
    let open = ["counter", "log", "snat", "dnat", "masquerade", "redirect", "queue", "synproxy"];
    let other = [
        "match", "jump", "goto", "ct count", "mangle", "vmap", "set", "map", "reset", "tproxy", "dup", "fwd",
    ];
    for key in [&empty[..], &verdicts, &named, &other].concat() {
        for bogon in [
            json!(true),
            json!(-1),
            json!(7),
            json!(1.5),
            json!([]),
            json!([null]),
            json!({"a": 1}),
            json!({}),
            json!(null),
            json!("x"),
        ] {
            let mut map = serde_json::Map::new();
            map.insert(key.to_owned(), bogon.clone());
            let fine = match &bogon {
                Value::Null => empty.contains(&key) || verdicts.contains(&key),
                Value::String(_) => named.contains(&key),
                Value::Object(pairs) => pairs.is_empty() && open.contains(&key),
                _ => false,
            };
            let rule = json!({"family": "ip", "table": "t", "chain": "c", "expr": [Value::Object(map)]});
            let request = json!([{"add": {"rule": rule}}]);
            with_commands(&etf(&request, Keys::Atoms), |read| match read {
                Ok(_) => assert!(fine, "{key} {bogon}"),
                Err(RequestError::BadRequest(steps, _)) => {
                    assert!(!fine, "{key} {bogon}");
                    assert!(path(&steps).starts_with(&format!("1.add.rule.expr.1.{key}")), "{key} {bogon}");
                }
                Err(other) => panic!("{other:?}"),
            });
        }
    }
}

#[test]
fn values_out_of_range_are_refused() {
    let rule = |handle: Value| {
        json!({"replace": {"rule": {"family": "ip", "table": "t", "chain": "c",
        "handle": handle, "expr": [{"accept": null}]}}})
    };
    let why = Why::Range(1, u64::MAX);
    command(rule(json!(0)), "replace.rule.handle", &why);
    command(rule(json!(-5)), "replace.rule.handle", &why);
    expression(json!(-1), "", &Why::Range(0, u64::MAX));
    expression(json!({"prefix": {"addr": "::", "len": 513}}), "prefix.len", &Why::Range(0, 512));
    expression(json!({"payload": {"base": "th", "offset": 0, "len": 0}}), "payload.len", &Why::Range(1, 512));
    expression(
        json!({"numgen": {"mode": "inc", "mod": 0}}),
        "numgen.mod",
        &Why::Range(1, u64::from(u32::MAX)),
    );
    expression(json!({"dccp option": {"type": 256}}), "dccp option.type", &Why::Range(0, 255));
    statement(json!({"log": {"group": 65_536}}), "log.group", &Why::Range(0, 65_535));
    statement(json!({"synproxy": {"mss": 1, "wscale": 15}}), "synproxy.wscale", &Why::Range(0, 14));
    let far = u64::MAX >> 20;
    statement(json!({"quota": {"val": far + 1, "val_unit": "mbytes"}}), "quota.val", &Why::Range(0, far));
    statement(json!({"limit": {"rate": far + 1, "rate_unit": "mbytes"}}), "limit.rate", &Why::Range(0, far));
    let burst = json!({"limit": {"rate": 1, "rate_unit": "bytes", "burst": 4096, "burst_unit": "mbytes"}});
    statement(burst, "limit.burst", &Why::Range(0, 4095));
    let base = |prio: Value| {
        json!({"add": {"chain": {"family": "ip", "table": "t", "name": "c", "type": "filter",
        "hook": "input", "prio": prio}}})
    };
    command(base(json!(1_u64 << 31)), "add.chain.prio", &Why::Expected("priority"));
    command(base(json!("filter + 2147483648")), "add.chain.prio", &unknown("filter + 2147483648"));
    command(base(json!("dstnat")), "add.chain.prio", &unknown("dstnat"));
    command(base(json!("filter - -1")), "add.chain.prio", &unknown("filter - -1"));
    command(base(json!("10")), "add.chain.prio", &unknown("10"));
    command(base(json!("filter -")), "add.chain.prio", &unknown("filter -"));
    let set = |key: &str, value: Value| {
        let mut set = json!({"family": "ip", "table": "t", "name": "s", "type": "mark"});
        set[key] = value;
        json!({"add": {"set": set}})
    };
    command(set("timeout", json!(u64::MAX)), "add.set.timeout", &Why::Range(0, u64::MAX / 1000));
    command(set("gc-interval", json!(4_294_968)), "add.set.gc-interval", &Why::Range(0, 4_294_967));
    command(set("size", json!(1_u64 << 32)), "add.set.size", &Why::Range(0, u64::from(u32::MAX)));
    command(
        json!({"metainfo": {"json_schema_version": 2}}),
        "metainfo.json_schema_version",
        &Why::Range(0, 1),
    );
    // What has more than 64 bits does not pass the scan.
    let wide = [b"\x83l\x00\x00\x00\x01n\x09\x00".as_slice(), &[0; 8], b"\x01j"].concat();
    assert!(validate(&wide, &BOUNDS).is_err());
}

#[test]
fn words_that_mean_nothing_are_refused() {
    expression(
        json!({"payload": {"protocol": "tpc", "field": "dport"}}),
        "payload.protocol",
        &unknown("tpc"),
    );
    expression(json!({"payload": {"protocol": "tcp", "field": "port"}}), "payload.field", &unknown("port"));
    expression(json!({"meta": {"key": "makr"}}), "meta.key", &unknown("makr"));
    expression(json!({"ct": {"key": "state", "dir": "up"}}), "ct.dir", &unknown("up"));
    expression(json!({"ct": {"key": "mark", "family": "ip"}}), "ct.key", &unknown("mark"));
    expression(json!({"exthdr": {"name": "hbh", "field": "x"}}), "exthdr.field", &unknown("x"));
    expression(json!({"tcp option": {"name": "maxsg"}}), "tcp option.name", &unknown("maxsg"));
    expression(json!({"fib": {"result": "oif", "flags": ["saddr", "x"]}}), "fib.flags.2", &unknown("x"));
    statement(json!({"match": {"op": "=", "left": 1, "right": 1}}), "match.op", &unknown("="));
    statement(json!({"reject": {"type": "icmp", "expr": "no-such"}}), "reject.expr", &unknown("no-such"));
    statement(json!({"log": {"level": "warning"}}), "log.level", &unknown("warning"));
    statement(json!({"snat": {"addr": "1.2.3.4", "family": "inet"}}), "snat.family", &unknown("inet"));
    statement(json!({"limit": {"rate": 1, "per": "fortnight"}}), "limit.per", &unknown("fortnight"));
    command(json!({"add": {"table": {"family": "ipv4", "name": "t"}}}), "add.table.family", &unknown("ipv4"));
    let chain =
        json!({"family": "ip", "table": "t", "name": "c", "type": "filter", "hook": "ingress", "prio": 0});
    command(json!({"add": {"chain": chain}}), "add.chain.hook", &unknown("ingress"));
    let set = |ty: Value| json!({"add": {"set": {"family": "ip", "table": "t", "name": "s", "type": ty}}});
    command(set(json!("ipv4")), "add.set.type", &unknown("ipv4"));
    command(set(json!(["mark", "ipv4"])), "add.set.type.2", &unknown("ipv4"));
    // As wide as its expression, which a name does not say.
    command(set(json!("integer")), "add.set.type", &Why::Expected("typeof"));
    command(set(json!({"typeof": "mark"})), "add.set.type.typeof", &Why::Expected("expression"));
    let long = "x".repeat(5000);
    expression(json!({"meta": {"key": long}}), "meta.key", &unknown(&"x".repeat(255)));
}

#[test]
fn names_are_bounded_and_without_nul() {
    let table = |name: &str| json!({"add": {"table": {"family": "ip", "name": name}}});
    command(table(""), "add.table.name", &Why::Length(1, 255));
    command(table(&"x".repeat(256)), "add.table.name", &Why::Length(1, 255));
    command(table("a\u{0}b"), "add.table.name", &Why::Nul);
    expression(json!("@"), "", &Why::Length(1, 255));
    expression(json!(format!("@{}", "x".repeat(256))), "", &Why::Length(1, 255));
    expression(json!("x".repeat(257)), "", &Why::Length(1, 256));
    expression(json!("a\u{0}"), "", &Why::Nul);
    statement(json!({"log": {"prefix": "x".repeat(128)}}), "log.prefix", &Why::Length(1, 127));
    statement(json!({"jump": {"target": ""}}), "jump.target", &Why::Length(1, 255));
    let comment = json!({"family": "ip", "name": "t", "comment": "x".repeat(129)});
    command(json!({"add": {"table": comment}}), "add.table.comment", &Why::Length(1, 128));
    let chain = |dev: Value| {
        json!({"add": {"chain": {"family": "netdev", "table": "t", "name": "c", "type": "filter",
        "hook": "ingress", "prio": 0, "dev": dev}}})
    };
    command(chain(json!("x".repeat(16))), "add.chain.dev", &Why::Length(1, 15));
    command(chain(json!(["lo", ""])), "add.chain.dev.2", &Why::Length(1, 15));
    command(chain(json!([])), "add.chain.dev", &Why::Empty);
}

#[test]
fn what_excludes_or_needs_another_key_is_refused() {
    let rule = |more: Value| {
        let mut rule = json!({"family": "ip", "table": "t", "chain": "c", "expr": [{"accept": null}]});
        for (key, value) in more.as_object().unwrap() {
            rule[key] = value.clone();
        }
        rule
    };
    let both = rule(json!({"handle": 1, "index": 1}));
    command(json!({"add": {"rule": both}}), "add.rule.index", &Why::Excludes("handle"));
    command(json!({"replace": {"rule": both}}), "replace.rule.index", &Why::Excludes("handle"));
    command(json!({"replace": {"rule": rule(json!({}))}}), "replace.rule.handle", &Why::Missing);
    let chain = json!({"family": "ip", "table": "t", "name": "c", "handle": 1});
    command(json!({"delete": {"chain": chain}}), "delete.chain.handle", &Why::Excludes("name"));
    command(json!({"delete": {"chain": {"family": "ip", "table": "t"}}}), "delete.chain.name", &Why::Missing);
    command(json!({"delete": {"table": {"family": "ip"}}}), "delete.table.name", &Why::Missing);
    command(
        json!({"delete": {"rule": {"family": "ip", "table": "t", "chain": "c"}}}),
        "delete.rule.handle",
        &Why::Missing,
    );
    command(json!({"flush": {"table": {"family": "ip"}}}), "flush.table.name", &Why::Missing);
    command(json!({"flush": {"ruleset": {}}}), "flush.ruleset.family", &Why::Missing);
    let element = |elem: Value| {
        json!({"delete": {"element": {"family": "ip", "table": "t", "name": "s",
        "elem": elem}}})
    };
    command(element(json!([])), "delete.element.elem", &Why::Empty);
    let none = json!({"family": "ip", "table": "t", "name": "s"});
    command(json!({"delete": {"element": none}}), "delete.element.elem", &Why::Missing);
    command(json!({"add": {"map": none}}), "add.map.map", &Why::Missing);
    let set = json!({"family": "ip", "table": "t", "name": "s", "type": "mark", "map": "mark"});
    command(json!({"add": {"set": set}}), "add.set.map", &Why::Excludes("set"));
    let chain = json!({"family": "ip", "table": "t", "name": "c", "policy": "drop"});
    command(json!({"add": {"chain": chain}}), "add.chain.type", &Why::Missing);
    let raw = json!({"payload": {"base": "th", "offset": 0, "len": 8, "protocol": "tcp"}});
    expression(raw, "payload.protocol", &Why::Excludes("base"));
    expression(
        json!({"payload": {"protocol": "tcp", "field": "dport", "len": 1}}),
        "payload.len",
        &Why::Excludes("protocol"),
    );
    expression(
        json!({"ipsec": {"key": "spi", "dir": "in", "family": "ip"}}),
        "ipsec.family",
        &Why::Excludes("key"),
    );
    expression(json!({"ipsec": {"key": "saddr", "dir": "in"}}), "ipsec.family", &Why::Missing);
    expression(json!({"socket": {"key": "mark", "level": 1}}), "socket.level", &Why::Excludes("key"));
    statement(json!({"reject": {"type": "tcp reset", "expr": 1}}), "reject.expr", &Why::Excludes("type"));
    statement(json!({"fwd": {"dev": "lo", "addr": "::1"}}), "fwd.family", &Why::Missing);
    statement(json!({"tproxy": {"family": "ip"}}), "tproxy.addr", &Why::Missing);
    statement(
        json!({"limit": {"rate": 1, "burst": 1, "burst_unit": "bytes"}}),
        "limit.burst_unit",
        &Why::Excludes("rate_unit"),
    );
    statement(json!({"log": {"flags": ["skuid", "skuid"]}}), "log.flags.2", &Why::Duplicate);
    let elem = json!({"elem": {"val": 1, "counter": null, "stmt": [{"last": null}]}});
    expression(elem, "elem.counter", &Why::Excludes("stmt"));
    expression(
        json!({"elem": {"val": 1, "counter": null, "last": null, "quota": {"val": 1}}}),
        "elem",
        &Why::TooMany(2),
    );
    expression(json!({"elem": {"val": 1, "counter": "name"}}), "elem.counter", &Why::Expected("map"));
    let set = json!({"set": {"op": "add", "elem": 1, "set": "s"}});
    statement(set, "set.set", &Why::Expected("set"));
    let kept = json!({"set": {"op": "add", "elem": 1, "set": "@s", "stmt": [{"accept": null}]}});
    statement(kept, "set.stmt.1", &Why::Expected("counter"));
    statement(json!({"vmap": {"key": 1, "data": {"range": [1, 2]}}}), "vmap.data", &Why::Expected("set"));
}

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

#[test]
fn what_stands_in_listings_only_is_refused_by_name() {
    let opaque = json!({"opaque": {"name": "xt", "data": "00"}});
    statement(opaque.clone(), "opaque", &Why::ListedOnly);
    expression(opaque, "opaque", &Why::ListedOnly);
    command(json!({"object": {}}), "object", &Why::ListedOnly);
    statement(json!({"xt": {"type": "match", "name": "x"}}), "xt", &Why::Unsupported("xt"));
    statement(json!({"flow": {"op": "add", "flowtable": "@f"}}), "flow", &Why::Unsupported("flow"));
    statement(json!({"meter": {}}), "meter", &Why::Unsupported("meter"));
    expression(json!({"tunnel": {"key": "id"}}), "tunnel", &Why::Unsupported("tunnel"));
    for key in ["flowtable", "ct helper", "ct timeout", "ct expectation", "secmark", "synproxy", "tunnel"] {
        let why = Why::Unsupported(key);
        let mut objects = serde_json::Map::new();
        objects.insert(key.to_owned(), json!({"family": "ip", "table": "t", "name": "x"}));
        command(json!({"add": objects}), &format!("add.{key}"), &why);
    }
    command(json!({"reset": {"rules": null}}), "reset.rules", &Why::Unsupported("rules"));
    command(json!({"list": {"ruleset": null}}), "list", &Why::Unsupported("list"));
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
    assert_eq!(listing(json!("rulesets")), (String::new(), unknown("rulesets")));
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
