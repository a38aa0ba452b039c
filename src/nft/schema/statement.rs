//! Statements, and verdicts, which are expressions as well.
#![forbid(unsafe_code)]

use super::place::{Place, Read};
use super::{element, expr, nat, packet, state, to};
use crate::error::Why;
use crate::limits::NFT_STATEMENTS_MAX;
use crate::nft::model::{Dynset, DynsetOp, Expr, Match, ObjectKind, Opaque, Relation, Statement, Verdict};
use crate::wire::atoms;
use crate::wire::term::Term;
use crate::wire::write::Writer;

/// What a map of one key can be.
const KEYS: &[&str] = &[
    "match",
    "accept",
    "drop",
    "jump",
    "goto",
    "return",
    "continue",
    "counter",
    "limit",
    "quota",
    "last",
    "ct count",
    "log",
    "reject",
    "snat",
    "dnat",
    "masquerade",
    "redirect",
    "mangle",
    "vmap",
    "set",
    "map",
    "notrack",
    "reset",
    "queue",
    "tproxy",
    "dup",
    "fwd",
    "synproxy",
    "ct helper",
    "ct timeout",
    "ct expectation",
    "secmark",
    "tunnel",
    "flow",
    "meter",
    "xt",
    "opaque",
];

const RELATIONS: &[(&str, Relation)] = &[
    ("==", Relation::Equal),
    ("!=", Relation::NotEqual),
    ("<", Relation::Less),
    (">", Relation::Greater),
    ("<=", Relation::LessOrEqual),
    (">=", Relation::GreaterOrEqual),
    ("in", Relation::In),
    ("!", Relation::NotIn),
];

const OPERATIONS: &[(&str, DynsetOp)] =
    &[("add", DynsetOp::Add), ("update", DynsetOp::Update), ("delete", DynsetOp::Delete)];

/// Reads the statements of a rule.
pub(super) fn read_all(at: &Place<'_>, term: Term<'_>, max: usize) -> Read<Vec<Statement>> {
    let at = at.below(1)?;
    let items = at.list(term, max)?;
    let mut statements = Vec::with_capacity(items.len());
    for (n, term) in (1..).zip(items) {
        statements.push(read(&at.index(n), term)?);
    }
    Ok(statements)
}

/// Those of a rule.
pub(super) fn read_rule(at: &Place<'_>, term: Term<'_>) -> Read<Vec<Statement>> {
    read_all(at, term, NFT_STATEMENTS_MAX)
}

fn read(outer: &Place<'_>, term: Term<'_>) -> Read<Statement> {
    outer.count()?;
    let (key, value) = outer.only(term, KEYS)?;
    let at = outer.key(key);
    match key {
        "match" => matching(&at, value),
        "accept" | "drop" | "jump" | "goto" | "return" | "continue" => {
            read_verdict(&at, key, value).map(Statement::Verdict)
        }
        "counter" | "limit" | "quota" | "last" | "ct count" => state::read(&at, key, value),
        "log" => state::read_log(&at, value),
        "reject" => nat::read_reject(&at, value),
        "snat" | "dnat" | "masquerade" | "redirect" => nat::read(&at, key, value),
        "mangle" => {
            let [key, value] = at.fields(value, ["key", "value"])?;
            let key = expr::read(&at.key("key"), at.needed(key, "key")?)?;
            let value = expr::read(&at.key("value"), at.needed(value, "value")?)?;
            Ok(Statement::Mangle(key, value))
        }
        "vmap" => expr::mapping(&at, value).map(|(key, data)| Statement::Vmap(key, data)),
        "set" | "map" => dynset(&at, key, value),
        "notrack" => at.null(value).map(|()| Statement::Notrack),
        "reset" => reset(&at, value),
        "queue" | "tproxy" | "dup" | "fwd" | "synproxy" => to::read(&at, key, value),
        "ct helper" => object(&at, ObjectKind::CtHelper, value),
        "ct timeout" => object(&at, ObjectKind::CtTimeout, value),
        "ct expectation" => object(&at, ObjectKind::CtExpectation, value),
        "secmark" => object(&at, ObjectKind::Secmark, value),
        "opaque" => Err(at.error(Why::ListedOnly)),
        _ => Err(at.error(Why::Unsupported(key))),
    }
}

