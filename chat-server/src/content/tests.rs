//! Content files, good and bad: what is wrong is told with its line, and all of it.

use std::time::{Duration, Instant};

use serde_json::json;

use super::check::{MAX_BYTES, MAX_CHARACTERS};
use super::*;

fn refused(yaml: &str) -> Refused {
    Content::parse(yaml).expect_err("refused")
}

#[track_caller]
fn assert_refused(yaml: &str, expected: &[&str]) {
    let refused = refused(yaml);
    let told = refused
        .problems()
        .iter()
        .map(|problem| format!("{}: {}", problem.line, problem.reason));
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

/// Refused for one reason that has these words and is one line.
#[track_caller]
fn assert_refused_by_parser(yaml: &str, line: u64, words: &str) {
    let refused = refused(yaml).to_string();
    assert!(refused.starts_with(&format!("line {line}: ")), "{refused}");
    assert!(
        refused.contains(words) && !refused.contains('\n'),
        "{refused}"
    );
}

pub(super) fn replies<'a>(content: &'a Content, text: &str) -> Vec<&'a str> {
    content
        .replies_to(text)
        .map(|lines| lines.iter().collect())
        .unwrap_or_default()
}

#[test]
fn the_built_in_content_is_valid_and_has_much_to_say() {
    let content = Content::built_in().expect("valid");
    assert!(content.dialogues.len() >= 40);
    for text in [
        "hello",
        "How are you",
        "how are you?",
        " Tell me a JOKE",
        "danke",
        "42",
    ] {
        assert!(content.replies_to(text).is_some(), "{text}");
    }
    for dialogue in &content.dialogues {
        assert!(
            (2..=4).contains(&dialogue.replies.count()),
            "{:?}",
            dialogue.texts
        );
    }
    assert!(content.greetings.count() >= 3 && content.fallbacks.count() >= 5);
}

#[test]
fn texts_that_share_their_replies_are_written_once() {
    let yaml =
        "greetings: [a]\nfallbacks: [b]\ndialogues:\n- {text: [x, 'x?', Y], replies: [1, 2]}";
    let content = Content::parse(yaml).expect("valid");
    for text in ["x", "X?", "y"] {
        assert_eq!(replies(&content, text), ["1", "2"], "{text}");
    }
}

