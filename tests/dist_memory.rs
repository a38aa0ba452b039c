//! What a connected node costs: its rules are its group's, one table for all, however long it is.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

#[path = "support/counting.rs"]
mod counting;
#[path = "support/node.rs"]
mod node;
mod support;

use std::sync::atomic::Ordering;

use counting::HELD;
use node::NODE;
use support::peer::Peer;

const NODES: usize = 50;

/// Bytes of a table with so many rules, and of each connected node of its group.
fn measure(rules: usize) -> (usize, usize) {
    let peers: Vec<String> = (0..=NODES).map(|n| format!("p{n}@127.0.0.1")).collect();
    let names: Vec<String> = (0..rules).map(|n| format!("server_with_a_name_{n}")).collect();
    let rules = format!(
        "[allow]\nnodes = {peers:?}\n[connections]\nnodes = 100\n[group.all]\nnodes = {peers:?}\n\
         [group.all.in]\nping = \"accept\"\nreg_send = {{ accept = {names:?} }}\n"
    );
    let before = HELD.load(Ordering::Relaxed);
    let config = node::config(&rules);
    let table = HELD.load(Ordering::Relaxed) - before;
    let port = node::alone(config, None, |_| {});
    let connect = |who: &String| {
        let mut peer = Peer::connect(port, NODE, who).unwrap();
        assert_eq!(peer.ping(), Some(true));
        peer
    };
    let mut connected = vec![connect(&peers[0])];
    connected.reserve(NODES);
    let before = HELD.load(Ordering::Relaxed);
    connected.extend(peers[1..].iter().map(connect));
    let each = (HELD.load(Ordering::Relaxed) - before) / NODES;
    // What the node gives back when they go would be missed in the next measurement.
    std::mem::forget(connected);
    (table, each)
}

#[test]
fn a_connected_node_holds_no_copy_of_its_rules() {
    let (few, each_of_few) = measure(1);
    let (many, each_of_many) = measure(1000);
    println!(
        "1 rule: {few} bytes, {each_of_few} a node (with the peer in this test); 1000 rules: {many} bytes, {each_of_many} a node"
    );
    // The table is long enough to be seen, were it held once more for each.
    assert!(many > few + 40_000);
    assert!(each_of_many.abs_diff(each_of_few) < 4096);
}
