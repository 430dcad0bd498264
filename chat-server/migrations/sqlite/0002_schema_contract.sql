-- The oldest release of chat-server that still works on the schema that a migration leaves. The newest row counts.
CREATE TABLE schema_contract (
    migration INTEGER PRIMARY KEY,
    oldest_release TEXT NOT NULL
) STRICT;

INSERT INTO schema_contract VALUES (1, '0.1.0'), (2, '0.1.0');
