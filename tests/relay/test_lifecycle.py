"""The life of a meeting, by its mails: updates, un-inviting, cancellation, and what passes without any effect."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mailhook.core.conference import State
from mailhook.front.sink import Received
from mailhook.provider.sandbox_faults import Fault
from mailhook.smtp.replies import reply
from tests.relay.mails import ANNA, BORIS, IVAN, NOW, ORDINARY, Event, invitation, link_in
from tests.relay.rig import World, world

BOTH = replace(Event(), attendees=(ANNA, BORIS))
MOVED = replace(
    BOTH, sequence=1, stamp=NOW + timedelta(minutes=1), start=NOW + timedelta(days=9), summary="Новое"
)
CANCEL = replace(BOTH, method="CANCEL", sequence=2, stamp=NOW + timedelta(minutes=2))
GRACE = timedelta(hours=1, seconds=1)


async def invite(here: World, event: Event, *people: str) -> set[str]:
    """One message to each; the links that they bear."""
    return {link_in(await here.passes(invitation(event, who), IVAN, who)) for who in people or (ANNA, BORIS)}


async def cancel(here: World, event: Event, *people: str) -> None:
    for who in people or (ANNA, BORIS):
        mail = invitation(event, who)
        assert await here.passes(mail, IVAN, who) == mail


async def after(here: World, time: timedelta) -> None:
    await here.settle()
    here.clock.forward(time)
    await here.settle()


async def test_what_videomost_is_told() -> None:
    async with world() as here:
        await invite(here, BOTH)
        (room,) = here.rooms()
        assert room.spec.topic == "Бюджет"
        assert (room.spec.start, room.spec.end) == (BOTH.start, BOTH.start + timedelta(hours=1))
        assert room.spec.owner.address == IVAN
        assert [person.address for person in room.spec.participants] == [ANNA, BORIS]


async def test_an_update_keeps_the_link_and_updates_once() -> None:
    async with world() as here:
        first = await invite(here, BOTH)
        await here.settle()
        assert await invite(here, MOVED) == first == {here.link()}
        await here.settle()
        assert (here.calls("create"), here.calls("update")) == (1, 1)
        (room,) = here.rooms()
        assert (room.spec.topic, room.spec.start) == ("Новое", MOVED.start)


async def test_an_older_revision_bears_the_link_and_changes_nothing() -> None:
    async with world() as here:
        await invite(here, MOVED)
        assert await invite(here, BOTH) == {here.link()}
        await here.settle()
        assert here.rooms()[0].spec.start == MOVED.start


async def test_a_lost_marker_does_not_lose_the_link() -> None:
    async with world() as here:
        await invite(here, BOTH)
        assert await invite(here, replace(MOVED, location="")) == {here.link()}


async def test_cancelled_for_all() -> None:
    async with world() as here:
        await invite(here, BOTH)
        await cancel(here, CANCEL)
        await here.settle()
        assert len(here.rooms()) == 1
        await after(here, GRACE)
        assert here.rooms() == []
        assert here.calls("delete") == 1
        meeting = await here.meeting(BOTH.uid)
        assert meeting is not None
        assert meeting.conference.state is State.GONE


async def test_uninvited_is_not_cancelled() -> None:
    async with world() as here:
        await invite(here, BOTH)
        await cancel(here, CANCEL, BORIS)
        await after(here, GRACE)
        (room,) = here.rooms()
        assert [person.address for person in room.spec.participants] == [ANNA]
        await cancel(here, replace(CANCEL, sequence=3), ANNA)
        await after(here, GRACE)
        assert here.rooms() == []


async def test_one_cancel_to_all_holders() -> None:
    async with world() as here:
        await here.passes(invitation(BOTH), IVAN, ANNA, BORIS)
        await here.passes(invitation(CANCEL), IVAN, ANNA, BORIS)
        await after(here, GRACE)
        assert here.rooms() == []


async def test_a_request_within_the_grace_saves_the_room() -> None:
    async with world() as here:
        first = await invite(here, BOTH)
        await cancel(here, CANCEL)
        here.clock.forward(timedelta(minutes=59))
        again = replace(MOVED, sequence=3, stamp=NOW + timedelta(minutes=59))
        assert await invite(here, again) == first
        await after(here, GRACE)
        assert here.link() in first
        assert here.calls("delete") == 0


async def test_a_refused_request_within_the_grace_puts_the_end_off() -> None:
    """The client's next attempt may succeed."""
    async with world() as here:
        await invite(here, BOTH)
        await cancel(here, CANCEL)
        here.clock.forward(timedelta(minutes=59))
        here.sink.answer = lambda what: reply(554, "5.7.1 no") if isinstance(what, Received) else None
        again = replace(MOVED, sequence=3, stamp=NOW + timedelta(minutes=59))
        assert (await here.send(invitation(again))).code == 554
        await after(here, timedelta(minutes=58))
        assert len(here.rooms()) == 1
        await after(here, timedelta(minutes=3))
        assert here.rooms() == []


