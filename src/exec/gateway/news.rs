//! What the process has news of that reads the file again: new rules, and the broken glass.
#![forbid(unsafe_code)]

use nix::errno::Errno;

use super::serve::{Gateway, Peer};
use crate::dist::config::{self, Config};
use crate::exec::node::desk::News;
use crate::exec::node::glass::{Glass, NOT_UNDERSTOOD};

impl Gateway {
    /// Does what it has to say.
    pub fn news(&mut self) -> Result<(), Errno> {
        while let Some(news) = self.starter.take()? {
            match news {
                News::Policy(text) => {
                    let parsed = config::parse(text);
                    self.reload(parsed);
                }
                News::Glass(left, until) => self.elevate(left, until),
                // Nothing is asked of it that these would answer.
                News::Copy(..) | News::Code(..) | News::Nothing => {}
            }
        }
        Ok(())
    }

    /// The file was read again: its rules hold from the next message on. Who is not allowed any more goes, and who waits for his connection
    /// too; the others notice nothing.
    fn reload(&mut self, parsed: Result<Config, Vec<config::Mistake>>) {
        let Ok(Config { policy, connections, .. }) = parsed else {
            return (self.report)(NOT_UNDERSTOOD);
        };
        self.policy = policy;
        self.bounds = connections;
        self.reports.keep(&self.policy.allow);
        self.control.limit(&self.policy);
        let mut unwelcome = Vec::new();
        for (id, peer) in &mut self.peers {
            let name = match peer {
                Peer::Pair(pair) => {
                    pair.relimit(&self.policy);
                    Some(&*pair.name)
                }
                // Who has not proved it is asked for his name when he has.
                Peer::Guest(guest) => guest.name().map(|name| name.as_str()),
            };
            if let Some(name) = name.filter(|name| !self.policy.allow.contains(*name)) {
                unwelcome.push((*id, name.to_owned()));
            }
        }
        for (id, name) in unwelcome {
            (self.report)(&format!("{name}: it is not allowed any more"));
            self.leave(id);
        }
        (self.report)("the file was read again");
    }

    /// The glass is broken for so many milliseconds, or whole again.
    fn elevate(&mut self, left: u64, until_unix: u64) {
        if let Some(glass) = self.glass.take() {
            (self.report)(&glass.farewell());
        }
        self.glass = Glass::broken(left, until_unix, &self.policy);
        for peer in self.peers.values_mut() {
            if let Peer::Pair(pair) = peer {
                pair.elevate(self.glass.as_ref());
            }
        }
    }
}
