"""Meetings as rows: (de)serialisation, and what a change counts as.

What: `document` and `meeting` turn a Meeting into JSON and back, exactly, `decision_document` and `decision` what was
done with a mail; `seconds` is how a moment is stored;
`counted` says which limit a change counts against.

Not here: SQL (`sqlite`), so that another database shares this module.

Errors: Temporary for a document that cannot be read. It names the fault but never the text, which holds join links.
Permanent for text that has no UTF-8 form (lone surrogates, which some charsets of a calendar can yield).
"""

from datetime import datetime
from typing import Literal

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from mailhook.core.conference import State
from mailhook.core.meeting import Meeting, MeetingKey
from mailhook.core.notice import news
from mailhook.errors import Permanent, Temporary
from mailhook.ports import Decision

_ADAPTER = TypeAdapter(Meeting)
_DECISION = TypeAdapter(Decision)


def document(meeting: Meeting) -> str:
    """`meeting` as JSON."""
    try:
        return _ADAPTER.dump_json(meeting).decode()
    except PydanticSerializationError:
        raise Permanent("a meeting cannot be stored: it holds text that is not Unicode") from None


def meeting(text: str) -> Meeting:
    """The meeting that `document` wrote, or an earlier version of it: fields it lacks have their defaults."""
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise Temporary(f"a stored meeting cannot be read: {place or 'document'}: {first['type']}") from None


def decision_document(decision: Decision) -> str:
    """`decision` as JSON. Permanent: it holds text that is not Unicode."""
    try:
        return _DECISION.dump_json(decision).decode()
    except PydanticSerializationError:
        raise Permanent("a decision cannot be stored: it holds text that is not Unicode") from None


def decision(text: str) -> Decision:
    """The decision that `decision_document` wrote."""
    try:
        return _DECISION.validate_json(text)
    except ValidationError:
        raise Temporary("a stored decision cannot be read") from None


def columns(key: MeetingKey) -> tuple[str, str]:
    """Organizer and UID."""
    try:
        f"{key.organizer}{key.uid}".encode()
    except UnicodeEncodeError:
        raise Permanent("a meeting cannot be stored: its organizer or UID is not Unicode") from None
    return key.organizer, key.uid


def seconds(moment: datetime | None) -> float | None:
    """Unix seconds."""
    return None if moment is None else moment.timestamp()


def notice_at(meeting: Meeting) -> float | None:
    """When the organizer may have to be told of something, in Unix seconds (0: at once); None: of nothing."""
    return (seconds(meeting.notices.next_at) or 0.0) if news(meeting) else None


def links(meeting: Meeting) -> frozenset[str]:
    """Join links that stand for the meeting: its conference's, and those that were copied into it."""
    details = meeting.conference.details
    return meeting.copied | ({details.link} if details else set())


def counted(before: Meeting, after: Meeting) -> Literal["create", "delete"] | None:
    """Which limit per hour the change counts against."""
    old, new = before.conference, after.conference
    if new.state is State.RESERVED:
        fresh = old.state in {State.ABSENT, State.GONE} or old.generation != new.generation
        return "create" if fresh else None
    if new.state is State.ENDING and old.state is not State.ENDING:
        return "delete"
    return None
