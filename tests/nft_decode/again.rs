//! What was lifted compiles to what was there: the same expressions, and the same elements in the sets of the rule.

use std::borrow::Cow;

use portcullis::netlink::attr::Buffer;
use portcullis::nft::compile::{self, Compiled, Scope};
use portcullis::nft::kernel::{self, Cmp, KExpr, Range};
use portcullis::nft::lift::{self, Sets};
use portcullis::nft::model::{Command, Family, RawElement, Set, Statement, Text, set_flag};
use portcullis::nft::object::stateful;
use portcullis::nft::schema;
use portcullis::nft::value::{Loopback, Names};
use portcullis::wire::json;
use portcullis::wire::scan::{Bounds, validate};
use portcullis::wire::schema::At;
use serde_json::{Value, json};

use crate::sets::Held;

/// A table with sets, and the hours of whoever reads and writes it.
pub struct Table<'h> {
    pub family: Family,
    pub held: &'h Held,
    pub names: &'h dyn Names,
}

/// Where nftables' tests were recorded: two hours ahead of UTC.
pub struct Recorded;

impl Names for Recorded {
    fn interface(&self, name: &[u8]) -> Option<u32> {
        Loopback.interface(name)
    }

    fn interface_name(&self, index: u32) -> Option<Text> {
        Loopback.interface_name(index)
    }

    fn utc_offset_s(&self) -> i32 {
        7200
    }
}

impl Sets for Table<'_> {
    fn set(&self, name: &[u8]) -> Option<(&Set, &[RawElement])> {
        Sets::set(self.held, name)
    }

    fn names(&self) -> &dyn Names {
        self.names
    }
}

impl Scope for Table<'_> {
    fn family(&self) -> Family {
        self.family
    }

    fn set(&self, name: &[u8]) -> Option<Set> {
        let (set, _) = Sets::set(self.held, name)?;
        (set.flags & set_flag::ANONYMOUS == 0).then(|| set.clone())
    }

    fn names(&self) -> &dyn Names {
        self.names
    }
}

/// The elements of an anonymous set, by name or id.
type Elements<'e> = dyn Fn(&[u8], Option<u32>) -> Option<Vec<RawElement>> + 'e;

/// An expression, and what the anonymous set holds that it looks up.
type Row = (String, Vec<String>);

fn contents(elements: &[RawElement]) -> Vec<String> {
    let mut rows: Vec<String> = elements.iter().map(|element| format!("{element:?}")).collect();
    rows.sort();
    rows
}

/// Expressions in a form in which the same ones are equal: names of anonymous sets aside, and a range in one form.
fn rows(expressions: &[KExpr<'_>], elements: &Elements<'_>) -> Vec<Row> {
    let mut out: Vec<Row> = Vec::new();
    let mut skip = false;
    for (index, expression) in expressions.iter().enumerate() {
        if std::mem::take(&mut skip) {
            continue;
        }
        let mut expression = expression.clone();
        if let (
            KExpr::Cmp { sreg, op: Cmp::Gte, data: from },
            Some(KExpr::Cmp { sreg: same, op: Cmp::Lte, data: to }),
        ) = (&expression, expressions.get(index + 1))
        {
            if sreg == same {
                expression = KExpr::Range { sreg: *sreg, not: false, from: *from, to: *to };
                skip = true;
            }
        }
        let mut inside = Vec::new();
        if let KExpr::Lookup { set, set_id, .. } | KExpr::ObjrefMap { set, set_id, .. } = &mut expression {
            if let Some(elements) = elements(set, *set_id) {
                inside = contents(&elements);
                (*set, *set_id) = (Cow::Borrowed(&b"anonymous"[..]), None);
            }
        }
        let mut buffer = Buffer::new();
        kernel::write(&expression, &mut buffer);
        // What is kept as it is is read again: it is to be equal to what is understood.
        let mut expression = kernel::one(buffer.bytes(), true).unwrap();
        single(&mut expression);
        let opaque = stateful::opaque(&expression);
        let name = String::from_utf8_lossy(&opaque.name).into_owned();
        let data = opaque.data.unwrap_or_default().iter().map(|b| format!("{b:02x}")).collect::<String>();
        out.push((format!("{name} {data}"), inside));
    }
    out
}

/// Where there is only one address or port, the kernel lists it as the last one too.
fn single(expression: &mut KExpr<'_>) {
    let single = |range: &mut Range| range.max = range.max.filter(|max| Some(*max) != range.min);
    match expression {
        KExpr::Nat { addr, proto, .. } => {
            single(addr);
            single(proto);
        }
        KExpr::Masq { proto, .. } | KExpr::Redir { proto, .. } => single(proto),
        _ => {}
    }
}

/// What the kernel has, as rows.
pub fn there(expressions: &[KExpr<'_>], held: &Held) -> Vec<Row> {
    rows(expressions, &|name, _| {
        let (set, elements) = held.set(name)?;
        (set.flags & set_flag::ANONYMOUS != 0).then(|| elements.to_vec())
    })
}

/// What compiling gives, as rows.
pub fn compiled(statements: &[Statement], table: &Table<'_>) -> Result<Vec<Row>, String> {
    let compiled = compile::statements(statements, table).map_err(|fault| format!("{fault:?}"))?;
    Ok(rows(&compiled.expressions, &|_, id| {
        Some(compiled.sets.get(usize::try_from(id?).unwrap())?.elements.clone())
    }))
}

/// What a rule in the schema compiles to.
pub fn of(rule: &Value, table: &Table<'_>) -> Option<Vec<Row>> {
    compiled(&read(rule)?, table).ok()
}

/// The statements of a rule in the schema.
fn read(statements: &Value) -> Option<Vec<Statement>> {
    let rule = json!({"family": "ip", "table": "t", "chain": "c", "expr": statements});
    let text = json!([{"add": {"rule": rule}}]).to_string();
    let bounds = Bounds { depth: 64, ..*Bounds::of(portcullis::op::Role::Net) };
    let frame = json::to_term(text.as_bytes(), &bounds).ok()?;
    let term = validate(&frame, &bounds).ok()?;
    match schema::commands(term.term(), &At::Top).ok()?.into_iter().next()? {
        Command::Append(rule, _) => Some(rule.statements),
        _ => None,
    }
}

/// A rule in the schema, compiled and lifted, without a kernel between: its statements, and what it compiles to before and after.
/// Nothing where it does not compile.
pub fn without_kernel(rule: &Value, table: &Table<'_>) -> Option<(Vec<Statement>, Vec<Row>, Vec<Row>)> {
    let Table { family, held, names } = *table;
    let Compiled { mut expressions, sets } = compile::statements(&read(rule)?, table).ok()?;
    let mut all = Held(held.0.clone());
    for expression in &mut expressions {
        if let KExpr::Lookup { set, set_id, .. } | KExpr::ObjrefMap { set, set_id, .. } = expression {
            if let Some(anonymous) = set_id.take().and_then(|id| sets.get(usize::try_from(id).unwrap())) {
                let name = format!("__anonymous{}", all.0.len()).into_bytes();
                *set = Cow::Owned(name.clone());
                let mut header = anonymous.set.clone();
                header.flags |= set_flag::ANONYMOUS;
                all.0.insert(name, (header, anonymous.elements.clone()));
            }
        }
    }
    let lifted = lift::statements(&expressions, family, &Table { family, held: &all, names });
    let before = there(&expressions, &all);
    let after = compiled(&lifted, table).unwrap_or_else(|fault| vec![(fault, Vec::new())]);
    Some((lifted, before, after))
}
