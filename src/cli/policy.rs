//! `portcullis policy`: what a policy says, what it would answer, and what it lacks. Needs no privilege and changes nothing.
#![forbid(unsafe_code)]

use std::io::Read;
use std::process::ExitCode;

use crate::cli::installed::{self, Installed};
use crate::cli::named;
use crate::cli::options::{Ask, PolicyCommand};
use crate::error::Refusal;
use crate::policy::file::{self, PATH};
use crate::policy::parse::parse;
use crate::policy::rules::Line;
use crate::policy::suggest::{self, Suggestions};
use crate::policy::{Ground, Policy, question, words};
use crate::quote::shell;
use crate::sys::fd;

/// Bytes of a log that are read at once: what is longer can be cut with tail(1).
const LOG_MAX: u64 = 256 * 1024 * 1024;

/// The policy, its text, and what it is called.
struct Known {
    policy: Policy,
    text: String,
    name: String,
}

/// Does what was asked, and answers with the exit status: 0 if the policy is right or grants it, 1 if not.
pub fn run(command: &PolicyCommand) -> ExitCode {
    let known = match load(command.file.as_deref()) {
        Ok(known) => match &command.peer {
            Some(peer) => Known { policy: known.policy.for_peer(peer.as_str()), ..known },
            None => known,
        },
        Err(text) => return failed(&text),
    };
    match &command.ask {
        Ask::Check => check(&known),
        Ask::Explain(words) => explain(&known, words),
        Ask::Suggest(log) => match read_log(log.as_deref()) {
            Ok(bytes) => print_suggestions(&known, &bytes),
            Err(text) => failed(&text),
        },
    }
}

fn failed(text: &str) -> ExitCode {
    super::say(text);
    ExitCode::FAILURE
}

/// The installed policy with everything that its place must be, or any file that is named: one that is not in force yet.
fn load(named: Option<&[u8]>) -> Result<Known, String> {
    let name = named.map_or_else(|| PATH.to_owned(), shell);
    let bytes = match named {
        None => match file::read(PATH) {
            Ok(bytes) => bytes,
            Err((message, fix)) => return Err(format!("{message}\n  to mend it: {fix}\n")),
        },
        Some(path) => {
            Some(read_named(path, 64 * 1024 + 1).map_err(|e| format!("{name} cannot be read: {e}\n"))?)
        }
    };
    if bytes.as_ref().is_some_and(|b| b.len() > file::SIZE_MAX) {
        return Err(format!("{name} is longer than {} bytes: the port would refuse it\n", file::SIZE_MAX));
    }
    let Some(bytes) = bytes else {
        return Ok(Known {
            policy: Policy::without_a_file(),
            text: String::new(),
            name: format!("{name}, which is not there"),
        });
    };
    if let Err(mistakes) = parse(&bytes) {
        let lines = mistakes.iter().map(|m| format!("{name}:{}:{}: {}\n", m.line, m.column, m.message));
        return Err(lines.collect());
    }
    let policy = file::understood(&name, &bytes).map_err(|r| format!("{r}\n"))?;
    Ok(Known { policy, text: String::from_utf8_lossy(&bytes).into_owned(), name })
}

pub(super) fn read_named(path: &[u8], most: u64) -> std::io::Result<Vec<u8>> {
    let path: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(path);
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn check(known: &Known) -> ExitCode {
    let Known { policy, name, .. } = known;
    super::say(&format!("ok: {name} ({})\n\n{}", policy.name(), words::describe(policy)));
    super::say(&named::notes(policy));
    let refusals = own_refusals(policy);
    for Refusal { message, fix, .. } in &refusals {
        super::say(&format!("\nbut a start would be refused: {message}\n   to mend it: {fix}\n"));
    }
    // Who restarts what is right would have nothing that runs.
    if refusals.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What this copy would be refused for under the policy, if it is an installed one.
fn own_refusals(policy: &Policy) -> Vec<Refusal> {
    let (Ok(file), Ok(path)) = (fd::open_own_file(), fd::own_path()) else { return Vec::new() };
    let copy = installed::role_of(&path).and_then(|role| Installed::observe(&file, &path, role).ok());
    copy.filter(Installed::has_capabilities).map(|copy| copy.refusals(policy)).unwrap_or_default()
}

fn explain(known: &Known, words: &[Vec<u8>]) -> ExitCode {
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let (op, args) = words.split_first().map_or((&b""[..], &[][..]), |(op, args)| (*op, args));
    match question::ask(&known.policy, op, args) {
        Ok(Ok(Ground { rule, line, note })) => {
            let note = note.map_or(String::new(), |note| format!("    {note}\n"));
            super::say(&format!("allowed by {rule}{}\n{note}", place(known, line)));
            ExitCode::SUCCESS
        }
        Ok(Err(denial)) => {
            super::say(&format!("denied by {}: {}\n", denial.rule, denial.hint));
            ExitCode::FAILURE
        }
        Err(usage) => {
            super::say(&format!("{}\n", usage.trim_end()));
            ExitCode::from(2)
        }
    }
}

/// Where a rule stands, with the line itself.
fn place(known: &Known, line: Option<Line>) -> String {
    let Some(Line(n)) = line else { return format!(" of {}", known.name) };
    let at = usize::try_from(n).unwrap_or(usize::MAX).saturating_sub(1);
    let text: String =
        known.text.lines().nth(at).unwrap_or_default().trim().chars().filter(|c| !c.is_control()).collect();
    format!(", line {n} of {}\n    {text}", known.name)
}

fn read_log(log: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let result = match log {
        Some(path) if path != b"-" => read_named(path, LOG_MAX),
        _ => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().take(LOG_MAX).read_to_end(&mut bytes).map(|_| bytes)
        }
    };
    result.map_err(|e| format!("the log cannot be read: {e}\n"))
}

fn print_suggestions(known: &Known, log: &[u8]) -> ExitCode {
    let Suggestions { records, lines } = suggest::suggest(&known.policy, log);
    if records == 0 {
        return failed(
            "there is no record of portcullis in this log: is it the right one, and may you read it?\n",
        );
    }
    if lines.is_empty() {
        super::say(&format!(
            "{records} records, and nothing was refused that {} does not grant\n",
            known.name
        ));
        return ExitCode::SUCCESS;
    }
    super::say(
        "# What an application was refused. It chose what it asked for, and any user can write to the system's log:\n\
         # read every entry before you add it. A list that is there already takes these entries into its brackets.\n",
    );
    let mut section = "";
    for (line, entries) in &lines {
        if line.section != section {
            section = line.section;
            super::say(&format!("\n{section}\n"));
        }
        super::say(&line.with(entries));
    }
    ExitCode::SUCCESS
}
