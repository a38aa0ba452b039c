//! Headers inside of tunnels, which the installed nft does not know: the kernel takes them, and what it then holds is lifted and
//! made again.

use portcullis::nft::compile;
use portcullis::nft::model::{Expr, Family, Statement};

use crate::again::again;
use crate::held;
use crate::made::{self, World};
use crate::nft_support::corpus::{self, File, Table};
use crate::nft_support::{network, nft, raw};

const FILES: [&str; 4] = ["inet-geneve", "inet-gre", "inet-gretap", "inet-vxlan"];

fn is_inside(statement: &Statement) -> bool {
    let Statement::Match(matching) = statement else { return false };
    match &matching.left {
        Expr::Inner(..) => true,
        Expr::Concat(parts) => parts.iter().any(|part| matches!(part, Expr::Inner(..))),
        _ => false,
    }
}

/// How many rules look inside of a tunnel.
fn judge(file: &File, table: &Table) -> usize {
    let netlink = raw::Netlink::open();
    table.setup.iter().for_each(|command| drop(nft(command).unwrap()));
    let (family, chain) = (Family::named(table.family.as_bytes()).unwrap(), &table.chains[0]);
    let world = World::of(&netlink, family, &table.name);
    for rule in file.rules.iter().filter(|rule| rule.ok) {
        let statements = made::read(&rule.json).unwrap();
        let compiled = compile::statements(&statements, &world).unwrap();
        let sent = netlink.batch(&made::messages(compiled, family, &table.name, chain));
        assert_eq!(sent, Ok(()), "{} {}", table.family, rule.text);
    }
    let before = held::rules(&netlink, family, &table.name, chain);
    let mut count = 0;
    for (there, again) in before.iter().zip(again(&netlink, family, &table.name, chain)) {
        assert!(!again.statements.iter().any(|s| matches!(s, Statement::Opaque(_))), "{there:?}");
        let made = again.made.unwrap();
        assert_eq!((&made.expressions, &made.sets), (&there.expressions, &there.sets));
        count += usize::from(again.statements.iter().any(is_inside));
    }
    count
}

#[test]
fn what_is_inside_of_tunnels_comes_back() {
    let Some(files) = corpus::rules() else { return };
    let mut count = 0;
    for file in files.iter().filter(|file| FILES.contains(&file.name.as_str())) {
        let Some(seen) = network(|| file.tables.iter().map(|table| judge(file, table)).sum::<usize>()) else {
            return;
        };
        count += seen;
    }
    println!("{count} rules look inside of tunnels");
    assert!(count >= 80, "{count}");
}
