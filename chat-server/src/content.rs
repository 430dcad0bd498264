//! What the bot can say: the YAML that bot authors write, read and checked whole. It decides what valid content is and
//! names the line of what is not; which line is said when is [`crate::reply`]'s business.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rand::{Rng, RngExt};
use serde::Deserialize;
use serde_saphyr::{Location, MessageFormatter as _, Spanned, UserMessageFormatter};

/// Content for a server that was given none.
const DEFAULT: &str = include_str!("../content/default.yaml");

/// Checked content.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) greetings: Lines,
    pub(crate) fallbacks: Lines,
    /// Replies by the normalised text they answer.
    pub(crate) dialogues: HashMap<String, Lines>,
}

/// One or more lines to choose from.
#[derive(Debug)]
pub(crate) struct Lines {
    first: String,
    others: Vec<String>,
}

/// Why a content file is refused, with its line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContentError {
    #[error("{0}")]
    Yaml(String),
    #[error("line {line}: {path} must not be empty")]
    EmptyList { line: u64, path: String },
    #[error("line {line}: {path} must not be blank")]
    Blank { line: u64, path: String },
    #[error("line {line}: {path} must not contain the character U+0000")]
    Nul { line: u64, path: String },
    #[error(
        "line {line}: {path} is the same as on line {earlier}, except for case and surrounding blanks"
    )]
    Duplicate {
        line: u64,
        path: String,
        earlier: u64,
    },
}

impl Content {
    /// Read and check a content file.
    pub(crate) fn parse(yaml: &str) -> Result<Self, ContentError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let file: ContentFile = serde_saphyr::from_str_with_options(yaml, options)
            .map_err(|error| yaml_error(&error))?;
        Ok(Self {
            greetings: lines("greetings", file.greetings)?,
            fallbacks: lines("fallbacks", file.fallbacks)?,
            dialogues: dialogues(file.dialogues)?,
        })
    }

    /// The content that is built in.
    pub(crate) fn built_in() -> Result<Self, ContentError> {
        Self::parse(DEFAULT)
    }
}

