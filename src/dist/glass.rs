//! The broken glass: the file by which root breaks it, and until when it holds. Pure: who reads the file has checked whose it is, and
//! brings the clock, which is the host's time since it started (`CLOCK_BOOTTIME`): it goes on while the host sleeps, and nobody sets it.
#![forbid(unsafe_code)]

use toml::de::DeTable;

use crate::limits::{GLASS_FILE_MAX, GLASS_MAX_S, GLASS_REASON_MAX};
use crate::quote::toml_text;
use crate::settings::{self, Mistake, Reader, Value, quoted};

/// The version of the format.
const VERSION: u64 = 1;

/// What stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glass {
    /// Why.
    pub reason: String,
    /// The user who did it: 0, as the file is root's.
    pub uid: u32,
    /// Who had logged in before he became that (`/proc/self/loginuid`), where the host knows.
    pub login: Option<u32>,
    /// For how long, in seconds; 0: what was broken before is whole again.
    pub seconds: u64,
    /// Which start of the host.
    pub boot: String,
    /// When, in milliseconds since that.
    pub opened_ms: u64,
    /// The same for people, Unix time in seconds.
    pub opened_unix: u64,
}

/// Why a file breaks nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Void {
    /// Its time is over.
    Over,
    /// The host was started anew since then.
    OtherBoot,
    /// It was written at a time that is still to come: it would hold longer than it says.
    Future,
}

/// Whether it can be a reason: one line of text.
#[must_use]
pub fn is_reason(text: &str) -> bool {
    let count = text.chars().take(GLASS_REASON_MAX + 1).count();
    (1..=GLASS_REASON_MAX).contains(&count) && !text.chars().any(char::is_control) && !text.trim().is_empty()
}

impl Glass {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, Vec<Mistake>> {
        if text.len() > GLASS_FILE_MAX {
            let message = format!("it is longer than {GLASS_FILE_MAX} bytes");
            return Err(vec![Mistake { line: 1, column: 1, message }]);
        }
        settings::read(text, |reader, document| reader.glass(document))
    }

    /// The text of its file.
    #[must_use]
    pub fn write(&self) -> String {
        let Self { reason, uid, login, seconds, boot, opened_ms, opened_unix } = self;
        let login = login.map(|login| format!("login = {login}\n")).unwrap_or_default();
        format!(
            "# Made by portcullis dist break-glass.\nversion = {VERSION}\nreason = {}\nuid = {uid}\n{login}seconds = {seconds}\n\
             opened_unix = {opened_unix}\nopened_ms = {opened_ms}\nboot = {}\n",
            toml_text(reason.as_bytes()),
            toml_text(boot.as_bytes()),
        )
    }

    /// When it ends, in milliseconds since the host started.
    ///
    /// # Errors
    /// Why it does not hold now.
    pub fn until(&self, boot: &str, now_ms: u64, max_s: u64) -> Result<u64, Void> {
        if self.boot != boot {
            return Err(Void::OtherBoot);
        }
        if self.opened_ms > now_ms {
            return Err(Void::Future);
        }
        let until = self.opened_ms.saturating_add(self.seconds.min(max_s).saturating_mul(1000));
        if now_ms < until { Ok(until) } else { Err(Void::Over) }
    }
}

