"""The conference provider: whether it answers and knows us, and what time it is there.

Not here: making a conference, which changes something there.

Errors: none; what goes wrong is a finding.
"""

from contextlib import AsyncExitStack
from datetime import datetime, timedelta

from mailhook import app
from mailhook.config import Settings
from mailhook.doctor.finding import Finding, failure, ok, warning
from mailhook.errors import MailhookError, Misconfigured
from mailhook.provider.clock import server_time

PROVIDER, CLOCK = "provider", "clock"
ASKEW, WRONG = timedelta(minutes=1), timedelta(minutes=10)


async def provider(settings: Settings) -> list[Finding]:
    async with AsyncExitStack() as stack:
        try:
            peer = app.make_provider(settings, None, stack)
            await peer.ping()
        except Misconfigured as error:
            advice = "compare the section [provider] with what your Videomost needs: docs/videomost.md"
            return [failure(PROVIDER, str(error), advice)]
        except MailhookError as error:
            return [_unwell(settings, str(error))]
        return [ok(PROVIDER, f"{peer.identity} answers, and accepts us")]


def _unwell(settings: Settings, said: str) -> Finding:
    if settings.provider.kind == "sandbox":
        advice = "mailhook serve runs the sandbox: start it, and look again"
        return warning(PROVIDER, said, advice)
    what = "deferred" if settings.policy.on_failure == "defer" else "passed on without a link"
    advice = f"see whether it runs, and is reached from this machine; invitations are {what} meanwhile"
    return failure(PROVIDER, said, advice)


async def clock(settings: Settings) -> list[Finding]:
    """By the base URL that the provider's identity names, whatever kind it is."""
    async with AsyncExitStack() as stack:
        try:
            url = app.make_provider(settings, None, stack).identity.partition(" ")[2]
            if not url.startswith(("https://", "http://")):
                return [ok(CLOCK, "the provider has no URL at which its clock could be read")]
            theirs = await server_time(url)
        except MailhookError as error:
            advice = "see that this machine's clock is set by NTP"
            return [warning(CLOCK, f"ours could not be compared with the provider's: {error}", advice)]
    return [compared(theirs, app.utc_now())]


def compared(theirs: datetime, ours: datetime) -> Finding:
    """Ours decides when a meeting is over; theirs, in whole seconds, when a conference begins."""
    apart = abs(theirs - ours)
    if apart <= ASKEW:
        return ok(CLOCK, "ours agrees with the provider's")
    seconds = round(apart.total_seconds())
    sentence = f"ours is {seconds} s {'behind' if theirs > ours else 'ahead of'} the provider's"
    advice = "let NTP set both: by ours a meeting is over, by theirs its conference begins and ends"
    return failure(CLOCK, sentence, advice) if apart > WRONG else warning(CLOCK, sentence, advice)
