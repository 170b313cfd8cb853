"""From plain to TLS on a connection that is open.

What: `secured` shakes hands as the server, within a time, and gives streams of their own, so that nothing that was
read before is taken for something said under TLS.

Not here: the STARTTLS command (dialogue), certificates (mailhook.certificates).

Errors: `TlsFailedError`; the connection is closed then.
"""

import asyncio
import ssl

HANDSHAKE = 30.0
"""Seconds that a handshake may take at most, however long a client may be silent otherwise."""
GOODBYE = 5.0
READ_SIZE = 65536

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class TlsFailedError(Exception):
    """No handshake came about."""


async def secured(transport: asyncio.WriteTransport, context: ssl.SSLContext, within: float) -> Streams:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=READ_SIZE, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    try:
        safe = await loop.start_tls(
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
    protocol.connection_made(safe)
    return reader, asyncio.StreamWriter(safe, protocol, reader, loop)