async def test_a_new_generation_has_a_new_link() -> None:
    async with world() as here:
        first = await invite(here, BOTH)
        await cancel(here, CANCEL)
        await after(here, GRACE)
        second = await invite(here, replace(MOVED, sequence=3, stamp=NOW + timedelta(hours=2)))
        assert second == {here.link()}
        assert second != first
        assert len(here.sandbox.deleted) == 1


async def test_a_cancel_that_overtook_its_request() -> None:
    async with world() as here:
        await cancel(here, CANCEL)
        assert await invite(here, BOTH) == {""}
        assert here.stories[-1]["reason"] == "cancelled-already"
        assert here.rooms() == []


async def test_a_person_never_told_by_mail_keeps_the_room() -> None:
    async with world() as here:
        internal = replace(BOTH, attendees=(ANNA, "petr@corp.example"))
        await invite(here, internal, ANNA)
        await cancel(here, replace(internal, method="CANCEL", sequence=1), ANNA)
        await after(here, GRACE)
        assert len(here.rooms()) == 1
        meeting = await here.meeting(BOTH.uid)
        assert meeting is not None
        assert "petr@corp.example" in meeting.doubtful


async def test_opting_out_ends_the_conference() -> None:
    async with world() as here:
        await invite(here, BOTH)
        out = invitation(replace(MOVED, description="#novideomost"))
        assert await here.passes(out) == out
        await after(here, GRACE)
        assert here.rooms() == []


async def test_a_deletion_that_fails_is_tried_again() -> None:
    async with world() as here:
        await invite(here, BOTH)
        await cancel(here, CANCEL)
        here.sandbox.faults["delete"] = Fault(status=503, times=1)
        await after(here, GRACE)
        assert len(here.rooms()) == 1
        await after(here, timedelta(minutes=5))
        assert here.rooms() == []


async def test_no_more_deletions_than_allowed(caplog: pytest.LogCaptureFixture) -> None:
    """One alarm, however many wait."""
    async with world({"max_deletions_per_hour": 1}) as here:
        for uid in ("one", "two", "three"):
            await invite(here, replace(BOTH, uid=uid))
            await cancel(here, replace(CANCEL, uid=uid))
        await after(here, GRACE)
        assert len(here.rooms()) == 2
        (alarm,) = (record for record in caplog.records if record.getMessage() == "deletion-limit")
        assert alarm.levelname == "ERROR"
        assert "1 conferences were deleted in the last hour" in vars(alarm)["fields"]["error"]
        await after(here, GRACE)
        assert len(here.rooms()) == 1
        await after(here, GRACE)
        assert here.rooms() == []


async def test_a_series_rolls_on_and_then_rests() -> None:
    async with world() as here:
        await invite(here, replace(BOTH, extra=("RRULE:FREQ=WEEKLY;COUNT=3",)))
        link = here.link()
        for week in (1, 2):
            await after(here, timedelta(days=7, hours=3) if week == 1 else timedelta(days=7))
            assert here.rooms()[0].spec.start == BOTH.start + timedelta(weeks=week)
        await after(here, timedelta(days=7))
        meeting = await here.meeting(BOTH.uid)
        assert meeting is not None
        assert meeting.conference.state is State.FINISHED
        assert here.link() == link


