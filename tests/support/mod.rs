//! Drives an installed port as the test user, over pipes, with frames made by hand and terms read by another decoder
//! than the program's own.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test fails by them"
)]

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

pub use eetf::Term;

pub mod handshake;
pub mod hostile;
pub mod peer;
pub mod waiting;

#[allow(unused_imports, reason = "each test binary uses a part of it")]
pub use waiting::{
    PATIENCE, below, eventually, given_time, median, state, ticks, until_it_executes, until_it_sleeps, within,
};

/// The installations of tests/fixtures/make.sh and the user who may start them.
pub struct Fixtures {
    pub directory: PathBuf,
    pub user: String,
}

/// `None`, with a word on stderr, where the tests run without root: scripts/test-all.sh makes both.
pub fn fixtures() -> Option<Fixtures> {
    let directory = std::env::var_os("PORTCULLIS_FIXTURES").map(PathBuf::from);
    let user = std::env::var("PORTCULLIS_TEST_USER").ok();
    match (directory, user) {
        (Some(directory), Some(user)) => Some(Fixtures { directory, user }),
        _ => {
            eprintln!("skipped: needs installations that only root can make; run sh scripts/test-all.sh");
            None
        }
    }
}

impl Fixtures {
    pub fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name).join("portcullis-proc")
    }

    /// A policy of this text, as a folder for the option `--policy`.
    pub fn policy(&self, text: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = loop {
            let n = COUNT.fetch_add(1, Ordering::Relaxed);
            let folder = self.directory.join(format!("policies/{}-{n}", std::process::id()));
            // In a namespace of processes a number is used again.
            match std::fs::create_dir(&folder) {
                Ok(()) => break folder,
                Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::AlreadyExists, "{}", folder.display()),
            }
        };
        std::fs::write(folder.join("policy.toml"), text).unwrap();
        folder.into_os_string().into_string().unwrap()
    }

    /// `command` as the test user, with nothing left of root. `options` are those of tests/fixtures/as.sh; without
    /// `--policy` among them it is that of tests/fixtures/make.sh.
    pub fn command(&self, options: &[&str], command: &[&str]) -> Command {
        let mut c = Command::new("sh");
        c.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/as.sh")).arg(&self.user);
        if !options.contains(&"--policy") {
            c.arg("--policy").arg(self.directory.join("policies/basic"));
        }
        c.args(options)
            .arg("--")
            .args(command)
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .current_dir("/");
        c
    }

    /// What starts a copy as a node does that runs in a test, and so as root: as the test user, who has root at the other end of his socket.
    pub fn copy_of_a_node(&self) -> String {
        let policy =
            "version = 1\n[proc]\nlevel = \"basic\"\n[peers]\ndefault = \"all\"\n[socket]\nuids = [0]\n";
        let command =
            self.command(&["--policy", &self.policy(policy)], &[self.program("ok").to_str().unwrap()]);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<_> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
        format!("exec {} \"$@\"", words.join(" "))
    }

    /// The port of the installation `name`.
    pub fn port(&self, name: &str) -> Port {
        self.port_with(name, &[], &[])
    }

    /// The same under `options` of as.sh and with more arguments.
    pub fn port_with(&self, name: &str, options: &[&str], arguments: &[&str]) -> Port {
        let program = self.program(name);
        let program = program.to_str().unwrap();
        let words = [&[program, "port", "--role", "proc"], arguments].concat();
        Port::start(self.command(options, &words))
    }
}

/// A running port.
pub struct Port {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
}

impl Port {
    pub fn start(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// The pid: every step of the way to the port is an exec.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn input(&mut self) -> &mut ChildStdin {
        self.input.as_mut().unwrap()
    }

    /// The input, for another thread to write to.
    pub fn take_input(&mut self) -> ChildStdin {
        self.input.take().unwrap()
    }

    pub fn give_input(&mut self, input: ChildStdin) {
        self.input = Some(input);
    }

    /// Bytes as they are, without a header.
    pub fn write(&mut self, bytes: &[u8]) {
        self.input().write_all(bytes).unwrap();
    }

