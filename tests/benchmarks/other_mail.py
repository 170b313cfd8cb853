"""How long ordinary mail waits while a calendar of many events is read and rewritten: milliseconds, in one process.

    python -m tests.benchmarks.other_mail

`took`: the invitation itself. `before`, `during`: the longest that one ordinary mail of a few bytes took, from MAIL to
the reply to its dot; the client, the sink and the local Videomost run in the same process, and take their share.
"""

import asyncio
import sys
from datetime import timedelta
from time import perf_counter

from mailhook.worker import SWITCH_INTERVAL
from tests.relay.mails import ANNA, IVAN, ORDINARY, Event, invitation
from tests.relay.rig import Client, world

EVENTS = (150, 1000, 3000)
SETTLED = 100
"""Ordinary mails before the invitation."""


def calendar_of(events: int) -> bytes:
    """A daily series, and so many of its instances each in an event of its own."""
    event = Event()
    calendar = event.calendar()
    head, begin, rest = calendar.partition("BEGIN:VEVENT")
    one, _, tail = rest.partition("END:VCALENDAR")
    parts = [head, begin, one.replace("SUMMARY", "RRULE:FREQ=DAILY\r\nSUMMARY", 1)]
    for number in range(1, events):
        named = f"RECURRENCE-ID:{event.start + timedelta(days=number):%Y%m%dT%H%M%SZ}"
        parts += [begin, one.replace("SUMMARY", f"{named}\r\nSUMMARY", 1)]
    many = "".join((*parts, "END:VCALENDAR", tail)).rstrip("\r\n")
    return invitation(event).decode().replace(calendar.rstrip("\r\n"), many).encode()


async def measured(raw: bytes) -> tuple[float, float, float]:
    """took, before, during."""
    before: list[float] = []
    during: list[float] = []
    async with world() as here, await Client.connect(here.port) as client:

        async def ordinary(times: list[float]) -> None:
            begin = perf_counter()
            assert (await client.send(ORDINARY, IVAN, ANNA)).code == 250
            times.append(perf_counter() - begin)

        for _ in range(SETTLED):
            await ordinary(before)
        begin = perf_counter()
        large = asyncio.create_task(here.send(raw))
        while not large.done():
            await ordinary(during)
        assert large.result().code == 250
        return perf_counter() - begin, max(before), max(during)


def main() -> None:
    sys.setswitchinterval(SWITCH_INTERVAL)
    print(f"{'events':>8}{'octets':>10}{'took':>9}{'before':>9}{'during':>9}")
    for events in EVENTS:
        raw = calendar_of(events)
        took, before, during = asyncio.run(measured(raw))
        figures = "".join(f"{each * 1000:9.1f}" for each in (took, before, during))
        print(f"{events:8}{len(raw):10}{figures}", flush=True)


if __name__ == "__main__":
    main()
