//! What frames can ask for. Success is anything that the policy does not grant.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use portcullis::measure::Measure;

use crate::Attempt;
use crate::support::{
    Port, Term, atom, atoms, binary, int, integer, list, list_of, map, name, text, tuple_of,
};
use crate::world::{Outcome, Stopped, Through, World, ask, asked, got};

pub fn attempts() -> Vec<Attempt> {
    let mut all = columns();
    all.extend(operations());
    all.extend(pings());
    all.extend(limits());
    all.extend(environments());
    all
}

fn level(level: &str) -> String {
    format!("version = 1\n[proc]\nlevel = \"{level}\"\n")
}

fn pid_one(items: &[&str]) -> Term {
    map(&[("pid", int(1)), ("items", atoms(items))])
}

/// Columns above a level, asked for by `process`, as columns and as conditions: what a condition tells is told, too.
fn columns() -> Vec<Attempt> {
    let mut all = Vec::new();
    let mut under =
        |policy: String, which: &'static str, column: &'static str, measures: &'static [Measure]| {
            let one = policy.clone();
            all.push(Attempt::user(format!("process {column} under {which}"), measures, move |w| {
                let (mut port, _) = w.serving(&w.start("proc", &one));
                asked(&mut port, "process", pid_one(&[column]))
            }));
            let table = policy.clone();
            all.push(Attempt::user(format!("processes {column} under {which}"), measures, move |w| {
                let (mut port, _) = w.serving(&w.start("proc", &table));
                asked(&mut port, "processes", map(&[("columns", atoms(&["pid", column]))]))
            }));
            if column != "environ" {
                all.push(Attempt::user(format!("where {column} under {which}"), measures, move |w| {
                    let (mut port, _) = w.serving(&w.start("proc", &policy));
                    let prefix = tuple_of(vec![atom("prefix"), binary(b"/")]);
                    let wanted = if column == "read_bytes" { int(0) } else { prefix };
                    let args = map(&[("columns", atoms(&["pid"])), ("where", map(&[(column, wanted)]))]);
                    asked(&mut port, "processes", args)
                }));
            }
        };
    for column in ["exe", "cwd", "root", "read_bytes", "environ"] {
        under(level("public"), "public", column, &[Measure::Authorize]);
    }
    under(level("basic"), "basic", "environ", &[Measure::Authorize]);
    under(level("full"), "full", "environ", &[Measure::Authorize]);
    under("version = 1\n".into(), "an empty policy", "comm", &[Measure::Authorize]);
    under("version = 1\n".into(), "an empty policy", "exe", &[Measure::Authorize]);
    all
}

/// Operations that a role does not have, and those that nobody ever had.
fn operations() -> Vec<Attempt> {
    let mut all = Vec::new();
    for (role, op, args) in [
        ("proc", "ping", map(&[("address", tuple_of([127, 0, 0, 1].map(int).to_vec()))])),
        ("net", "processes", map(&[])),
        ("net", "process", map(&[("pid", int(1))])),
        ("net", "file_open", map(&[("path", binary(b"/etc/hostname"))])),
        ("proc", "exec", map(&[("command", binary(b"id"))])),
        ("proc", "eval", map(&[])),
        ("proc", "policy_reload", map(&[])),
        ("proc", "sysctl_set", map(&[])),
        ("net", "nft_apply", map(&[])),
        ("proc", "file_write", map(&[("path", binary(b"/tmp/x"))])),
    ] {
        all.push(Attempt::user(format!("{op} of role {role}"), &[], move |w| {
            let policy = format!(
                "{}[files]\nread = [{{path = \"/etc\", max_bytes = 100}}]\n[ping]\nallow = [\"0.0.0.0/0\"]\n",
                level("full")
            );
            let (mut port, _) = w.serving(&w.start(role, &policy));
            asked(&mut port, op, args.clone())
        }));
    }
    all
}

fn address(a: std::net::IpAddr) -> Term {
    let parts: Vec<Term> = match a {
        std::net::IpAddr::V4(a) => a.octets().iter().map(|o| int(i64::from(*o))).collect(),
        std::net::IpAddr::V6(a) => a.segments().iter().map(|s| int(i64::from(*s))).collect(),
    };
    tuple_of(parts)
}

fn pings() -> Vec<Attempt> {
    let policy = "version = 1\n[ping]\nallow = [\"127.0.0.1\", \"10.77.0.0/24\"]\n";
    let refused: &[&str] = &[
        "127.0.0.2",
        "10.77.1.1",
        "10.76.255.255",
        "192.0.2.1",
        "::1",
        "::",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "ff02::1",
        "::ffff:127.0.0.2",
        "64:ff9b::127.0.0.1",
    ];
    let mut all: Vec<Attempt> = refused
        .iter()
        .map(|target| {
            let measures: &[Measure] = if *target == "127.0.0.2" { &[Measure::Authorize] } else { &[] };
            Attempt::user(format!("ping {target}"), measures, move |w| {
                let (mut port, _) = w.serving(&w.start("net", policy));
                asked(&mut port, "ping", map(&[("address", address(target.parse().unwrap()))]))
            })
        })
        .collect();
    for (what, term) in [
        ("a name", binary(b"localhost")),
        ("a number", int(2_130_706_433)),
        ("five octets", tuple_of([127, 0, 0, 1, 0].map(int).to_vec())),
        ("a large octet", tuple_of([127, 0, 0, 257].map(int).to_vec())),
        ("a negative octet", tuple_of([127, 0, 0, -255].map(int).to_vec())),
    ] {
        all.push(Attempt::user(format!("ping {what}"), &[], move |w| {
            let (mut port, _) = w.serving(&w.start("net", policy));
            asked(&mut port, "ping", map(&[("address", term.clone())]))
        }));
    }
    all
}

