"""The log: one line per message that tells its story, and events beside the messages.

What: a `Story` gathers what is known of one message on its way through the stations and is told once; `event` reports
what concerns no single message; `setup` makes lines for people (console) or for machines (json), with
their priority where systemd's journal reads them. Every record, those
of libraries and their tracebacks too, passes the formatter, which escapes control characters, cuts long values and
masks join links: the last defence, not the first.

Not here: what is worth reporting. A line bears no subject and no text of a message.

Errors: none.

Crash tests append a function to `on_step`: it is called with the name of every step and may end the process there.
Who counts appends to `on_message`, `on_event` and `on_call`: these are called after the line has been written, in the
midst of the work for a mail, so that they have to be quick and raise nothing.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import lru_cache
from time import perf_counter
from typing import Literal, TextIO

from mailhook.errors import MailhookError

Step = Literal["inspect", "read", "decide", "create", "rewrite", "record", "relay", "settle"]

on_step: list[Callable[[str], None]] = []
on_message: list[Callable[["Story"], None]] = []
on_event: list[Callable[[str, int], None]] = []
"""Name and level (as in `logging`)."""
on_call: list[Callable[[str, str, float], None]] = []
"""Operation, outcome and seconds of a call to the provider."""

LOUD = frozenset({"dkim-signed"})
"""Reasons that tell of a fault of the set-up, though the mail goes on: the line is a warning."""
LONGEST_VALUE = 300
LONGEST_TEXT = 4000
NOISY = (
    "aiosmtpd",
    "mail.log",
    "mail.debug",
    "httpx",
    "httpcore",
    "uvicorn.access",
    "uvicorn.error",
    "asyncio",
)

PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Levels, and what they are for syslog; what is below them all is 7."""

_LOG = logging.getLogger("mailhook")
_JOIN_LINK = re.compile(
    r"""https?://[^\s"'<>\\]{0,4000}?conf(?:id|pass)(?:=|%3D)[^\s"'<>\\]*""", re.IGNORECASE
)
_CREDENTIAL = re.compile(r"""conf(?:id|pass)(?:=|%3D)[^\s"'<>\\&]+""", re.IGNORECASE)
_AWKWARD = re.compile(r'[\s"=]')
_QUEUED = re.compile(r"\bqueued as ([\w.-]+)|\bid=([\w.-]+)", re.IGNORECASE)


def step(name: str) -> None:
    """An instant at which crash tests may end the process; nothing otherwise."""
    for hook in on_step:
        hook(name)


def _log(level: int, text: str, fields: Mapping[str, object]) -> None:
    """As `Logger.log`, which for each line walks up the stack to find its caller: no line tells that."""
    if _LOG.isEnabledFor(level):
        _LOG.handle(_LOG.makeRecord(_LOG.name, level, "", 0, text, (), None, extra={"fields": fields}))


def event(name: str, /, *, level: int | None = None, **fields: object) -> None:
    """Report what concerns no single message; a warning when it has an `error`, unless `level` says otherwise."""
    chosen = level if level is not None else logging.WARNING if fields.get("error") else logging.INFO
    _log(chosen, name, fields)
    for hook in on_event:
        hook(name, chosen)


def called(operation: str, outcome: str, seconds: float) -> None:
    """A call to the provider has ended so; counted, and not logged: who made it tells what came of it."""
    for hook in on_call:
        hook(operation, outcome, seconds)


def queue_id(text: str) -> str:
    """The next hop's own name for the message in its reply to the dot, or ""."""
    found = _QUEUED.search(text)
    return (found[1] or found[2]) if found else ""


@dataclass
class Story:
    """What is told of one message. Fields that stay empty are left out of the line.

    client     address of the host that handed the message in
    ident      its queue id (XFORWARD IDENT)
    sender     reverse-path
    recipients how many were named, `accepted`: by the next hop
    size       octets on the wire
    decision   what was done: "pass", "rewrite", "defer"; `reason`: why, a constant of the code
    beyond     components and properties of the invitation of which there are more than is looked at or written into
    places     where the link was written
    sealed     why an invitation, or parts of it, were left as they came beside what was decided ("signed", "pgp" …)
    code       of the reply that the client got; `hop_ident`: the next hop's queue id in it
    error      what went wrong, for people
    """

    client: str = ""
    ident: str = ""
    sender: str = ""
    recipients: int = 0
    accepted: int = 0
    size: int = 0
    decision: str = ""
    reason: str = ""
    method: str = ""
    organizer: str = ""
    uid: str = ""
    beyond: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    sealed: tuple[str, ...] = ()
    conference: str = ""
    code: int = 0
    hop_ident: str = ""
    error: str = ""
    times: dict[str, float] = field(default_factory=dict)
    _begun: float = field(default_factory=perf_counter)
    _current: tuple[str, float] | None = None
    _told: bool = False

    def step(self, name: Step) -> None:
        """End the current step and begin `name`; a step that is entered again adds up."""
        self._end_step()
        self._current = (name, perf_counter())
        step(name)

    def about(self, uid: str, organizer: str, method: str, beyond: tuple[str, ...] = ()) -> None:
        """The invitation that the message turned out to be."""
        self.uid, self.organizer, self.method, self.beyond = uid, organizer, method, beyond

    def rewritten(self, places: Iterable[str], conference: str, beyond: Iterable[str] = ()) -> None:
        """The link of `conference` stands in `places`, and not in `beyond`."""
        self.places, self.conference = tuple(places), conference
        self.beyond = (*self.beyond, *beyond)

    def answered(self, code: int, text: str) -> None:
        """The reply that the client gets: the next hop's or ours."""
        self.code, self.hop_ident = code, queue_id(text)

    def failed(self, error: BaseException) -> None:
        """Something went wrong; what no adapter has foreseen is a fault of ours, and its traceback is logged."""
        known = isinstance(error, (MailhookError, TimeoutError))
        told = str(error) if isinstance(error, MailhookError) else f"{type(error).__name__}: {error}"
        self.error = "; ".join(filter(None, (self.error, told)))
        if not known:
            _LOG.error("fault", exc_info=error)

    def tell(self) -> None:
        """Write the line; only the first call does."""
        if self._told:
            return
        self._told = True
        self._end_step()
        loud = self.error or self.code >= 400 or not LOUD.isdisjoint((self.reason, *self.sealed))
        level = logging.WARNING if loud else logging.INFO
        _log(level, "message", self._fields())
        for hook in on_message:
            hook(self)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return perf_counter() - self._begun

    def _end_step(self) -> None:
        if self._current is not None:
            name, since = self._current
            self._current = None
            self.times[name] = self.times.get(name, 0.0) + perf_counter() - since

    def _fields(self) -> dict[str, object]:
        own = vars(self)
        fields = {name: own[name] for name in _TOLD}
        fields["ms"] = round(self.seconds * 1000, 1)
        fields["steps"] = {name: round(seconds * 1000, 1) for name, seconds in self.times.items()}
        return fields


