//! Tables of what processes have, through the installed port: against `/proc` itself.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use eetf::Term;
use support::{Fixtures, Map, Port, atom, atoms, fixtures, int, integer, map, name};

const FULL: &str = "version = 1\n[proc]\nlevel = \"full\"\n";

fn port(f: &Fixtures, installation: &str, policy: &str) -> Port {
    let mut port = f.port_with(installation, &["--policy", &f.policy(policy)], &[]);
    port.hello();
    port
}

/// The rows of a table for one process, each as a map from column to cell.
fn ask(port: &mut Port, table: &str, columns: &[&str], pid: u32) -> (Vec<BTreeMap<String, Term>>, Map) {
    let condition = map(&[("pid", int(i64::from(pid)))]);
    let args = map(&[("table", atom(table)), ("columns", atoms(columns)), ("where", condition)]);
    let (rows, meta) = port.rows_of(5, "query", args);
    let named = |row: Vec<Term>| columns.iter().map(|c| (*c).to_owned()).zip(row).collect();
    (rows.into_iter().map(named).collect(), meta)
}

fn number(row: &BTreeMap<String, Term>, column: &str) -> i128 {
    integer(&row[column])
}

fn bytes(row: &BTreeMap<String, Term>, column: &str) -> Vec<u8> {
    support::bytes(&row[column])
}

fn start_of(pid: u32) -> i128 {
    let line = fs::read(format!("/proc/{pid}/stat")).unwrap();
    let end = line.iter().rposition(|b| *b == b')').unwrap();
    let text = String::from_utf8(line[end + 2..].to_vec()).unwrap();
    text.split(' ').nth(19).unwrap().parse().unwrap()
}

#[test]
fn threads_are_those_of_the_directory_whatever_they_call_themselves() {
    let Some(f) = fixtures() else { return };
    let (stop, stopped) = mpsc::channel::<()>();
    let (named, is_named) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let task = fs::read_link("/proc/thread-self").unwrap();
        let tid: u32 = task.file_name().unwrap().to_str().unwrap().parse().unwrap();
        fs::write("/proc/thread-self/comm", b"a) R\n\xff\xfe").unwrap();
        named.send(tid).unwrap();
        let _ = stopped.recv();
    });
    let tid = is_named.recv().unwrap();
    let pid = std::process::id();
    let mut port = port(&f, "ok", "version = 1\n[proc]\nlevel = \"public\"\n");
    let (rows, meta) = ask(&mut port, "threads", &["pid", "tid", "comm", "state", "starttime"], pid);
    let odd = rows.iter().find(|row| number(row, "tid") == i128::from(tid)).unwrap();
    assert_eq!(bytes(odd, "comm"), b"a) R\n\xff\xfe");
    assert_eq!(name(&odd["state"]), "sleeping");
    assert!(number(odd, "starttime") >= start_of(pid));
    assert!(rows.iter().all(|row| number(row, "pid") == i128::from(pid)));
    let mut tids: Vec<i128> = rows.iter().map(|row| number(row, "tid")).collect();
    let all = tids.len();
    tids.dedup();
    assert_eq!((tids.len(), integer(meta.get("denied"))), (all, 0));
    assert!(tids.contains(&i128::from(pid)));
    // The number of a thread is no process, and has no rows.
    assert_eq!(ask(&mut port, "threads", &["tid"], tid).0.len(), 0);
    drop(stop);
    thread.join().unwrap();
}

#[test]
fn open_files_are_named_and_counted_without_following_them() {
    let Some(f) = fixtures() else { return };
    let directory = f.policy(FULL);
    let path = format!("{directory}/socket:[1]\n \u{fffd}");
    fs::write(&path, b"0123456789").unwrap();
    let mut file = fs::File::open(&path).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(7)).unwrap();
    let (socket, _other) = UnixStream::pair().unwrap();
    let pid = std::process::id();
    let mut port = port(&f, "full", FULL);
    let columns = ["pid", "starttime", "fd", "kind", "target", "inode", "pos", "flags", "mnt_id", "ino"];
    let (rows, meta) = ask(&mut port, "process_files", &columns, pid);
    assert_eq!(integer(meta.get("denied")), 0);
    let of = |fd: i32| rows.iter().find(|row| number(row, "fd") == i128::from(fd)).unwrap();
    let opened = of(file.as_raw_fd());
    assert_eq!((name(&opened["kind"]), bytes(opened, "target")), ("file", path.into_bytes()));
    assert_eq!(name(&opened["inode"]), "undefined");
    assert_eq!((number(opened, "pos"), number(opened, "flags") & 3), (7, 0));
    assert_eq!(number(opened, "starttime"), start_of(pid));
    assert_eq!(
        number(opened, "ino"),
        i128::from(std::os::unix::fs::MetadataExt::ino(&file.metadata().unwrap()))
    );
    let connected = of(socket.as_raw_fd());
    let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
    assert_eq!(bytes(connected, "target"), link.as_os_str().as_bytes());
    assert_eq!(name(&connected["kind"]), "socket");
    assert_eq!(link.to_str().unwrap(), format!("socket:[{}]", number(connected, "inode")));
}

