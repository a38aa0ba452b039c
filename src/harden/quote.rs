//! Paths in text that a person may paste into a shell.
#![forbid(unsafe_code)]

/// The path as one word of a POSIX shell. Control characters, and bytes that are no UTF-8, are written by printf(1), so
/// that they act neither on the terminal nor on the shell.
#[must_use]
pub fn shell(path: &[u8]) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/._-+:@%,".contains(b);
    match std::str::from_utf8(path) {
        Ok(text) if !path.is_empty() && path.iter().all(plain) => text.to_owned(),
        Ok(text) if !text.chars().any(char::is_control) => format!("'{}'", text.replace('\'', "'\\''")),
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

#[cfg(test)]
mod tests {
    use super::shell;

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
    }
}
