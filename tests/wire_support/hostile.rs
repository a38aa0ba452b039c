//! Frames that must be refused. Each once broke a decoder somewhere, or is the neighbour of one that did.
#![forbid(unsafe_code)]

use portcullis::wire::atoms::{self, Atom};

/// A term or a frame, and why it is refused.
pub struct Case {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub why: Atom,
}

/// Terms without the version byte, to be tried alone and inside a request.
pub fn terms() -> Vec<Case> {
    let mut cases = tags();
    cases.extend(claims());
    cases.extend(scalars());
    cases.extend(shapes());
    cases
}

/// Whole frames, which have no meaning inside another.
pub fn frames() -> Vec<Case> {
    vec![
        case("empty", b"", atoms::EMPTY),
        case("version_alone", b"\x83", atoms::TRUNCATED),
        case("version_other", b"\x82a\x01", atoms::VERSION),
        case("version_missing", b"h\x01a\x01", atoms::VERSION),
        case("trailing_bytes", b"\x83a\x01junk", atoms::TRAILING_BYTES),
        case("two_terms", b"\x83a\x01\x83a\x02", atoms::TRAILING_BYTES),
    ]
}

fn case(name: &'static str, bytes: &[u8], why: Atom) -> Case {
    Case { name, bytes: bytes.to_vec(), why }
}

fn tags() -> Vec<Case> {
    let tag = |name, bytes: &[u8]| case(name, bytes, atoms::TAG);
    vec![
        tag("tag_dist_header", b"D"),
        tag("tag_cache_reference", b"R\x00"),
        tag("tag_compressed", b"P\x00\x00\x00\x02\x78\x9c\x4b\x64\x05\x00\x00\xcc\x00\x67"),
        tag("tag_float_old", b"c1.10000000000000008882e+00\0\0\0\0\0"),
        tag("tag_bit_binary", b"M\x00\x00\x00\x01\x03\xa0"),
        tag("tag_pid", b"gw\x01a\x00\x00\x00\x01\x00\x00\x00\x02\x03"),
        tag("tag_pid_new", b"Xw\x01a\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03"),
        tag("tag_port", b"fw\x01a\x00\x00\x00\x01\x03"),
        tag("tag_port_new", b"Yw\x01a\x00\x00\x00\x01\x00\x00\x00\x03"),
        tag("tag_port_v4", b"xw\x01a\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x03"),
        tag("tag_reference", b"ew\x01a\x00\x00\x00\x01\x03"),
        tag("tag_reference_new", b"r\x00\x01w\x01a\x01\x00\x00\x00\x01"),
        tag("tag_reference_newer", b"Z\xff\xffw\x01a\x00\x00\x00\x01\x00\x00\x00\x01"),
        tag("tag_fun", b"u\xff\xff\xff\xffgw\x01a\x00\x00\x00\x01\x00\x00\x00\x00\x00w\x01ma\x00a\x00"),
        tag(
            "tag_fun_new",
            b"p\x00\x00\x00\x00\x00\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x00\x00\x00\x00\xff\xff\xff\xff",
        ),
        tag("tag_export", b"qw\x01mw\x01fa\x02"),
        tag("tag_local", b"y\x00\x00\x00\x00a\x01"),
        tag("tag_atom_latin1", b"d\x00\x01a"),
        tag("tag_atom_latin1_small", b"s\x01a"),
        tag("tag_pid_node_tower", &b"X".repeat(64)),
    ]
}

/// Lengths and counts that the frame does not hold.
fn claims() -> Vec<Case> {
    vec![
        case("claim_list", b"l\xff\xff\xff\xff", atoms::LENGTH),
        case("claim_list_nested", &b"l\x00\x98\x96\x80".repeat(20), atoms::LENGTH),
        case("claim_list_one_too_many", b"l\x00\x00\x00\x02a\x01", atoms::LENGTH),
        case("claim_tuple", b"i\xff\xff\xff\xff", atoms::LENGTH),
        case("claim_tuple_small", b"h\xff", atoms::LENGTH),
        case("claim_map", b"t\xff\xff\xff\xff", atoms::TOO_MANY_PAIRS),
        case("claim_map_below_limit", b"t\x00\x00\x00\x40j", atoms::LENGTH),
        case("claim_binary", b"m\xff\xff\xff\xff", atoms::TRUNCATED),
        case("claim_string", b"k\xff\xffabc", atoms::TRUNCATED),
        case("claim_atom", b"v\x00\xffa", atoms::TRUNCATED),
        case("claim_atom_small", b"w\xffa", atoms::TRUNCATED),
        case("claim_big_large", b"o\xff\xff\xff\xff\x00", atoms::INTEGER),
    ]
}

