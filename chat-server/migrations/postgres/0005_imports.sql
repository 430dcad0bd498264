-- Files that messages were imported from. Rows of the file up to last_row are done, and are never looked at again: what
-- was deleted since stays deleted.
CREATE TABLE imports (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source uuid NOT NULL UNIQUE,
    last_row bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz
);

-- Of an imported message: the import in the upper bits and the row in the file in the lower 40.
ALTER TABLE messages ADD COLUMN import_key bigint;

CREATE UNIQUE INDEX messages_by_import_key ON messages (import_key) WHERE import_key IS NOT NULL;

INSERT INTO schema_contract VALUES (5, '0.1.0');
