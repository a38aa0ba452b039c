//! What is asked of the kernel for a packet: its route, its socket, its sender's system, its transformation, a number, a hash.
#![forbid(unsafe_code)]

use super::expr;
use super::flags::FIB;
use super::packet::word_of;
use super::place::{Place, Read};
use crate::error::Why;
use crate::nft::model::{Expr, Family, Fib, Ipsec, Jhash, Modulus, Numgen, Osf, Rt, Socket};
use crate::wire::atoms;
use crate::wire::term::Term;
use crate::wire::write::Writer;

/// `NFT_RT_*` (nf_tables.h). Without a family, `nexthop` is of the family of the table.
const RT: &[(&str, u8)] = &[("classid", 0), ("nexthop", 1), ("mtu", 3), ("ipsec", 4)];

/// `NFT_RT_NEXTHOP6`
const NEXTHOP6: u8 = 2;

/// `NFT_SOCKET_*` (nf_tables.h).
const SOCKET: &[(&str, u8)] = &[("transparent", 0), ("mark", 1), ("wildcard", 2), ("cgroupv2", 3)];

/// `NF_OSF_TTL_*` (nfnetlink_osf.h); where nothing is said both must be equal (0).
const OSF_TTL: &[(&str, u8)] = &[("loose", 1), ("skip", 2)];

/// `NFT_FIB_RESULT_*` (nf_tables.h).
const FIB_RESULT: &[(&str, u8)] = &[("oif", 1), ("oifname", 2), ("type", 3)];

/// `NFTA_FIB_F_PRESENT`: with the result `oif`, whether there is one. The word for both is `check`.
pub(super) const FIB_PRESENT: u32 = 32;

/// `NFT_XFRM_KEY_*` (nf_tables.h); those of IPv6 follow upon those of IPv4.
const IPSEC: &[(&str, u8)] = &[("daddr", 1), ("saddr", 3), ("reqid", 5), ("spi", 6)];

/// `XFRM_POLICY_IN`, `XFRM_POLICY_OUT` (xfrm.h).
const IPSEC_DIR: &[(&str, u8)] = &[("in", 0), ("out", 1)];

/// `NFT_NG_*` (nf_tables.h).
const NUMGEN: &[(&str, bool)] = &[("inc", false), ("random", true)];

/// Families that have addresses.
pub(super) const IP: &[(&str, Family)] = &[("ip", Family::Ip), ("ip6", Family::Ip6)];

pub(super) fn read(at: &Place<'_>, key: &str, value: Term<'_>) -> Read<Expr> {
    match key {
        "rt" => rt(at, value),
        "socket" => socket(at, value),
        "osf" => osf(at, value),
        "fib" => fib(at, value),
        "ipsec" => ipsec(at, value),
        "numgen" => {
            let [mode, modulus, offset] = at.fields(value, ["mode", "mod", "offset"])?;
            let random = at.key("mode").keyword(at.needed(mode, "mode")?, NUMGEN)?;
            Ok(Expr::Numgen(Numgen { random, modulus: read_modulus(at, modulus, offset)? }))
        }
        "jhash" => {
            let [modulus, offset, expr, seed] = at.fields(value, ["mod", "offset", "expr", "seed"])?;
            let expr = expr::read(&at.key("expr"), at.needed(expr, "expr")?)?;
            let seed = at.optional(seed, "seed", |at, n| at.u32(n))?;
            Ok(Expr::Jhash(Box::new(Jhash { expr, modulus: read_modulus(at, modulus, offset)?, seed })))
        }
        _ => {
            let [modulus, offset] = at.fields(value, ["mod", "offset"])?;
            read_modulus(at, modulus, offset).map(Expr::Symhash)
        }
    }
}

