//! Which texts are accepted as a person's message. Pure. The answer is [`crate::reply`]'s business, the keeping
//! [`crate::storage`]'s.

/// The most characters that a message may have after trimming.
pub(crate) const MAX_CHARACTERS: usize = 4000;

/// Why a text isn't taken as a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RefusedText {
    #[error("text: must not be blank")]
    Blank,
    #[error("text: must not be longer than {MAX_CHARACTERS} characters, got {0}")]
    TooLong(usize),
    #[error("text: must not contain the character U+0000")]
    Nul,
}

/// A person's text, trimmed, known to be acceptable.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MessageText(String);

impl MessageText {
    pub(crate) fn new(text: &str) -> Result<Self, RefusedText> {
        let text = text.trim();
        if text.is_empty() {
            return Err(RefusedText::Blank);
        }
        // PostgreSQL has no place for it in a text.
        if text.contains('\0') {
            return Err(RefusedText::Nul);
        }
        match text.chars().count() {
            count if count > MAX_CHARACTERS => Err(RefusedText::TooLong(count)),
            _ => Ok(Self(text.to_owned())),
        }
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_trimmed() {
        assert_eq!(
            MessageText::new("\u{2003} a b \n").map(|text| text.0),
            Ok("a b".to_owned())
        );
    }

    #[test]
    fn blank_is_refused() {
        for blank in ["", " ", "\t\r\n", "\u{3000}\u{a0}"] {
            assert_eq!(
                MessageText::new(blank),
                Err(RefusedText::Blank),
                "{blank:?}"
            );
        }
    }

    #[test]
    fn characters_count_not_bytes_and_only_after_trimming() {
        let longest = "é".repeat(MAX_CHARACTERS);
        assert!(MessageText::new(&format!("  {longest}  ")).is_ok());
        assert_eq!(
            MessageText::new(&format!("{longest}!")),
            Err(RefusedText::TooLong(4001))
        );
    }

    #[test]
    fn nul_is_refused() {
        assert_eq!(MessageText::new("a\0b"), Err(RefusedText::Nul));
    }
}
