"""A signing milter, as small as can be: it adds a header with the digest of the body that it saw.

Postfix speaks the Sendmail milter protocol, version 6: packets of a 32-bit length, a command letter, and data.
"""

import asyncio
import hashlib
import struct

HEADER = b"X-Signed"


class Signer:
    """Listens on 127.0.0.1; `port` is known after `start`."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(_session, "127.0.0.1", 0)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        assert self._server is not None
        self._server.close()


def signature(body: bytes) -> bytes:
    """What the signer writes for `body`, which is everything below the empty line."""
    return hashlib.sha256(body).hexdigest().encode()


async def _session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    body = b""
    try:
        while True:
            (length,) = struct.unpack("!I", await reader.readexactly(4))
            packet = await reader.readexactly(length)
            command, data = packet[:1], packet[1:]
            match command:
                case b"O":  # options: version 6, action "add headers", every event is wanted
                    _say(writer, b"O" + struct.pack("!III", 6, 1, 0))
                case b"M":  # a new mail
                    body = b""
                    _say(writer, b"c")
                case b"B":
                    body += data
                    _say(writer, b"c")
                case b"E":  # the end of the mail
                    _say(writer, b"h" + HEADER + b"\0" + signature(body) + b"\0")
                    _say(writer, b"c")
                case b"D" | b"A":  # macros; abort
                    pass
                case b"Q" | b"K":
                    break
                case _:
                    _say(writer, b"c")
    except asyncio.IncompleteReadError:
        pass
    finally:
        writer.close()


def _say(writer: asyncio.StreamWriter, packet: bytes) -> None:
    writer.write(struct.pack("!I", len(packet)) + packet)
