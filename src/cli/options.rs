//! From the arguments to what is to be done. Arguments can only narrow what the installed file allows.
#![forbid(unsafe_code)]

use crate::error::{Reason, Refusal};
use crate::harden::Start;
use crate::harden::quote::shell;
use crate::op::Role;

/// What the user asked for.
#[derive(Debug)]
pub enum Command {
    /// `--help`.
    Help,
    /// `--version`.
    Version,
    /// `doctor`.
    Doctor(Asked),
    /// `port`.
    Port(Start),
}

/// What `doctor` is to look at.
#[derive(Debug)]
pub struct Asked {
    /// What the file is installed for.
    pub role: Role,
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
            other => return Err(wrong(format!("port does not know {}", shell(other)))),
        }
    }
    let role = role.ok_or_else(|| wrong("port needs --role proc".into()))?;
    Ok(Start { role, unprivileged, allow_root })
}

fn doctor<'a>(mut rest: impl Iterator<Item = &'a [u8]>) -> Result<Asked, Refusal> {
    let mut asked = Asked { role: Role::Proc, file: None };
    while let Some(option) = rest.next() {
        match option {
            b"--role" => asked.role = role_named(rest.next())?,
            other if other.starts_with(b"-") => {
                return Err(wrong(format!("doctor does not know {}", shell(other))));
            }
            file if asked.file.is_none() => asked.file = Some(file.to_vec()),
            other => return Err(wrong(format!("doctor takes one file, and {} is a second", shell(other)))),
        }
    }
    Ok(asked)
}

fn role_named(name: Option<&[u8]>) -> Result<Role, Refusal> {
    let name = name.ok_or_else(|| wrong("--role needs a name: proc".into()))?;
    Role::from_name(name)
        .ok_or_else(|| wrong(format!("there is no role {}; this build has proc", shell(name))))
}

fn wrong(message: String) -> Refusal {
    Refusal::new(Reason::BadArguments, message, "portcullis --help")
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
        ] {
            assert_eq!(parsed(line).unwrap_err().reason, Reason::BadArguments, "{line}");
        }
    }
}
