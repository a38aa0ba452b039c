#![forbid(unsafe_code)]

use super::*;
use crate::dist::control::{Control, read};
use crate::dist::etf::read::Cursor;
use crate::dist::etf::{Pid, Ref};
use crate::ids::RequestId;
use crate::protocol::reply;
use crate::wire::atoms;

use super::super::super::actor::Caller;
use super::super::ask::{self, Wish};

const OWN: Pid<'static> = Pid { node: "a@h", creation: 77, id: 2, serial: 0 };
const NAMES: Names<'static> = Names { own: OWN, peer: "b@h" };
const HELLO: &[u8] = b"\x83\x68\x02\x77\x05hello\x74\0\0\0\x01\x77\x09frame_max\x62\0\0\x04\0";
const ROOM: Room = Room { answer: 100_000, left: 1_000_000 };

fn who(n: u32) -> Waiting {
    let mark = Ref { node: "b@h", creation: 5, words: [n, 0, 0, 0, 0], len: 3 };
    let mut tag = Writer::new();
    tag.raw(b"\x6c\0\0\0\x01\x77\x05alias");
    crate::dist::etf::write::reference(&mut tag, &mark);
    let pid = Pid { node: "b@h", creation: 5, id: n, serial: 0 };
    Waiting::of(&Caller { pid, tag: tag.bytes(), mark: Some(mark), alias: true })
}

use crate::wire::write::Writer;

fn asked(op: &str) -> Vec<u8> {
    let mut w = Writer::new();
    w.tuple(2);
    crate::dist::etf::write::atom(&mut w, op);
    w.map(0);
    w.bytes().to_vec()
}

struct Bench {
    line: Line,
    now: Instant,
    room: Room,
}

impl Bench {
    /// A copy that has said hello.
    fn new(role: Role) -> Self {
        let now = Instant::now();
        let mut bench = Self { line: Line::new(role, now), now, room: ROOM };
        assert_eq!(bench.hears(HELLO), []);
        bench
    }

    fn asks(&mut self, op: &str, caller: Option<u32>) -> Result<Vec<Deed>, Failure> {
        let bytes = asked(op);
        let Some(Ok(Wish::Do(ask))) = ask::read(Cursor::new(&bytes)) else { panic!("{op}") };
        let mut deeds = Vec::new();
        match caller {
            Some(n) if op == "subscribe" => self.line.subscribe(&ask, n, who(n), self.now, &mut deeds),
            caller => self.line.ask(&ask, caller.map(who), self.now, &mut deeds),
        }
        .map(|()| deeds)
    }

    fn hears(&mut self, frame: &[u8]) -> Vec<Deed> {
        let mut deeds = Vec::new();
        self.line.hear(&NAMES, frame, &mut self.room, self.now, &mut deeds).unwrap();
        deeds
    }

    fn says(&mut self, write: impl FnOnce(&mut Writer, RequestId), id: u64) -> Vec<Deed> {
        let mut w = Writer::new();
        write(&mut w, RequestId::new(id).unwrap());
        self.hears(&w.bytes()[4..])
    }

    fn rows(&mut self, id: u64, rows: &[u8], count: usize, first: bool) -> Vec<Deed> {
        let columns = &mut [atoms::PID].into_iter();
        let columns = first.then_some(columns as &mut dyn Iterator<Item = _>);
        self.says(|w, id| reply::rows(w, id, columns, rows, count), id)
    }

    fn tick(&mut self, later: Duration, read: bool) -> (Age, Vec<Deed>) {
        let mut deeds = Vec::new();
        self.now += later;
        (self.line.tick(&NAMES, self.now, read, &mut deeds), deeds)
    }
}

/// What the one answer among these says, and to whom.
fn answer(deeds: &[Deed]) -> (u32, Vec<u8>) {
    let mut found = deeds.iter().filter_map(|deed| match deed {
        Deed::Answer(_, frame, _) | Deed::News(_, frame) => Some(frame),
        _ => None,
    });
    let frame = found.next().expect("an answer");
    let message = read(&frame[4..]).unwrap();
    let to = match message.control {
        Control::AliasSend { alias, .. } => alias.words[0],
        Control::Send { to, .. } => to.id,
        other => panic!("{other:?}"),
    };
    let payload = message.payload.unwrap();
    let mut term = Cursor::new(payload);
    term.head().unwrap();
    ask::one(&mut term).unwrap();
    (to, term.rest().to_vec())
}

fn text(deeds: &[Deed]) -> String {
    answer(deeds).1.iter().map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '.' }).collect()
}

