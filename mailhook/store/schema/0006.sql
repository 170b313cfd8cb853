-- Since when something about a meeting is not as it should be because it failed or is in doubt (Unix seconds); NULL: all is
-- well. And whether nobody can tell that the meeting lives.
ALTER TABLE meeting ADD COLUMN pending_since REAL;
ALTER TABLE meeting ADD COLUMN doubtful INTEGER NOT NULL DEFAULT 0;

UPDATE meeting SET pending_since = updated_at
    WHERE json_valid(document)
    AND (wake_at IS NOT NULL AND coalesce(json_extract(document, '$.error'), '') <> ''
         OR coalesce(json_array_length(document, '$.leftovers'), 0) > 0
         OR coalesce(json_array_length(document, '$.suspects'), 0) > 0);
UPDATE meeting SET doubtful = 1
    WHERE json_valid(document) AND coalesce(json_extract(document, '$.doubtful'), '') <> ''
    AND state IN ('ready', 'announced', 'finished');

CREATE INDEX meeting_pending ON meeting (pending_since) WHERE pending_since IS NOT NULL;

CREATE INDEX meeting_doubtful ON meeting (organizer) WHERE doubtful;

CREATE INDEX meeting_state ON meeting (state, updated_at);

-- What was done with the newest mails that looked like invitations, for the status page. No join links.
CREATE TABLE decision (
    id        INTEGER PRIMARY KEY,
    at        REAL NOT NULL,
    document  TEXT NOT NULL
);
