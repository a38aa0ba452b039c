//! What is said of the coming and going of peers, and of strangers. Each peer has lines of its own, as strangers have together: else one that
//! connects over and over would leave none for the others, and nobody would see that one of them has gone.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::dist::handshake::name::NodeName;
use crate::limits::{NODE_REPORTS_OF_PEER_PER_S, NODE_REPORTS_OF_STRANGERS_PER_S};
use crate::rate::Bucket;

/// Where it is said, and how often.
pub struct Reports {
    report: fn(&str),
    strangers: Lines,
    peers: BTreeMap<String, Lines>,
}

/// Lines of one origin.
#[derive(Debug)]
pub(super) struct Lines {
    bucket: Bucket,
    left_out: u64,
}

impl Lines {
    pub(super) fn new(per_s: u64) -> Self {
        Self { bucket: Bucket::new(per_s), left_out: 0 }
    }

    /// The line, with how many had no room since the last one; nothing if it has none either.
    pub(super) fn line(&mut self, text: String, now: Instant) -> Option<String> {
        if !self.bucket.take(now) {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        match std::mem::take(&mut self.left_out) {
            0 => Some(text),
            left_out => Some(format!("{text}; {left_out} more since the last such line")),
        }
    }
}

impl Reports {
    /// Nothing was said yet.
    #[must_use]
    pub fn new(report: fn(&str)) -> Self {
        Self { report, strangers: Lines::new(NODE_REPORTS_OF_STRANGERS_PER_S), peers: BTreeMap::new() }
    }

    /// Of a node of the allow-list, so that there are not more than that has names.
    pub fn of_peer(&mut self, name: &str, what: &str, now: Instant) {
        let lines =
            self.peers.entry(name.to_owned()).or_insert_with(|| Lines::new(NODE_REPORTS_OF_PEER_PER_S));
        if let Some(line) = lines.line(format!("{name}: {what}"), now) {
            (self.report)(&line);
        }
    }

    /// Of somebody who has not proved who he is.
    pub fn of_stranger(&mut self, from: &impl std::fmt::Display, what: &str, now: Instant) {
        if let Some(line) = self.strangers.line(format!("{from}: {what}"), now) {
            (self.report)(&line);
        }
    }

    /// The same of somebody who has said a name, which is one of a node and no more: nobody has proved it.
    pub fn of_claimant(
        &mut self,
        from: &impl std::fmt::Display,
        said: Option<&NodeName>,
        what: &str,
        now: Instant,
    ) {
        match said {
            Some(name) => self.of_stranger(&format_args!("{from}, which calls itself {name}"), what, now),
            None => self.of_stranger(from, what, now),
        }
    }

    /// Forgets those who are not allowed any more.
    pub fn keep(&mut self, allowed: &BTreeSet<String>) {
        self.peers.retain(|name, _| allowed.contains(name));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by them")]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;

    static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

    #[test]
    fn none_takes_the_lines_of_another_and_what_had_no_room_is_counted() {
        let mut reports = Reports::new(|line| SAID.lock().unwrap().push(line.to_owned()));
        let start = Instant::now();
        for _ in 0..1000 {
            reports.of_peer("loud@h", "connected", start);
            reports.of_stranger(&"10.0.0.1", "no node", start);
        }
        reports.of_peer("quiet@h", "it has closed the connection", start);
        reports.of_peer("loud@h", "connected", start + Duration::from_secs(2));
        let said = SAID.lock().unwrap();
        let of = |name: &str| said.iter().filter(|line| line.starts_with(name)).count();
        let peer = usize::try_from(NODE_REPORTS_OF_PEER_PER_S).unwrap();
        assert_eq!((of("loud@h"), of("quiet@h")), (peer + 1, 1));
        assert_eq!(of("10.0.0.1"), usize::try_from(NODE_REPORTS_OF_STRANGERS_PER_S).unwrap());
        let more = format!("loud@h: connected; {} more since the last such line", 1000 - peer);
        assert_eq!(said[said.len() - 1], more);
        drop(said);
        reports.keep(&BTreeSet::from(["quiet@h".to_owned()]));
        assert_eq!(reports.peers.len(), 1);
    }
}
