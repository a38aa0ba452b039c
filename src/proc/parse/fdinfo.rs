//! `/proc/PID/fdinfo/FD`: lines of a name and a number (proc_pid_fdinfo(5)). What follows the first four depends on what is open, and
//! some of it is the owner's choice.
#![forbid(unsafe_code)]

use super::bytes::{decimal, octal};

/// The lines that every open file has; `ino` since Linux 5.14.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FdInfo {
    /// Where it reads and writes.
    pub pos: Option<u64>,
    /// Flags as open(2) has them.
    pub flags: Option<u64>,
    /// The mount, as in mountinfo.
    pub mnt_id: Option<u64>,
    /// The inode.
    pub ino: Option<u64>,
}

/// Reads the lines, as far as they are there. They come first and once.
#[must_use]
pub fn parse(bytes: &[u8]) -> FdInfo {
    let mut info = FdInfo::default();
    for line in bytes.split(|b| *b == b'\n').take(4) {
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        match name {
            b"pos" => info.pos = decimal(value),
            b"flags" => info.flags = octal(value),
            b"mnt_id" => info.mnt_id = decimal(value),
            b"ino" => info.ino = decimal(value),
            _ => break,
        }
    }
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_are_read_and_nothing_behind_them() {
        let info =
            parse(b"pos:\t12\nflags:\t02100002\nmnt_id:\t15\nino:\t1057\nlock:\t1: pos:\t7\npos:\t9\n");
        assert_eq!(
            info,
            FdInfo { pos: Some(12), flags: Some(0o2_100_002), mnt_id: Some(15), ino: Some(1057) }
        );
        let old = parse(b"pos:\t0\nflags:\t0100000\nmnt_id:\t9\ntfd: 5 events: 19\n");
        assert_eq!((old.mnt_id, old.ino), (Some(9), None));
        for bad in
            [&b""[..], b"\n\n\n", b"pos", b"pos:", b"pos: x\n", b"\xff:\xff\n", b"eventfd-count: 0\npos: 3\n"]
        {
            assert_eq!(parse(bad), FdInfo::default(), "{bad:?}");
        }
    }
}
