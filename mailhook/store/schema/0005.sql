-- When a copy of the event that the organizer has is to be looked at (Unix seconds); NULL: as things are, never. Of
-- conferences that stand nobody knows yet.
ALTER TABLE meeting ADD COLUMN caldav_at REAL;
ALTER TABLE meeting ADD COLUMN imap_at REAL;

UPDATE meeting SET caldav_at = 0, imap_at = 0 WHERE state = 'announced';

CREATE INDEX meeting_caldav ON meeting (caldav_at) WHERE caldav_at IS NOT NULL;

CREATE INDEX meeting_imap ON meeting (imap_at) WHERE imap_at IS NOT NULL;
