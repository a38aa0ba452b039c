//! Kernel parameters through the installed port, in network namespaces of their own: what the kernel has afterwards, what it
//! refuses, and what the program may do meanwhile. Without the installations the tests are skipped.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod support;

use std::path::Path;
use std::process::Command;

use support::{
    Fixtures, Map, Port, Term, atoms, binary, elements, fixtures, int, list, map, name, names, status, text,
};

const POLICY: &str = "version = 1\n[sysctl]\n\
    read = [\"net.ipv4.tcp_rmem\", \"net.ipv4.tcp_fastopen_key\", \"net.ipv4.no_such\", \"net.ipv4.conf\"]\n\
    write = [\n\
    { name = \"net.ipv4.ip_forward\", values = [\"0\", \"1\"] },\n\
    { name = \"net.ipv4.tcp_reordering\", values = [\"010\", \"7 9\", \"many\"] },\n\
    { name = \"net.ipv4.ip_default_ttl\", values = [\"0\"] },\n\
    { name = \"net.ipv4.tcp_wmem\", values = [\"4096 8192 65536\"] },\n\
    { name = \"net.ipv4.route.flush\", values = [\"1\"] },\n\
    { name = \"net.ipv4.tcp_available_congestion_control\", values = [\"reno\"] },\n\
    { name = \"net.ipv4.conf.gone0.rp_filter\", values = [\"1\"] },\n\
    { name = \"net.ipv4.conf.a/1.rp_filter\", values = [\"1\"] },\n\
    ]\n";

