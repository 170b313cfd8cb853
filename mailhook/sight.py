"""What there is to see of a running mailhook: `front.http.Sight`.

What: a `Sight` asks next hop, provider and store, and turns what the store holds into what the administrator's page
shows. All who ask at one time share one question, which is bounded in time: who looks cannot hold up mail.

Not here: figures (`meter`), reading the store (`store.observer`), HTML and HTTP (`front`).

Errors: none. What goes wrong is a part of what is seen.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from mailhook import admin, journal
from mailhook.config import Settings
from mailhook.config.security import EXPIRES_SOON
from mailhook.core.aim import Room, desired, participants, topic
from mailhook.core.meeting import Meeting
from mailhook.errors import Impossible, MailhookError
from mailhook.front.status_page import SHOWN, Event, Status
from mailhook.guard import Guard
from mailhook.nexthop.pool import Pool
from mailhook.ports import Decision, Holdings, Store
from mailhook.store.observer import Observer
from mailhook.validity import Certificate

T = TypeVar("T")

PATIENCE = 3.0
"""Seconds that an answer of a peer or of the store is awaited."""

SILENCE = f"no answer within {PATIENCE:g} s"

FRESH, RECENT, STANDING = 2.0, 10.0, 30.0
"""Seconds for which is not asked again: what the store holds; whether next hop and store do; whether the provider."""


class Shared(Generic[T]):
    """The answer to a question that many may ask: asked once at a time, and again after `fresh` seconds."""

    def __init__(self, ask: Callable[[], Coroutine[object, object, T]], fresh: float) -> None:
        self._ask = ask
        self._fresh = fresh
        self._until = 0.0
        self._asking: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """TimeoutError after PATIENCE; else what the question raises. One that hangs is not asked again meanwhile."""
        now = asyncio.get_running_loop().time()
        if self._asking is None or (self._asking.done() and now >= self._until):
            self._asking, self._until = asyncio.create_task(self._ask()), now + self._fresh
            self._asking.add_done_callback(lambda task: task.cancelled() or task.exception())
        async with asyncio.timeout(PATIENCE):
            return await asyncio.shield(self._asking)


@dataclass(frozen=True)
class _Gathered:
    """Of the store, for the page."""

    holdings: Holdings | None = None
    doubtful: Sequence[Meeting] = ()
    pending: Sequence[Meeting] = ()
    standing: Sequence[Meeting] = ()
    decisions: Sequence[Decision] = ()


@dataclass(frozen=True)
class Known:
    """What others know.

    `figures` writes down what is counted, with what the store holds (None: nobody can say), and its media type;
    `refused`: clients that could not get in during the last hour, by why; `certificates`: our own.
    """

    figures: Callable[[Holdings | None], tuple[bytes, str]]
    refused: Callable[[], Mapping[str, int]]
    certificates: Callable[[], Sequence[Certificate]]


class Sight:
    """Of what runs in this process, and of the store."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        hop: Pool,
        provider: Guard,
        clock: Callable[[], datetime],
        known: Known,
    ) -> None:
        self._settings = settings
        self._hop = hop
        self._provider = provider
        self._clock = clock
        self._known = known
        self._observer = Observer(settings.store.path)
        self._gathered = Shared(self._gather, FRESH)
        self._holdings = Shared(lambda: self._observer.holdings(clock()), FRESH)
        self._hop_reached = Shared(hop.reach, RECENT)
        self._store_checked = Shared(store.check, RECENT)
        self._provider_asked = Shared(provider.look, STANDING)

    def close(self) -> None:
        self._observer.close()

    async def faults(self) -> dict[str, str]:
        return await _faults({"next hop": self._hop_reached, "store": self._store_checked})

    async def metrics(self) -> tuple[bytes, str]:
        try:
            return self._known.figures(await self._holdings())
        except (MailhookError, TimeoutError):
            return self._known.figures(None)

    async def status(self, *, secrets: bool) -> Status:
        questions = {
            "next hop": self._hop_reached,
            "provider": self._provider_asked,
            "store": self._store_checked,
        }
        faults = await _faults(questions)
        gathered = _Gathered()
        try:
            gathered = await self._gathered()
        except (MailhookError, TimeoutError) as error:
            faults.setdefault("store", journal.clean(str(error)) or SILENCE)
        return self._shown(gathered, faults, secrets=secrets)

    async def _gather(self) -> _Gathered:
        store, most = self._observer, SHOWN + 1
        return _Gathered(
            await store.holdings(self._clock()),
            await store.doubtful(most),
            await store.pending(most),
            await store.standing(SHOWN),
            await store.decisions(SHOWN),
        )

    def _shown(self, gathered: _Gathered, faults: dict[str, str], *, secrets: bool) -> Status:
        settings, usage = self._settings, self._hop.usage
        if resting := self._provider.last_failure:
            faults["provider"] = journal.clean(resting)
        return Status(
            version=version("mailhook"),
            now=self._clock(),
            zone=ZoneInfo(settings.policy.timezone),
            hop=f"{settings.nexthop.host}:{settings.nexthop.port}",
            provider=self._provider.identity,
            store=settings.store.path,
            faults=faults,
            resting=self._provider.state != "closed",
            busy=usage.busy,
            idle=usage.idle,
            waiting=usage.waiting,
            holdings=gathered.holdings,
            doubtful=[self._event(each, each.doubtful, secrets=secrets) for each in gathered.doubtful],
            pending=[self._waiting(each, secrets=secrets) for each in gathered.pending],
            standing=[self._event(each, "", secrets=secrets) for each in gathered.standing],
            decisions=gathered.decisions,
            refused=self._known.refused(),
            certificates=self._certificates(),
        )

    def _certificates(self) -> Mapping[str, int | None]:
        """Those that need a look: by file, the days until they cease to be valid; None: renewed, and unusable."""
        now, found = self._clock(), dict[str, int | None]()
        for each in self._known.certificates():
            if each.fault:
                found[each.file] = None
            elif each.until is not None and each.until < now + EXPIRES_SOON:
                found[each.file] = (each.until - now).days
        return found

    def _waiting(self, meeting: Meeting, *, secrets: bool) -> Event:
        row = admin.pending(meeting)
        again = datetime.fromisoformat(row["tried_again"]) if row["tried_again"] else None
        return replace(self._event(meeting, row["why"], secrets=secrets), again=again)

    def _event(self, meeting: Meeting, why: str, *, secrets: bool) -> Event:
        aim = desired(meeting, self._clock(), self._settings.policy.roll_after)
        return Event(
            uid=journal.clean(meeting.key.uid),
            organizer=journal.clean(meeting.key.organizer),
            state=meeting.conference.state.value,
            next=aim.spec.start if isinstance(aim, Room) else None,
            people=len(participants(meeting)),
            why=journal.clean(why),
            topic=topic(meeting) if secrets else "",
            link=meeting.link.link if secrets and meeting.link else "",
        )


async def _faults(questions: Mapping[str, Callable[[], Awaitable[object]]]) -> dict[str, str]:
    """All asked at once; those without a good answer."""
    answers = await asyncio.gather(*(_fault(question) for question in questions.values()))
    return {what: why for what, why in zip(questions, answers, strict=True) if why}


async def _fault(question: Callable[[], Awaitable[object]]) -> str:
    """Why a question has no good answer, or ""."""
    try:
        await question()
    except Impossible:
        return ""  # there is nothing to ask by, which is no fault
    except TimeoutError:
        return SILENCE
    except MailhookError as error:
        return journal.clean(str(error))
    return ""
