"""Videomost over HTTP: `Provider` by the default contract of docs/videomost.md.

What: one conference is one resource under an id that the client chooses, so that `create` twice with one key is
one room. Every answer is looked at before it is believed: its size, its shape, the host of its join link.

Not here: retries, the circuit breaker and the deadline of a waiting mail (flight, sync); the server side (sandbox).

Errors: Temporary, Permanent, Gone, Misconfigured; none of their texts holds a token, a join link, an id of a
conference or anything else that the server wrote, but for its error code.
"""

import asyncio
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import httpx

from mailhook.core.conference import JoinDetails, Person, Spec
from mailhook.errors import Gone, MailhookError, Misconfigured, Permanent, Temporary

MODE = "discussion"
JOIN_WITHOUT_OWNER = True

MAX_ANSWER = 1024 * 1024
UNKNOWN_OWNER = "unknown_owner"
GONE = (404, 410)
AGAIN = (408, 425, 429)

# What may be spliced into a mail as a link: printable ASCII, and nothing that ends a URL in text or HTML.
_LINK = re.compile(r"https?://[!#-;=?-\[\]_a-z~]{1,2000}")
_PASSCODE = re.compile(r"[!-~]{0,64}")
_CODE = re.compile(r"[a-z0-9_.-]{1,64}")
_HOST = re.compile(r"[a-z0-9._:-]{1,253}")


@dataclass(frozen=True)
class _Answer:
    """An HTTP answer; `body` is None unless it is a JSON object."""

    status: int
    body: Mapping[str, object] | None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        code = (self.body or {}).get("code")
        return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


class _OversizedError(Exception):
    """The answer is longer than MAX_ANSWER."""


