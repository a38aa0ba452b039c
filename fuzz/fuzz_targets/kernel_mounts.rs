//! Any bytes are a line of `/proc/self/mountinfo`, or none; and a mount is read as it was, whatever its names are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::kernel::mounts::{Mount, parse};
use portcullis::proc::hidden;

/// As the kernel writes a name (`mangle_path` in fs/seq_file.c).
fn mangled(name: &[u8]) -> Vec<u8> {
    let mangle = |byte: &u8| match byte {
        b' ' | b'\t' | b'\n' | b'\\' | b'#' => format!("\\{byte:03o}").into_bytes(),
        byte => vec![*byte],
    };
    name.iter().flat_map(mangle).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let _ = (parse(bytes), hidden::hides_processes(bytes));
    let third = bytes.len() / 3;
    let (a, b, c) = (&bytes[..third], &bytes[third..2 * third], &bytes[2 * third..]);
    let mount = Mount {
        ids: [1, 2],
        device: [3, 4],
        root: a.to_vec(),
        mount_point: b.to_vec(),
        options: b"rw".to_vec(),
        optional_fields: b"shared:1 master:2".to_vec(),
        fs_type: c.to_vec(),
        source: b.to_vec(),
        super_options: a.to_vec(),
    };
    let [a, b, c] = [a, b, c].map(mangled);
    let between = b" rw shared:1 master:2 - ";
    let line = [b"1 2 3:4 ", &a[..], b" ", &b[..], &between[..], &c[..], b" ", &b[..], b" ", &a[..]].concat();
    assert_eq!(parse(&line), Some(mount));
});
