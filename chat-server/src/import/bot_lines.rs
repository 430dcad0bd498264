//! What the prototype's bot says: its greetings, fallbacks and dialogues as a content file. They are taken over only
//! if the database has no content yet, and only if the content is valid as a whole.

use std::collections::HashMap;
use std::fmt;

use rusqlite::types::ValueRef;
use serde::Serialize;
use tokio::task::block_in_place;

use super::source::{Source, columns};
use crate::content::{Content, normalise};
use crate::storage::connect::{ConnectError, Connection, connect};
use crate::storage::url::DatabaseUrl;

const HAS_CONTENT: &str = "SELECT count(*) FROM content";
const FIRST_CONTENT: &str =
    "INSERT INTO content (only_row, version, yaml) VALUES (true, 1, $1) ON CONFLICT DO NOTHING";

/// What became of the bot's lines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The file has none.
    None,
    Taken(Counts),
    /// They would be taken, if this were no dry run.
    Takeable(Counts),
    Left(String),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    greetings: usize,
    fallbacks: usize,
    dialogues: usize,
}

/// Why it isn't known what became of them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BotLinesError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("cannot write the content")]
    Database(#[from] sqlx::Error),
}

#[derive(Debug, Default, Serialize)]
struct ContentFile {
    greetings: Vec<String>,
    fallbacks: Vec<String>,
    dialogues: Vec<Dialogue>,
}

#[derive(Debug, Serialize)]
struct Dialogue {
    text: String,
    replies: Vec<String>,
}

/// Take the bot's lines over if that can be done.
pub(crate) async fn take_over(
    source: &Source,
    url: &DatabaseUrl,
    dry_run: bool,
) -> Result<Outcome, BotLinesError> {
    let file = match block_in_place(|| read(source)) {
        Ok(file) => file,
        Err(reason) => return Ok(Outcome::Left(reason)),
    };
    let counts = Counts {
        greetings: file.greetings.len(),
        fallbacks: file.fallbacks.len(),
        dialogues: file.dialogues.len(),
    };
    if counts.greetings + counts.fallbacks + counts.dialogues == 0 {
        return Ok(Outcome::None);
    }
    let yaml = match to_yaml(&file) {
        Ok(yaml) => yaml,
        Err(reason) => return Ok(Outcome::Left(reason)),
    };
    Ok(match put_first(url, &yaml, dry_run).await? {
        false => Outcome::Left("the database has content already".to_owned()),
        true if dry_run => Outcome::Takeable(counts),
        true => Outcome::Taken(counts),
    })
}

/// Make this the database's content if it has none, and say whether it had none.
async fn put_first(url: &DatabaseUrl, yaml: &str, dry_run: bool) -> Result<bool, BotLinesError> {
    let mut connection = connect(url).await?;
    let is_first = if dry_run {
        let contents: i64 = match &mut connection {
            Connection::Postgres(connection) => {
                sqlx::query_scalar(HAS_CONTENT).fetch_one(connection).await
            }
            Connection::Sqlite(connection) => {
                sqlx::query_scalar(HAS_CONTENT).fetch_one(connection).await
            }
        }?;
        contents == 0
    } else {
        let rows = match &mut connection {
            Connection::Postgres(connection) => sqlx::query(FIRST_CONTENT)
                .bind(yaml)
                .execute(connection)
                .await?
                .rows_affected(),
            Connection::Sqlite(connection) => sqlx::query(FIRST_CONTENT)
                .bind(yaml)
                .execute(connection)
                .await?
                .rows_affected(),
        };
        rows == 1
    };
    connection.close().await?;
    Ok(is_first)
}

fn to_yaml(file: &ContentFile) -> Result<String, String> {
    let yaml = serde_saphyr::to_string(file).map_err(|error| error.to_string())?;
    Content::parse(&yaml)
        .map(|_| yaml)
        .map_err(|error| format!("as a content file it is refused: {error}"))
}

/// The bot's lines; those of a table that isn't there are none.
fn read(source: &Source) -> Result<ContentFile, String> {
    let mut file = ContentFile::default();
    each(source, "greetings", ["bot_replies"], |[line]| {
        file.greetings.push(line);
    })?;
    each(source, "fallbacks", ["bot_replies"], |[line]| {
        file.fallbacks.push(line);
    })?;
    let mut places = HashMap::new();
    each(
        source,
        "dialogues",
        ["user_says", "bot_replies"],
        |[text, reply]| {
            let place = *places
                .entry(normalise(&text))
                .or_insert(file.dialogues.len());
            match file.dialogues.get_mut(place) {
                Some(dialogue) => dialogue.replies.push(reply),
                None => file.dialogues.push(Dialogue {
                    text,
                    replies: vec![reply],
                }),
            }
        },
    )?;
    Ok(file)
}

/// Look at these columns of each row of a table, in the order of the rows.
fn each<const COLUMNS: usize>(
    source: &Source,
    table: &str,
    names: [&str; COLUMNS],
    mut visit: impl FnMut([String; COLUMNS]),
) -> Result<(), String> {
    let unreadable = |error: rusqlite::Error| format!("cannot read {table}: {error}");
    let found = columns(&source.connection, table).map_err(unreadable)?;
    if found.is_empty() {
        return Ok(());
    }
    if let Some(missing) = names
        .iter()
        .find(|name| !found.iter().any(|found| found.eq_ignore_ascii_case(name)))
    {
        return Err(format!("the table {table} has no column {missing}"));
    }
    let mut statement = source
        .connection
        .prepare(&format!("SELECT {} FROM {table}", names.join(", ")))
        .map_err(unreadable)?;
    let mut rows = statement.query([]).map_err(unreadable)?;
    let mut number = 0;
    while let Some(row) = rows.next().map_err(unreadable)? {
        number += 1;
        let mut values = [const { String::new() }; COLUMNS];
        for (index, (value, name)) in values.iter_mut().zip(names).enumerate() {
            let text = match row.get_ref(index).map_err(unreadable)? {
                ValueRef::Text(bytes) => std::str::from_utf8(bytes).ok(),
                _ => None,
            };
            text.ok_or_else(|| format!("{name} of row {number} of {table} is no text"))?
                .clone_into(value);
        }
        visit(values);
    }
    Ok(())
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => formatter.write_str("the file has none"),
            Self::Taken(counts) => write!(formatter, "taken over: {counts}"),
            Self::Takeable(counts) => write!(formatter, "would be taken over: {counts}"),
            Self::Left(reason) => write!(formatter, "left: {reason}"),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} greetings, {} fallbacks, {} dialogues",
            self.greetings, self.fallbacks, self.dialogues
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_line_survives_the_way_through_yaml(line in "[\\PC\\n\\t\"'#:{}\\[\\]&*!|>%@`-]{0,40}x") {
            let file = ContentFile {
                greetings: vec![line.clone()],
                fallbacks: vec![line.clone()],
                dialogues: vec![Dialogue { text: line.clone(), replies: vec![line.clone()] }],
            };
            let content = Content::parse(&to_yaml(&file).map_err(TestCaseError::fail)?)?;
            let mut rng = rand::rng();
            prop_assert_eq!(content.greetings().pick(&mut rng), &line);
            prop_assert_eq!(content.replies_to(&line).map(|replies| replies.pick(&mut rng)), Some(line.as_str()));
        }
    }
}
