-- Files that messages were imported from. Rows of the file up to last_row are done, and are never looked at again: what
-- was deleted since stays deleted.
CREATE TABLE imports (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL UNIQUE,
    last_row INTEGER NOT NULL DEFAULT 0,
    started_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    finished_at TEXT
) STRICT;

-- Of an imported message: the import in the upper bits and the row in the file in the lower 40.
ALTER TABLE messages ADD COLUMN import_key INTEGER;

CREATE UNIQUE INDEX messages_by_import_key ON messages (import_key) WHERE import_key IS NOT NULL;

INSERT INTO schema_contract VALUES (5, '0.1.0');
