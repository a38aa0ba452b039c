//! The capability sets of this process. The sets themselves go through `caps`; what that crate cannot do (securebits) or
//! does without telling of errors (the bounding set) is a prctl here.

use std::collections::HashSet;

use caps::{CapSet, CapsHashSet};
use nix::errno::Errno;

use super::process::prctl;
use crate::capability::{Capabilities, Capability};

/// NOROOT, NO_SETUID_FIXUP, KEEP_CAPS locked off and NO_CAP_AMBIENT_RAISE, each with its lock
/// (include/uapi/linux/securebits.h): no way leads from uid 0 or through exec to a capability.
const SECUREBITS: u64 = 0xef;

/// Higher than the number of any capability that a kernel has had; the kernel answers EINVAL above its last.
const NUMBERS: u8 = 63;

/// What the five sets hold, as `/proc/self/status` would print them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sets {
    /// CapPrm.
    pub permitted: u64,
    /// CapEff.
    pub effective: u64,
    /// CapInh.
    pub inheritable: u64,
    /// CapBnd.
    pub bounding: u64,
    /// CapAmb.
    pub ambient: u64,
}

/// Reads all five sets.
pub fn read() -> Result<Sets, Errno> {
    Ok(Sets {
        permitted: bits(CapSet::Permitted)?,
        effective: bits(CapSet::Effective)?,
        inheritable: bits(CapSet::Inheritable)?,
        bounding: (0..NUMBERS).filter(|n| in_bounding(*n)).fold(0, |set, n| set | 1 << n),
        ambient: bits(CapSet::Ambient)?,
    })
}

/// Whether the bounding set has the capability of that number.
pub fn in_bounding(number: u8) -> bool {
    prctl(libc::PR_CAPBSET_READ, u64::from(number)) == Ok(1)
}

/// Empties the bounding set. Needs `CAP_SETPCAP` in the permitted set, and leaves it in effect: [`keep_only`] follows.
pub fn empty_bounding() -> Result<(), Errno> {
    set(CapSet::Effective, &HashSet::from([caps::Capability::CAP_SETPCAP]))?;
    (0..NUMBERS)
        .filter(|n| in_bounding(*n))
        .try_for_each(|number| prctl(libc::PR_CAPBSET_DROP, u64::from(number)).map(drop))
}

/// Locks the securebits, likewise.
pub fn lock_securebits() -> Result<(), Errno> {
    set(CapSet::Effective, &HashSet::from([caps::Capability::CAP_SETPCAP]))?;
    prctl(libc::PR_SET_SECUREBITS, SECUREBITS)?;
    (prctl(libc::PR_GET_SECUREBITS, 0)? == 0xef).then_some(()).ok_or(Errno::EPERM)
}

/// Leaves capabilities in effect for good: what [`raise`] is there to avoid, for a build that leaves that measure out.
pub fn leave_effective(wanted: Capabilities) -> Result<(), Errno> {
    set(CapSet::Effective, &members(wanted))
}

/// Empties ambient, effective and inheritable and cuts permitted down to `keep`.
pub fn keep_only(keep: Capabilities) -> Result<(), Errno> {
    caps::clear(None, CapSet::Ambient).map_err(|_| Errno::last())?;
    set(CapSet::Effective, &HashSet::new())?;
    set(CapSet::Inheritable, &HashSet::new())?;
    set(CapSet::Permitted, &members(keep))
}

/// Gives up every capability in one call, for who has no time for more: what it does is not read back.
pub fn drop_all() -> Result<(), Errno> {
    /// `_LINUX_CAPABILITY_VERSION_3` (include/uapi/linux/capability.h), and the calling process.
    const HEADER: [u32; 2] = [0x2008_0522, 0];
    let none = [0_u32; 6];
    // SAFETY: the kernel reads the header and two `struct __user_cap_data_struct` of three words; of this version it writes neither.
    let r = unsafe { libc::syscall(libc::SYS_capset, HEADER.as_ptr(), none.as_ptr()) };
    Errno::result(r).map(drop)
}

/// While it lives, the capabilities are effective. Dropping it empties the effective set again.
#[derive(Debug)]
pub struct Raised(());

/// Makes `set` effective; nothing if it is empty.
pub fn raise(wanted: Capabilities) -> Result<Option<Raised>, Errno> {
    if wanted.is_empty() {
        return Ok(None);
    }
    set(CapSet::Effective, &members(wanted)).map(|()| Some(Raised(())))
}

impl Drop for Raised {
    fn drop(&mut self) {
        if set(CapSet::Effective, &HashSet::new()).is_err() {
            // Going on with a raised capability would break every promise of this program.
            super::process::exit_now(crate::error::Reason::Internal.code());
        }
    }
}

fn set(which: CapSet, value: &CapsHashSet) -> Result<(), Errno> {
    caps::set(None, which, value).map_err(|_| Errno::last())
}

fn bits(which: CapSet) -> Result<u64, Errno> {
    let set = caps::read(None, which).map_err(|_| Errno::last())?;
    Ok(set.iter().fold(0, |bits, c| bits | 1 << c.index()))
}

fn members(set: Capabilities) -> CapsHashSet {
    let kernel = |c: Capability| match c {
        Capability::SysPtrace => caps::Capability::CAP_SYS_PTRACE,
        Capability::DacReadSearch => caps::Capability::CAP_DAC_READ_SEARCH,
        Capability::NetRaw => caps::Capability::CAP_NET_RAW,
        Capability::NetAdmin => caps::Capability::CAP_NET_ADMIN,
        Capability::AuditWrite => caps::Capability::CAP_AUDIT_WRITE,
        Capability::Setpcap => caps::Capability::CAP_SETPCAP,
    };
    set.among(Capability::ALL).map(kernel).collect()
}
