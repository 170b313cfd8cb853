"""TLS of both sides: contexts made of files, made anew when the files change; and what the files hold.

What: `server` and `client` make contexts with modern defaults (TLS 1.2 and later, what OpenSSL takes for safe);
`Kept` gives the current one; `expiry` says until when a certificate is valid. DANE and MTA-STS are not followed.

Not here: handshakes (front, nexthop), and what is said to the administrator (config, doctor).

Errors: Misconfigured with the file that cannot be used; from `Kept.context` only the first time.
"""

import logging
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from mailhook.errors import Misconfigured

log = logging.getLogger("mailhook.certificates")

Mark = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True)
class Pem:
    """Paths, "" for none. `authority` signs the peer's certificate; `key` may stand in the file `certificate`."""

    certificate: str = ""
    key: str = ""
    authority: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.certificate, self.key, self.authority)))


def server(pem: Pem) -> ssl.SSLContext:
    """With `authority`, a client may show a certificate; one that is not of that authority is refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    _load(context, pem)
    if pem.authority:
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def client(pem: Pem, *, verified: bool) -> ssl.SSLContext:
    """The system's trust store, or `authority` alone where it is given: a private authority needs no others."""
    if verified:
        context = ssl.create_default_context(cafile=None) if not pem.authority else _bare()
    else:
        context = _bare()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, pem)
    return context


def _bare() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _load(context: ssl.SSLContext, pem: Pem) -> None:
    try:
        if pem.certificate:
            # A key with a passphrase must not make OpenSSL ask for it at the terminal.
            context.load_cert_chain(pem.certificate, pem.key or None, password=lambda: "")
        if pem.authority:
            context.load_verify_locations(pem.authority)
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{' or '.join(pem.files)} cannot be used for TLS: {_why(error)}") from None


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        reason = error.reason or "no certificate or key in PEM"
        return "key and certificate do not belong together" if reason == "KEY_VALUES_MISMATCH" else reason
    return (isinstance(error, OSError) and error.strerror) or str(error)


class Kept:
    """The context of files that may be renewed at any time; it is asked for before each handshake."""

    def __init__(self, make: Callable[[], ssl.SSLContext], pem: Pem) -> None:
        self._make = make
        self._pem = pem
        self._mark = _mark(pem.files)
        self._context = make()
        self._until = _until(pem)

    def context(self) -> ssl.SSLContext:
        """Of the files as they are now; where these cannot be used, as they were, which is logged once."""
        mark = _mark(self._pem.files)
        if mark != self._mark:
            self._mark = mark
            try:
                self._renew()
                log.info("certificates read again: %s", ", ".join(self._pem.files))
            except Misconfigured as error:
                log.error("the certificates read before stay in use: %s", error)
        return self._context

    def _renew(self) -> None:
        context, until = self._make(), _until(self._pem)
        if until <= datetime.now(UTC) < self._until:
            raise Misconfigured(f"{self._pem.certificate} has expired, and the one before has not")
        self._context, self._until = context, until


def _until(pem: Pem) -> datetime:
    """When our own certificate ends to be valid."""
    return expiry(pem.certificate) if pem.certificate else datetime.max.replace(tzinfo=UTC)


def _mark(files: tuple[str, ...]) -> Mark:
    return tuple(_stat(file) for file in files)


def _stat(file: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def expiry(file: str) -> datetime:
    """When the first certificate in `file` ends to be valid (UTC). Misconfigured: there is none."""
    try:
        return x509.load_pem_x509_certificates(Path(file).read_bytes())[0].not_valid_after_utc
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{file} holds no certificate in PEM: {_why(error)}") from None
