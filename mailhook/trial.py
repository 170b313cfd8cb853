"""`mailhook provider-test`: one conference made, moved, found and deleted, with all that is said on the way.

What: `trial` goes through the steps against the provider that the settings name, prints each request and answer with
secrets masked, one line per step, and what to do where one failed. What it has made it deletes, whatever happens.

Not here: the provider itself, and rendering templates against sample data (`mailhook check`).

Errors: none comes out of `trial` but those of making the provider; the exit status tells whether all steps succeeded.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from secrets import token_bytes, token_hex
from typing import TypeVar

from mailhook import chosen_provider
from mailhook.config import Settings
from mailhook.core.conference import JoinDetails, Person, Spec
from mailhook.errors import Gone, Impossible, MailhookError, Misconfigured, Permanent, Temporary, Unsent
from mailhook.ports import Provider
from mailhook.provider.session import Exchange
from mailhook.transport.answers import Reader, Reply
from mailhook.transport.masking import Mask
from mailhook.transport.presets import transport
from mailhook.transport.shape import Answer

T = TypeVar("T")
Say = Callable[[str], None]

OK, FAILED = 0, 1
GUEST = Person("guest@example.com", "Guest")


class FailedStepError(Exception):
    """A step that those after it need."""


@dataclass
class Log:
    """What is printed. Exchanges are kept until the step is over: only then is it known what of them is secret.

    `reader` finds in an answer what the settings call a link or a passcode, be the answer usable or not.
    """

    say: Say
    reader: Reader
    mask: Mask = field(default_factory=Mask)
    exchanges: list[Exchange] = field(default_factory=list)
    failures: int = 0
    skipped: int = 0

    def learn(self, details: JoinDetails) -> None:
        self.mask.spare(details.conference_id)
        for secret in (details.link, details.host_link, details.passcode, details.dial_in):
            self.mask.learn_link(secret)

    def tell(self) -> None:
        for exchange in self.exchanges:
            self.mask.spare(self.reader.named(Reply(exchange.status, exchange.answer)))
            for secret in self.reader.secrets(Reply(exchange.status, exchange.answer)):
                self.mask.learn_link(secret)
        for secret in (secret for exchange in self.exchanges for secret in exchange.secrets):
            for piece in secret.split():  # a session may stand behind the name of its scheme
                self.mask.learn(piece)
        for exchange in self.exchanges:
            self._tell(exchange)
        self.exchanges.clear()

    def _tell(self, exchange: Exchange) -> None:
        self.say(f"  > {exchange.method} {self.mask.target(exchange.url)}")
        self._headers(">", exchange.headers)
        self._body(">", exchange.content)
        if exchange.failure:
            self.say(f"  < no answer: {exchange.failure}")
            return
        self.say(f"  < {exchange.status}")
        self._headers("<", exchange.answer_headers)
        self._body("<", exchange.answer)

    def _headers(self, way: str, headers: Sequence[tuple[str, str]]) -> None:
        for name, value in headers:
            self.say(f"  {way} {name}: {self.mask.header(name, value)}")

    def _body(self, way: str, content: bytes) -> None:
        for line in self.mask.body(content).splitlines() if content else []:
            self.say(f"  {way}   {line}")


async def trial(settings: Settings, organizer: str, now: datetime, say: Say) -> int:
    """The exit status: OK, or FAILED if one of the steps failed. `organizer`: who shall own the conference."""
    log = Log(say, Reader(_answer(settings), {}, frozenset()))
    async with AsyncExitStack() as stack:
        sandbox = None
        try:
            sandbox = await chosen_provider.start_sandbox(settings, stack)
        except OSError:
            say("The local Videomost is running already: it is used.")
        provider = chosen_provider.make_provider(
            settings, sandbox, stack, token_bytes(), log.exchanges.append
        )
        for secret in chosen_provider.secrets(settings):
            log.mask.learn(secret)
        say(f"Provider: {provider.identity}")
        say(f"  {_capabilities(provider)}")
        if settings.provider.kind == "external":
            say("  (what a Python file says to its server cannot be shown)")
        key = token_hex(16)
        log.mask.spare(key)
        await Trial(provider, log, _spec(organizer, now), key).run()
    say("")
    ended = "The conference of this test is deleted, unless a line above says otherwise."
    works = "What can be asked works; the rest was skipped." if log.skipped else "Everything works."
    say(f"{log.failures} failed. {ended}" if log.failures else works)
    return FAILED if log.failures else OK


def _answer(settings: Settings) -> Answer:
    """Where in an answer what stands."""
    kind = settings.provider.kind
    used = settings.provider.videomost.transport if kind == "videomost" else transport("default", {})
    return used.answer


def _capabilities(provider: Provider) -> str:
    if provider.chooses_id:
        return "the id is ours: to create again makes no second conference"
    if provider.finds:
        return "conferences are found by our key: after an unclear answer mailhook looks first"
    return (
        "neither is the id ours nor can a conference be found: after an unclear answer one may be left over"
    )


def _spec(organizer: str, now: datetime) -> Spec:
    start = (now + timedelta(days=7)).replace(minute=0, second=0, microsecond=0)
    topic = "mailhook provider-test (may be deleted)"
    return Spec(topic, start, start + timedelta(hours=1), "Europe/Moscow", Person(organizer), (GUEST,))


class Trial:
    """The steps, in order."""

    def __init__(self, provider: Provider, log: Log, spec: Spec, key: str) -> None:
        self._provider = provider
        self._log = log
        self._spec = spec
        self._key = key
        self._began = self._cut = False

    async def run(self) -> None:
        """Stops where nothing further can be tried; what was made is deleted all the same."""
        made: list[str] = []
        try:
            await self._steps(made)
        except FailedStepError:
            pass
        except asyncio.CancelledError:
            self._log.exchanges.clear()
            self._log.say("\nInterrupted: what was made is deleted.")
            raise
        finally:
            await self._cleared(made)

    async def _steps(self, made: list[str]) -> None:
        await self._step("ping", self._done(self._provider.ping()))
        details = await self._step("create", self._created(made))
        if self._provider.chooses_id:
            again = await self._step("create the same again", self._provider.create(self._spec, self._key))
            self._expect(again == details, "creating again has changed the link, the passcode or the id")
        await self._find("find", (details,))
        moved = replace(
            self._spec, start=self._spec.start + timedelta(days=1), end=self._spec.end + timedelta(days=1)
        )
        update = self._done(self._provider.update(details.conference_id, moved))
        if await self._step("move", update, needed=False):
            await self._find("find what was moved", (details,))

    async def _created(self, made: list[str]) -> JoinDetails:
        self._began = True
        try:
            details = await self._provider.create(self._spec, self._key)
        except asyncio.CancelledError:
            self._cut = True
            raise
        made.append(details.conference_id)
        self._log.learn(details)
        return details

    async def _find(self, name: str, expected: tuple[JoinDetails, ...]) -> None:
        if not self._provider.finds:
            return
        found = await self._step(name, self._provider.find(self._key), needed=False)
        if found is not None:
            self._expect(
                tuple(room.details for room in found) == expected,
                f"found {len(found)}, not the {len(expected)} of this test as made",
            )

    async def _cleared(self, made: list[str]) -> None:
        for conference_id in made or await self._left_over():
            deletion = self._done(self._provider.delete(conference_id))
            by_hand = f"  DELETE BY HAND: the conference {conference_id}"
            try:
                deleted = await self._step("delete", deletion, needed=False)
            except asyncio.CancelledError:
                self._log.say(by_hand)
                raise
            if deleted is None:
                self._log.say(by_hand)
                continue
            again = self._done(self._provider.delete(conference_id))
            await self._step("delete what is not there any more", again, needed=False)
        if made:
            await self._find("find nothing", ())
        if self._cut:
            self._log.say(f"  LOOK BY HAND: create was under way, and may still make {self._key}")

    async def _left_over(self) -> list[str]:
        """What a create that seemed to fail may have made."""
        if not self._began:
            return []
        if self._provider.chooses_id:
            return [self._key]
        if self._provider.finds:
            found = await self._step(
                "find what create has left", self._provider.find(self._key), needed=False
            )
            if found is not None:
                return [room.conference_id for room in found]
        self._log.say("  LOOK BY HAND: there may be a conference that create has left")
        return []

    async def _done(self, call: Awaitable[None]) -> bool:
        await call
        return True

    async def _step(self, name: str, call: Awaitable[T], *, needed: bool = True) -> T:
        """What the call returns; None if it failed and nothing depends on it, or if there is no such call."""
        self._log.say("")
        try:
            answer = await call
        except Impossible as error:
            self._log.tell()
            self._log.skipped += 1
            self._log.say(f"skipped {name}: {self._log.mask.text(str(error))}")
            return None  # type: ignore[return-value]
        except MailhookError as error:
            self._log.tell()
            self._log.failures += 1
            self._log.say(f"FAILED  {name}: {self._log.mask.text(str(error))}")
            self._log.say(f"  {advice(error)}")
            if needed:
                raise FailedStepError from None
            return None  # type: ignore[return-value]
        self._log.tell()
        self._log.say(f"ok      {name}")
        return answer

    def _expect(self, right: bool, fault: str) -> None:
        if not right:
            self._log.failures += 1
            self._log.say(f"FAILED  {fault}")


def advice(error: MailhookError) -> str:
    """What to do about it."""
    match error:
        case Misconfigured():
            return (
                "Look at base_url, the paths, and the token or login: the answer above says what was refused."
            )
        case Gone():
            return "The conference that was just made is not there: look at the id in the path of update."
        case Permanent():
            return (
                "The provider refuses this request: compare its body above with the API's document. If the owner is "
                "unknown there, name one by --organizer, or set fallback_owner."
            )
        case Unsent():
            return (
                "Nothing reached the provider, or we could not log in: look at base_url, proxy, ca_file and "
                "auth.login, and whether the server is up."
            )
        case Temporary():
            return (
                "No believable answer: is the server up, and does [provider.videomost.answer], or your Python file, "
                "take out of it what it holds?"
            )
        case _:
            return "See the message."
