//! Authorities, nodes and peers of these tests.

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use portcullis::dist::control::answer;
use portcullis::dist::etf::{Pid, Ref, write};
use portcullis::dist::frame::{Frames, Input};
use portcullis::dist::handshake::cookie::Cookie;
use portcullis::dist::handshake::flags::Flags;
use portcullis::dist::handshake::message::Hello;
use portcullis::dist::handshake::name::NodeName;
use portcullis::dist::handshake::{Initiator, Progress};
use portcullis::exec::stream::tls::Identity;
use portcullis::exec::stream::{Stop, Stream};
use portcullis::wire::write::Writer;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};

use crate::node::{self, COOKIE};
use crate::waiting::PATIENCE;

pub const GOOD: &str = "good@127.0.0.1";
pub const BAD: &str = "bad@127.0.0.1";

pub fn name(text: &str) -> NodeName {
    NodeName::parse(text.as_bytes()).unwrap()
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// An empty folder.
pub fn folder(what: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("portcullis-tls-{}-{what}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    folder
}

/// `portcullis dist keys` as an administrator types it: its status, and what it says.
pub fn dist_keys(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    let output = command.args(["dist", "keys"]).args(arguments).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// A folder with an authority and the certificates of these nodes.
pub fn keys(what: &str, nodes: &[&str]) -> PathBuf {
    let dir = folder(what);
    let path = dir.to_str().unwrap();
    assert_eq!(dist_keys(&["ca", "--dir", path]).0, 0);
    for node in nodes {
        let (status, said) = dist_keys(&["node", node, "--dir", path]);
        assert_eq!(status, 0, "{said}");
    }
    dir
}

pub fn identity(dir: &Path, node: &str) -> Identity {
    let read = |file: &str| std::fs::read(dir.join(file)).unwrap();
    let (certificate, key) = (read(&format!("{node}.pem")), read(&format!("{node}.key")));
    Identity::new(&certificate, &key, &read("ca.pem"), &name(node), now()).unwrap()
}

/// An authority of which everything can be told apart from what `dist keys` makes.
pub struct Authority {
    params: CertificateParams,
    key: KeyPair,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { params, key: KeyPair::generate().unwrap() }
    }

    pub fn pem(&self) -> String {
        let certificate = self.params.self_signed(&self.key).unwrap();
        armour("CERTIFICATE", certificate.der())
    }

    /// A certificate with these alternative names, between these days from now, for those purposes: it and its key.
    pub fn sign(
        &self,
        names: &[&str],
        days: (i64, i64),
        purposes: &[ExtendedKeyUsagePurpose],
    ) -> (String, String) {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.subject_alt_names =
            names.iter().map(|name| SanType::DnsName((*name).to_owned().try_into().unwrap())).collect();
        let at = |days: i64| {
            let seconds = i64::try_from(now()).unwrap() + days * 86_400;
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(seconds).unwrap())
        };
        (params.not_before, params.not_after) = (at(days.0), at(days.1));
        params.extended_key_usages = purposes.to_vec();
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        (armour("CERTIFICATE", certificate.der()), armour("PRIVATE KEY", key.serialized_der()))
    }
}

/// PEM by OpenSSL, which has its own opinion of it.
fn armour(label: &str, der: &[u8]) -> String {
    let mut child = Command::new("openssl")
        .args(["base64"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(der).unwrap();
    let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    format!("-----BEGIN {label}-----\n{text}-----END {label}-----\n")
}

/// A node without programs, which lets these in: the port.
pub fn node(tls: Identity, peers: &[&str], report: fn(&str)) -> u16 {
    let rules = format!(
        r#"[allow]
nodes = {peers:?}
[connections]
failures_per_minute = 1000000
[default.in]
default = "accept"
ping = "accept"
"#
    );
    node::alone(node::config(&rules), Some(tls), report)
}

/// A peer that speaks as the node's own client end does, and has proved who it is.
pub struct Peer {
    stream: Stream,
    frames: Frames,
    who: String,
}

/// A connection without anything said on it.
pub fn call(port: u16, identity: &Identity, callee: &str) -> Stream {
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    Stream::call(socket, Some(identity), &name(callee)).unwrap()
}

/// Lets it in, or says what ended it.
pub fn connect(mut stream: Stream, who: &str, callee: &str) -> Result<Peer, Stop> {
    let own = Hello { flags: Flags::OFFERED, creation: 5, name: name(who) };
    let deadline = Instant::now() + PATIENCE;
    let cookie = Cookie::parse(COOKIE.as_bytes()).unwrap();
    let (mut initiator, first) = Initiator::new(own, name(callee), cookie, 4711, deadline);
    let length = stream.length();
    let mut frames = Frames::handshake(length);
    say(&mut stream, &length.frame(&first).unwrap())?;
    loop {
        let body = next(&mut stream, &mut frames)?;
        match initiator.receive(&body, Instant::now()).map_err(|_| Stop::Closed)? {
            Progress::Send(bodies) => {
                bodies.iter().try_for_each(|body| say(&mut stream, &length.frame(body).unwrap()))?;
            }
            Progress::Done(..) => break,
            Progress::Refuse(..) => return Err(Stop::Closed),
        }
    }
    frames.connected(1 << 24);
    Ok(Peer { stream, frames, who: who.to_owned() })
}

/// Nothing comes at once: waits for the socket as a loop would.
fn waited<T>(mut what: impl FnMut() -> Result<T, Stop>) -> Result<T, Stop> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match what() {
            Err(Stop::Later) if Instant::now() < deadline => std::thread::sleep(Duration::from_micros(200)),
            other => return other,
        }
    }
}

pub fn say(stream: &mut Stream, mut bytes: &[u8]) -> Result<(), Stop> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(n) => bytes = &bytes[n..],
            // TLS needs to hear, too, before it can say anything.
            Err(Stop::Later) => std::thread::sleep(Duration::from_micros(200)),
            Err(stop) => return Err(stop),
        }
    }
    Ok(())
}

