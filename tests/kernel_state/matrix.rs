//! What each set of capabilities shows: of every table and every column, of processes of root's, of another user's and of one's own. What the
//! kernel asks for stands here by hand (proc(5); fs/proc/base.c); all other columns take nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};

use portcullis::proc::columns::COLUMNS;

use super::inside::{Row, behind, number, query, serve, shown};
use super::support::{self, Fixtures, Port, atoms, fixtures, int, integer, list_of, map, name};

const PTRACE: &str = "sys_ptrace";
const SEARCH: &str = "dac_read_search";

/// The ways to hold capabilities: which, by which installation, policy and option.
fn sets(f: &Fixtures) -> Vec<(Vec<&'static str>, &'static str, String, Vec<&'static str>)> {
    let level = |level: &str| format!("version = 1\n[proc]\nlevel = \"{level}\"\nenviron = [\"PATH\"]\n");
    let files = f.directory.join("logs");
    let files = format!("[files]\nread = [{{ path = \"{}\", max_bytes = 1 }}]\n", files.display());
    vec![
        (vec![], "ok", level("full"), vec!["--unprivileged"]),
        (vec![PTRACE], "ok", level("basic"), vec![]),
        (vec![SEARCH], "full", format!("version = 1\n[proc]\nlevel = \"public\"\n{files}"), vec![]),
        (vec![SEARCH, PTRACE], "full", level("full"), vec![]),
    ]
}

/// What the kernel asks for before it shows a column of another user's process.
fn needs(column: &str) -> &'static [&'static str] {
    match column {
        "exe" | "cwd" | "root" => &[PTRACE],
        "rchar"
        | "wchar"
        | "syscr"
        | "syscw"
        | "read_bytes"
        | "write_bytes"
        | "cancelled_write_bytes"
        | "environ" => &[PTRACE, SEARCH],
        _ => &[],
    }
}

/// The same of the tables that take any, and whether what is not shown has a row.
const TABLES: [(&str, &[&str], bool); 6] = [
    ("process_namespaces", &[PTRACE], true),
    ("process_memory", &[PTRACE], false),
    ("process_files", &[PTRACE, SEARCH], false),
    ("process_sockets", &[PTRACE, SEARCH], false),
    ("environ", &[PTRACE, SEARCH], false),
    ("process_rates", &[PTRACE, SEARCH], true),
];

/// What every row has.
const ALWAYS: [&str; 2] = ["pid", "starttime"];

/// Tables that are tested where they are: `processes` column by column, `disk_usage` takes a line of the policy and no capability.
const ELSEWHERE: [&str; 2] = ["processes", "disk_usage"];

