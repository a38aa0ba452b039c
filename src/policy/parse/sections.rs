//! The sections of a policy file.
#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use toml::de::DeTable;

use super::{Reader, Value, quoted};
use crate::audit::log::Sink;
use crate::file::path::NormalPath;
use crate::limits::{
    CELL_MAX, DEADLINE_MAX_MS, FILE_IDLE_MAX_MS, FRAME_HARD_MAX, KEPT_DESCRIPTORS_MAX, PID_MAX,
};
use crate::nft::action::{self as nft, FAMILIES, VERBS};
use crate::policy::rules::{
    Audit, Caller, Limits, Listed, NO_FILES, Network, Nft, NftWrite, Proc, ProcLevel, Rules, Sysctl,
    SysctlWrite, WILDCARDS,
};
use crate::sysctl::action::{is_name, is_value};

fn is_variable(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && name.len() <= 128 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl<'t> Reader<'t> {
    pub(super) fn proc(&mut self, table: &DeTable<'t>) -> Proc {
        let mut proc = Rules::nothing().proc;
        let [level, environ, disk_usage] = self.keys(table, "[proc]", ["level", "environ", "disk_usage"]);
        if let Some(value) = level {
            let words: Vec<&str> = ProcLevel::ALL.iter().map(|l| l.name()).collect();
            let word = self.word(value, "level", &words);
            let level = ProcLevel::ALL.iter().copied().find(|l| Some(l.name()) == word);
            proc.level = level.unwrap_or(ProcLevel::None);
            proc.level_line = Some(self.line(value));
        }
        if let Some(value) = environ {
            proc.environ = self.fitting(value, "environ", "the name of a variable", is_variable);
            proc.environ_line = Some(self.line(value));
            if proc.level < ProcLevel::Basic {
                self.wrong(&value.span(), "environ has no effect below level = \"basic\"");
            }
        }
        if let Some(value) = disk_usage {
            proc.disk_usage = self.boolean(value, "disk_usage").unwrap_or(false);
            proc.disk_usage_line = Some(self.line(value));
            if proc.disk_usage && proc.level < ProcLevel::Public {
                self.wrong(&value.span(), "disk_usage has no effect below level = \"public\"");
            }
        }
        proc
    }

    pub(super) fn files(&mut self, table: &DeTable<'t>) -> Vec<Listed> {
        let [read] = self.keys(table, "[files]", ["read"]);
        let entries = read.map(|v| self.array(v, "read")).unwrap_or_default();
        let mut listed: Vec<Listed> = Vec::new();
        for entry in entries {
            let Some(rule) = self.listed(entry) else { continue };
            if let Some(first) = listed.iter().find(|l| l.path == rule.path) {
                // Which of two bounds counts must not depend on their order.
                let message = format!("this path is listed in line {} already", first.line.0);
                self.wrong(&entry.span(), message);
            } else {
                listed.push(rule);
            }
        }
        listed
    }

    fn listed(&mut self, entry: &Value<'t>) -> Option<Listed> {
        let Some(table) = entry.get_ref().as_table() else {
            return self.expected(entry, "an entry of read", "{ path = \"/a/folder\", max_bytes = 1048576 }");
        };
        let [path, max_bytes] = self.keys(table, "an entry of read", ["path", "max_bytes"]);
        let Some(value) = path else { return self.entry_needs(entry, "path") };
        let text = self.string(value, "path")?;
        let normal = NormalPath::parse(text.as_bytes()).ok();
        let Some(normal) = normal.filter(|_| text != "/") else {
            self.wrong(
                &value.span(),
                "path must begin with / and have no empty name, no . and no .., and no / at its end",
            );
            return None;
        };
        if text.contains(WILDCARDS) {
            self.wrong(&value.span(), "path is taken as it stands, without wildcards: list the folder");
            return None;
        }
        if NO_FILES.iter().any(|tree| normal.is_below(tree)) {
            self.wrong(&value.span(), format!("{} cannot be listed: it holds no files", quoted(text)));
            return None;
        }
        let Some(value) = max_bytes else { return self.entry_needs(entry, "max_bytes") };
        let max_bytes = self.integer(value, "max_bytes", 1, i64::MAX.unsigned_abs())?;
        Some(Listed { path: text.as_bytes().to_vec(), max_bytes, line: self.line(entry) })
    }

    pub(super) fn ping(&mut self, table: &DeTable<'t>) -> Vec<Network> {
        let [allow] = self.keys(table, "[ping]", ["allow"]);
        let entries = allow.map(|v| self.array(v, "allow")).unwrap_or_default();
        entries.iter().filter_map(|entry| self.network(entry)).collect()
    }

    fn network(&mut self, entry: &Value<'t>) -> Option<Network> {
        let text = self.string(entry, "an entry of allow")?;
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let parsed = address.parse::<IpAddr>().ok().and_then(|address| {
            let width = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(width), |b| b.parse::<u8>().ok())?;
            (bits <= width).then_some((address, bits))
        });
        let Some((address, bits)) = parsed else {
            let message = format!("{} is no address and no network such as 10.0.0.0/8", quoted(text));
            self.wrong(&entry.span(), message);
            return None;
        };
        if matches!(address, IpAddr::V6(a) if a.to_ipv4_mapped().is_some()) {
            let message =
                format!("{} would never count: such addresses are judged as IPv4; write it so", quoted(text));
            self.wrong(&entry.span(), message);
            return None;
        }
        if masked(address, bits) != address {
            let message = format!(
                "{} has bits behind its prefix; did you mean {}/{bits}?",
                quoted(text),
                masked(address, bits)
            );
            self.wrong(&entry.span(), message);
            return None;
        }
        Some(Network { address, bits, line: self.line(entry) })
    }

    pub(super) fn nft(&mut self, table: &DeTable<'t>) -> Nft {
        let [read, write, confirm] = self.keys(table, "[nft]", ["read", "write", "confirm"]);
        let entries = write.map(|v| self.array(v, "write")).unwrap_or_default();
        Nft {
            read: read.and_then(|v| self.boolean(v, "read")).unwrap_or(false),
            read_line: read.map(|v| self.line(v)),
            write: entries.iter().filter_map(|entry| self.nft_write(entry)).collect(),
            confirm: confirm.and_then(|v| self.word(v, "confirm", &["required", "optional"]))
                != Some("optional"),
        }
    }

    fn nft_write(&mut self, entry: &Value<'t>) -> Option<NftWrite> {
        let fields = self.table(entry, "an entry of write")?;
        let known = ["family", "table", "ops", "chains", "sets", "objects", "all"];
        let [family, table, ops, chains, sets, objects, all] = self.keys(fields, "an entry of write", known);
        let Some(family) = family else { return self.entry_needs(entry, "family") };
        let Some(table) = table else { return self.entry_needs(entry, "table") };
        let all = all.and_then(|v| self.boolean(v, "all")).unwrap_or(false);
        let family = self.word(family, "family", FAMILIES)?.to_owned();
        let name = self.string(table, "table")?.to_owned();
        if !nft::is_name(&name) {
            self.wrong(&table.span(), format!("{} is not the name of a table", quoted(&name)));
        }
        if all {
            for list in [ops, chains, sets, objects].into_iter().flatten() {
                self.wrong(&list.span(), "has no effect beside all = true");
            }
            let none = Vec::new;
            let line = self.line(entry);
            return Some(NftWrite {
                family,
                table: name,
                ops: none(),
                chains: none(),
                sets: none(),
                objects: none(),
                all,
                line,
            });
        }
        let Some(ops) = ops else { return self.entry_needs(entry, "ops") };
        let expected = format!("one of {}", VERBS.join(", "));
        let verbs = self.fitting(ops, "ops", &expected, |op| VERBS.contains(&op));
        let mut names = |list: Option<&Value<'t>>, what| {
            list.map(|v| self.fitting(v, what, "a name", nft::is_name)).unwrap_or_default()
        };
        let (chains, sets, objects) =
            (names(chains, "chains"), names(sets, "sets"), names(objects, "objects"));
        if chains.is_empty() && verbs.iter().any(|v| nft::needs_chain(v)) {
            return self.entry_needs(entry, "chains: an operation in ops works on chains, and none is named");
        }
        if sets.is_empty() && verbs.iter().any(|v| nft::needs_set(v)) {
            return self.entry_needs(entry, "sets: an operation in ops works on sets, and none is named");
        }
        if objects.is_empty() && verbs.iter().any(|v| nft::needs_object(v)) {
            return self.entry_needs(
                entry,
                "objects: an operation in ops works on named objects, and none is named",
            );
        }
        Some(NftWrite { family, table: name, ops: verbs, chains, sets, objects, all, line: self.line(entry) })
    }

    pub(super) fn sysctl(&mut self, table: &DeTable<'t>) -> Sysctl {
        let [read, write] = self.keys(table, "[sysctl]", ["read", "write"]);
        let mut sysctl = Sysctl::default();
        for entry in read.map(|v| self.array(v, "read")).unwrap_or_default() {
            if let Some(name) = self.parameter(entry) {
                sysctl.read.push((name, self.line(entry)));
            }
        }
        for entry in write.map(|v| self.array(v, "write")).unwrap_or_default() {
            sysctl.write.extend(self.sysctl_write(entry));
        }
        sysctl
    }

    fn sysctl_write(&mut self, entry: &Value<'t>) -> Option<SysctlWrite> {
        let table = self.table(entry, "an entry of write")?;
        let [name, values] = self.keys(table, "an entry of write", ["name", "values"]);
        let Some(name) = name else { return self.entry_needs(entry, "name") };
        let Some(values) = values else { return self.entry_needs(entry, "values") };
        let name = self.parameter(name)?;
        let values = self.fitting(values, "values", "one line of printable ASCII", is_value);
        Some(SysctlWrite { name, values, line: self.line(entry) })
    }

    fn parameter(&mut self, value: &Value<'t>) -> Option<String> {
        let name = self.string(value, "a parameter")?;
        if is_name(name) {
            return Some(name.to_owned());
        }
        let message = format!(
            "{} is not a parameter below net., such as net.ipv4.ip_forward or net.ipv4.conf.eth0/100.rp_filter",
            quoted(name)
        );
        self.wrong(&value.span(), message);
        None
    }

    pub(super) fn socket(&mut self, table: &DeTable<'t>) -> Vec<Caller> {
        let [uids] = self.keys(table, "[socket]", ["uids"]);
        let mut callers: Vec<Caller> = Vec::new();
        for entry in uids.map(|v| self.array(v, "uids")).unwrap_or_default() {
            // The largest number stands for nobody (chown(2)).
            let Some(uid) = self.integer(entry, "an entry of uids", 0, u64::from(u32::MAX) - 1) else {
                continue;
            };
            let Ok(uid) = u32::try_from(uid) else { continue };
            let line = self.line(entry);
            if callers.iter().any(|caller| caller.uid == uid) {
                self.wrong(&entry.span(), format!("{uid} is listed already"));
            } else {
                callers.push(Caller { uid, line });
            }
        }
        callers
    }

    pub(super) fn limits(&mut self, table: &DeTable<'t>) -> Limits {
        let known = [
            "requests_per_s",
            "writes_per_s",
            "deadline_ms",
            "frame_max",
            "rows_max",
            "cell_max",
            "file_idle_ms",
            "kept_descriptors",
        ];
        let [requests, writes, deadline, frame, rows, cell, idle, kept] = self.keys(table, "[limits]", known);
        let mut limits = Limits::default();
        let size = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        for (value, name, field, min, max) in [
            (requests, "requests_per_s", &mut limits.requests_per_s, 1, 1_000_000_000),
            (writes, "writes_per_s", &mut limits.writes_per_s, 1, 1_000_000_000),
            (deadline, "deadline_ms", &mut limits.deadline_ms, 1, DEADLINE_MAX_MS),
            (frame, "frame_max", &mut limits.frame_max, 1024, size(FRAME_HARD_MAX)),
            (rows, "rows_max", &mut limits.rows_max, 1, u64::from(PID_MAX)),
            (cell, "cell_max", &mut limits.cell_max, 1, size(CELL_MAX)),
            (idle, "file_idle_ms", &mut limits.file_idle_ms, 1, FILE_IDLE_MAX_MS),
            (kept, "kept_descriptors", &mut limits.kept_descriptors, 0, KEPT_DESCRIPTORS_MAX),
        ] {
            if let Some(n) = value.and_then(|v| self.integer(v, name, min, max)) {
                *field = n;
            }
        }
        limits
    }

    pub(super) fn audit(&mut self, table: &DeTable<'t>) -> Audit {
        let [syslog, kernel] = self.keys(table, "[audit]", ["syslog", "kernel"]);
        let word = syslog.and_then(|v| self.word(v, "syslog", &["off", "on", "required"]));
        Audit {
            syslog: match word {
                Some("off") => Sink::Off,
                Some("required") => Sink::Required,
                _ => Sink::On,
            },
            kernel: kernel.and_then(|v| self.boolean(v, "kernel")).unwrap_or(false),
        }
    }
}

/// The address with nothing behind its first `bits`.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    let keep = |width: u32| width.saturating_sub(u32::from(bits));
    match address {
        IpAddr::V4(a) => {
            let mask = u32::MAX.checked_shl(keep(32)).unwrap_or(0);
            Ipv4Addr::from(u32::from(a) & mask).into()
        }
        IpAddr::V6(a) => {
            let mask = u128::MAX.checked_shl(keep(128)).unwrap_or(0);
            Ipv6Addr::from(u128::from(a) & mask).into()
        }
    }
}
