//! Any bytes are a `/proc/PID/status`. What a cut file says, the whole file says too; a name cannot add a field.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::proc::parse::status::{Status, StatusField};

const FIELDS: [StatusField; 5] = [
    StatusField::Umask,
    StatusField::Fsuid,
    StatusField::VmHwm,
    StatusField::CapEff,
    StatusField::NonvoluntaryCtxtSwitches,
];

const AFTER: &[u8] =
    b"\nUmask:\t0022\nState:\tS (sleeping)\nUid:\t1\t2\t3\t4\nGroups:\t4 24 \nVmHWM:\t    1776 kB\n\
    CapEff:\t000001fffeffffff\nnonvoluntary_ctxt_switches:\t1\n";

type Read = ([Option<u64>; 5], Option<Vec<u32>>);

fn read(bytes: &[u8], complete: bool) -> Read {
    let status = Status::new(bytes, complete);
    (FIELDS.map(|field| status.number(field)), status.groups().map(Iterator::collect))
}

fuzz_target!(|bytes: &[u8]| {
    let _ = read(bytes, true);
    let _ = read(bytes, false);

    let forged = [b"Name:\t", bytes, AFTER].concat();
    let whole = read(&forged, true);
    assert_eq!(whole, read(&[b"Name:\tx", AFTER].concat(), true));

    // From the line after the real state on: before it, a name that the kernel had not escaped could be the state.
    let state = forged.len() - AFTER.len() + b"\nUmask:\t0022\nState:\tS (sleeping)\n".len();
    for length in (state..forged.len()).step_by(7) {
        let cut = read(forged.get(..length).unwrap_or_default(), false);
        assert!(cut.0.iter().zip(whole.0).all(|(cut, whole)| cut.is_none() || *cut == whole));
        assert!(cut.1.is_none() || cut.1 == whole.1);
    }
});
