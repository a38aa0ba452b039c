//! Each kind of action against the rules. What no rule allows is denied, with the line that would allow it.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::capability::{Capabilities, Capability};
use crate::error::Denial;
use crate::file::action::{OpenFile, ReadFile};
use crate::icmp::action::Ping;
use crate::limits::NFT_GRANTS_MAX;
use crate::nft::action::{ApplyNft, ChangeNft, ReadNft, needs_chain, needs_object, needs_set};
use crate::nft::ban::BanNft;
use crate::policy::file::{self, PATH};
use crate::policy::firewall;
use crate::policy::rules::{Line, NO_FILES, NftWrite, ProcLevel, WILDCARDS};
use crate::policy::{Action, Allowed, Ground, Policy, Source};
use crate::proc::action::{ReadProcesses, Tier};
use crate::quote::toml_text;
use crate::sysctl::action::{ListSysctls, ListedSysctls, ReadSysctl, SetSysctl};
use crate::table::ReadTable;
use crate::wire::atoms;

fn ground(rule: &'static str, line: Option<Line>) -> Ground {
    Ground { rule, line, note: None }
}

/// A denial with the line that would allow it.
fn needs(rule: &'static str, section: &'static str, line: String) -> Denial {
    Denial::needs(rule, PATH, section, line)
}

impl Action for ReadProcesses {
    type Granted = Self;

    fn judge(self, policy: &Policy) -> Result<Allowed<Self>, Denial> {
        policy.admit_table(atoms::PROCESSES.name())?;
        let (more, environ) = (self.reads_more_than_everyone(), self.reads(Tier::Environ));
        let Read { capabilities, shown, ground } = read(policy, more, environ, self.capabilities())?;
        Ok(Allowed { granted: self.showing(shown), capabilities, ground })
    }
}

impl Action for ReadTable {
    type Granted = Self;

    /// What takes no capability every user sees.
    fn judge(self, policy: &Policy) -> Result<Allowed<Self>, Denial> {
        policy.admit_table(self.table.name())?;
        let proc = &policy.rules.proc;
        if self.table == atoms::DISK_USAGE {
            if proc.level < ProcLevel::Public {
                if let Some(denial) = policy.level_denial() {
                    return Err(denial);
                }
                return Err(needs("proc.level", "[proc]", "level = \"public\"".into()));
            }
            if !proc.disk_usage {
                return Err(needs("proc.disk_usage", "[proc]", "disk_usage = true".into()));
            }
            let ground = ground("proc.disk_usage", proc.disk_usage_line);
            return Ok(Allowed { granted: self, capabilities: Capabilities::NONE, ground });
        }
        let more = !self.capabilities.is_empty();
        let Read { capabilities, shown, ground } = read(policy, more, self.environ, self.raises())?;
        Ok(Allowed { granted: self.showing(shown), capabilities, ground })
    }
}

/// What `[proc]` grants of a reading.
struct Read {
    capabilities: Capabilities,
    shown: Arc<[Vec<u8>]>,
    ground: Ground,
}

/// Reading what is `more` than every user sees, and environments, which takes those capabilities.
fn read(policy: &Policy, more: bool, environ: bool, wanted: Capabilities) -> Result<Read, Denial> {
    let proc = &policy.rules.proc;
    let level = if more { ProcLevel::Basic } else { ProcLevel::Public };
    if proc.level < level {
        if let Some(denial) = policy.level_denial() {
            return Err(denial);
        }
        return Err(needs("proc.level", "[proc]", format!("level = \"{}\"", level.name())));
    }
    let mut ground = ground("proc.level", proc.level_line);
    let mut shown = Vec::new();
    if environ {
        if proc.environ.is_empty() {
            return Err(needs("proc.environ", "[proc]", "environ = [\"NAME\"]".into()));
        }
        ground.line = proc.environ_line;
        ground.rule = "proc.environ";
        shown = proc.environ.iter().map(|name| name.as_bytes().to_vec()).collect();
    }
    if wanted.has(Capability::DacReadSearch) && proc.level < ProcLevel::Full {
        ground.note = Some("of other users' processes the kernel shows it only at level = \"full\"");
    }
    Ok(Read { capabilities: wanted.and(of_level(proc.level)), shown: Arc::from(shown), ground })
}

/// What the table of processes may raise at a level. The process can hold more: for listed files.
fn of_level(level: ProcLevel) -> Capabilities {
    match level {
        ProcLevel::None | ProcLevel::Public => Capabilities::NONE,
        ProcLevel::Basic => Capabilities::of(&[Capability::SysPtrace]),
        ProcLevel::Full => Capabilities::of(&[Capability::SysPtrace, Capability::DacReadSearch]),
    }
}

/// Whether a line of a policy can list the path: TOML is UTF-8, and a policy refuses what it takes for a mistake.
fn can_be_listed(path: &[u8]) -> bool {
    std::str::from_utf8(path).is_ok_and(|text| !text.contains(WILDCARDS))
        && NO_FILES.iter().all(|tree| path != *tree && !path.starts_with(&[tree, &b"/"[..]].concat()))
}