#[test]
fn what_the_kernel_does_not_show_is_counted() {
    let Some(f) = fixtures() else { return };
    let pid = std::process::id();
    // Level basic has no right to the directory of root's descriptors.
    let mut basic = port(&f, "ok", "version = 1\n[proc]\nlevel = \"basic\"\n");
    let (rows, meta) = ask(&mut basic, "process_files", &["fd"], pid);
    assert_eq!((rows.len(), integer(meta.get("denied"))), (0, 1));
    let (rows, meta) = ask(&mut basic, "process_namespaces", &["net_ns"], pid);
    assert_eq!((rows.len(), integer(meta.get("denied"))), (1, 0));
    let (rows, meta) = ask(&mut basic, "threads", &["tid"], 4_194_304);
    assert_eq!((rows.len(), integer(meta.get("vanished"))), (0, 1));
    // Level public takes no capability, and these tables do.
    let mut public = port(&f, "ok", "version = 1\n[proc]\nlevel = \"public\"\n");
    public.request(6, "query", map(&[("table", atom("process_files"))]));
    let (tag, _, error) = public.answer();
    assert_eq!((tag.as_str(), name(&support::elements(&error)[0])), ("error", "denied_by_policy"));
    assert_eq!(ask(&mut public, "process_cgroups", &["path"], pid).1.keys().len(), 8);
}

#[test]
fn memory_namespaces_and_groups_are_those_of_the_files() {
    let Some(f) = fixtures() else { return };
    // One that sleeps, so that nothing changes in between.
    let mut child = Command::new("sleep").arg("60").stdout(Stdio::null()).spawn().unwrap();
    let pid = child.id();
    support::until_it_executes(pid, "sleep");
    support::until_it_sleeps(pid);
    let mut port = port(&f, "full", FULL);
    let (rows, _) = ask(&mut port, "process_memory", &["pss", "rss", "swap", "private_dirty"], pid);
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = |name: &str| -> i128 {
        let line = text.lines().find(|l| l.split(':').next() == Some(name)).unwrap();
        line.split_ascii_whitespace().nth(1).unwrap().parse::<i128>().unwrap() * 1024
    };
    for (column, field) in [("rss", "Rss"), ("swap", "Swap"), ("private_dirty", "Private_Dirty")] {
        assert_eq!(number(&rows[0], column), line(field), "{column}");
    }
    // The share changes with every other user of the C library.
    assert!(number(&rows[0], "pss") > 0 && number(&rows[0], "pss") <= line("Rss"));
    let columns = ["cgroup_ns", "ipc_ns", "mnt_ns", "net_ns", "pid_ns", "time_ns", "user_ns", "uts_ns"];
    let (rows, _) = ask(&mut port, "process_namespaces", &columns, pid);
    for column in columns {
        let link = column.trim_end_matches("_ns");
        let target = fs::read_link(format!("/proc/{pid}/ns/{link}")).unwrap();
        assert_eq!(target.to_str().unwrap(), format!("{link}:[{}]", number(&rows[0], column)));
    }
    let (rows, _) = ask(&mut port, "process_cgroups", &["hierarchy", "controllers", "path"], pid);
    let mut ours: Vec<String> = rows
        .iter()
        .map(|row| {
            let text = |column| String::from_utf8(bytes(row, column)).unwrap();
            format!("{}:{}:{}", number(row, "hierarchy"), text("controllers"), text("path"))
        })
        .collect();
    let file = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let mut theirs: Vec<String> = file.lines().map(str::to_owned).collect();
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
    child.kill().unwrap();
    child.wait().unwrap();
    // A thread of the kernel has no memory, and no row; it is neither denied nor gone. In a container there is none.
    if fs::read_to_string("/proc/2/comm").unwrap_or_default() != "kthreadd\n" {
        eprintln!("skipped: there is no thread of the kernel to ask for");
        return;
    }
    let (rows, meta) = ask(&mut port, "process_memory", &["rss"], 2);
    assert_eq!((rows.len(), integer(meta.get("denied")), integer(meta.get("vanished"))), (0, 0, 0));
}