_TOLD = tuple(each.name for each in fields(Story) if each.name[0] != "_" and each.name != "times")


# --- lines ----------------------------------------------------------------------------------------------------


def masked(text: str) -> str:
    """`text` without join links: whoever has one can enter the conference."""
    if "conf" not in text.lower():
        return text
    return _CREDENTIAL.sub("[join link]", _JOIN_LINK.sub("[join link]", text))


def clean(text: str, longest: int = LONGEST_VALUE) -> str:
    """One line of at most `longest` characters, without join links and invisible characters."""
    text = masked(text[: longest + LONGEST_TEXT])  # a link that begins within `longest` is seen whole
    if len(text) > longest:
        text = f"{text[:longest]}…"
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _plain(value: object) -> object:
    """`value` in terms of JSON, every text in it clean."""
    match value:
        case str():
            return clean(value)
        case None | bool() | int() | float():
            return value
        case bytes():
            return clean(value.decode("utf-8", "backslashreplace"))
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
        case Mapping():
            return {clean(str(key)): _plain(content) for key, content in value.items()}
        case _:
            return clean(str(value))


class _Formatter(logging.Formatter):
    """What both formats have in common: the parts of a record, clean. `worker`: who tells, if there are several."""

    def __init__(self, worker: str = "") -> None:
        super().__init__()
        self._worker = worker

    def _parts(self, record: logging.LogRecord) -> tuple[str, str, dict[str, object], list[str]]:
        """Moment, what happened, the fields that say something (as they are), and the traceback by lines."""
        moment = f"{_second(int(record.created))}.{int(record.msecs):03}Z"
        given = {"worker": self._worker, **vars(record).get("fields", {})}
        # A measured 0.0 does say something.
        fields = {name: value for name, value in given.items() if value or type(value) is float}
        text = clean(record.getMessage(), LONGEST_TEXT)
        trace = self.formatException(record.exc_info) if record.exc_info else record.exc_text or ""
        lines = [clean(line, LONGEST_TEXT) for line in trace.splitlines()]
        return moment, text, fields, lines


@lru_cache(maxsize=1)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class Console(_Formatter):
    """Moment, level, what happened, then name=value; a traceback follows on indented lines."""

    def format(self, record: logging.LogRecord) -> str:
        moment, text, fields, trace = self._parts(record)
        if record.name != _LOG.name:
            text = f"{record.name}: {text}"
        told = "".join([f" {name}={_shown(value)}" for name, value in fields.items()])
        return "\n    ".join([f"{moment} {record.levelname.lower():7} {text}{told}", *trace])


def _shown(value: object) -> str:
    match value:
        case int() | float():
            return str(value)
        case str():
            return _quoted(clean(value))
    match _plain(value):
        case dict() as plain:
            return ",".join([f"{name}:{content}" for name, content in plain.items()])
        case list() as plain:
            return _quoted(",".join(map(str, plain)))
        case plain:
            return _quoted(str(plain))


def _quoted(text: str) -> str:
    return text if text and not _AWKWARD.search(text) else json.dumps(text, ensure_ascii=False)


class Json(_Formatter):
    """One object per line: time, level, logger, event, and the fields of the event."""

    def format(self, record: logging.LogRecord) -> str:
        moment, text, fields, trace = self._parts(record)
        line = {
            "time": moment,
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": text,
            **{name: _plain(value) for name, value in fields.items()},
        }
        if trace:
            line["traceback"] = trace
        return json.dumps(line, ensure_ascii=False)


class _ForJournal(logging.Formatter):
    """Each line with its priority before it, which systemd's journal takes off again (sd-daemon(3))."""

    def __init__(self, inner: _Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        priority = next((own for level, own in PRIORITIES if record.levelno >= level), 7)
        return "\n".join(f"<{priority}>{line}" for line in self._inner.format(record).split("\n"))


def _is_read_by_journal(stream: TextIO) -> bool:
    """Whether what is written there comes to systemd's journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        file = os.fstat(stream.fileno())
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{file.st_dev}:{file.st_ino}"


def setup(
    level: str, style: Literal["console", "json"], stream: TextIO | None = None, worker: str = ""
) -> None:
    """Send all records of at least `level` to `stream` (standard error), in place of what was set up before.

    Each line names `worker`, if it is given.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    formatter = Json(worker) if style == "json" else Console(worker)
    handler.setFormatter(_ForJournal(formatter) if _is_read_by_journal(handler.stream) else formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Of who tells a line bears nothing but the worker, and to find out the rest is work for each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
