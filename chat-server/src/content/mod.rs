//! What the bot can say: content that was checked whole, and where it comes from. [`check`] decides what is valid,
//! [`watch`] which content is in force while a server runs; which line is said when is [`crate::reply`]'s business.

mod check;
pub(crate) mod commands;
mod difference;
#[cfg(test)]
mod fuzz;
mod normalise;
mod problem;
#[cfg(test)]
mod tests;
pub(crate) mod watch;
mod yaml;

use std::collections::HashMap;

use rand::{Rng, RngExt};

pub(crate) use self::normalise::normalise;
pub(crate) use self::problem::Refused;

/// Content for a server that was given none.
const BUILT_IN: &str = include_str!("../../content/default.yaml");

/// Checked content.
#[derive(Debug)]
pub(crate) struct Content {
    greetings: Lines,
    fallbacks: Lines,
    dialogues: Vec<Dialogue>,
    /// The place in `dialogues` of each normalised text.
    by_text: HashMap<String, usize>,
}

/// What the bot answers to any of some texts.
#[derive(Debug)]
struct Dialogue {
    texts: Vec<String>,
    replies: Lines,
}

/// One or more lines to choose from.
#[derive(Debug)]
pub(crate) struct Lines {
    first: String,
    others: Vec<String>,
}

impl Content {
    /// Read and check a content file.
    pub(crate) fn read(file: &[u8]) -> Result<Self, Refused> {
        check::check_bytes(file)
    }

    /// Read and check the text of a content file.
    pub(crate) fn parse(yaml: &str) -> Result<Self, Refused> {
        check::check(yaml)
    }

    /// The content that is built in.
    pub(crate) fn built_in() -> Result<Self, Refused> {
        Self::parse(BUILT_IN)
    }

    pub(crate) fn greetings(&self) -> &Lines {
        &self.greetings
    }

    /// The replies to a text, if a dialogue has it.
    pub(crate) fn replies_to(&self, text: &str) -> Option<&Lines> {
        let place = self.place_of(text)?;
        self.dialogues.get(place).map(|dialogue| &dialogue.replies)
    }

    pub(crate) fn fallbacks(&self) -> &Lines {
        &self.fallbacks
    }

    /// How much there is of everything.
    fn counts(&self) -> String {
        let texts = self.by_text.len();
        let replies = self.dialogues.iter().map(|it| it.replies.count());
        format!(
            "greetings {}, fallbacks {}, dialogues {} (texts {texts}, replies {})",
            self.greetings.count(),
            self.fallbacks.count(),
            self.dialogues.len(),
            replies.sum::<usize>()
        )
    }

    /// Which dialogue has a text.
    fn place_of(&self, text: &str) -> Option<usize> {
        self.by_text.get(&normalise(text)).copied()
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

    fn iter(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.first)
            .chain(&self.others)
            .map(String::as_str)
    }

    fn count(&self) -> usize {
        1 + self.others.len()
    }
}