fn matching(at: &Place<'_>, value: Term<'_>) -> Read<Statement> {
    let [op, left, right] = at.fields(value, ["op", "left", "right"])?;
    let op = at.optional(op, "op", |at, word| at.keyword(word, RELATIONS))?.unwrap_or(Relation::In);
    let left = expr::read(&at.key("left"), at.needed(left, "left")?)?;
    let right = expr::read(&at.key("right"), at.needed(right, "right")?)?;
    Ok(Statement::Match(Match { op, left, right }))
}

pub(super) fn read_verdict(at: &Place<'_>, key: &str, value: Term<'_>) -> Read<Verdict> {
    if let "jump" | "goto" = key {
        let [target] = at.fields(value, ["target"])?;
        let target = at.key("target").name(at.needed(target, "target")?)?;
        return Ok(if key == "jump" { Verdict::Jump(target) } else { Verdict::Goto(target) });
    }
    at.null(value)?;
    Ok(match key {
        "accept" => Verdict::Accept,
        "drop" => Verdict::Drop,
        "return" => Verdict::Return,
        _ => Verdict::Continue,
    })
}

/// The name of an object, or a map of names.
pub(super) fn object(at: &Place<'_>, kind: ObjectKind, value: Term<'_>) -> Read<Statement> {
    let which = match value {
        Term::Binary(_) => Expr::Text(at.name(value)?),
        _ => {
            let (_, mapping) = at.only(value, &["map"])?;
            let (key, data) = expr::mapping(&at.key("map"), mapping)?;
            Expr::Map(Box::new([key, data]))
        }
    };
    Ok(Statement::Object(kind, which))
}

fn reset(at: &Place<'_>, value: Term<'_>) -> Read<Statement> {
    let (key, option) = at.only(value, &["tcp option"])?;
    packet::read_header(&at.key(key), key, option).map(Statement::Reset)
}

/// A set is named with `@` before it, as everywhere else.
fn dynset(at: &Place<'_>, key: &'static str, value: Term<'_>) -> Read<Statement> {
    let [op, elem, data, set, stmt] = match key {
        "set" => {
            let [op, elem, set, stmt] = at.fields(value, ["op", "elem", "set", "stmt"])?;
            [op, elem, None, set, stmt]
        }
        _ => at.fields(value, ["op", "elem", "data", "map", "stmt"])?,
    };
    let op = at.key("op").keyword(at.needed(op, "op")?, OPERATIONS)?;
    let elem = expr::read(&at.key("elem"), at.needed(elem, "elem")?)?;
    let data = match key {
        "set" => None,
        _ => Some(expr::read(&at.key("data"), at.needed(data, "data")?)?),
    };
    let place = at.key(key);
    let Expr::SetRef(set) = expr::read(&place, at.needed(set, key)?)? else {
        return Err(place.error(Why::Expected("set")));
    };
    let statements = at.optional(stmt, "stmt", element::read_statements)?.unwrap_or_default();
    Ok(Statement::Dynset(Box::new(Dynset { op, elem, data, set, statements })))
}

