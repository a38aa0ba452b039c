//! The messages of a handshake, both ways. ERTS User's Guide, Distribution Protocol, "Distribution Handshake", version 6.
#![forbid(unsafe_code)]

use super::Failure;
use super::cookie::Digest;
use super::flags::Flags;
use super::name::NodeName;

/// Who a node says it is: `send_name` and, with a challenge, `send_challenge`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// What it can do.
    pub flags: Flags,
    /// Which start of it.
    pub creation: u32,
    /// Its name.
    pub name: NodeName,
}

/// What the accepting side says to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Go on.
    Ok,
    /// Go on, and give up the connection that you are opening to me yourself.
    OkSimultaneous,
    /// I am opening a connection to you already, and that one stays.
    Nok,
    /// No.
    NotAllowed,
    /// There is a connection from you that seems to live: is it dead?
    Alive,
}

impl Status {
    /// The text of it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::OkSimultaneous => "ok_simultaneous",
            Self::Nok => "nok",
            Self::NotAllowed => "not_allowed",
            Self::Alive => "alive",
        }
    }

    const ALL: [Self; 5] = [Self::Ok, Self::OkSimultaneous, Self::Nok, Self::NotAllowed, Self::Alive];

    /// The body of a status message.
    #[must_use]
    pub fn write(self) -> Vec<u8> {
        [b"s", self.text().as_bytes()].concat()
    }

    /// Reads one. `named:` answers a node that asked for a name, which we never do.
    pub(super) fn read(body: &[u8]) -> Result<Self, Failure> {
        match body.split_first() {
            Some((b's', text)) => Self::ALL
                .into_iter()
                .find(|status| status.text().as_bytes() == text)
                .ok_or(Failure::Malformed("status")),
            _ => Err(Failure::Malformed("status")),
        }
    }
}

impl Hello {
    /// `send_name`.
    #[must_use]
    pub fn write_name(&self) -> Vec<u8> {
        self.write(None)
    }

    /// `send_challenge`.
    #[must_use]
    pub fn write_challenge(&self, challenge: u32) -> Vec<u8> {
        self.write(Some(challenge))
    }

    fn write(&self, challenge: Option<u32>) -> Vec<u8> {
        let name = self.name.as_str().as_bytes();
        let mut body = vec![b'N'];
        body.extend(self.flags.0.to_be_bytes());
        body.extend(challenge.map(u32::to_be_bytes).into_iter().flatten());
        body.extend(self.creation.to_be_bytes());
        // At most 255: NodeName.
        body.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
        body.extend(name);
        body
    }

    /// Reads a `send_name`.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read_name(body: &[u8]) -> Result<Self, Failure> {
        let rest = front(body, "name")?;
        let (flags, rest) = split(rest, "name")?;
        Self::read(flags, rest, "name")
    }

    pub(super) fn read_challenge(body: &[u8]) -> Result<(Self, u32), Failure> {
        let rest = front(body, "challenge")?;
        let (flags, rest) = split(rest, "challenge")?;
        let (challenge, rest) = split(rest, "challenge")?;
        Ok((Self::read(flags, rest, "challenge")?, u32::from_be_bytes(challenge)))
    }

    /// What follows the flags and the challenge. Bytes behind the name would be ones that we do not know: refused, as none are defined.
    fn read(flags: [u8; 8], rest: &[u8], what: &'static str) -> Result<Self, Failure> {
        let flags = Flags(u64::from_be_bytes(flags));
        let (creation, rest) = split(rest, what)?;
        let (length, name) = split(rest, what)?;
        if usize::from(u16::from_be_bytes(length)) != name.len() {
            return Err(Failure::Malformed(what));
        }
        if flags.has(Flags::NAME_ME) {
            return Err(Failure::DynamicName);
        }
        let name = NodeName::parse(name).ok_or(Failure::Name)?;
        Ok(Self { flags, creation: u32::from_be_bytes(creation), name })
    }
}

/// The tag: `N` since OTP 23; `n` is the handshake before it.
fn front<'a>(body: &'a [u8], what: &'static str) -> Result<&'a [u8], Failure> {
    match body.split_first() {
        Some((b'N', rest)) => Ok(rest),
        Some((b'n', _)) => Err(Failure::OldVersion),
        _ => Err(Failure::Malformed(what)),
    }
}

fn split<'a, const N: usize>(bytes: &'a [u8], what: &'static str) -> Result<([u8; N], &'a [u8]), Failure> {
    bytes.split_first_chunk().map(|(front, rest)| (*front, rest)).ok_or(Failure::Malformed(what))
}

/// `send_challenge_reply`: our own challenge, and the answer to theirs.
#[must_use]
pub fn reply(challenge: u32, digest: &Digest) -> Vec<u8> {
    [&b"r"[..], &challenge.to_be_bytes(), &digest.0].concat()
}

pub(super) fn read_reply(body: &[u8]) -> Result<(u32, [u8; 16]), Failure> {
    let wrong = Failure::Malformed("challenge reply");
    let (&tag, rest) = body.split_first().ok_or(wrong)?;
    let (challenge, digest) = split(rest, "challenge reply")?;
    match <[u8; 16]>::try_from(digest) {
        Ok(digest) if tag == b'r' => Ok((u32::from_be_bytes(challenge), digest)),
        _ => Err(wrong),
    }
}

/// `send_challenge_ack`: the answer to the challenge of the reply.
#[must_use]
pub fn ack(digest: &Digest) -> Vec<u8> {
    [&b"a"[..], &digest.0].concat()
}

pub(super) fn read_ack(body: &[u8]) -> Result<[u8; 16], Failure> {
    match body.split_first() {
        Some((b'a', digest)) => digest.try_into().map_err(|_| Failure::Malformed("challenge ack")),
        _ => Err(Failure::Malformed("challenge ack")),
    }
}
