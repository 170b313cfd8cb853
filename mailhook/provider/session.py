"""HTTP with one server: who we are to it, how its certificate is checked, and how much of it is borne with.

What: `Session` sends a `Request` and gives the `Reply`. It logs in where that is asked for, and once more when the
login has run out. An answer is read up to MAX_ANSWER octets, redirects are not followed, the environment's proxies
are not used.

Not here: what is asked and what an answer means (`transport`); the time that a whole call may take (videomost).

Errors: Misconfigured for what cannot be used, or a login that is refused; Unsent when no connection comes about,
Temporary for any other failure. No text holds what the server sent.
"""

import asyncio
import re
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from mailhook.core.templates import Leaf
from mailhook.errors import MailhookError, Misconfigured, Temporary, Unsent
from mailhook.transport.answers import Meaning, Reader, Reply, judged
from mailhook.transport.requests import Form, Request, login_values
from mailhook.transport.shape import Answer, Auth

MAX_ANSWER = 1024 * 1024
CONNECT_TIMEOUT = 5.0


@dataclass(frozen=True)
class Route:
    """How the server is reached: paths of PEM files, "" for none; `proxy`: a URL."""

    ca_file: str = ""
    client_cert_file: str = ""
    client_key_file: str = ""
    proxy: str = field(default="", repr=False)


@dataclass(frozen=True)
class Exchange:
    """One request and what came of it, for whoever watches: `failure` is "" if there is a reply.

    `secrets`: what authenticated it; a session among them stands in the answer to the login too.
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
        self._shown: dict[str, str] | None = None if auth.kind == "login" else self._standing(token)
        self._client = httpx.AsyncClient(
            base_url=f"{base}/",
            headers=_HEADERS,
            verify=_trust(route),
            proxy=_proxy(route.proxy),
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)),
            # Shorter than a server's own idle time-out, or a call meets a connection that is just being closed.
            limits=httpx.Limits(max_connections=20, keepalive_expiry=2.0),
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def exchange(self, operation: str, request: Request) -> Reply:
        """The reply, after a login where it needs one. Errors: those of `failures`, and Misconfigured."""
        if self._auth.kind != "login":
            return await self._send(request, self._shown or {})
        shown = self._shown or await self._renewed(operation, None)
        reply = await self._send(request, shown)
        if reply.status == 401:
            reply = await self._send(request, await self._renewed(operation, shown))
        return reply

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
                return Unsent(self.sentence(operation, "no connection in time"))
            case TimeoutError() | httpx.TimeoutException():
                return Temporary(self.sentence(operation, f"no whole answer within {self._timeout:g} s"))
            case httpx.ConnectError() | httpx.ProxyError():
                return Unsent(self.sentence(operation, f"cannot connect: {error}"))
            case httpx.RemoteProtocolError():
                why = "the connection ended before the whole answer had come, or the answer is not HTTP"
                return Temporary(self.sentence(operation, why))
            case _:
                return Temporary(self.sentence(operation, f"the connection failed ({type(error).__name__})"))

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

    async def _renewed(self, operation: str, refused: dict[str, str] | None) -> dict[str, str]:
        """A new login, unless another call has made one since `refused` was shown."""
        async with self._renewing:
            if self._shown is None or self._shown is refused:
                self._client.cookies.clear()
                self._shown = None
                self._shown = await self._logged_in(operation)
            return self._shown

    async def _logged_in(self, operation: str) -> dict[str, str]:
        reply = await self._send(self._login.request(self._values), {})
        judgement = judged(self._auth.login, reply, "")
        match judgement.meaning:
            case Meaning.SUCCESS:
                pass
            case Meaning.TEMPORARY:
                raise Unsent(self.sentence(operation, f"the login {judgement.why}"))
            case _:
                raise Misconfigured(self.sentence(operation, f"the login {judgement.why}"))
        if not self._auth.session:
            return {}
        session = self._reader.value(self._auth.session, reply)
        if not session:
            raise Unsent(self.sentence(operation, "the answer to the login holds no session"))
        return self._as_header({"session": session})

    # --- the wire --------------------------------------------------------------------------------------

    async def _send(self, request: Request, shown: Mapping[str, str]) -> Reply:
        sent = self._client.build_request(
            request.method,
            request.target,
            headers={**request.headers, **shown},
            content=request.content or None,
        )
        try:
            response = await self._client.send(sent, stream=True)
            try:
                reply = Reply(response.status_code, await _content(response))
            finally:
                await response.aclose()
        except BaseException as error:
            self._tell(sent, request, shown, failure=type(error).__name__)
            raise
        self._tell(sent, request, shown, response=response, reply=reply)
        return reply

    def _tell(
        self,
        sent: httpx.Request,
        request: Request,
        shown: Mapping[str, str],
        *,
        response: httpx.Response | None = None,
        reply: Reply | None = None,
        failure: str = "",
    ) -> None:
        if self._witness is None:
            return
        answered = tuple(response.headers.multi_items()) if response else ()
        status, content = (reply.status, reply.content) if reply else (0, b"")
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
                tuple(shown.values()),
            )
        )


# identity: the cap on an answer counts what is sent, and a compressed one could grow without bound.
_HEADERS = {"User-Agent": "mailhook", "Accept": "application/json", "Accept-Encoding": "identity"}


async def _content(response: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > MAX_ANSWER:
            raise OversizedError
    return bytes(content)


def _trust(route: Route) -> ssl.SSLContext:
    """The system's trust store, and the company's own authority and our certificate where they are given."""
    context = ssl.create_default_context()
    try:
        if route.ca_file:
            context.load_verify_locations(route.ca_file)
        if route.client_cert_file:
            context.load_cert_chain(route.client_cert_file, route.client_key_file or None)
    except (OSError, ssl.SSLError) as error:
        files = " or ".join(filter(None, (route.ca_file, route.client_cert_file, route.client_key_file)))
        why = error.strerror or type(error).__name__
        raise Misconfigured(f"a certificate for Videomost cannot be used ({files}): {why}") from None
    return context


def _proxy(url: str) -> httpx.Proxy | None:
    try:
        return httpx.Proxy(url) if url else None
    except (ValueError, httpx.InvalidURL):
        raise Misconfigured(
            "the proxy for Videomost must be a URL such as http://proxy.example.org:3128"
        ) from None
