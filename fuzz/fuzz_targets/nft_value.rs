//! Whatever bytes a register is said to hold, and whatever text stands where a value should: what is written is read as the same
//! bytes, and what is read can be written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::nft::model::{Expr, Order, Part, Type};
use portcullis::nft::value::{Loopback, format, format_with, parse, parse_with};

fuzz_target!(|input: (u8, u16, bool, &[u8])| {
    let (ty, bits, network, bytes) = input;
    let Some(ty) = Type::ALL.get(usize::from(ty) % Type::ALL.len()).copied() else { return };
    let order = if network { Order::Network } else { Order::Host };
    // Bits as the bytes have them as well, or hardly any value would have the length of its type.
    for bits in [u32::from(bits), u32::try_from(bytes.len() * 8).unwrap_or(0)] {
        let part = Part { ty, bits, order };
        let _ = format(part, bytes);
        if let Some(value) = format_with(&Loopback, part, bytes) {
            let again = parse_with(&Loopback, part, &value).expect("what was written is read");
            assert_eq!(again.bytes(), bytes);
        }
        let text = Expr::Text(bytes.to_vec().into());
        let list = Expr::List(vec![text.clone(), Expr::Int(u64::from(bits))]);
        for value in [text, list] {
            if let Ok(data) = parse(part, &value) {
                assert!(data.bytes().len() <= usize::try_from(bits.div_ceil(8)).unwrap_or(0));
                assert!(bits == 0 || format_with(&Loopback, part, data.bytes()).is_some());
            }
        }
    }
});
