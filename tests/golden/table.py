"""Folders of messages through the real listener and relay, into a receiving server.

What: `run` hands in every .eml of a folder by SMTP and says what became of each; as a program,
`python tests/golden/table.py [--trigger marker|always] FOLDER...`, it prints a table in Markdown. The envelope stands
in FILE.envelope.json; where there is none, the organizer is the sender. Organizers of the messages that have no
envelope of their own count as ours, and the clock stands before the event.

Not here: what is right (test_golden).
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:  # run as a program
    sys.path.insert(0, str(ROOT))

from mailhook.core import message  # noqa: E402
from mailhook.core.itip import Invitation  # noqa: E402
from mailhook.core.policy import Policy, domain  # noqa: E402
from mailhook.errors import Unreadable  # noqa: E402
from mailhook.front.sink import EXTENSIONS, Sink  # noqa: E402
from mailhook.preview import envelope_of, read  # noqa: E402
from tests.relay.mails import NOW  # noqa: E402
from tests.relay.rig import Client, Clock, World, with_secret, world  # noqa: E402

OURS = "corp.example"
GROUPWARE = f"noreply@{OURS}"


@dataclass(frozen=True)
class Mail:
    """A message and its envelope; `order`: of handing in. `key`: organizer and UID, ("", "") where there is none."""

    path: Path
    content: bytes
    sender: str
    recipients: tuple[str, ...]
    order: tuple[int, datetime, str]
    key: tuple[str, str]
    date: datetime

    @property
    def invented(self) -> bool:
        return not envelope_file(self.path).exists()


@dataclass(frozen=True)
class Passage:
    """What became of a mail. `again`: what arrives when `arrived` is handed in once more; `link`: of the conference."""

    mail: Mail
    arrived: bytes
    again: bytes
    decision: str
    reason: str
    places: tuple[str, ...]
    conference: str
    link: str

    def expectation(self) -> dict[str, Any]:
        return {"decision": self.decision, "reason": self.reason, "places": list(self.places)}


def envelope_file(path: Path) -> Path:
    """Of in.eml envelope.json, of NAME.eml NAME.envelope.json."""
    return path.with_name("envelope.json" if path.name == "in.eml" else f"{path.stem}.envelope.json")


def expected_file(path: Path) -> Path:
    """Of in.eml expect.eml, of NAME.eml NAME.expect.eml."""
    return path.with_name("expect.eml" if path.name == "in.eml" else f"{path.stem}.expect.eml")


def mails(folder: Path) -> list[Mail]:
    """The folder's own messages, in the order in which they were captured, else by name."""
    names = sorted(path for path in folder.glob("*.eml") if not path.name.endswith("expect.eml"))
    return sorted((_mail(path) for path in names), key=lambda mail: mail.order)


def _mail(path: Path) -> Mail:
    content = path.read_bytes()
    content += b"" if content.endswith(b"\r\n") else b"\r\n"  # SMTP carries nothing else (RFC 5321 §4.1.1.4)
    key, sender, recipients, date = _of_content(content)
    order, date = 0, date.astimezone(UTC)
    if envelope_file(path).exists():
        envelope = json.loads(envelope_file(path).read_text(encoding="utf-8"))
        sender, recipients, order = envelope["mail_from"], envelope["rcpt_to"], envelope.get("n", 0)
    return Mail(path, content, sender, tuple(recipients), (order, date, path.name), key, date)


def _of_content(content: bytes) -> tuple[tuple[str, str], str, tuple[str, ...], datetime]:
    key, sender, date = ("", ""), "somebody@sender.example", NOW
    recipients: tuple[str, ...] = ("anybody@partner.example",)
    with suppress(Unreadable):
        parsed, invitation = read(content, Policy())
        envelope, date = envelope_of(parsed), message.date(parsed) or NOW
        sender, recipients = envelope.sender or sender, envelope.recipients or recipients
        if isinstance(invitation, Invitation):
            key = (invitation.key.organizer, invitation.key.uid)
            date = min([date.astimezone(UTC), *_eves(invitation)])
            sender = invitation.key.organizer
    return key, sender, recipients, date


def _eves(invitation: Invitation) -> Iterator[datetime]:
    """Moments before each event: some collections hold events that were over when they were mailed."""
    for event in invitation.events:
        if event.component.schedule is not None:
            yield event.component.schedule.start.replace(tzinfo=UTC) - timedelta(days=2)


async def run(folder: Path, trigger: str, extensions: tuple[str, ...] = EXTENSIONS) -> list[Passage]:
    """All messages of `folder`, with one store and one Videomost; `extensions`: of the next hop."""
    found = mails(folder)
    domains = {OURS, *(domain(mail.key[0]) for mail in found if mail.invented and mail.key[0])}
    limits = {"max_conferences_per_organizer_per_hour": 1000}
    policy = {
        "trigger": trigger,
        "organizer_domains": tuple(sorted(domains)),
        "trusted_senders": (GROUPWARE,),
        **limits,
    }
    clock = Clock()
    with tempfile.TemporaryDirectory() as place:
        store = await with_secret(Path(place) / "store.db")
        async with world(policy, store=store, clock=clock, sink=Sink(extensions=extensions)) as here:
            return [await _passage(here, mail) for mail in found]


async def _passage(here: World, mail: Mail) -> Passage:
    here.clock.now = max(here.clock.now, NOW) if not mail.invented else mail.date
    arrived = await _sent(here, mail, mail.content)
    story = here.stories[-1]
    again = await _sent(here, mail, arrived)
    conference = story["conference"]
    link = here.sandbox.link(here.sandbox.conferences[conference]) if conference else ""
    places = tuple(story["places"])
    return Passage(mail, arrived, again, story["decision"], story["reason"], places, conference, link)


async def _sent(here: World, mail: Mail, content: bytes) -> bytes:
    known = len(here.messages)
    async with await Client.connect(here.port) as client:
        reply = await client.send(content, mail.sender, *mail.recipients)
    if reply.code != 250 or len(here.messages) != known + 1:
        raise AssertionError(f"{mail.path}: {reply}")
    return here.messages[-1].content


# --- the table -----------------------------------------------------------------------------------------


def rows(passages: list[Passage]) -> Iterator[str]:
    for passage in passages:
        places = ", ".join(passage.places)
        yield f"| {passage.mail.path.name} | {passage.decision} | {passage.reason} | {places} |"


def main() -> int:
    parser = argparse.ArgumentParser(description="What becomes of every message in folders of .eml files.")
    parser.add_argument("--trigger", choices=("marker", "always"), default="always")
    parser.add_argument("folders", metavar="FOLDER", nargs="+", type=Path)
    options = parser.parse_args()
    for folder in options.folders:
        print(f"### {folder.name}\n\n| file | decision | reason | places |\n|---|---|---|---|")
        for row in rows(asyncio.run(run(folder, options.trigger))):
            print(row)
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
