"""Many copies of one invitation at once: one conference, one link, whoever creates it and whatever becomes of him."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mailhook.app import running
from mailhook.flight import ATTEMPTS
from mailhook.front.sink import Sink
from mailhook.provider.sandbox_faults import Fault
from tests.relay.mails import IVAN, Event, copies, invitation, link_in
from tests.relay.processes import Outside, creates, fresh, serving
from tests.relay.rig import Client, World, settings_for, until, world

SLOW = Fault(delay=0.3)
"""Long enough for all copies to come while the first creates."""


async def hand_in(port: int, recipient: str, content: bytes) -> int:
    async with await Client.connect(port) as client:
        return (await client.send(content, IVAN, recipient)).code


def links(sink: Sink) -> list[str]:
    return [link_in(message.content) for message in sink.messages]


async def test_twenty_copies_at_once() -> None:
    async with world() as here:
        here.sandbox.faults["create"] = SLOW
        sent = copies(Event())
        codes = await asyncio.gather(*(hand_in(here.port, who, mail) for who, mail in sent))
        assert codes == [250] * 20
        assert links(here.sink) == [here.link()] * 20
        assert here.calls("create") == 1
        await here.settle()
        meeting = await here.meeting(Event().uid)
        assert meeting is not None
        assert set(meeting.told) == {who for who, _ in sent}
        assert len(here.rooms()[0].spec.participants) == 20


async def test_two_apps_on_one_store(tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    async with world(store=store) as here:
        settings = settings_for(here.sandbox.url, here.sink.port, store=store)
        async with running(settings, here.clock) as other:
            here.sandbox.faults["create"] = SLOW
            ports = [here.port, other.listener.port] * 10
            sent = zip(ports, copies(Event()), strict=True)
            codes = await asyncio.gather(*(hand_in(port, *mail) for port, mail in sent))
            assert codes == [250] * 20
            assert links(here.sink) == [here.link()] * 20
            assert here.calls("create") == 1


# --- the client of the one who creates ----------------------------------------------------------------


@pytest.fixture
async def creating() -> AsyncIterator[tuple[World, Client]]:
    """A first client has handed in its copy, and the conference is being created."""
    async with world() as here:
        here.sandbox.faults["create"] = SLOW
        async with await Client.connect(here.port) as leader:
            await leader.begin(invitation(Event()), IVAN, "anna@partner.example")
            await until(lambda: here.calls("create") == 1)
            yield here, leader


async def follow(here: World) -> None:
    """A second copy gets the link, and the first one has arrived with it too."""
    assert (
        await hand_in(here.port, "boris@partner.example", invitation(Event(), "boris@partner.example")) == 250
    )
    await here.sink.wait_for(2)
    assert links(here.sink) == [here.link()] * 2
    assert here.calls("create") == 1


async def test_the_leaders_client_half_closes(creating: tuple[World, Client]) -> None:
    here, leader = creating
    leader.writer.write_eof()
    await follow(here)
    assert (await leader.hear()).code == 250


async def test_the_leaders_client_is_cut_off(creating: tuple[World, Client]) -> None:
    here, leader = creating
    leader.writer.transport.abort()
    await follow(here)


# --- processes ----------------------------------------------------------------------------------------


async def test_two_processes_on_one_store(outside: Outside) -> None:
    sandbox, sink, settings = outside.sandbox, outside.sink, outside.settings
    async with serving(settings) as one, serving(settings) as other:
        sandbox.faults["create"] = SLOW
        sent = zip([one.port, other.port] * 10, copies(fresh()), strict=True)
        assert await asyncio.gather(*(hand_in(port, *mail) for port, mail in sent)) == [250] * 20
    (room,) = sandbox.conferences.values()
    assert links(sink) == [sandbox.link(room)] * 20
    assert creates(sandbox) == 1


async def test_the_leading_process_is_killed_while_it_creates(outside: Outside) -> None:
    sandbox, sink, settings = outside.sandbox, outside.sink, outside.settings
    event = fresh()
    async with serving(settings) as leader, serving(settings) as other:
        sandbox.faults["create"] = Fault(delay=60, times=1)
        async with await Client.connect(leader.port) as client:
            await client.begin(invitation(event), IVAN, "anna@partner.example")
            await until(lambda: not sandbox.faults)  # the request of the leader waits
            following = asyncio.create_task(
                hand_in(other.port, "boris@partner.example", invitation(event, "boris@partner.example"))
            )
            await leader.kill()
        assert await following == 250
        assert await hand_in(other.port, "anna@partner.example", invitation(event)) == 250
    (room,) = sandbox.conferences.values()
    assert links(sink) == [sandbox.link(room)] * 2
    assert creates(sandbox) == 2


# --- Videomost in trouble ------------------------------------------------------------------------------


async def test_slower_than_the_deadline() -> None:
    """The copies are asked to come again, and then find the conference that was created meanwhile."""
    async with world({"deadline": timedelta(seconds=0.2)}) as here:
        here.sandbox.faults["create"] = SLOW
        sent = copies(Event(), 5)
        assert await asyncio.gather(*(hand_in(here.port, *mail) for mail in sent)) == [451] * 5
        await here.app.flight.close()  # waits for the creation
        assert [await hand_in(here.port, *mail) for mail in sent] == [250] * 5
        assert links(here.sink) == [here.link()] * 5
        assert here.calls("create") == 1


async def test_created_but_never_answered() -> None:
    async with world() as here:
        here.sandbox.faults["create"] = Fault(fail_after=True, times=ATTEMPTS)
        sent = copies(Event())
        codes = await asyncio.gather(*(hand_in(here.port, *mail) for mail in sent))
        assert set(codes) <= {250, 451}
        again = [mail for mail, code in zip(sent, codes, strict=True) if code == 451]
        assert [await hand_in(here.port, *mail) for mail in again] == [250] * len(again)
        assert again
        assert links(here.sink) == [here.link()] * 20


async def test_an_answer_that_is_lost_once_costs_nobody_anything() -> None:
    async with world() as here:
        here.sandbox.faults["create"] = Fault(fail_after=True, times=1)
        codes = await asyncio.gather(*(hand_in(here.port, *mail) for mail in copies(Event())))
        assert codes == [250] * 20
        assert links(here.sink) == [here.link()] * 20


async def test_down_and_up_again() -> None:
    async with world() as here:
        port = int(here.sandbox.url.rpartition(":")[2])
        await here.sandbox.stop()
        sent = copies(Event())
        assert await asyncio.gather(*(hand_in(here.port, *mail) for mail in sent)) == [451] * 20
        assert here.messages == []
        await here.sandbox.start(port=port)
        assert await asyncio.gather(*(hand_in(here.port, *mail) for mail in sent)) == [250] * 20
        assert links(here.sink) == [here.link()] * 20


async def test_two_meetings_have_two_links() -> None:
    async with world() as here:
        events = [Event(), replace(Event(), uid="meeting-2@corp.example")]
        await asyncio.gather(*(hand_in(here.port, *mail) for event in events for mail in copies(event, 5)))
        assert len(set(links(here.sink))) == len(here.rooms()) == 2


async def test_two_revisions_at_once() -> None:
    async with world() as here:
        here.sandbox.faults["create"] = SLOW
        first = replace(Event(), attendees=("anna@partner.example", "boris@partner.example"))
        second = replace(first, sequence=1, start=first.start + timedelta(days=1))
        mails = [
            ("anna@partner.example", invitation(first)),
            ("boris@partner.example", invitation(second, "boris@partner.example")),
        ]
        assert await asyncio.gather(*(hand_in(here.port, *mail) for mail in mails)) == [250] * 2
        await here.settle()
        assert links(here.sink) == [here.link()] * 2
        assert here.rooms()[0].spec.start == second.start


async def test_a_cancel_during_the_creation(creating: tuple[World, Client]) -> None:
    """The CANCEL passes at once. The room, of which nobody is to know any more, goes."""
    here, leader = creating
    stamp = Event().stamp + timedelta(minutes=1)
    cancel = invitation(replace(Event(), method="CANCEL", sequence=1, stamp=stamp))
    assert await here.passes(cancel) == cancel
    assert (await leader.hear()).code == 250
    await here.settle()
    here.clock.forward(timedelta(days=2))
    await here.settle()
    assert here.rooms() == []
