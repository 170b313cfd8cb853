"""A Dovecot 2.3 of our own: IMAP with plain-text port, STARTTLS and TLS, a master user, and a test CA.

It runs as one unprivileged user throughout: who runs the tests, or `nobody` if that is root.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.peers.groupware import unused_ports
from tests.peers.waiting import eventually_async

PROGRAM = "/usr/sbin/dovecot"
MASTER, MASTER_PASSWORD = "mailhook", 'm"q"\\ pw'
USERS = ("ivan@example.org", "olga@example.org")

CONF = """
protocols = imap
listen = 127.0.0.1
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
auth_verbose = yes
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{home}/mail/%u:LAYOUT=fs
mail_plugins = quota
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_master_user_separator = *
ssl = yes
ssl_cert = <{home}/server.pem
ssl_key = <{home}/server.key
passdb {{
  driver = passwd-file
  args = scheme=plain username_format=%u {home}/masters
  master = yes
  result_success = continue
}}
passdb {{
  driver = passwd-file
  args = scheme=plain username_format=%u {home}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {home}/users
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {plain}
  }}
  inet_listener imaps {{
    port = {tls}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service imap {{
  chroot =
}}
protocol imap {{
  mail_plugins = quota imap_quota
}}
plugin {{
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=1M
  quota_grace = 0
}}
namespace inbox {{
  inbox = yes
  separator = {separator}
  prefix = {prefix}
  mailbox Sent {{
    auto = create
    special_use = \\Sent
  }}
  mailbox "Sent Messages" {{
    special_use = \\Sent
  }}
}}
"""


def missing() -> str:
    """Why there can be no Dovecot here, and what would help; "" if there can."""
    lacking = [name for name in (PROGRAM, "openssl") if shutil.which(name) is None]
    return "needs a real Dovecot: apt-get install --no-remove dovecot-imapd openssl" if lacking else ""


class Dovecot:
    """`ca`: its authority's certificate (PEM). Passwords of users are their address and "-pw".

    `prefix`: of the names of a user's own mailboxes, which `separator` divides.
    """

    def __init__(self, prefix: str = "", separator: str = "/") -> None:
        self.home = Path(tempfile.mkdtemp(prefix="mailhook-dovecot-"))
        self.ca = self.home / "ca.pem"
        self.plain, self.tls = unused_ports(2)
        self._namespace = {"prefix": prefix, "separator": separator}
        self._user = "nobody" if os.geteuid() == 0 else None
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        await asyncio.to_thread(self._write)
        with (self.home / "output").open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(PROGRAM, "-F", "-c", str(self.home / "dovecot.conf")),
                user=self._user,
                group="nogroup" if self._user else None,
                extra_groups=[] if self._user else None,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        await eventually_async(self._answers, "Dovecot answers")

    def _write(self) -> None:
        user = self._user or subprocess.check_output(["id", "-un"], text=True).strip()
        group = "nogroup" if self._user else subprocess.check_output(["id", "-gn"], text=True).strip()
        ports = {"plain": self.plain, "tls": self.tls}
        text = CONF.format(home=self.home, user=user, group=group, **ports, **self._namespace)
        (self.home / "dovecot.conf").write_text(text)
        (self.home / "users").write_text("".join(f"{name}:{name}-pw:::::\n" for name in USERS))
        (self.home / "masters").write_text(f"{MASTER}:{MASTER_PASSWORD}\n")
        for name in ("run", "state", "mail"):
            (self.home / name).mkdir()
        self._certify()
        if self._user:
            for path in (self.home, *self.home.rglob("*")):
                shutil.chown(path, self._user, "nogroup")

    def _certify(self) -> None:
        """A test CA, and a certificate of it for this address."""

        def openssl(*arguments: str) -> None:
            subprocess.run(["openssl", *arguments], cwd=self.home, check=True, capture_output=True)

        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        (self.home / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost")
        openssl("req", "-x509", *key, "-days", "2", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=CA")
        openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
        sign = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl("x509", "-req", "-in", "server.csr", *sign, "-out", "server.pem")

    async def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, (self.home / "output").read_text()
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.plain)
            greeting = await reader.readline()
            writer.close()
            return greeting.startswith(b"* OK")
        return False

    async def stop(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            await self._process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


@asynccontextmanager
async def dovecot(prefix: str = "", separator: str = "/") -> AsyncIterator[Dovecot]:
    server = Dovecot(prefix, separator)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()
