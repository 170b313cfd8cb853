"""Whether the organizer has taken the link away, and what has to be remembered to know it.

What: the link was taken away if the organizer's own copy is known to bear it and a strictly newer revision of the
master shows it nowhere. `taken_away` says so of a REQUEST, `noted` remembers what a REQUEST tells of the
organizer's copy.

Not here: what follows from it (`revision`), where a link stands (`bearing`).
"""

from dataclasses import replace

from mailhook.core.bearing import bears, shows
from mailhook.core.itip import Invitation
from mailhook.core.meeting import MASTER, Component, Meeting
from mailhook.core.merging import is_later, is_older, is_stale
from mailhook.core.policy import Policy, Unwanted, Wanted, Wish, markers

LINK_REMOVED = "link-removed"
RESOURCE_REMOVED = "resource-removed"


def taken_away(meeting: Meeting, invitation: Invitation, wish: Wish) -> str:
    """Why the organizer wants no conference any more, or "". A marker that was not there before is a new wish."""
    if not is_stale(meeting, invitation) and _asked(wish) - meeting.markers:
        return ""
    if meeting.removed:
        return LINK_REMOVED
    new = _master(invitation)
    known = meeting.component(MASTER)
    if new is None or known is None or not is_later(new.stamp, known.stamp):
        return ""
    if _bore(meeting, new) and meeting.link is not None and not shows(invitation, meeting.link):
        return LINK_REMOVED
    if meeting.wanted and meeting.markers == {"resource"} and isinstance(wish, Unwanted):
        return RESOURCE_REMOVED
    return ""


def _asked(wish: Wish) -> frozenset[str]:
    """The markers of a wish; that every event gets a conference is none."""
    if not isinstance(wish, Wanted):
        return frozenset()
    return wish.markers or frozenset({wish.why} - {"always"})


def _master(invitation: Invitation) -> Component | None:
    masters = (event.component for event in invitation.events if event.component.key == MASTER)
    return next(masters, None)


def _bore(meeting: Meeting, new: Component) -> bool:
    """Whether the copy is known to bear the link in a revision before `new`."""
    return meeting.borne is not None and is_later(new.stamp, meeting.borne)


def noted(meeting: Meeting, before: Meeting, invitation: Invitation, policy: Policy) -> Meeting:
    """`meeting` with what its newest master tells of markers and link; `before`: as it was before this REQUEST."""
    new, known = _master(invitation), before.component(MASTER)
    if new is None or (known is not None and is_older(new.stamp, known.stamp)):
        return meeting
    borne = meeting.borne
    if meeting.link is not None and bears(invitation, meeting.link.link):
        borne = new.stamp
    elif borne is not None and is_older(borne, new.stamp):
        borne = None
    return replace(meeting, markers=markers(policy, invitation), borne=borne)
