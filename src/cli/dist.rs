//! `portcullis dist`: what the file of a node says, and what becomes of a message under it. Needs no privilege and changes nothing.
#![forbid(unsafe_code)]

use std::io::ErrorKind;
use std::process::ExitCode;

use crate::cli::options::{DistAsk, DistCommand};
use crate::dist::config::notes::notes;
use crate::dist::config::{Config, parse};
use crate::dist::filter::Verdict;
use crate::dist::question::{Question, ask, words};
use crate::dist::reason::Reason;
use crate::policy::file;
use crate::quote::shell;

/// Does what was asked, and answers with the exit status: 0 if the file is right or accepts the message, 1 if not.
pub fn run(command: &DistCommand) -> ExitCode {
    if let DistAsk::Glass(glass) = &command.ask {
        return super::glass::run(&command.file, command.draft, glass);
    }
    let (text, config) = match load(&command.file, command.draft) {
        Ok(loaded) => loaded,
        Err(text) => return failed(&text),
    };
    let name = shell(&command.file);
    match &command.ask {
        DistAsk::Glass(_) => ExitCode::FAILURE,
        DistAsk::Check => {
            let notes: String = notes(&config).iter().map(|note| format!("note: {note}\n")).collect();
            super::say(&format!("ok: {name}\n\n{}{}{notes}", describe(&config), absent(&config)));
            ExitCode::SUCCESS
        }
        DistAsk::TestFilter { node, direction, message, target, glass } => {
            let question = match Question::parse(node, direction, message, target.as_deref()) {
                Ok(question) => Question { glass: *glass, ..question },
                Err(why) => {
                    super::say(&format!("{why}\n"));
                    return ExitCode::from(2);
                }
            };
            let mut answer = ask(&config.policy, &question);
            if let (None, Verdict::Handler(_)) = (&config.protects, answer.verdict) {
                answer.verdict = Verdict::Deny(Reason::NoHandler);
            }
            super::say(&words(&answer, &name, &text));
            if matches!(answer.verdict, Verdict::Deny(_)) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
    }
}

fn failed(text: &str) -> ExitCode {
    super::say(text);
    ExitCode::FAILURE
}

/// The file with everything that its place must be, as for the policy; a draft is read wherever it lies.
pub(super) fn load(path: &[u8], draft: bool) -> Result<(String, Config), String> {
    let name = shell(path);
    let bytes = if draft {
        super::policy::read_named(path, 64 * 1024 + 1).map_err(|e| format!("{name} cannot be read: {e}\n"))?
    } else {
        let path = std::str::from_utf8(path).ok().filter(|path| path.starts_with('/'));
        let path = path
            .ok_or_else(|| format!("{name} must begin with /; a file that is not in force yet: --draft\n"))?;
        let read = file::read(path).map_err(|(message, fix)| {
            format!("{message}\n  to mend it: {fix}\n  a file that is not in force yet: --draft\n")
        })?;
        read.ok_or_else(|| format!("{name} is not there\n"))?
    };
    if bytes.len() > file::SIZE_MAX {
        return Err(format!("{name} is longer than {} bytes: the node would refuse it\n", file::SIZE_MAX));
    }
    match parse(&bytes) {
        Ok(config) => Ok((String::from_utf8_lossy(&bytes).into_owned(), config)),
        Err(mistakes) => {
            let lines = mistakes.iter().map(|m| format!("{name}:{}:{}: {}\n", m.line, m.column, m.message));
            Err(lines.collect())
        }
    }
}

/// What the file names and is not there. A draft may come before it, and a reload needs none of it: the file is right all the same.
fn absent(config: &Config) -> String {
    let Config { cookie_file, tls, programs, protects, policy, .. } = config;
    let mut named = vec![("node.cookie_file", Some(cookie_file))];
    if let Some(tls) = tls {
        let files = [("certificate", &tls.certificate), ("key", &tls.key), ("authorities", &tls.authorities)];
        named.extend(files.map(|(key, file)| (key, Some(file))));
    }
    match protects {
        Some(protects) => named.push(("protects.cookie_file", Some(&protects.cookie_file))),
        None => {
            named
                .extend([("programs.proc", programs.proc.as_ref()), ("programs.net", programs.net.as_ref())]);
        }
    }
    named.push(("break_glass.code_file", policy.code.as_ref().map(|(file, _)| file)));
    let lines = named.into_iter().filter_map(|(key, file)| {
        let file = file?;
        let status = std::fs::metadata(file);
        // Who may not look does not know.
        let absent =
            matches!(&status, Err(e) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&e.kind()));
        absent.then(|| {
            format!("not there, and it would not start without: {} ({key})\n", shell(file.as_bytes()))
        })
    });
    lines.collect()
}

/// What the file says, in few words.
fn describe(config: &Config) -> String {
    let Config { name, listen, tls, policy, .. } = config;
    let places: Vec<String> = listen.iter().map(ToString::to_string).collect();
    let allowed: Vec<&str> = policy.allow.iter().map(String::as_str).collect();
    let allowed =
        if allowed.is_empty() { "no node (allow.nodes is empty)".to_owned() } else { allowed.join(", ") };
    let tls = if tls.is_some() { "over TLS" } else { "without TLS: who reads the network reads along" };
    let glass = match (policy.break_glass_s, &policy.code) {
        (0, _) => "the glass cannot be broken: there is no [break_glass]".to_owned(),
        (s, None) => format!("the glass can be broken for {s} seconds, by root"),
        (s, Some((path, _))) => {
            format!(
                "the glass can be broken for {s} seconds, by root and by codes of {}",
                shell(path.as_bytes())
            )
        }
    };
    format!("{name} on {} {tls}\nmay connect: {allowed}\n{glass}\n", places.join(", "))
}
