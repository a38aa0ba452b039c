//! Why a capability is missing. The kernel drops file capabilities in silence, for six different reasons; a person who
//! has just typed setcap(8) needs to be told which.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;

use nix::errno::Errno;

use crate::capability::{Capabilities, Capability};
use crate::error::{Reason, Refusal};
use crate::harden::own_file;
use crate::op::Role;
use crate::quote::shell;
use crate::sys::{fd, process};

/// What the search for the cause looks at.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    /// Where the file is.
    pub path: Vec<u8>,
    /// no_new_privs was set before the program ran.
    pub no_new_privileges: bool,
    /// The file lies on a mount with nosuid.
    pub nosuid: bool,
    /// The capabilities that the file's attribute grants; `None` without an attribute.
    pub granted: Option<u64>,
    /// The process is in a user namespace other than the first.
    pub user_namespace: bool,
    /// The bounding set.
    pub bounding: u64,
    /// Somebody traces the process.
    pub traced: bool,
}

impl Circumstances {
    /// Looks around. Must run before the program changes any of it.
    pub fn observe(file: &OwnedFd, path: &[u8], bounding: u64) -> Result<Self, Errno> {
        let attribute = own_file::capability_attribute(file)?;
        Ok(Self {
            path: path.to_vec(),
            no_new_privileges: process::no_new_privileges()?,
            nosuid: fd::mount_flags(file)?.0,
            granted: attribute.as_deref().map(permitted_of_attribute),
            user_namespace: std::fs::read("/proc/self/uid_map").is_ok_and(|map| !is_identity(&map)),
            bounding,
            traced: std::fs::read("/proc/self/status").is_ok_and(|s| is_traced(&s)),
        })
    }
}

/// The capabilities of `struct vfs_cap_data` (include/uapi/linux/capability.h): a magic word, then permitted and
/// inheritable by halves, all little-endian.
fn permitted_of_attribute(bytes: &[u8]) -> u64 {
    let word = |at: usize| {
        bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, |b| u64::from(u32::from_le_bytes(b)))
    };
    word(4) | word(12) << 32
}

fn is_identity(map: &[u8]) -> bool {
    let mut words = map.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty());
    words.next() == Some(b"0") && words.next() == Some(b"0") && words.next() == Some(b"4294967295")
}

fn is_traced(status: &[u8]) -> bool {
    let line = status.split(|b| *b == b'\n').find(|l| l.starts_with(b"TracerPid:"));
    line.is_some_and(|l| !l.ends_with(b"\t0"))
}

/// The refusal for the capabilities `missing`, naming the first cause that explains it. `grant` is what setcap(8) is to
/// be given.
#[must_use]
pub fn explain(c: &Circumstances, missing: Capabilities, list: &[Capability], grant: &str) -> Refusal {
    let names: Vec<&str> = list.iter().filter(|m| missing.has(**m)).map(|m| m.long_name()).collect();
    let (cause, fix) = first_cause(c, missing, &names, grant);
    Refusal::new(Reason::CapabilityMissing, format!("{} missing: {cause}", names.join(", ")), fix)
}

/// The refusal of a file that is installed for another role.
#[must_use]
pub fn other_role(path: &[u8], installed: Role, asked: Role) -> Refusal {
    let file = shell(path);
    Refusal::new(
        Reason::CapabilityMissing,
        format!("{file} is installed for role {}, and was asked for role {}", installed.name(), asked.name()),
        format!(
            "sudo sh scripts/install.sh --role {}   # in the source; a file of its own for each role",
            asked.name()
        ),
    )
}

