//! A policy that is damaged is refused, or grants no more than it did. 100,000 damages of each of two policies.
//!
//! No reader can tell a damaged literal from another one (`max_bytes = 10` from `100`, one listed folder from its parent),
//! so the rule is held where every literal of the damaged text stood in the original.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

use std::collections::BTreeSet;
use std::time::Instant;

use portcullis::policy::file::understood;
use portcullis::policy::parse::parse;
use portcullis::policy::rules::Rules;
use portcullis::policy::words;

/// One entry to a line: a lost line loses an entry and joins no two.
const POLICIES: [&str; 2] = [
    include_str!("../priv/policy.toml"),
    r#"version = 1

[proc]
level = "full"
environ = ["LANG", "PATH"]
disk_usage = true

[files]
read = [
  { path = "/var/log/nginx", max_bytes = 1048576 },
  { path = "/var/lib/app/state.json", max_bytes = 4096 },
]

[ping]
allow = [
  "10.1.0.0/16",
  "2001:db8::/32",
]

[nft]
read = true
write = [
  { family = "inet", table = "fw", ops = ["add_element", "del_element"], sets = ["banned"] },
  { family = "ip", table = "nat", ops = ["add_rule"], chains = ["postrouting"] },
]
confirm = "required"

[sysctl]
read = ["net.ipv4.tcp_syncookies"]
write = [
  { name = "net.ipv4.ip_forward", values = ["0", "1"] },
]

[limits]
requests_per_s = 1000
deadline_ms = 5000

[audit]
syslog = "required"
"#,
];

/// A generator that needs nothing: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n.max(1) as u64).unwrap()
    }
}

fn damaged(text: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = text.to_vec();
    let structure = b"[]{}=,\"'#\n\r .\\\0\x80\xff_";
    for _ in 0..=random.below(3) {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len());
        match random.below(8) {
            0 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
            1 => bytes[at] = structure[random.below(structure.len())],
            2 => bytes.insert(at, structure[random.below(structure.len())]),
            3 => drop(bytes.remove(at)),
            4 => bytes.truncate(at.max(1)),
            kind => lines(&mut bytes, kind, random),
        }
    }
    bytes
}

/// A line lost, written twice, or in another place.
fn lines(bytes: &mut Vec<u8>, kind: usize, random: &mut Random) {
    let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let (from, to) = (random.below(lines.len()), random.below(lines.len()));
    let line = lines[from].clone();
    match kind {
        5 => drop(lines.remove(from)),
        6 => lines.insert(to, line),
        _ => lines.swap(from, to),
    }
    *bytes = lines.concat();
}

/// Words and numbers, wherever they stand, and whatever stands between two quotes of a line.
fn literals(text: &[u8]) -> BTreeSet<Vec<u8>> {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"_-./:".contains(b);
    let words = text.split(|b| !plain(b)).filter(|word| !word.is_empty());
    let lines = text.split(|b| *b == b'\n');
    let quoted =
        |quote: u8| lines.clone().flat_map(move |l| l.split(move |b| *b == quote).skip(1).step_by(2));
    words.chain(quoted(b'"')).chain(quoted(b'\'')).map(<[u8]>::to_vec).collect()
}

/// Whether everything that `less` grants is granted by `more`.
fn within(less: &Rules, more: &Rules) -> bool {
    less.proc.level <= more.proc.level
        && (!less.proc.disk_usage || more.proc.disk_usage)
        && less.proc.environ.iter().all(|name| more.proc.environ.contains(name))
        && less
            .files
            .iter()
            .all(|a| more.files.iter().any(|b| a.path == b.path && a.max_bytes <= b.max_bytes))
        && less.ping.iter().all(|a| more.ping.iter().any(|b| a.address == b.address && a.bits >= b.bits))
        && (!less.nft.read || more.nft.read)
        && less.nft.write.iter().all(|a| {
            more.nft.write.iter().any(|b| {
                a.family == b.family
                    && a.table == b.table
                    && (!a.all || b.all)
                    && a.objects.iter().all(|object| b.objects.contains(object))
                    && a.ops.iter().all(|op| b.ops.contains(op))
                    && a.sets.iter().all(|set| b.sets.contains(set))
                    && a.chains.iter().all(|chain| b.chains.contains(chain))
            })
        })
        && less.sysctl.write.iter().all(|a| {
            let values =
                |b: &&portcullis::policy::rules::SysctlWrite| a.values.iter().all(|v| b.values.contains(v));
            more.sysctl.write.iter().any(|b| a.name == b.name && values(&b))
        })
        && less.sysctl.read.iter().all(|(name, _)| more.sysctl.read.iter().any(|(other, _)| name == other))
}

#[test]
fn a_damaged_policy_grants_nothing_that_the_whole_one_did_not() {
    let started = Instant::now();
    let (mut refused, mut accepted, mut held) = (0, 0, 0);
    for text in POLICIES {
        // A grant in a comment is one byte away from a grant, and meant to be.
        let lines = text.lines().filter(|l| !l.starts_with('#'));
        let text: String = lines.map(|l| format!("{l}\n")).collect();
        let whole = parse(text.as_bytes()).unwrap();
        let known = literals(text.as_bytes());
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for _ in 0..100_000 {
            let bytes = damaged(text.as_bytes(), &mut random);
            let Ok(rules) = parse(&bytes) else {
                refused += 1;
                continue;
            };
            accepted += 1;
            let _ = words::describe(&understood("/p", &bytes).unwrap());
            if literals(&bytes).is_subset(&known) {
                held += 1;
                assert!(within(&rules, &whole), "{}\n{rules:?}", String::from_utf8_lossy(&bytes));
            }
        }
    }
    println!("{refused} refused, {accepted} accepted, {held} of them compared, in {:?}", started.elapsed());
    assert!(refused > 50_000 && held > 10_000);
}

/// The comparison can fail: each of these grants more than the original.
#[test]
fn what_grants_more_is_seen_to() {
    let whole = parse(POLICIES[1].as_bytes()).unwrap();
    for (from, to) in [
        ("1048576", "2097152"),
        ("/var/log/nginx", "/var/log"),
        ("10.1.0.0/16", "10.0.0.0/8"),
        ("\"LANG\", \"PATH\"", "\"LANG\", \"TOKEN\""),
        ("\"del_element\"", "\"flush_set\""),
        ("\"banned\"", "\"allowed\""),
        ("\"0\", \"1\"", "\"2\""),
        ("net.ipv4.tcp_syncookies", "net.ipv4.tcp_fastopen_key"),
    ] {
        let text = POLICIES[1].replace(from, to);
        assert_ne!(text, POLICIES[1]);
        assert!(!within(&parse(text.as_bytes()).unwrap(), &whole), "{from} -> {to}");
    }
}
