//! From `/` down to the directory that holds a file, one descriptor after the other, noting the first directory on the way
//! that others than root can change. What root's files are worth depends on it.
#![forbid(unsafe_code)]

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;

use super::fd;

/// A directory that others than root can change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenDirectory {
    /// Where it is.
    pub path: Vec<u8>,
    /// Its owner.
    pub uid: u32,
    /// Its mode with the set-ID and sticky bits.
    pub mode: u32,
}

/// The end of the way.
#[derive(Debug)]
pub struct Ancestry {
    /// The directory that holds the file.
    pub directory: OwnedFd,
    /// The file's name in it.
    pub name: CString,
    /// The first directory on the way, `/` included, that others can change.
    pub open: Option<OpenDirectory>,
}

/// A directory on the way could not be entered.
#[derive(Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Which.
    pub path: Vec<u8>,
    /// Why: `ENOTDIR` and `ELOOP` where a symbolic link or a file stands in its place.
    pub errno: Errno,
    /// The first directory before it that others can change.
    pub open: Option<OpenDirectory>,
}

/// Goes down to the directory of the absolute `path`. Symbolic links end the way, unless `follow`.
pub fn descend(path: &[u8], follow: bool) -> Result<Ancestry, Stopped> {
    let stop = |path: &[u8], errno, open| Stopped { path: path.to_vec(), errno, open };
    let mut names: Vec<&[u8]> = path.split(|b| *b == b'/').filter(|n| !n.is_empty()).collect();
    let last = names.pop().ok_or_else(|| stop(path, Errno::EINVAL, None))?;
    let name = CString::new(last).map_err(|_| stop(path, Errno::EINVAL, None))?;
    let mut directory = fd::open_directory(c"/").map_err(|e| stop(b"/", e, None))?;
    let mut open = inspect(&directory, b"/").map_err(|e| stop(b"/", e, None))?;
    let mut so_far = Vec::new();
    for name in names {
        so_far.push(b'/');
        so_far.extend_from_slice(name);
        let next = CString::new(name)
            .map_err(|_| Errno::EINVAL)
            .and_then(|name| fd::open_directory_path(directory.as_fd(), &name, follow));
        directory = match next {
            Ok(next) => next,
            Err(errno) => return Err(stop(&so_far, errno, open)),
        };
        if open.is_none() {
            open = inspect(&directory, &so_far).map_err(|e| stop(&so_far, e, None))?;
        }
    }
    Ok(Ancestry { directory, name, open })
}

fn inspect(directory: &OwnedFd, path: &[u8]) -> Result<Option<OpenDirectory>, Errno> {
    let st = fd::stat(directory.as_fd())?;
    // The group bits of a directory with an ACL are the ACL's mask, so they say whether anyone named in it can write.
    let changeable = st.st_uid != 0 || st.st_mode & 0o022 != 0;
    Ok(changeable.then(|| OpenDirectory { path: path.to_vec(), uid: st.st_uid, mode: st.st_mode & 0o7777 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_open_directory_is_found_though_it_is_sticky() {
        let found = descend(b"/tmp/portcullis/policy.toml", false);
        let open = match found {
            Ok(ancestry) => ancestry.open,
            Err(stopped) => stopped.open,
        };
        assert_eq!(open.unwrap().path, b"/tmp");
    }

    #[test]
    fn what_is_missing_is_named() {
        let stopped = descend(b"/usr/no such folder/deeper/file", false).unwrap_err();
        assert_eq!((stopped.path.as_slice(), stopped.errno), (&b"/usr/no such folder"[..], Errno::ENOENT));
    }

    #[test]
    fn a_link_in_the_place_of_a_directory_ends_the_way() {
        let stopped = descend(b"/proc/self/root/etc/passwd", false).unwrap_err();
        assert_eq!(stopped.path, b"/proc/self");
        assert!([Errno::ENOTDIR, Errno::ELOOP].contains(&stopped.errno));
        assert!(descend(b"/proc/self/root/etc/passwd", true).is_ok());
    }
}
