//! The check of the program's own file. A file with capabilities is as safe as the people who can change it or start
//! it: its owner can rewrite it through a shared mapping and keep the capabilities, a second link survives an upgrade, an
//! ACL lets in whom the mode keeps out, and who can write a directory above can put another file in its place.
//!
//! Facts are gathered through descriptors, never by path alone, and judged by a pure function.
#![forbid(unsafe_code)]

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;

use crate::error::{Reason, Refusal};
use crate::measure::{Measure, in_force};
use crate::op::Role;
use crate::quote::shell;
use crate::sys::ancestry::{self, Ancestry, OpenDirectory, Stopped};
use crate::sys::fd;

/// The group that is named where no file says one: the installer makes it.
pub const GROUP: &str = "portcullis";

/// How the command begins that installs a program.
const INSTALL: &str = "sudo sh scripts/install.sh";

/// What follows from that others could write to the file: its mode, put right, would make it look as if they had not.
const DISTRUST: &str = "and may have done so; install it again from a build that you trust";

/// What is known about the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Where it is, as the kernel says.
    pub path: Vec<u8>,
    /// Mode with the set-ID and sticky bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Hard links.
    pub links: libc::nlink_t,
    /// Whether it has a POSIX ACL.
    pub acl: bool,
    /// The first directory above it that others than root can change.
    pub open_directory: Option<OpenDirectory>,
    /// Whether the path still leads to this file.
    pub in_place: bool,
}

/// Gathers the facts about the file that `file` refers to and that lies at `path`.
pub fn gather(file: &OwnedFd, path: Vec<u8>) -> Result<Facts, Errno> {
    let st = fd::stat(file.as_fd())?;
    let acl = fd::xattr(file, c"system.posix_acl_access")?.is_some();
    let walk = walk(&path, (st.st_dev, st.st_ino))?;
    Ok(Facts {
        path,
        mode: st.st_mode & 0o7777,
        uid: st.st_uid,
        gid: st.st_gid,
        links: st.st_nlink,
        acl,
        open_directory: walk.open_directory,
        in_place: walk.in_place,
    })
}

struct Walk {
    open_directory: Option<OpenDirectory>,
    in_place: bool,
}

/// Walks from the root to the file, looking at each directory.
fn walk(path: &[u8], file: (u64, u64)) -> Result<Walk, Errno> {
    match ancestry::descend(path, false) {
        Ok(Ancestry { directory, name, open }) => {
            let found = fd::stat_at(directory.as_fd(), &name).map(|st| (st.st_dev, st.st_ino));
            Ok(Walk { open_directory: open, in_place: found == Ok(file) })
        }
        // Renamed since it was started: whoever could do that owns the directory above.
        Err(Stopped { errno: Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP, open, .. }) => {
            Ok(Walk { open_directory: open, in_place: false })
        }
        Err(stopped) => Err(stopped.errno),
    }
}

