//! Any bytes are a file of a control group, or what tells where groups are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::kernel::cgroup::group::{Form, parse};
use portcullis::kernel::cgroup::hierarchy;

const MOUNTS: &[u8] = b"35 31 0:32 /a /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
    41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

fuzz_target!(|bytes: &[u8]| {
    for form in [Form::Word(0), Form::Word(1), Form::Key(b"a"), Form::Each(b"a"), Form::Device(b"a")] {
        let _ = parse(bytes, form, 1000);
    }
    assert!(hierarchy::names(bytes).all(|name| !name.contains(&b'/')));
    let _ = hierarchy::parse(bytes, b"4:memory:/a\n0::/a\n");
    for found in hierarchy::parse(MOUNTS, bytes) {
        assert!(found.own.starts_with(b"/") && !found.own.starts_with(b"/.."));
    }
});
