-- Whose join links are ours: one that stands in another event was copied there. Kept as long as its meeting is.
CREATE TABLE link (
    link      TEXT PRIMARY KEY,
    organizer TEXT NOT NULL,
    uid       TEXT NOT NULL
) WITHOUT ROWID;

INSERT INTO link
    SELECT json_extract(document, '$.conference.details.link') AS link, min(organizer), min(uid)
    FROM meeting WHERE link IS NOT NULL GROUP BY link;
