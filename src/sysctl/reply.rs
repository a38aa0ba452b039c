//! What the answers tell.
#![forbid(unsafe_code)]

use crate::wire::atoms;
use crate::wire::write::Writer;

/// What came of setting a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its value before; `None` where this program may not read it.
    pub before: Option<Vec<u8>>,
    /// Its value now, as the kernel says; `None` where that could not be read.
    pub value: Option<Vec<u8>>,
    /// Whether that is what was asked for; `None` where it is not known.
    pub as_asked: Option<bool>,
}

impl Changed {
    /// What was, what is, and what should be.
    #[must_use]
    pub fn new(before: Option<Vec<u8>>, value: Option<Vec<u8>>, asked: &str) -> Self {
        let as_asked = value.as_deref().map(|now| is_the_same(now, asked.as_bytes()));
        Self { before, value, as_asked }
    }

    /// `#{value => Binary | undefined, before => Binary | undefined, as_asked => true | false | undefined}`.
    pub fn write(&self, w: &mut Writer) {
        let Self { before, value, as_asked } = self;
        w.map(3);
        for (key, text) in [(atoms::VALUE, value), (atoms::BEFORE, before)] {
            w.atom(key);
            match text {
                Some(text) => w.binary(text),
                None => w.atom(atoms::UNDEFINED),
            }
        }
        w.atom(atoms::AS_ASKED);
        match as_asked {
            Some(known) => w.bool(*known),
            None => w.atom(atoms::UNDEFINED),
        }
    }
}

/// Whether two values have the same words: the kernel takes blanks between numbers and shows tabs.
fn is_the_same(a: &[u8], b: &[u8]) -> bool {
    let words = |text| <[u8]>::split(text, u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words(a).eq(words(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_as_asked_for_when_its_words_are() {
        let as_asked = |now: Option<&str>, asked| {
            Changed::new(None, now.map(|text| text.as_bytes().to_vec()), asked).as_asked
        };
        assert_eq!(as_asked(Some("4096\t131072"), "4096 131072"), Some(true));
        assert_eq!(as_asked(Some("1"), " 1"), Some(true));
        for (now, asked) in [("4096", "4096 131072"), ("8", "010"), ("", "1"), ("12", "1 2")] {
            assert_eq!(as_asked(Some(now), asked), Some(false), "{now}, {asked}");
        }
        assert_eq!(as_asked(None, "1"), None);
    }

    #[test]
    fn what_cannot_be_read_is_undefined() {
        let mut w = Writer::new();
        Changed::new(None, Some(b"0".to_vec()), "1").write(&mut w);
        let expected = [
            &[116, 0, 0, 0, 3][..],
            b"\x77\x05value\x6d\x00\x00\x00\x010",
            b"\x77\x06before\x77\x09undefined",
            b"\x77\x08as_asked\x77\x05false",
        ];
        assert_eq!(w.bytes(), expected.concat());
    }
}
