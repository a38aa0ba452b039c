//! Whom a certificate is for, and from when to when (RFC 5280, section 4.1). Whether it is to be believed is another question, which
//! rustls answers; here are only the three fields that it does not show.
//!
//! A walk over DER, a level at a time and without recursion; everything else in the certificate is stepped over. What is not DER in the
//! few places that are read makes the whole of it malformed: two readers of one certificate must not see two names.
#![forbid(unsafe_code)]

use crate::dist::handshake::name::NodeName;
use crate::limits::{CERTIFICATE_NAMES_MAX, DIST_NAME_MAX};

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// `dNSName` of a `GeneralName`.
const DNS_NAME: u8 = 0x82;

/// `id-at-commonName`, `id-ce-subjectAltName`.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// What a certificate says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// The `dNSName`s of its subject's alternative names; its one common name, where it has no alternative names at all. Only what is
    /// printable ASCII, and no longer than the name of a node.
    pub names: Vec<String>,
    /// From when on it holds, in seconds since 1970.
    pub not_before: u64,
    /// And until when.
    pub not_after: u64,
}

/// Bytes that are no certificate, or one that says two things at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl Certificate {
    /// Whether it is for that node: letter for letter, with what stands before the `@`.
    #[must_use]
    pub fn is_for(&self, node: &NodeName) -> bool {
        self.names.iter().any(|name| name == node.as_str())
    }
}

/// Reads a certificate.
///
/// # Errors
/// It is none.
pub fn read(bytes: &[u8]) -> Result<Certificate, Malformed> {
    let mut outer = Der(bytes);
    let mut certificate = outer.inside(SEQUENCE)?;
    outer.end()?;
    let mut body = certificate.inside(SEQUENCE)?;
    certificate.inside(SEQUENCE)?;
    certificate.any()?;
    certificate.end()?;

    body.optional(VERSION);
    body.take(INTEGER)?;
    body.take(SEQUENCE)?;
    body.take(SEQUENCE)?;
    let mut validity = body.inside(SEQUENCE)?;
    let (not_before, not_after) = (time(validity.any()?)?, time(validity.any()?)?);
    validity.end()?;
    let subject = body.inside(SEQUENCE)?;
    body.take(SEQUENCE)?;
    let names = match alternative_names(body)? {
        Some(names) => names,
        None => common_name(subject)?.into_iter().collect(),
    };
    Ok(Certificate { names, not_before, not_after })
}

/// The names of the extension; nothing, if it is not there. What stands between the key and the extensions is stepped over.
fn alternative_names(mut body: Der<'_>) -> Result<Option<Vec<String>>, Malformed> {
    let mut found = None;
    while !body.0.is_empty() {
        let (tag, content) = body.any()?;
        if tag != EXTENSIONS {
            continue;
        }
        let mut outer = Der(content);
        let mut extensions = outer.inside(SEQUENCE)?;
        outer.end()?;
        body.end()?;
        while !extensions.0.is_empty() {
            let mut extension = extensions.inside(SEQUENCE)?;
            let kind = extension.take(OBJECT)?;
            extension.optional(BOOLEAN);
            let value = extension.take(OCTETS)?;
            extension.end()?;
            if kind == ALTERNATIVE_NAME && found.replace(general_names(value)?).is_some() {
                return Err(Malformed);
            }
        }
    }
    Ok(found)
}

fn general_names(value: &[u8]) -> Result<Vec<String>, Malformed> {
    let mut outer = Der(value);
    let mut all = outer.inside(SEQUENCE)?;
    outer.end()?;
    let mut names = Vec::new();
    while !all.0.is_empty() {
        let (tag, content) = all.any()?;
        if tag != DNS_NAME {
            continue;
        }
        if names.len() >= CERTIFICATE_NAMES_MAX {
            return Err(Malformed);
        }
        names.extend(text(content));
    }
    Ok(names)
}

/// The common name of a subject that has one. Of two nobody could say which is meant.
fn common_name(mut subject: Der<'_>) -> Result<Option<String>, Malformed> {
    let mut found = None;
    while !subject.0.is_empty() {
        let mut set = subject.inside(SET)?;
        while !set.0.is_empty() {
            let mut attribute = set.inside(SEQUENCE)?;
            let kind = attribute.take(OBJECT)?;
            let (tag, value) = attribute.any()?;
            attribute.end()?;
            if kind != COMMON_NAME {
                continue;
            }
            // Other strings (`TeletexString`, `BMPString`) are no ASCII byte for byte.
            let name =
                if [UTF8_STRING, PRINTABLE_STRING, IA5_STRING].contains(&tag) { text(value) } else { None };
            if found.replace(name).is_some() {
                return Err(Malformed);
            }
        }
    }
    Ok(found.flatten())
}

