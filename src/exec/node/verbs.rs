//! The verbs of `portcullis_dist`, done: filters that are set and asked about, counters that are read. A node of `[control]` may for every
//! node, every other for itself. Filters only ever take away (`dist::filter::runtime`).
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Instant;

use super::control::Control;
use super::denials::shown;
use crate::dist::command::{Command, Direction};
use crate::dist::etf::write::atom;
use crate::dist::filter::Verdict;
use crate::dist::filter::counters::Counters;
use crate::dist::filter::policy::Policy;
use crate::dist::filter::runtime::{Change, Refused, Runtime};
use crate::dist::question::{Question, ask_with};
use crate::dist::reason::Reason;
use crate::dist::verb::{self, Verb, Whose};
use crate::limits::NODE_CHANGES_PER_S;
use crate::wire::write::Writer;

/// Why a verb is not done: a word, and what to do.
type Refusal = (&'static str, String);

impl Control {
    /// Does what `asker` asks, and writes the answer. `glass`: the glass is broken.
    pub fn answer(&mut self, policy: &Policy, asker: &Arc<str>, request: &[u8], glass: bool, w: &mut Writer) {
        let done = verb::read(request)
            .map_err(|wrong| ("bad_request", wrong.to_owned()))
            .and_then(|verb| self.act(policy, asker, verb, glass, w));
        if let Err((why, text)) = done {
            verb::error(w, why, &text);
        }
    }

    fn act(
        &mut self,
        policy: &Policy,
        asker: &Arc<str>,
        verb: Verb,
        glass: bool,
        w: &mut Writer,
    ) -> Result<(), Refusal> {
        match verb {
            Verb::Change(whose, direction, change) => {
                let before = self.change(policy, asker, &whose, direction, &change)?;
                verb::ok(w, |w| verb::filter(w, before));
            }
            Verb::SetHandler(peer, command, name) => {
                let before = self.set_handler(policy, asker, peer.as_str(), command, name.as_deref())?;
                verb::ok(w, |w| atom(w, before.as_deref().unwrap_or("undefined")));
            }
            Verb::Test(node, direction, command, subject) => {
                may(policy, asker, &Whose::One(node.clone()))?;
                let question = Question { node, direction, command, subject, glass };
                let verdict = self.test(policy, &question);
                verb::ok(w, |w| verb::tested(w, &verdict));
            }
            Verb::Filters(whose) => {
                may(policy, asker, &whose)?;
                let mut nobody = Runtime::default();
                nobody.share(&self.shared);
                let record = match &whose {
                    Whose::One(peer) => self.records.get(peer.as_str()),
                    Whose::Everyone => None,
                };
                let runtime = record.map_or(&nobody, |record| &record.runtime);
                verb::ok(w, |w| verb::filters(w, &runtime.filters()));
            }
            Verb::Statistics(whose) => {
                may(policy, asker, &whose)?;
                verb::ok(w, |w| verb::statistics(w, &self.statistics(&whose)));
            }
            Verb::Counters(peer) => {
                may(policy, asker, &Whose::One(peer.clone()))?;
                let none = [Counters::default(), Counters::default()];
                let [inward, outward] =
                    self.records.get(peer.as_str()).map_or(&none, |record| &record.counters);
                verb::ok(w, |w| verb::counters(w, [inward, outward]));
            }
        }
        Ok(())
    }

    /// What becomes of a message, as the gate would have it.
    fn test<'a>(&'a self, policy: &'a Policy, question: &Question) -> Verdict<'a> {
        let Some(record) = self.records.get(question.node.as_str()) else {
            let mut runtime = Runtime::default();
            runtime.share(&self.shared);
            return self.handled(ask_with(policy, &runtime, question).verdict, None);
        };
        let handler =
            record.runtime.handler(question.command).filter(|_| question.direction == Direction::In);
        self.handled(ask_with(policy, &record.runtime, question).verdict, handler)
    }

    /// A handler is somebody behind this node, or nobody.
    fn handled<'a>(&self, verdict: Verdict<'a>, handler: Option<&'a str>) -> Verdict<'a> {
        match verdict {
            Verdict::Handler(_) if !self.protected => Verdict::Deny(Reason::NoHandler),
            Verdict::Accept => handler.map_or(Verdict::Accept, Verdict::Handler),
            other => other,
        }
    }

    /// What came from a node, or from all.
    fn statistics(&self, whose: &Whose) -> Counters {
        let mut all = Counters::default();
        for (name, record) in &self.records {
            let [inward, _] = &record.counters;
            match whose {
                Whose::One(one) if one.as_str() != &**name => {}
                _ => all.add(inward),
            }
        }
        all
    }

    fn change(
        &mut self,
        policy: &Policy,
        asker: &Arc<str>,
        whose: &Whose,
        direction: Direction,
        change: &Change,
    ) -> Result<bool, Refusal> {
        may(policy, asker, whose)?;
        if !self.ledger(policy, asker).record.changes.take(Instant::now()) {
            let text = format!("a node may ask for {NODE_CHANGES_PER_S} changes a second; ask again");
            return Err(("overloaded", text));
        }
        let before = match whose {
            Whose::One(peer) => {
                let ledger = self.ledger(policy, &peer.as_str().into());
                ledger.record.runtime.change(direction, change).map_err(refused)?
            }
            Whose::Everyone => {
                let before = self.everyone.change(direction, change).map_err(refused)?;
                self.shared = self.everyone.shared();
                let Self { records, shared, .. } = self;
                records.values_mut().for_each(|record| record.runtime.share(shared));
                before
            }
        };
        self.tell(policy, asker, changed(asker, whose, direction, change));
        Ok(before)
    }

    /// Says what was changed: all of it of a node that may for all. Of others so many lines that nobody hides another by them: fifty a second of
    /// each of ten are more than a journal keeps of a service.
    fn tell(&mut self, policy: &Policy, asker: &Arc<str>, text: String) {
        let line = if policy.control.contains(&**asker) {
            Some(text)
        } else {
            self.ledger(policy, asker).record.lines.line(text, Instant::now())
        };
        line.into_iter().for_each(|line| (self.report)(&line));
    }

    /// A handler decides who gets a message: a peer that set its own would choose that himself.
    fn set_handler(
        &mut self,
        policy: &Policy,
        asker: &str,
        peer: &str,
        command: Command,
        name: Option<&str>,
    ) -> Result<Option<String>, Refusal> {
        if !policy.control.contains(asker) {
            return Err(not_permitted("a handler is set by a node of [control] only"));
        }
        known(policy, peer)?;
        if !self.protected {
            let text = "a handler is a process of the node behind a gateway, and nobody is behind this node";
            return Err(("no_protected_node", text.to_owned()));
        }
        self.ledger(policy, &peer.into()).record.runtime.set_handler(command, name).map_err(refused)
    }
}

/// Every node for itself, those of `[control]` for all.
fn may(policy: &Policy, asker: &str, whose: &Whose) -> Result<(), Refusal> {
    let own = matches!(whose, Whose::One(peer) if peer.as_str() == asker);
    if !own && !policy.control.contains(asker) {
        return Err(not_permitted(
            "a node asks about itself; one that control.nodes of the file names, about all",
        ));
    }
    match whose {
        Whose::One(peer) => known(policy, peer.as_str()),
        Whose::Everyone => Ok(()),
    }
}

fn known(policy: &Policy, peer: &str) -> Result<(), Refusal> {
    if policy.allow.contains(peer) {
        return Ok(());
    }
    Err(("unknown_node", format!("{peer} is not in allow.nodes of the file, so that it can never connect")))
}

fn not_permitted(text: &str) -> Refusal {
    ("not_permitted", text.to_owned())
}

fn refused(why: Refused) -> Refusal {
    let text = match why {
        Refused::Loosens => {
            "it would accept what is denied now; a restart of the node gives it back, and the broken glass passes it over. To accept one target and deny \
             the others, accept it first"
        }
        Refused::NoSuchSubject => "this command has no filters about single targets, or not about such",
        Refused::TooMany => "there are as many filters of this node as there can be",
        Refused::NoHandler => {
            "a handler gets alias_send, group_leader, reg_send, send and spawn_request, and nothing else"
        }
    };
    (why.name(), text.to_owned())
}

/// `ops@host: add_filter of app@host, in, reg_send secret: deny`.
fn changed(asker: &str, whose: &Whose, direction: Direction, change: &Change) -> String {
    let whose = match whose {
        Whose::One(peer) => peer.as_str(),
        Whose::Everyone => "all nodes",
    };
    let word = |accept: bool| if accept { "accept" } else { "deny" };
    let what = match change {
        Change::Default(accept) => {
            format!("set_filter of {whose}, {}, all: {}", direction.name(), word(*accept))
        }
        Change::Command(command, accept) => {
            format!("set_filter of {whose}, {}, {}: {}", direction.name(), command.name(), word(*accept))
        }
        Change::Add(command, subject, accept) => {
            let (way, name) = (direction.name(), command.name());
            format!("add_filter of {whose}, {way}, {name} {}: {}", shown(&subject.to_string()), word(*accept))
        }
        Change::Delete(command, subject) => {
            let (way, name) = (direction.name(), command.name());
            format!("del_filter of {whose}, {way}, {name} {}", shown(&subject.to_string()))
        }
    };
    format!("{asker}: {what}")
}
