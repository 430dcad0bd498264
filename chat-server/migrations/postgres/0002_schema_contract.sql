-- The oldest release of chat-server that still works on the schema that a migration leaves. The newest row counts.
CREATE TABLE schema_contract (
    migration bigint PRIMARY KEY,
    oldest_release text NOT NULL
);

INSERT INTO schema_contract VALUES (1, '0.1.0'), (2, '0.1.0');
