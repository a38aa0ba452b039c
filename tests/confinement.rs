//! What the port is to the kernel while it serves, and what the application's user can do to it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod support;

use support::{Fixtures, Port, eventually, fixtures, int, map, status};

fn serving(f: &Fixtures) -> Port {
    let mut port = f.port("ok");
    port.hello();
    port.ask(1, "process", map(&[("pid", int(1))]));
    port
}

#[test]
fn it_holds_the_capability_of_its_role_and_nothing_else() {
    let Some(f) = fixtures() else { return };
    let port = serving(&f);
    let none = "0000000000000000";
    for (line, expected) in [
        ("CapPrm", "0000000000080000"),
        ("CapEff", none),
        ("CapBnd", none),
        ("CapAmb", none),
        ("CapInh", none),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("Seccomp_filters", "1"),
        ("Threads", "1"),
        ("SigBlk", none),
        ("SigCgt", none),
    ] {
        assert_eq!(status(port.pid(), line), expected, "{line}");
    }
    let ignored = u64::from_str_radix(&status(port.pid(), "SigIgn"), 16).unwrap();
    assert_eq!(ignored, 1 << (libc::SIGPIPE - 1) | 1 << (libc::SIGXFSZ - 1));
}

#[test]
fn it_keeps_nothing_of_what_it_inherited() {
    let Some(f) = fixtures() else { return };
    let line = format!(
        "exec 5</etc/passwd 9>/dev/null; ulimit -c unlimited; cd /tmp; exec {} port --role proc",
        f.program("ok").display()
    );
    let mut command = f.command(&[], &["env", "SECRET=hunter2", "sh", "-c", &line]);
    command.env("OTHER_SECRET", "swordfish");
    let mut port = Port::start(command);
    port.hello();
    let proc = format!("/proc/{}", port.pid());
    let mut open: Vec<String> = std::fs::read_dir(format!("{proc}/fd"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    open.sort();
    // 3 is the socket of the audit trail, 11 and 12 those of tables, 14 and 15 those of events.
    assert_eq!(open, ["0", "1", "11", "12", "14", "15", "2", "3"]);
    for fd in ["3", "11", "12", "14", "15"] {
        let socket = std::fs::read_link(format!("{proc}/fd/{fd}")).unwrap();
        assert!(socket.to_str().unwrap().starts_with("socket:"), "{socket:?}");
    }
    let environ = std::fs::read(format!("{proc}/environ")).unwrap();
    assert!(environ.iter().all(|b| *b == 0), "{}", String::from_utf8_lossy(&environ));
    assert_eq!(std::fs::read_link(format!("{proc}/cwd")).unwrap().to_str(), Some("/"));
    let limits = std::fs::read_to_string(format!("{proc}/limits")).unwrap();
    for (limit, value) in [
        ("Max core file size", "0"),
        ("Max processes", "0"),
        ("Max open files", "104"),
        ("Max locked memory", "0"),
        ("Max address space", "268435456"),
    ] {
        let line = limits.lines().find_map(|l| l.strip_prefix(limit)).unwrap();
        let bounds: Vec<&str> = line.split_whitespace().take(2).collect();
        assert_eq!(bounds, [value, value], "{limit}");
    }
}

#[test]
fn its_own_user_cannot_look_into_it() {
    let Some(f) = fixtures() else { return };
    let port = serving(&f);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/look_into.c");
    let directory = std::env::temp_dir().join(format!("portcullis-look-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    std::os::unix::fs::chown(&directory, None, None).unwrap();
    let program = directory.join("look_into");
    let built =
        std::process::Command::new("cc").arg("-O1").arg("-Wall").arg("-o").arg(&program).arg(script).status();
    assert!(built.unwrap().success());
    let program = program.to_str().unwrap();
    let look = |pid: u32| {
        let output = f.command(&[], &[program, &pid.to_string()]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let rows = text.lines().map(|l| l.split_once(' ').unwrap());
        rows.map(|(what, result)| (what.to_owned(), result.to_owned())).collect::<Vec<_>>()
    };
    let tried = look(port.pid());
    assert!(tried.len() >= 15, "{tried:?}");
    for (what, result) in &tried {
        assert!(["EACCES", "EPERM"].contains(&result.as_str()), "{what}: {result}");
    }
    // The same on an ordinary process of the same user succeeds, or this test could not fail.
    let mut ordinary = Port::start(f.command(&[], &["sleep", "60"]));
    support::until_it_executes(ordinary.pid(), "sleep");
    let allowed = look(ordinary.pid()).iter().filter(|(_, result)| result == "ok").count();
    ordinary.kill();
    assert!(allowed >= 12, "only {allowed} of {} succeed on an ordinary process", tried.len());
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn it_ends_with_its_input_and_with_its_parent() {
    let Some(f) = fixtures() else { return };
    assert_eq!(serving(&f).end().code(), Some(0));
    // The parent is killed while the port is stopped, so that only the kernel can end it.
    let line = format!("{} port --role proc; true", f.program("ok").display());
    let mut shell = Port::start(f.command(&[], &["sh", "-c", &line]));
    shell.hello();
    let parent = i32::try_from(shell.pid()).unwrap();
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    let port: i32 = children.trim().parse().unwrap();
    let kill = |pid, signal| nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
    kill(port, nix::sys::signal::Signal::SIGSTOP);
    kill(parent, nix::sys::signal::Signal::SIGKILL);
    let stopped = u32::try_from(port).unwrap();
    let took =
        eventually("the end of the port", || matches!(support::state(stopped), None | Some('Z' | 'X')));
    println!("gone {took:?} after its parent");
}

#[test]
fn stopping_and_continuing_does_no_harm() {
    let Some(f) = fixtures() else { return };
    let mut port = serving(&f);
    // Waiting for credit it sits in poll(2), which the kernel restarts by a call of its own.
    let all = map(&[("columns", support::atoms(&["pid"])), ("where", map(&[("pid", int(1))]))]);
    for id in 2..20 {
        port.request(id, "processes", all.clone());
        for signal in [libc::SIGSTOP, libc::SIGCONT, libc::SIGHUP, libc::SIGWINCH] {
            if signal != libc::SIGHUP {
                let pid = nix::unistd::Pid::from_raw(i32::try_from(port.pid()).unwrap());
                nix::sys::signal::kill(pid, nix::sys::signal::Signal::try_from(signal).unwrap()).unwrap();
            }
        }
        assert_eq!(name_of(&mut port), "rows");
        assert_eq!(name_of(&mut port), "ok");
    }
}

fn name_of(port: &mut Port) -> String {
    let term = port.receive().unwrap();
    support::name(&support::elements(&term)[0]).to_owned()
}

/// Who starts a program may have allowed waits to end centuries late: a change of the firewall would never be taken back.
#[test]
fn how_late_a_deadline_may_come_is_not_what_the_parent_asked_for() {
    let Some(f) = fixtures() else { return };
    for role in ["proc", "net"] {
        let program =
            f.directory.join(format!("ok/portcullis-{role}")).into_os_string().into_string().unwrap();
        let mut port =
            Port::start(f.command(&[], &[&support::LATE[..], &[&program, "port", "--role", role]].concat()));
        port.hello();
        assert_eq!(support::timer_slack(port.pid()), "50000", "{role}");
    }
}