/// The port of role net of an installation, in a network of its own that `setup` has made.
fn start(f: &Fixtures, install: &str, policy: &str, setup: &str, arguments: &[&str]) -> Port {
    let program = f.directory.join(install).join("portcullis-net");
    let words = [&[program.to_str().unwrap(), "port", "--role", "net"], arguments].concat();
    let inner = f.command(&["--policy", &f.policy(policy)], &words);
    let mut c = Command::new("unshare");
    c.args(["--net", "sh", "-c", &format!("ip link set lo up && {setup} exec \"$@\""), "sh"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .current_dir("/");
    Port::start(c)
}

fn serving(f: &Fixtures) -> Port {
    let mut port = start(f, "ok", POLICY, "", &[]);
    let hello = port.hello();
    assert_eq!(names(hello.get("capabilities")), ["net_admin"]);
    port
}

/// What the parameter is in the port's network, asked by root.
fn actual(port: &Port, path: &str) -> String {
    let pid = port.pid().to_string();
    let output = Command::new("nsenter")
        .args(["-t", &pid, "--net", "cat", &format!("/proc/sys/net/{path}")])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn get(port: &mut Port, parameter: &str) -> (String, Term) {
    answer(port, "sysctl_get", map(&[("name", binary(parameter.as_bytes()))]))
}

fn set(port: &mut Port, parameter: &str, value: Term) -> (String, Term) {
    answer(port, "sysctl_set", map(&[("name", binary(parameter.as_bytes())), ("value", value)]))
}

fn answer(port: &mut Port, op: &str, args: Term) -> (String, Term) {
    port.request(1, op, args);
    let (tag, _, value) = port.answer();
    (tag, value)
}

/// The errno and what was tried, of `{posix, Errno, What}`.
fn posix((tag, value): (String, Term)) -> (String, String) {
    let error = elements(&value);
    assert_eq!((tag.as_str(), name(&error[0])), ("error", "posix"), "{value}");
    (name(&error[1]).to_owned(), text(&error[2]))
}

/// `value`, `before` and `as_asked` of a change; binaries and atoms as text.
fn changed((tag, value): (String, Term)) -> [String; 3] {
    assert_eq!(tag, "ok", "{value}");
    let change = Map::of(&value);
    assert_eq!(change.keys(), ["as_asked", "before", "value"]);
    ["value", "before", "as_asked"].map(|key| match change.get(key) {
        Term::Atom(atom) => atom.name.clone(),
        other => text(other),
    })
}

#[test]
fn a_change_is_made_in_the_kernel_and_told_with_what_was() {
    let Some(f) = fixtures() else { return };
    let host = of_the_host();
    let mut port = serving(&f);
    assert_eq!(actual(&port, "ipv4/ip_forward"), "0\n");
    assert_eq!(changed(set(&mut port, "net.ipv4.ip_forward", int(1))), ["1", "0", "true"]);
    assert_eq!(actual(&port, "ipv4/ip_forward"), "1\n");
    assert_eq!(of_the_host(), host);
    assert_eq!(text(&get(&mut port, "net.ipv4.ip_forward").1), "1");
    assert_eq!(changed(set(&mut port, "net.ipv4.ip_forward", binary(b"0"))), ["0", "1", "true"]);
    assert_eq!((actual(&port, "ipv4/ip_forward"), of_the_host()), ("0\n".to_owned(), host));
    // At rest nothing is in effect, and nothing is left open.
    assert_eq!(status(port.pid(), "CapPrm"), "0000000000001000");
    assert_eq!(status(port.pid(), "CapEff"), "0000000000000000");
    assert_eq!(open_descriptors(&port), ["0", "1", "10", "2", "3", "9"]);
}

/// That of the network in which the tests run.
fn of_the_host() -> String {
    std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap()
}

fn open_descriptors(port: &Port) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{}/fd", port.pid())).unwrap();
    let mut open: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    open.sort();
    open
}

#[test]
fn values_are_as_the_kernel_shows_them() {
    let Some(f) = fixtures() else { return };
    let mut port = serving(&f);
    let value = text(&get(&mut port, "net.ipv4.tcp_rmem").1);
    assert_eq!(format!("{value}\n"), actual(&port, "ipv4/tcp_rmem"));
    assert_eq!(value.split('\t').count(), 3, "{value:?}");
    let [now, before, as_asked] = changed(set(&mut port, "net.ipv4.tcp_wmem", binary(b"4096 8192 65536")));
    assert_eq!((now.as_str(), as_asked.as_str()), ("4096\t8192\t65536", "true"));
    assert_ne!(before, now);
}

/// The kernel reads 010 as 8, and of two numbers where there is one the first: it says nothing of either.
#[test]
fn what_the_kernel_makes_of_a_value_is_not_hidden() {
    let Some(f) = fixtures() else { return };
    let mut port = serving(&f);
    let reordering = "net.ipv4.tcp_reordering";
    assert_eq!(changed(set(&mut port, reordering, binary(b"010"))), ["8", "3", "false"]);
    assert_eq!(changed(set(&mut port, reordering, binary(b"7 9"))), ["7", "8", "false"]);
    assert_eq!(actual(&port, "ipv4/tcp_reordering"), "7\n");
}

#[test]
fn what_the_kernel_refuses_is_told_with_what_was_tried() {
    let Some(f) = fixtures() else { return };
    let mut port = serving(&f);
    let refused = |answer, errno: &str, what: &str| assert_eq!(posix(answer), (errno.into(), what.into()));
    let (opening, reading) = ("opening a parameter for writing", "opening a parameter for reading");
    refused(set(&mut port, "net.ipv4.tcp_reordering", binary(b"many")), "einval", "writing a parameter");
    refused(set(&mut port, "net.ipv4.ip_default_ttl", int(0)), "einval", "writing a parameter");
    assert_eq!(actual(&port, "ipv4/ip_default_ttl"), "64\n");
    let fixed = "net.ipv4.tcp_available_congestion_control";
    refused(set(&mut port, fixed, binary(b"reno")), "eacces", opening);
    refused(set(&mut port, "net.ipv4.conf.gone0.rp_filter", int(1)), "enoent", reading);
    refused(get(&mut port, "net.ipv4.no_such"), "enoent", reading);
    // A folder, and what only the administrator of the network reads.
    refused(get(&mut port, "net.ipv4.conf"), "eacces", reading);
    refused(get(&mut port, "net.ipv4.tcp_fastopen_key"), "eacces", reading);
    assert!(!actual(&port, "ipv4/tcp_fastopen_key").is_empty());
}

#[test]
fn a_parameter_that_nobody_reads_can_be_set() {
    let Some(f) = fixtures() else { return };
    let mut port = serving(&f);
    assert_eq!(changed(set(&mut port, "net.ipv4.route.flush", int(1))), ["undefined"; 3]);
}

/// An interface of that name with a dot; the parameter of another with the dot as a separator does not exist.
#[test]
fn a_dot_in_the_name_of_an_interface_is_a_slash() {
    let Some(f) = fixtures() else { return };
    let veth = "ip link add a.1 type veth peer name b.1 && ";
    let mut port = start(&f, "ok", POLICY, veth, &[]);
    port.hello();
    assert_eq!(actual(&port, "ipv4/conf/a.1/rp_filter"), "0\n");
    assert_eq!(changed(set(&mut port, "net.ipv4.conf.a/1.rp_filter", int(1))), ["1", "0", "true"]);
    assert_eq!(actual(&port, "ipv4/conf/a.1/rp_filter"), "1\n");
    assert_eq!(actual(&port, "ipv4/conf/b.1/rp_filter"), "0\n");
}

#[test]
fn a_list_leaves_nothing_out() {
    let Some(f) = fixtures() else { return };
    let mut port = serving(&f);
    let value = port.ask(1, "sysctl_list", map(&[]));
    let rows: Vec<(String, String)> = list(&value)
        .iter()
        .map(|row| {
            let row = Map::of(row);
            assert_eq!(row.keys(), ["name", "value"]);
            let value = match row.get("value") {
                Term::Tuple(error) => {
                    assert_eq!(name(&error.elements[0]), "error");
                    name(&error.elements[1]).to_owned()
                }
                value => text(value),
            };
            (text(row.get("name")), value)
        })
        .collect();
    let found: Vec<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        found,
        [
            "net.ipv4.conf",
            "net.ipv4.conf.a/1.rp_filter",
            "net.ipv4.conf.gone0.rp_filter",
            "net.ipv4.ip_default_ttl",
            "net.ipv4.ip_forward",
            "net.ipv4.no_such",
            "net.ipv4.route.flush",
            "net.ipv4.tcp_available_congestion_control",
            "net.ipv4.tcp_fastopen_key",
            "net.ipv4.tcp_reordering",
            "net.ipv4.tcp_rmem",
            "net.ipv4.tcp_wmem",
        ]
    );
    let of = |name: &str| rows.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str()).unwrap();
    assert_eq!(of("net.ipv4.ip_forward"), "0");
    assert_eq!(of("net.ipv4.no_such"), "enoent");
    assert_eq!(of("net.ipv4.conf.gone0.rp_filter"), "enoent");
    assert_eq!(of("net.ipv4.route.flush"), "eacces");
    assert_eq!(of("net.ipv4.tcp_fastopen_key"), "eacces");
}

