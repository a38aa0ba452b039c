//! Pressure, interfaces, addresses, routes and neighbours.

use std::fs;
use std::process::Command;

use super::support::{Map, Port, atom, bytes, fixtures, int, integer, list, map, name};
use super::{Heard, Running, event, grant, next, peak, port, port_in_a_namespace, refused, subscribed, text};

#[test]
fn pressure_above_a_threshold_is_told_once() {
    let Some(f) = fixtures() else { return };
    if fs::read("/proc/pressure/cpu").is_err() {
        eprintln!("skipped: this kernel measures no pressure");
        return;
    }
    let mut port = port(&f);
    let args = |threshold| {
        [
            ("topic", atom("pressure")),
            ("resource", atom("cpu")),
            ("measure", atom("stall")),
            ("threshold", int(threshold)),
            ("every", int(200)),
        ]
    };
    subscribed(&mut port, &args(1000));
    // More than there are processors: only who has to wait is under pressure.
    let busy = 4 * std::thread::available_parallelism().unwrap().get();
    let load: Vec<Running> = (0..busy).map(|_| Running::sh("while :; do :; done", &[])).collect();
    let above = event(&mut port);
    assert_eq!((name(above.get("state")), name(above.get("resource"))), ("above", "cpu"));
    assert!(integer(above.get("value")) > 1000);
    drop(load);
    let mut port = self::port(&f);
    let odd = refused(
        &mut port,
        &[
            ("topic", atom("pressure")),
            ("resource", atom("gold")),
            ("threshold", int(1)),
            ("every", int(100)),
        ],
    );
    assert!(text(&odd).contains("resource"), "{odd}");
}

fn ip(port: &Port, words: &str) {
    let mut c = Command::new("nsenter");
    c.args(["-t", &port.pid().to_string(), "-n", "ip"]).args(words.split(' '));
    assert!(c.status().unwrap().success(), "{words}");
}

#[test]
fn changes_of_interfaces_addresses_routes_and_neighbours_are_told_with_the_columns_of_the_tables() {
    let Some(f) = fixtures() else { return };
    for topic in ["interfaces", "addresses", "routes", "neighbours"] {
        let mut port = port_in_a_namespace(&f);
        let (rows, _) = port.rows_of(9, "query", map(&[("table", atom(topic)), ("limit", int(1))]));
        drop(rows);
        subscribed(&mut port, &[("topic", atom(topic))]);
        for words in [
            "link add d0 type veth peer name d1",
            "link set d1 up",
            "link set d0 up",
            "addr add 192.0.2.1/24 dev d0",
            "route add 198.51.100.0/24 via 192.0.2.2",
            "neigh add 192.0.2.3 lladdr 02:00:00:00:00:01 dev d0",
            "neigh del 192.0.2.3 dev d0",
            "route del 198.51.100.0/24",
            "addr del 192.0.2.1/24 dev d0",
            "link del d0",
        ] {
            ip(&port, words);
        }
        let mut heard = Heard::default();
        let wanted = |event: &Map, verb: &str| {
            let shown = |key| text(event.get(key));
            name(event.get("event")) == verb
                && match topic {
                    "interfaces" => bytes(event.get("name")) == b"d0",
                    "addresses" => shown("address") == "{192,0,2,1}",
                    "routes" => shown("destination") == "{198,51,100,0}" && shown("gateway") == "{192,0,2,2}",
                    _ => shown("address") == "{192,0,2,3}" && bytes(event.get("mac")) == [2, 0, 0, 0, 0, 1],
                }
        };
        heard.until(&mut port, &|event| wanted(event, "new")).unwrap();
        if topic == "neighbours" {
            // A neighbour that is deleted has lost its address on the link before.
            heard.until(&mut port, &|event| name(event.get("event")) == "deleted").unwrap();
        } else {
            heard.until(&mut port, &|event| wanted(event, "deleted")).unwrap();
        }
    }
}

#[test]
fn changes_that_nobody_reads_are_said_to_be_lost_and_take_no_memory() {
    let Some(f) = fixtures() else { return };
    let mut port = port_in_a_namespace(&f);
    subscribed(&mut port, &[("topic", atom("routes"))]);
    grant(&mut port, 1 << 20);
    let mut batch = String::new();
    for n in 0..30_000 {
        batch += &format!("route add 10.1.{}.{}/32 dev lo\n", n / 250, n % 250 + 1);
    }
    let file = format!("{}/batch-{}", f.policy("version = 1\n"), std::process::id());
    fs::write(&file, batch).unwrap();
    ip(&port, &format!("-batch {file}"));
    let kib = peak(&port);
    assert!(kib < 24 * 1024, "{kib} KiB");
    // One that is new tells that all before was read.
    ip(&port, "route add 192.0.2.77/32 dev lo");
    let (mut told, mut lost, mut marked) = (0, 0, false);
    while !marked {
        let (tag, value) = next(&mut port);
        if tag == "lost" {
            lost += integer(&value);
            continue;
        }
        let event = Map::of(&value);
        marked = name(event.get("resnapshot")) == "true";
        told += list(event.get("events")).len();
    }
    println!("told {told}, lost {lost} at least, peak {kib} KiB");
    assert!(lost > 0 && told < 30_000);
    // Behind the mark everything is told again.
    ip(&port, "route add 192.0.2.78/32 dev lo");
    let new = |event: &Map| text(event.get("destination")) == "{192,0,2,78}";
    assert!(Heard::default().until(&mut port, &new).is_some());
}
