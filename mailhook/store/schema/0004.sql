-- Which meetings a join link of ours stands for: that of its conference, and those it was copied into. Kept as long as they are.
CREATE TABLE link (
    link      TEXT NOT NULL,
    organizer TEXT NOT NULL,
    uid       TEXT NOT NULL,
    PRIMARY KEY (link, organizer, uid)
) WITHOUT ROWID;

INSERT INTO link
    SELECT json_extract(document, '$.conference.details.link') AS link, organizer, uid
    FROM meeting WHERE link IS NOT NULL;
