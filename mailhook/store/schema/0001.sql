-- One row per meeting. `document` is the meeting as JSON; the columns beside it are what SQL has to find or order by,
-- and are written with it. Moments are Unix seconds.
CREATE TABLE meeting (
    organizer     TEXT NOT NULL,
    uid           TEXT NOT NULL,
    state         TEXT NOT NULL,
    conference_id TEXT,
    wake_at       REAL,
    updated_at    REAL NOT NULL,
    document      TEXT NOT NULL,
    PRIMARY KEY (organizer, uid)
) WITHOUT ROWID;

CREATE INDEX meeting_due ON meeting (wake_at) WHERE wake_at IS NOT NULL;

-- What the limits per hour count. A generation counts once however often its create is tried.
CREATE TABLE ledger (
    kind       TEXT NOT NULL CHECK (kind IN ('create', 'delete')),
    organizer  TEXT NOT NULL,
    uid        TEXT NOT NULL,
    generation INTEGER NOT NULL,
    at         REAL NOT NULL,
    PRIMARY KEY (kind, organizer, uid, generation)
) WITHOUT ROWID;

CREATE INDEX ledger_at ON ledger (kind, at);

CREATE TABLE secret (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
