"""A SOGo 5.8 of our own, with its PostgreSQL and memcached; its settings stand on the command line."""

import shutil
import signal
from pathlib import Path

from tests.peers.caldav import DOMAIN, Account
from tests.peers.groupware import SERVICE, USERS, Groupware, lacking, unused_ports
from tests.peers.waiting import eventually_async

USERS_TABLE = """
CREATE ROLE sogo LOGIN PASSWORD 'sogo';
CREATE DATABASE sogo OWNER sogo;
\\connect sogo
SET ROLE sogo;
CREATE TABLE sogo_users (c_uid text PRIMARY KEY, c_name text, c_password text, c_cn text, mail text);
"""


def _postgresql() -> str:
    """The directory of the server's programs, or ""."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return str(found[-1].parent) if found else ""


def missing() -> str:
    programs = ("/usr/sbin/sogod", "memcached", f"{_postgresql()}/postgres")
    return lacking(programs, "a real SOGo: apt-get install --no-remove sogo memcached postgresql")


class Sogo(Groupware):
    mails_own_people = True
    mails_cancelled_occurrences = True
    uninvites_from_whole_series = False

    def __init__(self, smtp: int) -> None:
        super().__init__(smtp)
        self._http, self._sql, self._cache = unused_ports(3)

    async def start(self) -> None:
        await self._start_database()
        memcached = shutil.which("memcached") or "memcached"
        await self.spawn("sogo", memcached, "-l", "127.0.0.1", "-p", str(self._cache), "-m", "32")
        folder = self.folder("sogo", "sogo")
        database = f"postgresql://sogo:sogo@127.0.0.1:{self._sql}/sogo"
        source = (
            f'({{type = sql; id = users; viewURL = "{database}/sogo_users"; canAuthenticate = YES;'
            " isAddressBook = YES; displayName = Users; userPasswordAlgorithm = plain;})"
        )
        options = {
            "WOPort": f"127.0.0.1:{self._http}",
            "WOWorkersCount": "3",
            "WONoDetach": "YES",
            "WOPidFile": f"{folder}/sogo.pid",
            "WOLogFile": f"{folder}/sogo.log",
            "SOGoProfileURL": f"{database}/sogo_user_profile",
            "OCSFolderInfoURL": f"{database}/sogo_folder_info",
            "OCSSessionsFolderURL": f"{database}/sogo_sessions_folder",
            "OCSEMailAlarmsFolderURL": f"{database}/sogo_alarms_folder",
            "SOGoMemcachedHost": f"127.0.0.1:{self._cache}",
            "SOGoMailDomain": DOMAIN,
            "SOGoTimeZone": "Europe/Moscow",
            "SOGoLanguage": "Russian",
            "SOGoMailingMechanism": "smtp",
            "SOGoSMTPServer": f"smtp://127.0.0.1:{self.smtp}",
            "SOGoAppointmentSendEMailNotifications": "YES",
            "SOGoUserSources": source,
            "SOGoSuperUsernames": f"({SERVICE})",
        }
        line = [word for name, value in options.items() for word in (f"-{name}", value)]
        await self.spawn("sogo", "/usr/sbin/sogod", *line)
        await self.serves()

    async def _start_database(self) -> None:
        data, programs = self.folder("sql", "postgres"), _postgresql()
        initial = ("-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        await self.run("postgres", f"{programs}/initdb", "-D", str(data), *initial)
        own = {"listen_addresses": "127.0.0.1", "port": str(self._sql), "fsync": "off"}
        own["unix_socket_directories"] = str(data)
        settings = [word for name, value in own.items() for word in ("-c", f"{name}={value}")]
        await self.spawn("postgres", f"{programs}/postgres", "-D", str(data), *settings, last=signal.SIGQUIT)
        rows = [f"('{u}', '{u}', '{u}-pw', '{u.title()}', '{u}@{DOMAIN}')" for u in (*USERS, SERVICE)]
        script = f"{USERS_TABLE}INSERT INTO sogo_users VALUES {', '.join(rows)};"
        client = (f"{programs}/psql", "-h", "127.0.0.1", "-p", str(self._sql), "-U", "postgres", "-q")

        async def answers() -> bool:
            try:
                await self.run("postgres", *client, "-c", "SELECT 1")
            except AssertionError:
                return False
            return True

        await eventually_async(answers, "PostgreSQL answers")
        await self.run("postgres", *client, "-v", "ON_ERROR_STOP=1", "-f", "-", given=script)

    def account(self, user: str) -> Account:
        url = f"http://127.0.0.1:{self._http}/SOGo/dav/{user}/Calendar/personal/"
        return Account(url, user, f"{user}-pw")

    def caldav(self) -> dict[str, str]:
        return {
            "url": f"http://127.0.0.1:{self._http}/SOGo/dav/{{user}}/Calendar/",
            "profile": "sogo",
            "username": SERVICE,
            "password": f"{SERVICE}-pw",
        }