/// As many as a policy file can name, and none of them there: the longest list that there can be is one frame.
#[test]
fn the_longest_list_fits_into_a_frame() {
    let Some(f) = fixtures() else { return };
    let mut policy = "version = 1\n[sysctl]\nread = [".to_owned();
    for n in 0.. {
        let entry = format!("\"net.{n:x}\",");
        if policy.len() + entry.len() >= 64 * 1024 {
            break;
        }
        policy.push_str(&entry);
    }
    policy.push_str("]\n");
    let mut port = start(&f, "ok", &policy, "", &[]);
    let longest = support::integer(port.hello().get("reply_max"));
    port.request(1, "sysctl_list", map(&[]));
    let frame = port.receive_frame().unwrap();
    println!("{} names in {} bytes", policy.matches(',').count(), frame.len());
    assert!(frame.len() > 200_000 && i128::try_from(frame.len()).unwrap() < longest, "{}", frame.len());
}

#[test]
fn a_policy_that_only_reads_leaves_no_capability() {
    let Some(f) = fixtures() else { return };
    let policy = "version = 1\n[sysctl]\nread = [\"net.ipv4.ip_forward\"]\n";
    let mut port = start(&f, "ok", policy, "", &[]);
    assert!(names(port.hello().get("capabilities")).is_empty());
    assert_eq!(status(port.pid(), "CapPrm"), "0000000000000000");
    assert_eq!(text(&get(&mut port, "net.ipv4.ip_forward").1), "0");
    let (tag, value) = set(&mut port, "net.ipv4.ip_forward", int(1));
    assert_eq!((tag.as_str(), text(&elements(&value)[1])), ("error", "sysctl.write".to_owned()));
    // And one that names no parameter leaves no descriptor.
    let mut port = start(&f, "ok", "version = 1\n", "", &[]);
    port.hello();
    let (_, value) = answer(&mut port, "sysctl_list", map(&[]));
    assert_eq!(text(&elements(&value)[1]), "sysctl.read");
    assert!(!Path::new(&format!("/proc/{}/fd/9", port.pid())).exists());
}

