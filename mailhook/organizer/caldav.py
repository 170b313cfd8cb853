"""The organizer's event on a CalDAV server (RFC 4791, RFC 6638).

What: `CalDavWriter` finds it by UID, edits it as it is stored, and puts it back on condition that nobody has changed it
meanwhile. Where a template names the event or the organizer's calendars, that is where it looks; else it asks the
server for them (RFC 6764 §6): `.well-known`, principal, calendar home. A calendar of somebody else that is shown there
too is neither written nor believed.

Not here: what the event must look like (`core.stored_event`), when (`scribe`).

Errors: Temporary for what may be otherwise later: the server does not answer, the event is not there (yet), somebody
else is changing it. Permanent where rights, a login or the event itself stand in the way.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

from mailhook.core.copies import CopyTask, LookTask, Stands
from mailhook.core.meeting import CopyKind, MeetingKey, Place
from mailhook.core.stored_event import EventEditor
from mailhook.core.watch import Absent, Present, Seen, Unchanged, Veiled
from mailhook.errors import MailhookError, Permanent, Temporary, Unreadable
from mailhook.organizer import dav_xml
from mailhook.organizer.accounts import VARIABLES, Accounts, Login, located
from mailhook.organizer.dav import Answer, Dav
from mailhook.organizer.dav_xml import CALDAV, DAV, Response

MAX_CALENDARS = 100
MAX_COPIES, MAX_CANDIDATES = 5, 50
"""The same event may stand in more than one calendar; of more the rest is left. So many UIDs may hold its own."""

TRIES = 4
"""How often an event that somebody else changes at the same time is read again."""

WELL_KNOWN = "/.well-known/caldav"


@dataclass(frozen=True)
class _Calendar:
    """`own`: whether it is the organizer's; None: the server does not tell."""

    url: str
    own: bool | None


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
        for url, own in await self._places(task.key, login, faults):
            if not own or len(found) == MAX_COPIES:
                continue
            try:
                stands = await self._edit(url, task, login)
            except Unreadable as fault:
                faults.append(Permanent(f"the event at {self._dav.host} cannot be edited: {fault}"))
            except (Temporary, Permanent) as fault:
                faults.append(fault)
            else:
                found += [stands] if stands is not None else []
        if found:
            return _joined(found)
        if faults:
            raise faults[0]
        if task.details is None:
            return Stands(changed=False, bears=False)
        raise Temporary(f"{self._dav.host} has no such event in the organizer's calendars")

    async def probe(self, organizer: str) -> str:
        """How the server answers, as a sentence: about `organizer`, or the first one with a password.

        Where neither is known ("" and one account for all), whether it accepts that account at all.
        """
        address = organizer or await self._accounts.somebody()
        login = await self._accounts.login(address)
        if address:
            calendars = [each async for each in self._calendars(address, login) if each.own is not False]
            if not calendars:
                raise Permanent(f"{self._dav.host} shows {login.name} no calendar that is {address}'s own")
            return f"{self._dav.host} shows {login.name} {len(calendars)} calendars"
        stem = self._url.partition("{")[0].rpartition("/")[0] + "/"
        answer = await self._dav.ask("PROPFIND", stem, login, dav_xml.PRINCIPAL, _depth("0"))
        self._dav.judged("PROPFIND", answer, login)
        return f"{self._dav.host} answers, and accepts the login of {login.name}"

    # --- finding ---------------------------------------------------------------------------------------

    async def _places(
        self, key: MeetingKey, login: Login, faults: list[MailhookError]
    ) -> list[tuple[str, bool]]:
        """URLs of what may be the event, and whether in his own calendar; what cannot be searched is one of `faults`.

        Where the server tells no owner, a calendar is his if no other one holds the event.
        """
        address, uid = key.organizer, key.uid
        if "{uid}" in self._url:
            return [(located(self._url, address, uid), True)]
        found: list[tuple[str, _Calendar]] = []
        async for calendar in self._calendars(address, login):
            try:
                query = dav_xml.events_by_uid(uid)
                matches = await self._multistatus("REPORT", calendar.url, login, query, "1")
            except (Temporary, Permanent) as fault:
                faults.append(fault)
                continue
            hits = [self._dav.resolved(calendar.url, each.href) for each in matches if each.status == 200]
            found += ((hit, calendar) for hit in hits)
        told = any(calendar.own for _, calendar in found)
        untold = {calendar.url for _, calendar in found if calendar.own is None}
        if not told and len(untold) > 1:
            why = "more than one calendar that may be the organizer's holds the event"
            faults.append(Permanent(f"{self._dav.host} does not tell owners, and {why}"))
        sole = not told and len(untold) == 1
        return [(hit, calendar.own or (calendar.own is None and sole)) for hit, calendar in found][
            :MAX_CANDIDATES
        ]

    async def _calendars(self, address: str, login: Login) -> AsyncIterator[_Calendar]:
        """The calendars of events that stand in the organizer's home."""
        if any(name in self._url for name in VARIABLES):
            homes, principal = [located(self._url, address, "")], ""
        else:
            principal = await self._principal(login)
            homes = await self._homes(login, principal)
        seen: set[str] = set()
        for home in homes:
            shown = await self._multistatus("PROPFIND", home, login, dav_xml.CALENDARS, "1")
            base = _path(self._dav.resolved(self._dav.base, home))
            owners = {_path(self._dav.resolved(home, each.href)): self._owner(home, each) for each in shown}
            his = {_path(principal), owners.get(base, "")} - {""}
            for response in shown:
                url = self._dav.resolved(home, response.href)
                url = url if url.endswith("/") else f"{url}/"
                if response.holds_events and url not in seen and len(seen) < MAX_CALENDARS:
                    seen.add(url)
                    # What the administrator names by itself is the organizer's by his word.
                    own = _path(url) == base or _is_own(response, url, owners[_path(url)], his, address)
                    yield _Calendar(url, own)
        if not seen:
            raise Temporary(f"{self._dav.host} shows no calendar of {address} to {login.name}")

    def _owner(self, home: str, response: Response) -> str:
        """The path of its owner's principal (RFC 3744 §5.1), or ""."""
        hrefs = response.hrefs(f"{DAV}owner")
        return _path(self._dav.resolved(home, hrefs[0])) if hrefs else ""

    async def _homes(self, login: Login, principal: str) -> list[str]:
        """Where the calendars of `principal`, who logs in, are."""
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
        """`ports.CopyWatcher.look`: where the event was last found, else in all of the organizer's calendars.

        One place that is what it was is enough: what has become of another decides nothing.
        """
        login = await self._accounts.login(task.key.organizer)
        found: list[Answer] = []
        faults: list[MailhookError] = []
        for place in task.places:
            try:
                changed = {"If-None-Match": place.tag} if place.tag else {}
                answer = await self._dav.ask("GET", place.url, login, headers=changed)
                if answer.status == 304 or (answer.status == 200 and answer.tag == place.tag != ""):
                    return Unchanged()
                if not answer.absent and self._is_of(self._dav.judged("GET", answer, login), task):
                    found.append(answer)
            except (Temporary, Permanent) as fault:
                faults.append(fault)
        if faults:
            raise faults[0]
        return _present(found) if found else await self._searched(task, login)

    async def _searched(self, task: LookTask, login: Login) -> Seen:
        found: list[Answer] = []
        faults: list[MailhookError] = []
        count, veiled = 0, False
        for url, own in await self._places(task.key, login, faults):
            count += 1
            answer = await self._dav.ask("GET", url, login)
            if answer.absent:
                continue
            if own and self._is_of(self._dav.judged("GET", answer, login), task):
                found.append(answer)
            elif not own or self._editor.holds(answer.content, task.key.uid):
                veiled = True
        if found:
            return _present(found)
        if faults:
            raise faults[0]
        if veiled or count == MAX_CANDIDATES:
            return Veiled()
        return Absent(await self._beside(task, login))

    def _is_of(self, answer: Answer, task: LookTask) -> bool:
        try:
            return self._editor.is_of(answer.content, task)
        except Unreadable as fault:
            raise Temporary(f"{self._dav.host} shows what is no event: {fault}") from None

    async def _beside(self, task: LookTask, login: Login) -> tuple[Place, ...]:
        """What the calendars that held the event hold now; nothing where only one calendar of his can be seen."""
        if "{uid}" in self._url:
            return ()
        address = task.key.organizer
        shown = {
            _path(each.url): each.url
            async for each in self._calendars(address, login)
            if each.own is not False
        }
        if _path(self._dav.resolved(self._dav.base, located(self._url, address, ""))) in shown:
            return ()
        found: list[Place] = []
        for calendar in dict.fromkeys(_path(place.url.rpartition("/")[0]) for place in task.places):
            if calendar not in shown:
                raise Temporary(f"{self._dav.host} does not show the calendar any more that held the event")
            url = shown[calendar]
            held = await self._multistatus("REPORT", url, login, dav_xml.EVENTS, "1")
            found += (
                Place(self._dav.resolved(url, each.href), each.tag) for each in held if each.status == 200
            )
        if {_path(place.url) for place in found} & {_path(place.url) for place in task.places}:
            raise Temporary(f"{self._dav.host} contradicts itself: it lists the event and does not show it")
        return tuple(found)

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


def _path(url: str) -> str:
    """What two spellings of one resource have in common."""
    return unquote(urlsplit(url).path).rstrip("/")


def _is_own(response: Response, url: str, owner: str, his: set[str], address: str) -> bool | None:
    """Whether a calendar is that of `address`, whose home it stands in; `his`: principals, none if not told.

    SOGo names a calendar that is subscribed to after its owner: user_name.
    """
    if response.is_shared or ("/SOGo/dav/" in url and "_" in _path(url).rpartition("/")[2]):
        return False
    if not owner:
        return None
    if his:
        return owner in his
    return owner.rpartition("/")[2].lower() in {address, address.rpartition("@")[0]}


def _present(found: list[Answer]) -> Present:
    first, *rest = found
    places = tuple(Place(each.url, each.tag) for each in found)
    return Present(first.content, places, tuple(each.content for each in rest))


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
