//! A gateway whose file is read again while peers are connected, and whose glass is broken: what holds from then on, who stays and who goes.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod gateway;
mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use gateway::free_port::free_port;
use gateway::waiting::PATIENCE;
use gateway::{Node, Peer, RULES, Running, Z, call, config, own, peer, start, text};
use portcullis::dist::control::answer;
use portcullis::dist::frame::Input;
use portcullis::limits::GATEWAY_CALL_MS;

const Y: &str = "y@127.0.0.1";
const NEW: &str = "new@127.0.0.1";

fn running(port: u16, more: &str, rules: &str, report: fn(&str)) -> Running {
    start(config(port, more, rules), "outer", None, report)
}

fn quiet(_: &str) {}

/// Waits until the connection is closed; what comes before is of no interest.
fn ends(peer: &mut Peer) -> bool {
    peer.socket.set_read_timeout(Some(PATIENCE)).unwrap();
    loop {
        match peer.socket.read(&mut [0; 4096]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(e) => return e.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// Whether a call is answered by `echo`, and not denied.
fn passes(peer: &mut Peer, who: &str, n: u32) -> bool {
    let word = format!("answer-{n}");
    peer.say(&call(who, who, "echo", n, |w| w.binary(word.as_bytes())));
    loop {
        match peer.frames.next().unwrap() {
            Some(Input::Frame(body)) if body.windows(6).any(|part| part == b"denied") => return false,
            Some(Input::Frame(body)) if body.windows(word.len()).any(|part| part == word.as_bytes()) => {
                return true;
            }
            Some(_) => {}
            None => match peer.socket.read(peer.frames.space()) {
                Ok(n) if n > 0 => peer.frames.filled(n),
                other => panic!("{other:?}"),
            },
        }
    }
}

/// Asks until the answer is the one that is expected: a file that was handed over holds a moment later.
fn comes_to(mut is: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if is() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

fn without_echo() -> String {
    RULES.replace("\"echo\", ", "")
}

#[test]
fn rules_hold_from_the_next_message_on_and_who_is_allowed_stays() {
    let node = Node::protected(free_port());
    let gateway = running(node.port, "", RULES, quiet);
    let (mut z, mut n) = (peer(gateway.port, Z).unwrap(), 1);
    assert!(passes(&mut z, Z, n));
    for (rules, expected) in [(without_echo(), false), (RULES.to_owned(), true), (without_echo(), false)] {
        assert_ne!(passes(&mut z, Z, n), expected);
        gateway.reread(&text(node.port, "", &rules));
        let changed = comes_to(|| {
            n += 1;
            passes(&mut z, Z, n) == expected
        });
        assert!(changed, "{expected}");
    }
}

#[test]
fn who_is_not_allowed_any_more_goes_and_nobody_else_and_who_is_allowed_now_comes_in() {
    let node = Node::protected(free_port());
    let gateway = running(node.port, "", RULES, quiet);
    let (mut z, mut y) = (peer(gateway.port, Z).unwrap(), peer(gateway.port, Y).unwrap());
    assert!(passes(&mut z, Z, 1) && passes(&mut y, Y, 1));
    assert!(peer(gateway.port, NEW).is_none());
    let only = |names: &str| text(node.port, "", RULES).replace(&format!("\"{Z}\", \"{Y}\""), names);
    let other = only(&format!("\"{Y}\", \"{NEW}\""));
    assert!(!other.contains(Z));
    gateway.reread(&other);
    assert!(ends(&mut z), "it is cut");
    assert!(passes(&mut y, Y, 2), "the other notices nothing");
    assert!(peer(gateway.port, Z).is_none(), "nor does it come in again");
    let mut new = peer(gateway.port, NEW).expect("the process that calls the node knows it too");
    assert!(passes(&mut new, NEW, 1) && passes(&mut y, Y, 3));
    gateway.reread(&text(node.port, "", RULES));
    assert!(ends(&mut new));
    let mut z = peer(gateway.port, Z).expect("it may again");
    assert!(passes(&mut z, Z, 2) && passes(&mut y, Y, 4));
    // No node at all: all of them go.
    gateway.reread(&only(""));
    assert!(ends(&mut z) && ends(&mut y));
    assert!(peer(gateway.port, Y).is_none());
}

/// What the gateway says; one test of this program writes to it.
static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[test]
fn what_is_no_file_changes_nothing_and_is_told() {
    let node = Node::protected(free_port());
    let gateway = running(node.port, "", RULES, |line| SAID.lock().unwrap().push(line.to_owned()));
    let mut z = peer(gateway.port, Z).unwrap();
    for broken in
        ["", "version = 1\n[allow]\nnodes = []", "\0", &text(node.port, "[limits]\ndepth = 0", RULES)]
    {
        SAID.lock().unwrap().clear();
        gateway.reread(broken);
        let told = || SAID.lock().unwrap().iter().any(|line| line.contains("everything is as it was"));
        assert!(comes_to(told), "{broken:?}");
        assert!(passes(&mut z, Z, 1) && peer(gateway.port, Y).is_some(), "{broken:?}");
    }
    // What the starter never says does nothing either.
    for odd in [&b"x"[..], &[2], &[3; 17], &[0; 17], &[9; 400]] {
        gateway.say(odd);
    }
    assert!(passes(&mut z, Z, 2));
}

/// The node behind takes the connection of a peer and says nothing more, so that the peer waits; meanwhile it is taken out of the list.
#[test]
fn who_waits_for_his_connection_goes_too() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap().port();
    let (asked, call) = channel();
    let (free, kept) = channel::<()>();
    let held = std::thread::spawn(move || {
        let mut sockets = Vec::new();
        for socket in listener.incoming().take(2) {
            sockets.push(socket.unwrap());
            // The first is the question who the node is.
            if let [probe] = sockets.as_mut_slice() {
                gateway::challenge(probe);
            }
        }
        asked.send(()).unwrap();
        let _ = kept.recv();
    });
    let gateway = running(place, "", RULES, quiet);
    let port = gateway.port;
    let waits = std::thread::spawn(move || peer(port, Z).is_none());
    call.recv_timeout(PATIENCE).expect("its connection is asked for");
    let told = Instant::now();
    gateway.reread(&text(place, "", RULES).replace(&format!("\"{Z}\", "), ""));
    assert!(waits.join().unwrap());
    // And not because the call of the node has had its time.
    assert!(told.elapsed() < Duration::from_millis(GATEWAY_CALL_MS), "{:?}", told.elapsed());
    free.send(()).unwrap();
    held.join().unwrap();
}

#[test]
fn a_broken_glass_lets_through_what_its_rules_say_and_is_whole_in_time() {
    let node = Node::protected(free_port());
    let glass = "[break_glass]\nmax_s = 600\nin = { default = \"accept\" }";
    let glass = format!("{glass}\n{}", without_echo());
    let gateway = running(node.port, "", &glass, quiet);
    let (mut z, mut n) = (peer(gateway.port, Z).unwrap(), 1);
    assert!(!passes(&mut z, Z, n));
    let mut asks = |peer: &mut Peer, who: &str| {
        n += 1;
        passes(peer, who, n)
    };
    gateway.break_glass(5000);
    let broken = Instant::now();
    assert!(comes_to(|| asks(&mut z, Z)), "whoever is connected");
    let mut y = peer(gateway.port, Y).unwrap();
    assert!(asks(&mut y, Y), "and who connects while it is broken");
    // Its time is over without a word of anybody.
    assert!(comes_to(|| !asks(&mut z, Z)) && !asks(&mut y, Y));
    assert!(broken.elapsed() >= Duration::from_millis(4900), "{:?}", broken.elapsed());
    gateway.break_glass(60_000);
    assert!(comes_to(|| asks(&mut z, Z)));
    gateway.break_glass(0);
    assert!(comes_to(|| !asks(&mut z, Z)), "closed");
    // No file lets it, no message does.
    gateway.reread(&text(node.port, "", &without_echo()));
    gateway.break_glass(60_000);
    std::thread::sleep(Duration::from_millis(200));
    assert!(!asks(&mut z, Z));
}

/// Bounds of messages hold for connections that are up.
#[test]
fn limits_hold_for_who_is_connected() {
    let node = Node::protected(free_port());
    let gateway = running(node.port, "", RULES, quiet);
    let (mut z, mut y) = (peer(gateway.port, Z).unwrap(), peer(gateway.port, Y).unwrap());
    gateway.reread(&text(node.port, "[limits]\nmessage_bytes = 2048", RULES));
    assert!(comes_to(|| {
        let long = answer::reg_send(&own(Z), "sink", &[&[109, 0, 0, 16, 0][..], &[7; 4096]].concat());
        z.socket.write_all(&long).is_err()
    }));
    assert!(passes(&mut y, Y, 1));
    let _ = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
}

/// The installed program, with a file of root's.
struct Installed {
    child: Child,
    said: Receiver<String>,
    heard: Vec<String>,
    file: PathBuf,
    program: PathBuf,
}

impl Installed {
    fn start(node: &Node, port: u16) -> Option<Self> {
        let f = support::fixtures()?;
        let folder = PathBuf::from(f.policy("version = 1\n"));
        let file = folder.join("gateway.toml");
        for (name, cookie) in [("outer.cookie", "outer\n"), ("inner.cookie", "inner\n")] {
            std::fs::write(folder.join(name), cookie).unwrap();
            let path = folder.join(name);
            assert!(Command::new("chown").arg(&f.user).arg(&path).status().unwrap().success());
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
        }
        let glass =
            format!("[break_glass]\nmax_s = 600\nin = {{ default = \"accept\" }}\n{}", without_echo());
        let text = text(node.port, &glass, "")
            .replacen("/nowhere", folder.join("outer.cookie").to_str().unwrap(), 1)
            .replacen("/elsewhere", folder.join("inner.cookie").to_str().unwrap(), 1)
            .replacen("127.0.0.1:1\"", &format!("127.0.0.1:{port}\""), 1);
        std::fs::write(&file, text).unwrap();
        let program = f.program("ok");
        let words = [program.to_str().unwrap(), "gateway", "--config", file.to_str().unwrap()];
        let mut child = f.command(&[], &words).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (say, said) = channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| say.send(line)));
        let mut installed = Self { child, said, heard: Vec::new(), file, program };
        installed.hears("portcullis gateway: listens");
        Some(installed)
    }

    /// Waits for a line in which that stands.
    fn hears(&mut self, text: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.said.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.heard.push(line.clone());
                    if line.contains(text) {
                        return;
                    }
                }
                Err(_) => panic!("never heard {text:?} in {:#?}", self.heard),
            }
        }
    }

    /// The first process, behind the wrappers of the fixture.
    fn first(&self) -> u32 {
        let mut pid = self.child.id();
        loop {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if name.trim() == "portcullis-proc" {
                return pid;
            }
            let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
            pid = children.split_ascii_whitespace().next().expect("it runs").parse().unwrap();
        }
    }

    /// The file becomes another one, and is read again.
    fn becomes(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.file).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&self.file, text.replace(from, to)).unwrap();
        let first = nix::unistd::Pid::from_raw(i32::try_from(self.first()).unwrap());
        nix::sys::signal::kill(first, nix::sys::signal::SIGHUP).unwrap();
    }

    fn glass(&self, words: &[&str]) {
        let mut command = Command::new(&self.program);
        command.args(["dist", "break-glass", "--config", self.file.to_str().unwrap()]);
        assert!(command.args(words).status().unwrap().success());
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let first = nix::unistd::Pid::from_raw(i32::try_from(self.first()).unwrap());
        let _ = nix::sys::signal::kill(first, nix::sys::signal::SIGKILL);
        let _ = self.child.wait();
    }
}

