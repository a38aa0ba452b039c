//! Packets made by hand, and what is left of them when they are cut or changed.
#![forbid(unsafe_code)]

use super::*;
use proptest::prelude::*;

const ID: u16 = 0x1234;
const TOKEN: Token = Token { mark: 0x0102_0304_0506_0708, count: 0x0a_0009 };
const SOCKETS: [(Family, Kind); 4] =
    [(Family::V4, Kind::Ping), (Family::V4, Kind::Raw), (Family::V6, Kind::Ping), (Family::V6, Kind::Raw)];

fn asked(family: Family, size: usize) -> Vec<u8> {
    let mut packet = vec![1, 2, 3];
    request(family, ID, TOKEN, size, &mut packet);
    packet
}

/// What an honest host answers, as the socket gives it.
fn answered(family: Family, kind: Kind, size: usize) -> Vec<u8> {
    let mut message = asked(family, size);
    message[0] = types(family)[1];
    if family == Family::V4 {
        message[2..4].fill(0);
        let sum = checksum(&message).to_be_bytes();
        message[2..4].copy_from_slice(&sum);
    }
    if (family, kind) == (Family::V4, Kind::Raw) {
        // IHL 6: 24 bytes, the last four of them options.
        let mut packet = vec![0x46, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 1, 1, 1, 0];
        packet.append(&mut message);
        return packet;
    }
    message
}

#[test]
fn the_checksum_of_rfc_1071_and_of_an_odd_length() {
    // RFC 1071, 3: the words 0001 f203 f4f5 f6f7 have the sum ddf2.
    assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    assert_eq!(checksum(&[]), 0xffff);
    assert_eq!(checksum(&[0x12]), !0x1200);
    assert_eq!(checksum(&[0xff, 0xff]), 0);
    assert_eq!(checksum(&[0xff; 65_536]), 0);
}

#[test]
fn a_request_of_ipv4_has_its_checksum() {
    // 0800 + 1234 + 0009 + 0102 + 0304 + 0506 + 0708 + 000a + 0009 = 2a64
    let [a, b] = 0xd59b_u16.to_be_bytes();
    let header = [8, 0, a, b, 0x12, 0x34, 0, 9];
    let token = [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0x0a, 0, 9];
    assert_eq!(asked(Family::V4, 16), [&header[..], &token].concat());
    // A size below the token's is the token's.
    assert_eq!(asked(Family::V4, 0), asked(Family::V4, 16));
    assert_eq!(checksum(&asked(Family::V4, 57)), 0);
}

#[test]
fn a_request_of_ipv6_leaves_the_checksum_to_the_kernel() {
    let packet = asked(Family::V6, 18);
    assert_eq!(packet[..8], [128, 0, 0, 0, 0x12, 0x34, 0, 9]);
    assert_eq!(packet[24..], [16, 17]);
}

#[test]
fn honest_replies_are_read_and_cut_ones_are_not() {
    for (family, kind) in SOCKETS {
        for size in [16, 17, 56, 300, 1200] {
            let bytes = answered(family, kind, size);
            assert_eq!(reply(family, kind, ID, &bytes), Some(Echoed { token: TOKEN, size }));
            for length in 0..bytes.len() {
                // Nobody can tell a cut reply of IPv6 from a shorter one; its size then is not the request's.
                let cut = reply(family, kind, ID, &bytes[..length]);
                assert!(cut.is_none_or(|r| family == Family::V6 && r.size < size), "{family:?} {length}");
            }
        }
    }
}

#[test]
fn no_changed_byte_makes_another_reply() {
    for (family, kind) in SOCKETS {
        let bytes = answered(family, kind, 64);
        let start = bytes.len() - HEADER - 64;
        for at in 0..bytes.len() {
            for flip in 1..=u8::MAX {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                let got = reply(family, kind, ID, &changed);
                // Of ICMPv6 the kernel has looked at the checksum, and of ping sockets at the identifier. A token that is another
                // one is nobody's.
                let kernels = at < start
                    || family == Family::V6 && (2..4).contains(&(at - start))
                    || kind == Kind::Ping && (4..6).contains(&(at - start));
                let nobodys = got.is_some_and(|r| r.token != TOKEN);
                assert!(got.is_none() || kernels || nobodys, "{family:?} {kind:?} byte {at} by {flip}");
            }
        }
    }
}

#[test]
fn requests_and_foreign_identifiers_are_no_replies() {
    for (family, kind) in SOCKETS {
        let bytes = answered(family, kind, 56);
        assert_eq!(reply(family, kind, ID ^ 1, &bytes).is_some(), kind == Kind::Ping);
        let mut packet = bytes[..bytes.len() - HEADER - 56].to_vec();
        packet.extend(asked(family, 56));
        assert_eq!(reply(family, kind, ID, &packet), None);
    }
}

#[test]
fn ip_headers_that_lie() {
    let bytes = answered(Family::V4, Kind::Raw, 56);
    for first in [0x00, 0x40, 0x44, 0x4f, 0x66, 0xff] {
        let mut changed = bytes.clone();
        changed[0] = first;
        assert_eq!(reply(Family::V4, Kind::Raw, ID, &changed), None, "{first:#x}");
    }
    let mut udp = bytes;
    udp[9] = 17;
    assert_eq!(reply(Family::V4, Kind::Raw, ID, &udp), None);
}

#[test]
fn a_quoted_request_is_believed_from_its_token_on() {
    for (family, kind) in SOCKETS {
        let bytes = asked(family, 56);
        for length in 0..=bytes.len() {
            let expected = (length >= HEADER + Token::BYTES).then_some(TOKEN);
            assert_eq!(quoted(family, kind, ID, &bytes[..length]), expected);
        }
        let mut sequence = bytes;
        sequence[7] ^= 1;
        assert_eq!(quoted(family, kind, ID, &sequence), None);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), id in any::<u16>()) {
        for (family, kind) in SOCKETS {
            let _ = reply(family, kind, id, &bytes);
            let _ = quoted(family, kind, id, &bytes);
        }
    }
}
