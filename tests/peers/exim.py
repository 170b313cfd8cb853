"""An Exim of our own, beside whatever the machine runs: its own queue, log, and ports.

It is set up as an administrator would: a site's configuration, and to its sections is added what docs/exim.md says.
"""

import asyncio
import os
import shutil
import signal
import tempfile
from pathlib import Path

from tests.peers.fragments import EXIM, ROOT, fragments
from tests.peers.postfix import Ports
from tests.peers.waiting import eventually

UNPACKED = ROOT / "tests" / "peers" / "exim" / "root" / "usr"
PROGRAM = UNPACKED / "sbin" / "exim4"

USER = 8
"""Debian's user "mail" lends it its number."""

CONFIG = """
primary_hostname = mail.example.org
spool_directory = {home}/spool
log_file_path = {home}/log/%slog
pid_file_path = {home}/spool/exim.pid
exim_path = {program}
exim_user = mail
exim_group = mail
deliver_drop_privilege = true
keep_environment = LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
auth_advertise_hosts = *
tls_advertise_hosts =
host_lookup =
rfc1413_query_timeout = 0s
message_size_limit = 40M
{main}
begin acl
{acl}
acl_check_rcpt:
  accept authenticated = *
  accept hosts = 127.0.0.17
  accept condition = ${{if ={{$received_port}}{{{inbound}}}}}
  deny
acl_check_data:
  accept
begin routers
{router}
refused:
  driver = redirect
  local_parts = nobody
  condition = ${{if ={{$received_port}}{{{back}}}}}
  allow_fail
  data = :fail: no such user
world:
  driver = manualroute
  domains = *
  transport = world
  route_list = * 127.0.0.1
  self = send
begin transports
{transport}
world:
  driver = smtp
  port = {world}
  allow_localhost
  message_linelength_limit = 100000000
begin retry
{retry}
*  *  F,5d,5m
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = true
  server_set_id = $auth2
"""


def missing() -> str:
    """Why the tests with a real Exim cannot run here, and what would help; "" if they can."""
    if not PROGRAM.exists():
        return "needs a real Exim: tests/peers/exim/fetch, as it cannot be installed beside Postfix"
    if os.geteuid() != 0:
        return "needs root, because Exim gives up its rights itself: run the tests as root"
    return ""


class Exim:
    """Use `start` and `stop`; everything lies in a directory of its own, which `stop` removes."""

    def __init__(self, ports: Ports) -> None:
        self.ports = ports
        # pytest's own directories are closed to another user.
        self.home = Path(tempfile.mkdtemp(prefix="mailhook-exim-"))
        self.home.chmod(0o755)
        # So may the folder of this project be, and Exim starts itself anew without the rights of root.
        self._usr = shutil.copytree(UNPACKED, self.home / "usr", symlinks=True)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def _program(self) -> Path:
        return self._usr / PROGRAM.relative_to(UNPACKED)

    async def start(self) -> None:
        for name in ("spool", "log"):
            (self.home / name).mkdir()
            os.chown(self.home / name, USER, USER)
        self._lend_a_user()
        self._write("exim.conf", self._config())
        self._process = await self._run("-bdf", "-q1s")
        await eventually(lambda: "daemon started" in self.log(), "Exim has started")

    async def stop(self) -> None:
        try:
            if self._process is not None:
                # Its own group: deliveries and connections are processes too.
                os.killpg(self._process.pid, signal.SIGTERM)
                await self._process.wait()
        finally:
            shutil.rmtree(self.home, ignore_errors=True)

    def _lend_a_user(self) -> None:
        """The program does not start where it finds no Debian-exim."""
        users, groups = Path("/etc/passwd").read_text(), Path("/etc/group").read_text()
        self._write("passwd", f"{users}Debian-exim:x:{USER}:{USER}::/:/bin/false\n")
        self._write("group", f"{groups}Debian-exim:x:{USER}:\n")

    def _config(self) -> str:
        ports = self.ports

        def put(title: str) -> str:
            text = ports.put_into(fragments(title, EXIM)).replace("192.0.2.17", "127.0.0.17")
            for documented, port in (("25", ports.inbound), ("587", ports.submission)):
                text = text.replace(f"0.0.0.0.{documented} ", f"127.0.0.1.{port} ")
            return text

        return CONFIG.format(
            home=self.home,
            program=self._program,
            inbound=ports.inbound,
            back=ports.back,
            world=ports.world,
            main=put("Exim: main section (conf.d/main/00_mailhook)"),
            acl=put("Exim: ACLs (conf.d/acl/05_mailhook)"),
            router=put("Exim: first router (conf.d/router/050_mailhook)"),
            transport=put("Exim: transport (conf.d/transport/05_mailhook)"),
            retry=put("Exim: first retry rule (conf.d/retry/05_mailhook)"),
        )

    def _write(self, name: str, text: str) -> None:
        (self.home / name).write_text(text)

    async def _run(self, *arguments: str, stdout: int | None = None) -> asyncio.subprocess.Process:
        wrapper = next(self._usr.glob("lib/*/libnss_wrapper.so"))
        return await asyncio.create_subprocess_exec(
            *(str(self._program), "-C", str(self.home / "exim.conf"), *arguments),
            env={
                **os.environ,
                "LD_PRELOAD": str(wrapper),
                "NSS_WRAPPER_PASSWD": str(self.home / "passwd"),
                "NSS_WRAPPER_GROUP": str(self.home / "group"),
            },
            stdout=stdout,
            start_new_session=True,
        )

    async def queue(self) -> list[str]:
        """The names of the mails that wait."""
        process = await self._run("-bpra", stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        return [line.split()[2] for line in out.decode().splitlines() if "<" in line and line[:1].isspace()]

    async def flush(self) -> None:
        """As administrators do: all mail at once, whatever is remembered of hosts."""
        await (await self._run("-qff")).wait()

    def log(self) -> str:
        file = self.home / "log" / "mainlog"
        return file.read_text(errors="replace") if file.exists() else ""
