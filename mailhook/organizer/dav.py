"""HTTP with a WebDAV server.

What: `Dav.ask` sends one request with a login and gives the whole answer; what reads may be redirected within the
server. An answer is read up to MAX_ANSWER octets; the environment's proxies are not used. `judged` says what a status
means.

Not here: XML (`dav_xml`), whose calendars (`accounts`), what is written (`caldav`).

Errors: Temporary when no whole answer comes, Permanent for a redirect to another server, Misconfigured for a
certificate authority that cannot be used. No text holds what the server sent.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx

from mailhook.errors import MailhookError, Permanent, Temporary
from mailhook.organizer.access import trust
from mailhook.organizer.accounts import Login

MAX_ANSWER = 4 * 1024 * 1024
CONNECT_TIMEOUT = 5.0
REDIRECTS = 5
_READING = {"GET", "PROPFIND", "REPORT"}
_REDIRECTING = {301, 302, 307, 308}
_PASSING = {408, 409, 423, 425, 429}


@dataclass(frozen=True)
class Answer:
    """`url`: of what answered. `headers`: names in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str

    @property
    def tag(self) -> str:
        """ETag, or ""."""
        return self.headers.get("etag", "")

    @property
    def absent(self) -> bool:
        return self.status in {404, 410}


class _OversizedError(Exception):
    pass


class Dav:
    """One for a server and process; `timeout`: seconds for one whole answer."""

    def __init__(self, base: str, timeout: float, ca_file: str) -> None:
        self.base = base
        self.host = urlsplit(base).netloc
        self._timeout = timeout
        self._client = httpx.AsyncClient(
            # identity: the limit of an answer counts what is sent, and a compressed one has another ETag.
            headers={"User-Agent": "mailhook", "Accept-Encoding": "identity"},
            verify=trust("organizer.caldav.ca_file", ca_file),
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)),
            # Servers close an idle connection without a word (SOGo): each request has one of its own.
            limits=httpx.Limits(max_connections=8, max_keepalive_connections=0),
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def ask(
        self,
        method: str,
        url: str,
        login: Login,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """`url`: absolute, or relative to the server's."""
        at = self.resolved(self.base, url)
        for _ in range(REDIRECTS):
            answer = await self._once(method, at, login, content, headers or {})
            if answer.status not in _REDIRECTING or method not in _READING:
                return answer
            at = self.resolved(at, answer.headers.get("location", ""))
        raise Permanent(f"{self.host} redirects in circles")

    def resolved(self, base: str, url: str) -> str:
        """Raises Permanent for a URL on another server: it would get the login."""
        try:
            full = urljoin(base, url)
            same = urlsplit(full)[:2] == urlsplit(self.base)[:2]
        except ValueError:
            same = False
        if not same:
            raise Permanent(f"{self.host} names another server: organizer.caldav.url should be that one's")
        return full

    async def _once(
        self, method: str, url: str, login: Login, content: bytes, headers: Mapping[str, str]
    ) -> Answer:
        try:
            request = self._client.build_request(
                method, url, content=content or None, headers={**headers, "Authorization": login.header}
            )
            async with asyncio.timeout(self._timeout):
                response = await self._client.send(request, stream=True)
                try:
                    body = await _content(response)
                finally:
                    await response.aclose()
        except _OversizedError:
            raise Temporary(f"{self.host}: the answer to {method} is longer than 4 MiB") from None
        except (TimeoutError, httpx.TimeoutException):
            raise Temporary(f"{self.host}: no whole answer to {method} within {self._timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Temporary(f"{self.host}: {method} failed ({type(error).__name__})") from None
        return Answer(response.status_code, response.headers, body, url)

    def judged(self, method: str, answer: Answer, login: Login) -> Answer:
        """The answer, if it is a success; else the error that its status means."""
        if 200 <= answer.status < 300:
            return answer
        raise self.failure(method, answer.status, login)

    def failure(self, method: str, status: int, login: Login) -> MailhookError:
        match status:
            case 401:
                return Permanent(f"{self.host} refuses the login of {login.name}")
            case 403:
                what = "read" if method in _READING else "change"
                return Permanent(
                    f"{self.host} does not let {login.name} {what} the calendar (403 to {method})"
                )
            case _ if status in _PASSING or status >= 500:
                return Temporary(f"{self.host} answers {status} to {method}")
            case _:
                return Permanent(f"{self.host} answers {status} to {method}")


async def _content(response: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > MAX_ANSWER:
            raise _OversizedError
    return bytes(content)
