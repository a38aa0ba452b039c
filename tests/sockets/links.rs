//! Interfaces, addresses, routes and neighbours against what `ip` says of them as JSON.

use serde_json::Value;

use super::ask::{Row, ask, network, run};
use super::support::{self, atom};

fn ip(arguments: &str) -> Vec<Value> {
    let Value::Array(rows) = serde_json::from_str(&run(&format!("ip -j -d {arguments}"))).unwrap() else {
        panic!()
    };
    rows
}

/// A network with something of each kind.
fn furnish() {
    for line in [
        "ip link add d0 type veth peer name d1",
        "ip link add br0 type bridge",
        "ip link add v0 type veth peer name v1",
        "ip link add i0 type ifb",
        "ip link set d1 up",
        "ip link set v0 master br0",
        "ip link set v0 mtu 1400 address 02:00:00:00:00:17",
        "ip link set d0 up",
        "ip link set br0 up",
        "ip link set v0 up",
        "ip link set v1 up",
        "ip addr add 10.1.0.1/24 dev d0 label d0:x",
        "ip addr add 10.3.0.1/24 brd + dev d0 scope link",
        "ip addr add 10.2.0.1 peer 10.2.0.2/30 dev v1",
        "ip addr add 2001:db8::1/64 dev d0 nodad",
        "ip addr add 2001:db8:1::1/64 dev d0 nodad valid_lft 1000 preferred_lft 500",
        "ip route add 10.9.0.0/16 via 10.1.0.9 metric 77 src 10.1.0.1",
        "ip route add blackhole 10.8.0.0/16",
        "ip route add unreachable 2001:db8:8::/48 metric 5",
        "ip route add 10.7.0.0/16 nexthop via 10.1.0.9 dev d0 weight 3 nexthop dev v1 weight 200",
        "ip -6 route add 2001:db8:7::/48 nexthop via 2001:db8::9 dev d0 nexthop via 2001:db8::8 dev d0 weight 4",
        "ip route add 10.6.0.0/16 via inet6 2001:db8::9 dev d0 proto bird table 1234",
        "ip route add default via 10.1.0.254 proto 77",
        "ip route add 10.5.0.0/16 dev d0 scope 77 proto dhcp tos 0x10",
        "ip -6 route add default via 2001:db8::fe dev d0",
        "ip nexthop add id 9 via 10.1.0.77 dev d0",
        "ip route add 10.4.0.0/16 nhid 9",
        "ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:01 dev d0 nud permanent",
        "ip neigh add 10.1.0.8 lladdr 02:00:00:00:00:02 dev d0 nud stale",
        "ip neigh add 10.1.0.7 dev d0 nud failed",
        "ip neigh add 10.1.0.6 lladdr 02:00:00:00:00:03 dev d0 nud noarp",
        "ip neigh add 2001:db8::9 lladdr 02:00:00:00:00:04 dev d0 nud reachable router",
    ] {
        run(line);
    }
    // A neighbour that was looked for and not found changes by itself; so do addresses that routers would announce.
    std::thread::sleep(std::time::Duration::from_millis(20));
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn mac(row: &Row) -> String {
    let cell = row["mac"].strip_prefix('<').and_then(|cell| cell.strip_suffix('>')).unwrap();
    let mut bytes = Vec::new();
    let mut rest = cell.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next().unwrap() {
            b'x' => {
                let hex = [rest.next().unwrap(), rest.next().unwrap()];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
            }
            b'n' => bytes.push(b'\n'),
            b'r' => bytes.push(b'\r'),
            b't' => bytes.push(b'\t'),
            other => bytes.push(other),
        }
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

#[test]
fn interfaces_are_those_of_ip() {
    network(|| {
        furnish();
        let socket = std::net::UdpSocket::bind("10.1.0.1:0").unwrap();
        socket.send_to(&[0; 100], "10.1.0.1:9").unwrap();
        // What the kernel says of itself on a new link is counted too.
        let (mut rows, mut shown) = (Vec::new(), Vec::new());
        support::eventually("the counters stand still", || {
            let before = ip("-s link show");
            rows = ask("interfaces", &[], &[]);
            shown = ip("-s link show");
            before == shown
        });
        assert_eq!(rows.len(), shown.len());
        let index = |name: &Value| {
            let name = format!("<{}>", name.as_str().unwrap());
            rows.iter().find(|row| row["name"] == name).map_or("?".to_owned(), |row| row["index"].clone())
        };
        for (row, shown) in rows.iter().zip(&shown) {
            let name = text(&shown["ifname"]);
            assert_eq!((&row["index"], &row["name"]), (&text(&shown["ifindex"]), &format!("<{name}>")));
            assert_eq!(
                (&row["mtu"], &row["operstate"]),
                (&text(&shown["mtu"]), &text(&shown["operstate"]).to_lowercase())
            );
            let kind = &shown["linkinfo"]["info_kind"];
            assert_eq!(row["kind"], kind.as_str().map_or("undefined".into(), |k| format!("<{k}>")), "{name}");
            assert_eq!(mac(row), text(&shown["address"]), "{name}");
            let master = shown.get("master").map_or("undefined".into(), index);
            assert_eq!(row["master"], master, "{name}");
            if let Some(link) = shown.get("link") {
                assert_eq!(row["link"], index(link), "{name}");
            }
            assert_eq!(row["qdisc"], format!("<{}>", text(&shown["qdisc"])));
            for side in ["rx", "tx"] {
                for count in ["bytes", "packets", "errors", "dropped"] {
                    let n = text(&shown["stats64"][side][count]);
                    assert_eq!(row[&format!("{side}_{count}")], n, "{name} {side} {count}");
                }
            }
        }
        let lo = rows.iter().find(|row| row["name"] == "<lo>").unwrap();
        assert_ne!(lo["rx_bytes"], "0");
        assert_eq!((lo["type"].as_str(), lo["rx_packets"].as_str()), ("772", lo["tx_packets"].as_str()));
        let without = ask("interfaces", &["name", "mtu"], &[]);
        assert_eq!(without.len(), rows.len());
    });
}

#[test]
fn addresses_are_those_of_ip() {
    network(|| {
        furnish();
        let rows = ask("addresses", &[], &[]);
        let mut ours: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                let columns = [
                    "family",
                    "address",
                    "prefix_length",
                    "interface",
                    "scope",
                    "peer",
                    "broadcast",
                    "label",
                    "valid_lifetime",
                ];
                columns.iter().map(|column| row[*column].clone()).collect()
            })
            .collect();
        let mut theirs = Vec::new();
        for link in ip("addr show") {
            for address in link["addr_info"].as_array().unwrap() {
                let or = |key: &str| address.get(key).map_or("undefined".to_owned(), text);
                // With a peer, ip has this end under `local` and the other under `address`.
                let lifetime = address["valid_life_time"].as_u64().filter(|n| *n != u64::from(u32::MAX));
                theirs.push(vec![
                    text(&address["family"]),
                    text(&address["local"]),
                    text(&address["prefixlen"]),
                    text(&link["ifindex"]),
                    text(&address["scope"]),
                    or("address"),
                    or("broadcast"),
                    address.get("label").map_or("undefined".to_owned(), |label| format!("<{}>", text(label))),
                    lifetime.map_or("undefined".to_owned(), |n| n.to_string()),
                ]);
            }
        }
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs);
        assert!(ours.len() >= 7);
        let only = ask("addresses", &["family"], &[("family", atom("inet6"))]);
        assert!(only.len() >= 3 && only.iter().all(|row| row["family"] == "inet6"));
    });
}

