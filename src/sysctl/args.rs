//! The arguments of this folder's operations, from terms to types.
#![forbid(unsafe_code)]

use crate::error::{RequestError, Why};
use crate::sysctl::action::{ReadSysctl, SetSysctl, is_name, is_value};
use crate::wire::schema::{At, binary, fields};
use crate::wire::term::{Pairs, Term};

/// Reads the map of `sysctl_get`: `#{name => Binary}`.
pub fn get(args: Pairs<'_>, at: &At<'_>) -> Result<ReadSysctl, RequestError> {
    let [name] = fields(args, at, ["name"])?;
    Ok(ReadSysctl { name: decode_name(name, at)? })
}

/// Reads the map of `sysctl_set`: `#{name => Binary, value => Binary | Integer}`.
pub fn set(args: Pairs<'_>, at: &At<'_>) -> Result<SetSysctl, RequestError> {
    let [name, value] = fields(args, at, ["name", "value"])?;
    Ok(SetSysctl { name: decode_name(name, at)?, value: decode_value(value, at)? })
}

fn decode_name(term: Option<Term<'_>>, at: &At<'_>) -> Result<String, RequestError> {
    let at = At::Key(at, "name");
    let bytes = binary(term.ok_or_else(|| at.error(Why::Missing))?, &at)?;
    let name = std::str::from_utf8(bytes).ok().filter(|name| is_name(name));
    name.map(str::to_owned).ok_or_else(|| at.error(Why::Expected("parameter")))
}

/// A number is the text of its decimal digits; the policy compares texts.
fn decode_value(term: Option<Term<'_>>, at: &At<'_>) -> Result<String, RequestError> {
    let at = At::Key(at, "value");
    let text = match term.ok_or_else(|| at.error(Why::Missing))? {
        Term::Integer(n) => Some(n.to_string()),
        Term::Binary(bytes) => {
            std::str::from_utf8(bytes).ok().filter(|text| is_value(text)).map(str::to_owned)
        }
        _ => None,
    };
    text.ok_or_else(|| at.error(Why::Expected("value")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Step;
    use crate::wire::atoms;
    use crate::wire::testing::{decoded, term, wrong};

    fn text(text: &[u8]) -> Vec<u8> {
        term(|w| w.binary(text))
    }

    #[test]
    fn a_name_is_a_binary_below_net() {
        let get = |value: Vec<u8>| decoded(get, &[("name", value)]);
        assert_eq!(get(text(b"net.ipv4.ip_forward")).unwrap().name, "net.ipv4.ip_forward");
        for bad in
            [&b""[..], b"kernel.hostname", b"net.//.x", b"net.x\xff", b"net.x\0", b"net/ipv4/ip_forward"]
        {
            assert_eq!(get(text(bad)), Err(wrong("name", Why::Expected("parameter"))), "{bad:?}");
        }
        assert_eq!(get(term(|w| w.uint(1))), Err(wrong("name", Why::Expected("binary"))));
        assert_eq!(decoded(super::get, &[]), Err(wrong("name", Why::Missing)));
    }

    #[test]
    fn a_value_is_a_line_or_a_number() {
        let set = |value: Vec<u8>| {
            decoded(set, &[("name", text(b"net.x")), ("value", value)]).map(|action| action.value)
        };
        assert_eq!(set(text(b"4096 131072 6291456")).unwrap(), "4096 131072 6291456");
        assert_eq!(set(term(|w| w.int(-1))).unwrap(), "-1");
        assert_eq!(set(term(|w| w.uint(u64::MAX))).unwrap(), u64::MAX.to_string());
        for bad in
            [text(b""), text(b"1\n2"), text(b"\xff"), text(&[b'1'; 129]), term(|w| w.atom(atoms::TRUE))]
        {
            assert_eq!(set(bad), Err(wrong("value", Why::Expected("value"))));
        }
        assert_eq!(decoded(super::set, &[("name", text(b"net.x"))]), Err(wrong("value", Why::Missing)));
    }

    #[test]
    fn nothing_else_can_be_named() {
        let with_value = [("name", text(b"net.x")), ("value", text(b"1"))];
        let unknown = RequestError::BadRequest(vec![Step::Unknown(b"value".to_vec())], Why::UnknownKey);
        assert_eq!(decoded(get, &with_value), Err(unknown));
        let twice = [("name", text(b"net.x")), ("name", text(b"net.y"))];
        assert_eq!(decoded(get, &twice), Err(wrong("name", Why::Duplicate)));
    }
}