#[test]
fn a_scalar_without_quotes_is_a_text_as_it_is_written() {
    for scalar in [
        "yes",
        "no",
        "on",
        "true",
        "False",
        "42",
        "-1",
        "007",
        "0x1F",
        "1_000",
        "1.0",
        "1.50e3",
        ".inf",
        "-.INF",
        ".nan",
        "1e999",
        "12:30",
        "2026-11-25",
    ] {
        let yaml = format!(
            "greetings: [a]\nfallbacks: [{scalar} ]\ndialogues:\n- text: {scalar} # a comment\n  replies:\n  - {scalar}\n  - &x {scalar}\n  - *x\n"
        );
        let content = Content::parse(&yaml).expect(scalar);
        assert_eq!(
            replies(&content, scalar),
            [scalar, scalar, scalar],
            "{scalar}"
        );
        assert_eq!(content.fallbacks.first, scalar);
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let yaml = "\
greetings: []
fallbacks:
- ok
- ' '
- {a: b}
- ~
dialogues:
- text: hello
  reply: [hi]
- text: ' HELLO '
  replies: [hi, '']
- just a text
- {text: [x, X, []], replies: hi}
- text:
  replies: [a]
  text: b
greeting: [hi]
";
    assert_refused(
        yaml,
        &[
            "1: greetings must not be empty",
            "4: fallbacks[1] must not be blank",
            "5: fallbacks[2] must be a text, not a map (is a text with a colon in quotes?)",
            "6: fallbacks[3] must be a text, not nothing (null)",
            "8: dialogues[0] has no replies",
            "9: unknown field \"reply\" in dialogues[0], which has text, replies",
            "10: dialogues[1].text is the same as on line 8, except for case and surrounding blanks",
            "11: dialogues[1].replies[1] must not be blank",
            "12: dialogues[2] must be a map, not a text",
            "13: dialogues[3].text[1] is the same as on line 13, except for case and surrounding blanks",
            "13: dialogues[3].text[2] must be a text, not a list",
            "13: dialogues[3].replies must be a list, not a text",
            "14: dialogues[4].text must be a text, not nothing (null)",
            "16: \"text\" is given twice in dialogues[4], first on line 14",
            "17: unknown field \"greeting\" in the file, which has greetings, fallbacks, dialogues",
        ],
    );
    assert!(refused(yaml).to_string().ends_with("; and 5 more"));
}

#[test]
fn fields_and_lists_that_are_missing_are_named() {
    assert_refused(
        "greetings: [a]\nfallbacks: []\n",
        &[
            "1: the file has no dialogues",
            "2: fallbacks must not be empty",
        ],
    );
    assert_refused(
        "greetings: [a]\nfallbacks: [b]\ndialogues: [{text: [], replies: []}]",
        &[
            "3: dialogues[0].text must not be empty",
            "3: dialogues[0].replies must not be empty",
        ],
    );
    assert_refused("- a", &["1: the file must be a map, not a list"]);
}

#[test]
fn a_file_without_a_word_is_refused() {
    for yaml in ["", "\n\n", "# only a comment\n", "---\n", "\u{feff}"] {
        assert_eq!(refused(yaml).problems().len(), 1, "{yaml:?}");
    }
}

#[test]
fn broken_yaml_is_refused_with_its_line() {
    assert_refused_by_parser(
        "greetings: [a]\nfallbacks: [b\ndialogues: ]",
        3,
        "illegal placement",
    );
    assert_refused_by_parser("greetings: [a]\nfallbacks: *nobody", 2, "");
    assert_refused_by_parser("greetings: [a]\n---\nfallbacks: [b]", 3, "multiple");
}

#[test]
fn what_is_longer_than_a_message_is_refused() {
    let file = |text: &str, reply: &str| {
        json!({"greetings": ["a"], "fallbacks": ["b"], "dialogues": [{"text": text, "replies": [reply]}]}).to_string()
    };
    let longest = "é".repeat(MAX_CHARACTERS);
    let content = Content::parse(&file(&format!(" {longest} "), &longest)).expect("valid");
    assert_eq!(replies(&content, &longest), [&longest]);
    let longer = format!("{longest}!");
    assert_refused(
        &file(&longer, &longer),
        &[
            "1: dialogues[0].text must not be longer than 4000 characters, got 4001",
            "1: dialogues[0].replies[0] must not be longer than 4000 characters, got 4001",
        ],
    );
}

#[test]
fn a_character_that_the_database_cannot_keep_is_refused() {
    assert_refused(
        "greetings: [a]\nfallbacks: [\"b\\0\"]\ndialogues: [{text: \"\\0\", replies: [y]}]",
        &[
            "2: fallbacks[0] must not contain the character U+0000",
            "3: dialogues[0].text must not contain the character U+0000",
        ],
    );
    assert_refused(
        "greetings: [a] # \0",
        &["1: the file must not contain the character U+0000"],
    );
}

#[test]
fn a_file_that_is_too_large_or_no_text_is_refused() {
    let told = |file: &[u8]| Content::read(file).expect_err("refused").to_string();
    assert_eq!(
        told(&vec![b'#'; MAX_BYTES + 1]),
        "line 1: the file must not be larger than 1048576 bytes"
    );
    assert_eq!(told(b"# fine\n# \xff\n"), "line 2: the file must be UTF-8");
    let mut largest =
        "greetings: [a]\nfallbacks: [b]\ndialogues: [{text: x, replies: [y]}]\n#".to_owned();
    largest.push_str(&"x".repeat(MAX_BYTES - largest.len()));
    assert!(Content::parse(&largest).is_ok());
}

#[test]
fn shared_lists_may_be_written_once() {
    let yaml =
        "greetings: &lines [a, b]\nfallbacks: *lines\ndialogues: [{text: x, replies: *lines}]";
    let content = Content::parse(yaml).expect("valid");
    assert_eq!(replies(&content, "x"), ["a", "b"]);
    let problem =
        "greetings: &lines [a, '']\nfallbacks: *lines\ndialogues: [{text: x, replies: [y]}]";
    assert!(refused(problem).to_string().starts_with("line 1: "));
}

/// Each of these small files would be gigabytes, or deep, without limits.
#[test]
fn bombs_are_refused_at_once() {
    let level = |level: usize| {
        format!(
            "&a{level} [{}]\n",
            vec![format!("*a{}", level - 1); 9].join(", ")
        )
    };
    let laughs: Vec<_> = (1..20).map(|it| format!("a{it}: {}", level(it))).collect();
    let laughs = laughs.concat();
    let one_line = "x".repeat(500_000);
    let two_lines = format!("{}\n  {}", "x".repeat(250_000), "y".repeat(250_000));
    let bombs = [
        format!("a0: &a0 [lol]\n{laughs}greetings: *a19"),
        format!(
            "a: &a {one_line}\ngreetings: [{}]",
            vec!["*a"; 20_000].join(", ")
        ),
        format!(
            "a: &a {two_lines}\ngreetings: [{}]",
            vec!["*a"; 20_000].join(", ")
        ),
        "[".repeat(500_000),
        "- ".repeat(500_000),
        "{a: ".repeat(200_000),
        "? ".repeat(500_000),
        "a: &a [*a]".to_owned(),
    ];
    for bomb in bombs {
        let started = Instant::now();
        let refused = refused(&bomb).to_string();
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{:?}: {refused}",
            started.elapsed()
        );
    }
}
