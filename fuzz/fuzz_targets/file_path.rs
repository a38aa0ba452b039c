//! A path in normal form is nothing but its names, and what lies below what is a question about names. The first byte
//! chooses where the prefix ends and the path begins.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::file::path::NormalPath;

/// The names of an absolute path, by hand: a name is what stands between a slash and the next one, or the end.
fn names(path: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut names: Vec<Vec<u8>> = Vec::new();
    for byte in path {
        match (byte, names.last_mut()) {
            (b'/', _) => names.push(Vec::new()),
            (_, None) => return None,
            (byte, Some(name)) => name.push(*byte),
        }
    }
    Some(names)
}

/// Whether each name is one that a file can have, and the whole is short enough.
fn normal(path: &[u8]) -> bool {
    let dots = |name: &[u8]| name == b"." || name == b"..";
    let usual = |name: &Vec<u8>| (1..256).contains(&name.len()) && !name.contains(&0) && !dots(name);
    path.len() < 4096 && names(path).is_some_and(|names| !names.is_empty() && names.iter().all(usual))
}

fuzz_target!(|data: &[u8]| {
    let Some((cut, bytes)) = data.split_first() else { return };
    let (prefix, path) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    // The path alone, and the prefix with something behind it: most of the time the second lies below.
    for bytes in [path, bytes] {
        let Ok(parsed) = NormalPath::parse(bytes) else {
            assert!(!normal(bytes));
            continue;
        };
        assert!(normal(bytes));
        assert_eq!(parsed.bytes(), bytes);
        let joined: Vec<u8> = parsed.components().flat_map(|name| [b"/", name].concat()).collect();
        assert_eq!(joined, bytes);
        let expected = normal(prefix)
            && names(prefix).zip(names(bytes)).is_some_and(|(above, below)| below.starts_with(&above));
        assert_eq!(parsed.is_below(prefix), expected);
        assert!(parsed.is_below(bytes));
    }
});
