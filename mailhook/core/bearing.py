"""Where an invitation, as its organizer sent it, bears a join link.

What: `bears` says whether the organizer's own copy of the event holds a link, `shows` whether it stands in any place
at all, `lead` and `is_shorter` whether a text may have been cut off before it; `block_links` and `bare_links` find
links in blocks of ours and links to our host that stand outside of them.

Not here: what that means for the conference (`revision`), writing (`rewrite`).

Errors: none.
"""

import html
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, urlsplit

from mailhook.core import splice_text
from mailhook.core.conference import JoinDetails
from mailhook.core.itip import Event, Invitation
from mailhook.core.meeting import MASTER

_URL = re.compile(r"https?://[^\s<>\"\\]+", re.IGNORECASE)
_HEADING = 2
"""So many lines right above a link are taken to go with it."""

_TELLING = 8
"""An id of the provider's that is shorter says nothing by standing in a text."""


def bears(invitation: Invitation, link: str) -> bool:
    """Whether the master bears `link` where clients keep it: DESCRIPTION, LOCATION or URL.

    CONFERENCE and X- properties do not count, because many clients drop them.
    """
    return any(
        link in text
        for event in invitation.events
        if event.component.key == MASTER
        for text in (event.description, event.location, event.url)
    )


def lead(invitation: Invitation, link: str) -> int:
    """How long the master's DESCRIPTION is before the passage that holds `link`; 0 where it does not stand there."""
    texts = (event.description for event in invitation.events if event.component.key == MASTER)
    return max(0, *(len(_before(text, link)) for text in texts))


def _before(text: str, link: str) -> str:
    """`text` before the line of `link`, less what may belong to it: the head of a block, or a heading."""
    head = text[: max(0, text.find(link))].split("\n")[:-1]
    for _ in range(_HEADING):
        if head and head[-1].strip():
            head.pop()
    return "\n".join(head).rstrip()


def is_shorter(invitation: Invitation, length: int) -> bool:
    """Whether the master's DESCRIPTION, if it has one, ends before `length` characters: perhaps it was cut off."""
    texts = (event.description.rstrip() for event in invitation.events if event.component.key == MASTER)
    return any(0 < len(text) < length for text in texts)


def shows(invitation: Invitation, details: JoinDetails) -> bool:
    """Whether any event shows the conference in any place, or a block that was cut off before its link."""
    return any(
        details.link in text or (len(details.conference_id) >= _TELLING and details.conference_id in text)
        for event in invitation.events
        for text in _texts(event)
    ) or any(splice_text.is_cut_off(event.description) for event in invitation.events)


def shows_openly(invitation: Invitation, details: JoinDetails) -> bool:
    """Whether any event shows the link where a program lets people see and change it, or a block that was cut off."""
    return any(
        details.link in readable
        for event in invitation.events
        for text in (
            event.description,
            event.location,
            event.url,
            *event.twins,
            event.properties.get("X-ALT-DESC", ""),
        )
        for readable in (text, html.unescape(unquote(text)))
    ) or any(splice_text.is_cut_off(event.description) for event in invitation.events)


def _texts(event: Event) -> Iterator[str]:
    """Everything that is written about the event; markup and encoded markup in a readable form too."""
    for text in (event.description, event.location, *event.links, *event.properties.values(), *event.twins):
        yield text
        yield html.unescape(unquote(text))


def has_block(event: Event) -> bool:
    """Whether the description holds a block of ours with a link: that of this meeting, or of one it was copied from."""
    return next(_block_links(event), None) is not None


def block_links(invitation: Invitation) -> frozenset[str]:
    """Links in blocks of ours, of whichever meeting."""
    return frozenset(link for event in invitation.events for link in _block_links(event))


def _block_links(event: Event) -> Iterator[str]:
    return splice_text.links(event.description.encode("utf-8", "replace"))


def bare_links(invitation: Invitation, hosts: Iterable[str]) -> frozenset[str]:
    """Links to a conference at one of `hosts` that stand in no block of ours."""
    wanted = {host.lower() for host in hosts}
    texts = (
        text for event in invitation.events for text in (event.location, event.description, *event.links)
    )
    found = {url.rstrip(".,;:!?)'") for text in texts for url in _URL.findall(text)}
    return frozenset(url for url in found if _names_conference(url, wanted)) - block_links(invitation)


def _names_conference(url: str, hosts: set[str]) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return host in hosts and bool(parts.path.strip("/") or parts.query)
