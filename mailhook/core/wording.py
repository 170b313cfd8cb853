"""The words around the link: templates in the languages that an organisation uses.

What: `Wording` compiles and tries all templates when it is made, and renders the block of one invitation.

Not here: reading template files (`app`), where the block goes (`rewrite`), marks around it (`splice_text`,
`splice_html`).

Errors: Misconfigured, naming the template and where possible the line, when a template is missing or broken.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

from mailhook.core.templates import Sources
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


@dataclass(frozen=True)
class Variables:
    """What a template may use. `test`: the conference is one of the sandbox's."""

    link: str
    topic: str = ""
    organizer_name: str = ""
    organizer_address: str = ""
    passcode: str = ""
    conference_id: str = ""
    dial_in: str = ""
    test: bool = False


@dataclass(frozen=True)
class Block:
    """The rendered pieces, lines ended by LF, without marks; `location` and `label` are single lines."""

    text: str
    html: str
    description: str
    description_html: str
    location: str
    label: str


_SAMPLE = Variables(
    "https://vm.example/service/join/?confid=1&confpass=2", "t", "n", "a@b.example", "1", "1", "1"
)


class Template(Protocol):
    """A compiled text."""

    def render(self, values: Mapping[str, object], /) -> str: ...


class Wording:
    """Templates by "language/file", e.g. "ru/body.txt.j2"; `default` is used for languages that have none."""

    def __init__(self, sources: Mapping[str, str], default: str) -> None:
        self._default = default.lower()
        self._sources = Sources(sources)
        folders = (name.split("/") for name in sources)
        languages = sorted({path[0] for path in folders if path[1:] and path[-1] in FILES.values()})
        self._templates = {language.lower(): self._compiled(language, sources) for language in languages}
        if self._default not in self._templates:
            raise Misconfigured(f"there are no templates for the language {default!r}")

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self._templates)

    def render(self, language: str, variables: Variables) -> Block:
        """The block in `language`, a tag as of RFC 5646 ("ru", "en-GB"); another one falls back to the default."""
        tag = language.strip().lower().replace("_", "-")
        templates = self._templates.get(tag) or self._templates.get(tag.partition("-")[0])
        values = asdict(variables)
        pieces = {
            piece: _tidy(template.render(values))
            for piece, template in (templates or self._templates[self._default]).items()
        }
        return Block(**pieces)

    def _compiled(self, language: str, sources: Mapping[str, str]) -> dict[str, Template]:
        missing = [file for file in FILES.values() if f"{language}/{file}" not in sources]
        if missing:
            raise Misconfigured(f"template missing: {', '.join(f'{language}/{file}' for file in missing)}")
        samples = [{**asdict(_SAMPLE), "test": test} for test in (False, True)]
        return {piece: self._sources.tried(f"{language}/{file}", *samples) for piece, file in FILES.items()}


def _tidy(text: str) -> str:
    """Lines without trailing blanks, none empty at the ends."""
    return "\n".join(_stripped(text.replace("\r\n", "\n").split("\n"))).strip("\n")


def _stripped(lines: Iterable[str]) -> Iterable[str]:
    return (line.rstrip() for line in lines)
