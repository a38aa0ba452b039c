//! What the policy judges: reading one parameter, setting it to one value, listing what can be read.
#![forbid(unsafe_code)]

use std::ffi::CString;
use std::sync::Arc;

/// The tree that the program ever touches, as names begin.
const TREE: &str = "net.";

/// Whether `name` can be a parameter at all: dotted names below `net.`. A dot that belongs to a name itself, as in that of an
/// interface, is written `/`, as sysctl(8) does: `net.ipv4.conf.eth0/100.rp_filter`. So each parameter has one spelling.
///
/// A part has letters, digits, `_`, `-` and such dots, and is not made of dots alone: nothing leads up.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let part = |part: &str| part.bytes().any(plain) && part.bytes().all(|b| plain(b) || b == b'/');
    name.len() <= 128 && name.strip_prefix(TREE).is_some_and(|rest| rest.split('.').all(part))
}

/// Where the parameter lies below `/proc/sys/net`; `None` for what is no name.
#[must_use]
pub fn path(name: &str) -> Option<CString> {
    let below = name.strip_prefix(TREE).filter(|_| is_name(name))?;
    let swapped = below.bytes().map(|b| match b {
        b'.' => b'/',
        b'/' => b'.',
        other => other,
    });
    CString::new(swapped.collect::<Vec<u8>>()).ok()
}

/// Whether `value` can be written to one: one line of printable ASCII.
#[must_use]
pub fn is_value(value: &str) -> bool {
    (1..=128).contains(&value.len()) && value.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}

/// Reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadSysctl {
    /// The name with dots: `net.ipv4.ip_forward`.
    pub name: String,
}

/// Setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetSysctl {
    /// The name with dots.
    pub name: String,
    /// The text that is written.
    pub value: String,
}

/// Reading everything that may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListSysctls;

/// What the policy makes of it: the parameters that it names, sorted, none twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSysctls {
    /// Their names.
    pub names: Arc<[String]>,
}

#[cfg(test)]
mod tests {
    use super::{is_name, is_value, path};

    #[test]
    fn only_plain_names_below_net() {
        assert!(is_name("net.ipv4.ip_forward") && is_name("net.ipv4.conf.eth0-1.rp_filter"));
        assert!(is_name("net.ipv4.conf.eth0/100.rp_filter") && is_name("net.ipv4.conf.a//b/.x"));
        for bad in [
            "",
            "net",
            "net.",
            "net/",
            "kernel.core_pattern",
            "net..x",
            "net/../x",
            "net/ipv4/ip_forward",
            "net.ipv4.",
            "net./.x",
            "net.//.x",
            "net.//",
            "net.ipv4.///.x",
            "net.ipv4.\0",
            "net.ipv4.ip_forward\0",
            "net.ipv4.ip_forward\n",
            "net.x y",
            "net.x\\y",
            "net.\u{e4}",
            "Net.x",
            ".net.x",
            "/net.x",
        ] {
            assert!(!is_name(bad), "{bad:?}");
            assert_eq!(path(bad), None, "{bad:?}");
        }
        assert!(
            is_name(&format!("net.{}", "a".repeat(124))) && !is_name(&format!("net.{}", "a".repeat(125)))
        );
    }

    #[test]
    fn a_name_is_a_path_with_dots_and_slashes_exchanged() {
        assert_eq!(path("net.ipv4.ip_forward").unwrap().as_bytes(), b"ipv4/ip_forward");
        let of_an_interface = path("net.ipv4.conf.eth0/100.rp_filter").unwrap();
        assert_eq!(of_an_interface.as_bytes(), b"ipv4/conf/eth0.100/rp_filter");
    }

    /// Every name of a few characters out of those that matter: its path stays below and leads back to one name only.
    #[test]
    fn no_name_leads_out_and_no_two_to_one_place() {
        let mut seen = std::collections::BTreeSet::new();
        let mut names = 0;
        let alphabet = b"./a-";
        for n in 0..4_usize.pow(7) {
            let rest: String = (0..7)
                .map(|digit| n / 4_usize.pow(digit) % 4)
                .map(|index| char::from(alphabet[index]))
                .collect();
            let Some(path) = path(&format!("net.{rest}")) else { continue };
            let path = path.into_string().unwrap();
            assert!(!path.starts_with('/') && !path.ends_with('/'), "{rest}");
            assert!(path.split('/').all(|part| !["", ".", ".."].contains(&part)), "{rest}");
            assert!(seen.insert(path), "{rest}");
            names += 1;
        }
        assert!(names > 1000, "{names}");
    }

    #[test]
    fn a_value_is_one_line() {
        assert!(is_value("4096 131072 6291456") && is_value("0") && is_value(&"9".repeat(128)));
        for bad in ["", "1\n2", "1\t2", "1\0", "\u{e4}", &"9".repeat(129)] {
            assert!(!is_value(bad), "{bad:?}");
        }
    }
}
