"""The administrator's page: whether all is well, what waits and why, conferences, and the last decisions.

What: `status_page` makes HTML of a `Status`. Every value is escaped; the page holds no script and loads nothing, which
`HEADERS` also tells the browser.

Not here: who may see it (`http`), what is gathered (`monitoring`), words (`status_words`).

Errors: none.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from html import escape
from typing import Literal, TypeVar

from mailhook.front.status_words import WORDS, Language, reason
from mailhook.ports import AMISS, Decision, Holdings

R = TypeVar("R")

Level = Literal["good", "look", "bad"]

SHOWN = 50
"""Rows of a table; the commands list all."""

_STYLE = """
:root{color-scheme:light dark;--back:#f3f5f8;--card:#fff;--ink:#1b2430;--soft:#55616f;--line:#dfe4ea;--link:#0b5cad;
--good:#14713a;--good-back:#e3f4e8;--look:#8a5200;--look-back:#fdf0d9;--bad:#b3261e;--bad-back:#fde7e5;--plain:#e8ecf1}
@media(prefers-color-scheme:dark){:root{--back:#12161c;--card:#1b212a;--ink:#e6eaf0;--soft:#a3afbd;--line:#313a46;
--link:#83bdf7;--good:#7fd6a0;--good-back:#15331f;--look:#f3c069;--look-back:#3a2b10;--bad:#ff9d94;--bad-back:#431b18;
--plain:#2b333e}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
header,main,footer{max-width:76rem;margin:0 auto;padding:.8rem 1rem}
header{display:flex;flex-wrap:wrap;gap:.2rem 1rem;align-items:baseline}
header nav{margin-left:auto}header b{font-size:1.15rem}
header small,footer,.soft{color:var(--soft);font-size:.875rem}
a{color:var(--link)}header a,footer a,.more a,td a{display:inline-block;padding:.2rem 0}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
h1{margin:0;font-size:1.5rem;line-height:1.25}h2{margin:2rem 0 .6rem;font-size:1.15rem}
.banner{padding:1rem 1.2rem;border-radius:.7rem;border-left:.5rem solid}
.banner p,.banner ul{margin:.3rem 0 0}.banner ul{padding-left:1.2rem}.banner li{margin:.3rem 0}
.good{color:var(--good);background:var(--good-back)}.look{color:var(--look);background:var(--look-back)}
.bad{color:var(--bad);background:var(--bad-back)}.plain{background:var(--plain)}
.banner .soft,.banner li span{color:var(--ink)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,17rem),1fr));gap:.8rem;margin:.8rem 0 0;
padding:0;list-style:none}
.tiles>li,.card{background:var(--card);border:1px solid var(--line);border-radius:.7rem;padding:.8rem 1rem}
.tiles p{margin:.2rem 0 0}.tiles h3{display:flex;gap:.6rem;align-items:center;margin:0;font-size:1rem}
.badge{display:inline-block;padding:.05rem .6rem;border-radius:1rem;font-size:.875rem;font-weight:600;
white-space:nowrap}
.states{display:flex;flex-wrap:wrap;gap:.5rem;margin:0 0 .8rem;padding:0;list-style:none}
.card{padding:0;overflow:hidden}table{width:100%;border-collapse:collapse}
th,td{padding:.5rem .9rem;text-align:left;vertical-align:top;border-top:1px solid var(--line)}
thead th{border-top:0;white-space:nowrap;color:var(--soft);font-size:.875rem;font-weight:600}
td small{display:block;color:var(--soft);font-size:.875rem}time{white-space:nowrap}
code{font:.875rem/1.4 ui-monospace,monospace}.card>p{margin:0;padding:.8rem 1rem}
@media(max-width:46rem){thead{display:none}table,tbody,tr,td{display:block}
tr{padding:.5rem 0;border-top:1px solid var(--line)}tbody tr:first-child{border-top:0}
td{position:relative;border:0;padding:.15rem .9rem .15rem 6.6rem}td:empty{display:none}.badge{white-space:normal}
td::before{content:attr(data-of);position:absolute;left:.9rem;width:5.6rem;color:var(--soft);font-size:.875rem}}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'none'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Event:
    """A meeting. `why`: what is wrong with it; `again`: when that is tried again. `topic`, `link`: secrets, or ""."""

    uid: str
    organizer: str
    state: str
    next: datetime | None = None
    people: int = 0
    why: str = ""
    again: datetime | None = None
    topic: str = ""
    link: str = ""


