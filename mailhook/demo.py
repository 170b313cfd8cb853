"""Everything local in one process: a Videomost, the relay, a receiving server, and a page to look at.

What: `demo` sends sample invitations by real SMTP through the real relay. With `once` it runs through, prints a table
with the join links and says by its exit status whether all was as it should be; without, it keeps running and shows
each message before and after on a page.

Not here: the samples (`samples`), the pages (`front.pages`).
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import assert_never

from mailhook.app import App, running, utc_now
from mailhook.comparison import event_properties, title_of
from mailhook.config import (
    Listen,
    Log,
    NextHop,
    PolicySettings,
    Provider,
    SandboxSettings,
    Settings,
    StoreSettings,
)
from mailhook.errors import Temporary
from mailhook.front.pages import Room, Shown, pages
from mailhook.front.sink import Sink
from mailhook.nexthop.pool import Pool
from mailhook.phrasebook import shipped
from mailhook.ports import Answered, Client, Content, Lost, Reception, Submission
from mailhook.relay import Wire
from mailhook.samples import LANGUAGES, ORGANIZER_DOMAIN, Sample, samples
from mailhook.smtp.commands import Mail, Rcpt
from mailhook.smtp.content import dot_stuff, dot_unstuff
from mailhook.smtp.ehlo import Capabilities
from mailhook.smtp.replies import Reply
from mailhook.web import WebServer

DELETE_GRACE = timedelta(seconds=1)
PATIENCE = 30.0
"""Seconds that `--once` waits for the cancelled conferences to be deleted."""

_LINK = re.compile(rb"https?://[^\s\"'<>\\]+/service/join/\?[^\s\"'<>\\]+")


@dataclass
class Gallery:
    """What has passed, in order; stands between listener and relay (`ports.Reception`)."""

    inner: Reception
    sink: Sink
    shown: list[Shown] = field(default_factory=list)

    async def capabilities(self) -> Capabilities:
        return await self.inner.capabilities()

    def submission(self, client: Client) -> "Visit":
        return Visit(self, self.inner.submission(client))


@dataclass
class Visit:
    """One transaction, looked at from both sides."""

    gallery: Gallery
    inner: Submission

    async def envelope(self, commands: Sequence[Mail | Rcpt]) -> list[Reply]:
        return await self.inner.envelope(commands)

    async def content(self, content: Content, candidate: bool) -> Reply:
        before = dot_unstuff(content.wire())
        known = len(self.gallery.sink.messages)
        reply = await self.inner.content(content, candidate)
        for received in self.gallery.sink.messages[known:]:
            recipients = tuple(rcpt.address for rcpt in received.recipients)
            link = link_in(received.content)
            self.gallery.shown.append(Shown(title_of(before), recipients, before, received.content, link))
        return reply

    async def abort(self, why: str = "") -> None:
        await self.inner.abort(why)


def link_in(content: bytes) -> str:
    """The join link of an invitation, from its calendar (which may be encoded), or ""."""
    values = "\n".join(value for name, value in event_properties(content) if name == "CONFERENCE")
    found = _LINK.search(values.encode())
    return found[0].decode() if found else ""


@dataclass(frozen=True)
class Stage:
    app: App
    gallery: Gallery

    def rooms(self) -> list[Room]:
        sandbox = self.app.sandbox
        assert sandbox is not None
        return [
            Room(
                room.spec.topic,
                f"{room.spec.start:%Y-%m-%d %H:%M}",
                room.spec.owner.address,
                sandbox.link(room),
            )
            for room in sandbox.conferences.values()
        ]


@asynccontextmanager
async def _stage() -> AsyncIterator[Stage]:
    sink = Sink()
    await sink.start()
    galleries: list[Gallery] = []

    def watch(relay: Reception) -> Reception:
        galleries.append(Gallery(relay, sink))
        return galleries[0]

    try:
        async with running(_settings(sink.port), watch=watch) as app:
            yield Stage(app, galleries[0])
    finally:
        await sink.close()


def _settings(port: int) -> Settings:
    """The embedded defaults, on free ports and in memory."""
    return Settings(
        listen=Listen(port=0),
        nexthop=NextHop(port=port),
        provider=Provider(kind="sandbox", sandbox=SandboxSettings(port=0)),
        store=StoreSettings(path=":memory:"),
        policy=PolicySettings(organizer_domains=(ORGANIZER_DOMAIN,), delete_grace=DELETE_GRACE),
        log=Log(level="warning"),
    )


async def _send(port: int, sample: Sample) -> None:
    """By real SMTP, as a mail server would. Temporary: not accepted."""
    pool = Pool("127.0.0.1", port, hostname="demo.example")
    try:
        transaction = pool.transaction(Client("127.0.0.1", b"demo.example"))
        mail = Mail(f"<{sample.sender}>".encode())
        replies = await transaction.envelope([mail, Rcpt(f"<{sample.recipient}>".encode())])
        refused = [reply.text for reply in replies if not reply.positive]
        if refused:
            raise Temporary(f"{sample.title}: {refused[0]}")
        delivery = await transaction.deliver(Wire(dot_stuff(sample.content)))
        match delivery:
            case Answered(reply) if reply.positive:
                return
            case Answered(reply):
                raise Temporary(f"{sample.title}: {reply.text}")
            case Lost(_, why):
                raise Temporary(f"{sample.title}: {why}")
            case _:
                assert_never(delivery)
    finally:
        await pool.close()


def _demo_sources() -> dict[str, str]:
    folder = shipped("templates") / "demo"
    return {f"demo/{path.name}": path.read_text(encoding="utf-8") for path in folder.glob("*.j2")}


async def demo(say: Callable[[str], None], *, once: bool, port: int) -> int:
    """The exit status. `port`: of the page, 0 for a free one; `say` prints a line."""
    async with _stage() as stage:
        sent = list(samples(_demo_sources(), utc_now()))
        for sample in sent:
            await _send(stage.app.listener.port, sample)
        if once:
            return await _verdict(stage, sent, say)
        await _show(stage, say, port)
        return 0


async def _show(stage: Stage, say: Callable[[str], None], port: int) -> None:
    smtp = stage.app.listener.port
    hint = (
        f"Hand in a mail of your own by SMTP to 127.0.0.1 port {smtp}: an invitation of an organizer in "
        f"{ORGANIZER_DOMAIN}, sent by that organizer, with the location Videomost."
    )
    server = WebServer(pages(lambda: stage.gallery.shown, stage.rooms, hint))
    await server.start("127.0.0.1", port)
    try:
        say(f"mailhook demo is running. Look at {server.url}/ and stop it with Ctrl-C.")
        say(
            f"  local Videomost: {stage.app.provider.identity.partition(' ')[2]}/cabinet?user=ivan@{ORGANIZER_DOMAIN}"
        )
        say(f"  SMTP: 127.0.0.1 port {smtp}")
        await asyncio.Event().wait()
    finally:
        await server.stop()


async def _verdict(stage: Stage, sent: Sequence[Sample], say: Callable[[str], None]) -> int:
    await _deleted(stage, len(LANGUAGES) * 2)
    shown = stage.gallery.shown
    faults = [fault for sample, one in zip(sent, shown, strict=False) if (fault := _fault(sample, one))]
    if len(shown) != len(sent):
        faults.append(f"{len(sent)} mails were sent, {len(shown)} arrived")
    if len(stage.rooms()) != len(LANGUAGES) * 2:
        faults.append(f"{len(LANGUAGES) * 2} conferences should stand, there are {len(stage.rooms())}")
    say(f"{'subject':44} {'mailhook':10} join link")
    for one in shown:
        say(f"{one.title:44} {one.decision:10} {one.link or '-'}")
    say("")
    say(f"{'conference at the local Videomost':44} next start (UTC)")
    for room in stage.rooms():
        say(f"{room.topic:44} {room.start}")
    for fault in faults:
        say(f"FAULT: {fault}")
    return 1 if faults else 0


def _fault(sample: Sample, shown: Shown) -> str:
    if sample.linked and not shown.link:
        return f"{sample.title}: no join link"
    if not sample.linked and sample.content != shown.after:
        return f"{sample.title}: changed on its way"
    return ""


async def _deleted(stage: Stage, remaining: int) -> None:
    """Until the cancelled conferences are gone, at most PATIENCE."""
    try:
        async with asyncio.timeout(PATIENCE):
            # The sandbox is looked at from outside here, as any user of it would.
            while len(stage.rooms()) > remaining:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    except TimeoutError:
        return