fn rt(at: &Place<'_>, value: Term<'_>) -> Read<Expr> {
    let [key, family] = at.fields(value, ["key", "family"])?;
    let key = at.key("key").keyword(at.needed(key, "key")?, RT)?;
    let family = at.optional(family, "family", |at, word| at.keyword(word, IP))?;
    let key = if key == 1 && family == Some(Family::Ip6) { NEXTHOP6 } else { key };
    Ok(Expr::Rt(Rt { key, family }))
}

fn socket(at: &Place<'_>, value: Term<'_>) -> Read<Expr> {
    let [key, level] = at.fields(value, ["key", "level"])?;
    let key = at.key("key").keyword(at.needed(key, "key")?, SOCKET)?;
    let level = at.optional(level, "level", |at, n| at.u32(n))?;
    if level.is_some() && word_of(SOCKET, key) != Some("cgroupv2") {
        return Err(at.key("level").error(Why::Excludes("key")));
    }
    Ok(Expr::Socket(Socket { key, level }))
}

fn osf(at: &Place<'_>, value: Term<'_>) -> Read<Expr> {
    let [key, ttl] = at.fields(value, ["key", "ttl"])?;
    let key = at.key("key").keyword(at.needed(key, "key")?, &[("name", false), ("version", true)])?;
    let ttl = at.optional(ttl, "ttl", |at, word| at.keyword(word, OSF_TTL))?;
    Ok(Expr::Osf(Osf { version: key, ttl: ttl.unwrap_or(0) }))
}

fn fib(at: &Place<'_>, value: Term<'_>) -> Read<Expr> {
    let [result, flags] = at.fields(value, ["result", "flags"])?;
    let result = at.key("result").meaning(at.needed(result, "result")?, |word| match word {
        b"check" => Some((1, FIB_PRESENT)),
        _ => FIB_RESULT.iter().find(|(name, _)| name.as_bytes() == word).map(|(_, n)| (*n, 0)),
    })?;
    let flags = FIB.read(&at.key("flags"), at.needed(flags, "flags")?)?;
    Ok(Expr::Fib(Fib { result: result.0, flags: flags | result.1 }))
}

fn ipsec(at: &Place<'_>, value: Term<'_>) -> Read<Expr> {
    let [key, family, dir, spnum] = at.fields(value, ["key", "family", "dir", "spnum"])?;
    let key = at.key("key").keyword(at.needed(key, "key")?, IPSEC)?;
    let address = key < 5;
    if family.is_some() && !address {
        return Err(at.key("family").error(Why::Excludes("key")));
    }
    let family = at.optional(family, "family", |at, word| at.keyword(word, IP))?;
    let key = match family {
        None if address => return Err(at.key("family").error(Why::Missing)),
        Some(Family::Ip6) => key + 1,
        _ => key,
    };
    let direction = at.key("dir").keyword(at.needed(dir, "dir")?, IPSEC_DIR)?;
    let spnum = at.optional(spnum, "spnum", |at, n| at.u32(n))?.unwrap_or(0);
    Ok(Expr::Ipsec(Ipsec { key, direction, spnum }))
}

fn read_modulus(at: &Place<'_>, modulus: Option<Term<'_>>, offset: Option<Term<'_>>) -> Read<Modulus> {
    let least = at.key("mod").between(at.needed(modulus, "mod")?, 1, u64::from(u32::MAX))?;
    let offset = at.optional(offset, "offset", |at, n| at.u32(n))?.unwrap_or(0);
    Ok(Modulus { modulus: u32::try_from(least).unwrap_or(u32::MAX), offset })
}