@dataclass(frozen=True)
class Status:
    """What the page shows; `faults`: of "next hop", "provider", "store", what is wrong with it.

    `resting`: the provider is left alone for a moment. `busy`, `idle`, `waiting`: of the process that answers,
    connections to the next hop, and mails that wait for one. `holdings`: None, if the store cannot be read.
    `refused`: clients of the last hour that could not get in, by why (`door.WHYS`). `certificates`: files of those that
    need a look, and the days for which they are still valid, None: they cannot be used as they are now.
    """

    version: str
    now: datetime
    zone: tzinfo
    hop: str
    provider: str
    store: str
    faults: Mapping[str, str]
    resting: bool
    busy: int
    idle: int
    waiting: int
    holdings: Holdings | None
    doubtful: Sequence[Event] = ()
    pending: Sequence[Event] = ()
    standing: Sequence[Event] = ()
    decisions: Sequence[Decision] = ()
    refused: Mapping[str, int] = field(default_factory=dict)
    certificates: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        if "next hop" in self.faults or "store" in self.faults:
            return "bad"
        amiss = self.faults or self.doubtful or self.pending or self.refused or self.certificates
        return "look" if amiss else "good"


@dataclass(frozen=True)
class View:
    """How it is shown. `other`, `toggle`: relative URLs of the page in the other language, and with links or without.

    `links`: topics and links are shown; `toggle` "": they never are.
    """

    language: Language
    other: str
    links: bool = False
    toggle: str = ""

    def say(self, key: str, **values: object) -> str:
        return WORDS[self.language][key].format(**values)


def status_page(status: Status, view: View) -> str:
    other = "en" if view.language == "ru" else "ru"
    body = (
        f"{_banner(status, view)}{_tiles(status, view)}"
        f"{_listed('doubtful', status.doubtful, view, status.zone, 'mailhook conferences list')}"
        f"{_listed('pending', status.pending, view, status.zone, 'mailhook pending list')}"
        f"{_decisions(status, view)}{_conferences(status, view)}"
    )
    return (
        f'<!DOCTYPE html><html lang="{view.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_title(status, view)}</title><style>{_STYLE}</style></head><body>"
        f"<header><b>mailhook</b> <small>{escape(status.version)}</small> "
        f"<small>{view.say('as of')} {_moment(status.now, status.zone)} ({escape(str(status.zone))})</small>"
        f'<nav aria-label="{view.say("language")}"><a href="{escape(view.other)}" lang="{other}" hreflang="{other}">'
        f"{view.say('other language')}</a></nav></header><main>{body}</main>"
        f'<footer><a href="/metrics">{view.say("metrics")}</a></footer></body></html>'
    )


def _title(status: Status, view: View) -> str:
    return f"{_headline(status, view)} · {view.say('title')}"


def _headline(status: Status, view: View) -> str:
    return view.say({"good": "well", "look": "look", "bad": "ill"}[status.level])


def _banner(status: Status, view: View) -> str:
    if status.level == "good":
        lead = f'<p class="soft">{view.say("well lead")}</p>'
        return f'<div class="banner good"><h1>{_headline(status, view)}</h1>{lead}</div>'
    items = [(f"{view.say(part)}: {view.say('broken')}", f"advice {part}") for part in status.faults]
    holdings = status.holdings
    if status.doubtful and holdings is not None:
        items.append((view.say("count doubtful", n=holdings.doubtful), "advice doubtful"))
    if status.pending:
        number = f"{len(status.pending)}{'+' if len(status.pending) > SHOWN else ''}"
        items.append((view.say("count pending", n=number), "advice pending"))
    items += [(view.say(f"refused {why}", n=n), f"advice refused {why}") for why, n in status.refused.items()]
    items += [_certificate(file, days, view) for file, days in status.certificates.items()]
    listed = "".join(
        f"<li><b>{escape(what)}.</b> <span>{view.say(advice)}</span></li>" for what, advice in items
    )
    return f'<div class="banner {status.level}"><h1>{_headline(status, view)}</h1><ul>{listed}</ul></div>'


def _certificate(file: str, days: int | None, view: View) -> tuple[str, str]:
    """What is said of it, and the advice."""
    if days is None:
        return view.say("certificate unusable", file=file), "advice certificate unusable"
    if days < 0:
        return view.say("certificate expired", file=file), "advice certificate expires"
    return view.say("certificate expires", file=file, n=days), "advice certificate expires"


def _tiles(status: Status, view: View) -> str:
    usage = view.say("sessions", busy=status.busy, idle=status.idle, waiting=status.waiting)
    number = sum(status.holdings.conferences.values()) if status.holdings else 0
    told = {
        "next hop": (status.hop, f"{usage} ({view.say('in this process')})"),
        "provider": (status.provider, ""),
        "store": (status.store, view.say("kept", meetings=number) if status.holdings else ""),
    }
    tiles = "".join(_tile(part, name, more, status, view) for part, (name, more) in told.items())
    return f'<ul class="tiles">{tiles}</ul>'


def _tile(part: str, name: str, more: str, status: Status, view: View) -> str:
    fault = status.faults.get(part, "")
    level: Level = "good" if not fault else "look" if part == "provider" else "bad"
    state = view.say("resting" if fault and part == "provider" and status.resting else "broken")
    badge = f'<span class="badge {level}">{state if fault else view.say("fine")}</span>'
    lines = "".join(f'<p class="soft">{escape(line)}</p>' for line in (name, fault or more) if line)
    return f"<li><h3>{view.say(part)} {badge}</h3>{lines}</li>"