/// A route of ip, with its hops in rows of their own.
fn hops(family: &str, route: &Value) -> Vec<Vec<String>> {
    let names: Vec<(String, String)> = ask("interfaces", &["name", "index"], &[])
        .into_iter()
        .map(|r| (r["name"].clone(), r["index"].clone()))
        .collect();
    let index = |hop: &Value| match hop.get("dev") {
        None => "undefined".to_owned(),
        Some(name) => {
            let name = format!("<{}>", text(name));
            names.iter().find(|(n, _)| *n == name).unwrap().1.clone()
        }
    };
    let destination =
        text(&route["dst"]).replace("default", if family == "inet" { "0.0.0.0/0" } else { "::/0" });
    let (address, prefix) = match destination.split_once('/') {
        Some((address, prefix)) => (address.to_owned(), prefix.to_owned()),
        None => (destination, if family == "inet" { "32".to_owned() } else { "128".to_owned() }),
    };
    let or = |key: &str| route.get(key).map_or("undefined".to_owned(), text);
    let table = match or("table").as_str() {
        "undefined" | "main" => "254".to_owned(),
        "local" => "255".to_owned(),
        other => other.to_owned(),
    };
    let hop = |hop: &Value| {
        let via = hop.get("via").map(|via| text(&via["host"]));
        vec![
            family.to_owned(),
            address.clone(),
            prefix.clone(),
            table.clone(),
            or("protocol"),
            or("scope"),
            or("type"),
            hop.get("gateway").map(text).or(via).unwrap_or("undefined".to_owned()),
            index(hop),
            or("prefsrc"),
            or("metric"),
            hop.get("weight").map_or("undefined".to_owned(), text),
        ]
    };
    match route.get("nexthops") {
        Some(Value::Array(hops)) => hops.iter().map(hop).collect(),
        _ => vec![hop(route)],
    }
}

