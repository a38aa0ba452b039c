//! What processes use between two samples, through the library: against `/proc` itself, with and without kept descriptors, where pids
//! are used again and processes end in between; and what it costs beside the bare opening and reading.
//!
//! Descriptors that are kept are counted for the whole process, so that the tests take turns.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use eetf::Term;
use nix::time::{ClockId, clock_gettime};
use portcullis::op::Role;
use portcullis::protocol::tables;
use portcullis::sys::kept;
use portcullis::table::{Asked, Context, Rows, Tally};
use portcullis::wire::chunk::{Chunk, Slice};
use portcullis::wire::scan::{Bounds, validate};
use portcullis::wire::schema::At;
use support::{atoms, encode, int, integer, list_of, map};

static TURN: Mutex<()> = Mutex::new(());

/// A turn in which so many descriptors can be kept.
fn keeping(descriptors: usize) -> MutexGuard<'static, ()> {
    let turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    kept::allow(descriptors);
    turn
}

fn rates(columns: &[&str], pids: &[u32], interval: u32) -> Box<dyn Rows> {
    let names = encode(&atoms(columns));
    let pids: Vec<Term> = pids.iter().map(|pid| int(i64::from(*pid))).collect();
    let conditions = encode(&if pids.is_empty() { map(&[]) } else { map(&[("pid", list_of(pids))]) });
    let interval = encode(&int(i64::from(interval)));
    let [names, conditions, interval] =
        [&names, &conditions, &interval].map(|bytes| validate(bytes, &Bounds::PROC).unwrap());
    let asked = Asked {
        columns: Some(names.term()),
        conditions: Some(conditions.term()),
        limit: u64::MAX,
        cell_max: 4096,
        interval: Some(interval.term()),
        at: At::Top,
    };
    tables::named(Role::Proc, "process_rates").unwrap().query(&asked).unwrap()
}

type Row = BTreeMap<String, Term>;

/// Slices until there is nothing before a time; how many.
fn up_to_the_wait(rows: &mut dyn Rows) -> u32 {
    let (mut chunk, mut slices) = (Chunk::default(), 0);
    loop {
        slices += 1;
        match rows.slice(&mut Context::default(), &mut chunk, Instant::now()).unwrap() {
            Slice::Paused => {}
            Slice::Waiting(_) => return slices,
            other => panic!("{other:?}"),
        }
    }
}

/// All rows to the end.
fn to_the_end(rows: &mut dyn Rows) -> (Vec<Row>, Tally) {
    let (all, tally, _) = to_the_end_with_waits(rows);
    (all, tally)
}

/// The same, and how often there was nothing before a time.
fn to_the_end_with_waits(rows: &mut dyn Rows) -> (Vec<Row>, Tally, u32) {
    let names: Vec<&str> = rows.columns().iter().map(|column| column.name()).collect();
    let (mut all, mut waits) = (Vec::new(), 0);
    let mut chunk = Chunk::default();
    loop {
        let until = Instant::now() + Duration::from_millis(2);
        let slice = rows.slice(&mut Context::default(), &mut chunk, until).unwrap();
        match slice {
            Slice::Waiting(time) => {
                waits += 1;
                std::thread::sleep(time.saturating_duration_since(Instant::now()));
            }
            Slice::Paused => {}
            Slice::Full | Slice::End => {
                let (mut bytes, count) = chunk.rows();
                for _ in 0..count {
                    let whole = [&[131], bytes].concat();
                    let mut rest = &whole[..];
                    let row = Term::decode(&mut rest).unwrap();
                    bytes = &bytes[bytes.len() - rest.len()..];
                    let cells = support::elements(&row);
                    all.push(names.iter().map(|n| (*n).to_owned()).zip(cells).collect());
                }
                chunk.clear();
                if slice == Slice::End {
                    return (all, rows.tally(), waits);
                }
            }
        }
    }
}

fn number(row: &Row, column: &str) -> i128 {
    integer(&row[column])
}

fn is(row: &Row, column: &str, word: &str) -> bool {
    matches!(&row[column], Term::Atom(a) if a.name == word)
}

/// Fields of `stat` by their number in proc_pid_stat(5).
fn stat_of(pid: u32, fields: &[usize]) -> Vec<u64> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let rest: Vec<&str> = line[line.rfind(')').unwrap() + 2..].split(' ').collect();
    fields.iter().map(|field| rest[field - 3].parse().unwrap()).collect()
}

