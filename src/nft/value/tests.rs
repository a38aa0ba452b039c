//! Every value both ways; what nft prints and reads was taken from nft 1.0.6 and 1.1 themselves.
#![forbid(unsafe_code)]

use proptest::prelude::*;

use super::*;
use crate::nft::model::{Binop, Order, Text};

/// A host with an interface, east of Greenwich, whose user reads words.
struct East;

impl Names for East {
    fn interface(&self, name: &[u8]) -> Option<u32> {
        match name {
            b"eth0" => Some(7),
            b"9" => Some(8),
            _ => None,
        }
    }

    fn interface_name(&self, index: u32) -> Option<Text> {
        (index == 7).then_some(Text::Borrowed(b"eth0"))
    }

    fn utc_offset_s(&self) -> i32 {
        7200
    }

    fn protocol_words(&self) -> bool {
        true
    }
}

/// Bits and order that a type has in most places.
fn usual(ty: Type) -> Part {
    use Order::{Host, Network};
    let (bits, order) = match ty {
        Type::Ipv6Addr => (128, Network),
        Type::EtherAddr | Type::LlAddr => (48, Network),
        Type::Ipv4Addr => (32, Network),
        Type::EtherType | Type::ArpOp | Type::InetService => (16, Network),
        Type::IfaceType => (16, Host),
        Type::Ifname | Type::String | Type::CtLabel => (128, Host),
        Type::TimeDate | Type::CgroupV2 => (64, Host),
        Type::Dscp => (6, Network),
        Type::DccpPkttype | Type::MptcpSubtype => (4, Network),
        Type::Ecn => (2, Network),
        Type::Boolean => (1, Host),
        Type::Time
        | Type::Mark
        | Type::IfaceIndex
        | Type::Realm
        | Type::ClassId
        | Type::Uid
        | Type::Gid
        | Type::CtState
        | Type::CtStatus
        | Type::CtEvent
        | Type::DevGroup
        | Type::FibAddrtype
        | Type::TimeHour => (32, Host),
        _ => (8, Network),
    };
    Part { ty, bits, order }
}

fn text(text: &str) -> Expr {
    Expr::Text(Text::Owned(text.as_bytes().to_vec()))
}

fn or(parts: &[Expr]) -> Expr {
    parts.iter().cloned().reduce(|a, b| Expr::Binop(Binop::Or, Box::new([a, b]))).unwrap()
}

fn number(ty: Type, value: &Expr) -> Result<u64, BadValue> {
    let part = usual(ty);
    let data = parse(part, value)?;
    Ok(u64::try_from(number::from_bytes(part, data.bytes()).unwrap()).unwrap())
}

fn back(ty: Type, value: u64) -> Expr {
    let part = usual(ty);
    format_with(&Loopback, part, number::to_bytes(part, value.into()).unwrap().bytes()).unwrap()
}

