-- One row for each property that was ever recorded.
CREATE TABLE series (
    id       INTEGER PRIMARY KEY,
    device   TEXT    NOT NULL,
    property TEXT    NOT NULL,
    since    INTEGER NOT NULL, -- time of its first reading, milliseconds since 1970-01-01T00:00:00Z
    UNIQUE (device, property)
) STRICT;

-- Every reading. The key starts with the time, so all series are appended to the same last page and a commit writes
-- few pages: a memory card lives longer by a factor of ten than with a key that starts with the series.
CREATE TABLE sample (
    ts      INTEGER NOT NULL, -- when it was true, milliseconds since 1970-01-01T00:00:00Z
    series  INTEGER NOT NULL REFERENCES series (id),
    value   REAL    NOT NULL, -- in the property's unit; on and off are 1 and 0
    quality INTEGER NOT NULL CHECK (quality BETWEEN 0 AND 5), -- 0 ok, 1 simulated, 2 retried, 3 clamped, 4 suspect, 5 stale
    PRIMARY KEY (ts, series)
) STRICT, WITHOUT ROWID;

-- The numbers 0 to 3999: the buckets of a chart. Joined first, it lets a range be grouped in the order of the key,
-- with neither sorting nor memory that grows with the range.
CREATE TABLE step (
    n INTEGER PRIMARY KEY
) STRICT;

INSERT INTO step (n)
WITH RECURSIVE counter (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counter WHERE n < 3999)
SELECT n FROM counter;
