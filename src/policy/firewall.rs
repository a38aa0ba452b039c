//! The entries of `write` in `[nft]` that would grant changes, and nothing beside them: what one transaction lacks is told at once,
//! so that a policy does not grow by one verb for each attempt.
#![forbid(unsafe_code)]

use crate::nft::action::{ChangeNft, is_name, needs_chain, needs_object, needs_set};
use crate::quote::toml_text;

/// Whether a verb works on what a list names.
type Of = fn(&str) -> bool;

/// What a list of names in an entry is about. A verb works on one of them, so that lists of two can stand in one entry.
const LISTS: [(&str, Of); 3] = [("chains", needs_chain), ("sets", needs_set), ("objects", needs_object)];

/// Verbs, and the names that each of them works on.
#[derive(Debug, Default)]
struct Group<'c> {
    ops: Vec<&'c str>,
    names: Vec<&'c str>,
}

/// The entries, with commas between them; `None` if one of the changes is of a table that no policy can name.
#[must_use]
pub fn entries(changes: &[&ChangeNft]) -> Option<String> {
    let mut tables: Vec<(&str, &str)> = Vec::new();
    for change in changes {
        let table = (change.family.as_str(), change.table.as_str());
        if !is_name(&change.table) {
            return None;
        }
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    let each = tables.into_iter().flat_map(|(family, table)| {
        let of: Vec<&ChangeNft> =
            changes.iter().copied().filter(|c| c.family == family && c.table == table).collect();
        of_table(&of)
            .into_iter()
            .map(move |rest| format!("{{ family = {}, table = {}, {rest} }}", quoted(family), quoted(table)))
    });
    Some(each.collect::<Vec<_>>().join(", "))
}

/// What the entries of one table say.
fn of_table(changes: &[&ChangeNft]) -> Vec<String> {
    // What has no name that a list can hold, only the whole table grants.
    if changes.iter().any(|c| c.object.as_deref().is_some_and(|name| !is_name(name))) {
        return vec!["all = true".to_owned()];
    }
    let lists = LISTS.map(|(_, is_of)| groups(changes, is_of));
    let rows = lists.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let on_the_table: Vec<&str> =
        changes.iter().filter(|c| c.object.is_none()).map(|c| c.verb.as_str()).collect();
    (0..rows)
        .map(|row| {
            let mut ops = if row == 0 { on_the_table.clone() } else { Vec::new() };
            let mut names = String::new();
            for ((list, _), groups) in LISTS.iter().zip(&lists) {
                let Some(group) = groups.get(row) else { continue };
                ops.extend(&group.ops);
                names.push_str(&format!(", {list} = [{}]", all_quoted(&group.names)));
            }
            format!("ops = [{}]{names}", all_quoted(&ops))
        })
        .collect()
}

/// Names for which the same verbs are lacking share an entry; others must not, or each would be granted what the other lacks.
fn groups<'c>(changes: &[&'c ChangeNft], is_of: Of) -> Vec<Group<'c>> {
    let mut by_name: Vec<Group<'c>> = Vec::new();
    for change in changes.iter().filter(|c| is_of(&c.verb)) {
        let Some(name) = change.object.as_deref() else { continue };
        match by_name.iter_mut().find(|group| group.names == [name]) {
            Some(group) => group.ops.push(&change.verb),
            None => by_name.push(Group { ops: vec![&change.verb], names: vec![name] }),
        }
    }
    let mut groups: Vec<Group<'c>> = Vec::new();
    for mut one in by_name {
        // What is put into a set comes after the set, as it is read.
        one.ops.sort_unstable_by_key(|verb| (verb.ends_with("_element"), *verb));
        match groups.iter_mut().find(|group| group.ops == one.ops) {
            Some(group) => group.names.append(&mut one.names),
            None => groups.push(one),
        }
    }
    groups
}

fn all_quoted(words: &[&str]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", ")
}

fn quoted(text: &str) -> String {
    toml_text(text.as_bytes())
}
