-- What the bot says: the YAML of the last `content apply`, whole, or no row. The version rises with each one.
CREATE TABLE content (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version bigint NOT NULL,
    yaml text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

INSERT INTO schema_contract VALUES (4, '0.1.0');
