"""How a server is reached: whose certificates are trusted, which is ours, and by way of which proxy.

What: `Route`, and what httpx makes of it; `distrust` says what to do about a certificate that is not trusted.

Not here: what is sent (session).

Errors: Misconfigured for a file or a URL that cannot be used.
"""

import ssl
from dataclasses import dataclass, field

import httpx

from mailhook import files
from mailhook.errors import Misconfigured


@dataclass(frozen=True)
class Route:
    """How the server is reached: paths of PEM files, "" for none; `proxy`: a URL."""

    ca_file: str = ""
    client_cert_file: str = ""
    client_key_file: str = ""
    proxy: str = field(default="", repr=False)


def trust(route: Route) -> ssl.SSLContext:
    """The system's trust store, and the company's own authority and our certificate where they are given."""
    context = ssl.create_default_context()
    paths = list(filter(None, (route.ca_file, route.client_cert_file, route.client_key_file)))
    try:
        for path in paths:
            files.require_regular(path)
        if route.ca_file:
            context.load_verify_locations(route.ca_file)
        if route.client_cert_file:
            context.load_cert_chain(route.client_cert_file, route.client_key_file or None)
    except (OSError, ssl.SSLError) as error:
        why = error.strerror or type(error).__name__
        raise Misconfigured(
            f"a certificate for Videomost cannot be used ({' or '.join(paths)}): {why}"
        ) from None
    return context


def proxy(route: Route) -> httpx.Proxy | None:
    try:
        return httpx.Proxy(route.proxy) if route.proxy else None
    except (ValueError, httpx.InvalidURL):
        raise Misconfigured(
            "the proxy for Videomost must be a URL such as http://proxy.example.org:3128"
        ) from None


# What a chain of certificates is refused for when its authority is unknown (X509_V_ERR_… of OpenSSL).
_UNKNOWN_AUTHORITY = (18, 19, 20, 21)


def distrust(error: BaseException) -> str:
    """What to do about an authority that is not known, or ""."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError) and cause.verify_code in _UNKNOWN_AUTHORITY:
            return ": name the authority that has signed its certificate in ca_file"
        cause = cause.__cause__ or cause.__context__
    return ""