/// Holds the facts against the rules, in the order of their exit codes. `grant` is what setcap(8) is to be given, `group_name` knows how a
/// group is called; it is asked for commands alone.
#[must_use]
pub fn judge(facts: &Facts, grant: &str, group_name: &dyn Fn(u32) -> String) -> Vec<Refusal> {
    let Facts { path, mode, uid, gid, links, acl, open_directory, in_place } = facts;
    let file = shell(path);
    let mut found = Vec::new();
    if in_force(Measure::FileMode) && ![0o750, 0o700].contains(mode) {
        let why = format!(
            "the mode of {file} is {mode:04o}; it must be 0750 (root and one group start it) or 0700 (only root)"
        );
        found.push(if mode & 0o022 == 0 {
            Refusal::new(Reason::FileMode, why, format!("sudo chmod 0750 {file}"))
        } else {
            let why = format!(
                "{why}. Others than root can rewrite it in place and keep its capabilities, {DISTRUST}"
            );
            Refusal::new(Reason::FileMode, why, install_again(*gid, path, group_name))
        });
    }
    if in_force(Measure::FileOwner) && *uid != 0 {
        found.push(Refusal::new(
            Reason::FileOwner,
            format!(
                "{file} belongs to uid {uid}, not to root: its owner can rewrite it in place and keep its capabilities, {DISTRUST}"
            ),
            install_again(*gid, path, group_name),
        ));
    }
    if in_force(Measure::FileLinks) && *links != 1 {
        found.push(Refusal::new(
            Reason::FileLinks,
            if *links == 0 {
                format!("{file} was replaced or removed: whoever kept it open would go on with an old program and its capabilities")
            } else {
                format!("{file} has {links} hard links: the others would keep an old program and its capabilities after an upgrade")
            },
            format!(
                "sudo sh -c 'cp \"$0\" \"$0.new\" && chown root:{} \"$0.new\" && chmod 0750 \"$0.new\" && \
                 setcap {grant} \"$0.new\" && mv \"$0.new\" \"$0\"' {file}",
                group_name(*gid)
            ),
        ));
    }
    if in_force(Measure::FileAcl) && *acl {
        found.push(Refusal::new(
            Reason::FileAcl,
            format!(
                "{file} has a POSIX ACL, which can let in users that its mode keeps out: whom it lets write can rewrite it in place and \
                 keep its capabilities, {DISTRUST}"
            ),
            install_again(*gid, path, group_name),
        ));
    }
    if in_force(Measure::FileDirectories) {
        found.extend(judge_place(
            path,
            &install_for(*gid, path, group_name),
            open_directory.as_ref(),
            *in_place,
        ));
    }
    close_the_directory_first(&mut found);
    install_again_first(&mut found);
    found
}

fn judge_place(
    file: &[u8],
    install: &str,
    open_directory: Option<&OpenDirectory>,
    in_place: bool,
) -> Option<Refusal> {
    let file = shell(file);
    let Some(OpenDirectory { path, uid, mode }) = open_directory else {
        return (!in_place).then(|| {
            Refusal::new(
                Reason::DirectoryWritable,
                format!("{file} is not the file that is running: it was moved, replaced or removed since it was started"),
                "restart the program that opened the port",
            )
        });
    };
    let name = shell(path);
    // A directory of root's that was left open by mistake can be closed. A home, or /tmp, is meant to be as it is.
    let mistake = *uid == 0 && mode & 0o1000 == 0;
    Some(Refusal::new(
        Reason::DirectoryWritable,
        format!(
            "{name} (owner uid {uid}, mode {mode:04o}) lies above {file} and can be changed by others than root, who could put \
             another file in its place"
        ),
        if mistake {
            format!("sudo chmod go-w {name}")
        } else {
            format!("{install}   # in the source; installs where only root can write")
        },
    ))
}

/// While others can change a directory above the file, they can put a link in its place between two commands of root's. So
/// every other command is preceded by the one that closes the directory, or gives way to it where it installs elsewhere.
pub fn close_the_directory_first(findings: &mut [Refusal]) {
    let directory = findings.iter().find(|f| f.reason == Reason::DirectoryWritable);
    let Some(first) = directory.map(|f| f.fix.clone()) else { return };
    // Findings come here once more when what the policy needs is known.
    let rest = |f: &&mut Refusal| f.reason != Reason::DirectoryWritable && !f.fix.starts_with(&first);
    for finding in findings.iter_mut().filter(rest) {
        finding.fix = if first.starts_with("sudo chmod") {
            format!("{first} && {}", finding.fix)
        } else {
            first.clone()
        };
    }
}

/// A file that somebody else could rewrite must not be given anything: every other command gives way to the one that installs a
/// new one.
pub fn install_again_first(findings: &mut [Refusal]) {
    let rewritten = [Reason::FileOwner, Reason::FileMode, Reason::FileAcl];
    let again = findings.iter().find(|f| rewritten.contains(&f.reason) && f.fix.contains(INSTALL));
    let Some(first) = again.map(|f| f.fix.clone()) else { return };
    let of_the_file = [Reason::FileMode, Reason::FileLinks, Reason::FileAcl, Reason::CapabilityMissing];
    for finding in findings.iter_mut().filter(|f| of_the_file.contains(&f.reason)) {
        finding.fix.clone_from(&first);
    }
}

