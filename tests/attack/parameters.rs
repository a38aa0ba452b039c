//! Kernel parameters: names that lead elsewhere, values that no line lists, neighbours of what a line names; and from inside
//! the role, files that are no parameters.

use std::process::Command;

use portcullis::measure::Measure;

use crate::Attempt;
use crate::support::{self, Port, binary, int, map, name};
use crate::world::{Outcome, Started, Stopped, World, ask, asked, got, started};

/// What may be read and set; `Policy::everything` of a weakened build has other lines.
const POLICY: &str = "version = 1\n[sysctl]\nread = [\"net.ipv4.tcp_wmem\"]\n\
    write = [{ name = \"net.ipv4.ip_forward\", values = [\"0\"] }, \
             { name = \"net.ipv4.conf.lo.rp_filter\", values = [\"1\"] }]\n";
const READ_ONLY: &str = "version = 1\n[sysctl]\nread = [\"net.ipv4.ip_forward\"]\n";
const NOTHING: &str = "version = 1\n[ping]\nallow = [\"127.0.0.1\"]\n";

/// The command in a network of its own: what gets through must not change this host's.
fn in_a_network(command: &Command) -> Command {
    let mut c = Command::new("unshare");
    c.arg("--net").arg(command.get_program()).args(command.get_args());
    c.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").current_dir("/");
    c
}

fn serving(w: &World, policy: &str) -> Port {
    match started(in_a_network(&w.command(&w.start("net", policy)))) {
        Started::Serving(port, _) => port,
        Started::Refused(why) | Started::Ended(why) => panic!("it does not serve: {why}"),
    }
}

fn get(port: &mut Port, parameter: &[u8]) -> Outcome {
    asked(port, "sysctl_get", map(&[("name", binary(parameter))]))
}

fn set(port: &mut Port, parameter: &[u8], value: &[u8]) -> Outcome {
    asked(port, "sysctl_set", map(&[("name", binary(parameter)), ("value", binary(value))]))
}

pub fn attempts() -> Vec<Attempt> {
    let mut all = names();
    all.extend(lines());
    all.extend(inside());
    all.push(Attempt::user("changes at any rate", &[Measure::ChangeRate], |w| {
        let mut port = serving(w, &format!("{POLICY}[limits]\nwrites_per_s = 5\n"));
        let args = map(&[("name", binary(b"net.ipv4.ip_forward")), ("value", int(0))]);
        let made = (1..=100).filter(|id| ask(&mut port, *id, "sysctl_set", args.clone()).0 == "ok").count();
        got(made > 50, format!("{made} of 100"))
    }));
    all.push(Attempt::user("parameters of the host, as root of a user namespace", &[], in_a_user_namespace));
    all
}

/// Each is another way to write what a line names, or a way out of the tree.
fn names() -> Vec<Attempt> {
    [
        &b"kernel.hostname"[..],
        b"net.//.kernel.hostname",
        b"net.//.//.//.etc.hostname",
        b"net.ipv4.//.ipv4.ip_forward",
        b"net/ipv4/ip_forward",
        b"net.ipv4/ip_forward",
        b"net.ipv4..ip_forward",
        b"net..ipv4.ip_forward",
        b"net.ipv4.ip_forward.",
        b"net.ipv4.ip_forward/",
        b"net.ipv4.ip_forward\0",
        b"net.ipv4.ip_forward\0.x",
        b"net.ipv4.ip_forward\n",
        b"net.ipv4.ip_forward ",
        b" net.ipv4.ip_forward",
        b"net.ipv4.IP_FORWARD",
        b"ipv4.ip_forward",
        b"/proc/sys/net/ipv4/ip_forward",
        b"net.ipv4",
        b"net",
        b"",
    ]
    .into_iter()
    .flat_map(|parameter| {
        let shown = parameter.escape_ascii().to_string();
        [
            Attempt::user(format!("parameter \"{shown}\""), &[], move |w| {
                get(&mut serving(w, POLICY), parameter)
            }),
            Attempt::user(format!("parameter \"{shown}\" is set"), &[], move |w| {
                set(&mut serving(w, POLICY), parameter, b"0")
            }),
        ]
    })
    .collect()
}

/// What no line grants.
fn lines() -> Vec<Attempt> {
    let authorize: &[Measure] = &[Measure::Authorize];
    let mut all = Vec::new();
    for (what, policy, parameter, value, measures) in [
        ("a parameter without a line", NOTHING, "net.ipv4.ip_forward", "1", authorize),
        ("a parameter with a line to read it", READ_ONLY, "net.ipv4.ip_forward", "1", authorize),
        ("a value that is not listed", POLICY, "net.ipv4.ip_forward", "1", authorize),
        ("a value with more behind it", POLICY, "net.ipv4.ip_forward", "0 1", &[]),
        ("a value with a blank before it", POLICY, "net.ipv4.ip_forward", " 0", &[]),
        ("a value in another spelling", POLICY, "net.ipv4.ip_forward", "00", &[]),
        ("a value of two lines", POLICY, "net.ipv4.ip_forward", "0\n1", &[]),
        ("a parameter that can be read", POLICY, "net.ipv4.tcp_wmem", "1 2 3", &[]),
        ("the same of another interface", POLICY, "net.ipv4.conf.all.rp_filter", "1", &[]),
        ("the same of an interface to come", POLICY, "net.ipv4.conf.default.rp_filter", "1", &[]),
        ("another of the same interface", POLICY, "net.ipv4.conf.lo.forwarding", "1", &[]),
        ("the same of another family", POLICY, "net.ipv6.conf.lo.rp_filter", "1", &[]),
    ] {
        all.push(Attempt::user(format!("{what} is set"), measures, move |w| {
            set(&mut serving(w, policy), parameter.as_bytes(), value.as_bytes())
        }));
    }
    for (policy, parameter, measures) in [
        (POLICY, "net.ipv4.tcp_rmem", authorize),
        (NOTHING, "net.ipv4.tcp_rmem", authorize),
        (POLICY, "net.ipv4.conf.all.rp_filter", &[]),
        (POLICY, "net.ipv4.tcp_fastopen_key", &[]),
    ] {
        let lines = policy.matches("net.").count();
        all.push(Attempt::user(format!("{parameter} is read, beside {lines} lines"), measures, move |w| {
            get(&mut serving(w, policy), parameter.as_bytes())
        }));
    }
    all.push(Attempt::user("a capability that only a line for writing takes", &[], |w| {
        let port = serving(w, READ_ONLY);
        let held = support::status(port.pid(), "CapPrm");
        got(held != "0000000000000000" && w.is_strong(), held)
    }));
    all
}

