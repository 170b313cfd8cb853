"""Whether the organizer has taken the link away, and what has to be remembered to know it.

What: the link was taken away if the organizer's own copy is known to bear it and a strictly newer revision of the
master shows it nowhere. `taken_away` says so of a REQUEST, `noted` remembers what a REQUEST tells of the
organizer's copy.

Not here: what follows from it (`revision`), where a link stands (`bearing`).
"""

from collections.abc import Collection, Iterable
from dataclasses import replace

from mailhook.core import truncation
from mailhook.core.bearing import bears, description, is_located, keeps, shows, shows_openly
from mailhook.core.conference import JoinDetails
from mailhook.core.holders import is_taken
from mailhook.core.itip import Invitation
from mailhook.core.meeting import MASTER, Component, Meeting, Passage, Will
from mailhook.core.order import is_later, is_older, is_overtaken
from mailhook.core.policy import COPIED_LINK, Policy, Unwanted, Wanted, Wish, markers
from mailhook.core.written import known_to_bear, passages, was_written_into

LINK_REMOVED = "link-removed"
RESOURCE_REMOVED = "resource-removed"
OPTED_OUT = "opted-out"


def taken_away(meeting: Meeting, invitation: Invitation, wish: Wish, policy: Policy) -> str:
    """Why the organizer wants no conference any more, or "".

    A marker that was not there before is a new wish; after an opt-out any wish without one is.
    """
    if not is_outdated(meeting, invitation) and _asks_anew(meeting, invitation, wish, policy):
        return ""
    if meeting.renounced:
        return meeting.renounced
    new = _master(invitation)
    known = meeting.component(MASTER)
    if new is None or known is None or not is_later(new.stamp, known.stamp):
        return ""
    if _is_removed(meeting, new, invitation):
        return LINK_REMOVED
    # A list of one may be no more than one attendee's own view.
    others = {a.person.address for a in new.attendees} - {invitation.key.organizer}
    if meeting.wanted and meeting.markers == {"resource"} and isinstance(wish, Unwanted) and len(others) > 1:
        return RESOURCE_REMOVED
    return ""


def is_outdated(meeting: Meeting, invitation: Invitation) -> bool:
    """Whether a newer REQUEST is known, or the organizer has said since whether he wants a conference."""
    will = meeting.will
    components = [event.component for event in invitation.events]
    return all(_is_superseded(meeting, component) for component in components) or (
        will is not None and all(is_overtaken(c.key, c.stamp, will.key, will.stamp) for c in components)
    )


def _is_superseded(meeting: Meeting, new: Component) -> bool:
    """A tombstone says nothing of the organizer's will: the meeting may live for others."""
    known = meeting.component(new.key)
    return known is not None and not known.cancelled and is_older(new.stamp, known.stamp)


def willed(meeting: Meeting, invitation: Invitation, renounced: str = "") -> Meeting:
    """`meeting` with what this message says of the organizer's will, if it is the newest to say so."""
    if is_outdated(meeting, invitation):
        return meeting
    component = _master(invitation) or invitation.events[0].component
    return replace(meeting, will=Will(component.key, component.stamp, renounced))


def _asks_anew(meeting: Meeting, invitation: Invitation, wish: Wish, policy: Policy) -> bool:
    """A resource that was called off is a new marker when it is invited again; so is our link, where it is put back."""
    back = meeting.link is not None and bears(invitation, meeting.link.link)
    if back and meeting.renounced in {"", LINK_REMOVED}:
        return True
    if meeting.renounced == OPTED_OUT:
        return isinstance(wish, Wanted)
    asked, known = _asked(wish), meeting.markers
    if meeting.renounced == RESOURCE_REMOVED:
        # It need not have been put back: where the resource alone was called off, it was left standing.
        asked -= {COPIED_LINK}
    off = [meeting.left[address] for address in policy.resource if address in meeting.left]
    if off:
        known -= {"resource"}
    if any(is_taken(by, invitation) for by in off):
        asked -= {"resource"}
    return bool(asked - known)


def _asked(wish: Wish) -> frozenset[str]:
    """The markers of a wish; that every event gets a conference is none."""
    if not isinstance(wish, Wanted):
        return frozenset()
    return wish.markers or frozenset({wish.why} - {"always"})


def _master(invitation: Invitation) -> Component | None:
    masters = (event.component for event in invitation.events if event.component.key == MASTER)
    return next(masters, None)


def _is_removed(meeting: Meeting, new: Component, invitation: Invitation) -> bool:
    """Whether this REQUEST is of a copy that is known to have borne the link, and does so no more.

    Where we have written into the event, only `is_taken_out` counts: a program or a server that puts an older state
    back must not look like somebody who takes the link out.
    """
    link = meeting.link
    if link is None or any(bears(invitation, each) for each in invitation.copied):
        return False
    if was_written_into(meeting):
        return known_to_bear(meeting, new.stamp) and is_taken_out(invitation, link, passages(meeting))
    told = meeting.borne is not None and is_later(new.stamp, meeting.borne)
    known = [meeting.passage] if meeting.passage else []
    return told and not shows(invitation, link) and not is_cut(invitation, link.link, known)


def is_taken_out(invitation: Invitation, details: JoinDetails, known: Collection[Passage]) -> bool:
    """Whether somebody has taken the link out of an event into whose DESCRIPTION we had put it (`known`: where).

    That it comes of the state that we wrote is shown by what people cannot change: CONFERENCE or our own property.
    That the program keeps descriptions is shown by one that is there: who drops it, or cuts it off, removes nothing.
    """
    return (
        bool(known)
        and bool(description(invitation).strip())
        and keeps(invitation, details)
        and not shows_openly(invitation, details)
        and not is_cut(invitation, details.link, known)
    )


def is_cut(invitation: Invitation, link: str, known: Iterable[Passage]) -> bool:
    """Whether a client may have lost the link with the end of the text, or with the whole of it."""
    if any(truncation.breaks_off(event.location, link) for event in invitation.events):
        return True
    text = description(invitation)
    return any(truncation.is_cut(text, passage) for passage in known)


def noted(meeting: Meeting, before: Meeting, invitation: Invitation, policy: Policy) -> Meeting:
    """`meeting` with what its newest master tells of markers and link; `before`: as it was before this REQUEST."""
    new, known = _master(invitation), before.component(MASTER)
    if new is None or (known is not None and is_older(new.stamp, known.stamp)):
        return meeting
    borne, passage = meeting.borne, meeting.passage
    own = {meeting.link.link} if meeting.link else set()
    link = next((each for each in (*own, *sorted(invitation.copied)) if bears(invitation, each)), None)
    if meeting.link is not None and link is not None:
        borne, passage = new.stamp, _passage(invitation, link)
    elif borne is not None and is_older(borne, new.stamp):
        borne, passage = None, None
    return replace(meeting, markers=markers(policy, invitation), borne=borne, passage=passage)


def _passage(invitation: Invitation, link: str) -> Passage | None:
    """None where the link stands in LOCATION too: who takes it out there means it, whatever becomes of the text."""
    return None if is_located(invitation, link) else truncation.passage(description(invitation), link)
