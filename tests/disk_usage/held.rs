//! Mounts that do not answer: who waits for them, for how long, and who does not.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portcullis::limits::{HELPERS, HELPERS_FOR_LOCAL, STATFS_ANSWER_MS};

use super::support::{
    self, Port, Term, bytes, eventually, fixtures, given_time, integer, map, request, within,
};
use super::{Hanging, Rows, all, all_helpers, ask, eventually_asked, helpers, is_there, only, size};

const ANSWER: Duration = Duration::from_millis(STATFS_ANSWER_MS);

/// What a question that waits for nobody takes at most: it is far from what one takes that waits.
const SOON: Duration = Duration::from_millis(STATFS_ANSWER_MS / 2);

fn timeout() -> Result<i128, String> {
    Err("timeout".to_owned())
}

fn busy() -> Result<i128, String> {
    Err("busy".to_owned())
}

/// What the mounts that hang_statfs serves say once they answer.
const ANSWERED: Result<i128, String> = Ok(4096 * 1000);

/// The rest of an answer, if it is the next that comes; else which one did.
fn rest(port: &mut Port, id: u32) -> Result<Rows, String> {
    let mut rows = Rows::new();
    loop {
        let term = port.receive().expect("an answer");
        let parts = support::elements(&term);
        match support::name(&parts[0]) {
            _ if integer(&parts[1]) != i128::from(id) => {
                return Err(format!("not the answer to {id}: {term}"));
            }
            "rows" => {
                for row in support::list(&parts[3]) {
                    let row = support::elements(&row);
                    rows.insert(bytes(&row[0]), row);
                }
            }
            "ok" => return Ok(rows),
            _ => return Err(format!("{term}")),
        }
    }
}

/// Asks, and takes the answer if it is the next that comes, with the time.
fn next(port: &mut Port, id: u32, op: &str, args: Term) -> Result<(Rows, Duration), String> {
    let begun = Instant::now();
    port.frame(&request(id, op, args, 60_000));
    rest(port, id).map(|rows| (rows, begun.elapsed()))
}

#[test]
fn a_mount_that_does_not_answer_delays_the_query_that_asked_for_it_and_no_other() {
    let Some(f) = fixtures() else { return };
    given_time(|| {
        let hanging = Hanging::new(&f, "delays");
        let mut port = hanging.port(&f, 1, &[]);
        port.hello();
        let begun = Instant::now();
        port.frame(&request(1, "query", all(), 60_000));
        // Meanwhile others are answered, other queries of the same table too.
        let (mut infos, mut roots) = (Vec::new(), Vec::new());
        for id in 2..22 {
            infos.push(next(&mut port, id, "info", map(&[]))?.1);
            let (rows, took) = next(&mut port, id, "query", only(b"/"))?;
            assert!(size(&rows[&b"/"[..]]).is_ok());
            roots.push(took);
        }
        let rows = rest(&mut port, 1)?;
        let took = begun.elapsed();
        let (info, root) = (infos.iter().max().unwrap(), roots.iter().max().unwrap());
        println!("others: {info:?}, the root's own: {root:?}; the query that asked: {took:?}");
        within(SOON, "others", *info)?;
        within(SOON, "the root's own", *root)?;
        assert!(took >= ANSWER);
        within(ANSWER + SOON, "the query that asked", took)?;
        assert_eq!(size(&rows[&hanging.mount_point(0)]), timeout());
        let others = rows.iter().filter(|(place, _)| **place != hanging.mount_point(0));
        assert!(others.into_iter().all(|(_, row)| size(row) != timeout()));
        // It is held back now: the same query takes no time.
        let (rows, took) = ask(&mut port, all());
        println!("the same while it is held back: {took:?}");
        assert_eq!(size(&rows[&hanging.mount_point(0)]), timeout());
        within(SOON, "while it is held back", took)?;
        assert_eq!(hanging.asked(), 1);
        Ok(())
    });
}

#[test]
fn a_query_with_less_time_still_gets_the_rows_that_there_are() {
    let Some(f) = fixtures() else { return };
    given_time(|| {
        let hanging = Hanging::new(&f, "short");
        let mut port = hanging.port(&f, 2, &[]);
        port.hello();
        let begun = Instant::now();
        port.frame(&request(1, "query", all(), 400));
        let rows = rest(&mut port, 1)?;
        within(Duration::from_millis(400), "a query with 400 ms", begun.elapsed())?;
        assert_eq!(size(&rows[&hanging.mount_point(0)]), timeout());
        assert!(size(&rows[&b"/"[..]]).is_ok());
        Ok(())
    });
}

