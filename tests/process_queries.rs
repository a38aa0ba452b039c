//! Tables of processes by `query`, through the installed port: the table of processes itself, limits, environments, sockets, rates. What
//! they say is compared with `/proc` and with the sockets that the test opened; what the policy does not grant is not answered.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use eetf::Term;
use support::{Fixtures, Map, Port, atom, atoms, binary, fixtures, int, integer, map, name};

const PUBLIC: &str = "version = 1\n[proc]\nlevel = \"public\"\n";
const BASIC: &str = "version = 1\n[proc]\nlevel = \"basic\"\n";
const FULL: &str = "version = 1\n[proc]\nlevel = \"full\"\nenviron = [\"A\", \"LONG\"]\n";

fn port(f: &Fixtures, installation: &str, policy: &str) -> Port {
    let mut port = f.port_with(installation, &["--policy", &f.policy(policy)], &[]);
    port.hello();
    port
}

type Row = BTreeMap<String, Term>;

/// The rows that meet these conditions.
fn ask(
    port: &mut Port,
    table: &str,
    columns: &[&str],
    conditions: &[(&str, Term)],
    more: &[(&str, Term)],
) -> (Vec<Row>, Map) {
    let mut args = vec![("table", atom(table)), ("columns", atoms(columns)), ("where", map(conditions))];
    args.extend_from_slice(more);
    let (rows, meta) = port.rows_of(5, "query", map(&args));
    let named = |row: Vec<Term>| columns.iter().map(|c| (*c).to_owned()).zip(row).collect();
    (rows.into_iter().map(named).collect(), meta)
}

/// The error of a query, as text.
fn refusal(port: &mut Port, args: &[(&str, Term)]) -> String {
    port.request(6, "query", map(args));
    let (tag, _, error) = port.answer();
    assert_eq!(tag, "error");
    error.to_string()
}

fn of(pid: u32) -> (&'static str, Term) {
    ("pid", int(i64::from(pid)))
}

struct Running(Child);

