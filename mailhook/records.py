"""What is written into the store around the final dot of a message.

What: `before_the_dot` records what keeps a room alive, before the mail can be delivered; `after_the_dot` settles what
the next hop's answer means: refusals, and the effects of a CANCEL.

Not here: relaying (`relay`), deciding (`core.revision`).

Errors: none. A store that fails before the dot is `Unrecorded`, for the failure policy; after the dot it is noted, and
the next hop's answer stands: a room is then kept too long, never deleted too early.
"""

import asyncio
from dataclasses import dataclass
from typing import Literal, TypeVar, assert_never

from mailhook.core.copies import mailed
from mailhook.core.itip import Invitation
from mailhook.core.meeting import Meeting
from mailhook.core.policy import Policy
from mailhook.core.revision import announce, renounce, withdraw
from mailhook.core.unheard import unheard
from mailhook.core.uninviting import cancel, is_shortened, unlist
from mailhook.journal import Story
from mailhook.ports import Answered, Circumstances, Decide, Delivery, Store
from mailhook.smtp.replies import Reply
from mailhook.verdict import NoSequel, Renounce, Sequel, Tell, Untell

T = TypeVar("T")

PATIENCE = 15.0
"""Seconds that the store may take: the client waits meanwhile, and delivers again what it has given up."""


@dataclass(frozen=True)
class Recorded:
    """`meeting`: as it was before; None when there was nothing to record."""

    meeting: Meeting | None = None


@dataclass(frozen=True)
class Outdated:
    """The link in the rewritten content is no longer the meeting's."""


@dataclass(frozen=True)
class Unrecorded:
    """The store could not record what is about to be told."""

    tell: Tell


Record = Recorded | Outdated | Unrecorded


@dataclass(frozen=True)
class _Failed:
    pass


class Records:
    """One for the process."""

    def __init__(self, store: Store, policy: Policy) -> None:
        self._store = store
        self._policy = policy

    async def before_the_dot(self, sequel: Sequel, recipients: tuple[str, ...], story: Story) -> Record:
        match sequel:
            case Tell() as tell:
                outcome = await self._change(tell.invitation, self._told(tell, recipients), story, "record")
                return Unrecorded(tell) if isinstance(outcome, _Failed) else outcome
            case NoSequel() | Untell() | Renounce():
                return Recorded()
            case _:
                assert_never(sequel)

    def _told(self, tell: Tell, recipients: tuple[str, ...]) -> Decide[Record]:
        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, Record]:
            linked = tell.details is not None
            if linked and meeting.link != tell.details:
                return meeting, Outdated()
            after = announce(meeting, tell.invitation, recipients, self._policy, c.now, linked=linked)
            return mailed(after, tell.invitation), Recorded(meeting)

        return decide

    async def after_the_dot(
        self,
        sequel: Sequel,
        recipients: tuple[str, ...],
        delivery: Delivery,
        before: Meeting | None,
        story: Story,
    ) -> None:
        answer = delivery.reply if isinstance(delivery, Answered) else None
        match sequel:
            case Tell(invitation) if answer and answer.permanent and before is not None:
                await self._change(
                    invitation, self._withdrawn(invitation, recipients, before), story, "settle"
                )
            case Tell(invitation) if answer and answer.positive and before is not None:
                if is_shortened(before, invitation, recipients):
                    await self._change(
                        invitation, self._unlisted(invitation, recipients, before), story, "settle"
                    )
            case Tell(invitation) if not (answer and answer.positive) and before is not None:
                await self._change(
                    invitation, self._unheard(invitation, recipients, before, answer), story, "settle"
                )
            case Untell(invitation) if answer and answer.positive:
                await self._change(invitation, self._cancelled(invitation, recipients), story, "settle")
            case Untell(invitation):
                await self._change(
                    invitation, self._unheard(invitation, recipients, None, answer), story, "settle"
                )
            case Renounce(invitation, why) if answer and answer.positive:
                await self._change(invitation, self._renounced(invitation, why), story, "settle")
            case NoSequel() | Tell() | Untell() | Renounce():
                pass
            case _:
                assert_never(sequel)

    def _withdrawn(
        self, invitation: Invitation, recipients: tuple[str, ...], before: Meeting
    ) -> Decide[None]:
        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, None]:
            return withdraw(meeting, before, invitation, recipients, self._policy, c.now), None

        return decide

    def _unlisted(self, invitation: Invitation, recipients: tuple[str, ...], before: Meeting) -> Decide[None]:
        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, None]:
            return unlist(meeting, before, invitation, recipients, self._policy, c.now), None

        return decide

    def _unheard(
        self,
        invitation: Invitation,
        recipients: tuple[str, ...],
        before: Meeting | None,
        answer: Reply | None,
    ) -> Decide[None]:
        refused = answer is not None and answer.permanent

        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, None]:
            after = unheard(meeting, before, invitation, recipients, self._policy, c.now, refused=refused)
            return after, None

        return decide

    def _cancelled(self, invitation: Invitation, recipients: tuple[str, ...]) -> Decide[None]:
        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, None]:
            return cancel(meeting, invitation, recipients, self._policy, c.now), None

        return decide

    def _renounced(self, invitation: Invitation, why: str) -> Decide[None]:
        def decide(meeting: Meeting, c: Circumstances) -> tuple[Meeting, None]:
            return renounce(meeting, invitation, why, self._policy, c.now), None

        return decide

    async def _change(
        self, invitation: Invitation, decide: Decide[T], story: Story, step: Literal["record", "settle"]
    ) -> T | _Failed:
        """What `decide` answers; a fault of the store, or of ours, is told and has no other effect."""
        try:
            story.step(step)
            async with asyncio.timeout(PATIENCE):
                return await self._store.change(invitation.key, decide)
        except Exception as error:
            story.failed(error)
            return _Failed()
