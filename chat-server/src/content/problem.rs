//! What is wrong with a content file: each problem with its line and a reason in one line of plain words.

use std::fmt;

use super::check::{MAX_BYTES, MAX_CHARACTERS};

/// How many problems an error in one line tells.
const TOLD: usize = 10;

/// One thing that is wrong with a content file.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) line: u64,
    pub(crate) reason: Reason,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Reason {
    #[error("the file must not be larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("the file must be UTF-8")]
    NotUtf8,
    #[error("the file must not contain the character U+0000")]
    NulInFile,
    #[error("{0}")]
    Yaml(String),
    #[error("{path} must be {expected}, not {found}")]
    WrongType {
        path: String,
        expected: &'static str,
        found: &'static str,
    },
    #[error("{path} has no {field}")]
    MissingField { path: String, field: &'static str },
    #[error("unknown field {field:?} in {path}, which has {known}")]
    UnknownField {
        path: String,
        field: String,
        known: String,
    },
    #[error("{field:?} is given twice in {path}, first on line {earlier}")]
    DoubledField {
        path: String,
        field: String,
        earlier: u64,
    },
    #[error("{path} must not be empty")]
    EmptyList { path: String },
    #[error("{path} must not be blank")]
    Blank { path: String },
    #[error("{path} must not contain the character U+0000")]
    Nul { path: String },
    #[error("{path} must not be longer than {MAX_CHARACTERS} characters, got {count}")]
    TooLong { path: String, count: usize },
    #[error("{path} is the same as on line {earlier}, except for case and surrounding blanks")]
    Duplicate { path: String, earlier: u64 },
}

/// Everything that is wrong with a content file, by line. Never empty.
#[derive(Debug)]
pub(crate) struct Refused {
    problems: Vec<Problem>,
}

impl Refused {
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.line);
        Self { problems }
    }

    pub(crate) fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { line, reason }) in self.problems.iter().take(TOLD).enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(formatter, "{separator}line {line}: {reason}")?;
        }
        match self.problems.len().saturating_sub(TOLD) {
            0 => Ok(()),
            more => write!(formatter, "; and {more} more"),
        }
    }
}
