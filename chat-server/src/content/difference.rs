//! What becomes different when one content replaces another, in people's words and by the texts that people say. Pure.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::{Content, Dialogue, Lines};

/// The most characters of a line that are shown.
const SHOWN: usize = 60;

pub(super) struct Difference {
    lines: Vec<String>,
}

impl Difference {
    pub(super) fn between(before: &Content, after: &Content) -> Self {
        let mut difference = Self { lines: Vec::new() };
        difference.lines("greeting", &before.greetings, &after.greetings);
        difference.lines("fallback", &before.fallbacks, &after.fallbacks);
        for dialogue in &after.dialogues {
            difference.dialogue(before, dialogue);
        }
        for dialogue in &before.dialogues {
            let gone = |text: &&String| after.place_of(text).is_none();
            let texts: Vec<_> = dialogue.texts.iter().filter(gone).collect();
            if !texts.is_empty() {
                difference.tell(format!("dialogue removed: {}", shown(&texts)));
            }
        }
        difference
    }

    fn lines(&mut self, what: &str, before: &Lines, after: &Lines) {
        for line in missing(before, after) {
            self.tell(format!("{what} added: {}", shown(&[line])));
        }
        for line in missing(after, before) {
            self.tell(format!("{what} removed: {}", shown(&[line])));
        }
    }

    /// What is new in a dialogue. Texts that share their replies now may have had different ones before.
    fn dialogue(&mut self, before: &Content, dialogue: &Dialogue) {
        let mut texts_by_place: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for text in &dialogue.texts {
            let texts = texts_by_place.entry(before.place_of(text)).or_default();
            texts.push(text);
        }
        for (place, texts) in texts_by_place {
            let Some(former) = place.and_then(|place| before.dialogues.get(place)) else {
                self.tell(format!("dialogue added: {}", shown(&texts)));
                continue;
            };
            let added = missing(&former.replies, &dialogue.replies).len();
            let removed = missing(&dialogue.replies, &former.replies).len();
            if (added, removed) != (0, 0) {
                self.tell(format!(
                    "dialogue changed: {} (replies: {added} added, {removed} removed)",
                    shown(&texts)
                ));
            }
        }
    }

    fn tell(&mut self, line: String) {
        self.lines.push(line);
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lines.is_empty() {
            return formatter.write_str("changed: only comments, order or the way it is written\n");
        }
        self.lines
            .iter()
            .try_for_each(|line| writeln!(formatter, "{line}"))
    }
}

/// The lines of one list that another doesn't have, or has fewer times. Their order doesn't matter to anybody.
fn missing<'a>(from: &Lines, of: &'a Lines) -> Vec<&'a str> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for line in from.iter() {
        *counts.entry(line).or_default() += 1;
    }
    of.iter()
        .filter(|line| match counts.get_mut(line) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        })
        .collect()
}

/// Lines in quotes, without line breaks, and long ones only from their start.
fn shown(lines: &[impl AsRef<str>]) -> String {
    let quoted = lines.iter().map(|line| {
        let line = line.as_ref();
        let start: String = line.chars().take(SHOWN).collect();
        let ellipsis = if start.len() < line.len() { "…" } else { "" };
        format!("{:?}", start + ellipsis)
    });
    quoted.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(before: &str, after: &str) -> String {
        let content = |yaml| Content::parse(yaml).expect("valid");
        Difference::between(&content(before), &content(after)).to_string()
    }

    const BEFORE: &str = "
greetings: [hi, hey]
fallbacks: [what?]
dialogues:
- {text: [a, b], replies: [one, two]}
- {text: c, replies: [three]}
- {text: d, replies: [four]}
";

    #[test]
    fn what_was_added_removed_and_changed_is_told_by_text() {
        let after = "
greetings: [hi, hi, ahoy]
fallbacks: [what?]
dialogues:
- {text: [A, c, new, newer], replies: [two, five]}
- {text: d, replies: [four]}
";
        let expected = [
            "greeting added: \"hi\"",
            "greeting added: \"ahoy\"",
            "greeting removed: \"hey\"",
            "dialogue added: \"new\", \"newer\"",
            "dialogue changed: \"A\" (replies: 1 added, 1 removed)",
            "dialogue changed: \"c\" (replies: 2 added, 1 removed)",
            "dialogue removed: \"b\"",
        ];
        assert_eq!(
            difference(BEFORE, after).lines().collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn order_and_comments_are_no_difference() {
        let after = "
# Hello
dialogues:
- {replies: [three], text: c}
- {text: [b, A], replies: [two, one]}
- {text: \"d\", replies: [four]}
fallbacks: [what?]
greetings: [hey, hi]
";
        assert_eq!(
            difference(BEFORE, after),
            "changed: only comments, order or the way it is written\n"
        );
    }

    #[test]
    fn a_line_takes_one_line_however_long_it_is() {
        let text = format!("a\\n{}", "b".repeat(3000));
        let after = BEFORE.replace("what?", &format!("what?, \"{text}\""));
        let told = difference(BEFORE, &after);
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.len() < 120, "{told}");
    }
}
