//! JSON text to terms and back: what goes in comes out, two other readers of JSON see the same, and no text costs more
//! than its length allows.
#![allow(unsafe_code, reason = "a global allocator that counts cannot be written without")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

#[path = "wire_json/trees.rs"]
mod trees;
mod wire_support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use portcullis::limits::FRAME_HARD_MAX;
use portcullis::wire::json::{Cause, NotJson, from_term, to_term};
use portcullis::wire::scan::{Bounds, validate};
use portcullis::wire::write::Writer;
use proptest::prelude::*;
use serde_json::Value;
use trees::{alike, trees, value, whole, wilder_trees, write};
use wire_support::encode::frame;
use wire_support::tree::Tree;

/// As much as any role takes.
const WIDE: Bounds = Bounds { bytes: FRAME_HARD_MAX, depth: 64, terms: 1 << 22, map_pairs: 1 << 16 };

thread_local! {
    /// Bytes that this thread holds, and the most it has held.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: usize, sign: isize) {
    let (held, most) = HELD.get();
    let held = held + sign * isize::try_from(bytes).unwrap_or(isize::MAX);
    HELD.set((held, most.max(held)));
}

// SAFETY: every call is passed on to `System` as it came; counting does not allocate, as the cell is constant. A block
// that grows is counted as two until it has, which is the worst that an allocator can do.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller keeps the promises of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, 1);
        count(layout.size(), -1);
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// The most that `work` held at a time, in bytes.
fn most_held(work: impl FnOnce()) -> usize {
    let (before, _) = HELD.get();
    HELD.set((before, before));
    work();
    usize::try_from(HELD.get().1 - before).unwrap()
}

/// Processor time of this thread: others run beside it.
fn spent() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

/// The processor's time of the shortest of some runs: what the work takes when nothing else is in the way.
fn fastest(mut work: impl FnMut()) -> Duration {
    let run = |_| {
        let start = spent();
        work();
        spent() - start
    };
    (0..10).map(run).min().unwrap()
}

fn refused(text: &[u8]) -> NotJson {
    to_term(text, &WIDE).expect_err("a refusal")
}

fn printed(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    from_term(body, &mut out).unwrap();
    out
}

// Round trips.

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_the_port_writes_survives_being_text(tree in trees()) {
        let mut writer = Writer::new();
        writer.raw(&[131]);
        write(&mut writer, &tree);
        let text = printed(writer.bytes());
        let body = to_term(&text, &WIDE);
        prop_assert_eq!(body.as_deref(), Ok(writer.bytes()), "{}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn every_term_is_printed_as_the_json_that_it_stands_for(tree in wilder_trees(), choices in any::<[u8; 16]>()) {
        let body = frame(&tree, &choices);
        let text = printed(&body);
        prop_assert!(text.len() <= 6 * body.len());
        let read: Value = serde_json::from_slice(&text).unwrap();
        prop_assert!(alike(&read, &value(&tree)), "{}", String::from_utf8_lossy(&text));
    }

    /// Whitespace and escapes of another printer, and a change at random: both readers accept, or neither does.
    #[test]
    fn an_independent_reader_agrees_on_what_is_json(
        tree in trees(),
        pretty in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"[]{}:,\"\\u019eE.+- \n\x00\x7f\xc3\xa9tn/".to_vec())), 0..3),
    ) {
        let known = value(&tree);
        let mut text = if pretty { format!("{known:#}") } else { known.to_string() }.into_bytes();
        for (at, byte) in changes {
            let at = at.index(text.len());
            text[at] = byte;
        }
        let other = serde_json::from_slice::<Value>(&text);
        match to_term(&text, &WIDE) {
            Ok(body) => {
                let accepted = validate(&body, &WIDE);
                prop_assert!(accepted.is_ok(), "{:?}", accepted);
                prop_assert_eq!(value(&Tree::from(accepted.unwrap().term())), other.unwrap());
            }
            Err(refused) if refused.why == Cause::Number => prop_assert!(other.is_err() || !whole(&other.unwrap())),
            Err(refused) => prop_assert!(other.is_err(), "{refused}"),
        }
    }
}

