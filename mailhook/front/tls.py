"""From plain to TLS on a connection that is open.

What: `secured` shakes hands as the server, within a time. Nothing that comes before its end reaches the protocol.

Not here: the STARTTLS command (dialogue), certificates (mailhook.certificates).

Errors: `TlsFailedError`; the connection is closed then.
"""

import asyncio
import ssl

HANDSHAKE = 30.0
"""Seconds that a handshake may take at most, however long a client may be silent otherwise."""
GOODBYE = 5.0


class TlsFailedError(Exception):
    """No handshake came about."""


async def secured(
    transport: asyncio.Transport, protocol: asyncio.Protocol, context: ssl.SSLContext, within: float
) -> asyncio.Transport:
    """The transport to use from now on; `protocol` stays."""
    try:
        safe = await asyncio.get_running_loop().start_tls(
            transport,
            protocol,
            context,
            server_side=True,
            ssl_handshake_timeout=min(within, HANDSHAKE),
            ssl_shutdown_timeout=GOODBYE,
        )
    except (OSError, ssl.SSLError) as error:
        raise TlsFailedError((isinstance(error, ssl.SSLError) and error.reason) or str(error)) from None
    if safe is None:
        raise TlsFailedError("the connection was closed")
    return safe
