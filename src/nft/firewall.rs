//! The firewall of this network namespace: the socket to it, and the changes that wait to be confirmed.
#![forbid(unsafe_code)]

use crate::error::RequestError;
use crate::nft::transport::Link;

/// What there is of it.
#[derive(Debug)]
pub struct Firewall {
    link: Option<Link>,
}

impl Firewall {
    /// None: the policy grants nothing of it.
    #[must_use]
    pub fn none() -> Self {
        Self { link: None }
    }

    /// Over that socket.
    #[must_use]
    pub fn over(link: Link) -> Self {
        Self { link: Some(link) }
    }

    /// The socket.
    pub fn link(&mut self) -> Result<&mut Link, RequestError> {
        self.link.as_mut().ok_or(RequestError::Posix(libc::ENOTCONN, "the firewall"))
    }
}
