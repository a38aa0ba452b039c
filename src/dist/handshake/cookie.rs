//! The secret that two nodes share, and what each says to prove that it has it.
#![forbid(unsafe_code)]

use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::limits::DIST_COOKIE_MAX;

/// A cookie. Overwritten when it is dropped, and never shown.
#[derive(Clone)]
pub struct Cookie(Zeroizing<Vec<u8>>);

impl Cookie {
    /// The bytes of a cookie file, without what OTP leaves out too: the newline at its end. `None` if they are no cookie: none, too many,
    /// or other than printable ASCII.
    #[must_use]
    pub fn parse(file: &[u8]) -> Option<Self> {
        let end = file.iter().rposition(|b| !matches!(b, b'\n' | b'\r')).map_or(0, |last| last + 1);
        let cookie = file.get(..end)?;
        let fits = (1..=DIST_COOKIE_MAX).contains(&cookie.len()) && cookie.iter().all(u8::is_ascii_graphic);
        // Exactly as long as it is from the beginning: a vector that grows leaves copies behind.
        fits.then(|| Self(Zeroizing::new(cookie.to_vec())))
    }

    /// The answer to a challenge: MD5 of the cookie and the challenge in decimal digits. The protocol knows nothing better; over a network
    /// it belongs inside TLS.
    #[must_use]
    pub fn digest(&self, challenge: u32) -> Digest {
        let mut md5 = Md5::new();
        md5.update(self.0.as_slice());
        md5.update(challenge.to_string().as_bytes());
        Digest(md5.finalize().into())
    }
}

impl std::fmt::Debug for Cookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cookie(..)")
    }
}

/// A proof. Compared in a time that does not depend on how much of it is right.
#[derive(Clone, Copy)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// Whether another one is the same.
    #[must_use]
    pub fn is(&self, other: &[u8; 16]) -> bool {
        self.0.ct_eq(other).into()
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_what_stands_in_its_file_and_nothing_shows_it() {
        let cookie = Cookie::parse(b"secret\n").unwrap();
        assert_eq!(cookie.0.as_slice(), b"secret");
        assert_eq!(format!("{cookie:?} {:?}", cookie.digest(1)), "Cookie(..) Digest(..)");
        for wrong in [&b""[..], b"\n", b"a b", b"caf\xc3\xa9", b"a\nb", &[b'x'; 256]] {
            assert!(Cookie::parse(wrong).is_none(), "{wrong:?}");
        }
        assert!(Cookie::parse(&[b'x'; 255]).is_some());
    }

    #[test]
    fn a_digest_is_that_of_the_cookie_and_the_challenge() {
        let digest = Cookie::parse(b"secret").unwrap().digest(17);
        // printf secret17 | md5sum
        let expected = crate::dist::testing::unhex("f57b94fd57ffb80526c01ca3cc202045");
        assert!(digest.is(&expected.try_into().unwrap()));
        let mut other = digest.0;
        other[15] ^= 1;
        assert!(!digest.is(&other));
    }
}
