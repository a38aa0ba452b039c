//! Any bytes come to an ICMP socket; what is taken for a reply is one that this program's own request would cause.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::icmp::echo::{self, HEADER, Token};
use portcullis::sys::icmp::{Family, Kind};

fuzz_target!(|data: &[u8]| {
    let Some(([choice, i, d], bytes)) = data.split_first_chunk() else { return };
    let family = if choice & 1 == 0 { Family::V4 } else { Family::V6 };
    let kind = if choice & 2 == 0 { Kind::Ping } else { Kind::Raw };
    let id = u16::from_be_bytes([*i, *d]);
    let mut packet = Vec::new();
    if let Some(token) = echo::quoted(family, kind, id, bytes) {
        echo::request(family, id, token, 0, &mut packet);
        assert_eq!(packet[8..], bytes[HEADER..HEADER + Token::BYTES]);
    }
    if let Some(reply) = echo::reply(family, kind, id, bytes) {
        echo::request(family, id, reply.token, reply.size, &mut packet);
        let message = &bytes[bytes.len() - packet.len()..];
        assert_eq!(packet[6..], message[6..], "sequence, token, filler");
        assert!(kind == Kind::Ping || packet[4..6] == message[4..6], "identifier");
    }
    // Bytes that are hardly ever right by themselves, made right: then they must be read as what they are.
    if choice & 4 != 0 {
        let Some((count, rest)) = bytes.split_first_chunk() else { return };
        let token = Token { mark: u64::from(id), count: u64::from_be_bytes(*count) };
        let size = rest.len().max(Token::BYTES);
        echo::request(family, id, token, size, &mut packet);
        assert_eq!(echo::quoted(family, kind, id, &packet), Some(token));
        packet[0] = if family == Family::V4 { 0 } else { 129 };
        packet[2..4].fill(0);
        if family == Family::V4 {
            let sum = echo::checksum(&packet).to_be_bytes();
            packet[2..4].copy_from_slice(&sum);
        }
        let header: &[u8] = &[0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let raw = (family, kind) == (Family::V4, Kind::Raw);
        let whole = [if raw { header } else { &[] }, &packet].concat();
        let read = echo::reply(family, kind, id, &whole).expect("an honest reply");
        assert_eq!((read.token, read.size), (token, size));
    }
});
