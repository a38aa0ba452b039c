//! Any bytes where the messages of objects should stand: what is read can be written, and is read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::netlink::attr::Buffer;
use portcullis::nft::object::replay::{Command, Snapshot};
use portcullis::nft::object::{chain, element, member, named, rule, set, table};

fuzz_target!(|data: &[u8]| {
    let Some(([kind, family], body)) = data.split_first_chunk() else { return };
    if body.len() > 8192 {
        return;
    }
    let mut buffer = Buffer::new();
    if let Some(seen) = table::decode(*family, body) {
        if table::encode(&seen.what, &mut buffer).is_ok() {
            let mut again = table::decode(*family, buffer.bytes()).expect("what was written");
            again.what.handle = seen.what.handle;
            assert_eq!(again.what, seen.what);
        }
    }
    buffer.clear();
    if let Some(seen) = chain::decode(*family, body) {
        let _ = chain::encode(&seen.what, &mut buffer);
    }
    buffer.clear();
    if let Some(seen) = named::decode(*family, body) {
        let _ = named::encode(&seen.what, &mut buffer);
    }
    let _ = rule::decode(body);
    let elements: Vec<_> = element::elements(body).map(|attr| element::decode(&attr).0).collect();
    buffer.clear();
    if let Some(seen) = set::decode(*family, body) {
        let _ = set::encode(&seen.what, 1, &mut buffer);
        for member in member::members(&seen.what, elements) {
            let expr = member::expr_of(&seen.what, &member);
            let _ = member::element_of(&seen.what, &expr);
        }
    }
    let mut snapshot = Snapshot::new(*family, b"t");
    snapshot.take(0, *family, &[6, 0, 1, 0, b't', 0, 0, 0]);
    snapshot.take(u16::from(*kind), *family, body);
    let send = |_: Command<'_>| -> Result<(), ()> { Ok(()) };
    assert!(snapshot.restore(send).is_ok());
});
