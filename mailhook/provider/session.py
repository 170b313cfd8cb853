"""HTTP with one server: who we are to it, when that has run out, and how much of it is borne with.

What: `Session` sends a `Request` and gives the `Reply`. It logs in where that is asked for, and once more when the
login has run out. Each login has cookies of its own, which only its own successes change: a refusal that comes late
must not spoil the login that has followed. An answer is read up to MAX_ANSWER octets, redirects are not followed, the
environment's proxies are not used.

Not here: what is asked and what an answer means (`transport`); the time that a whole call may take (videomost);
certificates and proxies (route).

Errors: Misconfigured for what cannot be used, or a login that is refused; Unsent when no connection comes about,
Temporary for any other failure. No text holds what the server sent.
"""

import asyncio
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from urllib.parse import urlsplit

import httpx

from mailhook.core.templates import Leaf
from mailhook.errors import MailhookError, Misconfigured, Temporary, Unsent
from mailhook.provider.route import Route, distrust, proxy, trust
from mailhook.transport.answers import Meaning, Reader, Reply, holds, judged
from mailhook.transport.requests import Form, Request, login_values
from mailhook.transport.shape import Answer, Auth

MAX_ANSWER = 1024 * 1024
CONNECT_TIMEOUT = 5.0
MOST_CONNECTIONS = 20


