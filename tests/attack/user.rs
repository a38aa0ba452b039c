//! What the application's user can do with a process of his own: how he starts it, and what he does to it.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use portcullis::measure::Measure;

use crate::Attempt;
use crate::support::{atoms, int, list, map, names, status};
use crate::world::{Outcome, Start, Started, Stopped, Through, World, asked, got, read, started};

const BASIC: &str = "version = 1\n[proc]\nlevel = \"basic\"\n";
const PINGS: &str = "version = 1\n[ping]\nallow = [\"127.0.0.0/8\"]\n";

pub fn attempts() -> Vec<Attempt> {
    let mut all = descriptors();
    all.push(Attempt::user("the-other-end-of-a-socket-is-not-listed", &[Measure::Peer], |w| {
        let (mut mine, its) = UnixStream::pair().unwrap();
        let output = its.try_clone().unwrap();
        let mut command = w.command(&w.start("proc", BASIC));
        command.stdin(OwnedFd::from(its)).stdout(OwnedFd::from(output)).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        drop(command);
        let mut said = [0; 64];
        let n = mine.read(&mut said).unwrap_or(0);
        drop(mine);
        let status = child.wait().unwrap();
        got(said[..n].windows(5).any(|w| w == b"hello"), format!("{status}"))
    }));
    all.extend(inherited());
    all.extend(own_file());
    all.extend(state());
    all.extend(looks());
    all.extend(arguments());
    all
}

/// Descriptors 0 and 1 onto something that is no BEAM: a deputy that writes where its user cannot.
fn descriptors() -> Vec<Attempt> {
    let redirected = |name: &'static str, redirection: &'static str| {
        Attempt::user(name, &[Measure::Stdio], move |w| {
            let start = w.start("proc", BASIC);
            let out = fresh(w, "out");
            std::fs::write(&out, "").unwrap();
            std::fs::set_permissions(&out, PermissionsExt::from_mode(0o666)).unwrap();
            let line = format!("exec \"$0\" \"$@\" {}", redirection.replace("FILE", out.to_str().unwrap()));
            let output = shell(w, &start, &line).stdin(Stdio::piped()).output().unwrap();
            let written = std::fs::read(&out).unwrap();
            std::fs::remove_file(&out).unwrap();
            let hello = |bytes: &[u8]| bytes.windows(5).any(|w| w == b"hello");
            got(hello(&written) || hello(&output.stdout), format!("{}", output.status))
        })
    };
    vec![
        redirected("stdout-is-a-file", ">FILE"),
        redirected("stdout-is-appended-to-a-file", ">>FILE"),
        redirected("stdin-is-a-file", "</etc/hostname"),
        redirected("stdin-is-a-device", "</dev/zero"),
        redirected("stdin-is-a-directory", "</"),
        redirected("stdout-is-read-write-on-a-file", "1<>FILE"),
    ]
}

/// A path that nobody has used.
fn fresh(w: &World, what: &str) -> std::path::PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    w.f.directory.join(format!("{what}-{}-{n}", std::process::id()))
}

/// The program under a shell line that sees it as `$0 $@`.
fn shell(w: &World, start: &Start<'_>, line: &str) -> Command {
    let mut start = Start {
        before: vec!["sh", "-c", line],
        policy: start.policy.clone(),
        ..w.start_in(start.role, String::new())
    };
    start.options.clear();
    w.command(&start)
}

