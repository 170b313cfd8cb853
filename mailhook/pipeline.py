"""From a message to a verdict: what goes to the next hop, and what is to be remembered of it.

What: `examine` reads the message, decides, obtains the conference if one is needed, and rewrites. The verdict
names the content to relay (or the reply that asks the client to come again) and the `Sequel`: what has to be
recorded before the dot, and what after it.

Not here: relaying and recording (`relay`).

Errors: none comes out of `examine`. What goes wrong before it is known that the message is an invitation of ours
lets it pass unchanged; after that `policy.on_failure` decides.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar, assert_never

from mailhook.core import itip, message, trace
from mailhook.core.copied import copied, spellings
from mailhook.core.itip import Invitation, NotOurs
from mailhook.core.meeting import Meeting, MeetingKey
from mailhook.core.message import Message
from mailhook.core.policy import Envelope, Policy, defaults, may_act, wish
from mailhook.core.reservation import of_provider
from mailhook.core.revision import Condemn, Create, Insert, Leave, Plan, look, postponed, sealed
from mailhook.core.wording import Wording
from mailhook.errors import MailhookError, Permanent, Unreadable
from mailhook.flight import Flight
from mailhook.journal import Story
from mailhook.ports import Circumstances, Decide, Store
from mailhook.verdict import Defer, Pass, Tell, Untell, Verdict
from mailhook.writer import Carriage, Manner, Writer

T = TypeVar("T")

LARGE = 16 * 1024
"""Octets of a message from which reading or rewriting may take longer than other mail should wait."""


class Pipeline:
    """One for the process; it keeps nothing between messages."""

    def __init__(
        self,
        store: Store,
        flight: Flight,
        policy: Policy,
        wording: Callable[[], Wording],
        manner: Manner,
        identity: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._clock = clock
        self._flight = flight
        self._policy = policy
        self._writer = Writer(policy, wording, manner)
        self._identity = identity
        self._link_hosts = manner.link_hosts
        self._defaults = defaults(policy)
        self._one_large = asyncio.Lock()

    async def examine(self, envelope: Envelope, raw: bytes, carriage: Carriage, story: Story) -> Verdict:
        """The verdict on one message; `raw` is its content without dot-stuffing."""
        known: Invitation | None = None
        received: datetime | None = None
        try:
            story.step("read")
            parsed, invitation = await self._beside(len(raw), lambda: self._read(raw))
            if isinstance(invitation, NotOurs):
                return Pass(invitation.reason)
            key = invitation.key
            story.about(key.uid, key.organizer, invitation.method, invitation.beyond)
            reason = may_act(self._policy, invitation, envelope)
            if reason:
                return Pass(reason)
            if invitation.cancels:
                return Pass("cancel", Untell(invitation))
            known, received = invitation, trace.received(parsed)
            verdict = await self._request(parsed, invitation, envelope, carriage, story)
            return _dated(verdict, received)
        except Unreadable as error:
            story.error = str(error)
            return Pass("unreadable")
        except Exception as error:
            return await self._without_link(known, received, error, story)

    async def _request(
        self, parsed: Message, invitation: Invitation, envelope: Envelope, carriage: Carriage, story: Story
    ) -> Verdict:
        story.step("decide")
        known = await self._known_links(invitation, len(parsed.raw))

        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, tuple[Invitation, Plan]]:
            seen = of_provider(meeting, self._identity)
            ours = (seen.link.link,) if seen.link else ()
            read = replace(invitation, copied=copied(seen, invitation, known))
            wanted = wish(self._policy, read, self._link_hosts, ours)
            after, plan = look(seen, read, wanted, self._policy, c.now, envelope.recipients)
            # Another provider's room is forgotten only for one that is really made here.
            return (meeting if after == seen else after), (read, plan)

        invitation, plan = await self._store.change(invitation.key, decide)
        if isinstance(plan, Insert | Create) and self._writer.is_signed(parsed):
            # For the administrator (`doctor`): a store that fails here concerns no mail.
            with suppress(MailhookError):
                await self._store.note("signed-before-us")
        match plan:
            case Leave(reason):
                return Pass(reason)
            case Condemn():
                removed = partial(self._writer.removed, parsed, invitation, plan, carriage, story)
                return await self._beside(len(parsed.raw), removed)
            case Insert(details):
                pass
            case Create(spec):
                fault = self._writer.obstacle(parsed)
                if fault:
                    await self._noted(invitation, fault)
                    return Pass(fault)
                story.step("create")
                details = await self._flight.obtain(invitation.key, spec)
            case _:
                assert_never(plan)
        written = partial(self._writer.rewritten, parsed, invitation, details, envelope, carriage, story)
        return await self._beside(len(parsed.raw), written)

    async def _noted(self, invitation: Invitation, why: str) -> None:
        """For the organizer's notice; a store that fails here concerns no mail."""

        def decide(meeting: Meeting, _c: Circumstances) -> tuple[Meeting, None]:
            return sealed(meeting, invitation, why), None

        with suppress(MailhookError):
            await self._store.change(invitation.key, decide)

    async def _beside(self, size: int, work: Callable[[], T]) -> T:
        """What `work` on a message of `size` octets answers; of a large one in a thread, so that other mail goes on.

        One at a time: with each more, ordinary mail would have a smaller share of the processor.
        """
        if size < LARGE:
            return work()
        async with self._one_large:
            return await asyncio.to_thread(work)

    def _read(self, raw: bytes) -> tuple[Message, Invitation | NotOurs]:
        parsed = message.read(raw)
        return parsed, itip.read(parsed, self._defaults)

    async def _known_links(self, invitation: Invitation, size: int) -> dict[str, frozenset[MeetingKey]]:
        """The links of ours that it shows, each with the meetings it stands for."""
        spelled = await self._beside(size, lambda: spellings(invitation, self._link_hosts))
        makers = await self._store.makers({each for place in spelled for each in place}) if spelled else {}
        links = (next((each for each in place if each in makers), None) for place in spelled)
        return {link: makers[link] for link in links if link is not None}

    async def _without_link(
        self, invitation: Invitation | None, received: datetime | None, error: Exception, story: Story
    ) -> Verdict:
        """The link cannot be had now (DESIGN: `policy.on_failure`)."""
        story.failed(error)
        if invitation is None:
            return Pass("fault")
        unlinked = Pass("without-link", Tell(invitation, None, received))
        if isinstance(error, Permanent) or self._policy.on_failure == "pass":
            return unlinked
        return await self._deferred_or(unlinked, invitation, received, story)

    async def unrecorded(self, tell: Tell, story: Story) -> Verdict:
        """The store cannot record what is about to be told: a link that nobody remembers must not go out."""
        late = Pass("store-unavailable")
        if self._policy.on_failure == "pass":
            return late
        return await self._deferred_or(late, tell.invitation, tell.received, story)

    async def _deferred_or(
        self, late: Pass, invitation: Invitation, received: datetime | None, story: Story
    ) -> Verdict:
        """451 as long as this revision has not been kept waiting for `policy.defer_for`; then `late`."""
        try:
            since, now = await self._store.change(invitation.key, _postpone(invitation))
        except MailhookError as error:
            story.failed(error)
            since, now = received or datetime.min.replace(tzinfo=UTC), self._clock()
        if now - since < self._policy.defer_for:
            return Defer("provider-unavailable")
        return late


def _dated(verdict: Verdict, received: datetime | None) -> Verdict:
    """The verdict with the time from the message's trace, in case it cannot be recorded."""
    match verdict:
        case Pass(sequel=Tell() as tell):
            return replace(verdict, sequel=replace(tell, received=received))
        case Pass() | Defer():
            return verdict
        case _:
            assert_never(verdict)


def _postpone(invitation: Invitation) -> Decide[tuple[datetime, datetime]]:
    def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, tuple[datetime, datetime]]:
        after, since = postponed(meeting, invitation, c.now)
        return after, (since, c.now)

    return decide
