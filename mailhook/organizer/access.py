"""What servers of the organizer ask for before they let us in, from files that the settings name.

What: `trust` reads a certificate authority, `passwords` the organizers' own passwords.

Not here: the form of such a file (`core.logins`), logging in (`accounts`, `imap`).

Errors: Misconfigured, with the setting that names the file.
"""

import asyncio
import ssl
from collections.abc import Mapping

from mailhook import files
from mailhook.core import logins
from mailhook.errors import Misconfigured, Unreadable


def trust(setting: str, ca_file: str) -> ssl.SSLContext:
    """The system's trust store, and the authorities in `ca_file` (PEM) where it is given."""
    context = ssl.create_default_context()
    try:
        if ca_file:
            files.require_regular(ca_file)
            context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        why = error.strerror or type(error).__name__
        raise Misconfigured(f"{setting} {ca_file} cannot be used: {why}") from None
    return context


async def passwords(setting: str, file: str) -> Mapping[str, str]:
    """By address. Read each time: a password that somebody has changed counts at once."""
    return await asyncio.to_thread(_passwords, setting, file)


def _passwords(setting: str, file: str) -> Mapping[str, str]:
    try:
        return logins.passwords(files.text(file, "utf-8-sig"))
    except (OSError, UnicodeDecodeError, Unreadable) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        why = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else why
        raise Misconfigured(f"{setting} {file} cannot be used: {why}") from None
