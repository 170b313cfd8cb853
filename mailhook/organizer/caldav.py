"""The organizer's event on a CalDAV server (RFC 4791, RFC 6638).

What: `CalDavWriter` finds it by UID, edits it as it is stored, and puts it back on condition that nobody has changed it
meanwhile. Where a template names the event or the organizer's calendars, that is where it looks; else it asks the
server for them (RFC 6764 §6): `.well-known`, principal, calendar home.

Not here: what the event must look like (`core.stored_event`), when (`scribe`).

Errors: Temporary for what may be otherwise later: the server does not answer, the event is not there (yet), somebody
else is changing it. Permanent where rights, a login or the event itself stand in the way.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from mailhook.core.copies import CopyTask, LookTask, Stands
from mailhook.core.meeting import CopyKind, MeetingKey, Place
from mailhook.core.stored_event import EventEditor
from mailhook.core.watch import Absent, Present, Seen, Unchanged
from mailhook.errors import MailhookError, Permanent, Temporary, Unreadable
from mailhook.organizer import dav_xml
from mailhook.organizer.accounts import VARIABLES, Accounts, Login, located
from mailhook.organizer.dav import Answer, Dav
from mailhook.organizer.dav_xml import CALDAV, DAV, Response

MAX_CALENDARS = 100
MAX_COPIES = 5
"""The same event may stand in more than one calendar; of more the rest is left."""

TRIES = 4
"""How often an event that somebody else changes at the same time is read again."""

WELL_KNOWN = "/.well-known/caldav"


class CalDavWriter:
    """`ports.CopyWriter` and `CopyWatcher`. `url`: a template; `headers`: of a PUT, what keeps the server silent."""

    kind = CopyKind.CALDAV

    def __init__(
        self, dav: Dav, accounts: Accounts, url: str, editor: EventEditor, headers: Mapping[str, str]
    ) -> None:
        self._dav = dav
        self._accounts = accounts
        self._url = url if url.endswith("/") or "{uid}" in url else f"{url}/"
        self._editor = editor
        self._headers = {"Content-Type": "text/calendar; charset=utf-8", **headers}

    async def close(self) -> None:
        await self._dav.close()

    async def write(self, task: CopyTask) -> Stands:
        login = await self._accounts.login(task.key.organizer)
        found: list[Stands] = []
        faults: list[MailhookError] = []
        async for url in self._places(task.key, login, faults):
            try:
                stands = await self._edit(url, task, login)
            except Unreadable as fault:
                faults.append(Permanent(f"the event at {self._dav.host} cannot be edited: {fault}"))
            else:
                found += [stands] if stands is not None else []
        if found:
            return _joined(found)
        if faults:
            raise faults[0]
        if task.details is None:
            return Stands(changed=False, bears=False)
        raise Temporary(f"{self._dav.host} has no such event in the organizer's calendars")

    async def probe(self) -> str:
        """How the server answers, as a sentence: to the first organizer with a password, or to the service account."""
        address = await self._accounts.somebody()
        login = await self._accounts.login(address)
        if address:
            calendars = [url async for url in self._calendars(address, login)]
            return f"{self._dav.host} shows {login.name} {len(calendars)} calendars"
        stem = self._url.partition("{")[0].rpartition("/")[0] + "/"
        answer = await self._dav.ask("PROPFIND", stem, login, dav_xml.PRINCIPAL, _depth("0"))
        if answer.status == 401 or answer.status >= 500:
            raise self._dav.failure("PROPFIND", answer.status, login)
        return f"{self._dav.host} answers, and accepts the login of {login.name}"

    # --- finding ---------------------------------------------------------------------------------------

    async def _places(self, key: MeetingKey, login: Login, faults: list[MailhookError]) -> AsyncIterator[str]:
        """URLs of what may be the event; a calendar that cannot be searched is one of `faults`."""
        address, uid = key.organizer, key.uid
        if "{uid}" in self._url:
            yield located(self._url, address, uid)
            return
        count = 0
        async for calendar in self._calendars(address, login):
            try:
                matches = await self._multistatus("REPORT", calendar, login, dav_xml.events_by_uid(uid), "1")
            except (Temporary, Permanent) as fault:
                faults.append(fault)
                continue
            for response in matches:
                if response.status == 200 and count < MAX_COPIES:
                    count += 1
                    yield self._dav.resolved(calendar, response.href)

    async def _calendars(self, address: str, login: Login) -> AsyncIterator[str]:
        """The organizer's calendars of events."""
        if any(name in self._url for name in VARIABLES):
            homes = [located(self._url, address, "")]
        else:
            homes = await self._homes(login)
        seen: set[str] = set()
        for home in homes:
            for response in await self._multistatus("PROPFIND", home, login, dav_xml.CALENDARS, "1"):
                url = self._dav.resolved(home, response.href)
                if response.holds_events and url not in seen and len(seen) < MAX_CALENDARS:
                    seen.add(url)
                    yield url
        if not seen:
            raise Temporary(f"{self._dav.host} shows no calendar of {address} to {login.name}")

    async def _homes(self, login: Login) -> list[str]:
        """Where the calendars of who logs in are."""
        principal = await self._principal(login)
        found = await self._multistatus("PROPFIND", principal, login, dav_xml.HOME, "0")
        homes = [href for each in found for href in each.hrefs(f"{CALDAV}calendar-home-set")]
        if not homes:
            raise Permanent(f"{self._dav.host} names no calendars of {login.name}: set a template in the URL")
        return [self._dav.resolved(principal, home) for home in homes]

    async def _principal(self, login: Login) -> str:
        own_path = [self._url] if urlsplit(self._url).path.strip("/") else []
        for start in (*own_path, WELL_KNOWN, "/"):
            answer = await self._dav.ask("PROPFIND", start, login, dav_xml.PRINCIPAL, _depth("0"))
            if answer.status == 401:
                raise self._dav.failure("PROPFIND", answer.status, login)
            if answer.status == 207:
                for response in dav_xml.read(answer.content):
                    for href in response.hrefs(f"{DAV}current-user-principal"):
                        return self._dav.resolved(answer.url, href)
        raise Permanent(f"{self._dav.host} does not tell whose calendars it has: set a template in the URL")

    async def _multistatus(
        self, method: str, url: str, login: Login, body: bytes, depth: str
    ) -> list[Response]:
        answer = self._dav.judged(method, await self._dav.ask(method, url, login, body, _depth(depth)), login)
        return dav_xml.read(answer.content)

    # --- looking ---------------------------------------------------------------------------------------

    async def look(self, task: LookTask) -> Seen:
        """`ports.CopyWatcher.look`: where the event was last found, else in all of the organizer's calendars."""
        login = await self._accounts.login(task.key.organizer)
        there = False
        for place in task.places:
            answer = await self._dav.ask("GET", place.url, login, headers={"If-None-Match": place.tag})
            if answer.status == 304 or (answer.status == 200 and answer.tag == place.tag != ""):
                there = True
            elif not answer.absent:
                self._dav.judged("GET", answer, login)
                if self._is_of(answer, task):
                    return _present(answer)
        return Unchanged() if there else await self._searched(task, login)

    async def _searched(self, task: LookTask, login: Login) -> Seen:
        faults: list[MailhookError] = []
        async for url in self._places(task.key, login, faults):
            answer = await self._dav.ask("GET", url, login)
            if not answer.absent and self._is_of(self._dav.judged("GET", answer, login), task):
                return _present(answer)
        if faults:
            raise faults[0]
        return Absent(await self._others(task, login))

    def _is_of(self, answer: Answer, task: LookTask) -> bool:
        try:
            return self._editor.is_of(answer.content, task)
        except Unreadable as fault:
            raise Temporary(f"{self._dav.host} shows what is no event: {fault}") from None

    async def _others(self, task: LookTask, login: Login) -> bool:
        """Whether the organizer has other events, found by the same kind of search, and absence can be believed.

        Not where one calendar is all that can be seen of him, nor where that which held the event is not seen any more.
        """
        if "{uid}" in self._url:
            return False
        found: set[str] = set()
        calendars: set[str] = set()
        async for calendar in self._calendars(task.key.organizer, login):
            calendars.add(unquote(calendar))
            held = await self._multistatus("REPORT", calendar, login, dav_xml.EVENTS, "1")
            found |= {unquote(self._dav.resolved(calendar, each.href)) for each in held}
        places = [unquote(place.url) for place in task.places]
        if found.intersection(places):
            raise Temporary(f"{self._dav.host} contradicts itself: it lists the event and does not show it")
        home = unquote(self._dav.resolved(self._dav.base, located(self._url, task.key.organizer, "")))
        seen = all(place.startswith(tuple(calendars)) for place in places)
        return bool(found) and seen and home not in calendars

    # --- editing ---------------------------------------------------------------------------------------

    async def _edit(self, url: str, task: CopyTask, login: Login) -> Stands | None:
        """How the event at `url` stands now; None where there is none (any more)."""
        for _ in range(TRIES):
            stored = await self._dav.ask("GET", url, login)
            if stored.absent:
                return None
            self._dav.judged("GET", stored, login)
            edited = self._editor.edit(stored.content, task)
            if not edited.found.changed:
                return replace(edited.found, places=(Place(url, stored.tag),))
            headers = {**self._headers, **self._unchanged(stored)}
            answer = await self._dav.ask("PUT", url, login, edited.content, headers)
            if answer.status != 412:
                self._dav.judged("PUT", answer, login)
                return edited.found
        raise Temporary(f"{self._dav.host}: the event changes all the time")

    def _unchanged(self, stored: Answer) -> dict[str, str]:
        """The condition of a PUT: a strong ETag (RFC 9110 §8.8.3), else a Schedule-Tag (RFC 6638 §3.2.10)."""
        if stored.tag.startswith('"'):
            return {"If-Match": stored.tag}
        if tag := stored.headers.get("schedule-tag", ""):
            return {"If-Schedule-Tag-Match": tag}
        raise Permanent(f"{self._dav.host} gives events no strong ETag, so nothing can be changed safely")


def _present(answer: Answer) -> Present:
    return Present(answer.content, (Place(answer.url, answer.tag),))


def _joined(found: list[Stands]) -> Stands:
    return Stands(
        any(each.changed for each in found),
        all(each.bears for each in found),
        next((each.passage for each in found if each.passage), None),
        found[0].stamp,
        tuple(place for each in found for place in each.places),
    )


def _depth(depth: str) -> dict[str, str]:
    return {"Depth": depth, "Content-Type": "application/xml; charset=utf-8"}
