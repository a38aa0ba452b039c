//! The parsers against other readers, on the files of every process of the running system: the procfs crate, given the
//! same bytes, and getrlimit(2). Names that the crate cannot read are left out.
#![forbid(unsafe_code)]

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use portcullis::proc::parse::limits::{Bound, LimitName, ProcessLimits};
use portcullis::proc::parse::state::State;
use portcullis::proc::parse::status::{Status, StatusField};
use portcullis::proc::parse::{cmdline, io, limits, stat};
use procfs::FromRead;
use std::os::unix::ffi::OsStrExt;

/// The file of every process that has it and lets us read it.
fn each(file: &str) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let pids = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    pids.filter_map(|pid| Some((pid.clone(), std::fs::read(format!("/proc/{pid}/{file}")).ok()?))).collect()
}

/// Whether the crate can read a name: it wants UTF-8, and cuts status lines at `:`.
fn well_behaved(comm: &[u8]) -> bool {
    comm.iter().all(|&byte| byte.is_ascii_graphic() && byte != b':')
}

#[test]
fn stat_is_what_the_crate_reads() {
    let mut compared = 0;
    for (pid, file) in each("stat") {
        let ours = stat::parse(&file).unwrap_or_else(|| panic!("{pid}: {}", file.escape_ascii()));
        assert_eq!(ours.pid.to_string(), pid);
        assert_ne!(ours.state, State::Unknown);
        if well_behaved(ours.comm) {
            same_stat(&ours, &procfs::process::Stat::from_read(&file[..]).unwrap());
            compared += 1;
        }
    }
    assert!(compared > 1);
}

fn same_stat(ours: &stat::Stat<'_>, theirs: &procfs::process::Stat) {
    assert_eq!(i64::from(ours.pid), i64::from(theirs.pid));
    assert_eq!(ours.comm, theirs.comm.as_bytes());
    assert_eq!(ours.state, u8::try_from(theirs.state).map_or(State::Unknown, State::from_letter));
    assert_eq!(i64::from(ours.ppid), i64::from(theirs.ppid));
    assert_eq!((ours.pgrp, ours.session), (theirs.pgrp, theirs.session));
    assert_eq!((ours.tty_nr, ours.tpgid, ours.flags), (theirs.tty_nr, theirs.tpgid, theirs.flags));
    assert_eq!((ours.minflt, ours.cminflt), (theirs.minflt, theirs.cminflt));
    assert_eq!((ours.majflt, ours.cmajflt), (theirs.majflt, theirs.cmajflt));
    assert_eq!((ours.utime, ours.stime), (theirs.utime, theirs.stime));
    assert_eq!((ours.cutime, ours.cstime), (theirs.cutime, theirs.cstime));
    assert_eq!((i64::from(ours.priority), i64::from(ours.nice)), (theirs.priority, theirs.nice));
    assert_eq!(i64::from(ours.num_threads), theirs.num_threads);
    assert_eq!((ours.starttime, ours.vsize, ours.rss_pages), (theirs.starttime, theirs.vsize, theirs.rss));
    assert_eq!((Some(ours.exit_signal), Some(ours.processor)), (theirs.exit_signal, theirs.processor));
    assert_eq!((Some(ours.rt_priority), Some(ours.policy)), (theirs.rt_priority, theirs.policy));
    assert_eq!(Some(ours.blkio_ticks), theirs.delayacct_blkio_ticks);
    assert_eq!(Some(ours.guest_time), theirs.guest_time);
}

#[test]
fn status_is_what_the_crate_reads() {
    let mut compared = 0;
    for (pid, file) in each("status") {
        let name = file.strip_prefix(b"Name:\t").unwrap().split(|&byte| byte == b'\n').next().unwrap();
        if !well_behaved(name) {
            continue;
        }
        let ours = Status::new(&file, true);
        let theirs = procfs::process::Status::from_read(&file[..]).unwrap();
        for (field, value) in columns(&theirs) {
            assert_eq!(ours.number(field), value, "{field:?} of {pid}");
        }
        let groups: Vec<String> = ours.groups().unwrap().map(|group| group.to_string()).collect();
        assert_eq!(groups, theirs.groups.iter().map(ToString::to_string).collect::<Vec<_>>());
        compared += 1;
    }
    assert!(compared > 1);
}

