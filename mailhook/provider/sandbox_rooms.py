"""The rooms of the sandbox: what the default contract says a conference is, and what may be done to it.

What: `Rooms` is the register, in memory or also in a JSON file that is replaced whole at every change (atomic for
readers and for a killed process; not synced to the disk: it is a sandbox). A passcode that the client does not choose
is derived from the id, so that the same id has the same link in every run.

Not here: HTTP (sandbox), HTML (sandbox_pages).

Errors: `RefusedError` holds the HTTP status and the contract's error code; a state file that cannot be used is
Misconfigured.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from mailhook.core.conference import Person, Spec
from mailhook.errors import Misconfigured

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MODE = re.compile(r"[a-z0-9_-]{1,32}")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_PASSCODE = re.compile(r"[!-~]{4,64}")

Phase = Literal["upcoming", "running", "ended", "deleted"]
Shelf = Literal["coming", "past", "deleted"]

_SHELVES: dict[Phase, Shelf] = {
    "running": "coming",
    "upcoming": "coming",
    "ended": "past",
    "deleted": "deleted",
}


class RefusedError(Exception):
    """A request that the contract refuses: HTTP `status`, error `code`, and a message for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True)
class Room:
    id: str
    spec: Spec
    mode: str = "discussion"
    join_without_owner: bool = True
    deleted: bool = False
    chosen_passcode: str = ""

    @property
    def passcode(self) -> str:
        """The client's own, or four digits that depend on the id only."""
        if self.chosen_passcode:
            return self.chosen_passcode
        digest = hashlib.sha256(b"mailhook sandbox passcode " + self.id.encode()).digest()
        return f"{int.from_bytes(digest[:8]) % 10_000:04d}"

    @property
    def people(self) -> tuple[Person, ...]:
        return (self.spec.owner, *self.spec.participants)

    def phase(self, now: datetime) -> Phase:
        """A conference runs from its start to just before its end."""
        if self.deleted:
            return "deleted"
        if now < self.spec.start:
            return "upcoming"
        return "running" if now < self.spec.end else "ended"

    def document(self) -> dict[str, object]:
        """The fields that a client sets, as they stand in the contract's JSON."""
        return {
            "id": self.id,
            "topic": self.spec.topic,
            "start": _instant(self.spec.start),
            "end": _instant(self.spec.end),
            "timezone": self.spec.timezone,
            "owner": _person(self.spec.owner),
            "participants": [_person(person) for person in self.spec.participants],
            "mode": self.mode,
            "join_without_owner": self.join_without_owner,
            "passcode": self.passcode,
        }

    @cached_property
    def line(self) -> str:
        """The room in the state file; kept, because the file is written whole at every change."""
        return json.dumps(self.document() | {"deleted": self.deleted}, ensure_ascii=False)


class Rooms:
    """All rooms by id, deleted ones too: an id is never used twice. `state`: the file, or None for memory only."""

    def __init__(self, state: Path | None = None) -> None:
        self._state = state
        self.all: dict[str, Room] = {} if state is None else _load(state)

    @property
    def standing(self) -> dict[str, Room]:
        return {room.id: room for room in self.all.values() if not room.deleted}

    def get(self, room_id: str) -> Room:
        room = self.all.get(room_id)
        if room is None:
            raise RefusedError(404, "unknown_conference", "there is no such conference")
        if room.deleted:
            raise RefusedError(410, "deleted_conference", "this conference was deleted")
        return room

    def put(self, room_id: str, document: Mapping[str, object]) -> tuple[Room, bool]:
        """The room and whether it is new; an existing one takes the fields and keeps link and passcode."""
        before = self.get(room_id) if room_id in self.all else None
        room = _room(room_id, document, before)
        self._keep(room)
        return room, before is None

    def patch(self, room_id: str, document: Mapping[str, object]) -> Room:
        before = self.get(room_id)
        room = _room(room_id, before.document() | dict(document), before)
        self._keep(room)
        return room

    def delete(self, room_id: str) -> None:
        room = self.all.get(room_id)
        if room is None or room.deleted:
            raise RefusedError(404, "unknown_conference", "there is no such conference")
        self._keep(replace(room, deleted=True))

    def owned_by(self, address: str) -> list[Room]:
        return _by_start(r for r in self.standing.values() if r.spec.owner.address == address.lower())

    def cabinet(self, address: str, now: datetime) -> dict[Shelf, list[Room]]:
        """The rooms that `address` owns or takes part in, on each shelf the nearest one to `now` first."""
        wanted = address.lower()
        own = _by_start(r for r in self.all.values() if wanted in {p.address for p in r.people})
        shelves: dict[Shelf, list[Room]] = {"coming": [], "past": [], "deleted": []}
        for room in own:
            shelves[_SHELVES[room.phase(now)]].append(room)
        shelves["past"].reverse()
        shelves["deleted"].reverse()
        return shelves

    def has_ended(self, room_id: str, document: Mapping[str, object], now: datetime) -> bool:
        """Whether the room, or a new one as `document` asks for it, is over."""
        room = self.all.get(room_id)
        if room is None and "end" not in document:
            return False
        return (room.spec.end if room else _moment(document, "end")) <= now

    def _keep(self, room: Room) -> None:
        self.all[room.id] = room
        if self._state is not None:
            _save(self._state, self.all)


