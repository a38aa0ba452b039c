//! Attacks on the policy, the trail and the words about them that got somewhere once. Each test says what should hold.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::support::{
    self, Fixtures, Map, Port, atoms, binary, bytes, fixtures, framed, int, integer, map, name, request,
    text, tuple_of,
};
use crate::world::{DevLog, Start, World, ask};

/// A process of somebody else than the test user.
struct Stranger(std::process::Child);

impl Stranger {
    fn start(program: &str, words: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut c = Command::new(program);
        c.args(words).env_clear().envs(environment.iter().copied()).stdin(Stdio::piped());
        let child = c.spawn().unwrap();
        support::until_it_executes(child.id(), "sleep");
        Self(child)
    }

    fn pid(&self) -> i64 {
        i64::from(self.0.id())
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn of_process(port: &mut Port, pid: i64, items: &[&str], cell_max: i64) -> Vec<u8> {
    let args = map(&[("pid", int(pid)), ("items", atoms(items)), ("cell_max", int(cell_max))]);
    port.request(1, "process", args);
    port.receive_frame().unwrap()
}

fn spoken(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The program of an installation with these words, under a policy of this text.
fn says(f: &Fixtures, program: &str, policy: &str, words: &[&str]) -> (String, Option<i32>) {
    let policy = f.policy(policy);
    let output = f.command(&["--policy", &policy], &[&[program], words].concat()).output().unwrap();
    (spoken(&output), output.status.code())
}

fn program(f: &Fixtures, file: &str) -> String {
    f.directory.join(file).into_os_string().into_string().unwrap()
}

// --- More than the policy grants --------------------------------------------------------------------------------------

/// `basic` shows environment and I/O counters of the own user's processes (`policy check` says so). A line in `[files]`
/// leaves CAP_DAC_READ_SEARCH in the process, which is for the listed files and not for the table of processes.
#[test]
fn a_listed_file_does_not_make_basic_full() {
    let Some(f) = fixtures() else { return };
    let w = World::strong(f);
    let other = Stranger::start("/bin/sleep", &["60"], &[("SECRET", "hunter2")]);
    let policy = "version = 1\n[proc]\nlevel = \"basic\"\nenviron = [\"SECRET\"]\n\
                  [files]\nread = [{ path = \"/var/log/app\", max_bytes = 1 }]\n";
    let (mut port, _) = w.serving(&w.start("proc", policy));
    let answer = of_process(&mut port, other.pid(), &["environ", "rchar"], 4096);
    let told = String::from_utf8_lossy(&answer).into_owned();
    assert!(!told.contains("hunter2"), "the environment of root's process under level basic: {told:?}");
    assert!(told.matches("eacces").count() == 2, "its I/O counters: {told:?}");
}

// --- What any user of the host can do to it ---------------------------------------------------------------------------

/// `hello` announces a longest frame, and the client drops a program that sends a longer one, with every request that
/// it has. A variable of one byte takes 17 in an answer: `{redacted, <<>>}`.
#[test]
fn no_environment_makes_a_frame_longer_than_announced() {
    let Some(f) = fixtures() else { return };
    let source = std::env::temp_dir().join(format!("portcullis-attack-{}-empty.c", std::process::id()));
    let to = source.with_extension("");
    let code = "#include <unistd.h>\nint main(void) { static char *e[70001]; for (int i = 0; i < 70000; i++) e[i] = \"\";\
                char *a[] = {\"sleep\", \"60\", 0}; return execve(\"/bin/sleep\", a, e); }\n";
    std::fs::write(&source, code).unwrap();
    assert!(Command::new("cc").arg("-o").arg(&to).arg(&source).status().unwrap().success());
    let w = World::strong(f);
    let words = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "env", to.to_str().unwrap()];
    let other = Stranger::start("/usr/bin/setpriv", &words, &[("PATH", "/usr/bin:/bin")]);
    let policy = "version = 1\n[proc]\nlevel = \"full\"\nenviron = [\"LANG\"]\n";
    let (mut port, hello) = w.serving(&w.start("proc", policy));
    let longest = usize::try_from(integer(hello.get("reply_max"))).unwrap();
    let frame = of_process(&mut port, other.pid(), &["environ"], 65_536);
    for file in [source, to] {
        std::fs::remove_file(file).unwrap();
    }
    assert!(frame.len() <= longest, "{} bytes", frame.len());
}

/// While the output is full nothing is taken from the ICMP sockets, so nothing on them may wake the loop. Here somebody
/// else's echo reply does, which a raw socket hears.
#[test]
fn a_reply_that_nobody_can_be_told_of_costs_no_processor_time() {
    let Some(f) = fixtures() else { return };
    let policy = f.policy("version = 1\n[ping]\nallow = [\"10.0.0.0/8\"]\n");
    let program = program(&f, "full/portcullis-net");
    let inner = f.command(&["--policy", &policy], &[&program, "port", "--role", "net"]);
    let mut c = Command::new("unshare");
    // A route to nobody, so that the request waits.
    let network = "ip link set lo up; ip route add 10.9.0.0/16 dev lo; exec \"$@\"";
    c.args(["--net", "sh", "-c", network, "sh"]).arg(inner.get_program()).args(inner.get_args());
    let mut port = Port::start(c);
    port.hello();
    let pid = port.pid();
    let nobody = tuple_of([10, 9, 0, 5].map(int).to_vec());
    port.frame(&request(5, "ping", map(&[("address", nobody)]), 60_000));
    let mut input = port.take_input();
    let feeder = std::thread::spawn(move || {
        let many = framed(&request(1, "info", map(&[]), 60_000)).repeat(1_000);
        while input.write_all(&many).is_ok() {}
    });
    std::thread::sleep(Duration::from_millis(800));
    let echo = "import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_RAW,1)\n\
                s.sendto(b'\\x08\\x00\\xf7\\xb1\\x00\\x4d\\x00\\x01',('127.0.0.1',0))\n";
    let sent =
        Command::new("nsenter").args(["-t", &pid.to_string(), "--net", "python3", "-c", echo]).status();
    assert!(sent.unwrap().success());
    let ticks = || support::ticks(pid);
    std::thread::sleep(Duration::from_millis(300));
    let before = ticks();
    std::thread::sleep(Duration::from_secs(2));
    let used = ticks() - before;
    port.kill();
    feeder.join().unwrap();
    assert!(used < 20, "{used} ticks in 2 seconds");
}

// --- The trail --------------------------------------------------------------------------------------------------------

/// Readers of the kernel's audit log split a message at spaces and end it at an apostrophe, quoted or not (auparse(3)).
/// What a client chose must not be a field of its own there.
#[test]
fn no_target_is_a_field_of_the_kernels_record() {
    use portcullis::audit::record::{Decision, Event, Stamp, kernel_line};
    if Command::new("ausearch").arg("--version").output().is_err() {
        eprintln!("skipped: needs ausearch (auditd)");
        return;
    }
    let stamp = Stamp { seq: 1, time: 0, uid: 1000, parent: 7, lost: 0 };
    for (target, fields) in [
        ("/x' decision=granted uid=0 res=success '", ["--uid", "0"]),
        ("/x exe=/bin/su res=success y", ["-x", "/bin/su"]),
    ] {
        let target = target.as_bytes().to_vec();
        let event = Event { op: "file_open", target, decision: Decision::Denied, rule: "files.read".into() };
        // As kernel/audit.c writes it around what src/audit/log.rs sends.
        let record = format!(
            "type=TRUSTED_APP msg=audit(1763715600.000:77): pid=7 uid=1000 auid=4294967295 ses=4294967295 \
             msg='{}'\n",
            kernel_line(&stamp, &event)
        );
        let log = std::env::temp_dir().join(format!("portcullis-attack-{}.log", std::process::id()));
        std::fs::write(&log, record).unwrap();
        let found = Command::new("ausearch").arg("-if").arg(&log).args(fields).output().unwrap();
        std::fs::remove_file(&log).unwrap();
        let found = String::from_utf8_lossy(&found.stdout).into_owned();
        assert!(!found.contains("TRUSTED_APP"), "ausearch {fields:?} finds {found}");
    }
}

/// "One record for every write, refusal and break-glass" (docs/host.md).
#[test]
fn the_end_of_a_permit_is_a_refusal_with_a_record() {
    let Some(f) = fixtures() else { return };
    let w = World::strong(f);
    let log = DevLog::new(&w.f);
    let policy = "version = 1\n[files]\nread = [{ path = \"/etc/hostname\", max_bytes = 1 }]\n";
    let (mut port, _) = w.serving(&Start { options: vec!["--log", &log.path], ..w.start("proc", policy) });
    let (tag, value) = ask(&mut port, 1, "file_open", map(&[("path", binary(b"/etc/hostname"))]));
    assert_eq!(tag, "ok", "{value}");
    let handle = Map::of(&value).get("handle").clone();
    let read = |port: &mut Port| ask(port, 1, "file_read", map(&[("handle", handle.clone())]));
    assert_eq!(bytes(&read(&mut port).1).len(), 1);
    let (tag, value) = read(&mut port);
    assert_eq!((tag.as_str(), name(&support::elements(&value)[0])), ("error", "denied_by_policy"));
    let records = log.records();
    assert!(records.iter().any(|r| r.contains("op=file_read") && r.contains("denied")), "{records:?}");
}

/// The kernel answers a record that it does not take with an error of its own, after sendto(2) has succeeded. Here: it is
/// sent without CAP_AUDIT_WRITE.
#[test]
fn a_record_that_the_kernel_refuses_is_counted_as_lost() {
    let Some(f) = fixtures() else { return };
    let w = World::strong(f);
    let policy = "version = 1\n[audit]\nsyslog = \"off\"\nkernel = true\n";
    let (mut port, hello) =
        w.serving(&Start { arguments: vec!["--unprivileged"], ..w.start("proc", policy) });
    assert_eq!(support::names(hello.get("missing")), ["audit_write"]);
    assert_eq!(ask(&mut port, 1, "file_open", map(&[("path", binary(b"/etc/shadow"))])).0, "error");
    let (_, info) = ask(&mut port, 2, "info", map(&[]));
    assert!(integer(Map::of(&info).get("lost")) > 0, "{info}");
}

// --- What the administrator is told -----------------------------------------------------------------------------------

/// The port refuses such a file. Here its last line, behind the bytes that are looked at, is not even a policy.
#[test]
fn a_policy_that_is_too_long_is_not_ok_under_another_name() {
    let Some(f) = fixtures() else { return };
    let long = format!("version = 1\n{}[bogus]\n", "# a comment\n".repeat(6_000));
    let folder = f.policy(&long);
    let file = format!("{folder}/policy.toml");
    let (said, code) =
        says(&f, &program(&f, "ok/portcullis-proc"), "version = 1\n", &["policy", "check", &file]);
    assert_eq!(code, Some(1), "{said}");
}

/// A hint is a line that can be added: it is a policy, and it grants what was asked for. Where no line can do that, it
/// must say so.
#[test]
fn the_line_of_a_hint_is_a_policy_that_grants_it() {
    use portcullis::policy::{Policy, parse::parse, question};
    let mut wrong = Vec::new();
    for question in [
        &[&b"file_open"[..], b"/proc/1/environ"][..],
        &[b"file_open", b"/dev/sda"],
        &[b"file_open", b"/srv/\xff"],
        &[b"nft_apply", b"add_element", b"inet", b"a\"b", b"s"],
        &[b"nft_apply", b"add_element", b"inet", b"t"],
        &[b"sysctl_set", b"net.ipv4.ip_forward", b"1\n2"],
        &[b"process", b"exe"],
        &[b"ping", b"192.0.2.1"],
    ] {
        let (op, args) = question.split_first().unwrap();
        let Ok(Err(denial)) = question::ask(&Policy::without_a_file(), op, args) else { continue };
        let Some((section, line)) = denial.grant else { continue };
        let text = format!("version = 1\n{section}\n{line}\n");
        let granted = parse(text.as_bytes())
            .map(|rules| question::ask(&Policy::of(rules, String::new()), op, args).is_ok_and(|a| a.is_ok()));
        if granted != Ok(true) {
            wrong.push(format!("{section} {line}: {granted:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a request asks for is an IPv4 address by the time it is judged, so that such an entry can never count.
#[test]
fn a_network_that_grants_nothing_is_a_mistake() {
    let policy = b"version = 1\n[ping]\nallow = [\"::ffff:10.0.0.0/104\"]\n";
    assert!(portcullis::policy::parse::parse(policy).is_err());
}

/// What `explain` allows is allowed. The port answers these as bad requests, whatever the policy says.
#[test]
fn explain_allows_no_ping_that_the_port_does_not_send() {
    let Some(f) = fixtures() else { return };
    let policy = "version = 1\n[ping]\nallow = [\"0.0.0.0/0\", \"::/0\"]\n";
    for address in ["224.0.0.1", "255.255.255.255", "0.0.0.0", "ff02::1", "::"] {
        let words = ["policy", "explain", "ping", address];
        let (said, code) = says(&f, &program(&f, "ok/portcullis-proc"), policy, &words);
        assert_ne!(code, Some(0), "{address}: {said}");
    }
}

/// The port takes no frame of more than 65,536 bytes, whatever the policy says.
#[test]
fn the_words_of_a_policy_are_what_the_port_does() {
    let Some(f) = fixtures() else { return };
    let policy = "version = 1\n[limits]\nframe_max = 16777216\n";
    let (said, _) = says(&f, &program(&f, "ok/portcullis-proc"), policy, &["policy", "check"]);
    assert!(!said.contains("frames 16777216 bytes"), "{said}");
}

/// Without `--role` it is the role of the file. What is typed must not give one role the capabilities of the other.
#[test]
fn doctor_knows_the_role_of_its_own_file() {
    let Some(f) = fixtures() else { return };
    let policy = "version = 1\n[proc]\nlevel = \"basic\"\n";
    let (said, _) = says(&f, &program(&f, "ok/portcullis-net"), policy, &["doctor"]);
    assert!(!said.contains("sys_ptrace"), "{said}");
}

/// A start refuses (77) where ping sockets are closed and the file has no CAP_NET_RAW. Doctor must have said so.
#[test]
fn doctor_finds_what_a_start_of_role_net_refuses() {
    let Some(f) = fixtures() else { return };
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").unwrap();
    if range.split_whitespace().collect::<Vec<_>>() != ["1", "0"] {
        eprintln!("skipped: ping sockets are open here");
        return;
    }
    let policy = "version = 1\n[ping]\nallow = [\"127.0.0.1\"]\n";
    let file = program(&f, "partial-xattr/portcullis-proc");
    let folder = f.policy(policy);
    let start = f.command(&["--policy", &folder], &[&file, "port", "--role", "net"]);
    let (refused, _) = Port::start(start).refused();
    assert_eq!(name(refused.get("reason")), "capability_missing", "{}", text(refused.get("message")));
    let (said, code) = says(&f, &file, policy, &["doctor", "--role", "net"]);
    assert_eq!(code, Some(1), "{said}");
}

/// An upgrade must not leave an old program with capabilities behind, nor take away what was given, without a word.
#[test]
fn the_installer_says_what_an_upgrade_does_not_keep() {
    let Some(f) = fixtures() else { return };
    let dest = program(&f, &format!("attack-upgrade-{}", std::process::id()));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/install.sh");
    let install = |words: &[&str]| {
        let mut c = Command::new("sh");
        c.args([script, "--dest", &dest, "--no-policy", "--binary", &program(&f, "ok/portcullis-proc")])
            .args(words);
        spoken(&c.env_remove("SUDO_USER").output().unwrap())
    };
    install(&["--group", &f.user, "--role", "proc,net", "--level", "full", "--audit"]);
    let said = install(&[]);
    let caps = Command::new("getcap").arg(format!("{dest}/portcullis-proc")).output().unwrap();
    std::fs::remove_dir_all(&dest).unwrap();
    let kept = spoken(&caps).contains("cap_dac_read_search");
    assert!(said.contains("portcullis-net"), "the old portcullis-net stays: {said}");
    assert!(kept || said.contains("cap_dac_read_search"), "level full is gone: {said}");
}
