"""What mailhook brings along: its settings and its wording.

Errors: none; what goes wrong is a finding.
"""

from collections.abc import Iterator, Sequence
from html import escape

from mailhook import texts
from mailhook.config import Problem, Settings
from mailhook.core.wording import Block, Variables
from mailhook.doctor.finding import Finding, failure, ok, warning
from mailhook.errors import Misconfigured

SETTINGS, TEMPLATES = "settings", "templates"

_SAMPLE = Variables(
    link="https://videomost.example/service/join/?confid=0123456789abcdef&confpass=1234",
    topic='Планёрка <отдела> & "гости"',
    organizer_name="Анна Миллер",
    organizer_address="anna@example.com",
    passcode="1234",
    conference_id="0123456789abcdef",
)


def settings(problems: Sequence[Problem]) -> list[Finding]:
    """Those of the store's place are left to its own probe."""
    found = [
        warning(SETTINGS, str(problem), "see docs/configuration.md")
        if problem.warning
        else failure(SETTINGS, str(problem), "see docs/configuration.md")
        for problem in problems
        if problem.key != "store.path"
    ]
    return found or [ok(SETTINGS, "nothing is wrong with the settings")]


async def templates(settings: Settings) -> list[Finding]:
    try:
        texts.try_templates(settings)
        wording = texts.make_wording(settings)
    except Misconfigured as error:
        return [failure(TEMPLATES, str(error), "correct the file, or take it out of templates.path")]
    found = [
        warning(TEMPLATES, f"{language}: {fault}", "put {{ link }} there, in text alone on its line")
        for language in wording.languages
        for fault in _faults(wording.render(language, _SAMPLE))
    ]
    return found or [ok(TEMPLATES, f"the wording is usable in {', '.join(wording.languages)}")]


def _faults(block: Block) -> Iterator[str]:
    for name, text in (("body.txt.j2", block.text), ("description.txt.j2", block.description)):
        if not any(line.strip() == _SAMPLE.link for line in text.split("\n")):
            yield f"{name} does not show the link alone on its line, so that it cannot be copied or clicked everywhere"
    for name, html in (("body.html.j2", block.html), ("description.html.j2", block.description_html)):
        if escape(_SAMPLE.link) not in html:
            yield f"{name} does not show the link"
