-- Rows are numbered by the last act's sequence, so the latest act comes first without sorting.
-- `item` is narrow: a filter that few items pass reads all of it within milliseconds.
CREATE TABLE item (
    seq INTEGER PRIMARY KEY,
    content_id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    step TEXT NOT NULL,
    unit TEXT NOT NULL,
    topic TEXT NOT NULL,
    lane TEXT NOT NULL,
    language TEXT NOT NULL,
    channels INTEGER NOT NULL,
    begins INTEGER,
    ends INTEGER,
    due INTEGER NOT NULL,
    day INTEGER,
    is_broken INTEGER NOT NULL
);
CREATE INDEX item_due ON item (due, seq);
CREATE INDEX item_day ON item (day, seq) WHERE day IS NOT NULL;
CREATE INDEX item_status ON item (status);
CREATE INDEX item_begins ON item (begins) WHERE begins IS NOT NULL;
CREATE INDEX item_ends ON item (ends, status, begins) WHERE ends IS NOT NULL;
CREATE TABLE detail (
    seq INTEGER PRIMARY KEY,
    facts TEXT NOT NULL,
    words BLOB NOT NULL,
    sketch BLOB NOT NULL
);
CREATE TABLE shingle (
    hash INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (hash, seq)
) WITHOUT ROWID;
CREATE TABLE barred (
    seq INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (seq, name)
) WITHOUT ROWID;
-- Items that readers have and that joined a campaign, but for the campaigns' own: a row for each
-- time at which one came to more channels, the first of which is marked.
CREATE TABLE joined (
    seq INTEGER NOT NULL,
    campaign TEXT NOT NULL,
    entry INTEGER,
    channels INTEGER NOT NULL,
    shown INTEGER NOT NULL,
    is_first INTEGER NOT NULL,
    PRIMARY KEY (seq, shown)
) WITHOUT ROWID;
CREATE INDEX joined_campaign ON joined (campaign, entry, channels, shown, is_first);
CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5 (
    word, content = '', detail = none, columnsize = 0, tokenize = 'unicode61 remove_diacritics 0'
);
