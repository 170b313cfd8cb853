"""What the hops are measured with: small C programs that send mail and throw it away, and Postfix's smtp-source.

What: `build` compiles them, and the pump; `Sink`, `send` and `smtp_source` run them; `messages` writes the mails that
are sent.

Not here: hops (hops, peers), workloads (workloads, latency).

Errors: CalledProcessError when there is no compiler, or a mail was refused.
"""

import base64
import json
import signal
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from time import monotonic

from mailhook.smtp.content import dot_stuff
from tests.benchmarks.hop.hops import environment
from tests.relay.mails import Event, invitation

HERE = Path(__file__).parent
MARK = "confid="
HEAD = (
    b"From: <ivan@corp.example>\r\nTo: <anna@partner.example>\r\n"
    b"Subject: hello\r\nMessage-ID: <SERIALNO@corp.example>\r\n"
)
SIZES = {"4k": 4096, "1m": 1 << 20, "25m": 25 << 20}


def build(home: Path) -> None:
    for name in ("sink", "source", "pump"):
        subprocess.run(["gcc", "-O2", "-o", home / name, HERE / f"{name}.c"], check=True)


def messages(home: Path) -> None:
    """`4k`, `1m`, `25m`, `stamped` (4 KiB with the time at which it was sent), `invitation`."""
    stamp = b"X-Sent: STAMPSTAMPSTAMPS\r\n"
    contents = {name: _plain(HEAD, size) for name, size in SIZES.items()}
    contents["stamped"] = _plain(HEAD + stamp, SIZES["4k"])
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(days=7)
    event = Event(uid="SERIALNO@corp.example", start=soon, stamp=soon - timedelta(days=7))
    contents["invitation"] = dot_stuff(invitation(event))
    for name, content in contents.items():
        (home / name).write_bytes(content + b".\r\n")


def _plain(head: bytes, size: int) -> bytes:
    """As most of what is large: base64. The same octets at every run."""
    head += b"Content-Transfer-Encoding: base64\r\n\r\n"
    lines = (size - len(head)) // 78
    return head + base64.encodebytes(Random(0).randbytes(lines * 57)).replace(b"\n", b"\r\n")


@dataclass(frozen=True)
class Sent:
    """`micros`: for each mail, from MAIL to the reply to its dot."""

    seconds: float
    mails: int
    micros: list[int]


def send(
    home: Path,
    port: int,
    message: str,
    *,
    sessions: int,
    seconds: int,
    mails: int = 1_000_000,
    per_connection: int = 1_000_000,
    pause: int = 0,
) -> Sent:
    """`pause`: microseconds between two mails of a session."""
    numbers = (sessions, mails, per_connection, pause, seconds)
    line = [str(home / "source"), str(port), str(home / message), *map(str, numbers)]
    # What does not answer for so long will not.
    done = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True, timeout=seconds + 60)
    return Sent(**json.loads(done.stdout))


def smtp_source(port: int, size: int, *, sessions: int, seconds: int) -> float:
    """Mails per second, from Postfix's own test source, over reused connections.

    It sends a number of mails, not for a time: one for each session tells how many take about so many seconds.
    """
    first = _by_smtp_source(port, size, sessions, sessions)
    if first >= seconds:
        return sessions / first
    mails = sessions * round(seconds / first)
    return mails / _by_smtp_source(port, size, sessions, mails)


def _by_smtp_source(port: int, size: int, sessions: int, mails: int) -> float:
    """Seconds."""
    flags = {"-s": sessions, "-m": mails, "-l": size, "-f": "ivan@corp.example", "-t": "anna@partner.example"}
    line = ["smtp-source", "-d", *(str(part) for flag in flags.items() for part in flag), f"127.0.0.1:{port}"]
    begun = monotonic()
    subprocess.run(line, check=True, env=environment(), timeout=120)
    return monotonic() - begun


@dataclass(frozen=True)
class Taken:
    """`micros`: from a mail's stamp to its dot, for those that bear one."""

    mails: int
    marked: int
    micros: list[int]


class Sink:
    """The next hop of all hops. `mark`: mails that have it inside are counted."""

    def __init__(self, home: Path, port: int, mark: str = "") -> None:
        self.port = port
        self._process = subprocess.Popen(
            [home / "sink", str(port), mark], stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def taken(self) -> Taken:
        """Since it was asked last."""
        self._process.send_signal(signal.SIGUSR1)
        assert self._process.stdout is not None
        return Taken(**json.loads(self._process.stdout.readline()))

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
