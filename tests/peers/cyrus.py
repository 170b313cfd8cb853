"""A Cyrus IMAP 3.6 of our own with CalDAV scheduling (RFC 6638)."""

import smtplib
from asyncio import to_thread
from functools import partial
from pathlib import Path

from tests.peers.caldav import DOMAIN, Account
from tests.peers.groupware import SERVICE, USERS, Groupware, lacking, unused_ports
from tests.peers.waiting import eventually_async

PROGRAMS = Path("/usr/lib/cyrus/bin")

IMAPD_CONF = """
configdirectory: {home}/conf
proc_path: {home}/conf/proc
mboxname_lockpath: {home}/conf/lock
defaultpartition: default
partition-default: {home}/spool
servername: cyrus.{domain}
unixhierarchysep: yes
altnamespace: yes
virtdomains: off
defaultdomain: {domain}
loginrealms: {domain}
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {home}/conf/sasldb2
sasl_mech_list: PLAIN
autocreate_users: anyone
autocreate_quota: 0
autocreate_post: yes
httpmodules: caldav
caldav_allowscheduling: on
calendar_user_address_set: {domain}
smtp_backend: host
smtp_host: 127.0.0.1:{smtp}/noauth
"""

CYRUS_CONF = """
START {{
  recover cmd="{programs}/ctl_cyrusdb -C {home}/imapd.conf -r"
}}
SERVICES {{
  http cmd="{programs}/httpd -C {home}/imapd.conf" listen="127.0.0.1:{http}" prefork=1 maxchild=10
  lmtp cmd="{programs}/lmtpd -C {home}/imapd.conf -a" listen="127.0.0.1:{lmtp}" prefork=0 maxchild=2
}}
EVENTS {{
}}
"""


def missing() -> str:
    programs = (f"{PROGRAMS}/httpd", "/usr/sbin/saslpasswd2")
    return lacking(
        programs, "a real Cyrus: apt-get install --no-remove cyrus-caldav sasl2-bin libsasl2-modules"
    )


class Cyrus(Groupware):
    mails_own_people = False
    mails_cancelled_occurrences = False
    uninvites_from_whole_series = True

    def __init__(self, smtp: int) -> None:
        super().__init__(smtp)
        self._http, self._lmtp = unused_ports(2)

    async def start(self) -> None:
        for name in ("conf", "conf/db", "conf/proc", "conf/lock", "conf/socket", "spool"):
            self.folder(name, "cyrus")
        numbers = {"smtp": self.smtp, "http": self._http, "lmtp": self._lmtp}
        for name, text in (("imapd.conf", IMAPD_CONF), ("cyrus.conf", CYRUS_CONF)):
            written = text.format(home=self.home, domain=DOMAIN, programs=PROGRAMS, **numbers)
            (self.home / name).write_text(written)
        passwords = self.home / "conf" / "sasldb2"
        for user in (*USERS, SERVICE):
            line = ("/usr/sbin/saslpasswd2", "-p", "-c", "-f", str(passwords), "-u", f"cyrus.{DOMAIN}", user)
            await self.run(None, *line, given=f"{user}-pw")
        passwords.chmod(0o644)
        config, services = f"{self.home}/imapd.conf", f"{self.home}/cyrus.conf"
        pid = f"{self.home}/conf/master.pid"
        await self.spawn(None, f"{PROGRAMS}/master", "-D", "-C", config, "-M", services, "-p", pid)
        for user in (*USERS, SERVICE):
            await eventually_async(partial(to_thread, self._delivered, user), f"{user} gets a mail")
        await self.serves()
        await self._share("ivan")

    def _delivered(self, user: str) -> bool:
        """A first mail makes the mailbox."""
        try:
            with smtplib.LMTP("127.0.0.1", self._lmtp) as client:
                client.sendmail(f"root@{DOMAIN}", [user], b"Subject: welcome\r\n\r\nHello\r\n")
        except OSError:
            return False
        return True

    async def _share(self, user: str) -> None:
        """Let SERVICE change the user's events, as `setacl` does (draft-pot-webdav-resource-sharing)."""
        grant = f"<D:href>mailto:{SERVICE}@{DOMAIN}</D:href><D:share-access><D:read-write/></D:share-access>"
        body = f'<D:share-resource xmlns:D="DAV:"><D:sharee>{grant}</D:sharee></D:share-resource>'
        kind = {"Content-Type": "application/davsharing+xml"}
        answer = await self.account(user).ask("POST", body=body.encode(), **kind)
        assert answer.is_success, (answer.status_code, answer.text)

    def account(self, user: str) -> Account:
        url = f"http://127.0.0.1:{self._http}/dav/calendars/user/{user}/Default/"
        return Account(url, user, f"{user}-pw")

    def caldav(self) -> dict[str, str]:
        return {
            "url": f"http://127.0.0.1:{self._http}/dav/calendars/user/{SERVICE}/{{user}}.Default/",
            "profile": "cyrus",
            "username": SERVICE,
            "password": f"{SERVICE}-pw",
        }


class CyrusByItself(Cyrus):
    """Where mailhook logs in as the organizer himself."""

    def caldav(self) -> dict[str, str]:
        home = f"http://127.0.0.1:{self._http}/dav/calendars/user/{{user}}/"
        return {**super().caldav(), "url": home, "username": "{user}", "password": "ivan-pw"}
