//! Questions in words: what `policy explain` is asked, and what the record of a refusal holds. One reading for both, so
//! that a record can be asked again.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use crate::error::Denial;
use crate::file::action::OpenFile;
use crate::file::path::NormalPath;
use crate::icmp::action::Ping;
use crate::icmp::args::is_one_host;
use crate::meant::{hint, meant};
use crate::nft::action::{
    ChangeNft, FAMILIES, ReadNft, VERBS, is_name as is_nft_name, needs_chain, needs_object, needs_set,
};
use crate::nft::ban::{self, BanNft, Network};
use crate::op::Role;
use crate::policy::{Action, Allowed, Ground, Policy};
use crate::proc::action::{ReadProcesses, Tier};
use crate::proc::columns;
use crate::protocol::tables;
use crate::quote::shell;
use crate::sysctl::action::{ListSysctls, ReadSysctl, SetSysctl, is_name, is_value};
use crate::wire::atoms::Atom;

/// The questions, for whoever asked none of them.
pub const USAGE: &str = "\
processes [COLUMN...]    process [COLUMN...]
query TABLE [COLUMN...]  file_open PATH           ping ADDRESS
nft_list                 nft_apply VERB FAMILY TABLE [CHAIN, SET or OBJECT]
sysctl_get NAME          sysctl_set NAME VALUE
ban [ADDRESS]            unban [ADDRESS]          banned
sysctl_list
";

/// What a policy answers.
pub type Answer = Result<Ground, Denial>;

/// Asks the policy whether `op` with `args` would be allowed. `Err`: what is wrong with the question.
pub fn ask(policy: &Policy, op: &[u8], args: &[&[u8]]) -> Result<Answer, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let asked = about(policy, op, args, &text)?;
    // What is no question is told before what is denied.
    Ok(policy.admit(&text(op)).and(asked))
}

fn about(
    policy: &Policy,
    op: &[u8],
    args: &[&[u8]],
    text: &dyn Fn(&[u8]) -> String,
) -> Result<Answer, String> {
    match (op, args) {
        (b"processes" | b"process", columns) => processes(policy, columns),
        (b"query", [table, columns @ ..]) => query(policy, &text(table), columns),
        (b"file_open", [path]) => {
            let normal = NormalPath::parse(path).map_err(|_| {
                "the path must begin with / and have no empty name, no . and no .., and no / at its end"
                    .to_owned()
            })?;
            Ok(answer(policy, OpenFile { path: normal }))
        }
        (b"ping", [address]) => {
            let address = text(address).parse::<IpAddr>().ok().map(|a| a.to_canonical()).filter(is_one_host);
            let address = address.ok_or("ping takes the address of one host, such as 192.0.2.1")?;
            Ok(answer(policy, Ping { address }))
        }
        (b"ban" | b"unban", words) => {
            let (lifts, width) = (op == b"unban", banned_width(words)?);
            Ok(answer(policy, BanNft { width, lifts }))
        }
        (b"nft_list" | b"banned", []) => Ok(answer(policy, ReadNft)),
        (b"nft_apply", [verb, family, table, object @ ..]) if object.len() <= 1 => {
            let change = ChangeNft {
                verb: text(verb),
                family: text(family),
                table: text(table),
                object: object.first().map(|o| text(o)),
            };
            known(VERBS, &change.verb, "verb")?;
            known(FAMILIES, &change.family, "family")?;
            check_names(&change)?;
            Ok(answer(policy, change))
        }
        (b"sysctl_get", [name]) => Ok(answer(policy, ReadSysctl { name: parameter(name)? })),
        (b"sysctl_list", []) => Ok(answer(policy, ListSysctls)),
        (b"sysctl_set", [name, value]) => {
            let value = text(value);
            if !is_value(&value) {
                return Err("a value is one line of printable ASCII".into());
            }
            Ok(answer(policy, SetSysctl { name: parameter(name)?, value }))
        }
        _ => Err(no_question(op)),
    }
}

/// The questions, and how each is put.
const QUESTIONS: &[(&str, &str)] = &[
    ("processes", "processes [COLUMN...]"),
    ("process", "process [COLUMN...]"),
    ("query", "query TABLE [COLUMN...]"),
    ("file_open", "file_open PATH"),
    ("ping", "ping ADDRESS"),
    ("nft_list", "nft_list"),
    ("nft_apply", "nft_apply VERB FAMILY TABLE [CHAIN, SET or OBJECT]"),
    ("sysctl_get", "sysctl_get NAME"),
    ("sysctl_set", "sysctl_set NAME VALUE"),
    ("sysctl_list", "sysctl_list"),
    ("ban", "ban [ADDRESS]"),
    ("unban", "unban [ADDRESS]"),
    ("banned", "banned"),
];

