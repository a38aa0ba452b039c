//! What a client of TLS says first, right and broken, at once and in drops.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use portcullis::exec::stream::tls::Identity;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use crate::mutations::Numbers;
use crate::support::name;
use crate::waiting::timed;

/// Changes a few bytes, cuts, doubles, or puts a length of its own into the head of the record.
pub fn broken(bytes: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    match numbers.below(8) {
        0 => bytes.truncate(numbers.below(bytes.len())),
        1 => bytes.extend_from_within(numbers.below(bytes.len())..),
        2 => {
            let length = u16::try_from(numbers.below(65_536)).unwrap().to_be_bytes();
            bytes[3..5].copy_from_slice(&length);
        }
        _ => {
            for _ in 0..=numbers.below(4) {
                let place = numbers.below(bytes.len());
                bytes[place] = u8::try_from(numbers.below(256)).unwrap();
            }
        }
    }
    bytes
}

/// A client, and what it says first.
pub fn first_flight(identity: &Identity, callee: &str) -> (ClientConnection, Vec<u8>) {
    let config = identity.client(&name(callee)).unwrap();
    let mut client =
        ClientConnection::new(config.into(), ServerName::try_from("localhost").unwrap()).unwrap();
    let mut flight = Vec::new();
    client.write_tls(&mut flight).unwrap();
    (client, flight)
}

/// Says a byte after each pause, until the other side has had enough: how long that took.
pub fn in_drops<'b>(port: u16, mut bytes: impl Iterator<Item = &'b u8>, pause: Duration) -> Duration {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(pause)).unwrap();
    timed(|| {
        let over = bytes.find(|byte| {
            let written = socket.write_all(std::slice::from_ref(*byte));
            matches!(socket.read(&mut [0; 64]), Ok(0)) || written.is_err()
        });
        assert!(over.is_some(), "nobody has had enough");
    })
}
