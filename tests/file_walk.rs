//! The way to a listed file, on real files: what is opened is the regular file of that one name, whatever else lies there,
//! and whatever happens to it meanwhile. Run by anyone; what only root can make is left out for others.
#![allow(unsafe_code, reason = "takes a lease")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

use std::ffi::OsStr;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{geteuid, mkfifo};
use portcullis::error::RequestError;
use portcullis::file::path::NormalPath;
use portcullis::file::walk;
use portcullis::sys::regular::{self, Regular, Unopened};

/// A directory of a test's own, removed with it: `listed`, and beside it `secret` with a file of that name in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        // As the port is: the files of its own /proc/self then belong to root.
        nix::sys::prctl::set_dumpable(false).unwrap();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("portcullis-walk-{}-{number}", std::process::id());
        // Without the links that a temporary directory may lie behind.
        let scratch = Self(std::env::temp_dir().canonicalize().unwrap().join(name));
        for directory in ["listed", "secret"] {
            std::fs::create_dir_all(scratch.0.join(directory)).unwrap();
        }
        scratch.write("secret/secret", "secret");
        scratch
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.at(name), text).unwrap();
        self.at(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(path: impl AsRef<Path>) -> Result<Regular, Unopened> {
    let path = NormalPath::parse(path.as_ref().as_os_str().as_bytes()).unwrap();
    regular::open(path.components())
}

/// Why it was not opened; none of these may take longer than a file system does. Who waits for a lease waits for 45 seconds.
fn refusal(path: impl AsRef<Path>) -> Unopened {
    let began = Instant::now();
    let refused = open(path.as_ref()).expect_err(&path.as_ref().display().to_string());
    assert!(began.elapsed() < Duration::from_secs(30), "{} waited", path.as_ref().display());
    refused
}

fn errno(path: impl AsRef<Path>) -> Errno {
    match refusal(path.as_ref()) {
        Unopened::Errno(errno) => errno,
        other => panic!("{}: {other:?}", path.as_ref().display()),
    }
}

/// Does `work` while another thread does `other` again and again, which ends with it even if it fails.
fn beside(other: impl Fn() + Sync, work: impl FnOnce()) {
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _done = Done(&done);
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                other();
            }
        });
        work();
    });
}

fn text(file: &Regular) -> String {
    let mut buffer = [0; 4096];
    let n = file.read_at(&mut buffer, 0).unwrap();
    String::from_utf8_lossy(&buffer[..n]).into_owned()
}

#[test]
fn a_file_is_opened_with_its_size_and_its_time() {
    let s = Scratch::new();
    let path = s.write("listed/a", "twelve bytes");
    let known = std::fs::metadata(&path).unwrap();
    let file = open(&path).unwrap();
    assert_eq!((file.size(), file.mtime()), (12, known.mtime()));
    assert_eq!(text(&file), "twelve bytes");
    let old = std::fs::File::options().write(true).open(&path).unwrap();
    old.set_modified(std::time::UNIX_EPOCH - Duration::from_secs(7)).unwrap();
    assert_eq!(open(&path).unwrap().mtime(), -7);
    assert_eq!(open(s.write("listed/empty", "")).map(|f| (f.size(), text(&f))), Ok((0, String::new())));
}

#[test]
fn what_is_not_there_is_enoent_and_a_file_is_no_directory() {
    let s = Scratch::new();
    let file = s.write("listed/a", "a");
    assert_eq!(errno(s.at("listed/b")), Errno::ENOENT);
    assert_eq!(errno(s.at("nowhere/a")), Errno::ENOENT);
    assert_eq!(errno(file.join("below")), Errno::ENOTDIR);
}

