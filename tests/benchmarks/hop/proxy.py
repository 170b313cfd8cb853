"""aiosmtpd with its own Proxy handler, as a hop to compare with: `python proxy.py PORT NEXT-PORT LOG`."""

import asyncio
import logging
import sys

from aiosmtpd.handlers import Proxy
from aiosmtpd.smtp import SMTP


async def main(port: int, hop: int) -> None:
    loop = asyncio.get_running_loop()
    handler = Proxy("127.0.0.1", hop)
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="proxy.example", data_size_limit=100_000_000, loop=loop),
        "127.0.0.1",
        port,
    )
    await server.serve_forever()


if __name__ == "__main__":
    logging.basicConfig(filename=sys.argv[3], level=logging.INFO)
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