/// A process of each kind of user.
struct Others {
    of: Vec<(&'static str, Child, i64)>,
}

impl Others {
    fn start(f: &Fixtures) -> Self {
        let own = f.command(&[], &["sleep", "600"]);
        let mut root = Command::new("sleep");
        root.arg("600");
        let mut nobody = Command::new("setpriv");
        nobody.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "env", "sleep", "600"]);
        let start = |(kind, mut command): (&'static str, Command)| {
            // A socket for the table of those.
            let (socket, _) = std::os::unix::net::UnixStream::pair().unwrap();
            let socket = std::os::fd::OwnedFd::from(socket);
            let child = command.stdin(Stdio::from(socket)).stdout(Stdio::null()).spawn().unwrap();
            support::until_it_executes(child.id(), "sleep");
            let pid = i64::from(child.id());
            (kind, child, pid)
        };
        Self { of: [("root", root), ("other", nobody), ("own", own)].into_iter().map(start).collect() }
    }

    fn named(&self) -> [(&'static str, support::Term); 1] {
        [("pid", list_of(self.of.iter().map(|(_, _, pid)| int(*pid)).collect()))]
    }

    fn row<'r>(&self, rows: &'r [Row], kind: &str) -> Option<&'r Row> {
        let pid = self.of.iter().find(|(of, _, _)| *of == kind).unwrap().2;
        rows.iter().find(|row| number(row, "pid") == i128::from(pid))
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        for (_, child, _) in &mut self.of {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn is_denied(cell: &str) -> bool {
    ["{error,eacces}", "{error,eperm}"].contains(&cell)
}

fn denied_cells(rows: &[Row]) -> usize {
    rows.iter().flat_map(Row::values).filter(|cell| is_denied(&shown(cell))).count()
}

fn held(hello: &support::Map) -> BTreeSet<String> {
    support::names(hello.get("capabilities")).into_iter().collect()
}

/// What the tables are called, and what they say that they take.
fn tables(port: &mut Port) -> BTreeMap<String, Vec<String>> {
    let of = |table: &support::Term| {
        let table = support::Map::of(table);
        (name(table.get("name")).to_owned(), support::names(table.get("capabilities")))
    };
    support::list(&port.ask(6, "tables", map(&[]))).iter().map(of).collect()
}

/// The columns of the table of processes: each denied where it must be, and nowhere else.
fn processes(port: &mut Port, others: &Others, have: &[&str], level: bool) -> usize {
    let mut cells = 0;
    for column in COLUMNS.iter().map(|column| column.name.name()) {
        let columns = if column == "pid" { vec!["pid"] } else { vec!["pid", column] };
        let answer = query(port, "processes", &columns, &others.named());
        if !level && !needs(column).is_empty() {
            let error = answer.err().unwrap_or_else(|| panic!("{column} was answered without the level"));
            assert_eq!(name(&support::elements(&error)[0]), "denied_by_policy", "{column}");
            cells += 3;
            continue;
        }
        let (rows, meta) = answer.unwrap();
        for (kind, _, _) in &others.of {
            let cell = shown(&others.row(&rows, kind).unwrap_or_else(|| panic!("no row of {kind}"))[column]);
            let expected = *kind != "own" && !needs(column).iter().all(|need| have.contains(need));
            assert_eq!(is_denied(&cell), expected, "{column} of {kind} with {have:?}: {cell}");
            cells += 1;
        }
        assert_eq!(usize::try_from(integer(meta.get("denied"))).unwrap(), denied_cells(&rows), "{column}");
    }
    cells
}

/// A table of processes that takes capabilities.
fn of_processes(port: &mut Port, others: &Others, have: &[&str], table: &(&str, &[&str], bool)) -> usize {
    let (table, needed, has_row) = *table;
    let (rows, meta) = query(port, table, &[], &others.named()).unwrap();
    let (mut cells, mut hidden) = (0, 0);
    for (kind, _, _) in &others.of {
        let denied = *kind != "own" && !needed.iter().all(|need| have.contains(need));
        let row = others.row(&rows, kind);
        assert_eq!(row.is_some(), has_row || !denied, "{table} of {kind} with {have:?}");
        hidden += i128::from(row.is_none());
        for (column, cell) in row.into_iter().flatten() {
            // Of the rates only those that are read of `io` take anything.
            let free = table == "process_rates" && needs(column).is_empty();
            let denied = denied && !ALWAYS.contains(&column.as_str()) && !free;
            assert_eq!(is_denied(&shown(cell)), denied, "{table}, {column} of {kind} with {have:?}");
            cells += 1;
        }
    }
    let denied = i128::try_from(denied_cells(&rows)).unwrap();
    assert_eq!(integer(meta.get("denied")), denied + hidden, "{table} with {have:?}");
    cells
}

#[test]
fn each_set_of_capabilities_shows_what_the_kernel_asks_them_for() {
    let Some(f) = fixtures() else { return };
    let others = Others::start(&f);
    for (have, installation, policy, options) in sets(&f) {
        let mut port = Port::start(serve(&f, installation, &policy, &options));
        let hello = port.hello();
        assert_eq!(held(&hello), have.iter().map(|have| (*have).to_owned()).collect(), "{installation}");
        assert!(!support::names(hello.get("features")).contains(&"hidepid".to_owned()));
        // With dac_read_search alone the level is that which shows what every user sees.
        let level = have != [SEARCH];
        let mut cells = processes(&mut port, &others, &have, level);
        for (table, says) in
            tables(&mut port).into_iter().filter(|(table, _)| !ELSEWHERE.contains(&table.as_str()))
        {
            match TABLES.iter().find(|(name, _, _)| *name == table) {
                Some(of) => {
                    let needed: BTreeSet<&str> = of.1.iter().copied().collect();
                    assert_eq!(says.iter().map(String::as_str).collect::<BTreeSet<_>>(), needed, "{table}");
                    if level {
                        cells += of_processes(&mut port, &others, &have, of);
                    } else {
                        let error = query(&mut port, &table, &[], &others.named()).err().unwrap();
                        assert_eq!(name(&support::elements(&error)[0]), "denied_by_policy", "{table}");
                    }
                }
                // Nothing of any other table takes a capability, whoever asks.
                None => {
                    assert_eq!(says, [""; 0], "{table} is not in the matrix");
                    let (rows, meta) = query(&mut port, &table, &[], &[]).unwrap();
                    assert_eq!(
                        (denied_cells(&rows), integer(meta.get("denied"))),
                        (0, 0),
                        "{table} with {have:?}"
                    );
                    cells += rows.iter().map(Row::len).sum::<usize>();
                }
            }
        }
        println!("{have:?}: {cells} cells");
    }
}

/// A `/proc` of its own for the port, mounted with `hidepid`.
fn hidden(f: &Fixtures, hidepid: u32, installation: &str, policy: &str, options: &[&str]) -> Port {
    let script = format!("mount -t proc -o hidepid={hidepid} proc /proc && exec \"$@\"");
    let words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", &script, "sh"];
    Port::start(behind(&words, &serve(f, installation, policy, options)))
}

/// proc(5): with 1 the directories are there and nothing in them is shown, with 2 not even they are. `sys_ptrace` lifts both.
#[test]
fn where_proc_hides_processes_that_is_said_and_the_capability_lifts_it() {
    let Some(f) = fixtures() else { return };
    let others = Others::start(&f);
    let mut answers = 0;
    for hidepid in [1, 2] {
        for (have, installation, policy, options) in sets(&f) {
            let mut port = hidden(&f, hidepid, installation, &policy, &options);
            let hello = port.hello();
            assert!(support::names(hello.get("features")).contains(&"hidepid".to_owned()), "{hidepid}");
            let lifted = have.contains(&PTRACE);
            let mut tables: Vec<String> =
                ["processes", "threads", "process_cgroups"].map(str::to_owned).to_vec();
            if lifted {
                tables.extend(["process_namespaces".to_owned(), "process_memory".to_owned()]);
            }
            for table in &tables {
                // By the listing, and by the pids.
                for conditions in [&others.named()[..], &[]] {
                    let (rows, meta) =
                        query(&mut port, table, &[], conditions).unwrap_or_else(|e| panic!("{table}: {e}"));
                    let seen: Vec<&str> = others
                        .of
                        .iter()
                        .map(|(kind, _, _)| *kind)
                        .filter(|kind| others.row(&rows, kind).is_some())
                        .collect();
                    let what =
                        format!("{table}, hidepid={hidepid}, {have:?}, {} conditions", conditions.len());
                    // With 1 a directory can still be listed, so that the process is there and its cells are denied.
                    let all = lifted || (hidepid == 1 && table == "processes");
                    assert_eq!(seen, if all { vec!["root", "other", "own"] } else { vec!["own"] }, "{what}");
                    if !conditions.is_empty() {
                        let told = (integer(meta.get("denied")) > 0, integer(meta.get("vanished")));
                        let expected = if lifted {
                            (false, 0)
                        } else {
                            (hidepid == 1, if hidepid == 2 { 2 } else { 0 })
                        };
                        assert_eq!(told, expected, "{what}");
                    }
                    answers += 1;
                }
            }
            let args = |pid: i64| map(&[("pid", int(pid)), ("items", atoms(&["comm"]))]);
            for (kind, _, pid) in &others.of {
                port.request(9, "process", args(*pid));
                let (tag, _, value) = port.answer();
                let cell =
                    if tag == "ok" { shown(support::Map::of(&value).get("comm")) } else { shown(&value) };
                let expected = match hidepid {
                    _ if lifted || *kind == "own" => "<sleep>",
                    1 => "{error,eperm}",
                    _ => "esrch",
                };
                assert_eq!(cell, expected, "process of {kind}, hidepid={hidepid}, {have:?}");
            }
        }
    }
    println!("{answers} answers of tables");
}
