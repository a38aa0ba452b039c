//! The bytes of a connection of Erlang distribution, plain or through TLS (`tls`), of the side that is called and of the one that calls.
//! Nothing waits. Whose certificate is believed is in `verifier`, and what name its holder may say in `certified`.
#![forbid(unsafe_code)]

pub(super) mod certified;
pub mod tls;
mod verifier;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};

use rustls::pki_types::ServerName;
use rustls::{
    AlertDescription, CertificateError, ClientConnection, Connection, Error, InvalidMessage, ServerConnection,
};

use self::tls::Identity;
use crate::dist::certificate::{self, Certificate};
use crate::dist::frame::{Frames, Length};
use crate::dist::handshake::name::NodeName;
use crate::limits::TLS_BUFFER_MAX;
use crate::sys::poll::{self, Can, Interest};

/// What is wrong with a peer's TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It said something else than TLS.
    #[error("what came is no TLS (a node without -proto_dist inet_tls?)")]
    NoTls,
    /// No certificate.
    #[error("the peer has shown no certificate")]
    NoCertificate,
    /// A certificate of somebody else.
    #[error("no authority of tls.authorities has signed the peer's certificate")]
    Authority,
    /// A certificate that was good once.
    #[error("the peer's certificate has run out")]
    Expired,
    /// A certificate that will be good some day, or clocks that differ.
    #[error("the peer's certificate does not hold yet: do the clocks agree?")]
    NotYet,
    /// A certificate of a server alone, say.
    #[error(
        "the peer's certificate is not made for this (extended key usage: both clientAuth and serverAuth)"
    )]
    Purpose,
    /// The certificate of another node than the one that was called.
    #[error("the certificate is another node's than the one that was called")]
    OtherNode,
    /// More certificates than lead to any authority.
    #[error("the peer shows more certificates beside its own than the four that are looked at")]
    Chain,
    /// Another fault of the certificate.
    #[error("the peer's certificate cannot be used")]
    Certificate,
    /// No version, cipher or curve that both have.
    #[error("the peer has no version or cipher of TLS in common with this node (1.2 and 1.3)")]
    Incompatible,
    /// The peer refuses us.
    #[error("the peer ended TLS: {0}")]
    Alert(&'static str),
    /// It broke the rules.
    #[error("the peer broke the rules of TLS")]
    Protocol,
}

impl From<&Error> for Trouble {
    fn from(e: &Error) -> Self {
        match e {
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidCertificate(why) => Self::of(why),
            Error::PeerIncompatible(_) => Self::Incompatible,
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => Self::NoTls,
            Error::AlertReceived(alert) => Self::Alert(word(*alert)),
            _ => Self::Protocol,
        }
    }
}

impl Trouble {
    fn of(why: &CertificateError) -> Self {
        match why {
            // An authority of the same name with another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::Authority,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYet,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Self::Purpose
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::OtherNode
            }
            CertificateError::ApplicationVerificationFailure => Self::Chain,
            _ => Self::Certificate,
        }
    }
}

/// What a peer's alert means, as far as a person can mend it.
fn word(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::BadCertificate => "bad certificate",
        AlertDescription::CertificateExpired => "certificate expired",
        AlertDescription::CertificateUnknown => "certificate unknown",
        AlertDescription::UnknownCA => "it does not know the authority of this node's certificate",
        AlertDescription::HandshakeFailure => "handshake failure (no host in this node's certificate?)",
        AlertDescription::ProtocolVersion => "protocol version",
        AlertDescription::InternalError => "internal error",
        _ => "another alert",
    }
}

/// Why nothing was read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// There is nothing now.
    Later,
    /// There will be nothing more.
    Closed,
    /// Nor here.
    Tls(Trouble),
}

impl From<std::io::Error> for Stop {
    fn from(e: std::io::Error) -> Self {
        match e.kind() {
            ErrorKind::WouldBlock | ErrorKind::Interrupted => Self::Later,
            _ => Self::Closed,
        }
    }
}

impl Stop {
    /// What there is nothing of now comes later. All else is an end, and whose end it is has words for it.
    ///
    /// # Errors
    /// The end.
    pub fn end<E: From<Trouble>>(self, closed: E) -> Result<(), E> {
        match self {
            Self::Later => Ok(()),
            Self::Closed => Err(closed),
            Self::Tls(trouble) => Err(trouble.into()),
        }
    }
}

/// A connection.
pub enum Stream {
    /// As the network sees it.
    Plain(TcpStream),
    /// Inside TLS.
    Tls(Box<Tls>),
}

/// A connection inside TLS.
pub struct Tls {
    socket: TcpStream,
    session: Connection,
    /// Bytes that have come and were not taken.
    held: usize,
    /// The peer has said something.
    begun: bool,
    /// It is over, and whoever it is with knows.
    failed: bool,
}

impl Stream {
    /// One that has come.
    ///
    /// # Errors
    /// The socket.
    pub fn accept(socket: TcpStream, identity: Option<&Identity>) -> std::io::Result<Self> {
        let session = identity.map(|identity| ServerConnection::new(identity.server()).map(Connection::from));
        Self::new(socket, session)
    }

