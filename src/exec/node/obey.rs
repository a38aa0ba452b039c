//! What messages ask, done: pings, monitors and links, sessions that begin, speak and end.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;

use super::actor::{self, Asked, Caller};
use super::direct::{Names, Waiting};
use super::glass;
use super::identity::{Mark, Process};
use super::serve::{Node, Whose};
use super::sessions::Peer;
use crate::dist::control::{Control, Message, Target, answer};
use crate::dist::etf::Pid;
use crate::op::Role;

/// The number of `net_kernel`.
const NET_KERNEL: u32 = 1;

/// The number of `portcullis`.
pub const PORTCULLIS: u32 = 2;

impl Node {
    /// Does what a message asks that came through.
    pub fn obey(&mut self, id: u64, message: &Message<'_>) {
        match message.control {
            Control::Monitor { from, to, reference } => {
                let there = match to {
                    Target::Name(name) => name == "net_kernel" || name == "portcullis",
                    Target::Pid(pid) if self.stays(&pid) => true,
                    Target::Pid(pid) => {
                        self.sessions.watch(id, &pid, Process::of(&from), Some(Mark::of(&reference)))
                    }
                };
                if !there {
                    self.tell(id, &answer::monitor_exit(&to, &from, &reference, "noproc"));
                }
            }
            Control::Demonitor { to: Target::Pid(pid), reference, .. } => {
                self.sessions.unwatch(id, &pid, |_, mark| mark == Some(Mark::of(&reference)));
            }
            Control::Demonitor { to: Target::Name(_), from, reference } => {
                self.given_up(id, &reference, &from);
                self.forget_caller(id, &from);
            }
            Control::Link { from, to } => {
                let there = self.stays(&to) || self.sessions.watch(id, &to, Process::of(&from), None);
                if !there {
                    self.tell(id, &answer::exit(&to, &from, "noproc"));
                }
            }
            Control::Unlink { id: unlink, from, to } => {
                self.sessions.unwatch(id, &to, |who, mark| mark.is_none() && *who == Process::of(&from));
                if let Some(unlink) = unlink {
                    self.tell(id, &answer::unlink_ack(unlink, &to, &from));
                }
            }
            Control::MonitorExit { to, reference, .. } if self.stays(&to) => {
                self.subscriber_ended(id, &reference);
            }
            Control::MonitorExit { to, .. } => {
                let farewell = self.sessions.close(id, &to);
                self.bid_farewell(farewell);
            }
            // Nothing runs here, whatever the rules accept: who asks is told, as drop must never mean silence.
            Control::SpawnRequest { request, from, .. } => {
                self.tell(id, &answer::spawn_failed(&request, &from, "notsup"));
            }
            Control::RegSend { .. } | Control::Send { .. } => {
                let asked = actor::asked(message, &self.sessions.pid(PORTCULLIS));
                let cast = matches!(asked, Some(Asked::Cast(_)));
                if let Some(asked) = asked {
                    self.answer(id, asked);
                }
                // Who calls says in the end that it waits no longer; who casts says nothing more.
                if let (true, Control::RegSend { from, .. }) = (cast, message.control) {
                    self.forget_caller(id, &from);
                }
            }
            _ => {}
        }
    }

    /// Whether it is one of the processes that are always there.
    fn stays(&self, pid: &Pid<'_>) -> bool {
        [NET_KERNEL, PORTCULLIS].iter().any(|id| self.sessions.pid(*id) == *pid)
    }

