//! Descriptors that are kept from one sample to the next. The limit of the process leaves room for so many beside those that it needs
//! to work at all; who gets none opens its file anew each time.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many more can be kept.
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// Lets so many be kept. Before any is.
pub fn allow(descriptors: usize) {
    LEFT.store(descriptors, Ordering::Relaxed);
}

/// How many more can be kept.
pub fn left() -> usize {
    LEFT.load(Ordering::Relaxed)
}

/// One that is kept.
#[derive(Debug)]
pub struct Kept(OwnedFd);

impl Kept {
    /// Keeps it, or closes it where there is no room.
    pub fn keep(fd: OwnedFd) -> Option<Self> {
        let taken = LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        taken.is_ok().then(|| Self(fd))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        LEFT.fetch_add(1, Ordering::Relaxed);
    }
}

impl AsFd for Kept {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let file = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        assert!(Kept::keep(file()).is_none());
        allow(2);
        let (first, second) = (Kept::keep(file()).unwrap(), Kept::keep(file()).unwrap());
        assert!(Kept::keep(file()).is_none() && left() == 0);
        drop(first);
        assert!(left() == 1 && Kept::keep(file()).is_some());
        drop(second);
        assert_eq!(left(), 2);
        allow(0);
    }
}
