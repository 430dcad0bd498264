//! Content files of any kind: they are read or refused with a line, nothing makes the reader panic, and what is read
//! is kept exactly.

use proptest::prelude::*;
use serde_json::json;

use super::tests::replies;
use super::*;

/// A text that says something, in any script.
const TEXT: &str = "\\PC{0,20}[^\\s\\pC]\\PC{0,20}";

/// Lines, each with something to say.
fn lines() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(TEXT, 1..5)
}

/// The texts of a dialogue, and its replies.
type Written = (Vec<String>, Vec<String>);

/// Content that is valid: greetings, fallbacks, and dialogues of which no text is there twice.
fn valid() -> impl Strategy<Value = (Vec<String>, Vec<String>, Vec<Written>)> {
    let dialogues = prop::collection::vec((lines(), lines()), 1..6).prop_map(|mut dialogues| {
        let mut seen = std::collections::HashSet::new();
        for (texts, _) in &mut dialogues {
            texts.retain(|text| seen.insert(normalise(text)));
        }
        dialogues.retain(|(texts, _)| !texts.is_empty());
        dialogues
    });
    (lines(), lines(), dialogues)
}

fn written(greetings: &[String], fallbacks: &[String], dialogues: &[Written]) -> String {
    let dialogues: Vec<_> = dialogues
        .iter()
        .map(|(texts, replies)| json!({"text": texts, "replies": replies}))
        .collect();
    json!({"greetings": greetings, "fallbacks": fallbacks, "dialogues": dialogues}).to_string()
}

/// Refused with at least one problem, each on a line that the file has.
fn is_read_or_refused_properly(yaml: &str) -> Result<(), TestCaseError> {
    if let Err(refused) = Content::parse(yaml) {
        prop_assert!(!refused.problems().is_empty());
        let lines = 1 + u64::try_from(yaml.matches(['\n', '\r']).count()).expect("few");
        for problem in refused.problems() {
            prop_assert!((1..=lines).contains(&problem.line), "{problem:?}");
            prop_assert!(!problem.reason.to_string().contains('\n'), "{problem:?}");
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_with_a_line(yaml: String) {
        is_read_or_refused_properly(&yaml)?;
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = Content::read(&bytes);
    }

    #[test]
    fn yaml_in_disorder_is_read_or_refused_with_a_line(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "greetings:", "fallbacks:", "dialogues:", " text: ", " replies:", "- ", "\n", "\r\n", "  ", "[", "]", "{", "}",
                ",", "'", "\"", "&a ", "*a", "!!int ", "!!binary ", "!x ", "|\n", ">-\n", "? ", ": ", "#", "<<: ", "%YAML 1.2\n",
                "---\n", "...\n", "\t", "~", "42", "\\u0000", "é", "\u{feff}", "\u{2028}", "\u{85}",
            ]),
            0..40,
        )
    ) {
        is_read_or_refused_properly(&parts.concat())?;
    }

    #[test]
    fn a_valid_file_that_was_damaged_is_read_or_refused_with_a_line(
        place in 0.0..1.0f64, length in 0..12usize, instead in "\\PC{0,3}|[\n\t:\\-\\[\\]{}'\"&*#]{0,3}",
    ) {
        let mut characters: Vec<char> = BUILT_IN.chars().take(3000).collect();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let start = (place * characters.len() as f64) as usize;
        let end = characters.len().min(start + length);
        characters.splice(start..end, instead.chars());
        is_read_or_refused_properly(&characters.into_iter().collect::<String>())?;
    }

    #[test]
    fn every_text_and_line_is_kept_exactly((greetings, fallbacks, dialogues) in valid()) {
        let content = Content::parse(&written(&greetings, &fallbacks, &dialogues))?;
        prop_assert_eq!(content.greetings.iter().collect::<Vec<_>>(), greetings);
        prop_assert_eq!(content.fallbacks.iter().collect::<Vec<_>>(), fallbacks);
        prop_assert_eq!(content.dialogues.len(), dialogues.len());
        for (texts, expected) in dialogues {
            for text in texts {
                prop_assert_eq!(replies(&content, &text), expected.clone());
            }
        }
    }
}
