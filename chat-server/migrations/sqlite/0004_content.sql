-- What the bot says: the YAML of the last `content apply`, whole, or no row. The version rises with each one.
CREATE TABLE content (
    only_row INTEGER PRIMARY KEY DEFAULT 1 CHECK (only_row = 1),
    version INTEGER NOT NULL,
    yaml TEXT NOT NULL,
    applied_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

INSERT INTO schema_contract VALUES (4, '0.1.0');
