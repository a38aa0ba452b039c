//! What changes while a node runs: its file read again, the glass broken and whole again, and the program that root has for both. The node
//! and its starter are those of the program, the peer is played by hand, so that each message is seen.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

#[path = "support/free_port.rs"]
mod free_port;
mod support;

use std::io::BufRead;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use free_port::free_port;
use portcullis::dist::totp::Key;
use portcullis::exec::node::words::{Asked, Ticket, Told};
use portcullis::sys::handover;
use support::handshake::name;
use support::peer::Peer;

const NODE: &str = "a@127.0.0.1";
const FIRST: &str = "b@127.0.0.1";
const SECOND: &str = "c@127.0.0.1";

/// The file of a node of two peers, who may call `portcullis`, and ping only while the glass is broken.
fn file_of(port: u16, cookie: &str, code: &str) -> String {
    format!(
        r#"version = 1
[node]
name = "{NODE}"
cookie_file = "{cookie}"
listen = ["127.0.0.1:{port}"]
[allow]
nodes = ["{FIRST}", "{SECOND}"]
[default.in]
reg_send = {{ accept = ["portcullis"] }}
[break_glass]
max_s = 60
{code}
[break_glass.in]
ping = "accept"
"#
    )
}

/// The installed program as a node, in a folder of root's.
struct Running {
    child: Child,
    said: Receiver<String>,
    heard: Vec<String>,
    folder: PathBuf,
    port: u16,
    program: PathBuf,
    /// What stands at `/dev/log`.
    log: UnixDatagram,
}

impl Running {
    fn start(code: &str) -> Option<Self> {
        let f = support::fixtures()?;
        let port = free_port();
        let folder = PathBuf::from(f.policy("version = 1\n"));
        let (cookie, file) = (folder.join("cookie"), folder.join("node.toml"));
        secret(&cookie, "secret\n", &f.user);
        let code = code.replace("FOLDER", folder.to_str().unwrap());
        std::fs::write(&file, file_of(port, cookie.to_str().unwrap(), &code)).unwrap();
        secret(&folder.join("code"), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n", &f.user);
        let program = f.program("ok");
        Some(Self::over(&f, program, folder, port))
    }

    fn over(f: &support::Fixtures, program: PathBuf, folder: PathBuf, port: u16) -> Self {
        let file = folder.join("node.toml");
        let path = folder.join("log");
        let _ = std::fs::remove_file(&path);
        let log = UnixDatagram::bind(&path).unwrap();
        log.set_read_timeout(Some(support::PATIENCE)).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
        let mut command = f.command(
            &["--log", path.to_str().unwrap()],
            &[program.to_str().unwrap(), "node", "--config", file.to_str().unwrap()],
        );
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = std::io::BufReader::new(child.stderr.take().unwrap());
        let (say, said) = channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| say.send(line)));
        let mut running = Self { child, said, heard: Vec::new(), folder, port, program, log };
        running.hears("portcullis node: listens");
        running
    }

    /// It ends, and is started anew.
    fn restart(&mut self) {
        self.kill();
        let f = support::fixtures().unwrap();
        *self = Self::over(&f, self.program.clone(), self.folder.clone(), self.port);
    }

    fn kill(&mut self) {
        let starter = i32::try_from(served(self.child.id())).unwrap();
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(starter), nix::sys::signal::SIGKILL);
        let _ = self.child.wait();
    }

    fn file(&self) -> PathBuf {
        self.folder.join("node.toml")
    }

    /// Waits for a line in which that stands.
    fn hears(&mut self, text: &str) -> String {
        let until = Instant::now() + support::PATIENCE;
        loop {
            match self.said.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.heard.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(_) => panic!("never heard {text:?} in {:#?}", self.heard),
            }
        }
    }

    /// The next record.
    fn record(&self) -> String {
        let mut bytes = [0; 2048];
        let length = self.log.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    /// The file becomes another one, and is read again.
    fn becomes(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.file()).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(self.file(), text.replace(from, to)).unwrap();
        self.hang_up();
    }

    fn hang_up(&self) {
        let starter = i32::try_from(served(self.child.id())).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(starter), nix::sys::signal::SIGHUP).unwrap();
    }

    /// What root types.
    fn root(&self, words: &[&str]) -> (bool, String) {
        let file = self.file();
        let output = Command::new(&self.program)
            .arg("dist")
            .arg(words[0])
            .args(["--config", file.to_str().unwrap()])
            .args(&words[1..])
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Who was started anew has been ended, and waited for, before.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}

