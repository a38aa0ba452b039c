//! Each row of the seccomp tables is needed: without it, what the program is asked here kills it. And a forbidden call is
//! the end, with status 159 and a record in the kernel's audit log.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test fails by them"
)]

#[path = "support/audit.rs"]
mod audit;
mod support;

use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use audit::namespaces::is_first_network;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{MsgFlags, recv, send};
use nix::unistd::Pid;
use portcullis::harden::seccomp;
use portcullis::op::Role;
use portcullis::sys::parameters::Reach;
use support::{Fixtures, Map, Port, Term, atoms, binary, fixtures, framed, int, map, request, tuple_of};

/// Rows that nothing on this machine needs, with the reason why they stand.
const ELSEWHERE: &[(&str, &str)] =
    &[("SYS_clock_gettime", "the vDSO answers, unless the clock source is one that it cannot read")];

/// The allocator grows large blocks by it. Role `net` shows that; what role `proc` is asked here is long only on a host with many processes.
const SHOWN_BY_NET: &str = "SYS_mremap";

fn is_elsewhere(role: Role, row: &str) -> bool {
    role == Role::Proc && row == SHOWN_BY_NET || ELSEWHERE.iter().any(|(name, _)| *name == row)
}

fn weakened() -> Option<Fixtures> {
    let f = fixtures()?;
    if f.directory.join("weak").is_dir() {
        return Some(f);
    }
    eprintln!("skipped: needs the builds of the attack suite; run sh scripts/test-all.sh");
    None
}

#[test]
fn without_any_of_its_rows_a_role_cannot_do_its_work() {
    let Some(f) = weakened() else { return };
    for (role, parameters) in seccomp::TABLES.iter().copied() {
        assert_eq!(work(&f, role, parameters, None), None, "role {} dies with all of its rows", role.name());
        let mut idle = Vec::new();
        let rows = seccomp::table(role, parameters);
        for row in rows.filter(|row| !is_elsewhere(role, row.name)) {
            let ended = work(&f, role, parameters, Some(row.name));
            if ended != Some(Signal::SIGSYS) {
                idle.push(format!("{} ({})", row.name, row.reason));
            }
        }
        assert!(idle.is_empty(), "role {} does not need {}", role.name(), idle.join(", "));
        let rows = seccomp::table(role, parameters).count();
        println!("role {}, parameters: {parameters:?}: every row is needed, {rows} of them", role.name());
    }
}

