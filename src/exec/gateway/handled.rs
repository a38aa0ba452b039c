//! What a handler is told: a message to its name that says who wanted what of whom. Nothing reaches the one whom it was for.
//!
//! `{portcullis_dist, handled, #{from, node, direction, command, target, …}}`, with `message` of what was sent, `arguments` and `request`
//! of a spawn request, `leader` of a change of the group leader.
#![forbid(unsafe_code)]

use crate::dist::command::Direction;
use crate::dist::control::{Control, Message, answer};
use crate::dist::etf::Pid;
use crate::dist::etf::write::{atom, pid, reference};
use crate::dist::learn::Node;
use crate::wire::write::Writer;

/// A frame for the protected node: what its process `handler` gets instead. `None` of what no rule can give to one.
pub fn frame(peer: &Node, direction: Direction, message: &Message<'_>, handler: &str) -> Option<Vec<u8>> {
    let nobody = Pid { node: &peer.name, creation: peer.creation, id: 0, serial: 0 };
    let from = match message.control {
        Control::RegSend { from, .. }
        | Control::AliasSend { from, .. }
        | Control::SpawnRequest { from, .. }
        | Control::Send { from: Some(from), .. } => Some(from),
        // The protocol names the new leader, and not who asks; and nobody where a message is sent as before OTP 21.
        Control::GroupLeader { .. } | Control::Send { from: None, .. } => None,
        _ => return None,
    };
    let mut w = Writer::new();
    w.tuple(3);
    atom(&mut w, "portcullis_dist");
    atom(&mut w, "handled");
    let extra = match message.control {
        Control::SpawnRequest { .. } => 2,
        _ => 1,
    };
    w.map(5 + extra);
    atom(&mut w, "from");
    match &from {
        Some(from) => pid(&mut w, from),
        None => atom(&mut w, "undefined"),
    }
    for (key, value) in [
        ("node", peer.name.as_str()),
        ("direction", direction.name()),
        ("command", message.control.command().name()),
    ] {
        atom(&mut w, key);
        atom(&mut w, value);
    }
    what(message, &mut w);
    // What is said to a node must come from a process of the other one.
    let sender = from.filter(|_| direction == Direction::In).unwrap_or(nobody);
    Some(answer::reg_send(&sender, handler, w.bytes()))
}

/// The target, and what it was to get.
fn what(message: &Message<'_>, w: &mut Writer) {
    let payload = message.payload.unwrap_or(&[106]);
    atom(w, "target");
    match message.control {
        Control::RegSend { to, .. } => atom(w, to),
        Control::Send { to, .. } | Control::GroupLeader { to, .. } => pid(w, &to),
        Control::AliasSend { alias, .. } => reference(w, &alias),
        Control::SpawnRequest { mfa, .. } => {
            w.tuple(3);
            atom(w, mfa.module);
            atom(w, mfa.function);
            w.uint(u64::from(mfa.arity));
        }
        _ => w.nil(),
    }
    match message.control {
        Control::SpawnRequest { request, .. } => {
            atom(w, "arguments");
            w.raw(payload);
            atom(w, "request");
            reference(w, &request);
        }
        Control::GroupLeader { leader, .. } => {
            atom(w, "leader");
            pid(w, &leader);
        }
        _ => {
            atom(w, "message");
            w.raw(payload);
        }
    }
}
