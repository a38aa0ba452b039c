//! Bytes in the place of the kernel's, as interfaces, addresses, routes and neighbours: a message that is not whole leaves no row.
#![no_main]

use std::collections::VecDeque;

use libfuzzer_sys::fuzz_target;
use portcullis::sockets::{addresses, interface_rates, interfaces, neighbours, route, routes};

fn rows<R>(parse: fn(&[u8], &mut VecDeque<R>) -> Option<()>, bytes: &[u8]) {
    let mut rows = VecDeque::new();
    let read = parse(bytes, &mut rows);
    assert!(read.is_some() || rows.is_empty());
    // The shortest row that there can be several of in one message is a hop, of eight bytes.
    assert!(rows.len() <= 1 || rows.len() * 8 <= bytes.len());
}

fuzz_target!(|bytes: &[u8]| {
    assert_eq!(route::address(2, bytes).is_some(), bytes.len() == 4);
    rows(interfaces::parse, bytes);
    rows(interface_rates::parse, bytes);
    rows(addresses::parse, bytes);
    rows(routes::parse, bytes);
    rows(neighbours::parse, bytes);
});
