"""Every implementation of `Provider`, ready to be tried, broken and looked into.

What: a `Rig` starts a server of its own and the client under test; RIGS names them all.

Not here: what is expected of them (test_provider), the servers (sandbox, servers).
"""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from mailhook.core.conference import Spec
from mailhook.ports import Provider
from mailhook.provider import external
from mailhook.provider.sandbox import Sandbox
from mailhook.provider.sandbox_faults import Fault
from mailhook.provider.videomost import Videomost
from mailhook.transport.presets import transport
from mailhook.transport.shape import Transport
from tests.contract.servers import Plain, TrueConf
from tests.contract.stub import Stub

Server = TypeVar("Server", bound=Stub)

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "provider.py"
KEY = "0123456789abcdef0123456789abcdef"

WHOLE = '{"id": "' + KEY + '", "join_url": "https://elsewhere.example/join", "passcode": "1", "status": "ok"}'

BREAKS = {
    "error": Fault(status=500),
    "unavailable": Fault(status=503),
    "too many requests": Fault(status=429),
    "slow": Fault(delay=600),
    "page instead of an answer": Fault(body="<!DOCTYPE html><p>Maintenance</p>"),
    "list instead of an object": Fault(body="[]"),
    "truncated JSON": Fault(body=WHOLE[:-20]),
    "truncated in transit": Fault(body=WHOLE, truncate=True),
    # Each byte comes well within any time-out for one read; all of them would take 10 s.
    "trickling": Fault(body=WHOLE.ljust(500), trickle=0.02),
    "oversized": Fault(body=" " * 1024 * 1024 + WHOLE),
    "bottomless nesting": Fault(body="[" * 500_000),
}
LINK_BREAKS = {
    "link to a foreign host": Fault(body=WHOLE),
    "answer about another room": Fault(body=WHOLE.replace(KEY, "another")),
    "no link": Fault(body='{"id": "' + KEY + '"}'),
}


class Rig(Protocol):
    @property
    def provider(self) -> Provider: ...

    @property
    def faults(self) -> dict[str, Fault]: ...

    def impatient(self) -> Provider:
        """A client of the same server that waits for an answer no longer than a test likes."""

    def unauthorized(self) -> Provider: ...

    def rooms(self) -> dict[str, object]:
        """What stands at the provider, by id, as far as the provider keeps it."""

    def kept(self, spec: Spec) -> object:
        """How `spec` looks in `rooms`."""

    async def stop(self) -> None:
        """The server only."""

    async def close(self) -> None: ...


class Clients:
    """Closes what was opened."""

    def __init__(self) -> None:
        self._opened: list[Provider] = []

    def opened(self, provider: Provider) -> Provider:
        self._opened.append(provider)
        return provider

    async def close(self) -> None:
        for client in self._opened:
            await client.close()


class SandboxRig:
    """Videomost's client with the default contract, and a live sandbox."""

    TOKEN = "right-token"

    def __init__(self, state: Path | None) -> None:
        self.sandbox = Sandbox(state=state, token=self.TOKEN)
        self._clients = Clients()

    async def start(self) -> None:
        await self.sandbox.start("127.0.0.1", 0)
        self.provider = self.client(self.TOKEN)

    @property
    def faults(self) -> dict[str, Fault]:
        return self.sandbox.faults

    def impatient(self) -> Provider:
        return self.client(self.TOKEN, 1.0)

    def unauthorized(self) -> Provider:
        return self.client("wrong-token")

    def rooms(self) -> dict[str, object]:
        return {room.id: room.spec for room in self.sandbox.conferences.values()}

    def kept(self, spec: Spec) -> object:
        return replace(spec, topic=spec.topic.replace("\udc80", "?"))

    async def stop(self) -> None:
        await self.sandbox.stop()

    async def close(self) -> None:
        await self._clients.close()
        await self.sandbox.stop()

    def client(self, token: str, timeout: float = 30) -> Provider:
        return self._clients.opened(Videomost(self.sandbox.url, token=token, kind="sandbox", timeout=timeout))


class ExternalRig(SandboxRig):
    """The documented example of an external provider, and a live sandbox."""

    def client(self, token: str, timeout: float = 30) -> Provider:
        options = {"base_url": self.sandbox.url, "token": token}
        return self._clients.opened(external.load(EXAMPLE, options, ("127.0.0.1",), timeout))


