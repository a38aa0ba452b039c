//! From statements to the expressions that the kernel evaluates: dependencies are put in, constants are converted, anonymous
//! sets are taken out. What comes out is what nft makes of the same rule, in the form in which the kernel lists it; so that
//! what was listed, read back and made again is the same.
#![forbid(unsafe_code)]

mod constant;
mod context;
mod depend;
mod fault;
mod forward;
mod load;
mod mangle;
mod map;
mod merge;
mod nat;
mod operand;
mod reject;
mod relation;
mod rule;
mod set;
mod tunnel;

use std::borrow::Cow;

use crate::error::{Step, Why};
use crate::nft::kernel::{Immediate, KExpr, VERDICT};
use crate::nft::model::{Family, NatKind, ObjectKind, RawElement, Set, Statement, Verdict};
use crate::nft::object::element::verdict_code;
use crate::nft::value::{Loopback, Names};

use fault::{Make, Within, expected};
use rule::Rule;

/// What the statements mean depends on.
pub trait Scope {
    /// The family of the table.
    fn family(&self) -> Family;
    /// The header of a named set or map of the table, be it of this change or of the kernel.
    fn set(&self, name: &[u8]) -> Option<Set>;
    /// What values mean depends on outside of the rule: the names of interfaces.
    fn names(&self) -> &dyn Names {
        &Loopback
    }
}

/// A set that a rule brings along.
#[derive(Clone, Debug, PartialEq)]
pub struct Anonymous {
    /// Its header; the table is filled in by whoever sends it.
    pub set: Set,
    /// Its elements, as the kernel wants them: intervals as beginnings and ends, sorted.
    pub elements: Vec<RawElement>,
}

/// The expressions of a rule, and its sets. A `Lookup` that refers to the n-th set has the name `__set%d` or `__map%d` and `set_id` n,
/// counted from 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compiled {
    /// In their order.
    pub expressions: Vec<KExpr<'static>>,
    /// The sets that they look up.
    pub sets: Vec<Anonymous>,
}

/// Where in the statements something is wrong, from the statement's index (from 1) on, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The path.
    pub path: Vec<Step>,
    /// What is wrong.
    pub why: Why,
}

/// Compiles the statements of a rule.
///
/// # Errors
/// What the kernel would not take, or would take for something else than what the statements say.
pub fn statements(statements: &[Statement], scope: &dyn Scope) -> Result<Compiled, Fault> {
    compile(statements, scope).map_err(|mut fault| {
        fault.path.reverse();
        fault
    })
}

fn compile(statements: &[Statement], scope: &dyn Scope) -> Make<Compiled> {
    let mut rule = Rule::new(scope);
    let mut ended = false;
    for (n, statement) in statements.iter().enumerate() {
        if ended {
            return expected("nothing behind the statement that ends the rule").nth(n);
        }
        add(&mut rule, statement).nth(n)?;
        ended = ends(statement);
    }
    let Rule { units, sets, .. } = rule;
    let mut expressions = Vec::with_capacity(units.len().saturating_mul(2));
    for unit in merge::merged(units) {
        expressions.extend(unit.into_expressions()?);
    }
    Ok(Compiled { expressions, sets })
}

/// Whether no statement behind it is ever reached.
fn ends(statement: &Statement) -> bool {
    match statement {
        Statement::Verdict(verdict) => *verdict != Verdict::Continue,
        Statement::Reject(_) | Statement::Nat(_) | Statement::Queue(_) | Statement::Fwd(..) => true,
        _ => false,
    }
}

fn add(rule: &mut Rule<'_>, statement: &Statement) -> Make<()> {
    match statement {
        Statement::Match(matching) => rule.matching(matching).key("match"),
        Statement::Verdict(verdict) => {
            let (code, chain) = verdict_code(verdict);
            let data = Immediate::Verdict(code, chain.map(|chain| Cow::Owned(chain.to_vec())));
            alone(rule, KExpr::Immediate { dreg: VERDICT, data })
        }
        Statement::Vmap(key, data) => rule.verdict_map(key, data).key("vmap"),
        Statement::Counter(_) => rule.state(statement).key("counter"),
        Statement::Limit(_) => rule.state(statement).key("limit"),
        Statement::Quota(_) => rule.state(statement).key("quota"),
        Statement::Last(_) => rule.state(statement).key("last"),
        Statement::CtCount(..) => rule.state(statement).key("ct count"),
        Statement::Opaque(_) => rule.state(statement).key("opaque"),
        Statement::Log(log) => rule.log(log).key("log"),
        Statement::Reject(reject) => rule.reject(reject).key("reject"),
        Statement::Nat(nat) => rule.nat(nat).key(nat_word(nat.kind)),
        Statement::Mangle(target, value) => rule.mangle(target, value).key("mangle"),
        Statement::Notrack => alone(rule, KExpr::Notrack),
        Statement::Reset(option) => rule.reset(option).key("reset"),
        Statement::Dynset(dynset) => {
            rule.dynset(dynset).key(if dynset.data.is_some() { "map" } else { "set" })
        }
        Statement::Object(kind, which) => rule.object(*kind, which).key(object_word(*kind)),
        Statement::Queue(queue) => rule.queue(queue).key("queue"),
        Statement::Tproxy(tproxy) => rule.tproxy(tproxy).key("tproxy"),
        Statement::Dup(addr, dev) => rule.dup(addr.as_ref(), dev.as_ref()).key("dup"),
        Statement::Fwd(dev, to) => rule.fwd(dev, to.as_ref()).key("fwd"),
        Statement::Synproxy(mss, wscale, flags) => {
            alone(rule, KExpr::Synproxy { mss: *mss, wscale: *wscale, flags: *flags })
        }
    }
}

/// A statement that is one expression.
fn alone(rule: &mut Rule<'_>, expression: KExpr<'static>) -> Make<()> {
    rule.begin();
    rule.emit(expression);
    rule.act();
    Ok(())
}

fn nat_word(kind: NatKind) -> &'static str {
    match kind {
        NatKind::Snat => "snat",
        NatKind::Dnat => "dnat",
        NatKind::Masquerade => "masquerade",
        NatKind::Redirect => "redirect",
    }
}

fn object_word(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Counter => "counter",
        ObjectKind::Quota => "quota",
        ObjectKind::CtHelper => "ct helper",
        ObjectKind::Limit => "limit",
        ObjectKind::CtTimeout => "ct timeout",
        ObjectKind::Secmark => "secmark",
        ObjectKind::CtExpectation => "ct expectation",
        ObjectKind::Synproxy => "synproxy",
    }
}
