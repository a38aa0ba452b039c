//! Lists while others change what is listed, several at once, and one that the kernel refuses.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use portcullis::nft::transport::Error;
use portcullis::nft::transport::batch::Batch;
use portcullis::nft::transport::dump::{Dump, consistent};

use crate::nft_support::messages::*;
use crate::nft_support::network;
use crate::run;

#[test]
fn a_dump_that_is_changed_after_rows_were_given_out_says_so() {
    network(|| {
        let (mut one, mut other) = (link(), link());
        run(&mut one, ruleset(2000));
        let mut dump = Dump::start(&mut one, GETRULE, 0, |_| {}).unwrap();
        assert!(dump.next(&mut one).unwrap().is_some());
        let mut batch = Batch::begin(None);
        table(&mut batch, "new");
        run(&mut other, batch);
        let end = loop {
            match dump.next(&mut one) {
                Ok(Some(_)) => {}
                end => break end.map(|_| ()),
            }
        };
        assert_eq!(end, Err(Error::Interrupted));
        assert!(dump.next(&mut one).unwrap().is_none(), "it is over");
        assert_eq!(tags(&mut one).len(), 2000, "and in nobody's way");
    });
}

#[test]
fn a_dump_that_is_changed_before_is_asked_for_again() {
    network(|| {
        let (mut one, mut other) = (link(), link());
        run(&mut one, ruleset(0));
        let mut ended = Dump::start(&mut one, GETTABLE, 0, |_| {}).unwrap();
        assert_eq!(ended.next(&mut one).unwrap().unwrap().count(), 1);
        let mut dump = Dump::start(&mut one, GETTABLE, 0, |_| {}).unwrap();
        let mut batch = Batch::begin(None);
        table(&mut batch, "new");
        let now = run(&mut other, batch).generation;
        assert_eq!(dump.next(&mut one).unwrap().unwrap().count(), 2);
        assert_eq!(dump.generation(), now);
        assert!(dump.next(&mut one).unwrap().is_none());
        assert!(ended.next(&mut one).unwrap().is_none(), "a short list is whole before it is given out");
    });
}

/// Ends the writer however the reader ends: a failed test must not hang.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// The whole list in one generation, while somebody replaces all of it every few milliseconds.
#[test]
fn a_view_is_of_one_generation_whatever_others_do() {
    network(|| {
        let (stop, turns) = (AtomicBool::new(false), AtomicU32::new(0));
        let mut reader = link();
        run(&mut reader, ruleset(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut writer = link();
                while !stop.load(Relaxed) {
                    let mut batch = Batch::begin(None);
                    flush(&mut batch, "t", "c");
                    let tag = turns.load(Relaxed).to_be_bytes();
                    (0..1000).for_each(|_| rule(&mut batch, 0, "t", "c", &tag));
                    run(&mut writer, batch);
                    turns.fetch_add(1, Relaxed);
                    std::thread::sleep(Duration::from_millis(3));
                }
            });
            let _stopped = Stop(&stop);
            let (mut views, mut calls) = (0, 0);
            let begun = Instant::now();
            // Two seconds, and longer where nothing came between.
            let shown = |views, calls| turns.load(Relaxed) > 10 && views > 0 && calls > views;
            while begun.elapsed() < Duration::from_secs(2)
                || (!shown(views, calls) && begun.elapsed() < Duration::from_secs(60))
            {
                let view = consistent(&mut reader, |link, _| {
                    calls += 1;
                    list(link, GETRULE, 7)
                });
                match view {
                    Ok((_, tags)) if tags.is_empty() => {}
                    Ok((_, tags)) => {
                        assert_eq!(tags.len(), 1000);
                        assert!(tags.iter().all(|tag| *tag == tags[0]));
                        views += 1;
                    }
                    Err(e) => assert_eq!(e, Error::Interrupted),
                }
            }
            assert!(shown(views, calls), "{turns:?} changes, {views} views, {calls} calls");
        });
    });
}

#[test]
fn a_slow_reader_gets_the_whole_dump_though_other_things_are_done_meanwhile() {
    network(|| {
        let mut link = link();
        run(&mut link, ruleset(2000));
        let count = |dump: &mut Dump, link: &mut _| dump.next(link).unwrap().map_or(0, Iterator::count);
        let mut dumps: Vec<Dump> =
            (0..3).map(|_| Dump::start(&mut link, GETRULE, 0, |_| {}).unwrap()).collect();
        let mut rows: Vec<usize> = dumps.iter_mut().map(|dump| count(dump, &mut link)).collect();
        assert!(rows.iter().all(|rows| (1..1000).contains(rows)), "{rows:?}");
        // One reader goes away; the ruleset changes by our own hand.
        drop(dumps.pop());
        let mut batch = Batch::begin(None);
        flush(&mut batch, "t", "c");
        run(&mut link, batch);
        assert!(tags(&mut link).is_empty());
        for (dump, rows) in dumps.iter_mut().zip(&mut rows) {
            while let Some(messages) = dump.next(&mut link).unwrap() {
                *rows += messages.count();
            }
            assert_eq!(*rows, 2000);
        }
    });
}

#[test]
fn what_a_dump_is_refused_is_told() {
    network(|| {
        let mut link = link();
        let mut dump = Dump::start(&mut link, GETSETELEM, INET, |b| {
            b.put_text(1, b"t");
            b.put_text(2, b"s");
        })
        .unwrap();
        assert!(matches!(dump.next(&mut link), Err(Error::Refused(r)) if r.errno == libc::ENOENT));
        assert!(dump.next(&mut link).unwrap().is_none());
        let long = Dump::start(&mut link, GETSETELEM, INET, |b| b.put(1, &[0; 65536]));
        assert!(matches!(long, Err(Error::TooLong(_))));
    });
}