fn inherited() -> Vec<Attempt> {
    vec![
        Attempt::user("descriptor-9-is-kept", &[Measure::InheritedDescriptors], |w| {
            let (port, _) =
                serving(started(shell(w, &w.start("proc", BASIC), "exec \"$0\" \"$@\" 9</etc/hostname")));
            let kept = std::fs::read_link(format!("/proc/{}/fd/9", port.pid()));
            got(kept.is_ok(), format!("{kept:?}"))
        }),
        Attempt::user("environment-is-kept", &[Measure::Environment], |w| {
            let start = Start { before: vec!["env", "TOKEN=hunter2"], ..w.start("proc", BASIC) };
            let (port, _) = w.serving(&start);
            got(read(&format!("/proc/{}/environ", port.pid())).contains("hunter2"), "environ")
        }),
        Attempt::user("directory-is-kept-busy", &[Measure::Directory], |w| {
            let start = Start { before: vec!["env", "-C", "/tmp"], ..w.start("proc", BASIC) };
            let (port, _) = w.serving(&start);
            let cwd = std::fs::read_link(format!("/proc/{}/cwd", port.pid())).unwrap();
            got(cwd.as_os_str() != "/", cwd.display().to_string())
        }),
        Attempt::user("signals-stay-blocked", &[Measure::Signals], |w| {
            let before = vec!["env", "--block-signal=USR1", "--ignore-signal=USR2"];
            let (port, _) = w.serving(&Start { before, ..w.start("proc", BASIC) });
            let blocked = u64::from_str_radix(&status(port.pid(), "SigBlk"), 16).unwrap();
            let ignored = u64::from_str_radix(&status(port.pid(), "SigIgn"), 16).unwrap();
            got(blocked != 0 || ignored & (1 << (libc::SIGUSR2 - 1)) != 0, format!("{blocked:x} {ignored:x}"))
        }),
        Attempt::user("preloaded-library", &[], |w| {
            let start = Start {
                before: vec!["env", "LD_PRELOAD=/nonexistent/evil.so", "LD_DEBUG=all"],
                ..w.start("proc", BASIC)
            };
            match w.run(&start) {
                Started::Serving(port, _) => {
                    got(read(&format!("/proc/{}/maps", port.pid())).contains("evil"), "maps")
                }
                Started::Refused(why) | Started::Ended(why) => Stopped(why),
            }
        }),
        Attempt::user("umask-is-kept", &[], |w| {
            let (port, _) =
                serving(started(shell(w, &w.start("proc", BASIC), "umask 0; exec \"$0\" \"$@\"")));
            let umask = status(port.pid(), "Umask");
            got(umask != "0077" && w.is_strong(), umask)
        }),
        Attempt::user("outlives-its-parent", &[Measure::ParentDeath], outlives),
    ]
}

fn serving(started: Started) -> (crate::support::Port, crate::support::Map) {
    match started {
        Started::Serving(port, hello) => (port, hello),
        Started::Refused(why) | Started::Ended(why) => panic!("it does not serve: {why}"),
    }
}

/// Stopped, so that it cannot see the end of its input; then its parent is killed.
fn outlives(w: &World) -> Outcome {
    let (mut shell, _) = serving(started(shell(w, &w.start("proc", BASIC), "\"$0\" \"$@\"; true")));
    let parent = i32::try_from(shell.pid()).unwrap();
    let children = read(&format!("/proc/{parent}/task/{parent}/children"));
    let port: i32 = children.trim().parse().unwrap();
    let signal = |pid, signal| nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal);
    signal(port, nix::sys::signal::Signal::SIGSTOP).unwrap();
    shell.kill();
    let until = Instant::now() + Duration::from_secs(5);
    let alive = || {
        let stat = read(&format!("/proc/{port}/stat"));
        !stat.is_empty() && !stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z"))
    };
    while alive() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    let outlived = alive();
    let _ = signal(port, nix::sys::signal::Signal::SIGKILL);
    got(outlived, "five seconds after its parent")
}

/// Copies that somebody else than root, or everybody, has a hand in.
fn own_file() -> Vec<Attempt> {
    let installed = |name: &'static str, install: &'static str, measures: &'static [Measure]| {
        Attempt::user(name, measures, move |w| {
            w.run(&Start { install: Some(install), ..w.start("proc", BASIC) }).serves()
        })
    };
    let mut all = vec![
        installed("a-copy-that-everybody-may-start", "mode-0755", &[Measure::FileMode]),
        installed("a-copy-that-its-user-can-rewrite", "app-owned", &[Measure::FileOwner]),
        installed("a-copy-with-a-second-name", "hard-link", &[Measure::FileLinks]),
        installed("a-copy-with-an-acl", "acl", &[Measure::FileAcl]),
        installed("a-copy-in-a-directory-of-its-user", "app-dir", &[Measure::FileDirectories]),
        Attempt::user("started-by-root", &[Measure::Root], |w| {
            let start = w.start("proc", BASIC);
            let mut c = Command::new(w.program(&start));
            c.args(["port", "--role", "proc"]).args(w.left_out());
            started(c).serves()
        }),
    ];
    for install in [
        "mode-0770",
        "mode-0710",
        "mode-4750",
        "mode-2750",
        "group-dir",
        "nosuid",
        "no-xattr",
        "partial-xattr",
    ] {
        all.push(Attempt::user(format!("installed-as-{install}"), &[], move |w| {
            if !w.is_strong() {
                return Stopped("only of the release".into());
            }
            w.run(&Start { install: Some(install), ..w.start("proc", BASIC) }).serves()
        }));
    }
    all
}

