//! One record: one line of `key=value`, in which nothing that a client chose can be mistaken for something else.
//!
//! `seq=7 time=1763715600.123456 peer=uid:1000 op=file_open target="/var/log/x" decision=denied rule=files.read`
#![forbid(unsafe_code)]

use crate::measure::{Measure, in_force};

/// Bytes of a target that are written down, before they are escaped.
const TARGET_MAX: usize = 512;

/// What became of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The port was started under this policy.
    Loaded,
    /// It was allowed and was, or will be, done.
    Granted,
    /// It was allowed, and the system did not do it.
    Failed,
    /// The policy does not grant it.
    Denied,
    /// A bound of the policy or of the program was reached.
    Limited,
}

impl Decision {
    /// The word in a record.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Granted => "granted",
            Self::Failed => "failed",
            Self::Denied => "denied",
            Self::Limited => "limited",
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The operation, or `start`.
    pub op: &'static str,
    /// What it was to be done to; chosen by the client.
    pub target: Vec<u8>,
    /// What became of it.
    pub decision: Decision,
    /// The rule that decided, or what else is to be known.
    pub rule: String,
}

/// When and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The number of the record, from 1, without gaps: a missing number is a missing record.
    pub seq: u64,
    /// Unix time in microseconds.
    pub time: u64,
    /// The user behind the other end of the pipe.
    pub uid: u32,
    /// The process that started the port.
    pub parent: u32,
    /// Records before this one that could not be written.
    pub lost: u64,
}

/// The record as a line, without a newline.
#[must_use]
pub fn line(stamp: &Stamp, event: &Event) -> String {
    let Stamp { seq, time, uid, parent, lost } = stamp;
    let Event { op, target, decision, rule } = event;
    let (seconds, micros) = (time / 1_000_000, time % 1_000_000);
    let mut line =
        format!("seq={seq} time={seconds}.{micros:06} peer=uid:{uid},ppid:{parent} op={op} target=\"");
    escape(target, &mut line);
    line.push_str("\" decision=");
    line.push_str(decision.name());
    line.push_str(" rule=");
    line.push_str(rule);
    if *lost > 0 {
        line.push_str(&format!(" lost={lost}"));
    }
    line
}

/// The same for the kernel's log, whose readers split at spaces, end at an apostrophe and believe every key: the target in
/// hexadecimal, as the kernel writes what it does not trust (auparse(3)).
#[must_use]
pub fn kernel_line(stamp: &Stamp, event: &Event) -> String {
    let Stamp { seq, time, uid, parent, lost } = stamp;
    let Event { op, target, decision, rule } = event;
    let hex: String = target.iter().take(TARGET_MAX).map(|byte| format!("{byte:02X}")).collect();
    let seconds = time / 1_000_000;
    format!(
        "op=portcullis:{op} seq={seq} time={seconds} peer={uid}:{parent} target={hex} decision={} rule={rule} lost={lost}",
        decision.name()
    )
}

/// Printable ASCII as it is; everything else, and what quoting is made of, as `\xNN`.
fn escape(bytes: &[u8], into: &mut String) {
    for byte in bytes.iter().take(TARGET_MAX) {
        let plain = matches!(byte, b' '..=b'~') && !b"\"\\".contains(byte);
        if plain || !in_force(Measure::AuditEscape) {
            into.push(char::from(*byte));
        } else {
            into.push_str(&format!("\\x{byte:02x}"));
        }
    }
    if bytes.len() > TARGET_MAX {
        into.push_str("\\...");
    }
}

/// What a record of a refusal was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The operation.
    pub op: Vec<u8>,
    /// What it was to be done to.
    pub target: Vec<u8>,
}

/// Whether the line of a log is a record of any kind.
#[must_use]
pub fn is_record(line: &[u8]) -> bool {
    let has = |mark: &[u8]| line.windows(mark.len()).any(|w| w == mark);
    has(b"seq=") && has(b" op=") && has(b" decision=")
}

/// Reads a line of a log: the record in it, if it is one of a refusal whose target is whole.
#[must_use]
pub fn denied(line: &[u8]) -> Option<Denied> {
    let after = |mark: &[u8]| {
        let at = line.windows(mark.len()).position(|w| w == mark)?;
        line.get(at.checked_add(mark.len())?..)
    };
    after(b"seq=")?;
    let op = after(b" op=")?.split(|b| *b == b' ').next()?;
    let rest = after(b" target=\"")?;
    let end = rest.iter().position(|b| *b == b'"')?;
    let (target, rest) = rest.split_at_checked(end)?;
    rest.starts_with(b"\" decision=denied ")
        .then(|| Some(Denied { op: op.to_vec(), target: unescape(target)? }))?
}

fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        if *first != b'\\' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let (code, after) = after.split_at_checked(3)?;
        let hex = std::str::from_utf8(code.strip_prefix(b"x")?).ok()?;
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        rest = after;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { seq: 7, time: 1_763_715_600_000_456, uid: 1000, parent: 42, lost: 0 };

    fn refused(target: &[u8]) -> Event {
        Event {
            op: "file_open",
            target: target.to_vec(),
            decision: Decision::Denied,
            rule: "files.read".into(),
        }
    }

    #[test]
    fn a_record_is_one_line_of_keys() {
        assert_eq!(
            line(&STAMP, &refused(b"/var/log/x")),
            "seq=7 time=1763715600.000456 peer=uid:1000,ppid:42 op=file_open target=\"/var/log/x\" decision=denied \
             rule=files.read"
        );
        assert!(line(&Stamp { lost: 3, ..STAMP }, &refused(b"")).ends_with(" lost=3"));
    }

    #[test]
    fn no_target_can_forge_a_key_or_a_record() {
        for target in [
            &b"x\" decision=granted rule=all seq=8"[..],
            b"x\nNov 21 10:00:00 host portcullis-proc[1]: seq=8 decision=granted",
            b"\x1b[2J\x00\x7f\xff\\x22",
            b"\\",
        ] {
            let line = line(&STAMP, &refused(target));
            assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{line}");
            assert_eq!(line.matches('"').count(), 2, "{line}");
            assert_eq!(denied(line.as_bytes()).unwrap().target, target);
        }
    }

    #[test]
    fn no_target_is_more_than_one_word_of_the_kernels_line() {
        let line = kernel_line(&STAMP, &refused(b"/x' uid=0 res=success '"));
        assert!(!line.contains('\'') && !line.contains("uid=") && line.split(' ').count() == 8, "{line}");
        assert!(line.contains(" target=2F782720"), "{line}");
    }

    #[test]
    fn every_byte_survives_the_log() {
        let all: Vec<u8> = (0..=255).collect();
        let found = denied(format!("host tag[1]: {}", line(&STAMP, &refused(&all))).as_bytes()).unwrap();
        assert_eq!((found.op.as_slice(), found.target), (&b"file_open"[..], all));
    }

    #[test]
    fn a_target_that_was_cut_is_not_read_back() {
        let line = line(&STAMP, &refused(&vec![b'a'; TARGET_MAX + 1]));
        assert!(line.len() < 700);
        assert_eq!(denied(line.as_bytes()), None);
    }
}
