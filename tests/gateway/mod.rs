//! A gateway in this process, a protected OTP node behind it, and peers in front of it.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::duplicate_mod, reason = "some have the support of the other tests too")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test fails by them"
)]

#[path = "../support/free_port.rs"]
pub mod free_port;
#[path = "../support/handshake.rs"]
pub mod handshake;
#[path = "../support/waiting.rs"]
pub mod waiting;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use portcullis::dist::config::{self, Config};
use portcullis::dist::control::answer;
use portcullis::dist::etf::write::{atom, pid, reference};
use portcullis::dist::etf::{Pid, Ref};
use portcullis::dist::frame::{Frames, Input, Length};
use portcullis::dist::handshake::cookie::Cookie;
use portcullis::dist::handshake::flags::Flags;
use portcullis::dist::handshake::message::Hello;
use portcullis::dist::handshake::name::NodeName;
use portcullis::dist::handshake::{Acceptor, Existing, Guests, Progress};
use portcullis::exec::gateway::{Setup, dialer, serve};
use portcullis::exec::node::words::Told;
use portcullis::exec::stream::tls::Identity;
use portcullis::sys::handover;
use portcullis::wire::write::Writer;

pub const B: &str = "b@127.0.0.1";
pub const Z: &str = "z@127.0.0.1";

/// What lets everything through that the tests expect to pass.
pub const RULES: &str = r#"
[default.in]
ping = "accept"
send = "accept"
alias_send = "accept"
monitor = { default = "accept", deny = ["init", "rex", "net_kernel", "guarded"] }
demonitor = "accept"
monitor_exit = "accept"
link = "accept"
unlink = "accept"
unlink_ack = "accept"
exit = "accept"
reg_send = { accept = ["echo", "sink", "mortal", "funny"] }
spawn_request = { accept = ["lists:_/_", "timer:sleep/1"] }
spawn_reply = "accept"
"#;

/// The protected node: `echo` answers calls, `sink` counts what it is sent, `mortal` ends when told, `funny` answers with a fun.
const SERVERS: &str = r#"
Serve = fun(Name, Do) -> spawn(fun() -> register(Name, self()), put(n, 0), Do(Do) end) end,
Serve(echo, fun(F) -> receive {'$gen_call', From, whoami} -> gen:reply(From, self()), F(F);
    {'$gen_call', From, atoms} -> gen:reply(From, erlang:system_info(atom_count)), F(F);
    {'$gen_call', From, {length, X}} -> gen:reply(From, byte_size(X)), F(F);
    {'$gen_call', From, {make, N}} -> gen:reply(From, binary:copy(<<7>>, N)), F(F);
    {'$gen_call', From, watchers} -> gen:reply(From, length(element(2, process_info(self(), monitored_by)))), F(F);
    {'$gen_call', From, {spawn_at, N}} -> T0 = erlang:monotonic_time(millisecond),
        R = try erpc:call(N, erlang, node, [], 8000) catch C:E -> {C, E} end,
        gen:reply(From, {erlang:monotonic_time(millisecond) - T0, R}), F(F);
    {'$gen_call', From, nodes} -> gen:reply(From, nodes(connected)), F(F);
    {'$gen_call', From, {handled, _}} -> gen:reply(From, ets:tab2list(handled)), F(F);
    {'$gen_call', From, X} -> gen:reply(From, X), F(F); _ -> F(F) end end),
Serve(sink, fun(F) -> receive {'$gen_call', From, count} -> gen:reply(From, get(n)), F(F);
    {n, N} -> case get(n) + 1 of N -> put(n, N); _ -> put(n, broken) end, F(F); _ -> F(F) end end),
Serve(mortal, fun(F) -> receive {'$gen_call', From, pid} -> gen:reply(From, self()), F(F); {die, Why} -> exit(Why);
    {link, P} -> link(P), F(F); fun_end -> exit(fun() -> ok end); _ -> F(F) end end),
Serve(funny, fun(F) -> receive {'$gen_call', From, watchers} -> gen:reply(From, length(element(2, process_info(self(), monitored_by)))), F(F);
    {'$gen_call', From, _} -> gen:reply(From, fun() -> ok end), F(F) end end),
