//! The programs of tests/hostile, built and running.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::Fixtures;

/// A C program of tests/hostile, built and running; it ends with this value.
pub struct Helper {
    /// What it may write to.
    pub directory: PathBuf,
    pub child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Helper {
    pub fn start(source: &str, user: Option<&Fixtures>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("portcullis-{source}-{}-{n}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir(&directory).unwrap();
        let program = directory.join(source);
        let file = format!("{}/tests/hostile/{source}.c", env!("CARGO_MANIFEST_DIR"));
        let cc = Command::new("cc").args(["-O1", "-Wall", "-pthread", "-o"]).arg(&program).arg(file).status();
        assert!(cc.unwrap().success());
        let place = directory.join("d");
        std::fs::create_dir(&place).unwrap();
        let words = [program.to_str().unwrap(), place.to_str().unwrap()];
        let mut command = match user {
            Some(f) => f.command(&[], &words[..1]),
            None => {
                let mut command = Command::new(words[0]);
                command.arg(words[1]);
                command
            }
        };
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { directory, child, lines }
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> Option<String> {
        self.lines.next().map(Result::unwrap)
    }
}

impl Helper {
    /// The cases of `hostile.c` that this kernel allows, by name; the others are printed with the errno.
    pub fn cases(&mut self) -> BTreeMap<String, i64> {
        let mut pids = BTreeMap::new();
        while let Some(line) = self.line().filter(|line| line != "ready") {
            match line.split_once(' ').unwrap() {
                (case, pid) if pid.parse::<i64>().is_ok() => {
                    pids.insert(case.to_owned(), pid.parse::<i64>().unwrap());
                }
                (case, why) => println!("{case} is not possible here: {why}"),
            }
        }
        pids
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