/// What the kernel says of the port while it serves.
fn state() -> Vec<Attempt> {
    let line = |name: &'static str, key: &'static str, right: &'static str, measure: Measure| {
        Attempt::user(name, &[measure], move |w| {
            let (port, _) = w.serving(&w.start("proc", BASIC));
            let found = status(port.pid(), key);
            got(found != right, format!("{key} {found}"))
        })
    };
    let limit = |name: &'static str, key: &'static str, right: &'static str, measure: Measure| {
        Attempt::user(name, &[measure], move |w| {
            let (port, _) = serving(started(shell(
                w,
                &w.start("proc", BASIC),
                "ulimit -c unlimited; exec \"$0\" \"$@\"",
            )));
            let limits = read(&format!("/proc/{}/limits", port.pid()));
            let line = limits.lines().find_map(|l| l.strip_prefix(key)).unwrap().trim().to_owned();
            got(!line.split_whitespace().take(2).all(|bound| bound == right), format!("{key} {line}"))
        })
    };
    vec![
        line("can-gain-by-exec", "NoNewPrivs", "1", Measure::NoNewPrivs),
        line("bounding-set-is-there", "CapBnd", "0000000000000000", Measure::Bounding),
        line("holds-more-than-the-policy", "CapPrm", "0000000000080000", Measure::Permitted),
        line("capability-in-effect-at-rest", "CapEff", "0000000000000000", Measure::Effective),
        line("no-filter", "Seccomp", "2", Measure::Seccomp),
        limit("dumps-core", "Max core file size", "0", Measure::LimitCore),
        limit("many-descriptors", "Max open files", "104", Measure::LimitDescriptors),
        limit("processes", "Max processes", "0", Measure::LimitProcesses),
        limit("much-memory", "Max address space", "268435456", Measure::LimitMemory),
        limit("locked-memory", "Max locked memory", "0", Measure::LimitLocked),
        feature("memory-can-become-executable", "proc", BASIC, "mdwe", Measure::ExecutableMemory),
        feature("paths-can-be-opened", "net", PINGS, "landlock", Measure::Landlock),
    ]
}

fn feature(
    name: &'static str,
    role: &'static str,
    policy: &'static str,
    feature: &'static str,
    measure: Measure,
) -> Attempt {
    Attempt::user(name, &[measure], move |w| {
        let (_, hello) = w.serving(&w.start(role, policy));
        let features = names(hello.get("features"));
        got(!features.iter().any(|f| f == feature), features.join(" "))
    })
}

/// The tries of tests/fixtures/look_into.c on a port with privileges, and on one without any: there the kernel does not
/// protect it by itself, as it does programs with capabilities.
fn looks() -> Vec<Attempt> {
    let mut all = Vec::new();
    for (kind, measures) in [("serving", &[][..]), ("unprivileged", &[Measure::Dumpable][..])] {
        for what in [
            "maps",
            "environ",
            "mem",
            "smaps",
            "auxv",
            "io",
            "syscall",
            "pagemap",
            "exe",
            "cwd",
            "root",
            "ns/net",
            "fd",
            "fdinfo",
            "map_files",
            "process_vm_readv",
            "pidfd_getfd",
            "kcmp",
            "ptrace_seize",
        ] {
            all.push(Attempt::user(format!("look-into-{kind}-{what}"), measures, move |w| {
                let mut start = w.start("proc", BASIC);
                if kind == "unprivileged" {
                    start.install = Some("no-xattr");
                    start.arguments = vec!["--unprivileged"];
                }
                let (port, _) = w.serving(&start);
                let output = w.f.command(&[], &[look_into(w), &port.pid().to_string()]).output().unwrap();
                let text = String::from_utf8(output.stdout).unwrap();
                let result = text
                    .lines()
                    .find_map(|l| l.strip_prefix(what)?.strip_prefix(' '))
                    .expect(what)
                    .to_owned();
                got(result == "ok", result)
            }));
        }
    }
    all
}

