//! Tricks with the policy file. Each puts rules in place that the program must not believe; that it serves at all is what
//! the attacker wants.

use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use portcullis::measure::Measure;

use crate::Attempt;
use crate::support::{atoms, int, map, names};
use crate::world::{Outcome, Started, Stopped, Through, World, asked, got};

const FULL: &str = "version = 1\n[proc]\nlevel = \"full\"\n";

/// A policy folder with the full policy, changed by `trick`, which gets the folder and the file.
fn tricked(
    name: &'static str,
    measures: &'static [Measure],
    trick: impl Fn(&World, &Path, &Path) + 'static,
) -> Attempt {
    Attempt::user(format!("policy {name}"), measures, move |w| {
        let folder = w.f.policy(FULL);
        let folder = Path::new(&folder);
        trick(w, folder, &folder.join("policy.toml"));
        w.run(&w.start_in("proc", folder.to_str().unwrap().to_owned())).serves()
    })
}

/// A policy of this text, which must not be understood.
fn text(name: &'static str, measures: &'static [Measure], text: impl Into<Vec<u8>>) -> Attempt {
    let text = text.into();
    tricked(name, measures, move |_, _, file| std::fs::write(file, &text).unwrap())
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn to_user(w: &World, path: &Path) {
    let user = nix::unistd::User::from_name(&w.f.user).unwrap().unwrap();
    chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
}

fn elsewhere(w: &World, file: &Path) -> std::path::PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let other = w.f.directory.join(format!("other-{}-{n}.toml", std::process::id()));
    std::fs::rename(file, &other).unwrap();
    other
}

pub fn attempts() -> Vec<Attempt> {
    let mut all = places();
    all.extend(texts());
    all.push(Attempt::user("policy swapped-between-checks", &[Measure::PolicyOwner], swapped));
    all.push(Attempt::user("policy absent", &[Measure::PolicyAbsent], |w| {
        let folder = w.f.directory.join("policies/none").into_os_string().into_string().unwrap();
        let (mut port, hello) = w.serving(&w.start_in("proc", folder));
        let held = names(hello.get("capabilities"));
        match asked(&mut port, "process", map(&[("pid", int(1)), ("items", atoms(&["exe"]))])) {
            Stopped(why) => got(!held.is_empty(), why),
            through => through,
        }
    }));
    all
}

