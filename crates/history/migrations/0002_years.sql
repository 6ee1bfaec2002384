-- History for years: recent samples in one table, older ones in compressed chunks with rollups beside them, and a log
-- of events. All times are milliseconds since 1970-01-01T00:00:00Z.

-- Recent samples, appended in the order of their time. One number is the key, (ts << 20) | series: SQLite fills the pages
-- of such a table one after the other and leaves full ones alone, while a key of two columns made it write each page
-- several times (src/database.rs has the figures). Read it through the view `sample`, or by a range of keys.
CREATE TABLE recent (
    key     INTEGER PRIMARY KEY,
    value   REAL    NOT NULL, -- in the unit of the series; on and off are 1 and 0; of a text the id in text
    quality INTEGER NOT NULL CHECK (quality BETWEEN 0 AND 6)
    -- 0 ok, 1 simulated, 2 retried, 3 clamped, 4 suspect, 5 stale;
    -- 6 silence: no reading but a mark. From here on nothing is known until the next row; value repeats the last one.
) STRICT;
INSERT INTO recent (key, value, quality) SELECT (ts << 20) | series, value, quality FROM sample;
DROP TABLE sample;
CREATE VIEW sample (ts, series, value, quality) AS SELECT key >> 20, key & 1048575, value, quality FROM recent;
CREATE TRIGGER sample_insert INSTEAD OF INSERT ON sample BEGIN
    INSERT INTO recent (key, value, quality) VALUES ((NEW.ts << 20) | NEW.series, NEW.value, NEW.quality);
END;

-- One row for everything that was ever recorded. A source that sends sometimes a number and sometimes a word has two.
CREATE TABLE new_series (
    id     INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 1048575),
    source TEXT    NOT NULL CHECK (source IN ('property', 'topic')),
    name   TEXT    NOT NULL, -- of a property 'kitchen/temperature', else the whole topic
    kind   TEXT    NOT NULL CHECK (kind IN ('number', 'switch', 'text')),
    unit   TEXT,
    since  INTEGER NOT NULL -- time of its first sample
) STRICT;
INSERT INTO new_series (id, source, name, kind, unit, since)
    SELECT id, 'property', device || '/' || property, 'number', NULL, since FROM series;
DROP TABLE series;
ALTER TABLE new_series RENAME TO series;
CREATE UNIQUE INDEX series_by_name ON series (source, name, (kind = 'text'));

-- The texts that samples of the kind text have as their value.
CREATE TABLE text (
    id      INTEGER PRIMARY KEY,
    content TEXT    NOT NULL UNIQUE
) STRICT;

-- When the gateway itself did not record: nothing is known of any series from start to stop, and after it until the
-- next sample.
CREATE TABLE outage (
    start INTEGER PRIMARY KEY,
    stop  INTEGER NOT NULL CHECK (stop >= start)
) STRICT;

-- Sealed samples of one series and one UTC day. How data is read is in src/chunk.rs. A row of `sample` takes the place of
-- what a chunk has of the same series and time: for a moment while sealing, and after a correction, both are there.
CREATE TABLE chunk (
    id       INTEGER PRIMARY KEY,
    series   INTEGER NOT NULL, -- series.id
    start    INTEGER NOT NULL, -- time of its first sample
    stop     INTEGER NOT NULL CHECK (stop >= start), -- time of its last sample
    count    INTEGER NOT NULL CHECK (count > 0),
    checksum INTEGER NOT NULL, -- CRC-32 of series, start, stop, count and data: see src/chunk.rs
    data     BLOB    NOT NULL,
    UNIQUE (series, start)
) STRICT;

-- What the samples of one series come to in one hour; start is a multiple of 3,600,000. There is a row for each hour
-- that has a sample or a mark, once it is sealed. In an hour without a row the value before it held, if it still did.
CREATE TABLE hour (
    series   INTEGER NOT NULL, -- series.id
    start    INTEGER NOT NULL,
    count    INTEGER NOT NULL, -- samples, without marks of silence
    lowest   REAL, -- of the samples; NULL, as what follows, when there is none
    highest  REAL,
    sum      REAL    NOT NULL,
    first    REAL,
    last     REAL,
    first_ts INTEGER,
    last_ts  INTEGER,
    weighted REAL    NOT NULL, -- integral of the value over the known time, in milliseconds; what was carried in counts
    covered  INTEGER NOT NULL, -- known time, in milliseconds; weighted / covered is the time-weighted mean
    worst    INTEGER NOT NULL, -- the worst quality of the samples, 0 to 5
    held     REAL, -- the value that holds at the end of the hour; NULL when nothing is known then
    PRIMARY KEY (series, start)
) STRICT, WITHOUT ROWID;

-- The same for UTC days, once they are over; start is a multiple of 86,400,000.
CREATE TABLE day (
    series   INTEGER NOT NULL,
    start    INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    lowest   REAL,
    highest  REAL,
    sum      REAL    NOT NULL,
    first    REAL,
    last     REAL,
    first_ts INTEGER,
    last_ts  INTEGER,
    weighted REAL    NOT NULL,
    covered  INTEGER NOT NULL,
    worst    INTEGER NOT NULL,
    held     REAL,
    PRIMARY KEY (series, start)
) STRICT, WITHOUT ROWID;

-- What happened and why.
CREATE TABLE event (
    id       INTEGER PRIMARY KEY,
    ts       INTEGER NOT NULL,
    kind     TEXT    NOT NULL, -- switched, refused, alert, availability, press, gateway
    device   TEXT,
    property TEXT,
    value    TEXT, -- the bare scalar as it was published
    sentence TEXT, -- for people
    who      TEXT,
    cause    TEXT -- JSON: the chain of causes
) STRICT;
CREATE INDEX event_by_time ON event (ts);
CREATE INDEX event_by_device ON event (device, ts);

-- Numbers that must survive a restart. sealed_until: the end of the last hour that was sealed; later rows of `sample`
-- are recent, earlier ones came late and are sealed with the next hour.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value ANY  NOT NULL
) STRICT, WITHOUT ROWID;

-- What was lost or given up, in sentences for the page.
CREATE TABLE notice (
    id       INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    sentence TEXT    NOT NULL
) STRICT;