#[test]
fn answers_find_who_asked_in_whatever_order_they_come() {
    let mut bench = Bench::new(Role::Proc);
    for n in [1, 2, 3] {
        assert!(matches!(&bench.asks("info", Some(n)).unwrap()[..], [Deed::Send(_)]));
    }
    let (to, term) = answer(&bench.says(|w, id| reply::ok(w, id, |w| w.uint(7)), 2));
    assert_eq!((to, &term[..]), (2, &b"\x68\x02\x77\x02ok\x61\x07"[..]));
    let deeds = bench.says(|w, id| reply::error(w, id, &RequestError::NoProcess), 3);
    assert_eq!((answer(&deeds).0, text(&deeds)), (3, "h.w.errorw.esrch".to_owned()));
    assert_eq!(bench.line.count(), (1, 0));
    // Twice is once, and nobody's is nobody's.
    assert_eq!(bench.says(|w, id| reply::ok(w, id, |w| w.uint(7)), 2), []);
    assert_eq!(bench.says(|w, id| reply::ok(w, id, |w| w.uint(7)), 99), []);
}

#[test]
fn nothing_is_sent_before_it_says_hello_and_what_it_does_not_take_is_told() {
    let now = Instant::now();
    let mut bench = Bench { line: Line::new(Role::Proc, now), now, room: ROOM };
    assert_eq!(bench.asks("info", Some(1)).unwrap(), []);
    assert!(bench.line.early() > 0);
    let long = [asked("processes"), vec![]].concat();
    let padded = [&long[..long.len() - 5], b"\x74\0\0\0\x01\x77\x01a\x6d\0\0\x08\0", &[0; 2048]].concat();
    let Some(Ok(Wish::Do(ask))) = ask::read(Cursor::new(&padded)) else { panic!() };
    bench.line.ask(&ask, Some(who(2)), now, &mut Vec::new()).unwrap();
    let deeds = bench.hears(HELLO);
    assert!(matches!(&deeds[..], [Deed::Send(_), Deed::Answer(..)]), "{deeds:?}");
    assert!(text(&deeds).contains("too_long"), "{}", text(&deeds));
    assert_eq!(answer(&deeds).0, 2);
    assert!(matches!(bench.line.ask(&ask, None, now, &mut Vec::new()), Err(Failure::TooLong(1024, _))));
    assert_eq!(bench.line.early(), 0);
}

#[test]
fn rows_are_one_answer_and_credit_is_given_while_they_come() {
    let mut bench = Bench::new(Role::Proc);
    bench.asks("processes", Some(1)).unwrap();
    let row = b"\x68\x01\x61\x05";
    assert_eq!(bench.rows(1, row, 1, true), []);
    for n in 2..=16 {
        let deeds = bench.rows(1, row, 1, false);
        assert_eq!(deeds.len(), usize::from(n % 8 == 0), "{n}: {deeds:?}");
    }
    assert!(bench.line.gathered() > 16 * row.len());
    let deeds = bench.says(|w, id| reply::ok(w, id, |w| w.map(0)), 1);
    let expected = [
        &b"\x68\x03\x77\x02ok\x68\x02\x6c\0\0\0\x01\x77\x03pid\x6a\x6c\0\0\0\x10"[..],
        &row.repeat(16),
        b"\x6a\x74\0\0\0\0",
    ];
    assert_eq!(answer(&deeds), (1, expected.concat()));
    // None at all is a list of none.
    bench.asks("processes", Some(2)).unwrap();
    bench.rows(2, b"", 0, true);
    let deeds = bench.says(|w, id| reply::ok(w, id, |w| w.map(0)), 2);
    assert_eq!(answer(&deeds).1, b"\x68\x03\x77\x02ok\x68\x02\x6c\0\0\0\x01\x77\x03pid\x6a\x6a\x74\0\0\0\0");
    // An error behind rows is an error.
    bench.asks("processes", Some(3)).unwrap();
    bench.rows(3, row, 1, true);
    let deeds = bench.says(|w, id| reply::error(w, id, &RequestError::Timeout), 3);
    assert_eq!(text(&deeds), "h.w.errorw.timeout");
    assert_eq!(bench.line.gathered(), 0);
}

#[test]
fn what_grows_beyond_its_bound_ends_where_it_does() {
    let mut bench = Bench::new(Role::Proc);
    let row = [&b"\x68\x01\x6d\0\0\x75\x30"[..], &[0; 30_000]].concat();
    bench.asks("processes", Some(1)).unwrap();
    assert_eq!(bench.rows(1, &row, 1, true), []);
    bench.rows(1, &row, 1, false);
    bench.rows(1, &row, 1, false);
    let deeds = bench.rows(1, &row, 1, false);
    assert!(matches!(&deeds[..], [Deed::Send(_), Deed::Answer(..)]), "{deeds:?}");
    assert!(text(&deeds).starts_with("h.w.errorh.w.too_longb"), "{}", text(&deeds));
    assert_eq!((bench.line.count(), bench.line.gathered()), ((0, 0), 0));
    assert_eq!(bench.rows(1, &row, 1, false), [], "what still comes of it is nobody's");
    // All answers together have a bound too.
    bench.room.left = 40_000;
    bench.asks("processes", Some(2)).unwrap();
    bench.asks("processes", Some(3)).unwrap();
    assert_eq!(bench.rows(2, &row, 1, true), []);
    let deeds = bench.rows(3, &row, 1, true);
    assert_eq!((answer(&deeds).0, text(&deeds)), (3, "h.w.errorw.overloaded".to_owned()));
}

