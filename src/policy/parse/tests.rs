//! Texts that are policies, and texts that are none, with the places of their mistakes.
#![forbid(unsafe_code)]

use super::*;
use crate::audit::log::Sink;
use crate::policy::peers::Others;
use crate::policy::rules::ProcLevel;

fn ok(text: &str) -> Rules {
    parse(text.as_bytes()).unwrap_or_else(|m| panic!("{text}\n{m:?}"))
}

/// The first mistake as `line:column message`.
fn wrong(text: &str) -> String {
    let mistakes = parse(text.as_bytes()).expect_err(text);
    let Mistake { line, column, message } = &mistakes[0];
    format!("{line}:{column} {message}")
}

#[test]
fn a_file_that_says_nothing_grants_nothing() {
    assert_eq!(ok("version = 1"), Rules::nothing());
    assert_eq!(
        ok("version = 1\n[proc]\n[files]\n[ping]\n[nft]\n[sysctl]\n[limits]\n[audit]\n"),
        Rules::nothing()
    );
    assert_eq!(Rules::nothing().proc.level, ProcLevel::None);
}

#[test]
fn every_key_is_read_with_its_line() {
    let rules = ok(r#"version = 1
[proc]
level = "full"
environ = ["LANG", "PATH"]
disk_usage = true
[files]
read = [
  { path = "/var/log/app", max_bytes = 10 },
  { path = "/etc/hostname", max_bytes = 0x10 },
]
[ping]
allow = ["10.0.0.0/8", "::1"]
[nft]
read = true
confirm = "optional"
write = [{ family = "inet", table = "fw", ops = ["add_element", "flush_table"], sets = ["banned"] }]
[sysctl]
read = ["net.ipv4.ip_forward"]
write = [{ name = "net.ipv4.ip_forward", values = ["0", "1"] }]
[limits]
requests_per_s = 1
writes_per_s = 2
deadline_ms = 3
frame_max = 4096
rows_max = 5
cell_max = 6
kept_descriptors = 65536
[audit]
syslog = "required"
kernel = true
"#);
    assert_eq!((rules.proc.level, rules.proc.level_line), (ProcLevel::Full, Some(Line(3))));
    assert_eq!(rules.proc.environ, ["LANG", "PATH"]);
    assert_eq!((rules.proc.disk_usage, rules.proc.disk_usage_line), (true, Some(Line(5))));
    assert_eq!((rules.files[1].max_bytes, rules.files[1].line), (16, Line(9)));
    assert_eq!((rules.ping[0].bits, rules.ping[1].bits, rules.ping[1].line), (8, 128, Line(12)));
    assert!(rules.nft.read && !rules.nft.confirm);
    assert_eq!((rules.nft.write[0].sets[0].as_str(), rules.nft.write[0].line), ("banned", Line(16)));
    assert_eq!((rules.sysctl.read[0].1, rules.sysctl.write[0].values.len()), (Line(18), 2));
    assert_eq!((rules.limits.requests_per_s, rules.limits.cell_max), (1, 6));
    assert_eq!(rules.limits.kept_descriptors, 65_536);
    assert_eq!((rules.audit.syslog, rules.audit.kernel), (Sink::Required, true));
}

#[test]
fn mistakes_have_a_place_and_say_what_would_be_right() {
    for (text, expected) in [
        (
            "version = 1\n[files]\nread = [{ path = \"/a\", max_bytes = 1 },\n{ path = \"/a\", max_bytes = 2 }]",
            "4:1 this path is listed in line 3 already",
        ),
        ("", "1:1 before the first [section] there must be: version = 1"),
        ("version = 2", "1:11 version must be 1"),
        ("version = 1\nproc = 3", "2:8 [proc] must be a table"),
        ("version = 1\n[porc]\nlevel = \"full\"", "2:2 the policy has no key \"porc\"; did you mean proc?"),
        ("version = 1\n[proc]\nlevle = \"full\"", "3:1 [proc] has no key \"levle\"; did you mean level?"),
        (
            "version = 1\n[proc]\nlevel = \"root\"",
            "3:9 level cannot be \"root\"; it can be none, public, basic, full",
        ),
        (
            "version = 1\n[proc]\nrank = 1",
            "3:1 [proc] has no key \"rank\"; it can have level, environ, disk_usage",
        ),
        ("version = 1\n[proc]\nenviron = [\"PATH\"]", "3:11 environ has no effect below level"),
        ("version = 1\n[proc]\ndisk_usage = true", "3:14 disk_usage has no effect below level"),
        ("version = 1\n[proc]\nlevel = \"public\"\ndisk_usage = 1", "4:14 disk_usage must be true or false"),
        (
            "version = 1\n[proc]\nlevel = \"basic\"\nenviron = [\"*\"]",
            "4:12 environ: \"*\" is not the name of a variable",
        ),
        (
            "version = 1\n[files]\nread = [{ path = \"/var/../etc\", max_bytes = 1 }]",
            "3:18 path must begin with /",
        ),
        (
            "version = 1\n[files]\nread = [\"/var/log\"]",
            "3:9 an entry of read must be { path = \"/a/folder\", max_bytes = 1048576 }",
        ),
        (
            "version = 1\n[files]\nread = [{ path = \"/var/log/*.log\", max_bytes = 1 }]",
            "3:18 path is taken as it stands",
        ),
        ("version = 1\n[ping]\nallow = []\nallow = []", "4:1 duplicate key: a section and a key stand once"),
        ("version = 1\n[files]\nread = [{ path = \"/\", max_bytes = 1 }]", "3:18 path must begin with /"),
        (
            "version = 1\n[files]\nread = [{ path = \"/proc/1\", max_bytes = 1 }]",
            "3:18 \"/proc/1\" cannot be listed",
        ),
        ("version = 1\n[files]\nread = [{ path = \"/etc/motd\" }]", "3:9 this entry needs max_bytes"),
        (
            "version = 1\n[ping]\nallow = [\"10.0.0.1/8\"]",
            "3:10 \"10.0.0.1/8\" has bits behind its prefix; did you mean 10.0.0.0/8?",
        ),
        ("version = 1\n[ping]\nallow = [\"localhost\"]", "3:10 \"localhost\" is no address"),
        ("version = 1\n[ping]\nallow = [\"::/129\"]", "3:10 \"::/129\" is no address"),
        (
            "version = 1\n[sysctl]\nread = [\"kernel.core_pattern\"]",
            "3:9 \"kernel.core_pattern\" is not a parameter below net.",
        ),
        (
            "version = 1\n[nft]\nwrite = [{ family = \"inet\", table = \"t\", ops = [\"add_rule\"] }]",
            "3:10 this entry needs chains",
        ),
        ("version = 1\n[limits]\nrequests_per_s = 0", "3:18 requests_per_s must be a number from 1 to"),
        ("version = 1\n[limits]\ndeadline_ms = -5", "3:15 deadline_ms must be a number from 1 to"),
        ("version = 1\n[uid.1000]\nlevel = 1", "2:2 uid: users as principals are reserved"),
        ("version = 1\n[audit]\nkernel = \"yes\"", "3:10 kernel must be true or false"),
    ] {
        let found = wrong(text);
        assert!(found.starts_with(expected), "{text}\n  expected {expected}\n  found    {found}");
    }
}

#[test]
fn what_is_no_toml_has_a_place_too() {
    assert!(wrong("version = 1\n[proc\n").starts_with("2:"), "{}", wrong("version = 1\n[proc\n"));
    assert!(wrong("version = 1\nversion = 1\n").starts_with("2:1"));
    assert_eq!(parse(b"version = 1\n# \xff").unwrap_err()[0].line, 2);
    assert!(parse(&b"[".repeat(60_000)).is_err());
    let nested = format!("version = {}", "[".repeat(60_000));
    assert!(parse(nested.as_bytes()).is_err());
}

#[test]
fn a_message_carries_nothing_that_a_terminal_would_act_on() {
    let message = wrong("version = 1\n[proc]\nlevel = \"\\u001b[2J\\n\"");
    assert!(message.chars().all(|c| !c.is_control()), "{message:?}");
}

#[test]
fn sections_of_nodes_are_as_strict_as_the_others() {
    let head = "version = 1\n";
    let rules = ok(&format!(
        "{head}[peers]\ndefault = \"all\"\n[peer.\"a@h\"]\noperations = [\"ping\"]\ntables = [\"load\"]\nlevel = \"basic\"\nrows_max = 7\n\
         [peer_group.web]\nnodes = [\"b@h\", \"a@h\"]\nwrites_per_s = 1\ndeadline_ms = 2\nrequests_per_s = 3\n"
    ));
    assert_eq!((rules.peers.others, rules.peers.others_line), (Others::All, Some(Line(3))));
    let [own, group] = rules.peers.sections.as_slice() else { panic!("{:?}", rules.peers) };
    assert_eq!((own.name.as_str(), own.limits.rows_max), ("peer.\"a@h\"", Some(7)));
    assert_eq!(own.operations, Some((["ping".to_owned()].into(), Line(5))));
    assert_eq!(own.level, Some((ProcLevel::Basic, Line(7))));
    assert_eq!(
        (group.name.as_str(), group.nodes.len(), group.limits.requests_per_s),
        ("peer_group.web", 2, Some(3))
    );
    for (text, expected) in [
        ("[peers]\ndefault = \"allow\"", "3:11 default cannot be \"allow\"; it can be deny, all"),
        ("[peers]\ndefalt = \"deny\"", "3:1 [peers] has no key \"defalt\"; did you mean default?"),
        ("[peer.app]", "2:7 peer: \"app\" is not the name of a node; in quotes: [peer.\"app@host\"]"),
        ("[peer.\"a@h\"]\noperations = [\"pnig\"]", "3:15 operations has no \"pnig\"; did you mean ping?"),
        (
            "[peer.\"a@h\"]\noperations = [\"reboot\"]",
            "3:15 operations has no \"reboot\"; there are ban, banned, ",
        ),
        ("[peer.\"a@h\"]\ntables = [\"laod\"]", "3:11 tables has no \"laod\"; did you mean load?"),
        ("[peer.\"a@h\"]\noperations = [\"ping\", \"ping\"]", "3:23 operations has \"ping\" twice"),
        ("[peer.\"a@h\"]\nlevl = \"basic\"", "3:1 peer.\"a@h\" has no key \"levl\"; did you mean level?"),
        ("[peer.\"a@h\"]\nrows_max = 0", "3:12 rows_max must be a number from 1"),
        ("[peer.\"a@h\"]\nnodes = [\"b@h\"]", "3:9 peer.\"a@h\" is about that node alone"),
        ("[peer_group.web]\n", "2:1 peer_group.web needs nodes"),
        (
            "[peer_group.web]\nnodes = [\"*@h\"]",
            "3:10 peer_group.web.nodes: \"*@h\" is not the name of a node",
        ),
        ("[peer_group.\"a b\"]\n", "2:13 peer_group: \"a b\" is no name of letters"),
        (
            "[node.\"a@h\"]",
            "2:2 node: what nodes of Erlang distribution may do stands under [peer.\"app@host\"]",
        ),
    ] {
        let found = wrong(&format!("{head}{text}"));
        assert!(found.starts_with(expected), "{text}\n  expected {expected}\n  found    {found}");
    }
}
