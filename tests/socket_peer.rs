//! A program that a unix socket started serves only whom the policy lists, and one in a network nobody.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod support;

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use support::{Fixtures, Map, Term, fixtures, integer, name, text, tuple};

/// What the program says first to whoever holds the other end, and its exit status if it ends.
fn first(
    f: &Fixtures,
    policy: &str,
    ends: [OwnedFd; 2],
    peer: impl Read,
) -> (String, Option<Map>, Option<i32>) {
    let program = f.directory.join("ok/portcullis-proc");
    let words = [program.to_str().unwrap(), "port", "--role", "proc"];
    let [input, output] = ends.map(Stdio::from);
    let mut command = f.command(&["--policy", &f.policy(policy)], &words);
    let mut child = command.stdin(input).stdout(output).stderr(Stdio::piped()).spawn().unwrap();
    // What is held here would keep the stream open.
    drop(command);
    let mut peer = peer;
    let mut header = [0; 4];
    if peer.read_exact(&mut header).is_err() {
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        return (said, None, child.wait().unwrap().code());
    }
    let mut body = vec![0; usize::try_from(u32::from_be_bytes(header)).unwrap()];
    peer.read_exact(&mut body).unwrap();
    let term = Term::decode(&body[..]).unwrap();
    let [tag, map] = tuple(&term);
    drop(peer);
    (name(tag).to_owned(), Some(Map::of(map)), child.wait().unwrap().code())
}

fn unix(f: &Fixtures, policy: &str) -> (String, Option<Map>, Option<i32>) {
    let (mine, its) = UnixStream::pair().unwrap();
    let output = its.try_clone().unwrap();
    first(f, policy, [its.into(), output.into()], mine)
}

#[test]
fn who_is_at_the_other_end_of_a_unix_socket_must_be_listed() {
    let Some(f) = fixtures() else { return };
    // The socket is made by this process, which is not the program's user.
    let own = nix::unistd::getuid().as_raw();
    let other = own + 1;
    let (tag, _, _) = unix(&f, &format!("version = 1\n[socket]\nuids = [{other}, {own}]\n"));
    assert_eq!(tag, "hello");
    for policy in ["version = 1\n".to_owned(), format!("version = 1\n[socket]\nuids = [{other}]\n")] {
        let (tag, refused, status) = unix(&f, &policy);
        assert_eq!((tag.as_str(), status), ("refused", Some(79)), "{policy}");
        let refused = refused.unwrap();
        assert_eq!((integer(refused.get("code")), name(refused.get("reason"))), (79, "peer_not_allowed"));
        let (message, fix) = (text(refused.get("message")), text(refused.get("fix")));
        assert!(message.contains(&format!("uid {own}")), "{message}");
        assert!(fix.contains("policy.toml") && fix.contains(&format!("uids = [{own}]")), "{fix}");
    }
}

#[test]
fn one_listed_end_does_not_vouch_for_the_other() {
    let Some(f) = fixtures() else { return };
    let (input, _held) = std::io::pipe().unwrap();
    let (mine, its) = UnixStream::pair().unwrap();
    let (tag, _, status) = first(&f, "version = 1\n", [input.into(), its.into()], mine);
    assert_eq!((tag.as_str(), status), ("refused", Some(79)));
}

#[test]
fn a_socket_of_a_network_is_served_by_nobody() {
    let Some(f) = fixtures() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mine = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (its, _) = listener.accept().unwrap();
    let output = its.try_clone().unwrap();
    let policy = "version = 1\n[socket]\nuids = [0]\n";
    let (said, _, status) = first(&f, policy, [its.into(), output.into()], mine);
    assert_eq!(status, Some(64), "{said}");
    assert!(said.contains("stdio_not_pipe") && said.contains("network"), "{said}");
}
