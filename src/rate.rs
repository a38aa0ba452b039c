//! How often something may happen.
#![forbid(unsafe_code)]

use std::time::Instant;

/// Tokens of which so many come in a second, and no more than a second's worth are kept.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    per_s: u64,
    /// In millionths of a token.
    level: u64,
    filled: Option<Instant>,
}

const TOKEN: u64 = 1_000_000;

impl Bucket {
    /// A full one. `per_s` at most 10^12.
    #[must_use]
    pub fn new(per_s: u64) -> Self {
        Self { per_s, level: per_s.saturating_mul(TOKEN), filled: None }
    }

    /// Takes one token, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let since = self.filled.map_or(0, |then| {
            u64::try_from(now.saturating_duration_since(then).as_micros()).unwrap_or(u64::MAX)
        });
        // Only what counts is counted: a call so soon that nothing has come yet leaves the time as it was.
        if since > 0 || self.filled.is_none() {
            self.filled = Some(now);
        }
        let full = self.per_s.saturating_mul(TOKEN);
        self.level = self.level.saturating_add(since.saturating_mul(self.per_s)).min(full);
        match self.level.checked_sub(TOKEN) {
            Some(rest) => {
                self.level = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_brings_so_many_and_no_more() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10);
        let mut taken = |at: Duration| (0..100).filter(|_| bucket.take(start + at)).count();
        assert_eq!(taken(Duration::ZERO), 10);
        assert_eq!(taken(Duration::from_millis(99)), 0);
        assert_eq!(taken(Duration::from_millis(101)), 1);
        assert_eq!(taken(Duration::from_millis(601)), 5);
        assert_eq!(taken(Duration::from_secs(3600)), 10);
    }

    #[test]
    fn asking_often_does_not_lose_time() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1_000_000_000);
        assert!((0..1000_u64).all(|n| bucket.take(start + Duration::from_nanos(n))));
        let mut slow = Bucket::new(1);
        assert!(slow.take(start));
        let calls = (1..=2_000_011_u64).step_by(10);
        assert_eq!(calls.filter(|us| slow.take(start + Duration::from_micros(*us))).count(), 2);
    }
}
