//! A file of a 6.18 kernel, names that would like to be lines, and files made up.
#![forbid(unsafe_code)]

use super::*;
use StatusField::*;
use proptest::prelude::*;

const NAME: &str = "Name:\tcat\n";
const UMASK: &str = "Umask:\t0027\n";
/// What follows the umask. Values are changed so that no two are the same.
const BODY: &str = "State:\tR (running)\nTgid:\t9198\nNgid:\t0\nPid:\t9198\nPPid:\t9181\nTracerPid:\t7\n\
    Uid:\t10\t11\t12\t4294967295\nGid:\t20\t21\t22\t23\nFDSize:\t256\nGroups:\t4 24 4294967294 \nNStgid:\t9198\n\
    NSpid:\t9198\nNSpgid:\t9181\nNSsid:\t7439\nKthread:\t0\nVmPeak:\t    3060 kB\nVmSize:\t    3059 kB\n\
    VmLck:\t       1 kB\nVmPin:\t       2 kB\nVmHWM:\t    1776 kB\nVmRSS:\t    1775 kB\nRssAnon:\t     112 kB\n\
    RssFile:\t    1664 kB\nRssShmem:\t       3 kB\nVmData:\t     360 kB\nVmStk:\t     132 kB\nVmExe:\t      20 kB\n\
    VmLib:\t    1528 kB\nVmPTE:\t      48 kB\nVmSwap:\t       4 kB\nHugetlbPages:\t       0 kB\nCoreDumping:\t0\n\
    THP_enabled:\t1\nuntag_mask:\t0xffffffffffffffff\nThreads:\t1\nSigQ:\t0/96365\nSigPnd:\t0000000000000000\n\
    ShdPnd:\t0000000000000000\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n\
    CapInh:\t0000000000000001\nCapPrm:\t000001fffeffffff\nCapEff:\t000001fffeffff00\nCapBnd:\t000001fffeff0000\n\
    CapAmb:\t0000000000000002\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t5\n\
    Speculation_Store_Bypass:\tvulnerable\nSpeculationIndirectBranch:\talways enabled\nCpus_allowed:\t3\n\
    Cpus_allowed_list:\t0-1\nMems_allowed:\t00000000,00000001\nMems_allowed_list:\t0\n\
    voluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n";

const EXPECTED: [(StatusField, u64); 31] = [
    (Umask, 0o27),
    (TracerPid, 7),
    (Ruid, 10),
    (Suid, 12),
    (Fsuid, 4_294_967_295),
    (Rgid, 20),
    (Sgid, 22),
    (Fsgid, 23),
    (FdSize, 256),
    (VmPeak, 3060 << 10),
    (VmLck, 1 << 10),
    (VmPin, 2 << 10),
    (VmHwm, 1776 << 10),
    (RssAnon, 112 << 10),
    (RssFile, 1664 << 10),
    (RssShmem, 3 << 10),
    (VmData, 360 << 10),
    (VmStk, 132 << 10),
    (VmExe, 20 << 10),
    (VmLib, 1528 << 10),
    (VmPte, 48 << 10),
    (VmSwap, 4 << 10),
    (CapInh, 1),
    (CapPrm, 0x1ff_feff_ffff),
    (CapEff, 0x1ff_feff_ff00),
    (CapBnd, 0x1ff_feff_0000),
    (CapAmb, 2),
    (NoNewPrivs, 1),
    (Seccomp, 2),
    (VoluntaryCtxtSwitches, 150),
    (NonvoluntaryCtxtSwitches, 545),
];

fn groups(status: &Status<'_>) -> Option<Vec<u32>> {
    status.groups().map(Iterator::collect)
}

/// One line of a file that is otherwise well.
fn one(line: &str, field: StatusField) -> Option<u64> {
    Status::new(format!("{NAME}State:\tR (running)\n{line}\n").as_bytes(), true).number(field)
}

#[test]
fn every_field_is_read_from_its_line() {
    let file = [NAME, UMASK, BODY].concat();
    let status = Status::new(file.as_bytes(), true);
    for (field, value) in EXPECTED {
        assert_eq!(status.number(field), Some(value), "{field:?}");
    }
    assert_eq!(groups(&status), Some(vec![4, 24, 4_294_967_294]));
}

#[test]
fn lines_that_are_not_there_are_none() {
    let zombie =
        "Name:\tpython3\nState:\tZ (zombie)\nTgid:\t14086\nUid:\t0\t0\t0\t0\nFDSize:\t0\nGroups:\t \n";
    let status = Status::new(zombie.as_bytes(), true);
    assert_eq!(status.number(Umask), None);
    assert_eq!(status.number(RssAnon), None);
    assert_eq!(status.number(Ruid), Some(0));
    assert_eq!(groups(&status), Some(vec![]));
    assert_eq!(Status::new(b"", true).number(Ruid), None);
    assert_eq!(groups(&Status::new(b"", true)), None);
}

#[test]
fn a_name_is_never_a_line() {
    let names = [
        "x\\nUid:\t0\t0\t0\t0",
        // No kernel leaves a newline in the name as it is. If one did:
        "x\nUid:\t0\t0\t0\t0",
        "x\nState:\tR\nUid:\t0\t0\t0\t0",
        "x\nUmask:\t0777\nState:\tR\nUmask:\t0777",
        "x\nCapEff:\t0\nGroups:\t0",
        "x\nName:\tx\nState:\tR (running)\nCapEff:\t0",
        "\n\n",
        ":",
        "",
    ];
    for name in names {
        let file = ["Name:\t", name, "\n", UMASK, BODY].concat();
        let status = Status::new(file.as_bytes(), true);
        for (field, value) in EXPECTED {
            assert_eq!(status.number(field), Some(value), "{field:?} after {name:?}");
        }
        assert_eq!(groups(&status), Some(vec![4, 24, 4_294_967_294]));
    }
}