#[test]
fn a_cast_is_done_and_never_answered() {
    let mut bench = Bench::new(Role::Net);
    assert!(matches!(&bench.asks("unban", None).unwrap()[..], [Deed::Send(_)]));
    assert_eq!(bench.says(|w, id| reply::ok(w, id, |w| w.map(0)), 1), []);
    assert_eq!(bench.line.count(), (0, 0));
}

#[test]
fn a_subscription_is_told_when_it_is_taken_and_not_before() {
    let mut bench = Bench::new(Role::Proc);
    let sent = bench.asks("subscribe", Some(9)).unwrap();
    assert!(matches!(&sent[..], [Deed::Send(_), Deed::Send(_)]));
    let deeds = bench.says(|w, id| reply::ok(w, id, |w| w.map(0)), 2);
    assert!(matches!(&deeds[..], [Deed::News(9, _), Deed::Tell(_)]), "{deeds:?}");
    for n in 1..=EVENTS {
        let deeds = bench.says(|w, id| reply::event(w, id, u64::from(n), |w| w.map(0)), 1);
        assert!(matches!(&deeds[0], Deed::News(9, _)));
        assert_eq!(deeds.len(), if n == EVENTS { 2 } else { 1 }, "{n}");
    }
    let deeds = bench.says(|w, id| reply::lost(w, id, 3), 1);
    assert!(text(&deeds).ends_with("h.w.losta."), "{}", text(&deeds));
    let mut deeds = Vec::new();
    assert!(bench.line.unsubscribe(&NAMES, 9, false, &mut deeds));
    assert!(matches!(&deeds[..], [Deed::Tell(_), Deed::Send(_), Deed::Over(9)]), "{deeds:?}");
    assert!(!bench.line.unsubscribe(&NAMES, 9, false, &mut deeds));
    assert_eq!(bench.says(|w, id| reply::error(w, id, &RequestError::Cancelled), 1), []);
}

const EVENTS: u32 = NODE_EVENT_BATCH;

#[test]
fn a_subscription_that_is_refused_or_over_at_once_is_told_so() {
    let mut bench = Bench::new(Role::Proc);
    bench.asks("subscribe", Some(1)).unwrap();
    let deeds = bench.says(|w, id| reply::error(w, id, &RequestError::Overloaded), 1);
    assert_eq!(text(&deeds), "h.w.errorw.overloaded");
    assert_eq!(bench.says(|w, id| reply::ok(w, id, |w| w.map(0)), 2), []);
    // What it was for has happened already: its event, then its end.
    bench.asks("subscribe", Some(2)).unwrap();
    let deeds = bench.says(|w, id| reply::event(w, id, 1, |w| w.map(0)), 3);
    assert!(matches!(&deeds[..], [Deed::News(2, _), Deed::Tell(_), Deed::News(2, _)]), "{deeds:?}");
    let deeds = bench.says(|w, id| reply::ok(w, id, |w| w.atom(atoms::OK)), 3);
    assert!(matches!(&deeds[..], [Deed::Tell(_), Deed::News(2, _), Deed::Over(2)]), "{deeds:?}");
    assert!(text(&deeds).ends_with("h.w.endedw.normal"), "{}", text(&deeds));
    assert_eq!(bench.says(|w, id| reply::ok(w, id, |w| w.map(0)), 4), []);
    assert_eq!(bench.line.count(), (0, 0));
}

