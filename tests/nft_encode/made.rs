//! From a rule in the schema to messages for the kernel, the way that a request goes.

use std::collections::BTreeMap;

use portcullis::error::{RequestError, Step};
use portcullis::netlink::attr::Buffer;
use portcullis::nft::compile::{self, Compiled, Fault, Scope};
use portcullis::nft::kernel::KExpr;
use portcullis::nft::model::{Command, Family, Set, Statement};
use portcullis::nft::object::{element, rule, set};
use portcullis::nft::schema;
use portcullis::wire::json;
use portcullis::wire::scan::{Bounds, validate};
use portcullis::wire::schema::At;
use serde_json::{Value, json};

use crate::nft_support::raw;

/// A table with sets.
pub struct World {
    pub family: Family,
    pub sets: BTreeMap<Vec<u8>, Set>,
}

impl World {
    pub fn new(family: Family) -> Self {
        Self { family, sets: BTreeMap::new() }
    }

    /// With the sets that the kernel has in the table.
    pub fn of(netlink: &raw::Netlink, family: Family, table: &str) -> Self {
        let sets = netlink.sets(family.number(), table).into_iter();
        let read =
            sets.map(|(name, body)| (name.into_bytes(), set::decode(family.number(), &body).unwrap().what));
        Self { family, sets: read.collect() }
    }
}

impl Scope for World {
    fn family(&self) -> Family {
        self.family
    }

    fn set(&self, name: &[u8]) -> Option<Set> {
        self.sets.get(name).cloned()
    }
}

/// The statements of a rule; text of the error where the schema refuses it.
pub fn read(statements: &Value) -> Result<Vec<Statement>, String> {
    asked(statements).map_err(|e| format!("{e:?}"))
}

/// The statements of a rule, or what the schema says of them.
pub fn asked(statements: &Value) -> Result<Vec<Statement>, RequestError> {
    let rule = json!({"family": "ip", "table": "t", "chain": "c", "expr": statements});
    let text = json!([{"add": {"rule": rule}}]).to_string();
    let bounds = Bounds { depth: 64, ..*Bounds::of(portcullis::op::Role::Net) };
    let frame = json::to_term(text.as_bytes(), &bounds).unwrap();
    let term = validate(&frame, &bounds).unwrap();
    let commands = schema::commands(term.term(), &At::Top)?;
    match commands.into_iter().next() {
        Some(Command::Append(rule, _)) => Ok(rule.statements),
        other => panic!("{other:?}"),
    }
}

/// A path as text.
pub fn place(path: &[Step]) -> String {
    let step = |step: &Step| match step {
        Step::Key(key) => (*key).to_owned(),
        Step::Unknown(key) => String::from_utf8_lossy(key).into_owned(),
        Step::Index(n) => n.to_string(),
    };
    path.iter().map(step).collect::<Vec<_>>().join("/")
}

/// Compiles a rule.
pub fn compiled(statements: &Value, world: &World) -> Result<Compiled, Fault> {
    compile::statements(&read(statements).unwrap(), world)
}

/// The messages that add a rule with its sets.
pub fn messages(compiled: Compiled, family: Family, table: &str, chain: &str) -> Vec<raw::Message> {
    let mut messages = Vec::new();
    let family = family.number();
    let Compiled { mut expressions, sets } = compiled;
    for (id, anonymous) in (1_u32..).zip(sets) {
        let mut header = anonymous.set;
        header.table.name = table.as_bytes().to_vec().into();
        let mut buffer = Buffer::new();
        set::encode(&header, id, &mut buffer).unwrap();
        messages.push(message(raw::NEWSET, family, &buffer));
        let of = element::Of { table: table.as_bytes(), set: &header.name, set_id: Some(id) };
        let mut elements = anonymous.elements.into_iter().peekable();
        while elements.peek().is_some() {
            let mut buffer = Buffer::new();
            element::encode(&of, &mut elements, &mut buffer).unwrap();
            messages.push(message(raw::NEWSETELEM, family, &buffer));
        }
    }
    for expression in &mut expressions {
        if let KExpr::Lookup { set_id: Some(id), .. } | KExpr::ObjrefMap { set_id: Some(id), .. } = expression
        {
            *id += 1;
        }
    }
    let new = rule::New {
        table: table.as_bytes(),
        chain: chain.as_bytes(),
        id: None,
        beside: rule::Beside::Edge,
        expressions: &expressions,
        comment: None,
    };
    let mut buffer = Buffer::new();
    rule::encode(&new, &mut buffer).unwrap();
    messages.push(message(raw::NEWRULE, family, &buffer));
    messages
}

fn message(kind: u8, family: u8, buffer: &Buffer) -> raw::Message {
    let flags = if kind == raw::NEWRULE { raw::CREATE | raw::APPEND } else { raw::CREATE };
    raw::Message { kind, family, flags, attributes: buffer.bytes().to_vec() }
}
