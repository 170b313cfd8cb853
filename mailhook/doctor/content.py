"""What mailhook brings along: its settings and its wording.

Errors: none; what goes wrong is a finding.
"""

from collections.abc import Sequence

from mailhook.config import Problem, Settings
from mailhook.doctor.finding import Finding, failure, ok, warning
from mailhook.errors import Misconfigured
from mailhook.phrasebook import make_wording

SETTINGS, TEMPLATES = "settings", "templates"


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
        wording = make_wording(settings)
    except Misconfigured as error:
        advice = "correct the file, or take it out of templates.path"
        return [failure(TEMPLATES, fault, advice) for fault in str(error).splitlines()]
    found = [
        warning(TEMPLATES, doubt, "put {{ link }} there, in text alone on its line")
        for doubt in wording.doubts()
    ]
    return found or [ok(TEMPLATES, f"the wording is usable in {', '.join(wording.languages)}")]
