//! Whose turn it is. One thread hears all peers, and what one says can take as long as a thousand messages of another: who has taken least of
//! it lately is heard first, and when the turn is over it is asked anew who has something to say.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use crate::limits::{DIST_FADES_MS, DIST_HEARD_MS, DIST_TURN_MS};

/// What somebody took of the thread lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spent(Duration);

impl Spent {
    /// It was his turn since then.
    pub fn since(&mut self, began: Instant) {
        self.0 = self.0.saturating_add(began.elapsed());
    }

    /// So many halves of it are long ago.
    pub fn fade(&mut self, halves: u32) {
        self.0 = self.0.checked_div(1_u32.checked_shl(halves).unwrap_or(0)).unwrap_or_default();
    }
}

/// When what was spent becomes less: an hour of silence is no right to be heard for as long.
#[derive(Debug)]
pub struct Fading(Instant);

impl Fading {
    /// From then on.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self(now)
    }

    /// How often everything that was spent has become half as much since this was asked last.
    pub fn halves(&mut self, now: Instant) -> u32 {
        let passed = now.saturating_duration_since(self.0).as_millis();
        let halves = passed.checked_div(DIST_FADES_MS.into()).unwrap_or_default();
        if halves > 0 {
            self.0 = now;
        }
        u32::try_from(halves).unwrap_or(u32::MAX)
    }
}

/// Those who have something to say.
#[derive(Debug)]
pub struct Turn<T>(Vec<(Spent, Spent, T)>);

impl<T> Default for Turn<T> {
    /// Of which nobody was asked yet.
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Turn<T> {
    /// A peer, and what he has spent.
    pub fn peer(&mut self, spent: Spent, what: T) {
        self.0.push((spent, spent, what));
    }

    /// One of those who have not said who they are. All of them together are as one peer: there can be a thousand, each of whom has just come.
    pub fn stranger(&mut self, all: Spent, spent: Spent, what: T) {
        self.0.push((all, spent, what));
    }

    /// Gives each to `hear`, until the time is over for a turn that began then. Who was not heard is ready still.
    ///
    /// # Errors
    /// Those of `hear`.
    pub fn take<E>(mut self, began: Instant, mut hear: impl FnMut(T) -> Result<(), E>) -> Result<(), E> {
        self.0.sort_by_key(|(all, spent, _)| (*all, *spent));
        for (_, _, what) in self.0 {
            hear(what)?;
            if began.elapsed() >= Duration::from_millis(DIST_TURN_MS) {
                break;
            }
        }
        Ok(())
    }
}

/// Until when one who is heard from now on may be.
#[must_use]
pub fn until() -> Instant {
    Instant::now() + Duration::from_millis(DIST_HEARD_MS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by it")]

    use super::*;

    fn spent(ms: u64) -> Spent {
        Spent(Duration::from_millis(ms))
    }

    fn heard<T>(turn: Turn<T>, began: Instant) -> Vec<T> {
        let mut heard = Vec::new();
        let keep = |what| {
            heard.push(what);
            Ok::<_, ()>(())
        };
        turn.take(began, keep).unwrap();
        heard
    }

    #[test]
    fn who_took_least_is_heard_first_and_all_strangers_are_as_one_peer() {
        let mut turn = Turn::default();
        turn.peer(spent(9), "busy");
        turn.stranger(spent(5), spent(2), "second stranger");
        turn.stranger(spent(5), spent(0), "first stranger");
        turn.peer(spent(1), "quiet");
        turn.peer(spent(1), "as quiet");
        let soon = Instant::now() + Duration::from_secs(60);
        assert_eq!(heard(turn, soon), ["quiet", "as quiet", "first stranger", "second stranger", "busy"]);
    }

    #[test]
    fn a_turn_that_is_over_has_heard_one_at_least() {
        let long_ago = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        let mut turn = Turn::default();
        turn.peer(spent(9), 9);
        turn.peer(spent(1), 1);
        assert_eq!(heard(turn, long_ago), [1]);
    }

    #[test]
    fn what_was_spent_is_half_as_much_after_a_while_and_nothing_in_the_end() {
        let began = Instant::now();
        let mut fading = Fading::new(began);
        let step = Duration::from_millis(DIST_FADES_MS);
        assert_eq!(fading.halves(began + step / 2), 0);
        assert_eq!(fading.halves(began + step * 3), 3);
        assert_eq!(fading.halves(began + step * 3), 0, "they are counted once");
        let fades = |halves| {
            let mut all = spent(80);
            all.fade(halves);
            all
        };
        assert_eq!(
            [0, 1, 3, 31, 32, u32::MAX].map(fades),
            [spent(80), spent(40), spent(10), fades(31), spent(0), spent(0)]
        );
        assert!(fades(31) < spent(1));
    }
}