/// Ticks of processor time.
fn used(pid: u32) -> u64 {
    stat_of(pid, &[14, 15]).iter().sum()
}

/// A process that ends with its test.
struct Running(Child);

impl Running {
    fn of(line: &str) -> Self {
        Self(Command::new("sh").args(["-c", line]).stdin(Stdio::null()).spawn().unwrap())
    }

    /// One that has begun to do nothing.
    fn sleeping() -> Self {
        let sleeping = Self::of("exec sleep 60");
        support::until_it_executes(sleeping.pid(), "sleep");
        support::until_it_sleeps(sleeping.pid());
        sleeping
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

const ALL: &[&str] = &[
    "pid",
    "starttime",
    "comm",
    "interval",
    "cpu",
    "user",
    "system",
    "minflt",
    "majflt",
    "read_bytes",
    "write_bytes",
];

#[test]
fn what_a_process_uses_is_what_the_file_says_with_descriptors_and_without() {
    for descriptors in [0, 100] {
        let _turn = keeping(descriptors);
        let busy = Running::of("while :; do :; done");
        let idle = Running::sleeping();
        let mut rows = rates(ALL, &[idle.pid(), busy.pid()], 500);
        let before = stat_of(busy.pid(), &[14, 15, 22]);
        let begun = Instant::now();
        up_to_the_wait(rows.as_mut());
        let first_took = begun.elapsed();
        assert_eq!(kept::left(), descriptors.saturating_sub(2));
        assert!(!rows.is_open(), "what waits for its time has no place");
        let between = used(busy.pid());
        support::eventually("it was given the processor", || used(busy.pid()) >= between + 3);
        let least = used(busy.pid()) - between;
        let (all, tally) = to_the_end(rows.as_mut());
        let after = stat_of(busy.pid(), &[14, 15]);
        assert_eq!((all.len(), tally.vanished, tally.denied), (2, 0, 0));
        let of = |pid: u32| all.iter().find(|row| number(row, "pid") == i128::from(pid)).unwrap();
        let row = of(busy.pid());
        assert_eq!(number(row, "starttime"), i128::from(before[2]));
        assert_eq!(support::bytes(&row["comm"]), b"sh");
        let micros = number(row, "interval");
        // From the beginning of one sample to that of the next; a process stands somewhere within them.
        let least_micros = 500_000_i128.saturating_sub_unsigned(first_took.as_micros());
        assert!(micros >= least_micros, "{micros}, and the first sample took {first_took:?}");
        // Ticks of 10 ms; what it used from before the first sample until after the second is no less, what between them no more.
        let rate = |ticks: u64| i128::from(ticks) * 10_000 * 10_000 / micros;
        let (least, most) = (rate(least), rate(after[0] + after[1] - before[0] - before[1]));
        let cpu = number(row, "cpu");
        assert!(least > 0 && cpu >= least - 1 && cpu <= most + 1, "{cpu}, from {least} to {most}");
        assert!((cpu - number(row, "user") - number(row, "system")).abs() <= 1);
        let row = of(idle.pid());
        for column in ["cpu", "user", "system", "majflt", "read_bytes", "write_bytes"] {
            assert_eq!(number(row, column), 0, "{column}");
        }
        // What was sampled last is compared with what comes next, at once if its time has come.
        std::thread::sleep(Duration::from_millis(500));
        rows.again();
        let (all, _, waits) = to_the_end_with_waits(rows.as_mut());
        assert_eq!((all.len(), waits), (2, 0), "it waited once more");
        assert!(all.iter().all(|row| number(row, "interval") >= 500_000));
        drop(rows);
        assert_eq!(kept::left(), descriptors);
    }
}

#[test]
fn bytes_to_storage_are_those_of_the_file() {
    let _turn = keeping(100);
    let path = std::env::current_exe().unwrap().with_file_name(format!("rates-{}", std::process::id()));
    let line = format!("while :; do head -c 1048576 /dev/zero > {}; done", path.display());
    // The shell's own builtin writes, so that no other process does.
    let line = line.replace("head -c 1048576 /dev/zero", "printf %01048576d 0");
    let writer = Running::of(&line);
    let io = || {
        let text = std::fs::read_to_string(format!("/proc/{}/io", writer.pid())).unwrap();
        let line = text.lines().find(|line| line.starts_with("write_bytes")).unwrap();
        line.split(' ').nth(1).unwrap().parse::<i128>().unwrap()
    };
    let mut rows = rates(&["interval", "write_bytes", "minflt"], &[writer.pid()], 300);
    let before = io();
    let (all, _) = to_the_end(rows.as_mut());
    let most = (io() - before) * 1_000_000 / number(&all[0], "interval");
    let rate = number(&all[0], "write_bytes");
    drop(writer);
    std::fs::remove_file(path).unwrap();
    // On tmpfs nothing is counted at all.
    assert!(rate <= most + 1 && (rate > 0) == (most > 0), "{rate} of {most}");
}

#[test]
fn who_comes_has_no_rates_and_who_goes_is_counted() {
    for descriptors in [0, 1, 100] {
        let _turn = keeping(descriptors);
        let (staying, going) = (Running::sleeping(), Running::sleeping());
        let late = Command::new("sh").args(["-c", "exec sleep 60"]).stdin(Stdio::null()).spawn().unwrap();
        let late_pid = late.id();
        let (gone, stays) = (going.pid(), staying.pid());
        // One that is asked for and has ended before it is sampled first.
        drop(Running(late));
        let mut rows = rates(ALL, &[gone, stays, late_pid], 50);
        up_to_the_wait(rows.as_mut());
        drop(going);
        let (all, tally) = to_the_end(rows.as_mut());
        assert_eq!(all.len(), 1);
        assert_eq!((number(&all[0], "pid"), number(&all[0], "cpu")), (i128::from(stays), 0));
        assert!(tally.vanished >= 2, "{tally:?}");
        drop(rows);
        assert_eq!(kept::left(), descriptors);
        // All of the host: what began in between has a row without rates.
        let mut rows = rates(ALL, &[], 50);
        up_to_the_wait(rows.as_mut());
        let new = Running::of("exec sleep 60");
        let (all, _) = to_the_end(rows.as_mut());
        let of = |pid: u32| all.iter().find(|row| number(row, "pid") == i128::from(pid)).unwrap();
        for column in ["interval", "cpu", "user", "system", "minflt", "majflt", "read_bytes", "write_bytes"] {
            assert!(is(of(new.pid()), column, "undefined"), "{column}");
        }
        // Never less than half of what was asked for, however long a sample takes.
        assert!(number(of(stays), "interval") >= 25_000);
        assert!(all.windows(2).all(|pair| number(&pair[0], "pid") < number(&pair[1], "pid")));
        // The next sample knows it.
        rows.again();
        let (all, _) = to_the_end(rows.as_mut());
        let row = all.iter().find(|row| number(row, "pid") == i128::from(new.pid())).unwrap();
        assert!(number(row, "interval") >= 25_000);
    }
}

#[test]
fn the_number_of_a_thread_is_no_process() {
    let _turn = keeping(100);
    let (told, tid) = std::sync::mpsc::channel();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let task = std::fs::read_link("/proc/thread-self").unwrap();
        told.send(task.file_name().unwrap().to_str().unwrap().parse::<u32>().unwrap()).unwrap();
        let _ = stopped.recv();
    });
    let mut rows = rates(&["pid"], &[tid.recv().unwrap(), std::process::id()], 50);
    let (all, _) = to_the_end(rows.as_mut());
    assert_eq!(
        all.iter().map(|row| number(row, "pid")).collect::<Vec<_>>(),
        [i128::from(std::process::id())]
    );
    drop(stop);
    thread.join().unwrap();
}

