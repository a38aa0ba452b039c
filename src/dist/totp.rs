//! One-time codes of a person's authenticator (RFC 6238: HMAC-SHA-1, steps of 30 seconds), and how often a wrong one may be tried. Pure:
//! the caller has the clocks.
#![forbid(unsafe_code)]

use std::collections::VecDeque;

use hmac::{Hmac, Mac as _};
use sha1::Sha1;
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

use crate::limits::{CODE_FILE_MAX, CODE_KEY_MAX, CODE_KEY_MIN, CODE_LOCK_MS, CODE_WRONG_MAX};

/// Seconds of a step (RFC 6238, 4.1).
const STEP_S: u64 = 30;

/// RFC 4648, 6.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A key. Overwritten when it is dropped, and never shown but by [`base32`](Self::base32).
pub struct Key(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// From its bytes; nothing where they are too few or too many.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let fits = (CODE_KEY_MIN..=CODE_KEY_MAX).contains(&bytes.len());
        fits.then(|| Self(Zeroizing::new(bytes.to_vec())))
    }

    /// The text of its file: base32 in one line, as authenticators show it: in any case, with spaces, padded or not. Bits behind the last
    /// whole byte must be zero, or two texts would be one key.
    #[must_use]
    pub fn parse(file: &[u8]) -> Option<Self> {
        let line = file.strip_suffix(b"\n").unwrap_or(file);
        if file.len() > CODE_FILE_MAX {
            return None;
        }
        let end = line.iter().rposition(|b| *b != b'=').map_or(0, |last| last + 1);
        let mut bytes = Zeroizing::new(Vec::with_capacity(CODE_FILE_MAX));
        let (mut bits, mut held) = (0_u32, 0_u32);
        for letter in line.get(..end)?.iter().filter(|b| **b != b' ') {
            let value = ALPHABET.iter().position(|known| known.eq_ignore_ascii_case(letter))?;
            bits = bits << 5 | u32::try_from(value).ok()?;
            held += 5;
            if held >= 8 {
                held -= 8;
                bytes.push(u8::try_from(bits >> held).ok()?);
                bits &= (1 << held) - 1;
            }
        }
        if bits != 0 || held >= 5 { None } else { Self::new(&bytes) }
    }

    /// As an authenticator takes it.
    #[must_use]
    pub fn base32(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(CODE_FILE_MAX));
        for chunk in self.0.chunks(5) {
            let number = chunk.iter().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
            let number = number << (8 * (5 - chunk.len()));
            for place in 0..(chunk.len() * 8).div_ceil(5) {
                let value = usize::try_from(number >> (35 - 5 * place) & 31).unwrap_or(0);
                text.push(ALPHABET.get(value).map_or('A', |letter| char::from(*letter)));
            }
        }
        text
    }

    /// What an authenticator reads as a QR code (Key URI Format).
    #[must_use]
    pub fn uri(&self, node: &str, digits: u32) -> Zeroizing<String> {
        let node = node.replace('@', "%40").replace(':', "%3A");
        let secret = self.base32();
        Zeroizing::new(format!(
            "otpauth://totp/portcullis:{node}?secret={}&issuer=portcullis&algorithm=SHA1&digits={digits}&period={STEP_S}",
            *secret
        ))
    }

    /// The code of a step (RFC 4226, 5.3).
    #[must_use]
    pub fn code(&self, step: u64, digits: u32) -> Option<String> {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0).ok()?;
        mac.update(&step.to_be_bytes());
        let hash: [u8; 20] = mac.finalize().into_bytes().into();
        let offset = usize::from(hash.last()? & 15);
        let four: [u8; 4] = hash.get(offset..offset + 4)?.try_into().ok()?;
        let number = (u32::from_be_bytes(four) & 0x7fff_ffff) % 10_u32.checked_pow(digits)?;
        Some(format!("{number:0width$}", width = usize::try_from(digits).ok()?))
    }

    /// The step whose code this is, of that of a time and those beside it: clocks differ, and typing takes time. How long it takes does not
    /// depend on how much of the code is right.
    fn step_of(&self, code: &str, unix_s: u64, digits: u32) -> Option<u64> {
        let now = unix_s / STEP_S;
        let mut found = None;
        for step in [now.saturating_sub(1), now, now.saturating_add(1)] {
            let same: Choice = self.code(step, digits)?.as_bytes().ct_eq(code.as_bytes());
            if bool::from(same) {
                found = Some(step);
            }
        }
        found
    }
}

/// Why a code opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is wrong.
    #[error("the code is wrong; {left} more wrong ones, and none is taken for ten minutes")]
    Wrong {
        /// How many more may be.
        left: usize,
    },
    /// It was right once, or before the node had started.
    #[error(
        "the code was used, or is older than this start of the node: wait a minute, and take the next one"
    )]
    Used,
    /// There were too many wrong ones.
    #[error("there were too many wrong codes: none is taken for {seconds} seconds")]
    Locked {
        /// For how long.
        seconds: u64,
    },
}

/// What has become of codes so far.
#[derive(Debug)]
pub struct Codes {
    /// Codes up to this step are used.
    last: u64,
    /// When wrong ones came, in milliseconds of a clock that nobody sets.
    wrong: VecDeque<u64>,
}

impl Codes {
    /// From that time on. What was used before a restart is not known any more: so every code that could have been is as if it was, and the
    /// first minute has none. Otherwise who is let see a code could end the node and use it again.
    #[must_use]
    pub fn new(unix_s: u64) -> Self {
        Self { last: unix_s.checked_div(STEP_S).unwrap_or(0).saturating_add(1), wrong: VecDeque::new() }
    }