#[test]
fn numbers_are_read_and_written_as_nft_does() {
    for (ty, given, value, written) in [
        (Type::Mark, text("0x32"), 0x32, Expr::Int(50)),
        (Type::Mark, text("0xffffffff"), 0xffff_ffff, Expr::Int(0xffff_ffff)),
        (Type::Mark, Expr::Int(1), 1, Expr::Int(1)),
        (Type::Mark, text("0x0000000a"), 10, Expr::Int(10)),
        (Type::InetService, text("ssh"), 22, Expr::Int(22)),
        (Type::InetService, text("https"), 443, Expr::Int(443)),
        (Type::InetProto, text("tcp"), 6, Expr::Int(6)),
        (Type::InetProto, text("icmpv6"), 58, Expr::Int(58)),
        (Type::InetProto, text("ipv6-icmp"), 58, Expr::Int(58)),
        (Type::InetProto, text("comp"), 108, Expr::Int(108)),
        (Type::EtherType, text("vlan"), 0x8100, text("8021q")),
        (Type::EtherType, text("0x0800"), 0x800, text("ip")),
        (Type::EtherType, Expr::Int(0x88cc), 0x88cc, Expr::Int(35020)),
        (Type::IcmpType, text("echo-request"), 8, text("echo-request")),
        (Type::Icmpv6Type, text("mld-listener-reduction"), 132, text("mld-listener-done")),
        (Type::IcmpCode, text("prot-unreachable"), 2, Expr::Int(2)),
        (Type::Dscp, text("0x20"), 32, text("cs4")),
        (Type::Dscp, Expr::Int(2), 2, Expr::Int(2)),
        (Type::Ecn, text("ect0"), 2, text("ect0")),
        (Type::TimeDay, text("6"), 6, text("Saturday")),
        (Type::TimeDay, text("sat"), 6, text("Saturday")),
        (Type::ClassId, text("root"), 0xffff_ffff, text("root")),
        (Type::ClassId, text("none"), 0, text("none")),
        (Type::ClassId, text("bcad:dadc"), 0xbcad_dadc, text("bcad:dadc")),
        (Type::ClassId, text("aabb:0"), 0xaabb_0000, text("aabb:0")),
        (Type::ClassId, Expr::Int(2_271_560_481), 0x8765_4321, text("8765:4321")),
        (Type::Realm, text("cosmos"), 0, text("cosmos")),
        (Type::Realm, text("5"), 5, text("5")),
        (Type::DevGroup, text("default"), 0, text("default")),
        (Type::DevGroup, Expr::Int(11), 11, Expr::Int(11)),
        (Type::IfaceIndex, text("lo"), 1, text("lo")),
        (Type::IfaceIndex, text("0"), 0, text("0")),
        (Type::IfaceIndex, Expr::Int(77), 77, text("77")),
        (Type::IfaceType, text("ipgre"), 0x30a, text("ipgre")),
        (Type::PktType, text("unicast"), 0, text("host")),
        (Type::CtDir, text("reply"), 1, text("reply")),
        (Type::NfProto, text("ipv6"), 10, text("ipv6")),
        (Type::Uid, Expr::Int(2001), 2001, Expr::Int(2001)),
        (Type::Ipv4Addr, text("192.168.0.1"), 0xc0a8_0001, text("192.168.0.1")),
        (Type::Ipv4Addr, Expr::Int(1), 1, text("0.0.0.1")),
        (Type::Boolean, Expr::Bool(true), 1, Expr::Bool(true)),
        (Type::Boolean, text("missing"), 0, Expr::Bool(false)),
        (Type::Boolean, Expr::Int(1), 1, Expr::Bool(true)),
        (Type::MptcpSubtype, text("remove-addr"), 4, text("remove-addr")),
        (Type::Bitmask, text("0x33"), 0x33, Expr::Int(51)),
    ] {
        assert_eq!(number(ty, &given), Ok(value), "{given:?}");
        assert_eq!(back(ty, value), written, "{given:?}");
    }
}

