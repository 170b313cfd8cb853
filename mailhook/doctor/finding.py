"""What a probe says.

What: `Finding`, and how the three levels of it are made.

Errors: none.
"""

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """A warning does not keep mail from flowing as it should, a failure does or will."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """`sentence` says what is so, `advice` what to do; where all is well there may be no advice."""

    level: Level
    subject: str
    sentence: str
    advice: str = ""


def ok(subject: str, sentence: str) -> Finding:
    return Finding(Level.OK, subject, sentence)


def warning(subject: str, sentence: str, advice: str) -> Finding:
    return Finding(Level.WARNING, subject, sentence, advice)


def failure(subject: str, sentence: str, advice: str) -> Finding:
    return Finding(Level.FAILURE, subject, sentence, advice)