// Texts that are no JSON, or too much of it.

#[test]
fn what_is_not_json_is_refused_for_what_it_is() {
    use Cause::{Number, Syntax, TooDeep, Truncated};
    let cases: [(&[u8], Cause); 49] = [
        (b"", Truncated),
        (b" \n", Truncated),
        (b"nul", Truncated),
        (b"\"a", Truncated),
        (b"\"\\", Truncated),
        (b"\"\\u00", Truncated),
        (b"-", Truncated),
        (b"nulL", Syntax),
        (b"True", Syntax),
        (b"NaN", Syntax),
        (b"Infinity", Syntax),
        (b"-Infinity", Syntax),
        (b"'a'", Syntax),
        (b"01", Syntax),
        (b"+1", Syntax),
        (b"0x1", Syntax),
        (b".5", Syntax),
        (b"[1,]", Syntax),
        (b"[,1]", Syntax),
        (b"[1 2]", Syntax),
        (b"{\"a\"}", Syntax),
        (b"{\"a\":1,}", Syntax),
        (b"{a:1}", Syntax),
        (b"{1:1}", Syntax),
        (b"{null:1}", Syntax),
        (b"[1}", Syntax),
        (b"[] []", Syntax),
        (b"[]\0", Syntax),
        (b"\0[]", Syntax),
        (b"null,", Syntax),
        (b"[] // one", Syntax),
        (b"/* one */ []", Syntax),
        (b"# one\n[]", Syntax),
        (b"\xef\xbb\xbf[]", Syntax),
        (b"[\x0b1]", Syntax),
        (b"\"\0\"", Syntax),
        (b"\"\n\"", Syntax),
        (b"\"\\x41\"", Syntax),
        (b"\"\xff\"", Syntax),
        (b"\"\xed\xa0\x80\"", Syntax),
        (b"{\"\xff\":1}", Syntax),
        (b"1.0", Number),
        (b"[1e2]", Number),
        (b"-0", Number),
        (b"18446744073709551616", Number),
        (b"1e400", Number),
        (b"[-1e400]", Number),
        (&[b'['; 65], Truncated),
        (&[b'['; 66], TooDeep),
    ];
    for (text, why) in cases {
        assert_eq!(refused(text).why, why, "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn surrogates_stand_in_pairs_or_not_at_all() {
    let pair = to_term(b"\"\\ud83d\\ude00\"", &WIDE).unwrap();
    assert_eq!(pair, [b"\x83m\0\0\0\x04", "\u{1f600}".as_bytes()].concat());
    for lone in
        ["\\ud800", "\\udc00", "\\ud800x", "\\ud800\\n", "\\ud800\\ud800", "\\ud800\\u0041", "\\udc00\\ud800"]
    {
        assert_eq!(refused(format!("\"{lone}\"").as_bytes()).why, Cause::Syntax, "{lone}");
        assert_eq!(refused(format!("{{\"{lone}\":1}}").as_bytes()).why, Cause::Syntax, "{lone}");
    }
}

/// A whole dump and its odd ends, cut at every byte: nothing but the whole is a text, and the end is where it is missed.
#[test]
fn a_text_cut_short_is_refused_wherever_it_is_cut() {
    let text = "{\"nftables\": [{\"metainfo\": {\"v\": -12}}, {\"a\\u00e9\\ud83d\\ude00\u{e9}\": [null, true, false]}]}";
    assert!(to_term(text.as_bytes(), &WIDE).is_ok());
    for at in 0..text.len() {
        let refused = refused(&text.as_bytes()[..at]);
        // Half a character is not UTF-8 before it is too short.
        let why = if text.is_char_boundary(at) { Cause::Truncated } else { refused.why };
        assert_eq!(
            refused,
            NotJson { line: 1, column: at, why },
            "{}",
            &text[..text.floor_char_boundary(at)]
        );
    }
}

/// The largest texts of the worst kinds. Each is refused, or costs what its length allows.
#[test]
fn no_text_takes_more_than_six_times_its_memory() {
    let fill = |unit: &[u8]| unit.repeat(FRAME_HARD_MAX / 4 / unit.len());
    let list = |unit: &[u8]| {
        let mut text = [b"[", &fill(unit)[..]].concat();
        *text.last_mut().unwrap() = b']';
        text
    };
    let nested =
        |open: &[u8], close: &[u8]| list(&[&open.repeat(62)[..], b"1", &close.repeat(62), b","].concat());
    let accepted = [
        list(b"1,"),
        list(b"[],"),
        list(b"{},"),
        list(b"[1],"),
        list(b"-1,"),
        list(b"\"\","),
        list(b"{\"\":1},"),
        nested(b"[", b"]"),
        nested(b"{\"\":", b"}"),
        [b"\"", &fill(b"a")[..], b"\""].concat(),
        [b"\"", &fill(b"\\n")[..], b"\""].concat(),
        [b"[", &fill(b" ")[..], b"]"].concat(),
    ];
    let refused = [
        fill(b"["),
        fill(b"{\"\":"),
        fill(b"1"),
        [b"0.", &fill(b"1")[..]].concat(),
        [b"1e", &fill(b"9")[..]].concat(),
        [b"\"", &fill(b"\\n")[..]].concat(),
        fill(b"\n"),
        vec![b'['; 1_000_000],
        vec![b'['; FRAME_HARD_MAX],
        vec![0; FRAME_HARD_MAX],
        vec![b' '; FRAME_HARD_MAX + 1],
    ];
    let texts = accepted.iter().map(|text| (text, true)).chain(refused.iter().map(|text| (text, false)));
    for (text, fine) in texts {
        let shown = String::from_utf8_lossy(&text[..12.min(text.len())]).into_owned();
        let (mut result, start) = (None, spent());
        let most = most_held(|| result = Some(to_term(text, &WIDE)));
        let (time, times) = (spent() - start, most as f64 / text.len() as f64);
        println!("{times:.2} times {} bytes in {time:?}: {shown:?}", text.len());
        assert_eq!(result.as_ref().unwrap().is_ok(), fine, "{shown:?}");
        assert!(times < 6.0, "{times:.2} times the text: {shown:?}");
        assert!(time < Duration::from_secs(2), "{time:?}: {shown:?}");
        if let Some(Ok(body)) = result {
            assert!(validate(&body, &WIDE).is_ok(), "{shown:?}");
            assert!(body.capacity() <= 3 * text.len() + 8, "{shown:?}");
        }
    }
}

/// The parser recurses once a level, so the deepest text decides how much stack is needed: an eighth of a thread's usual.
#[test]
fn the_deepest_text_needs_little_stack() {
    let work = || {
        let text = [b"[{\"\":".repeat(32), b"1".to_vec(), b"}]".repeat(32)].concat();
        assert!(to_term(&text, &WIDE).is_ok());
        assert_eq!(refused(&b"[{\"\":".repeat(100_000)).why, Cause::TooDeep);
    };
    std::thread::Builder::new().stack_size(256 * 1024).spawn(work).unwrap().join().unwrap();
}

#[test]
fn a_list_of_strings_takes_little_more_than_its_text() {
    let addresses: Vec<String> =
        (0..100_000).map(|n| format!("10.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255)).collect();
    for text in [serde_json::to_vec(&addresses).unwrap(), format!("{addresses:?}").into_bytes()] {
        let mut body = Vec::new();
        let most = most_held(|| body = to_term(&text, &WIDE).unwrap());
        let times = most as f64 / text.len() as f64;
        println!("{most} bytes held for {} of text and {} of term: {times:.2} times", text.len(), body.len());
        assert!(times < 1.26, "{times:.2}");
    }
}

/// The second text of the same size reuses the memory of the first, whatever is in it.
#[test]
fn printing_takes_nothing_but_the_text() {
    let text = "[[null, true, 1, -70000, 18446744073709551615, {\"a\": \"b\\u0001\\n\u{e9}\"}], \"c\"]";
    let body = to_term(text.as_bytes(), &WIDE).unwrap();
    let with_float = frame(&Tree::Tuple(vec![Tree::Float(-1.5e300), Tree::Binary(vec![255])]), &[0]);
    let mut out = printed(&body);
    assert_eq!(out, text.as_bytes());
    for body in [&body, &with_float] {
        out.clear();
        assert_eq!(most_held(|| from_term(body, &mut out).unwrap()), 0);
    }
    assert_ne!(most_held(|| drop(printed(&body))), 0, "the counter works");
}

/// The bounds are a tenth of what is measured, so that a busy machine passes.
#[test]
fn both_ways_are_fast() {
    let rule = r#"{"rule": {"family": "inet", "table": "filter", "chain": "input", "handle": 12, "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 22}}, {"accept": null}]}}"#;
    let text = format!("{{\"nftables\": [{}]}}", vec![rule; 10_000].join(", ")).into_bytes();
    let (mut body, mut out) = (Vec::new(), Vec::new());
    let rate = |time: Duration| text.len() as f64 / time.as_secs_f64() / 1e6;
    let read = rate(fastest(|| body = to_term(&text, &WIDE).unwrap()));
    let write = rate(fastest(|| {
        out.clear();
        from_term(&body, &mut out).unwrap();
    }));
    assert_eq!(out, text);
    println!("{read:.0} MB/s of text to terms, {write:.0} MB/s back");
    assert!(read > 20.0 && write > 20.0, "{read:.0} and {write:.0} MB/s");
}

// Other readers, on what nft and its tests have printed.

/// Every file of the collection of rule sets, which is not part of the program. Empty, with the reason, if it is not here.
fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/nft");
    let mut found = Vec::new();
    for part in ["rules", "rulesets"] {
        match std::fs::read_dir(folder.join(part)) {
            Ok(files) => found.extend(files.map(|file| file.unwrap().path())),
            Err(error) => println!("skipped: {}: {error}", folder.join(part).display()),
        }
    }
    found.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    found.sort();
    found
}

#[test]
fn the_corpus_is_read_as_serde_json_reads_it() {
    for path in corpus() {
        let text = std::fs::read(&path).unwrap();
        let body = to_term(&text, &WIDE).unwrap_or_else(|refused| panic!("{}: {refused}", path.display()));
        assert!(validate(&body, &WIDE).is_ok(), "{}", path.display());
        let back = printed(&body);
        assert_eq!(to_term(&back, &WIDE).as_ref(), Ok(&body), "{}", path.display());
        let known: Value = serde_json::from_slice(&text).unwrap();
        assert!(serde_json::from_slice::<Value>(&back).unwrap() == known, "{}", path.display());
        assert!(value(&Tree::from(validate(&body, &WIDE).unwrap().term())) == known, "{}", path.display());
    }
}

/// Python keeps the order of keys and prints the same spaces, so its text is ours, byte for byte.
#[test]
fn the_corpus_is_printed_as_python_prints_it() {
    let paths = corpus();
    if paths.is_empty() {
        return;
    }
    let script = "import json, sys\nfor path in sys.stdin.read().splitlines():\n    print(json.dumps(json.load(open(path)), ensure_ascii=False))";
    let started =
        Command::new("python3").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut python) = started else {
        println!("skipped: no python3");
        return;
    };
    let names: String = paths.iter().map(|path| format!("{}\n", path.display())).collect();
    python.stdin.take().unwrap().write_all(names.as_bytes()).unwrap();
    let theirs = python.wait_with_output().unwrap();
    assert!(theirs.status.success());
    let theirs = String::from_utf8(theirs.stdout).unwrap();
    assert_eq!(theirs.lines().count(), paths.len());
    for (path, line) in paths.iter().zip(theirs.lines()) {
        let ours = printed(&to_term(&std::fs::read(path).unwrap(), &WIDE).unwrap());
        assert!(ours == line.as_bytes(), "{}", path.display());
    }
}
