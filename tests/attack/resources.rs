//! Exhaustion: of memory, of places, of the processor. Limits are those of one copy.

use std::time::Instant;

use portcullis::measure::Measure;

use crate::Attempt;
use crate::support::{Port, atom, atoms, framed, integer, map, name, request, status};
use crate::world::{World, got};

const BASIC: &str = "version = 1\n[proc]\nlevel = \"basic\"\n";

pub fn attempts() -> Vec<Attempt> {
    vec![
        Attempt::user("a frame of 15 MiB", &[Measure::FrameBounds], |w| {
            let mut port = serving(w);
            let before = kib(&port, "VmHWM");
            port.write(&(15_u32 << 20).to_be_bytes());
            for _ in 0..15 {
                port.write(&vec![0; 1 << 20]);
            }
            port.request(1, "info", map(&[]));
            let _ = (port.receive(), port.receive());
            let grown = kib(&port, "VmHWM").saturating_sub(before);
            got(grown > 8 << 10, format!("{grown} KiB more"))
        }),
        Attempt::user("requests without end", &[Measure::InFlight], |w| {
            let mut port = serving(w);
            let overloaded = refused(&mut port, 600, "subscribe", map(&[("topic", atom("audit"))]));
            // Subscriptions have a bound of their own; row answers that wait for nothing but their turn have this one.
            let args = map(&[("columns", atoms(&["argv", "environ"]))]);
            assert!(overloaded > 0 || !w.is_strong());
            let mut port2 = serving(w);
            let again = refused_rows(&mut port2, 600, args);
            got(again == 0, format!("{again} of 600 refused"))
        }),
        Attempt::user("subscriptions without end", &[Measure::Subscriptions], |w| {
            let mut port = serving(w);
            let overloaded = refused(&mut port, 100, "subscribe", map(&[("topic", atom("audit"))]));
            got(overloaded == 0, format!("{overloaded} of 100 refused"))
        }),
        Attempt::user("requests at any rate", &[Measure::RequestRate], |w| {
            let policy = format!("{BASIC}[limits]\nrequests_per_s = 50\n");
            let (mut port, _) = w.serving(&w.start("proc", &policy));
            let begun = Instant::now();
            let denied = refused(&mut port, 300, "info", map(&[]));
            // A second's worth at once, and as many in each second that it took.
            let allowed = 100 + usize::try_from(begun.elapsed().as_secs()).unwrap() * 50;
            got(300 - denied > allowed, format!("{denied} of 300 refused, {allowed} may be answered"))
        }),
    ]
}

fn serving(w: &World) -> Port {
    w.serving(&w.start("proc", BASIC)).0
}

fn kib(port: &Port, key: &str) -> u64 {
    status(port.pid(), key).trim_end_matches(" kB").parse().unwrap()
}

/// How many of so many requests are answered with an error.
fn refused(port: &mut Port, many: u32, op: &str, args: crate::support::Term) -> usize {
    let frames: Vec<u8> = (1..=many).flat_map(|id| framed(&request(id, op, args.clone(), 60_000))).collect();
    port.write(&frames);
    port.request(many + 1, "info", map(&[]));
    count_errors(port, many + 1)
}

fn refused_rows(port: &mut Port, many: u32, args: crate::support::Term) -> usize {
    let mut args = args;
    // No process has this name: the answers have no rows, and end when their turn comes.
    if let crate::support::Term::Map(_) = &args {
        args = map(&[
            ("columns", atoms(&["pid", "argv"])),
            ("where", map(&[("comm", crate::support::binary(b"nobody's"))])),
        ]);
    }
    refused(port, many, "processes", args)
}

fn count_errors(port: &mut Port, last: u32) -> usize {
    let mut errors = 0;
    loop {
        let term = port.receive().expect("an answer");
        let t = crate::support::elements(&term);
        errors += usize::from(name(&t[0]) == "error");
        if name(&t[0]) != "rows" && integer(&t[1]) == i128::from(last) {
            return errors;
        }
    }
}