fn columns(theirs: &procfs::process::Status) -> Vec<(StatusField, Option<u64>)> {
    use StatusField::*;
    let bytes = |kilobytes: Option<u64>| kilobytes.map(|n| n * 1024);
    vec![
        (Umask, theirs.umask.map(u64::from)),
        (TracerPid, u64::try_from(theirs.tracerpid).ok()),
        (Ruid, Some(theirs.ruid.into())),
        (Suid, Some(theirs.suid.into())),
        (Fsuid, Some(theirs.fuid.into())),
        (Rgid, Some(theirs.rgid.into())),
        (Sgid, Some(theirs.sgid.into())),
        (Fsgid, Some(theirs.fgid.into())),
        (FdSize, Some(theirs.fdsize.into())),
        (VmPeak, bytes(theirs.vmpeak)),
        (VmLck, bytes(theirs.vmlck)),
        (VmPin, bytes(theirs.vmpin)),
        (VmHwm, bytes(theirs.vmhwm)),
        (RssAnon, bytes(theirs.rssanon)),
        (RssFile, bytes(theirs.rssfile)),
        (RssShmem, bytes(theirs.rssshmem)),
        (VmData, bytes(theirs.vmdata)),
        (VmStk, bytes(theirs.vmstk)),
        (VmExe, bytes(theirs.vmexe)),
        (VmLib, bytes(theirs.vmlib)),
        (VmPte, bytes(theirs.vmpte)),
        (VmSwap, bytes(theirs.vmswap)),
        (CapInh, Some(theirs.capinh)),
        (CapPrm, Some(theirs.capprm)),
        (CapEff, Some(theirs.capeff)),
        (CapBnd, theirs.capbnd),
        (CapAmb, theirs.capamb),
        (NoNewPrivs, theirs.nonewprivs),
        (Seccomp, theirs.seccomp.map(u64::from)),
        (VoluntaryCtxtSwitches, theirs.voluntary_ctxt_switches),
        (NonvoluntaryCtxtSwitches, theirs.nonvoluntary_ctxt_switches),
    ]
}

#[test]
fn io_is_what_the_crate_reads() {
    let files = each("io");
    for (pid, file) in &files {
        let theirs = procfs::process::Io::from_read(&file[..]).unwrap();
        let theirs = io::Io {
            rchar: Some(theirs.rchar),
            wchar: Some(theirs.wchar),
            syscr: Some(theirs.syscr),
            syscw: Some(theirs.syscw),
            read_bytes: Some(theirs.read_bytes),
            write_bytes: Some(theirs.write_bytes),
            cancelled_write_bytes: Some(theirs.cancelled_write_bytes),
        };
        assert_eq!(io::parse(file), theirs, "{pid}");
    }
    assert!(!files.is_empty());
}

#[test]
fn cmdline_is_how_this_test_was_started() {
    let file = std::fs::read("/proc/self/cmdline").unwrap();
    let started: Vec<_> = std::env::args_os().collect();
    assert!(cmdline::arguments(&file).eq(started.iter().map(|argument| argument.as_bytes())));
    assert_eq!(cmdline::count(&file), started.len());
}

#[test]
fn limits_are_what_getrlimit_says() {
    let ProcessLimits(rows) = limits::parse(&std::fs::read("/proc/self/limits").unwrap()).unwrap();
    let bound = |n| if n == RLIM_INFINITY { Bound::Unlimited } else { Bound::Value(n) };
    for (name, soft, hard) in rows {
        let (s, h) = getrlimit(resource(name)).unwrap();
        assert_eq!((soft, hard), (bound(s), bound(h)), "{name:?}");
    }
    // A process that is being removed has an empty file.
    for (pid, file) in each("limits").into_iter().filter(|(_, file)| !file.is_empty()) {
        assert!(limits::parse(&file).is_some(), "{pid}: {}", file.escape_ascii());
    }
}

fn resource(name: LimitName) -> Resource {
    match name {
        LimitName::CpuTime => Resource::RLIMIT_CPU,
        LimitName::FileSize => Resource::RLIMIT_FSIZE,
        LimitName::DataSize => Resource::RLIMIT_DATA,
        LimitName::StackSize => Resource::RLIMIT_STACK,
        LimitName::CoreFileSize => Resource::RLIMIT_CORE,
        LimitName::ResidentSet => Resource::RLIMIT_RSS,
        LimitName::Processes => Resource::RLIMIT_NPROC,
        LimitName::OpenFiles => Resource::RLIMIT_NOFILE,
        LimitName::LockedMemory => Resource::RLIMIT_MEMLOCK,
        LimitName::AddressSpace => Resource::RLIMIT_AS,
        LimitName::FileLocks => Resource::RLIMIT_LOCKS,
        LimitName::PendingSignals => Resource::RLIMIT_SIGPENDING,
        LimitName::MsgqueueSize => Resource::RLIMIT_MSGQUEUE,
        LimitName::NicePriority => Resource::RLIMIT_NICE,
        LimitName::RealtimePriority => Resource::RLIMIT_RTPRIO,
        LimitName::RealtimeTimeout => Resource::RLIMIT_RTTIME,
    }
}
