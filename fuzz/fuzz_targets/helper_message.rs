//! Any bytes are an answer of a helper process, or none; what is one is written as the same bytes. Likewise questions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::helper::message::{Answer, Question};

fuzz_target!(|bytes: &[u8]| {
    if let Some(answer) = Answer::decode(bytes) {
        assert_eq!(answer.encode(), bytes);
    }
    if let Some(question) = Question::decode(bytes) {
        assert_eq!(question.encode().as_deref(), Some(bytes));
    }
});
