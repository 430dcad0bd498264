//! `unanswered`: what people said most that no dialogue answers, so that bot authors know what to write next. Texts count
//! as the same if the reply rule takes them for the same.

use std::collections::HashMap;
use std::io::{self, Write as _};

use anyhow::Context as _;
use futures::TryStreamExt as _;
use sqlx::{Database, Encode, Executor, FromRow, IntoArguments, Type};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::UnansweredArgs;
use crate::content::{Content, commands, normalise};
use crate::storage::connect::{Connection, connect};
use crate::storage::url::DatabaseUrl;
use crate::storage::{PoolLimits, Storage};

// The database groups equal texts, so that fewer are sent.
const SAID: &str =
    "SELECT body, count(*) FROM messages WHERE sender = 'USER' AND sent_at >= $1 GROUP BY body";

/// List what no dialogue answers, the most frequent first.
pub(crate) async fn unanswered(args: &UnansweredArgs, url: &DatabaseUrl) -> anyhow::Result<()> {
    let mut connection = connect(url).await?;
    let content = content(args, url).await?;
    let since = args
        .since
        .and_then(|age| time::Duration::try_from(age).ok())
        .and_then(|age| OffsetDateTime::now_utc().checked_sub(age))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
        .max(OffsetDateTime::UNIX_EPOCH);
    let said = match &mut connection {
        Connection::Postgres(connection) => {
            count::<sqlx::Postgres, _>(connection, since, &content).await
        }
        Connection::Sqlite(connection) => {
            count::<sqlx::Sqlite, _>(connection, since.format(&Rfc3339)?, &content).await
        }
    }
    .context("cannot read what people said")?;
    connection.close().await?;
    print(said, args.limit).context("cannot write the list")
}

/// The content that counts: the one given, else what running servers have.
async fn content(args: &UnansweredArgs, url: &DatabaseUrl) -> anyhow::Result<Content> {
    if let Some(file) = &args.content {
        return commands::given(file).await;
    }
    let storage = Storage::new(url, PoolLimits::COMMAND);
    let applied = storage.content().await;
    storage.close().await;
    match applied.context("cannot read the content")? {
        Some(applied) => Content::parse(&applied.yaml).context("the database's content is refused"),
        None => Content::built_in().context("the built-in content is refused"),
    }
}

/// How often each text was said that no dialogue answers.
async fn count<DB, Since>(
    connection: &mut DB::Connection,
    since: Since,
    content: &Content,
) -> Result<HashMap<String, i64>, sqlx::Error>
where
    DB: Database,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    (String, i64): for<'r> FromRow<'r, DB::Row>,
    Since: for<'q> Encode<'q, DB> + Type<DB> + Send,
{
    let mut said = HashMap::new();
    let mut rows = sqlx::query_as::<DB, (String, i64)>(SAID)
        .bind(since)
        .fetch(connection);
    while let Some((text, count)) = rows.try_next().await? {
        let text = normalise(&text);
        if !text.is_empty() && content.replies_to(&text).is_none() {
            *said.entry(text).or_default() += count;
        }
    }
    Ok(said)
}

fn print(said: HashMap<String, i64>, limit: usize) -> io::Result<()> {
    let mut said: Vec<_> = said.into_iter().collect();
    said.sort_unstable_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
    let mut out = io::BufWriter::new(io::stdout().lock());
    for (text, count) in said.iter().take(limit) {
        writeln!(out, "{count}\t{}", one_line(text))?;
    }
    out.flush()
}

/// A text without characters that would move a terminal's cursor or the columns of the list.
fn one_line(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let escaped = character.is_control().then(|| character.escape_default());
            let itself = escaped.is_none().then_some(character);
            escaped.into_iter().flatten().chain(itself)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_others_are_not() {
        assert_eq!(one_line("tab\there\n\u{1b}[1m"), "tab\\there\\n\\u{1b}[1m");
        assert_eq!(one_line("Grüße 👋 \\"), "Grüße 👋 \\");
    }
}
