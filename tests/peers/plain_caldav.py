"""CalDAV servers that mail nobody, each a process of its own: Radicale and Xandikos, from the package index."""

from abc import ABC, abstractmethod
from pathlib import Path

import httpx

from tests.peers.caldav import Account
from tests.peers.daemon import Daemon
from tests.peers.groupware import unused_ports
from tests.peers.waiting import eventually_async

SERVICE, PASSWORD = "mailhook", "mailhook-pw"
MKCALENDAR = '<C:mkcalendar xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"/>'


class PlainCalDav(ABC):
    """`home`: the path of the organizer's calendars."""

    home: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (self.port,) = unused_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self._daemon = Daemon(folder / "log", "", "-m", *self.line())

    @abstractmethod
    def line(self) -> tuple[str, ...]: ...

    @abstractmethod
    def caldav(self) -> dict[str, str]:
        """The section [organizer.caldav], with a service account where the server knows any."""

    @abstractmethod
    def found_by_itself(self) -> dict[str, str]:
        """The same, with nothing but the server's address, and the organizer's own login."""

    def account(self, calendar: str = "work") -> Account:
        return Account(f"{self.url}{self.home}{calendar}/", "ivan", "ivan-pw")

    async def start(self) -> None:
        await self._daemon.start()
        await eventually_async(self._answers, "the server answers")
        for name in ("home", "work"):
            answer = await self.account(name).ask("MKCALENDAR", body=MKCALENDAR.encode(), **XML)
            assert answer.is_success, (answer.status_code, answer.text)

    async def _answers(self) -> bool:
        try:
            return (await self.account().ask("PROPFIND", Depth="0")).status_code < 500
        except httpx.TransportError:
            return False

    async def stop(self) -> None:
        await self._daemon.stop()

    def users(self) -> str:
        """A file with the organizer's password, as mailhook reads it."""
        path = self.folder / "users"
        path.write_text("ivan@corp.example:ivan-pw\n")
        return str(path)


XML = {"Content-Type": "application/xml"}


class Radicale(PlainCalDav):
    home = "/ivan/"

    def line(self) -> tuple[str, ...]:
        passwords, rights = self.folder / "passwords", self.folder / "rights"
        passwords.write_text(f"ivan:ivan-pw\n{SERVICE}:{PASSWORD}\n")
        everything = f"[{SERVICE}]\nuser: {SERVICE}\ncollection: .*\npermissions: RrWw\n"
        root = "[root]\nuser: .+\ncollection:\npermissions: R\n"
        own = "[own]\nuser: .+\ncollection: {user}(/.*)?\npermissions: RrWw\n"
        rights.write_text(everything + root + own)
        return (
            *("radicale", "--config", "", "--server-hosts", f"127.0.0.1:{self.port}"),
            *("--storage-filesystem-folder", str(self.folder / "collections")),
            *("--auth-type", "htpasswd", "--auth-htpasswd-filename", str(passwords)),
            *(
                "--auth-htpasswd-encryption",
                "plain",
                "--rights-type",
                "from_file",
                "--rights-file",
                str(rights),
            ),
        )

    def caldav(self) -> dict[str, str]:
        return {"url": f"{self.url}/{{user}}/", "username": SERVICE, "password": PASSWORD}

    def found_by_itself(self) -> dict[str, str]:
        return {"url": self.url, "username": "{user}", "passwords_file": self.users()}


class Xandikos(PlainCalDav):
    """It knows no users: a web server before it does."""

    home = "/ivan/calendars/"

    def line(self) -> tuple[str, ...]:
        place = ("-d", str(self.folder / "data"), "--state-dir", str(self.folder / "state"))
        principal = ("--current-user-principal", "/ivan/", "--defaults")
        return ("xandikos", "serve", *place, *principal, "-l", "127.0.0.1", "-p", str(self.port))

    def caldav(self) -> dict[str, str]:
        return {"url": f"{self.url}/{{user}}/calendars/", "username": SERVICE, "password": PASSWORD}

    def found_by_itself(self) -> dict[str, str]:
        return {"url": self.url, "passwords_file": self.users()}
