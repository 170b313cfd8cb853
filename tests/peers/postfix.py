"""A Postfix instance of our own, as root, beside whatever the machine runs: its own queue, log, and ports.

It is set up as an administrator would: a site's main.cf and master.cf, and to these is added what docs/postfix.md says,
with other ports.
"""

import asyncio
import json
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from tests.peers.fragments import fragments
from tests.peers.waiting import eventually, eventually_async, found_in

OWN_CF = """
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
maillog_file = {home}/mail.log
maillog_file_prefixes = {home}
myhostname = mail.example.org
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
"""
"""An instance of Postfix with folders of its own, {home}, beside whatever the machine runs."""

MAIN_CF = f"""{OWN_CF}\
smtp_line_length_limit = 0
relayhost = [127.0.0.1]:{{world}}
message_size_limit = 40000000
smtpd_restriction_classes = refuse_one
refuse_one = check_recipient_access inline:{{{{{{{{{{refused}} = 550 5.1.1 no such user}}}}}}}}
"""

SERVICES = """\
pickup    unix  n       -       n       1       1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""
"""What each instance of Postfix needs."""

MASTER_CF = f"""
127.0.0.1:{{inbound}} inet n - n - - smtpd
{SERVICES}127.0.0.1:{{submission}} inet n - n - - smtpd
  -o syslog_name=postfix/submission
"""

BEFORE_QUEUE = """
127.0.0.1:{before} inet n - n - - smtpd
  -o syslog_name=postfix/before
