//! JSON text for the terms that the port takes and gives, both ways, without a tree in between.
//!
//! | JSON | taken as | given for |
//! |---|---|---|
//! | `null`, `true`, `false` | the atoms `null`, `true`, `false` | these atoms |
//! | an integer of 64 bits | an integer | an integer |
//! | any other number, and `-0` | refused | a float |
//! | a string | a binary of UTF-8 | a binary or any other atom; U+FFFD stands for bytes that are not UTF-8 |
//! | an array | a list | a list or a tuple |
//! | an object | a map; keys are binaries, repeated ones are kept | a map; keys that are numbers become strings |
//!
//! Whether a key may occur twice is for the schema to say, which can name the path.
#![forbid(unsafe_code)]

mod read;
mod write;

pub use read::{Cause, NotJson, to_term};
pub use write::from_term;

/// Most levels either way, whatever the bounds say: as many as the scan can count.
const LEVELS_MAX: usize = 64;

/// The atom `null`, which no frame to the client holds, so the vocabulary has none (`SMALL_ATOM_UTF8_EXT`).
const NULL: &[u8] = b"w\x04null";
