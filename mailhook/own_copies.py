"""What writes into the organizers' own copies of their events, put together as the settings ask.

What: `make_scribes` for the relay; `make_caldav` and `make_sent_copies` also for `doctor`, which tries them.

Not here: when and what is written (`scribe`, `core.copies`), the other parts of the program (`app`).

Errors: Misconfigured for what the settings name and cannot be used.
"""

from contextlib import AsyncExitStack

from mailhook import texts
from mailhook.config import Settings
from mailhook.core.calendar_servers import SERVERS, reach
from mailhook.core.event_edit import LocationRule, Reach
from mailhook.core.meeting import CopyKind
from mailhook.core.rewrite import Options
from mailhook.core.sent_mail import SentMailEditor
from mailhook.core.stored_event import EventEditor, Fashion
from mailhook.organizer.accounts import Accounts
from mailhook.organizer.caldav import CalDavWriter
from mailhook.organizer.dav import Dav
from mailhook.organizer.imap import Account, SentCopies, SentMailWriter, Server
from mailhook.phrasebook import Phrasebook
from mailhook.ports import Store
from mailhook.scribe import Scribe, Watch


def copy_kinds(settings: Settings) -> tuple[CopyKind, ...]:
    """The copies of organizers' events that are written."""
    caldav = (CopyKind.CALDAV,) if settings.organizer.caldav.url else ()
    return (*caldav, CopyKind.IMAP) if settings.organizer.imap.host else caldav


def seen_kinds(settings: Settings) -> tuple[CopyKind, ...]:
    """Those in which he sees the link. Where the calendar's is hidden, no other will do."""
    hidden = settings.organizer.caldav.url and settings.organizer.caldav.write == "conference"
    return () if hidden else copy_kinds(settings)


def make_scribes(
    settings: Settings, store: Store, phrases: Phrasebook, stack: AsyncExitStack
) -> tuple[Scribe, ...]:
    """One for each kind of copy that is written; what they hold is closed with `stack`."""
    found: list[Scribe] = []
    caldav, sent = make_caldav(settings, phrases), make_sent_copies(settings)
    if caldav is not None:
        stack.push_async_callback(caldav.close)
        every = settings.organizer.caldav.watch
        found.append(Scribe(store, caldav, settings.policy, Watch(caldav, every) if every else None))
    if sent is not None:
        editor = SentMailEditor(phrases.blocks, _fashion(settings))
        found.append(Scribe(store, SentMailWriter(sent, editor), settings.policy))
    return tuple(found)


def make_caldav(settings: Settings, phrases: Phrasebook) -> CalDavWriter | None:
    """Misconfigured when its certificate authority cannot be used."""
    own = settings.organizer.caldav
    if not own.url:
        return None
    silence = SERVERS[own.profile]
    location: LocationRule | None = None if silence.location else "never"
    fashion = _fashion(settings, location, reach(own.profile, own.write))
    base = "/".join(own.url.split("/", 3)[:3])
    return CalDavWriter(
        Dav(base, own.timeout.total_seconds(), own.ca_file),
        Accounts(own.username, own.password, own.token, own.passwords_file),
        own.url,
        EventEditor(phrases.blocks, fashion),
        silence.headers,
    )


def make_sent_copies(settings: Settings) -> SentCopies | None:
    """What replaces sent mail, if there is a server for it."""
    own = settings.organizer.imap
    if not own.host:
        return None
    server = Server(own.host, own.actual_port, own.tls, own.ca_file, own.timeout.total_seconds())
    account = Account(own.login, own.auth, own.username, own.password, own.passwords_file)
    return SentCopies(server, account, own.folder)


def _fashion(
    settings: Settings, location: LocationRule | None = None, reach: Reach = "everywhere"
) -> Fashion:
    """`location`: instead of what the settings say."""
    way = texts.manner(settings)
    return Fashion(
        Options(location or way.location, way.position, settings.policy.keywords),
        reach,
        way.language,
        dict(way.languages),
        settings.policy.domain_aliases,
        way.test,
        settings.policy.timezone,
    )