#[test]
fn nobody_waits_longer_than_his_deadline_and_a_change_is_not_said_to_have_failed() {
    let mut bench = Bench::new(Role::Net);
    bench.asks("nft_list", Some(1)).unwrap();
    bench.asks("unban", Some(2)).unwrap();
    let late = Duration::from_millis(crate::limits::NODE_CALL_TIMEOUT_MS + NODE_CALL_GRACE_MS);
    assert!(bench.line.due() <= bench.now + late);
    assert_eq!(bench.tick(late - Duration::from_millis(1), true), (Age::Used, Vec::new()));
    let (age, deeds) = bench.tick(Duration::from_millis(1), true);
    assert_eq!(age, Age::Used);
    let told: Vec<String> = deeds
        .iter()
        .filter(|deed| matches!(deed, Deed::Answer(..)))
        .map(|deed| match deed {
            Deed::Answer(who, frame, _) => text(&[Deed::Answer(who.clone(), frame.clone(), Vec::new())]),
            _ => String::new(),
        })
        .collect();
    assert_eq!(told, ["h.w.errorw.timeout", "h.w.errorh.w.unknown_outcomew.undefined"]);
    assert_eq!(deeds.iter().filter(|deed| matches!(deed, Deed::Send(_))).count(), 2, "both are taken back");
    // It says nothing, and nobody keeps it from it.
    assert_eq!(bench.tick(STUCK * 2, false).0, Age::Used, "the peer does not read");
    assert_eq!(bench.tick(STUCK, true).0, Age::Stuck);
    bench.says(|w, id| reply::ok(w, id, |w| w.map(0)), 7);
    assert_ne!(bench.tick(Duration::ZERO, true).0, Age::Stuck);
}

#[test]
fn who_asks_no_more_is_not_worked_for_unless_something_changes() {
    let mut bench = Bench::new(Role::Net);
    bench.asks("nft_list", Some(1)).unwrap();
    bench.asks("unban", Some(2)).unwrap();
    for (n, cancelled) in [(1, true), (2, false), (3, false)] {
        let who = who(n);
        let mut deeds = Vec::new();
        bench.line.given_up(who.mark.unwrap(), &who.pid, &mut deeds);
        assert_eq!(deeds.len(), usize::from(cancelled), "{n}: {deeds:?}");
    }
    assert_eq!(bench.line.count(), (1, 0));
}

#[test]
fn a_copy_is_kept_for_a_while_and_longer_where_it_keeps_something_itself() {
    let mut bench = Bench::new(Role::Net);
    bench.asks("unban", Some(1)).unwrap();
    assert_eq!(bench.says(|w, id| reply::ok(w, id, |w| w.map(0)), 1).len(), 1);
    assert_eq!(bench.tick(IDLE - Duration::from_millis(1), true).0, Age::Used);
    assert_eq!(bench.tick(Duration::from_millis(1), true).0, Age::Idle);
    // A change that takes itself back when its copy ends.
    bench.asks("nft_apply", Some(1)).unwrap();
    assert_eq!(bench.says(|w, id| reply::ok(w, id, |w| w.map(0)), 2).len(), 1);
    assert_eq!(bench.tick(LASTS - Duration::from_millis(1), true).0, Age::Used);
    assert_eq!(bench.tick(Duration::from_millis(1), true).0, Age::Idle);
}

#[test]
fn when_it_ends_everybody_hears_it() {
    let mut bench = Bench::new(Role::Net);
    bench.asks("nft_list", Some(1)).unwrap();
    bench.asks("unban", Some(2)).unwrap();
    bench.asks("unban", None).unwrap();
    let mut deeds = Vec::new();
    bench.line.fail(&NAMES, &Failure::Down, &mut deeds);
    assert_eq!(deeds.len(), 2);
    assert_eq!(text(&deeds[..1]), "h.w.errorh.w.downw.closed");
    assert_eq!(text(&deeds[1..]), "h.w.errorh.w.unknown_outcomew.undefined");
    // A change that was never sent was not made.
    let mut bench = Bench { line: Line::new(Role::Net, bench.now), now: bench.now, room: ROOM };
    bench.asks("unban", Some(1)).unwrap();
    let mut deeds = Vec::new();
    bench.line.fail(&NAMES, &Failure::Start("why".to_owned()), &mut deeds);
    assert!(text(&deeds).starts_with("h.w.errorh.w.startm"), "{}", text(&deeds));
}

#[test]
fn what_no_copy_says_ends_it() {
    let odd: &[&[u8]] = &[HELLO, b"", b"\x83\x61\x01", b"\x83\x68\x03\x77\x05error\x61\0\x77\x07timeout"];
    for frame in odd {
        let mut bench = Bench::new(Role::Proc);
        let heard = bench.line.hear(&NAMES, frame, &mut bench.room, bench.now, &mut Vec::new());
        assert_eq!(heard, Err(Broken(Failure::Down)), "{frame:?}");
    }
    let now = Instant::now();
    let mut line = Line::new(Role::Proc, now);
    let refused = b"\x83\x68\x02\x77\x07refused\x74\0\0\0\0";
    let heard = line.hear(&NAMES, refused, &mut { ROOM }, now, &mut Vec::new());
    assert_eq!(heard, Err(Broken(Failure::Refused(b"\x74\0\0\0\0".to_vec()))));
    let early = b"\x83\x68\x03\x77\x02ok\x61\x01\x61\x01";
    assert!(line.hear(&NAMES, early, &mut { ROOM }, now, &mut Vec::new()).is_err());
}
