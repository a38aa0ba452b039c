//! Each kind of action against the rules. What no rule allows is denied, with the line that would allow it.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::capability::{Capabilities, Capability};
use crate::error::Denial;
use crate::file::action::{OpenFile, ReadFile};
use crate::icmp::action::Ping;
use crate::nft::action::{ApplyNft, ChangeNft, ReadNft, needs_chain, needs_object, needs_set};
use crate::policy::file::PATH;
use crate::policy::rules::{Line, NO_FILES, NftWrite, ProcLevel, WILDCARDS};
use crate::policy::{Action, Allowed, Ground, Policy};
use crate::proc::action::{ReadProcesses, Tier};
use crate::quote::toml_text;
use crate::sysctl::action::{ListSysctls, ListedSysctls, ReadSysctl, SetSysctl};

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
        let proc = &policy.rules.proc;
        let level = if self.reads_more_than_everyone() { ProcLevel::Basic } else { ProcLevel::Public };
        if proc.level < level {
            return Err(needs("proc.level", "[proc]", format!("level = \"{}\"", level.name())));
        }
        let mut ground = ground("proc.level", proc.level_line);
        let mut granted = self;
        if granted.reads(Tier::Environ) {
            if proc.environ.is_empty() {
                return Err(needs("proc.environ", "[proc]", "environ = [\"NAME\"]".into()));
            }
            ground.line = proc.environ_line;
            ground.rule = "proc.environ";
            let shown: Vec<Vec<u8>> = proc.environ.iter().map(|name| name.as_bytes().to_vec()).collect();
            granted = granted.showing(Arc::from(shown));
        }
        let capabilities = granted.capabilities().and(of_level(proc.level));
        if granted.capabilities().has(Capability::DacReadSearch) && proc.level < ProcLevel::Full {
            ground.note = Some("of other users' processes the kernel shows it only at level = \"full\"");
        }
        Ok(Allowed { granted, capabilities, ground })
    }
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
            None => {
                let text = |t: &str| toml_text(t.as_bytes());
                let place = match &self.object {
                    Some(name) if needs_set(&self.verb) => format!(", sets = [{}]", text(name)),
                    Some(name) if needs_object(&self.verb) => format!(", objects = [{}]", text(name)),
                    Some(name) => format!(", chains = [{}]", text(name)),
                    None => String::new(),
                };
                let line = format!(
                    "write = [{{ family = {}, table = {}, ops = [{}]{place} }}]",
                    text(&self.family),
                    text(&self.table),
                    text(&self.verb)
                );
                Err(needs("nft.write", "[nft]", line))
            }
        }
    }
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
        for change in self.changes() {
            allowed = change.clone().judge(policy)?.ground;
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
        Ok(Allowed {
            granted: self,
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
            let hint = format!("{PATH} names no parameter; under [sysctl], in lists read and write, it can");
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
