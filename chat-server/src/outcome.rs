//! How a command ended, for the program that started it: a short JSON object in a file of that program's choice. People
//! read the same on standard output and error. Which exit code there is, `main` decides.

use std::io;
use std::path::Path;

use serde::Serialize;

/// The file may be Kubernetes' termination message, of which 4 KiB are read.
const MAX_MESSAGE: usize = 1500;
const MAX_MIGRATIONS: usize = 30;

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcome {
    /// What was done, or why it wasn't, in one line.
    message: String,
    /// Migrations that were applied or, in a dry run, would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    migrations: Option<Vec<String>>,
    /// The last migration that the database has.
    #[serde(skip_serializing_if = "Option::is_none")]
    schema_version: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    import: Option<Imported>,
}

/// What of the prototype's file is in the database, earlier runs included.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Imported {
    pub(crate) rows: u64,
    pub(crate) chats: u64,
    /// Rows that can't be taken.
    pub(crate) rejected: u64,
}

impl Outcome {
    pub(crate) fn told(message: &str) -> Self {
        let mut message = message.replace('\n', " ");
        if message.len() > MAX_MESSAGE {
            message.truncate(message.floor_char_boundary(MAX_MESSAGE));
            message.push_str("...");
        }
        Self {
            message,
            ..Self::default()
        }
    }

    pub(crate) fn of_migrations(mut self, mut names: Vec<String>, schema_version: i64) -> Self {
        if let Some(more) = names.len().checked_sub(MAX_MIGRATIONS).filter(|it| *it > 0) {
            names.truncate(MAX_MIGRATIONS);
            names.push(format!("and {more} more"));
        }
        self.migrations = Some(names);
        self.schema_version = Some(schema_version);
        self
    }

    pub(crate) fn of_import(mut self, imported: Imported) -> Self {
        self.import = Some(imported);
        self
    }

    /// Not in one step as other files: the one of Kubernetes can only be written to.
    pub(crate) fn write(&self, file: &Path) -> io::Result<()> {
        std::fs::write(file, serde_json::to_vec(self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fits_into_a_termination_message() {
        let names = (0..1000).map(|it| format!("{it} some migration with a long name"));
        let outcome = Outcome::told(&"\"ö\n".repeat(3000)).of_migrations(names.collect(), 1000);
        let written = serde_json::to_string(&outcome).expect("JSON");
        assert!(written.len() < 4096, "{}", written.len());
        assert!(written.contains("and 970 more"), "{written}");
    }
}
