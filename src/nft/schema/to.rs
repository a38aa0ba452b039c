//! Statements that send packets elsewhere: to a program, a local socket, another host or device; and the one that answers
//! handshakes.
#![forbid(unsafe_code)]

use super::expr;
use super::flags::{QUEUE, SYNPROXY};
use super::kernel::IP;
use super::nat::write_optional;
use super::place::{Place, Read, is_null};
use super::state::is_reference;
use super::statement::{alone, object};
use crate::error::Why;
use crate::nft::model::{ObjectKind, Queue, Statement, Tproxy};
use crate::wire::atoms;
use crate::wire::term::Term;
use crate::wire::write::Writer;

/// `NF_SYNPROXY_OPT_*` that have a value of their own (nf_synproxy.h).
const MSS: u32 = 1;
const WSCALE: u32 = 2;

/// The largest shift of a window (RFC 7323, section 2.3).
const WSCALE_MAX: u64 = 14;

pub(super) fn read(at: &Place<'_>, key: &str, value: Term<'_>) -> Read<Statement> {
    match key {
        "queue" => queue(at, value),
        "tproxy" => {
            let [family, addr, port] = at.fields(value, ["family", "addr", "port"])?;
            let family = at.optional(family, "family", |at, word| at.keyword(word, IP))?;
            let addr = at.optional(addr, "addr", expr::read)?;
            let port = at.optional(port, "port", expr::read)?;
            if addr.is_none() && port.is_none() {
                return Err(at.key("addr").error(Why::Missing));
            }
            Ok(Statement::Tproxy(Box::new(Tproxy { family, addr, port })))
        }
        "dup" => {
            let [addr, dev] = at.fields(value, ["addr", "dev"])?;
            let addr = expr::read(&at.key("addr"), at.needed(addr, "addr")?)?;
            Ok(Statement::Dup(Some(addr), at.optional(dev, "dev", expr::read)?))
        }
        "fwd" => {
            let [dev, family, addr] = at.fields(value, ["dev", "family", "addr"])?;
            let dev = expr::read(&at.key("dev"), at.needed(dev, "dev")?)?;
            if family.is_none() && addr.is_none() {
                return Ok(Statement::Fwd(dev, None));
            }
            let family = at.key("family").keyword(at.needed(family, "family")?, IP)?;
            let addr = expr::read(&at.key("addr"), at.needed(addr, "addr")?)?;
            Ok(Statement::Fwd(dev, Some((family, addr))))
        }
        _ => synproxy(at, value),
    }
}

fn queue(at: &Place<'_>, value: Term<'_>) -> Read<Statement> {
    if is_null(&value) {
        return Ok(Statement::Queue(Box::new(Queue { num: None, flags: 0 })));
    }
    let [num, flags] = at.fields(value, ["num", "flags"])?;
    let num = at.optional(num, "num", expr::read)?;
    let flags = at.optional(flags, "flags", |at, flags| QUEUE.read(at, flags))?.unwrap_or(0);
    Ok(Statement::Queue(Box::new(Queue { num, flags: u16::try_from(flags).unwrap_or(0) })))
}

fn synproxy(at: &Place<'_>, value: Term<'_>) -> Read<Statement> {
    if is_null(&value) {
        return Ok(Statement::Synproxy(0, 0, 0));
    }
    if is_reference(value) {
        return object(at, ObjectKind::Synproxy, value);
    }
    let [mss, wscale, flags] = at.fields(value, ["mss", "wscale", "flags"])?;
    let mss = at.optional(mss, "mss", |at, n| at.u16(n))?;
    let wscale = at.optional(wscale, "wscale", |at, n| {
        u8::try_from(at.uint(n, WSCALE_MAX)?).map_err(|_| at.error(Why::Range(0, WSCALE_MAX)))
    })?;
    let mut flags = at.optional(flags, "flags", |at, flags| SYNPROXY.read(at, flags))?.unwrap_or(0);
    if mss.is_some() {
        flags |= MSS;
    }
    if wscale.is_some() {
        flags |= WSCALE;
    }
    Ok(Statement::Synproxy(mss.unwrap_or(0), wscale.unwrap_or(0), flags))
}

/// Writes what is read above.
pub(super) fn write(statement: &Statement, w: &mut Writer) {
    match statement {
        Statement::Queue(queue) => write_queue(queue, w),
        Statement::Tproxy(tproxy) => {
            let Tproxy { family, addr, port } = &**tproxy;
            w.map(1);
            w.atom(atoms::TPROXY);
            w.map(usize::from(family.is_some()) + usize::from(addr.is_some()) + usize::from(port.is_some()));
            if let Some(family) = family {
                w.atom(atoms::FAMILY);
                w.text(family.name());
            }
            write_optional(atoms::ADDR, addr.as_ref(), w);
            write_optional(atoms::PORT, port.as_ref(), w);
        }
        Statement::Dup(addr, dev) => {
            w.map(1);
            w.atom(atoms::DUP);
            w.map(usize::from(addr.is_some()) + usize::from(dev.is_some()));
            write_optional(atoms::ADDR, addr.as_ref(), w);
            write_optional(atoms::DEV, dev.as_ref(), w);
        }
        Statement::Fwd(dev, addr) => {
            w.map(1);
            w.atom(atoms::FWD);
            w.map(if addr.is_some() { 3 } else { 1 });
            write_optional(atoms::DEV, Some(dev), w);
            if let Some((family, addr)) = addr {
                w.atom(atoms::FAMILY);
                w.text(family.name());
                write_optional(atoms::ADDR, Some(addr), w);
            }
        }
        Statement::Synproxy(mss, wscale, flags) => write_synproxy(*mss, *wscale, *flags, w),
        // All others are written by those who call this.
        _ => w.atom(atoms::NULL),
    }
}

fn write_queue(queue: &Queue, w: &mut Writer) {
    let keys = usize::from(queue.num.is_some()) + usize::from(queue.flags != 0);
    if keys == 0 {
        return alone(atoms::QUEUE, w);
    }
    w.map(1);
    w.atom(atoms::QUEUE);
    w.map(keys);
    write_optional(atoms::NUM, queue.num.as_ref(), w);
    if queue.flags != 0 {
        w.atom(atoms::FLAGS);
        QUEUE.write(u32::from(queue.flags), w);
    }
}

fn write_synproxy(mss: u16, wscale: u8, flags: u32, w: &mut Writer) {
    let options = flags & !(MSS | WSCALE);
    let keys = usize::from(flags & MSS != 0) + usize::from(flags & WSCALE != 0) + usize::from(options != 0);
    if keys == 0 {
        return alone(atoms::SYNPROXY, w);
    }
    w.map(1);
    w.atom(atoms::SYNPROXY);
    w.map(keys);
    if flags & MSS != 0 {
        w.atom(atoms::MSS);
        w.uint(u64::from(mss));
    }
    if flags & WSCALE != 0 {
        w.atom(atoms::WSCALE);
        w.uint(u64::from(wscale));
    }
    if options != 0 {
        w.atom(atoms::FLAGS);
        SYNPROXY.write(options, w);
    }
}
