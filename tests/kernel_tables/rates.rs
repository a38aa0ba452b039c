//! Rates against what the counters themselves say. The tables take their two samples between two readings of the test's, so that no
//! rate can be of more than those say.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use super::{Row, file, rows};

fn number(row: &Row, column: &str) -> u64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column} is {}", row[column]))
}

/// A line's words: what it is of, and its counters.
type Line = fn(&[&str]) -> Option<(String, Vec<u64>)>;

/// What `table` says, and what the lines of a file counted meanwhile, by what each line begins with.
fn between(table: &str, path: &str, key: Line) -> (Vec<Row>, BTreeMap<String, Vec<u64>>, u128) {
    let all = || -> BTreeMap<String, Vec<u64>> {
        file(path).lines().filter_map(|line| key(&line.split_whitespace().collect::<Vec<_>>())).collect()
    };
    let (start, before) = (Instant::now(), all());
    let found = rows(table);
    let (mut after, micros) = (all(), start.elapsed().as_micros());
    for (key, counters) in &mut after {
        for (counter, before) in counters.iter_mut().zip(&before[key]) {
            *counter = counter.saturating_sub(*before);
        }
    }
    (found, after, micros)
}

/// Tries several times: what the machine does between the test's readings and the table's own is in the one and not in the other.
#[track_caller]
fn once_of_ten(attempt: impl Fn() -> Result<(), String>) {
    let spoilt: Vec<String> = (0..10).map_while(|_| attempt().err()).collect();
    assert!(spoilt.len() < 10, "{spoilt:#?}");
}

#[test]
fn the_shares_of_a_processor_are_those_of_its_ticks() {
    once_of_ten(shares);
}

fn shares() -> Result<(), String> {
    let key = |words: &[&str]| {
        let cpu = words[0].strip_prefix("cpu")?;
        let name = if cpu.is_empty() { "all" } else { cpu };
        Some((name.to_owned(), words[1..].iter().map(|word| word.parse().unwrap()).collect()))
    };
    let (found, ticks, _) = between("cpu_rates", "/proc/stat", key);
    assert_eq!(found.len(), ticks.len());
    for row in &found {
        assert!(number(row, "interval") >= 1_000_000);
        let theirs = &ticks[&row["cpu"]];
        let all: u64 = theirs[..8].iter().sum();
        let columns = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
        let mut sum = 0;
        for (column, ticks) in columns.iter().zip(theirs) {
            // Both are of nearly the same time; some ticks more or less fall to the test's own.
            let (ours, expected) = (number(row, column), ticks * 10_000 / all);
            if ours.abs_diff(expected) > 1500 {
                return Err(format!("cpu {}: {column} {ours}, not {expected}", row["cpu"]));
            }
            sum += ours;
        }
        assert!(sum.abs_diff(10_000) <= 8, "{sum}");
        let resting = number(row, "idle") + number(row, "iowait");
        assert!((number(row, "busy") + resting).abs_diff(10_000) <= 2);
    }
    Ok(())
}

#[test]
fn a_disk_did_no_more_than_its_counters_say() {
    once_of_ten(disks);
}

fn disks() -> Result<(), String> {
    let key = |words: &[&str]| {
        let counters = [3, 5, 7, 9].map(|n| words[n].parse::<u64>().unwrap());
        Some((words[2].to_owned(), vec![counters[0], counters[1] * 512, counters[2], counters[3] * 512]))
    };
    let path = std::env::current_exe().unwrap().with_file_name(format!("disk-{}", std::process::id()));
    let stop = AtomicBool::new(false);
    let (found, counted, _) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = std::fs::File::create(&path).unwrap();
            while !stop.load(Relaxed) {
                file.write_all(&[1; 65_536]).unwrap();
                file.sync_all().unwrap();
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        });
        let found = between("disk_rates", "/proc/diskstats", key);
        stop.store(true, Relaxed);
        found
    });
    std::fs::remove_file(path).unwrap();
    assert_eq!(found.len(), counted.len());
    let (mut ours, mut theirs) = (0, 0);
    for row in &found {
        let interval = number(row, "interval");
        let columns = ["read_ios", "read_bytes", "write_ios", "write_bytes"];
        for (column, counted) in columns.iter().zip(&counted[&row["name"]]) {
            let most = counted * 1_000_000 / interval + 1;
            assert!(number(row, column) <= most, "{}: {column} {}, {most}", row["name"], row[*column]);
        }
        assert!(number(row, "busy") <= 10_000);
        number(row, "queue");
        number(row, "in_flight");
        (ours, theirs) = (ours + number(row, "write_bytes"), theirs + counted[&row["name"]][3]);
    }
    // Where what the test wrote went to a disk of this table, most of it was seen.
    if theirs < 400_000 || ours > theirs / 10 { Ok(()) } else { Err(format!("{ours} of {theirs}")) }
}
