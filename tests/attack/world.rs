//! Where attempts are made: against the installed release, or against a build in which one measure is left out.

use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use portcullis::measure::Measure;

use crate::support::{self, Fixtures, Map, Port, Term};

/// What became of an attempt.
#[derive(Debug)]
pub enum Outcome {
    /// By what.
    Stopped(String),
    /// What the attacker got.
    Through(String),
}

pub use Outcome::{Stopped, Through};

/// `Through` if it holds.
pub fn got(through: bool, what: impl Into<String>) -> Outcome {
    if through { Through(what.into()) } else { Stopped(what.into()) }
}

/// The installations, and what is left out of the program.
pub struct World {
    pub f: Fixtures,
    without: Option<Measure>,
}

/// How a start ended.
pub enum Started {
    Serving(Port, Map),
    Refused(String),
    Ended(String),
}

impl Started {
    /// An outcome for attempts whose aim is that it serves at all.
    pub fn serves(self) -> Outcome {
        match self {
            Self::Serving(..) => Through("it serves".into()),
            Self::Refused(reason) => Stopped(reason),
            Self::Ended(how) => Stopped(how),
        }
    }
}

/// How the program is started.
pub struct Start<'s> {
    pub role: &'s str,
    /// A folder for `/etc/portcullis`.
    pub policy: String,
    /// An installation of tests/fixtures/make.sh.
    pub install: Option<&'s str>,
    /// Options of tests/fixtures/as.sh.
    pub options: Vec<&'s str>,
    /// Words between the user and the program: `env --block-signal`.
    pub before: Vec<&'s str>,
    /// Further arguments.
    pub arguments: Vec<&'s str>,
}

impl World {
    pub fn strong(f: Fixtures) -> Self {
        Self { f, without: None }
    }

    pub fn weakened(f: Fixtures, without: Measure) -> Self {
        Self { f, without: Some(without) }
    }

    /// The start of a role under a policy of this text, otherwise as it should be.
    pub fn start<'s>(&self, role: &'s str, policy: &str) -> Start<'s> {
        self.start_in(role, self.f.policy(policy))
    }

    pub fn start_in<'s>(&self, role: &'s str, policy: String) -> Start<'s> {
        Start { role, policy, install: None, options: vec![], before: vec![], arguments: vec![] }
    }

    /// The program that a start means.
    pub fn program(&self, start: &Start<'_>) -> PathBuf {
        let name = format!("portcullis-{}", start.role);
        match (self.without, start.install) {
            (None, None) => self.f.directory.join("full").join(name),
            (None, Some(install)) => self.f.directory.join(install).join(name),
            (Some(_), None) => self.f.directory.join("weak").join(name),
            (Some(_), Some(install)) => self.f.directory.join(format!("weak-{install}")).join(name),
        }
    }

    /// The arguments that leave out what this world leaves out, and `also`.
    fn without(&self, also: &[Measure]) -> Vec<&'static str> {
        let left_out = self.without.iter().chain(also);
        left_out.flat_map(|m| ["--without", m.name()]).collect()
    }

    pub fn command(&self, start: &Start<'_>) -> Command {
        let program = self.program(start).into_os_string().into_string().unwrap();
        let mut words = start.before.clone();
        words.extend([program.as_str(), "port", "--role", start.role]);
        words.extend(&start.arguments);
        words.extend(self.without(&[]));
        let mut options = vec!["--policy", start.policy.as_str()];
        options.extend(&start.options);
        self.f.command(&options, &words)
    }

    pub fn run(&self, start: &Start<'_>) -> Started {
        started(self.command(start))
    }

    /// A port that must serve, whatever is left out.
    pub fn serving(&self, start: &Start<'_>) -> (Port, Map) {
        match self.run(start) {
            Started::Serving(port, hello) => (port, hello),
            Started::Refused(why) | Started::Ended(why) => panic!("it does not serve: {why}"),
        }
    }

    /// What the attacker inside gets. `also` is left out too, where it would hide what is tried.
    pub fn inside(&self, role: &str, policy: &str, attempt: &str, also: &[Measure]) -> Outcome {
        let program = self.f.directory.join(format!("weak/intruder-{role}"));
        let mut words = vec![program.to_str().unwrap(), "--role", role];
        let without = self.without(also);
        words.extend(&without);
        words.push(attempt);
        let policy = self.f.policy(policy);
        let output = self.f.command(&["--policy", &policy], &words).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        use std::os::unix::process::ExitStatusExt;
        match output.status.signal() {
            Some(31) => Stopped("SIGSYS".into()),
            Some(other) => Stopped(format!("signal {other}")),
            None if text.starts_with("through") => Through(text),
            None if text.starts_with("stopped") => Stopped(text),
            None => panic!("{attempt}: {text} {}", String::from_utf8_lossy(&output.stderr)),
        }
    }
}

