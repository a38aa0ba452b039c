//! What the policy judges: reading the rules, and one change to one object.
#![forbid(unsafe_code)]

/// The families of tables (nft(8)).
pub const FAMILIES: &[&str] = &["ip", "ip6", "inet", "arp", "bridge", "netdev"];

/// The verbs that a policy can grant: what is done, and to which kind of object.
pub const VERBS: &[&str] = &[
    "add_chain",
    "add_element",
    "add_rule",
    "add_set",
    "add_table",
    "del_chain",
    "del_element",
    "del_rule",
    "del_set",
    "del_table",
    "flush_chain",
    "flush_set",
    "flush_table",
    "replace_rule",
    "reset_counter",
];

/// Names that nft accepts without quotes (nft(8), lexical conventions).
#[must_use]
pub fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && name.len() <= 127 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b))
}

/// Whether a verb works on an object inside a chain.
#[must_use]
pub fn needs_chain(verb: &str) -> bool {
    verb.ends_with("_chain") || verb.ends_with("_rule")
}

/// Whether a verb works on an object inside a set.
#[must_use]
pub fn needs_set(verb: &str) -> bool {
    verb.ends_with("_set") || verb.ends_with("_element")
}

/// Reading rules, sets and chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadNft;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeNft {
    /// One of [`VERBS`].
    pub verb: String,
    /// One of [`FAMILIES`].
    pub family: String,
    /// The table.
    pub table: String,
    /// The chain or the set that is changed; nothing for a verb on the table itself.
    pub object: Option<String>,
}
