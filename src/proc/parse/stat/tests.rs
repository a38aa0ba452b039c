//! Lines of a 6.18 kernel, lines that a process would like to be read, and lines made up.
#![forbid(unsafe_code)]

use super::*;
use proptest::prelude::*;

/// What follows the name and the state.
const SLEEPING: &[u8] = b" S 14039 14036 7439 34816 -1 4194368 260 1 2 3 4 5 -6 -7 20 -5 1 0 135176 17281024 2694 \
    18446744073709551615 94523942891520 94523942891861 140724886394896 0 0 0 0 16781312 2 1 0 0 17 1 9 2 77 8 0 \
    94523942903216 94523942903832 94524403208192 140724886403119 140724886403174 140724886403174 140724886405071 0\n";

fn line(comm: &[u8]) -> Vec<u8> {
    [b"14080 (", comm, b")", SLEEPING].concat()
}

#[test]
fn every_field_is_read_from_its_place() {
    let expected = Stat {
        pid: 14080,
        comm: b"sleep",
        state: State::Sleeping,
        ppid: 14039,
        pgrp: 14036,
        session: 7439,
        tty_nr: 34816,
        tpgid: -1,
        flags: 0x0040_0040,
        minflt: 260,
        cminflt: 1,
        majflt: 2,
        cmajflt: 3,
        utime: 4,
        stime: 5,
        cutime: -6,
        cstime: -7,
        priority: 20,
        nice: -5,
        num_threads: 1,
        starttime: 135_176,
        vsize: 17_281_024,
        rss_pages: 2694,
        exit_signal: 17,
        processor: 1,
        rt_priority: 9,
        policy: 2,
        blkio_ticks: 77,
        guest_time: 8,
    };
    assert_eq!(parse(&line(b"sleep")), Some(expected));
}

#[test]
fn kernel_threads_and_zombies_have_no_memory() {
    let thread = parse(
        b"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 24 0 0 18446744073709551615 0 0 0 0 0 0 0 \
        2147483647 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
    )
    .unwrap();
    assert!(thread.is_kernel_thread() && !thread.is_exiting() && thread.has_no_memory());
    let zombie = parse(
        b"14086 (python3) Z 14039 14036 7439 0 -1 4227148 224 0 0 0 0 0 0 0 20 0 1 0 135236 0 0 \
        18446744073709551615 0 0 0 0 0 0 0 16781312 2 1 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
    )
    .unwrap();
    assert!(!zombie.is_kernel_thread() && zombie.is_exiting() && zombie.has_no_memory());
    let (sleeping, exiting) = (line(b"sleep"), Stat { flags: PF_EXITING, ..zombie });
    assert!(!parse(&sleeping).unwrap().has_no_memory());
    assert!(Stat { state: State::Running, ..exiting }.is_exiting());
    assert!(Stat { flags: 0, state: State::Dead, ..exiting }.is_exiting());
}

#[test]
fn a_name_cannot_forge_what_follows_it() {
    let names: [&[u8]; 10] = [
        b") R 1 (a) S",
        b"a\nb\x1b[31m\\",
        b"\xff\xfebad",
        b"kw/0:1:x",
        b"",
        b"(",
        b")",
        b"()",
        b"1 (init) S 0",
        b"a) R 1 1 1 1 1\n",
    ];
    let plain = line(b"plain");
    let plain = parse(&plain).unwrap();
    for name in names {
        assert_eq!(parse(&line(name)), Some(Stat { comm: name, ..plain }), "{}", name.escape_ascii());
    }
}

#[test]
fn a_cut_line_is_none_as_long_as_a_field_is_missing() {
    let whole = line(b") R 1 (a) S");
    let fields = whole.windows(5).position(|window| window == b" 8 0 ").unwrap() + 3;
    for length in 0..whole.len() {
        let stat = parse(&whole[..length]);
        assert_eq!(stat.is_some(), length >= fields, "{length}");
        assert!(stat.is_none() || stat == parse(&whole));
    }
}

#[test]
fn an_old_kernel_ends_the_line_after_field_44() {
    let old = line(b"sleep");
    let end = old.windows(5).position(|window| window == b" 8 0 ").unwrap() + 4;
    assert!(parse(&[&old[..end], b"\n"].concat()).is_some());
}

/// The line with field `number` (from 1, as proc_pid_stat(5) counts) set to `text`.
fn with(number: usize, text: &str) -> Vec<u8> {
    let mut fields: Vec<&[u8]> = SLEEPING.trim_ascii().split(|&byte| byte == b' ').collect();
    fields[number - 3] = text.as_bytes();
    [b"14080 (sleep) ", &fields.join(&b' ')[..], b"\n"].concat()
}

