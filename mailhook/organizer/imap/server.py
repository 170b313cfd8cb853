"""The server, how it is reached, and why it is not.

Not here: the connection itself (`connection`).

Errors: none.
"""

import ssl
from dataclasses import dataclass
from typing import Literal

from mailhook.errors import MailhookError, Misconfigured, Temporary

Tls = Literal["starttls", "implicit", "off"]


@dataclass(frozen=True)
class Server:
    """`ca_file`: PEM, "" for none beside those that the system trusts; `timeout` in seconds, of each step."""

    host: str
    port: int
    tls: Tls = "starttls"
    ca_file: str = ""
    timeout: float = 30.0

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def no_connection(server: Server, error: OSError | TimeoutError) -> MailhookError:
    """A certificate that is not trusted is for the administrator; a failing handshake may be a passing one."""
    match error:
        case ssl.SSLCertVerificationError():
            why = (
                f"shows a certificate that is not trusted: {error.verify_message}; see organizer.imap.ca_file"
            )
            return Misconfigured(f"{server} {why}")
        case ssl.SSLError():
            return Temporary(
                f"{server}: no TLS comes about ({error.reason or 'closed'}); see organizer.imap.tls"
            )
        case TimeoutError():
            return Temporary(f"{server}: no connection within {server.timeout:g} s")
        case _:
            return Temporary(f"{server}: no connection: {error.strerror or type(error).__name__}")
