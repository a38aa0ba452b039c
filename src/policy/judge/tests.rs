//! What the rules say, asked in every way.
#![forbid(unsafe_code)]

use super::*;
use crate::file::path::NormalPath;
use crate::nft::model::{
    Command, Dynset, DynsetOp, Expr, Family, Flush, Place, Rule, Statement, TableRef, Target, Text,
};
use crate::op::Role;
use crate::policy::authorize;
use crate::policy::parse::parse;

const HELD: &[Capability] = Capability::ALL;

fn policy(text: &str) -> Policy {
    Policy::of(parse(format!("version = 1\n{text}").as_bytes()).unwrap(), "test".into())
}

fn read(tiers: &[Tier]) -> ReadProcesses {
    ReadProcesses::new(tiers.iter().copied())
}

fn open(path: &str) -> OpenFile {
    OpenFile { path: NormalPath::parse(path.as_bytes()).unwrap() }
}

/// The rule that denies it, and the line that would not.
fn denied<A: Action>(policy: &Policy, action: A) -> (&'static str, String) {
    match authorize(policy, Capabilities::of(HELD), action) {
        Ok(_) => panic!("allowed"),
        Err(denial) => {
            (denial.rule, denial.grant.map(|(section, line)| format!("{section} {line}")).unwrap_or_default())
        }
    }
}

fn allowed<A: Action>(policy: &Policy, action: A) -> Permit<A::Granted> {
    authorize(policy, Capabilities::of(HELD), action).unwrap()
}

use crate::policy::permit::Permit;

#[test]
fn without_a_file_what_everyone_sees_is_answered_and_nothing_else() {
    let policy = Policy::without_a_file();
    for tier in Tier::ALL {
        let free = tier.capabilities().is_empty();
        assert_eq!(authorize(&policy, Capabilities::of(HELD), read(&[*tier])).is_ok(), free, "{tier:?}");
    }
    assert_eq!(denied(&policy, read(&[Tier::Exe])), ("proc.level", "[proc] level = \"basic\"".into()));
    assert_eq!(denied(&policy, open("/etc/hostname")).0, "files.read");
    assert_eq!(denied(&policy, Ping { address: "127.0.0.1".parse().unwrap() }).0, "ping.allow");
    assert_eq!(denied(&policy, ReadNft).0, "nft.read");
    for role in Role::ALL {
        assert!(policy.capabilities(*role).is_empty());
    }
}

/// On a host that hides processes the tables of them take what the table of processes takes, where the level gives it, and no more.
#[test]
fn what_hides_processes_is_lifted_from_level_basic_on() {
    let threads = |hidden| ReadTable::new(crate::wire::atoms::THREADS, &[]).on_hidden_proc(hidden);
    let ptrace = Capabilities::of(&[Capability::SysPtrace]);
    for (level, expected) in [("public", Capabilities::NONE), ("basic", ptrace), ("full", ptrace)] {
        let policy = policy(&format!("[proc]\nlevel = \"{level}\"\n"));
        assert_eq!(allowed(&policy, threads(true)).capabilities(), expected, "{level}");
        assert_eq!(allowed(&policy, threads(false)).capabilities(), Capabilities::NONE, "{level}");
        let processes = read(&[Tier::Stat]).on_hidden_proc(true);
        assert_eq!(allowed(&policy, processes).capabilities(), expected, "{level}");
    }
}

#[test]
fn a_file_that_says_nothing_denies_processes_too() {
    assert_eq!(denied(&policy(""), read(&[Tier::Stat])), ("proc.level", "[proc] level = \"public\"".into()));
}

