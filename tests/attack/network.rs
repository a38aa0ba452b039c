//! A port in a network of its own, a ruleset in it, and what becomes of both.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{self, Port, Term, atom, binary, int, list_of, map};
use crate::world::{Outcome, Started, World, ask, got, started};

/// A part of one table: a set, a chain, a counter. What stands beside them is somebody else's.
pub const PART: &str = "version = 1\n[nft]\nread = true\nconfirm = \"optional\"\nwrite = [\
    { family = \"inet\", table = \"part\", chains = [\"mine\"], sets = [\"own\"], objects = [\"n\"], ops = [\
      \"add_table\", \"add_chain\", \"add_rule\", \"add_element\", \"add_object\", \"del_chain\", \"del_element\", \"del_object\", \
      \"del_rule\", \"flush_chain\", \"flush_set\", \"rename_chain\", \"replace_rule\", \"reset_counter\"] },\
    { family = \"inet\", table = \"empty\", ops = [\"add_set\"], sets = [\"only\"] },\
    { family = \"inet\", table = \"grows\", ops = [\"add_element\"], sets = [\"s\"] }]\n";

/// Two whole tables, with or without confirmation.
pub const WHOLE: &str = "version = 1\n[nft]\nread = true\nconfirm = \"optional\"\nwrite = [\
    { family = \"inet\", table = \"t\", all = true }, { family = \"inet\", table = \"u\", all = true },\
    { family = \"inet\", table = \"portcullis\", all = true }]\n[limits]\nwrites_per_s = 1000\n";

pub const CONFIRMED: &str =
    "version = 1\n[nft]\nread = true\nwrite = [{ family = \"inet\", table = \"t\", all = true }]\n";
pub const NO_READING: &str = "version = 1\n[nft]\nconfirm = \"optional\"\nwrite = [\
    { family = \"inet\", table = \"part\", ops = [\"add_element\"], sets = [\"own\"] }]\n";
pub const NOTHING: &str = "version = 1\n[ping]\nallow = [\"127.0.0.1\"]\n";

/// What there is before an attempt.
pub const RULESET: &str = "
    table inet part {
        counter n { packets 1 bytes 10 }
        counter m { packets 2 bytes 20 }
        set own { type ipv4_addr; elements = { 10.0.0.1 } }
        set other { type ipv4_addr; elements = { 10.0.0.2 } }
        chain mine { ip saddr 10.9.9.9 counter comment \"my rule\"; }
        chain theirs { type filter hook input priority 0; policy drop; tcp dport 22 drop comment \"their rule\"; }
    }
    table inet whole {
        set own { type ipv4_addr; }
        chain mine { accept; }
    }
    table ip part {
        set own { type ipv4_addr; }
        chain mine { accept; }
    }
    table inet empty { }
    table inet grows {
        set s { type ipv4_addr; }
    }
";

/// The port in a network of its own.
pub fn serving(w: &World, policy: &str) -> Port {
    serving_after(w, policy, "")
}

/// The same after a line of the shell whose process it becomes.
pub fn serving_after(w: &World, policy: &str, line: &str) -> Port {
    let command = w.command(&w.start("net", policy));
    let mut c = Command::new("unshare");
    c.args(["--net", "sh", "-c", &format!("ip link set lo up; {line} exec \"$@\""), "sh"]);
    begun(c, &command)
}

/// Another one, in the network of the first.
pub fn beside(w: &World, first: &Port, policy: &str) -> Port {
    let mut c = Command::new("nsenter");
    c.args(["-t", &first.pid().to_string(), "--net"]);
    begun(c, &w.command(&w.start("net", policy)))
}

pub fn begun(mut c: Command, command: &Command) -> Port {
    c.arg(command.get_program()).args(command.get_args());
    c.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").current_dir("/");
    match started(c) {
        Started::Serving(port, _) => port,
        Started::Refused(why) | Started::Ended(why) => panic!("it does not serve: {why}"),
    }
}

/// nft as root, in the network of the port.
pub fn nft(port: &Port, script: &str) {
    let mut c = Command::new("nsenter");
    c.args(["-t", &port.pid().to_string(), "--net", "nft", "-f", "-"]).stdin(Stdio::piped());
    let mut child = c.spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{script}");
}

/// What nft prints, with handles.
pub fn printed(port: &Port) -> String {
    let mut c = Command::new("nsenter");
    c.args(["-t", &port.pid().to_string(), "--net", "nft", "-a", "list", "ruleset"]);
    String::from_utf8_lossy(&c.output().unwrap().stdout).into_owned()
}

/// The handle in the line that has this in it.
pub fn handle(port: &Port, needle: &str) -> u64 {
    let all = printed(port);
    let line = all.lines().find(|line| line.contains(needle)).unwrap_or_else(|| panic!("{needle}: {all}"));
    line.split("# handle ").nth(1).unwrap().trim().parse().unwrap()
}

pub fn term(value: &Value) -> Term {
    match value {
        Value::Null => atom("null"),
        Value::Bool(b) => atom(if *b { "true" } else { "false" }),
        Value::Number(n) => int(n.as_i64().unwrap()),
        Value::String(text) => binary(text.as_bytes()),
        Value::Array(all) => list_of(all.iter().map(term).collect()),
        Value::Object(pairs) => {
            let pairs: Vec<(&str, Term)> = pairs.iter().map(|(key, v)| (key.as_str(), term(v))).collect();
            map(&pairs)
        }
    }
}

/// The commands, as terms or as text.
pub fn apply(
    port: &mut Port,
    id: u32,
    commands: &Value,
    as_text: bool,
    more: &[(&str, Term)],
) -> (String, Term) {
    let what = match as_text {
        true => ("text", binary(commands.to_string().as_bytes())),
        false => ("commands", term(commands)),
    };
    let op = if as_text { "nft_json" } else { "nft_apply" };
    ask(port, id, op, map(&[&[what], more].concat()))
}

pub fn done(port: &mut Port, id: u32, commands: &Value, more: &[(&str, Term)]) -> support::Map {
    let (tag, value) = apply(port, id, commands, true, more);
    assert_eq!(tag, "ok", "{value}");
    support::Map::of(&value)
}

/// Handles stand as `"$words of the line"`.
pub fn with_handles(port: &Port, commands: &str) -> Value {
    let mut text = commands.to_owned();
    while let Some(start) = text.find("\"$") {
        let end = start + 2 + text[start + 2..].find('"').unwrap();
        let number = handle(port, &text[start + 2..end]);
        text.replace_range(start..=end, &number.to_string());
    }
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Nothing of the ruleset may be another afterwards, nor may the answer say so.
pub fn tried(w: &World, policy: &str, commands: &str, as_text: bool, more: &[(&str, Term)]) -> Outcome {
    let mut port = serving(w, policy);
    nft(&port, RULESET);
    let before = printed(&port);
    let commands = with_handles(&port, commands);
    let (tag, value) = apply(&mut port, 1, &commands, as_text, more);
    got(tag == "ok" || printed(&port) != before, format!("{tag} {value}"))
}
