"""The calendar server with the organizers' events: whether it answers and knows us.

Not here: changing an event.

Errors: none; what goes wrong is a finding.
"""

from collections.abc import Sequence

from mailhook import own_copies
from mailhook.config import Settings
from mailhook.doctor.finding import Finding, failure, ok
from mailhook.errors import MailhookError, Temporary
from mailhook.phrasebook import Phrasebook

CALENDAR = "calendar"
_ADVICE = (
    "compare the section [organizer.caldav] with docs/caldav.md, and name an organizer who has calendars there in "
    "organizer.caldav.probe"
)


async def calendar(settings: Settings) -> Sequence[Finding]:
    """In the calendars of organizer.caldav.probe, else as the account for all, or the first with a password."""
    try:
        writer = own_copies.make_caldav(settings, Phrasebook(settings))
        if writer is None:
            return []
        try:
            return [ok(CALENDAR, await writer.probe(settings.organizer.caldav.probe))]
        finally:
            await writer.close()
    except Temporary as error:
        advice = "see whether it runs, and is reached from this machine; links are written when it is back"
        return [failure(CALENDAR, str(error), advice)]
    except MailhookError as error:
        return [failure(CALENDAR, str(error), _ADVICE)]
