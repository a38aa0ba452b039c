//! Every rule of the corpus that nft and the kernel take: what the kernel then holds is lifted, compared with what nft lists, and
//! compiled again. And every rule that compiles, without nft between, since the installed nft is older than the corpus.
//! What is listed otherwise is counted under its reason, and there is no other. `NFT_DECODE=1` prints the differences,
//! `NFT_DECODE=inet-tcp` those of one file.

use std::collections::BTreeMap;

use portcullis::netlink::attr::Attrs;
use portcullis::nft::kernel::{self, KExpr};
use portcullis::nft::lift;
use portcullis::nft::model::{Family, Statement};
use portcullis::nft::value::{Loopback, Names};

use crate::again;
use crate::json::shown;
use crate::nft_support::corpus::{File, Rule, Table};
use crate::nft_support::{corpus, network, nft, raw};
use crate::sets;

/// What became of rules.
#[derive(Default)]
struct Count {
    /// Taken by nft and the kernel, or compiled.
    taken: usize,
    /// Of them listed as nft lists them.
    same: usize,
    /// Of them with an opaque expression.
    opaque: usize,
    /// Of them compiled to what was there.
    again: usize,
    /// Those that are listed otherwise, by the reason.
    others: BTreeMap<Reason, Vec<String>>,
}

/// Why a rule is listed otherwise than nft 1.1.6 lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    /// The installed nft makes something else of it; made here, it is listed alike.
    Installed,
    /// The record has the hours of another time zone; read in that zone, it is listed alike.
    Zone,
    /// nft leaves something out: what it lists, made again, is not what is there.
    Lossy,
    /// None.
    None,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.taken += other.taken;
        self.same += other.same;
        self.opaque += other.opaque;
        self.again += other.again;
        for (reason, rules) in other.others {
            self.others.entry(reason).or_default().extend(rules);
        }
    }

    fn without_reason(&self) -> usize {
        self.others.get(&Reason::None).map_or(0, Vec::len)
    }

    fn reasons(&self) {
        for (reason, rules) in &self.others {
            println!("  {reason:?}: {}", rules.len());
            let mut rows: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (family, rule) in rules.iter().filter_map(|rule| rule.split_once(' ')) {
                rows.entry(rule).or_default().push(family);
            }
            rows.iter().for_each(|(rule, families)| println!("    {rule} ({})", families.join(", ")));
        }
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { taken, same, opaque, again, .. } = self;
        write!(f, "{same:4} of {taken:4} listed alike, {again:4} compile again, {opaque:3} opaque")
    }
}

fn wanted(name: &str) -> Option<bool> {
    match std::env::var("NFT_DECODE").as_deref() {
        Err(_) => Some(false),
        Ok("1") => Some(true),
        Ok(only) => name.contains(only).then_some(true),
    }
}

/// Where a rule is.
struct Place<'p> {
    file: &'p str,
    table: &'p Table,
    family: Family,
    netlink: &'p raw::Netlink,
    print: bool,
}

/// A rule as it was lifted, and the expressions before and after.
type Lifted = (Vec<Statement>, Vec<(String, Vec<String>)>, Vec<(String, Vec<String>)>);

