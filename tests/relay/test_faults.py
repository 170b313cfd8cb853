"""Faults of our own making: none changes the next hop's answer, holds up a mail for ever, or stops the worker."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from mailhook.journal import on_step
from mailhook.provider.sandbox_faults import Fault
from tests.relay.mails import ANNA, IVAN, NOW, ORDINARY, Event, copies, invitation, link_in
from tests.relay.rig import Client, world

LATER = timedelta(minutes=16)
"""More than policy.defer_for."""


class UnforeseenError(Exception):
    pass


@contextmanager
def faulty(step: str) -> Iterator[None]:
    """A fault that no adapter has foreseen, at a named step of every message."""

    def fail(name: str) -> None:
        if name == step:
            raise UnforeseenError(name)

    on_step.append(fail)
    try:
        yield
    finally:
        on_step.remove(fail)


async def test_copies_that_come_one_after_another_all_pass_after_defer_for() -> None:
    people = copies(Event(), 6)
    async with world() as here:
        here.sandbox.faults["create"] = Fault(status=503)
        for person, content in people:
            assert (await here.send(content, IVAN, person)).code == 451
        here.clock.forward(LATER)
        for person, content in people:
            assert (await here.send(content, IVAN, person)).code == 250


@pytest.mark.parametrize("until", ["99991231T235959Z", "00010101T000000Z", "99991231", "nonsense"])
async def test_a_series_with_any_end_is_answered(until: str) -> None:
    event = replace(Event(), extra=(f"RRULE:FREQ=WEEKLY;UNTIL={until}",))
    async with world() as here:
        assert (await here.send(invitation(event))).code == 250


@pytest.mark.parametrize("step", ["read", "decide", "rewrite", "record"])
async def test_a_fault_before_the_dot_follows_the_failure_policy(step: str) -> None:
    content = invitation(Event(), Received=f"by mx.corp.example; {format_datetime(NOW)}")
    async with world() as here:
        with faulty(step):
            known = step != "read"
            first = await here.send(content)
            assert first.code == (451 if known else 250)
            here.clock.forward(LATER)
            assert (await here.send(content)).code == 250
        assert here.messages[-1].content == content


async def test_a_fault_while_settling_does_not_change_the_answer() -> None:
    async with world() as here:
        await here.passes(invitation(Event()))
        cancel = invitation(replace(Event(), method="CANCEL"))
        with faulty("settle"):
            assert await here.passes(cancel) == cancel
        here.clock.forward(timedelta(hours=2))
        await here.settle()
        assert len(here.rooms()) == 1


async def test_a_fault_amid_an_ordinary_mail_is_no_bounce() -> None:
    async with world() as here:
        with faulty("relay"):
            assert (await here.send(ORDINARY)).code == 451
        assert await here.passes(ORDINARY) == ORDINARY


async def test_a_transaction_that_ends_early_has_its_line_in_the_log() -> None:
    async with world() as here:
        async with await Client.connect(here.port) as client:
            await client.envelope(IVAN, ANNA)
            assert (await client.ask(b"RSET\r\n")).code == 250
        assert [(story["sender"], story["decision"]) for story in here.stories] == [(IVAN, "aborted")]


async def test_rows_that_cannot_be_read_do_not_stop_the_worker(tmp_path: Path) -> None:
    store = tmp_path / "mailhook.db"
    async with world(store=str(store)) as here:
        for number in range(6):
            await here.passes(invitation(replace(Event(), uid=f"broken-{number}")))
        with closing(sqlite3.connect(store)) as connection, connection:
            connection.execute("UPDATE meeting SET document = '{}', wake_at = 0")
        await here.passes(invitation(replace(Event(), uid="whole")))
        moved = replace(Event(), uid="whole", sequence=1, start=NOW + timedelta(days=9))
        assert link_in(await here.passes(invitation(moved)))
        for _ in range(3):
            await here.app.sync.once()
        (room,) = [room for room in here.rooms() if room.spec.start == moved.start]
        assert here.sandbox.link(room) == link_in(here.messages[-1].content)
        assert [meeting.key.uid for meeting in await here.app.store.all()] == ["whole"]


async def test_a_long_title_does_not_cost_the_link() -> None:
    async with world() as here:
        assert link_in(await here.passes(invitation(replace(Event(), summary="Я" * 5000)))) == here.link()


async def test_a_refusal_of_the_listener_stands_in_the_log() -> None:
    async with world() as here:
        async with await Client.connect(here.port) as client:
            await client.envelope(IVAN, ANNA)
            assert (await client.ask(b"DATA\r\n")).code == 354
            assert (await client.ask(b"a\n.\nb\r\n.\r\n")).code == 550
        (story,) = here.stories
        assert (story["sender"], story["decision"]) == (IVAN, "aborted")
        assert "lone dot" in story["error"]


async def test_a_signature_of_an_alias_domain_is_not_broken() -> None:
    content = invitation(Event(), DKIM_Signature="v=1; d=mail.corp-alias.example; b=AAAA")
    async with world({"domain_aliases": {"corp-alias.example": "corp.example"}}) as here:
        assert await here.passes(content) == content
        assert here.stories[-1]["reason"] == "dkim-signed"


async def test_a_store_that_takes_no_note_of_a_signature_concerns_no_mail(tmp_path: Path) -> None:
    content = invitation(Event(), DKIM_Signature="v=1; d=corp.example; b=AAAA")
    async with world(store=str(tmp_path / "store.db")) as here:
        with closing(sqlite3.connect(tmp_path / "store.db")) as connection, connection:
            connection.execute("DROP TABLE sighting")
        assert await here.passes(content) == content
        assert here.stories[-1]["reason"] == "dkim-signed"
        assert here.stories[-1]["error"] == ""
