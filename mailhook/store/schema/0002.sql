-- What concerns the set-up and no single meeting, and when it was last seen (Unix seconds).
CREATE TABLE sighting (
    name TEXT PRIMARY KEY,
    at   REAL NOT NULL
) WITHOUT ROWID;
