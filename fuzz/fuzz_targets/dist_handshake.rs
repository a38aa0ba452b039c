//! Frames in the place of a node's that calls and of one that is called: nobody gets in without the digest of the cookie, nobody who is not
//! allowed is sent a challenge, and after the end there is nothing more. The stream is cut into frames with two bytes of length.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use portcullis::dist::frame::{Frames, Input, Length};
use portcullis::dist::handshake::cookie::Cookie;
use portcullis::dist::handshake::flags::Flags;
use portcullis::dist::handshake::message::Hello;
use portcullis::dist::handshake::name::NodeName;
use portcullis::dist::handshake::{Acceptor, Existing, Failure, Guests, Initiator, Probe, Progress};

struct House(Existing);

impl Guests for House {
    fn cookie(&self, name: &NodeName) -> Option<Cookie> {
        ["a@127.0.0.2", "z@h"].contains(&name.as_str()).then(|| Cookie::parse(b"secret").expect("a cookie"))
    }

    fn existing(&self, _: &NodeName) -> Existing {
        self.0
    }
}

fn own() -> Hello {
    let name = NodeName::parse(b"b@127.0.0.1").expect("a name");
    Hello { flags: Flags::OFFERED, creation: 7, name }
}

/// The challenge that the recorded node gave, so that the seeds get to the end: behind the tag and the flags.
static CHALLENGE: LazyLock<u32> = LazyLock::new(|| {
    let text = include_str!("../../tests/vectors/dist/otp-25.txt");
    let line = text.lines().find(|line| line.starts_with("< 4E")).expect("a challenge");
    u32::from_str_radix(&line[2 + 18..2 + 26], 16).expect("a number")
});

fuzz_target!(|data: &[u8]| {
    let Some((kind, stream)) = data.split_first() else { return };
    let existing = [Existing::None, Existing::Up, Existing::Calling][usize::from(kind % 3)];
    let now = Instant::now();
    let deadline = now + Duration::from_secs(5);
    let mut acceptor = Acceptor::new(own(), *CHALLENGE, deadline);
    let callee = NodeName::parse(b"a@127.0.0.2").expect("a name");
    let (mut initiator, _) =
        Initiator::new(own(), callee, Cookie::parse(b"secret").expect("a cookie"), *CHALLENGE, deadline);
    let callee = NodeName::parse(b"a@127.0.0.2").expect("a name");
    let (mut probe, _) = Probe::new(&own(), callee);
    let mut frames = Frames::handshake(Length::Two);
    let (mut ended, mut challenged) = (false, false);
    let mut rest = stream;
    while !rest.is_empty() {
        let space = frames.space();
        let n = space.len().min(rest.len());
        space[..n].copy_from_slice(&rest[..n]);
        frames.filled(n);
        rest = &rest[n..];
        while let Ok(Some(Input::Frame(body))) = frames.next() {
            let progress = acceptor.receive(body, &House(existing), now);
            assert!(!ended || progress == Err(Failure::Over));
            match progress {
                Ok(Progress::Send(out)) => challenged |= out.iter().any(|body| body.starts_with(b"N")),
                Ok(Progress::Done(_, connected)) => {
                    assert!(challenged);
                    assert!(["a@127.0.0.2", "z@h"].contains(&connected.peer.name.as_str()));
                    assert!(connected.peer.flags.expanded().has(Flags::REQUIRED));
                    assert!(!connected.flags.has(Flags::DIST_HDR_ATOM_CACHE));
                    let digest = Cookie::parse(b"secret").expect("a cookie").digest(*CHALLENGE).0;
                    assert!(body.ends_with(&digest));
                    ended = true;
                }
                Ok(Progress::Refuse(out, _)) => {
                    assert!(!out.starts_with(b"N"));
                    ended = true;
                }
                Err(_) => ended = true,
            }
            if let Ok(Some(said)) = probe.receive(body) {
                assert_eq!(said.name.as_str(), "a@127.0.0.2");
                assert!(said.flags.expanded().has(Flags::REQUIRED));
            }
            if let Ok(Progress::Done(_, connected)) = initiator.receive(body, now) {
                assert_eq!(connected.peer.name.as_str(), "a@127.0.0.2");
            }
        }
    }
});
