//! Durations, points in time, times of day, days: as `meta` and `ct` have them (nft(8), "META EXPRESSIONS").
#![forbid(unsafe_code)]

use super::{BadValue, Names, expected, number};
use crate::nft::model::{Expr, Text, Type};
use crate::nft::tables::symbol;

const SECONDS_PER_DAY: u64 = 86_400;
const NANOSECONDS: u64 = 1_000_000_000;

fn refused(ty: Type) -> BadValue {
    BadValue::Expected(expected(ty))
}

/// What a constant says as a plain number.
fn plain(value: &Expr) -> Option<u64> {
    match value {
        Expr::Int(n) => Some(*n),
        Expr::Text(text) => number::parse(text).and_then(|n| u64::try_from(n).ok()),
        _ => None,
    }
}

/// A duration in milliseconds: seconds, or numbers with units from days to milliseconds, each at most once and in this order.
pub(super) fn parse_span(value: &Expr) -> Result<u128, BadValue> {
    if let Some(seconds) = plain(value) {
        return Ok(u128::from(seconds) * 1000);
    }
    let Expr::Text(text) = value else { return Err(refused(Type::Time)) };
    span(text).ok_or(refused(Type::Time))
}

fn span(text: &[u8]) -> Option<u128> {
    let mut units: &[(&[u8], u128)] =
        &[(b"d", 86_400_000), (b"h", 3_600_000), (b"m", 60_000), (b"s", 1000), (b"ms", 1)];
    let (mut rest, mut sum) = (text, 0u128);
    while !rest.is_empty() {
        let digits = rest.iter().position(|b| !b.is_ascii_digit())?;
        let (number, behind) = rest.split_at_checked(digits)?;
        let letters = behind.iter().position(u8::is_ascii_digit).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(letters)?;
        let at = units.iter().position(|(name, _)| *name == unit)?;
        let (_, factor) = units.get(at)?;
        let number = decimal(number)?;
        sum = sum.checked_add(u128::from(number).checked_mul(*factor)?)?;
        units = units.get(at + 1..)?;
        rest = behind;
    }
    (!text.is_empty()).then_some(sum)
}

/// Digits, leading zeros among them.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|d| *d < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

/// Seconds as a number, as nft writes all; what it would cut off is written with its unit.
pub(super) fn format_span(milliseconds: u64) -> Expr {
    match milliseconds % 1000 {
        0 => Expr::Int(milliseconds / 1000),
        _ => Expr::Text(Text::Owned(format!("{milliseconds}ms").into_bytes())),
    }
}

/// A point in time in nanoseconds: seconds since 1970, or `YYYY-MM-DD`, with `HH:MM`, `HH:MM:SS` or `HH:MM:SS.fraction`.
pub(super) fn parse_date(names: &dyn Names, value: &Expr) -> Result<u128, BadValue> {
    if let Some(seconds) = plain(value) {
        return Ok(u128::from(seconds) * u128::from(NANOSECONDS));
    }
    let Expr::Text(text) = value else { return Err(refused(Type::TimeDate)) };
    date(text, i128::from(names.utc_offset_s())).ok_or(refused(Type::TimeDate))
}

fn date(text: &[u8], offset: i128) -> Option<u128> {
    let (day, clock) = match text.iter().position(|b| *b == b' ') {
        None => (text, b"00:00".as_slice()),
        Some(at) => (text.get(..at)?, text.get(at + 1..)?),
    };
    let (clock, fraction) = match clock.iter().position(|b| *b == b'.') {
        None => (clock, 0),
        Some(at) => (clock.get(..at)?, nanoseconds(clock.get(at + 1..)?)?),
    };
    let mut parts = day.split(|b| *b == b'-');
    let [year, month, day] =
        [digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?];
    if parts.next().is_some() || day == 0 || day > days_in(year, month)? {
        return None;
    }
    let days = i128::from(days_since_1970(
        i64::try_from(year).ok()?,
        i64::try_from(month).ok()?,
        i64::try_from(day).ok()?,
    ));
    let seconds = days * i128::from(SECONDS_PER_DAY) + i128::from(clock_seconds(clock)?) - offset;
    u128::try_from(seconds * i128::from(NANOSECONDS) + i128::from(fraction)).ok()
}

