//! Any text is a policy or a list of mistakes with places in it. What is said about either acts on no terminal, and what is
//! denied under it is allowed by the line that the denial names, or by none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::op::Role;
use portcullis::policy::file::understood;
use portcullis::policy::parse::parse;
use portcullis::policy::{question, words};

fuzz_target!(|text: &[u8]| {
    match parse(text) {
        Err(mistakes) => {
            let lines = text.iter().filter(|b| **b == b'\n').count() + 1;
            assert!(!mistakes.is_empty());
            for mistake in mistakes {
                assert!(mistake.line >= 1 && mistake.line as usize <= lines && mistake.column >= 1);
                assert!(
                    mistake.message.chars().all(|c| !c.is_control() || c == '\n'),
                    "{:?}",
                    mistake.message
                );
            }
        }
        Ok(_) => {
            let policy = understood("/p", text).unwrap();
            // What is said of a node narrows: it holds no capability that the policy does not take.
            let peer = policy.clone().for_peer("app@host");
            for role in Role::ALL {
                assert!(peer.capabilities(*role).without(policy.capabilities(*role)).is_empty());
            }
            assert!(words::describe(&policy).chars().all(|c| !c.is_control() || c == '\n'));
            for role in Role::ALL {
                let kept = policy.capabilities(*role);
                assert!(kept.among(role.capabilities()).count() as u32 == kept.bits().count_ones());
            }
            for (op, args) in
                [("process", &["exe"][..]), ("file_open", &["/var/log/x"]), ("ping", &["192.0.2.1"])]
            {
                let args: Vec<&[u8]> = args.iter().map(|a| a.as_bytes()).collect();
                let whole = question::ask(&policy, op.as_bytes(), &args).unwrap();
                let narrowed = question::ask(&peer, op.as_bytes(), &args).unwrap();
                assert!(narrowed.is_err() || whole.is_ok());
            }
        }
    }
});
