//! The few terms that the firewall itself says to a node.
#![forbid(unsafe_code)]

use super::{Pid, Ref};
use crate::wire::write::Writer;

/// An atom. Longer ones than 255 bytes take two bytes of length.
pub fn atom(w: &mut Writer, text: &str) {
    match u8::try_from(text.len()) {
        Ok(n) => w.raw(&[119, n]),
        Err(_) => {
            w.raw(&[118]);
            w.raw(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    w.raw(text.as_bytes());
}

/// A process.
pub fn pid(w: &mut Writer, pid: &Pid<'_>) {
    w.raw(&[88]);
    atom(w, pid.node);
    for word in [pid.id, pid.serial, pid.creation] {
        w.raw(&word.to_be_bytes());
    }
}

/// A reference.
pub fn reference(w: &mut Writer, reference: &Ref<'_>) {
    w.raw(&[90, 0, reference.len]);
    atom(w, reference.node);
    w.raw(&reference.creation.to_be_bytes());
    for word in reference.words.iter().take(usize::from(reference.len)) {
        w.raw(&word.to_be_bytes());
    }
}
