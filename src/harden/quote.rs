//! Paths in text that a person may paste into a shell.
#![forbid(unsafe_code)]

/// The path as one word of a POSIX shell. What is not printable is shown by its byte, in the `$'...'` form.
#[must_use]
pub fn shell(path: &[u8]) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/._-+:@%,".contains(b);
    if !path.is_empty() && path.iter().all(plain) {
        return path.iter().map(|b| char::from(*b)).collect();
    }
    if path.iter().all(|b| (b' '..=b'~').contains(b)) {
        let quoted: String = path
            .iter()
            .map(|b| if *b == b'\'' { "'\\''".to_owned() } else { char::from(*b).to_string() })
            .collect();
        return format!("'{quoted}'");
    }
    let escaped: String = path
        .iter()
        .map(|b| match b {
            b'\'' | b'\\' => format!("\\{}", char::from(*b)),
            b' '..=b'~' => char::from(*b).to_string(),
            other => format!("\\x{other:02x}"),
        })
        .collect();
    format!("$'{escaped}'")
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
        assert_eq!(shell(b"/\x1b[2J\n\xff"), r"$'/\x1b[2J\x0a\xff'");
        assert_eq!(shell(b""), "''");
    }
}