/// Runs one test of this binary again where pids are its own to give.
fn with_own_pids(test: &str) -> bool {
    const INSIDE: &str = "PORTCULLIS_TEST_OWN_PIDS";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: needs a pid namespace, which only root can make");
        return false;
    }
    let mut unshare = Command::new("unshare");
    unshare.args(["--pid", "--fork", "--kill-child", "--mount-proc"]).arg(std::env::current_exe().unwrap());
    let output = unshare.args(["--exact", test, "--nocapture"]).env(INSIDE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    false
}

#[test]
fn whoever_has_the_pid_next_is_another_process() {
    if !with_own_pids("whoever_has_the_pid_next_is_another_process") {
        return;
    }
    for descriptors in [0, 100] {
        let _turn = keeping(descriptors);
        let first = Running::of("exec sleep 60");
        let pid = first.pid();
        let started = stat_of(pid, &[22])[0];
        let mut rows = rates(ALL, &[pid], 50);
        up_to_the_wait(rows.as_mut());
        drop(first);
        // Two that started within one tick cannot be told apart without a descriptor.
        std::thread::sleep(Duration::from_millis(30));
        std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).unwrap();
        let second = Running::of("while :; do :; done");
        assert_eq!(second.pid(), pid, "somebody else started a process");
        let (all, tally) = to_the_end(rows.as_mut());
        assert_eq!((all.len(), tally.vanished), (1, u64::from(descriptors > 0)));
        assert!(number(&all[0], "starttime") > i128::from(started));
        assert!(is(&all[0], "cpu", "undefined") && is(&all[0], "interval", "undefined"));
        let before = used(pid);
        support::eventually("it was given the processor", || used(pid) >= before + 3);
        rows.again();
        let (all, tally) = to_the_end(rows.as_mut());
        assert!(number(&all[0], "cpu") > 0 && tally.vanished == 0);
    }
}

