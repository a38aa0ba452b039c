//! From the arguments to what is to be done. Arguments can only narrow what the installed file allows.
#![forbid(unsafe_code)]

use crate::error::{Reason, Refusal};
use crate::harden::Start;
use crate::op::Role;
use crate::quote::shell;

/// What the user asked for.
#[derive(Debug)]
pub enum Command {
    /// `--help`.
    Help,
    /// `--version`.
    Version,
    /// `doctor`.
    Doctor(Asked),
    /// `policy`.
    Policy(PolicyCommand),
    /// `port`.
    Port(Start),
}

/// What `policy` is asked.
#[derive(Debug)]
pub struct PolicyCommand {
    /// Which file; the installed one, if `None`.
    pub file: Option<Vec<u8>>,
    /// What about it.
    pub ask: Ask,
}

/// A question about a policy.
#[derive(Debug)]
pub enum Ask {
    /// What it says.
    Check,
    /// Whether it grants an operation, given as words.
    Explain(Vec<Vec<u8>>),
    /// What it lacks, by this log; stdin, if `None`.
    Suggest(Option<Vec<u8>>),
}

/// What `doctor` is to look at.
#[derive(Debug)]
pub struct Asked {
    /// What the file is installed for; what its name says, if `None`.
    pub role: Option<Role>,
    /// Which file; this program's own, if `None`.
    pub file: Option<Vec<u8>>,
}

/// Reads the arguments after the program's name.
pub fn parse(arguments: &[Vec<u8>]) -> Result<Command, Refusal> {
    let mut rest = arguments.iter().map(Vec::as_slice);
    match rest.next() {
        Some(b"--help" | b"-h" | b"help") => Ok(Command::Help),
        Some(b"--version" | b"-V") => Ok(Command::Version),
        Some(b"doctor") => doctor(rest).map(Command::Doctor),
        Some(b"policy") => policy(rest).map(Command::Policy),
        Some(b"port") => port(rest).map(Command::Port),
        Some(other) => Err(wrong(format!("there is no command {}", shell(other)))),
        None => Err(wrong("a command is missing".into())),
    }
}

fn port<'a>(mut rest: impl Iterator<Item = &'a [u8]>) -> Result<Start, Refusal> {
    let mut role = None;
    let (mut unprivileged, mut allow_root) = (false, false);
    while let Some(option) = rest.next() {
        match option {
            b"--role" => role = Some(role_named(rest.next())?),
            b"--unprivileged" => unprivileged = true,
            b"--allow-root" => allow_root = true,
            #[cfg(feature = "weakened")]
            b"--without" if rest.next().is_some_and(crate::measure::leave_out) => {}
            #[cfg(feature = "weakened")]
            b"--without-row"
                if rest
                    .next()
                    .is_some_and(|row| crate::harden::seccomp::WITHOUT_ROW.set(row.to_vec()).is_ok()) => {}
            other => return Err(wrong(format!("port does not know {}", shell(other)))),
        }
    }
    let role = role.ok_or_else(|| wrong("port needs --role proc or --role net".into()))?;
    Ok(Start { role, unprivileged, allow_root })
}

fn doctor<'a>(mut rest: impl Iterator<Item = &'a [u8]>) -> Result<Asked, Refusal> {
    let mut asked = Asked { role: None, file: None };
    while let Some(option) = rest.next() {
        match option {
            b"--role" => asked.role = Some(role_named(rest.next())?),
            other if other.starts_with(b"-") => {
                return Err(wrong(format!("doctor does not know {}", shell(other))));
            }
            file if asked.file.is_none() => asked.file = Some(file.to_vec()),
            other => return Err(wrong(format!("doctor takes one file, and {} is a second", shell(other)))),
        }
    }
    Ok(asked)
}

fn policy<'a>(rest: impl Iterator<Item = &'a [u8]>) -> Result<PolicyCommand, Refusal> {
    let mut words: Vec<Vec<u8>> = rest.map(<[u8]>::to_vec).collect();
    if words.is_empty() {
        return Err(wrong("policy needs check, explain or suggest".into()));
    }
    let command = words.remove(0);
    let mut file = None;
    if command != b"check" && words.first().is_some_and(|w| w == b"--policy") {
        if words.len() < 2 {
            return Err(wrong("--policy needs a file".into()));
        }
        file = words.drain(..2).next_back();
    }
    let only = |words: Vec<Vec<u8>>| match words.as_slice() {
        [] => Ok(None),
        [one] if !one.starts_with(b"-") || one == b"-" => Ok(Some(one.clone())),
        [other, ..] => Err(wrong(format!("policy takes one file, and {} is not it", shell(other)))),
    };
    let ask = match command.as_slice() {
        b"check" => {
            file = only(words)?;
            Ask::Check
        }
        b"explain" => Ask::Explain(words),
        b"suggest" => Ask::Suggest(only(words)?),
        other => return Err(wrong(format!("policy does not know {}", shell(other)))),
    };
    Ok(PolicyCommand { file, ask })
}

fn role_named(name: Option<&[u8]>) -> Result<Role, Refusal> {
    let name = name.ok_or_else(|| wrong("--role needs a name: proc or net".into()))?;
    Role::from_name(name)
        .ok_or_else(|| wrong(format!("there is no role {}; this build has proc and net", shell(name))))
}

fn wrong(message: String) -> Refusal {
    Refusal::new(Reason::BadArguments, message, format!("{} --help", super::me()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, Refusal> {
        let arguments: Vec<Vec<u8>> = line.split_whitespace().map(|w| w.as_bytes().to_vec()).collect();
        parse(&arguments)
    }

    #[test]
    fn a_port_is_privileged_and_not_for_root_unless_told() {
        let Ok(Command::Port(start)) = parsed("port --role proc") else { panic!() };
        assert!(!start.unprivileged && !start.allow_root);
        let Ok(Command::Port(start)) = parsed("port --unprivileged --allow-root --role proc") else {
            panic!()
        };
        assert!(start.unprivileged && start.allow_root);
    }

    #[test]
    fn a_policy_is_the_installed_one_unless_a_file_is_named() {
        let asked = |line| match parsed(line) {
            Ok(Command::Policy(command)) => command,
            other => panic!("{other:?}"),
        };
        assert!(asked("policy check").file.is_none());
        assert_eq!(asked("policy check p.toml").file.unwrap(), b"p.toml");
        let explain = asked("policy explain --policy p.toml ping ::1");
        assert_eq!(explain.file.unwrap(), b"p.toml");
        assert!(matches!(explain.ask, Ask::Explain(words) if words == [b"ping".to_vec(), b"::1".to_vec()]));
        assert!(matches!(asked("policy suggest -").ask, Ask::Suggest(Some(_))));
    }

    #[cfg(not(feature = "weakened"))]
    #[test]
    fn what_is_not_understood_is_refused() {
        for line in [
            "",
            "serve",
            "port",
            "port --role",
            "port --role root",
            "port --role proc extra",
            "doctor -x",
            "doctor a b",
            "policy",
            "policy grant",
            "policy check a b",
            "policy check --force",
            "policy explain --policy",
            "policy suggest a b",
            "port --role proc --without seccomp",
        ] {
            assert_eq!(parsed(line).unwrap_err().reason, Reason::BadArguments, "{line}");
        }
    }
}
