//! `/proc/PID/io`: what the threads of a process have read and written (proc_pid_io(5), `do_io_accounting` in
//! fs/proc/base.c).
#![forbid(unsafe_code)]

use super::bytes::decimal;

/// The counters. One that the file does not have, or that is not a number, is `None`: a kernel built without
/// `TASK_IO_ACCOUNTING` or `TASK_XACCT` leaves counters out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Io {
    /// Bytes asked of read(2) and its like.
    pub rchar: Option<u64>,
    /// Bytes given to write(2) and its like.
    pub wchar: Option<u64>,
    /// Calls that read.
    pub syscr: Option<u64>,
    /// Calls that write.
    pub syscw: Option<u64>,
    /// Bytes fetched from storage.
    pub read_bytes: Option<u64>,
    /// Bytes sent to storage.
    pub write_bytes: Option<u64>,
    /// Bytes that were never sent because the file was cut or removed before.
    pub cancelled_write_bytes: Option<u64>,
}

/// Reads the counters. A last line without newline was cut and does not count.
#[must_use]
pub fn parse(bytes: &[u8]) -> Io {
    let mut io = Io::default();
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        if let Some((key, value)) = counter(line) {
            let field = match key {
                b"rchar" => &mut io.rchar,
                b"wchar" => &mut io.wchar,
                b"syscr" => &mut io.syscr,
                b"syscw" => &mut io.syscw,
                b"read_bytes" => &mut io.read_bytes,
                b"write_bytes" => &mut io.write_bytes,
                b"cancelled_write_bytes" => &mut io.cancelled_write_bytes,
                _ => continue,
            };
            *field = Some(value);
        }
    }
    io
}

fn counter(line: &[u8]) -> Option<(&[u8], u64)> {
    let line = line.strip_suffix(b"\n")?;
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (key, value) = line.split_at_checked(colon)?;
    Some((key, decimal(value.strip_prefix(b": ")?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CAT: &[u8] = b"rchar: 8676\nwchar: 1700\nsyscr: 14\nsyscw: 2\nread_bytes: 0\nwrite_bytes: 4096\n\
        cancelled_write_bytes: 0\n";

    #[test]
    fn every_counter_is_found() {
        let Io { rchar, wchar, syscr, syscw, read_bytes, write_bytes, cancelled_write_bytes } = parse(CAT);
        assert_eq!((rchar, wchar, syscr, syscw), (Some(8676), Some(1700), Some(14), Some(2)));
        assert_eq!((read_bytes, write_bytes, cancelled_write_bytes), (Some(0), Some(4096), Some(0)));
    }

    #[test]
    fn a_cut_file_has_no_half_numbers() {
        let whole = parse(CAT);
        for length in 0..CAT.len() {
            let cut = parse(&CAT[..length]);
            assert!(cut.rchar.is_none() || cut.rchar == whole.rchar);
            assert!(cut.write_bytes.is_none() || cut.write_bytes == whole.write_bytes);
            assert_eq!(cut.cancelled_write_bytes, None);
        }
    }

    #[test]
    fn what_is_not_a_number_is_none() {
        let io = parse(
            b"rchar: 18446744073709551615\nwchar: 18446744073709551616\nsyscr: -1\nsyscw:\nread_bytes: \n",
        );
        assert_eq!(io, Io { rchar: Some(u64::MAX), ..Io::default() });
        assert_eq!(parse(b""), Io::default());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let _ = parse(&bytes);
        }
    }
}