/// What is called so elsewhere, and how the policy is asked for it.
const ELSEWHERE: &[(&str, &str)] = &[
    ("read_file", "a file is read by file_open: file_open PATH"),
    ("file_read", "a file is read by file_open: file_open PATH"),
    ("file_close", "whoever has opened a file may close it: file_open PATH"),
    ("sysctl", "a parameter is read by sysctl_get: sysctl_get NAME"),
    ("sysctls", "the parameters are listed by sysctl_list"),
    (
        "nft_check",
        "what is only checked takes the same lines: nft_apply VERB FAMILY TABLE [CHAIN, SET or OBJECT]",
    ),
    (
        "nft_json",
        "text takes the same lines as terms: nft_list, or nft_apply VERB FAMILY TABLE [CHAIN, SET or OBJECT]",
    ),
    (
        "nft_confirm",
        "whoever may make a change may confirm it: nft_apply VERB FAMILY TABLE [CHAIN, SET or OBJECT]",
    ),
    (
        "nft_rollback",
        "whoever may make a change may take it back: nft_apply VERB FAMILY TABLE [CHAIN, SET or OBJECT]",
    ),
    (
        "subscribe",
        "a subscription takes what the same question does: query TABLE [COLUMN...], processes, nft_list",
    ),
    ("fold", "a fold takes what the same question does: query TABLE [COLUMN...]"),
    ("top", "it asks several tables: processes, query process_rates, query cpus, query listening"),
    ("info", "it takes no line of the policy"),
    ("tables", "it takes no line of the policy"),
];

/// The keys of the file that a denial names, and how what each grants is asked for.
const KEYS: &[(&str, &str)] = &[
    ("proc.level", "process [COLUMN...]"),
    ("proc.environ", "process environ"),
    ("proc.disk_usage", "query disk_usage"),
    ("files.read", "file_open PATH"),
    ("ping.allow", "ping ADDRESS"),
    ("nft.read", "nft_list"),
    ("nft.write", "nft_apply VERB FAMILY TABLE [CHAIN, SET or OBJECT], or ban [ADDRESS]"),
    ("sysctl.read", "sysctl_get NAME"),
    ("sysctl.write", "sysctl_set NAME VALUE"),
];

/// What is wrong with a question that is none, and the one that was probably meant.
fn no_question(op: &[u8]) -> String {
    let name = String::from_utf8_lossy(op);
    let all = || format!("one of these can:\n{USAGE}");
    if op.is_empty() {
        return format!("nothing is asked; {}", all());
    }
    if let Some((_, form)) = QUESTIONS.iter().find(|(known, _)| *known == name) {
        return format!("it is asked so: {form}");
    }
    if let Some((_, instead)) = ELSEWHERE.iter().find(|(known, _)| *known == name) {
        return format!("{name} is not asked for by that name: {instead}");
    }
    if let Some((_, form)) = KEYS.iter().find(|(known, _)| *known == name) {
        return format!("{name} is a key of the policy; what it grants is asked so: {form}");
    }
    if tables::named(Role::Proc, &name).is_some() {
        return format!("{name} is a table: query {name}");
    }
    if columns::named(&name).is_some() {
        return format!("{name} is a column of processes: process {name}");
    }
    let known: Vec<&str> = QUESTIONS.iter().chain(ELSEWHERE).chain(KEYS).map(|(known, _)| *known).collect();
    let near = meant(&name, &known).map(|near| format!("did you mean {near}?"));
    let near =
        near.or_else(|| meant(&name, &table_names()).map(|near| format!("did you mean query {near}?")));
    let near = near.map_or_else(String::new, |near| format!(" ({near})"));
    format!("{} cannot be asked{near}, {}", shell(op), all())
}

fn table_names() -> Vec<&'static str> {
    tables::of(Role::Proc).map(|table| table.name().name()).collect()
}

fn answer<A: Action>(policy: &Policy, action: A) -> Answer {
    action.judge(policy).map(|Allowed { ground, .. }| ground).map_err(|denial| policy.explained(denial))
}