#[test]
fn levels_grant_what_they_say_and_keep_the_capabilities_for_it() {
    let kept = |text| policy(text).capabilities(Role::Proc);
    assert_eq!(kept("[proc]\nlevel = \"public\""), Capabilities::NONE);
    assert_eq!(kept("[proc]\nlevel = \"basic\""), Capabilities::of(&[Capability::SysPtrace]));
    let both = Capabilities::of(&[Capability::SysPtrace, Capability::DacReadSearch]);
    assert_eq!(kept("[proc]\nlevel = \"full\""), both);
    assert_eq!(
        kept("[files]\nread = [{path = \"/a\", max_bytes = 1}]"),
        Capabilities::of(&[Capability::DacReadSearch])
    );
    assert_eq!(kept("[ping]\nallow = [\"::1\"]\n[nft]\nread = true"), Capabilities::NONE);
    assert_eq!(kept("[audit]\nkernel = true"), Capabilities::of(&[Capability::AuditWrite]));
    assert!(policy("[proc]\nlevel = \"full\"").capabilities(Role::Net).is_empty());
}

#[test]
fn environments_take_a_line_of_their_own_at_every_level() {
    for level in ["basic", "full"] {
        let rule = denied(&policy(&format!("[proc]\nlevel = \"{level}\"")), read(&[Tier::Environ]));
        assert_eq!(rule, ("proc.environ", "[proc] environ = [\"NAME\"]".into()));
    }
    let named = policy("[proc]\nlevel = \"full\"\nenviron = [\"LANG\"]");
    let permit = allowed(&named, read(&[Tier::Environ]));
    assert_eq!(*permit.action().shown(), [b"LANG".to_vec()]);
    assert!(allowed(&named, read(&[Tier::Stat])).action().shown().is_empty());
}

#[test]
fn file_systems_are_asked_only_where_a_line_says_so_and_never_with_a_capability() {
    let ask = || ReadTable::new(atoms::DISK_USAGE, &[]);
    assert_eq!(denied(&policy(""), ask()).0, "proc.level");
    for level in ["public", "full"] {
        let level = format!("[proc]\nlevel = \"{level}\"");
        assert!(!policy(&level).disk_usage());
        assert_eq!(denied(&policy(&level), ask()), ("proc.disk_usage", "[proc] disk_usage = true".into()));
        let granted = policy(&format!("{level}\ndisk_usage = true"));
        assert!(granted.disk_usage());
        assert!(allowed(&granted, ask()).capabilities().is_empty());
    }
    assert!(!Policy::without_a_file().disk_usage());
}

#[test]
fn a_permit_never_carries_a_capability_that_is_not_held() {
    let full = policy("[proc]\nlevel = \"full\"");
    let permit = authorize(&full, Capabilities::NONE, read(&[Tier::Io])).unwrap();
    assert!(permit.capabilities().is_empty());
}

#[test]
fn a_listed_directory_covers_what_is_below_it_and_the_longest_entry_decides() {
    let files = policy(
        "[files]\nread = [{path = \"/var/log\", max_bytes = 5}, {path = \"/var/log/app\", max_bytes = 7}]",
    );
    let bytes = |path| allowed(&files, open(path)).action().max_bytes;
    assert_eq!((bytes("/var/log/syslog"), bytes("/var/log/app/x/y"), bytes("/var/log/app")), (5, 7, 7));
    for path in ["/var/logs", "/var/log-old/x", "/var", "/etc/shadow", "/var/lo"] {
        assert_eq!(denied(&files, open(path)).0, "files.read", "{path}");
    }
}

#[test]
fn the_line_for_a_path_names_that_path_and_nothing_more() {
    let (_, line) = denied(&policy(""), open("/a\"}]\nlevel=\"full"));
    assert_eq!(line, "[files] read = [{ path = \"/a\\\"}]\\u000Alevel=\\\"full\", max_bytes = 1048576 }]");
}

#[test]
fn pings_go_to_the_networks_that_are_named() {
    let pings = policy("[ping]\nallow = [\"10.0.0.0/8\", \"::1\"]");
    let ping = |text: &str| Ping { address: text.parse().unwrap() };
    let _ = (allowed(&pings, ping("10.1.2.3")), allowed(&pings, ping("::1")));
    assert_eq!(denied(&pings, ping("192.0.2.1")), ("ping.allow", "[ping] allow = [\"192.0.2.1\"]".into()));
    assert_eq!(denied(&pings, ping("::2")).0, "ping.allow");
}

