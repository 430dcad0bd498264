//! What valid content is. A file is read whole and everything that is wrong with it is found, not only the first thing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::problem::{Problem, Reason, Refused};
use super::yaml::{self, Node, Value};
use super::{Content, Dialogue, Lines, normalise};
pub(super) use crate::message::MAX_CHARACTERS;

/// The largest file: as much as a `ConfigMap` of Kubernetes holds.
pub(super) const MAX_BYTES: usize = 1024 * 1024;

const FILE: &str = "the file";

/// Check a file as it was found.
pub(super) fn check_bytes(file: &[u8]) -> Result<Content, Refused> {
    if file.len() > MAX_BYTES {
        return Err(refused(1, Reason::TooLarge));
    }
    let text = std::str::from_utf8(file)
        .map_err(|error| refused(line_at(file, error.valid_up_to()), Reason::NotUtf8))?;
    check(text)
}

/// Check the text of a file.
pub(super) fn check(text: &str) -> Result<Content, Refused> {
    if text.len() > MAX_BYTES {
        return Err(refused(1, Reason::TooLarge));
    }
    // The database keeps the file as it is, and PostgreSQL has no place for this character in a text.
    if let Some(place) = text.find('\0') {
        return Err(refused(line_at(text.as_bytes(), place), Reason::NulInFile));
    }
    let file = yaml::read(text).map_err(|problem| Refused::new(vec![problem]))?;
    let mut checker = Checker::default();
    let content = checker.file(file);
    match content {
        Some(content) if checker.problems.is_empty() => Ok(content),
        _ => Err(Refused::new(checker.problems)),
    }
}

fn refused(line: u64, reason: Reason) -> Refused {
    Refused::new(vec![Problem { line, reason }])
}

fn line_at(file: &[u8], place: usize) -> u64 {
    let breaks = file.iter().take(place).filter(|&&byte| byte == b'\n');
    1 + breaks.fold(0, |count, _| count + 1)
}

/// What was found so far. Each method gives `None` only after it noted a problem.
#[derive(Default)]
struct Checker {
    problems: Vec<Problem>,
    /// The first line of each normalised text of a dialogue.
    line_by_text: HashMap<String, u64>,
}

impl Checker {
    fn file(&mut self, file: Node<'_>) -> Option<Content> {
        let [greetings, fallbacks, dialogues] =
            self.fields(FILE, file, ["greetings", "fallbacks", "dialogues"])?;
        let greetings = greetings.and_then(|node| self.lines("greetings", node));
        let fallbacks = fallbacks.and_then(|node| self.lines("fallbacks", node));
        let dialogues = dialogues.and_then(|node| self.dialogues(node));
        let (dialogues, by_text) = dialogues?;
        Some(Content {
            greetings: greetings?,
            fallbacks: fallbacks?,
            dialogues,
            by_text,
        })
    }

    fn dialogues(&mut self, node: Node<'_>) -> Option<(Vec<Dialogue>, HashMap<String, usize>)> {
        let mut dialogues = Vec::new();
        let mut by_text = HashMap::new();
        for (index, node) in self.list("dialogues", node)?.into_iter().enumerate() {
            let Some(dialogue) = self.dialogue(&format!("dialogues[{index}]"), node) else {
                continue;
            };
            for text in &dialogue.texts {
                by_text.insert(normalise(text), dialogues.len());
            }
            dialogues.push(dialogue);
        }
        Some((dialogues, by_text))
    }

    fn dialogue(&mut self, path: &str, node: Node<'_>) -> Option<Dialogue> {
        let [text, replies] = self.fields(path, node, ["text", "replies"])?;
        let texts = text.and_then(|node| self.texts(&format!("{path}.text"), node));
        let replies = replies.and_then(|node| self.lines(&format!("{path}.replies"), node));
        Some(Dialogue {
            texts: texts?,
            replies: replies?,
        })
    }

    /// One text, or a list of them.
    fn texts(&mut self, path: &str, node: Node<'_>) -> Option<Vec<String>> {
        if let Value::List(_) = &node.value {
            let nodes = self.list(path, node)?;
            let texts = nodes
                .into_iter()
                .enumerate()
                .filter_map(|(index, node)| self.said(&format!("{path}[{index}]"), node));
            return Some(texts.collect());
        }
        self.said(path, node).map(|text| vec![text])
    }

