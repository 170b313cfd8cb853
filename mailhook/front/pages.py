"""The demo's pages: each message as it came and as it went, and the conferences.

What: `pages` makes a web application over what `mailhook demo` has gathered. Mail is shown in frames without
scripts and without network; everything else is escaped text.

Not here: gathering (`demo`), serving (`http`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from mailhook.comparison import POLICY, page, sections, shown


@dataclass(frozen=True)
class Shown:
    """A message as it came and as it went (not dot-stuffed). `link`: the join link in it, or ""."""

    title: str
    recipients: tuple[str, ...]
    before: bytes
    after: bytes
    link: str

    @property
    def decision(self) -> str:
        return "unchanged" if self.before == self.after else "rewritten"


@dataclass(frozen=True)
class Room:
    """A conference at the local Videomost."""

    topic: str
    start: str
    owner: str
    link: str


def pages(
    messages: Callable[[], Sequence[Shown]], rooms: Callable[[], Sequence[Room]], hint: str
) -> Starlette:
    """`hint`: a sentence that tells how to hand in a mail of one's own."""

    async def index(_request: Request) -> Response:
        return _answer("mailhook demo", _index(messages(), rooms(), hint))

    async def one(request: Request) -> Response:
        chosen = _chosen(messages(), request)
        return RedirectResponse("/") if chosen is None else _answer(chosen.title, _one(chosen))

    return Starlette(routes=[Route("/", index), Route("/message/{n:int}", one)])


def _chosen(messages: Sequence[Shown], request: Request) -> Shown | None:
    number: int = request.path_params["n"]
    return messages[number - 1] if 1 <= number <= len(messages) else None


def _answer(title: str, body: str) -> Response:
    headers = {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(page(title, body), headers=headers)


def _index(messages: Sequence[Shown], rooms: Sequence[Room], hint: str) -> str:
    rows = "".join(
        f'<tr><td>{n}</td><td><a href="/message/{n}">{shown(each.title)}</a></td>'
        f"<td>{shown(', '.join(each.recipients))}</td><td>{each.decision}</td><td>{_anchor(each.link)}</td></tr>"
        for n, each in enumerate(messages, 1)
    )
    conferences = "".join(
        f"<tr><td>{shown(room.topic)}</td><td>{shown(room.start)}</td><td>{shown(room.owner)}</td>"
        f"<td>{_anchor(room.link)}</td></tr>"
        for room in rooms
    )
    return (
        f"<h1>mailhook demo</h1><p>{escape(hint)}</p><h2>Messages</h2><table><tr><th></th><th>subject</th>"
        f"<th>to</th><th>what mailhook did</th><th>join link</th></tr>{rows}</table>"
        "<h2>Conferences at the local Videomost</h2><table><tr><th>topic</th><th>next start (UTC)</th>"
        f"<th>owner</th><th>join link</th></tr>{conferences}</table>"
    )


def _anchor(link: str) -> str:
    return f'<a href="{escape(link)}">{escape(link)}</a>' if link else ""


def _one(chosen: Shown) -> str:
    return (
        f'<p><a href="/">all messages</a></p><h1>{shown(chosen.title)}</h1><p>{chosen.decision}</p>'
        f"{sections(chosen.before, chosen.after)}"
    )