/// A number of exactly so many digits.
fn digits(text: &[u8], count: usize) -> Option<u64> {
    decimal(text).filter(|_| text.len() == count)
}

/// One to nine digits behind the point.
fn nanoseconds(text: &[u8]) -> Option<u64> {
    let missing = 9usize.checked_sub(text.len())?;
    decimal(text)?.checked_mul(10u64.checked_pow(u32::try_from(missing).ok()?)?)
}

fn days_in(year: u64, month: u64) -> Option<u64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    Some(match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    })
}

/// Days of the Gregorian calendar, counted in years that begin in March, so that a leap day is the last of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// The same, back: year, month, day.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// As nft writes it, `2019-06-21 17:00:00`; a fraction of a second, which nft leaves out, follows.
pub(super) fn format_date(names: &dyn Names, nanoseconds: u64) -> Expr {
    let seconds =
        i64::try_from(nanoseconds / NANOSECONDS).unwrap_or(i64::MAX) + i64::from(names.utc_offset_s());
    let day = i64::try_from(SECONDS_PER_DAY).unwrap_or(i64::MAX);
    let (year, month, date) = civil(seconds.div_euclid(day));
    let clock = seconds.rem_euclid(day);
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    let mut text = format!("{year:04}-{month:02}-{date:02} {hour:02}:{minute:02}:{second:02}");
    if nanoseconds % NANOSECONDS != 0 {
        text.push_str(&format!(".{:09}", nanoseconds % NANOSECONDS));
    }
    Expr::Text(Text::Owned(text.into_bytes()))
}

/// `HH:MM` or `HH:MM:SS`; a leap second is the first of the next minute.
fn clock_seconds(text: &[u8]) -> Option<u64> {
    let mut parts = text.split(|b| *b == b':');
    let hour = digits(parts.next()?, 2).filter(|n| *n < 24)?;
    let minute = digits(parts.next()?, 2).filter(|n| *n < 60)?;
    let second = match parts.next() {
        None => 0,
        Some(second) => digits(second, 2).filter(|n| *n <= 60)?,
    };
    parts.next().is_none().then_some(hour * 3600 + minute * 60 + second)
}

/// A time of day in seconds since midnight of UTC: a number of them, or a clock's time.
pub(super) fn parse_hour(names: &dyn Names, value: &Expr) -> Result<u128, BadValue> {
    if let Some(seconds) = plain(value) {
        return Ok(seconds.into());
    }
    let Expr::Text(text) = value else { return Err(refused(Type::TimeHour)) };
    let clock = clock_seconds(text).ok_or(refused(Type::TimeHour))?;
    Ok(shifted(clock, -i64::from(names.utc_offset_s())).into())
}

fn shifted(seconds: u64, by: i64) -> u64 {
    let day = i64::try_from(SECONDS_PER_DAY).unwrap_or(i64::MAX);
    let seconds = i64::try_from(seconds).unwrap_or(0).saturating_add(by).rem_euclid(day);
    u64::try_from(seconds).unwrap_or(0)
}

/// A clock's time, without seconds where there are none; what no clock shows is a number.
pub(super) fn format_hour(names: &dyn Names, seconds: u64) -> Expr {
    if seconds >= SECONDS_PER_DAY {
        return Expr::Int(seconds);
    }
    let clock = shifted(seconds, i64::from(names.utc_offset_s()));
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    let text = match second {
        0 => format!("{hour:02}:{minute:02}"),
        _ => format!("{hour:02}:{minute:02}:{second:02}"),
    };
    Expr::Text(Text::Owned(text.into_bytes()))
}

/// A day of the week: its English name or at least three letters of its beginning, in any case.
pub(super) fn parse_day(text: &[u8]) -> Option<u128> {
    let begins =
        |name: &str| name.as_bytes().get(..text.len()).is_some_and(|front| front.eq_ignore_ascii_case(text));
    let days = symbol::symbols(Type::TimeDay);
    days.iter().find(|(_, name)| text.len() >= 3 && begins(name)).map(|(day, _)| u128::from(*day))
}
