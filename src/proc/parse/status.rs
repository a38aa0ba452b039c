//! `/proc/PID/status`: one `Key:\tvalue` line each (proc_pid_status(5), `proc_pid_status` in fs/proc/array.c).
//!
//! The first line holds the name that the process chose. The kernel escapes newlines in it; here nothing depends on
//! that: whatever stands before the last `State:` line can be part of a name, and nothing after it can, because from
//! there on the kernel prints numbers and fixed words only.
#![forbid(unsafe_code)]

use super::bytes::{decimal, hexadecimal, octal};
use super::status_field::{Form, Line};

pub use super::status_field::StatusField;

/// The file, cut into lines once; fields are then looked up without searching.
#[derive(Clone, Copy, Debug)]
pub struct Status<'a> {
    values: [Option<&'a [u8]>; Line::COUNT],
}

impl<'a> Status<'a> {
    /// Looks at every line. With `complete` false the file was longer than what was read of it: its last line, if it
    /// has no newline, is a part of one and does not count.
    #[must_use]
    pub fn new(bytes: &'a [u8], complete: bool) -> Self {
        let mut status = Self { values: [None; Line::COUNT] };
        let mut past_name = false;
        let mut before: &[u8] = b"";
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let Some(line) = line.strip_suffix(b"\n").or(complete.then_some(line)) else { break };
            if line.starts_with(b"State:") {
                status = Self { values: [None; Line::COUNT] };
                past_name = true;
                // The one line between the name and the state; kernels before 4.7, and zombies, do without.
                if before.starts_with(b"Umask:") {
                    status.keep(before);
                }
            } else if past_name {
                status.keep(line);
            }
            before = line;
        }
        status
    }

    /// The value of a field; memory in bytes, capabilities as a bit set. `None` if the file does not have the line (a
    /// kernel thread and a zombie have no memory; older kernels have fewer lines) or if it was cut off.
    #[must_use]
    pub fn number(&self, field: StatusField) -> Option<u64> {
        let (line, form) = field.place();
        let value = self.value(line)?;
        match form {
            Form::Decimal => decimal(value),
            Form::Octal => octal(value),
            Form::Hexadecimal => hexadecimal(value),
            Form::Kilobytes => decimal(value.strip_suffix(b" kB")?)?.checked_mul(1024),
            Form::Id(nth) => decimal(value.split(|&byte| byte == b'\t').nth(nth)?),
        }
    }

    /// Whether the file has the line of groups; reading them all may take long.
    #[must_use]
    pub fn has_groups(&self) -> bool {
        self.value(Line::Groups).is_some()
    }

    /// The supplementary groups, in the order of the file; `None` under the conditions of [`Self::number`].
    #[must_use]
    pub fn groups(&self) -> Option<impl Iterator<Item = u32> + Clone + use<'a>> {
        let value = self.value(Line::Groups)?;
        let groups = value.split(|&byte| byte == b' ').filter(|group| !group.is_empty());
        let group = |digits| u32::try_from(decimal(digits)?).ok();
        groups.clone().all(|digits| group(digits).is_some()).then(|| groups.filter_map(group))
    }

    fn keep(&mut self, line: &'a [u8]) {
        let colon = line.iter().position(|&byte| byte == b':');
        let Some((key, value)) = colon.and_then(|at| line.split_at_checked(at)) else { return };
        if let Some(slot) = Line::of(key).and_then(|line| self.values.get_mut(line as usize)) {
            slot.get_or_insert(value);
        }
    }

    /// What follows the colon, without the tab and the padding around it.
    fn value(&self, line: Line) -> Option<&'a [u8]> {
        let value = self.values.get(line as usize).copied().flatten()?;
        Some(value.strip_prefix(b":")?.trim_ascii())
    }
}

#[cfg(test)]
mod tests;
