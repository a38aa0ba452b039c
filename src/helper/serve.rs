//! The life of a helper: one question, one answer, until the port is gone. It has no memory to take, no file to read and no path to
//! write to; what it is asked may hold it for as long as a file system likes.
#![forbid(unsafe_code)]

use std::os::fd::AsFd;

use super::message::{Answer, Outcome, QUESTION_MAX, Question};
use crate::error::Reason;
use crate::sys::{helper, process};

/// Serves until the port is gone.
pub fn serve() -> ! {
    let mut buffer = [0; QUESTION_MAX];
    loop {
        // Nobody is there any more: nothing that would have to be said.
        let Ok(length @ 1..) = helper::question(&mut buffer) else { process::exit_now(0) };
        let Some(question) = buffer.get(..length).and_then(Question::decode) else {
            process::exit_now(Reason::Internal.code())
        };
        let answer = Answer { serial: question.serial, outcome: ask(&question) };
        if helper::answer(&answer.encode()).is_err() {
            process::exit_now(0);
        }
    }
}

/// Goes to the mount and asks it. What is there by now is looked at before it is asked: a mount that took the place of the one that is
/// meant is not of this question, and might be one that is known not to answer.
fn ask(question: &Question<'_>) -> Outcome {
    let place = match helper::at(question.path) {
        Ok((mount_id, place)) if mount_id == question.mount_id => place,
        Ok(_) => return Outcome::Covered,
        Err(errno) => return Outcome::Refused(errno as i32),
    };
    helper::blocks(place.as_fd()).map_or_else(|errno| Outcome::Refused(errno as i32), Outcome::Full)
}