    fn answer(&mut self, id: u64, asked: Asked<'_>) {
        let own = self.sessions.pid(PORTCULLIS);
        let (caller, reply) = match asked {
            Asked::Ping(caller) => {
                let own = self.sessions.pid(NET_KERNEL);
                (caller, actor::reply(&own, &caller, |w| actor::word("yes", w)))
            }
            Asked::Info(caller) => {
                let (calls, subscriptions) = self.direct.all();
                let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
                let counts = [
                    ("peers", count(self.connections.len())),
                    ("sessions", count(self.sessions.len())),
                    ("calls", count(calls)),
                    ("subscriptions", count(subscriptions)),
                    ("ignored", self.direct.ignored),
                ];
                let glass = self.glass.as_deref();
                (caller, actor::reply(&own, &caller, |w| actor::info(&own, &counts, glass, w)))
            }
            Asked::Glass(caller, ticket) => {
                let asked = match ticket {
                    Ok(ticket) => self.break_glass(id, &caller, ticket).map_err(|why| ("overloaded", why)),
                    Err(()) => Err(("bad_request", glass::USAGE.to_owned())),
                };
                let Err((word, why)) = asked else { return };
                let own = self.sessions.pid(PORTCULLIS);
                (caller, actor::reply(&own, &caller, |w| actor::failed(word, &why, w)))
            }
            Asked::Control(caller, request) => {
                let Some(asker) = self.peer(id).map(|peer| peer.name) else { return };
                let glass = self.glass.is_some();
                let Self { control, policy, .. } = self;
                (caller, actor::reply(&own, &caller, |w| control.answer(policy, &asker, request, glass, w)))
            }
            Asked::Direct(caller, wish) => return self.call(id, &caller, wish),
            Asked::Cast(wish) => return self.cast(id, wish),
            Asked::Unknown(caller) => {
                let text = "calls are info, {Op, Args}, {Op, Args, Options}, {unsubscribe, Handle}, {open, proc | net}, {dist, Verb, ...} \
                            and {break_glass, Code, Reason, Seconds}";
                (caller, actor::reply(&own, &caller, |w| actor::failed("bad_request", text, w)))
            }
            Asked::Misled(caller, session) if self.sessions.has(id, &session) => {
                let text = "a session takes {Owner, {command, Frame}} and {Owner, close}, as ports do: calls are for the name portcullis";
                (caller, actor::reply(&session, &caller, |w| actor::failed("bad_request", text, w)))
            }
            // Who calls what is not there hears it of its monitor.
            Asked::Misled(..) => return,
            Asked::Open(caller, role) => match self.open(id, &caller, role) {
                Ok(()) => return,
                Err(why) => {
                    let own = self.sessions.pid(PORTCULLIS);
                    (caller, actor::reply(&own, &caller, |w| actor::failed("overloaded", &why, w)))
                }
            },
            Asked::Frame(session, frame) => {
                let farewell = self.sessions.send(id, &session, frame);
                return self.bid_farewell(farewell);
            }
            Asked::Close(session) => {
                let farewell = self.sessions.close(id, &session);
                return self.bid_farewell(farewell);
            }
        };
        if let (false, Some(mark)) = (self.tell(id, &reply), caller.mark) {
            // The rules let no answer out: who monitors what he calls hears of that, and waits no longer.
            let name = Target::Name("portcullis");
            self.tell(id, &answer::monitor_exit(&name, &caller.pid, &mark, answer::DENIED));
        }
        self.forget_tag(id, caller.mark.as_ref());
    }

    /// Asks the starter for a copy, for a session.
    fn open(&mut self, id: u64, caller: &Caller<'_>, role: Role) -> Result<(), String> {
        self.start(id, Whose::Caller(Waiting::of(caller)), role)
    }

    /// A session was opened, or was not.
    pub fn opened(&mut self, peer: Peer, who: &Waiting, result: Result<OwnedFd, String>) {
        let Peer { id, name } = peer.clone();
        let opened = result.and_then(|socket| {
            self.sessions.open(peer, Some(who.pid), socket).map_err(|e| e.desc().to_owned())
        });
        let names = Names { own: self.sessions.pid(PORTCULLIS), peer: &name };
        let reply = who.told(&names, |w| match &opened {
            Ok(session) => actor::opened(&self.sessions.pid(*session), w),
            Err(why) => actor::failed("start", why, w),
        });
        self.tell(id, &reply);
        if let Ok(session) = opened {
            // Nobody speaks with a session whose owner has ended.
            let mark = self.sessions.mark(session);
            let owner = Target::Pid(who.pid.on(&name));
            let watch = answer::monitor(&self.sessions.pid(session), &owner, &mark);
            self.tell(id, &watch);
        }
    }
}