class Videomost:
    """Client of one Videomost server.

    `base_url` is http(s), without credentials; `link_hosts` are the hosts that a join link may name (default: the
    host of `base_url`); `fallback_owner` is the address that owns the rooms of organizers without an account
    (empty: such a room is refused); `timeout` bounds one call, in seconds.

    Raises Misconfigured for a `base_url` or `token` that cannot be used.
    """

    TIMEOUT = 15.0
    CONNECT_TIMEOUT = 5.0

    def __init__(
        self,
        base_url: str,
        *,
        token: str = "",
        link_hosts: tuple[str, ...] = (),
        fallback_owner: str = "",
        kind: str = "videomost",
        timeout: float = TIMEOUT,
    ) -> None:
        base = _checked_base(base_url)
        if not re.fullmatch(r"[!-~]*", token):
            raise Misconfigured(
                "the token for Videomost may hold only printable ASCII characters without blanks"
            )
        self._host = urlsplit(base).netloc
        self._identity = f"{kind} {base}"
        self._link_hosts = {host.lower() for host in link_hosts} or {urlsplit(base).hostname or ""}
        self._fallback_owner = fallback_owner
        self._timeout = timeout
        self._client = httpx.AsyncClient(
            base_url=f"{base}/api/v1/",
            headers=_headers(token),
            # The system's trust store, where an administrator puts the company's own authority.
            verify=ssl.create_default_context(),
            timeout=httpx.Timeout(timeout, connect=min(timeout, self.CONNECT_TIMEOUT)),
            # Shorter than a server's own idle time-out, or a call meets a connection that is just being closed.
            limits=httpx.Limits(max_connections=20, keepalive_expiry=2.0),
            follow_redirects=False,
            trust_env=False,
        )

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def chooses_id(self) -> bool:
        return True

    async def create(self, spec: Spec, key: str) -> JoinDetails:
        """PUT; Permanent also when the room of this key was deleted: its link never works again."""
        answer = await self._call("create", "PUT", _path(key), spec)
        if answer.ok:
            return self._details("create", answer, key)
        if answer.status == 410 and answer.body is not None:
            raise Permanent(self._sentence("create", "the conference of this key was deleted before"))
        raise self._refusal("create", answer)

    async def update(self, conference_id: str, spec: Spec) -> None:
        answer = await self._call("update", "PATCH", _path(conference_id), spec)
        if answer.status in GONE and answer.body is not None:
            raise Gone(self._sentence("update", "the conference no longer exists"))
        self._require("update", answer)

    async def delete(self, conference_id: str) -> None:
        answer = await self._call("delete", "DELETE", _path(conference_id))
        if answer.status not in GONE or answer.body is None:
            self._require("delete", answer)

    async def find(self, key: str) -> tuple[JoinDetails, ...]:
        """The room that `key` made, if it stands: none or one."""
        answer = await self._call("find", "GET", _path(key))
        if answer.ok:
            return (self._details("find", answer, key),)
        if answer.status in GONE and answer.body is not None:
            return ()
        raise self._refusal("find", answer)

    async def ping(self) -> None:
        self._require("ping", await self._call("ping", "GET", "ping"))

    async def close(self) -> None:
        await self._client.aclose()

    async def _call(self, operation: str, method: str, path: str, spec: Spec | None = None) -> _Answer:
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._exchange(method, path, spec)
                if spec and self._fallback_owner and (answer.status, answer.code) == (422, UNKNOWN_OWNER):
                    answer = await self._exchange(method, path, self._for_fallback_owner(spec))
                return answer
        except _OversizedError:
            raise Temporary(self._sentence(operation, "the answer is longer than 1 MiB")) from None
        except (TimeoutError, httpx.RequestError) as error:
            # Without its cause: a protocol error's text quotes what the server sent.
            raise Temporary(self._sentence(operation, self._failure(error))) from None

    async def _exchange(self, method: str, path: str, spec: Spec | None) -> _Answer:
        body = None if spec is None else _json(spec)
        headers = {} if body is None else {"Content-Type": "application/json"}
        async with self._client.stream(method, path, content=body, headers=headers) as response:
            content = bytearray()
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) > MAX_ANSWER:
                    raise _OversizedError
            return _Answer(response.status_code, _object(bytes(content)))

    def _for_fallback_owner(self, spec: Spec) -> Spec:
        others = tuple(p for p in spec.participants if p.address != spec.owner.address)
        return replace(spec, owner=Person(self._fallback_owner), participants=(spec.owner, *others))

    def _details(self, operation: str, answer: _Answer, key: str) -> JoinDetails:
        """The room in a 2xx; Temporary if it is not a whole answer about this key with a link we may send out."""
        body = answer.body
        if body is None:
            raise Temporary(self._sentence(operation, "the answer is not a JSON object"))
        link, passcode = body.get("join_url"), body.get("passcode", "")
        if body.get("id") != key:
            raise Temporary(self._sentence(operation, "the answer is about another conference"))
        if not isinstance(link, str) or not _LINK.fullmatch(link):
            raise Temporary(self._sentence(operation, "the answer holds no usable join link"))
        if not isinstance(passcode, str) or not _PASSCODE.fullmatch(passcode):
            raise Temporary(self._sentence(operation, "the answer holds no usable passcode"))
        self._check_host(operation, link)
        return JoinDetails(key, link, passcode)

    def _check_host(self, operation: str, link: str) -> None:
        try:
            parts = urlsplit(link)
            host = parts.hostname or ""
        except ValueError:
            host = ""
        if host not in self._link_hosts or "@" in parts.netloc:
            named = host if _HOST.fullmatch(host) else "an unreadable host"
            raise Temporary(
                self._sentence(operation, f"the join link names {named}, which is not in link_hosts")
            )

    def _require(self, operation: str, answer: _Answer) -> None:
        if not answer.ok:
            raise self._refusal(operation, answer)
        if answer.body is None and answer.status != 204:
            raise Temporary(self._sentence(operation, "the answer is not a JSON object"))

    def _refusal(self, operation: str, answer: _Answer) -> MailhookError:
        """The error for an answer that is not 2xx."""
        said = f"answered {answer.status}" + (f" ({answer.code})" if answer.code else "")
        match answer.status:
            case 401 | 403:
                return Misconfigured(self._sentence(operation, f"{said}: the token is not accepted"))
            # Not the API's own "no such conference" (that is a JSON object): a proxy's page, or a wrong address.
            case 404 | 410 if answer.body is None:
                return Misconfigured(self._sentence(operation, f"{said} without JSON: no API at base_url"))
            case status if 300 <= status < 400:
                return Misconfigured(self._sentence(operation, f"{said}: base_url must not redirect"))
            case status if status in AGAIN or not 400 <= status < 500:
                return Temporary(self._sentence(operation, said))
            case _:
                return Permanent(self._sentence(operation, said))

    def _failure(self, error: Exception) -> str:
        match error:
            case httpx.ConnectTimeout():
                return "no connection in time"
            case TimeoutError() | httpx.TimeoutException():
                return f"no whole answer within {self._timeout:g} s"
            case httpx.ConnectError():
                return f"cannot connect: {error}"
            case httpx.RemoteProtocolError():
                return "the connection ended before the whole answer had come, or the answer is not HTTP"
            case _:
                return f"the connection failed ({type(error).__name__})"

    def _sentence(self, operation: str, what: str) -> str:
        return f"Videomost at {self._host}, {operation}: {what}"


def _checked_base(base_url: str) -> str:
    """`base_url` without a final slash."""
    try:
        parts, url = urlsplit(base_url), httpx.URL(base_url)
    except (ValueError, httpx.InvalidURL):
        raise Misconfigured("base_url of Videomost is not a URL") from None
    if parts.scheme not in ("http", "https") or not url.host or url.userinfo or parts.query or parts.fragment:
        raise Misconfigured("base_url of Videomost must be http(s)://host[:port][/path], without credentials")
    return base_url.rstrip("/")


def _headers(token: str) -> dict[str, str]:
    # identity: the cap on an answer counts what is sent, and a compressed one could grow without bound.
    headers = {"User-Agent": "mailhook", "Accept": "application/json", "Accept-Encoding": "identity"}
    return headers | ({"Authorization": f"Bearer {token}"} if token else {})


def _path(conference_id: str) -> str:
    return f"conferences/{quote(conference_id, safe='')}"


def _object(content: bytes) -> dict[str, object] | None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _json(spec: Spec) -> bytes:
    body = {
        "topic": spec.topic,
        "start": _instant(spec.start),
        "end": _instant(spec.end),
        "timezone": spec.timezone,
        "owner": _person(spec.owner),
        "participants": [_person(person) for person in spec.participants],
        "mode": MODE,
        "join_without_owner": JOIN_WITHOUT_OWNER,
    }
    # A summary in a broken charset may hold lone surrogates, which have no UTF-8 form.
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def _person(person: Person) -> dict[str, str]:
    return {"email": person.address, "name": person.name}


def _instant(moment: datetime) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
