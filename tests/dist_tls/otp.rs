//! Real nodes of OTP, with `-proto_dist inet_tls`.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};

use crate::free_port::free_port;
use crate::node::{COOKIE, NODE};
use crate::support::{Authority, BAD, GOOD, identity, keys, node};
use crate::waiting::eventually;

/// What an OTP node prints that evaluates `code`, and how long it took; with this file of options, or without TLS.
fn otp(port: u16, name: &str, options: Option<&Path>, code: &str) -> String {
    let code = format!("io:format(\"~0p\", [begin {code} end]), halt().");
    let port = port.to_string();
    let mut command = Command::new("erl");
    command.args(["-noinput", "-hidden", "-name", name, "-setcookie", COOKIE, "-start_epmd", "false"]);
    command.args(["-erl_epmd_port", &port, "-dist_listen", "false", "-kernel", "logger_level", "none"]);
    if let Some(options) = options {
        command.args(["-proto_dist", "inet_tls", "-ssl_dist_optfile"]).arg(options);
    }
    let output = command.args(["-eval", &code]).env("HOME", "/nonexistent").output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

fn ping() -> String {
    format!("net_adm:ping('{NODE}')")
}

/// The file of options of a node, with something else in it.
fn changed(dir: &Path, node: &str, name: &str, change: impl Fn(String) -> String) -> PathBuf {
    let text = std::fs::read_to_string(dir.join(format!("{node}.conf"))).unwrap();
    let new = change(text.clone());
    assert_ne!(new, text, "nothing was changed");
    let path = dir.join(name);
    std::fs::write(&path, new).unwrap();
    path
}

#[test]
fn what_dist_keys_makes_connects_a_node_of_otp_over_both_versions() {
    let dir = keys("otp", &[NODE, GOOD]);
    let port = node(identity(&dir, NODE), &[GOOD], |_| {});
    let both = dir.join(format!("{GOOD}.conf"));
    let only = |version: &str| {
        let versions = format!("['{version}']");
        changed(&dir, GOOD, version, |text| text.replace("['tlsv1.3', 'tlsv1.2']", &versions))
    };
    let code = format!(
        "pong = net_adm:ping('{NODE}'),
         [{NODE:?}] = [atom_to_list(N) || N <- nodes(hidden)],
         {{ok, #{{peers := 1}}}} = gen_server:call({{portcullis, '{NODE}'}}, info),
         {{error, {{bad_request, _}}}} = gen_server:call({{portcullis, '{NODE}'}}, binary:copy(<<7>>, 3000000)),
         done"
    );
    for options in [both, only("tlsv1.2"), only("tlsv1.3")] {
        assert_eq!(otp(port, GOOD, Some(&options), &code), "done", "{}", options.display());
    }
}

/// The files are for OTP among itself too: whom it lets in there, it asks for a certificate.
#[test]
fn two_nodes_of_otp_connect_with_the_same_files_and_one_without_a_certificate_does_not() {
    let dir = keys("pair", &["x@127.0.0.1", GOOD]);
    let port = free_port();
    let place = port.to_string();
    let mut command = Command::new("erl");
    command.args(["-noinput", "-name", "x@127.0.0.1", "-setcookie", COOKIE, "-start_epmd", "false"]);
    command.args(["-erl_epmd_port", &place, "-kernel", "logger_level", "none"]);
    command.args(["-proto_dist", "inet_tls", "-ssl_dist_optfile"]).arg(dir.join("x@127.0.0.1.conf"));
    command.args(["-eval", "io:format(\"up~n\"), timer:sleep(60000), halt()."]);
    let mut server = command.env("HOME", "/nonexistent").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "up\n");
    let ping = "net_adm:ping('x@127.0.0.1')";
    let right = otp(port, GOOD, Some(&dir.join(format!("{GOOD}.conf"))), ping);
    let bare = otp(port, GOOD, Some(&bare(&dir)), ping);
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!((right.as_str(), bare.as_str()), ("pong", "pang"));
}

/// The options of one that shows no certificate where it calls.
fn bare(dir: &Path) -> PathBuf {
    changed(dir, GOOD, "bare", |text| {
        let (server, client) = text.split_once("{client,").unwrap();
        let kept: Vec<&str> = client.lines().filter(|line| !line.contains("keyfile")).collect();
        let kept = kept.join("\n").replace(&format!("{{certfile, \"{}/{GOOD}.pem\"}},", dir.display()), "");
        format!("{server}{{client,{kept}")
    })
}

/// What the node says of them; one test of this program writes to it.
static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[test]
fn who_lacks_a_part_of_it_stays_outside_and_the_node_says_which() {
    let dir = keys("refused", &[NODE, GOOD, BAD]);
    let port = node(identity(&dir, NODE), &[GOOD, BAD], |text| SAID.lock().unwrap().push(text.to_owned()));
    let own = |name: &str| {
        let (from, to) = (format!("{}/{GOOD}.", dir.display()), format!("{}/{name}.", dir.display()));
        move |text: String| text.replace(&from, &to)
    };
    let put = |name: &str, (certificate, key): (String, String)| {
        std::fs::write(dir.join(format!("{name}.pem")), certificate).unwrap();
        std::fs::write(dir.join(format!("{name}.key")), key).unwrap();
        changed(&dir, GOOD, &format!("{name}.other"), own(name))
    };
    let bare = bare(&dir);
    let stranger = Authority::new("portcullis");
    let both = [ClientAuth, ServerAuth];
    let foreign = put("foreign", stranger.sign(&[GOOD], (-1, 1), &both));
    let others = changed(&dir, GOOD, "others", own(BAD));
    for (why, name, options, expected) in [
        ("no certificate", GOOD, Some(&bare), "TLS: the peer has shown no certificate"),
        ("another authority", GOOD, Some(&foreign), "TLS: no authority of tls.authorities has signed"),
        ("another's certificate", GOOD, Some(&others), "the certificate of the node is not for the name"),
        ("no TLS", GOOD, None, "TLS: what came is no TLS"),
    ] {
        SAID.lock().unwrap().clear();
        let before = Instant::now();
        assert_eq!(otp(port, name, options.map(PathBuf::as_path), &ping()), "pang", "{why}");
        println!("{why}: {:?}", before.elapsed());
        eventually(expected, || SAID.lock().unwrap().iter().any(|line| line.contains(expected)));
        let said = SAID.lock().unwrap().join("\n");
        assert!(!said.contains("connected"), "{why}: {said}");
    }
    SAID.lock().unwrap().clear();
    let right = dir.join(format!("{GOOD}.conf"));
    assert_eq!(otp(port, GOOD, Some(&right), &ping()), "pong");
    eventually("it is said", || SAID.lock().unwrap().iter().any(|line| line.contains("connected")));
}