#[test]
fn flags_are_one_name_or_several() {
    let part = usual(Type::CtState);
    let state = |value: &Expr| number(Type::CtState, value);
    assert_eq!(state(&Expr::List(vec![text("new"), text("established")])), Ok(10));
    assert_eq!(state(&or(&[text("new"), text("established"), Expr::Int(128)])), Ok(138));
    assert_eq!(state(&Expr::Int(8)), Ok(8));
    assert_eq!(state(&Expr::List(vec![])), Ok(0));
    assert_eq!(back(Type::CtState, 10), or(&[text("established"), text("new")]));
    assert_eq!(as_list(back(Type::CtState, 10)), Expr::List(vec![text("established"), text("new")]));
    assert_eq!(as_list(back(Type::CtState, 136)), Expr::List(vec![text("new"), Expr::Int(128)]));
    assert_eq!(as_list(back(Type::CtState, 8)), text("new"));
    assert_eq!(back(Type::CtEvent, 0), Expr::Int(0));
    let all = ["new", "related", "destroy", "label"].map(text).to_vec();
    assert_eq!(number(Type::CtEvent, &Expr::List(all.clone())), Ok(0x407));
    assert_eq!(as_list(back(Type::CtEvent, 0x407)), Expr::List(all));
    assert_eq!(back(Type::TcpFlag, 255), Expr::Int(255));
    assert_eq!(back(Type::TcpFlag, 0x12), or(&[text("syn"), text("ack")]));
    assert_eq!(parse(part, &text("New")), Err(BadValue::UnknownSymbol(b"New".to_vec())));
    // Only flags have alternatives in a list.
    assert_eq!(number(Type::Mark, &Expr::List(vec![Expr::Int(1)])), Err(BadValue::Expected("a number")));
    assert_eq!(number(Type::Mark, &or(&[Expr::Int(1), text("0x10")])), Ok(17));
}

#[test]
fn labels_are_bits_by_their_number() {
    let part = usual(Type::CtLabel);
    let data = parse(part, &Expr::Int(127)).unwrap();
    assert_eq!(u128::from_ne_bytes(data.bytes().try_into().unwrap()), 1 << 127);
    assert_eq!(format(part, data.bytes()), Expr::Int(127));
    assert_eq!(format(part, &[0; 16]), Expr::List(vec![]));
    let two = parse(part, &Expr::List(vec![Expr::Int(0), text("9")])).unwrap();
    assert_eq!(as_list(format(part, two.bytes())), Expr::List(vec![Expr::Int(0), Expr::Int(9)]));
    assert_eq!(parse(part, &Expr::Int(128)), Err(BadValue::TooLarge { max: 127 }));
    assert!(
        matches!(parse(part, &text("web")), Err(BadValue::Expected(why)) if why.contains("not resolved"))
    );
    // A set could be declared so; no bytes at all would be the key of all elements.
    let wide = Part { bits: 200, ..part };
    assert_eq!(parse(wide, &Expr::Int(1)), Err(BadValue::Expected("a type of at most 128 bits")));
    let every: Vec<Expr> = (0..128).map(Expr::Int).collect();
    assert_eq!(parse(part, &or(&every)).unwrap().bytes(), [255; 16]);
    assert_eq!(parse(part, &format(part, &[255; 16])).unwrap().bytes(), [255; 16]);
}