async def test_a_conference_that_has_ended_and_cannot_be_moved_is_made_anew() -> None:
    async with world() as here:
        await invite(here, replace(BOTH, extra=("RRULE:FREQ=WEEKLY;COUNT=3",)))
        link = here.link()
        here.sandbox.faults["update"] = Fault(status=409, code="ended")
        await after(here, timedelta(days=7, hours=3))
        assert (here.rooms()[0].spec.start, here.link()) == (BOTH.start + timedelta(weeks=1), link)


async def test_or_gives_way_to_another_with_a_new_link() -> None:
    async with world() as here:
        weekly = replace(BOTH, extra=("RRULE:FREQ=WEEKLY;COUNT=3",))
        await invite(here, weekly)
        link = here.link()
        here.sandbox.faults["update"] = Fault(status=409, code="ended")
        here.sandbox.faults["create"] = Fault(status=409, code="ended", times=1)
        await after(here, timedelta(days=7, hours=3))
        assert (here.rooms()[0].spec.start, here.calls("delete")) == (BOTH.start + timedelta(weeks=1), 1)
        assert here.link() != link
        again = replace(weekly, sequence=1, stamp=NOW + timedelta(days=8))
        assert await invite(here, again) == {here.link()}


# --- without any effect --------------------------------------------------------------------------------

MALLORY = "mallory@elsewhere.example"


@pytest.mark.parametrize("method", ["REPLY", "COUNTER", "PUBLISH", "REFRESH", "DECLINECOUNTER"])
async def test_other_methods_pass(method: str) -> None:
    async with world() as here:
        await invite(here, BOTH)
        before = await here.meeting(BOTH.uid)
        mail = invitation(replace(MOVED, method=method))
        assert await here.passes(mail) == mail
        assert await here.meeting(BOTH.uid) == before


@pytest.mark.parametrize("method", ["REQUEST", "CANCEL"])
@pytest.mark.parametrize(
    ("sender", "organizer", "headers"),
    [
        (MALLORY, IVAN, {}),
        ("", IVAN, {}),
        (IVAN, MALLORY, {}),
        (IVAN, IVAN, {"Sender": f"<{MALLORY}>"}),
        (IVAN, IVAN, {"X_Mailhook_Conference": "c0ffee"}),
        (MALLORY, IVAN, {"X_Mailhook_Conference": "c0ffee"}),
    ],
)
async def test_who_must_not_act_passes_and_changes_nothing(
    method: str, sender: str, organizer: str, headers: dict[str, str]
) -> None:
    async with world() as here:
        await invite(here, BOTH)
        before = await here.meeting(BOTH.uid)
        event = replace(CANCEL, method=method, organizer=organizer)
        mail = invitation(event, ANNA, **headers)
        assert await here.passes(mail, sender, ANNA, BORIS) == mail
        assert await here.meeting(BOTH.uid) == before
        assert await here.meeting(BOTH.uid, MALLORY) is None
        await after(here, GRACE)
        assert here.calls("delete") == 0


async def test_ordinary_mail_leaves_no_trace() -> None:
    async with world() as here:
        assert await here.passes(ORDINARY) == ORDINARY
        assert await here.app.store.all() == []
        assert here.sandbox.counts == {}


async def test_the_next_generation_begins_with_its_participants() -> None:
    async with world() as here:
        await here.passes(invitation(Event()))
        await here.passes(invitation(replace(Event(), method="CANCEL")))
        here.clock.forward(timedelta(hours=2))
        await here.settle()
        assert here.rooms() == []
        await here.passes(invitation(replace(Event(), sequence=2, stamp=NOW + timedelta(hours=3))))
        (room,) = here.rooms()
        assert [person.address for person in room.spec.participants] == [ANNA]


async def test_the_log_names_a_description_that_is_too_long_to_be_written_into() -> None:
    async with world() as here:
        arrived = await here.passes(invitation(Event(description="\\n" * 120_000)))
        assert here.stories[-1]["beyond"] == ("DESCRIPTION",)
        assert here.stories[-1]["reason"] == "rewritten"
        assert b"\r\nCONFERENCE;VALUE=URI;FEATURE=AUDIO,VIDEO;LABEL=" in arrived
