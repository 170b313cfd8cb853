"""A local Videomost: a real HTTP server with the default contract of docs/videomost.md, and pages for people.

What: the API under /api/v1, the join page /service/join/, the personal cabinet /cabinet, and for tests a record of
the requests, faults on demand (`Fault`), and the whole state at /sandbox/state. It runs inside the program's
event loop; the program keeps its signals.

Not here: what a conference is (sandbox_rooms), what a fault is (sandbox_faults), HTML (sandbox_pages), the client
(videomost).

Errors: `start` raises OSError when the address cannot be bound; the constructor Misconfigured for a bad state file.
"""

import hmac
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from mailhook.provider import sandbox_pages
from mailhook.provider.sandbox_faults import Fault, parse_faults
from mailhook.provider.sandbox_rooms import RefusedError, Room, Rooms
from mailhook.web import WebServer

MAX_BODY = 1024 * 1024
JSON = "application/json"

Body = dict[str, object]
Endpoint = Callable[[Request], Awaitable[Response]]


class Sandbox:
    """One local Videomost. `public_url`: the base of join links (default: `url`); `state`: a JSON file that outlives
    the process; `token`: what the API asks for as Bearer token (empty: nothing); `clock` gives aware datetimes: by it a
    conference has begun or ended.

    `faults` holds the present `Fault` of each of OPERATIONS; `counts` the requests per conference id and operation,
    refused and failed ones too.
    """

    def __init__(
        self,
        *,
        public_url: str = "",
        state: Path | None = None,
        token: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.faults: dict[str, Fault] = {}
        self.counts: dict[str, Counter[str]] = {}
        self._rooms = Rooms(state)
        self._public_url = public_url.rstrip("/")
        self._token = token
        self._clock = clock
        self._server = WebServer(self._app())

    @property
    def conferences(self) -> dict[str, Room]:
        """The conferences that stand, by id."""
        return self._rooms.standing

    @property
    def deleted(self) -> dict[str, Room]:
        return {room.id: room for room in self._rooms.all.values() if room.deleted}

    def link(self, room: Room) -> str:
        query = urlencode({"confid": room.id, "confpass": room.passcode})
        return f"{self._public_url or self.url}/service/join/?{query}"

    @property
    def url(self) -> str:
        return self._server.url

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes a free one. `url` is known and connections are accepted when it returns."""
        await self._server.start(host, port)

    async def stop(self) -> None:
        """Stop listening and end every connection; a delayed request is dropped undone."""
        await self._server.stop()

    def _app(self) -> Starlette:
        one, many = "/api/v1/conferences/{id}", "/api/v1/conferences"
        routes = [
            Route(one, self._endpoint("create", self._put), methods=["PUT"]),
            Route(one, self._endpoint("update", self._patch), methods=["PATCH"]),
            Route(one, self._endpoint("delete", self._delete), methods=["DELETE"]),
            Route(one, self._endpoint("find", self._get)),
            Route(many, self._endpoint("find", self._list)),
            Route("/api/v1/ping", self._endpoint("ping", self._ping)),
            Route("/sandbox/faults", self._set_faults, methods=["POST"]),
            Route("/sandbox/state", self._state),
            Route("/service/join/", self._join),
            Route("/cabinet", self._cabinet),
            Route("/cabinet/", self._cabinet),
            Route("/", lambda _: RedirectResponse("cabinet")),
        ]
        return Starlette(routes=routes, exception_handlers={RefusedError: _refused, ClientDisconnect: _left})

    # --- the API ---------------------------------------------------------------------------------------

    def _endpoint(self, operation: str, act: Callable[[Request, Body], Response]) -> Endpoint:
        """Authenticate, record, then let `act` answer as the present fault allows."""

        async def endpoint(request: Request) -> Response:
            self._authenticate(request)
            if room_id := request.path_params.get("id"):
                self.counts.setdefault(room_id, Counter())[operation] += 1
            body = await _json(request) if request.method in ("PUT", "PATCH") else {}
            return await self._answer(
                request, self._take_fault(operation, request, body), partial(act, request, body)
            )

        return endpoint

    def _put(self, request: Request, body: Body) -> Response:
        room, new = self._rooms.put(request.path_params["id"], body)
        return JSONResponse(self._document(room), 201 if new else 200)

    def _patch(self, request: Request, body: Body) -> Response:
        return JSONResponse(self._document(self._rooms.patch(request.path_params["id"], body)))

    def _delete(self, request: Request, _: Body) -> Response:
        self._rooms.delete(request.path_params["id"])
        return Response(status_code=204)

    def _get(self, request: Request, _: Body) -> Response:
        return JSONResponse(self._document(self._rooms.get(request.path_params["id"])))

    def _list(self, request: Request, _: Body) -> Response:
        rooms = self._rooms.owned_by(request.query_params.get("owner", ""))
        return JSONResponse({"conferences": [self._document(room) for room in rooms]})

    def _ping(self, _: Request, __: Body) -> Response:
        return JSONResponse({"status": "ok"})

    def _authenticate(self, request: Request) -> None:
        given = request.headers.get("authorization", "").encode()
        if self._token and not hmac.compare_digest(given, f"Bearer {self._token}".encode()):
            raise RefusedError(401, "unauthorized", "the bearer token is missing or wrong")

    def _document(self, room: Room) -> Body:
        return room.document() | {"join_url": self.link(room)}

    # --- faults ----------------------------------------------------------------------------------------

    async def _answer(self, request: Request, fault: Fault, perform: Callable[[], Response]) -> Response:
        if not await self._server.pause(fault.delay) or fault.drop:
            return await self._hang_up(request)
        true = perform() if fault.fail_after or not fault.replaces else None
        if fault.fail_after and not fault.replaces:
            return await self._hang_up(request)
        answer = true if true and not fault.replaces else _substitute(fault)
        if fault.wrong is not None:
            answer = Response(fault.falsified(bytes(answer.body)), answer.status_code, media_type=JSON)
        if fault.truncate or fault.trickle:
            headers = dict(answer.headers)
            return StreamingResponse(
                self._drip(request, fault, bytes(answer.body)), answer.status_code, headers
            )
        return answer

    def _take_fault(self, operation: str, request: Request, body: Body) -> Fault:
        fault = self.faults.get(operation, Fault())
        if fault.if_ended and not self._rooms.has_ended(
            request.path_params.get("id", ""), body, self._clock()
        ):
            return Fault()
        if fault.times == 1:
            del self.faults[operation]
        elif fault.times > 1:
            self.faults[operation] = replace(fault, times=fault.times - 1)
        return fault

    async def _drip(self, request: Request, fault: Fault, body: bytes) -> AsyncIterator[bytes]:
        end = len(body) // 2 if fault.truncate else len(body)
        for i in range(end):
            if not await self._server.pause(fault.trickle):
                end = i
                break
            yield body[i : i + 1]
        if end < len(body):
            await self._hang_up(request, after_flush=True)

    async def _hang_up(self, request: Request, *, after_flush: bool = False) -> Response:
        """Cut the connection; what it returns goes nowhere."""
        self._server.hang_up(request, after_flush=after_flush)
        while (await request.receive())["type"] != "http.disconnect":
            pass
        return Response()

    async def _set_faults(self, request: Request) -> Response:
        """Take the place of all present faults; `{}` ends them."""
        self._authenticate(request)
        # A page in the user's browser can send a form here, but JSON only if it asks first, and gets no answer.
        if request.headers.get("content-type", "").partition(";")[0] != JSON:
            raise RefusedError(415, "invalid", "faults come as application/json")
        self.faults = parse_faults(await _json(request))
        return Response(status_code=204)

    async def _state(self, request: Request) -> Response:
        self._authenticate(request)
        rooms = [self._document(room) | {"deleted": room.deleted} for room in self._rooms.all.values()]
        return JSONResponse({"conferences": rooms, "counts": self.counts})

    # --- pages -----------------------------------------------------------------------------------------

    async def _join(self, request: Request) -> Response:
        view = _view(request)
        room = self._rooms.all.get(request.query_params.get("confid", ""))
        given = request.query_params.get("confpass", "").encode()
        if room is None:
            return _page(sandbox_pages.refusal_page("unknown", view), 404)
        if not hmac.compare_digest(given, room.passcode.encode()):
            return _page(sandbox_pages.refusal_page("refused", view), 403)
        if room.deleted:
            return _page(sandbox_pages.refusal_page("gone", view), 410)
        return _page(sandbox_pages.join_page(room, self._clock(), view))

    async def _cabinet(self, request: Request) -> Response:
        asked = request.query_params
        user = (asked.get("user") or asked.get("email", "")).strip()
        now = self._clock()
        shelves = self._rooms.cabinet(user, now)
        return _page(sandbox_pages.cabinet_page(user, shelves, self.link, now, _view(request)))


async def _json(request: Request) -> Body:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BODY:
            raise RefusedError(413, "invalid", "the body is longer than 1 MiB")
    try:
        document = json.loads(content)
        # Lone surrogates can be written in JSON, but not in UTF-8.
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise RefusedError(400, "invalid", "the body is not JSON") from None
    if not isinstance(document, dict):
        raise RefusedError(400, "invalid", "the body is not a JSON object")
    return document


def _substitute(fault: Fault) -> Response:
    status = fault.answer_status
    if fault.body is not None:
        return Response(fault.body, status, media_type="text/html")
    return _error(status, fault.error_code, "a fault that was asked for")


def _error(status: int, code: str, message: str) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"code": code, "message": message}, status, headers)


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return _error(error.status, error.code, error.message)


def _left(_: Request, __: Exception) -> Response:
    """The client went away in the middle of its request: nothing was done, and nobody reads this."""
    return Response(status_code=400)


def _page(html: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(html, status, sandbox_pages.HEADERS)


def _view(request: Request) -> sandbox_pages.View:
    """?lang=, else what the browser likes best, if that is one of the two; else Russian."""
    asked = request.query_params.get("lang") or request.headers.get("accept-language", "")
    english = asked.strip().lower().startswith("en")
    query = {**request.query_params, "lang": "ru" if english else "en"}
    return sandbox_pages.View("en" if english else "ru", f"?{urlencode(query)}")
