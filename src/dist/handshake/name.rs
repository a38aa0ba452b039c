//! Names of nodes, as strictly as nobody has a reason to break: OTP makes an atom of whatever it is told, before it knows by whom.
#![forbid(unsafe_code)]

use crate::limits::DIST_NAME_MAX;

/// The name of a node: `alive@host`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(String);

impl NodeName {
    /// One `@`, something on both sides of it: before it letters, digits, `_` and `-` and `.`, behind it those of host names and addresses.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= DIST_NAME_MAX)?;
        let (alive, host) = text.split_once('@')?;
        let part = |part: &str, more: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        (part(alive, "_-.") && part(host, "_-.:")).then(|| Self(text.to_owned()))
    }

    /// The whole of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`: the name that EPMD knows.
    #[must_use]
    pub fn alive(&self) -> &str {
        self.0.split_once('@').map_or(&self.0, |(alive, _)| alive)
    }

    /// What stands behind it.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, host)| host)
    }
}

impl std::fmt::Display for NodeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_at_and_nothing_that_a_terminal_or_a_log_would_act_on() {
        for name in ["a@h", "app-1.x_y@host.example", "z@127.0.0.1", "z@::1"] {
            assert_eq!(NodeName::parse(name.as_bytes()).unwrap().as_str(), name);
        }
        let long = format!("{}@h", "a".repeat(254));
        for name in
            ["", "a", "@", "a@", "@h", "a@b@c", "a b@h", "a\n@h", "a@h\0", "é@h", "a'@h", "a@h/..", &long]
        {
            assert!(NodeName::parse(name.as_bytes()).is_none(), "{name:?}");
        }
        assert!(NodeName::parse(b"\xff@h").is_none());
    }
}
