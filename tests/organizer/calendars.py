"""A small CalDAV server that does as it is told: events in memory, and every fault that a test wants.

What: `Calendars` answers PROPFIND, REPORT, GET, PUT as RFC 4791 says; `answers` puts an answer in the place of the next
ones to a method, `meddle` is called before each PUT, as if somebody else was at work on the event.

Not here: scheduling. It mails nobody.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from xml.sax.saxutils import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mailhook.web import WebServer

METHODS = ["GET", "PUT", "DELETE", "PROPFIND", "REPORT"]
HOME, OTHER_HOME = "/dav/ivan/", "/dav/other/"


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def tag(content: bytes) -> str:
    return f'"{sha256(content).hexdigest()[:12]}"'


@dataclass
class Calendars:
    """`events`: by path; `collections`: calendars, by path, with the component that they hold."""

    collections: dict[str, str] = field(default_factory=lambda: {f"{HOME}team/": "VEVENT"})
    events: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    tags: Callable[[bytes], dict[str, str]] = lambda content: {"ETag": tag(content)}
    meddle: Callable[[], None] = lambda: None
    well_known: bool = True
    owners: dict[str, str] = field(default_factory=dict)
    """By path, the principal that owns it; or "shared"."""

    def __post_init__(self) -> None:
        routes = [Route("/{path:path}", self._serve, methods=METHODS)]
        self.server = WebServer(Starlette(routes=routes))

    @property
    def url(self) -> str:
        return self.server.url

    def asked(self, method: str) -> list[Seen]:
        return [each for each in self.seen if each.method == method]

    async def _serve(self, request: Request) -> Response:
        path, body = request.scope["path"], await request.body()
        self.seen.append(Seen(request.method, path, dict(request.headers), body))
        told = self.answers.get(request.method, [])
        answer = told.pop(0) if told else self._answer(request, path, body)
        return Response(answer.body, answer.status, answer.headers)

    def _answer(self, request: Request, path: str, body: bytes) -> Answer:
        match request.method:
            case "PROPFIND":
                return self._described(path, body)
            case "REPORT":
                return self._found(path, body)
            case "GET" if path in self.events:
                if request.headers.get("if-none-match") == tag(self.events[path]):
                    return Answer(304)
                return Answer(200, self.events[path], self.tags(self.events[path]))
            case "PUT":
                return self._put(path, body, request)
            case _:
                return Answer(404)

    def _described(self, path: str, body: bytes) -> Answer:
        if path == "/.well-known/caldav" and self.well_known:
            return Answer(301, headers={"Location": "/dav/"})
        if b"current-user-principal" in body and path.startswith("/dav/"):
            inner = "<D:current-user-principal><D:href>/principals/ivan/</D:href></D:current-user-principal>"
            return multistatus((path, inner))
        if b"calendar-home-set" in body and path == "/principals/ivan/":
            return multistatus((path, f"<C:calendar-home-set><D:href>{HOME}</D:href></C:calendar-home-set>"))
        inside = {each: kind for each, kind in self.collections.items() if each.startswith(path)}
        if path == HOME or inside:
            shown = {path: "", **{each: calendar(kind) for each, kind in inside.items()}}
            return multistatus(*((each, self._owned(each, inner)) for each, inner in shown.items()))
        return Answer(404)

    def _owned(self, path: str, inner: str) -> str:
        match self.owners.get(path, ""):
            case "":
                return inner
            case "shared":
                mark = '<S:shared xmlns:S="http://calendarserver.org/ns/"/>'
                return inner.replace("<C:calendar/>", f"<C:calendar/>{mark}")
            case owner:
                return f"<D:owner><D:href>{owner}</D:href></D:owner>{inner}"

    def _found(self, path: str, body: bytes) -> Answer:
        uid = body.partition(b"<C:text-match>")[2].partition(b"</C:text-match>")[0]
        hits = [each for each, content in self.events.items() if each.startswith(path) and uid in content]
        return multistatus(
            *((each, f"<D:getetag>{escape(tag(self.events[each]))}</D:getetag>") for each in hits)
        )

    def _put(self, path: str, body: bytes, request: Request) -> Answer:
        self.meddle()
        present = self.tags(self.events[path]) if path in self.events else {}
        for header, name in (("if-match", "ETag"), ("if-schedule-tag-match", "Schedule-Tag")):
            if header in request.headers and request.headers[header] != present.get(name):
                return Answer(412)
        self.events[path] = body
        return Answer(204)


def calendar(kind: str) -> str:
    return (
        "<D:resourcetype><D:collection/><C:calendar/></D:resourcetype><C:supported-calendar-component-set>"
        f'<C:comp name="{kind}"/></C:supported-calendar-component-set>'
    )


def multistatus(*responses: tuple[str, str]) -> Answer:
    parts = (
        f"<D:response><D:href>{path}</D:href><D:propstat><D:prop>{inner}</D:prop>"
        "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
        for path, inner in responses
    )
    text = f'<D:multistatus xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">{"".join(parts)}</D:multistatus>'
    return Answer(207, text.encode(), {"Content-Type": "application/xml"})
