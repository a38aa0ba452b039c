//! What the port says to every installation that it must not serve from: the exit code, the cause, the command.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod support;

use std::path::Path;
use std::process::Command;

use support::{Map, Port, fixtures, integer, list, name, names, text, waiting};

/// Installation, options of as.sh, exit code, reason, a word of the message, a word of the command.
type Case = (&'static str, &'static [&'static str], i32, &'static str, &'static str, &'static str);

const CASES: &[Case] = &[
    ("mode-0755", &[], 71, "file_mode", "0755", "chmod 0750"),
    ("mode-4750", &[], 71, "file_mode", "4750", "chmod 0750"),
    ("mode-2750", &[], 71, "file_mode", "2750", "chmod 0750"),
    ("app-owned", &[], 72, "file_owner", "not to root", "install.sh --group "),
    ("hard-link", &[], 73, "file_links", "2 hard links", "mv"),
    ("acl", &[], 74, "file_acl", "ACL", "install.sh --group "),
    ("mode-0770", &[], 71, "file_mode", "may have done so", "install.sh --group "),
    ("app-dir", &[], 75, "directory_writable", "app-dir", "install.sh --group "),
    ("group-dir", &[], 75, "directory_writable", "0775", "chmod go-w"),
    ("no-xattr", &[], 77, "capability_missing", "has no capabilities", "setcap cap_setpcap,cap_sys_ptrace=p"),
    ("partial-xattr", &[], 77, "capability_missing", "do not have them", "setcap"),
    ("nosuid", &[], 77, "capability_missing", "nosuid", "remount,suid"),
    ("ok", &["--no-new-privs"], 77, "capability_missing", "no_new_privs", "NoNewPrivileges=no"),
    ("ok", &["--bounding", "-sys_ptrace"], 77, "capability_missing", "bounding set", "CAP_SYS_PTRACE"),
];

/// Modes that keep the test user out altogether, or let it in by another bit, still end as 71 for whoever can start it.
const OTHER_MODES: &[(&str, &str)] = &[("mode-0710", "0710")];

#[test]
fn every_wrong_installation_is_refused_with_its_code_and_the_command_that_mends_it() {
    let Some(f) = fixtures() else { return };
    let others = OTHER_MODES.iter().map(|(i, m)| (*i, &[][..], 71, "file_mode", *m, "chmod 0750"));
    for (installation, options, code, reason, message, fix) in CASES.iter().copied().chain(others) {
        let (refused, status) = f.port_with(installation, options, &[]).refused();
        let told = (integer(refused.get("code")), name(refused.get("reason")));
        assert_eq!(told, (i128::from(code), reason), "{installation} {options:?}");
        assert_eq!(status.code(), Some(code), "{installation} {options:?}");
        let words = (text(refused.get("message")), text(refused.get("fix")));
        assert!(words.0.contains(message) && words.1.contains(fix), "{installation}: {words:?}");
    }
}

#[test]
fn the_same_installations_serve_without_any_capability_and_say_what_is_wrong() {
    let Some(f) = fixtures() else { return };
    for (installation, options, code, ..) in CASES {
        let mut port = f.port_with(installation, options, &["--unprivileged"]);
        if *installation == "mode-4750" {
            // The set-user-ID bit made it root, and root it must not be.
            assert_eq!(port.refused().1.code(), Some(66));
            continue;
        }
        let hello = port.hello();
        let findings: Vec<i128> =
            list(hello.get("findings")).iter().map(|f| integer(Map::of(f).get("code"))).collect();
        assert!(findings.contains(&i128::from(*code)), "{installation} {options:?}: {findings:?}");
        assert!(names(hello.get("capabilities")).is_empty());
        assert_eq!(names(hello.get("missing")), ["sys_ptrace"]);
        assert_eq!(support::status(port.pid(), "CapPrm"), "0000000000000000", "{installation}");
        let comm = port.ask(
            1,
            "process",
            support::map(&[("pid", support::int(1)), ("items", support::atoms(&["comm"]))]),
        );
        assert!(!support::bytes(Map::of(&comm).get("comm")).is_empty());
    }
}

#[test]
fn a_good_installation_has_nothing_to_say() {
    let Some(f) = fixtures() else { return };
    for installation in ["ok", "full"] {
        let mut port = f.port(installation);
        let hello = port.hello();
        assert!(list(hello.get("findings")).is_empty());
        assert_eq!(
            names(hello.get("capabilities")),
            ["sys_ptrace"],
            "the policy grants no more, whatever the file has"
        );
        assert!(names(hello.get("missing")).is_empty());
        assert_eq!(port.end().code(), Some(0));
    }
}

#[test]
fn stdin_or_stdout_that_is_no_pipe_ends_with_64_and_a_word_on_stderr() {
    let Some(f) = fixtures() else { return };
    let program = f.program("ok");
    for redirection in ["</dev/null", "<&-", "</dev/zero"] {
        let line = format!("{} port --role proc {redirection}", program.display());
        let port = Port::start(f.command(&[], &["sh", "-c", &line]));
        let text = port.stderr();
        assert!(text.contains("stdio_not_pipe") && text.contains("open_port"), "{redirection}: {text}");
    }
    let line = format!("cat | {} port --role proc >/dev/null; echo $? >&2", program.display());
    let text = Port::start(f.command(&[], &["sh", "-c", &line])).stderr();
    assert!(text.contains("\n64\n") || text.ends_with("64\n"), "{text}");
}

#[test]
fn root_is_refused_unless_told() {
    let Some(f) = fixtures() else { return };
    let start = |arguments: &[&str]| {
        let mut c = std::process::Command::new(f.program("ok"));
        c.args(["port", "--role", "proc"]).args(arguments);
        Port::start(c)
    };
    let (refused, status) = start(&[]).refused();
    assert_eq!((name(refused.get("reason")), status.code()), ("running_as_root", Some(66)));
    let mut port = start(&["--allow-root"]);
    port.hello();
    // Root's own policy is not there: nothing is kept.
    if !std::path::Path::new("/etc/portcullis/policy.toml").exists() {
        assert_eq!(support::status(port.pid(), "CapPrm"), "0000000000000000");
    }
    // A wrong file comes before a wrong user.
    let mut c = std::process::Command::new(f.program("mode-4750"));
    c.args(["port", "--role", "proc"]);
    assert_eq!(Port::start(c).refused().1.code(), Some(71));
}

#[test]
fn arguments_that_are_not_understood_are_said_to_the_peer() {
    let Some(f) = fixtures() else { return };
    let (refused, status) = f.port_with("ok", &[], &["--root"]).refused();
    assert_eq!((name(refused.get("reason")), status.code()), ("bad_arguments", Some(2)));
}

/// Whatever stdout is: only who asks for a port expects frames.
#[test]
fn a_command_that_is_none_is_told_in_words() {
    let Some(f) = fixtures() else { return };
    let program = f.program("ok").into_os_string().into_string().unwrap();
    for (words, part) in [
        (&["prot"][..], "did you mean port?"),
        (&[], "a command is missing"),
        (&["doctor", "--rloe"], "--role"),
    ] {
        let output = f.command(&[], &[&[program.as_str()], words].concat()).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{words:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("bad_arguments") && text.contains(part), "{words:?}: {text}");
    }
}

#[test]
fn a_low_limit_of_descriptors_is_refused_or_served_but_never_a_crash() {
    let Some(f) = fixtures() else { return };
    for limit in 3..15 {
        let line = format!("ulimit -n {limit}; exec {} port --role proc", f.program("ok").display());
        let mut port = Port::start(f.command(&[], &["sh", "-c", &line]));
        let Some(first) = port.receive() else {
            panic!("no frame with {limit} descriptors: {:?}", port.end())
        };
        let [tag, map] = support::tuple(&first);
        match name(tag) {
            "hello" => {
                port.ask(1, "info", support::map(&[]));
            }
            "refused" => assert_eq!(integer(Map::of(map).get("code")), 78, "{limit}"),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn the_doctor_finds_the_same_from_a_terminal_and_mends_in_words() {
    let Some(f) = fixtures() else { return };
    let doctor = |installation: &str, options: &[&str]| {
        let program = f.program(installation);
        f.command(options, &[program.to_str().unwrap(), "doctor"]).output().unwrap()
    };
    for (installation, options, code, reason, message, fix) in CASES {
        let output = doctor(installation, options);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{installation} {options:?}: {text}");
        let told =
            text.contains(&format!("{reason} (exit {code})")) && text.contains(message) && text.contains(fix);
        assert!(told, "{installation} {options:?}: {text}");
    }
    let healthy = doctor("ok", &[]);
    assert_eq!(healthy.status.code(), Some(0), "{healthy:?}");
    assert!(String::from_utf8(healthy.stdout).unwrap().starts_with("ok: "));
    // About another file, and about none.
    let program = f.program("ok");
    let asked = f.program("mode-0755");
    let ask = |file: &str| f.command(&[], &[program.to_str().unwrap(), "doctor", file]).output().unwrap();
    assert_eq!(ask(asked.to_str().unwrap()).status.code(), Some(1));
    let missing = ask("/nonexistent/portcullis-proc");
    assert!(String::from_utf8(missing.stdout).unwrap().contains("install.sh"));
}

/// An upgrade gives the name to a new file, and the old one is there as long as somebody holds a descriptor of it.
#[test]
fn an_old_program_that_was_kept_open_over_an_upgrade_is_refused() {
    let Some(f) = fixtures() else { return };
    let folder = f.directory.join(format!("kept-open-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let (program, new) = (folder.join("portcullis-proc"), folder.join("new"));
    let copy = |to: &Path| {
        let run =
            |words: &[&str]| assert!(Command::new(words[0]).args(&words[1..]).status().unwrap().success());
        let (from, to) = (f.program("ok"), to.to_str().unwrap());
        run(&["cp", from.to_str().unwrap(), to]);
        run(&["chown", &format!("root:{}", f.user), to]);
        run(&["chmod", "0750", to]);
        run(&["setcap", "cap_setpcap,cap_sys_ptrace=p", to]);
    };
    copy(&program);
    copy(&new);
    // Whoever may start the old one opens it, waits until the name leads to another, and starts what he has.
    let line = "exec 9<\"$0\"; while [ \"$0\" -ef /proc/self/fd/9 ]; do sleep 0.05; done; exec /proc/self/fd/9 port --role proc";
    let port = Port::start(f.command(&[], &["sh", "-c", line, program.to_str().unwrap()]));
    let kept = format!("/proc/{}/fd/9", port.pid());
    waiting::eventually("the old program is open", || {
        std::fs::read_link(&kept).is_ok_and(|open| open == program)
    });
    std::fs::rename(&new, &program).unwrap();
    let (refused, status) = port.refused();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(
        (name(refused.get("reason")), status.code()),
        ("file_links", Some(73)),
        "{}",
        text(refused.get("message"))
    );
    assert!(
        text(refused.get("message")).contains("was replaced or removed"),
        "{}",
        text(refused.get("message"))
    );
    assert_eq!(text(refused.get("fix")), "restart the program that opened the port");
}

/// Why the owner must be root: the kernel takes capabilities away on write(2), and not on a change through a mapping.
#[test]
fn an_owner_can_rewrite_a_program_and_keep_its_capabilities() {
    let Some(f) = fixtures() else { return };
    let directory = std::env::temp_dir().join(format!("portcullis-rewrite-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let (rewrite, program) = (directory.join("rewrite"), directory.join("program"));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rewrite.c");
    assert!(std::process::Command::new("cc").arg("-o").arg(&rewrite).arg(source).status().unwrap().success());
    std::fs::copy(f.program("app-owned"), &program).unwrap();
    let program = program.to_str().unwrap();
    let run = |words: &[&str]| std::process::Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(run(&["chown", &f.user, program]).status.success());
    assert!(run(&["setcap", "cap_sys_ptrace=p", program]).status.success());
    let capabilities = || String::from_utf8(run(&["getcap", program]).stdout).unwrap();
    for (way, kept) in [("map", true), ("write", false)] {
        let output = f.command(&[], &[rewrite.to_str().unwrap(), program, way]).output().unwrap();
        assert!(output.status.success(), "{way}: {output:?}");
        assert_eq!(capabilities().contains("cap_sys_ptrace"), kept, "{way}");
    }
    std::fs::remove_dir_all(directory).unwrap();
}
