//! From the refusals of a log to the lines that would grant them. Each refusal is asked again, so that a line is the
//! policy's own and not text of the log; but whoever can write to the system's log can write such records, and what was
//! asked for is chosen by the application. The person who adds a line must have read it.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::audit::record;
use crate::policy::{Policy, question};

/// A line that the policy lacks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// Where it belongs.
    pub section: &'static str,
    /// The line itself.
    pub text: String,
}

/// The lines that would grant what the records in `log` were refused, with how often each was asked for. What is no
/// record of a refusal is passed over, and so is what the policy has granted since.
#[must_use]
pub fn suggest(policy: &Policy, log: &[u8]) -> BTreeMap<Line, u64> {
    let mut lines = BTreeMap::new();
    for line in log.split(|b| *b == b'\n') {
        let Some(denied) = record::denied(line) else { continue };
        let args: Vec<&[u8]> = denied.target.split(|b| *b == b' ').filter(|w| !w.is_empty()).collect();
        // A path can have spaces, and is one word.
        let args = if denied.op == b"file_open" { vec![denied.target.as_slice()] } else { args };
        let Ok(Err(denial)) = question::ask(policy, &denied.op, &args) else { continue };
        if let Some((section, text)) = denial.grant {
            let count: &mut u64 = lines.entry(Line { section, text }).or_default();
            *count = count.saturating_add(1);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_become_the_lines_of_the_policy_and_nothing_else_does() {
        let log = b"Nov 21 09:00:00 host portcullis-proc[7]: seq=1 time=1.000000 peer=uid:1000 op=file_open target=\"/var/log/a b\" decision=denied rule=files.read\n\
            seq=2 time=1.0 peer=uid:1000 op=ping target=\"192.0.2.1\" decision=denied rule=ping.allow\n\
            seq=3 time=1.0 peer=uid:1000 op=ping target=\"192.0.2.1\" decision=denied rule=ping.allow\n\
            seq=4 time=1.0 peer=uid:1000 op=process target=\"exe,cwd\" decision=denied rule=proc.level\n\
            seq=5 time=1.0 peer=uid:1000 op=ping target=\"192.0.2.9\" decision=granted rule=ping.allow\n\
            seq=6 time=1.0 peer=uid:1000 op=reboot target=\"now\" decision=denied rule=x\n\
            seq=7 time=1.0 op=file_open target=\"/a/../b\" decision=denied rule=files.read\n\
            level = \"full\"\n";
        let lines: Vec<(String, u64)> = suggest(&Policy::without_a_file(), log)
            .into_iter()
            .map(|(line, n)| (format!("{} {}", line.section, line.text), n))
            .collect();
        assert_eq!(
            lines,
            [
                ("[files] read = [{ path = \"/var/log/a b\", max_bytes = 1048576 }]".to_owned(), 1),
                ("[ping] allow = [\"192.0.2.1\"]".to_owned(), 2),
                ("[proc] level = \"basic\"".to_owned(), 1),
            ]
        );
    }
}
