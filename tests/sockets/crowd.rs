//! Very many sockets: more than one process may have, so that others have them.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What makes this test binary one of the others: what to open, and how many.
const WHAT: &str = "PORTCULLIS_TEST_CROWD";

/// Sockets of one process; hard limits of 20,000 descriptors are met.
const EACH: usize = 10_000;

/// Sockets in the network of the thread that makes it, until it is dropped.
pub struct Crowd {
    children: Vec<(Child, BufReader<ChildStdout>)>,
    sockets: usize,
}

impl Crowd {
    /// `n` sockets of `udp`, or ends of connections of `tcp`.
    pub fn of(what: &str, n: usize) -> Self {
        let mut children = Vec::new();
        for (index, first) in (0..n).step_by(EACH).enumerate() {
            let sockets = EACH.min(n - first);
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "crowd::the_others", "--nocapture"])
                .env(WHAT, format!("{what} {sockets} 127.0.{}.1", index + 1))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut output = BufReader::new(child.stdout.take().unwrap());
            assert!(output.by_ref().lines().map_while(Result::ok).any(|line| line.ends_with("all there")));
            children.push((child, output));
        }
        Self { children, sockets: n }
    }

    /// How many there are, but for the sockets that listen.
    pub fn len(&self) -> usize {
        self.sockets
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for (child, _) in &mut self.children {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

#[test]
fn the_others() {
    let Ok(what) = std::env::var(WHAT) else { return };
    let words: Vec<&str> = what.split(' ').collect();
    let n: usize = words[1].parse().unwrap();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let (mut udp, mut tcp, mut listeners) = (Vec::new(), Vec::new(), Vec::new());
    if words[0] == "udp" {
        udp.extend((0..n).map(|_| UdpSocket::bind((words[2], 0)).unwrap()));
    } else {
        let listener = TcpListener::bind((words[2], 7001)).unwrap();
        for _ in 0..n / 2 {
            tcp.push(TcpStream::connect((words[2], 7001)).unwrap());
            tcp.push(listener.accept().unwrap().0);
        }
        listeners.push(listener);
    }
    println!("all there");
    let _ = std::io::stdin().read(&mut [0]);
}