impl Place<'_> {
    /// Adds the rule alone to the chain, and lifts what the kernel then has. Nothing if it is not taken.
    fn through_kernel(&self, rule: &Rule) -> Option<Lifted> {
        let Table { family, name, chains, .. } = self.table;
        let chain = chains.first()?;
        let place = format!("{family} {name} {chain}");
        nft(&format!("flush chain {place}\nadd rule {place} {}", rule.text)).ok()?;
        let rules = self.netlink.rules(self.family.number(), name);
        let (_, list) = rules.iter().find(|(of, _)| of == chain)?;
        let mut expressions: Vec<KExpr<'_>> = Vec::new();
        kernel::decode(Attrs::new(list), &mut expressions);
        let held = sets::held(self.netlink, self.family.number(), name);
        let lifted = lift::statements(&expressions, self.family, &held);
        let table = again::Table { family: self.family, held: &held, names: &Loopback };
        let after = again::compiled(&lifted, &table).unwrap_or_else(|fault| vec![(fault, Vec::new())]);
        Some((lifted, again::there(&expressions, &held), after))
    }

    fn without_nft(&self, rule: &Rule, names: &dyn Names) -> Option<Lifted> {
        let held = sets::held(self.netlink, self.family.number(), &self.table.name);
        again::without_kernel(&rule.json, &again::Table { family: self.family, held: &held, names })
    }

    /// Why a rule is listed otherwise.
    fn reason(&self, rule: &Rule, there: &[(String, Vec<String>)]) -> Reason {
        let alike =
            |names| self.without_nft(rule, names).is_some_and(|(made, ..)| listed(&made) == rule.listed);
        if alike(&Loopback) {
            return Reason::Installed;
        }
        if alike(&again::Recorded) {
            return Reason::Zone;
        }
        let held = sets::held(self.netlink, self.family.number(), &self.table.name);
        let table = again::Table { family: self.family, held: &held, names: &Loopback };
        match again::of(&rule.listed, &table) {
            Some(made) if made != there => Reason::Lossy,
            _ => Reason::None,
        }
    }

    fn judge(&self, rule: &Rule, way: &str, lifted: Option<Lifted>) -> Count {
        let Some((statements, before, after)) = lifted else { return Count::default() };
        let opaque = statements.iter().any(|s| matches!(s, Statement::Opaque(_)));
        let shown = listed(&statements);
        let (same, again) = (shown == rule.listed, before == after);
        let mut others = BTreeMap::new();
        if !same {
            let row = format!("{} {}: {}", self.table.family, self.file, rule.text);
            others.insert(self.reason(rule, &before), vec![row]);
        }
        if self.print && !(same && again) {
            println!("--- {way} {} {} | {}", self.file, self.table.family, rule.text);
            println!("  nft:  {}", rule.listed);
            println!("  ours: {shown}");
            println!("  there: {before:?}");
            if !again {
                println!("  again: {after:?}");
            }
        }
        Count { taken: 1, same: same.into(), opaque: opaque.into(), again: again.into(), others }
    }
}

/// Statements as the corpus has them.
fn listed(statements: &[Statement]) -> serde_json::Value {
    let mut shown = shown(statements);
    stateless(&mut shown);
    shown
}

/// The corpus was listed without what changes as packets pass.
fn stateless(statements: &mut serde_json::Value) {
    for statement in statements.as_array_mut().unwrap() {
        if statement["counter"]["packets"].is_u64() {
            statement["counter"] = serde_json::Value::Null;
        }
    }
}

fn check(file: &File, print: bool) -> [Count; 2] {
    let mut counts = [Count::default(), Count::default()];
    for table in &file.tables {
        if nft(&table.setup.join("\n")).is_err() {
            // One at a time: what this nft does not know is left out.
            let _ = nft(&format!("delete table {} {}", table.family, table.name));
            let refused: Vec<&String> = table.setup.iter().filter(|line| nft(line).is_err()).collect();
            if print {
                println!("{}: refused: {refused:?}", file.name);
            }
        }
        let family = Family::named(table.family.as_bytes()).unwrap();
        let place = Place { file: &file.name, table, family, netlink: &raw::Netlink::open(), print };
        for rule in file.rules.iter().filter(|rule| rule.ok) {
            let through = place.through_kernel(rule);
            counts[0].add(place.judge(rule, "kernel", through));
            if rule.bytecode_of(&table.family).is_some() {
                counts[1].add(place.judge(rule, "compiled", place.without_nft(rule, &Loopback)));
            }
        }
        let _ = nft(&format!("delete table {} {}", table.family, table.name));
    }
    counts
}

#[test]
fn rules_are_listed_as_nft_lists_them() {
    let Some(files) = corpus::rules() else { return };
    let counts = network(|| {
        let mut counts = Vec::new();
        for file in &files {
            if let Some(print) = wanted(&file.name) {
                counts.push((file.name.clone(), check(file, print)));
            }
        }
        counts
    });
    let Some(counts) = counts else { return };
    let mut sums = [Count::default(), Count::default()];
    for (name, both) in counts {
        println!("{name:18} {}", both[0]);
        println!("{:18} {}", "", both[1]);
        for (sum, count) in sums.iter_mut().zip(both) {
            sum.add(count);
        }
    }
    for (way, sum) in ["through the kernel", "compiled"].into_iter().zip(&sums) {
        println!("{way:18} {sum}");
        sum.reasons();
    }
    for sum in sums {
        assert!(sum.same * 100 >= sum.taken * 98, "listed: {sum}");
        assert_eq!(sum.without_reason(), 0, "listed otherwise for no reason");
        // One rule in three tables, for which the installed nft takes a register too much.
        assert!(sum.taken - sum.again <= 3, "compiled again: {sum}");
    }
}
