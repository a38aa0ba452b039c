//! The broken glass as the starter knows it: from the file that root writes, or by a one-time code. It is over at its time by the clock of
//! this process, whatever the node does.
#![forbid(unsafe_code)]

use std::time::Instant;

use super::starter::{Source, note};
use super::words::Ticket;
use crate::audit::record::{Decision, Event};
use crate::dist::glass::{Glass, Void, path_of};
use crate::dist::handshake::name::NodeName;
use crate::dist::totp::{Codes, Key};
use crate::limits::CODE_RECORDS_PER_S;
use crate::policy::file;
use crate::quote::toml_text;
use crate::rate::Bucket;
use crate::sys::clock;

/// A glass that was broken, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Broken {
    opened_ms: u64,
    /// In milliseconds since the host started.
    until: u64,
    reason: String,
    /// `uid:0`, `login:1000`, `code:app@host`: nothing in it that a log would act on.
    who: String,
}

/// What is known of it.
pub(super) struct Elevation {
    key: Option<(Key, u32)>,
    codes: Codes,
    /// Wrong codes that are told: a node that tries them without end fills no log.
    refusals: Bucket,
    /// By a code: until when it was asked for, and the rest.
    by_code: Option<(u64, Broken)>,
    /// What the node was told.
    told: Option<Broken>,
    /// What was said to be wrong with the file, so that it is said once.
    wrong: Option<String>,
}

impl Elevation {
    pub fn new(unix_s: u64) -> Self {
        let (codes, refusals) = (Codes::new(unix_s), Bucket::new(CODE_RECORDS_PER_S));
        Self { key: None, codes, refusals, by_code: None, told: None, wrong: None }
    }

    pub fn is_broken(&self) -> bool {
        self.told.is_some()
    }

    /// Reads the key that the configuration names. One that cannot be read is none.
    pub fn load_key(&mut self, source: &Source) -> Result<(), String> {
        self.key = None;
        if let Some((path, digits)) = &source.config.policy.code {
            self.key = Some(((source.key)(path)?, *digits));
        }
        Ok(())
    }

    /// A code of a peer's: for how many seconds the glass is broken, or why it is not.
    pub fn open(&mut self, source: &mut Source, ticket: &Ticket<'_>, peer: &NodeName) -> Result<u32, String> {
        let Ticket { code, reason, seconds } = *ticket;
        let max_s = source.config.policy.break_glass_s;
        let Some((key, digits)) = self.key.as_ref().filter(|_| max_s > 0) else {
            return Err("this node takes no codes: its file names no break_glass.code_file".to_owned());
        };
        // Before the code is looked at: it is good once, and a slip costs none.
        if u64::from(seconds) > max_s {
            return Err(format!("the glass can be broken for {max_s} seconds at most"));
        }
        let (unix_s, now_ms) = (clock::unix_micros() / 1_000_000, clock::boot_millis());
        if let Err(why) = self.codes.take(key, code, *digits, unix_s, now_ms) {
            if !self.refusals.take(Instant::now()) {
                return Err(why.to_string());
            }
            (source.report)(&format!("{peer}: the glass stays whole: {why}"));
            let target = reason.as_bytes().to_vec();
            let rule = format!("code,peer:{peer}");
            note(source, Event { op: "break_glass", target, decision: Decision::Denied, rule });
            return Err(why.to_string());
        }
        let who = format!("code,peer:{peer}");
        let broken = Broken { opened_ms: now_ms, until: 0, reason: reason.to_owned(), who };
        self.by_code = Some((u64::from(seconds) * 1000, broken));
        Ok(seconds)
    }

    /// Looks at the file and the clock. What the node is to be told, if it is something new: for how many milliseconds the glass is broken,
    /// and until when that is in Unix time; zeros: it is whole.
    pub fn look(&mut self, source: &mut Source) -> Option<(u64, u64)> {
        let now = clock::boot_millis();
        let broken = self.broken(source, now);
        if broken == self.told {
            return None;
        }
        if let Some(Broken { until, reason, who, .. }) = self.told.take() {
            let how = if until <= now { "its time is over" } else { "it was closed, or broken anew" };
            (source.report)(&format!("the glass is whole again: {how}"));
            let rule = format!("{who},{}", if until <= now { "time" } else { "closed" });
            note(
                source,
                Event { op: "glass_whole", target: reason.into_bytes(), decision: Decision::Loaded, rule },
            );
        }
        let Some(now_broken) = &broken else { return Some((0, 0)) };
        let Broken { until, reason, who, .. } = now_broken;
        let left = until.saturating_sub(now);
        let until_unix = (clock::unix_micros() / 1_000_000).saturating_add(left / 1000);
        let seconds = left.div_ceil(1000);
        (source.report)(&format!(
            "THE GLASS IS BROKEN for {seconds} seconds, by {who}: {}",
            toml_text(reason.as_bytes())
        ));
        let rule = format!("{who},seconds:{seconds},until:{until_unix}");
        let target = reason.clone().into_bytes();
        note(source, Event { op: "break_glass", target, decision: Decision::Granted, rule });
        self.told = broken;
        Some((left, until_unix))
    }