pub fn next(stream: &mut Stream, frames: &mut Frames) -> Result<Vec<u8>, Stop> {
    loop {
        match frames.next().map_err(|_| Stop::Closed)? {
            Some(Input::Frame(body)) => return Ok(body.to_vec()),
            Some(Input::Tick | Input::Head { .. }) => return Ok(Vec::new()),
            None => {
                let n = waited(|| {
                    stream.push().or_else(|stop| if stop == Stop::Later { Ok(()) } else { Err(stop) })?;
                    stream.read(frames.space())
                })?;
                frames.filled(n);
            }
        }
    }
}

#[allow(dead_code, reason = "what the tests of the gateway use alone")]
impl Peer {
    /// Says a frame.
    pub fn tell(&mut self, frame: &[u8]) -> Option<()> {
        say(&mut self.stream, frame).ok()
    }

    /// The next message that holds these bytes.
    pub fn hears(&mut self, word: &[u8]) -> Option<Vec<u8>> {
        loop {
            let body = next(&mut self.stream, &mut self.frames).ok()?;
            if body.windows(word.len()).any(|part| part == word) {
                return Some(body);
            }
        }
    }

    /// The next message of at least so many bytes.
    pub fn body(&mut self, least: usize) -> Option<Vec<u8>> {
        loop {
            let body = next(&mut self.stream, &mut self.frames).ok()?;
            if body.len() >= least {
                return Some(body);
            }
        }
    }

    /// Says a frame over and over, and reads nothing, until nothing has been taken for so long: the bytes that were.
    pub fn stuff(&mut self, frame: &[u8], quiet: Duration) -> usize {
        let (mut sent, mut at, mut last) = (0, 0, Instant::now());
        while last.elapsed() < quiet {
            match self.stream.write(&frame[at..]) {
                Ok(n) => {
                    (sent, at, last) = (sent + n, (at + n) % frame.len(), Instant::now());
                }
                Err(Stop::Later) => std::thread::sleep(Duration::from_millis(1)),
                Err(stop) => panic!("{stop:?}"),
            }
        }
        sent
    }

    /// Bytes past TLS.
    pub fn raw(&mut self, bytes: &[u8]) {
        let socket = self.stream.fd().try_clone_to_owned().unwrap();
        let _ = TcpStream::from(socket).write_all(bytes);
    }

    /// Sends that many bytes to nobody, pings, and waits for the answer.
    pub fn ping(&mut self, bytes: u32) -> Option<()> {
        let pid = Pid { node: &self.who, creation: 5, id: 80, serial: 0 };
        if bytes > 0 {
            let mut term = vec![109];
            term.extend(bytes.to_be_bytes());
            term.extend(vec![7; usize::try_from(bytes).unwrap()]);
            say(&mut self.stream, &answer::reg_send(&pid, "nobody", &term)).ok()?;
        }
        let frame = self.ping_frame(&pid);
        say(&mut self.stream, &frame).ok()?;
        loop {
            let body = next(&mut self.stream, &mut self.frames).ok()?;
            if body.windows(3).any(|word| word == b"yes") {
                return Some(());
            }
        }
    }

    /// As `net_adm:ping` says it.
    fn ping_frame(&self, pid: &Pid<'_>) -> Vec<u8> {
        let mut w = Writer::new();
        w.raw(b"\x68\x03\x77\x09$gen_call\x68\x02");
        write::pid(&mut w, pid);
        w.raw(b"\x6c\0\0\0\x01\x77\x05alias");
        write::reference(&mut w, &Ref { node: &self.who, creation: 5, words: [7, 1, 2, 0, 0], len: 3 });
        w.raw(b"\x68\x02\x77\x07is_auth");
        write::atom(&mut w, &self.who);
        answer::reg_send(pid, "net_kernel", w.bytes())
    }
}
