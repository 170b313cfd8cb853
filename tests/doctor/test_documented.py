"""docs/doctor.md tells of every subject that a finding may have, in their order."""

import re
from pathlib import Path

from mailhook.doctor import calendar, content, hop, listener, sent_mail, service, storage

PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"


def test_every_subject_is_explained() -> None:
    subjects = [
        *(content.SETTINGS, content.TEMPLATES, listener.EXPOSURE, listener.LISTENER, hop.HOP, hop.LIMITS),
        *(
            service.PROVIDER,
            service.CLOCK,
            sent_mail.SENT_MAIL,
            calendar.CALENDAR,
            storage.STORE,
            storage.OWNER,
            storage.SIGNATURES,
            storage.DISK,
        ),
    ]
    assert re.findall(r"^\| `(.*?)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE) == subjects
