//! What is counted and averaged for the host as a whole.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::{Row, agree, between, cells, file, number, numbers, one, rows, tool};

const TIMES: [&str; 10] =
    ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"];

#[test]
fn load_is_that_of_the_file() {
    let columns = ["load1", "load5", "load15", "runnable", "tasks", "last_pid"];
    let theirs = || -> Vec<String> {
        let text = file("/proc/loadavg").replace('/', " ");
        let words = text.split_whitespace().map(|word| match word.split_once('.') {
            Some((whole, part)) => number(&format!("{whole}{part}")).to_string(),
            None => word.to_owned(),
        });
        words.collect()
    };
    agree(|| cells(&one("load"), &columns).into_iter().map(str::to_owned).collect::<Vec<_>>(), theirs);
}

#[test]
fn cpus_have_the_times_of_the_file() {
    let lines = || -> BTreeMap<String, Vec<u64>> {
        let text = file("/proc/stat");
        let lines = text.lines().filter(|line| line.starts_with("cpu"));
        lines
            .map(|line| {
                let mut words = line.split_whitespace();
                (words.next().unwrap().to_owned(), words.map(number).collect())
            })
            .collect()
    };
    let (before, ours, after) = (lines(), rows("cpus"), lines());
    assert_eq!((ours.len(), ours[0]["cpu"].as_str()), (before.len(), "all"));
    let count = ours.len() - 1;
    assert_eq!(count.to_string(), tool("getconf _NPROCESSORS_ONLN").trim());
    for row in &ours {
        let name = if row["cpu"] == "all" { "cpu".to_owned() } else { format!("cpu{}", row["cpu"]) };
        let (mut b, mut o, mut a) = (before[&name].clone(), numbers(row, &TIMES), after[&name].clone());
        // The kernel takes idle time and waiting back when it corrects them.
        for times in [&mut b, &mut o, &mut a] {
            times.drain(3..5);
        }
        between(&b, &o, &a);
    }
}

#[test]
fn counters_are_those_of_the_file() {
    let names = ["ctxt", "intr", "softirq", "processes"];
    let line = |name: &str| -> u64 {
        let text = file("/proc/stat");
        let line = text.lines().find(|line| line.split(' ').next() == Some(name)).unwrap();
        number(line.split(' ').nth(1).unwrap())
    };
    let theirs = || names.map(line);
    let (before, ours, after) = (theirs(), one("kernel_counters"), theirs());
    between(&before, &numbers(&ours, &names), &after);
    assert_eq!(number(&ours["btime"]), line("btime"));
    for name in ["procs_running", "procs_blocked"] {
        agree(|| number(&one("kernel_counters")[name]), || line(name));
    }
}

#[test]
fn uptime_lies_between_two_others() {
    let theirs = || -> Vec<u64> {
        file("/proc/uptime").split_whitespace().map(|word| number(&word.replace('.', ""))).collect()
    };
    let (before, ours, after) = (theirs(), one("uptime"), theirs());
    between(&before[..1], &numbers(&ours, &["uptime"]), &after[..1]);
    agree(|| number(&one("uptime")["idle"]), || theirs()[1]);
}

#[test]
fn pressure_has_every_line_of_every_file() {
    let theirs = || -> BTreeMap<(String, String), Vec<u64>> {
        let mut found = BTreeMap::new();
        for resource in ["cpu", "memory", "io", "irq"] {
            for line in file(&format!("/proc/pressure/{resource}")).lines() {
                let mut words = line.split(' ');
                let share = words.next().unwrap().to_owned();
                let values = words.map(|word| number(&word.split_once('=').unwrap().1.replace('.', "")));
                found.insert((resource.to_owned(), share), values.collect());
            }
        }
        found
    };
    let ours = || -> BTreeMap<(String, String), Vec<u64>> {
        let key = |row: &Row| (row["resource"].clone(), row["share"].clone());
        let values = |row: &Row| numbers(row, &["avg10", "avg60", "avg300", "total"]);
        rows("pressure").iter().map(|row| (key(row), values(row))).collect()
    };
    let (before, now, after) = (theirs(), ours(), theirs());
    assert_eq!(now.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    for (key, values) in &now {
        between(&before[key][3..], &values[3..], &after[key][3..]);
    }
    let averages =
        |all: BTreeMap<_, Vec<u64>>| all.into_values().map(|v| v[..3].to_vec()).collect::<Vec<_>>();
    agree(|| averages(ours()), || averages(theirs()));
}

#[test]
fn interrupts_have_the_counts_of_the_file() {
    for (table, path) in [("interrupts", "/proc/interrupts"), ("softirqs", "/proc/softirqs")] {
        let theirs = || -> Vec<(String, Vec<u64>, String)> {
            let text = file(path);
            let cpus = text.lines().next().unwrap().split_whitespace().count();
            let line = |line: &str| {
                let (irq, rest) = line.split_once(':').unwrap();
                let words: Vec<&str> = rest.split_whitespace().collect();
                let counts = words.len().min(cpus);
                let name = words[counts..].join(" ");
                (irq.trim().to_owned(), words[..counts].iter().map(|w| number(w)).collect(), name)
            };
            text.lines().skip(1).map(line).collect()
        };
        let (before, ours, after) = (theirs(), rows(table), theirs());
        assert_eq!(ours.len(), before.len());
        assert!(ours.len() >= 10);
        for ((row, before), after) in ours.iter().zip(before).zip(after) {
            let counts: Vec<u64> = row["counts"].split_whitespace().map(number).collect();
            assert_eq!(number(&row["total"]), counts.iter().sum::<u64>());
            between(&before.1, &counts, &after.1);
            let irq = if table == "softirqs" { &row["name"] } else { &row["irq"] };
            assert_eq!(*irq, before.0);
            if table == "interrupts" {
                assert_eq!(row["name"].split_whitespace().collect::<Vec<_>>().join(" "), before.2);
            }
        }
    }
}
