//! Values: from what the schema says to the bytes of a register, and back. What nft prints decides how a value is written;
//! where nft would print what it cannot read back, or leave something out, a form is written that says all.
//!
//! Nothing is asked of the system: users, groups, labels and cgroups are numbers, times are UTC, and the names of
//! interfaces are those that [`Names`] knows.
#![forbid(unsafe_code)]

mod address;
mod flags;
mod names;
mod number;
mod service;
mod text;
mod time;

use crate::nft::kernel::{DATA_MAX, Data};
use crate::nft::model::{Expr, Part, Type};
use crate::nft::tables::symbol;

pub use flags::as_list;
pub use names::{Loopback, Names};
pub use number::largest_generated;

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadValue {
    /// Not a form that this type has: what was expected.
    Expected(&'static str),
    /// A number above what the type holds.
    TooLarge {
        /// The largest that fits.
        max: u64,
    },
    /// A symbol that the type does not have.
    UnknownSymbol(Vec<u8>),
}

/// How much of a symbol that nobody knows is repeated.
const SYMBOL_MAX: usize = 64;

/// Saturday; days are counted from Sunday on.
const DAY_MAX: u64 = 6;

fn unknown(symbol: &[u8]) -> BadValue {
    BadValue::UnknownSymbol(symbol.get(..SYMBOL_MAX).unwrap_or(symbol).to_vec())
}

/// Bytes of a value in a register.
fn width(part: Part) -> usize {
    usize::try_from(part.bits.div_ceil(8)).unwrap_or(usize::MAX)
}

/// The bytes of a constant ([`Expr::Int`], [`Expr::Text`], [`Expr::Bool`], for flags a list or `|` of them) as the register
/// has them: `bits` rounded up to bytes, in the part's order. The name of an interface that ends in `*` gives the bytes before
/// it alone: what is compared with the beginning of a name.
pub fn parse(part: Part, value: &Expr) -> Result<Data, BadValue> {
    parse_with(&Loopback, part, value)
}

/// The same, with names of interfaces.
pub fn parse_with(names: &dyn Names, part: Part, value: &Expr) -> Result<Data, BadValue> {
    match part.ty {
        Type::Verdict => Err(BadValue::Expected("a value that is no verdict")),
        Type::Ifname => text::parse_name(part, value),
        Type::String => text::parse(part, value),
        Type::Ipv6Addr | Type::EtherAddr | Type::LlAddr => address::parse(part, value),
        Type::CtLabel => flags::parse_labels(part, value),
        _ if part.bits > 128 => number::parse_wide(part, value),
        _ => {
            let number = flags::fold(value, part.ty, &|leaf| leaf_number(names, part, leaf))?;
            number::to_bytes(part, number)
        }
    }
}

/// The number that a constant stands for, below what its type can mean: a field could be wider than that.
fn leaf_number(names: &dyn Names, part: Part, leaf: &Expr) -> Result<u128, BadValue> {
    let max = match part.ty {
        Type::Ipv4Addr | Type::IfaceIndex => u64::from(u32::MAX),
        Type::TimeDay => DAY_MAX,
        Type::Time | Type::TimeDate | Type::TimeHour => u64::MAX,
        _ => return any_number(names, part, leaf),
    };
    any_number(names, part, leaf).and_then(|number| match number <= max.into() {
        true => Ok(number),
        false => Err(BadValue::TooLarge { max }),
    })
}

fn any_number(names: &dyn Names, part: Part, leaf: &Expr) -> Result<u128, BadValue> {
    match (part.ty, leaf) {
        (Type::Boolean, Expr::Bool(value)) => Ok(u128::from(*value)),
        (Type::Time, _) => time::parse_span(leaf),
        (Type::TimeDate, _) => time::parse_date(names, leaf),
        (Type::TimeHour, _) => time::parse_hour(names, leaf),
        (_, Expr::Int(value)) => Ok(u128::from(*value)),
        (_, Expr::Text(text)) => text_number(names, part.ty, text),
        _ => Err(BadValue::Expected(expected(part.ty))),
    }
}

fn text_number(names: &dyn Names, ty: Type, text: &[u8]) -> Result<u128, BadValue> {
    let of_type = match ty {
        Type::Ipv4Addr => return address::parse_v4(text),
        Type::IfaceIndex => names.interface(text).map(u128::from),
        Type::InetService => service::port(text).map(u128::from),
        Type::ClassId => number::parse_handle(text),
        Type::TimeDay => time::parse_day(text),
        _ => None,
    };
    if let Some(number) = of_type.or_else(|| symbol::number(ty, text).map(u128::from)) {
        return Ok(number);
    }
    match number::parse(text) {
        Some(number) => Ok(number),
        None if symbol::symbols(ty).is_empty() && ty != Type::IfaceIndex && ty != Type::InetService => {
            Err(BadValue::Expected(expected(ty)))
        }
        None => Err(unknown(text)),
    }
}

/// What a type wants, for those that would not take what nft takes, or have no names.
fn expected(ty: Type) -> &'static str {
    match ty {
        Type::Uid => "the number of a user: names are not resolved here",
        Type::Gid => "the number of a group: names are not resolved here",
        Type::CtLabel => "the number of a label: names are not resolved here",
        Type::CgroupV2 => "the id of a cgroup: paths are not resolved here",
        Type::Ipv4Addr => "an IPv4 address",
        Type::Ipv6Addr => "an IPv6 address",
        Type::EtherAddr | Type::LlAddr => "a link-layer address",
        Type::Ifname | Type::String => "text",
        Type::Boolean => "true or false",
        Type::Time => "seconds, or a duration such as \"1h30m\"",
        Type::TimeDate => "seconds since 1970, or a date such as \"2019-06-21 17:00:00\"",
        Type::TimeHour => "seconds, or a time of day such as \"17:00\"",
        _ => "a number",
    }
}

