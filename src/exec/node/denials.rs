//! What is said about denied messages: the first of each kind, with its target and the line that decided; of those that follow within a
//! minute how many there were. So a peer that is denied a thousand times a second fills no log, and one that is denied once is not lost in it.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::dist::command::{Command, Direction};
use crate::dist::control::{Control, Mfa};
use crate::dist::filter::By;
use crate::dist::filter::table::Aim;
use crate::dist::reason::Reason;
use crate::limits::{NODE_DENIAL_S, NODE_NAME_SHOWN_MAX};
use crate::quote::toml_text;
use crate::rate::Bucket;

/// What counts as the same.
pub type Kind = (Direction, Command, Reason);

#[derive(Debug)]
struct Told {
    /// Until then they are counted.
    until: Instant,
    /// Those that nobody was told of.
    left_out: u64,
    /// What would have been said of the first of them, where that is more than its kind.
    first: Option<String>,
}

/// What was left out of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// How many.
    pub count: u64,
    /// What would have been said of the first.
    pub first: Option<String>,
}

/// Denied messages of one node. As many entries as there are kinds, at most.
#[derive(Debug, Default)]
pub struct Denials {
    kinds: BTreeMap<Kind, Told>,
}

impl Denials {
    /// One more: what is to be said, if there is room: of those of its kind that were left out before, where that is more than their number, and
    /// of itself. `line`: its own, with so many left out.
    pub fn count(
        &mut self,
        kind: Kind,
        named: bool,
        bucket: &mut Bucket,
        now: Instant,
        line: impl Fn(u64) -> String,
    ) -> Vec<String> {
        let told = self.kinds.entry(kind).or_insert(Told { until: now, left_out: 0, first: None });
        if now >= told.until && bucket.take(now) {
            told.until = now + Duration::from_secs(NODE_DENIAL_S);
            let count = std::mem::take(&mut told.left_out);
            return match told.first.take() {
                // Or the name would be gone by asking for something harmless a second later.
                Some(first) => vec![with_count(first, count), line(0)],
                None => vec![line(count)],
            };
        }
        if named && told.left_out == 0 {
            // Or whoever is denied ten kinds of nothing first would take the name out of what follows.
            told.first = Some(line(0));
        }
        told.left_out = told.left_out.saturating_add(1);
        Vec::new()
    }

    /// Those whose minute is over, or all: how many of each kind were left out. They begin anew.
    pub fn overdue(&mut self, all: bool, bucket: &mut Bucket, now: Instant) -> Vec<(Kind, LeftOut)> {
        let mut found = Vec::new();
        self.kinds.retain(|kind, told| {
            let over = all || now >= told.until;
            let tell = over && told.left_out > 0 && bucket.take(now);
            if tell {
                found.push((*kind, LeftOut { count: told.left_out, first: told.first.take() }));
            }
            // What could not be told stays, with its number.
            !over || (told.left_out > 0 && !tell)
        });
        found
    }
}

/// `app@host: spawn_request erpc:cast/4 denied: rule (line 12)`.
#[must_use]
pub fn line(peer: &str, kind: Kind, control: &Control<'_>, by: Option<By<'_>>, left_out: u64) -> String {
    let (direction, command, reason) = kind;
    let target = match Aim::of(control) {
        None => String::new(),
        Some(Aim::Name(name)) => format!(" {}", shown(name)),
        Some(Aim::Function(Mfa { module, function, arity })) => {
            format!(" {}:{}/{arity}", shown(module), shown(function))
        }
    };
    let ruled = matches!(reason, Reason::Rule | Reason::Default);
    let place = by.filter(|by| ruled && by.line > 0).map(|by| format!(" (line {})", by.line));
    let before =
        if left_out > 0 { format!("; {left_out} more since the last such line") } else { String::new() };
    let (to, place) = (way(direction), place.unwrap_or_default());
    format!("{peer}: {to}{}{target} denied: {}{place}{before}", command.name(), reason.name())
}

/// `app@host: spawn_request denied: rule, 41 more times`; of the first of them what it was for, if anything.
#[must_use]
pub fn summary(peer: &str, (direction, command, reason): Kind, left_out: LeftOut) -> String {
    let LeftOut { count, first } = left_out;
    match first {
        Some(first) => with_count(first, count),
        None => {
            let to = way(direction);
            format!("{peer}: {to}{} denied: {}, {}", command.name(), reason.name(), times(count))
        }
    }
}

/// What is said of the first of so many.
fn with_count(first: String, count: u64) -> String {
    match count.saturating_sub(1) {
        0 => first,
        rest => format!("{first}, and {}", times(rest)),
    }
}

fn times(n: u64) -> String {
    if n == 1 { "once more".to_owned() } else { format!("{n} more times") }
}

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "",
        Direction::Out => "to it, ",
    }
}

