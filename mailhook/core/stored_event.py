"""The organizer's event as his calendar server stores it: the link goes in, or comes out.

What: `EventEditor.edit` makes of a calendar object (RFC 4791 §4.1) what a `CopyTask` asks for, by the same splices as
those of an invitation: every byte outside of them is the byte that was stored. Twice is once.

Not here: SEQUENCE, DTSTAMP, ATTENDEE, SCHEDULE-AGENT and all else that a server may take for a change of the meeting;
fetching and storing (`organizer`).

Errors: Unreadable for what is no calendar, or is not the organizer's event.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from mailhook.core import contentlines, splice_calendar, truncation
from mailhook.core.conference import JoinDetails
from mailhook.core.contentlines import Component, unescape_text
from mailhook.core.copies import CopyTask, LookTask, Stands
from mailhook.core.dates import timing_of
from mailhook.core.event_edit import Additions, Allowance, Reach
from mailhook.core.itip import address, canonical, stamp
from mailhook.core.policy import domain
from mailhook.core.rewrite import NO_BLOCK, Options, additions
from mailhook.core.splices import Splice, apply
from mailhook.core.wording import Block, Wording, variables
from mailhook.errors import Unreadable


@dataclass(frozen=True)
class Edited:
    """`content` differs from what was stored if `found.changed`. The rest of `found` is as it was stored."""

    content: bytes
    found: Stands


@dataclass(frozen=True)
class Fashion:
    """How the link is written. `languages`: by the organizer's domain, else `language`; `test`: it is a sandbox's.

    `timezone`: in which instants are told that name no place.
    """

    options: Options = field(default_factory=Options)
    reach: Reach = "everywhere"
    language: str = "ru"
    languages: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    test: bool = False
    timezone: str = "Europe/Moscow"


def block_for(task: CopyTask, details: JoinDetails, wording: Wording, fashion: Fashion) -> Block:
    """The wording in the organizer's language, as far as it is known."""
    told = (task.language, fashion.languages.get(domain(task.organizer.address), ""))
    timing = timing_of(task.schedule, fashion.timezone)
    values = variables(details, task.topic, task.organizer, timing, test=fashion.test)
    return wording.render(next(filter(wording.speaks, told), fashion.language), values)


class EventEditor:
    """One for the process."""

    def __init__(self, wording: Callable[[], Wording], fashion: Fashion) -> None:
        self._wording = wording
        self._fashion = fashion

    def edit(self, stored: bytes, task: CopyTask) -> Edited:
        events = self._events(stored, task)
        content = apply(stored, self._splices(stored, events, self._additions(task)))
        link = task.details.link if task.details else ""
        return Edited(content, _found(events, link, changed=content != stored))

    def is_of(self, stored: bytes, task: LookTask) -> bool:
        """Whether it is the organizer's event, and no other one."""
        events = splice_calendar.events(contentlines.read(stored, "utf-8"), task.key.uid)
        return bool(events) and all(self._is_his(event, task) for event in events)

    def holds(self, stored: bytes, uid: str) -> bool:
        """Whether it is an event with that UID, whoever's."""
        return bool(splice_calendar.events(contentlines.read(stored, "utf-8"), uid))

    def _events(self, stored: bytes, task: CopyTask | LookTask) -> list[Component]:
        events = splice_calendar.events(contentlines.read(stored, "utf-8"), task.key.uid)
        if not events:
            raise Unreadable("it holds no event with that UID")
        if any(not self._is_his(event, task) for event in events):
            raise Unreadable("the event has another organizer")
        return events

    def _is_his(self, event: Component, task: CopyTask | LookTask) -> bool:
        line = event.first("ORGANIZER")
        organizer = canonical(address(line), self._fashion.aliases) if line else ""
        return organizer in {task.key.organizer, canonical(task.organizer.address, self._fashion.aliases)}

    def _additions(self, task: CopyTask) -> Additions:
        options, (link, name) = self._fashion.options, task.former
        if task.details is None:
            return replace(additions(NO_BLOCK, link, name, options), removing=True)
        details = task.details
        block = block_for(task, details, self._wording(), self._fashion)
        return replace(
            additions(block, details.link, details.conference_id, options),
            former=frozenset({link, *task.copied} - {"", details.link}),
            reach=self._fashion.reach,
        )

    def _splices(self, stored: bytes, events: list[Component], added: Additions) -> list[Splice]:
        found: list[Splice] = []
        allowance = Allowance()
        for event in events:
            changes = splice_calendar.changes(stored, event, added, "utf-8", allowance)
            found += (splice for change in changes for splice in change.splices)
            found.append(splice_calendar.insertion(event, changes))
        return found


def _found(events: list[Component], link: str, *, changed: bool) -> Stands:
    """Whether every stored event bears `link` in DESCRIPTION, and where in the first one.

    The other places prove nothing: people overwrite LOCATION with a room, programs drop a URL that they do not show.
    """
    texts = [_text(event, "DESCRIPTION") for event in events]
    bears = bool(link) and all(link in text for text in texts)
    passage = truncation.passage(texts[0], link) if bears else None
    master = next((each for each in events if each.first("RECURRENCE-ID") is None), events[0])
    return Stands(changed, bears, passage, stamp(master, None))


def _text(event: Component, name: str) -> str:
    line = event.first(name)
    return unescape_text(line.value) if line else ""
