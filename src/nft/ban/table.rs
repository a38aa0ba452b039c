//! The table of bans: its sets, its chain and its rules, as the commands that make them.
#![forbid(unsafe_code)]

use std::collections::HashSet;

use super::place::Near;
use crate::nft::model::{
    BaseChain, Chain, Command, Counter, Creation, Datum, Expr, Family, MapData, Match, Order, Part, Place,
    Relation, Rule, Set, Statement, Table, TableRef, Text, Type, Verdict, set_flag,
};
use crate::nft::tables::field;

/// The name of the table.
pub const TABLE: &str = "portcullis";

/// The chain that drops.
pub const CHAIN: &[u8] = b"banned";

/// Before connection tracking, so that what is dropped costs nothing more (`NF_IP_PRI_RAW`).
const PRIORITY: i32 = -300;

/// The table.
#[must_use]
pub fn table() -> TableRef {
    TableRef { family: Family::Inet, name: Text::Borrowed(TABLE.as_bytes()) }
}

/// The name of the set for addresses of that width.
#[must_use]
pub fn set_name(width: u32) -> &'static str {
    if width == 32 { "banned4" } else { "banned6" }
}

/// The commands that make what is missing.
#[must_use]
pub fn set_up(near: &Near) -> Vec<Command<'static>> {
    let mut commands = Vec::new();
    let missing =
        |has: &HashSet<u32>| [32_u32, 128].into_iter().filter(|w| !has.contains(w)).collect::<Vec<_>>();
    if near.sets.is_empty() && !near.chain {
        let table = Table { id: table(), handle: None, flags: 0, comment: None };
        commands.push(Command::Add(Creation::Table(table)));
    }
    for width in missing(&near.sets) {
        commands.push(Command::Add(Creation::Set(Box::new(set(width)), None)));
    }
    if !near.chain {
        commands.push(Command::Add(Creation::Chain(base_chain())));
    }
    for width in missing(&near.rules) {
        commands.push(Command::Append(drop_rule(width), Place::Edge));
    }
    commands
}

fn set(width: u32) -> Set {
    let ty = if width == 32 { Type::Ipv4Addr } else { Type::Ipv6Addr };
    let data: Option<MapData> = None;
    Set {
        table: table(),
        name: Text::Borrowed(set_name(width).as_bytes()),
        handle: None,
        key: Datum { parts: vec![Part { ty, bits: width, order: Order::Network }], of: None },
        data,
        flags: set_flag::INTERVAL | set_flag::TIMEOUT,
        timeout_ms: None,
        gc_ms: None,
        size: None,
        policy: None,
        auto_merge: false,
        comment: None,
        statements: vec![Statement::Counter(Counter::default())],
    }
}

fn base_chain() -> Chain {
    let base = BaseChain {
        kind: Text::Borrowed(b"filter"),
        // NF_INET_PRE_ROUTING: what is forwarded is meant too.
        hook: 0,
        priority: PRIORITY,
        accepts: Some(true),
        devices: Vec::new(),
        offload: false,
    };
    Chain { table: table(), name: Text::Borrowed(CHAIN), handle: None, base: Some(base), comment: None }
}

fn drop_rule(width: u32) -> Rule {
    let protocol: &[u8] = if width == 32 { b"ip" } else { b"ip6" };
    let compared = field(protocol, b"saddr").map(|source| {
        Statement::Match(Match {
            op: Relation::Equal,
            left: Expr::Payload(source),
            right: Expr::SetRef(Text::Borrowed(set_name(width).as_bytes())),
        })
    });
    let statements = compared
        .into_iter()
        .chain([Statement::Counter(Counter::default()), Statement::Verdict(Verdict::Drop)])
        .collect();
    Rule { table: table(), chain: Text::Borrowed(CHAIN), handle: None, statements, comment: None }
}
