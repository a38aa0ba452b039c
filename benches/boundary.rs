//! What the boundary costs: the start up to `hello`, and a request, with everything on and with everything left out. Run
//! by run.sh, as the user that starts ports. `boundary RELEASE WEAKENED`: the installed release, and an optimised build in
//! which measures can be left out.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a bench ends by them")]

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use portcullis::measure::Measure;
use portcullis::op::Role;
use portcullis::policy::authorize;
use portcullis::policy::file::understood;
use portcullis::proc::action::{ReadProcesses, Tier};
use portcullis::rate::Bucket;

const STARTS: usize = 401;
const ROUNDS: usize = 101;
const BATCH: usize = 100;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (release, weakened) = (&words[0], &words[1]);
    let everything: Vec<String> = Measure::ALL
        .iter()
        // Without these it would do something else, and not less.
        .filter(|m| ![Measure::Authorize, Measure::PolicyAbsent, Measure::FrameBounds].contains(m))
        .flat_map(|m| ["--without".to_owned(), m.name().to_owned()])
        .collect();
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        on.push(start(release, &[]));
        off.push(start(weakened, &everything));
    }
    let (on, off) = (median(on), median(off));
    println!("start to hello: {on:?} with everything, {off:?} without any measure, {:.2}x", ratio(on, off));
    let none = ["--without".to_owned(), "seccomp".to_owned()];
    let (mut a, mut b) = (Port::start(weakened, &[]), Port::start(weakened, &none));
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        on.push(a.batch());
        off.push(b.batch());
    }
    let (on, off) = (median(on), median(off));
    println!("request: {on:?} with seccomp, {off:?} without, {:?} more", on.saturating_sub(off));
    println!("policy: {:?} for each request, its rate counted and its permit made", policy());
}

/// What is asked of the policy for one request, alone.
fn policy() -> Duration {
    const MANY: u32 = 1_000_000;
    let policy = understood("/p", include_bytes!("../priv/policy.toml")).unwrap();
    let held = policy.capabilities(Role::Proc);
    let mut rate = Bucket::new(1_000_000_000);
    let begun = Instant::now();
    for _ in 0..MANY {
        assert!(rate.take(Instant::now()));
        let action = ReadProcesses::new([Tier::Stat, Tier::Exe]);
        let permit = authorize(&policy, held, std::hint::black_box(action)).unwrap();
        std::hint::black_box(permit.capabilities());
    }
    begun.elapsed() / MANY
}

fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn start(program: &str, more: &[String]) -> Duration {
    let begun = Instant::now();
    let mut port = Port::start(program, more);
    let took = begun.elapsed();
    port.0.stdin.take();
    port.0.wait().unwrap();
    took
}

/// A port that has said hello.
struct Port(Child);

impl Port {
    fn start(program: &str, more: &[String]) -> Self {
        let mut c = Command::new(program);
        c.args(["port", "--role", "proc"]).args(more).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut port = Self(c.spawn().unwrap());
        let hello = port.frame();
        assert!(hello.windows(5).any(|w| w == b"hello"), "{}", String::from_utf8_lossy(&hello));
        port
    }

    fn frame(&mut self) -> Vec<u8> {
        let out = self.0.stdout.as_mut().unwrap();
        let mut header = [0; 4];
        out.read_exact(&mut header).unwrap();
        let mut body = vec![0; usize::try_from(u32::from_be_bytes(header)).unwrap()];
        out.read_exact(&mut body).unwrap();
        body
    }

    /// One request after the other; the time of one.
    fn batch(&mut self) -> Duration {
        // {req, 1, process, #{pid => PID, items => [ppid]}, 5000}
        let atom = |name: &str| [&[119, u8::try_from(name.len()).unwrap()][..], name.as_bytes()].concat();
        let pid = std::process::id().to_be_bytes();
        let body = [
            &[131, 104, 5][..],
            &atom("req"),
            &[97, 1],
            &atom("process"),
            &[116, 0, 0, 0, 2],
            &atom("pid"),
            &[98],
            &pid,
            &atom("items"),
            &[108, 0, 0, 0, 1],
            &atom("ppid"),
            &[106, 98, 0, 0, 19, 136],
        ]
        .concat();
        let frame = [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat();
        let begun = Instant::now();
        for _ in 0..BATCH {
            self.0.stdin.as_mut().unwrap().write_all(&frame).unwrap();
            let answer = self.frame();
            assert!(answer.windows(2).any(|w| w == b"ok"), "{}", String::from_utf8_lossy(&answer));
        }
        begun.elapsed() / u32::try_from(BATCH).unwrap()
    }
}