#[test]
fn a_link_is_eloop_wherever_it_stands_and_whatever_it_names() {
    let s = Scratch::new();
    let secret = s.at("secret/secret");
    symlink(&secret, s.at("listed/absolute")).unwrap();
    symlink("../secret/secret", s.at("listed/relative")).unwrap();
    symlink("absolute", s.at("listed/chain")).unwrap();
    symlink("loop", s.at("listed/loop")).unwrap();
    symlink("nowhere", s.at("listed/dangling")).unwrap();
    symlink("/proc/self/root", s.at("listed/root")).unwrap();
    for name in ["absolute", "relative", "chain", "loop", "dangling", "root"] {
        assert_eq!(errno(s.at("listed").join(name)), Errno::ELOOP, "{name}");
    }
    symlink("../secret", s.at("listed/directory")).unwrap();
    symlink("directory", s.at("listed/second")).unwrap();
    symlink(".", s.at("listed/here")).unwrap();
    for path in ["directory/secret", "second/secret", "loop/secret", "dangling/secret", "here/directory"] {
        assert_eq!(errno(s.at("listed").join(path)), Errno::ELOOP, "{path}");
    }
    let below_root = secret.strip_prefix("/").unwrap();
    assert_eq!(errno(s.at("listed/root").join(below_root)), Errno::ELOOP);
}

#[test]
fn the_kernels_own_links_are_not_followed_either() {
    let s = Scratch::new();
    let secret = std::fs::File::open(s.at("secret/secret")).unwrap();
    let below_root = s.at("secret/secret").strip_prefix("/").unwrap().to_owned();
    let process = PathBuf::from(format!("/proc/{}", std::process::id()));
    for path in [
        Path::new("/proc/self/root").join(&below_root),
        process.join("root").join(&below_root),
        process.join("cwd/Cargo.toml"),
        process.join("exe"),
        process.join(format!("fd/{}", secret.as_raw_fd())),
        PathBuf::from(format!("/proc/self/fd/{}", secret.as_raw_fd())),
        PathBuf::from(format!("/dev/fd/{}", secret.as_raw_fd())),
    ] {
        assert_eq!(errno(&path), Errno::ELOOP, "{}", path.display());
    }
}

#[test]
fn only_regular_files_are_opened_and_none_is_waited_for() {
    let s = Scratch::new();
    mkfifo(&s.at("listed/fifo"), Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(s.at("listed/socket")).unwrap();
    std::fs::create_dir(s.at("listed/directory")).unwrap();
    for name in ["listed/fifo", "listed/socket", "listed/directory", "listed"] {
        assert_eq!(refusal(s.at(name)), Unopened::NotRegular, "{name}");
    }
    for path in ["/dev/null", "/dev/zero", "/proc", "/tmp"] {
        assert_eq!(refusal(path), Unopened::NotRegular, "{path}");
    }
    if geteuid().is_root() {
        let zero = s.at("listed/device");
        mknod(&zero, SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 5)).unwrap();
        assert_eq!(refusal(&zero), Unopened::NotRegular);
    }
}

/// Opening a FIFO for reading, even without waiting, would let a writer through: it must not be opened at all.
#[test]
fn a_writer_that_waits_at_a_fifo_goes_on_waiting() {
    let s = Scratch::new();
    let fifo = s.at("listed/fifo");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    let writes = || std::fs::File::options().write(true).custom_flags(libc::O_NONBLOCK).open(&fifo);
    let open_it = || assert_eq!(refusal(&fifo), Unopened::NotRegular);
    beside(open_it, || {
        let end = Instant::now() + Duration::from_millis(200);
        while Instant::now() < end {
            assert_eq!(writes().unwrap_err().raw_os_error(), Some(libc::ENXIO), "somebody reads the FIFO");
        }
    });
}

#[test]
fn a_lease_of_the_files_owner_is_not_waited_for() {
    let s = Scratch::new();
    let path = s.write("listed/a", "a");
    let owner = std::fs::File::options().write(true).open(&path).unwrap();
    // A lease is broken by a signal that would end the test.
    // SAFETY: neither call takes a pointer; the descriptor is open.
    let taken = unsafe {
        libc::signal(libc::SIGIO, libc::SIG_IGN);
        libc::fcntl(owner.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK)
    };
    assert_eq!(taken, 0, "{}", std::io::Error::last_os_error());
    assert_eq!(errno(&path), Errno::EAGAIN);
    drop(owner);
    assert_eq!(text(&open(&path).unwrap()), "a");
}

#[test]
fn a_file_with_a_second_name_is_refused_under_both_until_it_has_one() {
    let s = Scratch::new();
    let (here, there) = (s.at("listed/linked"), s.at("secret/secret"));
    std::fs::hard_link(&there, &here).unwrap();
    assert_eq!(refusal(&here), Unopened::Links(2));
    assert_eq!(refusal(&there), Unopened::Links(2));
    std::fs::remove_file(&there).unwrap();
    assert_eq!(text(&open(&here).unwrap()), "secret");
}

