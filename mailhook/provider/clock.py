"""What time it is at a web server.

What: `server_time` reads the Date of an answer (RFC 9110 §6.6.1), whatever the answer is; it logs in nowhere.

Not here: what a difference means (`doctor`).

Errors: Temporary when there is no answer, or no Date in it. A caller who cannot wait sets a time-out.
"""

import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from mailhook.errors import Temporary

AT_MOST = 60.0
"""Seconds for each part of the call."""


async def server_time(url: str) -> datetime:
    """UTC, in whole seconds."""
    try:
        async with httpx.AsyncClient(
            verify=ssl.create_default_context(), timeout=AT_MOST, trust_env=False
        ) as client:
            answer = await client.head(url)
        return parsedate_to_datetime(answer.headers["date"]).astimezone(UTC)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Temporary(f"no answer to HEAD {url} ({type(error).__name__})") from None
    except (KeyError, ValueError):
        raise Temporary(f"the answer to HEAD {url} has no Date") from None
