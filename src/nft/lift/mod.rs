//! From the expressions that the kernel evaluates to statements: constants get their types, dependencies that only nft put in go,
//! what is not understood is kept as it is.
//!
//! A rule is followed expression by expression. What loads or computes only changes what the registers hold; what compares, writes
//! or acts becomes a statement, which stands for itself and everything that led to it. Both must lie side by side, or
//! compiling could not give the same order again. Whatever stands for nothing at the end is listed as it is.
#![forbid(unsafe_code)]

mod action;
mod bits;
mod compare;
mod constant;
mod context;
mod element;
mod inside;
mod key;
mod mangle;
mod nat;
mod number;
mod register;
mod source;
mod trail;

use crate::nft::kernel::{BitOp, KExpr};
use crate::nft::model::{Family, RawElement, Set, Statement};
use crate::nft::object::stateful;
use crate::nft::value::{Loopback, Names};
use context::{Context, Dependency};
use inside::Inside;
use register::{Cover, Registers, Selector, Value, What};
use trail::Trail;

/// The sets of the table that a rule looks into.
pub trait Sets {
    /// The header of a set, and for an anonymous one its elements.
    fn set(&self, name: &[u8]) -> Option<(&Set, &[RawElement])>;

    /// What the host calls things.
    fn names(&self) -> &dyn Names {
        &Loopback
    }
}

/// Lifts the expressions of a rule. Never fails: what cannot be said in the schema becomes
/// [`Statement::Opaque`], so that compiling the statements gives the same expressions again.
#[must_use]
pub fn statements(expressions: &[KExpr<'_>], family: Family, sets: &dyn Sets) -> Vec<Statement> {
    let mut lift = Lift {
        expressions,
        sets,
        names: sets.names(),
        registers: Registers::default(),
        context: Context::new(family),
        trail: Trail::new(),
        inside: None,
        out: Vec::with_capacity(expressions.len().div_ceil(2)),
        starts: [0; STATEMENTS],
        done: 0,
    };
    lift.run();
    lift.finish()
}

/// Most expressions of a rule; the kernel takes no more (`NFT_RULE_MAXEXPRS`, net/netfilter/nf_tables_api.c).
const MOST: usize = 128;

/// Most statements of a rule: a comparison of fields that were loaded together gives several.
const STATEMENTS: usize = 256;

/// A rule on its way.
struct Lift<'e, 'a> {
    expressions: &'e [KExpr<'a>],
    sets: &'e dyn Sets,
    names: &'e dyn Names,
    registers: Registers,
    context: Context,
    trail: Trail,
    /// The packet inside of a tunnel, where the rule looks there.
    inside: Option<Box<Inside>>,
    out: Vec<Statement>,
    /// The first of the expressions that each of them stands for.
    starts: [u8; STATEMENTS],
    /// The expressions that statements stand for.
    done: Cover,
}

/// What a value means depends on.
#[derive(Clone, Copy)]
struct Scope<'s> {
    context: &'s Context,
    inside: Option<&'s Inside>,
    names: &'s dyn Names,
}

/// An expression as a set of one.
fn only(index: usize) -> Cover {
    u32::try_from(index).ok().and_then(|index| 1_u128.checked_shl(index)).unwrap_or(0)
}

