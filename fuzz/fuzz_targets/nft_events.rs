//! Any bytes where the kernel's events should stand: they are gathered and written, whatever they are; what is written is a term
//! that this program itself would accept, and no transaction is longer than it may be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::limits::{NFT_EVENT_BYTES_MAX, NFT_EVENT_TERM_MAX};
use portcullis::netlink::message::Messages;
use portcullis::nft::events::gather::Gather;
use portcullis::nft::events::show;
use portcullis::nft::model::Set;
use portcullis::nft::object::set;
use portcullis::wire::scan::{Bounds, validate};
use portcullis::wire::write::Writer;

fuzz_target!(|data: &[u8]| {
    let mut gather = Gather::since(1);
    // What a look-up finds is any set of the same bytes.
    let headers: Vec<Set> =
        Messages::new(data).filter_map(|m| Some(set::decode(m.family, m.body)?.what)).take(8).collect();
    for message in Messages::new(data).take(4096) {
        let Some(transaction) = gather.take(&message) else { continue };
        let bytes: usize = transaction.changes.iter().map(|change| change.body.len()).sum();
        assert!(bytes <= NFT_EVENT_BYTES_MAX || transaction.maker.is_none());
        let mut w = Writer::new();
        let mut find = |_: &_, name: &[u8]| headers.iter().find(|set| *set.name == *name).cloned();
        show::write(&transaction, &mut find, &mut w);
        assert!(w.len() < NFT_EVENT_TERM_MAX + 1024);
        let body = [&[131], w.bytes()].concat();
        let bounds = Bounds { terms: usize::MAX, ..Bounds::NET };
        assert!(validate(&body, &bounds).is_ok());
        gather.lost();
    }
});