impl Action for OpenFile {
    type Granted = ReadFile;

    fn judge(self, policy: &Policy) -> Result<Allowed<ReadFile>, Denial> {
        // The longest rule decides, so that an entry for one file can narrow or widen that of its directory.
        let rules = policy.rules.files.iter().filter(|rule| self.path.is_below(&rule.path));
        let Some(rule) = rules.max_by_key(|rule| rule.path.len()) else {
            if !can_be_listed(self.path.bytes()) {
                return Err(Denial::new(
                    "files.read",
                    format!("{PATH} does not grant it, and no line of a policy could"),
                ));
            }
            let path = toml_text(self.path.bytes());
            let line = format!("read = [{{ path = {path}, max_bytes = 1048576 }}]");
            return Err(needs("files.read", "[files]", line));
        };
        Ok(Allowed {
            granted: ReadFile { path: self.path, max_bytes: rule.max_bytes },
            capabilities: Capabilities::of(&[Capability::DacReadSearch]),
            ground: ground("files.read", Some(rule.line)),
        })
    }
}

impl Action for Ping {
    type Granted = Self;

    fn judge(self, policy: &Policy) -> Result<Allowed<Self>, Denial> {
        match policy.rules.ping.iter().find(|network| network.has(self.address)) {
            Some(rule) => Ok(Allowed {
                granted: self,
                capabilities: Capabilities::NONE,
                ground: ground("ping.allow", Some(rule.line)),
            }),
            None => Err(needs("ping.allow", "[ping]", format!("allow = [\"{}\"]", self.address))),
        }
    }
}

impl Action for ReadNft {
    type Granted = Self;

    fn judge(self, policy: &Policy) -> Result<Allowed<Self>, Denial> {
        if !policy.rules.nft.read {
            return Err(needs("nft.read", "[nft]", "read = true".into()));
        }
        Ok(Allowed {
            granted: self,
            capabilities: Capabilities::of(&[Capability::NetAdmin]),
            ground: ground("nft.read", policy.rules.nft.read_line),
        })
    }
}

impl Action for ChangeNft {
    type Granted = Self;

    fn judge(self, policy: &Policy) -> Result<Allowed<Self>, Denial> {
        match policy.rules.nft.write.iter().find(|rule| covers(rule, &self)) {
            Some(rule) => Ok(Allowed {
                ground: ground("nft.write", Some(rule.line)),
                capabilities: Capabilities::of(&[Capability::NetAdmin]),
                granted: self,
            }),
            None => Err(needs_changes(&[&self])),
        }
    }
}

impl Action for BanNft {
    type Granted = Self;

    /// Where a ban was made before, the elements are all. Who lacks that lacks mostly the rest as well, and is told both at once.
    fn judge(self, policy: &Policy) -> Result<Allowed<Self>, Denial> {
        let write = &policy.rules.nft.write;
        let rule_of = |change: &ChangeNft| write.iter().find(|rule| covers(rule, change));
        let lacks = |changes: Vec<ChangeNft>| {
            changes.into_iter().filter(|c| rule_of(c).is_none()).collect::<Vec<_>>()
        };
        let first = lacks(self.makes());
        if !lacks(self.elements()).is_empty() {
            let elements = lacks(Self { width: None, ..self }.elements());
            let denial = needs_changes(&first.iter().chain(&elements).collect::<Vec<_>>());
            let Some((section, line)) = denial.grant.as_ref().filter(|_| !first.is_empty()) else {
                return Err(denial);
            };
            let hint = format!(
                "{PATH} does not grant a ban, the first of which makes its table too (later ones take add_element alone); \
                 under {section} this would: {line}"
            );
            return Err(Denial { hint, ..denial });
        }
        let line = self.elements().iter().find_map(rule_of).map(|rule| rule.line);
        let note = (!first.is_empty()).then_some(
            "while table inet portcullis is there: the first ban makes it, which takes more than this",
        );
        let capabilities = Capabilities::of(&[Capability::NetAdmin]);
        Ok(Allowed { granted: self, capabilities, ground: Ground { note, ..ground("nft.write", line) } })
    }
}

/// The denial of changes that no rule covers.
fn needs_changes(lacking: &[&ChangeNft]) -> Denial {
    let told = lacking.get(..NFT_GRANTS_MAX).unwrap_or(lacking);
    let Some(entries) = firewall::entries(told) else {
        let hint = format!("{PATH} does not grant it, and no line of a policy could: name the table");
        return Denial::new("nft.write", hint);
    };
    let denial = needs("nft.write", "[nft]", format!("write = [{entries}]"));
    if told.len() == lacking.len() {
        return denial;
    }
    let (section, line) = ("[nft]", denial.grant.as_ref().map_or("", |(_, line)| line));
    let hint = format!(
        "{PATH} does not grant {} changes of this transaction, the first {} of which are meant here; under {section} this would: {line}",
        lacking.len(),
        told.len()
    );
    Denial { hint, ..denial }
}