#[test]
fn routes_are_those_of_ip_with_a_row_for_each_hop() {
    network(|| {
        furnish();
        let columns = [
            "family",
            "destination",
            "prefix_length",
            "table",
            "protocol",
            "scope",
            "type",
            "gateway",
            "interface",
            "prefsrc",
            "metric",
            "weight",
        ];
        let rows = ask("routes", &[], &[]);
        let mut ours: Vec<Vec<String>> =
            rows.iter().map(|row| columns.iter().map(|column| row[*column].clone()).collect()).collect();
        let mut theirs = Vec::new();
        for (family, option) in [("inet", "-4"), ("inet6", "-6")] {
            for route in ip(&format!("-N {option} route show table all")) {
                theirs.extend(hops(family, &with_words(route)));
            }
        }
        ours.sort();
        theirs.sort();
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(ours.len(), theirs.len());
        assert!(ours.iter().filter(|row| row[11] != "undefined").count() >= 2);
        let chosen = rows.iter().find(|row| row["destination"] == "10.4.0.0").unwrap();
        assert_eq!((chosen["nexthop_id"].as_str(), chosen["gateway"].as_str()), ("9", "10.1.0.77"));
        assert_eq!(ask("routes", &["table"], &[("table", super::support::int(1234))]).len(), 1);
    });
}

/// What `-N` made numbers of, as words: ip's names come from files of the host.
fn with_words(mut route: Value) -> Value {
    let names = [
        ("protocol", "2", "kernel"),
        ("protocol", "3", "boot"),
        ("protocol", "12", "bird"),
        ("protocol", "16", "dhcp"),
        ("scope", "0", "global"),
        ("scope", "253", "link"),
        ("scope", "254", "host"),
        ("type", "1", "unicast"),
        ("type", "2", "local"),
        ("type", "3", "broadcast"),
        ("type", "4", "anycast"),
        ("type", "5", "multicast"),
        ("type", "6", "blackhole"),
        ("type", "7", "unreachable"),
    ];
    for (key, number, word) in names {
        if route.get(key).map(text).as_deref() == Some(number) {
            route[key] = Value::String(word.to_owned());
        }
    }
    route
}

#[test]
fn neighbours_are_those_of_ip() {
    network(|| {
        furnish();
        let names = ask("interfaces", &["name", "index"], &[]);
        let mut rows = Vec::new();
        // Those that were looked for change by themselves.
        support::eventually("both say the same", || {
            rows = ask("neighbours", &[], &[]);
            let mut ours: Vec<Vec<String>> = rows
                .iter()
                .map(|row| {
                    let name = names.iter().find(|r| r["index"] == row["interface"]).unwrap()["name"].clone();
                    let mac = if row["mac"] == "undefined" { "undefined".to_owned() } else { mac(row) };
                    vec![row["address"].clone(), name, mac, row["state"].to_uppercase()]
                })
                .collect();
            let mut theirs: Vec<Vec<String>> = ip("neigh show nud all")
                .iter()
                .map(|row| {
                    vec![
                        text(&row["dst"]),
                        format!("<{}>", text(&row["dev"])),
                        row.get("lladdr").map_or("undefined".to_owned(), text),
                        text(&row["state"][0]),
                    ]
                })
                .collect();
            ours.sort();
            theirs.sort();
            ours == theirs
        });
        let states: Vec<&str> = rows.iter().map(|row| row["state"].as_str()).collect();
        for state in ["permanent", "stale", "failed", "noarp", "reachable"] {
            assert!(states.contains(&state), "{states:?}");
        }
    });
}