    /// The same, to a port that may have ended.
    pub fn try_write(&mut self, bytes: &[u8]) -> Option<()> {
        self.input().write_all(bytes).ok()
    }

    /// One frame of these bytes.
    pub fn frame(&mut self, body: &[u8]) {
        self.write(&framed(body));
    }

    pub fn request(&mut self, id: u32, op: &str, args: Term) {
        self.frame(&request(id, op, args, 60_000));
    }

    /// The next frame as a term; `None` at the end of the stream.
    pub fn receive(&mut self) -> Option<Term> {
        self.receive_frame().map(|body| Term::decode(&body[..]).unwrap())
    }

    pub fn output(&self) -> &ChildStdout {
        &self.output
    }

    /// Some bytes, at most `most`, whatever they are; how many. 0 at the end.
    pub fn read_raw(&mut self, most: usize) -> usize {
        self.output.read(&mut vec![0; most]).unwrap()
    }

    pub fn receive_frame(&mut self) -> Option<Vec<u8>> {
        let mut header = [0; 4];
        self.output.read_exact(&mut header).ok()?;
        let mut body = vec![0; usize::try_from(u32::from_be_bytes(header)).unwrap()];
        self.output.read_exact(&mut body).unwrap();
        Some(body)
    }

    /// The `hello`; panics on anything else.
    pub fn hello(&mut self) -> Map {
        let term = self.receive().expect("hello");
        let [tag, map] = tuple(&term);
        assert_eq!(name(tag), "hello", "{term}");
        Map::of(map)
    }

    /// The `refused` and the exit status.
    pub fn refused(mut self) -> (Map, ExitStatus) {
        let term = self.receive().expect("a refused frame");
        let [tag, map] = tuple(&term);
        assert_eq!(name(tag), "refused", "{term}");
        (Map::of(map), self.end())
    }

    /// The answer to a request of one frame: its tag, id and value.
    pub fn answer(&mut self) -> (String, i128, Term) {
        let term = self.receive().expect("an answer");
        let [tag, id, value] = tuple(&term);
        (name(tag).to_owned(), integer(id), value.clone())
    }

    /// The value of a request that must succeed.
    pub fn ask(&mut self, id: u32, op: &str, args: Term) -> Term {
        self.request(id, op, args);
        let (tag, of, value) = self.answer();
        assert_eq!((tag.as_str(), of), ("ok", i128::from(id)), "{value}");
        value
    }

    /// An `info` that must be answered although a row answer is under way. How many of its chunks came before.
    pub fn ask_amid_rows(&mut self, id: u32) -> usize {
        self.request(id, "info", map(&[]));
        for chunks in 0.. {
            let term = self.receive().expect("an answer");
            let Term::Tuple(t) = &term else { panic!("{term}") };
            if integer(&t.elements[1]) == i128::from(id) {
                assert_eq!(name(&t.elements[0]), "ok");
                return chunks;
            }
        }
        unreachable!()
    }

    /// All rows of a request, granting credit for each chunk, and the `Meta`.
    pub fn rows(&mut self, id: u32, args: Term) -> (Vec<Vec<Term>>, Map) {
        self.rows_of(id, "processes", args)
    }

    /// The same of any operation that answers rows.
    pub fn rows_of(&mut self, id: u32, op: &str, args: Term) -> (Vec<Vec<Term>>, Map) {
        self.request(id, op, args);
        let mut rows = Vec::new();
        loop {
            let term = self.receive().expect("a chunk");
            let Term::Tuple(t) = &term else { panic!("{term}") };
            match name(&t.elements[0]) {
                "rows" => {
                    rows.extend(list(&t.elements[3]).into_iter().map(|row| elements(&row)));
                    let credit = tuple_of(vec![atom("credit"), int(i64::from(id)), int(1)]);
                    self.frame(&encode(&credit));
                }
                "ok" => return (rows, Map::of(&t.elements[2])),
                _ => panic!("{term}"),
            }
        }
    }

