//! The same load, standing still, by the installed program and by the usual tools: stopped processes, quiet sockets, mounts and a network
//! of their own. Whatever differs fails. What the tools only write in other words is put into ours: names of states and kinds, sizes in KiB
//! (ps), `*` for no port and no name (ss), `@` for a NUL (ss), the class `TS` (ps), pipes and sockets without their inodes in the name (lsof).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixListener;
use std::process::Command;

use serde_json::Value;

use super::inside::{FULL, Row, behind, inner_pid, namespace, number, query, serve, shown};
use super::support::{self, Port, Term, atom, atoms, fixtures, int, name};

/// Processes that are stopped as soon as they are there: ordinary, nice, of other users, with a session of its own, with open files.
const LOAD: &str = "
    for i in $(seq 20); do sleep 1000 >/dev/null 2>&1 & done
    nice -n 7 sleep 1000 >/dev/null 2>&1 &
    setpriv --reuid 65534 --regid 65534 --clear-groups sleep 1001 >/dev/null 2>&1 &
    setpriv --reuid 1 --regid 2 --groups 5,6 sleep 1002 >/dev/null 2>&1 &
    setsid sleep 1003 >/dev/null 2>&1 &
    sleep 1004 3</etc/passwd 4</proc/self 5>>/dev/full 6</ >/dev/null 2>&1 &
    sleep 1005 | sleep 1006 >/dev/null 2>&1 &
    until [ \"$(pgrep -xc sleep)\" = 27 ]; do sleep 0.01; done
    pkill -STOP -x sleep
    ";

/// What the tools are started in: all namespaces of a process.
struct Inside(String);

impl Inside {
    fn run(&self, line: &str) -> String {
        let words = ["nsenter", "--target", &self.0, "--mount", "--pid", "--net"].map(str::to_owned);
        let words: Vec<String> = words.into_iter().chain(line.split(' ').map(str::to_owned)).collect();
        let output = Command::new(&words[0]).args(&words[1..]).env("LC_ALL", "C").output().unwrap();
        // lsof(8) ends with 1 where it had nothing for one of its options.
        assert!(!output.stdout.is_empty(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, line: &str) -> Vec<Value> {
        let value: Value = serde_json::from_str(&self.run(line)).unwrap();
        value.as_array().or_else(|| value["filesystems"].as_array()).unwrap().clone()
    }
}

type Cells = Vec<String>;

/// What differs, in words.
fn differences(what: &str, ours: &BTreeSet<Cells>, theirs: &BTreeSet<Cells>) -> Vec<String> {
    let show = |whose: &str, rows: Vec<&Cells>| -> Vec<String> {
        rows.iter().map(|row| format!("{what}, only {whose}: {row:?}")).collect()
    };
    println!("{what}: {} rows of {} cells compared", theirs.len(), theirs.first().map_or(0, Vec::len));
    assert!(!theirs.is_empty(), "{what}");
    [show("ours", ours.difference(theirs).collect()), show("theirs", theirs.difference(ours).collect())]
        .concat()
}

/// Text of a cell without the marks of the kind.
fn plain(row: &Row, column: &str) -> String {
    match &row[column] {
        Term::Binary(bytes) => String::from_utf8(bytes.bytes.clone()).unwrap(),
        other => shown(other),
    }
}

fn ours(port: &mut Port, table: &str, columns: &[&str], conditions: &[(&str, Term)]) -> Vec<Row> {
    query(port, table, columns, conditions).unwrap().0
}

fn cells(rows: &[Row], columns: &[&str]) -> BTreeSet<Cells> {
    rows.iter().map(|row| columns.iter().map(|column| plain(row, column)).collect()).collect()
}

/// The lines of a tool, of so many words each and the rest.
fn lines(text: &str, words: usize) -> BTreeSet<Cells> {
    let line = |line: &str| -> Cells {
        let mut cells: Cells = line.split_whitespace().take(words - 1).map(str::to_owned).collect();
        cells.push(line.split_whitespace().skip(words - 1).collect::<Vec<_>>().join(" "));
        cells
    };
    text.lines().map(line).collect()
}

fn processes(port: &mut Port, inside: &Inside) -> Vec<String> {
    let stopped = [("state", atom("stopped"))];
    let columns = [
        "pid",
        "ppid",
        "pgrp",
        "session",
        "uid",
        "gid",
        "ruid",
        "rgid",
        "suid",
        "sgid",
        "nice",
        "num_threads",
        "vsize",
        "rss_anon",
        "state",
        "comm",
        "argv",
    ];
    let asked = [&columns[..], &["rss_file", "rss_shmem"]].concat();
    let mut rows = ours(port, "processes", &asked, &stopped);
    for row in &mut rows {
        let size = number(row, "vsize") / 1024;
        row.insert("vsize".into(), int(size.try_into().unwrap()));
        // ps adds these up; `rss` of `stat` comes from counters of each processor, and is less exact.
        let resident: i128 = ["rss_anon", "rss_file", "rss_shmem"].iter().map(|part| number(row, part)).sum();
        row.insert("rss_anon".into(), int((resident / 1024).try_into().unwrap()));
        let words: Vec<String> = support::list(&row["argv"]).iter().map(support::text).collect();
        row.insert("argv".into(), support::binary(words.join(" ").as_bytes()));
        assert_eq!(name(&row["state"]), "stopped");
        row.insert("state".into(), atom("T"));
    }
    let ps = inside.run(
        "ps -e -ww --no-headers -o pid,ppid,pgid,sid,euid,egid,ruid,rgid,suid,sgid,ni,nlwp,vsz,rss,s,comm,args",
    );
    let mut theirs = lines(&ps, columns.len());
    theirs.retain(|row| row[14] == "T");
    let mut found = differences("ps", &cells(&rows, &columns), &theirs);
    let columns = ["pid", "tid", "nice", "policy", "comm"];
    let pids = rows.iter().map(|row| int(number(row, "pid").try_into().unwrap())).collect();
    let rows = ours(port, "threads", &columns, &[("pid", support::list_of(pids))]);
    let mut theirs = lines(&inside.run("ps -e -L --no-headers -o pid,lwp,ni,cls,comm,s"), 6);
    theirs.retain(|row| row[5] == "T");
    let theirs = theirs
        .into_iter()
        .map(|mut row| {
            // SCHED_OTHER (sched(7)).
            row[3] = row[3].replace("TS", "0");
            row.truncate(5);
            row
        })
        .collect();
    found.extend(differences("ps -L", &cells(&rows, &columns), &theirs));
    found
}

/// Records of `lsof -F`: the process, then of each descriptor the fields by their letters.
fn lsof(text: &str) -> BTreeSet<Cells> {
    let (mut pid, mut fields, mut found) = (String::new(), BTreeMap::new(), BTreeSet::new());
    let mut end = |pid: &str, fields: &mut BTreeMap<char, String>| {
        let fields = std::mem::take(fields);
        let Some(fd) = fields.get(&'f').filter(|fd| fd.parse::<u32>().is_ok()) else { return };
        let (kind, name) = (fields[&'t'].as_str(), fields.get(&'n').cloned().unwrap_or_default());
        let inode = || fields.get(&'i').cloned().unwrap_or_default();
        let (kind, name) = match kind {
            "FIFO" => ("pipe", format!("pipe:[{}]", inode())),
            "unix" | "IPv4" | "IPv6" | "sock" => ("socket", format!("socket:[{}]", inode())),
            _ => ("file", name),
        };
        found.insert(vec![pid.to_owned(), fd.clone(), kind.to_owned(), name]);
    };
    for line in text.lines() {
        let (field, value) = line.split_at(1);
        match field {
            "p" => {
                end(&pid, &mut fields);
                pid = value.to_owned();
            }
            "f" => {
                end(&pid, &mut fields);
                fields.insert('f', value.to_owned());
            }
            _ => {
                fields.insert(field.chars().next().unwrap(), value.to_owned());
            }
        }
    }
    end(&pid, &mut fields);
    found
}

fn files(port: &mut Port, inside: &Inside) -> Vec<String> {
    let stopped = ours(port, "processes", &["pid"], &[("state", atom("stopped"))]);
    let pids: Vec<i64> = stopped.iter().map(|row| number(row, "pid").try_into().unwrap()).collect();
    let columns = ["pid", "fd", "kind", "target"];
    let named = pids.iter().map(|pid| int(*pid)).collect();
    let rows = ours(port, "process_files", &columns, &[("pid", support::list_of(named))]);
    let list = pids.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    let theirs = lsof(&inside.run(&format!("lsof -n -P -w -p {list} -F pftin")));
    let ours = cells(&rows, &columns);
    differences("lsof", &ours, &theirs)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "undefined".to_owned(),
        other => other.to_string(),
    }
}

fn mounts(port: &mut Port, inside: &Inside) -> Vec<String> {
    let rows = ours(port, "mounts", &[], &[]);
    let ours: BTreeSet<Cells> = rows
        .iter()
        .map(|row| {
            let of = |column| plain(row, column);
            let device = format!("{}:{}", of("major"), of("minor"));
            let (options, more) = (of("options"), of("super_options"));
            vec![
                of("mount_id"),
                of("parent_id"),
                device,
                of("root"),
                of("mount_point"),
                of("fs_type"),
                of("source"),
                options,
                more,
            ]
        })
        .collect();
    let keys =
        ["id", "parent", "maj:min", "fsroot", "target", "fstype", "source", "vfs-options", "fs-options"];
    let listed = inside.json("findmnt -J --list --nofsroot -o ID,PARENT,MAJ:MIN,FSROOT,TARGET,FSTYPE,SOURCE,VFS-OPTIONS,FS-OPTIONS");
    let theirs = listed.iter().map(|mount| keys.iter().map(|key| text(&mount[*key])).collect()).collect();
    differences("findmnt", &ours, &theirs)
}

/// Addresses as people write them.
fn address(row: &Row, column: &str) -> String {
    let Term::Tuple(parts) = &row[column] else { return plain(row, column) };
    let numbers: Vec<u16> = parts.elements.iter().map(|n| support::integer(n).try_into().unwrap()).collect();
    match numbers.len() {
        4 => std::net::IpAddr::from([0, 1, 2, 3].map(|n| u8::try_from(numbers[n]).unwrap())).to_string(),
        _ => std::net::IpAddr::from(<[u16; 8]>::try_from(numbers).unwrap()).to_string(),
    }
}

fn network(port: &mut Port, inside: &Inside) -> Vec<String> {
    let rows = ours(port, "interfaces", &["index", "name", "mtu", "operstate"], &[]);
    let theirs = inside.json("ip -j link");
    let of = |link: &Value| {
        vec![
            text(&link["ifindex"]),
            text(&link["ifname"]),
            text(&link["mtu"]),
            text(&link["operstate"]).to_lowercase(),
        ]
    };
    let mut found = differences(
        "ip link",
        &cells(&rows, &["index", "name", "mtu", "operstate"]),
        &theirs.iter().map(of).collect(),
    );
    let rows = ours(port, "addresses", &["interface", "address", "prefix_length", "scope"], &[]);
    let cells = |row: &Row| {
        vec![
            plain(row, "interface"),
            address(row, "address"),
            plain(row, "prefix_length"),
            plain(row, "scope"),
        ]
    };
    let mut theirs = BTreeSet::new();
    for link in inside.json("ip -j addr") {
        for a in link["addr_info"].as_array().unwrap() {
            theirs.insert(vec![
                text(&link["ifindex"]),
                text(&a["local"]),
                text(&a["prefixlen"]),
                text(&a["scope"]),
            ]);
        }
    }
    found.extend(differences("ip addr", &rows.iter().map(cells).collect(), &theirs));
    let rows = ours(port, "neighbours", &["address", "interface", "state"], &[("state", atom("permanent"))]);
    let cells = |row: &Row| vec![address(row, "address"), plain(row, "state")];
    let theirs = inside.json("ip -j neigh show nud permanent");
    let theirs = theirs.iter().map(|n| vec![text(&n["dst"]), text(&n["state"][0]).to_lowercase()]).collect();
    found.extend(differences("ip neigh", &rows.iter().map(cells).collect(), &theirs));
    let rows = ours(port, "routes", &[], &[("family", atom("inet")), ("table", int(254))]);
    let cells = |row: &Row| {
        vec![
            format!("{}/{}", address(row, "destination"), plain(row, "prefix_length")),
            address(row, "gateway"),
            plain(row, "protocol"),
        ]
    };
    let theirs = inside.json("ip -j -d -4 route show table main");
    let theirs =
        theirs.iter().map(|r| vec![text(&r["dst"]), text(&r["gateway"]), text(&r["protocol"])]).collect();
    found.extend(differences("ip route", &rows.iter().map(cells).collect(), &theirs));
    found
}

/// The sockets of IP and unix by their inodes, with their ends.
fn sockets(port: &mut Port, inside: &Inside) -> Vec<String> {
    let word = |state: &str| match state {
        "ESTAB" => "established".to_owned(),
        "UNCONN" => "close".to_owned(),
        other => other.to_lowercase().replace('-', "_"),
    };
    let end = |row: &Row, side: &str| {
        let (address, port) = (address(row, &format!("{side}_address")), plain(row, &format!("{side}_port")));
        format!("{address}:{}", if port == "undefined" { "0" } else { &port })
    };
    let conditions = [("family", atoms(&["inet", "inet6"])), ("protocol", atoms(&["tcp", "udp"]))];
    let rows = ours(port, "sockets", &[], &conditions);
    let ours_ip = rows
        .iter()
        .map(|row| {
            vec![
                plain(row, "protocol"),
                plain(row, "state"),
                end(row, "local"),
                end(row, "remote"),
                plain(row, "inode"),
            ]
        })
        .collect();
    let theirs = inside
        .run("ss -H -n -t -u -a -e")
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let inode = words.iter().find_map(|word| word.strip_prefix("ino:")).unwrap_or("undefined");
            let end = |text: &str| text.replace(['[', ']'], "").replace(":*", ":0");
            vec![words[0].to_owned(), word(words[1]), end(words[4]), end(words[5]), inode.to_owned()]
        })
        .collect();
    let mut found = differences("ss", &ours_ip, &theirs);
    let rows = ours(port, "sockets", &["type", "state", "path", "inode"], &[("family", atom("unix"))]);
    let ours_unix = rows
        .iter()
        .map(|row| {
            let path = plain(row, "path").replace('\0', "@").replace("undefined", "*");
            vec![plain(row, "type"), plain(row, "state"), path, plain(row, "inode")]
        })
        .collect();
    let theirs = inside
        .run("ss -H -n -x -a")
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let kind = [("u_str", "stream"), ("u_dgr", "dgram"), ("u_seq", "seqpacket")];
            let kind = kind.iter().find(|(theirs, _)| *theirs == words[0]).unwrap().1;
            vec![kind.to_owned(), word(words[1]), words[4].to_owned(), words[5].to_owned()]
        })
        .collect();
    found.extend(differences("ss -x", &ours_unix, &theirs));
    found
}

