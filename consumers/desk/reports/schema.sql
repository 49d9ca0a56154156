CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE day (day TEXT PRIMARY KEY, fact TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE fact (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, item TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX fact_of_item ON fact (item) WHERE item != '';
CREATE TABLE row (
    fact INTEGER NOT NULL,
    day TEXT NOT NULL,
    kind TEXT NOT NULL,
    times INTEGER NOT NULL,
    unit TEXT NOT NULL,
    topic TEXT NOT NULL,
    channel TEXT NOT NULL,
    item TEXT NOT NULL,
    detail TEXT NOT NULL,
    seconds INTEGER
);
CREATE INDEX row_of_fact ON row (fact);
CREATE INDEX row_of_kind ON row (kind, day)