/// A name that a message brought: as it is, if nothing in it could be taken for something else; quoted and cut otherwise.
#[must_use]
pub fn shown(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@.-$".contains(c);
    let cut: String = name.chars().take(NODE_NAME_SHOWN_MAX).collect();
    match (cut.len() < name.len(), !cut.is_empty() && cut.chars().all(plain)) {
        (false, true) => cut,
        (false, false) => toml_text(cut.as_bytes()),
        (true, _) => format!("{}...", toml_text(cut.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::etf::Pid;
    use crate::dist::filter::policy::Level;

    const KIND: Kind = (Direction::In, Command::RegSend, Reason::Rule);
    const FROM: Pid<'static> = Pid { node: "b@h", creation: 1, id: 1, serial: 0 };

    #[test]
    fn the_first_of_a_kind_is_told_and_the_rest_of_the_minute_is_counted() {
        let (mut denials, mut bucket, start) = (Denials::default(), Bucket::new(10), Instant::now());
        let mut at = |denials: &mut Denials, kind, ms| {
            denials.count(kind, true, &mut bucket, start + Duration::from_millis(ms), |n| format!("{ms} {n}"))
        };
        assert_eq!(at(&mut denials, KIND, 0), ["0 0"]);
        assert!((1..1000).all(|ms| at(&mut denials, KIND, ms).is_empty()));
        // Another reason, another command, another way are other kinds.
        assert_eq!(at(&mut denials, (Direction::In, Command::RegSend, Reason::Fun), 5), ["5 0"]);
        assert_eq!(at(&mut denials, (Direction::Out, Command::RegSend, Reason::Rule), 5), ["5 0"]);
        // The one that is told does not take the place of the first that was not.
        assert_eq!(at(&mut denials, KIND, 60_000), ["1 0, and 998 more times", "60000 0"]);
        assert_eq!(at(&mut denials, KIND, 60_001), [""; 0]);
        let mut bucket = Bucket::new(10);
        let mut later = |all, ms| denials.overdue(all, &mut bucket, start + Duration::from_millis(ms));
        assert_eq!(later(false, 70_000), []);
        assert_eq!(later(false, 120_000), [(KIND, LeftOut { count: 1, first: Some("60001 0".into()) })]);
        assert_eq!(later(true, 120_000), []);
    }

    /// Where there are too many lines, nothing is forgotten.
    #[test]
    fn what_could_not_be_told_is_counted_until_it_is() {
        let (mut denials, mut bucket, start) = (Denials::default(), Bucket::new(1), Instant::now());
        assert!(bucket.take(start));
        let mut count =
            |bucket: &mut Bucket, name: &str| denials.count(KIND, true, bucket, start, |_| name.to_owned());
        assert_eq!(count(&mut bucket, "first"), [""; 0]);
        assert_eq!(count(&mut bucket, "second"), [""; 0]);
        assert_eq!(denials.overdue(true, &mut bucket, start), []);
        assert_eq!(denials.count(KIND, true, &mut bucket, start, |_| "third".to_owned()), [""; 0]);
        let left = LeftOut { count: 3, first: Some("first".to_owned()) };
        assert_eq!(denials.overdue(true, &mut bucket, start + Duration::from_secs(1)), [(KIND, left)]);
    }

    #[test]
    fn there_are_as_many_entries_as_kinds_at_most() {
        let (mut denials, mut bucket, start) = (Denials::default(), Bucket::new(0), Instant::now());
        for _ in 0..3 {
            for direction in [Direction::In, Direction::Out] {
                for command in Command::ALL {
                    for reason in Reason::ALL {
                        let kind = (direction, *command, *reason);
                        let _ = denials.count(kind, false, &mut bucket, start, |_| String::new());
                    }
                }
            }
        }
        assert_eq!(denials.kinds.len(), 2 * Command::COUNT * Reason::ALL.len());
    }

    #[test]
    fn a_line_is_one_line_whatever_a_name_is() {
        let by = Some(By { level: Level::Nobody, key: None, line: 12 });
        let to = |to| Control::RegSend { from: FROM, to };
        assert_eq!(line("b@h", KIND, &to("rex"), by, 0), "b@h: reg_send rex denied: rule (line 12)");
        assert_eq!(
            line("b@h", KIND, &to("a\n\u{1b}[2J\"\u{202e}"), None, 3),
            r#"b@h: reg_send "a\u000A\u001B[2J\"\u202E" denied: rule; 3 more since the last such line"#
        );
        let long = "x".repeat(255);
        let kind = (Direction::Out, Command::RegSend, Reason::Runtime);
        let said = line("b@h", kind, &to(&long), by, 0);
        assert_eq!(said, format!("b@h: to it, reg_send \"{}\"... denied: runtime", "x".repeat(64)));
        let left = |count, first: Option<&str>| LeftOut { count, first: first.map(str::to_owned) };
        assert_eq!(summary("b@h", kind, left(1, None)), "b@h: to it, reg_send denied: runtime, once more");
        assert_eq!(summary("b@h", KIND, left(41, None)), "b@h: reg_send denied: rule, 41 more times");
        assert_eq!(summary("b@h", KIND, left(1, Some("b@h: what"))), "b@h: what");
        assert_eq!(summary("b@h", KIND, left(3, Some("b@h: what"))), "b@h: what, and 2 more times");
    }
}