    /// A text of a person, which no dialogue before has.
    fn said(&mut self, path: &str, node: Node<'_>) -> Option<String> {
        let line = node.line;
        let text = self.text(path, node, str::trim)?;
        match self.line_by_text.entry(normalise(&text)) {
            Entry::Occupied(entry) => {
                let (path, earlier) = (path.to_owned(), *entry.get());
                self.note(line, Reason::Duplicate { path, earlier })
            }
            Entry::Vacant(place) => {
                place.insert(line);
                Some(text)
            }
        }
    }

    /// One or more lines of the bot.
    fn lines(&mut self, path: &str, node: Node<'_>) -> Option<Lines> {
        let nodes = self.list(path, node)?.into_iter().enumerate();
        let lines: Vec<_> = nodes
            .filter_map(|(index, node)| self.text(&format!("{path}[{index}]"), node, |text| text))
            .collect();
        let mut lines = lines.into_iter();
        Some(Lines {
            first: lines.next()?,
            others: lines.collect(),
        })
    }

    /// A text, of which what `counted` leaves may be as long as a message.
    fn text(&mut self, path: &str, node: Node<'_>, counted: fn(&str) -> &str) -> Option<String> {
        let Value::Text(text) = node.value else {
            return self.wrong_type(path, "a text", &node);
        };
        let count = counted(&text).chars().count();
        let path = path.to_owned();
        let reason = if text.trim().is_empty() {
            Reason::Blank { path }
        } else if text.contains('\0') {
            Reason::Nul { path }
        } else if count > MAX_CHARACTERS {
            Reason::TooLong { path, count }
        } else {
            return Some(text.into_owned());
        };
        self.note(node.line, reason)
    }

    fn list<'a>(&mut self, path: &str, node: Node<'a>) -> Option<Vec<Node<'a>>> {
        match node.value {
            Value::List(nodes) if nodes.is_empty() => {
                let path = path.to_owned();
                self.note(node.line, Reason::EmptyList { path })
            }
            Value::List(nodes) => Some(nodes),
            _ => self.wrong_type(path, "a list", &node),
        }
    }

    /// The fields of a map, which has all of them and no others.
    fn fields<'a, const N: usize>(
        &mut self,
        path: &str,
        node: Node<'a>,
        known: [&'static str; N],
    ) -> Option<[Option<Node<'a>>; N]> {
        let Value::Map(fields) = node.value else {
            return self.wrong_type(path, "a map", &node);
        };
        let mut found = known.map(|_| None);
        let mut first_lines = HashMap::new();
        for field in fields {
            let path = path.to_owned();
            let place = known.iter().position(|name| *name == field.name);
            let earlier = *first_lines.entry(field.name.clone()).or_insert(field.line);
            match place.and_then(|place| found.get_mut(place)) {
                None => self.note(
                    field.line,
                    Reason::UnknownField {
                        path,
                        field: field.name,
                        known: known.join(", "),
                    },
                ),
                Some(Some(_)) => self.note(
                    field.line,
                    Reason::DoubledField {
                        path,
                        field: field.name,
                        earlier,
                    },
                ),
                Some(place) => place.replace(field.node).map(|_| ()),
            };
        }
        for (field, found) in known.into_iter().zip(&found) {
            if found.is_none() {
                let path = path.to_owned();
                self.note::<()>(node.line, Reason::MissingField { path, field });
            }
        }
        Some(found)
    }

    fn wrong_type<T>(&mut self, path: &str, expected: &'static str, node: &Node<'_>) -> Option<T> {
        let found = match node.value {
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map (is a text with a colon in quotes?)",
            Value::Nothing => "nothing (null)",
        };
        let path = path.to_owned();
        self.note(
            node.line,
            Reason::WrongType {
                path,
                expected,
                found,
            },
        )
    }

    fn note<T>(&mut self, line: u64, reason: Reason) -> Option<T> {
        self.problems.push(Problem { line, reason });
        None
    }
}