fn look_into(w: &World) -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let to = w.f.directory.join(format!("look-into-{}", std::process::id()));
        let from = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/look_into.c");
        assert!(Command::new("cc").args(["-O1", "-o"]).arg(&to).arg(from).status().unwrap().success());
        to.into_os_string().into_string().unwrap()
    })
}

/// Arguments and environment can only narrow.
fn arguments() -> Vec<Attempt> {
    let mut all = Vec::new();
    for extra in [
        &["--policy", "/tmp/x"][..],
        &["--without", "seccomp"],
        &["--role", "root"],
        &["--config=/tmp/x"],
        &["--level", "full"],
        &["--no-seccomp"],
        &["--"],
        &[""],
    ] {
        all.push(Attempt::user(format!("argument {}", extra.join(" ")), &[], move |w| {
            if !w.is_strong() {
                return Stopped("only of the release".into());
            }
            w.run(&Start { arguments: extra.to_vec(), ..w.start("proc", BASIC) }).serves()
        }));
    }
    for variable in
        ["PORTCULLIS_POLICY=/tmp/policy.toml", "XDG_CONFIG_HOME=/tmp", "HOME=/tmp", "PORTCULLIS_LEVEL=full"]
    {
        all.push(Attempt::user(format!("environment {variable}"), &[], move |w| {
            let start = Start {
                before: vec!["env", variable],
                ..w.start("proc", "version = 1\n[proc]\nlevel = \"public\"\n")
            };
            let (mut port, _) = w.serving(&start);
            asked(&mut port, "process", map(&[("pid", int(1)), ("items", atoms(&["exe"]))]))
        }));
    }
    all.push(Attempt::user("allow-root-as-a-user", &[], |w| {
        let (_, hello) = w.serving(&Start { arguments: vec!["--allow-root"], ..w.start("proc", BASIC) });
        got(list(hello.get("capabilities")).len() > 1, "capabilities")
    }));
    all.push(Attempt::user("role-net-of-the-copy-for-proc", &[], |w| {
        let program = w.program(&w.start("proc", PINGS));
        let policy = w.f.policy("version = 1\n[proc]\nlevel = \"full\"\n[audit]\nkernel = true\n");
        let words = [program.to_str().unwrap(), "port", "--role", "net"];
        match started(w.f.command(&["--policy", &policy], &words)) {
            Started::Serving(port, _) if w.is_strong() => {
                got(status(port.pid(), "CapPrm") != "0000000000000000", "CapPrm")
            }
            Started::Serving(..) => Stopped("only of the release".into()),
            Started::Refused(why) | Started::Ended(why) => Stopped(why),
        }
    }));
    all.push(Attempt::user("user-namespace-with-a-policy-of-his-own", &[], in_a_user_namespace));
    all.push(Attempt::user("few-descriptors-for-silence", &[], |w| {
        let mut through = None;
        for n in 4..64 {
            let line = format!("ulimit -n {n}; exec \"$0\" \"$@\"");
            if let Started::Serving(port, _) = started(shell(w, &w.start("proc", BASIC), &line)) {
                let log = std::fs::read_link(format!("/proc/{}/fd/3", port.pid()));
                if !log.as_ref().is_ok_and(|l| l.to_string_lossy().starts_with("socket:")) {
                    through = Some(format!("{n} descriptors, {log:?}"));
                }
            }
        }
        through.map_or(Stopped("it refuses, or has its log".into()), Through)
    }));
    all
}

/// He is root in a namespace of his own, and puts a policy of his own in place.
fn in_a_user_namespace(w: &World) -> Outcome {
    let home = fresh(w, "evil");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("policy.toml"), "version = 1\n[proc]\nlevel = \"full\"\nenviron = [\"PATH\"]\n")
        .unwrap();
    let user = nix::unistd::User::from_name(&w.f.user).unwrap().unwrap();
    for path in [home.clone(), home.join("policy.toml")] {
        std::os::unix::fs::chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    }
    let program = w.program(&w.start("proc", BASIC));
    let line = format!(
        "mount --bind {} /etc/portcullis && exec {} port --role proc",
        home.display(),
        program.display()
    );
    let started =
        started(w.f.command(&[], &["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &line]));
    std::fs::remove_dir_all(&home).unwrap();
    match started {
        Started::Serving(mut port, _) => {
            asked(&mut port, "process", map(&[("pid", int(1)), ("items", atoms(&["exe"]))]))
        }
        Started::Refused(why) | Started::Ended(why) => Stopped(why),
    }
}
