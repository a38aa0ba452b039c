//! Attacks that got somewhere. Each test says what should hold; it fails as long as the attack works.

use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support;
use crate::support::{Fixtures, atoms, fixtures, framed, int, integer, map, name, request, status};

fn info() -> Vec<u8> {
    framed(&request(1, "info", map(&[]), 60_000))
}

/// A program of tests/fixtures, compiled.
fn compiled(source: &str, options: &[&str]) -> PathBuf {
    let to = std::env::temp_dir().join(format!("portcullis-attack-{}-{source}", std::process::id()));
    let from = format!("{}/tests/fixtures/{source}.c", env!("CARGO_MANIFEST_DIR"));
    assert!(Command::new("cc").arg("-o").arg(&to).arg(from).args(options).status().unwrap().success());
    to
}

/// A process that is ended with the test.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn children_of(pid: u32) -> Vec<i64> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

// --- A: the application's user --------------------------------------------------------------------------------------

/// Reads what comes, so slowly that the port always has something left to write. What was written must be forgotten.
#[test]
fn what_was_written_costs_no_memory_though_the_backlog_is_never_empty() {
    let Some(f) = fixtures() else { return };
    let mut port = f.port("ok");
    port.hello();
    let pid = port.pid();
    let mut input = port.take_input();
    let feeder = std::thread::spawn(move || {
        let many = info().repeat(2_000);
        while input.write_all(&many).is_ok() {}
    });
    std::thread::sleep(Duration::from_millis(500));
    let mut read = 0;
    while read < 40 << 20 {
        read += port.read_raw(64 << 10);
        std::thread::sleep(Duration::from_millis(3));
    }
    let peak: u64 = status(pid, "VmPeak").trim_end_matches(" kB").parse().unwrap();
    port.kill();
    feeder.join().unwrap();
    assert!(peak < 16 << 10, "{peak} KiB of address space after {} MiB of answers", read >> 20);
}

/// Sixteen row answers whose client does not grant more hold every place until their deadline.
#[test]
fn answers_that_wait_for_credit_do_not_keep_others_from_beginning() {
    let Some(f) = fixtures() else { return };
    let long = "0".repeat(4000);
    let crowd: Vec<Background> = (0..150)
        .map(|_| Background(Command::new("/bin/sleep").args(["100", &format!("0{long}")]).spawn().unwrap()))
        .collect();
    let mut port = f.port("ok");
    port.hello();
    // With both columns a row has 8 KB, and 16 chunks hold some 110 rows.
    let columns = || map(&[("columns", atoms(&["cmdline", "argv"])), ("cell_max", int(8192))]);
    for id in 1..=16 {
        port.frame(&request(id, "processes", columns(), 600_000));
    }
    port.frame(&request(17, "processes", map(&[("limit", int(1)), ("columns", atoms(&["pid"]))]), 60_000));
    loop {
        let term = port.receive().unwrap();
        let [tag, id, ..] = &support::elements(&term)[..] else { panic!("{term}") };
        if integer(id) == 17 {
            assert_eq!(name(tag), "rows", "{term}");
            break;
        }
    }
    drop(crowd);
}

/// The frame that says that the stream is lost must not stand in the middle of another.
#[test]
fn the_last_frame_comes_after_the_answers_before_it() {
    let Some(f) = fixtures() else { return };
    let mut port = f.port("ok");
    port.hello();
    // More than a pipe of 1 MiB holds, so that an answer is written in part.
    let asked = (1 << 20) / 80;
    let (pid, mut input) = (port.pid(), port.take_input());
    // Where pipes are small it ends only when somebody reads.
    let writer = std::thread::spawn(move || {
        input.write_all(&info().repeat(asked)).unwrap();
        support::until_it_sleeps(pid);
        input.write_all(&[0xff; 4]).unwrap();
        input
    });
    std::thread::sleep(Duration::from_millis(700));
    let mut answered = 0;
    loop {
        let term = port.receive().expect("refused");
        match name(&support::elements(&term)[0]) {
            "ok" => answered += 1,
            "refused" => break,
            _ => panic!("{term}"),
        }
    }
    port.give_input(writer.join().unwrap());
    assert_eq!(answered, asked, "answers before the header");
}

