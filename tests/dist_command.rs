//! `portcullis dist` as an administrator types it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

use std::path::PathBuf;
use std::process::{Command, Output};

const FILE: &str = "version = 1
[node]
name = \"b@h\"
cookie_file = \"/c\"
listen = [\"127.0.0.1:9100\"]
[allow]
nodes = [\"a@h\"]
[default.in]
reg_send = { accept = [\"gateway\"] }
";

/// A file in a folder of its own, which other users can write to, as every folder of a user may be.
fn file(name: &str, text: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("portcullis-dist-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("node.toml");
    std::fs::write(&path, text).unwrap();
    path
}

fn dist(arguments: &[&str]) -> (i32, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_portcullis")).arg("dist").args(arguments).output().unwrap();
    (
        status.code().unwrap(),
        [String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap()].concat(),
    )
}

fn asked(path: &str, node: &str, message: &[&str]) -> (i32, String) {
    let head = ["test-filter", "--config", path, "--draft", "--node", node, "--direction", "in", "--message"];
    dist(&[&head, message].concat())
}

#[test]
fn an_answer_is_a_verdict_a_line_and_a_status() {
    let path = file("answer", FILE);
    let path = path.to_str().unwrap();
    let (status, said) = asked(path, "a@h", &["reg_send", "gateway"]);
    assert_eq!(status, 0, "{said}");
    assert!(said.starts_with("accept\n") && said.contains(&format!("line 9 of {path}\n")), "{said}");
    let (status, said) = asked(path, "a@h", &["reg_send", "rex"]);
    assert_eq!((status, said.lines().next().unwrap()), (1, "deny: default"));
    let (status, said) = asked(path, "z@h", &["link"]);
    assert_eq!((status, said.lines().next().unwrap()), (1, "deny: not_allowed"));
    let (status, said) = asked(path, "a@h", &["reg_snd", "x"]);
    assert!(status == 2 && said.contains("alias_send, demonitor"), "{said}");
}

/// Who could write the rules decides what they are worth: the file is judged as the policy is.
#[test]
fn a_file_that_others_could_write_is_not_believed() {
    let path = file("writable", FILE);
    let path = path.to_str().unwrap();
    let (status, said) = dist(&["check", "--config", path]);
    assert!(status == 1 && said.contains("can be changed by others than root"), "{said}");
    assert!(said.contains("--draft"), "{said}");
    let (status, said) = dist(&["check", "--config", path, "--draft"]);
    assert!(status == 0 && said.contains("may connect: a@h"), "{said}");
    let (status, said) = dist(&["check", "--config", "node.toml"]);
    assert!(status == 1 && said.contains("must begin with /"), "{said}");
    let (status, said) = dist(&["check", "--config", "/etc/portcullis-no-such-folder/node.toml"]);
    assert!(status == 1 && said.contains("is not there"), "{said}");
}

/// What it would not start without is told, and is no mistake of the file: a draft is often written first.
#[test]
fn what_the_file_names_and_is_not_there_is_told() {
    let more = "[programs]\nproc = \"/no/such/program\"\nnet = \"/bin/sh\"\n";
    let path = file("absent", &[FILE, more].concat());
    let (status, said) = dist(&["check", "--config", path.to_str().unwrap(), "--draft"]);
    assert_eq!(status, 0, "{said}");
    for line in ["/c (node.cookie_file)\n", "/no/such/program (programs.proc)\n"] {
        assert!(said.contains(&format!("not there, and it would not start without: {line}")), "{said}");
    }
    assert!(!said.contains("/bin/sh"), "{said}");
}

#[test]
fn mistakes_have_their_places() {
    let path = file("mistakes", &FILE.replace("accept", "acept"));
    let (status, said) = dist(&["check", "--config", path.to_str().unwrap(), "--draft"]);
    assert_eq!(status, 1);
    assert!(said.contains("node.toml:9:") && said.contains("did you mean accept?"), "{said}");
}