/// Very many processes that wait.
struct Crowd {
    shells: Vec<Child>,
}

impl Crowd {
    fn of(n: usize) -> Self {
        let line = "exec 3<&0; i=0; while [ $i -lt $0 ]; do read x <&3 & i=$((i+1)); done; echo ready; wait";
        let shell = |n: usize| {
            let mut shell = Command::new("sh")
                .args(["-c", line, &n.to_string()])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut first = String::new();
            BufReader::new(shell.stdout.take().unwrap()).read_line(&mut first).unwrap();
            assert_eq!(first, "ready\n");
            shell
        };
        Self { shells: (0..n).step_by(1000).map(|first| shell(1000.min(n - first))).collect() }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for shell in &mut self.shells {
            drop(shell.stdin.take());
            shell.wait().unwrap();
        }
    }
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

/// Lists `/proc`, and opens, reads and closes `stat` of each.
fn bare(buffer: &mut [u8]) -> Duration {
    let start = processor_time();
    let mut listing = portcullis::sys::piddir::PidDir::open().unwrap();
    while let Some(pid) = listing.next_pid().unwrap() {
        let path = std::ffi::CString::new(format!("{}/stat", pid.get())).unwrap();
        if let Ok(file) = portcullis::sys::fd::open_read(listing.fd(), &path) {
            let _ = nix::unistd::read(&file, buffer);
        }
    }
    processor_time() - start
}

/// One sample to its end, rows written and thrown away.
fn resample(rows: &mut dyn Rows) -> Duration {
    rows.again();
    let mut chunk = Chunk::default();
    let mut time = Duration::ZERO;
    loop {
        let start = processor_time();
        let until = Instant::now() + Duration::from_millis(2);
        let slice = rows.slice(&mut Context::default(), &mut chunk, until).unwrap();
        time += processor_time() - start;
        match slice {
            Slice::Waiting(due) => std::thread::sleep(due.saturating_duration_since(Instant::now())),
            Slice::Paused => {}
            Slice::Full => chunk.clear(),
            Slice::End => return time,
        }
    }
}

/// The figures are printed; only what is out of all proportion fails, as others use the machine.
#[test]
fn a_sample_with_kept_descriptors_takes_less_than_opening_and_reading() {
    let crowd = Crowd::of(if cfg!(debug_assertions) { 2_000 } else { 10_000 });
    let mut buffer = vec![0; 2048];
    let columns = ["pid", "starttime", "comm", "cpu", "minflt", "majflt"];
    for (what, descriptors) in [("kept", 12_000), ("opened anew", 0)] {
        let _turn = keeping(descriptors);
        let (_, hard) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
        nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, hard, hard).unwrap();
        if descriptors as u64 + 100 > hard {
            eprintln!("skipped: needs {descriptors} descriptors, the hard limit is {hard}");
            continue;
        }
        let mut rows = rates(&columns, &[], 50);
        to_the_end(rows.as_mut());
        let (mut floor, mut time) = (Duration::MAX, Duration::MAX);
        for _ in 0..15 {
            floor = floor.min(bare(&mut buffer));
            time = time.min(resample(rows.as_mut()));
        }
        let ratio = time.as_secs_f64() / floor.as_secs_f64();
        let n = rows.tally().rows;
        println!(
            "{n} processes, descriptors {what}: {time:?}, opened and read only: {floor:?}; ratio {ratio:.2}"
        );
        assert!(n >= 2_000 && ratio < if descriptors > 0 { 1.0 } else { 2.5 });
    }
    drop(crowd);
}