fn processes(policy: &Policy, names: &[&[u8]]) -> Result<Answer, String> {
    let mut tiers = vec![Tier::Stat];
    let names = names.iter().flat_map(|n| n.split(|b| *b == b',')).filter(|n| !n.is_empty());
    for name in names {
        let name = String::from_utf8_lossy(name);
        let column = columns::named(&name).ok_or_else(|| {
            let known: Vec<&str> = columns::COLUMNS.iter().map(|column| column.name.name()).collect();
            format!("there is no column {name:?}{}", hint(name.as_bytes(), &known))
        })?;
        tiers.push(column.tier);
    }
    Ok(answer(policy, ReadProcesses::new(tiers)))
}

/// All columns of a table, or those that are named.
fn query(policy: &Policy, table: &str, columns: &[&[u8]]) -> Result<Answer, String> {
    let table = tables::named(Role::Proc, table).ok_or_else(|| {
        let names = table_names();
        format!(
            "there is no table {table:?}{}; there are {}",
            hint(table.as_bytes(), &names),
            names.join(", ")
        )
    })?;
    let names: Vec<&[u8]> = columns.iter().flat_map(|n| n.split(|b| *b == b',')).collect();
    let mut known = Vec::new();
    table.each_column(&mut |name, _, _| known.push(name.name()));
    if let Some(name) = names.iter().find(|name| known.iter().all(|k| k.as_bytes() != **name)) {
        return Err(format!(
            "table {} has no column {:?}{}; it has {}",
            table.name().name(),
            String::from_utf8_lossy(name),
            hint(name, &known),
            known.join(", ")
        ));
    }
    let wants = |column: Atom| names.is_empty() || names.contains(&column.name().as_bytes());
    Ok(answer(policy, table.action(&wants)))
}

/// The width of the addresses that a ban is about: it names one of them, a network, or none; a record names the change.
fn banned_width(words: &[&[u8]]) -> Result<Option<u32>, String> {
    let change = |set: &[u8]| [32, 128].into_iter().find(|width| set == ban::set_name(*width).as_bytes());
    match words {
        [] => Ok(None),
        [one] => {
            let text = String::from_utf8_lossy(one);
            let (address, bits) = text.split_once('/').map_or((&*text, None), |(a, bits)| (a, Some(bits)));
            let network = address.parse::<IpAddr>().ok().and_then(|address| {
                let all = if address.is_ipv4() { 32 } else { 128 };
                Network::new(address, bits.map_or(Some(all), |bits| bits.parse().ok())?)
            });
            let network =
                network.ok_or("a ban is of an address or a network, such as 192.0.2.7 or 192.0.2.0/24")?;
            if network.is_this_host() {
                return Err("loopback and 0.0.0.0 are this host itself, and are never banned".to_owned());
            }
            Ok(Some(network.width()))
        }
        [_, b"inet", table, ..] if *table == ban::TABLE.as_bytes() => {
            Ok(words.get(3).and_then(|set| change(set)))
        }
        _ => Err("a ban is of one address or network: ban 192.0.2.7".to_owned()),
    }
}

/// A change names its table, and the chain, set or object that it is about, as a policy does.
fn check_names(change: &ChangeNft) -> Result<(), String> {
    let ChangeNft { verb, table, object, .. } = change;
    let needed = needs_chain(verb) || needs_set(verb) || needs_object(verb);
    if needed != object.is_some() {
        let word = if needed {
            "needs the name of a chain, set or object"
        } else {
            "works on the table and takes no other name"
        };
        return Err(format!("{verb} {word}"));
    }
    if !is_nft_name(table) || object.as_deref().is_some_and(|o| !is_nft_name(o)) {
        return Err("names have letters, digits and _-./ and begin with a letter".into());
    }
    Ok(())
}

fn known(words: &[&str], word: &str, what: &str) -> Result<(), String> {
    if words.contains(&word) {
        Ok(())
    } else {
        Err(format!("{what} is one of {}{}", words.join(", "), hint(word.as_bytes(), words)))
    }
}

fn parameter(name: &[u8]) -> Result<String, String> {
    let name = String::from_utf8_lossy(name).into_owned();
    if is_name(&name) {
        Ok(name)
    } else {
        Err("the parameter must lie below net., as net.ipv4.ip_forward, or net.ipv4.conf.eth0/100.rp_filter of eth0.100".into())
    }
}
