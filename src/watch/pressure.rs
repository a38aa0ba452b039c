//! Whether tasks lose more time than they should because something is short (Documentation/accounting/psi.rst). It is sampled: the
//! kernel's own triggers take a file that is open for writing, which this program never has.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::error::RequestError;
use crate::kernel::file;
use crate::kernel::pressure::{self, FILES};
use crate::sys::clock;
use crate::wire::atoms::{self, Atom};
use crate::wire::write::Writer;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    /// The share of the last ten seconds, in hundredths of a percent.
    Avg10,
    /// Microseconds that were lost since the last sample.
    Stall,
}

/// A value that shall not be exceeded.
#[derive(Debug)]
pub struct Threshold {
    /// What may be short.
    pub resource: Atom,
    /// Whether some tasks wait, or all.
    pub share: Atom,
    /// What is compared.
    pub measured: Measured,
    /// With what.
    pub threshold: u64,
    /// How often.
    pub every: Duration,
    /// When next.
    pub due: Instant,
    /// Whether it was told that it is exceeded.
    pub above: bool,
    /// The microseconds that all had lost at the last sample.
    pub total: Option<u64>,
}

impl Threshold {
    /// Takes a sample. The value, if it has crossed the threshold since it was told.
    ///
    /// # Errors
    /// If there is nothing to sample.
    pub fn sample(&mut self, now: Instant) -> Result<Option<u64>, RequestError> {
        self.due = now + self.every;
        let (avg10, total) = self.read()?;
        Ok(self.compare(avg10, total))
    }

    /// Compares what was read.
    pub fn compare(&mut self, avg10: u64, total: u64) -> Option<u64> {
        let before = self.total.replace(total);
        let value = match self.measured {
            Measured::Avg10 => avg10,
            // Nothing is known of the time before the first sample.
            Measured::Stall => total.saturating_sub(before?),
        };
        let above = value > self.threshold;
        if above == self.above {
            return None;
        }
        self.above = above;
        Some(value)
    }

    fn read(&self) -> Result<(u64, u64), RequestError> {
        let none = || {
            let resource = self.resource.name();
            let text = format!(
                "pressure of {resource}: this kernel does not measure it; it needs CONFIG_PSI, and psi=1 on its command line"
            );
            RequestError::Unsupported(text.into_bytes())
        };
        let path = FILES.iter().find(|(resource, _)| *resource == self.resource).ok_or_else(none)?.1;
        let bytes = match file::whole(path) {
            Ok(bytes) => bytes,
            Err(Errno::ENOENT | Errno::EOPNOTSUPP) => return Err(none()),
            Err(e) => return Err(RequestError::Posix(e as i32, pressure::WHAT)),
        };
        let row = pressure::parse(self.resource, &bytes).find(|row| row.share == self.share);
        row.map(|row| (row.averages[0], row.total)).ok_or_else(none)
    }

    /// Writes that it was crossed.
    pub fn write(&self, value: u64, w: &mut Writer) {
        w.map(8);
        for (key, word) in [
            (atoms::KIND, atoms::PRESSURE),
            (atoms::RESOURCE, self.resource),
            (atoms::SHARE, self.share),
            (atoms::MEASURE, self.measured.word()),
            (atoms::STATE, if self.above { atoms::ABOVE } else { atoms::BELOW }),
        ] {
            w.atom(key);
            w.atom(word);
        }
        for (key, number) in
            [(atoms::VALUE, value), (atoms::THRESHOLD, self.threshold), (atoms::TIME, clock::unix_micros())]
        {
            w.atom(key);
            w.uint(number);
        }
    }
}

impl Measured {
    /// Its word.
    #[must_use]
    pub fn word(self) -> Atom {
        match self {
            Self::Avg10 => atoms::AVG10,
            Self::Stall => atoms::STALL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threshold(measured: Measured) -> Threshold {
        let (resource, share) = (atoms::CPU, atoms::SOME);
        let (every, due) = (Duration::from_secs(1), Instant::now());
        Threshold { resource, share, measured, threshold: 100, every, due, above: false, total: None }
    }

    #[test]
    fn it_is_told_when_it_is_crossed_and_once() {
        let mut t = threshold(Measured::Avg10);
        let told: Vec<_> = [0, 100, 101, 500, 100, 99, 101].map(|avg10| t.compare(avg10, 0)).into();
        assert_eq!(told, [None, None, Some(101), None, Some(100), None, Some(101)]);
    }

    #[test]
    fn what_was_lost_before_the_first_sample_counts_for_nothing() {
        let mut t = threshold(Measured::Stall);
        let told: Vec<_> = [5000, 5100, 5201, 5202, 5202].map(|total| t.compare(0, total)).into();
        assert_eq!(told, [None, None, Some(101), Some(1), None]);
    }
}