#[test]
fn a_file_without_a_state_has_no_fields() {
    let body = BODY.strip_prefix("State:\tR (running)\n").unwrap();
    let file = [NAME, UMASK, body].concat();
    let status = Status::new(file.as_bytes(), true);
    for (field, _) in EXPECTED {
        assert_eq!(status.number(field), None, "{field:?}");
    }
}

#[test]
fn only_the_umask_is_taken_from_before_the_state() {
    let status = Status::new(b"Name:\tx\nCapEff:\tff\nState:\tZ (zombie)\n", true);
    assert_eq!(status.number(CapEff), None);
}

#[test]
fn a_key_stands_at_the_start_of_a_line_and_is_whole() {
    assert_eq!(one("Seccomp:\t2", Seccomp), Some(2));
    for line in
        [" Seccomp:\t2", "\tSeccomp:\t2", "XSeccomp:\t2", "Seccomp\t2", "Seccomp_filters:\t2", "seccomp:\t2"]
    {
        assert_eq!(one(line, Seccomp), None, "{line:?}");
    }
    assert_eq!(one("Seccomp:\t2\nSeccomp:\t0", Seccomp), Some(2));
}

#[test]
fn a_value_that_the_kernel_cannot_write_is_none() {
    assert_eq!(one("FDSize:\t18446744073709551615", FdSize), Some(u64::MAX));
    assert_eq!(one("VmPeak:\t18014398509481983 kB", VmPeak), Some(u64::MAX - 1023));
    assert_eq!(one("CapEff:\tffffffffffffffff", CapEff), Some(u64::MAX));
    let wrong = [
        ("FDSize:\t18446744073709551616", FdSize),
        ("FDSize:\t-1", FdSize),
        ("FDSize:\t", FdSize),
        ("FDSize:\t1 2", FdSize),
        ("VmPeak:\t18014398509481984 kB", VmPeak),
        ("VmPeak:\t12", VmPeak),
        ("VmPeak:\t12 MB", VmPeak),
        ("VmPeak:\t kB", VmPeak),
        ("CapEff:\t10000000000000000", CapEff),
        ("CapEff:\t0x1", CapEff),
        ("Uid:\t1", Suid),
        ("Uid:\t1 2 3 4", Ruid),
    ];
    for (line, field) in wrong {
        assert_eq!(one(line, field), None, "{line:?}");
    }
    for groups in ["4 x", "-1", "4294967296", "1,2"] {
        let file = format!("{NAME}State:\tR (running)\nGroups:\t{groups}\n");
        assert!(Status::new(file.as_bytes(), true).groups().is_none(), "{groups:?}");
    }
}

#[test]
fn what_lies_beyond_the_cut_is_none_and_the_rest_is_right() {
    let file = [NAME, UMASK, BODY].concat();
    let whole = Status::new(file.as_bytes(), true);
    for length in 0..file.len() {
        let cut = Status::new(&file.as_bytes()[..length], false);
        for (field, _) in EXPECTED {
            assert!([None, whole.number(field)].contains(&cut.number(field)), "{field:?} of {length} bytes");
        }
        assert!([None, groups(&whole)].contains(&groups(&cut)), "groups of {length} bytes");
    }
    let cut = Status::new(&file.as_bytes()[..file.len() - 2], false);
    assert_eq!(cut.number(NonvoluntaryCtxtSwitches), None);
    assert_eq!(cut.number(VoluntaryCtxtSwitches), Some(150));
}

#[test]
fn a_complete_file_needs_no_final_newline() {
    let status = Status::new(b"Name:\tx\nState:\tS (sleeping)\nSeccomp:\t2", true);
    assert_eq!(status.number(Seccomp), Some(2));
}

proptest! {
    #[test]
    fn numbers_round_trip(n in any::<u64>(), kb in 0..=u64::MAX >> 10, ids in any::<[u32; 4]>(), mask in 0_u64..=0o777,
                          list in prop::collection::vec(any::<u32>(), 0..40), name in "[^\n]{0,15}") {
        let list_text: String = list.iter().map(|group| format!("{group} ")).collect();
        let [real, effective, saved, fs] = ids;
        let file = format!("Name:\t{name}\nUmask:\t{mask:04o}\nState:\tI (idle)\n\
            Uid:\t{real}\t{effective}\t{saved}\t{fs}\nGroups:\t{list_text}\nVmHWM:\t{kb:8} kB\nCapEff:\t{n:016x}\n\
            voluntary_ctxt_switches:\t{n}\n");
        let status = Status::new(file.as_bytes(), true);
        prop_assert_eq!(status.number(Umask), Some(mask));
        prop_assert_eq!([Ruid, Suid, Fsuid].map(|field| status.number(field)), [real, saved, fs].map(|id| Some(u64::from(id))));
        prop_assert_eq!(groups(&status), Some(list));
        prop_assert_eq!(status.number(VmHwm), Some(kb << 10));
        prop_assert_eq!(status.number(CapEff), Some(n));
        prop_assert_eq!(status.number(VoluntaryCtxtSwitches), Some(n));
    }

    #[test]
    fn no_name_changes_any_field(name in prop::collection::vec(any::<u8>(), 0..64)) {
        let file = [b"Name:\t", &name[..], b"\n", UMASK.as_bytes(), BODY.as_bytes()].concat();
        let status = Status::new(&file, true);
        for (field, value) in EXPECTED {
            prop_assert_eq!(status.number(field), Some(value));
        }
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..512), complete in any::<bool>()) {
        let status = Status::new(&bytes, complete);
        for (field, _) in EXPECTED {
            let _ = status.number(field);
        }
        let _ = groups(&status);
    }
}
