"""Conference servers as other makers might write them, in small.

What: `TrueConf` has the field names that its maker publishes for API v4; `Plain` takes forms, speaks text, and chooses
the ids itself.

Not here: transports that speak with them (rigs).
"""

import json
import re
from base64 import b64encode
from dataclasses import dataclass

from tests.contract.stub import Asked, Stub, Told, as_json


class TrueConf(Stub):
    """API v4 in small: one OAuth application, some users. `lifetime`: how many calls a token is good for."""

    APPLICATION = ("application-id", "application-secret")
    USERS = ("anna", "boris", "guest", "rooms")

    def __init__(self, lifetime: int = 1_000_000) -> None:
        super().__init__()
        self.conferences: dict[str, dict[str, object]] = {}
        self.logins = 0
        self._lifetime = lifetime
        self._left = 0

    def operation(self, asked: Asked) -> str:
        one = asked.path.startswith("/api/v4/conferences/")
        names = {"POST": "create", "PATCH": "update", "DELETE": "delete", "GET": "find" if one else "ping"}
        return names[asked.method] if asked.path.startswith("/api/") else ""

    def answer(self, asked: Asked) -> Told:
        document = json.loads(asked.body) if asked.body else {}
        if asked.path == "/oauth2/v1/token":
            return self._token(document)
        if asked.headers.get("authorization") != f"Bearer token-{self.logins}" or self._left <= 0:
            return as_json(401, {"error": "unauthorized"})
        self._left -= 1
        identifier = asked.path.removeprefix("/api/v4/conferences").strip("/")
        match asked.method:
            case "POST":
                return self._create(document)
            case "GET" if not identifier:
                return as_json(200, {"conferences": [], "results": 0})
            case _ if identifier not in self.conferences:
                return as_json(404, {"error": "conferenceNotFound"})
            case "PATCH":
                return self._changed(identifier, document)
            case "DELETE":
                del self.conferences[identifier]
                return as_json(200, {"conference": {"id": identifier}})
            case _:
                return self._told(identifier)

    def _token(self, document: dict[str, object]) -> Told:
        given = (document.get("client_id"), document.get("client_secret"))
        if document.get("grant_type") != "client_credentials" or given != self.APPLICATION:
            return as_json(401, {"error": "invalid_client"})
        self.logins, self._left = self.logins + 1, self._lifetime
        return as_json(
            200, {"access_token": f"token-{self.logins}", "expires_in": 604800, "token_type": "Bearer"}
        )

    def _create(self, document: dict[str, object]) -> Told:
        identifier = document.get("id")
        if not isinstance(identifier, str) or not re.fullmatch(r"[A-Za-z0-9_]{1,128}", identifier):
            return as_json(400, {"error": "invalidId"})
        if identifier in self.conferences:
            return as_json(400, {"error": "conferenceIdIsTaken"})
        return self._changed(identifier, document, 201)

    def _changed(self, identifier: str, document: dict[str, object], status: int = 200) -> Told:
        merged = {**self.conferences.get(identifier, {}), **document, "id": identifier}
        if wrong := self._wrong(merged):
            return as_json(400, {"error": wrong})
        self.conferences[identifier] = merged
        return self._told(identifier, status)

    def _told(self, identifier: str, status: int = 200) -> Told:
        url = {"url": f"{self.url}/c/{identifier}", "state": "stopped"}
        return as_json(status, {"conference": {**self.conferences[identifier], **url}})

    def _wrong(self, document: dict[str, object]) -> str:
        topic, schedule = document.get("topic"), document.get("schedule")
        if not isinstance(topic, str) or not 1 <= len(topic) <= 240:
            return "invalidTopic"
        if document.get("owner") not in self.USERS:
            return "ownerNotFound"
        if document.get("mode") not in {"PxP", "OxP", "S|L", "S|L Auto"}:
            return "invalidMode"
        if not isinstance(schedule, dict) or schedule.get("type") != "once":
            return "invalidSchedule"
        numbers = [schedule.get(name) for name in ("start_time", "duration", "special_time_offset")]
        if not all(isinstance(number, int) for number in numbers) or not 60 <= schedule["duration"] <= 86399:
            return "invalidSchedule"
        return ""


@dataclass
class Room:
    """`ref`: what the client calls it."""

    ref: str
    fields: dict[str, list[str]]


class Plain(Stub):
    """POST /rooms, POST /rooms/N, POST /rooms/N/delete, GET /rooms?ref=, GET /alive; Basic authentication; text.

    `link_base`: where its links lead to, "" to itself.
    """

    USER, PASSWORD = "mailhook", "pässword"

    def __init__(self) -> None:
        super().__init__()
        self.link_base = ""
        self.rooms: dict[int, Room] = {}
        self._made = 0

    def operation(self, asked: Asked) -> str:
        if asked.path == "/alive":
            return "ping"
        if asked.path == "/rooms":
            return "find" if asked.method == "GET" else "create"
        return "delete" if asked.path.endswith("/delete") else "update"

    def answer(self, asked: Asked) -> Told:
        pair = b64encode(f"{self.USER}:{self.PASSWORD}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {pair}":
            return Told(401, b"who are you?")
        operation = self.operation(asked)
        number = int(asked.path.split("/")[2]) if operation in {"update", "delete"} else 0
        match operation:
            case "ping":
                return Told(200, b"OK alive")
            case "find":
                # By likeness, as searches do: other rooms come with it.
                listed = [
                    {"n": n, "ref": r.ref, "url": self._link(n), "pin": "0042"} for n, r in self.rooms.items()
                ]
                return as_json(200, {"found": listed})
            case "create":
                return self._created(asked)
            case _ if number not in self.rooms:
                return Told(200, b"ERROR no such room")
            case "delete":
                del self.rooms[number]
                return Told(200, b"OK deleted")
            case _:
                self.rooms[number].fields = _fields(asked)
                return Told(200, b"OK changed")

    def _created(self, asked: Asked) -> Told:
        fields = _fields(asked)
        if fields["zone"] == ["Nowhere/Land"]:
            return Told(200, b"ERROR bad zone")
        self._made += 1
        self.rooms[self._made] = Room(fields.pop("ref")[0], fields)
        return Told(200, f"OK room={self._made} join={self._link(self._made)} pin=0042\n".encode())

    def _link(self, number: int) -> str:
        return f"{self.link_base or self.url}/join/{number}"


def _fields(asked: Asked) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for name, value in asked.form:
        fields.setdefault(name, []).append(value)
    return fields
