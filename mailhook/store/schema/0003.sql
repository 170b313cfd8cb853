-- When the organizer may have to be told of something by a notice (Unix seconds); NULL: of nothing.
ALTER TABLE meeting ADD COLUMN notice_at REAL;

CREATE INDEX meeting_news ON meeting (notice_at) WHERE notice_at IS NOT NULL;