/// A name that a node could have. One with a NUL, or anything else that a reader in C would stop at, is none.
fn text(bytes: &[u8]) -> Option<String> {
    let fits = (1..=DIST_NAME_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    fits.then(|| bytes.iter().map(|byte| char::from(*byte)).collect())
}

/// `UTCTime` (`YYMMDDHHMMSSZ`, of 1950 to 2049) or `GeneralizedTime` (`YYYYMMDDHHMMSSZ`), in seconds since 1970; 0 before it.
fn time((tag, bytes): (u8, &[u8])) -> Result<u64, Malformed> {
    let digits =
        bytes.strip_suffix(b"Z").filter(|digits| digits.iter().all(u8::is_ascii_digit)).ok_or(Malformed)?;
    let long = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            [if digits >= b"50".as_slice() { b"19" } else { b"20" }.as_slice(), digits].concat()
        }
        (GENERALIZED_TIME, 14) => digits.to_vec(),
        _ => return Err(Malformed),
    };
    let number = |from: usize, to: usize| {
        let part = long.get(from..to).unwrap_or_default();
        part.iter().fold(0_i64, |n, digit| n * 10 + i64::from(digit - b'0'))
    };
    let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
    let (hour, minute, second) = (number(8, 10), number(10, 12), number(12, 14));
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return Err(Malformed);
    }
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Ok(u64::try_from(seconds).unwrap_or(0))
}

/// The day of a time in seconds since 1970, as 2026-11-21.
#[must_use]
pub fn date(seconds: u64) -> String {
    // A certificate says no later year than 9999.
    let days_since = i64::try_from(seconds / 86_400).unwrap_or(i64::MAX).min(days(9999, 12, 31));
    // Years that are taken too short only make the guess too late.
    let mut year = 1970 + days_since / 365;
    while days(year, 1, 1) > days_since {
        year -= 1;
    }
    let month = (1..=12).rev().find(|month| days(year, *month, 1) <= days_since).unwrap_or(1);
    format!("{year:04}-{month:02}-{:02}", days_since - days(year, month, 1) + 1)
}

/// Days from the first of January 1970. Years are counted from March, so that the leap day is the last of one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // The first of March of the year 0 was 719,468 days before.
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

