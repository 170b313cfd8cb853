"""Each fault of Videomost × each operation × `policy.on_failure`: the reply, what the store holds then, and the end."""

from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest

from mailhook import flight
from mailhook.core.conference import State
from mailhook.core.meeting import Meeting
from mailhook.provider.sandbox_faults import Fault
from tests.relay.mails import ANNA, NOW, Event, invitation, link_in
from tests.relay.rig import World, world

OnFailure = Literal["defer", "pass"]

FOREIGN = '{"id": "x", "join_url": "https://elsewhere.example/join", "passcode": "1", "status": "ok"}'
PAGE = "<!DOCTYPE html><p>Maintenance</p>"

FAULTS = {
    "down": None,
    "error": Fault(status=500),
    "unavailable": Fault(status=503),
    "too many requests": Fault(status=429),
    "slow": Fault(delay=60),
    "trickling": Fault(body=FOREIGN.ljust(500), trickle=0.02),
    "done, answer lost": Fault(fail_after=True),
    "done, error": Fault(fail_after=True, status=502, body=PAGE),
    "error page with 200": Fault(body=PAGE),
    "truncated JSON": Fault(body=FOREIGN[:-20]),
    "cut in transit": Fault(body=FOREIGN, truncate=True),
    "oversized": Fault(body=" " * 1024 * 1024 + FOREIGN),
    "token refused": Fault(status=401),
    "forbidden": Fault(status=403),
    "moved elsewhere": Fault(status=302),
    "proxy's 404": Fault(status=404, body=PAGE),
    "refused for good": Fault(status=422),
}

TEMPORARY = {
    *("error", "unavailable", "too many requests", "slow", "trickling", "done, answer lost", "done, error"),
    *("error page with 200", "truncated JSON", "cut in transit", "oversized"),
}
DONE = {"done, answer lost", "done, error"}
MISCONFIGURED = {"token refused", "forbidden", "moved elsewhere", "proxy's 404"}
PERMANENT = {"refused for good"}

CREATE: dict[str, tuple[int, int, State]] = {
    "down": (451, 250, State.ABSENT),
    **dict.fromkeys(TEMPORARY, (451, 250, State.RESERVED)),
    **dict.fromkeys(MISCONFIGURED, (451, 250, State.ABSENT)),
    **dict.fromkeys(PERMANENT, (250, 250, State.ABSENT)),
}
"""The reply with "defer", with "pass", and the state after it: RESERVED where there may be a room that nobody knows."""

SETTINGS = {"timeout": timedelta(seconds=0.5)}
LATER = timedelta(hours=1)
MOVED = replace(Event(), sequence=1, stamp=NOW + timedelta(minutes=1), start=NOW + timedelta(days=8))
CANCEL = replace(Event(), sequence=2, stamp=NOW + timedelta(minutes=2), method="CANCEL")

matrix = pytest.mark.parametrize("on_failure", ["defer", "pass"])
faults = pytest.mark.parametrize("fault", FAULTS)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flight, "FIRST_PAUSE", 0.001)


class Broken:
    """A world whose Videomost has a fault in one operation, until it is mended."""

    def __init__(self, here: World, operation: str, fault: str) -> None:
        self.here, self.operation, self.fault = here, operation, fault
        self.port = int(here.sandbox.url.rpartition(":")[2])

    async def break_(self) -> None:
        fault = FAULTS[self.fault]
        if fault is None:
            await self.here.sandbox.stop()
        else:
            self.here.sandbox.faults[self.operation] = fault

    async def mend(self) -> None:
        if FAULTS[self.fault] is None:
            await self.here.sandbox.start(port=self.port)
        self.here.sandbox.faults.clear()
        self.here.clock.forward(LATER)
        await self.here.settle()

    async def meeting(self) -> Meeting:
        meeting = await self.here.meeting(Event().uid)
        assert meeting is not None
        return meeting


@matrix
@faults
async def test_create(fault: str, on_failure: OnFailure) -> None:
    deferred, passed, state = CREATE[fault]
    expected = deferred if on_failure == "defer" else passed
    content = invitation(Event())
    async with world({"on_failure": on_failure}, videomost=SETTINGS) as here:
        broken = Broken(here, "create", fault)
        await broken.break_()
        assert (await here.send(content)).code == expected
        assert [mail.content for mail in here.messages] == ([content] if expected == 250 else [])
        meeting = await broken.meeting()
        assert (meeting.conference.state, meeting.link, bool(meeting.error)) == (state, None, True)
        assert meeting.wake_at is not None
        assert meeting.wanted == (expected == 250)

        await broken.mend()
        if expected == 451:
            assert link_in(await here.passes(content)) == here.link()
        await here.settle()
        meeting = await broken.meeting()
        assert meeting.link is not None
        assert here.link() == meeting.link.link
        assert (meeting.error, meeting.leftovers) == ("", ())