impl Lines {
    /// One of the lines, each as likely as any other.
    pub(crate) fn pick(&self, rng: &mut impl Rng) -> &str {
        rng.random_range(0..=self.others.len())
            .checked_sub(1)
            .and_then(|index| self.others.get(index))
            .unwrap_or(&self.first)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContentFile {
    greetings: Spanned<Vec<Spanned<String>>>,
    fallbacks: Spanned<Vec<Spanned<String>>>,
    dialogues: Spanned<Vec<Dialogue>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dialogue {
    text: Spanned<String>,
    replies: Spanned<Vec<Spanned<String>>>,
}

/// The form in which a message and a dialogue's text are compared: trimmed and lower-cased, in the Unicode sense.
/// Equality of this form is the whole rule; no character is a pattern.
pub(crate) fn normalise(text: &str) -> String {
    text.trim().to_lowercase()
}

fn dialogues(list: Spanned<Vec<Dialogue>>) -> Result<HashMap<String, Lines>, ContentError> {
    if list.value.is_empty() {
        return Err(ContentError::EmptyList {
            line: list.referenced.line(),
            path: "dialogues".to_owned(),
        });
    }
    let mut replies_by_text = HashMap::new();
    let mut line_by_text = HashMap::new();
    for (index, dialogue) in list.value.into_iter().enumerate() {
        let path = format!("dialogues[{index}].text");
        let line = dialogue.text.referenced.line();
        let key = normalise(&checked(&path, dialogue.text)?);
        match line_by_text.entry(key.clone()) {
            Entry::Occupied(earlier) => {
                return Err(ContentError::Duplicate {
                    line,
                    path,
                    earlier: *earlier.get(),
                });
            }
            Entry::Vacant(place) => place.insert(line),
        };
        replies_by_text.insert(
            key,
            lines(&format!("dialogues[{index}].replies"), dialogue.replies)?,
        );
    }
    Ok(replies_by_text)
}

fn lines(path: &str, list: Spanned<Vec<Spanned<String>>>) -> Result<Lines, ContentError> {
    let line = list.referenced.line();
    let mut texts = list
        .value
        .into_iter()
        .enumerate()
        .map(|(index, text)| checked(&format!("{path}[{index}]"), text));
    let Some(first) = texts.next() else {
        return Err(ContentError::EmptyList {
            line,
            path: path.to_owned(),
        });
    };
    Ok(Lines {
        first: first?,
        others: texts.collect::<Result<_, _>>()?,
    })
}

fn checked(path: &str, text: Spanned<String>) -> Result<String, ContentError> {
    let line = text.referenced.line();
    if text.value.trim().is_empty() {
        return Err(ContentError::Blank {
            line,
            path: path.to_owned(),
        });
    }
    // PostgreSQL has no place for it in a text.
    if text.value.contains('\0') {
        return Err(ContentError::Nul {
            line,
            path: path.to_owned(),
        });
    }
    Ok(text.value)
}

/// The parser's reason in one line that starts with the file's line.
fn yaml_error(error: &serde_saphyr::Error) -> ContentError {
    let reason = UserMessageFormatter
        .format_message(error)
        .replace('\n', " ");
    ContentError::Yaml(match error.location().as_ref().map(Location::line) {
        Some(line) => format!("line {line}: {reason}"),
        None => reason,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(yaml: &str) -> String {
        Content::parse(yaml).expect_err("refused").to_string()
    }

    fn assert_refused(yaml: &str, line: u64, reason: &str) {
        let refusal = refusal(yaml);
        assert!(refusal.starts_with(&format!("line {line}: ")), "{refusal}");
        assert!(refusal.contains(reason), "{refusal}");
        assert!(!refusal.contains('\n'), "{refusal}");
    }

    #[test]
    fn the_built_in_content_is_valid_and_answers_hello() {
        let content = Content::built_in().expect("valid");
        assert_eq!(content.dialogues.len(), 12);
        assert!(content.dialogues.contains_key("hello"));
    }

    #[test]
    fn broken_yaml_is_refused() {
        assert_refused(
            "greetings: [a]\nfallbacks: [b\ndialogues: ]",
            3,
            "illegal placement",
        );
    }

    #[test]
    fn unknown_fields_are_refused() {
        assert_refused("greetings: [a]\nfallbacks: [b]\ndialogs: []", 3, "dialogs");
        assert_refused(
            "greetings: [a]\nfallbacks: [b]\ndialogues:\n- text: x\n  reply: [y]",
            5,
            "reply",
        );
    }

    #[test]
    fn missing_fields_are_refused() {
        assert!(refusal("greetings: [a]\nfallbacks: [b]").contains("dialogues"));
        assert_refused("", 1, "unexpected end of file");
    }

    #[test]
    fn wrong_types_are_refused() {
        assert_refused(
            "greetings: [a]\nfallbacks: b\ndialogues: []",
            2,
            "expected sequence",
        );
        assert_refused(
            "greetings:\n- a\n- {b: c}\nfallbacks: [b]\ndialogues: []",
            3,
            "",
        );
    }

    #[test]
    fn a_field_given_twice_is_refused() {
        assert_refused(
            "greetings: [a]\ngreetings: [b]\nfallbacks: [b]",
            2,
            "greetings",
        );
    }

    #[test]
    fn empty_lists_are_refused() {
        assert_refused(
            "greetings: []\nfallbacks: [b]\ndialogues: [{text: x, replies: [y]}]",
            1,
            "greetings must not be empty",
        );
        assert_refused(
            "greetings: [a]\nfallbacks: []\ndialogues: [{text: x, replies: [y]}]",
            2,
            "fallbacks must not be empty",
        );
        assert_refused(
            "greetings: [a]\nfallbacks: [b]\ndialogues: []",
            3,
            "dialogues must not be empty",
        );
        assert_refused(
            "greetings: [a]\nfallbacks: [b]\ndialogues:\n- text: x\n  replies: []",
            5,
            "dialogues[0].replies must not be empty",
        );
    }

    #[test]
    fn blank_texts_are_refused() {
        assert_refused(
            "greetings:\n- a\n- ' '\nfallbacks: [b]\ndialogues: [{text: x, replies: [y]}]",
            3,
            "greetings[1] must not be blank",
        );
        assert_refused(
            "greetings: [a]\nfallbacks: [b]\ndialogues:\n- text: \"\\t\"\n  replies: [y]",
            4,
            "dialogues[0].text must not be blank",
        );
    }

    #[test]
    fn nul_is_refused() {
        assert_refused(
            "greetings: [a]\nfallbacks: [\"b\\0\"]\ndialogues: [{text: x, replies: [y]}]",
            2,
            "U+0000",
        );
    }

    #[test]
    fn texts_that_differ_only_in_case_and_blanks_are_refused() {
        let yaml = "greetings: [a]\nfallbacks: [b]\ndialogues:\n- {text: Grüße, replies: [y]}\n- {text: ' GRÜßE ', replies: [z]}";
        assert_refused(yaml, 5, "dialogues[1].text is the same as on line 4");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(yaml: String) {
            let _ = Content::parse(&yaml);
        }

        #[test]
        fn every_reply_is_kept(replies in prop::collection::vec("\\PC*[^\\s\\pC]\\PC*", 1..8)) {
            let yaml = serde_json::json!({
                "greetings": ["g"], "fallbacks": ["f"], "dialogues": [{"text": "t", "replies": &replies}],
            });
            let content = Content::parse(&yaml.to_string())?;
            let lines = &content.dialogues["t"];
            prop_assert_eq!(&lines.first, &replies[0]);
            prop_assert_eq!(&lines.others, &replies[1..]);
        }
    }
}
