//! Strangers who have a node or a gateway sign something inside TLS, and go away.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

#[path = "dist_tls/flights.rs"]
#[allow(dead_code, reason = "what it breaks is not used here")]
mod flights;
mod gateway;
#[path = "support/mutations.rs"]
mod mutations;
#[path = "support/node.rs"]
mod node;
#[path = "dist_tls/support.rs"]
#[allow(dead_code, reason = "most of its peers are not used here")]
mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use flights::first_flight;
use gateway::free_port::free_port;
use gateway::waiting::{self, eventually};
use gateway::{B, Node, RULES, Z, config as file, gateway_of};
use node::{COOKIE, NODE};
use support::{call, connect, identity, keys};

const THREE: &str = "[connections]\nfailures_per_minute = 3";

/// Says a ClientHello, hears what the other side has signed, and goes away.
fn begins(dir: &Path, port: u16) {
    let flight = first_flight(&identity(dir, Z), NODE).1;
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.write_all(&flight).unwrap();
    // Who is one too many is closed, and hears nothing.
    let _ = socket.read(&mut [0; 4096]);
}

/// Nothing of it was counted: one address had thousands of signatures a second made for it.
#[test]
fn who_begins_tls_and_goes_away_has_failed() {
    let dir = keys("begun", &[NODE, B, Z]);
    let behind = Node::protected(free_port());
    let gateway = gateway_of(file(behind.port, THREE, RULES), COOKIE, Some(identity(&dir, B)), |_| {});
    let rules = format!("[allow]\nnodes = [\"{Z}\"]\n{THREE}");
    let node = node::alone(node::config(&rules), Some(identity(&dir, NODE)), |_| {});
    for (who, port) in [(NODE, node), (B, gateway)] {
        let lets_in = || connect(call(port, &identity(&dir, Z), who), Z, who).is_ok();
        // Who says nothing has not begun, and is not counted.
        for _ in 0..10 {
            drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
        }
        assert!(lets_in(), "{who} hears who comes after ten that said nothing");
        for _ in 0..3 {
            begins(&dir, port);
        }
        eventually(&format!("{who} listens to that address no more"), || !lets_in());
    }
}