@matrix
@faults
async def test_update(fault: str, on_failure: OnFailure) -> None:
    """The mail never waits for it: its link stays what it was."""
    async with world({"on_failure": on_failure}, videomost=SETTINGS) as here:
        link = link_in(await here.passes(invitation(Event())))
        before = await here.meeting(Event().uid)
        assert before is not None
        broken = Broken(here, "update", fault)
        await broken.break_()
        assert link_in(await here.passes(invitation(MOVED))) == link
        await here.settle()
        meeting = await broken.meeting()
        assert (meeting.conference.state, meeting.conference.details) == (State.ANNOUNCED, before.link)
        assert meeting.conference.applied == before.conference.applied
        assert (bool(meeting.error), meeting.attempts, meeting.leftovers) == (True, 1, ())

        await broken.mend()
        (room,) = here.rooms()
        assert (room.spec.start, here.link()) == (MOVED.start, link)
        meeting = await broken.meeting()
        assert (meeting.error, meeting.attempts) == ("", 0)


@matrix
@faults
async def test_delete(fault: str, on_failure: OnFailure) -> None:
    """CANCEL is never held; the room is committed as ending before the call, and goes as soon as it can."""
    cancel = invitation(CANCEL)
    async with world({"on_failure": on_failure}, videomost=SETTINGS) as here:
        await here.passes(invitation(Event()))
        broken = Broken(here, "delete", fault)
        await broken.break_()
        assert await here.passes(cancel) == cancel
        here.clock.forward(timedelta(hours=2))
        await here.settle()
        meeting = await broken.meeting()
        assert (meeting.conference.state, meeting.link, bool(meeting.error)) == (State.ENDING, None, True)

        await broken.mend()
        meeting = await broken.meeting()
        assert (meeting.conference.state, meeting.error) == (State.GONE, "")
        assert here.rooms() == []


@matrix
@faults
async def test_find(fault: str, on_failure: OnFailure) -> None:
    """A create without an answer has left a room, and nobody wants the meeting any more: the room is looked for."""
    async with world({"on_failure": on_failure}, videomost=SETTINGS) as here:
        here.sandbox.faults["create"] = Fault(fail_after=True)
        assert (await here.send(invitation(Event()))).code == (451 if on_failure == "defer" else 250)
        assert len(here.rooms()) == 1
        await here.passes(invitation(CANCEL))
        here.sandbox.faults.clear()
        broken = Broken(here, "find", fault)
        await broken.break_()
        here.clock.forward(timedelta(days=2))
        await here.settle()
        meeting = await broken.meeting()
        assert (len(meeting.suspects), bool(meeting.error)) == (1, True)

        await broken.mend()
        assert here.rooms() == []
        here.clock.forward(timedelta(minutes=20))  # once more, because an answer may come late
        await here.settle()
        meeting = await broken.meeting()
        assert (meeting.link, meeting.suspects, meeting.error) == (None, (), "")


@matrix
@pytest.mark.parametrize("operation", ["update", "delete", "create"])
async def test_gone(operation: str, on_failure: OnFailure) -> None:
    """Somebody else has deleted the room at Videomost."""
    async with world({"on_failure": on_failure}) as here:
        await here.passes(invitation(Event()))
        (room,) = here.rooms()
        await here.app.provider.delete(room.id)
        match operation:
            case "update":
                await here.passes(invitation(MOVED))
                await here.settle()
                assert (await Broken(here, "", "error").meeting()).conference.generation == 2
                assert [each.spec.start for each in here.rooms()] == [MOVED.start]
            case "delete":
                await here.passes(invitation(CANCEL))
                here.clock.forward(timedelta(hours=2))
                await here.settle()
                assert (await Broken(here, "", "error").meeting()).conference.state is State.GONE
                assert here.rooms() == []
            case _:
                # An update makes it anew, under the next generation: the id of a deleted room is spent.
                await here.passes(invitation(MOVED), *("ivan@corp.example", ANNA))
                await here.settle()
                (new,) = here.rooms()
                assert new.id != room.id
