"""The organizer's sent copy in a real Dovecot."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from mailhook.errors import MailhookError, Misconfigured, Permanent, Temporary
from mailhook.organizer.imap import (
    Account,
    Inspection,
    LeftAlone,
    NotFound,
    Replaced,
    SentCopies,
    Server,
    Unchanged,
)
from mailhook.organizer.imap.names import encoded
from tests.peers.dovecot import MASTER, MASTER_PASSWORD, USERS, Dovecot, dovecot
from tests.peers.imap_proxy import (
    Answer,
    Command,
    CutAfter,
    CutBefore,
    CutWithin,
    Pass,
    Plan,
    Proxy,
    Step,
    proxy,
)
from tests.peers.mailbox import Mailbox

pytestmark = [pytest.mark.peers("dovecot"), pytest.mark.asyncio(loop_scope="module")]

IVAN, OLGA = USERS
ID = "<0.1.2@example.org>"
OLD = f"Message-ID: {ID}\r\nSubject: planning\r\nContent-Type: text/plain\r\n\r\n".encode() + bytes(
    [*range(1, 10), *range(11, 13), *range(14, 256), 13, 10]
)
NEW = OLD + b"https://vm.example.org/join\r\n"
OTHERS = [
    f"Message-ID: {name}\r\nSubject: another\r\n\r\nhello\r\n".encode()
    for name in (f"x{ID}", f"{ID}.old", "<other@example.org>")
]
MASTER_ACCOUNT = Account(f"{{address}}*{MASTER}", password=MASTER_PASSWORD)


def rewrite(content: bytes) -> bytes | None:
    return (
        None
        if b"/join" in content or b"planning" not in content
        else content + b"https://vm.example.org/join\r\n"
    )


@pytest_asyncio.fixture(loop_scope="module", scope="module", name="server")
async def _server() -> AsyncIterator[Dovecot]:
    async with dovecot() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module", name="sent")
async def _sent(server: Dovecot) -> Mailbox:
    """Ivan's: a copy among other messages."""
    sent = Mailbox(server.plain, IVAN, f"{IVAN}-pw")
    copy = (OLD, "(\\Seen \\Answered $Forwarded)")
    await sent.hold((OTHERS[0], "(\\Seen)"), (OTHERS[1], "()"), copy, (OTHERS[2], "(\\Seen)"))
    return sent


def through(port: int, account: Account = MASTER_ACCOUNT, folder: str = "") -> SentCopies:
    return SentCopies(Server("127.0.0.1", port, "off"), account, folder)


async def contents(box: Mailbox) -> list[bytes]:
    """Without what is marked as deleted."""
    return sorted(each.content for each in await box.messages() if "\\Deleted" not in each.flags)


FINISHED = sorted([*OTHERS, NEW])


# --- one run, undisturbed --------------------------------------------------------------------------------------


async def test_flags_and_date_stay(server: Dovecot, sent: Mailbox) -> None:
    before = await sent.messages()
    copies = through(server.plain)
    assert await copies.replace(IVAN, ID, rewrite) == Replaced("Sent")
    after = await sent.messages()
    assert [each for each in after if each.content != NEW] == [each for each in before if each.content != OLD]
    (old,) = [each for each in before if each.content == OLD]
    (new,) = [each for each in after if each.content == NEW]
    assert (new.flags, new.date) == (old.flags, old.date)
    assert set(new.flags) == {"\\Seen", "\\Answered", "$Forwarded"}
    assert new.date.startswith('"07-Nov-2026')
    assert await copies.replace(IVAN, ID, rewrite) == Unchanged("Sent")
    assert await sent.messages() == after


async def test_a_message_of_megabytes(server: Dovecot, sent: Mailbox) -> None:
    box = Mailbox(server.plain, OLGA, f"{OLGA}-pw")
    await box.hold()
    large = OLD + b"x" * 76 + b"\r\n" + (b"(){5}\r\n* 1 FETCH (\r\nA1 OK\r\n" * 12000)
    await box.fill(large)
    assert await through(server.plain).replace(OLGA, ID, rewrite) == Replaced("Sent")
    (new,) = await box.messages()
    assert new.content == rewrite(large)
    await box.hold()