fn limits() -> Vec<Attempt> {
    let with = |limit: &str| format!("{}[limits]\n{limit}\n", level("basic"));
    let (rows, cell, deadline, frame) =
        (with("rows_max = 3"), with("cell_max = 8"), with("deadline_ms = 100"), with("frame_max = 1024"));
    vec![
        Attempt::user("more rows than the policy", &[], move |w| {
            let (mut port, _) = w.serving(&w.start("proc", &rows));
            let (found, _) = port.rows(1, map(&[("columns", atoms(&["pid"])), ("limit", int(1000))]));
            got(found.len() > 3, format!("{} rows", found.len()))
        }),
        Attempt::user("longer cells than the policy", &[], move |w| {
            let (mut port, _) = w.serving(&w.start("proc", &cell));
            let (found, _) =
                port.rows(1, map(&[("columns", atoms(&["cmdline"])), ("cell_max", int(65_536))]));
            let long =
                found.iter().filter(|row| matches!(&row[0], Term::Binary(b) if b.bytes.len() > 8)).count();
            got(long > 0, format!("{long} cells"))
        }),
        Attempt::user("a longer deadline than the policy", &[], move |w| {
            let (mut port, _) = w.serving(&w.start("proc", &deadline));
            // It never gets credit, so that only its deadline can end it.
            let stuck = crowd();
            let begun = Instant::now();
            port.frame(&crate::support::request(
                1,
                "processes",
                map(&[("columns", atoms(&["argv", "cmdline"])), ("cell_max", int(8192))]),
                600_000,
            ));
            let ended = until(&mut port, 1);
            drop(stuck);
            got(begun.elapsed() > Duration::from_secs(60), ended)
        }),
        Attempt::user("a longer frame than the policy", &[], move |w| {
            let (mut port, _) = w.serving(&w.start("proc", &frame));
            let pids = list_of((1..600).map(int).collect());
            let args = map(&[("columns", atoms(&["pid"])), ("where", map(&[("pid", pids)]))]);
            asked(&mut port, "processes", args)
        }),
    ]
}

/// Processes with long arguments, so that a table of them does not fit into the first chunks.
fn crowd() -> Vec<Reaped> {
    let long = "0".repeat(4000);
    (0..150)
        .map(|_| Reaped(Command::new("/bin/sleep").args(["100", &format!("0{long}")]).spawn().unwrap()))
        .collect()
}

/// A process that ends with the attempt.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The end of a request, its chunks passed over.
fn until(port: &mut Port, id: i128) -> String {
    loop {
        let term = port.receive().expect("an answer");
        let t = crate::support::elements(&term);
        if integer(&t[1]) == id && name(&t[0]) != "rows" {
            return format!("{term}");
        }
    }
}

/// A process of root with a secret in its environment.
fn secretive() -> Reaped {
    let mut c = Command::new("/bin/sleep");
    c.arg("100")
        .env_clear()
        .env("LANG", "C")
        .env("TOKEN", "hunter2")
        .env("X", "LANG=hunter2")
        .env("LANGUAGE", "hunter2");
    let child = Reaped(c.spawn().unwrap());
    std::thread::sleep(Duration::from_millis(20));
    child
}

fn environments() -> Vec<Attempt> {
    let policy = format!("{}environ = [\"LANG\"]\n", level("full"));
    let all_of_it = policy.clone();
    vec![
        Attempt::user("a secret of the environment", &[Measure::Redaction], move |w| {
            secret(w, &all_of_it, 65_536)
        }),
        Attempt::user("a secret of the environment, cut anywhere", &[Measure::Redaction], move |w| {
            (1..80)
                .map(|cell| secret(w, &policy, cell))
                .find(|o| matches!(o, Through(_)))
                .unwrap_or(Stopped("79 cuts".into()))
        }),
    ]
}

fn secret(w: &World, policy: &str, cell_max: i64) -> Outcome {
    let child = secretive();
    let (mut port, _) = w.serving(&w.start("proc", policy));
    let pid = int(i64::from(child.0.id()));
    let args = map(&[("pid", pid), ("items", atoms(&["environ"])), ("cell_max", int(cell_max))]);
    let (tag, value) = ask(&mut port, 1, "process", args);
    assert_eq!(tag, "ok", "{value}");
    let shown = crate::support::Map::of(&value).get("environ").clone();
    let shown = if let Term::Tuple(t) = &shown { t.elements[1].clone() } else { shown };
    let readable: Vec<String> =
        list(&shown).iter().filter(|v| matches!(v, Term::Binary(_))).map(text).collect();
    if cell_max > 6 {
        assert!(readable.iter().any(|v| v.starts_with("LANG=")) || cell_max < 60, "{value}");
    }
    let told = crate::support::encode(&value);
    got(told.windows(4).any(|w| w == b"hunt"), format!("{readable:?}"))
}
