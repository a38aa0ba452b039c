//! Who a peer may say it is where it has shown a certificate: the one whom that is for.
#![forbid(unsafe_code)]

use std::cell::Cell;

use crate::dist::certificate::Certificate;
use crate::dist::handshake::cookie::Cookie;
use crate::dist::handshake::name::NodeName;
use crate::dist::handshake::{Existing, Failure, Guests};

/// Those who may come in, but under no other name than that of the certificate.
pub struct Certified<'g, G> {
    guests: &'g G,
    certificate: Option<Certificate>,
    /// Somebody said another name.
    other: Cell<bool>,
}

impl<'g, G: Guests> Certified<'g, G> {
    /// `certificate`: nothing, where there is no TLS.
    pub fn new(guests: &'g G, certificate: Option<Certificate>) -> Self {
        Self { guests, certificate, other: Cell::new(false) }
    }

    /// What is told of somebody who is refused: that it was the certificate, if it was.
    pub fn failure(&self, failure: Failure) -> Failure {
        if self.other.get() { Failure::Certificate } else { failure }
    }
}

impl<G: Guests> Guests for Certified<'_, G> {
    fn cookie(&self, name: &NodeName) -> Option<Cookie> {
        if self.certificate.as_ref().is_some_and(|certificate| !certificate.is_for(name)) {
            self.other.set(true);
            return None;
        }
        self.guests.cookie(name)
    }

    fn has_room(&self, name: &NodeName) -> bool {
        self.guests.has_room(name)
    }

    fn existing(&self, name: &NodeName) -> Existing {
        self.guests.existing(name)
    }
}
