//! A node of distribution in this process. It serves until the test program ends.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::net::TcpListener;
use std::os::fd::OwnedFd;

use portcullis::dist::config::{self, Config, Programs};
use portcullis::dist::handshake::cookie::Cookie;
use portcullis::exec::node::{Setup, serve, starter};
use portcullis::exec::stream::tls::Identity;
use portcullis::sys::handover;

pub const NODE: &str = "a@127.0.0.1";
pub const COOKIE: &str = "secret";

/// What its file says besides its name, a place to listen, and the file of the cookie.
pub fn config(rest: &str) -> Config {
    let head = format!("[node]\nname = \"{NODE}\"\ncookie_file = \"/nowhere\"\nlisten = [\"127.0.0.1:1\"]");
    config::parse(format!("version = 1\n{head}\n{rest}").as_bytes()).unwrap()
}

/// The port of a node whose copies of the program come from `starter`.
pub fn serving(config: Config, tls: Option<Identity>, starter: OwnedFd, report: fn(&str)) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let cookie = Cookie::parse(COOKIE.as_bytes()).unwrap();
    let setup = Setup { config, creation: 77, cookie, listeners: vec![listener], tls, starter, report };
    std::thread::spawn(move || serve(setup));
    port
}

/// One without programs, whom nobody answers that is asked for a copy.
pub fn alone(config: Config, tls: Option<Identity>, report: fn(&str)) -> u16 {
    let (mine, its) = handover::messages().unwrap();
    std::mem::forget(its);
    serving(config, tls, mine, report)
}

/// One with this program for role `proc`.
pub fn before(program: Option<String>, config: Config) -> u16 {
    let (mine, its) = handover::messages().unwrap();
    let programs = Programs { proc: program, net: None };
    std::thread::spawn(move || starter::serve(&its, &programs));
    serving(config, None, mine, |_| {})
}
