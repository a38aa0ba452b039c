//! The judge: the corpus, file by file. What nft makes of a rule is held against what is made of it here, and what the kernel holds
//! is lifted and made again.
//!
//! Where they differ on purpose: nft 1.0.6 merges across statements that do something, merges `!=`, leaves out turning around what
//! it shifts, and takes a register too much for the data of a map that it fills; this program does as nft 1.1.6 does, whose record
//! decides then. Users have no names here. Each rule that differs is counted under its reason, and there is no other.
//!
//! `NFT_ENCODE=ip-ip` shows what differs in that file, `NFT_ENCODE=all` in all files.

use std::collections::{BTreeMap, BTreeSet};

use portcullis::error::Why;
use portcullis::nft::compile;
use portcullis::nft::model::{Family, Statement};

use crate::again::{Again, again};
use crate::held::{self, Held};
use crate::made::{self, World};
use crate::nft_support::corpus::{self, File, Rule, Table};
use crate::nft_support::{network, nft, raw};
use crate::record;

/// How a file went.
#[derive(Default)]
struct Score {
    same: usize,
    /// As nft 1.1.6 makes them, and not the installed one.
    newer: Vec<String>,
    /// Refused because names of users and groups are not resolved.
    names: Vec<String>,
    differ: usize,
    refused: usize,
    /// What nft or the kernel here does not take.
    skipped: usize,
    /// Same for the kernel, other user data or size.
    hints: usize,
    /// Lifted and made again, the same.
    again: usize,
    /// Of these with something that was not understood.
    opaque: usize,
    /// Lifted and made again, something else, or refused.
    lost: Vec<String>,
    notes: Vec<String>,
}

impl Score {
    fn again(&mut self, rule: &Rule, theirs: &Held, again: &Again, table: &Table) {
        let same = matches!(&again.made, Ok(ours) if ours.expressions == theirs.expressions && ours.sets == theirs.sets);
        if same {
            self.again += 1;
            let opaque = again.statements.iter().any(|statement| matches!(statement, Statement::Opaque(_)));
            self.opaque += usize::from(opaque);
        } else {
            self.lost.push(format!("{} {}", table.family, rule.text));
            let Again { statements, made } = again;
            let Table { family, .. } = table;
            let text = &rule.text;
            self.notes
                .push(format!("  again: {family} {text}\n    {statements:?}\n    {theirs:?}\n    {made:?}"));
        }
    }
}

#[test]
fn the_corpus_is_encoded_as_nft_encodes_it() {
    let Some(files) = corpus::rules() else { return };
    let wanted = std::env::var("NFT_ENCODE").unwrap_or_default();
    let (mut same, mut all, mut kept) = (0, 0, 0);
    let (mut newer, mut names, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for file in files.iter().filter(|file| ["", "all", &file.name].contains(&wanted.as_str())) {
        let Some(score) = network(|| judge(file)) else { return };
        let Score { same: ok, differ, refused, skipped, hints, again, opaque, notes, .. } = &score;
        let own = ok + differ + refused + score.newer.len() + score.names.len();
        println!(
            "{:20} {ok:4} of {own:4}; {differ} differ, {refused} refused, {skipped} skipped, {hints} with other hints; again {again}, {opaque} opaque",
            file.name,
        );
        if !wanted.is_empty() {
            notes.iter().for_each(|note| println!("{note}"));
        }
        kept += again;
        same += ok;
        all += own;
        newer.extend(score.newer);
        names.extend(score.names);
        gone.extend(score.lost);
    }
    let (newer, names, gone) = (by_rule(&newer), by_rule(&names), by_rule(&gone));
    println!("{same} of {all}; made again: {kept}");
    println!("as nft 1.1.6 has them in its record, not as the installed nft:{newer}");
    println!("names of users and groups, which are not resolved here:{names}");
    println!("lifted and made again as nft 1.1.6 does, not with the installed nft's registers:{gone}");
    if wanted.is_empty() || wanted == "all" {
        assert!(all > 3000, "nft took hardly anything");
        assert_eq!(same + newer.count + names.count, all, "some differ for no reason");
        assert!(gone.count <= 3 && newer.count <= 16 && names.count <= 30, "more than there were");
        assert_eq!(kept + gone.count, all, "what is lifted is made again");
    }
}

/// Rules with their families, in as few lines as there are rules.
struct ByRule {
    count: usize,
    rows: BTreeMap<String, Vec<String>>,
}

fn by_rule(rules: &[String]) -> ByRule {
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (family, rule) in rules.iter().filter_map(|rule| rule.split_once(' ')) {
        rows.entry(rule.to_owned()).or_default().push(family.to_owned());
    }
    ByRule { count: rules.len(), rows }
}

impl std::fmt::Display for ByRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, " {}", self.count)?;
        self.rows.iter().try_for_each(|(rule, families)| write!(f, "\n  {rule} ({})", families.join(", ")))
    }
}

fn judge(file: &File) -> Score {
    let mut score = Score::default();
    for table in &file.tables {
        for command in &table.setup {
            if let Err(said) = nft(command) {
                score.notes.push(format!("  set-up: {command}: {}", said.lines().next().unwrap_or("")));
            }
        }
    }
    for table in &file.tables {
        let chain = &table.chains[0];
        let rules: Vec<&Rule> = file.rules.iter().filter(|rule| rule.ok).collect();
        let taken = by_nft(table, chain, &rules, &mut score);
        let family = Family::named(table.family.as_bytes()).unwrap();
        let netlink = raw::Netlink::open();
        let theirs = held::rules(&netlink, family, &table.name, chain);
        assert_eq!(theirs.len(), taken.len(), "{} {}", file.name, table.family);
        for ((rule, theirs), again) in
            taken.iter().zip(&theirs).zip(again(&netlink, family, &table.name, chain))
        {
            score.again(rule, theirs, &again, table);
        }
        let world = World::of(&netlink, family, &table.name);
        for rule in rules.iter().filter(|rule| !taken.iter().any(|taken| std::ptr::eq(*taken, **rule))) {
            score.notes.push(by_eye(rule, &world, table));
        }
        for (rule, theirs) in taken.into_iter().zip(theirs) {
            one(rule, &theirs, &world, table, chain, &netlink, &mut score);
        }
    }
    score
}