    /// Closes the input and waits for the exit status.
    pub fn end(mut self) -> ExitStatus {
        drop(self.input.take());
        self.child.wait().unwrap()
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// What it wrote to stderr, after it ended.
    pub fn stderr(mut self) -> String {
        drop(self.input.take());
        let mut text = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        self.child.wait().unwrap();
        text
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

pub fn request(id: u32, op: &str, args: Term, timeout: i64) -> Vec<u8> {
    encode(&tuple_of(vec![atom("req"), int(i64::from(id)), atom(op), args, int(timeout)]))
}

pub fn encode(term: &Term) -> Vec<u8> {
    let mut bytes = Vec::new();
    term.encode(&mut bytes).unwrap();
    bytes
}

pub fn atom(name: &str) -> Term {
    Term::from(eetf::Atom::from(name))
}

pub fn int(n: i64) -> Term {
    i32::try_from(n)
        .map_or_else(|_| Term::from(eetf::BigInteger::from(n)), |n| Term::from(eetf::FixInteger::from(n)))
}

pub fn binary(bytes: &[u8]) -> Term {
    Term::from(eetf::Binary::from(bytes))
}

pub fn tuple_of(elements: Vec<Term>) -> Term {
    Term::from(eetf::Tuple::from(elements))
}

pub fn list_of(elements: Vec<Term>) -> Term {
    Term::from(eetf::List::from(elements))
}

pub fn atoms(names: &[&str]) -> Term {
    list_of(names.iter().map(|n| atom(n)).collect())
}

pub fn map(pairs: &[(&str, Term)]) -> Term {
    let pairs: std::collections::HashMap<Term, Term> =
        pairs.iter().map(|(k, v)| (atom(k), v.clone())).collect();
    Term::from(eetf::Map::from(pairs))
}

pub fn tuple<const N: usize>(term: &Term) -> [&Term; N] {
    let Term::Tuple(t) = term else { panic!("not a tuple: {term}") };
    t.elements.iter().collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("not a {N}-tuple: {term}"))
}

pub fn elements(term: &Term) -> Vec<Term> {
    let Term::Tuple(t) = term else { panic!("not a tuple: {term}") };
    t.elements.clone()
}

pub fn list(term: &Term) -> Vec<Term> {
    match term {
        Term::List(l) => l.elements.clone(),
        Term::ByteList(l) => l.bytes.iter().map(|b| int(i64::from(*b))).collect(),
        _ => panic!("not a list: {term}"),
    }
}

pub fn name(term: &Term) -> &str {
    let Term::Atom(a) = term else { panic!("not an atom: {term}") };
    &a.name
}

pub fn names(term: &Term) -> Vec<String> {
    list(term).iter().map(|t| name(t).to_owned()).collect()
}

pub fn integer(term: &Term) -> i128 {
    match term {
        Term::FixInteger(i) => i128::from(i.value),
        Term::BigInteger(i) => i.value.to_string().parse().unwrap(),
        _ => panic!("not an integer: {term}"),
    }
}

pub fn bytes(term: &Term) -> Vec<u8> {
    let Term::Binary(b) = term else { panic!("not a binary: {term}") };
    b.bytes.clone()
}

pub fn text(term: &Term) -> String {
    String::from_utf8(bytes(term)).unwrap()
}

/// A map with atoms for keys.
pub struct Map(std::collections::BTreeMap<String, Term>);

impl Map {
    pub fn of(term: &Term) -> Self {
        let Term::Map(m) = term else { panic!("not a map: {term}") };
        Self(m.map.iter().map(|(k, v)| (name(k).to_owned(), v.clone())).collect())
    }

    pub fn get(&self, key: &str) -> &Term {
        self.0.get(key).unwrap_or_else(|| panic!("no {key} in {:?}", self.0.keys()))
    }

    pub fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

/// Before a program and its words: it is started with deadlines that may be centuries late.
pub const LATE: [&str; 3] = [
    "python3",
    "-c",
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(29, ctypes.c_ulong(9 * 10**18), 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])",
];

/// How late a wait of the process may end, in nanoseconds.
pub fn timer_slack(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/timerslack_ns")).unwrap().trim().to_owned()
}

/// A line of `/proc/PID/status`.
pub fn status(pid: u32, key: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix(key)?.strip_prefix(':'))
        .unwrap_or_else(|| panic!("no {key}"));
    line.trim().to_owned()
}
