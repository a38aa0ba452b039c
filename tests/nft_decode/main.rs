//! What the kernel holds, as statements, against what nft lists.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

#[path = "../nft_support/mod.rs"]
mod nft_support;

mod again;
mod corpus;
mod hostile;
mod inside;
mod json;
mod kept;
mod sets;
mod speed;

use nft_support::{network, nft, nft_list, raw};

#[test]
fn the_support_sees_what_nft_made() {
    network(|| {
        nft("add table ip t\nadd chain ip t c\nadd rule ip t c tcp dport { 22, 80 } accept").unwrap();
        let netlink = raw::Netlink::open();
        let rules = netlink.rules(raw::family("ip"), "t");
        assert_eq!(rules.len(), 1);
        assert_eq!(rules[0].0, "c");
        let names: Vec<String> = raw::expressions(&rules[0].1).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["meta", "cmp", "payload", "lookup", "immediate"]);
        let sets = netlink.sets(raw::family("ip"), "t");
        assert_eq!(sets.len(), 1);
        assert_eq!(netlink.elements(raw::family("ip"), "t", &sets[0].0).len(), 2);
        assert_eq!(nft_list("chain ip t c").unwrap()["nftables"].as_array().unwrap().len(), 3);
        assert!(nft("add rule ip t nowhere accept").is_err());
        let message = raw::Message {
            kind: raw::NEWCHAIN,
            family: 2,
            flags: raw::CREATE,
            attributes: [raw::name(1, "none"), raw::name(3, "c")].concat(),
        };
        assert_eq!(netlink.batch(&[message]), Err((2, 0)));
    });
}

#[test]
fn the_corpus_is_read() {
    let Some(files) = nft_support::corpus::rules() else { return };
    assert!(files.iter().map(|file| file.rules.len()).sum::<usize>() > 1000);
}