class StubRig(Generic[Server]):
    """Videomost's client with another transport, and a stub that speaks it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._clients = Clients()

    def transport(self, *, right: bool) -> Transport:
        """With the right password, or a wrong one."""
        raise NotImplementedError

    async def start(self) -> None:
        await self.server.start()
        self.provider = self._client(right=True)

    @property
    def faults(self) -> dict[str, Fault]:
        return self.server.faults

    def impatient(self) -> Provider:
        return self._client(right=True, timeout=1.0)

    def unauthorized(self) -> Provider:
        return self._client(right=False)

    async def stop(self) -> None:
        await self.server.stop()

    async def close(self) -> None:
        await self._clients.close()
        await self.server.stop()

    def _client(self, *, right: bool, timeout: float = 30) -> Provider:
        data = self.transport(right=right)
        return self._clients.opened(Videomost(self.server.url, transport=data, timeout=timeout))


class TrueConfRig(StubRig[TrueConf]):
    """The preset for TrueConf Server, and a server in small with its field names."""

    def transport(self, *, right: bool) -> Transport:
        name, secret = TrueConf.APPLICATION
        own = {"auth": {"username": name, "password": secret if right else "wrong"}}
        return transport("trueconf-server-4", own)

    def rooms(self) -> dict[str, object]:
        def kept(document: dict[str, object]) -> object:
            schedule = document["schedule"]
            assert isinstance(schedule, dict)
            return (document["topic"], document["owner"], schedule["start_time"], schedule["duration"])

        return {name: kept(document) for name, document in self.server.conferences.items()}

    def kept(self, spec: Spec) -> object:
        topic = (spec.topic or "Conference")[:240].replace("\udc80", "?")
        seconds = int((spec.end - spec.start).total_seconds())
        return (topic, spec.owner.address.partition("@")[0], int(spec.start.timestamp()), seconds)


def plain(password: str, *, finds: bool) -> Transport:
    """All said in the settings: forms, Basic authentication, answers in text, ids of the server's."""
    saying_so = [{"text": "^OK"}]
    no_room = [{"text": "^ERROR no such room"}]
    described = {
        "title": "{{ topic }}",
        "begin": "{{ start.format('%d.%m.%Y %H:%M') }}",
        "zone": "{{ timezone }}",
        "minutes": "{{ duration.minutes }}",
        "host": "{{ owner.email }}",
        "guest": "{{ participants }}",
    }
    form: dict[str, object] = {"method": "POST", "encoding": "form", "expects": "text", "success": saying_so}
    refused = [{"text": "^ERROR"}]
    operations: dict[str, object] = {
        "create": {**form, "path": "rooms", "body": {"ref": "{{ key }}", **described}, "permanent": refused},
        "update": {**form, "path": "rooms/{{ id }}", "body": described, "gone": no_room},
        "delete": {**form, "path": "rooms/{{ id }}/delete", "gone": no_room},
        "ping": {"method": "GET", "path": "alive", "expects": "text", "success": saying_so},
    }
    if finds:
        operations["find"] = {"method": "GET", "path": "rooms", "query": {"ref": "{{ key }}"}}
    own: dict[str, object] = {
        "auth": {"kind": "basic", "username": Plain.USER, "password": password},
        "operations": operations,
        "participant": "{{ person.email }}",
        "answer": {
            "id": ["~^OK room=([0-9]+)", "/n"],
            "link": [r"~^OK .*join=(\S+)", "/url"],
            "passcode": ["~^OK .*pin=([0-9]+)", "/pin"],
            "items": "/found",
            "key": "/ref",
        },
    }
    return transport("none", own)


class PlainRig(StubRig[Plain]):
    """A transport that is all settings; `finds`: the API is asked for rooms by our key, or has no means for that."""

    def __init__(self, *, finds: bool) -> None:
        super().__init__(Plain())
        self._finds = finds

    def transport(self, *, right: bool) -> Transport:
        return plain(Plain.PASSWORD if right else "wrong", finds=self._finds)

    def rooms(self) -> dict[str, object]:
        return {str(number): room.fields for number, room in self.server.rooms.items()}

    def kept(self, spec: Spec) -> object:
        there = spec.start.astimezone(UTC) if spec.timezone == "UTC" else _moscow(spec.start)
        seconds = int((spec.end - spec.start).total_seconds())
        guests = {"guest": [person.address for person in spec.participants]} if spec.participants else {}
        return {
            "title": [spec.topic.replace("\udc80", "?")],
            "begin": [f"{there:%d.%m.%Y %H:%M}"],
            "zone": [spec.timezone],
            "minutes": [str(seconds // 60)],
            "host": [spec.owner.address],
            **guests,
        }


def _moscow(moment: datetime) -> datetime:
    """Three hours ahead of UTC since 2014."""
    return datetime.fromtimestamp(moment.timestamp() + 3 * 3600, UTC)


async def _sandbox_in_memory(_: Path) -> Rig:
    rig = SandboxRig(None)
    await rig.start()
    return rig


async def _sandbox_in_a_file(folder: Path) -> Rig:
    rig = SandboxRig(folder / "state.json")
    await rig.start()
    return rig


async def _external(_: Path) -> Rig:
    rig = ExternalRig(None)
    await rig.start()
    return rig


async def _trueconf(_: Path) -> Rig:
    rig = TrueConfRig(TrueConf())
    await rig.start()
    return rig


async def _finding(_: Path) -> Rig:
    rig = PlainRig(finds=True)
    await rig.start()
    return rig


async def _neither(_: Path) -> Rig:
    rig = PlainRig(finds=False)
    await rig.start()
    return rig


DEFAULT = {
    "videomost, sandbox in memory": _sandbox_in_memory,
    "videomost, sandbox in a file": _sandbox_in_a_file,
    "external example": _external,
}
CHOOSING = {**DEFAULT, "preset trueconf": _trueconf}
FINDING = {**CHOOSING, "own transport that finds": _finding}
RIGS = {**FINDING, "own transport that finds nothing": _neither}