/// Writes what is read above.
pub(super) fn write(expr: &Expr, w: &mut Writer) {
    w.map(1);
    match expr {
        Expr::Rt(rt) => write_rt(rt, w),
        Expr::Socket(socket) => {
            w.atom(atoms::SOCKET);
            w.map(1 + usize::from(socket.level.is_some()));
            w.atom(atoms::KEY);
            word(SOCKET, socket.key, w);
            if let Some(level) = socket.level {
                w.atom(atoms::LEVEL);
                w.uint(u64::from(level));
            }
        }
        Expr::Osf(osf) => {
            w.atom(atoms::OSF);
            w.map(1 + usize::from(osf.ttl != 0));
            w.atom(atoms::KEY);
            w.text(if osf.version { "version" } else { "name" });
            if osf.ttl != 0 {
                w.atom(atoms::TTL);
                word(OSF_TTL, osf.ttl, w);
            }
        }
        Expr::Fib(fib) => write_fib(fib, w),
        Expr::Ipsec(ipsec) => write_ipsec(ipsec, w),
        Expr::Numgen(numgen) => {
            w.atom(atoms::NUMGEN);
            w.map(3);
            w.atom(atoms::MODE);
            w.text(if numgen.random { "random" } else { "inc" });
            w.atom(atoms::MOD);
            w.uint(u64::from(numgen.modulus.modulus));
            w.atom(atoms::OFFSET);
            w.uint(u64::from(numgen.modulus.offset));
        }
        Expr::Jhash(jhash) => {
            w.atom(atoms::JHASH);
            w.map(2 + usize::from(jhash.modulus.offset != 0) + usize::from(jhash.seed.is_some()));
            write_modulus(jhash.modulus, w);
            w.atom(atoms::EXPR);
            expr::write(&jhash.expr, w);
            if let Some(seed) = jhash.seed {
                w.atom(atoms::SEED);
                w.uint(u64::from(seed));
            }
        }
        Expr::Symhash(modulus) => {
            w.atom(atoms::SYMHASH);
            w.map(1 + usize::from(modulus.offset != 0));
            write_modulus(*modulus, w);
        }
        // All others are written by those who call this.
        _ => {
            w.atom(atoms::OPAQUE);
            w.atom(atoms::NULL);
        }
    }
}

/// The word of a number, or the number where there is none.
fn word(table: &'static [(&'static str, u8)], number: u8, w: &mut Writer) {
    match word_of(table, number) {
        Some(word) => w.text(word),
        None => w.uint(u64::from(number)),
    }
}

fn write_rt(rt: &Rt, w: &mut Writer) {
    w.atom(atoms::RT);
    w.map(1 + usize::from(rt.family.is_some()));
    w.atom(atoms::KEY);
    word(RT, if rt.key == NEXTHOP6 { 1 } else { rt.key }, w);
    if let Some(family) = rt.family {
        w.atom(atoms::FAMILY);
        w.text(family.name());
    }
}

fn write_fib(fib: &Fib, w: &mut Writer) {
    w.atom(atoms::FIB);
    w.map(2);
    w.atom(atoms::RESULT);
    let check = fib.result == 1 && fib.flags & FIB_PRESENT != 0;
    if check {
        w.text("check");
    } else {
        word(FIB_RESULT, fib.result, w);
    }
    w.atom(atoms::FLAGS);
    FIB.write(if check { fib.flags & !FIB_PRESENT } else { fib.flags }, w);
}

fn write_ipsec(ipsec: &Ipsec, w: &mut Writer) {
    let family = match ipsec.key {
        1 | 3 => Some("ip"),
        2 | 4 => Some("ip6"),
        _ => None,
    };
    w.atom(atoms::IPSEC);
    w.map(3 + usize::from(family.is_some()));
    w.atom(atoms::KEY);
    word(IPSEC, if family == Some("ip6") { ipsec.key - 1 } else { ipsec.key }, w);
    if let Some(family) = family {
        w.atom(atoms::FAMILY);
        w.text(family);
    }
    w.atom(atoms::DIR);
    word(IPSEC_DIR, ipsec.direction, w);
    w.atom(atoms::SPNUM);
    w.uint(u64::from(ipsec.spnum));
}

fn write_modulus(modulus: Modulus, w: &mut Writer) {
    w.atom(atoms::MOD);
    w.uint(u64::from(modulus.modulus));
    if modulus.offset != 0 {
        w.atom(atoms::OFFSET);
        w.uint(u64::from(modulus.offset));
    }
}