#[test]
fn a_change_of_the_firewall_needs_its_verb_its_table_and_its_object() {
    let nft = policy(
        "[nft]\nwrite = [{family = \"inet\", table = \"fw\", ops = [\"add_element\", \"flush_table\", \"add_rule\"], \
         sets = [\"banned\"], chains = [\"in\"]}]",
    );
    let change = |verb: &str, family: &str, table: &str, object: Option<&str>| ChangeNft {
        verb: verb.into(),
        family: family.into(),
        table: table.into(),
        object: object.map(Into::into),
    };
    let _ = allowed(&nft, change("add_element", "inet", "fw", Some("banned")));
    let _ = allowed(&nft, change("add_rule", "inet", "fw", Some("in")));
    let _ = allowed(&nft, change("flush_table", "inet", "fw", None));
    for (verb, family, table, object) in [
        ("del_element", "inet", "fw", Some("banned")),
        ("add_element", "ip", "fw", Some("banned")),
        ("add_element", "inet", "fw2", Some("banned")),
        ("add_element", "inet", "fw", Some("in")),
        ("add_element", "inet", "fw", None),
        ("add_rule", "inet", "fw", Some("banned")),
        ("flush_table", "inet", "fw", Some("banned")),
        ("del_table", "inet", "fw", None),
    ] {
        let (rule, line) = denied(&nft, change(verb, family, table, object));
        assert_eq!(rule, "nft.write", "{verb} {line}");
    }
    let (_, line) = denied(&nft, change("add_set", "ip", "t", Some("s")));
    assert_eq!(
        line,
        "[nft] write = [{ family = \"ip\", table = \"t\", ops = [\"add_set\"], sets = [\"s\"] }]"
    );
}

