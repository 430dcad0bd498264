//! The reply rule: which line the bot answers with. Pure; the randomness is passed in. What may be said is
//! [`Content`]'s business, whether a message is acceptable is [`crate::message`]'s.

use rand::Rng;

use crate::content::Content;

/// A line of the bot, and why it was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reply<'a> {
    pub(crate) text: &'a str,
    pub(crate) kind: ReplyKind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ReplyKind {
    Greeting,
    /// To a text that a dialogue has.
    Dialogue,
    /// To any other text.
    Fallback,
}

/// The bot's first words in a new chat.
pub(crate) fn greet<'a>(content: &'a Content, rng: &mut impl Rng) -> Reply<'a> {
    Reply {
        text: content.greetings().pick(rng),
        kind: ReplyKind::Greeting,
    }
}

/// The bot's answer: one of the replies of the dialogue that the text equals, else one of the fallbacks.
pub(crate) fn reply<'a>(content: &'a Content, text: &str, rng: &mut impl Rng) -> Reply<'a> {
    let (lines, kind) = match content.replies_to(text) {
        Some(replies) => (replies, ReplyKind::Dialogue),
        None => (content.fallbacks(), ReplyKind::Fallback),
    };
    Reply {
        text: lines.pick(rng),
        kind,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::content::normalise;

    const YAML: &str = "
greetings: [hi, hey]
fallbacks: [what?, pardon?]
dialogues:
  - {text: \"Grüße, WELT\", replies: [eins, zwei, drei]}
  - {text: \"100%\", replies: [all of it]}
";

    fn content() -> Content {
        Content::parse(YAML).expect("valid content")
    }

    /// Every answer that 200 different dice give.
    fn answers(text: &str) -> BTreeSet<String> {
        let content = content();
        (0..200)
            .map(|seed| {
                reply(&content, text, &mut StdRng::seed_from_u64(seed))
                    .text
                    .to_owned()
            })
            .collect()
    }

    fn set(lines: &[&str]) -> BTreeSet<String> {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    #[test]
    fn each_reply_of_the_dialogue_comes_up_and_nothing_else() {
        assert_eq!(answers("grüße, welt"), set(&["eins", "zwei", "drei"]));
    }

    #[test]
    fn case_and_surrounding_blanks_do_not_matter() {
        assert_eq!(answers("\u{a0}\t GRÜßE, Welt \n"), answers("grüße, welt"));
    }

    #[test]
    fn anything_else_gets_each_of_the_fallbacks() {
        assert_eq!(answers("grüße,  welt"), set(&["what?", "pardon?"]));
    }

    #[test]
    fn percent_and_underscore_are_characters() {
        assert_eq!(answers("100%"), set(&["all of it"]));
        for pattern in ["%", "_", "1%", "100_", "100", ".*"] {
            assert_eq!(answers(pattern), set(&["what?", "pardon?"]), "{pattern}");
        }
    }

    #[test]
    fn each_greeting_comes_up() {
        let content = content();
        let greetings: BTreeSet<_> = (0..200)
            .map(|seed| {
                greet(&content, &mut StdRng::seed_from_u64(seed))
                    .text
                    .to_owned()
            })
            .collect();
        assert_eq!(greetings, set(&["hi", "hey"]));
    }

    proptest! {
        #[test]
        fn a_text_is_answered_by_its_dialogue_however_it_is_dressed(
            text in "\\PC*[^\\s\\pC]\\PC*", before in "[ \\t\\n]*", after in "[ \\t\\n]*", seed: u64,
        ) {
            let yaml = serde_json::json!({
                "greetings": ["g"], "fallbacks": ["f"],
                "dialogues": [{"text": &text, "replies": ["found"]}],
            });
            let content = Content::parse(&yaml.to_string())?;
            let said = format!("{before}{}{after}", text.to_lowercase());
            let found = Reply { text: "found", kind: ReplyKind::Dialogue };
            prop_assert_eq!(reply(&content, &said, &mut StdRng::seed_from_u64(seed)), found);
        }

        #[test]
        fn a_text_that_no_dialogue_has_gets_a_fallback(text: String, seed: u64) {
            prop_assume!(!["grüße, welt", "100%"].contains(&normalise(&text).as_str()));
            let content = content();
            let answer = reply(&content, &text, &mut StdRng::seed_from_u64(seed));
            prop_assert!(["what?", "pardon?"].contains(&answer.text));
            prop_assert_eq!(answer.kind, ReplyKind::Fallback);
        }

        #[test]
        fn the_same_dice_give_the_same_answer(text: String, seed: u64) {
            let content = content();
            prop_assert_eq!(
                reply(&content, &text, &mut StdRng::seed_from_u64(seed)),
                reply(&content, &text, &mut StdRng::seed_from_u64(seed))
            );
        }
    }
}