/// poll(2) tells of a hang-up whether asked or not.
#[test]
fn a_client_that_closes_its_end_and_does_not_read_costs_no_processor_time() {
    let Some(f) = fixtures() else { return };
    let mut port = f.port("ok");
    port.hello();
    let mut input = port.take_input();
    let flags = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
    nix::fcntl::fcntl(&input, flags).unwrap();
    // Nothing more goes in, and it sleeps: what it would say next does not fit into the pipe.
    let (many, mut written, mut stuck) = (info().repeat(1000), 0, 0);
    while stuck < 10 {
        let goes_in = input.write(&many[written % info().len()..]);
        stuck = if goes_in.is_err() && support::state(port.pid()) == Some('S') { stuck + 1 } else { 0 };
        written += goes_in.unwrap_or_else(|_| {
            std::thread::sleep(Duration::from_millis(5));
            0
        });
    }
    drop(input);
    let before = support::ticks(port.pid());
    std::thread::sleep(Duration::from_secs(2));
    let used = support::ticks(port.pid()) - before;
    assert!(used < 20, "{used} ticks in 2 seconds");
}

/// One turn of the loop takes all frames that have come, however long each takes. Here: of a process in 65,536 groups.
#[test]
fn a_deadline_is_kept_behind_requests_that_take_long() {
    let Some(f) = fixtures() else { return };
    let groups = compiled("groups", &[]);
    let crowd = Background(Command::new(&groups).arg("1").spawn().unwrap());
    support::eventually("it has its groups", || {
        let child = children_of(crowd.0.id()).first().copied();
        child.is_some_and(|pid| status(u32::try_from(pid).unwrap(), "Groups").len() > 65_536)
    });
    let pid = children_of(crowd.0.id())[0];
    let first = framed(&request(2, "processes", map(&[("where", map(&[("umask", int(777_777))]))]), 50));
    let others =
        framed(&request(3, "process", map(&[("pid", int(pid)), ("items", atoms(&["umask"]))]), 60_000));
    let all = [first, others.repeat(600)].concat();
    support::below("a deadline of 50 ms", Duration::from_secs(1), || {
        let mut port = f.port("ok");
        port.hello();
        let mut input = port.take_input();
        let begun = Instant::now();
        std::thread::scope(|scope| {
            // The end of the port is the end of this, too.
            scope.spawn(|| input.write_all(&all));
            while integer(&support::elements(&port.receive().unwrap())[1]) != 2 {}
            let took = begun.elapsed();
            port.kill();
            took
        })
    });
    std::fs::remove_file(groups).unwrap();
}

// --- B: another user of the host --------------------------------------------------------------------------------------

/// Known (SECURITY.md): `cmdline` takes a lock of the process that is looked at, and a file system of its user's makes it
/// hold that. Whoever asks for the default columns of the table gets no answer from that copy any more, and neither does
/// anybody else.
#[test]
#[ignore = "no mend inside the port is known; a client has to replace a copy that is silent"]
fn a_process_that_holds_its_own_lock_does_not_stop_the_port() {
    let Some(f) = fixtures() else { return };
    let hold = compiled("hold_lock", &["-pthread"]);
    let _holder = Background(Command::new(&hold).arg("10").spawn().unwrap());
    std::thread::sleep(Duration::from_secs(2));
    let mut port = f.port("ok");
    port.hello();
    port.frame(&request(1, "processes", map(&[]), 1_000));
    std::thread::sleep(Duration::from_millis(500));
    let begun = Instant::now();
    port.frame(&request(2, "info", map(&[]), 1_000));
    while integer(&support::elements(&port.receive().unwrap())[1]) != 2 {}
    std::fs::remove_file(hold).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "info took {:?}", begun.elapsed());
}

// --- What people are told to type -------------------------------------------------------------------------------------

/// `$'...'` is bash; in other shells it is a dollar and a string that ends at the first quote.
#[test]
fn a_quoted_path_is_one_word_in_every_shell() {
    for path in [
        &b"/a\n'; echo injected; #"[..],
        b"/a'b",
        b"/a\x1b[2J",
        "/caf\u{e9}".as_bytes(),
        b"/a\\'b\n",
        b"/a\xff",
    ] {
        let line = format!("printf %s {}", portcullis::quote::shell(path));
        for shell in ["sh", "dash", "bash"] {
            let Ok(output) = Command::new(shell).args(["-c", &line]).output() else { continue };
            assert_eq!(output.stdout, path, "{shell}: {line}");
        }
    }
}

