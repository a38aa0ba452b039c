//! Any bytes where the kernel's expressions should stand: what is read is written so that the same is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::netlink::attr::{Attrs, Buffer};
use portcullis::nft::kernel::{decode, encode};

fuzz_target!(|data: &[u8]| {
    // Padding is added to what is written: beyond this an attribute might not be able to say how long it is.
    if data.len() > 8192 {
        return;
    }
    let (mut first, mut again) = (Vec::new(), Vec::new());
    decode(Attrs::new(data), &mut first);
    let mut buffer = Buffer::new();
    encode(&first, &mut buffer);
    assert!(!buffer.overflowed());
    decode(Attrs::new(buffer.bytes()), &mut again);
    assert_eq!(first, again);
});
