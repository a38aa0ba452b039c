//! Handles on real files, without the policy: what a permit would carry is given as it is.
#![forbid(unsafe_code)]

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::file::path::NormalPath;
use crate::limits::FILE_READ_MAX;

use crate::limits::FILE_IDLE_MS;

const IDLE: Duration = Duration::from_millis(FILE_IDLE_MS);

/// A file that is removed with the test.
struct Listed(PathBuf);

impl Listed {
    fn new(content: &[u8]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("portcullis-handles-{}-{number}", std::process::id());
        let listed = Self(std::env::temp_dir().canonicalize().unwrap().join(name));
        std::fs::write(&listed.0, content).unwrap();
        listed
    }

    fn permitted(&self, max_bytes: u64) -> ReadFile {
        ReadFile { path: NormalPath::parse(self.0.as_os_str().as_bytes()).unwrap(), max_bytes }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Handles, and the time that their test says it is.
struct Client {
    handles: Handles,
    now: Instant,
}

impl Client {
    fn new() -> Self {
        Self { handles: Handles::new(IDLE), now: Instant::now() }
    }

    fn open(&mut self, listed: &Listed, max_bytes: u64) -> Result<Handle, RequestError> {
        let permitted = listed.permitted(max_bytes);
        self.handles.admit(&permitted, Capabilities::NONE, self.now).map(|opened| opened.handle)
    }

    /// The bytes of the binary that is written, and that nothing else is.
    fn read(&mut self, handle: Handle, offset: Option<u64>, length: usize) -> Result<Vec<u8>, RequestError> {
        let mut w = Writer::new();
        let result = self.handles.read(FileReadArgs { handle, offset, length }, self.now, &mut w);
        let Err(error) = result else {
            let (head, bytes) = w.bytes().split_at(5);
            let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
            assert_eq!(head, [&[109], &length[..]].concat());
            return Ok(bytes.to_vec());
        };
        assert!(w.is_empty(), "something was written before it failed");
        Err(error)
    }
}

fn rule<T: std::fmt::Debug>(result: Result<T, RequestError>) -> (&'static str, String) {
    match result {
        Err(RequestError::DeniedByPolicy(Denial { rule, hint, .. })) => (rule, hint),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_is_told_the_handle_the_size_and_the_time() {
    let listed = Listed::new(b"content");
    let mut handles = Handles::new(IDLE);
    let opened = handles.admit(&listed.permitted(9), Capabilities::NONE, Instant::now()).unwrap();
    let known = std::fs::metadata(&listed.0).unwrap();
    let mtime = std::os::unix::fs::MetadataExt::mtime(&known);
    assert_eq!(opened, Opened { handle: Handle(1), size: 7, mtime });
    let mut w = Writer::new();
    Opened { mtime: -1, ..opened }.write(&mut w);
    let expected = [
        &[116, 0, 0, 0, 3][..],
        atoms::HANDLE.encoded(),
        &[97, 1],
        atoms::SIZE.encoded(),
        &[97, 7],
        atoms::MTIME.encoded(),
        &[98, 255, 255, 255, 255],
    ];
    assert_eq!(w.bytes(), expected.concat());
}

#[test]
fn reads_go_on_where_the_last_one_ended_unless_they_say_where() {
    let listed = Listed::new(b"0123456789");
    let mut client = Client::new();
    let handle = client.open(&listed, 1000).unwrap();
    assert_eq!(client.read(handle, None, 4).unwrap(), b"0123");
    assert_eq!(client.read(handle, None, 4).unwrap(), b"4567");
    assert_eq!(client.read(handle, Some(1), 2).unwrap(), b"12");
    assert_eq!(client.read(handle, None, 100).unwrap(), b"3456789");
    assert_eq!(client.read(handle, None, 100).unwrap(), b"");
    assert_eq!(client.read(handle, Some(i64::MAX as u64), FILE_READ_MAX).unwrap(), b"");
    assert_eq!(client.read(handle, None, 100).unwrap(), b"");
    assert_eq!(client.read(handle, Some(9), 100).unwrap(), b"9");
    // A log that has grown is read on.
    std::fs::write(&listed.0, b"0123456789ab").unwrap();
    assert_eq!(client.read(handle, None, 100).unwrap(), b"ab");
}

#[test]
fn all_reads_of_a_handle_count_together() {
    let listed = Listed::new(b"0123456789");
    let mut client = Client::new();
    let handle = client.open(&listed, 7).unwrap();
    assert_eq!(client.read(handle, None, 4).unwrap(), b"0123");
    assert_eq!(client.read(handle, Some(0), 4).unwrap(), b"012", "cut to what is left");
    for offset in [None, Some(0), Some(9)] {
        let (rule, hint) = rule(client.read(handle, offset, 1));
        assert_eq!(rule, "files.read");
        assert!(hint.contains("7 bytes") && hint.contains("max_bytes"), "{hint}");
        assert!(hint.contains(listed.0.to_str().unwrap()), "{hint}");
    }
    assert_eq!(client.read(handle, Some(10), 1).unwrap(), b"", "behind the end there is nothing to deny");
    let other = client.open(&listed, 7).unwrap();
    assert_eq!(client.read(other, None, 7).unwrap(), b"0123456", "another permit");
}

#[test]
fn a_file_as_long_as_its_permit_is_read_to_its_end() {
    let listed = Listed::new(b"0123456789");
    let mut client = Client::new();
    let handle = client.open(&listed, 10).unwrap();
    assert_eq!(client.read(handle, None, 100).unwrap(), b"0123456789");
    assert_eq!(client.read(handle, None, 100).unwrap(), b"");
}

#[test]
fn a_path_cannot_write_into_its_own_hint() {
    let mut listed = Listed::new(b"x");
    let strange = listed.0.with_extension("\u{1b}[2J\n");
    std::fs::rename(&listed.0, &strange).unwrap();
    listed.0 = strange;
    let mut client = Client::new();
    let handle = client.open(&listed, 0).unwrap();
    let (_, hint) = rule(client.read(handle, None, 1));
    assert!(hint.ends_with(r"\x1b[2J\n") && !hint.contains(char::is_control), "{hint}");
}

#[test]
fn one_read_takes_as_much_as_it_may() {
    let content: Vec<u8> = (0..FILE_READ_MAX + 3).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let listed = Listed::new(&content);
    let mut client = Client::new();
    let handle = client.open(&listed, u64::MAX).unwrap();
    assert_eq!(client.read(handle, None, FILE_READ_MAX).unwrap(), content[..FILE_READ_MAX]);
    assert_eq!(client.read(handle, None, FILE_READ_MAX).unwrap(), content[FILE_READ_MAX..]);
}

#[test]
fn handles_are_bounded_and_their_numbers_never_come_back() {
    let listed = Listed::new(b"content");
    let mut client = Client::new();
    for number in 1..=HANDLES_MAX as u64 {
        assert_eq!(client.open(&listed, 9), Ok(Handle(number)));
    }
    assert_eq!(client.open(&listed, 9), Err(RequestError::Overloaded));
    assert_eq!(client.handles.len(), HANDLES_MAX);
    let last = Handle(HANDLES_MAX as u64);
    client.handles.close(last).unwrap();
    let next = client.open(&listed, 9).unwrap();
    assert_eq!(next, Handle(HANDLES_MAX as u64 + 1));
    assert_eq!(client.read(last, None, 1), Err(closed()));
    assert_eq!(client.handles.close(last), Err(closed()));
    assert_eq!(client.read(next, None, 1).unwrap(), b"c");
    assert_eq!(client.read(Handle(u64::MAX), None, 1), Err(closed()));
}

#[test]
fn numbers_end_before_they_start_over() {
    let listed = Listed::new(b"content");
    let mut client = Client::new();
    client.handles.last = u64::MAX - 1;
    assert_eq!(client.open(&listed, 9), Ok(Handle(u64::MAX)));
    assert_eq!(client.open(&listed, 9), Err(RequestError::Overloaded));
    assert_eq!(client.read(Handle(u64::MAX), None, 1).unwrap(), b"c");
}

#[test]
fn a_file_that_cannot_be_opened_leaves_nothing_behind() {
    let listed = Listed::new(b"content");
    let mut client = Client::new();
    std::fs::remove_file(&listed.0).unwrap();
    let missing = RequestError::Posix(Errno::ENOENT as i32, "opening a listed file");
    assert_eq!(client.open(&listed, 9), Err(missing));
    assert!(client.handles.is_empty() && client.handles.next_expiry().is_none());
    std::fs::write(&listed.0, b"content").unwrap();
    assert_eq!(client.open(&listed, 9), Ok(Handle(1)));
}

#[test]
fn what_nobody_reads_from_is_closed() {
    let listed = Listed::new(b"content");
    let mut client = Client::new();
    let began = client.now;
    let (idle, used) = (client.open(&listed, 9).unwrap(), client.open(&listed, 9).unwrap());
    assert_eq!(client.handles.next_expiry(), Some(began + IDLE));
    client.now = began + IDLE / 2;
    client.read(used, None, 1).unwrap();
    assert_eq!(client.handles.next_expiry(), Some(began + IDLE));
    client.handles.expire(began + IDLE - Duration::from_nanos(1));
    assert_eq!(client.handles.len(), 2);
    client.handles.expire(began + IDLE);
    assert_eq!(client.handles.len(), 1);
    assert_eq!(client.handles.next_expiry(), Some(client.now + IDLE));
    client.now = began + IDLE;
    assert_eq!(client.read(idle, None, 1), Err(closed()));
    assert_eq!(client.read(used, None, 1).unwrap(), b"o");
}

#[test]
fn idle_handles_are_gone_even_before_anyone_has_looked() {
    let listed = Listed::new(b"content");
    let mut client = Client::new();
    let handles: Vec<Handle> = (0..HANDLES_MAX).map(|_| client.open(&listed, 9).unwrap()).collect();
    client.now += IDLE;
    let next = client.open(&listed, 9).unwrap();
    assert_eq!(client.handles.len(), 1);
    for handle in handles {
        assert_eq!(client.read(handle, None, 1), Err(closed()));
    }
    client.now += IDLE;
    assert_eq!(client.read(next, None, 1), Err(closed()));
}