#[test]
fn times_are_read_and_written_as_nft_does() {
    let milliseconds = |value: &Expr| number(Type::Time, value);
    for (given, value) in [
        (Expr::Int(33), 33_000),
        (text("30s"), 30_000),
        (text("30000ms"), 30_000),
        (text("4d23h59m59s"), 431_999_000),
        (text("1h30m"), 5_400_000),
    ] {
        assert_eq!(milliseconds(&given), Ok(value));
    }
    assert_eq!(back(Type::Time, 431_999_000), Expr::Int(431_999));
    assert_eq!(back(Type::Time, 1500), text("1500ms"));
    for wrong in ["", "s", "3", "30s1h", "1h1h", "1w", "-1s", "1 s", "1h30", "99999999999999999999s"] {
        let expected = if wrong == "3" { Ok(3000) } else { Err(BadValue::Expected(expected(Type::Time))) };
        assert_eq!(milliseconds(&text(wrong)), expected, "{wrong}");
    }
    assert!(matches!(milliseconds(&Expr::Int(u64::MAX)), Err(BadValue::TooLarge { .. })));

    let date = |value: &str| number(Type::TimeDate, &text(value));
    assert_eq!(date("2019-06-21 17:00:00"), Ok(1_561_136_400_000_000_000));
    assert_eq!(date("2019-06-21"), date("2019-06-21 00:00"));
    assert_eq!(date("12341234"), Ok(12_341_234_000_000_000));
    assert_eq!(back(Type::TimeDate, 12_341_234_000_000_000), text("1970-05-23 20:07:14"));
    assert_eq!(date("2024-02-29 23:59:59.5"), Ok(1_709_251_199_500_000_000));
    assert_eq!(back(Type::TimeDate, 1_709_251_199_500_000_000), text("2024-02-29 23:59:59.500000000"));
    for wrong in ["2023-02-29", "2023-13-01", "2023-00-01", "2023-1-1", "1969-12-31", "2600-01-01", "now", ""]
    {
        assert!(date(wrong).is_err(), "{wrong}");
    }
    for wrong in ["2023-01-01 24:00", "2023-01-01 1:00", "2023-01-01 10:00:00.", "2023-01-01T10:00"] {
        assert!(date(wrong).is_err(), "{wrong}");
    }

    let hour = |value: &str| number(Type::TimeHour, &text(value));
    assert_eq!(hour("17:00"), Ok(61_200));
    assert_eq!(hour("17:00:01"), Ok(61_201));
    assert_eq!(hour("23:59:60"), Ok(0));
    assert_eq!(back(Type::TimeHour, 61_201), text("17:00:01"));
    assert_eq!(back(Type::TimeHour, 0), text("00:00"));
    assert_eq!(back(Type::TimeHour, 90_000), Expr::Int(90_000));
    assert!(["24:00", "7:00", "17", "17:60", "17:00:00:00"].iter().all(|w| *w == "17" || hour(w).is_err()));
}

#[test]
fn a_reader_can_have_a_clock_and_interfaces_and_words() {
    let read = |ty, value: &str| {
        let part = usual(ty);
        parse_with(&East, part, &text(value)).map(|data| number::from_bytes(part, data.bytes()).unwrap())
    };
    let write = |ty, value: u64| {
        let part = usual(ty);
        format_with(&East, part, number::to_bytes(part, value.into()).unwrap().bytes()).unwrap()
    };
    // What nft 1.1 compiles for these where the clock is two hours ahead of UTC.
    assert_eq!(read(Type::TimeHour, "17:00"), Ok(0xd2f0));
    assert_eq!(read(Type::TimeHour, "00:00"), Ok(0x13560));
    assert_eq!(write(Type::TimeHour, 0x13560), text("00:00"));
    assert_eq!(read(Type::TimeDate, "1970-05-23 21:07:14"), Ok(0x002b_d503_43f0_5400));
    assert_eq!(write(Type::TimeDate, 0x002b_d849_74a8_f400), text("1970-05-23 22:07:14"));
    assert_eq!(read(Type::IfaceIndex, "eth0"), Ok(7));
    assert_eq!(write(Type::IfaceIndex, 7), text("eth0"));
    // 9 is what another interface is called.
    assert_eq!(write(Type::IfaceIndex, 9), Expr::Int(9));
    assert_eq!(read(Type::IfaceIndex, "9"), Ok(8));
    assert_eq!(read(Type::IfaceIndex, "lo"), Err(BadValue::UnknownSymbol(b"lo".to_vec())));
    assert_eq!(write(Type::InetProto, 6), text("tcp"));
}

