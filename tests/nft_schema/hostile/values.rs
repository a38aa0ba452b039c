//! Values of the wrong type, out of range, and words that mean nothing.

use portcullis::error::{RequestError, Why};
use portcullis::wire::scan::validate;
use serde_json::{Value, json};

use super::{command, expression, misspelt, statement, unknown};
use crate::support::{BOUNDS, Keys, etf, path, refused, with_commands};

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
    command(base(json!("fliter")), "add.chain.prio", &misspelt("fliter", "filter"));
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
        &misspelt("tpc", "tcp"),
    );
    expression(
        json!({"payload": {"protocol": "tcp", "field": "port"}}),
        "payload.field",
        &misspelt("port", "sport"),
    );
    expression(json!({"meta": {"key": "makr"}}), "meta.key", &misspelt("makr", "mark"));
    expression(json!({"ct": {"key": "state", "dir": "up"}}), "ct.dir", &unknown("up"));
    expression(json!({"ct": {"key": "mark", "family": "ip"}}), "ct.key", &unknown("mark"));
    expression(json!({"exthdr": {"name": "hbh", "field": "x"}}), "exthdr.field", &unknown("x"));
    expression(json!({"tcp option": {"name": "maxsg"}}), "tcp option.name", &misspelt("maxsg", "maxseg"));
    expression(json!({"fib": {"result": "oif", "flags": ["saddr", "x"]}}), "fib.flags.2", &unknown("x"));
    statement(json!({"match": {"op": "=", "left": 1, "right": 1}}), "match.op", &misspelt("=", "=="));
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
