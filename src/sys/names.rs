//! The names in a directory, some at a time.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;

/// Room for some hundred entries in one call.
const BUFFER: usize = 16 * 1024;

/// Offsets in `struct linux_dirent64` (getdents64(2)): inode, offset, record length, type, name.
const RECORD_LENGTH: usize = 16;
const TYPE: usize = 18;
const NAME: usize = 19;

/// An entry: its name, and whether it is a directory. A symbolic link is none.
pub type Entry = (CString, bool);

/// Reads on in a directory: some of its entries, without `.` and `..`; nothing at the end.
pub fn read(directory: &OwnedFd) -> Result<Option<Vec<Entry>>, Errno> {
    let mut buffer = vec![0_u8; BUFFER];
    // SAFETY: the kernel writes at most `buffer.len()` bytes into a buffer of that size.
    let r = unsafe {
        libc::syscall(libc::SYS_getdents64, directory.as_raw_fd(), buffer.as_mut_ptr(), buffer.len())
    };
    let filled = usize::try_from(Errno::result(r)?).unwrap_or(0);
    let records = buffer.get(..filled).unwrap_or_default();
    Ok((filled > 0).then(|| entries(records)))
}

fn entries(mut records: &[u8]) -> Vec<Entry> {
    let mut found = Vec::new();
    while let Some(entry) = records.get(RECORD_LENGTH..).and_then(|rest| rest.first_chunk()) {
        // A record of length 0 would never end; the kernel writes none.
        let length = usize::from(u16::from_ne_bytes(*entry)).max(1);
        let name = records.get(NAME..length).and_then(|name| CStr::from_bytes_until_nul(name).ok());
        let is_directory = records.get(TYPE) == Some(&libc::DT_DIR);
        if let Some(name) = name.filter(|name| *name != c"." && *name != c"..") {
            found.push((name.to_owned(), is_directory));
        }
        records = records.get(length..).unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn every_name_is_listed_once() {
        let path = std::env::temp_dir().join(format!("portcullis-names-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let mut expected: Vec<Entry> = Vec::new();
        for n in 0..700 {
            let name = [&b"\xff "[..], n.to_string().as_bytes()].concat();
            std::fs::create_dir(path.join(std::ffi::OsStr::from_bytes(&name))).unwrap();
            expected.push((CString::new(name).unwrap(), true));
        }
        std::fs::write(path.join("file"), "").unwrap();
        std::os::unix::fs::symlink("file", path.join("link")).unwrap();
        expected.extend([(c"file".to_owned(), false), (c"link".to_owned(), false)]);
        let directory =
            crate::sys::fd::open_directory(&CString::new(path.as_os_str().as_bytes()).unwrap()).unwrap();
        let mut found = Vec::new();
        while let Some(some) = read(&directory).unwrap() {
            found.extend(some);
        }
        std::fs::remove_dir_all(&path).unwrap();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn records_that_no_kernel_writes_end() {
        assert_eq!(entries(&[]), []);
        assert_eq!(entries(&[0; 64]), []);
        assert_eq!(entries(&[255; 64]), []);
    }
}