/// The command that puts a new file in place of one that somebody may have rewritten.
fn install_again(gid: u32, path: &[u8], group_name: &dyn Fn(u32) -> String) -> String {
    let directory = path.iter().rposition(|b| *b == b'/').and_then(|at| path.get(..at.max(1)));
    format!(
        "{} --dest {}   # in the source",
        install_for(gid, path, group_name),
        shell(directory.unwrap_or(b"/"))
    )
}

/// The command that installs, for the group that can start the file now.
fn install_for(gid: u32, path: &[u8], group_name: &dyn Fn(u32) -> String) -> String {
    let role =
        Role::ALL.iter().find(|role| path.ends_with(format!("/portcullis-{}", role.name()).as_bytes()));
    let group = if gid == 0 { GROUP.to_owned() } else { group_name(gid) };
    install(&group, role.copied().unwrap_or(Role::Proc))
}

/// The command that installs the program of a role for a group.
#[must_use]
pub fn install(group: &str, role: Role) -> String {
    let role = if role == Role::Proc { String::new() } else { format!(" --role {}", role.name()) };
    format!("{INSTALL} --group {group}{role}")
}

/// The capability attribute of the file, if it has one.
pub fn capability_attribute(file: &OwnedFd) -> Result<Option<Vec<u8>>, Errno> {
    const NAME: &CStr = c"security.capability";
    fd::xattr(file, NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Facts {
        Facts {
            path: b"/usr/libexec/portcullis/portcullis-proc".to_vec(),
            mode: 0o750,
            uid: 0,
            gid: 991,
            links: 1,
            acl: false,
            open_directory: None,
            in_place: true,
        }
    }

    fn named(gid: u32) -> String {
        if gid == 991 { "app".to_owned() } else { gid.to_string() }
    }

    fn codes(facts: &Facts) -> Vec<u8> {
        judge(facts, "cap_sys_ptrace=p", &named).iter().map(|r| r.reason.code()).collect()
    }

    #[test]
    fn accepts_exactly_two_modes() {
        for mode in 0..=0o7777 {
            let expected: &[u8] = if mode == 0o750 || mode == 0o700 { &[] } else { &[71] };
            assert_eq!(codes(&Facts { mode, ..good() }), expected, "{mode:04o}");
        }
    }

    #[test]
    fn names_every_rule_that_is_broken() {
        let facts = Facts {
            mode: 0o755,
            uid: 1000,
            links: 2,
            acl: true,
            open_directory: Some(OpenDirectory { path: b"/home/app".to_vec(), uid: 1000, mode: 0o755 }),
            in_place: false,
            ..good()
        };
        assert_eq!(codes(&facts), [71, 72, 73, 74, 75]);
    }

    #[test]
    fn nothing_is_typed_about_a_file_that_others_can_swap_meanwhile() {
        let open = |uid, mode| Facts {
            mode: 0o755,
            open_directory: Some(OpenDirectory { path: b"/opt/x".to_vec(), uid, mode }),
            ..good()
        };
        let fixes = |facts| judge(&facts, "x=p", &named).into_iter().map(|f| f.fix).collect::<Vec<_>>();
        let mistake = fixes(open(0, 0o775));
        assert_eq!(
            mistake[0],
            "sudo chmod go-w /opt/x && sudo chmod 0750 /usr/libexec/portcullis/portcullis-proc"
        );
        for (owner, mode) in [(1000, 0o755), (0, 0o1777)] {
            assert!(fixes(open(owner, mode)).iter().all(|fix| fix.starts_with("sudo sh scripts/install.sh")));
        }
    }

    #[test]
    fn the_command_that_installs_can_be_typed_as_it_stands() {
        let fixes = |path: &str, gid| {
            let facts = Facts { path: path.as_bytes().to_vec(), uid: 1000, gid, ..good() };
            judge(&facts, "x=p", &named).into_iter().map(|f| f.fix).collect::<Vec<_>>()
        };
        let proc = fixes("/opt/x/portcullis-proc", 0);
        assert_eq!(proc, ["sudo sh scripts/install.sh --group portcullis --dest /opt/x   # in the source"]);
        let net = fixes("/opt/x/portcullis-net", 991);
        assert_eq!(
            net,
            ["sudo sh scripts/install.sh --group app --role net --dest /opt/x   # in the source"]
        );
    }

    #[test]
    fn a_group_is_named_where_a_command_gives_the_file_to_it() {
        let facts = Facts { links: 2, ..good() };
        let fix = judge(&facts, "x=p", &named).remove(0).fix;
        assert!(
            fix.contains("chown root:app ") && fix.ends_with("/usr/libexec/portcullis/portcullis-proc"),
            "{fix}"
        );
    }

    /// One command, and not one after the other for what it mends at once.
    #[test]
    fn a_file_of_somebody_elses_is_installed_again_whatever_else_is_wrong_with_it() {
        let all = |open_directory| {
            let facts = Facts { uid: 1000, mode: 0o755, links: 2, acl: true, open_directory, ..good() };
            let mut found = judge(&facts, "x=p", &named);
            close_the_directory_first(&mut found);
            install_again_first(&mut found);
            found.into_iter().map(|f| f.fix).collect::<Vec<_>>()
        };
        let install =
            "sudo sh scripts/install.sh --group app --dest /usr/libexec/portcullis   # in the source";
        assert_eq!(all(None), [install; 4]);
        let open = OpenDirectory { path: b"/usr/libexec".to_vec(), uid: 0, mode: 0o775 };
        let close = "sudo chmod go-w /usr/libexec";
        let both = format!("{close} && {install}");
        assert_eq!(all(Some(open)), [&both, &both, &both, &both, close]);
    }

    #[test]
    fn a_file_that_others_could_write_is_installed_again() {
        for others in
            [Facts { mode: 0o770, ..good() }, Facts { mode: 0o752, ..good() }, Facts { acl: true, ..good() }]
        {
            let found = judge(&others, "x=p", &named);
            assert!(
                found.iter().all(|f| f.fix.starts_with(INSTALL) && f.message.contains(DISTRUST)),
                "{found:?}"
            );
        }
        assert!(!judge(&Facts { mode: 0o4755, ..good() }, "x=p", &named).remove(0).fix.contains(INSTALL));
    }

    #[test]
    fn a_file_that_was_moved_away_is_refused() {
        assert_eq!(codes(&Facts { in_place: false, ..good() }), [75]);
    }

    #[test]
    fn the_mending_command_survives_a_path_that_a_shell_would_read() {
        let facts = Facts { path: b"/opt/it's; rm -rf $HOME/p".to_vec(), mode: 0o755, ..good() };
        let fix = judge(&facts, "cap_sys_ptrace=p", &named).remove(0).fix;
        assert_eq!(fix, r"sudo chmod 0750 '/opt/it'\''s; rm -rf $HOME/p'");
    }

    #[test]
    fn a_root_owned_system_file_stands_in_closed_directories() {
        let file = fd::open_path(c"/usr/bin/env").unwrap();
        let facts = gather(&file, b"/usr/bin/env".to_vec()).unwrap();
        assert_eq!((facts.uid, facts.in_place, facts.open_directory), (0, true, None));
    }

    #[test]
    fn a_world_writable_directory_is_found_though_it_is_sticky() {
        let file = fd::open_path(c"/usr/bin/env").unwrap();
        let facts = gather(&file, b"/tmp/env".to_vec()).unwrap();
        assert_eq!(facts.open_directory.unwrap().path, b"/tmp");
        assert!(!facts.in_place);
    }
}