"""
"""The same service, for those who have chosen the other way."""

REFUSED = "nobody@partner.example"
"""The one recipient that this site refuses when mail comes back from mailhook."""

PICKED_OUT = "127.0.0.17"
"""The groupware that can only use port 25."""


@dataclass(frozen=True)
class Ports:
    """`mailhook`, `back`, `groupware`: 10225, 10226, 10587 in the document; `world`: where all mail ends."""

    submission: int
    before: int
    inbound: int
    groupware: int
    mailhook: int
    back: int
    world: int
    videomost: int

    def put_into(self, text: str) -> str:
        for documented, port in (("10225", self.mailhook), ("10226", self.back), ("10587", self.groupware)):
            text = text.replace(documented, str(port))
        return text


def free_ports() -> Ports:
    """Below the range from which the system gives ports to connections, so that a server can be restarted."""
    chosen: list[int] = []
    while len(chosen) < len(fields(Ports)):
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in chosen:
            chosen.append(port)
    return Ports(*chosen)


def missing() -> str:
    """Why the tests with a real Postfix cannot run here, and what would help; "" if they can."""
    if shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        return "needs a real Postfix: apt-get install postfix"
    if os.geteuid() != 0:
        return "needs root, to start a Postfix instance of its own: run the tests as root"
    return ""


def _read(file: Path) -> str:
    """ "" if the process has ended meanwhile."""
    try:
        return file.read_text()
    except OSError:
        return ""


class Postfix:
    """Use `start` and `stop`; everything lies in a directory of its own, which `stop` removes."""

    def __init__(self, ports: Ports) -> None:
        self.ports = ports
        # pytest's own directories are closed to the user "postfix".
        self.home = Path(tempfile.mkdtemp(prefix="mailhook-postfix-"))
        self.home.chmod(0o755)
        self._started = False

    async def start(self) -> None:
        for name in ("config", "queue", "data"):
            (self.home / name).mkdir()
        shutil.chown(self.home / "data", "postfix")
        put = self.ports.put_into
        by_address = fragments("/etc/postfix/main.cf: first in smtpd_client_restrictions")
        main = MAIN_CF.format(home=self.home, world=self.ports.world, refused=REFUSED) + put(
            fragments("/etc/postfix/main.cf")
        )
        main += f"smtpd_client_restrictions = {by_address}".replace("/etc/postfix", f"{self.home}/config")
        self._write("main.cf", main)
        clients = fragments("/etc/postfix/mailhook_clients").replace("192.0.2.17", PICKED_OUT)
        self._write("mailhook_clients", put(clients))
        services = MASTER_CF.format(inbound=self.ports.inbound, submission=self.ports.submission)
        services += put(fragments("/etc/postfix/master.cf: add to submission, submissions"))
        services += BEFORE_QUEUE.format(before=self.ports.before)
        services += put(fragments("/etc/postfix/master.cf: before the queue, add to submission, submissions"))
        self._write("master.cf", services + put(fragments("/etc/postfix/master.cf")))
        back = f"127.0.0.1:{self.ports.back}/inet/smtpd_recipient_restrictions"
        await self.run("postconf", "-P", f"{back}=refuse_one,permit_mynetworks,reject")
        await self.run("postfix", "check")
        assert self.log() == ""
        await self.run("postfix", "start")
        self._started = True
        await eventually(lambda: "daemon started" in self.log(), "Postfix has started")

    async def stop(self) -> None:
        try:
            if self._started:
                await self.run("postfix", "stop")
        finally:
            shutil.rmtree(self.home)

    def _write(self, name: str, text: str) -> None:
        (self.home / "config" / name).write_text(text)

    async def run(self, command: str, *arguments: str) -> str:
        """One of Postfix's commands, on this instance; what it prints."""
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin"
        line = [command, "-c", str(self.home / "config"), *arguments]

        def call() -> "subprocess.CompletedProcess[str]":
            return subprocess.run(
                line,
                check=False,
                env={**os.environ, "PATH": path},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )

        done = await asyncio.to_thread(call)
        assert done.returncode == 0, f"{line}: {done.stderr}\n{self.log()[-3000:]}"
        return done.stdout

    async def obey(self, line: str) -> None:
        """A line for the shell from the document, `postconf … && postfix reload`, until it is in force."""
        before = self._listening()
        for command in line.split(" && "):
            await self.run(*command.replace("'", "").split(" ", 2))
        # A process that listens takes one more mail by the old settings if that comes before it notices the reload.
        if "reload" in line:
            await eventually(
                lambda: not before & self._listening(), "processes with the old settings have ended"
            )

    def _listening(self) -> set[str]:
        """The ids of this instance's smtpd processes."""
        master = (self.home / "queue" / "pid" / "master.pid").read_text().strip()
        stats = (_read(stat) for stat in Path("/proc").glob("[0-9]*/stat"))
        # proc(5): id (name) state parent …
        parted = (stat.replace(")", "").split(" ")[:4] for stat in stats if stat)
        return {process for process, name, _, parent in parted if name == "(smtpd" and parent == master}

    def log(self) -> str:
        file = self.home / "mail.log"
        return file.read_text(errors="replace") if file.exists() else ""

    async def logged(self, pattern: str) -> re.Match[str]:
        """The first match of `pattern` in the log, as soon as it is there."""
        return await found_in(self.log, pattern)

    async def queue(self) -> "list[Queued]":
        lines = (await self.run("postqueue", "-j")).splitlines()
        return [Queued.of(json.loads(line)) for line in lines]

    async def flush(self) -> None:
        await self.run("postqueue", "-f")

    async def queue_is(self, condition: "Callable[[list[Queued]], bool]", what: str) -> "list[Queued]":
        async def look() -> list[Queued] | None:
            queue = await self.queue()
            return queue if condition(queue) else None

        found = await eventually_async(look, what)
        assert found is not None
        return found


@dataclass(frozen=True)
class Queued:
    """A message in the queue; `reasons`: why its recipients wait, if they were tried."""

    name: str
    queue: str
    sender: str
    reasons: Sequence[str]

    @classmethod
    def of(cls, row: dict[str, object]) -> "Queued":
        recipients = row["recipients"]
        assert isinstance(recipients, list)
        reasons = [recipient.get("delay_reason", "") for recipient in recipients]
        return cls(str(row["queue_id"]), str(row["queue_name"]), str(row["sender"]), reasons)
