"""The words of a notice: one template for each language.

What: `NoticeWording` compiles and tries the templates when it is made, and renders subject and text of a notice.

Not here: when there is one (`notice`), the block of an invitation (`wording`).

Errors: Misconfigured when templates are broken, or there is none for the default: a line for each.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from mailhook.core import dates
from mailhook.core.aim import shortened
from mailhook.core.conference import JoinDetails, Person, Spec
from mailhook.core.confined import Faults, Sources
from mailhook.core.dates import Locale, Timing
from mailhook.core.languages import Languages, rules_of
from mailhook.core.meeting import Cause
from mailhook.core.notice import Notice

FILE = "notice.txt.j2"
MOST_NAMES = 200
"""Participants that a notice names; of more it names no more."""
LONGEST_NAME = 100
"""Characters."""

_ROOM = JoinDetails("1", "https://vm.example/service/join/?confid=1&confpass=2", dial_in="1")
_HOUR = datetime(2026, 1, 1, tzinfo=UTC)
_SPEC = Spec("t", _HOUR, _HOUR, "Europe/Moscow", Person("a@b.example"))


class NoticeWording:
    """Templates "language/notice.txt.j2": the first line is the subject. `opt_out`: a tag that removes the link."""

    def __init__(self, sources: Mapping[str, str], default: str, opt_out: str, *, test: bool = False) -> None:
        self._opt_out, self._test = opt_out, test
        compiled, faults, texts = Sources(sources), Faults(), {}
        for name in sorted(name for name in sources if name.endswith(f"/{FILE}")):
            with faults.gathered():
                tag = name.partition("/")[0]
                texts[tag] = compiled.tried(name, self._samples(rules_of(tag)))
        faults.tell()
        self._texts = Languages(texts, default)

    def render(self, notice: Notice) -> tuple[str, str]:
        """Subject and text; the language is the organizer's, or the default."""
        text, rules = self._texts.chosen(notice.language)
        subject, _, body = text.render(self._values(notice, rules)).strip().partition("\n")
        return " ".join(subject.split()), body.strip() + "\n"

    def _samples(self, rules: Locale) -> list[dict[str, object]]:
        return [
            self._values(_sample(cause, with_room=full), rules) for cause in Cause for full in (True, False)
        ]

    def _values(self, notice: Notice, rules: Locale) -> dict[str, object]:
        """What a template may use."""
        details = notice.details
        return {
            "cause": notice.cause.value,
            "topic": " ".join(notice.topic.split()),
            "link": details.link if details else "",
            "dial_in": details.dial_in if details else "",
            "people": _named(notice.people),
            "renounced": notice.renounced,
            "opt_out": self._opt_out,
            "test": self._test,
            **dates.values(_timing(notice.spec), rules),
        }


def _named(people: Sequence[Person]) -> list[str]:
    """Names, as many and as long as a notice can show."""
    names = [shortened(person.name or person.address)[:LONGEST_NAME] for person in people[:MOST_NAMES]]
    return [*names, "…"] if len(people) > MOST_NAMES else names


def _timing(spec: Spec | None) -> Timing | None:
    """In UTC where the IANA database of this machine does not have the zone."""
    if spec is None:
        return None
    try:
        zone = ZoneInfo(spec.timezone)
    except (KeyError, ValueError, OSError):
        zone = ZoneInfo("UTC")
    return Timing(spec.start.astimezone(zone), spec.end.astimezone(zone), zone.key)


def _sample(cause: Cause, *, with_room: bool) -> Notice:
    room, spec = (_ROOM, _SPEC) if with_room else (None, None)
    people = (Person("c@d.example"),) if with_room else ()
    return Notice(cause, 1, Person("a@b.example"), "", "t", room, spec, people, "link-removed")
