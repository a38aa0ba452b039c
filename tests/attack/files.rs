//! Listed files: ways out of the list. The user can write to one listed folder; root's secret lies beside it.

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use portcullis::measure::Measure;

use crate::Attempt;
use crate::support::{Map, Port, Term, binary, bytes, int, integer, map};
use crate::world::{Outcome, Stopped, Through, World, ask, got};

const SECRET: &str = "root:$6$hunter2";

/// `listed/` is on the list and the user's; `listed-secret` and `secret` are root's, mode 0600.
struct Room {
    path: PathBuf,
}

impl Room {
    fn new(w: &World) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = w.f.directory.join(format!("room-{}-{n}", std::process::id()));
        std::fs::create_dir_all(path.join("listed/deep")).unwrap();
        let user = nix::unistd::User::from_name(&w.f.user).unwrap().unwrap();
        for mine in [path.join("listed"), path.join("listed/deep")] {
            chown(mine, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        }
        for secret in ["secret", "listed-secret"] {
            std::fs::write(path.join(secret), SECRET).unwrap();
            std::fs::set_permissions(path.join(secret), PermissionsExt::from_mode(0o600)).unwrap();
        }
        std::fs::write(path.join("listed/log"), "0123456789".repeat(10)).unwrap();
        std::fs::set_permissions(path.join("listed/log"), PermissionsExt::from_mode(0o600)).unwrap();
        Self { path }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn policy(&self, limits: &str) -> String {
        format!(
            "version = 1\n[files]\nread = [{{path = \"{}/listed\", max_bytes = 40}}]\n{limits}",
            self.path.display()
        )
    }

    fn port(&self, w: &World, limits: &str) -> Port {
        w.serving(&w.start("proc", &self.policy(limits))).0
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn open(port: &mut Port, path: &[u8]) -> Result<i64, String> {
    let (tag, value) = ask(port, 1, "file_open", map(&[("path", binary(path))]));
    if tag == "ok" { Ok(integer(Map::of(&value).get("handle")) as i64) } else { Err(format!("{value}")) }
}

fn read(port: &mut Port, handle: i64, more: &[(&str, Term)]) -> Result<Vec<u8>, String> {
    let mut args = vec![("handle", int(handle))];
    args.extend(more.iter().cloned());
    let (tag, value) = ask(port, 2, "file_read", map(&args));
    if tag == "ok" { Ok(bytes(&value)) } else { Err(format!("{value}")) }
}

/// Opens and reads. Through if it opens at all.
fn opens(port: &mut Port, path: &[u8]) -> Outcome {
    match open(port, path) {
        Ok(handle) => Through(format!(
            "{:?}",
            read(port, handle, &[]).map(|b| String::from_utf8_lossy(&b).into_owned())
        )),
        Err(why) => Stopped(why),
    }
}

/// What is made in the room as the user, and what is then asked for, below it or anywhere.
fn planted(
    name: &'static str,
    measures: &'static [Measure],
    plant: impl Fn(&Room) + 'static,
    asked: &'static str,
) -> Attempt {
    Attempt::user(format!("file {name}"), measures, move |w| {
        let room = Room::new(w);
        plant(&room);
        let path = if asked.starts_with('/') {
            asked.to_owned()
        } else {
            format!("{}/{asked}", room.path.display())
        };
        opens(&mut room.port(w, ""), path.as_bytes())
    })
}

pub fn attempts() -> Vec<Attempt> {
    let mut all = plants();
    all.extend(spellings());
    all.extend(handles());
    for (name, measure, link) in [
        ("swapped for a link while it is opened", Measure::FilesSymlinks, true),
        ("swapped for a hard link while it is opened", Measure::FilesLinks, false),
    ] {
        all.push(Attempt::user(format!("file {name}"), &[measure], move |w| swapped(w, link)));
    }
    all
}

fn plants() -> Vec<Attempt> {
    vec![
        planted(
            "link to the secret",
            &[Measure::FilesSymlinks],
            |r| symlink(r.at("secret"), r.at("listed/x")).unwrap(),
            "listed/x",
        ),
        planted(
            "relative link",
            &[Measure::FilesSymlinks],
            |r| symlink("../secret", r.at("listed/x")).unwrap(),
            "listed/x",
        ),
        planted(
            "chain of links",
            &[Measure::FilesSymlinks],
            |r| {
                symlink("y", r.at("listed/x")).unwrap();
                symlink("../secret", r.at("listed/y")).unwrap();
            },
            "listed/x",
        ),
        planted(
            "linked folder",
            &[Measure::FilesSymlinks],
            |r| symlink(&r.path, r.at("listed/deep/up")).unwrap(),
            "listed/deep/up/secret",
        ),
        planted(
            "link to the root",
            &[Measure::FilesSymlinks],
            |r| symlink("/", r.at("listed/x")).unwrap(),
            "listed/x/etc/shadow",
        ),
        planted(
            "magic link of proc",
            &[Measure::FilesSymlinks],
            |r| symlink("/proc/self/root", r.at("listed/x")).unwrap(),
            "listed/x/etc/shadow",
        ),
        planted(
            "link to a descriptor",
            &[],
            |r| symlink("/proc/self/fd/0", r.at("listed/x")).unwrap(),
            "listed/x",
        ),
        planted(
            "hard link to the secret",
            &[Measure::FilesLinks],
            |r| std::fs::hard_link(r.at("secret"), r.at("listed/x")).unwrap(),
            "listed/x",
        ),
        planted("fifo", &[Measure::FilesRegular], |r| fifo(&r.at("listed/x")), "listed/x"),
        planted("device", &[Measure::FilesRegular], |r| device(&r.at("listed/x")), "listed/x"),
        planted(
            "socket",
            &[],
            |r| std::mem::forget(std::os::unix::net::UnixListener::bind(r.at("listed/x")).unwrap()),
            "listed/x",
        ),
        planted("folder itself", &[], |_| (), "listed"),
        planted("folder below it", &[], |_| (), "listed/deep"),
        planted("neighbour with the same beginning", &[Measure::FilesPrefix], |_| (), "listed-secret"),
        planted("secret beside it", &[Measure::Authorize], |_| (), "/etc/shadow"),
        planted("folder above it", &[], |_| (), ""),
        planted("environment of the port", &[], |_| (), "/proc/self/environ"),
        planted("memory of the port", &[], |_| (), "/proc/self/mem"),
        planted("memory of the host", &[], |_| (), "/dev/mem"),
        planted("bind-mount-like name", &[], |_| (), "listed/deep/../../secret"),
    ]
}

fn fifo(path: &Path) {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
}

fn device(path: &Path) {
    assert!(Command::new("mknod").arg(path).args(["c", "1", "5"]).status().unwrap().success());
}

/// Other ways to write a path that would lead out, or that another part would read otherwise.
fn spellings() -> Vec<Attempt> {
    let mut all = Vec::new();
    for (name, path, measures) in [
        ("dots", "ROOM/listed/../secret", &[Measure::FilesNormalForm][..]),
        ("dots at the end", "ROOM/listed/deep/..", &[]),
        ("dot", "ROOM/listed/./log", &[]),
        ("two slashes", "ROOM/listed//log", &[]),
        ("slash at the end", "ROOM/listed/log/", &[]),
        ("two slashes in front", "/ROOM/listed/log", &[]),
        ("nul", "ROOM/listed/log\0/../../secret", &[]),
        ("nul at the end", "ROOM/secret\0/listed", &[]),
        ("relative", "listed/log", &[]),
        ("relative to a descriptor", "../../secret", &[]),
        ("home", "~/.ssh/id_ed25519", &[]),
        ("empty", "", &[]),
        ("root", "/", &[]),
        ("url", "file://ROOM/secret", &[]),
        ("wildcard", "ROOM/*", &[]),
        ("backslashes", "ROOM\\listed\\log", &[]),
        ("overlong dots", "ROOM/listed/\u{2025}/secret", &[]),
    ] {
        all.push(Attempt::user(format!("path with {name}"), measures, move |w| {
            let room = Room::new(w);
            opens(&mut room.port(w, ""), path.replace("ROOM", room.path.to_str().unwrap()).as_bytes())
        }));
    }
    all.push(Attempt::user("path of a megabyte", &[], |w| {
        let room = Room::new(w);
        let long = format!("{}/listed/{}", room.path.display(), "x/".repeat(20_000));
        opens(&mut room.port(w, ""), long.as_bytes())
    }));
    all
}

fn log_of(room: &Room) -> Vec<u8> {
    room.at("listed/log").into_os_string().into_string().unwrap().into_bytes()
}

fn handles() -> Vec<Attempt> {
    vec![
        Attempt::user("handles that were never given", &[], |w| {
            let room = Room::new(w);
            let mut port = room.port(w, "");
            let found = (0..200).find_map(|n| read(&mut port, n, &[]).ok());
            got(found.is_some(), format!("{found:?}"))
        }),
        Attempt::user("a handle that was closed", &[], |w| {
            let room = Room::new(w);
            let mut port = room.port(w, "");
            let handle = open(&mut port, &log_of(&room)).unwrap();
            let (tag, _) = ask(&mut port, 3, "file_close", map(&[("handle", int(handle))]));
            assert_eq!(tag, "ok");
            match read(&mut port, handle, &[]) {
                Ok(b) => Through(format!("{b:?}")),
                Err(why) => Stopped(why),
            }
        }),
        Attempt::user("more bytes than the policy", &[Measure::FilesBytes], |w| {
            let room = Room::new(w);
            let mut port = room.port(w, "");
            let handle = open(&mut port, &log_of(&room)).unwrap();
            let total: usize = (0..20)
                .map_while(|_| read(&mut port, handle, &[("length", int(10))]).ok())
                .map(|b| b.len())
                .sum();
            assert!(total >= 40);
            got(total > 40, format!("{total} bytes"))
        }),
        Attempt::user("more bytes than the policy, from the beginning again", &[Measure::FilesBytes], |w| {
            let room = Room::new(w);
            let mut port = room.port(w, "");
            let handle = open(&mut port, &log_of(&room)).unwrap();
            let again = [("offset", int(0)), ("length", int(30))];
            let total: usize =
                (0..5).map_while(|_| read(&mut port, handle, &again).ok()).map(|b| b.len()).sum();
            got(total > 40, format!("{total} bytes"))
        }),
        Attempt::user("handles without end", &[Measure::FilesHandles], |w| {
            let room = Room::new(w);
            let mut port = room.port(w, "");
            let opened = (0..40).map_while(|_| open(&mut port, &log_of(&room)).ok()).count();
            got(opened > 16, format!("{opened} handles"))
        }),
        Attempt::user("a handle kept for ever", &[Measure::FilesIdle], |w| {
            let room = Room::new(w);
            let mut port = room.port(w, "[limits]\nfile_idle_ms = 100\n");
            let handle = open(&mut port, &log_of(&room)).unwrap();
            let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", port.pid())).unwrap().count();
            let until = Instant::now() + Duration::from_secs(5);
            while descriptors() > 4 && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(20));
            }
            let open = descriptors();
            match read(&mut port, handle, &[]) {
                Ok(_) => Through(format!("{open} descriptors")),
                Err(why) => got(open > 4, why),
            }
        }),
    ]
}

/// The user swaps his own file for a link to the secret, again and again, while it is opened.
fn swapped(w: &World, link: bool) -> Outcome {
    let room = Room::new(w);
    let (file, other) = (room.at("listed/x"), room.at("listed/y"));
    std::fs::write(&file, "harmless").unwrap();
    if link {
        symlink(room.at("secret"), &other).unwrap()
    } else {
        std::fs::hard_link(room.at("secret"), &other).unwrap()
    }
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = std::thread::spawn({
        let (stop, file, other) = (Arc::clone(&stop), file.clone(), other.clone());
        move || {
            let at = nix::fcntl::AT_FDCWD;
            while !stop.load(Ordering::Relaxed) {
                nix::fcntl::renameat2(at, &file, at, &other, nix::fcntl::RenameFlags::RENAME_EXCHANGE)
                    .unwrap();
            }
        }
    });
    let mut port = room.port(w, "");
    let path = file.into_os_string().into_string().unwrap().into_bytes();
    let mut outcome = Stopped("2000 opens".into());
    for _ in 0..2000 {
        if let Ok(handle) = open(&mut port, &path) {
            if read(&mut port, handle, &[]).is_ok_and(|b| b.starts_with(b"root:")) {
                outcome = Through("the secret".into());
                break;
            }
            ask(&mut port, 3, "file_close", map(&[("handle", int(handle))]));
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
    outcome
}