/// What is left of a sequence.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next element: its tag and its content. Lengths are written in the shortest way, as DER asks, and need three bytes at most.
    fn any(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        let (&tag, rest) = self.0.split_first().ok_or(Malformed)?;
        let (&first, rest) = rest.split_first().ok_or(Malformed)?;
        // Tags above 30 take more bytes, and no field of a certificate has one.
        if tag & 0x1f == 0x1f {
            return Err(Malformed);
        }
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f)).ok_or(Malformed)?;
                let length = bytes.iter().fold(0_usize, |n, byte| n << 8 | usize::from(*byte));
                if bytes.first() == Some(&0) || length < 0x80 {
                    return Err(Malformed);
                }
                (length, rest)
            }
            _ => return Err(Malformed),
        };
        let (content, rest) = rest.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok((tag, content))
    }

    /// The content of the next element, which must have that tag.
    fn take(&mut self, expected: u8) -> Result<&'a [u8], Malformed> {
        let (tag, content) = self.any()?;
        if tag == expected { Ok(content) } else { Err(Malformed) }
    }

    /// The same, to be read on.
    fn inside(&mut self, expected: u8) -> Result<Self, Malformed> {
        self.take(expected).map(Self)
    }

    /// Steps over the next element if it has that tag.
    fn optional(&mut self, tag: u8) {
        let mut ahead = *self;
        if ahead.take(tag).is_ok() {
            *self = ahead;
        }
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, SanType};

    use super::*;

    fn made(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn dns(names: &[&str]) -> Vec<SanType> {
        names.iter().map(|name| SanType::DnsName((*name).to_owned().try_into().unwrap())).collect()
    }

    fn names(change: impl FnOnce(&mut CertificateParams)) -> Vec<String> {
        read(&made(change)).unwrap().names
    }

    #[test]
    fn a_certificate_is_for_its_alternative_names_and_for_its_common_name_without_them() {
        assert_eq!(
            names(|p| {
                p.subject_alt_names = dns(&["a@h", "h"]);
                p.subject_alt_names.push(SanType::IpAddress("127.0.0.1".parse().unwrap()));
                p.subject_alt_names.push(SanType::Rfc822Name("b@h".try_into().unwrap()));
                p.distinguished_name.push(DnType::CommonName, "c@h");
            }),
            ["a@h", "h"]
        );
        assert_eq!(names(|p| p.distinguished_name.push(DnType::CommonName, "c@h")), ["c@h"]);
        // With alternative names of other kinds the common name is no name.
        let none: [&str; 0] = [];
        assert_eq!(
            names(|p| {
                p.subject_alt_names = vec![SanType::Rfc822Name("b@h".try_into().unwrap())];
                p.distinguished_name.push(DnType::CommonName, "c@h");
            }),
            none
        );
        assert_eq!(names(|_| {}), none);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_name() {
        let none: [&str; 0] = [];
        let long = "x".repeat(256);
        assert_eq!(names(|p| p.subject_alt_names = dns(&["a@h\0.example", "", "a h", "a\n@h", &long])), none);
        let other = DnValue::BmpString("a@h".try_into().unwrap());
        assert_eq!(names(|p| p.distinguished_name.push(DnType::CommonName, other)), none);
        let teletex = DnValue::TeletexString("a@h".try_into().unwrap());
        assert_eq!(names(|p| p.distinguished_name.push(DnType::CommonName, teletex)), none);
        let many: Vec<String> = (0..=CERTIFICATE_NAMES_MAX).map(|n| format!("a@h{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(read(&made(|p| p.subject_alt_names = dns(&many))), Err(Malformed));
        assert_eq!(names(|p| p.subject_alt_names = dns(&many[1..])).len(), CERTIFICATE_NAMES_MAX);
        // Two extensions of one kind (RFC 5280, section 4.2, forbids them).
        let second =
            rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 17], b"\x30\x05\x82\x03b@h".to_vec());
        assert_eq!(
            read(&made(|p| {
                p.subject_alt_names = dns(&["a@h"]);
                p.custom_extensions = vec![second];
            })),
            Err(Malformed)
        );
    }

    #[test]
    fn two_common_names_are_none() {
        let subject = |parts: &[&[u8]]| {
            let set = |part: &&[u8]| {
                let mut bytes = vec![SET, u8::try_from(part.len()).unwrap()];
                bytes.extend_from_slice(part);
                bytes
            };
            parts.iter().flat_map(set).collect::<Vec<u8>>()
        };
        let (one, two) =
            (b"\x30\x0a\x06\x03\x55\x04\x03\x0c\x03a@h", b"\x30\x0a\x06\x03\x55\x04\x03\x0c\x03b@h");
        let read = |parts: &[&[u8]]| common_name(Der(&subject(parts)));
        assert_eq!(read(&[one]), Ok(Some("a@h".to_owned())));
        assert_eq!(read(&[one, two]), Err(Malformed));
        assert_eq!(read(&[one, one]), Err(Malformed));
        assert_eq!(read(&[&[&one[..], two].concat()]), Err(Malformed), "in one set");
    }

    #[test]
    fn lengths_are_der_and_inside_of_what_holds_them() {
        let one = |bytes: &[u8]| Der(bytes).any().map(|(tag, content)| (tag, content.to_vec()));
        assert_eq!(one(b"\x04\x01x"), Ok((4, b"x".to_vec())));
        assert_eq!(one(&[&[4, 0x81, 0x80][..], &[7; 128]].concat()), Ok((4, vec![7; 128])));
        for wrong in [
            &b""[..],
            b"\x04",
            b"\x04\x02x",
            b"\x04\x80x\0\0",
            b"\x04\x81\x01x",
            b"\x04\x82\x00\x01x",
            b"\x04\x84\0\0\0\x01x",
            b"\x04\xffx",
            b"\x1f\x01\x01x",
            b"\x3f\x81\x01x",
            b"\x04\x83\xff\xff\xff",
        ] {
            assert_eq!(one(wrong), Err(Malformed), "{wrong:02x?}");
        }
    }

    /// Every certificate that is cut is none, and none of its bytes makes anything panic.
    #[test]
    fn what_is_cut_or_changed_is_read_or_refused() {
        let good = made(|p| p.subject_alt_names = dns(&["a@h"]));
        for end in 0..good.len() {
            assert_eq!(read(&good[..end]), Err(Malformed), "{end}");
        }
        assert_eq!(read(&[&good[..], b"\0"].concat()), Err(Malformed));
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                let _ = read(&bytes);
            }
        }
    }

    #[test]
    fn times_are_seconds_and_days_are_what_a_calendar_says() {
        let at = |tag, text: &str| time((tag, text.as_bytes()));
        assert_eq!(at(UTC_TIME, "700101000000Z"), Ok(0));
        assert_eq!(at(UTC_TIME, "491231235959Z"), Ok(2_524_607_999));
        assert_eq!(at(UTC_TIME, "500101000000Z"), Ok(0), "before 1970");
        assert_eq!(at(GENERALIZED_TIME, "20000229120000Z"), Ok(951_825_600));
        assert_eq!(at(GENERALIZED_TIME, "99991231235959Z"), Ok(253_402_300_799));
        for wrong in [
            "700101000000",
            "7001010000Z",
            "701301000000Z",
            "700100000000Z",
            "70010100000xZ",
            "700101240000Z",
            "",
        ] {
            assert_eq!(at(UTC_TIME, wrong), Err(Malformed), "{wrong}");
        }
        assert_eq!(at(GENERALIZED_TIME, "700101000000Z"), Err(Malformed));
        assert_eq!(at(INTEGER, "700101000000Z"), Err(Malformed));
        for (seconds, day) in [
            (0, "1970-01-01"),
            (951_825_600, "2000-02-29"),
            (1_795_219_199, "2026-11-20"),
            (1_798_761_599, "2026-12-31"),
            (1_798_761_600, "2027-01-01"),
            (253_402_300_799, "9999-12-31"),
            (u64::MAX, "9999-12-31"),
        ] {
            assert_eq!(date(seconds), day);
        }
    }
}
