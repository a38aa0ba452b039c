//! A path in normal form: every file has one such name, so that what the policy compares is what the walk takes.
//!
//! What is not in that form is refused and never mended. A path that is mended after it was judged means another file.
#![forbid(unsafe_code)]

use crate::limits::PATH_BYTES_MAX;
use crate::measure::{Measure, in_force};

/// The kernel's `NAME_MAX` (include/uapi/linux/limits.h): bytes of one name.
const NAME_BYTES_MAX: usize = 255;

/// An absolute path without empty names, `.`, `..` and NUL, and without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalPath(Vec<u8>);

/// Why bytes are not such a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNormal {
    /// It has no bytes, or begins with something else than `/`.
    #[error("it does not begin with /")]
    Relative,
    /// Longer than [`PATH_BYTES_MAX`].
    #[error("it is longer than 4095 bytes")]
    TooLong,
    /// A NUL byte, at which the kernel would end the path.
    #[error("it has a NUL byte in it")]
    Nul,
    /// Two slashes in a row, or one at the end. The root alone ends in one, too.
    #[error("it has an empty name in it, or ends in /")]
    EmptyName,
    /// A name that is `.` or `..`.
    #[error("it has . or .. in it")]
    Dots,
    /// A name that no file can have.
    #[error("it has a name of more than 255 bytes in it")]
    NameTooLong,
}

impl NormalPath {
    /// The path, if the bytes are in normal form.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotNormal> {
        if in_force(Measure::FilesNormalForm) {
            check(bytes)?;
        }
        Ok(Self(bytes.to_vec()))
    }

    /// All of it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its names, from the root on. Never none, and none of them empty.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        // The root is empty in front of the first slash. A path that was let through unchecked has more of these.
        self.0.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
    }

    /// Whether it is `prefix` or lies below it. A prefix that is not in normal form has nothing below it: neither the
    /// empty one, nor one that ends in a slash.
    #[must_use]
    pub fn is_below(&self, prefix: &[u8]) -> bool {
        let Some(rest) = self.0.strip_prefix(prefix) else { return false };
        // A line for /var/log/app is none for /var/log/app-secrets.
        !in_force(Measure::FilesPrefix)
            || !prefix.is_empty() && (rest.is_empty() || rest.first() == Some(&b'/'))
    }
}

fn check(bytes: &[u8]) -> Result<(), NotNormal> {
    let names = bytes.strip_prefix(b"/").ok_or(NotNormal::Relative)?;
    if bytes.len() > PATH_BYTES_MAX {
        return Err(NotNormal::TooLong);
    }
    if bytes.contains(&0) {
        return Err(NotNormal::Nul);
    }
    names.split(|byte| *byte == b'/').try_for_each(|name| match name {
        b"" => Err(NotNormal::EmptyName),
        b"." | b".." => Err(NotNormal::Dots),
        name if name.len() > NAME_BYTES_MAX => Err(NotNormal::NameTooLong),
        _ => Ok(()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(bytes: &[u8]) -> NormalPath {
        NormalPath::parse(bytes).unwrap()
    }

    #[test]
    fn what_is_in_normal_form_is_kept_as_it_is() {
        for bytes in [&b"/a"[..], b"/var/log/app.log", b"/...", b"/..a/.b/c..", b"/a b/\n\xff", b"/~/-"] {
            assert_eq!(path(bytes).bytes(), bytes);
        }
        let names: Vec<Vec<u8>> = path(b"/var/log/a\xff").components().map(<[u8]>::to_vec).collect();
        assert_eq!(names, [&b"var"[..], b"log", b"a\xff"]);
    }

    #[test]
    fn every_refusal_says_why() {
        let refused = |bytes: &[u8]| NormalPath::parse(bytes).unwrap_err();
        for bytes in [&b""[..], b"a", b"a/b", b"./a", b"../a", b" /a", b"\0/a"] {
            assert_eq!(refused(bytes), NotNormal::Relative, "{}", bytes.escape_ascii());
        }
        for bytes in [&b"/"[..], b"//", b"//a", b"/a/", b"/a//b", b"/a/b//"] {
            assert_eq!(refused(bytes), NotNormal::EmptyName, "{}", bytes.escape_ascii());
        }
        for bytes in [&b"/."[..], b"/..", b"/./a", b"/a/.", b"/a/..", b"/a/../b", b"/a/./b", b"/../a"] {
            assert_eq!(refused(bytes), NotNormal::Dots, "{}", bytes.escape_ascii());
        }
        for bytes in [&b"/\0"[..], b"/a\0", b"/a\0/b", b"/a/b\0.log"] {
            assert_eq!(refused(bytes), NotNormal::Nul, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn lengths_are_bounded_as_the_kernel_bounds_them() {
        let name = |n: usize| [b"/".to_vec(), b"n".repeat(n)].concat();
        assert_eq!(path(&name(255)).components().count(), 1);
        assert_eq!(NormalPath::parse(&name(256)), Err(NotNormal::NameTooLong));
        assert_eq!(NormalPath::parse(&[name(256), name(1)].concat()), Err(NotNormal::NameTooLong));
        let longest = [name(254).repeat(16), name(14)].concat();
        assert_eq!(longest.len(), PATH_BYTES_MAX);
        assert_eq!(path(&longest).components().count(), 17);
        assert_eq!(NormalPath::parse(&[longest, b"n".to_vec()].concat()), Err(NotNormal::TooLong));
        assert!(NotNormal::TooLong.to_string().contains(&PATH_BYTES_MAX.to_string()));
        assert!(NotNormal::NameTooLong.to_string().contains(&NAME_BYTES_MAX.to_string()));
    }

    #[test]
    fn a_prefix_ends_where_a_name_ends() {
        let file = path(b"/var/log/app/x.log");
        for prefix in [&b"/var"[..], b"/var/log", b"/var/log/app", b"/var/log/app/x.log"] {
            assert!(file.is_below(prefix), "{}", prefix.escape_ascii());
        }
        for prefix in
            [&b"/v"[..], b"/var/log/ap", b"/var/log/app/x", b"/var/log/app/x.log/y", b"/srv", b"var"]
        {
            assert!(!file.is_below(prefix), "{}", prefix.escape_ascii());
        }
        assert!(!path(b"/var/log/app-secrets").is_below(b"/var/log/app"));
        assert!(!path(b"/var/log").is_below(b"/var/log/app"));
    }

    #[test]
    fn a_prefix_that_is_not_in_normal_form_opens_nothing() {
        for prefix in [&b""[..], b"/", b"/var/", b"/var/log/", b"//"] {
            assert!(!path(b"/var/log").is_below(prefix), "{}", prefix.escape_ascii());
        }
    }
}