fn apply(commands: Vec<Command<'static>>, confirmed: bool) -> ApplyNft<'static> {
    ApplyNft::new(commands, confirmed)
}

fn table(name: &'static str) -> TableRef {
    TableRef { family: Family::Inet, name: Text::Borrowed(name.as_bytes()) }
}

#[test]
fn every_command_of_a_change_is_judged_and_so_are_the_sets_that_a_rule_fills() {
    let text = "write = [{ family = \"inet\", table = \"fw\", ops = [\"add_rule\"], chains = [\"in\"] }]";
    let nft = policy(&format!("[nft]\nconfirm = \"optional\"\n{text}"));
    let rule = |statements| {
        let rule = Rule {
            table: table("fw"),
            chain: Text::Borrowed(b"in"),
            handle: None,
            statements,
            comment: None,
        };
        Command::Append(rule, Place::Edge)
    };
    let _ = allowed(&nft, apply(vec![rule(vec![]), rule(vec![])], false));
    let second = Command::Delete(Target::Table(table("fw")));
    let (_, line) = denied(&nft, apply(vec![rule(vec![]), second], false));
    assert!(line.contains("del_table"), "{line}");
    let fills = Statement::Dynset(Box::new(Dynset {
        op: DynsetOp::Add,
        elem: Expr::Text(Text::Borrowed(b"10.0.0.1")),
        data: None,
        set: Text::Borrowed(b"banned"),
        statements: vec![],
    }));
    let (_, line) = denied(&nft, apply(vec![rule(vec![fills])], false));
    assert!(line.contains("add_element") && line.contains("banned"), "{line}");
    assert_eq!(denied(&nft, apply(vec![Command::Flush(Flush::Ruleset(None))], true)).0, "nft.write");
}

fn changes(list: &[(&str, &str, Option<&str>)]) -> Vec<ChangeNft> {
    let change = |(verb, table, object): &(&str, &str, Option<&str>)| ChangeNft {
        verb: (*verb).into(),
        family: "inet".into(),
        table: (*table).into(),
        object: object.map(Into::into),
    };
    list.iter().map(change).collect()
}

/// The line grants all of the transaction and nothing that it did not ask for.
#[test]
fn one_line_grants_what_a_transaction_lacks_and_no_more() {
    let wanted = changes(&[
        ("add_table", "fw", None),
        ("add_chain", "fw", Some("in")),
        ("add_rule", "fw", Some("in")),
        ("add_chain", "fw", Some("out")),
        ("add_set", "fw", Some("s")),
        ("add_table", "other", None),
    ]);
    let all: Vec<&ChangeNft> = wanted.iter().collect();
    let line = format!("[nft]\nwrite = [{}]", firewall::entries(&all).unwrap());
    assert_eq!(
        line,
        "[nft]\nwrite = [{ family = \"inet\", table = \"fw\", ops = [\"add_table\", \"add_chain\", \"add_rule\", \"add_set\"], \
         chains = [\"in\"], sets = [\"s\"] }, { family = \"inet\", table = \"fw\", ops = [\"add_chain\"], chains = [\"out\"] }, \
         { family = \"inet\", table = \"other\", ops = [\"add_table\"] }]"
    );
    let granted = policy(&line);
    for change in wanted.clone() {
        let _ = allowed(&granted, change);
    }
    for change in changes(&[
        ("add_rule", "fw", Some("out")),
        ("add_rule", "fw", Some("s")),
        ("add_set", "fw", Some("in")),
        ("add_chain", "other", Some("in")),
        ("del_table", "fw", None),
    ]) {
        assert_eq!(denied(&granted, change).0, "nft.write");
    }
}

#[test]
fn a_transaction_is_told_all_that_it_lacks_and_not_what_it_has() {
    let nft = policy(
        "[nft]\nconfirm = \"optional\"\nwrite = [{ family = \"inet\", table = \"fw\", ops = [\"del_table\"] }]",
    );
    let delete = |table_name, chain: &'static str| {
        Command::Delete(Target::Chain(table(table_name), Text::Borrowed(chain.as_bytes())))
    };
    let gone = || Command::Delete(Target::Table(table("fw")));
    let (_, line) = denied(&nft, apply(vec![delete("fw", "a"), gone(), delete("fw", "b")], false));
    assert_eq!(
        line,
        "[nft] write = [{ family = \"inet\", table = \"fw\", ops = [\"del_chain\"], chains = [\"a\", \"b\"] }]"
    );
    // As many as a person reads; and it says that there are more.
    let names: Vec<String> = (0..40).map(|n| format!("c{n}")).collect();
    let many = names
        .iter()
        .map(|name| Command::Delete(Target::Chain(table("fw"), Text::Owned(name.as_bytes().to_vec()))));
    let Err(denial) = authorize(&nft, Capabilities::NONE, apply(many.collect(), false)) else {
        panic!("allowed")
    };
    assert!(denial.hint.contains("40 changes") && denial.hint.contains("first 32 of"), "{}", denial.hint);
    let (_, line) = denial.grant.unwrap();
    assert!(line.contains("\"c31\"") && !line.contains("\"c32\""), "{line}");
    assert!(denial.hint.ends_with(&format!("; under [nft] this would: {line}")));
}

/// What the first ban makes is told with what each takes, in the order in which it is made; and with that line nothing is lacking.
#[test]
fn a_ban_is_told_all_that_it_takes() {
    let ban = |width, lifts| BanNft { width, lifts };
    let whole = "[nft] write = [{ family = \"inet\", table = \"portcullis\", ops = [\"add_table\", \"add_chain\", \"add_rule\", \
        \"add_set\", \"add_element\"], chains = [\"banned\"], sets = [\"banned4\", \"banned6\"] }]";
    assert_eq!(denied(&policy(""), ban(Some(32), false)).1, whole);
    let granted = policy(&whole.replacen(' ', "\n", 1));
    for width in [None, Some(32), Some(128)] {
        let _ = allowed(&granted, ban(width, false));
    }
    let note = |policy: &Policy| ban(Some(32), false).judge(policy).unwrap().ground.note;
    assert_eq!(note(&granted), None);
    let (_, line) = denied(&granted, ban(Some(32), true));
    assert!(line.contains("ops = [\"del_element\"], sets = [\"banned4\", \"banned6\"]"), "{line}");
    // Where the table is there already, that alone is enough; where it is not, it must not be believed.
    let later = "[nft]\nwrite = [{ family = \"inet\", table = \"portcullis\", ops = [\"add_element\"], sets = [\"banned4\"] }]";
    assert!(note(&policy(later)).is_some_and(|note| note.contains("the first ban makes it")));
    let Err(denial) = authorize(&policy(later), Capabilities::NONE, ban(Some(128), false)) else {
        panic!("allowed")
    };
    assert!(denial.hint.contains("a ban, the first of which makes its table too"), "{}", denial.hint);
}