    /// One to the node of that name.
    ///
    /// # Errors
    /// The socket; a host that cannot be said in TLS.
    pub fn call(socket: TcpStream, identity: Option<&Identity>, callee: &NodeName) -> std::io::Result<Self> {
        // OTP says the host too. It decides nothing: the name of the node is compared.
        let host = ServerName::try_from(callee.host().to_owned())
            .or_else(|_| ServerName::try_from("node.invalid"))
            .map_err(|_| ErrorKind::InvalidInput)?;
        let client = |identity: &Identity| {
            let config = identity.client(callee)?;
            ClientConnection::new(config.into(), host).map(Connection::from)
        };
        Self::new(socket, identity.map(client))
    }

    fn new(socket: TcpStream, session: Option<Result<Connection, Error>>) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let Some(session) = session else { return Ok(Self::Plain(socket)) };
        let mut session = session.map_err(std::io::Error::other)?;
        session.set_buffer_limit(Some(TLS_BUFFER_MAX));
        Ok(Self::Tls(Box::new(Tls { socket, session, held: 0, begun: false, failed: false })))
    }

    /// How long the length of a frame of the handshake is here.
    #[must_use]
    pub fn length(&self) -> Length {
        match self {
            Self::Plain(_) => Length::Two,
            Self::Tls(_) => Length::Four,
        }
    }

    /// Where it is waited for.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(socket) => socket.as_fd(),
            Self::Tls(tls) => tls.socket.as_fd(),
        }
    }

    /// What can be done with its socket without waiting, as the kernel has it.
    #[must_use]
    pub fn can(&self) -> Can {
        let asked = poll::now(&[Interest { fd: self.fd(), read: true, write: true }]);
        asked.ok().and_then(|can| can.first().copied()).unwrap_or_default()
    }

    /// Whether it has more to write than it was given: TLS speaks by itself too.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.session.wants_write())
    }

    /// Whether the peer has begun a handshake of TLS: what follows its first message costs more than all that comes later.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.begun)
    }

    /// Whether bytes have come that no reading of the socket will tell of.
    fn holds(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.held > 0)
    }

    /// Who the peer has proved to be: nothing, where there is no TLS to do so. A certificate that cannot be read is for nobody.
    #[must_use]
    pub fn certificate(&self) -> Option<Certificate> {
        let Self::Tls(tls) = self else { return None };
        let first = tls.session.peer_certificates().and_then(|chain| chain.first());
        Some(first.and_then(|der| certificate::read(der).ok()).unwrap_or_default())
    }

    /// Reads from the socket at most once, and never nothing.
    ///
    /// # Errors
    /// Why not.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Stop> {
        match self {
            Self::Plain(socket) => match socket.read(buffer)? {
                0 => Err(Stop::Closed),
                n => Ok(n),
            },
            Self::Tls(tls) => tls.read(buffer),
        }
    }

    /// Reads once from the socket, and all that this has unpacked: no socket will tell of that. Whether anything came.
    ///
    /// # Errors
    /// Why there will be nothing more.
    pub fn fill(&mut self, frames: &mut Frames) -> Result<bool, Stop> {
        let mut came = false;
        loop {
            match self.read(frames.space()) {
                Ok(n) => frames.filled(n),
                Err(Stop::Later) => return Ok(came),
                Err(stop) => return Err(stop),
            }
            came = true;
            if !self.holds() {
                return Ok(true);
            }
        }
    }

    /// Writes some of it, at least a byte.
    ///
    /// # Errors
    /// Why not.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        match self {
            Self::Plain(socket) => match socket.write(bytes)? {
                0 => Err(Stop::Closed),
                n => Ok(n),
            },
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    /// Writes what it holds itself.
    ///
    /// # Errors
    /// Why not all of it.
    pub fn push(&mut self) -> Result<(), Stop> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => tls.push(),
        }
    }
}

impl Tls {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Stop> {
        if self.held == 0 {
            // Once: records without content are no reason not to look after others.
            if self.session.read_tls(&mut self.socket)? == 0 {
                return Err(Stop::Closed);
            }
            self.begun = true;
            match self.session.process_new_packets() {
                Ok(state) => self.held = state.plaintext_bytes_to_read(),
                Err(e) => {
                    // The alert that says so goes out if it can.
                    self.failed = true;
                    let _ = self.push();
                    return Err(Stop::Tls((&e).into()));
                }
            }
        }
        match self.session.reader().read(buffer)? {
            // The peer said that it would say no more.
            0 => Err(Stop::Closed),
            n => {
                self.held = self.held.saturating_sub(n);
                Ok(n)
            }
        }
    }

    /// What was taken before goes to the socket first: what is taken now is then a sign that the peer reads.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        self.push()?;
        let taken = self.session.writer().write(bytes)?;
        match self.push() {
            Ok(()) | Err(Stop::Later) if taken > 0 => Ok(taken),
            Ok(()) => Err(Stop::Later),
            Err(stop) => Err(stop),
        }
    }

    fn push(&mut self) -> Result<(), Stop> {
        while self.session.wants_write() {
            self.session.write_tls(&mut Plainly(&self.socket))?;
        }
        Ok(())
    }
}

/// Says that nothing was cut off, if that can be said now.
impl Drop for Tls {
    fn drop(&mut self) {
        if !self.failed && !self.session.is_handshaking() {
            self.session.send_close_notify();
            let _ = self.push();
        }
    }
}

/// A socket that is written to with `send` alone. rustls would gather its records with `writev`, a system call that nothing else here needs.
struct Plainly<'s>(&'s TcpStream);

impl Write for Plainly<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
