"""The conference provider: whether it answers and knows us, and what time it is there.

Not here: making a conference, which changes something there.

Errors: none; what goes wrong is a finding.
"""

from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from mailhook import app, chosen_provider
from mailhook.config import Settings
from mailhook.doctor.finding import Finding, failure, ok, warning
from mailhook.errors import Impossible, MailhookError, Misconfigured
from mailhook.provider.session import Exchange

PROVIDER, CLOCK = "provider", "clock"
ASKEW, WRONG = timedelta(minutes=1), timedelta(minutes=10)


async def provider(settings: Settings) -> list[Finding]:
    async with AsyncExitStack() as stack:
        try:
            peer = chosen_provider.make_provider(settings, None, stack, b"")
            await peer.ping()
        except Misconfigured as error:
            advice = "compare the section [provider] with what your Videomost needs: docs/videomost.md"
            return [failure(PROVIDER, str(error), advice)]
        except Impossible as error:
            sentence = f"{peer.identity} is there; whether it accepts us is not known ({error})"
            advice = "describe in [provider.videomost.operations.ping] a request that changes nothing"
            return [warning(PROVIDER, sentence, advice)]
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
    """By the Date of the answer to a ping (RFC 9110 §6.6.1), on the way that all calls take."""
    exchanges: list[Exchange] = []
    async with AsyncExitStack() as stack:
        with suppress(MailhookError):  # what it is unwell with is another probe's to say
            await chosen_provider.make_provider(settings, None, stack, b"", exchanges.append).ping()
    if not exchanges:
        return [ok(CLOCK, "nothing is asked of the provider of which the answer would tell its time")]
    theirs = next((date for exchange in exchanges if (date := _date(exchange))), None)
    if theirs is None:
        why = f"no answer ({failed})" if (failed := exchanges[-1].failure) else "its answer has no Date"
        advice = "see that this machine's clock is set by NTP"
        return [warning(CLOCK, f"ours could not be compared with the provider's: {why}", advice)]
    return [compared(theirs, app.utc_now())]


def _date(exchange: Exchange) -> datetime | None:
    """UTC, in whole seconds."""
    value = next((value for name, value in exchange.answer_headers if name.lower() == "date"), "")
    try:
        return parsedate_to_datetime(value).astimezone(UTC)
    except ValueError:
        return None


def compared(theirs: datetime, ours: datetime) -> Finding:
    """Ours decides when a meeting is over; theirs, in whole seconds, when a conference begins."""
    apart = abs(theirs - ours)
    if apart <= ASKEW:
        return ok(CLOCK, "ours agrees with the provider's")
    seconds = round(apart.total_seconds())
    sentence = f"ours is {seconds} s {'behind' if theirs > ours else 'ahead of'} the provider's"
    advice = "let NTP set both: by ours a meeting is over, by theirs its conference begins and ends"
    return failure(CLOCK, sentence, advice) if apart > WRONG else warning(CLOCK, sentence, advice)
