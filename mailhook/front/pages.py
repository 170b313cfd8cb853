"""The demo's pages: each message as it came and as it went, and the conferences.

What: `pages` makes a web application over what `mailhook demo` has gathered. Mail is shown in frames without
scripts and without network; everything else is escaped text.

Not here: gathering (`demo`), serving (`http`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from html import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from mailhook.core import message
from mailhook.core.contentlines import read as read_calendar
from mailhook.core.header_values import decoded_words
from mailhook.core.message import Message
from mailhook.errors import Unreadable

POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; img-src data:"
STYLE = """body{font:15px/1.5 sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%}td,th{border:1px solid #ccc;padding:.3rem .6rem;text-align:left;
vertical-align:top}pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f6f6f6;padding:.6rem;font-size:13px}
ins{background:#c8f0c8;text-decoration:none}del{background:#f6c8c8}.two{display:grid;grid-template-columns:1fr 1fr;
gap:1rem}iframe{width:100%;height:16rem;border:1px solid #ccc;background:#fff}.new{background:#c8f0c8}"""


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
        return _page("mailhook demo", _index(messages(), rooms(), hint))

    async def one(request: Request) -> Response:
        shown = _chosen(messages(), request)
        return RedirectResponse("/") if shown is None else _page(shown.title, _one(shown, request))

    async def html(request: Request) -> Response:
        shown = _chosen(messages(), request)
        raw = (
            b"" if shown is None else shown.before if request.path_params["side"] == "before" else shown.after
        )
        return HTMLResponse(_texts(raw, "text/html"), headers=_headers("sandbox; " + POLICY))

    routes = [Route("/", index), Route("/message/{n:int}", one), Route("/message/{n:int}/{side}", html)]
    return Starlette(routes=routes)


def _chosen(messages: Sequence[Shown], request: Request) -> Shown | None:
    number: int = request.path_params["n"]
    return messages[number - 1] if 1 <= number <= len(messages) else None


def _headers(policy: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def _page(title: str, body: str) -> Response:
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    return HTMLResponse(
        f"<!doctype html><html><head>{head}</head><body>{body}</body></html>", headers=_headers(POLICY)
    )


def _index(messages: Sequence[Shown], rooms: Sequence[Room], hint: str) -> str:
    rows = "".join(
        f'<tr><td>{n}</td><td><a href="/message/{n}">{escape(shown.title)}</a></td>'
        f"<td>{escape(', '.join(shown.recipients))}</td><td>{shown.decision}</td><td>{_anchor(shown.link)}</td></tr>"
        for n, shown in enumerate(messages, 1)
    )
    conferences = "".join(
        f"<tr><td>{escape(room.topic)}</td><td>{escape(room.start)}</td><td>{escape(room.owner)}</td>"
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


def _one(shown: Shown, request: Request) -> str:
    number = request.path_params["n"]
    frames = "".join(
        f'<div><h3>{title}</h3><iframe sandbox src="/message/{number}/{side}"></iframe></div>'
        for side, title in (("before", "HTML as it came"), ("after", "HTML as it went"))
    )
    texts = "".join(
        f"<div><h3>{title}</h3><pre>{escape(_texts(raw, 'text/plain'))}</pre></div>"
        for raw, title in ((shown.before, "Text as it came"), (shown.after, "Text as it went"))
    )
    return (
        f'<p><a href="/">all messages</a></p><h1>{escape(shown.title)}</h1><p>{shown.decision}</p>'
        f'<div class="two">{frames}</div><div class="two">{texts}</div>'
        f"<h2>Calendar properties</h2>{_properties(shown)}"
        f"<h2>Changed bytes</h2><pre>{marked(shown.before, shown.after)}</pre>"
    )


def _read(raw: bytes) -> Message | None:
    try:
        return message.read(raw)
    except Unreadable:
        return None


def _texts(raw: bytes, content_type: str) -> str:
    parsed = _read(raw)
    if parsed is None:
        return ""
    found = [part for part in parsed.parts if part.content_type == content_type]
    return "\n".join(message.text(parsed, part) for part in found)


def title_of(raw: bytes) -> str:
    """The subject, readable."""
    parsed = _read(raw)
    subject = message.header(parsed, "subject") if parsed else None
    return decoded_words(subject or "(no subject)")


def event_properties(raw: bytes) -> list[tuple[str, str]]:
    """Name and value of every property of the message's first VEVENT, in order."""
    parsed = _read(raw)
    for part in filter(message.may_hold_calendar, parsed.parts if parsed else ()):
        try:
            calendar = read_calendar(message.body(parsed, part)) if parsed else None
        except Unreadable:
            continue
        for child in calendar.children if calendar else ():
            if child.name == "VEVENT":
                return [(line.name, line.value) for line in child.lines]
    return []


def _properties(shown: Shown) -> str:
    before = event_properties(shown.before)
    rows = "".join(
        f'<tr class="{"" if row in before else "new"}"><td>{escape(row[0])}</td><td>{escape(row[1])}</td></tr>'
        for row in event_properties(shown.after)
    )
    return f"<table>{rows}</table>" if rows else "<p>none</p>"


def marked(before: bytes, after: bytes) -> str:
    """The message as it went, escaped, with what was added and taken away marked line by line."""
    old, new = before.decode("latin-1").splitlines(), after.decode("latin-1").splitlines()
    out = []
    for kind, i, j, m, n in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            out += [escape(_utf8(line)) for line in new[m:n]]
        else:
            out += [f"<del>{escape(_utf8(line))}</del>" for line in old[i:j]]
            out += [f"<ins>{escape(_utf8(line))}</ins>" for line in new[m:n]]
    return "\n".join(out)


def _utf8(line: str) -> str:
    return line.encode("latin-1").decode("utf-8", "replace")
