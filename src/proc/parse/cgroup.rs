//! `/proc/PID/cgroup`: `hierarchy:controllers:path` (cgroups(7)). Who may make groups chooses their names, in which the kernel allows
//! no newline, and prints none (kernel/cgroup/cgroup.c, `cgroup_mkdir`).
#![forbid(unsafe_code)]

use super::bytes::decimal;

/// A line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The number of the hierarchy.
    pub hierarchy: u64,
    /// Its controllers, with commas between them.
    pub controllers: &'a [u8],
    /// The group, below the root of the reader's namespace.
    pub path: &'a [u8],
}

/// The lines that the kernel can have written.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    bytes.split(|b| *b == b'\n').filter_map(|line| {
        let mut parts = line.splitn(3, |b| *b == b':');
        let hierarchy = decimal(parts.next()?)?;
        let (controllers, path) = (parts.next()?, parts.next()?);
        path.starts_with(b"/").then_some(Line { hierarchy, controllers, path })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_hold_colons_and_any_byte() {
        let text = b"12:cpu,cpuacct:/a:b/\xff\n0::/user.slice\n1:name=systemd:/\nx:y:/z\n5:memory\n7:pids:relative\n";
        let read: Vec<_> = lines(text).collect();
        let line = |hierarchy, controllers, path| Line { hierarchy, controllers, path };
        assert_eq!(
            read,
            [
                line(12, &b"cpu,cpuacct"[..], &b"/a:b/\xff"[..]),
                line(0, b"", b"/user.slice"),
                line(1, b"name=systemd", b"/"),
            ]
        );
    }
}
