"""Where an invitation, as its organizer sent it, bears a join link.

What: `bears` says whether the organizer's own copy of the event holds a link, `shows` whether it stands in any place
at all; `block_links` and `bare_links` find links in blocks of ours and links to our host that stand outside of them;
`forms` is all that an event says, and `own_words` what of a text is not quoted.

Not here: whether a text was cut off (`truncation`), what a missing link means (`removal`), writing (`rewrite`).

Errors: none.
"""

import html
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, urlsplit

from mailhook.core import splice_properties, text_blocks
from mailhook.core.conference import JoinDetails
from mailhook.core.itip import Event, Invitation
from mailhook.core.meeting import MASTER
from mailhook.core.quoting import unquoted

_QUOTED_LINE = re.compile(r"^[ \t]*>.*", re.MULTILINE)
_URL = re.compile(r"https?://[^\s<>\"\\]+", re.IGNORECASE)
_LOOKED_AT = 256 * 1024
"""Characters of the texts of one invitation in which links that were made by hand are looked for."""

_TELLING = 8
"""An id of the provider's that is shorter says nothing by standing in a text."""


def bears(invitation: Invitation, link: str) -> bool:
    """Whether the master bears `link` where clients keep it: DESCRIPTION, LOCATION or URL.

    CONFERENCE and X- properties do not count, because many clients drop them.
    """
    return any(
        link in form
        for event in invitation.events
        if event.component.key == MASTER
        for text in (event.description, event.location, event.url)
        for form in _readings(text)
    )


def description(invitation: Invitation) -> str:
    """That of the master, "" where it has none."""
    masters = (event for event in invitation.events if event.component.key == MASTER)
    return next((event.description for event in masters), "")


def is_located(invitation: Invitation, link: str) -> bool:
    """Whether `link` stands in LOCATION of the master, which no client cuts off."""
    return any(link in event.location for event in invitation.events if event.component.key == MASTER)


def shows(invitation: Invitation, details: JoinDetails) -> bool:
    """Whether any event shows the conference in any place, or a block that was cut off before its link."""
    return any(_names(text, details) for event in invitation.events for text in forms(event)) or any(
        text_blocks.is_cut_off(event.description) for event in invitation.events
    )


def shows_openly(invitation: Invitation, details: JoinDetails) -> bool:
    """Whether any event shows the link where a program lets people see and change it, or a block that was cut off."""
    return any(
        _names(readable, details)
        for event in invitation.events
        for text in (
            event.description,
            event.location,
            event.url,
            *event.twins,
            event.properties.get("X-ALT-DESC", ""),
        )
        for readable in _readings(text)
    ) or any(text_blocks.is_cut_off(event.description) for event in invitation.events)


def keeps(invitation: Invitation, details: JoinDetails) -> bool:
    """Whether some event still has a property of ours that no program lets people change."""
    name = details.conference_id
    return any(
        (bool(name) and event.properties.get(splice_properties.OWN_PROPERTY, "").strip() == name)
        or any(_names(url, details) for url in event.links if url != event.url)
        for event in invitation.events
    )


def _names(text: str, details: JoinDetails) -> bool:
    """Whether `text` names the conference by its id, or by its link in whatever case, scheme and line breaks."""
    name, link = details.conference_id, _plain(details.link).partition("://")[2]
    return bool(link and link in _plain(text)) or (len(name) >= _TELLING and name in text)


def _plain(text: str) -> str:
    return "".join(text.split()).casefold()


def forms(event: Event) -> Iterator[str]:
    """Everything that is written about the event; markup and encoded markup in a readable form too."""
    for text in (event.description, event.location, *event.links, *event.properties.values(), *event.twins):
        yield from _readings(text)


def _readings(text: str) -> Iterator[str]:
    """As it stands, and without the ways of markup and URLs to write a character."""
    yield text
    if "&" in text or "%" in text:
        yield html.unescape(text)
        yield html.unescape(unquote(text))


def has_block(event: Event) -> bool:
    """Whether the description holds a block of ours with a link: that of this meeting, or of one it was copied from."""
    return next(_block_links(event.description), None) is not None


def block_links(invitation: Invitation) -> frozenset[str]:
    """Links in blocks of ours, of whichever meeting."""
    texts = dict.fromkeys(event.description for event in invitation.events)
    return frozenset(link for text in texts for link in _block_links(text))


def _block_links(text: str) -> Iterator[str]:
    return text_blocks.links(text.encode("utf-8", "replace"))


def bare_links(invitation: Invitation, hosts: Iterable[str]) -> frozenset[str]:
    """Links to a conference at one of `hosts` that stand in no block of ours, and are not quoted."""
    wanted = {host.lower() for host in hosts}
    texts = list(_first(invitation))
    bare = _conferences(texts, wanted)
    if bare:  # to find what is quoted takes longer
        bare -= block_links(invitation)
    return bare & _conferences(map(own_words, texts), wanted) if bare else bare


def _first(invitation: Invitation) -> Iterator[str]:
    """What the events say where links are looked for: each text once, the longest kind last."""
    events = invitation.events
    short = [text for event in events for text in (event.location, *event.links)]
    left = _LOOKED_AT
    for text in dict.fromkeys((*short, *(event.description for event in events))):
        if "://" in text and left > 0:
            yield text[:left]
            left -= len(text)


def _conferences(texts: Iterable[str], hosts: set[str]) -> frozenset[str]:
    found = {url.rstrip(".,;:!?)'") for text in texts for url in _URL.findall(text)}
    return frozenset(url for url in found if _names_conference(url, hosts))


def own_words(text: str) -> str:
    """Without what is quoted from another mail, which others have written, perhaps of other meetings."""
    return _QUOTED_LINE.sub("", unquoted(text))


def _names_conference(url: str, hosts: set[str]) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return host in hosts and bool(parts.path.strip("/") or parts.query)
