"""Whose messages count, and whether a conference is wanted.

What: `Policy` holds the administrator's rules; `may_act` says whether a message may change the state of a meeting;
`wish` says whether its sender asks for a conference.

Not here: what the meeting is at present (`meeting`, `revision`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Literal

from mailhook.core.bearing import bare_links, has_block
from mailhook.core.copied import means
from mailhook.core.itip import Defaults, Event, Invitation, canonical
from mailhook.core.meeting import MASTER

FOREIGN_HOSTS = (
    "teams.microsoft.com",
    "teams.live.com",
    "meet.google.com",
    "zoom.us",
    "webex.com",
    "telemost.yandex.ru",
    "telemost.360.yandex.ru",
    "jazz.sber.ru",
    "salutejazz.ru",
    "meet.jit.si",
    "whereby.com",
    "dion.vc",
    "ktalk.ru",
    "my.mts-link.ru",
)


COPIED_LINK = "copied-link"
"""The marker of an event that bears a link of ours which is not its own."""

_URL = re.compile(r"https?://\S+", re.IGNORECASE)


@dataclass(frozen=True)
class Policy:
    """Section `[policy]` of the settings; addresses and domains in lower case, networks parsed.

    `ignore_recipients` and `resource` have their domain aliases resolved.
    """

    organizer_domains: tuple[str, ...] = ()
    domain_aliases: Mapping[str, str] = field(default_factory=dict)
    trusted_senders: tuple[str, ...] = ()
    trusted_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    ignore_recipients: tuple[str, ...] = ()
    trigger: Literal["marker", "always"] = "marker"
    keywords: tuple[str, ...] = ("videomost", "видеомост")
    resource: tuple[str, ...] = ()
    property: str = "X-VIDEOMOST-REQUIRED"
    category: str = "Videomost"
    tags: tuple[str, ...] = ("#videomost",)
    opt_out: tuple[str, ...] = ("#novideomost",)
    foreign_hosts: tuple[str, ...] = FOREIGN_HOSTS
    all_day: bool = False
    transparent: bool = False
    timezone: str = "Europe/Moscow"
    default_duration: timedelta = timedelta(hours=1)
    on_failure: Literal["defer", "pass"] = "defer"
    deadline: timedelta = timedelta(seconds=20)
    max_waiting: int = 10
    defer_for: timedelta = timedelta(minutes=15)
    delete_grace: timedelta = timedelta(hours=1)
    roll_after: timedelta = timedelta(hours=1)
    max_conferences_per_organizer_per_hour: int = 60
    max_deletions_per_hour: int = 30


def defaults(policy: Policy) -> Defaults:
    """How invitations are to be read."""
    return Defaults(policy.timezone, policy.default_duration, policy.domain_aliases, policy.resource)


@dataclass(frozen=True)
class Envelope:
    """What the SMTP dialogue says of a message.

    `sender`: reverse-path in lower case, "" for the null sender; `source`: the IP address from which the mail was
    submitted (XFORWARD ADDR, else the peer); `recipients`: ORCPT if given, else RCPT, in order, lower case and with
    domain aliases resolved.
    """

    sender: str
    source: str
    recipients: tuple[str, ...] = ()


def domain(address: str) -> str:
    return address.rpartition("@")[2]


def may_act(policy: Policy, invitation: Invitation, envelope: Envelope) -> str:
    """ "" if the message may change state, else the reason why not.

    From is forgeable and SENT-BY self-declared; only the envelope sender, which the submission server has checked,
    and the network the mail came from, are trusted.
    """
    if domain(invitation.key.organizer) not in policy.organizer_domains:
        return "foreign-organizer"
    if invitation.forwarded:
        return "forwarded"
    if policy.trusted_networks and not _within(envelope.source, policy.trusted_networks):
        return "untrusted-network"
    sender = canonical(envelope.sender, policy.domain_aliases)
    delegate = canonical(invitation.sent_by, policy.domain_aliases)
    if sender and sender == invitation.key.organizer:
        return ""
    if envelope.sender in policy.trusted_senders:
        return ""
    if sender and sender == delegate and domain(delegate) in policy.organizer_domains:
        return ""
    return "untrusted-sender"


def guests(policy: Policy, invitation: Invitation, recipients: Iterable[str]) -> set[str]:
    """Recipients who count as holders: not the organizer, who may get a copy, and nobody who is to be ignored."""
    return set(recipients) - {invitation.key.organizer, *policy.ignore_recipients}


def _within(address: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    # A listener on an IPv6 socket names its IPv4 clients as ::ffff:192.0.2.1.
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(parsed in network for network in networks)


@dataclass(frozen=True)
class Wanted:
    """A conference is asked for; `why` names the first marker, `markers` all of them."""

    why: str
    markers: frozenset[str] = field(default=frozenset(), compare=False)


@dataclass(frozen=True)
class Unwanted:
    """No conference is asked for; `why` is a reason of the log."""

    why: str


@dataclass(frozen=True)
class OptedOut:
    """The sender says that there shall be none, whatever was before; not `whole`: only for some instances."""

    whole: bool = True


Wish = Wanted | Unwanted | OptedOut


def wish(
    policy: Policy, invitation: Invitation, link_hosts: Iterable[str] = (), ours: Iterable[str] = ()
) -> Wish:
    """Whether the invitation asks for a conference.

    Opt-out is looked at first, because "#novideomost" contains the keyword. A foreign link prevents creation, and so
    does a link to one of `link_hosts` that is none of `ours` and not copied: somebody has made that room by hand.
    """
    masters = [event for event in invitation.events if event.component.key == MASTER]
    if any(_has_tag(event, policy.opt_out) for event in masters or invitation.events):
        return OptedOut(whole=bool(masters))
    found = tuple(dict.fromkeys(_all_markers(policy, invitation, invitation.events)))
    if any(_has_foreign_link(event, policy.foreign_hosts) for event in invitation.events):
        return Unwanted("foreign-link")
    known = (*ours, *invitation.copied)
    if any(not means(link, known) for link in bare_links(invitation, link_hosts)):
        return Unwanted("bare-link")
    if found:
        return Wanted(found[0], frozenset(found))
    if policy.trigger == "marker":
        return Unwanted("no-marker")
    return _always(policy, invitation)


def markers(policy: Policy, invitation: Invitation) -> frozenset[str]:
    """How the master asks for a conference; what its instances say counts only where there is no master."""
    events = invitation.events
    masters = [event for event in events if event.component.key == MASTER]
    return frozenset(_all_markers(policy, invitation, masters or events))


def _all_markers(policy: Policy, invitation: Invitation, events: Iterable[Event]) -> Iterator[str]:
    for event in events:
        yield from _markers(policy, event)
    if invitation.copied:
        yield COPIED_LINK


def _always(policy: Policy, invitation: Invitation) -> Wish:
    events = invitation.events
    if not any(_has_guests(event, invitation) for event in events):
        return Unwanted("no-attendee")
    if not policy.all_day and all(event.all_day for event in events):
        return Unwanted("all-day")
    if not policy.transparent and all(event.transparent for event in events):
        return Unwanted("transparent")
    return Wanted("always")


def _has_guests(event: Event, invitation: Invitation) -> bool:
    attendees = event.component.attendees
    return any(a.individual and a.person.address != invitation.key.organizer for a in attendees)


def _markers(policy: Policy, event: Event) -> Iterator[str]:
    """The reasons for which this event asks for a conference."""
    # The name of the service in a link is no wish: the link may be one that somebody has made by hand.
    place = _URL.sub(" ", event.location)
    if any(_whole_word(word, place) for word in policy.keywords):
        yield "keyword"
    if any(attendee.person.address in policy.resource for attendee in event.component.attendees):
        yield "resource"
    if event.properties.get(policy.property.upper(), "").strip().upper() == "TRUE":
        yield "property"
    if policy.category.casefold() in (category.casefold() for category in event.categories):
        yield "category"
    if _has_tag(event, policy.tags):
        yield "tag"
    if has_block(event):
        yield "block"


def _whole_word(word: str, text: str) -> bool:
    if not word:
        return False
    first, rest = re.escape(word[0]), re.escape(word[1:])
    # What must not stand before it comes second: `re` finds the "#" of a tag faster than it tries every place.
    return re.search(rf"{first}(?<!\w{first}){rest}(?!\w)", text, re.IGNORECASE) is not None


def _has_tag(event: Event, tags: Iterable[str]) -> bool:
    text = f"{event.component.summary}\n{event.location}\n{event.description}"
    return any(_whole_word(tag, text) for tag in tags)


def _has_foreign_link(event: Event, hosts: Iterable[str]) -> bool:
    text = "\n".join((event.location, event.description, *event.links)).lower()
    pattern = "|".join(re.escape(host.lower()) for host in hosts if host)
    return bool(pattern) and re.search(rf"https?://(?:[\w-]+\.)*(?:{pattern})(?![\w.-]*\w)", text) is not None
