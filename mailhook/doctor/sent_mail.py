"""The server of the organizers' sent mail: whether it lets us in, and where that mail is.

Not here: a look into messages, which nobody asked for.

Errors: none; what goes wrong is a finding.
"""

from mailhook import own_copies
from mailhook.config import Settings
from mailhook.doctor.finding import Finding, failure, ok, warning
from mailhook.errors import MailhookError, Misconfigured, Permanent
from mailhook.organizer.imap import Inspection, SentCopies

SENT_MAIL = "sent mail"


async def sent_mail(settings: Settings) -> list[Finding]:
    """Nothing where the copies are left alone."""
    copies = own_copies.make_sent_copies(settings)
    return [await _looked(copies, settings)] if copies else []


async def _looked(copies: SentCopies, settings: Settings) -> Finding:
    probe = settings.organizer.imap.probe
    try:
        found = await copies.inspect(probe)
    except Misconfigured as error:
        return failure(SENT_MAIL, str(error), "compare [organizer.imap] with docs/imap.md")
    except Permanent as error:
        advice = "let organizer.imap.probe be an organizer who has a mailbox there: docs/imap.md"
        return failure(SENT_MAIL, str(error), advice)
    except MailhookError as error:
        advice = "see whether it runs, and is reached from this machine; copies wait meanwhile"
        return failure(SENT_MAIL, str(error), advice)
    return judged(found, settings)


def judged(found: Inspection, settings: Settings) -> Finding:
    own = settings.organizer.imap
    where = f"{own.host}:{own.actual_port}"
    if found.folders is None:
        what = "answers" if found.uidplus is None else "lets the service account in"
        advice = "name an organizer in organizer.imap.probe, in whose mailbox the doctor may look"
        return warning(SENT_MAIL, f"{where} {what}; nobody's mailbox was opened", advice)
    if not found.folders:
        sentence = f"{where} marks no folder of {own.probe} as that of sent mail"
        return warning(SENT_MAIL, sentence, "name it in organizer.imap.folder")
    if not found.uidplus:
        sentence = f"{where} cannot expunge a single message (UIDPLUS)"
        advice = "a copy is replaced only while no other message in its folder is marked as deleted"
        return warning(SENT_MAIL, sentence, advice)
    return ok(SENT_MAIL, f"{where} opens {own.probe}'s {', '.join(found.folders)}")