pub fn started(command: Command) -> Started {
    let mut port = Port::start(command);
    match port.receive() {
        Some(term) => {
            let [tag, map] = support::tuple(&term);
            let map = Map::of(map);
            match support::name(tag) {
                "hello" => Started::Serving(port, map),
                _ => Started::Refused(format!(
                    "{}: {}",
                    support::name(map.get("reason")),
                    support::text(map.get("message"))
                )),
            }
        }
        None => Started::Ended(format!("{}", port.end())),
    }
}

/// A place for the system's log, as `/dev/log` of the processes that are started with it. A thread takes records as they
/// come: a socket's queue holds few.
pub struct DevLog {
    taken: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    /// Sends what shows how far the reader is.
    marks: UnixDatagram,
    pub path: String,
}

impl DevLog {
    pub fn new(f: &Fixtures) -> Self {
        let path = format!("{}/log", f.policy("version = 1\n"));
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let reader = std::thread::spawn({
            let (taken, stop) = (Arc::clone(&taken), Arc::clone(&stop));
            move || {
                let mut buffer = [0; 8192];
                while !stop.load(Ordering::Relaxed) {
                    if let Ok(n) = socket.recv(&mut buffer) {
                        taken.lock().unwrap().push(String::from_utf8_lossy(&buffer[..n]).into_owned());
                    }
                }
            }
        });
        let marks = UnixDatagram::unbound().unwrap();
        Self { taken, stop, reader: Some(reader), marks, path }
    }

    /// The records since the last call. A record is sent before the answer to what it tells of, and they are taken in the order in which
    /// they were sent.
    pub fn records(&self) -> Vec<String> {
        const MARK: &str = "all before this is taken";
        self.marks.send_to(MARK.as_bytes(), &self.path).unwrap();
        support::eventually("the mark is taken", || {
            self.taken.lock().unwrap().last().is_some_and(|last| last == MARK)
        });
        let mut taken = std::mem::take(&mut *self.taken.lock().unwrap());
        taken.pop();
        taken
    }
}

/// The daemon ends: nobody listens any more.
impl Drop for DevLog {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.reader.take().unwrap().join().unwrap();
    }
}

/// The answer to one request: its tag and value. Rows that come before the end are passed over.
pub fn ask(port: &mut Port, id: u32, op: &str, args: Term) -> (String, Term) {
    port.request(id, op, args);
    loop {
        let term = port.receive().expect("an answer");
        let t = support::elements(&term);
        match support::name(&t[0]) {
            "rows" | "event" | "lost" => {}
            tag if support::integer(&t[1]) == i128::from(id) || support::integer(&t[1]) == 0 => {
                return (tag.to_owned(), t[2].clone());
            }
            _ => {}
        }
    }
}

/// An attempt whose aim is that a request is answered `ok`.
pub fn asked(port: &mut Port, op: &str, args: Term) -> Outcome {
    let (tag, value) = ask(port, 1, op, args);
    got(tag == "ok", format!("{tag} {value}"))
}

/// All of a file, for tests that are root.
pub fn read(path: &str) -> String {
    let mut text = Vec::new();
    if let Ok(mut file) = std::fs::File::open(path) {
        let _ = file.read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

impl World {
    /// Whether nothing is left out.
    pub fn is_strong(&self) -> bool {
        self.without.is_none()
    }

    /// The arguments that leave out what is left out.
    pub fn left_out(&self) -> Vec<&'static str> {
        self.without(&[])
    }
}
