//! Shared by the tests of the wire: trees, an oracle, an encoder with every form, hostile frames, vectors.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]
#![allow(dead_code, reason = "each test uses a part")]

pub mod encode;
pub mod hostile;
pub mod tree;

use std::path::{Path, PathBuf};

use portcullis::wire::scan::Bounds;

/// What a client would accept of the port.
pub const REPLY: Bounds = Bounds { bytes: portcullis::limits::REPLY_FRAME_MAX, ..Bounds::PROC };

/// The folder of the vectors.
pub fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// Whether the vectors that tests make are to be written instead of compared.
pub fn update() -> bool {
    std::env::var_os("UPDATE_VECTORS").is_some_and(|value| value == "1")
}

/// Every `.etf` of a folder by name, sorted.
pub fn read_vectors(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "etf") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            found.push((name, std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}
