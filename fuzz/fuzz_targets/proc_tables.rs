//! Parsers of the files behind the tables of processes: none panics, whatever the bytes, and no row holds what was not there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::proc::parse::{cgroup, environ, fdinfo, smaps};
use portcullis::proc::tables::files;

fuzz_target!(|bytes: &[u8]| {
    let _ = fdinfo::parse(bytes);
    let _ = smaps::rollup(bytes);
    let _ = files::inode(bytes);
    for line in cgroup::lines(bytes) {
        assert!(line.path.starts_with(b"/") && !line.path.contains(&b'\n'));
        assert!(!line.controllers.contains(&b':'));
    }
    for max in [0, 1, bytes.len() / 2, bytes.len()] {
        let (length, _) = environ::part(bytes, &[], false, max);
        assert!(length <= bytes.len());
    }
    let (mut rest, mut all) = (bytes, environ::redacted(bytes, &[]));
    while let Some((variable, length)) = environ::first(rest, &[], false) {
        assert!(length > 0 && Some(variable) == all.next());
        rest = rest.get(length..).unwrap_or_default();
    }
    assert!(all.next().is_none());
});
