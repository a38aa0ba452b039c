//! From the refusals of a log to the lines that would grant them. Each refusal is asked again, so that a line is the
//! policy's own and not text of the log; but whoever can write to the system's log can write such records, and what was
//! asked for is chosen by the application. The person who adds a line must have read it.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::audit::record;
use crate::policy::{Policy, question};

/// A key that the policy lacks, or that lacks entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Where it belongs.
    pub section: &'static str,
    /// Whether it holds a list.
    list: bool,
    /// Its name: one of the policy's own.
    name: &'static str,
}

/// The names that a denial's line can begin with.
const NAMES: [&str; 7] = ["level", "environ", "disk_usage", "read", "write", "allow", "requests_per_s"];

impl Key {
    /// The line or lines of the file: one list with an entry to a line, or one value. `entries` come with their numbers.
    #[must_use]
    pub fn with(&self, entries: &BTreeMap<String, u64>) -> String {
        let Self { name, list, .. } = self;
        let rows = entries.iter().map(|(entry, times)| match (list, *name) {
            // Which variables, the record does not say.
            (_, "environ") => format!("# environ = [\"NAME\"]   # {times}x; for each variable to show\n"),
            (true, _) => format!("  {entry},   # {times}x\n"),
            (false, _) => format!("{name} = {entry}   # {times}x\n"),
        });
        let rows: String = rows.collect();
        if *list && *name != "environ" { format!("{name} = [\n{rows}]\n") } else { rows }
    }
}

/// What a log suggests.
#[derive(Debug, Default)]
pub struct Suggestions {
    /// Records of any kind in the log.
    pub records: u64,
    /// What would grant the refusals among them: for each key its entries, with how often each was asked for.
    pub lines: BTreeMap<Key, BTreeMap<String, u64>>,
}

/// Reads a log. What is no record of a refusal is passed over, and so is what the policy has granted since.
#[must_use]
pub fn suggest(policy: &Policy, log: &[u8]) -> Suggestions {
    let mut found = Suggestions::default();
    for line in log.split(|b| *b == b'\n') {
        found.records = found.records.saturating_add(u64::from(record::is_record(line)));
        if let Some((key, entry)) = lacking(policy, line) {
            let times = found.lines.entry(key).or_default().entry(entry).or_default();
            *times = times.saturating_add(1);
        }
    }
    // A higher level grants what a lower one does.
    for entries in found.lines.iter_mut().filter(|(key, _)| key.name == "level").map(|(_, entries)| entries) {
        if entries.contains_key("\"basic\"") {
            entries.remove("\"public\"");
        }
    }
    found
}

fn lacking(policy: &Policy, line: &[u8]) -> Option<(Key, String)> {
    let denied = record::denied(line)?;
    // A path can have spaces, and is one word; so is a value.
    let words = match denied.op.as_slice() {
        b"file_open" => 1,
        b"sysctl_set" => 2,
        _ => usize::MAX,
    };
    let args: Vec<&[u8]> =
        denied.target.splitn(words, |b| *b == b' ').filter(|word| !word.is_empty()).collect();
    let denial = question::ask(policy, &denied.op, &args).ok()?.err()?;
    let (section, text) = denial.grant?;
    let (name, value) = text.split_once(" = ")?;
    let name = NAMES.into_iter().find(|known| *known == name)?;
    let entry = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    Some((Key { section, list: entry.is_some(), name }, entry.unwrap_or(value).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::parse::parse;

    #[test]
    fn refusals_become_the_lines_of_a_policy_and_nothing_else_does() {
        let log = b"Nov 21 09:00:00 host portcullis-proc[7]: seq=1 time=1.0 op=file_open target=\"/var/log/a b\" decision=denied rule=files.read\n\
            seq=2 time=1.0 op=ping target=\"192.0.2.1\" decision=denied rule=ping.allow\n\
            seq=3 time=1.0 op=ping target=\"192.0.2.1\" decision=denied rule=ping.allow\n\
            seq=4 time=1.0 op=process target=\"exe,cwd\" decision=denied rule=proc.level\n\
            seq=5 time=1.0 op=ping target=\"192.0.2.9\" decision=granted rule=ping.allow\n\
            seq=6 time=1.0 op=reboot target=\"now\" decision=denied rule=x\n\
            seq=7 time=1.0 op=file_open target=\"/a/../b\" decision=denied rule=files.read\n\
            seq=8 time=1.0 op=file_open target=\"/var/log/c\" decision=denied rule=files.read\n\
            seq=9 time=1.0 op=sysctl_set target=\"net.a.b 1 2\" decision=denied rule=sysctl.write\n\
            seq=10 time=1.0 op=unban target=\"del_element inet portcullis banned6\" decision=denied rule=nft.write\n\
            level = \"full\"\n";
        let Suggestions { records, lines } = suggest(&Policy::without_a_file(), log);
        assert_eq!(records, 10);
        let text: String =
            lines.iter().map(|(key, entries)| format!("{}\n{}", key.section, key.with(entries))).collect();
        assert_eq!(
            text,
            "[files]\nread = [\n  { path = \"/var/log/a b\", max_bytes = 1048576 },   # 1x\n  \
             { path = \"/var/log/c\", max_bytes = 1048576 },   # 1x\n]\n\
             [nft]\nwrite = [\n  { family = \"inet\", table = \"portcullis\", ops = [\"del_element\"], sets = [\"banned4\", \"banned6\"] },   # 1x\n]\n\
             [ping]\nallow = [\n  \"192.0.2.1\",   # 2x\n]\n\
             [proc]\nlevel = \"basic\"   # 1x\n\
             [sysctl]\nwrite = [\n  { name = \"net.a.b\", values = [\"1 2\"] },   # 1x\n]\n"
        );
        let rules = parse(format!("version = 1\n{text}").as_bytes()).unwrap();
        assert_eq!((rules.files.len(), rules.ping.len()), (2, 1));
    }
}