#[test]
fn addresses_are_written_as_nft_does() {
    let v6 = usual(Type::Ipv6Addr);
    for (given, written) in [
        ("::1234:1234", "::18.52.18.52"),
        ("::1", "::1"),
        ("::", "::"),
        ("::ffff:0.0.0.0", "::ffff:0.0.0.0"),
        ("1234:1234:0:1234:1234:1234:1234:1234", "1234:1234:0:1234:1234:1234:1234:1234"),
        ("::1234:1234:1234:1234:1234:1234:1234", "0:1234:1234:1234:1234:1234:1234:1234"),
        ("1234:1234::", "1234:1234::"),
        ("DEAD::beef", "dead::beef"),
    ] {
        let data = parse(v6, &text(given)).unwrap();
        assert_eq!(format(v6, data.bytes()), text(written));
        assert_eq!(parse(v6, &text(written)).unwrap(), data);
    }
    let ether = usual(Type::EtherAddr);
    let data = parse(ether, &text("00:0f:54:0C:11:4")).unwrap();
    assert_eq!(data.bytes(), [0, 0x0f, 0x54, 0x0c, 0x11, 4]);
    assert_eq!(format(ether, data.bytes()), text("00:0f:54:0c:11:04"));
    for wrong in ["1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.4 ", "0x7f.1", "localhost", "1.2.3.256", ""] {
        assert!(parse(usual(Type::Ipv4Addr), &text(wrong)).is_err(), "{wrong}");
    }
    for wrong in [":::", "1::2::3", "fe80::1%lo", "12345::", "1.2.3.4", ""] {
        assert!(parse(v6, &text(wrong)).is_err(), "{wrong}");
    }
    for wrong in
        ["00:11:22:33:44", "00:11:22:33:44:55:66", "00:11:22:33:44:", "000:1:2:3:4:5", "0g:1:2:3:4:5"]
    {
        assert!(parse(ether, &text(wrong)).is_err(), "{wrong}");
    }
    assert!(parse(v6, &Expr::Int(1)).is_err());
}

#[test]
fn names_of_interfaces_are_whole_or_a_beginning() {
    let part = usual(Type::Ifname);
    let bytes = |name: &str| parse(part, &text(name)).map(|data| data.bytes().to_vec());
    assert_eq!(bytes("dummy0").unwrap(), b"dummy0\0\0\0\0\0\0\0\0\0\0");
    assert_eq!(bytes("dummy*").unwrap(), b"dummy");
    assert_eq!(bytes("dummy\\*").unwrap(), b"dummy*\0\0\0\0\0\0\0\0\0\0");
    assert_eq!(bytes("a*b").unwrap(), b"a*b\0\0\0\0\0\0\0\0\0\0\0\0\0");
    for name in ["dummy0", "dummy*", "dummy\\*", "a*b", "a\\b", "a\\\\*"] {
        assert_eq!(format(part, &bytes(name).unwrap()), text(name));
    }
    for wrong in ["", "*", "abcdefghijklmnop", "abcdefghijklmnop*", "a\0b"] {
        assert!(bytes(wrong).is_err(), "{wrong:?}");
    }
    assert!(bytes("abcdefghijklmno").is_ok());
    // What would be read as something else is not written.
    let unsaid: [&[u8]; 6] = [b"", b"ab\\", b"a\0", &[0; 16], b"eth0\0\0\0\0\0\0\0\0\0\0\0x", &[b'a'; 16]];
    assert!(unsaid.iter().all(|bytes| format_with(&Loopback, part, bytes).is_none()));
    let helper = usual(Type::String);
    assert_eq!(parse(helper, &text("ftp*")).unwrap().bytes().len(), 16);
}

#[test]
fn wide_numbers_are_hexadecimal() {
    let part = |bits| Part { ty: Type::Integer, bits, order: Order::Network };
    let digits = "0xfedcba987654321001234567890abcde";
    let data = parse(part(128), &text(digits)).unwrap();
    assert_eq!(format(part(128), data.bytes()), text(digits));
    let short = parse(part(128), &Expr::Int(18)).unwrap();
    assert_eq!((short.bytes().len(), format(part(128), short.bytes())), (16, Expr::Int(18)));
    let data = parse(part(112), &text("0x870697a7a6173656f03636f6d00")).unwrap();
    assert_eq!((data.bytes().len(), data.bytes()[0]), (14, 0x08));
    let wide = format!("0x1{}", "0".repeat(127));
    let data = parse(part(512), &text(&wide)).unwrap();
    assert_eq!(format(part(512), data.bytes()), text(&wide));
    assert_eq!(parse(part(160), &Expr::Int(258)).unwrap().bytes()[18..], [1, 2]);
    assert_eq!(parse(part(520), &Expr::Int(0)), Err(BadValue::Expected("a type of at most 64 bytes")));
    assert!(matches!(
        parse(part(132), &text("0x100000000000000000000000000000000000")),
        Err(BadValue::TooLarge { .. })
    ));
    assert!(matches!(
        parse(part(132), &text("0x1000000000000000000000000000000000")),
        Err(BadValue::TooLarge { .. })
    ));
    assert!(parse(part(132), &text("0x000000000100000000000000000000000000000000")).is_ok());
    for wrong in ["0x", "0xg", "12", "", "0x+1", "0x0000000000000000000000000000000000000g0000"] {
        assert!(matches!(parse(part(132), &text(wrong)), Err(BadValue::Expected(_))), "{wrong}");
    }
}