impl Running {
    fn of(command: &mut Command) -> Self {
        let running = Self(command.stdin(Stdio::null()).spawn().unwrap());
        support::until_it_executes(running.0.id(), "sleep");
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn the_table_of_processes_is_the_operation_of_that_name() {
    let Some(f) = fixtures() else { return };
    let sleeping = Running::of(Command::new("sleep").arg("60"));
    let pid = sleeping.0.id();
    let mut full = port(&f, "full", FULL);
    let conditions = map(&[of(pid)]);
    for columns in [None, Some(atoms(&["pid", "comm", "exe", "limits", "environ", "groups", "starttime"]))] {
        let mut args = vec![("where", conditions.clone())];
        args.extend(columns.map(|columns| ("columns", columns)));
        let (theirs, meta) = full.rows_of(7, "processes", map(&args));
        args.push(("table", atom("processes")));
        let (ours, also) = full.rows_of(8, "query", map(&args));
        assert_eq!((ours.len(), &ours), (1, &theirs));
        assert_eq!(meta.keys(), also.keys());
    }
    for table in ["processes", "load", "threads"] {
        let asked = [("table", atom(table)), ("interval", int(100))];
        assert!(refusal(&mut full, &asked).contains("not_sampled"), "{table}");
    }
    // As an operation, so as a table: what the policy keeps back is kept back.
    let mut public = port(&f, "ok", PUBLIC);
    for (columns, rule) in [("exe", "proc.level"), ("read_bytes", "proc.level"), ("environ", "proc.level")] {
        let asked = [("table", atom("processes")), ("columns", atoms(&["pid", columns]))];
        assert!(refusal(&mut public, &asked).contains("denied_by_policy"), "{rule}");
        let compared = [
            ("table", atom("processes")),
            ("columns", atoms(&["pid"])),
            ("where", map(&[("exe", binary(b"/bin/sh"))])),
        ];
        assert!(refusal(&mut public, &compared).contains("denied_by_policy"));
    }
    assert_eq!(ask(&mut public, "processes", &["pid", "cmdline"], &[of(pid)], &[]).0.len(), 1);
    let mut basic = port(&f, "ok", BASIC);
    let asked = [("table", atom("processes")), ("columns", atoms(&["environ"]))];
    assert!(refusal(&mut basic, &asked).contains("denied_by_policy"));
    let (rows, meta) = ask(&mut basic, "processes", &["pid", "read_bytes"], &[of(pid)], &[]);
    assert!(rows[0]["read_bytes"].to_string().contains("eacces"));
    assert_eq!(integer(meta.get("denied")), 1);
    // And it is told of among the tables, with kinds and units.
    public.request(9, "tables", map(&[]));
    let (tag, _, all) = public.answer();
    let all = support::list(&all);
    let told = all.iter().map(Map::of).find(|table| name(table.get("name")) == "processes").unwrap();
    assert_eq!(
        (tag.as_str(), name(told.get("cost")), name(told.get("sampled"))),
        ("ok", "per_process", "false")
    );
    let columns: BTreeMap<String, [String; 2]> = support::list(told.get("columns"))
        .iter()
        .map(|column| {
            let [column, kind, unit] = support::tuple(column).map(|word| name(word).to_owned());
            (column, [kind, unit])
        })
        .collect();
    let expected = [
        ("rss", "number", "bytes"),
        ("utime", "number", "ticks"),
        ("state", "atom", "none"),
        ("cmdline", "binary", "none"),
        ("environ", "compound", "none"),
    ];
    for (column, kind, unit) in expected {
        assert_eq!(columns[column], [kind, unit], "{column}");
    }
}

#[test]
fn limits_are_those_of_the_file() {
    let Some(f) = fixtures() else { return };
    let line = "ulimit -n 77; ulimit -Sc 0; ulimit -t 1234; exec sleep 60";
    let sleeping = Running::of(Command::new("sh").args(["-c", line]));
    let pid = sleeping.0.id();
    let mut port = port(&f, "ok", PUBLIC);
    let columns = ["limit", "soft", "hard"];
    let (rows, meta) = ask(&mut port, "process_limits", &columns, &[of(pid)], &[]);
    assert_eq!((rows.len(), integer(meta.get("denied"))), (16, 0));
    let shown = |cell: &Term| match cell {
        Term::Atom(word) => word.name.clone(),
        number => integer(number).to_string(),
    };
    let ours: Vec<[String; 2]> = rows.iter().map(|row| [shown(&row["soft"]), shown(&row["hard"])]).collect();
    let file = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let theirs: Vec<[String; 2]> = file
        .lines()
        .skip(1)
        .map(|line| {
            let mut words = line[26..].split_whitespace().map(str::to_owned);
            [words.next().unwrap(), words.next().unwrap()]
        })
        .collect();
    assert_eq!(ours, theirs);
    let conditions = [of(pid), ("limit", atom("open_files")), ("soft", int(77))];
    let (rows, _) = ask(&mut port, "process_limits", &columns, &conditions, &[]);
    assert_eq!((rows.len(), integer(&rows[0]["hard"])), (1, 77));
    // What has no bound is no number.
    let unlimited = [of(pid), ("soft", support::tuple_of(vec![atom("min"), int(0)]))];
    let (numbers, _) = ask(&mut port, "process_limits", &columns, &unlimited, &[]);
    assert_eq!(numbers.len(), theirs.iter().filter(|[soft, _]| soft != "unlimited").count());
}

#[test]
fn environments_show_what_the_policy_names_and_no_more() {
    let Some(f) = fixtures() else { return };
    let mut command = Command::new("sleep");
    command.arg("60").env_clear().env("A", "1=2").env("SECRET", "hunter2").env("AA", "x");
    let sleeping = Running::of(&mut command);
    let pid = sleeping.0.id();
    let mut full = port(&f, "full", FULL);
    let columns = ["name", "value"];
    let (rows, _) = ask(&mut full, "environ", &columns, &[of(pid)], &[]);
    let mut found: Vec<(String, String)> = rows
        .iter()
        .map(|row| {
            let value = match &row["value"] {
                Term::Atom(word) => format!("({})", word.name),
                value => support::text(value),
            };
            (support::text(&row["name"]), value)
        })
        .collect();
    found.sort();
    let expected = [("A", "1=2"), ("AA", "(redacted)"), ("SECRET", "(redacted)")];
    assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    // No condition can ask for what is not shown.
    let prefix = |bytes: &[u8]| support::tuple_of(vec![atom("prefix"), binary(bytes)]);
    for value in [binary(b"hunter2"), prefix(b"h"), prefix(b"")] {
        let (rows, _) = ask(&mut full, "environ", &["name"], &[of(pid), ("value", value)], &[]);
        assert!(rows.iter().all(|row| support::bytes(&row["name"]) == b"A"));
    }
    let (rows, _) = ask(&mut full, "environ", &["pid"], &[of(pid), ("value", binary(b"1=2"))], &[]);
    assert_eq!(rows.len(), 1);
    // More than is read is said, whatever is named.
    let mut command = Command::new("sleep");
    command.arg("60").env_clear();
    for n in 0..12 {
        command.env(format!("X{n}"), "y".repeat(100_000));
    }
    let long = Running::of(&mut command);
    let (rows, _) = ask(&mut full, "environ", &columns, &[of(long.0.id())], &[]);
    assert_eq!(rows.len(), 11);
    assert!(rows[10]["value"].to_string().contains("eoverflow") && name(&rows[10]["name"]) == "undefined");
    // Without a line for it there are none, not even their names.
    for (installation, policy) in
        [("full", "version = 1\n[proc]\nlevel = \"full\"\n"), ("ok", BASIC), ("ok", PUBLIC)]
    {
        let mut port = port(&f, installation, policy);
        let text = refusal(&mut port, &[("table", atom("environ")), ("columns", atoms(&["pid"]))]);
        assert!(text.contains("denied_by_policy"), "{text}");
    }
}

#[test]
fn sockets_have_their_descriptors_and_what_the_kernel_tells_of_them() {
    let Some(f) = fixtures() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    let udp = UdpSocket::bind("[::1]:0").unwrap();
    let (unix, _other) = UnixStream::pair().unwrap();
    let pid = std::process::id();
    let mut full = port(&f, "full", FULL);
    let columns = [
        "fd",
        "inode",
        "family",
        "protocol",
        "type",
        "state",
        "local_address",
        "local_port",
        "remote_address",
        "remote_port",
    ];
    let (rows, meta) = ask(&mut full, "process_sockets", &columns, &[of(pid)], &[]);
    assert_eq!(integer(meta.get("denied")), 0);
    let at = |fd: RawFd| {
        let row = rows.iter().find(|row| integer(&row["fd"]) == i128::from(fd)).unwrap();
        let link = fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
        assert_eq!(link.to_str().unwrap(), format!("socket:[{}]", integer(&row["inode"])));
        row
    };
    let words =
        |fd: RawFd| ["family", "protocol", "type", "state"].map(|column| name(&at(fd)[column]).to_owned());
    let ends = |fd: RawFd| ["local_port", "remote_port"].map(|column| integer(&at(fd)[column]));
    let (here, there) =
        (i128::from(listener.local_addr().unwrap().port()), client.local_addr().unwrap().port());
    assert_eq!(words(listener.as_raw_fd()), ["inet", "tcp", "stream", "listen"]);
    assert_eq!(ends(listener.as_raw_fd()), [here, 0]);
    assert_eq!(words(server.as_raw_fd()), ["inet", "tcp", "stream", "established"]);
    assert_eq!(ends(server.as_raw_fd()), [here, i128::from(there)]);
    assert_eq!(ends(client.as_raw_fd()), [i128::from(there), here]);
    assert_eq!(words(udp.as_raw_fd()), ["inet6", "udp", "dgram", "close"]);
    assert_eq!(words(unix.as_raw_fd()), ["unix", "undefined", "stream", "established"]);
    assert_eq!(name(&at(unix.as_raw_fd())["local_port"]), "undefined");
    // Whose is a port? Only sockets are rows, and a condition leaves out the others.
    let conditions = [("local_port", int(here.try_into().unwrap())), ("state", atom("listen"))];
    let (rows, _) = ask(&mut full, "process_sockets", &["pid", "fd"], &conditions, &[]);
    let found: Vec<[i128; 2]> = rows.iter().map(|row| ["pid", "fd"].map(|c| integer(&row[c]))).collect();
    assert_eq!(found, [[i128::from(pid), i128::from(listener.as_raw_fd())]]);
    // What belongs to another network is a socket, of which nothing is told.
    let other = Running::of(Command::new("unshare").args([
        "--net",
        "python3",
        "-c",
        "import socket, os\ns = socket.socket()\ns.bind(('', 0))\ns.listen()\nos.set_inheritable(s.fileno(), True)\nos.execvp('sleep', ['sleep', '60'])",
    ]));
    let (rows, _) = ask(&mut full, "process_sockets", &["family", "inode"], &[of(other.0.id())], &[]);
    assert_eq!(rows.iter().map(|row| name(&row["family"])).collect::<Vec<_>>(), ["undefined"]);
    // Whoever may not look into the directory of root's descriptors has no rows of them.
    let mut basic = port(&f, "ok", BASIC);
    let (rows, meta) = ask(&mut basic, "process_sockets", &["fd"], &[of(pid)], &[]);
    assert_eq!((rows.len(), integer(meta.get("denied"))), (0, 1));
    let mut public = port(&f, "ok", PUBLIC);
    assert!(refusal(&mut public, &[("table", atom("process_sockets"))]).contains("denied_by_policy"));
}

fn descriptors_of(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

#[test]
fn rates_of_processes_by_level_and_by_the_descriptors_that_the_policy_lets_be_kept() {
    let Some(f) = fixtures() else { return };
    let mut busy = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    let (pid, interval) = (busy.id(), [("interval", int(1000))]);
    for (kept, limit) in [(0, 104), (50, 154)] {
        let policy = format!("{PUBLIC}[limits]\nkept_descriptors = {kept}\n");
        let mut public = port(&f, "ok", &policy);
        let limits = fs::read_to_string(format!("/proc/{}/limits", public.pid())).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        assert_eq!(line.split_whitespace().nth(3).unwrap(), limit.to_string());
        let before = descriptors_of(public.pid());
        let (rows, meta) = ask(&mut public, "process_rates", &["pid", "cpu", "user"], &[of(pid)], &interval);
        assert!(integer(&rows[0]["cpu"]) > 0 && integer(meta.get("duration")) >= 1_000_000);
        assert_eq!(descriptors_of(public.pid()), before, "what an answer kept is given back with it");
        // All processes of the host, more than can be kept; while it waits, no more than that are. It waits until it is cancelled.
        let args = map(&[
            ("table", atom("process_rates")),
            ("columns", atoms(&["pid", "cpu"])),
            ("interval", int(50_000)),
        ]);
        public.request(9, "query", args);
        let processes = fs::read_dir("/proc").unwrap().filter(|entry| {
            entry.as_ref().unwrap().file_name().to_str().unwrap().bytes().all(|b| b.is_ascii_digit())
        });
        let most = processes.count().min(kept);
        support::eventually("the first sample is taken", || {
            descriptors_of(public.pid()).abs_diff(before + most) <= usize::from(kept > most) * 10
        });
        public.frame(&support::encode(&support::tuple_of(vec![atom("cancel"), int(9)])));
        assert_eq!(public.answer().0, "error");
        assert_eq!(descriptors_of(public.pid()), before);
        // What not everybody may read is not answered at this level.
        let asked = [("table", atom("process_rates")), ("columns", atoms(&["pid", "write_bytes"]))];
        assert!(refusal(&mut public, &asked).contains("denied_by_policy"));
    }
    let mut basic = port(&f, "ok", BASIC);
    let columns = ["cpu", "read_bytes", "write_bytes"];
    let (rows, meta) = ask(&mut basic, "process_rates", &columns, &[of(pid)], &interval);
    assert!(integer(&rows[0]["cpu"]) > 0 && rows[0]["read_bytes"].to_string().contains("eacces"));
    assert_eq!(integer(meta.get("denied")), 2);
    let mut full = port(&f, "full", FULL);
    let (rows, meta) = ask(&mut full, "process_rates", &columns, &[of(pid)], &interval);
    assert_eq!((integer(&rows[0]["read_bytes"]), integer(meta.get("denied"))), (0, 0));
    busy.kill().unwrap();
    busy.wait().unwrap();
}

#[test]
fn queries_that_wait_for_their_second_sample_keep_nobody_else_from_an_answer() {
    let Some(f) = fixtures() else { return };
    let mut port = port(&f, "ok", PUBLIC);
    let start = Instant::now();
    for id in 100..140 {
        let table = ["process_rates", "cpu_rates", "disk_rates", "interface_rates"][(id % 4) as usize];
        port.request(
            id,
            "query",
            map(&[("table", atom(table)), ("columns", atoms(&["interval"])), ("interval", int(5000))]),
        );
    }
    // It is the first that is answered.
    port.request(5, "query", map(&[("table", atom("load")), ("columns", atoms(&["load1"]))]));
    for tag in ["rows", "ok"] {
        let frame = support::elements(&port.receive().unwrap());
        assert_eq!((name(&frame[0]), integer(&frame[1])), (tag, 5), "{frame:?}");
    }
    let mut ended = 0;
    while ended < 40 {
        let term = port.receive().unwrap();
        let Term::Tuple(frame) = &term else { panic!("{term}") };
        match name(&frame.elements[0]) {
            "rows" => {}
            "ok" => ended += 1,
            _ => panic!("{term}"),
        }
    }
    assert!(start.elapsed() >= Duration::from_millis(5000));
}
