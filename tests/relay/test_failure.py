"""When Videomost, the store or the next hop fail: nobody's mail is lost, and no bounce is ours."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from mailhook.core.breaker import FAILURES, REST
from mailhook.core.conference import State
from mailhook.core.unheard import GIVEN_UP
from mailhook.flight import ATTEMPTS
from mailhook.front.sink import Received, Sink
from mailhook.journal import on_step
from mailhook.provider.sandbox_faults import Fault
from mailhook.smtp.commands import Command, Rcpt
from mailhook.smtp.replies import Reply, reply
from tests.relay.mails import ANNA, BORIS, IVAN, NOW, ORDINARY, Event, invitation, link_in
from tests.relay.rig import Client, world

DOWN = Fault(status=503)
REFUSED = Fault(status=422, code="unknown_owner")
LATER = timedelta(minutes=16)
"""More than policy.defer_for."""

UPDATE = replace(Event(), sequence=1, stamp=NOW + timedelta(minutes=1), start=NOW + timedelta(days=8))


# --- Videomost ----------------------------------------------------------------------------------------


async def test_deferred_then_passed_without_link_and_linked_later() -> None:
    async with world() as here:
        here.sandbox.faults["create"] = DOWN
        assert (await here.send(invitation(Event()))).code == 451
        here.clock.forward(timedelta(minutes=14))
        assert (await here.send(invitation(Event()))).code == 451
        assert here.messages == []
        here.clock.forward(LATER)
        assert await here.passes(invitation(Event())) == invitation(Event())
        assert here.stories[-1]["reason"] == "without-link"
        here.sandbox.faults.clear()
        here.clock.forward(timedelta(hours=1))
        await here.settle()
        assert link_in(await here.passes(invitation(UPDATE))) == here.link()


async def test_each_revision_is_deferred_by_itself() -> None:
    async with world() as here:
        here.sandbox.faults["create"] = DOWN
        assert (await here.send(invitation(Event()))).code == 451
        here.clock.forward(LATER)
        assert (await here.send(invitation(UPDATE))).code == 451
        assert (await here.send(invitation(Event()))).code == 250


async def test_passed_at_once_if_the_policy_says_so() -> None:
    async with world({"on_failure": "pass"}) as here:
        here.sandbox.faults["create"] = DOWN
        assert await here.passes(invitation(Event())) == invitation(Event())
        here.sandbox.faults.clear()
        here.clock.forward(timedelta(hours=1))
        await here.settle()
        assert link_in(await here.passes(invitation(UPDATE))) == here.link()


async def test_what_videomost_refuses_is_passed_at_once() -> None:
    async with world() as here:
        here.sandbox.faults["create"] = REFUSED
        assert await here.passes(invitation(Event())) == invitation(Event())
        assert here.stories[-1]["reason"] == "without-link"


async def test_more_conferences_than_allowed_are_passed() -> None:
    async with world({"max_conferences_per_organizer_per_hour": 1}) as here:
        other = invitation(replace(Event(), uid="second"))
        assert link_in(await here.passes(invitation(Event())))
        assert await here.passes(other) == other
        assert len(here.rooms()) == 1


async def test_ordinary_mail_does_not_wait_behind_invitations() -> None:
    async with world({"max_waiting": 2}) as here:
        here.sandbox.faults["create"] = Fault(delay=60)
        events = [replace(Event(), uid=f"waiting-{number}") for number in range(3)]
        waiting = [asyncio.create_task(here.send(invitation(event))) for event in events]
        done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result().code for task in done] == [451]
        assert len(pending) == 2
        assert await here.passes(ORDINARY) == ORDINARY
        answer = invitation(replace(Event(), method="REPLY"))
        assert await here.passes(answer) == answer
        assert not any(task.done() for task in pending)
        await here.sandbox.stop()
        assert {(await task).code for task in pending} == {451}


async def test_a_provider_that_is_down_keeps_nobody_waiting() -> None:
    """After some failures it is asked no more; the policy answers at once, and one mail tries it again later."""
    async with world() as here:
        here.sandbox.faults["create"] = DOWN
        for number in range(FAILURES):
            assert (await here.send(invitation(replace(Event(), uid=f"first-{number}")))).code == 451
        asked = here.calls("create")
        for number in range(5):
            assert (await here.send(invitation(replace(Event(), uid=f"then-{number}")))).code == 451
        assert here.calls("create") == asked
        assert {story["reason"] for story in here.stories} == {"provider-unavailable"}
        here.clock.forward(REST)
        here.sandbox.faults.clear()
        assert link_in(await here.passes(invitation(replace(Event(), uid="then-1"))))
        assert link_in(await here.passes(invitation(replace(Event(), uid="then-2"))))


async def test_a_meeting_of_which_the_answer_cannot_be_used_keeps_nobody_else_waiting() -> None:
    """Its mail comes again and again, each time asked for three times and no more; others get their links."""
    async with world() as here:
        here.sandbox.faults["create"] = Fault(wrong={"join_url": "https://elsewhere.example/"})
        for rounds in range(1, FAILURES + 1):
            assert (await here.send(invitation(replace(Event(), uid="odd")))).code == 451
            assert here.calls("create") == ATTEMPTS * rounds
        here.sandbox.faults.clear()
        assert link_in(await here.passes(invitation(replace(Event(), uid="even"))))


async def test_a_meeting_that_the_server_fails_at_keeps_nobody_else_waiting() -> None:
    async with world() as here:
        here.sandbox.faults["create"] = DOWN
        for _ in range(FAILURES):
            assert (await here.send(invitation(replace(Event(), uid="odd")))).code == 451
        here.sandbox.faults.clear()
        assert link_in(await here.passes(invitation(replace(Event(), uid="even"))))


# --- the store ----------------------------------------------------------------------------------------


def broken(store: Path) -> None:
    """Overwritten in place: cutting off the -shm file, which the process has mapped, would kill it (SIGBUS)."""
    for path in store.parent.glob(f"{store.name}*"):
        with path.open("r+b") as file:
            file.write(b"this is no database " * 1000)


def queued(event: Event) -> bytes:
    """As a mail server hands it in, with its trace."""
    received = f"from a by b id 4ABC; {format_datetime(NOW)}"
    return b"Received: " + received.encode() + b"\r\n" + invitation(event)


async def test_a_corrupt_store_defers_invitations_only(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    async with world(store=str(store)) as here:
        broken(store)
        assert await here.passes(ORDINARY) == ORDINARY
        cancel = invitation(replace(Event(), method="CANCEL"))
        assert await here.passes(cancel) == cancel
        assert (await here.send(queued(Event()))).code == 451
        here.clock.forward(LATER)
        assert await here.passes(queued(Event())) == queued(Event())


async def test_a_corrupt_store_and_no_trace(tmp_path: Path) -> None:
    """Since when the mail waits is unknown, so it does not wait any longer."""
    store = tmp_path / "store.db"
    async with world(store=str(store)) as here:
        broken(store)
        assert await here.passes(invitation(Event())) == invitation(Event())


async def test_a_corrupt_store_passes_if_the_policy_says_so(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    async with world({"on_failure": "pass"}, store=str(store)) as here:
        broken(store)
        assert await here.passes(queued(Event())) == queued(Event())


async def test_a_locked_store_holds_up_invitations_only(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    async with world(store=str(store)) as here:
        with closing(sqlite3.connect(store, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            sending = asyncio.create_task(here.send(invitation(Event())))
            assert await here.passes(ORDINARY) == ORDINARY
            assert not sending.done()
            other.execute("ROLLBACK")
            assert (await sending).code == 250
        assert link_in(here.messages[-1].content) == here.link()


async def test_a_link_that_is_gone_meanwhile_does_not_leave(tmp_path: Path) -> None:
    """Between the writing of the link and its recording the meeting has changed: the client comes again."""
    store = tmp_path / "store.db"

    def forget(step: str) -> None:
        if step == "record":
            on_step.remove(forget)
            with closing(sqlite3.connect(store)) as other, other:
                other.execute("DELETE FROM meeting")

    async with world(store=str(store)) as here:
        on_step.append(forget)
        answer = await here.send(invitation(Event()))
        assert answer.text == "451 4.3.2 The meeting has changed meanwhile, try again"
        assert here.messages == []
        assert link_in(await here.passes(invitation(Event()))) == here.link()


# --- the next hop -------------------------------------------------------------------------------------


def refusing(recipient: str, answer: Reply) -> Sink:
    def said(what: Command | Received) -> Reply | None:
        return answer if isinstance(what, Rcpt) and what.address == recipient else None

    return Sink(said)


@pytest.mark.parametrize("code", [450, 550])
async def test_a_recipient_who_is_refused_is_no_holder(code: int) -> None:
    async with world(sink=refusing(BORIS, reply(code, "4.2.0 or 5.1.1 not now"))) as here:
        event = replace(Event(), attendees=(ANNA, BORIS))
        async with await Client.connect(here.port) as client:
            assert [r.code for r in await client.envelope(IVAN, ANNA, BORIS)] == [250, 250, code]
            assert (await client.ask(b"DATA\r\n")).code == 354
            assert (await client.ask(invitation(event) + b".\r\n")).code == 250
        meeting = await here.meeting(event.uid)
        assert meeting is not None
        assert set(meeting.told) == {ANNA}


def at_the_dot(answer: Reply) -> Sink:
    return Sink(lambda what: answer if isinstance(what, Received) else None)


async def test_a_refusal_at_the_dot_withdraws_the_holders() -> None:
    async with world(sink=at_the_dot(reply(554, "5.7.1 spam"))) as here:
        answer = await here.send(invitation(Event()))
        assert answer.text == "554 5.7.1 spam"
        meeting = await here.meeting(Event().uid)
        assert meeting is not None
        assert not meeting.told
        here.clock.forward(timedelta(hours=23))
        await here.settle()
        assert len(here.rooms()) == 1  # the client may try again
        here.clock.forward(timedelta(hours=2))
        await here.settle()
        assert here.rooms() == []


async def test_a_deferral_at_the_dot_keeps_the_holders() -> None:
    """The next hop may have delivered what it says it has not."""
    async with world(sink=at_the_dot(reply(451, "4.3.0 queue file write error"))) as here:
        answer = await here.send(invitation(Event()))
        assert answer.text == "451 4.3.0 queue file write error"
        here.clock.forward(timedelta(days=2))
        await here.settle()
        meeting = await here.meeting(Event().uid)
        assert meeting is not None
        assert set(meeting.told) == {ANNA}
        assert meeting.conference.state is State.ANNOUNCED


async def test_a_refused_update_leaves_what_was_told() -> None:
    async with world() as here:
        await here.passes(invitation(Event()))
        here.sink.answer = lambda what: reply(554, "5.7.1 no") if isinstance(what, Received) else None
        assert (await here.send(invitation(UPDATE))).code == 554
        here.clock.forward(timedelta(days=2))
        await here.settle()
        assert len(here.rooms()) == 1
        meeting = await here.meeting(Event().uid)
        assert meeting is not None
        assert set(meeting.told) == {ANNA}


@pytest.mark.parametrize(("code", "doubt"), [(554, timedelta(0)), (451, GIVEN_UP)])
async def test_a_cancel_that_is_not_taken_cancels_nothing_but_is_a_doubt(code: int, doubt: timedelta) -> None:
    """If it comes again, it counts."""
    async with world() as here:
        await here.passes(invitation(Event()))
        cancel = invitation(replace(UPDATE, method="CANCEL"))
        here.sink.answer = lambda what: reply(code, "5.7.1 no") if isinstance(what, Received) else None
        assert (await here.send(cancel)).code == code
        here.clock.forward(doubt)
        await here.settle()
        meeting = await here.meeting(Event().uid)
        assert meeting is not None
        assert ANNA in meeting.doubtful
        assert len(here.rooms()) == 1
        here.sink.answer = lambda what: None
        await here.passes(cancel)
        here.clock.forward(timedelta(hours=2))
        await here.settle()
        assert here.rooms() == []
