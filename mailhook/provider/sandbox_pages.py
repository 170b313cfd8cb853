"""The pages of the sandbox that a person looks at: the join page and the personal cabinet, Russian and English.

What: functions from rooms to HTML. Every value is escaped; the pages hold no script and load nothing, which
`HEADERS` also tells the browser.

Not here: who may see which page (sandbox), what the pages say (sandbox_words).
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Literal

from mailhook.core.conference import Person
from mailhook.provider.sandbox_rooms import Room, Shelf
from mailhook.provider.sandbox_words import WORDS, Language, harmless, span

_STYLE = """
*{box-sizing:border-box}
body{margin:0;background:#eef1f5;color:#1c2733;font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
header{display:flex;align-items:center;gap:.6rem;background:#12395f;color:#fff;
padding:.6rem max(1rem,calc(50% - 20.5rem))}
header b{padding:.1rem .5rem;border-radius:.3rem;background:#f5b301;color:#1c2733}
header nav{margin-left:auto}header a{display:inline-block;padding:.5rem 0;color:#fff}
main{max-width:44rem;margin:0 auto;padding:1rem}
h1{margin:.2rem 0 1rem;font-size:1.5rem;line-height:1.25}
h2{margin:1.8rem 0 .6rem;font-size:1.1rem}
.card{padding:1rem;border-radius:.6rem;background:#fff;box-shadow:0 1px 3px #0002}
ol{margin:0;padding:0;list-style:none}li.card{margin:0 0 .8rem}
h3{margin:0 0 .4rem;font-size:1rem}h3 a{display:inline-block;padding:.15rem 0}
.lead{margin:0;color:#4b5b6b}.state{margin:0 0 .8rem}.card>p:last-child{margin-bottom:0}
dl{margin:0}dt{margin:.6rem 0 0;color:#4b5b6b;font-size:.875rem}dd{margin:0}dd ul{margin:0;padding-left:1.1rem}
dd bdi{display:inline-block;max-width:100%;vertical-align:top}
.badge{display:inline-block;padding:0 .6rem;border-radius:1rem;background:#dde3ea;color:#1c2733;font-size:.875rem}
.running{background:#1a7f37;color:#fff}.upcoming{background:#cfe3f8}.deleted{background:#f6d5d5}
li.past{background:#f8f9fb}
form{display:flex;flex-wrap:wrap;gap:.6rem;align-items:end}label{flex:1 1 14rem;color:#4b5b6b;font-size:.875rem}
input,button{min-height:2.75rem;padding:.3rem .8rem;border:1px solid #8393a3;border-radius:.4rem;font:inherit}
input{display:block;width:100%;font-size:1rem;color:#1c2733}
button{border-color:#12395f;background:#12395f;color:#fff;font-size:1rem}
a{color:#0b4f8f}:focus-visible{outline:3px solid #f5b301;outline-offset:2px}
footer{max-width:44rem;margin:0 auto;padding:0 1rem 1.5rem;color:#4b5b6b;font-size:.875rem}
@media(min-width:40rem){dl{display:grid;grid-template-columns:max-content 1fr;gap:.4rem 1.2rem}dt{margin:0}
main,footer{padding-left:1.5rem;padding-right:1.5rem}.card{padding:1.2rem 1.5rem}}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class View:
    """The language of a page, and where the same page in the other one is (a relative URL)."""

    language: Language
    other: str

    @property
    def words(self) -> Mapping[str, str]:
        return WORDS[self.language]


def join_page(room: Room, now: datetime, view: View) -> str:
    words = view.words
    people = "".join(f"<li>{_named(person)}</li>" for person in room.spec.participants)
    rows = {
        "when": _when(room, view),
        "owner": _named(room.spec.owner),
        "participants": f"<ul>{people}</ul>" if people else words["nobody"],
        "mode": words.get(f"mode {room.mode}", escape(room.mode)),
        "early": words["yes" if room.join_without_owner else "no"],
    }
    topic = _topic(room, view)
    return _page(
        view,
        topic,
        f'<div class="card"><p class="lead">{words["join"]}</p><h1><bdi>{escape(topic)}</bdi></h1>'
        f'<p class="state">{_badge(room, now, view)}</p>{_listed(rows, view)}'
        f"<p>{words[f'join {room.phase(now)}']}</p></div>",
    )


def refusal_page(why: Literal["unknown", "refused", "gone"], view: View) -> str:
    title = view.words[why]
    return _page(view, title, f'<div class="card"><h1>{title}</h1><p>{view.words[f"why {why}"]}</p></div>')


def cabinet_page(
    user: str, shelves: Mapping[Shelf, Sequence[Room]], link: Callable[[Room], str], now: datetime, view: View
) -> str:
    """The conferences of the address `user`; with an empty one only the form that asks for it."""
    words = view.words
    form = (
        f'<form method="get" class="card"><label>{words["user"]}<input name="user" required inputmode="email" '
        f'autocomplete="email" autocapitalize="none" spellcheck="false" value="{escape(harmless(user))}"></label>'
        f'<input type="hidden" name="lang" value="{view.language}"><button>{words["show"]}</button></form>'
    )
    sections = "".join(
        f"<section><h2>{words[f'shelf {shelf}']}</h2><ol>"
        + "".join(_item(room, link(room), user, now, view) for room in rooms)
        + "</ol></section>"
        for shelf, rooms in shelves.items()
        if rooms
    )
    if not shelves["coming"]:
        sections = f"<p>{words['none coming' if sections else 'none']}</p>{sections}"
    title = f"{words['cabinet']}: {harmless(user)}" if user else words["cabinet"]
    return _page(view, title, f"<h1>{words['cabinet']}</h1>{form}{sections if user else ''}")


def _item(room: Room, link: str, user: str, now: datetime, view: View) -> str:
    words, phase = view.words, room.phase(now)
    own = room.spec.owner.address == user.lower()
    rows = {
        "when": _when(room, view),
        "owner": _named(room.spec.owner) + (f" ({words['owned']})" if own else ""),
    }
    topic = f"<bdi>{escape(_topic(room, view))}</bdi>"
    if phase != "deleted":
        topic = f'<a href="{escape(f"{link}&lang={view.language}")}">{topic}</a>'
        rows["link"] = f'<a href="{escape(link)}">{escape(link)}</a>'
    shelf = "card past" if phase in ("ended", "deleted") else "card"
    state = f'<p class="state">{_badge(room, now, view)}</p>'
    return f'<li class="{shelf}"><h3>{topic}</h3>{state}{_listed(rows, view)}</li>'


def _badge(room: Room, now: datetime, view: View) -> str:
    phase = room.phase(now)
    return f'<span class="badge {phase}">{view.words[phase]}</span>'


def _listed(rows: Mapping[str, str], view: View) -> str:
    items = "".join(f"<dt>{view.words[name]}</dt><dd>{value}</dd>" for name, value in rows.items())
    return f"<dl>{items}</dl>"


def _when(room: Room, view: View) -> str:
    said = span(room.spec.start, room.spec.end, room.spec.timezone, view.language)
    return f'<time datetime="{room.spec.start.isoformat()}">{escape(said)}</time>'


def _topic(room: Room, view: View) -> str:
    return harmless(room.spec.topic) or view.words["untitled"]


def _named(person: Person) -> str:
    name, (local, at, domain) = harmless(person.name), harmless(person.address).rpartition("@")
    address = f"{escape(local)}{at}<wbr>{escape(domain)}"
    return f"<bdi>{escape(name)}</bdi> <bdi>&lt;{address}&gt;</bdi>" if name else f"<bdi>{address}</bdi>"


def _page(view: View, title: str, content: str) -> str:
    """`title` is text, `content` HTML."""
    words, other = view.words, "en" if view.language == "ru" else "ru"
    return (
        f'<!DOCTYPE html><html lang="{view.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · Videomost</title><style>{_STYLE}</style></head><body>"
        f"<header><b>{words['test']}</b>Videomost"
        f'<nav aria-label="{words["language"]}"><a href="{escape(view.other)}" lang="{other}" hreflang="{other}">'
        f"{words['other language']}</a></nav></header><main>{content}</main>"
        f"<footer>{words['sandbox']}</footer></body></html>"
    )