    /// Which glass is broken now: that of the file, or that of a code, whichever holds longer.
    fn broken(&mut self, source: &Source, now: u64) -> Option<Broken> {
        let max_s = source.config.policy.break_glass_s;
        let file = if max_s > 0 { of_file(source) } else { Ok(None) };
        let mut wrong = file.as_ref().err().cloned();
        let file = file.ok().flatten();
        // A file of 0 seconds closes what was broken before it was written.
        let boot = clock::boot_id().unwrap_or_default();
        let closes = |glass: &&Glass| glass.seconds == 0 && glass.boot == boot;
        let closed = file.as_ref().filter(closes).map(|glass| glass.opened_ms);
        let by_code = self.by_code.take().filter(|(ms, broken)| {
            now < ends(*ms, broken, max_s) && closed.is_none_or(|at| at < broken.opened_ms)
        });
        self.by_code.clone_from(&by_code);
        let by_code = by_code.map(|(ms, broken)| Broken { until: ends(ms, &broken, max_s), ..broken });
        let by_file = file.and_then(|glass| match glass.until(&boot, now, max_s) {
            Ok(until) => {
                let login = glass.login.map(|login| format!(",login:{login}")).unwrap_or_default();
                let who = format!("uid:{}{login}", glass.uid);
                Some(Broken { opened_ms: glass.opened_ms, until, reason: glass.reason, who })
            }
            Err(Void::Future) => {
                wrong = Some("it is of a time that is still to come, so that nothing is broken".to_owned());
                None
            }
            Err(Void::Over | Void::OtherBoot) => None,
        });
        if let Some(why) = wrong.as_ref().filter(|why| self.wrong.as_ref() != Some(*why)) {
            (source.report)(&format!("the file of the broken glass, {}: {why}", path_of(&source.path)));
        }
        self.wrong = wrong;
        by_file.into_iter().chain(by_code).max_by_key(|broken| broken.until)
    }
}

/// When a glass ends that a code has broken for so many milliseconds.
fn ends(ms: u64, broken: &Broken, max_s: u64) -> u64 {
    broken.opened_ms.saturating_add(ms.min(max_s.saturating_mul(1000)))
}

/// What the file says, if it is there.
fn of_file(source: &Source) -> Result<Option<Glass>, String> {
    let read =
        file::read(&path_of(&source.path)).map_err(|(why, fix)| format!("{why}\n  to mend it: {fix}"))?;
    let parsed = read.map(|text| Glass::parse(&text)).transpose();
    parsed.map_err(|mistakes| {
        let first = mistakes.first().map(|m| format!("line {}, column {}: {}", m.line, m.column, m.message));
        first.unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use super::*;
    use crate::dist::config;

    fn source(max_s: u64) -> Source {
        let text = format!(
            "version = 1\n[node]\nname = \"a@h\"\ncookie_file = \"/c\"\nlisten = [\"127.0.0.1:1\"]\n[allow]\nnodes = [\"b@h\"]\n\
             [break_glass]\nmax_s = {max_s}\ncode_file = \"/key\"\n"
        );
        let (hangups, _): (OwnedFd, OwnedFd) = crate::sys::handover::stream().unwrap();
        Source {
            path: "/etc/portcullis-that-is-not-there/node.toml".into(),
            config: config::parse(text.as_bytes()).unwrap(),
            read: |_| Err("nothing".into()),
            key: |_| Ok(Key::new(b"12345678901234567890").unwrap()),
            check: String::new(),
            registered: None,
            beside: None,
            hangups,
            log: None,
            report: |_| {},
        }
    }

    fn ticket(code: &str, seconds: u32) -> Ticket<'_> {
        Ticket::new(code.as_bytes(), b"why", seconds).unwrap()
    }

    /// The code of now, as an authenticator shows it.
    fn code() -> String {
        let key = Key::new(b"12345678901234567890").unwrap();
        key.code(clock::unix_micros() / 1_000_000 / 30, 6).unwrap()
    }

    #[test]
    fn a_right_code_breaks_the_glass_once_and_for_its_time() {
        let (mut source, peer) = (source(60), NodeName::parse(b"b@h").unwrap());
        let mut glass = Elevation::new(0);
        glass.load_key(&source).unwrap();
        let code = code();
        // A slip in the time costs no code.
        assert!(glass.open(&mut source, &ticket(&code, 61), &peer).unwrap_err().contains("60 seconds"));
        assert_eq!(glass.look(&mut source), None);
        assert_eq!(glass.open(&mut source, &ticket(&code, 2), &peer), Ok(2));
        let (left, until) = glass.look(&mut source).unwrap();
        assert!((1..=2000).contains(&left) && until > 1_763_000_000, "{left} {until}");
        assert_eq!((glass.look(&mut source), glass.is_broken()), (None, true));
        assert!(glass.open(&mut source, &ticket(&code, 2), &peer).unwrap_err().contains("was used"));
        std::thread::sleep(Duration::from_millis(2010));
        assert_eq!((glass.look(&mut source), glass.is_broken()), (Some((0, 0)), false));
    }

    #[test]
    fn a_code_opens_nothing_after_a_start_nor_without_a_key_or_a_time() {
        let peer = NodeName::parse(b"b@h").unwrap();
        let mut just = Elevation::new(clock::unix_micros() / 1_000_000);
        let mut with = source(60);
        assert!(just.open(&mut with, &ticket(&code(), 2), &peer).unwrap_err().contains("takes no codes"));
        just.load_key(&with).unwrap();
        assert!(
            just.open(&mut with, &ticket(&code(), 2), &peer).unwrap_err().contains("this start of the node")
        );
        with.config.policy.break_glass_s = 0;
        assert!(just.open(&mut with, &ticket(&code(), 2), &peer).unwrap_err().contains("takes no codes"));
        with.config.policy.code = None;
        just.load_key(&with).unwrap();
        with.config.policy.break_glass_s = 60;
        assert!(just.open(&mut with, &ticket(&code(), 2), &peer).unwrap_err().contains("takes no codes"));
    }
}