#[test]
fn the_installed_program_reads_roots_file_again_and_sees_the_glass_broken() {
    let (node, port) = (Node::protected(free_port()), free_port());
    let Some(mut gateway) = Installed::start(&node, port) else { return };
    let (mut z, mut y, mut n) = (peer(port, Z).unwrap(), peer(port, Y).unwrap(), 0);
    let mut asks = |peer: &mut Peer, who: &str| {
        n += 1;
        passes(peer, who, n)
    };
    assert!(!asks(&mut y, Y));
    gateway.becomes("reg_send = { accept = [", "reg_send = { accept = [\"echo\", ");
    gateway.hears("the file was read again");
    assert!(asks(&mut y, Y) && asks(&mut z, Z));
    // One with a mistake changes nothing, and it is said where it is and what shows it.
    gateway.becomes("[allow]", "[alow]");
    gateway.hears("the file was not read again, and everything is as it was");
    gateway.hears("did you mean allow?");
    gateway.hears("dist check --config");
    assert!(asks(&mut y, Y) && peer(port, Z).is_some());
    let mut z = peer(port, Z).unwrap();
    gateway.becomes("[alow]", "[allow]");
    gateway.hears("the file was read again");
    // Who is taken out goes, and what takes a restart is told.
    gateway.becomes(&format!("\"{Z}\", "), "");
    gateway.hears(&format!("{Z}: it is not allowed any more"));
    gateway.hears("the file was read again");
    assert!(ends(&mut z) && peer(port, Z).is_none() && asks(&mut y, Y));
    gateway.becomes(&format!("nodes = [\"{Y}\""), &format!("nodes = [\"{NEW}\", \"{Y}\""));
    gateway.hears("the file was read again");
    let mut new = peer(port, NEW).expect("the process that calls the node knows it");
    assert!(asks(&mut new, NEW) && asks(&mut y, Y));
    gateway.becomes(&format!("at = \"127.0.0.1:{}", node.port), "at = \"127.0.0.1:1");
    gateway.hears("protects is as it was: a change of it takes a restart");
    gateway.hears("the file was read again");
    assert!(asks(&mut y, Y));
    gateway.becomes("accept = [\"echo\", ", "accept = [");
    gateway.hears("the file was read again");
    assert!(!asks(&mut y, Y));
    gateway.glass(&["--reason", "disk full", "--for", "60"]);
    gateway.hears("THE GLASS IS BROKEN");
    assert!(comes_to(|| asks(&mut y, Y)));
    gateway.glass(&["--close"]);
    gateway.hears("messages that passed by the broken glass");
    assert!(!asks(&mut y, Y));
}
