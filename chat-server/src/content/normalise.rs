//! When two texts are the same to the bot. Equality of the normalised form is the whole rule; no character is a pattern.

/// The form in which a message and a dialogue's text are compared: trimmed and lower-cased, in the Unicode sense.
pub(crate) fn normalise(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing_more(text: String) {
            let once = normalise(&text);
            prop_assert_eq!(normalise(&once), once);
        }

        #[test]
        fn blanks_around_do_not_matter(text: String, before in "\\s*", after in "\\s*") {
            prop_assert_eq!(normalise(&format!("{before}{}{after}", text.trim())), normalise(&text));
        }
    }
}
