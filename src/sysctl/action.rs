//! What the policy judges: reading one parameter, or setting it to one value.
#![forbid(unsafe_code)]

/// Whether `name` can be a parameter at all: dotted names below `net.`, the only part of the tree that this program ever
/// touches. Slashes would be another spelling, and dots in a row a way out.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    name.len() <= 128 && name.starts_with("net.") && name.split('.').all(plain)
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

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn only_plain_names_below_net() {
        assert!(is_name("net.ipv4.ip_forward") && is_name("net.ipv4.conf.eth0-1.rp_filter"));
        for bad in
            ["", "net", "net.", "kernel.core_pattern", "net..x", "net/../x", "net.x/y", "net.x y", "Net.x"]
        {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
