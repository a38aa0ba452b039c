//! Whether `/proc` hides other users' processes: `hidepid` among its mount options (proc(5)).
#![forbid(unsafe_code)]

/// Reads `/proc/self/mountinfo` (proc_pid_mountinfo(5)): the options of the topmost mount on `/proc`.
#[must_use]
pub fn hides_processes(mountinfo: &[u8]) -> bool {
    let on_proc = |line: &&[u8]| line.split(|b| *b == b' ').nth(4) == Some(b"/proc");
    let Some(line) = mountinfo.split(|b| *b == b'\n').rfind(on_proc) else { return false };
    let Some(options) = line.rsplit(|b| *b == b' ').next() else { return false };
    options
        .split(|b| *b == b',')
        .any(|o| o.starts_with(b"hidepid=") && o != b"hidepid=0" && o != b"hidepid=off")
}

/// The same for this process; `false` if it cannot be known.
#[must_use]
pub fn here() -> bool {
    std::fs::read("/proc/self/mountinfo").is_ok_and(|bytes| hides_processes(&bytes))
}

#[cfg(test)]
mod tests {
    use super::hides_processes;

    #[test]
    fn only_the_topmost_mount_on_proc_counts() {
        let plain = "22 1 0:21 / /proc rw,relatime shared:12 - proc proc rw\n";
        let hiding = "99 22 0:50 / /proc rw,relatime - proc proc rw,gid=5,hidepid=invisible\n";
        let other = "98 22 0:51 / /mnt/proc rw - proc proc rw,hidepid=2\n";
        assert!(!hides_processes(plain.as_bytes()));
        assert!(!hides_processes(format!("{plain}{other}").as_bytes()));
        assert!(hides_processes(format!("{plain}{hiding}").as_bytes()));
        assert!(!hides_processes(format!("{hiding}{plain}").as_bytes()));
        assert!(!hides_processes(b"22 1 0:21 / /proc rw - proc proc rw,hidepid=0\n"));
        assert!(!hides_processes(b""));
    }
}
