//! `portcullis policy`: what an administrator types and reads.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod support;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use support::{Fixtures, fixtures};

/// A file of this text, beside the installations.
fn file(f: &Fixtures, text: &str) -> String {
    format!("{}/policy.toml", f.policy(text))
}

/// Run as an ordinary user, with `policy` installed.
fn run(f: &Fixtures, policy: &str, words: &[&str]) -> Output {
    let program = f.program("ok").into_os_string().into_string().unwrap();
    f.command(&["--policy", policy], &[&[program.as_str(), "policy"], words].concat()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn check_says_in_words_what_is_granted_and_where() {
    let Some(f) = fixtures() else { return };
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/priv/policy.toml");
    let copy = file(&f, &std::fs::read_to_string(example).unwrap());
    let output = run(&f, &f.policy("version = 1\n"), &["check", &copy]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let sum = Command::new("sha256sum").arg(&copy).output().unwrap();
    let digest = String::from_utf8(sum.stdout).unwrap();
    assert!(text.contains(&format!("sha256:{}", digest.split(' ').next().unwrap())), "{text}");
    for expected in [
        "program, directory and root of every process",
        "everything of table inet portcullis",
        "portcullis-proc holds cap_sys_ptrace while it serves",
        "portcullis-net holds cap_net_admin while it serves",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn check_tells_every_mistake_with_its_place() {
    let Some(f) = fixtures() else { return };
    let wrong = file(&f, "version = 1\n[proc]\nlevle = \"basic\"\n[limits]\nrows_max = 0\n");
    let output = run(&f, &f.policy("version = 1\n"), &["check", &wrong]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains(&format!("{wrong}:3:1: [proc] has no key \"levle\"")), "{text}");
    assert!(text.contains(&format!("{wrong}:5:12: rows_max must be a number from 1")), "{text}");
}

/// A policy is often written for other hosts: it is right, and who mistyped a name hears of it.
#[test]
fn check_says_which_parameters_the_host_lacks() {
    let Some(f) = fixtures() else { return };
    let names = "read = [\"net.ipv4.ip_forward\", \"net.ipv4.ip_forwadr\"]\nwrite = [{ name = \"net.ipv4.conf.eth9/1.rp_filter\", values = [\"1\"] }]";
    let policy = file(&f, &format!("version = 1\n[sysctl]\n{names}\n"));
    let output = run(&f, &f.policy("version = 1\n"), &["check", &policy]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains(
            "line 3: this host has no parameter net.ipv4.ip_forwadr; those it has: ls /proc/sys/net/ipv4\n"
        ),
        "{text}"
    );
    assert!(text.contains("line 4: this host has no parameter net.ipv4.conf.eth9/1.rp_filter; those it has: ls /proc/sys/net/ipv4/conf\n"), "{text}");
    assert!(!text.contains("no parameter net.ipv4.ip_forward;"), "{text}");
}

/// Who can rename in a listed folder can have another file read there.
#[test]
fn check_says_which_listed_folders_others_can_write_to() {
    let Some(f) = fixtures() else { return };
    let files =
        "read = [{ path = \"/etc/hostname\", max_bytes = 1 }, { path = \"/tmp/x/y.log\", max_bytes = 1 }]";
    let policy = file(&f, &format!("version = 1\n[files]\n{files}\n"));
    let output = run(&f, &f.policy("version = 1\n"), &["check", &policy]);
    let text = said(&output);
    assert!(text.contains("line 3: others than root can write to /tmp: "), "{text}");
    assert_eq!(text.matches("others than root can write").count(), 1, "{text}");
}

/// Whoever could write to the file, or owned it, may have it open: what is typed against that makes another.
#[test]
fn what_mends_a_policy_that_others_could_write_shuts_out_who_has_it_open() {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    let Some(f) = fixtures() else { return };
    let user = nix::unistd::User::from_name(&f.user).unwrap().unwrap();
    let (owner, group) = (user.uid.as_raw(), user.gid.as_raw());
    for others in ["owner", "mode", "link", "acl"] {
        let folder = f.policy("version = 1\n[proc]\nlevel = \"none\"\n");
        let file = format!("{folder}/policy.toml");
        match others {
            "owner" => std::os::unix::fs::chown(&file, Some(owner), None).unwrap(),
            "mode" => std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap(),
            "link" => {
                std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
                std::os::unix::fs::chown(&file, None, Some(group)).unwrap();
                std::fs::hard_link(&file, format!("{folder}/other")).unwrap();
            }
            _ => {
                let acl = format!("u:{}:rw", f.user);
                assert!(Command::new("setfacl").args(["-m", &acl, &file]).status().unwrap().success());
            }
        }
        let mut open = std::fs::OpenOptions::new().append(true).open(&file).unwrap();
        let text = said(&run(&f, &folder, &["check"]));
        let mends = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("to mend it: ").or(line.trim().strip_prefix("sudo ")));
        let mends = mends.unwrap_or_else(|| panic!("{others}: {text}"));
        // Of its own place, and by root, who the test is.
        let mends = mends.replace("/etc/portcullis", &folder).replace("sudo ", "");
        assert!(Command::new("sh").args(["-c", &mends]).status().unwrap().success(), "{others}: {mends}");
        if others == "link" {
            // What only its group could read is not shown to everybody.
            let mode = std::fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o640);
        }
        open.write_all(b"environ = [\"PATH\"]\n").unwrap();
        let output = run(&f, &folder, &["check"]);
        assert_eq!(output.status.code(), Some(0), "{others}: {}", said(&output));
        assert!(!said(&output).contains("PATH"), "{others}: {}", said(&output));
    }
}

#[test]
fn check_of_the_installed_file_looks_at_its_place_too() {
    let Some(f) = fixtures() else { return };
    let folder = f.policy("version = 1\n");
    std::fs::set_permissions(
        format!("{folder}/policy.toml"),
        std::os::unix::fs::PermissionsExt::from_mode(0o666),
    )
    .unwrap();
    let output = run(&f, &folder, &["check"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("mode 0666")
            && text.contains("sudo install -o root -g root -m 0644 /etc/portcullis/policy.toml "),
        "{text}"
    );
    let none = f.directory.join("policies/none").into_os_string().into_string().unwrap();
    let output = run(&f, &none, &["check"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(said(&output).contains("which is not there"), "{}", said(&output));
}

#[test]
fn explain_names_the_line_that_decides_or_the_one_that_would() {
    let Some(f) = fixtures() else { return };
    let folder = f.policy(
        "version = 1\n[proc]\nlevel = \"basic\"\n[ping]\nallow = [\"10.0.0.0/8\"]\n[sysctl]\nwrite = [{ name = \"net.ipv4.ip_forward\", values = [\"0\"] }]\n",
    );
    for (words, code, expected) in [
        (&["process", "exe"][..], 0, "allowed by proc.level, line 3 of"),
        (&["processes", "comm,exe"], 0, "level = \"basic\""),
        (&["process", "environ"], 1, "denied by proc.environ"),
        (&["query", "load"], 0, "allowed by proc.level, line 3 of"),
        (&["query", "no_such_table"], 2, "there is no table"),
        (&["ping", "10.1.2.3"], 0, "allowed by ping.allow, line 5"),
        (&["ping", "192.0.2.1"], 1, "under [ping] this would: allow = [\"192.0.2.1\"]"),
        (&["file_open", "/var/log/a b"], 1, "read = [{ path = \"/var/log/a b\", max_bytes = 1048576 }]"),
        (&["sysctl_set", "net.ipv4.ip_forward", "0"], 0, "line 7"),
        (&["sysctl_set", "net.ipv4.ip_forward", "1"], 1, "values = [\"1\"]"),
        (&["nft_apply", "add_element", "inet", "fw", "banned"], 1, "sets = [\"banned\"]"),
        (&["ban"], 1, "ops = [\"add_table\", \"add_chain\", \"add_rule\", \"add_set\", \"add_element\"]"),
        (&["ban", "192.0.2.0/24"], 1, "sets = [\"banned4\", \"banned6\"]"),
        (&["unban", "2001:db8::7"], 1, "ops = [\"del_element\"]"),
        (&["banned"], 1, "under [nft] this would: read = true"),
        (&["ban", "192.0.2.7/24"], 2, "such as 192.0.2.7 or 192.0.2.0/24"),
        (&["ban", "192.0.2.7", "x"], 2, "one address or network"),
        (&["file_open", "/a/../b"], 2, "no . and no .."),
        (&["process", "no_such_column"], 2, "there is no column"),
        (&["process", "coom"], 2, "did you mean comm?"),
        (&["query", "listning"], 2, "did you mean listening?"),
        (&["query", "listening", "local_prot"], 2, "did you mean local_port?"),
        (&["proccess", "exe"], 2, "(did you mean process?)"),
        (&["nft_aply"], 2, "(did you mean nft_apply?)"),
        (&["listening"], 2, "listening is a table: query listening"),
        (&["exe"], 2, "exe is a column of processes: process exe"),
        (&["mem0ry"], 2, "(did you mean query memory?)"),
        (&["file_read", "/x"], 2, "file_open PATH"),
        (&["sysctl", "net.ipv4.ip_forward"], 2, "sysctl_get NAME"),
        (&["nft_confirm"], 2, "nft_apply VERB"),
        (&["file_open"], 2, "it is asked so: file_open PATH"),
        (&["nft_apply", "add_rul", "inet", "fw", "a"], 2, "did you mean add_rule?"),
        (&["reboot"], 2, "file_open PATH"),
        (&[], 2, "file_open PATH"),
    ] {
        let output = run(&f, &folder, &[&["explain"], words].concat());
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{words:?} {text}");
        assert!(text.contains(expected), "{words:?}\n{text}");
    }
}

/// From the port's own records to lines that a person can add, and with those lines nothing is left to suggest.
#[test]
fn suggest_turns_refusals_into_lines_that_lift_them() {
    let Some(f) = fixtures() else { return };
    let log = "Nov 21 portcullis-proc[7]: seq=1 time=1.0 peer=uid:9,ppid:1 op=process target=\"exe\" decision=denied rule=proc.level\n\
        <84>portcullis-net[8]: seq=2 time=1.0 peer=uid:9,ppid:1 op=ping target=\"192.0.2.1\" decision=denied rule=ping.allow\n";
    let empty = f.policy("version = 1\n");
    let program = f.program("ok").into_os_string().into_string().unwrap();
    let ask = |policy: &str| {
        let mut c = f.command(&["--policy", policy], &[&program, "policy", "suggest"]);
        let mut child = c.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(log.as_bytes()).unwrap();
        said(&child.wait_with_output().unwrap())
    };
    let text = ask(&empty);
    assert!(text.contains("\n[ping]\nallow = [\n  \"192.0.2.1\",   # 1x\n]\n"), "{text}");
    assert!(text.contains("\n[proc]\nlevel = \"basic\"   # 1x\n"), "{text}");
    let lifted = f.policy(&format!("version = 1\n{text}"));
    assert!(ask(&lifted).starts_with("2 records, and nothing was refused"), "{}", ask(&lifted));
}

/// What an administrator would else find out at the next start.
#[test]
fn check_says_what_the_installed_copy_lacks_for_it() {
    let Some(f) = fixtures() else { return };
    let folder = f.policy(
        "version = 1\n[files]\nread = [{ path = \"/var/log/x\", max_bytes = 1 }]\n[audit]\nsyslog = \"required\"\n",
    );
    let output = run(&f, &folder, &["check"]);
    assert_eq!(output.status.code(), Some(1), "who restarts what is right is not to be left without");
    let text = said(&output);
    assert!(text.contains("but a start would be refused: cap_dac_read_search missing"), "{text}");
    assert!(
        text.contains("--level full from now on") && text.contains("nobody listens on /dev/log"),
        "{text}"
    );
}

/// As root, who can read everything and start everything.
#[test]
fn doctor_judges_for_the_one_who_starts_the_program() {
    let Some(f) = fixtures() else { return };
    let doctor = |folder: &str, program: &str, words: &[&str]| {
        let line = format!("mount --bind {folder} /etc/portcullis && exec \"$@\"");
        let mut c = Command::new("unshare");
        c.args(["--mount", "--propagation", "private", "sh", "-c", &line, "sh"]);
        let output = c.arg(f.directory.join(program)).arg("doctor").args(words).output().unwrap();
        (output.status.code(), said(&output))
    };
    let right = f.policy("version = 1\n[proc]\nlevel = \"basic\"\n");
    assert_eq!(
        doctor(&right, "ok/portcullis-proc", &[]).0,
        Some(0),
        "{}",
        doctor(&right, "ok/portcullis-proc", &[]).1
    );
    // The role is in the name; nobody is told to give the program of one role the capabilities of the other.
    let (code, text) = doctor(&right, "ok/portcullis-net", &[]);
    assert_eq!(code, Some(0), "{text}");
    for (program, role) in [("ok/portcullis-net", "proc"), ("ok/portcullis-proc", "net")] {
        let (code, text) = doctor(&right, program, &["--role", role]);
        assert!(
            code == Some(1) && !text.contains("setcap") && text.contains("is installed for role"),
            "{text}"
        );
    }
    let closed = f.policy("version = 1\n");
    let file = format!("{closed}/policy.toml");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let (code, text) = doctor(&closed, "ok/portcullis-proc", &[]);
    assert!(code == Some(1) && text.contains("sudo chmod 0644 /etc/portcullis/policy.toml"), "{text}");
    let (code, text) = doctor(&right, "app-owned/portcullis-proc", &[]);
    assert!(code == Some(1) && !text.contains("setcap"), "{text}");
}

#[test]
fn wrong_words_are_told_with_the_help() {
    let Some(f) = fixtures() else { return };
    let output = run(&f, &f.policy("version = 1\n"), &["grant"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("portcullis-proc --help"), "{output:?}");
}