/// He is root in a namespace of his own, with a policy of his own; the network is that of the host.
fn in_a_user_namespace(w: &World) -> Outcome {
    let policy = w.f.policy(&POLICY.replace("[\"0\"]", "[\"1\"]"));
    let program = w.program(&w.start("net", NOTHING));
    let line = format!("mount --bind {policy} /etc/portcullis && exec {} port --role net", program.display());
    let words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &line];
    match started(in_a_network(&w.f.command(&[], &words))) {
        Started::Serving(mut port, _) => set(&mut port, b"net.ipv4.ip_forward", b"1"),
        Started::Refused(why) | Started::Ended(why) => Stopped(why),
    }
}

/// By the descriptor of the directory, which a path need not stay below.
fn inside() -> Vec<Attempt> {
    let mut all = Vec::new();
    let mut tried = |attempt: &'static str, policy: &'static str, stopped_by: &[Measure], also| {
        let lines = if policy == READ_ONLY { "reads" } else { "writes" };
        all.push(Attempt::inside(
            format!("{attempt} in net that {lines} parameters"),
            stopped_by,
            move |w| w.inside("net", policy, attempt, also),
        ));
    };
    for policy in [READ_ONLY, POLICY] {
        // seccomp sees no path.
        tried("parameter-absolute", policy, &[Measure::Landlock], &[]);
        tried("parameter-up", policy, &[Measure::Landlock], &[]);
        tried("parameter-of-the-kernel-is-written", policy, &[], &[]);
        tried("parameter-created", policy, &[], &[]);
        tried("parameter-cut", policy, &[], &[]);
        tried("parameter-by-another-descriptor", policy, &[Measure::SeccompArguments], &[]);
        tried("parameters-listed", policy, &[], &[]);
        tried("pwrite64", policy, &[], &[]);
        tried("capset-dac-read-search", policy, &[], &[]);
        tried("open-hostname", policy, &[], &[]);
    }
    tried("parameter-for-both", POLICY, &[Measure::SeccompArguments], &[]);
    tried("parameter-is-written", READ_ONLY, &[], &[]);
    // What hides landlock here: neither the flags nor a capability.
    tried(
        "parameter-is-written",
        READ_ONLY,
        &[Measure::Landlock],
        &[Measure::SeccompArguments, Measure::Permitted],
    );
    tried("pwrite64-behind-the-beginning", POLICY, &[], &[]);
    all
}

#[test]
fn what_is_granted_works_while_the_rest_is_tried() {
    let Some(f) = support::fixtures() else { return };
    let w = World::strong(f);
    let mut port = serving(&w, POLICY);
    for (op, pairs) in [
        ("sysctl_get", vec![("name", binary(b"net.ipv4.tcp_wmem"))]),
        ("sysctl_set", vec![("name", binary(b"net.ipv4.ip_forward")), ("value", binary(b"0"))]),
        ("sysctl_set", vec![("name", binary(b"net.ipv4.conf.lo.rp_filter")), ("value", binary(b"1"))]),
    ] {
        let (tag, value) = ask(&mut port, 1, op, map(&pairs));
        assert_eq!(tag, "ok", "{op}: {value}");
    }
    let (tag, value) = ask(&mut port, 1, "sysctl_get", map(&[("name", binary(b"net.//.kernel.hostname"))]));
    assert_eq!((tag.as_str(), name(&support::elements(&value)[0])), ("error", "bad_request"));
}

/// Not one of them for each measure, as in `every_measure_is_missed_when_it_is_left_out`, but each for each that it names.
#[test]
fn each_measure_that_an_attempt_names_is_what_stops_it() {
    let Some(f) = support::fixtures() else { return };
    if !f.directory.join("weak").is_dir() {
        eprintln!("skipped: needs the builds of the attack suite; run sh scripts/test-all.sh");
        return;
    }
    let mut tried = 0;
    for attempt in attempts() {
        for measure in &attempt.stopped_by {
            let world = World::weakened(support::fixtures().unwrap(), *measure);
            let outcome = (attempt.run)(&world);
            assert!(
                matches!(outcome, Outcome::Through(_)),
                "{} without {}: {outcome:?}",
                attempt.name,
                measure.name()
            );
            tried += 1;
        }
    }
    assert!(tried >= 10, "{tried}");
}
