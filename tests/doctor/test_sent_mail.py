"""The server of sent mail: one that is not there, and what an inspection means."""

import asyncio

import pytest

from mailhook.config import ImapSettings, Organizer
from mailhook.doctor import Level, sent_mail
from mailhook.doctor.examination import examine
from mailhook.organizer.imap import Inspection
from tests.doctor.rig import Site, changed, server

OK, WARNING, FAILURE = Level.OK, Level.WARNING, Level.FAILURE
OWN = ImapSettings(
    host="127.0.0.1", tls="off", login="{address}*m", password="hunter2", probe="ivan@corp.example"
)


async def test_nothing_is_said_where_copies_are_left_alone(site: Site) -> None:
    found = await examine(site.settings, ())
    assert sent_mail.SENT_MAIL not in [each.subject for each in found]


async def test_a_server_that_is_not_there(site: Site, dead_port: int) -> None:
    own = OWN.model_copy(update={"port": dead_port})
    found = await site.finding(sent_mail.SENT_MAIL, organizer=Organizer(imap=own))
    assert (found.level, "no connection: " in found.sentence) == (FAILURE, True), found


async def test_a_server_that_speaks_no_imap(site: Site) -> None:
    async def greet(writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smtp ESMTP\r\n")

    async with server(greet) as port:
        own = OWN.model_copy(update={"port": port})
        found = await site.finding(sent_mail.SENT_MAIL, organizer=Organizer(imap=own))
    assert (found.level, "does not greet as an IMAP server: 220 smtp" in found.sentence) == (FAILURE, True), (
        found
    )


async def test_an_authority_that_is_not_there(site: Site, dead_port: int) -> None:
    own = OWN.model_copy(update={"port": dead_port, "tls": "starttls", "ca_file": "/nowhere/ca.pem"})
    found = await site.finding(sent_mail.SENT_MAIL, organizer=Organizer(imap=own))
    assert (found.level, found.advice) == (FAILURE, "compare [organizer.imap] with docs/imap.md"), found


@pytest.mark.parametrize(
    ("inspection", "auth", "level", "said"),
    [
        (Inspection(("Sent",), True), "password", OK, "127.0.0.1:143 opens ivan@corp.example's Sent"),
        (Inspection(("Sent",), False), "password", WARNING, "cannot expunge a single message"),
        (Inspection((), True), "password", WARNING, "marks no folder of ivan@corp.example"),
        (Inspection(None, None), "password", WARNING, "answers; nobody's mailbox was opened"),
        (Inspection(None, True), "authzid", WARNING, "lets the service account in; nobody's mailbox"),
    ],
)
def test_what_an_inspection_means(
    site: Site, inspection: Inspection, auth: str, level: Level, said: str
) -> None:
    organizer = Organizer(imap=OWN.model_copy(update={"auth": auth}))
    found = sent_mail.judged(inspection, changed(site.settings, organizer=organizer))
    assert (found.level, said in found.sentence) == (level, True), found
