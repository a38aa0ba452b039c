//! Telling the port mapper daemon of this host where the node listens (ERTS User's Guide, Distribution Protocol, "EPMD Protocol"). The
//! name is registered for as long as the connection stays.
#![forbid(unsafe_code)]

use std::io::{Error, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use crate::exec::timed::Timed;
use crate::limits::EPMD_RETRY_MS;

/// `ALIVE2_REQ`, `ALIVE2_RESP`, `ALIVE2_X_RESP`.
const REQUEST: u8 = 120;
const ANSWER: u8 = 121;
const LONG_ANSWER: u8 = 118;

/// A hidden node.
const HIDDEN: u8 = 72;

/// The versions of the distribution protocol that it speaks: that of OTP 23 alone.
const VERSION: [u8; 4] = [0, 6, 0, 6];

/// A daemon on this host answers at once, or is none. For all that is asked and answered: whoever has taken the port of one that has ended could
/// otherwise say one byte after the other, each in time.
const PATIENCE: Duration = Duration::from_secs(1);

/// The same where the name is registered again: who does so has other things to do for the node meanwhile.
const PATIENCE_AGAIN: Duration = Duration::from_millis(200);

/// Registers the node: the connection that keeps it registered, and the creation that it is to have.
///
/// # Errors
/// There is no daemon, or it refuses: the name is taken.
pub fn register(daemon: SocketAddr, alive: &str, port: u16) -> std::io::Result<(TcpStream, u32)> {
    register_within(PATIENCE, daemon, alive, port)
}

fn register_within(
    patience: Duration,
    daemon: SocketAddr,
    alive: &str,
    port: u16,
) -> std::io::Result<(TcpStream, u32)> {
    let mut daemon = Timed::call(daemon, Instant::now() + patience)?;
    let request = request(alive, port).ok_or(ErrorKind::InvalidInput)?;
    daemon.say(&request)?;
    let mut answer = [0; 6];
    let (head, creation) = answer.split_at_mut(2);
    daemon.hear(head)?;
    let creation = match head.first() {
        Some(&ANSWER) => creation.get_mut(..2),
        Some(&LONG_ANSWER) => Some(creation),
        _ => None,
    };
    let creation = creation.ok_or(ErrorKind::InvalidData)?;
    daemon.hear(creation)?;
    let creation = creation.iter().fold(0_u32, |n, byte| n << 8 | u32::from(*byte));
    match head.get(1) {
        Some(0) => Ok((daemon.into_socket(), creation)),
        _ => Err(Error::new(ErrorKind::AddrInUse, "the name is registered already")),
    }
}

/// A name that stays registered: a daemon that ends takes its names with it, and the next one knows none.
#[derive(Debug)]
pub struct Registration {
    daemon: SocketAddr,
    alive: String,
    port: u16,
    socket: Option<TcpStream>,
    /// When it is tried again.
    next: Instant,
    /// It was said that somebody else has the name.
    taken: bool,
}

impl Registration {
    /// Registers a name: what keeps it, and the creation that the node is to have.
    ///
    /// # Errors
    /// Those of [`register`].
    pub fn new(daemon: SocketAddr, alive: &str, port: u16) -> std::io::Result<(Self, u32)> {
        let (socket, creation) = register(daemon, alive, port)?;
        let alive = alive.to_owned();
        Ok((Self { daemon, alive, port, socket: Some(socket), next: Instant::now(), taken: false }, creation))
    }

    /// What becomes readable when the daemon has gone.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// How long until it is tried again; nothing while it holds.
    #[must_use]
    pub fn due(&self, now: Instant) -> Option<Duration> {
        self.socket.is_none().then(|| self.next.saturating_duration_since(now))
    }

    /// The daemon has ended, or says something, which it never does: one that talks without end is none.
    pub fn lose(&mut self, report: fn(&str)) {
        if self.socket.take().is_some() {
            report(&format!(
                "epmd at {} has ended: the name is registered again when there is one",
                self.daemon
            ));
        }
    }

    /// Tries it again, if it is time. The creation that the daemon gives is for nodes that start.
    pub fn renew(&mut self, now: Instant, report: fn(&str)) {
        if self.due(now) == Some(Duration::ZERO) {
            self.next = now + Duration::from_millis(EPMD_RETRY_MS);
            match register_within(PATIENCE_AGAIN, self.daemon, &self.alive, self.port) {
                Ok((socket, _)) => {
                    (self.socket, self.taken) = (Some(socket), false);
                    report(&format!("epmd at {} knows {} again", self.daemon, self.alive));
                }
                // Any user of the host can be first at a new daemon.
                Err(e) if e.kind() == ErrorKind::AddrInUse && !self.taken => {
                    self.taken = true;
                    report(&format!(
                        "epmd at {} knows {} as somebody else, and sends peers there\n  who it is: epmd -names, and sudo ss -tlnp",
                        self.daemon, self.alive
                    ));
                }
                Err(_) => {}
            }
        }
    }
}

/// `PORT_PLEASE2_REQ`, `PORT2_RESP`.
const WHERE: u8 = 122;
const THERE: u8 = 119;

/// The port of a node that a daemon knows.
///
/// # Errors
/// There is no daemon, or no such node.
pub fn find(daemon: SocketAddr, alive: &str) -> std::io::Result<u16> {
    let mut daemon = Timed::call(daemon, Instant::now() + PATIENCE)?;
    let body = [&[WHERE][..], alive.as_bytes()].concat();
    let length = u16::try_from(body.len()).map_err(|_| ErrorKind::InvalidInput)?;
    daemon.say(&[&length.to_be_bytes()[..], &body].concat())?;
    let mut head = [0; 2];
    daemon.hear(&mut head)?;
    match head {
        [THERE, 0] => {
            let mut port = [0; 2];
            daemon.hear(&mut port)?;
            Ok(u16::from_be_bytes(port))
        }
        [THERE, _] => Err(Error::new(ErrorKind::NotFound, "the node is not registered")),
        _ => Err(ErrorKind::InvalidData.into()),
    }
}

fn request(alive: &str, port: u16) -> Option<Vec<u8>> {
    let length = u16::try_from(alive.len()).ok()?.to_be_bytes();
    let body =
        [&[REQUEST][..], &port.to_be_bytes(), &[HIDDEN, 0], &VERSION, &length, alive.as_bytes(), &[0, 0]]
            .concat();
    Some([&u16::try_from(body.len()).ok()?.to_be_bytes()[..], &body].concat())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use std::io::{Read, Write};
    use std::sync::Mutex;

    use super::*;

    /// A daemon that answers so.
    fn asked(answer: &'static [u8]) -> (std::io::Result<u32>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let daemon = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut bytes = [0; 17];
            socket.read_exact(&mut bytes).unwrap();
            socket.write_all(answer).unwrap();
            bytes.to_vec()
        });
        let result = register(at, "ab", 4370);
        (result.map(|(_, creation)| creation), daemon.join().unwrap())
    }

    #[test]
    fn the_node_is_registered_as_a_hidden_one_and_given_a_creation() {
        let (creation, request) = asked(&[118, 0, 0x12, 0x34, 0x56, 0x78]);
        assert_eq!(creation.unwrap(), 0x1234_5678);
        assert_eq!(request, b"\0\x0f\x78\x11\x12\x48\0\0\x06\0\x06\0\x02ab\0\0");
        assert_eq!(asked(&[121, 0, 0, 3]).0.unwrap(), 3);
    }

    #[test]
    fn a_node_is_found_by_its_name() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let daemon = std::thread::spawn(move || {
            for answer in [&[119, 0, 0x23, 0x8d, 77][..], &[119, 1], &[118, 0]] {
                let (mut socket, _) = listener.accept().unwrap();
                let mut bytes = [0; 5];
                socket.read_exact(&mut bytes).unwrap();
                assert_eq!(&bytes, b"\0\x03\x7aab");
                socket.write_all(answer).unwrap();
            }
        });
        assert_eq!(find(at, "ab").unwrap(), 9101);
        assert_eq!(find(at, "ab").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(find(at, "ab").unwrap_err().kind(), ErrorKind::InvalidData);
        daemon.join().unwrap();
    }

    #[test]
    fn a_name_is_registered_again_when_there_is_a_daemon_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let serve = |listener: &TcpListener| {
            let (mut socket, _) = listener.accept().unwrap();
            socket.read_exact(&mut [0; 17]).unwrap();
            socket.write_all(&[118, 0, 0, 0, 0, 9]).unwrap();
            socket
        };
        let daemon = std::thread::spawn(move || (serve(&listener), listener));
        let (mut registration, creation) = Registration::new(at, "ab", 4370).unwrap();
        let (held, listener) = daemon.join().unwrap();
        assert_eq!((creation, registration.due(Instant::now())), (9, None));
        drop((held, listener));
        registration.lose(|_| {});
        assert_eq!(registration.due(Instant::now()), Some(Duration::ZERO));
        // Nobody is there yet.
        registration.renew(Instant::now(), |_| panic!());
        assert!(registration.due(Instant::now()).unwrap() > Duration::ZERO);
        let listener = TcpListener::bind(at).unwrap();
        let daemon = std::thread::spawn(move || serve(&listener));
        registration.renew(Instant::now() + Duration::from_millis(EPMD_RETRY_MS), |_| {});
        assert!(registration.fd().is_some() && registration.due(Instant::now()).is_none());
        drop(daemon.join().unwrap());
    }

    /// Whoever holds the port can talk without end, and another user can be first at a new daemon.
    #[test]
    fn a_daemon_that_talks_is_none_and_a_name_that_is_taken_is_told_once() {
        static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for answer in [&[118, 0, 0, 0, 0, 9, 77, 77][..], &[118, 1, 0, 0, 0, 0], &[118, 1, 0, 0, 0, 0]] {
                let (mut socket, _) = listener.accept().unwrap();
                socket.read_exact(&mut [0; 17]).unwrap();
                socket.write_all(answer).unwrap();
            }
        });
        let report = |line: &str| SAID.lock().unwrap().push(line.to_owned());
        let (mut registration, _) = Registration::new(at, "ab", 4370).unwrap();
        registration.lose(report);
        assert!(registration.fd().is_none());
        for later in 0..2 {
            registration.renew(Instant::now() + Duration::from_millis(later * EPMD_RETRY_MS), report);
        }
        let said = SAID.lock().unwrap();
        assert!(said.len() == 2 && said[1].contains("knows ab as somebody else"), "{said:?}");
    }

    /// Whoever holds the port of a daemon that has ended: the process that asks him does nothing else meanwhile.
    #[test]
    fn who_answers_byte_by_byte_has_no_more_time_than_others() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let slowly = |mut socket: TcpStream| {
            for byte in [118, 0, 0, 0, 0, 9] {
                std::thread::sleep(PATIENCE * 3 / 5);
                let _ = socket.write_all(&[byte]);
            }
        };
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                std::thread::spawn(move || slowly(socket.unwrap()));
            }
        });
        let asked = Instant::now();
        assert!(register(at, "ab", 4370).is_err());
        assert!(find(at, "ab").is_err());
        assert!(asked.elapsed() < PATIENCE * 3, "{:?}", asked.elapsed());
        let alive = "ab".to_owned();
        let mut lost =
            Registration { daemon: at, alive, port: 4370, socket: None, next: Instant::now(), taken: false };
        let asked = Instant::now();
        lost.renew(asked, |_| panic!());
        assert!(asked.elapsed() < PATIENCE, "{:?}", asked.elapsed());
    }

    #[test]
    fn a_name_that_is_taken_and_an_answer_that_is_none_are_errors() {
        assert_eq!(asked(&[118, 1, 0, 0, 0, 0]).0.unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(asked(&[7, 7]).0.unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(asked(&[118, 0, 1]).0.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}
