//! What a file says that may not be what was meant: it is right all the same.
#![forbid(unsafe_code)]

use super::Config;
use crate::dist::command::{Command, Direction};
use crate::dist::control::Mfa;
use crate::dist::filter::policy::{Policy, View};
use crate::dist::filter::table::{Aim, Rule, Rules, Said, Subject, Table, Tables};
use crate::quote::shell;

/// Each in one line, with the line of the file where there is one.
#[must_use]
pub fn notes(config: &Config) -> Vec<String> {
    let mut notes: Vec<String> = names(config).into_iter().collect();
    notes.extend(ends(&config.policy));
    let Policy { default, groups, nodes, break_glass, .. } = &config.policy;
    let groups = groups.iter().map(|group| (format!("group.{}", group.name), &group.tables));
    let nodes = nodes.iter().map(|(node, tables)| (format!("peer.{node:?}"), tables));
    let all = [("default".to_owned(), default), ("break_glass".to_owned(), break_glass)];
    for (path, tables) in all.into_iter().chain(groups).chain(nodes) {
        notes.extend(each(&path, tables).flat_map(|(path, _, rules)| elixir(&path, rules)));
    }
    notes.extend(idle(&config.policy));
    notes
}

/// Without certificates a cookie is all that a node shows.
fn names(config: &Config) -> Option<String> {
    let Policy { allow, control, groups, nodes, .. } = &config.policy;
    let told_apart =
        !control.is_empty() && control.len() < allow.len() || !groups.is_empty() || !nodes.is_empty();
    (config.tls.is_none() && allow.len() > 1 && told_apart).then(|| {
        "without [tls] whoever knows the cookie can come in under any name of allow.nodes: what a group, a peer or control may, all of them may"
            .to_owned()
    })
}

/// Who is linked and goes ends the other one: OTP says EXIT for him.
fn ends(policy: &Policy) -> Option<String> {
    policy.allow.iter().find_map(|node| {
        let link = said(policy.view(node), Command::Link).filter(|said| said.rule.accept)?;
        let exit = said(policy.view(node), Command::Exit).is_none_or(|said| !said.rule.accept);
        exit.then(|| {
            format!(
                "line {}: {} may link and not say EXIT; by going it ends whom it has linked all the same",
                link.rule.line,
                shell(node.as_bytes())
            )
        })
    })
}

fn said(view: View<'_>, command: Command) -> Option<Said<'_>> {
    view.tables(Direction::In, false).find_map(|(_, table)| table.says(command, None, false))
}

/// The rules about each command of both directions, with their path.
fn each<'t>(path: &str, tables: &'t Tables) -> impl Iterator<Item = (String, Command, &'t Rules)> {
    [Direction::In, Direction::Out].into_iter().flat_map(move |direction| {
        let path = format!("{path}.{}", direction.name());
        let of = move |command: &Command| {
            let rules = tables.of(direction).about(*command)?;
            Some((format!("{path}.{}", command.name()), *command, rules))
        };
        Command::ALL.iter().filter_map(of).collect::<Vec<_>>()
    })
}

/// `MyApp.Server` is an atom of its own, and no module of Elixir's.
fn elixir(path: &str, rules: &Rules) -> Vec<String> {
    let note = |(subject, Rule { line, .. }): (&Subject, &Rule)| {
        let (Subject::Name(name) | Subject::Function(name, _)) = subject;
        let alias = name.split('.').all(|part| {
            part.starts_with(|c: char| c.is_ascii_uppercase())
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        });
        (alias && !name.starts_with("Elixir.")).then(|| {
            format!("line {line}: {path}: what Elixir calls {name} is \"Elixir.{name}\", of which this rule says nothing")
        })
    };
    rules.fine.iter().filter_map(note).collect()
}

/// Lists that were meant as "these and no others", where others are accepted by the tables that are asked next.
fn idle(policy: &Policy) -> Vec<String> {
    let groups = policy.groups.iter().map(|group| (format!("group.{}", group.name), &group.tables, None));
    let nodes = policy.nodes.iter().map(|(node, tables)| {
        let group = policy.groups.iter().find(|group| group.nodes.contains(node));
        (format!("peer.{node:?}"), tables, group.map(|group| &group.tables))
    });
    let mut notes = Vec::new();
    for (path, tables, above) in groups.chain(nodes) {
        for direction in [Direction::In, Direction::Out] {
            let next: Vec<&Table> =
                above.into_iter().chain([&policy.default]).map(|tables| tables.of(direction)).collect();
            let own = tables.of(direction);
            for command in Command::ALL.iter().copied() {
                let Some(rules) = own.about(command) else { continue };
                if own.says(command, None, false).is_some() || rules.handler.is_some() {
                    continue;
                }
                let accepted = |subject: &Subject| {
                    let aim = aim(subject);
                    next.iter()
                        .find_map(|table| table.says(command, aim, false))
                        .is_some_and(|said| said.rule.accept)
                };
                let Some(line) = rules.fine.values().map(|rule| rule.line).min() else { continue };
                if rules.fine.iter().all(|(subject, rule)| rule.accept && accepted(subject)) {
                    notes.push(format!(
                        "line {line}: {path}.{}.{} accepts what is accepted without it; for these and no others write default = \"deny\" beside accept",
                        direction.name(),
                        command.name()
                    ));
                }
            }
        }
    }
    notes
}

/// Whom a rule of one target is about. Of a pattern it is any of its functions that nothing else names.
fn aim(subject: &Subject) -> Option<Aim<'_>> {
    match subject {
        Subject::Name(name) => Some(Aim::Name(name)),
        Subject::Function(module, Some((function, Some(arity)))) => {
            Some(Aim::Function(Mfa { module, function, arity: *arity }))
        }
        Subject::Function(module, Some((function, None))) => {
            Some(Aim::Function(Mfa { module, function, arity: u8::MAX }))
        }
        Subject::Function(module, None) => Some(Aim::Function(Mfa { module, function: "_", arity: u8::MAX })),
    }
}