async def test_what_is_not_there(server: Dovecot, sent: Mailbox) -> None:
    before = await sent.messages()
    assert await through(server.plain).replace(IVAN, "<0.1@example.org>", rewrite) == NotFound()
    assert await through(server.plain).replace(IVAN, '<"\\*"@example.org>', rewrite) == NotFound()
    assert isinstance(await through(server.plain).replace(IVAN, "<a@b>\r\nX", rewrite), LeftAlone)
    assert await sent.messages() == before


async def test_the_second_folder_that_is_marked(server: Dovecot, sent: Mailbox) -> None:
    second = Mailbox(server.plain, IVAN, f"{IVAN}-pw", "Sent Messages")
    await second.create()
    await second.fill(OLD.replace(b"0.1.2", b"second"))
    assert await through(server.plain).replace(IVAN, "<second@example.org>", rewrite) == Replaced(
        "Sent Messages"
    )
    (only,) = await second.messages()
    assert only.content == NEW.replace(b"0.1.2", b"second")
    await second.delete()


@pytest.mark.parametrize("name", ['Отправленные & "старые"', "back\\slash", "a*%b", "Письма/Отправленные"])
async def test_a_folder_by_its_name(server: Dovecot, sent: Mailbox, name: str) -> None:
    box = Mailbox(server.plain, IVAN, f"{IVAN}-pw", encoded(name))
    await box.create()
    await box.fill(OLD)
    assert await through(server.plain, folder=name).replace(IVAN, ID, rewrite) == Replaced(name)
    assert await contents(box) == [NEW]
    assert OLD in await contents(sent)


async def test_a_folder_that_is_not_there(server: Dovecot, sent: Mailbox) -> None:
    with pytest.raises(Permanent, match="has no mailbox Sen"):
        await through(server.plain, folder="Sen%").replace(IVAN, ID, rewrite)


async def test_a_prefix_of_the_servers() -> None:
    async with dovecot("INBOX.", ".") as other:
        copies = through(other.plain, folder="Письма/Отправленные")
        for name in ("INBOX.Sent", "INBOX." + encoded("Письма") + "." + encoded("Отправленные")):
            box = Mailbox(other.plain, IVAN, f"{IVAN}-pw", name)
            if not name.endswith("Sent"):
                await box.create()
            await box.fill(OLD)
        assert await copies.replace(IVAN, ID, rewrite) == Replaced("INBOX.Письма.Отправленные")
        assert await through(other.plain).replace(IVAN, ID, rewrite) == Replaced("INBOX.Sent")
        assert await through(other.plain, folder="Sent").replace(IVAN, ID, rewrite) == Unchanged("INBOX.Sent")
        assert await contents(box) == [NEW]


# --- logging in ------------------------------------------------------------------------------------------------

PROXIED = Account("{address}", "authzid", MASTER, MASTER_PASSWORD)


@pytest.mark.parametrize("account", [MASTER_ACCOUNT, PROXIED])
@pytest.mark.parametrize("tls", ["off", "starttls", "implicit"])
async def test_ways_in(server: Dovecot, sent: Mailbox, tls: str, account: Account) -> None:
    port = server.tls if tls == "implicit" else server.plain
    there = Server("127.0.0.1", port, tls, str(server.ca))  # type: ignore[arg-type]
    assert await SentCopies(there, account).replace(IVAN, ID, rewrite) == Replaced("Sent")
    assert await contents(sent) == FINISHED