fn scalars() -> Vec<Case> {
    let atom = |name, text: &[u8]| {
        let length = u16::try_from(text.len()).unwrap().to_be_bytes();
        case(name, &[b"v", &length[..], text].concat(), atoms::ATOM)
    };
    let float = |name, value: f64| case(name, &[b"F", &value.to_be_bytes()[..]].concat(), atoms::FLOAT);
    vec![
        case("integer_9_bytes", b"n\x09\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff", atoms::INTEGER),
        case("integer_9_bytes_leading_zero", b"n\x09\x00\x01\0\0\0\0\0\0\0\0", atoms::INTEGER),
        case("integer_9_bytes_large", b"o\x00\x00\x00\x09\x00\x01\0\0\0\0\0\0\0\0", atoms::INTEGER),
        case("integer_sign_2", b"n\x01\x02\x05", atoms::INTEGER),
        case("integer_sign_255_large", b"o\x00\x00\x00\x01\xff\x05", atoms::INTEGER),
        float("float_nan", f64::NAN),
        float("float_nan_signalling", f64::from_bits(0x7ff0_0000_0000_0001)),
        float("float_infinity", f64::INFINITY),
        float("float_minus_infinity", f64::NEG_INFINITY),
        atom("atom_256_characters", &b"a".repeat(256)),
        atom("atom_64_wide_characters", "\u{1f600}".repeat(64).as_bytes()),
        atom("atom_not_utf8", b"\xff"),
        atom("atom_latin1", b"\xe9"),
        atom("atom_overlong", b"\xc0\x80"),
        atom("atom_surrogate", b"\xed\xa0\x80"),
        atom("atom_surrogate_pair", b"\xed\xa0\xbd\xed\xb8\x80"),
        atom("atom_above_unicode", b"\xf4\x90\x80\x80"),
        atom("atom_cut_character", b"\xe2\x98"),
        case("atom_small_not_utf8", b"w\x02a\x80", atoms::ATOM),
    ]
}

fn shapes() -> Vec<Case> {
    let wide: Vec<u8> = (0..65).flat_map(|key| [97, key, 106]).collect();
    vec![
        case("list_of_none", b"l\x00\x00\x00\x00j", atoms::LENGTH),
        case("list_of_none_with_tail", b"l\x00\x00\x00\x00a\x02", atoms::LENGTH),
        case("list_improper", b"l\x00\x00\x00\x01a\x01a\x02", atoms::IMPROPER_LIST),
        case("list_tail_list", b"l\x00\x00\x00\x01a\x01l\x00\x00\x00\x01a\x02j", atoms::IMPROPER_LIST),
        case("list_tail_string", b"l\x00\x00\x00\x01a\x01k\x00\x01\x02", atoms::IMPROPER_LIST),
        case("list_tail_empty_string", b"l\x00\x00\x00\x01a\x01k\x00\x00", atoms::IMPROPER_LIST),
        case("map_65_pairs", &[b"t\x00\x00\x00\x41", wide.as_slice()].concat(), atoms::TOO_MANY_PAIRS),
        case("deep_tuple", &tower(b"h\x01", 17, b""), atoms::TOO_DEEP),
        case("deep_list", &tower(b"l\x00\x00\x00\x01", 17, b"j"), atoms::TOO_DEEP),
        case("deep_map_value", &tower(b"t\x00\x00\x00\x01a\x01", 17, b""), atoms::TOO_DEEP),
        case("deep_map_key", &tower(b"t\x00\x00\x00\x01", 17, b"a\x01"), atoms::TOO_DEEP),
        case("deep_list_tail", &tower(b"l\x00\x00\x00\x01j", 17, b""), atoms::IMPROPER_LIST),
        case("deep_string", &[b"h\x01".repeat(16), b"k\x00\x01a".to_vec()].concat(), atoms::TOO_DEEP),
    ]
}

/// A term of that many levels: each is opened, then the innermost term, then each is closed.
pub fn tower(open: &[u8], levels: usize, close: &[u8]) -> Vec<u8> {
    [open.repeat(levels), b"j".to_vec(), close.repeat(levels)].concat()
}

/// The frame of a term alone.
pub fn alone(term: &[u8]) -> Vec<u8> {
    [b"\x83", term].concat()
}

/// The frame of `{req, 1, process, #{pid => Term}, 5000}`.
pub fn inside_request(term: &[u8]) -> Vec<u8> {
    [b"\x83h\x05w\x03reqa\x01w\x07processt\x00\x00\x00\x01w\x03pid", term, b"b\x00\x00\x13\x88"].concat()
}
