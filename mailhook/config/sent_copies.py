"""What does not go together in [organizer.imap].

What: `sent_copies` looks at the section, and at the files that it names.

Not here: single values (`values`), whether the server answers (doctor).

Errors: none; what is wrong is a `Problem`.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from mailhook.config.checks import loopback
from mailhook.config.problem import Problem, shown
from mailhook.config.settings import ImapSettings, Settings
from mailhook.core import logins
from mailhook.errors import Unreadable

KEY = "organizer.imap"


def sent_copies(settings: Settings) -> Iterator[Problem]:
    own = settings.organizer.imap
    if not own.host:
        if own != ImapSettings():
            yield Problem(
                f"{KEY}.host", '""', "should be your IMAP server: without it the section does nothing"
            )
        return
    yield from _login(own)
    yield from _secrets(own)
    yield from _passwords_file(own.passwords_file)
    if own.tls == "off" and not loopback(own.host):
        why = 'should be "starttls" or "implicit": the password can be read on the way'
        yield Problem(f"{KEY}.tls", '"off"', why, warning=True)
    if own.ca_file and not Path(own.ca_file).is_file():
        yield Problem(f"{KEY}.ca_file", shown("", own.ca_file), "should be a file (PEM); there is none")


def _login(own: ImapSettings) -> Iterator[Problem]:
    key, value = f"{KEY}.login", shown("", own.login)
    places = ", ".join(f"{{{name}}}" for name in logins.PLACES)
    if unknown := logins.unknown_places(own.login):
        yield Problem(key, value, f"may hold {places}, not {{{unknown[0]}}}")
    elif not any(f"{{{name}}}" in own.login for name in ("address", "local")):
        why = "should hold {address} or {local}: it would be the same mailbox for every organizer"
        yield Problem(key, value, why)


def _secrets(own: ImapSettings) -> Iterator[Problem]:
    if own.password and own.passwords_file:
        yield Problem(
            f"{KEY}.passwords_file",
            shown("", own.passwords_file),
            f"should not be given beside {KEY}.password",
        )
    if own.auth == "authzid":
        if not own.username:
            yield Problem(f"{KEY}.username", '""', 'should be the service account, with auth = "authzid"')
        if not own.password:
            why = 'should be that of the service account, with auth = "authzid"; better: password_file'
            yield Problem(f"{KEY}.password", "", why)
        return
    if own.username:
        why = f'is without effect unless {KEY}.auth is "authzid"'
        yield Problem(f"{KEY}.username", shown("", own.username), why)
    if not own.password and not own.passwords_file:
        why = "should be given: the master user's (better: password_file), or passwords_file with one for each user"
        yield Problem(f"{KEY}.password", "", why)
    if own.password and own.login in {"{address}", "{local}"}:
        why = (
            "with one password for all should name the master user too, such as {address}*mailhook in Dovecot"
        )
        yield Problem(f"{KEY}.login", shown("", own.login), why, warning=True)


def _passwords_file(name: str) -> Iterator[Problem]:
    if not name:
        return
    key, value = f"{KEY}.passwords_file", shown("", name)
    try:
        logins.passwords(Path(name).read_text(encoding="utf-8-sig"))
    except OSError as fault:
        yield Problem(key, value, f"cannot be read: {fault.strerror}")
        return
    except (UnicodeDecodeError, Unreadable) as fault:
        why = str(fault) if isinstance(fault, Unreadable) else "it is not UTF-8 text"
        yield Problem(key, value, f"cannot be used: {why}")
    if os.stat(name).st_mode & stat.S_IROTH:
        why = "the file can be read by everybody on this machine: chmod o-r"
        yield Problem(key, value, why, warning=True)
