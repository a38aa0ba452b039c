//! Sides of a gateway that read nothing, and messages that are as long as they may be: what the gateway holds meanwhile. Alone in its program,
//! as the memory of the whole is measured.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod gateway;

use std::io::Write;
use std::time::{Duration, Instant};

use gateway::waiting::{PATIENCE, eventually};
use gateway::{Peer, RULES, Z, call, gateway, peer, protected};

const Y: &str = "y@127.0.0.1";

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A node that completes handshakes and then reads nothing: its port.
fn deaf() -> u16 {
    protected(std::mem::forget)
}

/// Whether all other threads of this program sleep: those that play the gateway and the node have done what they can.
fn others_sleep() -> bool {
    let own = nix::unistd::gettid().to_string();
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    tasks.filter(|task| !task.ends_with(&own)).all(|task| {
        let stat = std::fs::read_to_string(task.join("stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S'))
    })
}

/// Bytes that a peer can send until it is not read for a second in which nobody would have had anything else to do.
fn stuffed(peer: &mut Peer, frame: &[u8]) -> usize {
    peer.socket.set_nonblocking(true).unwrap();
    let (mut sent, mut last, mut went) = (0, Instant::now(), Instant::now());
    let mut rest: Vec<u8> = Vec::new();
    while last.elapsed() < Duration::from_secs(1) {
        if rest.is_empty() {
            rest.extend(frame);
        }
        match peer.socket.write(&rest) {
            Ok(n) => {
                rest.drain(..n);
                sent += n;
                (last, went) = (Instant::now(), Instant::now());
            }
            Err(_) if others_sleep() => std::thread::sleep(Duration::from_millis(5)),
            Err(_) => {
                assert!(went.elapsed() < PATIENCE, "somebody is busy and nothing goes on");
                last = Instant::now();
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
    sent
}

#[test]
fn a_side_that_reads_nothing_stops_the_other_and_costs_one_buffer() {
    let port = gateway(deaf(), "", RULES);
    let before = resident();
    // Short messages; then one side that does not read its answers.
    let mut peer = peer(port, Z).unwrap();
    let frame = call(Z, Z, "sink", 1, |w| w.binary(&[7; 1000]));
    let sent = stuffed(&mut peer, &frame);
    let held = resident().saturating_sub(before);
    println!("{sent} bytes were taken, {held} kB are held");
    assert!(held < 8 * 1024, "{held} kB");
    drop(peer);
    let mut peer = gateway::peer(port, Y).unwrap();
    let denied = call(Y, Y, "rex", 1, |w| w.binary(&[7; 10]));
    let before = resident();
    let sent = stuffed(&mut peer, &denied);
    let held = resident().saturating_sub(before);
    println!("{sent} bytes of denied calls were taken, {held} kB are held");
    assert!(held < 8 * 1024, "{held} kB");
    assert!(gateway::peer(port, Z).is_some(), "others are let in meanwhile");
    drop(peer);
    // A long message is held once, as far as it has come, and given back when it has gone.
    let port = gateway(deaf(), "[limits]\nmessage_bytes = 67108864", RULES);
    let before = resident();
    let mut peer = gateway::peer(port, Z).unwrap();
    let sent = stuffed(&mut peer, &call(Z, Z, "sink", 1, |w| w.binary(&vec![7; 50_000_000])));
    let held = resident().saturating_sub(before);
    println!("{sent} bytes of long messages were taken, {held} kB are held");
    assert!((50_000_000..110_000_000).contains(&sent), "{sent}");
    assert!(held < 2 * 68 * 1024, "{held} kB, of which this test itself has some 50 MB");
    drop(peer);
    // Nobody hears that it has gone, as nothing more is read of it; when it comes again, the old connection ends.
    let _again = gateway::peer(port, Z).unwrap();
    eventually("less is held when it has come again", || resident().saturating_sub(before) < 16 * 1024);
}
