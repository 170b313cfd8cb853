"""Mails that the next hop did not take: who may not have heard what they say.

What: `unheard` remembers, after the dot, of a CANCEL whom it should have un-invited, and of a REQUEST whom it should
have told for the first time. As a rule the client comes again, and what then passes wipes it out. A meeting of which
every holder is left like that is doubtful from some time on (`waking.doubt_at`): its end, or its beginning, was never
delivered.

Not here: refusals of a REQUEST for good (`revision.withdraw`).

Errors: none.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from mailhook.core.holders import holds, still_told
from mailhook.core.itip import Invitation
from mailhook.core.meeting import Meeting
from mailhook.core.policy import Policy, guests
from mailhook.core.waking import awake

GIVEN_UP = timedelta(days=6)
"""After how long no queue tries any more: RFC 5321 §4.5.4.1 asks for four to five days."""


def unheard(
    meeting: Meeting,
    before: Meeting | None,
    invitation: Invitation,
    recipients: Iterable[str],
    policy: Policy,
    now: datetime,
    *,
    refused: bool,
) -> Meeting:
    """The meeting after a mail to `recipients` that was not taken; `refused`: for good, so nobody will try again.

    `before`: as it was before a REQUEST was announced; None for a CANCEL.
    """
    people = guests(policy, invitation, recipients) & meeting.told.keys()
    if before is None:
        concerned = {who for who in people if not holds(still_told(meeting.told[who], invitation))}
    else:
        # Who was told by an attempt that did not pass either has still heard nothing.
        concerned = people - (before.told.keys() - before.unheard.keys())
    if not concerned:
        return meeting
    since = dict.fromkeys(concerned, now if refused else now + GIVEN_UP)
    return awake(replace(meeting, unheard={**meeting.unheard, **since}), now, policy.roll_after)


def doubted(meeting: Meeting) -> Meeting:
    """Once `waking.doubt_at` has come."""
    people = ", ".join(sorted(meeting.told))
    return replace(meeting, doubtful=f"the last mail was not delivered to: {people}")