impl<'t> Reader<'t> {
    fn glass(&mut self, document: &DeTable<'t>) -> Option<Glass> {
        let known = ["version", "reason", "uid", "login", "seconds", "opened_unix", "opened_ms", "boot"];
        let [version, reason, uid, login, seconds, unix, ms, boot] = self.keys(document, "", known);
        let mut number = |value: Option<&Value<'t>>, name: &str, min, max| match value {
            Some(value) => self.integer(value, name, min, max),
            None => self.missing(&(0..0), "the file", name),
        };
        let ids = u64::from(u32::MAX);
        number(version, "version", VERSION, VERSION)?;
        let uid = number(uid, "uid", 0, ids)?;
        let login = login.map_or(Some(None), |login| number(Some(login), "login", 0, ids).map(Some))?;
        let seconds = number(seconds, "seconds", 0, GLASS_MAX_S)?;
        // Dates up to the year 9999, and as many milliseconds.
        let opened_unix = number(unix, "opened_unix", 0, 253_402_300_799)?;
        let opened_ms = number(ms, "opened_ms", 0, 253_402_300_799_000)?;
        let Some(reason) = reason else { return self.missing(&(0..0), "the file", "reason") };
        let text = self.string(reason, "reason")?;
        if !is_reason(text) {
            self.wrong(
                &reason.span(),
                format!("reason: {} is not one line of 1 to {GLASS_REASON_MAX} characters", quoted(text)),
            );
        }
        let Some(boot) = boot else { return self.missing(&(0..0), "the file", "boot") };
        let id = self.string(boot, "boot")?;
        if id.is_empty() || id.len() > 64 || !id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
            return self.expected(boot, "boot", "what /proc/sys/kernel/random/boot_id says");
        }
        let narrow = |n: u64| u32::try_from(n).ok();
        Some(Glass {
            reason: text.to_owned(),
            uid: narrow(uid)?,
            login: login.and_then(narrow),
            seconds,
            boot: id.to_owned(),
            opened_ms,
            opened_unix,
        })
    }
}

/// Where the file of the glass is: beside that of the node.
#[must_use]
pub fn path_of(config: &str) -> String {
    format!("{config}.break-glass")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glass() -> Glass {
        Glass {
            reason: "disk \"full\" on é".into(),
            uid: 0,
            login: Some(1000),
            seconds: 600,
            boot: "b-1".into(),
            opened_ms: 5000,
            opened_unix: 1_763_715_600,
        }
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        for glass in [glass(), Glass { login: None, seconds: 0, ..glass() }] {
            assert_eq!(Glass::parse(glass.write().as_bytes()).unwrap(), glass);
        }
        let text = glass().write();
        for (from, to, mistake) in [
            ("version = 1", "version = 2", "version must be 1"),
            ("seconds = 600", "seconds = 86401", "seconds must be a number from 0 to 86400"),
            ("seconds = 600", "", "the file needs seconds"),
            ("uid = 0", "uid = -1", "uid must be"),
            ("login", "logni", "did you mean login?"),
            ("disk", "disk\\n", "is not one line"),
            ("\"b-1\"", "\"b/1\"", "boot must be"),
        ] {
            let found = Glass::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(found.iter().any(|m| m.message.contains(mistake)), "{from} {to}: {found:?}");
        }
        assert!(Glass::parse(&[b'#'; GLASS_FILE_MAX + 1]).is_err());
    }

    #[test]
    fn it_ends_at_its_time_and_at_the_longest_time_whatever_it_says() {
        let until = |glass: &Glass, now, max| glass.until("b-1", now, max);
        assert_eq!(until(&glass(), 5000, 900), Ok(605_000));
        assert_eq!(until(&glass(), 604_999, 900), Ok(605_000));
        assert_eq!(until(&glass(), 605_000, 900), Err(Void::Over));
        assert_eq!(until(&glass(), 5000, 60), Ok(65_000));
        assert_eq!(until(&glass(), 65_000, 60), Err(Void::Over));
        assert_eq!(until(&glass(), 5000, 0), Err(Void::Over));
        assert_eq!(until(&Glass { seconds: 0, ..glass() }, 5000, 900), Err(Void::Over));
    }

    #[test]
    fn no_other_start_of_the_host_and_no_time_to_come_is_believed() {
        assert_eq!(glass().until("b-2", 5000, 900), Err(Void::OtherBoot));
        assert_eq!(glass().until("b-1", 4999, 900), Err(Void::Future));
        // The wall clock is for people: wherever it stands, the end is the same.
        let set_back = Glass { opened_unix: 0, ..glass() };
        assert_eq!(set_back.until("b-1", 5000, 900), glass().until("b-1", 5000, 900));
    }

    #[test]
    fn a_reason_is_one_line() {
        assert!(is_reason("x") && is_reason(&"é".repeat(GLASS_REASON_MAX)));
        for wrong in ["", "  ", "a\nb", "a\u{1b}[2J", &"x".repeat(GLASS_REASON_MAX + 1)] {
            assert!(!is_reason(wrong), "{wrong:?}");
        }
    }
}