impl<'e, 'a> Lift<'e, 'a> {
    fn scope(&self) -> Scope<'_> {
        Scope { context: &self.context, inside: self.inside.as_deref(), names: self.names }
    }

    fn run(&mut self) {
        let all = self.expressions;
        if all.len() > MOST {
            return;
        }
        for (index, expression) in all.iter().enumerate() {
            if self.done & only(index) == 0 && self.step(index, expression).is_none() {
                // Whatever it wrote is not known now.
                self.registers.clear();
            }
        }
    }

    fn step(&mut self, index: usize, expression: &'e KExpr<'a>) -> Option<()> {
        match expression {
            KExpr::Cmp { sreg, op, data } => self.compare(index, *sreg, *op, data),
            KExpr::Range { sreg, not, from, to } => self.range(only(index), *sreg, *not, from, to),
            KExpr::Lookup { set, sreg, dreg, flags, .. } => self.lookup(index, set, *sreg, *dreg, *flags),
            KExpr::Bitwise { sreg, dreg, len, op } => {
                let value = self.computed(*sreg, *len, op)?;
                self.registers.put(*dreg, Value { from: value.from | only(index), ..value })
            }
            KExpr::Byteorder { sreg, dreg, to_network, len, size } => {
                let mut value = self.registers.take(*sreg)?;
                let What::Selector(selector) = value.what else { return None };
                if selector.shape.len != *len || size != len {
                    return None;
                }
                value.what = What::Selector(bits::turned(selector, *to_network, self.scope())?);
                self.registers.put(*dreg, Value { from: value.from | only(index), ..value })
            }
            KExpr::Hash { .. } if self.hash(index, expression).is_some() => Some(()),
            KExpr::Inner { .. } => self.look_inside(index, expression),
            _ => match source::load(expression, &self.context) {
                Some((dreg, what)) => self.registers.put(dreg, source::value(what, only(index))?),
                None => self.act(index, expression),
            },
        }
    }

    /// A value behind a bitwise expression.
    fn computed(&mut self, sreg: u32, len: u32, op: &BitOp) -> Option<Value> {
        let left = self.registers.take(sreg)?;
        let What::Selector(selector) = left.what else { return None };
        let (selector, from) = match op {
            BitOp::Register(op, other) => {
                let right = self.registers.take(*other)?;
                let What::Selector(other) = right.what else { return None };
                (bits::combined(selector, other, *op, len, self.scope())?, left.from | right.from)
            }
            _ => (bits::bitwise(selector, op, len, self.scope())?, left.from),
        };
        Some(Value { len: selector.shape.len, what: What::Selector(selector), from })
    }

    /// The first expression of those that a statement would stand for, and where they end: they lie side by side, and none belongs to
    /// another. Those that are hidden behind it may: that other statement goes.
    fn claim(&self, cover: Cover, hidden: Cover) -> Option<(usize, usize)> {
        if cover & self.done != 0 {
            return None;
        }
        let (start, len) = number::run(cover | hidden)?;
        let start = usize::try_from(start).ok()?;
        Some((start, start.checked_add(usize::try_from(len).ok()?)?))
    }

    /// Puts a statement in that stands for these expressions.
    fn push(&mut self, cover: Cover, statement: Statement) -> Option<()> {
        self.stand(cover, statement, None).map(|_| ())
    }

    /// The same for one that may be a comparison that others rely on; where its own expressions begin and end.
    fn stand(
        &mut self,
        cover: Cover,
        statement: Statement,
        is: Option<Dependency>,
    ) -> Option<(usize, usize)> {
        if self.inside.is_some() {
            return self.stand_inside(cover, statement, is);
        }
        let (start, end) = self.claim(cover, 0)?;
        self.place(start, end, statement, is)?;
        self.done |= cover;
        Some((start, end))
    }

    /// Puts a statement in behind the others, and takes those out that will be put in for it.
    fn place(
        &mut self,
        start: usize,
        end: usize,
        statement: Statement,
        is: Option<Dependency>,
    ) -> Option<()> {
        if self.out.len() >= STATEMENTS {
            return None;
        }
        let removed = self.trail.settle(&statement, (start, end), &mut self.context, is)?;
        self.out.truncate(self.out.len().checked_sub(removed)?);
        self.add(start, statement)
    }

    fn add(&mut self, start: usize, statement: Statement) -> Option<()> {
        *self.starts.get_mut(self.out.len())? = u8::try_from(start).ok()?;
        self.out.push(statement);
        Some(())
    }

    /// The statements in their order, with everything that no statement stands for.
    fn finish(&mut self) -> Vec<Statement> {
        let count = u32::try_from(self.expressions.len()).unwrap_or(u32::MAX);
        let lifted = std::mem::take(&mut self.out);
        if self.expressions.len() <= MOST && self.done == number::ones(count) {
            return lifted;
        }
        let mut out = Vec::with_capacity(self.expressions.len());
        let mut statements = self.starts.iter().copied().map(usize::from).zip(lifted).peekable();
        for (index, expression) in self.expressions.iter().enumerate() {
            while let Some((_, statement)) = statements.next_if(|(start, _)| *start <= index) {
                out.push(statement);
            }
            if index >= MOST || self.done & only(index) == 0 {
                out.push(Statement::Opaque(stateful::opaque(expression)));
            }
        }
        out.extend(statements.map(|(_, statement)| statement));
        out
    }
}

/// The selector in a register.
fn selector(value: Value) -> Option<(Selector, Cover)> {
    match value.what {
        What::Selector(selector) => Some((selector, value.from)),
        _ => None,
    }
}
