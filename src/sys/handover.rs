//! Connected sockets, and descriptors sent over them: so a process that may start programs hands what it has started to one that
//! may not.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recv, recvmsg, sendmsg,
    socketpair,
};

/// A pair that keeps messages apart (`SOCK_SEQPACKET`). Both ends wait.
pub fn messages() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
}

/// A pair that carries a stream of bytes. Both ends wait.
pub fn stream() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC)
}

/// Sends a message, which may carry a descriptor. The receiver has a copy of it then.
pub fn send(to: BorrowedFd<'_>, bytes: &[u8], descriptor: Option<BorrowedFd<'_>>) -> Result<(), Errno> {
    let raw: Vec<RawFd> = descriptor.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() { &rights[..0] } else { &rights[..] };
    let flags = MsgFlags::MSG_NOSIGNAL;
    sendmsg::<()>(to.as_raw_fd(), &[IoSlice::new(bytes)], control, flags, None).map(drop)
}

/// Takes a message and no descriptor: those that it carries are closed by the kernel. Answers how long it is, which is more than the buffer
/// has where it was cut.
pub fn receive_bytes(from: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    recv(from.as_raw_fd(), buffer, MsgFlags::MSG_TRUNC)
}

/// Takes a message and the descriptor that it carries. No bytes: the other end is closed, as nobody sends empty messages.
pub fn receive(from: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<(usize, Option<OwnedFd>), Errno> {
    let mut space = cmsg_space!(RawFd);
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let received = recvmsg::<()>(from.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    let mut descriptor = None;
    for message in received.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = message {
            for number in numbers {
                // SAFETY: the kernel has just made this descriptor for this process, and told nobody else of it.
                descriptor = Some(unsafe { OwnedFd::from_raw_fd(number) });
            }
        }
    }
    Ok((received.bytes, descriptor))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_descriptor_arrives_with_its_message_and_works() {
        let (here, there) = messages().unwrap();
        let (mine, given) = stream().unwrap();
        send(here.as_fd(), b"take it", Some(given.as_fd())).unwrap();
        send(here.as_fd(), b"nothing", None).unwrap();
        drop(given);
        let mut buffer = [0; 64];
        let (length, taken) = receive(there.as_fd(), &mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"take it");
        nix::unistd::write(taken.unwrap(), b"x").unwrap();
        let mut one = [0; 8];
        assert_eq!(nix::unistd::read(&mine, &mut one).unwrap(), 1);
        let (length, taken) = receive(there.as_fd(), &mut buffer).unwrap();
        assert_eq!((&buffer[..length], taken.is_none()), (&b"nothing"[..], true));
        drop(here);
        assert_eq!(receive(there.as_fd(), &mut buffer).unwrap().0, 0);
        // Both ends of what was handed over are closed with the last that holds it.
        assert_eq!(nix::unistd::read(&mine, &mut one).unwrap(), 0);
    }
}
