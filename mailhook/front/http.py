"""What is answered over HTTP: health, readiness, metrics, and the administrator's page.

What: `site` makes a web application of a `Sight`. The page and the metrics need the password, if there is one (HTTP
Basic, RFC 7617, with any user name); without one who asks must be on this machine, and the name in Host must be its
own, so that no page of another site can have a browser look (DNS rebinding). Links and topics are shown only where a
password guards them.

Not here: what is gathered (`monitoring`), HTML (`status_page`), serving (`web`).

Errors: none but faults of ours: 500, and a traceback in the log.
"""

import base64
import hashlib
import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mailhook import door
from mailhook.front.limits import Seldom
from mailhook.front.status_page import HEADERS, Status, View, status_page
from mailhook.front.status_words import WORDS, Language

log = logging.getLogger("mailhook.front.http")

PLAIN_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Sight(Protocol):
    """What there is to see. No method raises a MailhookError."""

    async def faults(self) -> Mapping[str, str]:
        """Why no mail can be relayed, or no invitation handled, now: what is at fault, and its fault."""

    async def metrics(self) -> tuple[bytes, str]:
        """The figures, and their media type."""

    async def status(self, *, secrets: bool) -> Status:
        """`secrets`: with topics and join links."""


def site(sight: Sight, host: str, password: str) -> Starlette:
    """`host`: where it is served; `password`: "" for none."""

    wrong = Seldom(60)

    def refused(request: Request) -> Response | None:
        refusal = _refusal(request, host, password)
        if refusal is not None and password and "authorization" in request.headers:
            door.turned_away("http-password")
            if (times := wrong.due(time.monotonic())) is not None:
                address = request.client.host if request.client else ""
                log.warning("%s: wrong password for the status page or metrics (%d times)", address, times)
        return refusal

    def guarded(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def admitted(request: Request) -> Response:
            refusal = refused(request)
            return refusal or await answer(request)

        return admitted

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok\n", headers=PLAIN_HEADERS)

    async def ready(request: Request) -> Response:
        faults = await sight.faults()
        known = refused(request) is None
        told = [f"{what}: {why}" if known else what for what, why in faults.items()]
        status = 503 if faults else 200
        return JSONResponse({"ready": not faults, "reasons": told}, status, PLAIN_HEADERS)

    async def metrics(_: Request) -> Response:
        figures, kind = await sight.metrics()
        return Response(figures, headers={**PLAIN_HEADERS, "Content-Type": kind})

    async def index(request: Request) -> Response:
        view = _view(request, secrets=bool(password))
        return HTMLResponse(status_page(await sight.status(secrets=view.links), view), headers=HEADERS)

    return Starlette(
        routes=[
            Route("/", guarded(index)),
            Route("/health", health),
            Route("/ready", ready),
            Route("/metrics", guarded(metrics)),
        ]
    )


# --- who may look ------------------------------------------------------------------------------------------------


def _refusal(request: Request, host: str, password: str) -> Response | None:
    if password:
        if _knows(request, password):
            return None
        headers = {**PLAIN_HEADERS, "WWW-Authenticate": 'Basic realm="mailhook", charset="UTF-8"'}
        return PlainTextResponse("the password of [http], please\n", 401, headers)
    here = request.client is not None and _is_loopback(request.client.host)
    if here and _is_ours(request.headers.get("host", ""), host):
        return None
    advice = "this page is for this machine; to reach it from another, or by another name, set http.password_file\n"
    return PlainTextResponse(advice, 421, PLAIN_HEADERS)


def _knows(request: Request, password: str) -> bool:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given = base64.b64decode(credentials, validate=True).partition(b":")[2]
    except ValueError:  # binascii.Error, or characters that no credentials have
        return False
    # Digests have one length, so that the time tells nothing of the password's.
    return hmac.compare_digest(_digest(given), _digest(password.encode()))


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()


def _is_ours(name: str, host: str) -> bool:
    """Whether a Host header names this machine by an address of its own, or by a name that nobody else can give."""
    bare = name.rpartition(":")[0] if ":" in name and not name.endswith("]") else name
    bare = bare.removeprefix("[").removesuffix("]").lower()
    if bare in {"localhost", host.lower()}:
        return True
    return _is_loopback(bare)


def _is_loopback(name: str) -> bool:
    try:
        address = ip_address(name)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


# --- how it is shown ---------------------------------------------------------------------------------------------


def _view(request: Request, *, secrets: bool) -> View:
    language = _language(request)
    links = secrets and request.query_params.get("links") == "1"

    def with_query(lang: Language, *, links: bool) -> str:
        return f"?{urlencode({'lang': lang, **({'links': 1} if links else {})})}"

    return View(
        language,
        with_query("en" if language == "ru" else "ru", links=links),
        links,
        with_query(language, links=not links) if secrets else "",
    )


def _language(request: Request) -> Language:
    """Asked for by `lang`, or the first of ours among those of the browser; else Russian."""
    accepted = request.headers.get("accept-language", "").split(",")
    for asked in (request.query_params.get("lang", ""), *accepted):
        tag = asked.strip().lower()[:2]
        for language in WORDS:
            if tag == language:
                return language
    return "ru"
