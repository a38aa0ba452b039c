//! Tables, chains, rules, sets, elements and named objects as the messages that make and describe them.
#![forbid(unsafe_code)]