@dataclass(frozen=True)
class Exchange:
    """One request and what came of it, for whoever watches: `failure` is "" if there is a reply.

    `secrets`: what authenticated it, and what its answer gives out to do so; the body may repeat it.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    content: bytes
    status: int = 0
    answer_headers: tuple[tuple[str, str], ...] = ()
    answer: bytes = b""
    failure: str = ""
    secrets: tuple[str, ...] = ()


Witness = Callable[[Exchange], None]


@dataclass(frozen=True, eq=False)
class Shown:
    """Who we are, from one login to the next: two are never the same. `session`: what the login yielded, or ""."""

    headers: Mapping[str, str] = field(default_factory=dict)
    session: str = ""
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)

    @property
    def secrets(self) -> tuple[str, ...]:
        return (*self.headers.values(), self.session, *_values(self.cookies))


@dataclass
class _Line:
    """A connection to the server, made when it is needed; `calls`: how many use it, or wait for it."""

    transport: httpx.AsyncHTTPTransport
    calls: int = 0

    @contextmanager
    def taken(self) -> Iterator[httpx.AsyncHTTPTransport]:
        self.calls += 1
        try:
            yield self.transport
        finally:
            self.calls -= 1


def _lines(route: Route) -> list[_Line]:
    """One connection each: httpx's pool looks at all that it has several times for each request.

    Its transport, not its client: cookies are ours (see `Shown`), and redirects are not followed.
    """
    context, way = trust(route), proxy(route)
    # Shorter than a server's own idle time-out, or a call meets a connection that is just being closed.
    limits = httpx.Limits(max_connections=1, keepalive_expiry=2.0)
    return [
        _Line(httpx.AsyncHTTPTransport(verify=context, proxy=way, limits=limits, trust_env=False))
        for _ in range(MOST_CONNECTIONS)
    ]


class OversizedError(Exception):
    """The answer is longer than MAX_ANSWER."""


class Session:
    """One per server and process; `timeout` in seconds. `witness` sees every exchange, secrets included."""

    def __init__(
        self, base: str, auth: Auth, token: str, timeout: float, route: Route, witness: Witness | None
    ) -> None:
        self._host = urlsplit(base).netloc
        self._timeout = timeout
        self._auth = auth
        self._witness = witness
        self._values = login_values(auth.username, auth.password, token)
        self._login = Form("auth.login", auth.login)
        self._value = Leaf(auth.value)
        self._reader = Reader(Answer(id=auth.session), {}, frozenset())
        self._renewing = asyncio.Lock()
        self._shown = None if auth.kind == "login" else Shown(self._standing(token))
        self._base = f"{base}/"
        self._timeouts = httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)).as_dict()
        self._lines = _lines(route)
        self._proxy = urlsplit(route.proxy)

    async def close(self) -> None:
        for line in self._lines:
            await line.transport.aclose()

    async def exchange(self, operation: str, request: Request) -> Reply:
        """The reply, after a login where it needs one. Errors: those of `failures`, and Misconfigured."""
        shown = self._shown or await self._renewed(operation, None)
        reply = await self._send(request, shown)
        if self._auth.kind == "login" and self._expired(reply):
            reply = await self._send(request, await self._renewed(operation, shown))
        return reply

    def _expired(self, reply: Reply) -> bool:
        return reply.status == 401 or any(holds(when, reply) for when in self._auth.expired)

    @property
    def logs_in(self) -> bool:
        return self._auth.kind == "login"

    async def log_in(self, operation: str) -> None:
        """Anew: whether one that was made before has run out is not known. Errors: as `exchange`."""
        await self._renewed(operation, self._shown)

    async def reach(self) -> None:
        """Ask for base_url itself: whatever is answered, somebody is there. Errors: those of `failures`."""
        await self._send(Request("HEAD", "", {}), Shown())

    @contextmanager
    def failures(self, operation: str) -> Iterator[None]:
        """What httpx raises, as our own errors."""
        try:
            yield
        except OversizedError:
            raise Temporary(self.sentence(operation, "the answer is longer than 1 MiB")) from None
        except (TimeoutError, httpx.RequestError) as error:
            # Without its cause: a protocol error's text quotes what the server sent.
            raise self._failure(operation, error) from None

    def sentence(self, operation: str, what: str) -> str:
        return f"Videomost at {self._host}, {operation}: {what}"

    def _failure(self, operation: str, error: Exception) -> MailhookError:
        match error:
            case httpx.ConnectTimeout() | httpx.PoolTimeout():
                return Unsent(self.sentence(operation, f"no connection in time{self._way}"))
            case TimeoutError() | httpx.TimeoutException():
                return Temporary(self.sentence(operation, f"no whole answer within {self._timeout:g} s"))
            case httpx.ConnectError() | httpx.ProxyError():
                return Unsent(
                    self.sentence(operation, f"cannot connect{self._way}: {error}{distrust(error)}")
                )
            case httpx.RemoteProtocolError():
                why = "the connection ended before the whole answer had come, or the answer is not HTTP"
                return Temporary(self.sentence(operation, why))
            case _:
                return Temporary(self.sentence(operation, f"the connection failed ({type(error).__name__})"))

    @property
    def _way(self) -> str:
        """The proxy, if there is one: it, not the server, is what we connect to."""
        named = self._proxy.netloc.rpartition("@")[2]
        return f" by way of the proxy {named}" if named else ""

    # --- who we are ------------------------------------------------------------------------------------

    def _standing(self, token: str) -> dict[str, str]:
        """The header that shows who we are, where it is always the same."""
        auth = self._auth
        match auth.kind:
            case "bearer":
                return {"Authorization": f"Bearer {token}"} if token else {}
            case "basic":
                pair = f"{auth.username}:{auth.password}".encode()
                return {"Authorization": f"Basic {b64encode(pair).decode('ascii')}"}
            case "header":
                return self._as_header({})
            case _:
                return {}

    def _as_header(self, values: Mapping[str, object]) -> dict[str, str]:
        value = self._value.text({**self._values, **values})
        if not re.fullmatch(r"[!-~]([ -~]*[!-~])?", value):
            raise Misconfigured(f"the header {self._auth.header} can hold only printable ASCII characters")
        return {self._auth.header: value}

    async def _renewed(self, operation: str, refused: Shown | None) -> Shown:
        """A new login, unless another call has made one since `refused` was shown."""
        async with self._renewing:
            if self._shown is None or self._shown is refused:
                self._shown = None
                self._shown = await self._logged_in(operation)
            return self._shown

    async def _logged_in(self, operation: str) -> Shown:
        shown = Shown()
        reply = await self._send(self._login.request(self._values), shown)
        judgement = judged(self._auth.login, reply, "")
        match judgement.meaning:
            case Meaning.SUCCESS:
                pass
            case Meaning.TEMPORARY:
                raise Unsent(self.sentence(operation, f"the login {judgement.why}"))
            case _:
                raise Misconfigured(self.sentence(operation, f"the login {judgement.why}"))
        if not self._auth.session:
            return shown
        session = self._session_in(reply)
        if not session:
            raise Unsent(self.sentence(operation, "the answer to the login holds no session"))
        return Shown(self._as_header({"session": session}), session, shown.cookies)

    def _session_in(self, reply: Reply) -> str:
        return self._reader.value(self._auth.session, reply)

    # --- the wire --------------------------------------------------------------------------------------

    async def _send(self, request: Request, shown: Shown) -> Reply:
        sent = httpx.Request(
            request.method,
            self._base + request.target,
            headers=_laid_over(_HEADERS, request.headers, shown.headers),
            content=request.content or None,
            cookies=shown.cookies,
            extensions={"timeout": self._timeouts},
        )
        try:
            with min(self._lines, key=attrgetter("calls")).taken() as transport:
                response = await transport.handle_async_request(sent)
                response.request = sent
                try:
                    reply = Reply(response.status_code, await _content(response))
                finally:
                    await response.aclose()
        except BaseException as error:
            self._tell(sent, request, shown, failure=type(error).__name__)
            raise
        if "Set-Cookie" in response.headers and not self._refused(reply):
            shown.cookies.extract_cookies(response)
        self._tell(sent, request, shown, response=response, reply=reply)
        return reply

    def _refused(self, reply: Reply) -> bool:
        """A login may be answered by a redirect, with the cookie."""
        return reply.status >= 400 or self._expired(reply)

    def _tell(
        self,
        sent: httpx.Request,
        request: Request,
        shown: Shown,
        *,
        response: httpx.Response | None = None,
        reply: Reply | None = None,
        failure: str = "",
    ) -> None:
        if self._witness is None:
            return
        answered = tuple(response.headers.multi_items()) if response else ()
        status, content = (reply.status, reply.content) if reply else (0, b"")
        secrets = (*shown.secrets, *(_values(response.cookies) if response else ()))
        if reply and self._auth.session and not shown.session:
            secrets = (*secrets, self._session_in(reply))
        self._witness(
            Exchange(
                sent.method,
                str(sent.url),
                tuple(sent.headers.multi_items()),
                request.content,
                status,
                answered,
                content,
                failure,
                tuple(filter(None, secrets)),
            )
        )


# identity: the cap on an answer counts what is sent, and a compressed one could grow without bound.
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Connection": "keep-alive",
    "User-Agent": "mailhook",
}


def _laid_over(*headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """The later ones in place of those of the same name."""
    fields = {name.lower(): (name, value) for each in headers for name, value in each.items()}
    return list(fields.values())


def _values(cookies: httpx.Cookies) -> Iterator[str]:
    """Without the quotes that may stand around one (RFC 6265 §4.1.1)."""
    return (cookie.value.strip('"') for cookie in cookies.jar if cookie.value)


async def _content(response: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > MAX_ANSWER:
            raise OversizedError
    return bytes(content)
