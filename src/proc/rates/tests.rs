#![forbid(unsafe_code)]

use super::*;

fn stat_line(pid: u32, [utime, stime, minflt, majflt]: [u64; 4], starttime: u64) -> String {
    let mut words = vec!["0".to_owned(); 50];
    words[0] = "S".to_owned();
    for (field, n) in [(7, minflt), (9, majflt), (11, utime), (12, stime), (19, starttime)] {
        words[field] = n.to_string();
    }
    format!("{pid} (a) b) {}\n", words.join(" "))
}

fn sample(at: u64, counters: [u64; 6]) -> Sample {
    Sample { pid: Pid::new(7).unwrap(), file: None, starttime: 5, at, counters }
}

fn between(before: Option<&Sample>, after: &Sample) -> Rate {
    let line = stat_line(7, [0; 4], 5);
    rate(&stat::parse(line.as_bytes()).unwrap(), before, after, 100)
}

#[test]
fn what_was_used_is_of_one_processor_and_of_a_second() {
    let before = sample(1_000_000, [100, 50, 10, 1, 4096, 0]);
    let after = sample(3_000_000, [300, 75, 14, 1, 12_288, 2]);
    let row = between(Some(&before), &after);
    assert_eq!((row.pid, row.starttime, row.comm, row.interval), (7, 5, b"a) b".to_vec(), Some(2_000_000)));
    // 200 ticks in user mode and 25 in the kernel of the 200 that a processor had: more than one was busy.
    assert_eq!((row.times, row.cpu), ([Some(10_000), Some(1250)], Some(11_250)));
    assert_eq!(row.per_second, [Some(2), Some(0), Some(4096), Some(1)]);
}

#[test]
fn without_a_first_sample_there_are_no_rates() {
    let row = between(None, &sample(1, [1; 6]));
    assert_eq!((row.interval, row.times, row.cpu, row.per_second), (None, [None; 2], None, [None; 4]));
    // Two samples at one moment have none either.
    let same = sample(1, [1; 6]);
    assert_eq!((between(Some(&same), &same).cpu, between(Some(&same), &same).per_second), (None, [None; 4]));
}

#[test]
fn counters_that_run_backwards_or_are_not_known_have_none() {
    let before = sample(0, [100, 100, 10, 5, NONE, 7]);
    let after = sample(1_000_000, [99, 110, 9, 6, 8, NONE]);
    let row = between(Some(&before), &after);
    assert_eq!((row.times, row.cpu), ([None, Some(1000)], None));
    assert_eq!(row.per_second, [None, Some(1), None, None]);
    let huge = sample(1, [u64::MAX - 1; 6]);
    assert_eq!(between(Some(&sample(0, [0; 6])), &huge).cpu, None, "more than a number can say");
}
