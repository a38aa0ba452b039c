//! Every rule of the corpus that nft and the kernel take: what the kernel then holds is lifted, compared with what nft lists, and
//! compiled again. And every rule that compiles, without nft between, since the installed nft is older than the corpus.
//! `NFT_DECODE=1` prints the differences, `NFT_DECODE=inet-tcp` those of one file.

use portcullis::netlink::attr::Attrs;
use portcullis::nft::kernel::{self, KExpr};
use portcullis::nft::lift;
use portcullis::nft::model::{Family, Statement};

use crate::again;
use crate::json::shown;
use crate::nft_support::corpus::{File, Rule, Table};
use crate::nft_support::{corpus, network, nft, raw};
use crate::sets;

/// What became of rules.
#[derive(Clone, Copy, Default)]
struct Count {
    /// Taken by nft and the kernel, or compiled.
    taken: usize,
    /// Of them listed as nft lists them.
    same: usize,
    /// Of them with an opaque expression.
    opaque: usize,
    /// Of them compiled to what was there.
    again: usize,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.taken += other.taken;
        self.same += other.same;
        self.opaque += other.opaque;
        self.again += other.again;
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { taken, same, opaque, again } = self;
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
        let table = again::Table { family: self.family, held: &held };
        let after = again::compiled(&lifted, &table).unwrap_or_else(|fault| vec![(fault, Vec::new())]);
        Some((lifted, again::there(&expressions, &held), after))
    }

    fn without_nft(&self, rule: &Rule) -> Option<Lifted> {
        let held = sets::held(self.netlink, self.family.number(), &self.table.name);
        again::without_kernel(&rule.json, self.family, &held)
    }

    fn judge(&self, rule: &Rule, way: &str, lifted: Option<Lifted>) -> Count {
        let Some((statements, before, after)) = lifted else { return Count::default() };
        let opaque = statements.iter().any(|s| matches!(s, Statement::Opaque(_)));
        let mut shown = shown(&statements);
        stateless(&mut shown);
        let (same, again) = (shown == rule.listed, before == after);
        if self.print && !(same && again) {
            println!("--- {way} {} {} | {}", self.file, self.table.family, rule.text);
            println!("  nft:  {}", rule.listed);
            println!("  ours: {shown}");
            println!("  there: {before:?}");
            if !again {
                println!("  again: {after:?}");
            }
        }
        Count { taken: 1, same: same.into(), opaque: opaque.into(), again: again.into() }
    }
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
    let mut counts = [Count::default(); 2];
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
                counts[1].add(place.judge(rule, "compiled", place.without_nft(rule)));
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
    let mut sums = [Count::default(); 2];
    for (name, both) in &counts {
        println!("{name:18} {}", both[0]);
        println!("{:18} {}", "", both[1]);
        for (sum, count) in sums.iter_mut().zip(both) {
            sum.add(*count);
        }
    }
    println!("{:18} {}\n{:18} {}", "through the kernel", sums[0], "compiled", sums[1]);
    for sum in sums {
        assert!(sum.same * 100 >= sum.taken * 90, "listed: {sum}");
        assert!(sum.again * 100 >= sum.taken * 95, "compiled again: {sum}");
    }
}
