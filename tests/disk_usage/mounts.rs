//! Rows of mounts that answer, and of those that are odd.

use std::process::Command;

use super::support::{self, Port, bytes, fixtures, integer, map};
use super::{Hanging, POLICY, all, ask, eventually_asked, helpers, size};

#[test]
fn what_answers_is_what_the_kernel_says_to_everybody() {
    let Some(f) = fixtures() else { return };
    let hanging = Hanging::new(&f, "answers");
    let mut port = hanging.port(&f, 1, &[]);
    port.hello();
    hanging.command("answer");
    eventually_asked(&mut port, |rows| size(&rows[&hanging.mount_point(0)]).is_ok());
    let (rows, took) = ask(&mut port, all());
    println!("{} mounts in {took:?}", rows.len());
    let mine = &rows[&hanging.mount_point(0)];
    let numbers: Vec<i128> = mine[2..7].iter().map(integer).collect();
    assert_eq!(numbers, [4_096_000, 1_638_400, 2_048_000, 100, 10]);
    assert_eq!((support::text(&mine[1]).as_str(), support::name(&mine[7])), ("fuse", "false"));
    let root = nix::sys::statvfs::statvfs("/").unwrap();
    let expected = i128::from(root.blocks()) * i128::from(root.fragment_size());
    assert_eq!(size(&rows[&b"/"[..]]), Ok(expected));
    // The policy lies there in a mount of its own; it is a folder of the same file system.
    assert!(rows.contains_key(&b"/etc/portcullis"[..]));
}

#[test]
fn without_a_line_in_the_policy_there_is_no_helper_and_the_denial_names_the_line() {
    let Some(f) = fixtures() else { return };
    let mut port = f.port("ok");
    port.hello();
    assert!(helpers(&port).is_empty());
    port.request(1, "query", all());
    let (tag, _, error) = port.answer();
    assert_eq!(tag, "error");
    assert_eq!(support::text(&support::elements(&error)[1]), "proc.disk_usage");
    assert!(port.ask(2, "info", map(&[])).to_string().contains("requests"));
}

/// Names with every byte that the kernel escapes, a mount over another, one that the user cannot get to, and one of autofs.
#[test]
fn odd_mounts_have_rows_that_say_what_is_the_matter() {
    let Some(f) = fixtures() else { return };
    let hanging = Hanging::new(&f, "odd");
    let base = hanging.folder.to_str().unwrap().to_owned();
    let script = format!(
        "set -e; cd '{base}'; mkdir -p covered 'a b\t\n\\040#' closed/in ro
         mount -t tmpfs -o size=1m one covered; mkdir covered/below; mount -t tmpfs -o size=2m two covered/below
         mount -t tmpfs -o size=3m three covered
         mount -t tmpfs -o size=4m odd 'a b\t\n\\040#'
         mount -t tmpfs -o size=5m closed closed/in; chmod 0700 closed
         mount -t tmpfs -o size=6m,ro ro ro
         exec \"$@\""
    );
    let policy = f.policy(POLICY);
    let program = f.program("ok");
    let inside = f.command(&["--policy", &policy], &[program.to_str().unwrap(), "port", "--role", "proc"]);
    let mut c = Command::new("unshare");
    c.args(["--mount", "--propagation", "private", "bash", "-c"])
        .arg(script.replace("'a b", "$'a b").replace("\\040#'", "\\\\040#'"));
    c.arg("bash").arg(inside.get_program()).args(inside.get_args());
    c.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    let mut port = Port::start(c);
    port.hello();
    let (rows, _) = port.rows_of(9, "query", all());
    let of = |name: &[u8]| -> Vec<Result<i128, String>> {
        let place = [base.as_bytes(), b"/", name].concat();
        rows.iter().filter(|row| bytes(&row[0]) == place).map(|row| size(row)).collect()
    };
    const MIB: i128 = 1 << 20;
    let mut covered = of(b"covered");
    covered.sort();
    assert_eq!(covered, [Ok(3 * MIB), Err("covered".to_owned())]);
    // The way to it is hidden by what lies over the first.
    assert_eq!(of(b"covered/below"), [Err("enoent".to_owned())]);
    assert_eq!(of(b"a b\t\n\\040#"), [Ok(4 * MIB)]);
    assert_eq!(of(b"closed/in"), [Err("eacces".to_owned())]);
    assert_eq!(of(b"ro"), [Ok(6 * MIB)]);
    let ro = [base.as_bytes(), b"/ro"].concat();
    let row = rows.iter().find(|row| bytes(&row[0]) == ro).unwrap();
    assert_eq!(support::name(&row[7]), "true");
}
