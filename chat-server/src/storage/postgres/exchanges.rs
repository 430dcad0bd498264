//! Exchanges in one statement: what is asked of PostgreSQL to record many at once, and to find out why some weren't. When
//! and with which others an exchange is written is decided in [`super::batch`].

use std::collections::HashSet;

use sqlx::Row as _;
use uuid::Uuid;

use super::super::{Exchange, Recording};
use super::session::Session;

/// Writes exchanges of which each is of another chat, and returns the chats whose exchange was written. Not written is
/// what has no chat, whose key is known, or whose chat is locked. The lock on the chat makes exchanges of one chat
/// follow one another, so that each answer stands below its question. An answer gets its id after its question.
const ADD_EXCHANGES: &str = "
    WITH asked AS (
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[]) AS asked (chat_id, said, reply, key)
    ),
    chat AS MATERIALIZED (SELECT id FROM chats WHERE id = ANY ($1) FOR NO KEY UPDATE SKIP LOCKED),
    question AS (
        INSERT INTO messages (chat_id, sender, body, idempotency_key)
        SELECT chat_id, 'USER', said, key FROM asked JOIN chat ON chat.id = asked.chat_id
        ON CONFLICT (chat_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
        RETURNING chat_id
    ),
    answer AS (
        INSERT INTO messages (chat_id, sender, body)
        SELECT chat_id, 'BOT', reply FROM question JOIN asked USING (chat_id)
        RETURNING chat_id
    )
    SELECT chat_id FROM answer";

/// Why exchanges weren't written: whether there is a chat, and what was recorded under the key before. Subqueries rather
/// than joins, because the writers' sessions have no nested loops, and other joins would read whole tables.
const LOOK_UP: &str = "
    SELECT
        asked.chat_id,
        EXISTS (SELECT FROM chats WHERE id = asked.chat_id) AS is_known,
        (SELECT body FROM messages WHERE chat_id = asked.chat_id AND idempotency_key = asked.key) AS said,
        (
            SELECT body FROM messages
            WHERE chat_id = asked.chat_id AND sender = 'BOT' AND id > (
                SELECT id FROM messages WHERE chat_id = asked.chat_id AND idempotency_key = asked.key
            )
            ORDER BY id LIMIT 1
        ) AS reply
    FROM unnest($1::uuid[], $2::uuid[]) AS asked (chat_id, key)";

/// What became of each exchange; nothing for one whose chat is locked.
pub(super) async fn write(
    session: &mut Session,
    exchanges: &[&Exchange],
) -> Result<Vec<Option<Recording>>, sqlx::Error> {
    let column = |value: for<'a> fn(&'a Exchange) -> &'a str| -> Vec<&str> {
        exchanges.iter().map(|&exchange| value(exchange)).collect()
    };
    let chats: Vec<_> = exchanges.iter().map(|exchange| exchange.chat).collect();
    let keys: Vec<_> = exchanges.iter().map(|exchange| exchange.key).collect();
    let rows = session
        .query(ADD_EXCHANGES)
        .bind(&chats)
        .bind(column(|exchange| &exchange.said))
        .bind(column(|exchange| &exchange.reply))
        .bind(&keys)
        .fetch_all(session.connection()?)
        .await?;
    let written = rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<HashSet<Uuid>, _>>()?;
    let mut recordings: Vec<_> = chats
        .iter()
        .map(|chat| written.contains(chat).then_some(Recording::Done))
        .collect();
    if written.len() < exchanges.len() {
        look_up(session, exchanges, &mut recordings).await?;
    }
    Ok(recordings)
}

async fn look_up(
    session: &mut Session,
    exchanges: &[&Exchange],
    recordings: &mut [Option<Recording>],
) -> Result<(), sqlx::Error> {
    let open = || {
        exchanges
            .iter()
            .zip(recordings.iter())
            .filter(|(_, it)| it.is_none())
    };
    let chats: Vec<_> = open().map(|(exchange, _)| exchange.chat).collect();
    let keys: Vec<_> = open().map(|(exchange, _)| exchange.key).collect();
    let rows = session
        .query(LOOK_UP)
        .bind(&chats)
        .bind(&keys)
        .fetch_all(session.connection()?)
        .await?;
    for row in rows {
        let chat: Uuid = row.try_get("chat_id")?;
        let is_known: bool = row.try_get("is_known")?;
        let before: Option<String> = row.try_get("said")?;
        let reply: Option<String> = row.try_get("reply")?;
        for (exchange, recording) in exchanges.iter().zip(recordings.iter_mut()) {
            if exchange.chat == chat {
                *recording = match (is_known, before.as_ref(), reply.as_ref()) {
                    (false, ..) => Some(Recording::UnknownChat),
                    (true, Some(said), _) if *said != exchange.said => Some(Recording::OtherText),
                    (true, Some(_), Some(reply)) => Some(Recording::Before(reply.clone())),
                    _ => None,
                };
            }
        }
    }
    Ok(())
}

/// Whether PostgreSQL refused what was to be written, and not because of its own state: then one exchange is the cause.
pub(super) fn is_about_data(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error)
        if error.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23")))
}