/// Typed as it stands this takes /tmp away from everybody.
#[test]
fn nobody_is_told_to_close_a_directory_that_must_be_open() {
    let Some(f) = fixtures() else { return };
    let copy = std::env::temp_dir().join(format!("portcullis-attack-copy-{}", std::process::id()));
    std::fs::copy(f.program("ok"), &copy).unwrap();
    std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)).unwrap();
    // A test beside this one may be about to start a program, with the copy open for writing until then.
    let output = loop {
        match Command::new(&copy).arg("doctor").output() {
            Err(e) if e.kind() == std::io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            output => break output.unwrap(),
        }
    };
    std::fs::remove_file(&copy).unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!said.contains("chmod go-w /tmp"), "{said}");
    // Whoever owns a directory above can put a link in the place of the file while root types.
    let about_the_place = said.find("directory_writable").unwrap();
    for mend in ["setcap", "chmod 0750", "chown root:"] {
        assert!(
            said.find(mend).is_none_or(|at| at > about_the_place),
            "{mend} before the directory is closed: {said}"
        );
    }
}

#[test]
fn doctor_looks_at_the_file_that_it_was_given() {
    let Some(f) = fixtures() else { return };
    let odd = std::env::temp_dir().join(std::ffi::OsStr::from_bytes(b"portcullis-attack-\xff"));
    std::fs::copy(f.program("ok"), &odd).unwrap();
    let output = Command::new(f.program("ok")).arg("doctor").arg(&odd).output().unwrap();
    std::fs::remove_file(&odd).unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!said.contains("ENOENT"), "{said}");
}

#[test]
fn doctor_into_a_closed_pipe_is_no_internal_error() {
    let Some(f) = fixtures() else { return };
    let full = || Stdio::from(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    for words in [&["doctor"][..], &["--help"]] {
        let output = Command::new(f.program("ok")).args(words).stdout(full()).output().unwrap();
        assert_ne!(output.status.code(), Some(70), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let status =
        Command::new(f.program("ok")).args(["port", "--role", "proc"]).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(64), "{status}");
}

// --- The installer ----------------------------------------------------------------------------------------------------

fn install(f: &Fixtures, binary: &Path) -> (String, PathBuf) {
    let dest = f.directory.join(format!("attack-{}", std::process::id()));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/install.sh");
    let mut command = Command::new("sh");
    command.arg(script).arg("--group").arg(&f.user).arg("--dest").arg(&dest).arg("--binary").arg(binary);
    let output = command.env_remove("SUDO_USER").output().unwrap();
    (format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)), dest)
}

/// The trial start is as uid 0. Without capabilities that is still the owner of every file of the system.
#[test]
fn the_installer_does_not_start_what_it_installs_as_root() {
    let Some(f) = fixtures() else { return };
    let directory = f.directory.join("attack-trial");
    std::fs::create_dir(&directory).unwrap();
    let (evil, mark) = (directory.join("evil"), directory.join("mark"));
    std::fs::write(&evil, format!("#!/bin/sh\nid -u >{}\n", mark.display())).unwrap();
    std::fs::set_permissions(&evil, PermissionsExt::from_mode(0o755)).unwrap();
    let (said, dest) = install(&f, &evil);
    let _ = std::fs::remove_dir_all(dest);
    let ran_as = std::fs::read_to_string(&mark);
    std::fs::remove_dir_all(directory).unwrap();
    assert!(ran_as.is_err(), "it ran as uid {} and wrote a file of root's: {said}", ran_as.unwrap().trim());
}

/// What is copied is readable for the group before it is known to be a program.
#[test]
fn the_installer_shows_no_file_that_the_group_could_not_read() {
    let Some(f) = fixtures() else { return };
    let link = f.directory.join("attack-link");
    std::os::unix::fs::symlink("/etc/shadow", &link).unwrap();
    let dest = f.directory.join(format!("attack-{}", std::process::id()));
    let script = "import os,sys,time\nd,end=sys.argv[1],time.time()+4\nwhile time.time()<end:\n  try:\n    for n in os.listdir(d):\n      \
                  try: print(len(open(d+'/'+n,'rb').read())); sys.exit()\n      except OSError: pass\n  except OSError: pass\n";
    let mut watch = f
        .command(&[], &["python3", "-c", script, dest.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    for _ in 0..5 {
        install(&f, &link);
    }
    let mut seen = String::new();
    watch.stdout.take().unwrap().read_to_string(&mut seen).unwrap();
    watch.wait().unwrap();
    std::fs::remove_file(link).unwrap();
    let _ = std::fs::remove_dir_all(dest);
    assert_eq!(seen, "", "bytes of /etc/shadow that a member of the group has read");
}
