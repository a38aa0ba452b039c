//! Code execution inside a role: `intruder` is the program up to its first byte of input, and then one attempt. What the
//! role's own capability and sockets reach is his; everything else must be stopped.

use portcullis::measure::Measure;
use portcullis::op::Role;

use crate::Attempt;

const PROC: &str = "version = 1\n[proc]\nlevel = \"basic\"\n";
const NET: &str = "version = 1\n[ping]\nallow = [\"127.0.0.1\"]\n";

/// Attempts that are one system call, by their names in `intruder`.
fn names() -> Vec<String> {
    let source = include_str!("intruder.rs");
    let table = source.split("const PLAIN").nth(1).unwrap().split("};").next().unwrap();
    table.lines().filter_map(|l| l.trim().strip_prefix('"')?.split('"').next()).map(str::to_owned).collect()
}

fn policy(role: Role) -> &'static str {
    match role {
        Role::Proc => PROC,
        Role::Net => NET,
    }
}

/// Under the policy of the role, with what hides the measure left out too.
fn tried(role: Role, attempt: &str, stopped_by: &[Measure], also: &'static [Measure]) -> Attempt {
    let name = attempt.to_owned();
    let hidden = if also.is_empty() { "" } else { " without what hides it" };
    Attempt::inside(format!("{} in {}{hidden}", attempt, role.name()), stopped_by, move |w| {
        w.inside(role.name(), policy(role), &name, also)
    })
}

pub fn attempts() -> Vec<Attempt> {
    let mut all = Vec::new();
    for role in Role::ALL.iter().copied() {
        for name in names() {
            let measures: &[Measure] = match name.as_str() {
                "fork" | "execve" | "socket-inet" | "memfd_create" | "unlinkat" | "kill" => {
                    &[Measure::Seccomp]
                }
                "open-readwrite" if role == Role::Proc => &[Measure::SeccompArguments],
                _ => &[],
            };
            all.push(tried(role, &name, measures, &[]));
        }
        for name in [
            "x32-getpid",
            "int80-getpid",
            "capset-more",
            "capset-sys-admin",
            "mprotect-gains-exec",
            "lock-memory",
        ] {
            all.push(tried(role, name, &[], &[]));
        }
        all.push(tried(
            role,
            "effective-at-rest",
            if role == Role::Proc { &[Measure::Effective] } else { &[] },
            &[],
        ));
        all.push(tried(role, "take-memory", &[Measure::LimitMemory], &[]));
        all.push(tried(role, "capset-dac-read-search", &[], &[]));
    }
    let proc = Role::Proc;
    all.push(tried(proc, "capset-net-admin", &[], &[]));
    all.push(tried(proc, "capset-dac-read-search", &[Measure::Permitted], &[]));
    all.push(tried(proc, "capset-inheritable", &[Measure::Bounding], &[]));
    all.push(tried(proc, "open-shadow", &[Measure::Permitted], &[]));
    all.push(tried(proc, "open-descriptors", &[Measure::LimitDescriptors], &[]));
    all.push(tried(Role::Net, "open-hostname", &[Measure::Seccomp], &[Measure::Landlock]));
    // seccomp would hide whether these are there.
    all.push(tried(Role::Net, "open-hostname", &[Measure::Landlock], &[Measure::Seccomp]));
    all.push(tried(proc, "fork", &[Measure::LimitProcesses], &[Measure::Seccomp]));
    all.push(tried(proc, "mprotect-gains-exec", &[Measure::ExecutableMemory], &[Measure::Seccomp]));
    all.push(tried(proc, "no-new-privs-is-unset", &[Measure::NoNewPrivs], &[Measure::Seccomp]));
    all.push(tried(proc, "lock-memory", &[Measure::LimitLocked], &[Measure::Seccomp]));
    all.push(tried(
        proc,
        "exec-with-ambient",
        &[Measure::Securebits],
        &[Measure::Seccomp, Measure::Bounding],
    ));
    all
}
