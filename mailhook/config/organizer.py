"""What does not go together in the sections [organizer.caldav], [organizer.imap] and [organizer.notice].

What: `organizer` looks at them, and at the files that they name.

Not here: single values (`values`), whether the servers answer (doctor).

Errors: none; what is wrong is a `Problem`.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from mailhook import files
from mailhook.config import permissions
from mailhook.config.checks import loopback
from mailhook.config.problem import Problem, shown
from mailhook.config.settings import CalDavSettings, ImapSettings, Settings
from mailhook.core import logins
from mailhook.errors import Unreadable

IMAP = "organizer.imap"


def organizer(settings: Settings) -> list[Problem]:
    return [*_notice(settings), *_caldav(settings), *_imap(settings)]


def _notice(settings: Settings) -> Iterator[Problem]:
    own = settings.organizer.notice
    if own.enabled and not own.sender:
        why = 'should be the address in the From of notices, such as "videomost@example.org"'
        yield Problem("organizer.notice.sender", '""', why)


# --- the calendar server ----------------------------------------------------------------------------------


def _caldav(settings: Settings) -> Iterator[Problem]:
    own = settings.organizer.caldav
    if not own.url:
        return
    parts = urlsplit(own.url)
    if parts.scheme != "https" and not loopback(parts.hostname or ""):
        why = "should begin with https: passwords and join links can be read on the way"
        yield Problem("organizer.caldav.url", shown("", own.url), why, warning=True)
    yield from _way_in(own)
    own_domains = settings.policy.organizer_domains
    if len(own_domains) > 1 and "{user}" in own.url and "{domain}" not in own.url:
        why = "{user} is the same for one name in each of organizer_domains: {address} tells them apart"
        yield Problem("organizer.caldav.url", shown("", own.url), why, warning=True)


def _way_in(own: CalDavSettings) -> Iterator[Problem]:
    """One way of logging in, and one that reaches the calendars of every organizer."""
    ways = {name: getattr(own, name) for name in ("password", "token", "passwords_file")}
    given = [name for name, value in ways.items() if value]
    if len(given) != 1:
        why = "should have one of password (or password_file), token (or token_file) and passwords_file"
        yield Problem("organizer.caldav", "", f"{why}; there are {len(given)}")
    if own.password and not own.username:
        yield Problem("organizer.caldav.username", '""', "should be given with password: the service account")
    yield from _passwords_file("organizer.caldav.passwords_file", own.passwords_file)
    if not any(name in own.url for name in ("{user}", "{address}")) and not own.passwords_file:
        why = (
            "should hold {user} or {address}: a service account is asked for the calendars of each organizer"
        )
        yield Problem("organizer.caldav.url", shown("", own.url), why)


# --- sent mail -----------------------------------------------------------------------------------------------


def _imap(settings: Settings) -> Iterator[Problem]:
    own = settings.organizer.imap
    if not own.host:
        if own != ImapSettings():
            yield Problem(
                f"{IMAP}.host", '""', "should be your IMAP server: without it the section does nothing"
            )
        return
    yield from _login(own)
    yield from _secrets(own)
    yield from _passwords_file(f"{IMAP}.passwords_file", own.passwords_file)
    if own.tls == "off" and not loopback(own.host):
        why = 'should be "starttls" or "implicit": the password can be read on the way'
        yield Problem(f"{IMAP}.tls", '"off"', why, warning=True)
    if own.ca_file and not Path(own.ca_file).is_file():
        yield Problem(f"{IMAP}.ca_file", shown("", own.ca_file), "should be a file (PEM); there is none")


def _login(own: ImapSettings) -> Iterator[Problem]:
    key, value = f"{IMAP}.login", shown("", own.login)
    places = ", ".join(f"{{{name}}}" for name in logins.PLACES)
    if unknown := logins.unknown_places(own.login):
        yield Problem(key, value, f"may hold {places}, not {{{unknown[0]}}}")
    elif not any(f"{{{name}}}" in own.login for name in ("address", "user")):
        why = "should hold {address} or {user}: it would be the same mailbox for every organizer"
        yield Problem(key, value, why)


def _secrets(own: ImapSettings) -> Iterator[Problem]:
    if own.password and own.passwords_file:
        yield Problem(
            f"{IMAP}.passwords_file",
            shown("", own.passwords_file),
            f"should not be given beside {IMAP}.password",
        )
    if own.auth == "authzid":
        if not own.username:
            yield Problem(f"{IMAP}.username", '""', 'should be the service account, with auth = "authzid"')
        if not own.password:
            why = 'should be that of the service account, with auth = "authzid"; better: password_file'
            yield Problem(f"{IMAP}.password", "", why)
        return
    if own.username:
        why = f'is without effect unless {IMAP}.auth is "authzid"'
        yield Problem(f"{IMAP}.username", shown("", own.username), why)
    if not own.password and not own.passwords_file:
        why = "should be given: the master user's (better: password_file), or passwords_file with one for each user"
        yield Problem(f"{IMAP}.password", "", why)
    if own.password and own.login in {"{address}", "{user}"}:
        why = (
            "with one password for all should name the master user too, such as {address}*mailhook in Dovecot"
        )
        yield Problem(f"{IMAP}.login", shown("", own.login), why, warning=True)


# --- for both --------------------------------------------------------------------------------------------------


def _passwords_file(key: str, name: str) -> Iterator[Problem]:
    if not name:
        return
    value = shown("", name)
    try:
        logins.passwords(files.text(name, "utf-8-sig"))
    except OSError as fault:
        yield Problem(key, value, f"cannot be read: {fault.strerror}")
        return
    except (UnicodeDecodeError, Unreadable) as fault:
        why = str(fault) if isinstance(fault, Unreadable) else "it is not UTF-8 text"
        yield Problem(key, value, f"cannot be used: {why}")
    yield from permissions.of_secret(key, value, name)