#[test]
fn dots_never_come_as_far_as_the_walk() {
    let s = Scratch::new();
    for path in ["listed/../secret/secret", "listed/./../secret/secret", "listed//../secret/secret"] {
        // What a mended path would lead to is there.
        assert!(s.at(path).exists());
        assert!(NormalPath::parse(s.at(path).as_os_str().as_bytes()).is_err(), "{path}");
    }
}

#[test]
fn names_are_bytes() {
    let s = Scratch::new();
    for name in [&b"new\nline"[..], b"\xff\xfe", b"*?[", b"-rf", b" ", b"...", &[b'n'; 255]] {
        let path = s.at("listed").join(OsStr::from_bytes(name));
        std::fs::write(&path, name).unwrap();
        let mut buffer = [0; 256];
        let n = open(&path).unwrap().read_at(&mut buffer, 0).unwrap();
        assert_eq!(&buffer[..n], name, "{}", name.escape_ascii());
    }
    // A name that is cut at a NUL would be another file's.
    let cut = [s.at("secret/secret").as_os_str().as_bytes(), b"\0.log"].concat();
    assert!(NormalPath::parse(&cut).is_err());
    let names = [&b"secret\0.log"[..]].into_iter();
    assert_eq!(regular::open(names).unwrap_err(), Unopened::Errno(Errno::EINVAL));
}

#[test]
fn modes_hold_for_those_for_whom_they_hold() {
    let s = Scratch::new();
    let file = s.write("listed/closed", "closed");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o000)).unwrap();
    let below = s.write("secret/open", "open");
    std::fs::set_permissions(s.at("secret"), PermissionsExt::from_mode(0o000)).unwrap();
    for path in [file, below] {
        match geteuid().is_root() {
            true => assert!(open(&path).is_ok()),
            false => assert_eq!(errno(&path), Errno::EACCES),
        }
    }
    std::fs::set_permissions(s.at("secret"), PermissionsExt::from_mode(0o700)).unwrap();
}

#[test]
fn an_open_file_stays_the_file_that_was_opened() {
    let s = Scratch::new();
    let path = s.write("listed/log", "first");
    let file = open(&path).unwrap();
    std::fs::rename(&path, s.at("listed/log.1")).unwrap();
    s.write("listed/log", "second");
    assert_eq!(text(&file), "first");
    std::fs::remove_file(s.at("listed/log.1")).unwrap();
    assert_eq!(text(&file), "first");
    assert_eq!(text(&open(&path).unwrap()), "second");
}

#[test]
fn a_file_that_was_cut_ends_where_it_was_cut() {
    let s = Scratch::new();
    let path = s.write("listed/log", "0123456789");
    let file = open(&path).unwrap();
    std::fs::write(&path, "01234").unwrap();
    let mut buffer = [0; 16];
    assert_eq!(file.read_at(&mut buffer, 3), Ok(2));
    assert_eq!(file.read_at(&mut buffer, 8), Ok(0));
    assert_eq!(file.size(), 10, "as it was opened");
}

#[test]
fn the_end_of_a_huge_file_can_be_read_and_nothing_is_behind_it() {
    let s = Scratch::new();
    let path = s.at("listed/sparse");
    let file = std::fs::File::create(&path).unwrap();
    // The largest that ext4 has with blocks of 4 KiB; tmpfs has more.
    let size = (1 << 44) - 4096;
    file.set_len(size).unwrap();
    file.write_at(b"end", size - 3).unwrap();
    let file = open(&path).unwrap();
    assert_eq!(file.size(), size);
    let mut buffer = [0xff; 8];
    assert_eq!(file.read_at(&mut buffer, size - 4), Ok(4));
    assert_eq!(&buffer[..5], b"\0end\xff");
    for offset in
        [size, size + 1, 1 << 62, (1 << 63) - 9, (1 << 63) - 8, (1 << 63) - 2, (1 << 63) - 1, 1 << 63]
    {
        assert_eq!(file.read_at(&mut buffer, offset), Ok(0), "{offset}");
    }
}