#[test]
fn mounts_that_do_not_answer_leave_the_local_ones_and_are_asked_again_when_they_do() {
    let Some(f) = fixtures() else { return };
    given_time(|| {
        let hanging = Hanging::new(&f, "many");
        let mut port = hanging.port(&f, 6, &[]);
        port.hello();
        let (rows, took) = ask(&mut port, all());
        let late = Instant::now();
        println!("six that do not answer: {took:?}");
        within(ANSWER + SOON, "six that do not answer", took)?;
        let of = |rows: &Rows, why: &Result<i128, String>| {
            (0..6).filter(|nth| size(&rows[&hanging.mount_point(*nth)]) == *why).count()
        };
        let held = HELPERS - HELPERS_FOR_LOCAL;
        let expected = (held, 6 - held);
        assert_eq!((of(&rows, &timeout()), of(&rows, &busy())), expected);
        assert!(size(&rows[&b"/"[..]]).is_ok());
        for _ in 0..20 {
            let (rows, took) = ask(&mut port, all());
            // When they are asked again they take their time again.
            within(ANSWER, "the pause", late.elapsed())?;
            within(SOON, "one of twenty", took)?;
            assert_eq!((of(&rows, &timeout()), of(&rows, &busy())), expected);
            assert!(size(&rows[&b"/"[..]]).is_ok());
        }
        assert_eq!(hanging.asked(), held);
        // They answer: helpers come back by themselves, and those that were never asked are at once; the late ones after a pause.
        hanging.command("answer");
        let waited = eventually_asked(&mut port, |rows| of(rows, &ANSWERED) == 6 - held);
        within(SOON, "those that were never asked", waited)?;
        let waited = eventually_asked(&mut port, |rows| of(rows, &ANSWERED) == 6);
        println!("all of them {waited:?} after the first answers");
        if waited <= Duration::from_millis(300) {
            return Err(format!("{waited:?}: the pause was nearly over"));
        }
        within(Duration::from_secs(3), "the late ones", waited)?;
        assert_eq!(helpers(&port).len(), HELPERS);
        Ok(())
    });
}

#[test]
fn a_mount_whose_server_dies_says_so() {
    let Some(f) = fixtures() else { return };
    let hanging = Hanging::new(&f, "dies");
    let mut port = hanging.port(&f, 1, &[]);
    port.hello();
    let here = hanging.mount_point(0);
    assert_eq!(size(&ask(&mut port, only(&here)).0[&here]), timeout());
    hanging.command("die");
    let died = Err("enotconn".to_owned());
    eventually_asked(&mut port, |rows| size(&rows[&here]) == died);
}

#[test]
fn a_port_that_is_killed_ends_at_once_although_a_helper_cannot() {
    let Some(f) = fixtures() else { return };
    given_time(|| {
        let hanging = Hanging::new(&f, "killed");
        let mut port = hanging.port(&f, 1, &[]);
        port.hello();
        let processes = all_helpers(&port);
        port.frame(&request(1, "query", all(), 60_000));
        eventually("the question", || hanging.asked() == 1);
        let begun = Instant::now();
        kill(Pid::from_raw(i32::try_from(port.pid()).unwrap()), Signal::SIGKILL).unwrap();
        // The end of the pipe is what a BEAM waits for.
        while port.receive_frame().is_some() {}
        let pipe = begun.elapsed();
        port.end();
        let took = begun.elapsed();
        println!("end of the pipe after {pipe:?}, exit status after {took:?}");
        // Those that the kernel lets go are gone; the one that is held ends when it is let go.
        let left = || processes.iter().filter(|pid| is_there(**pid)).count();
        eventually("the idle helpers", || left() <= 1);
        assert_eq!(left(), 1, "nothing held it: the test shows nothing");
        hanging.command("die");
        let waited = eventually("the held helper", || left() == 0);
        println!("the held one ended {waited:?} after it was let go");
        within(SOON, "the end of the port", took)
    });
}

/// Whatever holds them: here a signal that stops them, which no file system is needed for.
#[test]
fn when_all_helpers_are_held_it_is_said_at_once() {
    let Some(f) = fixtures() else { return };
    given_time(|| {
        let hanging = Hanging::new(&f, "all");
        let mut port = hanging.port(&f, 1, &[]);
        port.hello();
        signal(&port, Signal::SIGSTOP);
        let (rows, took) = ask(&mut port, all());
        println!("all four held: {took:?} for {} mounts", rows.len());
        within(ANSWER + SOON, "all four held", took)?;
        assert!(rows.values().all(|row| size(row) == timeout() || size(row) == busy()));
        assert_eq!(rows.values().filter(|row| size(row) == timeout()).count(), HELPERS);
        let (rows, took) = ask(&mut port, all());
        within(SOON, "the same while they are held", took)?;
        assert!(rows.values().all(|row| size(row).is_err()));
        within(SOON, "info", next(&mut port, 77, "info", map(&[]))?.1)?;
        signal(&port, Signal::SIGCONT);
        hanging.command("answer");
        eventually_asked(&mut port, |rows| {
            rows.values().all(|row| size(row).is_ok() || size(row) == Err("eacces".into()))
        });
        Ok(())
    });
}

fn signal(port: &Port, signal: Signal) {
    for pid in all_helpers(port) {
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
    }
}

#[test]
fn helpers_that_are_killed_are_not_there_any_more_and_the_others_go_on() {
    let Some(f) = fixtures() else { return };
    let hanging = Hanging::new(&f, "killed-helpers");
    let mut port = hanging.port(&f, 1, &[]);
    port.hello();
    let first = all_helpers(&port)[0];
    kill(Pid::from_raw(i32::try_from(first).unwrap()), Signal::SIGKILL).unwrap();
    eventually("the end", || !Path::new(&format!("/proc/{first}")).exists());
    for _ in 0..3 {
        assert!(size(&ask(&mut port, only(b"/")).0[&b"/"[..]]).is_ok());
    }
    for pid in helpers(&port) {
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
    }
    eventually("the end", || helpers(&port).is_empty());
    port.request(4, "query", only(b"/"));
    let told = loop {
        let (tag, _, value) = port.answer();
        if tag == "error" {
            break value;
        }
    };
    assert!(told.to_string().contains("esrch") || told.to_string().contains("eio"), "{told}");
}
