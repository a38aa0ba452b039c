//! Operations without the client: OTP nodes that have no module of ours, and raw peers, ask a node in this process by plain messages. Behind it is the
//! installed port program, as an ordinary user starts it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod calls;
#[path = "../support/node.rs"]
mod node;
mod raw;
#[path = "../support/mod.rs"]
mod support;

use std::os::fd::OwnedFd;
use std::process::Command;

use node::NODE;
use portcullis::dist::config::Config;

const PEER: &str = "b@127.0.0.1";

/// A node with this program: its port.
fn node(limits: &str, program: Option<String>) -> u16 {
    node::before(program, config(limits))
}

/// The same with this in the place of a starter.
fn node_with(limits: &str, starter: OwnedFd) -> u16 {
    node::serving(config(limits), None, starter, |_| {})
}

fn config(limits: &str) -> Config {
    node::config(&format!(
        r#"[allow]
nodes = ["{PEER}", "c@127.0.0.1"]
[limits]
{limits}
[default.in]
ping = "accept"
send = "accept"
monitor = "accept"
demonitor = "accept"
monitor_exit = "accept"
link = "accept"
unlink = "accept"
unlink_ack = "accept"
exit = "accept"
reg_send = {{ accept = ["portcullis"] }}
"#
    ))
}

/// A program for role `proc`: the installed one, started as the application's user is, as this test runs as root.
fn as_tester(f: &support::Fixtures) -> String {
    script(&f.copy_of_a_node())
}

/// A program that does this.
fn script(text: &str) -> String {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let n = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("portcullis-direct-{}-{n}", std::process::id()));
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    path.into_os_string().into_string().unwrap()
}

/// What an OTP node prints that evaluates `code`, which ends with a term. `Call` asks the node.
fn otp(port: u16, code: &str) -> String {
    let code = format!(
        "Call = fun(R) -> gen_server:call({{portcullis, '{NODE}'}}, R, 60000) end,
         io:format(\"~0p\", [begin {code} end]), halt()."
    );
    let mut command = Command::new("timeout");
    command.args(["300", "erl"]);
    let port = port.to_string();
    command.args(["-noinput", "-hidden", "-name", PEER, "-setcookie", "secret", "-start_epmd", "false"]);
    command.args(["-erl_epmd_port", &port, "-dist_listen", "false", "-eval", &code]);
    command.env("HOME", "/nonexistent");
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