/// Opens `path` 100,000 times while `bait` and `trap` change places all the time. What opens must be public, and both
/// must have been met.
fn race(path: &Path, bait: &Path, trap: &Path, expected: Unopened) {
    let (mut opened, mut refused) = (0, 0);
    let change = || renameat2(AT_FDCWD, bait, AT_FDCWD, trap, RenameFlags::RENAME_EXCHANGE).unwrap();
    beside(change, || {
        for _ in 0..100_000 {
            match open(path) {
                Ok(file) => {
                    assert_eq!(text(&file), "public");
                    opened += 1;
                }
                // The link was a directory again when it was looked at to tell why.
                Err(Unopened::Errno(Errno::ENOTDIR)) if path != bait => {}
                Err(other) => {
                    assert_eq!(other, expected);
                    refused += 1;
                }
            }
        }
    });
    println!("{opened} opened, {refused} refused");
    assert!(opened > 0 && refused > 0, "{opened} opened, {refused} refused: nothing was raced for");
}

#[test]
fn a_file_that_changes_places_with_a_link_never_leads_to_the_secret() {
    let s = Scratch::new();
    let (bait, trap) = (s.write("listed/a", "public"), s.at("listed/b"));
    symlink("../secret/secret", &trap).unwrap();
    race(&bait, &bait, &trap, Unopened::Errno(Errno::ELOOP));
}

#[test]
fn a_directory_that_changes_places_with_a_link_never_leads_to_the_secret() {
    let s = Scratch::new();
    let (bait, trap) = (s.at("listed/a"), s.at("listed/b"));
    std::fs::create_dir(&bait).unwrap();
    let path = s.write("listed/a/secret", "public");
    symlink("../secret", &trap).unwrap();
    race(&path, &bait, &trap, Unopened::Errno(Errno::ELOOP));
}

#[test]
fn a_file_that_changes_places_with_another_link_of_the_secret_never_is_the_secret() {
    let s = Scratch::new();
    let (bait, trap) = (s.write("listed/a", "public"), s.at("listed/b"));
    std::fs::hard_link(s.at("secret/secret"), &trap).unwrap();
    race(&bait, &bait, &trap, Unopened::Links(2));
}

#[test]
fn a_file_that_changes_places_with_a_fifo_never_makes_anybody_wait() {
    let s = Scratch::new();
    let (bait, trap) = (s.write("listed/a", "public"), s.at("listed/b"));
    mkfifo(&trap, Mode::S_IRWXU).unwrap();
    race(&bait, &bait, &trap, Unopened::NotRegular);
}

#[test]
fn a_refusal_names_the_rule_and_what_to_type() {
    let s = Scratch::new();
    let asked = |path: PathBuf| walk::open(&NormalPath::parse(path.as_os_str().as_bytes()).unwrap());
    std::fs::hard_link(s.at("secret/secret"), s.at("listed/linked")).unwrap();
    match asked(s.at("listed/linked")) {
        Err(RequestError::DeniedByPolicy(denial)) => {
            assert_eq!(denial.rule, "files.links");
            assert!(denial.hint.contains("2 hard links"), "{}", denial.hint);
            let find = "find DIR -xdev -links +1 -type f";
            assert!(denial.hint.contains(find), "{}", denial.hint);
            let typed = find.replace("DIR", &s.at("listed").display().to_string());
            let found = std::process::Command::new("sh").args(["-c", &typed]).output().unwrap().stdout;
            assert_eq!(String::from_utf8(found).unwrap().trim(), s.at("listed/linked").to_str().unwrap());
        }
        other => panic!("{other:?}"),
    }
    match asked(s.at("listed")) {
        Err(RequestError::DeniedByPolicy(denial)) => assert_eq!(denial.rule, "files.regular"),
        other => panic!("{other:?}"),
    }
    symlink("a", s.at("listed/b")).unwrap();
    let errors = [("listed/b", libc::ELOOP), ("listed/c", libc::ENOENT)];
    for (name, errno) in errors {
        let expected = RequestError::Posix(errno, "opening a listed file");
        assert_eq!(asked(s.at(name)).unwrap_err(), expected);
    }
}
