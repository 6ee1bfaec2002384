-- What the broker has promised to keep. Times are milliseconds since 1970-01-01T00:00:00Z by the wall clock.
--
-- Nothing refers to anything by a foreign key: the one writer removes what belongs together in one transaction, and a
-- damaged file can be copied table by table.

-- Sessions that outlive their connections.
CREATE TABLE session (
    id             INTEGER PRIMARY KEY, -- never given twice, so that what is left of an older session is not found again
    client_id      TEXT    NOT NULL UNIQUE,
    user           TEXT    NOT NULL,
    expiry_seconds INTEGER NOT NULL,
    away_since     INTEGER,             -- null: its client is connected
    sent_before    INTEGER              -- null: not known
) STRICT;

-- Wills that are not published yet.
CREATE TABLE will (
    session       INTEGER PRIMARY KEY,
    delay_seconds INTEGER NOT NULL,
    topic         TEXT    NOT NULL,
    payload       BLOB    NOT NULL,
    flags         INTEGER NOT NULL, -- of a message: 1 and 2 the QoS, 4 retain, 8 the payload is text
    details       TEXT    NOT NULL  -- JSON: who sent it, and the properties that it has
) STRICT;

CREATE TABLE subscription (
    session    INTEGER NOT NULL,
    share      TEXT    NOT NULL, -- the group of a shared subscription; empty: none
    filter     TEXT    NOT NULL,
    options    INTEGER NOT NULL, -- the byte of a SUBSCRIBE packet (MQTT 5.0 section 3.8.3.1)
    identifier INTEGER,
    PRIMARY KEY (session, share, filter)
) STRICT, WITHOUT ROWID;

-- Messages that wait for sessions, each once for however many.
CREATE TABLE message (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL, -- when it was recorded
    topic   TEXT    NOT NULL,
    payload BLOB    NOT NULL,
    flags   INTEGER NOT NULL,
    details TEXT    NOT NULL
) STRICT;

-- A message on its way to a session. The key only grows, whoever it is for: what is queued for a hundred sessions in one
-- commit is appended to one page, where a key that starts with the session would write a hundred.
CREATE TABLE delivery (
    id          INTEGER PRIMARY KEY,
    session     INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    message     INTEGER NOT NULL,
    flags       INTEGER NOT NULL, -- 1 and 2 the QoS, 4 retain, 8 received (PUBREC)
    identifiers TEXT              -- JSON: the subscription identifiers
) STRICT;

-- QoS 2 publishes that a client has begun and not released.
CREATE TABLE incoming (
    id INTEGER PRIMARY KEY -- session * 65536 + packet identifier
) STRICT;

CREATE TABLE retained (
    topic   TEXT PRIMARY KEY,
    at      INTEGER NOT NULL,
    payload BLOB    NOT NULL,
    flags   INTEGER NOT NULL,
    details TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