fn places() -> Vec<Attempt> {
    vec![
        tricked("folder-of-the-user", &[Measure::PolicyDirectories], |w, folder, _| to_user(w, folder)),
        tricked("folder-for-everybody", &[Measure::PolicyDirectories], |_, folder, _| mode(folder, 0o777)),
        tricked("folder-for-a-group", &[Measure::PolicyDirectories], |_, folder, _| mode(folder, 0o775)),
        tricked("folder-sticky-for-everybody", &[Measure::PolicyDirectories], |_, folder, _| {
            mode(folder, 0o1777)
        }),
        tricked("folder-with-an-acl", &[Measure::PolicyDirectories], |w, folder, _| {
            let acl = format!("u:{}:rwx", w.f.user);
            assert!(Command::new("setfacl").args(["-m", &acl]).arg(folder).status().unwrap().success());
        }),
        tricked("file-of-the-user", &[Measure::PolicyOwner], |w, _, file| to_user(w, file)),
        tricked("file-for-everybody", &[Measure::PolicyMode], |_, _, file| mode(file, 0o666)),
        tricked("file-for-a-group", &[Measure::PolicyMode], |_, _, file| mode(file, 0o664)),
        tricked("file-for-others", &[Measure::PolicyMode], |_, _, file| mode(file, 0o646)),
        tricked("file-with-an-acl", &[Measure::PolicyAcl], |w, _, file| {
            let acl = format!("u:{}:r", w.f.user);
            assert!(Command::new("setfacl").args(["-m", &acl]).arg(file).status().unwrap().success());
        }),
        tricked("second-name", &[Measure::PolicyLinks], |_, folder, file| {
            std::fs::hard_link(file, folder.join("second")).unwrap();
        }),
        tricked("link-to-a-file-of-root", &[Measure::PolicySymlinks], |w, _, file| {
            symlink(elsewhere(w, file), file).unwrap()
        }),
        tricked("link-to-a-file-of-the-user", &[], |w, _, file| {
            let other = elsewhere(w, file);
            to_user(w, &other);
            symlink(other, file).unwrap();
        }),
        tricked("magic-link", &[], |_, _, file| {
            std::fs::remove_file(file).unwrap();
            symlink("/proc/self/fd/0", file).unwrap();
        }),
        tricked("fifo", &[Measure::PolicyRegular], |_, _, file| {
            std::fs::remove_file(file).unwrap();
            nix::unistd::mkfifo(file, nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
            // Open for both, so that it is there before the reader and stays until the end of the test.
            let mut fifo = std::fs::OpenOptions::new().read(true).write(true).open(file).unwrap();
            fifo.write_all(FULL.as_bytes()).unwrap();
            std::mem::forget(fifo);
        }),
        tricked("fifo-that-nobody-writes-to", &[], |_, _, file| {
            std::fs::remove_file(file).unwrap();
            nix::unistd::mkfifo(file, nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
        }),
        tricked("directory", &[], |_, _, file| {
            std::fs::remove_file(file).unwrap();
            std::fs::create_dir(file).unwrap();
        }),
        tricked("device", &[], |_, _, file| {
            std::fs::remove_file(file).unwrap();
            let made = Command::new("mknod").arg(file).args(["c", "1", "5"]).status().unwrap();
            assert!(made.success());
            mode(file, 0o644);
        }),
        tricked("socket", &[], |_, _, file| {
            std::fs::remove_file(file).unwrap();
            std::mem::forget(std::os::unix::net::UnixListener::bind(file).unwrap());
        }),
        tricked("unreadable", &[], |_, _, file| mode(file, 0o600)),
    ]
}

fn texts() -> Vec<Attempt> {
    vec![
        text(
            "too-large",
            &[Measure::PolicySize],
            format!("{FULL}#{}\n", "x".repeat(65_000 + 600)).replace("xx\n", "\n"),
        ),
        text("very-large", &[], format!("{FULL}{}", "#\n".repeat(10_000_000))),
        text("unknown-table", &[Measure::PolicyUnknownKeys], format!("{FULL}[porc]\nlevel = \"none\"\n")),
        text("unknown-key", &[Measure::PolicyUnknownKeys], format!("{FULL}levle = \"none\"\n")),
        text("key-twice", &[], format!("{FULL}level = \"none\"\n")),
        text("table-twice", &[], format!("{FULL}[proc]\nlevel = \"none\"\n")),
        text("no-version", &[], "[proc]\nlevel = \"full\"\n"),
        text("later-version", &[], "version = 2\n[proc]\nlevel = \"full\"\n"),
        text("wrong-type", &[], "version = 1\n[proc]\nlevel = 3\n"),
        text("wrong-word", &[], "version = 1\n[proc]\nlevel = \"FULL\"\n"),
        text("no-toml", &[], "version: 1\nproc: full\n"),
        text("no-utf8", &[], b"version = 1\n# \xff\n".to_vec()),
        text("nul", &[], "version = 1\n\0"),
        text("nested", &[], format!("version = {}1{}", "[".repeat(30_000), "]".repeat(30_000))),
        text("principal", &[], format!("{FULL}[uid.0]\nlevel = \"none\"\n")),
        text("root-as-a-listed-path", &[], "version = 1\n[files]\nread = [{path = \"/\", max_bytes = 1}]\n"),
        text(
            "dots-in-a-listed-path",
            &[],
            "version = 1\n[files]\nread = [{path = \"/var/../etc\", max_bytes = 1}]\n",
        ),
        text(
            "proc-as-a-listed-path",
            &[],
            "version = 1\n[files]\nread = [{path = \"/proc/self\", max_bytes = 1}]\n",
        ),
        text(
            "parameter-outside-net",
            &[],
            "version = 1\n[sysctl]\nwrite = [{name = \"kernel.core_pattern\", values = [\"|x\"]}]\n",
        ),
        text("wildcard-of-a-variable", &[], "version = 1\n[proc]\nlevel = \"full\"\nenviron = [\"*\"]\n"),
    ]
}

/// Root's own file is renamed over and back while it is read; what is read must be what was checked.
fn swapped(w: &World) -> Outcome {
    let folder = w.f.policy("version = 1\n");
    let path = Path::new(&folder);
    let (file, evil) = (path.join("policy.toml"), path.join("evil.toml"));
    std::fs::write(&evil, FULL).unwrap();
    to_user(w, &evil);
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = std::thread::spawn({
        let (stop, file, evil) = (Arc::clone(&stop), file.clone(), evil.clone());
        move || {
            let at = nix::fcntl::AT_FDCWD;
            while !stop.load(Ordering::Relaxed) {
                nix::fcntl::renameat2(at, &file, at, &evil, nix::fcntl::RenameFlags::RENAME_EXCHANGE)
                    .unwrap();
            }
        }
    });
    let mut outcome = Stopped("100 starts".into());
    for _ in 0..100 {
        if let Started::Serving(_, hello) = w.run(&w.start_in("proc", folder.clone())) {
            if !names(hello.get("capabilities")).is_empty() {
                outcome = Through("rules of the user's file".into());
                break;
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
    outcome
}
