//! Keys that are unknown, twice, too many, missing, or not for requests.

use portcullis::error::{RequestError, Why};
use serde_json::{Value, json};

use super::{check, command, expression, statement};
use crate::support::{Keys, etf, path, with_commands};

#[test]
fn unknown_keys_are_refused_at_every_level() {
    let why = &Why::UnknownKey;
    check(&json!({"nftable": []}), "?nftable", &Why::MisspeltKey("nftables"));
    command(json!({"append": {}}), "?append", why);
    command(json!({"add": {"tables": {}}}), "add.?tables", &Why::MisspeltKey("table"));
    command(
        json!({"add": {"table": {"family": "ip", "name": "t", "nmae": "x"}}}),
        "add.table.?nmae",
        &Why::MisspeltKey("name"),
    );
    let chain = json!({"family": "ip", "table": "t", "name": "c", "type": "filter", "hook": "input",
                       "prio": 0, "polcy": "drop"});
    command(json!({"add": {"chain": chain}}), "add.chain.?polcy", &Why::MisspeltKey("policy"));
    let rule = json!({"family": "ip", "table": "t", "chain": "c", "expr": [{"accept": null}], "position": 1});
    command(json!({"add": {"rule": rule}}), "add.rule.?position", why);
    let set = json!({"family": "ip", "table": "t", "name": "s", "type": "mark", "gc_interval": 1});
    command(json!({"add": {"set": set}}), "add.set.?gc_interval", &Why::MisspeltKey("gc-interval"));
    command(
        json!({"delete": {"chain": {"family": "ip", "table": "t", "name": "c", "type": "filter"}}}),
        "delete.chain.?type",
        why,
    );
    command(json!({"flush": {"tables": null}}), "flush.?tables", &Why::MisspeltKey("table"));
    command(json!({"metainfo": {"verson": "1"}}), "metainfo.?verson", &Why::MisspeltKey("version"));
    statement(json!({"acept": null}), "?acept", &Why::MisspeltKey("accept"));
    statement(
        json!({"match": {"op": "==", "left": 1, "right": 1, "rigth": 2}}),
        "match.?rigth",
        &Why::MisspeltKey("right"),
    );
    statement(json!({"counter": {"packet": 1}}), "counter.?packet", &Why::MisspeltKey("packets"));
    statement(json!({"masquerade": {"addr": "1.2.3.4"}}), "masquerade.?addr", why);
    statement(json!({"jump": {"target": "c", "chain": "d"}}), "jump.?chain", why);
    statement(json!({"limit": {"rate": 1, "unit": "packets"}}), "limit.?unit", why);
    expression(json!({"payloads": {}}), "?payloads", &Why::MisspeltKey("payload"));
    expression(
        json!({"payload": {"protocol": "tcp", "filed": "dport"}}),
        "payload.?filed",
        &Why::MisspeltKey("field"),
    );
    expression(json!({"meta": {"key": "mark", "dir": "in"}}), "meta.?dir", why);
    expression(
        json!({"concat": [{"meta": {"key": "mark"}}, {"ct": {"key": "mark", "index": 1}}]}),
        "concat.2.ct.?index",
        why,
    );
    command(json!({"rul": {}}), "?rul", &Why::MisspeltKey("rule"));
    command(json!({"add": {"rul": {}}}), "add.?rul", &Why::MisspeltKey("rule"));
    let rule = json!({"family": "ip", "table": "t", "chian": "c", "expr": [{"accept": null}]});
    command(json!({"add": {"rule": rule}}), "add.rule.?chian", &Why::MisspeltKey("chain"));
    expression(json!({"elem": {"val": 1, "timout": 1}}), "elem.?timout", &Why::MisspeltKey("timeout"));
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
