-- Which meetings a join link of ours stands for: that of its conference, and those it was copied into. Kept as long as they are.
CREATE TABLE link (
    link      TEXT NOT NULL,
    organizer TEXT NOT NULL,
    uid       TEXT NOT NULL,
    PRIMARY KEY (link, organizer, uid)
) WITHOUT ROWID;

INSERT INTO link
    SELECT json_extract(document, '$.conference.details.link') AS link, organizer, uid
    FROM meeting WHERE json_valid(document) AND json_extract(document, '$.conference.details.link') IS NOT NULL;

-- Of a text that bore the link more is remembered now: of one from before that nobody could tell whether it was cut off.
UPDATE meeting SET document = json_remove(document, '$.borne') WHERE json_valid(document);
