//! Any text is the file of a node or a list of mistakes with places in it. What is said about either acts on no terminal. Who is not in
//! the allow-list is denied everything, and without rules nothing comes in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::dist::command::Command;
use portcullis::dist::config::parse;
use portcullis::dist::filter::Verdict;
use portcullis::dist::filter::policy::Level;
use portcullis::dist::question::{Question, ask, words};

fn plain(text: &str) -> bool {
    text.chars().all(|c| !c.is_control() || c == '\n')
}

fuzz_target!(|text: &[u8]| {
    let config = match parse(text) {
        Ok(config) => config,
        Err(mistakes) => {
            let lines = text.iter().filter(|b| **b == b'\n').count() + 1;
            assert!(!mistakes.is_empty());
            for mistake in mistakes {
                assert!(mistake.line >= 1 && mistake.line as usize <= lines && mistake.column >= 1);
                assert!(plain(&mistake.message), "{:?}", mistake.message);
            }
            return;
        }
    };
    let shown = String::from_utf8_lossy(text);
    let nodes = config.policy.allow.iter().map(String::as_str).take(3).chain(["nobody@nowhere"]);
    for node in nodes {
        for command in Command::ALL {
            for direction in ["in", "out"] {
                let target = match command {
                    Command::RegSend => Some("x"),
                    Command::SpawnRequest => Some("m:f/1"),
                    _ => None,
                };
                let question = Question::parse(node, direction, command.name(), target).expect("a question");
                let answer = ask(&config.policy, &question);
                assert!(plain(&words(&answer, "/f", &shown)));
                let accepted = !matches!(answer.verdict, Verdict::Deny(_));
                assert!(!accepted || config.policy.allow.contains(node));
                let unspoken = answer.by.is_some_and(|by| by.level == Level::Nobody);
                assert!(!unspoken || accepted == (direction == "out"));
            }
        }
    }
});
