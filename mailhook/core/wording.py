"""The words around the link: templates in the languages that an organisation uses.

What: `Wording` compiles and tries all templates when it is made, and renders the block of one invitation.

Not here: reading template files (`phrasebook`), which language (`writer`), what a template may do (`confined`), where
the block goes (`rewrite`), marks around it (`splice_text`, `splice_html`).

Errors: Misconfigured when templates are missing or broken, or make blocks that would not be found again: a line for
each, naming it, and where possible its line.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from html import escape

from mailhook.core import dates, html_text, splice_html, text_blocks
from mailhook.core.aim import shortened
from mailhook.core.conference import JoinDetails, Person
from mailhook.core.confined import Faults, Sources, Text
from mailhook.core.dates import Locale, Timing
from mailhook.core.languages import Languages, rules_of
from mailhook.errors import Misconfigured

FILES = {
    "text": "body.txt.j2",
    "html": "body.html.j2",
    "description": "description.txt.j2",
    "description_html": "description.html.j2",
    "location": "location.txt.j2",
    "label": "label.txt.j2",
}
"""The template behind each piece of a block."""

_SINGLE_LINES = ("location", "label")
MOST_LINES = 48
"""Of a piece of a block: the digests of so many fit into its mark (`typed`), and others would count as typed in."""
_MARKS = (text_blocks.OPENING, text_blocks.END, "videomost:begin", "videomost:end", splice_html.ELEMENT)


@dataclass(frozen=True)
class Variables:
    """What a template may use, in one line each. `test`: the conference is one of the sandbox's."""

    link: str
    topic: str = ""
    organizer_name: str = ""
    organizer_address: str = ""
    passcode: str = ""
    conference_id: str = ""
    dial_in: str = ""
    test: bool = False
    timing: Timing | None = None


def variables(
    details: JoinDetails, topic: str, organizer: Person, timing: Timing | None, *, test: bool
) -> Variables:
    """What a template gets of a conference: each text from outside as `shortened` makes it."""
    return Variables(
        link=details.link,
        topic=shortened(topic),
        organizer_name=shortened(organizer.name),
        organizer_address=organizer.address,
        passcode=shortened(details.passcode),
        conference_id=shortened(details.conference_id),
        dial_in=shortened(details.dial_in),
        test=test,
        timing=timing,
    )


@dataclass(frozen=True)
class Block:
    """The rendered pieces, lines ended by LF, without marks; `location` and `label` are single lines.

    `fault`: what was wrong with templates, pieces of which show the link alone, or "".
    """

    text: str
    html: str
    description: str
    description_html: str
    location: str
    label: str
    fault: str = ""


_HOUR = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)
SAMPLE = Variables(
    link="https://videomost.example/service/join/?confid=0123456789abcdef&confpass=1234",
    topic='Планёрка <отдела> & "гости"',
    organizer_name="Анна Миллер",
    organizer_address="anna@example.com",
    passcode="1234",
    conference_id="0123456789abcdef",
    dial_in="+7 495 000-00-00, 1234#",
    timing=Timing(_HOUR, _HOUR + timedelta(minutes=90), "Europe/London", repeats=True),
)
"""An invitation that tells everything."""

_SAMPLES = (
    SAMPLE,
    replace(SAMPLE, test=True, timing=Timing(_HOUR, _HOUR + timedelta(days=2), all_day=True)),
    Variables(SAMPLE.link),
)


class Wording:
    """Templates by "language/file", e.g. "ru/body.txt.j2"; `default` is used for languages that have none."""

    def __init__(self, sources: Mapping[str, str], default: str) -> None:
        compiled, faults = Sources(sources), Faults()
        folders = (name.split("/") for name in sources)
        tags = sorted({path[0] for path in folders if path[1:] and path[-1] in FILES.values()})
        texts = {tag: _compiled(tag, compiled, faults) for tag in tags}
        faults.tell()
        self._texts = Languages(texts, default)

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self._texts.tags)

    def speaks(self, language: str) -> bool:
        """Whether there are templates for the tag, or for its language alone."""
        return language in self._texts

    def render(self, language: str, variables: Variables) -> Block:
        """The block in `language`, a tag as of RFC 5646 ("ru", "en-GB"); another one falls back to the default.

        What cannot be made of an event, as nothing that was tried before had shown, is made of its link alone. Raises
        Misconfigured where that fails too.
        """
        texts, rules = self._texts.chosen(language)
        values = _values(variables, rules)
        pieces: dict[str, str] = {}
        faults: list[str] = []
        for piece, text in texts.items():
            try:
                rendered = text.render(values)
            except Misconfigured as fault:
                faults.append(str(fault))
                rendered = text.render(_values(Variables(variables.link, test=variables.test), rules))
            pieces[piece] = _tidy(rendered, single=piece in _SINGLE_LINES)
        return Block(**pieces, fault="; ".join(faults))

    def doubts(self) -> list[str]:
        """Templates that can be rendered, but do not show the link as everybody needs it."""
        return [
            f"template {language}/{doubt}"
            for language in self.languages
            for doubt in _doubts(self.render(language, SAMPLE), SAMPLE.link)
        ]


def _compiled(tag: str, sources: Sources, faults: Faults) -> dict[str, Text]:
    compiled = {}
    with faults.gathered():
        samples = [_values(sample, rules_of(tag)) for sample in _SAMPLES]
        for piece, file in FILES.items():
            with faults.gathered():
                text = sources.tried(f"{tag}/{file}", samples)
                for sample in samples:
                    _refuse_what_multiplies(f"{tag}/{file}", text.render(sample))
                compiled[piece] = text
    return compiled


def _refuse_what_multiplies(name: str, rendered: str) -> None:
    """Raises Misconfigured for what a later update would not know as our block, and so put beside a new one."""
    if (mark := next((each for each in _MARKS if each in rendered), None)) is not None:
        raise Misconfigured(f"template {name}: leave out {mark.strip()!r}; mailhook marks its blocks itself")
    is_html = name.endswith(".html.j2")
    cut = html_text.cut if is_html else text_blocks.cut
    lines = [line for line in cut(rendered.encode(), "utf-8") if line.words.strip() or not is_html]
    if len(lines) > MOST_LINES:
        raise Misconfigured(f"template {name}: more than {MOST_LINES} lines come of it")


def variable_names() -> frozenset[str]:
    """What templates of the block may use."""
    return (frozenset(Variables.__dataclass_fields__) - {"timing"}) | frozenset(dates.NAMES)


def _values(variables: Variables, rules: Locale) -> dict[str, object]:
    """The variables by name; dates and lengths by the rules of a language."""
    plain = {name: value for name, value in vars(variables).items() if name != "timing"}
    return plain | dates.values(variables.timing, rules)


def _doubts(block: Block, link: str) -> Iterator[str]:
    for name, text in (("body.txt.j2", block.text), ("description.txt.j2", block.description)):
        if not any(line.strip() == link for line in text.split("\n")):
            yield f"{name} does not show the link alone on its line, so that it cannot be copied or clicked everywhere"
    for name, html in (("body.html.j2", block.html), ("description.html.j2", block.description_html)):
        if escape(link) not in html:
            yield f"{name} does not show the link"


def _tidy(text: str, *, single: bool) -> str:
    """Lines without trailing blanks, none empty at the ends; or all in one line."""
    if single:
        return " ".join(text.split())
    return "\n".join(_stripped(text.replace("\r\n", "\n").split("\n"))).strip("\n")


def _stripped(lines: Iterable[str]) -> Iterable[str]:
    return (line.rstrip() for line in lines)
