"""Links of ours that stand in an event which is not theirs.

What: `spellings` finds what may be such a link, however a client or a person has written it; `copied` says which of
those that the store knows were copied there, so that the event's own link takes their place. A client that splits a
series into two events, or hands an event over, keeps no more of the first one's conference than its link.

Not here: blocks of ours (`bearing`), writing (`relinking`).

Errors: none.
"""

import html
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice

from mailhook.core.bearing import forms, own_words
from mailhook.core.itip import Invitation
from mailhook.core.meeting import Meeting, MeetingKey

_MOST = 20
_LONGEST = 400
"""So many links are looked at in one invitation, and so many characters of each."""

_LOOKED_AT = 256 * 1024
"""Characters of one text."""

_HEAD = re.compile(r"https?://([^/?]*)", re.IGNORECASE)
_GOES_ON = re.compile(r"[\w%=-]", re.ASCII)


def spellings(invitation: Invitation, hosts: Collection[str]) -> list[tuple[str, ...]]:
    """For each place that may name a conference at one of `hosts`, what it may mean, the longest first.

    Anything may follow a link without a blank, so every beginning is offered.
    """
    names = "|".join(re.escape(host) for host in hosts)
    if not names:
        return []
    link = re.compile(rf"https?://(?:{names})[/?:][!-~]{{0,{_LONGEST}}}", re.IGNORECASE)
    texts = dict.fromkeys(form for event in invitation.events for form in forms(event))
    bearing = (own_words(text[:_LOOKED_AT]) for text in texts if link.search(text[:_LOOKED_AT]))
    found = dict.fromkeys(match for text in bearing for match in link.findall(text))
    return [tuple(_beginnings(each)) for each in islice(found, _MOST)]


def _beginnings(spelled: str) -> Iterator[str]:
    scheme, _, rest = spelled.partition("://")
    host = re.split(r"[/?]", rest, maxsplit=1)[0]
    for end in range(len(rest), len(host) + 1, -1):
        if not _GOES_ON.match(rest[end : end + 1]):
            yield from (
                f"{each}://{host.lower()}{rest[len(host) : end]}" for each in {"https", scheme.lower()}
            )


def means(spelled: str, links: Iterable[str]) -> bool:
    """Whether `spelled` is one of `links`, with something behind it perhaps."""
    forms = [_normal(form) for form in (spelled[:_LONGEST], html.unescape(spelled[:_LONGEST]))]
    return any(_begins(form, _normal(link)) for link in links for form in forms)


def _begins(text: str, link: str) -> bool:
    return text.startswith(link) and not _GOES_ON.match(text[len(link) : len(link) + 1])


def _normal(url: str) -> str:
    """Scheme and host, which may be written in any case, in one way."""
    head = _HEAD.match(url)
    return f"//{head[1].lower()}{url[head.end() :]}" if head else url


def copied(
    meeting: Meeting, invitation: Invitation, makers: Mapping[str, Collection[MeetingKey]]
) -> frozenset[str]:
    """Which links were copied into the invitation; `makers`: whose those are that the store knows.

    Those of earlier conferences of the meeting itself, and those that were taken for copied before, but for what a
    text says of them beside the meeting's own link: that is a reference. Another one of the
    same organizer, or of the same UID, only where it is the only one, and the meeting has no conference yet: else
    somebody refers to his other meetings. Another organizer's room is left alone.
    """
    key, own = invitation.key, meeting.link.link if meeting.link else ""
    near = {
        link
        for link, keys in makers.items()
        if link != own and any(each.organizer == key.organizer or each.uid == key.uid for each in keys)
    }
    known = frozenset(
        link
        for link in near
        if (key in makers[link] or link in meeting.copied)
        and not ({*makers[link]} - {key} and _is_referred_to(invitation, link, own))
    )
    others = near - known
    if known or own or len(others) != 1:
        return known
    return frozenset(others)


def _is_referred_to(invitation: Invitation, link: str, own: str) -> bool:
    """Whether each description that names `link` names `own` too."""
    named = [event.description for event in invitation.events if link in event.description]
    return bool(own and named) and all(own in text for text in named)
