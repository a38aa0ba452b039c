//! Shared by the tests of the firewall: the corpus of nftables, networks to try it in, nft, and what the kernel holds as bytes.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]
#![allow(dead_code, reason = "each test uses a part")]

pub mod corpus;
pub mod messages;
pub mod raw;

use std::io::Write;
use std::process::{Command, Stdio};

fn run(line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    assert!(Command::new(words[0]).args(&words[1..]).status().unwrap().success(), "{line}");
}

/// Runs `test` on a thread of its own in a network of its own, with the loopback device up. What it starts, and the sockets that it
/// opens, are in that network too. Nothing without root.
pub fn network<T: Send>(test: impl FnOnce() -> T + Send) -> Option<T> {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: needs a network namespace, which only root can make");
        return None;
    }
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            run("ip link set lo up");
            test()
        });
        Some(inside.join().unwrap())
    })
}

/// What nft said: its output, or its complaint.
pub type Said = Result<String, String>;

/// Gives nft arguments and something to read. Only inside [`network`].
pub fn nft_with(arguments: &[&str], input: &str) -> Said {
    let mut child = Command::new("nft")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Gives nft a script; it is carried out whole or not at all. Only inside [`network`].
pub fn nft(script: &str) -> Said {
    nft_with(&["-f", "-"], script)
}

/// Gives nft a request as JSON (`{"nftables": [...]}`). Only inside [`network`].
pub fn nft_json(request: &serde_json::Value) -> Said {
    nft_with(&["-j", "-f", "-"], &request.to_string())
}

/// What nft lists, as JSON. Only inside [`network`].
pub fn nft_list(what: &str) -> Result<serde_json::Value, String> {
    let mut arguments = vec!["-j", "list"];
    arguments.extend(what.split(' '));
    nft_with(&arguments, "").map(|said| serde_json::from_str(&said).unwrap())
}

/// What nft lists, as text. Only inside [`network`].
pub fn nft_text(what: &str) -> Said {
    let mut arguments = vec!["list"];
    arguments.extend(what.split(' '));
    nft_with(&arguments, "")
}