/// Writes a statement.
pub fn write(statement: &Statement, w: &mut Writer) {
    match statement {
        Statement::Match(m) => {
            w.map(1);
            w.atom(atoms::MATCH);
            w.map(3);
            w.atom(atoms::OP);
            w.text(packet::word_of(RELATIONS, m.op).unwrap_or_default());
            w.atom(atoms::LEFT);
            expr::write(&m.left, w);
            w.atom(atoms::RIGHT);
            expr::write(&m.right, w);
        }
        Statement::Verdict(verdict) => write_verdict(verdict, w),
        Statement::Vmap(key, data) => {
            w.map(1);
            w.atom(atoms::VMAP);
            expr::write_mapping(key, data, w);
        }
        Statement::Counter(_)
        | Statement::Limit(_)
        | Statement::Quota(_)
        | Statement::Last(_)
        | Statement::CtCount(..) => {
            w.map(1);
            state::write(statement, false, w);
        }
        Statement::Log(log) => state::write_log(log, w),
        Statement::Reject(reject) => nat::write_reject(reject, w),
        Statement::Nat(nat) => nat::write(nat, w),
        Statement::Mangle(key, value) => {
            w.map(1);
            w.atom(atoms::MANGLE);
            w.map(2);
            w.atom(atoms::KEY);
            expr::write(key, w);
            w.atom(atoms::VALUE);
            expr::write(value, w);
        }
        Statement::Notrack => alone(atoms::NOTRACK, w),
        Statement::Reset(option) => {
            w.map(1);
            w.atom(atoms::RESET);
            expr::write(option, w);
        }
        Statement::Dynset(dynset) => write_dynset(dynset, w),
        Statement::Object(kind, which) => {
            w.map(1);
            w.atom(object_key(*kind));
            expr::write(which, w);
        }
        Statement::Queue(_)
        | Statement::Tproxy(_)
        | Statement::Dup(..)
        | Statement::Fwd(..)
        | Statement::Synproxy(..) => to::write(statement, w),
        Statement::Opaque(opaque) => {
            w.map(1);
            write_opaque(opaque, w);
        }
    }
}

/// A list of statements.
pub(super) fn write_all(statements: &[Statement], w: &mut Writer) {
    w.list(statements.len());
    if !statements.is_empty() {
        statements.iter().for_each(|statement| write(statement, w));
        w.nil();
    }
}

pub(super) fn write_verdict(verdict: &Verdict, w: &mut Writer) {
    let (key, target) = match verdict {
        Verdict::Accept => return alone(atoms::ACCEPT, w),
        Verdict::Drop => return alone(atoms::DROP, w),
        Verdict::Continue => return alone(atoms::CONTINUE, w),
        Verdict::Return => return alone(atoms::RETURN, w),
        Verdict::Jump(target) => (atoms::JUMP, target),
        Verdict::Goto(target) => (atoms::GOTO, target),
    };
    w.map(1);
    w.atom(key);
    w.map(1);
    w.atom(atoms::TARGET);
    w.binary(target);
}

/// A statement that has nothing to say but its name.
pub(super) fn alone(key: atoms::Atom, w: &mut Writer) {
    w.map(1);
    w.atom(key);
    w.atom(atoms::NULL);
}

/// The key of a kind of objects, and of the statement that refers to one.
pub(super) fn object_key(kind: ObjectKind) -> atoms::Atom {
    match kind {
        ObjectKind::Counter => atoms::COUNTER,
        ObjectKind::Quota => atoms::QUOTA,
        ObjectKind::CtHelper => atoms::CT_HELPER,
        ObjectKind::Limit => atoms::LIMIT,
        ObjectKind::CtTimeout => atoms::CT_TIMEOUT,
        ObjectKind::Secmark => atoms::SECMARK,
        ObjectKind::CtExpectation => atoms::CT_EXPECTATION,
        ObjectKind::Synproxy => atoms::SYNPROXY,
    }
}

fn write_dynset(dynset: &Dynset, w: &mut Writer) {
    let key = if dynset.data.is_some() { atoms::MAP } else { atoms::SET };
    w.map(1);
    w.atom(key);
    w.map(3 + usize::from(dynset.data.is_some()) + usize::from(!dynset.statements.is_empty()));
    w.atom(atoms::OP);
    w.text(packet::word_of(OPERATIONS, dynset.op).unwrap_or_default());
    w.atom(atoms::ELEM);
    expr::write(&dynset.elem, w);
    if let Some(data) = &dynset.data {
        w.atom(atoms::DATA);
        expr::write(data, w);
    }
    w.atom(key);
    expr::set_name(&dynset.set, w);
    if !dynset.statements.is_empty() {
        w.atom(atoms::STMT);
        element::write_statements(&dynset.statements, w);
    }
}

/// The pair of an expression of the kernel that this program does not translate.
pub(super) fn write_opaque(opaque: &Opaque, w: &mut Writer) {
    w.atom(atoms::OPAQUE);
    w.map(2);
    w.atom(atoms::NAME);
    w.binary(&opaque.name);
    w.atom(atoms::DATA);
    match &opaque.data {
        Some(data) => w.hex(data),
        None => w.atom(atoms::NULL),
    }
}
