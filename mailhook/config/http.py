"""What does not go together in [http].

What: `http` looks at who can reach the status page, and with what.

Not here: single values (`values`).

Errors: none; what is wrong is a `Problem`.
"""

from collections.abc import Iterator

from mailhook.config.checks import loopback
from mailhook.config.problem import Problem, shown
from mailhook.config.settings import Settings

SHORTEST_PASSWORD = 12


def http(settings: Settings) -> Iterator[Problem]:
    own, listen = settings.http, settings.listen
    if own.port == 0:
        return
    if not own.password and not loopback(own.host):
        why = f"should be given where http.host is {own.host}: the status page tells who meets, and when"
        yield Problem("http.password_file", '""', why)
    if own.password and not loopback(own.host):
        why = "is reached by plain HTTP: put a proxy that speaks TLS before it, or the password can be read on the way"
        yield Problem("http.host", shown("", own.host), why, warning=True)
    if 0 < len(own.password) < SHORTEST_PASSWORD:
        where = "http.password_file" if own.password_file else "http.password"
        why = f"should hold at least {SHORTEST_PASSWORD} characters: nothing slows down who guesses"
        yield Problem(where, "", why)
    if own.port == listen.port and own.host == listen.host:
        yield Problem("http.port", str(own.port), "should be another one than listen.port")
