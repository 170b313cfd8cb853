"""What the hops are measured with: two small C programs, one that sends mail and one that throws it away.

What: `build` compiles them; `Sink` and `send` run them; `messages` writes the mails that are sent.

Not here: hops (hops), workloads and the table (__main__).

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

from mailhook.smtp.content import dot_stuff
from tests.relay.mails import Event, invitation

HERE = Path(__file__).parent
MARK = "confid="
HEAD = (
    b"From: <ivan@corp.example>\r\nTo: <anna@partner.example>\r\n"
    b"Subject: hello\r\nMessage-ID: <SERIALNO@corp.example>\r\n"
)
SIZES = {"4k": 4096, "1m": 1 << 20, "25m": 25 << 20}


def build(home: Path) -> None:
    for name in ("sink", "source"):
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