ets:new(handled, [named_table, public]), spawn(fun() -> register(keeper, self()), receive stop -> ok end end),
Serve(guard, fun(F) -> receive {portcullis_dist, handled, #{message := {'$gen_call', From, X}} = M} ->
        gen:reply(From, {guarded, X, maps:with([node, direction, command, target], M), node(maps:get(from, M))}), F(F);
    {portcullis_dist, handled, M} -> persistent_term:put(last, maps:without([from, request], M#{asker => node(maps:get(from, M))})), F(F);
    {'$gen_call', From, last} -> gen:reply(From, persistent_term:get(last, none)), F(F); _ -> F(F) end end),
Serve(guarded, fun(F) -> receive _ -> persistent_term:put(reached, true), F(F) end end),
timer:sleep(50), io:format("up~n"), receive after infinity -> ok end.
"#;

/// An OTP node that listens on a port.
pub struct Node {
    child: Child,
    pub port: u16,
}

impl Node {
    pub fn protected(port: u16) -> Self {
        Self::start(port, &["-kernel", "dist_auto_connect", "never"])
    }

    /// One that connects by itself with whoever is named in a message.
    pub fn that_dials(port: u16) -> Self {
        Self::start(port, &[])
    }

    fn start(port: u16, more: &[&str]) -> Self {
        let text = port.to_string();
        let mut command = Command::new("erl");
        command.args([
            "-noinput",
            "-name",
            B,
            "-setcookie",
            "inner",
            "-start_epmd",
            "false",
            "-erl_epmd_port",
            &text,
        ]);
        command.args([
            "-kernel",
            "inet_dist_use_interface",
            "{127,0,0,1}",
            "-kernel",
            "logger_level",
            "none",
        ]);
        command.args(more).args(["-eval", SERVERS]);
        command.args(["-kernel", "logger_level", "none", "-eval", SERVERS]);
        command.env("HOME", "/nonexistent").stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "up");
        Self { child, port }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text of a file.
pub fn text(port: u16, more: &str, rules: &str) -> String {
    format!(
        "version = 1\n[node]\ncookie_file = \"/nowhere\"\nlisten = [\"127.0.0.1:1\"]\n[protects]\nname = \"{B}\"\ncookie_file = \"/elsewhere\"\nat = \"127.0.0.1:{port}\"\n[allow]\nnodes = [\"{Z}\", \"y@127.0.0.1\"]\n{more}\n{rules}"
    )
}

pub fn config(port: u16, more: &str, rules: &str) -> Config {
    let text = text(port, more, rules);
    config::parse(text.as_bytes()).unwrap_or_else(|wrong| panic!("{text}\n{wrong:?}"))
}

/// A gateway in front of the node at `port`: its own port. It serves until the test program ends.
pub fn gateway(port: u16, more: &str, rules: &str) -> u16 {
    let report: fn(&str) =
        if std::env::var_os("GATEWAY_SAYS").is_some() { |text| eprintln!("gateway: {text}") } else { |_| {} };
    gateway_of(config(port, more, rules), "outer", None, report)
}

/// One of that file, with that cookie of the peers: its own port.
pub fn gateway_of(config: Config, cookie: &str, tls: Option<Identity>, report: fn(&str)) -> u16 {
    let running = start(config, cookie, tls, report);
    let port = running.port;
    // It would end if nobody could read its file again.
    std::mem::forget(running);
    port
}

/// A gateway, and the place of the process that reads its file again.
pub struct Running {
    pub port: u16,
    gateway: OwnedFd,
    dialer: OwnedFd,
}

impl Running {
    /// The file says this now.
    pub fn reread(&self, text: &str) {
        let told = Told::Policy(text.as_bytes()).write();
        handover::send(self.dialer.as_fd(), &told, None).unwrap();
        handover::send(self.gateway.as_fd(), &told, None).unwrap();
    }

    /// The glass is broken for so many milliseconds.
    pub fn break_glass(&self, left: u64) {
        self.say(&Told::Glass(left, 1).write());
    }

    /// Whatever bytes.
    pub fn say(&self, bytes: &[u8]) {
        handover::send(self.gateway.as_fd(), bytes, None).unwrap();
    }
}

pub fn start(mut config: Config, cookie: &str, tls: Option<Identity>, report: fn(&str)) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let protects = config.protects.take().unwrap();
    let ((asks, answers), (gateway, told), (dialer, learns)) =
        (handover::messages().unwrap(), handover::messages().unwrap(), handover::messages().unwrap());
    let callee = dialer::Callee {
        name: protects.name,
        cookie: Cookie::parse(b"inner").unwrap(),
        place: protects.place,
        allow: config.policy.allow.clone(),
    };
    std::thread::spawn(move || dialer::serve(&answers, &learns, callee));
    let cookie = Cookie::parse(cookie.as_bytes()).unwrap();
    let listeners = vec![listener];
    let setup = Setup { config, cookie, listeners, tls, dialer: asks, starter: told, report };
    std::thread::spawn(move || serve(setup));
    Running { port, gateway, dialer }
}

/// Whom a protected node lets in that is no node of OTP: all who know the cookie.
pub struct Everybody;

impl Guests for Everybody {
    fn cookie(&self, _: &NodeName) -> Option<Cookie> {
        Cookie::parse(b"inner")
    }
    fn existing(&self, _: &NodeName) -> Existing {
        Existing::None
    }
}

/// What a node does with a connection that lets everybody in and is none of OTP, up to the end of the handshake: whether it came to that.
/// Whatever followed it at once is lost.
pub fn let_in(socket: &mut TcpStream) -> bool {
    let own = Hello { flags: Flags::OFFERED, creation: 99, name: handshake::name(B) };
    let mut acceptor = Acceptor::new(own, 1, Instant::now() + waiting::PATIENCE);
    let mut frames = Frames::handshake(Length::Two);
    let say =
        |socket: &mut TcpStream, body: &[u8]| socket.write_all(&Length::Two.frame(body).unwrap()).is_ok();
    loop {
        while let Ok(Some(Input::Frame(body))) = frames.next() {
            match acceptor.receive(body, &Everybody, Instant::now()) {
                Ok(Progress::Send(bodies)) if bodies.iter().all(|body| say(socket, body)) => {}
                Ok(Progress::Done(last, _)) => return last.iter().all(|body| say(socket, body)),
                _ => return false,
            }
        }
        match socket.read(frames.space()) {
            Ok(n) if n > 0 => frames.filled(n),
            _ => return false,
        }
    }
}

/// Reads all that comes, until it is closed.
pub fn ignore(mut socket: TcpStream) {
    let _ = std::io::copy(&mut socket, &mut std::io::sink());
}

/// A node that lets everybody in and gives each connection to `then`, in a thread of its own: its port.
pub fn protected(then: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (mut socket, then) = (socket.unwrap(), then.clone());
            std::thread::spawn(move || {
                if let_in(&mut socket) {
                    then(socket);
                }
            });
        }
    });
    port
}

