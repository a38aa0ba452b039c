//! Disk usage against the real kernel: file systems that do not answer hold helper processes, and never the port. The port is the
//! installed one, started by an ordinary user in a mount namespace in which tests/fixtures/hang_statfs.c has mounted them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test fails by them"
)]

mod held;
mod helpers;
mod mounts;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use portcullis::limits::HELPERS;
use support::{Fixtures, PATIENCE, Port, Term, atom, binary, bytes, eventually, integer, map, status};

const POLICY: &str = "version = 1\n[proc]\nlevel = \"basic\"\ndisk_usage = true\n";

/// A folder with mounts that do not answer, as the port sees it.
struct Hanging {
    folder: PathBuf,
    program: PathBuf,
}

impl Hanging {
    fn new(f: &Fixtures, name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = f.directory.join(format!("hang-{name}-{}-{n}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let program = folder.join("hang_statfs");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/hang_statfs.c");
        assert!(Command::new("cc").arg("-o").arg(&program).arg(source).status().unwrap().success());
        Self { folder, program }
    }

    /// The port, with so many such mounts.
    fn port(&self, f: &Fixtures, count: usize, arguments: &[&str]) -> Port {
        let policy = f.policy(POLICY);
        let program = f.program("ok");
        let words = [&[program.to_str().unwrap(), "port", "--role", "proc"], arguments].concat();
        let inside = f.command(&["--policy", &policy], &words);
        let mut c = Command::new("unshare");
        c.args(["--mount", "--propagation", "private"]).arg(&self.program);
        c.arg(count.to_string())
            .arg(&self.folder)
            .arg("--")
            .arg(inside.get_program())
            .args(inside.get_args());
        c.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
        Port::start(c)
    }

    fn mount_point(&self, nth: usize) -> Vec<u8> {
        self.folder.join(nth.to_string()).into_os_string().into_encoded_bytes()
    }

    /// What its server is to do from now on: `answer` or `die`.
    fn command(&self, word: &str) {
        std::fs::write(self.folder.join("control").join(word), "").unwrap();
    }

    /// How often some file system was asked.
    fn asked(&self) -> usize {
        let text = std::fs::read_to_string(self.folder.join("control/asked")).unwrap_or_default();
        text.parse().unwrap_or(0)
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        // Its server ends without it.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

type Rows = BTreeMap<Vec<u8>, Vec<Term>>;

const COLUMNS: &[&str] = &[
    "mount_point",
    "fs_type",
    "size",
    "used",
    "available",
    "inodes",
    "inodes_used",
    "read_only",
    "mount_id",
];

fn all() -> Term {
    map(&[("table", atom("disk_usage")), ("columns", support::atoms(COLUMNS))])
}

/// Only the mount at this place.
fn only(mount_point: &[u8]) -> Term {
    let condition = map(&[("mount_point", binary(mount_point))]);
    map(&[("table", atom("disk_usage")), ("columns", support::atoms(COLUMNS)), ("where", condition)])
}

/// The last mount at each place, which is the one that is seen.
fn ask(port: &mut Port, args: Term) -> (Rows, Duration) {
    let begun = Instant::now();
    let (rows, meta) = port.rows_of(9, "query", args);
    assert_eq!(support::name(meta.get("source")), "statfs");
    let mut by_place: BTreeMap<Vec<u8>, Vec<Term>> = BTreeMap::new();
    for row in rows {
        let id = integer(&row[8]);
        let place = by_place.entry(bytes(&row[0])).or_insert_with(|| row.clone());
        if integer(&place[8]) <= id {
            *place = row;
        }
    }
    (by_place, begun.elapsed())
}

/// The size, or why there is none.
fn size(row: &[Term]) -> Result<i128, String> {
    match &row[2] {
        Term::Tuple(error) => Err(support::name(&error.elements[1]).to_owned()),
        size => Ok(integer(size)),
    }
}

/// All of them, which are made when `hello` has been said.
fn all_helpers(port: &Port) -> Vec<u32> {
    eventually("the helpers", || {
        helpers(port).iter().filter(|pid| status(**pid, "Seccomp") == "2").count() == HELPERS
    });
    helpers(port)
}

fn helpers(port: &Port) -> Vec<u32> {
    let path = format!("/proc/{0}/task/{0}/children", port.pid());
    let children = std::fs::read_to_string(path).unwrap();
    children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn is_there(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Asks until it is so.
fn eventually_asked(port: &mut Port, so: impl Fn(&Rows) -> bool) -> Duration {
    let begun = Instant::now();
    while !so(&ask(port, all()).0) {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(10));
    }
    begun.elapsed()
}