fn secret(path: &Path, text: &str, user: &str) {
    std::fs::write(path, text).unwrap();
    assert!(Command::new("chown").arg(user).arg(path).status().unwrap().success());
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o400)).unwrap();
}

/// The process behind the wrappers of the fixture.
fn served(mut pid: u32) -> u32 {
    let until = Instant::now() + support::PATIENCE;
    while Instant::now() < until {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if name.trim() == "portcullis-proc" {
            return pid;
        }
        let children =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        match children.split_ascii_whitespace().next() {
            Some(child) => pid = child.parse().unwrap(),
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    panic!("it did not start");
}

/// The starter says that the glass is broken and tells the node: the node needs a moment to hear it.
fn pings(peer: &mut Peer) {
    support::eventually("it comes through", || peer.ping() == Some(true));
}

#[test]
fn a_reload_swaps_the_rules_and_keeps_the_connections() {
    let Some(mut node) = Running::start("") else { return };
    let mut first = Peer::connect(node.port, NODE, FIRST).unwrap();
    let mut second = Peer::connect(node.port, NODE, SECOND).unwrap();
    assert_eq!((first.ping(), second.ping()), (Some(false), Some(false)));
    // What was denied is accepted, on the connection that is up.
    node.becomes("[default.in]\n", "[default.in]\nping = \"accept\"\n");
    node.hears("the file was read again");
    assert!(node.record().contains("op=node_reload"));
    assert_eq!((first.ping(), second.ping()), (Some(true), Some(true)));
    // One with mistakes changes nothing, and says where and how to find out.
    node.becomes("ping = \"accept\"\nreg_send", "ping = \"acept\"\nreg_send");
    node.hears("everything is as it was");
    node.hears("node.toml:9:8: default.in.ping cannot be \"acept\"");
    assert!(node.hears("to mend it").contains("dist check --config"));
    assert_eq!((first.ping(), second.ping()), (Some(true), Some(true)));
    // Who is not allowed any more goes at once; the other notices nothing. What only a restart changes is said.
    node.becomes("ping = \"acept\"\nreg_send", "reg_send");
    node.hears("the file was read again");
    assert_eq!(first.ping(), Some(false));
    node.becomes(
        &format!("nodes = [\"{FIRST}\", \"{SECOND}\"]"),
        &format!("nodes = [\"{SECOND}\"]\n[connections]\nnodes = 7"),
    );
    node.hears(&format!("{FIRST}: it is not allowed any more"));
    assert_eq!(first.info(), None);
    assert!(second.info().unwrap().contains("peers"));
    assert!(Peer::connect(node.port, NODE, FIRST).is_none());
    node.becomes("listen = [\"127.0.0.1:", "listen = [\"127.0.0.2:");
    node.hears("node.listen is as it was: a change of it takes a restart");
    assert!(second.info().is_some());
    // A file that others could have written is none.
    std::fs::set_permissions(node.file(), PermissionsExt::from_mode(0o666)).unwrap();
    node.hang_up();
    node.hears("others than root can write to it");
    assert!(second.info().is_some());
}

#[test]
fn a_frame_limit_that_was_raised_holds_for_the_next_message() {
    let Some(mut node) = Running::start("") else { return };
    node.becomes("[break_glass]", "[limits]\nmessage_bytes = 1024\n[break_glass]");
    node.hears("the file was read again");
    let mut first = Peer::connect(node.port, NODE, FIRST).unwrap();
    let long = |peer: &mut Peer| peer.call("portcullis", |w| w.binary(&[b'x'; 4000]));
    assert!(matches!(long(&mut first), Some(None)), "it is told, and by no answer");
    node.becomes("message_bytes = 1024", "message_bytes = 8192");
    node.hears("the file was read again");
    assert!(matches!(long(&mut first), Some(Some(_))));
}

#[test]
fn root_breaks_the_glass_and_it_is_whole_at_its_time_and_when_it_is_closed() {
    let Some(mut node) = Running::start("") else { return };
    let mut first = Peer::connect(node.port, NODE, FIRST).unwrap();
    assert_eq!(first.ping(), Some(false));
    assert!(first.info().unwrap().contains("false"));
    for (words, why) in [
        (&["break-glass", "--reason", "a\nb"][..], "one line"),
        (&["break-glass", "--reason", "x", "--for", "61"], "from 1 to 60"),
        (&["break-glass", "--reason", "x", "--for", "0"], "from 1 to 60"),
    ] {
        let (done, said) = node.root(words);
        assert!(!done && said.contains(why), "{said}");
    }
    // Closed by hand.
    let (done, said) = node.root(&["break-glass", "--reason", "disk \"full\"", "--for", "60"]);
    assert!(done && said.contains("is broken for 60 seconds"), "{said}");
    let line = node.hears("THE GLASS IS BROKEN for");
    assert!(line.contains("uid:0") && line.contains("disk \\\"full\\\""), "{line}");
    pings(&mut first);
    let info = first.info().unwrap();
    assert!(info.contains("accepted") && info.contains("left_s"), "{info}");
    // Who comes while it is broken has it too.
    assert_eq!(Peer::connect(node.port, NODE, SECOND).unwrap().ping(), Some(true));
    assert!(node.root(&["break-glass", "--close"]).0);
    node.hears("the glass is whole again");
    node.hears("messages that passed by the broken glass: 2");
    assert_eq!(first.ping(), Some(false));
    let record = node.record();
    assert!(
        record.contains(" op=break_glass target=\"disk \\x22full\\x22\" decision=granted rule=uid:0"),
        "{record}"
    );
    assert!(record.contains("portcullis-node[") && record.contains(",seconds:"), "{record}");
    let record = node.record();
    assert!(record.contains(" op=glass_whole ") && record.ends_with(",closed"), "{record}");
    // By itself, and not before.
    let began = Instant::now();
    assert!(node.root(&["break-glass", "--reason", "again", "--for", "5"]).0);
    node.hears("THE GLASS IS BROKEN");
    pings(&mut first);
    support::eventually("it is over", || first.ping() == Some(false));
    assert!(began.elapsed() >= Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(node.hears("the glass is whole again").contains("its time is over"));
    assert!(node.record().contains("op=break_glass") && node.record().ends_with(",time"));
}

#[test]
fn no_file_that_is_not_roots_and_of_this_start_of_the_host_breaks_it() {
    let Some(mut node) = Running::start("") else { return };
    let mut first = Peer::connect(node.port, NODE, FIRST).unwrap();
    let glass = node.folder.join("node.toml.break-glass");
    assert!(node.root(&["break-glass", "--reason", "x", "--for", "1"]).0);
    node.hears("THE GLASS IS BROKEN");
    node.hears("the glass is whole again");
    let text = std::fs::read_to_string(&glass).unwrap();
    let line = |key: &str| text.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    let stamp: u64 = line("opened_ms").split(' ').next_back().unwrap().parse().unwrap();
    let anew = text
        .replace(&line("opened_ms"), &format!("opened_ms = {}", stamp + 3000))
        .replace("seconds = 1", "seconds = 60");
    // Another start of the host; a time to come; a user's file; one that is none.
    std::fs::write(&glass, anew.replace(&line("boot"), "boot = \"0-0\"")).unwrap();
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(first.ping(), Some(false));
    let future = anew.replace(&format!("{}", stamp + 3000), &format!("{}", stamp + 3_600_000));
    std::fs::write(&glass, future).unwrap();
    node.hears("of a time that is still to come");
    std::fs::write(&glass, anew.replace("seconds = 60", "seconds = 86401")).unwrap();
    node.hears("seconds must be a number from 0 to 86400");
    std::fs::write(&glass, &anew).unwrap();
    std::fs::set_permissions(&glass, PermissionsExt::from_mode(0o666)).unwrap();
    node.hears("others than root can write to it");
    assert_eq!(first.ping(), Some(false));
    // The same file as root leaves it: it is the place that made the difference. The wall clock in it makes none.
    std::fs::write(&glass, anew.replace(&line("opened_unix"), "opened_unix = 1")).unwrap();
    std::fs::set_permissions(&glass, PermissionsExt::from_mode(0o644)).unwrap();
    node.hears("THE GLASS IS BROKEN");
    pings(&mut first);
}

/// The longest time is the file's, which can be read again; and a node that is started anew knows when it ends.
#[test]
fn a_shorter_longest_time_ends_it() {
    let Some(mut node) = Running::start("") else { return };
    let mut first = Peer::connect(node.port, NODE, FIRST).unwrap();
    assert!(node.root(&["break-glass", "--reason", "x"]).0);
    node.hears("THE GLASS IS BROKEN for 60");
    pings(&mut first);
    std::thread::sleep(Duration::from_millis(1100));
    node.restart();
    let line = node.hears("THE GLASS IS BROKEN for");
    let left: u64 = line.split("for ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((30..=59).contains(&left), "a restart gives nothing back: {line}");
    let mut first = Peer::connect(node.port, NODE, FIRST).unwrap();
    pings(&mut first);
    node.becomes("max_s = 60", "max_s = 1");
    node.hears("the glass is whole again");
    node.hears("messages that passed by the broken glass: 1");
    assert_eq!(first.ping(), Some(false));
}

#[test]
fn a_code_is_judged_by_the_starter_and_not_in_the_first_minute() {
    let Some(mut node) = Running::start("code_file = \"FOLDER/code\"") else { return };
    let mut first = Peer::connect(node.port, NODE, FIRST).unwrap();
    let said = first.break_glass("000000x", "why", 60);
    assert!(said.contains("bad_request") && said.contains("6 to 8 digits"), "{said}");
    assert!(first.break_glass("000000", "a\nb", 60).contains("bad_request"));
    let said = first.break_glass("000000", "why", 61);
    assert!(said.contains("for 60 seconds at most"), "{said}");
    for left in (0..5).rev() {
        let said = first.break_glass("000000", "why", 60);
        assert!(said.contains(&format!("the code is wrong; {left} more")), "{said}");
    }
    node.hears(&format!("{FIRST}: the glass stays whole: the code is wrong"));
    let record = node.record();
    assert!(
        record.contains(&format!("op=break_glass target=\"why\" decision=denied rule=code,peer:{FIRST}")),
        "{record}"
    );
    let said = first.break_glass("000000", "why", 60);
    assert!(said.contains("too many wrong codes"), "{said}");
    assert_eq!(first.ping(), Some(false));
    // The key is in the starter's memory and never in the node's, which reads the network.
    let starter = served(node.child.id());
    let children = std::fs::read_to_string(format!("/proc/{starter}/task/{starter}/children")).unwrap();
    let inner: u32 = children.split_ascii_whitespace().next().unwrap().parse().unwrap();
    let key = b"12345678901234567890";
    assert!(in_memory(starter, key), "the search finds what is there");
    assert!(!in_memory(inner, key) && !in_memory(inner, b"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"));
}

/// Whether those bytes are in what a process has written to.
fn in_memory(pid: u32, bytes: &[u8]) -> bool {
    use std::os::unix::fs::FileExt;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    maps.lines()
        .filter(|line| line.contains(" rw-p ") || line.split(' ').nth(1).unwrap().starts_with("rw"))
        .any(|line| {
            let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
            let at = |text: &str| u64::from_str_radix(text, 16).unwrap();
            let mut held = vec![0; usize::try_from(at(to) - at(from)).unwrap()];
            memory.read_exact_at(&mut held, at(from)).is_ok()
                && held.windows(bytes.len()).any(|window| window == bytes)
        })
}

#[test]
fn a_key_is_made_once_and_is_nobody_elses() {
    let Some(node) = Running::start("") else { return };
    let (done, said) = node.root(&["code-key"]);
    assert!(!done && said.contains("names no break_glass.code_file"), "{said}");
    let new = node.folder.join("new");
    node.becomes("max_s = 60", &format!("max_s = 60\ncode_file = {new:?}"));
    let (done, said) = node.root(&["code-key"]);
    let text = std::fs::read_to_string(&new).unwrap();
    assert!(
        done && said.contains(&format!("otpauth://totp/portcullis:a%40127.0.0.1?secret={}&", text.trim())),
        "{said}"
    );
    assert!(Key::parse(text.as_bytes()).is_some());
    assert_eq!(std::fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o400);
    let (done, said) = node.root(&["code-key"]);
    assert!(!done && said.contains("is there already"), "{said}");
    assert_eq!(std::fs::read_to_string(&new).unwrap(), text);
}

/// The starter as a hostile node finds it: anything is answered with a refusal, and it goes on.
#[test]
fn a_hostile_node_gets_nothing_by_talking() {
    let (mine, its) = handover::messages().unwrap();
    let none = portcullis::dist::config::Programs::default();
    let served = std::thread::spawn(move || portcullis::exec::node::starter::serve(&its, &none));
    let ticket = Ticket::new(b"123456", b"why", 60).unwrap();
    let good = Asked::Glass(ticket, name(FIRST)).write();
    let mut numbers = 0x9e37_79b9_7f4a_7c15_u64;
    let mut buffer = vec![0; 70_000];
    for n in 0..20_000_usize {
        numbers ^= numbers << 13;
        numbers ^= numbers >> 7;
        numbers ^= numbers << 17;
        let mut bytes = good.clone();
        let at = usize::try_from(numbers % bytes.len() as u64).unwrap();
        bytes[at] = u8::try_from(numbers >> 40 & 255).unwrap();
        if n % 7 == 0 {
            bytes.resize(n % 3000 + 1, 0);
        }
        handover::send(mine.as_fd(), &bytes, None).unwrap();
        let (length, socket) = handover::receive(mine.as_fd(), &mut buffer).unwrap();
        assert!(socket.is_none());
        assert!(matches!(Told::read(&buffer[..length]), Some(Told::Failed(_) | Told::Refused(_))));
    }
    drop(mine);
    served.join().unwrap().unwrap();
}

#[test]
fn the_key_of_the_test_is_that_of_the_rfc() {
    assert_eq!(*Key::new(b"12345678901234567890").unwrap().base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
}

/// The glass may be broken for a full disk, which leaves no room to write that it is whole.
#[test]
fn a_full_disk_keeps_nobody_from_closing_it() {
    let Some(node) = Running::start("") else { return };
    let script = r#"
        mount -t tmpfs -o size=16k,mode=0755 none /mnt && cd /mnt && cp "$2" node.toml && chmod 0644 node.toml
        program=$1
        glass() { "$program" dist break-glass --config /mnt/node.toml "$@" 2>&1; }
        glass --reason x && head -c 100000 /dev/zero >filler 2>/dev/null
        [ -e node.toml.break-glass ] && echo BROKEN
        glass --reason again && echo "BROKEN AGAIN"
        glass --close && echo CLOSED
        [ -e node.toml.break-glass ] || echo GONE"#;
    let run = std::process::Command::new("unshare")
        .args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            script,
            "sh",
            env!("CARGO_BIN_EXE_portcullis"),
        ])
        .arg(node.file())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    for expected in
        ["\nBROKEN\n", "where there is room: df /mnt/node.toml", "is removed", "is whole", "\nCLOSED\nGONE\n"]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!said.contains("BROKEN AGAIN"), "{said}");
}
