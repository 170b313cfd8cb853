"""The words of a notice: one template for each language.

What: `NoticeWording` compiles and tries the templates when it is made, and renders subject and text of a notice.

Not here: when there is one (`notice`), the block of an invitation (`wording`).

Errors: Misconfigured, naming the template and where possible the line, when one is broken, or missing for the default.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from mailhook.core.conference import JoinDetails, Person, Spec
from mailhook.core.meeting import Cause
from mailhook.core.notice import Notice
from mailhook.core.templates import Sources
from mailhook.errors import Misconfigured

FILE = "notice.txt.j2"

_ROOM = JoinDetails("1", "https://vm.example/service/join/?confid=1&confpass=2", dial_in="1")
_HOUR = datetime(2026, 1, 1, tzinfo=UTC)
_SPEC = Spec("t", _HOUR, _HOUR, "Europe/Moscow", Person("a@b.example"))


class NoticeWording:
    """Templates "language/notice.txt.j2": the first line is the subject. `opt_out`: a tag that removes the link."""

    def __init__(self, sources: Mapping[str, str], default: str, opt_out: str, *, test: bool = False) -> None:
        self._default, self._opt_out, self._test = default.lower(), opt_out, test
        names = [name for name in sources if name.endswith(f"/{FILE}")]
        samples = [self._values(_sample(cause, with_room=full)) for cause in Cause for full in (False, True)]
        compiled = Sources(sources)
        self._templates = {name.partition("/")[0].lower(): compiled.tried(name, *samples) for name in names}
        if self._default not in self._templates:
            raise Misconfigured(f"template missing: {default}/{FILE}")

    def render(self, notice: Notice) -> tuple[str, str]:
        """Subject and text; the language is the organizer's, or the default."""
        tag = notice.language.strip().lower().replace("_", "-").partition("-")[0]
        template = self._templates.get(tag) or self._templates[self._default]
        subject, _, text = template.render(self._values(notice)).strip().partition("\n")
        return " ".join(subject.split()), text.strip() + "\n"

    def _values(self, notice: Notice) -> dict[str, object]:
        """What a template may use; `start` is local time in `timezone`, None where it is not known."""
        spec, details = notice.spec, notice.details
        zone = _zone(spec.timezone if spec else "")
        return {
            "cause": notice.cause.value,
            "topic": " ".join(notice.topic.split()),
            "link": details.link if details else "",
            "dial_in": details.dial_in if details else "",
            "start": spec.start.astimezone(zone) if spec else None,
            "timezone": zone.key,
            "people": [person.name or person.address for person in notice.people],
            "renounced": notice.renounced,
            "opt_out": self._opt_out,
            "test": self._test,
        }


def _zone(name: str) -> ZoneInfo:
    """UTC for a name that the IANA database of this machine does not have."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def _sample(cause: Cause, *, with_room: bool) -> Notice:
    room, spec = (_ROOM, _SPEC) if with_room else (None, None)
    people = (Person("c@d.example"),) if with_room else ()
    return Notice(cause, 1, Person("a@b.example"), "", "t", room, spec, people, "link-removed")