fn furnish() {
    for line in [
        "ip link set lo up",
        "ip link add d0 type veth peer name d1",
        "ip link set d1 up",
        "ip link set d0 mtu 1400 up",
        "ip addr add 10.9.0.1/16 dev d0",
        "ip -6 addr add fd00::1/64 dev d0 nodad",
        "ip route add 10.8.0.0/16 via 10.9.0.7",
        "ip neigh add 10.9.0.7 lladdr 02:00:00:00:00:07 dev d0",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        assert!(Command::new(words[0]).args(&words[1..]).status().unwrap().success(), "{line}");
    }
}

#[test]
fn what_stands_still_is_what_the_tools_say() {
    let Some(f) = fixtures() else { return };
    for tool in ["ps", "lsof", "findmnt", "ip", "ss"] {
        if Command::new("sh")
            .args(["-c", &format!("command -v {tool}")])
            .output()
            .is_ok_and(|o| !o.status.success())
        {
            return eprintln!("skipped: needs {tool}");
        }
    }
    let test = || {
        furnish();
        let listener = TcpListener::bind("127.0.0.1:7001").unwrap();
        let client = TcpStream::connect("127.0.0.1:7001").unwrap();
        let server = listener.accept().unwrap();
        let six = TcpListener::bind("[fd00::1]:7002").unwrap();
        let udp = UdpSocket::bind("10.9.0.1:7003").unwrap();
        let path = std::env::temp_dir().join(format!("portcullis-frozen-{}", std::process::id()));
        let unix = UnixListener::bind(&path).unwrap();
        let port = namespace(LOAD, &serve(&f, "full", FULL, &[]));
        // Mounts that nobody else has, so that nobody changes them.
        let mut port = Port::start(behind(&["unshare", "--mount", "--propagation", "private"], &port));
        port.hello();
        let inside = Inside(inner_pid(&port, &f.program("full")).to_string());
        support::eventually("all are stopped", || {
            let states = inside.run("ps -e --no-headers -o s,comm");
            states.lines().filter(|line| line.starts_with("T ")).count() == 27
        });
        let found = [
            processes(&mut port, &inside),
            files(&mut port, &inside),
            mounts(&mut port, &inside),
            network(&mut port, &inside),
            sockets(&mut port, &inside),
        ]
        .concat();
        drop((listener, client, server, six, udp, unix));
        std::fs::remove_file(&path).unwrap();
        assert!(found.is_empty(), "{}", found.join("\n"));
    };
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            test();
        });
        inside.join().unwrap();
    });
}
