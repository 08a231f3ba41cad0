PRAGMA writable_schema = ON;
CREATE TEMP TABLE kept AS SELECT sql FROM sqlite_schema WHERE name = 'generation';
UPDATE sqlite_schema SET sql = replace(sql, 'text TEXT NOT NULL', 'text TEXT') WHERE name = 'generation';
PRAGMA writable_schema = RESET;
UPDATE generation SET text = NULL WHERE id = 3;
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = (SELECT sql FROM kept) WHERE name = 'generation';
PRAGMA writable_schema = RESET;
