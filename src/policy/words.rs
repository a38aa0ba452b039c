//! A policy in words, for the person who has to answer for it.
#![forbid(unsafe_code)]

use std::fmt::Write;

use crate::audit::log::Sink;
use crate::capability::Capability;
use crate::limits::PROC_FRAME_MAX;
use crate::op::Role;
use crate::policy::Policy;
use crate::policy::peers::{Narrow, Others, Peers, Section};
use crate::policy::rules::{Line, ProcLevel, Rules};
use crate::quote::toml_text;

/// The whole of it: what each section grants, with its lines, and what follows for the capabilities.
#[must_use]
pub fn describe(policy: &Policy) -> String {
    let rules = policy.rules();
    let mut text = String::new();
    let mut say = |what: &str, line: Option<Line>, sentence: &str| {
        let place = line.map_or(String::new(), |Line(n)| format!("line {n}"));
        // Writing to a String does not fail.
        let _ = writeln!(text, "{what:<10} {place:<9} {sentence}");
    };
    processes(rules, &mut say);
    files(rules, &mut say);
    network(rules, &mut say);
    socket(rules, &mut say);
    limits(rules, &mut say);
    audit(rules, &mut say);
    peers(rules, &mut say);
    for role in Role::ALL {
        let kept: Vec<&str> =
            policy.capabilities(*role).among(role.capabilities()).map(Capability::long_name).collect();
        let kept = if kept.is_empty() { "no capability".to_owned() } else { kept.join(", ") };
        say("keeps", None, &format!("portcullis-{} holds {kept} while it serves", role.name()));
    }
    text
}

type Say<'s> = dyn FnMut(&str, Option<Line>, &str) + 's;

fn processes(rules: &Rules, say: &mut Say<'_>) {
    let sentence = match rules.proc.level {
        ProcLevel::None => "no process data at all",
        ProcLevel::Public => "what every user of the host sees: names, arguments, owners, memory, times",
        ProcLevel::Basic => {
            "what every user sees, and program, directory and root of every process, and hidepid mounts"
        }
        ProcLevel::Full => "everything that the kernel shows of every process, I/O counters too",
    };
    say("processes", rules.proc.level_line, sentence);
    let names = &rules.proc.environ;
    if !names.is_empty() {
        let whose =
            if rules.proc.level == ProcLevel::Full { "all processes" } else { "processes of the same user" };
        let sentence = format!("the values of {} of {whose}; names of the others", names.join(", "));
        say("environ", rules.proc.environ_line, &sentence);
    }
    if rules.proc.disk_usage {
        let sentence =
            "how full each mounted file system is, asked by helper processes without any capability";
        say("disk_usage", rules.proc.disk_usage_line, sentence);
    }
}

fn files(rules: &Rules, say: &mut Say<'_>) {
    if rules.files.is_empty() {
        say("files", None, "none");
    }
    for rule in &rules.files {
        let sentence = format!(
            "{} and what lies below it can be read, whoever owns it: {} bytes for each handle",
            toml_text(&rule.path),
            rule.max_bytes
        );
        say("files", Some(rule.line), &sentence);
    }
}

fn network(rules: &Rules, say: &mut Say<'_>) {
    if rules.ping.is_empty() {
        say("ping", None, "none");
    }
    for network in &rules.ping {
        let sentence = format!("echo requests to {}/{}", network.address, network.bits);
        say("ping", Some(network.line), &sentence);
    }
    let reading = if rules.nft.read {
        "all rules, sets and their elements can be listed"
    } else {
        "no rules can be listed"
    };
    say("nft", rules.nft.read_line, reading);
    for rule in &rules.nft.write {
        let what = if rule.all { "everything".to_owned() } else { rule.ops.join(", ") };
        let mut places = vec![format!("{what} of table {} {}", rule.family, rule.table)];
        places.extend((!rule.chains.is_empty()).then(|| format!("in chains {}", rule.chains.join(", "))));
        places.extend((!rule.sets.is_empty()).then(|| format!("in sets {}", rule.sets.join(", "))));
        places.extend((!rule.objects.is_empty()).then(|| format!("of objects {}", rule.objects.join(", "))));
        say("nft", Some(rule.line), &places.join(", "));
    }
    if !rules.nft.write.is_empty() {
        let confirm = if rules.nft.confirm {
            "a change that is not confirmed in time is taken back"
        } else {
            "changes need no confirmation: one that locks everybody out stays"
        };
        say("nft", None, confirm);
    }
    for (name, line) in &rules.sysctl.read {
        say("sysctl", Some(*line), &format!("{name} can be read"));
    }
    for rule in &rules.sysctl.write {
        let sentence = format!("{} can be read, and set to {}", rule.name, rule.values.join(" or "));
        say("sysctl", Some(rule.line), &sentence);
    }
}

fn socket(rules: &Rules, say: &mut Say<'_>) {
    for caller in &rules.socket {
        let sentence = format!("uid {} may be at the other end of a unix socket", caller.uid);
        say("socket", Some(caller.line), &sentence);
    }
}

fn limits(rules: &Rules, say: &mut Say<'_>) {
    let l = &rules.limits;
    let sentence = format!(
        "for each copy: {} requests/s, {} changes/s, deadline {} ms, frames {} bytes in role proc and {} in role net, {} rows, cells {} bytes, \
         files closed after {} ms, {} descriptors kept between samples of processes",
        l.requests_per_s,
        l.writes_per_s,
        l.deadline_ms,
        l.frame_max.min(PROC_FRAME_MAX as u64),
        l.frame_max,
        l.rows_max,
        l.cell_max,
        l.file_idle_ms,
        l.kept_descriptors
    );
    say("limits", None, &sentence);
}

fn peers(rules: &Rules, say: &mut Say<'_>) {
    let Peers { others, others_line, sections } = &rules.peers;
    let sentence = match others {
        Others::Deny => "nodes of Erlang distribution that are not named below may do nothing",
        Others::All => "nodes of Erlang distribution that are not named below may do all of the above",
    };
    say("peers", *others_line, sentence);
    for Section { name, nodes, operations, tables, level, limits } in sections {
        let list = |words: &std::collections::BTreeSet<String>| {
            words.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        };
        let mut say = |line, text: &str| say("peers", line, &format!("[{name}] {text}"));
        say(None, &format!("of the above, for {}:", list(nodes)));
        for (words, what) in [(operations, "operations"), (tables, "tables")] {
            if let Some((words, line)) = words {
                say(Some(*line), &format!("only the {what} {}", list(words)));
            }
        }
        if let Some((level, line)) = level {
            say(Some(*line), &format!("processes at level \"{}\" at most", level.name()));
        }
        let Narrow { requests_per_s, writes_per_s, deadline_ms, rows_max } = limits;
        for (limit, what) in [
            (requests_per_s, "requests a second"),
            (writes_per_s, "changes a second"),
            (deadline_ms, "milliseconds for a request"),
            (rows_max, "rows of an answer"),
        ] {
            if let Some(limit) = limit {
                say(None, &format!("{limit} {what} at most"));
            }
        }
    }
}

fn audit(rules: &Rules, say: &mut Say<'_>) {
    let sentence = match rules.audit.syslog {
        Sink::Off => "no records: nobody will know what was refused",
        Sink::On => "records to the system's log if there is one; losses are counted",
        Sink::Required => "records to the system's log; without it nothing is served",
    };
    say("audit", None, sentence);
    if rules.audit.kernel {
        say("audit", None, "and into the kernel's audit log, if that is on: auditctl -s");
    }
}