/// Lets nft add what it can; the others are left out.
fn by_nft<'r>(table: &Table, chain: &str, rules: &[&'r Rule], score: &mut Score) -> Vec<&'r Rule> {
    let mut out: BTreeSet<usize> = BTreeSet::new();
    loop {
        let left: Vec<usize> = (0..rules.len()).filter(|n| !out.contains(n)).collect();
        let line = |n: &usize| format!("add rule {} {} {chain} {}", table.family, table.name, rules[*n].text);
        let script: Vec<String> = left.iter().map(line).collect();
        let Err(said) = nft(&script.join("\n")) else {
            return left.into_iter().map(|n| rules[n]).collect();
        };
        let before = out.len();
        for (n, why) in said.lines().filter_map(complaint) {
            if let Some(n) = left.get(n - 1) {
                if out.insert(*n) {
                    score.skipped += 1;
                    let rule = &rules[*n].text;
                    score.notes.push(format!("  skipped ({}): {rule}: {why}", table.family));
                }
            }
        }
        if out.len() == before {
            // nft died of one of them, and did not say of which.
            for (n, line) in left.iter().zip(&script) {
                if nft(line).is_err() {
                    out.insert(*n);
                    score.skipped += 1;
                    score.notes.push(format!("  skipped ({}): {}: nft fails", table.family, rules[*n].text));
                }
            }
            nft(&format!("flush chain {} {} {chain}", table.family, table.name)).unwrap();
            assert!(out.len() > before, "{said}");
        }
    }
}

/// The line of the script that nft complains about.
fn complaint(line: &str) -> Option<(usize, String)> {
    let rest = line.strip_prefix("/dev/stdin:")?;
    let (number, rest) = rest.split_once(':')?;
    Some((number.parse().ok()?, rest.split_once(": ")?.1.to_owned()))
}

/// What nft does not take here, beside what nft 1.1.6 makes of it: for the eye.
fn by_eye(rule: &Rule, world: &World, table: &Table) -> String {
    let ours = match made::read(&rule.json).map(|statements| compile::statements(&statements, world)) {
        Ok(Ok(compiled)) => {
            let lines: Vec<String> = compiled.expressions.iter().map(|e| format!("{e:?}")).collect();
            lines.join("\n      ")
        }
        other => format!("{other:?}"),
    };
    let bytecode = rule.bytecode_of(&table.family).unwrap_or_default().join("\n      ");
    let Rule { text, json, .. } = rule;
    format!("  by eye: {} {text}\n    {json}\n      {ours}\n    1.1.6\n      {bytecode}", table.family)
}

fn one(
    rule: &Rule,
    theirs: &Held,
    world: &World,
    table: &Table,
    chain: &str,
    netlink: &raw::Netlink,
    score: &mut Score,
) {
    let family = world.family;
    let head = format!("  {} {}", table.family, rule.text);
    let statements = match made::read(&rule.json) {
        Ok(statements) => statements,
        Err(why) => {
            score.refused += 1;
            score.notes.push(format!("{head}\n    schema: {why}\n    {}", rule.json));
            return;
        }
    };
    let compiled = match compile::statements(&statements, world) {
        Ok(compiled) => compiled,
        Err(fault) if matches!(fault.why, Why::Expected(what) if what.contains("names are not resolved")) => {
            score.names.push(format!("{} {}", table.family, rule.text));
            return;
        }
        Err(fault) => {
            score.refused += 1;
            score.notes.push(format!("{head}\n    {fault:?}\n    {}", rule.json));
            return;
        }
    };
    if let Err(refused) = netlink.batch(&made::messages(compiled.clone(), family, &table.name, chain)) {
        score.refused += 1;
        score.notes.push(format!("{head}\n    kernel: {refused:?} {:?}\n    {}", compiled, rule.json));
        return;
    }
    let ours = held::rules(netlink, family, &table.name, chain).pop().unwrap();
    nft(&format!("flush chain {} {} {chain}", table.family, table.name)).unwrap();
    if ours.expressions == theirs.expressions && ours.sets == theirs.sets {
        score.same += 1;
        if ours.hints != theirs.hints {
            score.hints += 1;
            score.notes.push(format!("{head}\n    hints {:?}\n      not {:?}", ours.hints, theirs.hints));
        }
        return;
    }
    let bytecode = rule.bytecode_of(&table.family).unwrap_or_default();
    if ours.sets == theirs.sets && record::same(&compiled.expressions, &bytecode) == Some(true) {
        score.newer.push(format!("{} {}", table.family, rule.text));
        return;
    }
    score.differ += 1;
    let show = |held: &Held| format!("      {}\n      {:?}", held.expressions.join("\n      "), held.sets);
    let bytecode = bytecode.join("\n      ");
    score.notes.push(format!(
        "{head}\n    {}\n    ours\n{}\n    nft's\n{}\n    1.1.6\n      {bytecode}",
        rule.json,
        show(&ours),
        show(theirs)
    ));
}
