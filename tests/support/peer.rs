//! A node of Erlang distribution, played by hand: it connects with the cookie `secret`, and calls.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

use std::io::{Read, Write};
use std::net::TcpStream;

use portcullis::dist::control::{self, Control, answer};
use portcullis::dist::etf::{Pid, Ref};
use portcullis::dist::frame::{Frames, Input};
use portcullis::wire::write::Writer;

use super::handshake;

/// A peer that has proved who it is.
pub struct Peer {
    socket: TcpStream,
    frames: Frames,
    who: String,
}

impl Peer {
    /// To the node of that name on this host; nothing if it does not let it in.
    pub fn connect(port: u16, node: &str, who: &str) -> Option<Self> {
        let mut socket = handshake::connected(port)?;
        let (frames, _) = handshake::initiate(&mut socket, who, node, "secret")?;
        Some(Self { socket, frames, who: who.to_owned() })
    }

    /// The payload of the answer to a call; nothing where the call was denied, `None` where the connection is over.
    pub fn call(&mut self, to: &str, request: impl FnOnce(&mut Writer)) -> Option<Option<Vec<u8>>> {
        let pid = Pid { node: &self.who, creation: 5, id: 80, serial: 0 };
        let mark = Ref { node: &self.who, creation: 5, words: [9, 1, 2, 0, 0], len: 3 };
        let mut w = Writer::new();
        w.tuple(3);
        portcullis::dist::etf::write::atom(&mut w, "$gen_call");
        w.tuple(2);
        portcullis::dist::etf::write::pid(&mut w, &pid);
        w.raw(&[108, 0, 0, 0, 1]);
        portcullis::dist::etf::write::atom(&mut w, "alias");
        portcullis::dist::etf::write::reference(&mut w, &mark);
        request(&mut w);
        let frame = answer::reg_send(&pid, to, w.bytes());
        self.socket.write_all(&frame).ok()?;
        loop {
            match self.frames.next().ok()? {
                Some(Input::Tick | Input::Head { .. }) => {}
                Some(Input::Frame(body)) => {
                    let message = control::read(body).unwrap();
                    return Some(match message.control {
                        Control::AliasSend { .. } => message.payload.map(<[u8]>::to_vec),
                        _ => None,
                    });
                }
                None => match self.socket.read(self.frames.space()) {
                    Ok(n) if n > 0 => self.frames.filled(n),
                    _ => return None,
                },
            }
        }
    }

    pub fn ping(&mut self) -> Option<bool> {
        let who = self.who.clone();
        let answer = self.call("net_kernel", |w| {
            w.tuple(2);
            portcullis::dist::etf::write::atom(w, "is_auth");
            portcullis::dist::etf::write::atom(w, &who);
        })?;
        Some(answer.is_some())
    }

    /// Whether `portcullis` says `info`: rules let that pass at all times, so that the connection is up.
    pub fn info(&mut self) -> Option<String> {
        let answer = self.call("portcullis", |w| portcullis::dist::etf::write::atom(w, "info"))?;
        Some(String::from_utf8_lossy(&answer.unwrap()).into_owned())
    }

    pub fn break_glass(&mut self, code: &str, reason: &str, seconds: u64) -> String {
        let answer = self.call("portcullis", |w| {
            w.tuple(4);
            portcullis::dist::etf::write::atom(w, "break_glass");
            w.binary(code.as_bytes());
            w.binary(reason.as_bytes());
            w.uint(seconds);
        });
        String::from_utf8_lossy(&answer.unwrap().unwrap()).into_owned()
    }
}
