"""All probes at once.

What: `examine` starts every probe as a task of its own, so that a dead peer holds up no other, and puts the findings
in the order of the probes.

Not here: what each looks at.

Errors: none. A probe that takes too long, or fails for a fault of ours, is a finding too.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from mailhook.config import Problem, Settings
from mailhook.doctor import calendar, content, hop, listener, sent_mail, service, storage
from mailhook.doctor.finding import Finding, failure, warning
from mailhook.journal import clean

PATIENCE = 10.0
"""Seconds that one probe may take."""

LONGEST = 1000
"""Characters of a sentence."""


@dataclass(frozen=True)
class Probe:
    """`peer`: who is asked, for the case that no answer comes, which is then `silence`."""

    subject: str
    peer: str
    run: Callable[[], Awaitable[Sequence[Finding]]]
    silence: Callable[[str, str, str], Finding] = failure


async def examine(
    settings: Settings, problems: Sequence[Problem], patience: float = PATIENCE
) -> list[Finding]:
    """`problems`: what `mailhook check` says of the settings. `patience`: of one probe, in seconds."""
    found = await asyncio.gather(*(_tried(probe, patience) for probe in _probes(settings, patience)))
    every = [*content.settings(problems), *(finding for findings in found for finding in findings)]
    # What a peer said is in some of them.
    return [replace(finding, sentence=clean(finding.sentence, LONGEST)) for finding in every]


def _probes(settings: Settings, patience: float) -> list[Probe]:
    listen, next_hop = settings.listen, settings.nexthop
    return [
        Probe(content.TEMPLATES, "the templates", partial(content.templates, settings)),
        Probe(listener.EXPOSURE, "the name service", partial(listener.exposure, settings)),
        Probe(listener.LISTENER, f"{listen.host}:{listen.port}", partial(listener.listening, settings)),
        Probe(hop.HOP, f"{next_hop.host}:{next_hop.port}", partial(hop.next_hop, settings)),
        Probe(service.PROVIDER, "the provider", partial(service.provider, settings)),
        Probe(service.CLOCK, "the provider", partial(service.clock, settings), warning),
        Probe(sent_mail.SENT_MAIL, settings.organizer.imap.host, partial(sent_mail.sent_mail, settings)),
        Probe(calendar.CALENDAR, "the calendar server", partial(calendar.calendar, settings)),
        Probe(storage.STORE, settings.store.path, partial(storage.store, settings, patience)),
        Probe(storage.DISK, settings.store.path, partial(storage.disk, settings)),
    ]


async def _tried(probe: Probe, patience: float) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(patience):
            return await probe.run()
    except TimeoutError:
        sentence = f"{probe.peer} gave no answer within {patience:g} s"
        advice = "see that it runs, and that no firewall swallows the packets"
        return [probe.silence(probe.subject, sentence, advice)]
    except Exception as fault:
        sentence = f"could not be looked at: {type(fault).__name__}: {fault}"
        return [failure(probe.subject, sentence, "this is a fault of mailhook: report it")]
