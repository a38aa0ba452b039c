//! Any bytes are a `/proc/PID/limits`, or none; the crate behind it may panic, the parser may not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::proc::parse::limits::parse;
use portcullis::sys::guard;
use std::panic::{set_hook, take_hook};
use std::sync::Once;

/// The fuzzer's hook aborts at every panic. Ours lets those pass that a guard catches, as the program's does.
fn spare_guarded_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let abort = take_hook();
        set_hook(Box::new(move |panic| {
            if !guard::active() {
                abort(panic);
            }
        }));
    });
}

fuzz_target!(|bytes: &[u8]| {
    spare_guarded_panics();
    let _ = parse(bytes);
    assert!(!guard::active());
});