def _by_start(rooms: Iterable[Room]) -> list[Room]:
    return sorted(rooms, key=lambda room: (room.spec.start, room.id))


def _load(state: Path) -> dict[str, Room]:
    try:
        stored = json.loads(state.read_bytes())["conferences"]
        rooms = [replace(_room(item["id"], item, None), deleted=item["deleted"]) for item in stored]
    except FileNotFoundError:
        if not state.parent.is_dir():
            raise Misconfigured(
                f"the sandbox cannot keep {state}: there is no directory {state.parent}"
            ) from None
        return {}
    except (OSError, ValueError, KeyError, TypeError, RefusedError) as error:
        raise Misconfigured(f"the sandbox cannot use its state file {state}: {error}") from error
    return {room.id: room for room in rooms}


def _save(state: Path, rooms: Mapping[str, Room]) -> None:
    new = state.with_name(f"{state.name}.new")
    lines = ",\n".join(room.line for room in rooms.values())
    # Join links are secrets: the file is its owner's, whatever the one before it was.
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(f'{{"conferences": [\n{lines}\n]}}\n')
    os.replace(new, state)


def _room(room_id: str, document: Mapping[str, object], before: Room | None) -> Room:
    """Check a request's JSON; fields that the contract does not know are ignored, as its clients may be newer.

    `before`: the room that it changes; it keeps its link.
    """
    if not _ID.fullmatch(room_id) or document.get("id", room_id) != room_id:
        raise _invalid("id", "1 to 128 of A-Z a-z 0-9 _ -, the same in path and body")
    mode, without_owner = document.get("mode", "discussion"), document.get("join_without_owner", True)
    if not isinstance(mode, str) or not _MODE.fullmatch(mode):
        raise _invalid("mode", "a word in lower case")
    if not isinstance(without_owner, bool):
        raise _invalid("join_without_owner", "true or false")
    room = Room(room_id, _spec(document), mode, without_owner)
    return replace(room, chosen_passcode=_chosen_passcode(document, room, before))


def _chosen_passcode(document: Mapping[str, object], room: Room, before: Room | None) -> str:
    """What the client chose; to name the passcode that the room has is no choice."""
    given, known = document.get("passcode", ""), before or room
    if given in ("", known.passcode):
        return known.chosen_passcode
    if not isinstance(given, str) or not _PASSCODE.fullmatch(given):
        raise _invalid("passcode", "4 to 64 printable ASCII characters without blanks")
    if before is not None:
        raise _invalid("passcode", "the one that the conference has: its link stays")
    return given


def _spec(document: Mapping[str, object]) -> Spec:
    topic, participants = document.get("topic"), document.get("participants", [])
    if not isinstance(topic, str) or len(topic) > 1000:
        raise _invalid("topic", "a text of at most 1000 characters")
    if not isinstance(participants, list):
        raise _invalid("participants", "a list")
    start, end = _moment(document, "start"), _moment(document, "end")
    if end <= start:
        raise _invalid("end", "after start")
    people = tuple(_checked_person("participants", person) for person in participants)
    return Spec(
        topic, start, end, _timezone(document), _checked_person("owner", document.get("owner")), people
    )


def _moment(document: Mapping[str, object], field: str) -> datetime:
    try:
        moment = datetime.fromisoformat(str(document.get(field)))
    except ValueError:
        raise _invalid(field, "an instant in UTC, RFC 3339") from None
    # Years far off overflow when they are shown in a time zone.
    if moment.utcoffset() != timedelta(0) or not 1900 <= moment.year <= 9000:
        raise _invalid(field, "an instant in UTC, RFC 3339")
    return moment.astimezone(UTC)


def _timezone(document: Mapping[str, object]) -> str:
    name = document.get("timezone")
    try:
        return ZoneInfo(name if isinstance(name, str) else "").key
    except (KeyError, ValueError, OSError):
        raise _invalid("timezone", "the name of an IANA time zone") from None


def _checked_person(field: str, person: object) -> Person:
    if not isinstance(person, dict):
        raise _invalid(field, "an object with email and name")
    address, name = person.get("email"), person.get("name", "")
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address) or not isinstance(name, str):
        raise _invalid(field, "an object with email and name")
    return Person(address.lower(), name)


def _invalid(field: str, wanted: str) -> RefusedError:
    return RefusedError(422, "invalid", f"{field} must be {wanted}")


def _person(person: Person) -> dict[str, str]:
    return {"email": person.address, "name": person.name}


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
