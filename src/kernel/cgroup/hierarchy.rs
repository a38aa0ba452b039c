//! The hierarchies of control groups that are mounted, and where the port is in each: `/proc/self/mountinfo` and `/proc/self/cgroup`
//! (cgroups(7)).
#![forbid(unsafe_code)]

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;

use crate::error::RequestError;
use crate::kernel::file;
use crate::kernel::mounts::{self, Mount};
use crate::kernel::text::lines;
use crate::sys::fd;

/// One hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// 1 or 2.
    pub version: u64,
    /// Of version 1: its controllers, with blanks between. Of version 2 each group has its own.
    pub controllers: Vec<u8>,
    /// Where it is mounted.
    pub mount_point: CString,
    /// The port's own group, as a path from there.
    pub own: Vec<u8>,
}

/// Those that there are.
pub fn all() -> Result<Vec<Hierarchy>, RequestError> {
    let own = match file::whole(c"/proc/self/cgroup") {
        Ok(own) => own,
        // A kernel without control groups.
        Err(Errno::ENOENT) => return Ok(Vec::new()),
        Err(errno) => return Err(RequestError::Posix(errno as i32, "reading /proc/self/cgroup")),
    };
    Ok(parse(&file::read(c"/proc/self/mountinfo", "reading /proc/self/mountinfo")?, &own))
}

/// What both files say together. A hierarchy that is mounted nowhere cannot be read and is left out.
#[must_use]
pub fn parse(mountinfo: &[u8], own: &[u8]) -> Vec<Hierarchy> {
    let mounts: Vec<Mount> = lines(mountinfo)
        .filter_map(mounts::parse)
        .filter(|mount| [&b"cgroup"[..], b"cgroup2"].contains(&&mount.fs_type[..]))
        .collect();
    lines(own).filter_map(|line| one(&mounts, line)).collect()
}

/// `4:memory:/a/b`: number, controllers, group. Version 2 has number 0 and none.
fn one(mounts: &[Mount], line: &[u8]) -> Option<Hierarchy> {
    let mut fields = line.splitn(3, |byte| *byte == b':');
    let (number, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
    let version = if number == b"0" && controllers.is_empty() { 2 } else { 1 };
    let serves = |mount: &&Mount| match version {
        2 => mount.fs_type == b"cgroup2",
        _ => {
            let has = |name| mount.super_options.split(|byte| *byte == b',').any(|option| option == name);
            mount.fs_type == b"cgroup" && controllers.split(|byte| *byte == b',').all(has)
        }
    };
    let usual = |mount: &&Mount| !mount.mount_point.starts_with(b"/sys/fs/cgroup");
    let mount = mounts.iter().filter(serves).min_by_key(usual)?;
    Some(Hierarchy {
        version,
        controllers: controllers.iter().map(|byte| if *byte == b',' { b' ' } else { *byte }).collect(),
        mount_point: CString::new(mount.mount_point.clone()).ok()?,
        own: below(group, &mount.root).to_vec(),
    })
}

/// The path of a group from what is mounted. A container sees a part of the hierarchy, and may be told a path outside of it: then
/// the top of what it sees is the closest.
fn below<'g>(group: &'g [u8], root: &[u8]) -> &'g [u8] {
    let rest = if root == b"/" { Some(group) } else { group.strip_prefix(root) };
    rest.filter(|rest| rest.starts_with(b"/") && !rest.starts_with(b"/..")).unwrap_or(b"/")
}

/// Opens the top of a hierarchy.
pub fn open(mount_point: &CStr) -> Result<OwnedFd, Errno> {
    fd::open_directory(mount_point)
}

/// Opens a group below `directory`. A file system of control groups has no links; what is mounted there in its place might.
pub fn enter(directory: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
    match name.as_bytes() {
        b"" | b"." | b".." => Err(Errno::EINVAL),
        _ => fd::open_directory_path(directory.as_fd(), &name, false),
    }
}

/// The names in the path of a group.
pub fn names(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &[u8] = b"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
        36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
        40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
        41 31 0:38 / /elsewhere rw - cgroup2 cgroup2 rw\n\
        42 31 0:38 / /sys/fs/cgroup/a\\040b rw - cgroup2 cgroup2 rw\n";

    fn told(mountinfo: &[u8], own: &[u8]) -> Vec<(u64, [Vec<u8>; 3])> {
        let told = |h: Hierarchy| (h.version, [h.controllers, h.mount_point.into_bytes(), h.own]);
        parse(mountinfo, own).into_iter().map(told).collect()
    }

    #[test]
    fn both_files_together() {
        let own = b"9:name=systemd:/\n4:memory:/a:b/\xff\n3:cpu,cpuacct:/\n2:pids:/\n0::/x\n";
        let expected = [
            (1, [&b"name=systemd"[..], b"/sys/fs/cgroup/systemd", b"/"]),
            (1, [b"memory", b"/sys/fs/cgroup/memory", b"/a:b/\xff"]),
            (1, [b"cpu cpuacct", b"/sys/fs/cgroup/cpu,cpuacct", b"/"]),
            (2, [b"", b"/sys/fs/cgroup/a b", b"/x"]),
        ];
        assert_eq!(told(HYBRID, own), expected.map(|(version, texts)| (version, texts.map(<[u8]>::to_vec))));
    }

    #[test]
    fn a_container_sees_a_part() {
        let mountinfo = b"41 31 0:38 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        for (own, path) in [
            (&b"0::/docker/abc/x\n"[..], &b"/x"[..]),
            (b"0::/docker/abc\n", b"/"),
            (b"0::/docker/abcd\n", b"/"),
            (b"0::/other\n", b"/"),
        ] {
            assert_eq!(told(mountinfo, own)[0].1[2], path);
        }
        assert_eq!(told(HYBRID, b"0::/../../other\n")[0].1[2], b"/");
    }

    #[test]
    fn odd_input_has_no_hierarchies() {
        for odd in [&b""[..], b"0::/", b"0\n", b"0:\n", b"7:net_cls:/\n", b"\xff\n", b"::\n"] {
            assert_eq!(told(HYBRID, odd), []);
        }
        assert_eq!(told(b"\xff\n41 31\n", b"0::/\n"), []);
    }

    #[test]
    fn no_name_leads_out() {
        let top = open(c"/proc/self").or_else(|_| open(c"/proc")).unwrap();
        for name in [&b"."[..], b"..", b"", b"a\0b"] {
            assert_eq!(enter(&top, name).unwrap_err(), Errno::EINVAL);
        }
    }
}
