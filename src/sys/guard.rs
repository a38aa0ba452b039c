//! A fence around code that may panic: a defect of a dependency costs one cell, not the program.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::panic::{UnwindSafe, catch_unwind};

thread_local! {
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
}

/// What `f` returns, or `None` if it panics.
pub fn guarded<T>(f: impl FnOnce() -> T + UnwindSafe) -> Option<T> {
    let outer = ACTIVE.replace(true);
    let result = catch_unwind(f);
    ACTIVE.set(outer);
    result.ok()
}

/// Whether a guard would catch a panic here: the panic hook asks before it ends the program.
#[must_use]
pub fn active() -> bool {
    // A hook can run while the thread is torn down; there is no guard then, and no second panic may follow.
    ACTIVE.try_with(Cell::get).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_none_and_the_guard_ends_with_it() {
        assert!(!active());
        assert_eq!(guarded(active), Some(true));
        assert_eq!(guarded(|| -> u8 { panic!("on purpose") }), None);
        assert!(!active());
    }

    #[test]
    fn an_inner_guard_leaves_the_outer_one_active() {
        let inside = guarded(|| {
            assert_eq!(guarded(|| -> u8 { panic!("on purpose") }), None);
            active()
        });
        assert_eq!(inside, Some(true));
        assert!(!active());
    }
}
