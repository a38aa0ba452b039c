//! Ports in namespaces of their own, and their rows by the names of the columns.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::process::Command;
use std::time::Duration;

use super::support::{
    self, Fixtures, Map, Port, Term, atom, atoms, elements, encode, int, integer, list, map, name, tuple_of,
};

pub const PUBLIC: &str = "version = 1\n[proc]\nlevel = \"public\"\n";
pub const BASIC: &str = "version = 1\n[proc]\nlevel = \"basic\"\n";
pub const FULL: &str = "version = 1\n[proc]\nlevel = \"full\"\n";

/// A row: the cell under each column.
pub type Row = BTreeMap<String, Term>;

/// The port of an installation under this policy.
pub fn port(f: &Fixtures, installation: &str, policy: &str) -> Port {
    let mut port = f.port_with(installation, &["--policy", &f.policy(policy)], &[]);
    port.hello();
    port
}

/// `command` behind the words of another one, which executes it.
pub fn behind<W: AsRef<OsStr>>(words: &[W], command: &Command) -> Command {
    let mut whole = Command::new(&words[0]);
    whole.args(&words[1..]).arg(command.get_program()).args(command.get_args());
    whole.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").current_dir("/");
    whole
}

/// A command that serves as the port, as the test user.
pub fn serve(f: &Fixtures, installation: &str, policy: &str, more: &[&str]) -> Command {
    let program = f.program(installation);
    let words = [&[program.to_str().unwrap(), "port", "--role", "proc"], more].concat();
    f.command(&["--policy", &f.policy(policy)], &words)
}

/// A namespace of processes of its own, whose first process runs `script` of sh(1) and then the port, which it outlives.
pub fn namespace(script: &str, port: &Command) -> Command {
    let script = format!("{script}\n\"$@\"\nexit $?");
    behind(&["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", &script, "sh"], port)
}

/// The pid of a port of [`namespace`], as the test sees it: a child of the only child of what was started.
pub fn inner_pid(port: &Port, program: &std::path::Path) -> u32 {
    let children = |pid: u32| -> Vec<u32> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        text.split_ascii_whitespace().map(|pid| pid.parse().unwrap()).collect()
    };
    let is_port = |pid: &u32| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program);
    let find = || children(port.pid()).into_iter().flat_map(children).find(is_port);
    support::eventually("the port of a namespace", || find().is_some());
    find().unwrap()
}

/// The end of a query: its rows and its `Meta`, or the error.
pub type Answer = Result<(Vec<Row>, Map), Term>;

/// Rows of `op` by the names of their columns.
pub fn answer(port: &mut Port, op: &str, args: Term) -> Answer {
    port.request(5, op, args);
    let (mut columns, mut rows) = (Vec::new(), Vec::new());
    loop {
        let term = port.receive().expect("an answer");
        let parts = elements(&term);
        match name(&parts[0]) {
            "rows" => {
                if let Term::List(_) = &parts[2] {
                    columns = support::names(&parts[2]);
                }
                rows.extend(
                    list(&parts[3])
                        .iter()
                        .map(|row| -> Row { columns.iter().cloned().zip(elements(row)).collect() }),
                );
                port.frame(&encode(&tuple_of(vec![atom("credit"), int(5), int(1)])));
            }
            "ok" => return Ok((rows, Map::of(&parts[2]))),
            _ => return Err(parts[2].clone()),
        }
    }
}

/// Rows of a table, all columns where none are named, that meet the conditions.
pub fn query(port: &mut Port, table: &str, columns: &[&str], conditions: &[(&str, Term)]) -> Answer {
    let mut args = vec![("where", map(conditions))];
    if !columns.is_empty() {
        args.push(("columns", atoms(columns)));
    }
    // The table of processes is an operation of its own.
    if table == "processes" {
        return answer(port, "processes", map(&args));
    }
    args.push(("table", atom(table)));
    answer(port, "query", map(&args))
}

pub fn number(row: &Row, column: &str) -> i128 {
    integer(&row[column])
}

/// A cell as text: binaries with their bytes escaped, everything else as the oracle prints it.
pub fn shown(cell: &Term) -> String {
    match cell {
        Term::Binary(b) => format!("<{}>", b.bytes.escape_ascii()),
        Term::List(l) => format!("[{}]", l.elements.iter().map(shown).collect::<Vec<_>>().join(",")),
        Term::Tuple(t) => format!("{{{}}}", t.elements.iter().map(shown).collect::<Vec<_>>().join(",")),
        Term::Atom(a) => a.name.clone(),
        Term::FixInteger(_) | Term::BigInteger(_) => integer(cell).to_string(),
        other => other.to_string(),
    }
}

/// User and system time of a process.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = procfs::process::Process::new(i32::try_from(pid).unwrap()).unwrap().stat().unwrap();
    Duration::from_millis((stat.utime + stat.stime) * 1000 / procfs::ticks_per_second())
}

/// The most memory that a process had, in KiB.
pub fn high_water(pid: u32) -> u64 {
    support::status(pid, "VmHWM").trim_end_matches(" kB").trim().parse().unwrap()
}