#[test]
fn a_number_out_of_its_range_is_none() {
    assert_eq!(parse(&with(10, "18446744073709551615")).unwrap().minflt, u64::MAX);
    assert_eq!(parse(&with(16, "-9223372036854775808")).unwrap().cutime, i64::MIN);
    assert_eq!(parse(&with(9, "4294967295")).unwrap().flags, u32::MAX);
    assert_eq!(parse(&with(5, "-2147483648")).unwrap().pgrp, i32::MIN);
    let wrong = [
        (10, "18446744073709551616"),
        (10, "-1"),
        (16, "9223372036854775808"),
        (16, "-9223372036854775809"),
        (9, "4294967296"),
        (5, "2147483648"),
        (5, "-2147483649"),
        (4, "-1"),
        (20, "-1"),
        (8, "-"),
        (8, "+1"),
        (8, ""),
        (8, "--1"),
        (14, "4x"),
        (14, "\t4"),
        (14, "4\n"),
        (14, "4\n5"),
        (3, "SS"),
        (3, ""),
    ];
    for (field, text) in wrong {
        assert_eq!(parse(&with(field, text)), None, "field {field} = {text:?}");
    }
}

#[test]
fn a_negative_resident_set_is_zero() {
    assert_eq!(parse(&with(24, "-3")).unwrap().rss_pages, 0);
}

#[test]
fn a_pid_is_digits_before_the_name() {
    for wrong in ["", " ", "x ", "-1 ", "1", "1  ", "4294967296 ", "1\n"] {
        assert_eq!(parse(&[wrong.as_bytes(), b"(sleep)", SLEEPING].concat()), None, "{wrong:?}");
    }
}

fn render(stat: &Stat<'_>, letter: char) -> Vec<u8> {
    let s = stat;
    let numbers = format!(
        ") {letter} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} 0 {} {} {} 1 2 3 4 5 6 7 8 9 10 11 12 13 \
         {} {} {} {} {} {} 0 1 2 3 4 5 6 7 8\n",
        s.ppid,
        s.pgrp,
        s.session,
        s.tty_nr,
        s.tpgid,
        s.flags,
        s.minflt,
        s.cminflt,
        s.majflt,
        s.cmajflt,
        s.utime,
        s.stime,
        s.cutime,
        s.cstime,
        s.priority,
        s.nice,
        s.num_threads,
        s.starttime,
        s.vsize,
        s.rss_pages,
        s.exit_signal,
        s.processor,
        s.rt_priority,
        s.policy,
        s.blkio_ticks,
        s.guest_time
    );
    [format!("{} (", s.pid).as_bytes(), s.comm, numbers.as_bytes()].concat()
}

prop_compose! {
    fn numbers()(u in any::<[u64; 10]>(), i in any::<[i64; 2]>(), w in any::<[u32; 6]>(), n in any::<[i32; 8]>(),
                 rss in 0..=i64::MAX) -> Stat<'static> {
        let [minflt, cminflt, majflt, cmajflt, utime, stime, starttime, vsize, blkio_ticks, guest_time] = u;
        let ([cutime, cstime], [pid, ppid, flags, num_threads, rt_priority, policy]) = (i, w);
        let [pgrp, session, tty_nr, tpgid, priority, nice, exit_signal, processor] = n;
        Stat { pid, comm: b"", state: State::Running, ppid, pgrp, session, tty_nr, tpgid, flags, minflt, cminflt,
               majflt, cmajflt, utime, stime, cutime, cstime, priority, nice, num_threads, starttime, vsize,
               rss_pages: rss.unsigned_abs(), exit_signal, processor, rt_priority, policy, blkio_ticks, guest_time }
    }
}

proptest! {
    #[test]
    fn what_is_rendered_is_parsed(stat in numbers(), comm in prop::collection::vec(any::<u8>(), 0..64),
                                  letter in prop::char::range('A', 'z')) {
        let state = State::from_letter(u8::try_from(letter).unwrap());
        let stat = Stat { comm: &comm, state, ..stat };
        let line = render(&stat, letter);
        prop_assert_eq!(parse(&line), Some(stat));
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn any_change_of_a_line_is_read(at in 0_usize..300, byte in any::<u8>()) {
        let mut bytes = line(b"sleep");
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        let _ = parse(&bytes);
    }
}