def _listed(
    key: Literal["doubtful", "pending"], events: Sequence[Event], view: View, zone: tzinfo, command: str
) -> str:
    if not events:
        return ""
    columns: dict[str, Callable[[Event], str]] = {
        "event": lambda event: _event(event, view),
        "state": lambda event: _state(event.state, view),
        "why": lambda event: escape(event.why),
    }
    if key == "pending":
        columns["again"] = lambda event: (
            _moment(event.again, zone) if event.again else escape(view.say("never"))
        )
    more = f"<p>{view.say('more', n=SHOWN, command=f'<code>{command}</code>')}</p>"
    rest = more if len(events) > SHOWN else ""
    return f"<h2>{view.say(key)}</h2>{_table(columns, events[:SHOWN], view, rest)}"


def _conferences(status: Status, view: View) -> str:
    counts = status.holdings.conferences if status.holdings else {}
    states = "".join(
        f"<li>{_state(state, view, number)}</li>"
        for state, number in counts.items()
        if number and state != "absent"
    )
    columns: dict[str, Callable[[Event], str]] = {
        "event": lambda event: _event(event, view),
        "state": lambda event: _state(event.state, view),
        "next": lambda event: _moment(event.next, status.zone) if event.next else "",
        "people": lambda event: str(event.people),
    }
    if view.links:
        columns["link"] = lambda event: _link(event, view)
    hint = (
        f'<a href="{escape(view.toggle)}">{view.say("hide links" if view.links else "show links")}</a>'
        if view.toggle
        else view.say("links secret")
    )
    table = (
        _table(columns, status.standing[:SHOWN], view)
        if status.standing
        else f"<p>{view.say('no conferences')}</p>"
    )
    return f'<h2>{view.say("conferences")}</h2><ul class="states">{states}</ul>{table}<p class="soft more">{hint}</p>'


def _decisions(status: Status, view: View) -> str:
    columns: dict[str, Callable[[Decision], str]] = {
        "when": lambda made: _moment(made.at, status.zone),
        "what": lambda made: _done(made, view),
        "reason": lambda made: _why(made, view),
        "event": lambda made: _named(made.organizer, made.uid),
        "queue": lambda made: f"<code>{escape(made.ident)}</code>" if made.ident else "",
    }
    heading = f"<h2>{view.say('decisions')}</h2>"
    if not status.decisions:
        return f"{heading}<p>{view.say('no decisions')}</p>"
    return heading + _table(columns, status.decisions[:SHOWN], view)


def _table(columns: Mapping[str, Callable[[R], str]], rows: Sequence[R], view: View, rest: str = "") -> str:
    """`columns`: the HTML of each cell; `rest`: HTML below."""
    head = "".join(f"<th>{view.say(name)}</th>" for name in columns)
    body = "".join(
        "<tr>"
        + "".join(f'<td data-of="{view.say(n)}">{cell(row)}</td>' for n, cell in columns.items())
        + "</tr>"
        for row in rows
    )
    return f'<div class="card"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}</div>'


def _event(event: Event, view: View) -> str:
    topic = f"<b><bdi>{escape(event.topic)}</bdi></b><br>" if view.links and event.topic else ""
    return topic + _named(event.organizer, event.uid)


def _named(organizer: str, uid: str) -> str:
    if not (organizer or uid):
        return ""
    return f"<bdi>{escape(organizer)}</bdi><small><code><bdi>{escape(uid)}</bdi></code></small>"


def _state(state: str, view: View, number: int | None = None) -> str:
    said = view.say(f"state {state}")
    return f'<span class="badge plain">{said}{"" if number is None else f": {number}"}</span>'


def _link(event: Event, view: View) -> str:
    return f'<a href="{escape(event.link)}">{view.say("join")}</a>' if event.link else ""


def _done(made: Decision, view: View) -> str:
    """What became of the mail, by the reply that the client got."""
    level: Level | Literal["plain"]
    match made.decision, made.code // 100:
        case _, 5:
            key, level = "done refused", "bad"
        case "defer", _:
            key, level = "done defer", "look"
        case _, 4:
            key, level = "done waiting", "look"
        case "rewrite", _:
            key, level = ("done rewrite", "good") if made.reason == "rewritten" else ("done removed", "good")
        case _:
            key, level = "done pass", "look" if made.reason in AMISS else "plain"
    return f'<span class="badge {level}">{view.say(key)}</span><small>{made.code}</small>'


def _why(made: Decision, view: View) -> str:
    said = reason(made.reason, view.language)
    error = f"<small>{escape(made.error)}</small>" if made.error else ""
    return f"{escape(said)}<small><code>{escape(made.reason)}</code></small>{error}"


def _moment(moment: datetime, zone: tzinfo) -> str:
    local = moment.astimezone(zone)
    return f'<time datetime="{local.isoformat(timespec="seconds")}">{local:%Y-%m-%d %H:%M}</time>'
