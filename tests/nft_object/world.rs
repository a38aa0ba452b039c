//! A network of one's own, nft in it, and the kernel's own bytes.

use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, Stdio};

use nix::sys::socket::{MsgFlags, recv, send};
use portcullis::netlink::attr::{Attrs, Buffer};
use portcullis::netlink::message::{ACK, Ack, DONE, DUMP, ERROR, Messages, REQUEST};
use portcullis::nft::object::message;

use crate::nft_support::{self, nft_text, raw};

/// `NFNL_SUBSYS_NFTABLES << 8`
const NFT: u16 = 10 << 8;

/// `NFNL_MSG_BATCH_BEGIN` and `NFNL_MSG_BATCH_END`.
const BEGIN: u16 = 16;
const END: u16 = 17;

/// Runs `test` in a network of its own; nothing without root or nft(8).
pub fn network(test: impl FnOnce() + Send) {
    let installed = Command::new("nft").arg("--version").stdout(Stdio::null()).status();
    if installed.is_err() {
        eprintln!("skipped: needs nft(8)");
        return;
    }
    nft_support::network(test);
}

/// A message as it was dumped: family and attributes.
pub type Dumped = (u8, Vec<u8>);

pub struct Kernel(OwnedFd);

impl Kernel {
    pub fn open() -> Self {
        Self(raw::socket())
    }

    /// Everything that a dump gives; `body` are the attributes of the request.
    pub fn dump(&self, kind: u16, family: u8, body: &[u8]) -> Vec<Dumped> {
        let mut buffer = Buffer::new();
        let mark = buffer.message(NFT | kind, REQUEST | DUMP, 1, family, 0);
        buffer.raw(body);
        buffer.end_message(mark).unwrap();
        send(self.0.as_raw_fd(), buffer.bytes(), MsgFlags::empty()).unwrap();
        let (mut received, mut all) = (vec![0; 1 << 20], Vec::new());
        loop {
            let length = recv(self.0.as_raw_fd(), &mut received, MsgFlags::empty()).unwrap();
            for message in Messages::new(&received[..length]) {
                match message.kind {
                    DONE => return all,
                    ERROR => panic!("a dump of {kind:#x} was refused"),
                    _ => all.push((message.family, message.body.to_vec())),
                }
            }
        }
    }

    /// Sends the messages as one batch: kind, flags, family, body. The error and the place of what was refused.
    pub fn batch(&self, messages: &[(u16, u16, u8, Vec<u8>)]) -> Result<(), (i32, usize, String)> {
        let mut buffer = Buffer::new();
        let edge = |buffer: &mut Buffer, kind, flags, seq| {
            let mark = buffer.message(kind, REQUEST | flags, seq, 0, 10);
            buffer.end_message(mark).unwrap();
        };
        edge(&mut buffer, BEGIN, 0, 0);
        for (seq, (kind, flags, family, body)) in (1..).zip(messages) {
            let mark = buffer.message(NFT | kind, REQUEST | flags, seq, *family, 0);
            buffer.raw(body);
            buffer.end_message(mark).unwrap();
        }
        let last = u32::try_from(messages.len() + 1).unwrap();
        edge(&mut buffer, END, ACK, last);
        send(self.0.as_raw_fd(), buffer.bytes(), MsgFlags::empty()).unwrap();
        // The first answer decides; the others would be taken for those of the next batch.
        let (mut received, mut first) = (vec![0; 1 << 16], None);
        while let Ok(length) = recv(self.0.as_raw_fd(), &mut received, MsgFlags::MSG_DONTWAIT) {
            for message in Messages::new(&received[..length]) {
                let ack = Ack::of(&message).unwrap();
                let text = String::from_utf8_lossy(ack.text.unwrap_or_default()).into_owned();
                first.get_or_insert((ack.errno, usize::try_from(ack.seq).unwrap() - 1, text));
            }
        }
        match first.unwrap() {
            (0, ..) => Ok(()),
            refused => Err(refused),
        }
    }

    /// All that makes up tables: kind, family, body. The order in which it can be made again.
    pub fn everything(&self) -> Vec<(u16, u8, Vec<u8>)> {
        let mut all = Vec::new();
        let kinds = [
            (message::GET_TABLE, message::NEW_TABLE),
            (message::GET_FLOWTABLE, message::NEW_FLOWTABLE),
            (message::GET_CHAIN, message::NEW_CHAIN),
            (message::GET_OBJECT, message::NEW_OBJECT),
            (message::GET_SET, message::NEW_SET),
        ];
        for (get, new) in kinds {
            all.extend(self.dump(get, 0, &[]).into_iter().map(|(family, body)| (new, family, body)));
        }
        for (_, family, body) in all.clone().into_iter().filter(|(kind, ..)| *kind == message::NEW_SET) {
            let mut of = Buffer::new();
            Attrs::new(&body).filter(|a| a.kind <= 2).for_each(|a| of.put(a.kind, a.value));
            let elements = self.dump(message::GET_ELEMENT, family, of.bytes());
            all.extend(elements.into_iter().map(|(family, body)| (message::NEW_ELEMENT, family, body)));
        }
        let rules = self.dump(message::GET_RULE, 0, &[]);
        all.extend(rules.into_iter().map(|(family, body)| (message::NEW_RULE, family, body)));
        all
    }
}

/// What nft lists, without what goes on by itself.
pub fn listing() -> String {
    let text = nft_text("ruleset").unwrap();
    let mut words: Vec<&str> = text.split_inclusive([' ', '\n', ',']).collect();
    for at in 1..words.len() {
        if words[at - 1].trim() == "expires" {
            words[at] = "X ";
        }
    }
    words.concat()
}

/// Attributes without `NLA_F_NESTED`, which the kernel does not set where nft does. What is nested is told by trying: all of it
/// must be attributes, so a value that looks like some is only treated alike on both sides.
pub fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut buffer = Buffer::new();
    for attr in Attrs::new(bytes) {
        let inner = Attrs::check(attr.value).is_ok() && attr.value.len() > 4;
        buffer.put(attr.kind, &if inner { plain(attr.value) } else { attr.value.to_vec() });
    }
    buffer.bytes().to_vec()
}