/// Answers the question who it is on a socket, as a node of that name does before it asks for a proof.
pub fn challenge(socket: &mut TcpStream) {
    let mut name = [0; 256];
    assert!(socket.read(&mut name).unwrap() > 0);
    let hello = Hello { flags: Flags::OFFERED, creation: 99, name: handshake::name(B) };
    for body in [b"sok".to_vec(), hello.write_challenge(1)] {
        socket.write_all(&Length::Two.frame(&body).unwrap()).unwrap();
    }
}

/// What an OTP node in front of the gateway prints that evaluates `code`, which ends with a term.
pub fn otp(port: u16, name: &str, cookie: &str, code: &str) -> String {
    otp_with(port, name, cookie, &[], code)
}

/// The same with more arguments.
pub fn otp_with(port: u16, name: &str, cookie: &str, more: &[&str], code: &str) -> String {
    let code = format!(
        "Try = fun(F) -> T0 = erlang:monotonic_time(millisecond), R = try F() catch C:E -> {{C, E}} end,
            case erlang:monotonic_time(millisecond) - T0 of T when T < 100 -> R; T -> {{late, T, R}} end end,
         Call = fun(N, X) -> gen_server:call({{N, '{B}'}}, X, 10000) end, _ = {{Try, Call}},
         io:format(\"~0p\", [begin {code} end]), halt()."
    );
    let mut command = Command::new("erl");
    let port = port.to_string();
    command.args(["-noinput", "-name", name, "-setcookie", cookie, "-start_epmd", "false"]);
    command.args([
        "-erl_epmd_port",
        &port,
        "-dist_listen",
        "false",
        "-kernel",
        "logger_level",
        "none",
        "-eval",
        &code,
    ]);
    command.args(more).env("HOME", "/nonexistent");
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A peer of bytes that has proved who it is.
pub struct Peer {
    pub socket: TcpStream,
    pub frames: Frames,
    pub creation: u32,
}

pub fn peer(port: u16, who: &str) -> Option<Peer> {
    peer_as(port, who, "outer")
}

pub fn peer_as(port: u16, who: &str, cookie: &str) -> Option<Peer> {
    let mut socket = handshake::connected(port)?;
    let (frames, creation) = handshake::initiate(&mut socket, who, B, cookie)?;
    Some(Peer { socket, frames, creation })
}

pub fn own(node: &str) -> Pid<'_> {
    Pid { node, creation: 5, id: 80, serial: 0 }
}

pub fn mark(node: &str, n: u32) -> Ref<'_> {
    Ref { node, creation: 5, words: [n, 1, 2, 0, 0], len: 3 }
}

/// `{'$gen_call', {From, [alias|Ref]}, Request}` to a name, by a process of `node` in the words of `from`.
pub fn call(from: &str, node: &str, to: &str, n: u32, request: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut w = Writer::new();
    w.tuple(3);
    atom(&mut w, "$gen_call");
    w.tuple(2);
    pid(&mut w, &own(from));
    w.raw(&[108, 0, 0, 0, 1]);
    atom(&mut w, "alias");
    reference(&mut w, &mark(from, n));
    request(&mut w);
    answer::reg_send(&own(node), to, w.bytes())
}

impl Peer {
    pub fn say(&mut self, frame: &[u8]) {
        self.socket.write_all(frame).unwrap();
    }

    /// The next message that holds these bytes.
    pub fn hears(&mut self, word: &[u8]) -> Option<Vec<u8>> {
        loop {
            match self.frames.next().ok()? {
                Some(Input::Frame(body)) if body.windows(word.len()).any(|part| part == word) => {
                    return Some(body.to_vec());
                }
                Some(_) => {}
                None => match self.socket.read(self.frames.space()) {
                    Ok(n) if n > 0 => self.frames.filled(n),
                    _ => return None,
                },
            }
        }
    }

    /// Calls `echo`, and waits for the answer.
    pub fn echo(&mut self, who: &str, n: u32) -> Option<()> {
        let word = format!("answer-{n}");
        self.socket.write_all(&call(who, who, "echo", n, |w| w.binary(word.as_bytes()))).ok()?;
        self.hears(word.as_bytes()).map(drop)
    }
}
