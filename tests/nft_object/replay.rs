//! Tables as they were, from the messages of a dump.

use std::path::{Path, PathBuf};

use portcullis::netlink::attr::find;
use portcullis::nft::object::message;
use portcullis::nft::object::replay::{Command, Snapshot, Taken};

use crate::expressions::{RULES, SETUP};
use crate::nft_support::{nft, nft_with};
use crate::world::{Kernel, listing, network};
use crate::{expressions, objects};

/// Chains that belong to the rules that jump to them.
const NESTED: &str = r#"
table ip chains {
  chain other { }
  chain top {
    type filter hook forward priority 0; policy accept;
    ip saddr 10.0.0.1 jump { tcp dport 22 goto other; ip daddr { 10.0.0.2, 10.0.0.3 } drop; }
    counter
    udp dport 53 jump { counter; accept; }
  }
}
"#;

/// All tables as they are.
fn snapshots(kernel: &Kernel) -> Vec<Snapshot> {
    let all = kernel.everything();
    let mut snapshots = Vec::new();
    for (kind, family, body) in &all {
        if *kind == message::NEW_TABLE {
            let name = find(body, 1).unwrap().text().unwrap();
            let mut snapshot = Snapshot::new(*family, name);
            for (kind, family, body) in &all {
                let taken = snapshot.take(*kind, *family, body);
                assert!(!matches!(taken, Taken::Without(_)), "{kind}: {taken:?}");
            }
            snapshots.push(snapshot);
        }
    }
    snapshots
}

fn restore(kernel: &Kernel, snapshots: &[Snapshot]) -> Result<(), String> {
    let mut messages = Vec::new();
    for snapshot in snapshots {
        let send = |command: Command<'_>| -> Result<(), ()> {
            messages.push((command.kind, command.flags, command.family, command.body.to_vec()));
            Ok(())
        };
        snapshot.restore(send).unwrap();
    }
    kernel.batch(&messages).map_err(|(errno, at, text)| {
        let (kind, flags, family, body) = &messages[at.min(messages.len() - 1)];
        format!("errno {errno} at {at}, kind {kind}, flags {flags:#x}, family {family}: {text} {body:?}")
    })
}

/// A change of everything, then all as before.
fn comes_back(kernel: &Kernel, before: &str) -> Result<(), String> {
    let snapshots = snapshots(kernel);
    assert!(snapshots.iter().all(|s| !s.is_empty() && s.bytes() > 0));
    nft("flush ruleset").unwrap();
    nft("add table inet x; add chain inet x other; add rule inet x other drop").unwrap();
    restore(kernel, &snapshots)?;
    nft("add table inet x; add chain inet x other; delete chain inet x other").unwrap();
    if !before.contains("table inet x {") {
        nft("delete table inet x").unwrap();
    }
    let after = listing();
    if after == before { Ok(()) } else { Err(format!("--- before\n{before}\n--- after\n{after}")) }
}

#[test]
fn tables_come_back_as_they_were() {
    network(|| {
        objects::load();
        nft(SETUP).unwrap();
        nft(NESTED).unwrap();
        expressions::load(RULES);
        let kernel = Kernel::open();
        comes_back(&kernel, &listing()).unwrap();
        // Twice: what was restored is as good as what was there first.
        comes_back(&kernel, &listing()).unwrap();
    });
}

#[test]
fn a_table_that_was_not_there_goes() {
    network(|| {
        nft("add table ip t; add chain ip t c; add table ip other").unwrap();
        let kernel = Kernel::open();
        for _ in 0..2 {
            restore(&kernel, &[Snapshot::new(2, b"t")]).unwrap();
            assert_eq!(listing(), "table ip other {\n}\n");
        }
    });
}

#[test]
fn what_is_of_others_is_not_taken() {
    network(|| {
        nft("add table ip t; add table ip t2; add table inet t").unwrap();
        let mut snapshot = Snapshot::new(2, b"t");
        let taken: Vec<_> =
            Kernel::open().everything().iter().map(|(k, f, b)| snapshot.take(*k, *f, b)).collect();
        assert_eq!(taken.iter().filter(|t| **t == Taken::Whole).count(), 1);
        assert_eq!(taken.iter().filter(|t| **t == Taken::Not).count(), 2);
        assert_eq!(snapshot.take(message::DEL_TABLE, 2, &[6, 0, 1, 0, b't', 0, 0, 0]), Taken::Not);
        let unknown = [6, 0, 1, 0, b't', 0, 0, 0, 4, 0, 77, 0];
        assert_eq!(snapshot.take(message::NEW_CHAIN, 2, &unknown), Taken::Without(vec![77]));
    });
}

/// The rulesets of the corpus, where it is.
fn corpus() -> Vec<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|at| at.join("shared/corpus/nft"));
    let named = std::env::var_os("NFT_CORPUS").map(PathBuf::from);
    let Some(folder) = named.into_iter().chain(beside).find(|at| at.is_dir()) else {
        eprintln!("skipped: the corpus of nftables is not here (NFT_CORPUS names its folder)");
        return Vec::new();
    };
    let files = std::fs::read_dir(folder.join("rulesets")).unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn rulesets_of_the_corpus_come_back_as_they_were() {
    let files = corpus();
    if files.is_empty() {
        return;
    }
    network(|| {
        let kernel = Kernel::open();
        let (mut loaded, mut wrong) = (0, Vec::new());
        for file in &files {
            nft("flush ruleset").unwrap();
            let text = std::fs::read_to_string(file).unwrap();
            if nft_with(&["-j", "-f", "-"], &text).is_err() {
                continue;
            }
            loaded += 1;
            if let Err(why) = comes_back(&kernel, &listing()) {
                wrong.push(format!("{}: {why}", file.display()));
            }
        }
        eprintln!("{loaded} of {} rulesets were loaded and came back", files.len());
        assert!(wrong.is_empty(), "{} of {loaded}:\n{}", wrong.len(), wrong.join("\n"));
        assert!(loaded >= 100, "{loaded}");
    });
}