/// Everything that the role does, without one row. The signal that it ended by.
fn work(f: &Fixtures, role: Role, parameters: Option<Reach>, without: Option<&str>) -> Option<Signal> {
    let log = f.policy("version = 1\n") + "/log";
    let daemon = UnixDatagram::bind(&log).unwrap();
    std::fs::set_permissions(&log, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let policy = f.policy(&format!(
        "version = 1\n[proc]\nlevel = \"full\"\nenviron = [\"PATH\"]\n[files]\n\
         read = [{{path = \"{}/logs\", max_bytes = 1000}}]\n[ping]\nallow = [\"127.0.0.1\"]\n[nft]\nread = true\n[audit]\nkernel = true\n{}",
        f.directory.display(),
        match parameters {
            None => "",
            Some(Reach::Read) => "[sysctl]\nread = [\"net.ipv4.ip_forward\"]\n",
            Some(Reach::Write) => "[sysctl]\nwrite = [{name = \"net.ipv4.ip_forward\", values = [\"1\"]}]\n",
        }
    ));
    let program = f.directory.join(format!("weak/portcullis-{}", role.name()));
    let mut words = vec![program.to_str().unwrap(), "port", "--role", role.name()];
    words.extend(without.iter().flat_map(|row| ["--without-row", row]));
    let mut port = Port::start(in_silence(&f.command(&["--policy", &policy, "--log", &log], &words)));
    let _ = port.receive();
    let pid = Pid::from_raw(i32::try_from(port.pid()).unwrap());
    match role {
        Role::Proc => proc_work(f, &mut port),
        Role::Net => net_work(&mut port),
    }
    interrupted(f, &mut port, pid, role);
    restarted_log(&mut port, daemon);
    unread(&mut port);
    let ended = port.end();
    ended.signal().map(|n| Signal::try_from(n).unwrap())
}

/// The command in a network namespace in which no echo request is answered.
fn in_silence(command: &Command) -> Command {
    let mut c = Command::new("unshare");
    let quiet = "ip link set lo up && echo 1 >/proc/sys/net/ipv4/icmp_echo_ignore_all && exec \"$@\"";
    c.args(["--net", "sh", "-c", quiet, "sh"]).arg(command.get_program()).args(command.get_args());
    c.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").current_dir("/");
    c
}

/// Writes a request and takes one frame; both may fail, because the port is dead by then. The time is for machines that are slow: a
/// request whose time is over makes none of the calls that are to be seen.
fn ask(port: &mut Port, op: &str, args: Term) -> Option<Term> {
    ask_for(port, op, args, 60_000)
}

fn ask_for(port: &mut Port, op: &str, args: Term, milliseconds: i64) -> Option<Term> {
    port.try_write(&framed(&request(7, op, args, milliseconds)))?;
    port.receive()
}

fn proc_work(f: &Fixtures, port: &mut Port) {
    let everything = ["exe", "cwd", "root", "cmdline", "status_of_nothing"];
    for items in [&everything[..4], &["read_bytes", "limits", "groups", "environ"]] {
        ask(port, "process", map(&[("pid", int(1)), ("items", atoms(items))]));
    }
    let all = map(&[("columns", atoms(&["pid", "uid", "exe", "argv"])), ("limit", int(20))]);
    ask(port, "processes", all);
    port.receive();
    for table in ["listening", "interfaces"] {
        ask(port, "query", map(&[("table", support::atom(table))]));
        port.receive();
    }
    watched(port);
    let path = format!("{}/logs/other.log", f.directory.display());
    let opened = ask(port, "file_open", map(&[("path", binary(path.as_bytes()))]));
    if opened.is_some_and(|term| support::name(&support::elements(&term)[0]) == "ok") {
        ask(port, "file_read", map(&[("handle", int(1))]));
        ask(port, "file_close", map(&[("handle", int(1))]));
    }
}

/// Changes of interfaces, and the end of a process.
fn watched(port: &mut Port) {
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let pid = ("pid", int(i64::from(child.id())));
    for (id, topic) in [
        (4, map(&[("topic", support::atom("interfaces"))])),
        (5, map(&[("topic", support::atom("exit")), pid])),
    ] {
        // Nothing is answered to it.
        let _ = port.try_write(&framed(&request(id, "subscribe", topic, 60_000)));
    }
    let taken = ask(port, "info", map(&[]));
    child.kill().unwrap();
    child.wait().unwrap();
    if taken.is_some() {
        // Its event, and the end of the subscription.
        let _ = port.receive().and_then(|_| port.receive());
    }
}

fn net_work(port: &mut Port) {
    let address = tuple_of([127, 0, 0, 1].map(int).to_vec());
    // It is not answered here: its time is what ends it.
    ask_for(port, "ping", map(&[("address", address), ("size", int(100))]), 200);
    let name = ("name", binary(b"net.ipv4.ip_forward"));
    ask(port, "sysctl_get", map(std::slice::from_ref(&name)));
    ask(port, "sysctl_set", map(&[name, ("value", int(1))]));
    // Many commands, for which what is a large block already grows again and again: when, the text alone decides, and no reader's pace. The
    // policy grants none of them.
    let table = |n: u32| format!("{{\"add\": {{\"table\": {{\"family\": \"inet\", \"name\": \"t{n}\"}}}}}}");
    let tables: Vec<String> = (0..8000).map(table).collect();
    let text = format!("{{\"nftables\": [{}]}}", tables.join(","));
    ask(port, "nft_json", map(&[("text", binary(text.as_bytes()))]));
    // Nothing is answered to it.
    port.try_write(&framed(&request(6, "subscribe", map(&[("topic", support::atom("nft"))]), 60_000)));
    ask(port, "info", map(&[]));
}

/// A wait with a deadline, stopped and continued: the kernel restarts it by a call of its own. An open file waits to be
/// closed, an echo request for its reply.
fn interrupted(f: &Fixtures, port: &mut Port, pid: Pid, role: Role) {
    match role {
        Role::Proc => {
            let path = format!("{}/logs/other.log", f.directory.display());
            ask(port, "file_open", map(&[("path", binary(path.as_bytes()))]));
        }
        Role::Net => {
            let address = tuple_of([127, 0, 0, 1].map(int).to_vec());
            port.try_write(&framed(&request(8, "ping", map(&[("address", address)]), 60_000)));
        }
    }
    let is = |states: &[char]| support::state(port.pid()).is_none_or(|state| states.contains(&state));
    support::eventually("it waits, or is dead", || is(&['S', 'Z']));
    let _ = kill(pid, Signal::SIGSTOP);
    support::eventually("it is stopped, or dead", || is(&['T', 'Z']));
    let _ = kill(pid, Signal::SIGCONT);
    support::eventually("it goes on, or is dead", || is(&['S', 'Z']));
    if role == Role::Net {
        port.try_write(&framed(&support::encode(&tuple_of(vec![support::atom("cancel"), int(8)]))));
        port.receive();
    }
}

/// The daemon of the log ends and another takes its place.
fn restarted_log(port: &mut Port, daemon: UnixDatagram) {
    drop(daemon);
    ask(port, "file_open", map(&[("path", binary(b"/etc/shadow"))]));
    ask(port, "ping", map(&[("address", tuple_of([127, 0, 0, 2].map(int).to_vec()))]));
}

/// Many answers before one is read: the output grows by large blocks, until the port has taken all or takes no more. Then the end
/// of the input, and of the port.
fn unread(port: &mut Port) {
    let pid = port.pid();
    let many: Vec<u8> = (0..20_000).flat_map(|_| framed(&request(9, "info", map(&[]), 1000))).collect();
    let taken = Arc::new(AtomicUsize::new(0));
    let mut input = port.take_input();
    let writer = std::thread::spawn({
        let taken = Arc::clone(&taken);
        move || {
            use std::io::Write;
            // A longer write would come back when all of it is in the pipe. The end of the port ends this, too.
            for part in many.chunks(4096) {
                if input.write_all(part).is_err() {
                    break;
                }
                taken.fetch_add(part.len(), Relaxed);
            }
        }
    });
    // What is not there yet would need no memory: it takes no more when it sleeps, and nothing more goes in.
    let mut before = 0;
    support::eventually("it has taken what it takes", || {
        std::thread::sleep(Duration::from_millis(100));
        let now = taken.load(Relaxed);
        let all = writer.is_finished() || now > 0 && now == before && support::state(pid) != Some('R');
        before = now;
        all
    });
    while port.read_raw(1 << 16) > 0 {}
    writer.join().unwrap();
}

/// `AUDIT_SECCOMP`.
const SECCOMP: &str = "type 1326";

#[test]
fn a_forbidden_call_is_the_end_with_159_and_a_record_of_the_kernel() {
    let Some(f) = weakened().filter(|_| is_first_network()) else { return };
    let log = audit::listen().unwrap();
    for role in Role::ALL.iter().copied() {
        let policy = f.policy("version = 1\n[ping]\nallow = [\"127.0.0.1\"]\n");
        let program = f.directory.join(format!("weak/intruder-{}", role.name()));
        // The status as a shell, or erl_child_setup, has it.
        let status =
            format!("{} --role {} execve </dev/null 2>/dev/null; echo $?", program.display(), role.name());
        let mut child =
            f.command(&["--policy", &policy], &["sh", "-c", &status]).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        child.wait().unwrap();
        assert!(said.trim_end().ends_with("159"), "{said}");
        let name = format!("comm=\"intruder-{}\"", role.name());
        let found = audit::find(&log, &[&name, "syscall=59", "sig=31"]);
        println!("{}", found.unwrap_or_else(|| panic!("no {SECCOMP} record of {name}")));
    }
}

/// `AUDIT_GET` answers `struct audit_status`: a mask, then whether audit is enabled.
fn is_enabled(log: &OwnedFd) -> bool {
    let ask: [u32; 4] = [16, 1000 | 1 << 16, 1, 0];
    let bytes: Vec<u8> = ask.iter().flat_map(|word| word.to_ne_bytes()).collect();
    send(log.as_raw_fd(), &bytes, MsgFlags::empty()).unwrap();
    let mut buffer = [0; 8192];
    for _ in 0..200 {
        if let Ok(n) = recv(log.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            if n >= 24 && buffer[4..6] == 1000_u16.to_ne_bytes() {
                return buffer[20..24] != [0; 4];
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// A record of ours in the kernel's audit log, where the policy asks for one.
#[test]
fn records_reach_the_audit_log_of_the_kernel() {
    let Some(f) = weakened().filter(|_| is_first_network()) else { return };
    let log = audit::listen().unwrap();
    if !is_enabled(&log) {
        eprintln!(
            "skipped: the kernel's audit is off and drops what programs write; auditctl -e 1 turns it on"
        );
        return;
    }
    let policy = f.policy("version = 1\n[audit]\nsyslog = \"off\"\nkernel = true\n");
    let program = f.directory.join("weak/portcullis-proc");
    let words = [program.to_str().unwrap(), "port", "--role", "proc"];
    let mut port = Port::start(f.command(&["--policy", &policy], &words));
    let hello = port.hello();
    assert_eq!(support::names(hello.get("capabilities")), ["audit_write"]);
    ask(&mut port, "process", map(&[("pid", int(1)), ("items", atoms(&["environ"]))]));
    assert!(audit::find(&log, &["op=start", "decision=loaded"]).is_some());
    assert!(audit::find(&log, &["target=\"environ\" decision=denied"]).is_some());
    let info = Map::of(&port.ask(9, "info", map(&[])));
    assert_eq!(support::integer(info.get("lost")), 0);
}