/// Whether a rule is about this change. An object must be named by the rule; a verb on the table needs none.
fn covers(rule: &NftWrite, change: &ChangeNft) -> bool {
    let ChangeNft { verb, family, table, object } = change;
    let named = |names: &[String]| object.as_ref().is_some_and(|name| names.contains(name));
    if rule.family != *family || rule.table != *table {
        return false;
    }
    let object_is_granted = if needs_set(verb) {
        named(&rule.sets)
    } else if needs_object(verb) {
        named(&rule.objects)
    } else if needs_chain(verb) {
        named(&rule.chains)
    } else {
        object.is_none()
    };
    rule.all || rule.ops.contains(verb) && object_is_granted
}

impl<'a> Action for ApplyNft<'a> {
    type Granted = Self;

    fn judge(self, policy: &Policy) -> Result<Allowed<Self>, Denial> {
        let mut allowed = ground("nft.write", None);
        let mut lacking = Vec::new();
        for change in self.changes() {
            match policy.rules.nft.write.iter().find(|rule| covers(rule, change)) {
                Some(rule) => allowed.line = Some(rule.line),
                None => lacking.push(change),
            }
        }
        if !lacking.is_empty() {
            return Err(needs_changes(&lacking));
        }
        if policy.rules.nft.confirm && !self.is_confirmed() {
            return Err(Denial::new(
                "nft.confirm",
                format!(
                    "{PATH} demands that a change is confirmed: give the option confirm => 30000 (milliseconds), and call \
                     nft_confirm within that time; or write under [nft]: confirm = \"optional\""
                ),
            ));
        }
        let write = &policy.rules.nft.write;
        let all_of =
            |c: &ChangeNft| write.iter().any(|r| r.all && r.family == c.family && r.table == c.table);
        let whole = self.changes().iter().all(all_of);
        Ok(Allowed {
            granted: self.of_whole_tables(whole),
            capabilities: Capabilities::of(&[Capability::NetAdmin]),
            ground: allowed,
        })
    }
}

impl Action for ReadSysctl {
    type Granted = Self;

    fn judge(self, policy: &Policy) -> Result<Allowed<Self>, Denial> {
        let sysctl = &policy.rules.sysctl;
        let read = sysctl.read.iter().find(|(name, _)| *name == self.name).map(|(_, line)| *line);
        let written = sysctl.write.iter().find(|rule| rule.name == self.name).map(|rule| rule.line);
        match read.or(written) {
            Some(line) => Ok(Allowed {
                granted: self,
                capabilities: Capabilities::NONE,
                ground: ground("sysctl.read", Some(line)),
            }),
            None => {
                let line = format!("read = [{}]", toml_text(self.name.as_bytes()));
                Err(needs("sysctl.read", "[sysctl]", line))
            }
        }
    }
}

impl Action for ListSysctls {
    type Granted = ListedSysctls;

    fn judge(self, policy: &Policy) -> Result<Allowed<ListedSysctls>, Denial> {
        let sysctl = &policy.rules.sysctl;
        let read = sysctl.read.iter().map(|(name, line)| (name, *line));
        let written = sysctl.write.iter().map(|rule| (&rule.name, rule.line));
        let named: BTreeMap<&String, Line> = written.chain(read).collect();
        let Some(line) = named.values().min() else {
            // Which one, only a person knows.
            let why = match policy.source {
                Source::Absent => file::missing(),
                Source::File(_) => format!("{PATH} names no parameter"),
            };
            let hint = format!("{why}; under [sysctl], in lists read and write, it can name some");
            return Err(Denial::new("sysctl.read", hint));
        };
        Ok(Allowed {
            ground: ground("sysctl.read", Some(*line)),
            capabilities: Capabilities::NONE,
            granted: ListedSysctls { names: named.into_keys().cloned().collect() },
        })
    }
}

impl Action for SetSysctl {
    type Granted = Self;

    fn judge(self, policy: &Policy) -> Result<Allowed<Self>, Denial> {
        let mut rules = policy.rules.sysctl.write.iter();
        match rules.find(|rule| rule.name == self.name && rule.values.contains(&self.value)) {
            Some(rule) => Ok(Allowed {
                ground: ground("sysctl.write", Some(rule.line)),
                capabilities: Capabilities::of(&[Capability::NetAdmin]),
                granted: self,
            }),
            None => {
                let text = |t: &str| toml_text(t.as_bytes());
                let line =
                    format!("write = [{{ name = {}, values = [{}] }}]", text(&self.name), text(&self.value));
                Err(needs("sysctl.write", "[sysctl]", line))
            }
        }
    }
}

#[cfg(test)]
mod tests;