    /// Tries a code.
    ///
    /// # Errors
    /// Why it opens nothing.
    pub fn take(
        &mut self,
        key: &Key,
        code: &str,
        digits: u32,
        unix_s: u64,
        now_ms: u64,
    ) -> Result<(), Refused> {
        while self.wrong.front().is_some_and(|then| now_ms.saturating_sub(*then) >= CODE_LOCK_MS) {
            self.wrong.pop_front();
        }
        if let (Some(first), true) = (self.wrong.front(), self.wrong.len() >= CODE_WRONG_MAX) {
            let left = CODE_LOCK_MS.saturating_sub(now_ms.saturating_sub(*first));
            return Err(Refused::Locked { seconds: left.div_ceil(1000) });
        }
        match key.step_of(code, unix_s, digits) {
            Some(step) if step > self.last => {
                self.last = step;
                Ok(())
            }
            Some(_) => Err(Refused::Used),
            None => {
                self.wrong.push_back(now_ms);
                Err(Refused::Wrong { left: CODE_WRONG_MAX.saturating_sub(self.wrong.len()) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the key of SHA-1.
    fn key() -> Key {
        Key::new(b"12345678901234567890").unwrap()
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        for (time, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(key().code(time / STEP_S, 8).unwrap(), code);
            assert_eq!(key().code(time / STEP_S, 6).unwrap(), code[2..]);
            assert_eq!(Codes { last: 0, wrong: VecDeque::new() }.take(&key(), code, 8, time, 0), Ok(()));
        }
    }

    #[test]
    fn a_key_is_read_as_it_is_written() {
        // RFC 4648, 10, and the key of the RFC as every authenticator shows it.
        assert_eq!(*key().base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        for text in [
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n",
            "gezd gnbv gy3t qojq gezd gnbv gy3t qojq",
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ====",
        ] {
            assert_eq!(Key::parse(text.as_bytes()).unwrap().0, key().0);
        }
        for length in CODE_KEY_MIN..=CODE_KEY_MAX {
            let key = Key::new(&vec![0xa5; length]).unwrap();
            assert_eq!(Key::parse(key.base32().as_bytes()).unwrap().0, key.0);
        }
        for wrong in [
            "",
            "GEZDGNBV",
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1",
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n\n",
            &"A".repeat(300),
        ] {
            assert!(Key::parse(wrong.as_bytes()).is_none(), "{wrong}");
        }
        // 26 letters are 16 bytes and two bits, which must be zero.
        assert!(Key::parse(b"AAAAAAAAAAAAAAAAAAAAAAAAAB").is_none());
        assert!(Key::parse(b"AAAAAAAAAAAAAAAAAAAAAAAAAA").is_some());
        assert_eq!(format!("{:?}", key()), "Key(..)");
        let uri = key().uri("a@h", 6);
        assert!(
            uri.starts_with("otpauth://totp/portcullis:a%40h?secret=GEZD")
                && uri.ends_with("&digits=6&period=30")
        );
    }

    #[test]
    fn a_code_is_good_for_one_step_to_either_side_and_once() {
        let mut codes = Codes { last: 0, wrong: VecDeque::new() };
        let mut take = |time, at: u64| codes.take(&key(), &key().code(time / STEP_S, 6).unwrap(), 6, at, 0);
        assert_eq!(take(3000, 3060), Err(Refused::Wrong { left: 4 }));
        assert_eq!(take(3000, 3059), Ok(()));
        assert_eq!(take(3000, 3000), Err(Refused::Used));
        // An older one of the window, after a newer one: who saw it typed has it too.
        assert_eq!(take(2970, 3000), Err(Refused::Used));
        assert_eq!(take(3030, 3000), Ok(()));
        assert_eq!(take(3090, 3000), Err(Refused::Wrong { left: 3 }));
    }

    #[test]
    fn after_a_start_no_code_is_taken_that_could_have_been_used_before() {
        let code = |time| key().code(time / STEP_S, 6).unwrap();
        for start in 3000..3030 {
            let mut codes = Codes::new(start);
            for of in [2970, 3000, 3030] {
                assert_eq!(codes.take(&key(), &code(of), 6, start, 0), Err(Refused::Used));
            }
            assert_eq!(codes.take(&key(), &code(3060), 6, start + 60, 0), Ok(()));
        }
    }

    #[test]
    fn five_wrong_codes_in_ten_minutes_are_the_last() {
        let mut codes = Codes { last: 0, wrong: VecDeque::new() };
        let right = key().code(100, 6).unwrap();
        for n in 0..CODE_WRONG_MAX {
            let text = ["000000", "", "12345678", "0000000", "x"][n];
            let left = CODE_WRONG_MAX - 1 - n;
            assert_eq!(codes.take(&key(), text, 6, 3000, n as u64 * 1000), Err(Refused::Wrong { left }));
        }
        assert_eq!(codes.take(&key(), &right, 6, 3000, 5000), Err(Refused::Locked { seconds: 595 }));
        assert_eq!(
            codes.take(&key(), &right, 6, 3000, CODE_LOCK_MS - 1),
            Err(Refused::Locked { seconds: 1 })
        );
        // Setting the wall clock lifts no lock; the other clock only goes on.
        assert_eq!(codes.take(&key(), &right, 6, 9_999_999, 5000), Err(Refused::Locked { seconds: 595 }));
        assert_eq!(codes.take(&key(), &right, 6, 3000, CODE_LOCK_MS), Ok(()));
    }
}
