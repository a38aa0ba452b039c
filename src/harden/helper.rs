//! Helper processes from the port to the first question: made before the port gives up the right to make any, each left with one
//! descriptor, no capability and a handful of calls.
//!
//! The port makes one process, late, when it has given up most of what it had, and a start waits for that one only: it makes the others
//! when the port has said `hello`, as children of the port ([`Parent::Same`]). None can be made later. One that a file system holds is
//! of use again when it is let go, so that there is nothing to replace.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::resource::Resource;
use seccompiler::BpfProgram;

use super::Start;
use super::seccomp::{self, HELPER};
use crate::capability::Capabilities;
use crate::error::Reason;
use crate::helper::pool::Pool;
use crate::helper::serve::serve;
use crate::limits::{HELPER_DESCRIPTORS_MAX, HELPERS};
use crate::sys::helper::{self, Parent, Side};
use crate::sys::process::Orphaned;
use crate::sys::{capset, poll, process};

/// Starts the first, which waits for [`Pool::begin`]. What the port has given up by now, it has not either: privileges to come, its
/// bounding set, memory to execute, its environment.
///
/// # Errors
/// What the kernel refuses the port. A helper that cannot be confined ends, and is not there.
pub fn start(start: Start) -> Result<Pool, Errno> {
    let pairs = (0..HELPERS).zip(0..).map(|(_, nth)| helper::pinned_pair(nth));
    let (near, far): (Vec<OwnedFd>, Vec<OwnedFd>) = pairs.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    helper::forget_children()?;
    let port = i32::try_from(process::pid()).map_err(|_| Errno::ERANGE)?;
    if helper::split(Parent::Own)? == Side::New {
        drop(near);
        become_helpers(start, port, far);
    }
    Ok(Pool::over(near))
}

/// The new process, which is all of them in turn.
fn become_helpers(start: Start, port: i32, sockets: Vec<OwnedFd>) -> ! {
    if give_up(port).is_err() {
        fail();
    }
    // Whatever it is, it is not a question: nobody has asked yet.
    let Some(Ok(1..)) = sockets
        .first()
        .map(|first| poll::wait_for(first.as_fd()).and_then(|()| helper::hear(first.as_fd(), &mut [0])))
    else {
        process::exit_now(0)
    };
    let Ok(calls) = seccomp::compile(HELPER.iter()) else { fail() };
    let last = sockets.len().saturating_sub(1);
    for (at, socket) in sockets.into_iter().enumerate() {
        // One that cannot be made is not there; the port sees that its socket has no other end.
        if at == last || helper::split(Parent::Same) == Ok(Side::New) {
            if confine(start, port, &calls, socket).is_err() {
                fail();
            }
            serve();
        }
    }
    fail()
}

fn fail() -> ! {
    process::exit_now(Reason::HardeningFailed.code())
}

/// What cannot wait, in few calls, because the port is on its way to `hello`; all of it comes once more when there is time.
fn give_up(port: i32) -> Result<(), Errno> {
    capset::drop_all()?;
    die_with(port)
}

fn die_with(port: i32) -> Result<(), Errno> {
    process::die_with_parent(Orphaned::Killed)?;
    if process::parent() != port {
        // It ended before the signal was asked for, so that none will come.
        process::exit_now(0);
    }
    Ok(())
}

/// What each does for itself.
fn confine(start: Start, port: i32, calls: &BpfProgram, socket: OwnedFd) -> Result<(), Errno> {
    helper::be_called(c"portcullis-help")?;
    helper::keep_only(socket)?;
    for (resource, most) in [
        (Resource::RLIMIT_NPROC, 0),
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_NOFILE, HELPER_DESCRIPTORS_MAX),
    ] {
        process::lower_limit(resource, most)?;
    }
    capset::keep_only(Capabilities::NONE)?;
    process::forbid_dumps()?;
    // A new process does not inherit it.
    die_with(port)?;
    read_back(start)?;
    seccompiler::apply_filter(calls).map_err(|_| Errno::last())
}

/// Believes the kernel, not the return codes.
fn read_back(start: Start) -> Result<(), Errno> {
    let sets = capset::read()?;
    // Without CAP_SETPCAP the bounding set stays; nothing can come through it once no_new_privs is set.
    let bounding = if start.unprivileged { sets.bounding } else { 0 };
    let none = capset::Sets { permitted: 0, effective: 0, inheritable: 0, bounding, ambient: 0 };
    let confined = sets == none
        && process::no_new_privileges()?
        && !process::dumpable()?
        && process::dies_with_parent(Orphaned::Killed)?;
    if confined { Ok(()) } else { Err(Errno::EPERM) }
}
