#![forbid(unsafe_code)]

use super::*;
use crate::dist::etf::write::{atom, reference};

/// A request of these terms, encoded.
fn request(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut w = Writer::new();
    write(&mut w);
    w.bytes().to_vec()
}

fn call(op: &str, args: &[u8], options: Option<&[u8]>) -> Vec<u8> {
    request(|w| {
        w.tuple(if options.is_some() { 3 } else { 2 });
        atom(w, op);
        w.raw(args);
        w.raw(options.unwrap_or_default());
    })
}

const NONE: &[u8] = b"\x74\0\0\0\0";

fn asked<'a>(bytes: &'a [u8]) -> Ask<'a> {
    match read(Cursor::new(bytes)) {
        Some(Ok(Wish::Do(ask))) => ask,
        other => panic!("{other:?}"),
    }
}

fn wrong(bytes: &[u8]) -> RequestError {
    match read(Cursor::new(bytes)) {
        Some(Err(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_arguments_go_to_the_copy_as_they_came() {
    // A string, an atom of two bytes of length, an integer in the long form: nothing is written in another way.
    let args = b"\x74\0\0\0\x02\x76\0\x01a\x6b\0\x02hi\x77\x01b\x6e\x01\0\x05";
    let bytes = call("processes", args, Some(b"\x74\0\0\0\x01\x77\x07timeout\x62\0\0\x10\0"));
    let ask = asked(&bytes);
    assert_eq!((ask.row.name, ask.role, ask.timeout_ms), ("processes", Role::Proc, 4096));
    let frame = ask.frame(300).unwrap();
    let expected =
        [b"\x83\x68\x05\x77\x03req\x62\0\0\x01\x2c\x77\x09processes", &args[..], b"\x62\0\0\x10\0"];
    assert_eq!(frame, expected.concat());
}

#[test]
fn an_operation_goes_to_the_role_that_has_it() {
    for (op, role) in
        [("info", Role::Proc), ("query", Role::Proc), ("nft_list", Role::Net), ("ping", Role::Net)]
    {
        assert_eq!(asked(&call(op, NONE, None)).role, role, "{op}");
    }
    let net = b"\x74\0\0\0\x01\x77\x04role\x77\x03net";
    assert_eq!(asked(&call("info", NONE, Some(net))).role, Role::Net);
    assert_eq!(wrong(&call("query", NONE, Some(net))), RequestError::Unsupported(b"query".to_vec()));
    let topic = |name: &str| {
        request(|w| {
            w.map(2);
            atom(w, "a");
            w.raw(b"\x6c\0\0\0\x01\x61\x01\x6a");
            atom(w, "topic");
            atom(w, name);
        })
    };
    assert_eq!(asked(&call("subscribe", &topic("nft"), None)).role, Role::Net);
    assert_eq!(asked(&call("subscribe", &topic("audit"), None)).role, Role::Proc);
}

#[test]
fn what_is_misspelt_is_an_error_with_its_place() {
    let range = RequestError::BadRequest(vec![Step::Key("timeout")], Why::Range(1, TIMEOUT_MAX_MS));
    for number in [&b"\x61\0"[..], b"\x62\xff\xff\xff\xff", b"\x77\x08infinity", b"\x6e\x05\0\0\0\0\0\x01"] {
        let options = [b"\x74\0\0\0\x01\x77\x07timeout", number].concat();
        assert_eq!(wrong(&call("info", NONE, Some(&options))), range, "{number:?}");
    }
    let twice = b"\x74\0\0\0\x02\x77\x07timeout\x61\x01\x77\x07timeout\x61\x02";
    let duplicate = RequestError::BadRequest(vec![Step::Key("timeout")], Why::Duplicate);
    assert_eq!(wrong(&call("info", NONE, Some(twice))), duplicate);
    assert!(matches!(
        wrong(&call("info", NONE, Some(b"\x74\0\0\0\x01\x77\x01x\x61\x01"))),
        RequestError::BadRequest(_, Why::UnknownKey)
    ));
    assert!(matches!(
        wrong(&call("info", NONE, Some(b"\x6a"))),
        RequestError::BadRequest(_, Why::Expected("map"))
    ));
    assert_eq!(wrong(&call("shutdown", NONE, None)), RequestError::Unsupported(b"shutdown".to_vec()));
    // What is no call of an operation is left to others.
    for other in [
        call("open", b"\x77\x04proc", None),
        b"\x77\x04info".to_vec(),
        b"\x68\x01\x61\x01".to_vec(),
        Vec::new(),
    ] {
        assert!(read(Cursor::new(&other)).is_none(), "{other:?}");
    }
}

#[test]
fn what_a_copy_would_refuse_without_knowing_whose_it_is_never_goes_to_it() {
    let unfit = |args: &[u8]| asked(&call("processes", args, None)).frame(1).unwrap_err();
    let map_of = |value: &[u8]| [b"\x74\0\0\0\x01\x77\x01a", value].concat();
    let mut mark = Writer::new();
    reference(&mut mark, &Ref { node: "a@h", creation: 1, words: [1, 2, 3, 0, 0], len: 3 });
    assert_eq!(unfit(&map_of(mark.bytes())), Unfit::Refused(crate::wire::atoms::TAG));
    assert_eq!(
        unfit(&map_of(&[b"\x6e\x09\0".as_slice(), &[1; 9]].concat())),
        Unfit::Refused(crate::wire::atoms::INTEGER)
    );
    let deep = [&[0x68, 1].repeat(20)[..], b"\x61\x01"].concat();
    assert_eq!(unfit(&map_of(&deep)), Unfit::Refused(crate::wire::atoms::TOO_DEEP));
    assert_eq!(
        unfit(&map_of(b"\x6c\0\0\0\x01\x61\x01\x61\x02")),
        Unfit::Refused(crate::wire::atoms::IMPROPER_LIST)
    );
    let long = [b"\x6d".as_slice(), &70_000_u32.to_be_bytes(), &vec![0; 70_000]].concat();
    assert_eq!(unfit(&map_of(&long)), Unfit::TooLong(65_536));
}
