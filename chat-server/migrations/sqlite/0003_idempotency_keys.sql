-- The key that a client gave to a person's message, so that a retry is answered and not recorded again.
ALTER TABLE messages ADD COLUMN idempotency_key TEXT;

CREATE UNIQUE INDEX messages_by_idempotency_key ON messages (chat_id, idempotency_key)
WHERE idempotency_key IS NOT NULL;

INSERT INTO schema_contract VALUES (3, '0.1.0');