#[test]
fn numbers_beyond_the_field_are_refused() {
    let part = |bits| Part { ty: Type::Integer, bits, order: Order::Network };
    for bits in 1..=64 {
        let max = u64::MAX >> (64 - bits);
        assert!(parse(part(bits), &Expr::Int(max)).is_ok());
        if bits < 64 {
            assert_eq!(parse(part(bits), &Expr::Int(max + 1)), Err(BadValue::TooLarge { max }));
        }
    }
    assert_eq!(number(Type::InetService, &Expr::Int(65_536)), Err(BadValue::TooLarge { max: 65_535 }));
    assert_eq!(number(Type::Dscp, &text("64")), Err(BadValue::TooLarge { max: 63 }));
    assert_eq!(number(Type::Boolean, &Expr::Int(2)), Err(BadValue::TooLarge { max: 1 }));
    let wide = Part { ty: Type::TimeDate, bits: 128, order: Order::Host };
    assert_eq!(parse(wide, &Expr::Int(u64::MAX)), Err(BadValue::TooLarge { max: u64::MAX }));
    let wide = Part { ty: Type::Ipv4Addr, ..wide };
    assert_eq!(parse(wide, &Expr::Int(1 << 32)), Err(BadValue::TooLarge { max: u32::MAX.into() }));
    // Bits that do not count are not left out when they are there.
    assert_eq!(format_with(&Loopback, part(12), &[0x10, 0]), None);
    assert_eq!(format_with(&Loopback, part(12), &[0x0f, 0xff]), Some(Expr::Int(4095)));
    assert_eq!(format_with(&Loopback, part(16), &[1]), None);
}

#[test]
fn what_is_no_number_is_refused() {
    let refused = Err(BadValue::Expected("a number"));
    for wrong in ["", "0x", "08", "1 ", " 1", "+1", "-1", "1.0", "0X1", "1_000", "\u{663}", "ten"] {
        assert_eq!(number(Type::Mark, &text(wrong)), refused, "{wrong}");
    }
    for value in [Expr::Bool(true), Expr::Set(vec![]), Expr::SetRef(Text::Borrowed(b"s"))] {
        assert_eq!(number(Type::Mark, &value), refused, "{value:?}");
    }
    assert_eq!(number(Type::Mark, &text(&"9".repeat(60))), refused);
    assert!(
        matches!(number(Type::Uid, &text("root")), Err(BadValue::Expected(why)) if why.contains("not resolved"))
    );
    assert!(
        matches!(number(Type::CgroupV2, &text("a.slice")), Err(BadValue::Expected(why)) if why.contains("paths"))
    );
    assert_eq!(number(Type::InetService, &text("nosuch")), Err(BadValue::UnknownSymbol(b"nosuch".to_vec())));
    assert_eq!(number(Type::IfaceIndex, &text("eth9")), Err(BadValue::UnknownSymbol(b"eth9".to_vec())));
    let long = number(Type::IcmpType, &text(&"x".repeat(1000)));
    assert_eq!(long, Err(BadValue::UnknownSymbol(vec![b'x'; 64])));
    assert!(parse(usual(Type::Verdict), &text("accept")).is_err());
    let deep = or(&vec![Expr::Int(1); 1000]);
    assert_eq!(number(Type::Mark, &deep), Err(BadValue::Expected("fewer operations")));
    let shift = Expr::Binop(Binop::Left, Box::new([Expr::Int(1), Expr::Int(3)]));
    assert!(number(Type::Mark, &shift).is_err());
}

