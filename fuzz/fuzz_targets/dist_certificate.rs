//! Bytes in the place of a certificate: what is read of it can be a name, and is not for two nodes that it does not say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::dist::certificate;
use portcullis::dist::handshake::name::NodeName;
use portcullis::limits::{CERTIFICATE_NAMES_MAX, DIST_NAME_MAX};

fuzz_target!(|data: &[u8]| {
    let Ok(certificate) = certificate::read(data) else { return };
    assert!(certificate.names.len() <= CERTIFICATE_NAMES_MAX);
    for name in &certificate.names {
        assert!(!name.is_empty() && name.len() <= DIST_NAME_MAX && name.bytes().all(|b| b.is_ascii_graphic()));
        // What is said to be in it is in it, byte for byte.
        assert!(data.windows(name.len()).any(|window| window == name.as_bytes()));
    }
    let node = NodeName::parse(b"a@h").expect("a name");
    assert_eq!(certificate.is_for(&node), certificate.names.iter().any(|name| name == "a@h"));
    for seconds in [certificate.not_before, certificate.not_after] {
        assert_eq!(certificate::date(seconds).len(), 10);
    }
    // Nothing behind it belongs to it.
    assert!(certificate::read(&[data, b"\0"].concat()).is_err());
});
