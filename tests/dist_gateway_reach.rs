//! Where the process of a gateway can connect to that calls the protected node: to that node's port, by none of the ways that a kernel has.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by them")]

#[path = "support/waiting.rs"]
mod waiting;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use nix::sys::signal::Signal;
use nix::sys::socket::{MsgFlags, SockaddrIn, connect, sendmsg, sendto};
use portcullis::harden::gateway::confine_dialer;
use portcullis::harden::landlock;
use portcullis::sys::process;

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A child that may connect to `own`, by all measures or by landlock alone, and tries to reach `other`.
fn tries(how: &str, measures: &str, own: u16, other: u16) -> ExitStatus {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([
        "--exact",
        "a_process_that_tries_to_connect",
        "--ignored",
        "--nocapture",
        "--test-threads=1",
    ]);
    child.env("REACH_HOW", how).env("REACH_MEASURES", measures);
    child.env("REACH_OWN", own.to_string()).env("REACH_OTHER", other.to_string());
    child.status().unwrap()
}

fn was_reached(listener: &TcpListener) -> bool {
    match listener.accept() {
        Ok(_) => true,
        Err(e) => {
            assert_eq!(e.kind(), ErrorKind::WouldBlock);
            false
        }
    }
}

#[test]
fn the_process_that_calls_the_protected_node_reaches_nobody_else() {
    let ((own, own_port), (other, other_port)) = (listener(), listener());
    let reach = |how, measures| tries(how, measures, own_port, other_port);
    let _ = reach("own", "all");
    assert!(was_reached(&own), "it calls its node");
    let _ = reach("connect", "all");
    assert!(!was_reached(&other));
    for how in ["sendto", "sendmsg", "mptcp"] {
        let status = reach(how, "all");
        assert!(!was_reached(&other), "{how}");
        assert_eq!(status.signal(), Some(Signal::SIGSYS as i32), "{how}");
        // Without the table of calls: what a kernel lets pass that has neither is no attack there.
        let _ = reach(how, "landlock");
        println!("{how} passes landlock: {}", was_reached(&other));
    }
}

/// A socket of that protocol.
fn socket(protocol: i32) -> std::io::Result<OwnedFd> {
    // SAFETY: it takes no pointer.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, protocol) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for this process, and told nobody else of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[test]
#[ignore = "the other test of this file starts it"]
fn a_process_that_tries_to_connect() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let port = |name: &str| variable(name).parse::<u16>().unwrap();
    let (how, own, other) = (variable("REACH_HOW"), port("REACH_OWN"), port("REACH_OTHER"));
    let there = SockaddrIn::new(127, 0, 0, 1, other);
    let landlock_only = variable("REACH_MEASURES") == "landlock";
    // One thread, as the process of the program is.
    if process::fork().unwrap().is_some() {
        let status = nix::sys::wait::wait().unwrap();
        if let nix::sys::wait::WaitStatus::Signaled(_, signal, _) = status {
            nix::sys::signal::raise(signal).unwrap();
        }
        process::exit_now(0);
    }
    if landlock_only {
        process::forbid_new_privileges().unwrap();
        landlock::connect_only(&[own]).unwrap();
    } else {
        confine_dialer(Some(&[own])).unwrap();
    }
    let plain = || socket(0).unwrap();
    let fast = MsgFlags::from_bits_retain(libc::MSG_FASTOPEN);
    let reached = match how.as_str() {
        "own" => TcpStream::connect((Ipv4Addr::LOCALHOST, own)).is_ok(),
        "connect" => TcpStream::connect((Ipv4Addr::LOCALHOST, other)).is_ok(),
        "sendto" => sendto(plain().as_raw_fd(), b"x", &there, fast).is_ok(),
        "sendmsg" => {
            let bytes = [std::io::IoSlice::new(b"x")];
            sendmsg(plain().as_raw_fd(), &bytes, &[], fast, Some(&there)).is_ok()
        }
        _ => socket(libc::IPPROTO_MPTCP).is_ok_and(|socket| connect(socket.as_raw_fd(), &there).is_ok()),
    };
    process::exit_now(u8::from(!reached));
}