async def test_a_secret_for_each_user(server: Dovecot, sent: Mailbox, tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_text(f"{IVAN}:{IVAN}-pw\n{OLGA}:wrong\n")
    copies = through(server.plain, Account(passwords_file=str(file)))
    assert await copies.replace(IVAN.upper().replace("IVAN", "Ivan"), ID, rewrite) == Replaced("Sent")
    with pytest.raises(Permanent, match="refuses the login of olga"):
        await copies.replace(OLGA, ID, rewrite)
    with pytest.raises(Permanent, match=r"no line for petr@example.org"):
        await copies.replace("petr@example.org", ID, rewrite)
    file.write_text("nonsense\n")
    with pytest.raises(Misconfigured, match="line 1 should be"):
        await copies.replace(IVAN, ID, rewrite)


@pytest.mark.parametrize("account", [MASTER_ACCOUNT, PROXIED])
async def test_a_wrong_password_of_the_service(server: Dovecot, sent: Mailbox, account: Account) -> None:
    wrong = Account(account.login, account.auth, account.username, "wr0ng")
    with pytest.raises(Misconfigured, match="refuses the login") as raised:
        await through(server.plain, wrong).replace(IVAN, ID, rewrite)
    assert "wr0ng" not in str(raised.value)


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_certificate_that_nobody_trusts(server: Dovecot, sent: Mailbox, tls: str) -> None:
    port = server.tls if tls == "implicit" else server.plain
    with pytest.raises(Misconfigured, match=r"not trusted.*organizer\.imap\.ca_file"):
        await SentCopies(Server("127.0.0.1", port, tls), MASTER_ACCOUNT).replace(IVAN, ID, rewrite)  # type: ignore[arg-type]


async def test_no_password_goes_without_tls(server: Dovecot, sent: Mailbox) -> None:
    def refuses(command: Command) -> Step:
        return Answer(b"BAD unknown") if command.line == b"STARTTLS" else Pass()

    async with proxy(server.plain, refuses) as between:
        copies = SentCopies(Server("127.0.0.1", between.port, "starttls", str(server.ca)), MASTER_ACCOUNT)
        with pytest.raises(Misconfigured, match="does not do STARTTLS"):
            await copies.replace(IVAN, ID, rewrite)
    assert between.seen == [b"STARTTLS", b"LOGOUT"]


async def test_login_where_plain_is_not_offered(server: Dovecot, sent: Mailbox) -> None:
    def hides(command: Command) -> Step:
        return Pass(answer=lambda told: told.replace(b" AUTH=PLAIN", b""))

    async with proxy(server.plain, hides) as between:
        assert await through(between.port).replace(IVAN, ID, rewrite) == Replaced("Sent")
        with pytest.raises(Misconfigured, match="does not offer AUTH=PLAIN"):
            await through(between.port, PROXIED).replace(IVAN, ID, rewrite)


async def test_plain_in_two_steps(server: Dovecot, sent: Mailbox) -> None:
    """A server without SASL-IR asks for the answer."""

    def hides(command: Command) -> Step:
        return Pass(answer=lambda told: told.replace(b" SASL-IR", b""))

    async with proxy(server.plain, hides) as between:
        assert await through(between.port, PROXIED).replace(IVAN, ID, rewrite) == Replaced("Sent")
    assert b"AUTHENTICATE PLAIN" in between.seen


# --- disturbed runs --------------------------------------------------------------------------------------------


def without_uidplus(plan: Plan) -> Plan:
    """As a server that cannot expunge a single message."""

    def hidden(told: bytes) -> bytes:
        return told.replace(b" UIDPLUS", b"")

    def planned(command: Command) -> Step:
        step = plan(command)
        return (
            Pass(step.literal, lambda told: hidden(step.answer(told)), step.first)
            if isinstance(step, Pass)
            else step
        )

    return planned


def as_it_is(plan: Plan) -> Plan:
    return plan


def at(name: bytes, step: Step, nth: int = 1) -> Plan:
    """`step` at the `nth` command that begins with `name`."""
    seen = 0

    def plan(command: Command) -> Step:
        nonlocal seen
        seen += command.line.startswith(name)
        return step if seen == nth and command.line.startswith(name) else Pass()

    return plan


async def disturbed(server: Dovecot, plan: Plan, use: Callable[[SentCopies], Awaitable[object]]) -> Proxy:
    async with proxy(server.plain, plan) as between:
        await use(through(between.port))
    return between


KINDS = {"uidplus": as_it_is, "no uidplus": without_uidplus}
COMMANDS = 15
"""Of an undisturbed run with UIDPLUS, before LOGOUT."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [CutBefore(), CutAfter(), CutWithin()], ids=lambda cut: type(cut).__name__)
@pytest.mark.parametrize("number", range(COMMANDS + 3))
async def test_cut_anywhere(server: Dovecot, sent: Mailbox, number: int, cut: Step, kind: str) -> None:
    before = await contents(sent)

    def plan(command: Command) -> Step:
        return cut if command.number == number else Pass()

    async def use(copies: SentCopies) -> None:
        with suppress(Temporary):
            assert await copies.replace(IVAN, ID, rewrite) == Replaced("Sent")

    between = await disturbed(server, KINDS[kind](plan), use)
    assert len(between.seen) >= min(number, COMMANDS)
    after = await contents(sent)
    assert set(OTHERS) < set(after)
    assert after in (before, FINISHED, sorted([*before, NEW]))

    async def finish(copies: SentCopies) -> None:
        assert isinstance(await copies.replace(IVAN, ID, rewrite), Replaced | Unchanged)

    await disturbed(server, KINDS[kind](lambda _: Pass()), finish)
    assert await contents(sent) == FINISHED
    assert len(await sent.messages()) == len(FINISHED)


async def test_the_commands_of_a_run(server: Dovecot, sent: Mailbox) -> None:
    async def use(copies: SentCopies) -> None:
        assert await copies.replace(IVAN, ID, rewrite) == Replaced("Sent")

    between = await disturbed(server, lambda _: Pass(), use)
    assert len(between.seen) == COMMANDS + 1
    assert between.seen[-1] == b"LOGOUT"


REFUSALS = [
    (b"NO [OVERQUOTA] Quota exceeded", Temporary),
    (b"NO [TOOBIG] Message too large", Permanent),
    (b"NO [NOPERM] Not yours", Permanent),
    (b"NO [TRYCREATE] No such mailbox", Permanent),
    (b"NO not now", Temporary),
    (b"BAD what?", Permanent),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("said", "error"), REFUSALS)
async def test_append_is_refused(
    server: Dovecot, sent: Mailbox, said: bytes, error: type[MailhookError], kind: str
) -> None:
    before = await sent.messages()

    async def use(copies: SentCopies) -> None:
        with pytest.raises(error) as raised:
            await copies.replace(IVAN, ID, rewrite)
        assert type(raised.value) is error
        assert said.decode().partition("] ")[2] in str(raised.value)

    between = await disturbed(server, KINDS[kind](at(b"APPEND", Answer(said))), use)
    assert between.seen[-1] == b"LOGOUT"
    assert await sent.messages() == before


@pytest.mark.parametrize("name", [b"UID STORE", b"UID EXPUNGE"])
async def test_removing_is_refused(server: Dovecot, sent: Mailbox, name: bytes) -> None:
    async def use(copies: SentCopies) -> None:
        with pytest.raises(Permanent, match="NOPERM"):
            await copies.replace(IVAN, ID, rewrite)

    await disturbed(server, at(name, Answer(b"NO [NOPERM] Not yours")), use)
    assert NEW in await contents(sent)
    assert await through(server.plain).replace(IVAN, ID, rewrite) == Replaced("Sent")
    assert await contents(sent) == FINISHED


async def test_a_real_quota(server: Dovecot, sent: Mailbox) -> None:
    box = Mailbox(server.plain, OLGA, f"{OLGA}-pw")
    await box.hold()
    large = OLD + b"x" * 400_000 + b"\r\n"
    await box.fill(large)
    await box.fill(OTHERS[0] + b"x" * 400_000 + b"\r\n")
    before = await box.messages()
    with pytest.raises(Temporary, match=r"OVERQUOTA.*the copy in Sent is as it was"):
        await through(server.plain).replace(OLGA, ID, rewrite)
    assert await box.messages() == before
    await box.hold()


async def test_what_is_larger_than_the_server_takes(server: Dovecot, sent: Mailbox) -> None:
    def tells(command: Command) -> Step:
        limit = b" APPENDLIMIT=%d\r\n" % (len(NEW) - 1)
        return Pass(
            answer=lambda told: told.replace(b"\r\n", limit, 1) if command.line == b"CAPABILITY" else told
        )

    async def use(copies: SentCopies) -> None:
        assert isinstance(await copies.replace(IVAN, ID, rewrite), LeftAlone)

    before = await sent.messages()
    await disturbed(server, tells, use)
    assert await sent.messages() == before


async def test_numbered_anew_meanwhile(server: Dovecot, sent: Mailbox) -> None:
    def anew(told: bytes) -> bytes:
        assert b"[UIDVALIDITY " in told
        return told.replace(b"[UIDVALIDITY ", b"[UIDVALIDITY 9")

    async def use(copies: SentCopies) -> None:
        with pytest.raises(Temporary, match="UIDVALIDITY"):
            await copies.replace(IVAN, ID, rewrite)

    between = await disturbed(server, at(b"SELECT", Pass(answer=anew), nth=2), use)
    assert not [line for line in between.seen if b"STORE" in line or b"EXPUNGE" in line]
    assert await contents(sent) == sorted([*OTHERS, OLD, NEW])
    assert await through(server.plain).replace(IVAN, ID, rewrite) == Replaced("Sent")
    assert await contents(sent) == FINISHED


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", [b"UID FETCH", b"APPEND", b"UID SEARCH HEADER", b"UID STORE", b"UID EXPUNGE"]
)
async def test_another_client_expunges_amid(server: Dovecot, sent: Mailbox, name: bytes, kind: str) -> None:
    """Numbers of messages shift, UIDs do not."""
    first = (await sent.messages())[0]

    async def use(copies: SentCopies) -> None:
        assert await copies.replace(IVAN, ID, rewrite) == Replaced("Sent")

    await disturbed(server, KINDS[kind](at(name, Pass(first=lambda: sent.expunge(first.uid)))), use)
    left = sorted([*OTHERS[1:], NEW])
    assert await contents(sent) == (left if kind == "uidplus" or name != b"UID EXPUNGE" else FINISHED)


async def test_the_user_deletes_the_copy_amid(server: Dovecot, sent: Mailbox) -> None:
    (old,) = [each for each in await sent.messages() if each.content == OLD]

    async def use(copies: SentCopies) -> None:
        assert await copies.replace(IVAN, ID, rewrite) == Replaced("Sent")

    await disturbed(server, at(b"APPEND", Pass(first=lambda: sent.expunge(old.uid))), use)
    assert await contents(sent) == FINISHED


async def test_the_user_has_deleted_the_copy(server: Dovecot, sent: Mailbox) -> None:
    (old,) = [each for each in await sent.messages() if each.content == OLD]
    await sent.flag(old.uid, "(\\Deleted)")
    before = await sent.messages()
    assert await through(server.plain).replace(IVAN, ID, rewrite) == NotFound()
    assert await sent.messages() == before


@pytest.mark.parametrize("name", [b"CAPABILITY", b"UID STORE"], ids=["before", "amid"])
async def test_nothing_of_others_is_expunged_without_uidplus(
    server: Dovecot, sent: Mailbox, name: bytes
) -> None:
    first = (await sent.messages())[0]

    async def marks() -> None:
        await sent.flag(first.uid, "(\\Deleted)")

    async def use(copies: SentCopies) -> None:
        with pytest.raises(Temporary, match="1 other messages are marked as deleted"):
            await copies.replace(IVAN, ID, rewrite)

    between = await disturbed(server, without_uidplus(at(name, Pass(first=marks))), use)
    assert b"EXPUNGE" not in between.seen
    stored = await sent.messages()
    assert first.content in [each.content for each in stored]
    assert [each.content for each in stored].count(NEW) == (0 if name == b"CAPABILITY" else 1)
    await sent.expunge(first.uid)
    assert await through(server.plain).replace(IVAN, ID, rewrite) == Replaced("Sent")
    assert await contents(sent) == sorted([*OTHERS[1:], NEW])


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.replace(b"[READ-WRITE]", b"[READ-ONLY]"),
        lambda told: told.replace(b"[PERMANENTFLAGS (", b"[PERMANENTFLAGS (\\X").replace(
            b"\\Deleted", b"\\Y"
        ),
    ],
    ids=["read-only", "no flag for good"],
)
async def test_a_folder_without_the_right_to_delete(
    server: Dovecot, sent: Mailbox, change: Callable[[bytes], bytes]
) -> None:
    async def use(copies: SentCopies) -> None:
        with pytest.raises(Permanent, match="may not be deleted"):
            await copies.replace(IVAN, ID, rewrite)

    before = await sent.messages()
    await disturbed(server, at(b"SELECT", Pass(answer=change)), use)
    assert await sent.messages() == before


async def test_a_server_that_changes_what_is_appended(server: Dovecot, sent: Mailbox) -> None:
    """Both copies stay, and there are never more."""
    changed = at(b"APPEND", Pass(literal=lambda octets: b"X-Changed: yes\r\n" + octets))

    async def use(copies: SentCopies) -> None:
        outcome = await copies.replace(IVAN, ID, rewrite)
        assert isinstance(outcome, LeftAlone), outcome

    await disturbed(server, changed, use)
    await disturbed(server, changed, use)
    assert await contents(sent) == sorted([*OTHERS, OLD, b"X-Changed: yes\r\n" + NEW])


async def test_two_copies_of_the_users_own(server: Dovecot, sent: Mailbox) -> None:
    await sent.fill(OLD)
    before = await sent.messages()
    assert isinstance(await through(server.plain).replace(IVAN, ID, rewrite), LeftAlone)
    assert await sent.messages() == before


@pytest.mark.parametrize(
    ("name", "told", "instead"),
    [
        (b"UID FETCH", rb"RFC822.SIZE \d+", b"RFC822.SIZE 52428801"),
        (b"UID SEARCH", rb"SEARCH [\d ]+", b"SEARCH " + b" ".join(b"%d" % uid for uid in range(1, 22))),
    ],
    ids=["too large", "too many"],
)
async def test_what_is_too_much(
    server: Dovecot, sent: Mailbox, name: bytes, told: bytes, instead: bytes
) -> None:
    async def use(copies: SentCopies) -> None:
        assert isinstance(await copies.replace(IVAN, ID, rewrite), LeftAlone)

    before = await sent.messages()
    between = await disturbed(server, at(name, Pass(answer=lambda said: re.sub(told, instead, said))), use)
    assert b"BODY.PEEK[])" not in b"".join(between.seen)
    assert await sent.messages() == before


async def test_thousands_of_folders(server: Dovecot, sent: Mailbox) -> None:
    many = b"".join(b'* LIST (\\HasNoChildren) "/" "folder %d"\r\n' % number for number in range(5000))

    async def use(copies: SentCopies) -> None:
        assert await copies.replace(IVAN, ID, rewrite) == Replaced("Sent")

    await disturbed(server, at(b"LIST", Pass(answer=lambda told: many + told)), use)


async def test_answers_that_nobody_asked_for(server: Dovecot, sent: Mailbox) -> None:
    noise = b"* 4 EXISTS\r\n* 1 FETCH (FLAGS (\\Seen))\r\n* OK still here\r\n* 2 FETCH (UID 2 FLAGS ())\r\n"

    async def use(copies: SentCopies) -> None:
        assert await copies.replace(IVAN, ID, rewrite) == Replaced("Sent")

    await disturbed(server, lambda _: Pass(answer=lambda told: noise + told), use)
    assert await contents(sent) == FINISHED


# --- a look without a message ----------------------------------------------------------------------------------


async def test_inspection(server: Dovecot, sent: Mailbox) -> None:
    assert await through(server.plain).inspect(IVAN) == Inspection(("Sent",), True)
    assert await through(server.plain).inspect() == Inspection(None, None)
    assert await through(server.plain, PROXIED).inspect(IVAN) == Inspection(("Sent",), True)


async def test_inspection_of_a_service_account(server: Dovecot, sent: Mailbox) -> None:
    """One that is a user itself, as in Cyrus. The master user of Dovecot is none, which does not make it wrong."""
    assert await through(server.plain, PROXIED).inspect() == Inspection(None, None)
    account = Account("{address}", "authzid", OLGA, f"{OLGA}-pw")
    assert await through(server.plain, account).inspect() == Inspection(None, True)
    with pytest.raises((Permanent, Misconfigured), match=r"on behalf of ivan@example\.org"):
        await through(server.plain, account).inspect(IVAN)
