//! The first frame: `hello`, or why there will be none.
#![forbid(unsafe_code)]

use crate::capability::Capabilities;
use crate::error::Refusal;
use crate::limits::{CREDIT_INITIAL, IN_FLIGHT_MAX, REPLY_FRAME_MAX};
use crate::op::Role;
use crate::protocol::ops;
use crate::sys::{clock, process};
use crate::wire::atoms::{self, Atom};
use crate::wire::write::Writer;

/// The oldest and the newest protocol version that the program speaks.
const PROTOCOL: (i64, i64) = (1, 1);

/// What `hello` says about the process.
#[derive(Clone, Copy, Debug)]
pub struct Hello<'a> {
    /// What it serves.
    pub role: Role,
    /// Capabilities that it holds.
    pub held: Capabilities,
    /// Capabilities that the policy would grant and that it lacks.
    pub missing: Capabilities,
    /// Measures in force that not every kernel has, and `hidepid`.
    pub features: &'a [&'static str],
    /// What is wrong with the installation.
    pub findings: &'a [Refusal],
    /// The policy's name.
    pub policy: &'a str,
    /// The longest request frame, in bytes.
    pub frame_max: usize,
}

/// `{hello, Map}`.
pub fn hello(w: &mut Writer, hello: &Hello<'_>) {
    let Hello { role, held, missing, features, findings, policy, frame_max } = *hello;
    let frame = w.start_frame();
    w.tuple(2);
    w.atom(atoms::HELLO);
    w.map(16);
    w.atom(atoms::PROTOCOL);
    w.tuple(2);
    w.int(PROTOCOL.0);
    w.int(PROTOCOL.1);
    w.atom(atoms::VERSION);
    w.text(env!("CARGO_PKG_VERSION"));
    w.atom(atoms::ROLE);
    w.atom(atoms::named(role.name()));
    w.atom(atoms::OPERATIONS);
    names(w, ops::of(role).map(|row| atoms::named(row.name)));
    w.atom(atoms::FEATURES);
    names(w, features.iter().map(|f| atoms::named(f)));
    w.atom(atoms::CAPABILITIES);
    names(w, held.among(role.capabilities()).map(|c| atoms::named(c.name())));
    w.atom(atoms::MISSING);
    names(w, missing.among(role.capabilities()).map(|c| atoms::named(c.name())));
    w.atom(atoms::FINDINGS);
    let mark = w.begin_list();
    findings.iter().for_each(|f| write_refusal(w, f));
    w.end_list(mark, findings.len());
    w.atom(atoms::POLICY);
    w.text(policy);
    numbers(w, frame_max);
    w.end_frame(frame);
}

fn numbers(w: &mut Writer, frame_max: usize) {
    let size = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    for (key, value) in [
        (atoms::FRAME_MAX, size(frame_max)),
        (atoms::REPLY_MAX, size(REPLY_FRAME_MAX)),
        (atoms::CREDIT, u64::from(CREDIT_INITIAL)),
        (atoms::MAX_IN_FLIGHT, size(IN_FLIGHT_MAX)),
        (atoms::TICKS_PER_S, process::ticks_per_second()),
        (atoms::PAGE_SIZE, process::page_size()),
        (atoms::BOOT_TIME, clock::boot_unix_micros()),
    ] {
        w.atom(key);
        w.uint(value);
    }
}

/// `{refused, Map}`.
pub fn refused(w: &mut Writer, refusal: &Refusal) {
    let frame = w.start_frame();
    w.tuple(2);
    w.atom(atoms::REFUSED);
    write_refusal(w, refusal);
    w.end_frame(frame);
}

fn write_refusal(w: &mut Writer, refusal: &Refusal) {
    w.map(4);
    w.atom(atoms::CODE);
    w.int(i64::from(refusal.reason.code()));
    w.atom(atoms::REASON);
    w.atom(atoms::named(refusal.reason.name()));
    w.atom(atoms::MESSAGE);
    w.text(&refusal.message);
    w.atom(atoms::FIX);
    w.text(&refusal.fix);
}

fn names(w: &mut Writer, list: impl Iterator<Item = Atom>) {
    let mark = w.begin_list();
    let n = list.map(|name| w.atom(name)).count();
    w.end_list(mark, n);
}