#[test]
fn without_privileges_a_change_says_which_one_it_lacks() {
    let Some(f) = fixtures() else { return };
    let mut port = start(&f, "ok", POLICY, "", &["--unprivileged"]);
    assert_eq!(names(port.hello().get("missing")), ["net_admin"]);
    let (_, value) = set(&mut port, "net.ipv4.ip_forward", int(1));
    let error = elements(&value);
    assert_eq!(name(&error[0]), "not_permitted", "{value}");
    assert_eq!(names(&error[1]), ["net_admin"]);
    assert_eq!(text(&get(&mut port, "net.ipv4.ip_forward").1), "0");
}

/// Changes have a limit of their own, which reading does not use up, nor what is denied.
#[test]
fn more_changes_than_the_policy_allows_are_denied_and_not_made() {
    let Some(f) = fixtures() else { return };
    let mut port = start(&f, "ok", &format!("{POLICY}[limits]\nwrites_per_s = 1\n"), "", &[]);
    port.hello();
    for _ in 0..20 {
        assert_eq!(get(&mut port, "net.ipv4.ip_forward").0, "ok");
        assert_eq!(rule(&set(&mut port, "net.ipv4.ip_forward", int(2))), "sysctl.write");
    }
    // The second one comes within the same second, if not on a machine that is busy elsewhere.
    let second = (0..10).find_map(|_| {
        assert_eq!(actual(&port, "ipv4/ip_forward"), "0\n");
        assert_eq!(set(&mut port, "net.ipv4.ip_forward", int(1)).0, "ok");
        let second = set(&mut port, "net.ipv4.ip_forward", int(0));
        (second.0 != "ok").then_some(second)
    });
    let second = second.expect("no second change is denied");
    assert_eq!(rule(&second), "limits.writes_per_s");
    assert!(text(&elements(&second.1)[2]).ends_with("under [limits] this would: writes_per_s = 2"));
    assert_eq!(actual(&port, "ipv4/ip_forward"), "1\n");
}

fn rule((tag, value): &(String, Term)) -> String {
    let error = elements(value);
    assert_eq!((tag.as_str(), name(&error[0])), ("error", "denied_by_policy"), "{value}");
    text(&error[1])
}

#[test]
fn every_change_has_a_record() {
    let Some(f) = fixtures() else { return };
    let mut port = serving(&f);
    port.request(7, "subscribe", map(&[("topic", support::atom("audit"))]));
    let records = |port: &mut Port, parameter: &str, value: &[u8], count: usize| {
        port.request(
            1,
            "sysctl_set",
            map(&[("name", binary(parameter.as_bytes())), ("value", binary(value))]),
        );
        let terms: Vec<Term> = (0..=count).map(|_| port.receive().unwrap()).collect();
        let events = terms.iter().map(elements).filter(|term| name(&term[0]) == "event");
        let told: Vec<String> = events
            .map(|term| {
                let event = Map::of(&term[3]);
                let (target, rule) = (text(event.get("target")), text(event.get("rule")));
                assert_eq!(text(event.get("operation")), "sysctl_set");
                format!("{target}: {} by {rule}", name(event.get("decision")))
            })
            .collect();
        assert_eq!(told.len(), count, "{terms:?}");
        told
    };
    assert_eq!(
        records(&mut port, "net.ipv4.ip_forward", b"1", 1),
        ["net.ipv4.ip_forward 1: granted by sysctl.write"]
    );
    assert_eq!(
        records(&mut port, "net.ipv4.tcp_reordering", b"many", 2),
        [
            "net.ipv4.tcp_reordering many: granted by sysctl.write",
            "net.ipv4.tcp_reordering many: failed by einval"
        ]
    );
    assert_eq!(
        records(&mut port, "net.ipv4.ip_forward", b"2 3", 1),
        ["net.ipv4.ip_forward 2 3: denied by sysctl.write"]
    );
}

#[test]
fn hello_names_the_operations_of_the_role() {
    let Some(f) = fixtures() else { return };
    let mut port = start(&f, "ok", POLICY, "", &[]);
    let hello = port.hello();
    let operations = names(hello.get("operations"));
    for op in ["sysctl_get", "sysctl_set", "sysctl_list"] {
        assert!(operations.iter().any(|name| name == op), "{operations:?}");
    }
    assert!(names(hello.get("features")).contains(&"landlock".to_owned()));
    let mut proc = f.port("ok");
    proc.hello();
    let args = map(&[("name", binary(b"net.ipv4.ip_forward")), ("items", atoms(&[]))]);
    let (tag, value) = answer(&mut proc, "sysctl_get", args);
    assert_eq!((tag.as_str(), name(&elements(&value)[0])), ("error", "unsupported"));
}
