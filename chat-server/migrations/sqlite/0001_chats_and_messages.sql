CREATE TABLE chats (
    id TEXT PRIMARY KEY,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

-- The order of a chat is the order of id, never the clock. AUTOINCREMENT: an id is never given twice.
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chat_id TEXT NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    sent_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    sender TEXT NOT NULL CHECK (sender IN ('USER', 'BOT')),
    body TEXT NOT NULL
) STRICT;

CREATE INDEX messages_by_chat ON messages (chat_id, id);
