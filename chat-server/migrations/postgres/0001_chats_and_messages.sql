CREATE TABLE chats (
    id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The order of a chat is the order of id, never the clock.
CREATE TABLE messages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chat_id uuid NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    sent_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sender text NOT NULL CHECK (sender IN ('USER', 'BOT')),
    body text NOT NULL
);

CREATE INDEX messages_by_chat ON messages (chat_id, id);