fn first_cause(c: &Circumstances, missing: Capabilities, names: &[&str], grant: &str) -> (String, String) {
    let file = shell(&c.path);
    if c.no_new_privileges {
        return (
            "it was started with no_new_privs, which makes the kernel ignore the file's capabilities (in systemd: NoNewPrivileges= \
             or DynamicUser=; before version 255 also PrivateDevices=, RestrictNamespaces=, SystemCallFilter= and others)"
                .into(),
            "sudo systemctl edit UNIT   # [Service] NoNewPrivileges=no, and remove what implies it; then: sudo systemctl restart UNIT; or let \
             systemd start this program (docs/guides/systemd.md, A unit with NoNewPrivileges=yes)"
                .into(),
        );
    }
    if c.nosuid {
        return (
            format!("{file} lies on a mount with nosuid, where the kernel ignores the file's capabilities"),
            format!("sudo mount -o remount,suid \"$(findmnt -no TARGET -T {file})\""),
        );
    }
    // The next installation sets what its own options say.
    let lasting = match (missing.has(Capability::DacReadSearch), missing.has(Capability::AuditWrite)) {
        (true, true) => "   # and install with --level full --audit from now on",
        (true, false) => "   # and install with --level full from now on",
        (false, true) => "   # and install with --audit from now on",
        (false, false) => "",
    };
    let Some(granted) = c.granted else {
        return (
            format!("{file} has no capabilities (copying, changing the owner and writing remove them)"),
            format!("sudo setcap {grant} {file}"),
        );
    };
    if missing.bits() & !granted != 0 {
        return (
            format!("the capabilities of {file} do not have them"),
            format!("sudo setcap {grant} {file}{lasting}"),
        );
    }
    if c.user_namespace {
        return (
            "it runs in a user namespace, where capabilities of files from outside do not count".into(),
            format!(
                "sudo {file} doctor   # and start the BEAM outside the user namespace (rootless container, unshare -U)"
            ),
        );
    }
    if missing.bits() & !c.bounding != 0 {
        let short: Vec<String> = names.iter().map(|n| n.to_uppercase()).collect();
        return (
            "the bounding set that it was started with lacks them (systemd: CapabilityBoundingSet=; containers: --cap-add)".into(),
            format!(
                "sudo systemctl edit UNIT   # [Service] CapabilityBoundingSet={}; in a container: docker run {}",
                short.join(" "),
                short.iter().map(|n| format!("--cap-add {}", n.trim_start_matches("CAP_"))).collect::<Vec<_>>().join(" ")
            ),
        );
    }
    if c.traced {
        return (
            "it is being traced, and the kernel then ignores the file's capabilities".into(),
            "start it without strace or a debugger".into(),
        );
    }
    (
        "a security module (AppArmor, SELinux) withheld them".into(),
        "sudo journalctl -k --grep 'apparmor|avc'   # shows which rule; allow the capability there".into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRANT: &str = "cap_setpcap,cap_sys_ptrace=p";

    fn missing() -> Capabilities {
        Capabilities::of(&[Capability::SysPtrace])
    }

    fn cause(c: &Circumstances) -> String {
        explain(c, missing(), &[Capability::SysPtrace], GRANT).message
    }

    fn fine() -> Circumstances {
        Circumstances {
            path: b"/p".to_vec(),
            granted: Some(missing().bits()),
            bounding: u64::MAX,
            ..Circumstances::default()
        }
    }

    #[test]
    fn the_first_cause_that_explains_it_is_named() {
        let mut c = Circumstances {
            no_new_privileges: true,
            nosuid: true,
            granted: None,
            bounding: 0,
            user_namespace: true,
            traced: true,
            ..fine()
        };
        assert!(cause(&c).contains("no_new_privs"));
        c.no_new_privileges = false;
        assert!(cause(&c).contains("nosuid"));
        c.nosuid = false;
        assert!(cause(&c).contains("has no capabilities"));
        c.granted = Some(0);
        assert!(cause(&c).contains("do not have them"));
        c.granted = Some(u64::MAX);
        assert!(cause(&c).contains("user namespace"));
        c.user_namespace = false;
        assert!(cause(&c).contains("bounding set"));
        c.bounding = u64::MAX;
        assert!(cause(&c).contains("traced"));
        c.traced = false;
        assert!(cause(&c).contains("security module"));
    }

    #[test]
    fn the_file_of_one_role_is_not_given_the_capabilities_of_the_other() {
        let refusal = other_role(b"/p", Role::Proc, Role::Net);
        assert!(refusal.message.contains("installed for role proc") && !refusal.fix.contains("setcap"));
    }

    #[test]
    fn reads_the_attribute_that_setcap_writes() {
        // getfattr -e hex -n security.capability of a file with cap_setpcap,cap_sys_ptrace=p
        let bytes = [0, 0, 0, 2, 0, 1, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let expected = Capabilities::of(&[Capability::Setpcap, Capability::SysPtrace]).bits();
        assert_eq!(permitted_of_attribute(&bytes), expected);
        assert_eq!(permitted_of_attribute(&bytes[..3]), 0);
    }

    #[test]
    fn reads_maps_and_tracers_as_the_kernel_prints_them() {
        assert!(is_identity(b"         0          0 4294967295\n"));
        assert!(!is_identity(b"         0       1000          1\n"));
        assert!(is_traced(b"Name:\tx\nTracerPid:\t42\n"));
        assert!(!is_traced(b"Name:\tx\nTracerPid:\t0\n"));
    }
}
