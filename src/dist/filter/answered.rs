//! Whom the answer to a message goes to. Who answers a call sends what the caller may have written, `{Tag, Answer}`, to whomever the call names
//! as its caller: a process that the caller may not send to would get it all the same, from one of its own node.
#![forbid(unsafe_code)]

use crate::dist::command::Command;
use crate::dist::control::{Control, Message};
use crate::dist::etf::Identifier;
use crate::dist::etf::read::{Cursor, Head};
use crate::dist::etf::scan::{Bounds, Visitor, Walk};
use crate::dist::reason::Reason;

/// The callers that a message names, if it is a request of OTP's: `{'$gen_call', From, _}`, `{system, From, _}` of `sys`, `{Pid, From, _}` of
/// `gen_event`, `{io_request, Pid, _, _}` and `{file_request, Pid, _, _}`.
pub(super) fn callers<'m>(message: &Message<'m>, bounds: &Bounds) -> Vec<Identifier<'m>> {
    let sent =
        matches!(message.control, Control::Send { .. } | Control::RegSend { .. } | Control::AliasSend { .. });
    let mut callers = Callers(Vec::new());
    let mut said = Cursor::new(message.payload.filter(|_| sent).unwrap_or_default());
    let asks = match (said.head(), said.head()) {
        (
            Ok(Head::Tuple(3)),
            Ok(Head::Atom("$gen_call" | "system") | Head::Identifier(Identifier::Pid(_))),
        ) => {
            matches!(said.head(), Ok(Head::Tuple(2)))
        }
        (Ok(Head::Tuple(4)), Ok(Head::Atom("io_request" | "file_request"))) => true,
        _ => false,
    };
    if asks {
        // The pid, and of the two of a call the tag, which is where the answer goes if it is an alias.
        for _ in 0..2 {
            // What is no term the whole message is denied for.
            if Walk::default().term(&mut said, bounds, &mut callers).is_err() {
                break;
            }
        }
    }
    callers.0
}

/// By which command one would send to it.
pub(super) fn command(caller: &Identifier<'_>) -> Command {
    match caller {
        Identifier::Ref(_) => Command::AliasSend,
        _ => Command::Send,
    }
}

struct Callers<'m>(Vec<Identifier<'m>>);

impl<'m> Visitor<'m> for Callers<'m> {
    fn atom(&mut self, _: &'m str) -> Result<(), Reason> {
        Ok(())
    }

    fn identifier(&mut self, identifier: Identifier<'m>, _: bool) -> Result<(), Reason> {
        self.0.push(identifier);
        Ok(())
    }
}
