"""What a calendar costs that was made to cost much: milliseconds of CPU, the best of five.

    python -m tests.benchmarks.hostile_calendars

`read`: the message and its invitation. `request`, `revision`, `cancel`: all that is decided of a REQUEST that makes the
meeting, of a later revision of it, of a CANCEL. `desired`: where the conference stands. `store`: the meeting to JSON
and back. Nothing is remembered from one run to the next. `sum`: of reading, the dearest decision and `desired`; the
aim is 50 ms.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from time import process_time

from mailhook.core import contentlines, expansion, itip, message, rrule, vtimezone
from mailhook.core.aim import desired
from mailhook.core.itip import Invitation
from mailhook.core.meeting import Meeting
from mailhook.core.revision import announce, look
from mailhook.core.uninviting import cancel, unlist
from mailhook.store import rows
from tests.core.invitations import DEFAULTS, POLICY, at, mail
from tests.core.meetings import ANNA, LISTED, MARKED

NOW = at("2027-03-02 12:00")
START = "DTSTART;TZID=Europe/Berlin:20270301T100000"
LONG_AGO = "DTSTART;TZID=Europe/Berlin:19000301T100000"
RUNS = 5
AIM = 50.0


def days(count: int, form: str = "%Y%m%dT100000", step: float = 1) -> list[str]:
    first = at("2027-03-02 10:00")
    return [f"{first + timedelta(days=int(step * number)):{form}}" for number in range(count)]


def upto(last: int, sign: str = "") -> str:
    return ",".join(f"{sign}{number}" for number in range(1, last + 1))


def series(rule: str, rest: str = "", start: str = START) -> str:
    return f"{start}\nDURATION:PT1H\nRRULE:{rule}\n{rest}\n{LISTED}"


def override(day: str, rest: str = "") -> str:
    named = f"RECURRENCE-ID{rest};TZID=Europe/Berlin:{day}T100000"
    return f"{named}\nDTSTART;TZID=Europe/Berlin:{day}T110000\nDURATION:PT1H\n{LISTED}"


def zone(observances: int, onsets: int) -> str:
    """A zone that changes its offset by a minute again and again."""
    parts = []
    for number in range(observances):
        offset = f"+01{number:02}"
        dates = ",".join(
            f"{1900 + at // 12:04}{at % 12 + 1:02}01T{number % 24:02}0000" for at in range(onsets)
        )
        rule = f"RRULE:FREQ=YEARLY;BYMONTH={number % 12 + 1};BYDAY=-1SU"
        parts += [
            "BEGIN:STANDARD",
            "DTSTART:19000101T000000",
            f"TZOFFSETFROM:{offset}",
            f"TZOFFSETTO:{offset}",
        ]
        parts += [rule, f"RDATE:{dates}", "END:STANDARD"]
    return "\n".join(["BEGIN:VTIMEZONE", "TZID:Own", *parts, "END:VTIMEZONE"])


OWN = "DTSTART;TZID=Own:20270301T100000"
OFTEN = f"FREQ=DAILY;BYHOUR={','.join(map(str, range(24)))};BYMINUTE=0,15,30,45"
EVERYTHING = (
    f"FREQ=YEARLY;BYYEARDAY={upto(365)};BYWEEKNO={upto(52)};BYMONTHDAY={upto(31)};BYDAY=MO,TU,WE,TH,FR,SA,SU"
)

CASES: dict[str, Callable[[], bytes]] = {
    "weekly (for comparison)": lambda: mail(series("FREQ=WEEKLY")),
    "10 000 EXDATEs in one line": lambda: mail(
        series("FREQ=DAILY", f"EXDATE;TZID=Europe/Berlin:{','.join(days(10_000))}")
    ),
    "10 000 lines of EXDATE": lambda: mail(
        series("FREQ=DAILY", "\n".join(f"EXDATE;TZID=Europe/Berlin:{day}" for day in days(10_000)))
    ),
    "10 000 RDATEs as periods": lambda: mail(
        series(
            "FREQ=DAILY",
            f"RDATE;VALUE=PERIOD;TZID=Europe/Berlin:{','.join(f'{d}/PT2H' for d in days(10_000))}",
        )
    ),
    "COUNT=10^9": lambda: mail(series("FREQ=DAILY;COUNT=1000000000", start=LONG_AGO)),
    "COUNT=1000 since 1900": lambda: mail(series("FREQ=YEARLY;COUNT=1000", start=LONG_AGO)),
    "INTERVAL=10^11": lambda: mail(series("FREQ=DAILY;INTERVAL=100000000000")),
    "SECONDLY": lambda: mail(series("FREQ=SECONDLY")),
    "96 times a day": lambda: mail(series(OFTEN)),
    "96 times a day, COUNT=1000": lambda: mail(series(f"{OFTEN};COUNT=1000")),
    "30 February, yearly": lambda: mail(series("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30")),
    "30 February, daily, since 1900": lambda: mail(
        series("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=1000", start=LONG_AGO)
    ),
    "BYSETPOS that no week has": lambda: mail(series(f"FREQ=WEEKLY;BYDAY=MO;BYSETPOS={upto(366, '-')}")),
    "BYSETPOS that no week has, since 1900": lambda: mail(
        series("FREQ=WEEKLY;BYMONTH=2;BYSETPOS=7;COUNT=1000", start=LONG_AGO)
    ),
    "all numbers of all parts, BYSETPOS=366": lambda: mail(series(f"{EVERYTHING};BYSETPOS=366")),
    "all numbers of all parts, since 1900": lambda: mail(
        series(f"{EVERYTHING};BYSETPOS=366;COUNT=1000", start=LONG_AGO)
    ),
    "a rule of a megabyte": lambda: mail(series(f"FREQ=DAILY;BYHOUR={'1,' * 500_000}1")),
    "VTIMEZONE of 60 x 200 RDATEs": lambda: mail(series("FREQ=DAILY", start=OWN), zones=zone(60, 200)),
    "VTIMEZONE of 60 x 10 000 RDATEs": lambda: mail(series("FREQ=DAILY", start=OWN), zones=zone(60, 10_000)),
    "... 60 x 200, and 10 000 EXDATEs": lambda: mail(
        series("FREQ=DAILY", f"EXDATE;TZID=Own:{','.join(days(10_000))}", OWN), zones=zone(60, 200)
    ),
    "... of all years": lambda: mail(
        series("FREQ=DAILY", f"EXDATE;TZID=Own:{','.join(days(2000, step=30))}", OWN), zones=zone(60, 200)
    ),
    "500 overrides": lambda: mail(
        series("FREQ=DAILY;COUNT=1000"), *(override(day) for day in days(499, "%Y%m%d"))
    ),
    "500 parts (THISANDFUTURE), impossible": lambda: mail(
        series("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"),
        *(override(day, ";RANGE=THISANDFUTURE") for day in days(499, "%Y%m%d")),
    ),
    "500 parts (THISANDFUTURE), COUNT=1000": lambda: mail(
        series("FREQ=DAILY;COUNT=1000"),
        *(override(day, ";RANGE=THISANDFUTURE") for day in days(499, "%Y%m%d")),
    ),
    "500 masters with 500 EXDATEs each": lambda: mail(
        *[series("FREQ=DAILY", f"EXDATE;TZID=Europe/Berlin:{','.join(days(500))}")] * 500
    ),
    "500 overrides with 500 EXDATEs each": lambda: mail(
        series("FREQ=DAILY"),
        *(f"{override(day)}\nEXDATE:{','.join(days(500))}" for day in days(499, "%Y%m%d")),
    ),
}


def forget() -> None:
    for each in (contentlines.read, rrule.parse, expansion._year, vtimezone.custom_zone):
        each.cache_clear()


def read(raw: bytes) -> Invitation:
    found = itip.read(message.read(raw), DEFAULTS)
    assert isinstance(found, Invitation)
    return found


def revised(invitation: Invitation, hours: int) -> Invitation:
    """The next revision: the series alone, later."""
    master = invitation.events[0]
    schedule = master.component.schedule
    assert schedule is not None
    later = replace(schedule, start=schedule.start + timedelta(hours=hours))
    stamp = replace(master.component.stamp, sequence=hours)
    return replace(
        invitation,
        events=(replace(master, component=replace(master.component, schedule=later, stamp=stamp)),),
    )


def requested(meeting: Meeting, invitation: Invitation) -> Meeting:
    look(meeting, invitation, MARKED, POLICY, NOW, (ANNA,))
    after = announce(meeting, invitation, (ANNA,), POLICY, NOW, linked=False)
    return unlist(after, meeting, invitation, (ANNA,), POLICY, NOW)


def cost(act: Callable[[], object]) -> float:
    spent = []
    for _ in range(RUNS):
        forget()
        begin = process_time()
        act()
        spent.append(process_time() - begin)
    return min(spent) * 1000


def measured(raw: bytes) -> list[float]:
    """read, request, revision, cancel, desired, store."""
    invitation = read(raw)
    later, off = revised(invitation, 1), replace(invitation, method="CANCEL")
    nothing = Meeting(invitation.key)
    meeting = requested(nothing, invitation)
    acts: list[Callable[[], object]] = [
        lambda: read(raw),
        lambda: requested(nothing, invitation),
        lambda: requested(meeting, later),
        lambda: cancel(meeting, off, (ANNA,), POLICY, NOW),
        lambda: desired(meeting, NOW, POLICY.roll_after),
        lambda: rows.meeting(rows.document(meeting)),
    ]
    return [cost(act) for act in acts]


def main() -> None:
    heads = ("octets", "read", "request", "revision", "cancel", "desired", "store", "sum")
    print(f"{'milliseconds of CPU':40}" + "".join(f"{head:>9}" for head in heads))
    for name, make in CASES.items():
        raw = make()
        costs = measured(raw)
        whole = costs[0] + max(costs[1:4]) + costs[4]
        figures = "".join(f"{each:9.1f}" for each in (*costs, whole))
        print(f"{name:40}{len(raw):9}{figures}{'  over' if whole > AIM else ''}", flush=True)


if __name__ == "__main__":
    main()
