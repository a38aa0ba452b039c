//! Bytes in text that a person may paste: into a shell, or into a policy.
#![forbid(unsafe_code)]

/// Text of others inside an error: what would move a cursor or end a line is escaped, and what is not UTF-8 is shown as such.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for c in String::from_utf8_lossy(bytes).chars() {
        if c.is_control() || is_format(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// The path as one word of a POSIX shell. Control characters, and bytes that are no UTF-8, are written by printf(1), so
/// that they act neither on the terminal nor on the shell.
#[must_use]
pub fn shell(path: &[u8]) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/._-+:@%,".contains(b);
    match std::str::from_utf8(path) {
        Ok(text) if !path.is_empty() && path.iter().all(plain) => text.to_owned(),
        Ok(text) if !text.chars().any(|c| c.is_control() || is_format(c)) => {
            format!("'{}'", text.replace('\'', "'\\''"))
        }
        _ => printed(path),
    }
}

/// `"$(printf '...')"`. A substitution loses the newlines at its end: those follow as they are.
fn printed(path: &[u8]) -> String {
    let end = path.iter().rposition(|b| *b != b'\n').map_or(0, |last| last + 1);
    let (text, newlines) = path.split_at_checked(end).unwrap_or((path, b""));
    let escaped: String = text
        .iter()
        .map(|b| match b {
            b'%' => "%%".to_owned(),
            b' '..=b'~' if !b"'\\".contains(b) => char::from(*b).to_string(),
            other => format!("\\{other:03o}"),
        })
        .collect();
    let tail = if newlines.is_empty() { String::new() } else { format!("'{}'", "\n".repeat(newlines.len())) };
    format!("\"$(printf '{escaped}')\"{tail}")
}

/// The bytes as a string of TOML. What is no UTF-8 cannot be written in TOML and stands there as U+FFFD.
#[must_use]
pub fn toml_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push('"');
    for c in String::from_utf8_lossy(bytes).chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            // Marks that turn the direction of a line around would show a person something else than it is.
            c if u32::from(c) > 0xffff && is_format(c) => text.push_str(&format!("\\U{:08X}", u32::from(c))),
            c if c.is_control() || is_format(c) => text.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

fn is_format(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::{printable, shell, toml_text};

    #[test]
    fn a_text_of_toml_is_one_string_whatever_is_in_it() {
        assert_eq!(toml_text(b"/var/log"), r#""/var/log""#);
        assert_eq!(toml_text(b"a\"]\nlevel = \"full\\"), r#""a\"]\u000Alevel = \"full\\""#);
        assert_eq!(toml_text("\u{202e}\u{7f}\u{e0041}".as_bytes()), r#""\u202E\u007F\U000E0041""#);
        assert_eq!(toml_text(b"\xff"), "\"\u{fffd}\"");
    }

    #[test]
    fn ordinary_paths_stay_as_they_are() {
        assert_eq!(shell(b"/usr/libexec/portcullis-proc"), "/usr/libexec/portcullis-proc");
    }

    #[test]
    fn what_a_shell_or_a_terminal_would_act_on_is_quoted() {
        assert_eq!(shell(b"/a b"), "'/a b'");
        assert_eq!(shell(b"/a'b"), r"'/a'\''b'");
        assert_eq!(shell("/caf\u{e9}".as_bytes()), "'/caf\u{e9}'");
        assert_eq!(shell(b"/\x1b[2J\n\xff%"), r#""$(printf '/\033[2J\012\377%%')""#);
        assert_eq!(shell(b""), "''");
        // What turns a line around is no control character.
        assert_eq!(shell("/\u{202e}x".as_bytes()), r#""$(printf '/\342\200\256x')""#);
        assert_eq!(printable("a\u{2066}b".as_bytes()), r"a\u{2066}b");
    }
}