/// A line that the policy itself would refuse helps nobody.
#[test]
fn what_no_list_can_name_takes_the_whole_table_or_has_no_line() {
    let of = |list: &[(&str, &str, Option<&str>)]| {
        let list = changes(list);
        firewall::entries(&list.iter().collect::<Vec<_>>())
    };
    let odd = of(&[("del_chain", "fw", Some("handle 7")), ("add_rule", "fw", Some("in"))]).unwrap();
    assert_eq!(odd, "{ family = \"inet\", table = \"fw\", all = true }");
    let _ = policy(&format!("[nft]\nwrite = [{odd}]"));
    assert_eq!(of(&[("del_table", "*", None)]), None);
    assert_eq!(denied(&policy(""), apply(vec![Command::Flush(Flush::Ruleset(None))], true)).1, "");
}

/// Nobody looks for a mistake in a file that is not there.
#[test]
fn a_denial_says_that_there_is_no_policy_and_what_puts_one_there() {
    let hint = |policy: &Policy| {
        let ping = Ping { address: "127.0.0.1".parse().unwrap() };
        let Err(denial) = authorize(policy, Capabilities::NONE, ping) else { panic!("allowed") };
        denial.hint
    };
    let missing = hint(&Policy::without_a_file());
    assert!(missing.starts_with("there is no /etc/portcullis/policy.toml"), "{missing}");
    assert!(
        missing.contains("sudo install -D -m 0644 priv/policy.toml /etc/portcullis/policy.toml"),
        "{missing}"
    );
    assert!(missing.ends_with("; in it, under [ping] this would: allow = [\"127.0.0.1\"]"), "{missing}");
    assert!(!hint(&policy("")).contains("there is no"));
    let Err(denial) = authorize(&Policy::without_a_file(), Capabilities::NONE, ListSysctls) else {
        panic!("allowed")
    };
    assert!(denial.hint.starts_with("there is no /etc/portcullis/policy.toml"), "{}", denial.hint);
    let limit = Policy::without_a_file().limit_denial("limits.requests_per_s", "requests_per_s = 1".into());
    assert!(limit.hint.starts_with("there is no "), "{}", limit.hint);
}

#[test]
fn all_of_a_table_is_that_table_and_no_other() {
    let nft =
        policy("[nft]\nconfirm = \"optional\"\nwrite = [{ family = \"inet\", table = \"app\", all = true }]");
    let _ = allowed(&nft, apply(vec![Command::Delete(Target::Table(table("app")))], false));
    let chain = Target::Chain(table("app"), Text::Borrowed(b"\xff odd"));
    let _ = allowed(&nft, apply(vec![Command::Delete(chain)], false));
    assert_eq!(
        denied(&nft, apply(vec![Command::Delete(Target::Table(table("app2")))], false)).0,
        "nft.write"
    );
    let other = TableRef { family: Family::Ip, ..table("app") };
    assert_eq!(denied(&nft, apply(vec![Command::Delete(Target::Table(other))], false)).0, "nft.write");
}

#[test]
fn a_policy_can_demand_that_a_change_is_confirmed() {
    let nft = policy("[nft]\nwrite = [{ family = \"inet\", table = \"app\", all = true }]");
    let delete = || vec![Command::Delete(Target::Table(table("app")))];
    let _ = allowed(&nft, apply(delete(), true));
    let Err(denial) = authorize(&nft, Capabilities::NONE, apply(delete(), false)) else { panic!("allowed") };
    assert_eq!(denial.rule, "nft.confirm");
    assert!(denial.hint.contains("nft_confirm") && denial.hint.contains("optional"), "{}", denial.hint);
}