#[test]
fn a_week_has_seven_days() {
    let day = usual(Type::TimeDay);
    assert_eq!(number(Type::TimeDay, &Expr::Int(6)), Ok(6));
    for value in [Expr::Int(7), text("7"), text("0xff")] {
        assert_eq!(number(Type::TimeDay, &value), Err(BadValue::TooLarge { max: 6 }));
    }
    assert_eq!(format_with(&Loopback, day, &[6]), Some(text("Saturday")));
    assert_eq!(format_with(&Loopback, day, &[7]), None);
}

/// A part of any type, with bytes as a hostile kernel could hold them: any, of any length, or plausible ones.
fn held() -> impl Strategy<Value = (Part, Vec<u8>)> {
    let ty = prop::sample::select(Type::ALL);
    let bits = prop_oneof![Just(0), 1u32..=64, 65u32..=600];
    (ty, prop::option::of(bits), any::<bool>(), prop::collection::vec(any::<u8>(), 0..70), any::<bool>())
        .prop_map(|(ty, bits, network, mut bytes, fitting)| {
            let mut part = usual(ty);
            if let Some(bits) = bits {
                let order = if network { Order::Network } else { Order::Host };
                part = Part { ty, bits, order };
            }
            if fitting {
                bytes.resize(width(part), 0);
            }
            (part, bytes)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_as_the_same_bytes((part, bytes) in held()) {
        for names in [&Loopback as &dyn Names, &East] {
            if let Some(value) = format_with(names, part, &bytes) {
                let again = parse_with(names, part, &value);
                prop_assert_eq!(again.as_ref().map(Data::bytes), Ok(bytes.as_slice()), "{:?} {:?}", part, value);
            }
        }
        // Whatever it is, something is written.
        let _ = format(part, &bytes);
    }

    #[test]
    fn values_of_each_type_are_written(ty in prop::sample::select(Type::ALL), bytes in prop::collection::vec(1u8..=127, 16)) {
        let part = usual(ty);
        let mut bytes = bytes;
        bytes.truncate(width(part));
        if matches!(ty, Type::Ifname | Type::String) {
            bytes[15] = 0;
        } else if let Some(first) = bytes.first_mut().filter(|_| part.bits % 8 > 0) {
            *first &= (1 << (part.bits % 8)) - 1;
        }
        if ty == Type::TimeDay {
            bytes[0] %= 7;
        }
        prop_assert_eq!(format_with(&Loopback, part, &bytes).is_some(), ty != Type::Verdict, "{:?} {:?}", ty, bytes);
    }

    #[test]
    fn what_is_read_is_written_and_read_the_same(ty in prop::sample::select(Type::ALL), given in "[ -~]{0,20}|[0-9a-f:.x]{0,20}|[0-9]{1,9}[dhms]{0,2}[*]?") {
        let part = usual(ty);
        if let Ok(data) = parse(part, &text(&given)) {
            let written = format_with(&Loopback, part, data.bytes());
            let again = parse(part, &written.expect("a value that was read"));
            prop_assert_eq!(again, Ok(data), "{:?} {}", ty, given);
        }
    }

    #[test]
    fn every_symbol_is_read(ty in prop::sample::select(Type::ALL)) {
        for (value, name) in symbol::symbols(ty) {
            prop_assert_eq!(number(ty, &text(name)), Ok(*value));
        }
    }
}
