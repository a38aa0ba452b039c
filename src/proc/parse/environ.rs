//! `/proc/PID/environ`: the environment at the start of the program, each variable followed by NUL
//! (proc_pid_environ(5), `environ_read` in fs/proc/base.c).
//!
//! The process owns that memory too: a variable need not have a name, a value or a `=`.
#![forbid(unsafe_code)]

use super::cmdline;

/// The variables, as they stand there: `NAME=value` if the process left them alone.
pub fn variables(bytes: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    cmdline::arguments(bytes)
}

/// How many [`variables`] there are.
#[must_use]
pub fn count(bytes: &[u8]) -> usize {
    cmdline::count(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_kept_as_they_are() {
        let file = b"A\xff=\xfe=\n\0X=1\0no sign\0";
        assert!(variables(file).eq([&b"A\xff=\xfe=\n"[..], b"X=1", b"no sign"]));
        assert_eq!(count(file), 3);
        assert_eq!(count(b""), 0);
    }
}