#[test]
fn a_parameter_takes_the_values_that_are_named() {
    let sysctl = policy("[sysctl]\nread = [\"net.a.b\"]\nwrite = [{name = \"net.a.c\", values = [\"0\"]}]");
    let get = |name: &str| ReadSysctl { name: name.into() };
    let set = |name: &str, value: &str| SetSysctl { name: name.into(), value: value.into() };
    let _ = (
        allowed(&sysctl, get("net.a.b")),
        allowed(&sysctl, get("net.a.c")),
        allowed(&sysctl, set("net.a.c", "0")),
    );
    assert_eq!(denied(&sysctl, get("net.a.d")).0, "sysctl.read");
    assert_eq!(denied(&sysctl, set("net.a.b", "0")).0, "sysctl.write");
    assert_eq!(
        denied(&sysctl, set("net.a.c", "1")).1,
        "[sysctl] write = [{ name = \"net.a.c\", values = [\"1\"] }]"
    );
}

#[test]
fn what_can_be_read_is_listed_once_and_in_order() {
    let names = |text: &str| allowed(&policy(text), ListSysctls).action().names.to_vec();
    let text = "[sysctl]\nread = [\"net.b\", \"net.a\", \"net.b\"]\n\
                write = [{name = \"net.c\", values = [\"0\"]}, {name = \"net.a\", values = [\"1\"]}]";
    assert_eq!(names(text), ["net.a", "net.b", "net.c"]);
    assert_eq!(names("[sysctl]\nwrite = [{name = \"net.c\", values = [\"0\"]}]"), ["net.c"]);
    // Which parameter, no line could say.
    assert_eq!(denied(&policy("[ping]\nallow = [\"::1\"]"), ListSysctls), ("sysctl.read", String::new()));
}

/// For the firewall to be read too: its socket asks for it with each message.
#[test]
fn role_net_keeps_net_admin_for_the_firewall_and_for_changes_only() {
    let keeps = |text: &str| {
        let policy = policy(text);
        assert!(!policy.capabilities(Role::Proc).has(Capability::NetAdmin), "{text}");
        policy.capabilities(Role::Net).has(Capability::NetAdmin)
    };
    for text in [
        "",
        "[proc]\nlevel = \"full\"\n[ping]\nallow = [\"::1\"]",
        "[nft]\nread = false",
        "[sysctl]\nread = [\"net.a\"]",
        "[sysctl]\nwrite = []",
    ] {
        assert!(!keeps(text), "{text}");
    }
    for text in [
        "[nft]\nread = true",
        "[nft]\nwrite = [{family = \"ip\", table = \"t\", ops = [\"add_set\"], sets = [\"s\"]}]",
        "[sysctl]\nwrite = [{name = \"net.a\", values = [\"0\"]}]",
    ] {
        assert!(keeps(text), "{text}");
    }
}

/// Every line that a denial names, put into a policy, allows what was denied.
#[test]
fn the_line_that_a_denial_names_is_the_line_that_helps() {
    let helps = |denial: Denial, again: &dyn Fn(&Policy) -> bool| {
        let (section, line) = denial.grant.unwrap();
        let level = if section == "[proc]" && !line.starts_with("level") { "level = \"full\"\n" } else { "" };
        let better = policy(&format!("{section}\n{level}{line}"));
        assert!(again(&better), "{section} {line}");
    };
    let none = policy("");
    macro_rules! each {
        ($($action:expr),+ $(,)?) => {
            $({
                let ask = |policy: &Policy| authorize(policy, Capabilities::of(HELD), $action);
                helps(ask(&none).map(|_| ()).unwrap_err(), &|policy| ask(policy).is_ok());
            })+
        };
    }
    each!(
        read(&[Tier::Stat]),
        read(&[Tier::Exe]),
        open("/var/log/\"x\\y"),
        Ping { address: "192.0.2.1".parse().unwrap() },
        Ping { address: "2001:db8::1".parse().unwrap() },
        ReadNft,
        ChangeNft {
            verb: "add_rule".into(),
            family: "ip".into(),
            table: "t".into(),
            object: Some("c".into())
        },
        ChangeNft { verb: "flush_table".into(), family: "ip".into(), table: "t".into(), object: None },
        ReadSysctl { name: "net.a".into() },
        SetSysctl { name: "net.a".into(), value: "1 2".into() },
    );
}
