//! Every rule of the corpus that nft and the kernel take: what the kernel then holds is lifted, and compared with what nft
//! lists. `NFT_DECODE=1` prints the differences, `NFT_DECODE=inet-tcp` those of one file.

use portcullis::netlink::attr::Attrs;
use portcullis::nft::kernel::{self, KExpr};
use portcullis::nft::lift;
use portcullis::nft::model::{Family, Statement};

use crate::json::shown;
use crate::nft_support::corpus::{File, Rule, Table};
use crate::nft_support::{corpus, network, nft, raw};
use crate::sets;

/// What became of the rules of a file.
#[derive(Clone, Copy, Default)]
struct Count {
    /// Taken by nft and the kernel.
    taken: usize,
    /// Of them listed as nft lists them.
    same: usize,
    /// Of them with an opaque expression.
    opaque: usize,
}

fn wanted(name: &str) -> Option<bool> {
    match std::env::var("NFT_DECODE").as_deref() {
        Err(_) => Some(false),
        Ok("1") => Some(true),
        Ok(only) => name.contains(only).then_some(true),
    }
}

/// Adds the rule alone to the chain, and lifts what the kernel then has. Nothing if it is not taken.
fn lifted(
    netlink: &raw::Netlink,
    table: &Table,
    rule: &Rule,
) -> Option<(Vec<Statement>, Vec<(String, Vec<u8>)>)> {
    let chain = table.chains.first()?;
    let place = format!("{} {} {chain}", table.family, table.name);
    nft(&format!("flush chain {place}\nadd rule {place} {}", rule.text)).ok()?;
    let family = raw::family(&table.family);
    let rules = netlink.rules(family, &table.name);
    let (_, list) = rules.iter().find(|(name, _)| name == chain)?;
    let mut expressions: Vec<KExpr<'_>> = Vec::new();
    kernel::decode(Attrs::new(list), &mut expressions);
    let held = sets::held(netlink, family, &table.name);
    let family = Family::numbered(family).unwrap();
    Some((lift::statements(&expressions, family, &held), raw::expressions(list)))
}

/// The corpus was listed without what changes as packets pass.
fn stateless(statements: &mut serde_json::Value) {
    for statement in statements.as_array_mut().unwrap() {
        if statement["counter"]["packets"].is_u64() {
            statement["counter"] = serde_json::Value::Null;
        }
    }
}

fn check(file: &File, print: bool) -> Count {
    let mut count = Count::default();
    for table in &file.tables {
        if let Err(why) = nft(&table.setup.join("\n")) {
            // One at a time: what this nft does not know is left out.
            let _ = nft(&format!("delete table {} {}", table.family, table.name));
            let refused = table.setup.iter().filter(|line| nft(line).is_err()).count();
            if print {
                println!("{}: {refused} of {} set-up commands refused: {why}", file.name, table.setup.len());
            }
        }
        let netlink = raw::Netlink::open();
        for rule in file.rules.iter().filter(|rule| rule.ok) {
            let Some((statements, bytes)) = lifted(&netlink, table, rule) else { continue };
            count.taken += 1;
            let opaque = statements.iter().any(|s| matches!(s, Statement::Opaque(_)));
            count.opaque += usize::from(opaque);
            let mut shown = shown(&statements);
            stateless(&mut shown);
            let same = shown == rule.listed;
            count.same += usize::from(same);
            if print && !same {
                println!("--- {} {} | {}", file.name, table.family, rule.text);
                println!("  nft:  {}", rule.listed);
                println!("  ours: {shown}");
                for (name, data) in bytes {
                    println!(
                        "        {name} {}",
                        data.iter().map(|b| format!("{b:02x}")).collect::<String>()
                    );
                }
            }
        }
        let _ = nft(&format!("delete table {} {}", table.family, table.name));
    }
    count
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
    let mut sum = Count::default();
    for (name, count) in &counts {
        println!("{name:24} {:4} of {:4}, {:3} opaque", count.same, count.taken, count.opaque);
        sum.taken += count.taken;
        sum.same += count.same;
        sum.opaque += count.opaque;
    }
    println!("{:24} {:4} of {:4}, {:3} opaque", "all", sum.same, sum.taken, sum.opaque);
    assert!(sum.same * 100 >= sum.taken * 90, "{} of {}", sum.same, sum.taken);
}