/// The constant that nft would print for these bytes, and for bytes that are no value of the type their digits, which
/// [`parse`] then may refuse; [`format_with`] tells the one from the other.
#[must_use]
pub fn format(part: Part, bytes: &[u8]) -> Expr {
    format_with(&Loopback, part, bytes).unwrap_or_else(|| number::digits(bytes))
}

/// The constant that nft would print for these bytes: one of which [`parse_with`] makes the same bytes again. Nothing where
/// there is none: the kernel compares with anything.
#[must_use]
pub fn format_with(names: &dyn Names, part: Part, bytes: &[u8]) -> Option<Expr> {
    match part.ty {
        Type::Verdict => None,
        _ if width(part) > DATA_MAX => None,
        Type::Ifname => text::format_name(part, bytes),
        Type::String => text::format(part, bytes),
        _ if bytes.is_empty() || bytes.len() != width(part) => None,
        Type::Ipv6Addr | Type::EtherAddr | Type::LlAddr => address::format(part, bytes),
        Type::CtLabel => flags::format_labels(part, bytes),
        _ if part.bits > 128 => number::format_wide(part, bytes),
        _ => format_number(names, part.ty, number::from_bytes(part, bytes)?),
    }
}

fn format_number(names: &dyn Names, ty: Type, number: u128) -> Option<Expr> {
    let Ok(short) = u64::try_from(number) else {
        let is_short = matches!(
            ty,
            Type::Ipv4Addr | Type::IfaceIndex | Type::Time | Type::TimeDate | Type::TimeDay | Type::TimeHour
        );
        return (!is_short).then(|| number::long(number));
    };
    Some(match ty {
        Type::Ipv4Addr => address::format_v4(short)?,
        Type::Boolean => match short {
            0 | 1 => Expr::Bool(short == 1),
            _ => Expr::Int(short),
        },
        Type::Time => time::format_span(short),
        Type::TimeDate => time::format_date(names, short),
        Type::TimeHour => time::format_hour(names, short),
        Type::IfaceIndex => format_interface(names, u32::try_from(short).ok()?),
        Type::TimeDay if short > DAY_MAX => return None,
        Type::ClassId => number::format_handle(short),
        Type::CtState | Type::CtStatus | Type::CtEvent | Type::TcpFlag => flags::format(ty, short),
        // nft 1.1 writes the numbers of codes, and those of protocols if it is asked to (`-p`).
        Type::IcmpCode | Type::Icmpv6Code | Type::IcmpxCode => Expr::Int(short),
        Type::InetProto if !names.protocol_words() => Expr::Int(short),
        Type::Realm if symbol::name(ty, short).is_none() => number::text(short),
        _ => match symbol::name(ty, short) {
            Some(name) => Expr::Text(name.as_bytes().into()),
            None => Expr::Int(short),
        },
    })
}

/// An interface by its name; without one nft writes the index as text, which an interface can be called as well.
fn format_interface(names: &dyn Names, index: u32) -> Expr {
    if let Some(name) = names.interface_name(index).filter(|name| names.interface(name) == Some(index)) {
        return Expr::Text(name);
    }
    match number::text(index.into()) {
        Expr::Text(text) if names.interface(&text).is_none() => Expr::Text(text),
        _ => Expr::Int(index.into()),
    }
}

#[cfg(test)]
mod tests;
