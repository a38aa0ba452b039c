//! The word that was probably meant, where one was misspelt: in a file, on the command line, in a request.
#![forbid(unsafe_code)]

/// What is said behind a word that is not known: `; did you mean WORD?`, or nothing where none is near.
#[must_use]
pub fn hint(word: &[u8], known: &[&str]) -> String {
    let near = std::str::from_utf8(word).ok().and_then(|word| meant(word, known));
    near.map_or_else(String::new, |near| format!("; did you mean {near}?"))
}

/// The nearest of the known words, the first of those that are equally near; none of a word that is known, and wrong for another reason.
#[must_use]
pub fn meant<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    if known.contains(&word) {
        return None;
    }
    let letters: Vec<char> = word.chars().take(WORD_MAX).collect();
    (1..=2).find_map(|edits| known.iter().copied().find(|k| is_near(&letters, k, edits)))
}

/// Letters of a word that are looked at: more than a known one has, so that a long one is near none.
const WORD_MAX: usize = 64;

/// Two mistakes in a short word make another one.
const SHORT: usize = 5;

fn is_near(word: &[char], known: &str, edits: usize) -> bool {
    let known: Vec<char> = known.chars().collect();
    let allowed = if word.len().min(known.len()) < SHORT { 1 } else { 2 };
    edits <= allowed && word.len().abs_diff(known.len()) <= edits && within(word, &known, edits)
}

/// Whether so many letters that are left out, put in, changed, or swapped with the next one make one word of the other.
fn within(a: &[char], b: &[char], edits: usize) -> bool {
    match (a, b) {
        ([x, a @ ..], [y, b @ ..]) if x == y => within(a, b, edits),
        ([], rest) | (rest, []) => rest.len() <= edits,
        ([x, after_a @ ..], [y, after_b @ ..]) => {
            let Some(left) = edits.checked_sub(1) else { return false };
            let swapped = match (after_a, after_b) {
                ([x2, a @ ..], [y2, b @ ..]) if x == y2 && y == x2 => within(a, b, left),
                _ => false,
            };
            swapped || within(after_a, after_b, left) || within(after_a, b, left) || within(a, after_b, left)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_looks_like_another_is_taken_for_it() {
        for (one, other) in [
            ("reg_send", "regsend"),
            ("accept", "acept"),
            ("deny", "dney"),
            ("link", "linkk"),
            ("exit", "exut"),
            ("prerouting", "preruoting"),
            ("destination", "destinatoin"),
            ("forward", "foward"),
            ("policy", "plicyy"),
        ] {
            assert_eq!((meant(other, &[one]), meant(one, &[other])), (Some(one), Some(other)));
        }
        for (one, other) in [
            ("link", "unlink"),
            ("accept", "deny"),
            ("a", "bc"),
            ("monitor", "monitor_exit"),
            ("dport", ""),
            ("input", "output"),
        ] {
            assert_eq!((meant(other, &[one]), meant(one, &[other])), (None, None), "{one} {other}");
        }
        assert_eq!(meant(&"policy".repeat(10_000), &["policy"]), None);
    }

    #[test]
    fn the_nearest_is_named() {
        assert_eq!(meant("dprot", &["sport", "dport"]), Some("dport"));
        assert_eq!(meant("sport", &["dport", "sport"]), None);
        assert_eq!(hint(b"polcy", &["port", "policy"]), "; did you mean policy?");
        assert_eq!((hint(b"reboot", &["port"]), hint(b"\xff", &["port"])), (String::new(), String::new()));
    }
}
