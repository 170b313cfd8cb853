"""Two states of a message beside each other: as lines for a terminal, and as HTML for a browser.

What: `differences` is a readable diff; `document` a page that needs nothing but itself; `sections` the body of such a
page for others. HTML of a mail stands in frames in which nothing runs, loads or leads away (sandbox, `POLICY`, and what
neither of them stops is taken out); all else is escaped text, in which what cannot be seen is named. Long contents are
cut: a page must open.

Not here: what is done with a message (`preview`), serving pages (`front.pages`).

Errors: none; what cannot be read is not shown.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher, unified_diff
from html import escape
from itertools import zip_longest

from mailhook.core import header_values, message
from mailhook.core.contentlines import read as read_calendar
from mailhook.core.message import Message, Part
from mailhook.errors import Unreadable

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'"
"""What a page with mails in it may do (Content-Security-Policy); frames made by srcdoc inherit it."""

LONGEST_HTML = 1_000_000
LONGEST_LINE = 2000
MOST_LINES = 2000
"""Of more characters or lines the rest is left out."""

_CONNECTING = re.compile(
    r"<(/?)(link|base|i?frame|frameset|fencedframe|portal|object|embed|animate|set)\b", re.IGNORECASE
)

STYLE = """:root{color-scheme:light}
body{font:15px/1.5 sans-serif;max-width:80rem;margin:1.5rem auto;padding:0 1rem;color:#222;background:#fff}
h1,h2,td,dd{overflow-wrap:anywhere}h2{margin:1.6rem 0 .4rem;font-size:1.1rem}
table{border-collapse:collapse;width:100%}td,th{border:1px solid #ccc;padding:.3rem .6rem;text-align:left;
vertical-align:top}
.sides{table-layout:fixed}.sides td{padding:.05rem .5rem;border-width:0 1px;font:13px/1.5 monospace;
white-space:pre-wrap;unicode-bidi:plaintext}.sides th{background:#f0f0f0}
.sides tr:last-child td{border-bottom-width:1px}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f6f6f6;padding:.6rem;font-size:13px}
ins,.new{background:#c8f0c8;text-decoration:none}del,.old{background:#f6c8c8;text-decoration:none}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:1rem}
iframe{box-sizing:border-box;width:100%;height:22rem;border:1px solid #ccc;background:#fff;resize:vertical}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:0}dt{color:#555}dd{margin:0}
summary{cursor:pointer;padding:.3rem 0}
@media(max-width:40rem){.sides td{padding:.05rem .25rem;font-size:11px;line-height:1.35}iframe{height:14rem}}"""


def differences(before: bytes, after: bytes) -> list[str]:
    """Lines of a unified diff over headers and decoded parts; empty for equal messages."""
    if before == after:
        return []
    return list(
        unified_diff(_readable(before), _readable(after), "as it came", "as it goes", n=2, lineterm="")
    )


def _readable(raw: bytes) -> list[str]:
    parsed = message.read(raw)
    lines = _headers(parsed)
    for part in parsed.parts:
        lines += ["", f"--- {part.content_type} ({part.encoding or '7bit'})", *_content(parsed, part)]
    return lines


def _headers(parsed: Message) -> list[str]:
    return [f"{each.name}: {header_values.unfolded(each.value)}" for each in parsed.headers]


def _content(parsed: Message, part: Part) -> Iterator[str]:
    if part.content_type.startswith("text/") or message.may_hold_calendar(part):
        text = message.text(parsed, part)
        yield from (line.rstrip("\r") for line in text.replace("\r\n ", "").replace("\n ", "").split("\n"))
    else:
        yield f"<{part.body_end - part.body_start} octets>"


# --- pages --------------------------------------------------------------------------------------------------------


def document(title: str, facts: Iterable[tuple[str, str]], before: bytes, after: bytes) -> str:
    """A whole page. `facts`: what is to be said of the message first, as names and values."""
    told = "".join(f"<dt>{shown(name)}</dt><dd>{shown(value)}</dd>" for name, value in facts)
    return page(title, f"<h1>{shown(title)}</h1><dl>{told}</dl>{sections(before, after)}")


def page(title: str, body: str) -> str:
    """HTML with its style and its policy in it."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width"><meta name="referrer" content="no-referrer">'
        f"<title>{shown(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>"
    )


def sections(before: bytes, after: bytes) -> str:
    """The HTML, texts, calendars, MIME tree, headers and bytes of both, changes marked."""
    old, new = _read(before), _read(after)
    return (
        _frames(old, new)
        + _pairs(
            "Text",
            old,
            new,
            lambda part: part.content_type == "text/plain" and not message.may_hold_calendar(part),
        )
        + _pairs("Calendar", old, new, message.may_hold_calendar)
        + _section("MIME structure", _sides(_tree(old), _tree(new)))
        + _folded("Headers", _sides(_headers(old) if old else [], _headers(new) if new else []))
        + (_folded("Changed bytes", f"<pre>{marked(before, after)}</pre>") if before != after else "")
    )


def _is_text(part: Part) -> bool:
    return part.content_type == "text/plain" and not message.may_hold_calendar(part)


def _frames(old: Message | None, new: Message | None) -> str:
    pairs = zip_longest(_htmls(old), _htmls(new), fillvalue="")
    both = "".join(
        f"<div><h2>HTML {side}</h2>{_frame(html)}</div>"
        for pair in pairs
        for side, html in zip(("as it came", "as it goes"), pair, strict=True)
    )
    return f'<div class="two">{both}</div>' if both else ""


def _htmls(parsed: Message | None) -> list[str]:
    return [
        _text(parsed, part) for part in (parsed.parts if parsed else ()) if part.content_type == "text/html"
    ]


def _frame(html: str) -> str:
    """`html` where nothing of it can run, load, or lead away."""
    own = (
        f'<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        "<style>a[x-href]{color:#00e;text-decoration:underline}</style>"
    )
    return f'<iframe sandbox="" srcdoc="{escape(own + _inert(html[:LONGEST_HTML]))}"></iframe>'


def _inert(html: str) -> str:
    """Without what makes a browser connect although policy and sandbox forbid the rest: preconnects, frames, links."""
    html = _CONNECTING.sub(r"<\1x-\2", html.replace("\0", ""))
    return re.sub("href", "x-href", html, flags=re.IGNORECASE)


def _pairs(title: str, old: Message | None, new: Message | None, wanted: Callable[[Part], bool]) -> str:
    nothing: tuple[str, list[str]] = ("", [])
    return "".join(
        _section(f"{title} ({shown(one[0] or other[0])})", _sides(one[1], other[1]))
        for one, other in zip_longest(_contents(old, wanted), _contents(new, wanted), fillvalue=nothing)
    )


def _contents(parsed: Message | None, wanted: Callable[[Part], bool]) -> list[tuple[str, list[str]]]:
    """Type and lines of each part that is wanted."""
    if parsed is None:
        return []
    return [(part.content_type, _lines(parsed, part)) for part in parsed.parts if wanted(part)]


def _lines(parsed: Message, part: Part) -> list[str]:
    try:
        return list(_content(parsed, part))
    except Unreadable:
        return ["(cannot be decoded)"]


def _text(parsed: Message | None, part: Part) -> str:
    try:
        return message.text(parsed, part) if parsed else ""
    except Unreadable:
        return ""


def _tree(parsed: Message | None) -> list[str]:
    """A line for each part, below the multiparts that it stands in."""
    lines: list[str] = []
    around: tuple[str, ...] = ()
    for part in parsed.parts if parsed else ():
        common = next(
            (n for n, pair in enumerate(zip(around, part.inside, strict=False)) if len({*pair}) > 1), None
        )
        known = min(len(around), len(part.inside)) if common is None else common
        lines += [f"{'  ' * depth}{kind}" for depth, kind in enumerate(part.inside) if depth >= known]
        details = (part.encoding, part.charset, message.disposition(part), part.filename)
        size = f"{part.body_end - part.body_start} octets"
        lines.append("  " * len(part.inside) + ", ".join(filter(None, (part.content_type, *details, size))))
        around = part.inside
    return lines


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{body}</section>"


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>{body}</details>"


def _sides(old: Sequence[str], new: Sequence[str]) -> str:
    """Lines beside each other, those that differ marked."""
    if not old and not new:
        return "<p>none</p>"
    rows = []
    for same, left, right in _stretches(_cut(old), _cut(new)):
        for one, other in zip_longest(left, right):
            cells = (
                f'<td class="{"" if same or line is None else kind}">{shown(line or "")}</td>'
                for kind, line in (("old", one), ("new", other))
            )
            rows.append(f"<tr>{''.join(cells)}</tr>")
    return f'<table class="sides"><tr><th>as it came</th><th>as it goes</th></tr>{"".join(rows)}</table>'


def _stretches(old: list[str], new: list[str]) -> Iterator[tuple[bool, list[str], list[str]]]:
    """Runs of lines: whether they are the same, and both sides."""
    for kind, i, j, m, n in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        yield kind == "equal", old[i:j], new[m:n]


def _cut(lines: Sequence[str]) -> list[str]:
    kept = [
        line
        if len(line) <= LONGEST_LINE
        else f"{line[:LONGEST_LINE]} … {len(line) - LONGEST_LINE} more characters"
        for line in lines[:MOST_LINES]
    ]
    return kept if len(lines) <= MOST_LINES else [*kept, f"… {len(lines) - MOST_LINES} more lines"]


def marked(before: bytes, after: bytes) -> str:
    """What differs in the bytes, with two lines around it, as HTML."""
    old, new = (_cut(_utf8_lines(raw)) for raw in (before, after))
    groups = []
    for group in SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(2):
        lines: list[str] = []
        for kind, i, j, m, n in group:
            if kind == "equal":
                lines += map(shown, new[m:n])
            else:
                lines += [f"<del>{shown(line)}</del>" for line in old[i:j]]
                lines += [f"<ins>{shown(line)}</ins>" for line in new[m:n]]
        groups.append("\n".join(lines))
    return "\n<hr>".join(groups)


def _utf8_lines(raw: bytes) -> list[str]:
    return [line.decode("utf-8", "replace") for line in raw.splitlines()]


def shown(text: str) -> str:
    """Escaped; characters that are not seen, or that turn or hide others, by their numbers."""
    if text.isascii() and text.isprintable():
        return escape(text)
    return escape("".join(c if c == "\t" or not _is_hidden(c) else f"⟨U+{ord(c):04X}⟩" for c in text))


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _read(raw: bytes) -> Message | None:
    try:
        return message.read(raw)
    except Unreadable:
        return None


# --- what is asked of a single message ----------------------------------------------------------------------------


def title_of(raw: bytes) -> str:
    """The subject, readable."""
    parsed = _read(raw)
    subject = message.header(parsed, "subject") if parsed else None
    return header_values.decoded_words(subject or "(no subject)")


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
