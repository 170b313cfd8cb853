"""Videomost's client: what its answers mean, and what it refuses to believe."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest

from mailhook.core.conference import Person, Spec
from mailhook.errors import Gone, MailhookError, Misconfigured, Permanent, Temporary
from mailhook.provider.sandbox import Sandbox
from mailhook.provider.sandbox_faults import Fault
from mailhook.provider.videomost import Videomost

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SPEC = Spec("Review", START, START + timedelta(hours=1), "Europe/Moscow", Person("anna@example.com", "Anna"))
KEY = "5f1d7a84db00d2fce00b31a7fc73224f"
SECRET = "s3cret-token"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(token=SECRET)
    await sandbox.start("127.0.0.1", 0)
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def videomost(sandbox: Sandbox) -> AsyncIterator[Videomost]:
    client = Videomost(sandbox.url, token=SECRET)
    yield client
    await client.close()


# --- meaning of a status -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (301, Misconfigured),
        (400, Permanent),
        (401, Misconfigured),
        (403, Misconfigured),
        (404, Permanent),
        (408, Temporary),
        (409, Permanent),
        (410, Permanent),
        (422, Permanent),
        (425, Temporary),
        (429, Temporary),
        (500, Temporary),
        (599, Temporary),
    ],
)
async def test_status_of_a_create(
    sandbox: Sandbox, videomost: Videomost, status: int, expected: type[MailhookError]
) -> None:
    sandbox.faults["create"] = Fault(status=status)
    with pytest.raises(expected, match=str(status) if status != 410 else "deleted before") as caught:
        await videomost.create(SPEC, KEY)
    assert type(caught.value) is expected


@pytest.mark.parametrize("status", [404, 410])
async def test_missing_is_believed_only_of_the_api_itself(
    sandbox: Sandbox, videomost: Videomost, status: int
) -> None:
    """A proxy's page must not make every room count as gone, nor a standing one as deleted."""
    await videomost.create(SPEC, KEY)
    page = Fault(status=status, body="<html>nginx</html>")
    sandbox.faults = dict.fromkeys(("create", "update", "delete", "find", "ping"), page)
    calls: list[Awaitable[object]] = [
        videomost.create(SPEC, KEY),
        videomost.update(KEY, SPEC),
        videomost.delete(KEY),
        videomost.find(KEY),
        videomost.ping(),
    ]
    for call in calls:
        with pytest.raises(Misconfigured, match="no API"):
            await call
    sandbox.faults = {operation: Fault(status=status) for operation in ("update", "delete", "find")}
    with pytest.raises(Gone):
        await videomost.update(KEY, SPEC)
    await videomost.delete(KEY)
    assert await videomost.find(KEY) == ()


async def test_redirects_are_not_followed(sandbox: Sandbox) -> None:
    async with serving(
        b"HTTP/1.1 307 T\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % sandbox.url.encode()
    ) as url:
        client = Videomost(url, token=SECRET)
        with pytest.raises(Misconfigured, match="redirect"):
            await client.create(SPEC, KEY)
        await client.close()
    assert sandbox.counts == {}


# --- owners --------------------------------------------------------------------------------------------


async def test_an_organizer_without_account_is_permanent(sandbox: Sandbox, videomost: Videomost) -> None:
    sandbox.faults["create"] = Fault(status=422, code="unknown_owner")
    with pytest.raises(Permanent, match="unknown_owner"):
        await videomost.create(SPEC, KEY)
    assert sandbox.counts[KEY]["create"] == 1


async def test_fallback_owner_owns_and_the_organizer_takes_part(sandbox: Sandbox) -> None:
    client = Videomost(sandbox.url, token=SECRET, fallback_owner="rooms@example.com")
    sandbox.faults = {op: Fault(status=422, code="unknown_owner", times=1) for op in ("create", "update")}
    await client.create(SPEC, KEY)
    expected = (Person("rooms@example.com"), Person("anna@example.com", "Anna"))
    assert sandbox.conferences[KEY].people == expected
    await client.update(KEY, SPEC)
    assert sandbox.conferences[KEY].people == expected
    await client.close()


async def test_fallback_owner_is_tried_once(sandbox: Sandbox) -> None:
    client = Videomost(sandbox.url, token=SECRET, fallback_owner="rooms@example.com")
    sandbox.faults["create"] = Fault(status=422, code="unknown_owner")
    with pytest.raises(Permanent):
        await client.create(SPEC, KEY)
    assert sandbox.counts[KEY]["create"] == 2
    await client.close()


# --- what is sent --------------------------------------------------------------------------------------


async def test_instants_go_out_in_utc(sandbox: Sandbox, videomost: Videomost) -> None:
    moscow = timezone(timedelta(hours=3))
    local = Spec("T", START.astimezone(moscow), SPEC.end.astimezone(moscow), "Europe/Moscow", SPEC.owner)
    await videomost.create(local, KEY)
    assert sandbox.conferences[KEY].document()["start"] == "2026-03-02T09:00:00Z"


async def test_a_base_url_with_a_path_is_kept(sandbox: Sandbox) -> None:
    answer = json.dumps({"status": "ok"}).encode()
    heard: list[bytes] = []
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer)
    async with serving(head + answer, heard.append) as url:
        client = Videomost(f"{url}/vm/")
        await client.ping()
        await client.close()
    assert heard[0].startswith(b"GET /vm/api/v1/ping HTTP/1.1\r\n")
    assert client.identity == f"videomost {url}/vm"


async def test_environment_proxies_are_ignored(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    client = Videomost(sandbox.url, token=SECRET)
    await client.ping()
    await client.close()


# --- links ---------------------------------------------------------------------------------------------


def answer(link: object, passcode: object = "1234") -> Fault:
    return Fault(body=json.dumps({"id": KEY, "join_url": link, "passcode": passcode}))


@pytest.mark.parametrize(
    "link",
    [
        "https://elsewhere.example/join",
        "https://vm.example.com@elsewhere.example/join",
        "https://elsewhere.example@vm.example.com/join",
        "https://vm.example.com.elsewhere.example/join",
        "https://vm.example.com\\.elsewhere.example/join",
        "//vm.example.com/join",
        "javascript://vm.example.com/%0Aalert(1)",
        "ftp://vm.example.com/join",
        "https://vm.example.com/join me",
        'https://vm.example.com/"><script>',
        "https://vm.example.com/\r\nBcc: x@elsewhere.example",
        "https://vm.example.com/ключ",
        "https://vm.example.com/" + "x" * 3000,
        "https://[vm.example.com/join",
        "",
        None,
        17,
    ],
)
async def test_a_link_that_must_not_reach_a_mail(sandbox: Sandbox, link: object) -> None:
    client = Videomost(sandbox.url, token=SECRET, link_hosts=("vm.example.com",))
    sandbox.faults["create"] = answer(link)
    with pytest.raises(Temporary):
        await client.create(SPEC, KEY)
    await client.close()


async def test_link_hosts_are_allowed_whatever_their_case(sandbox: Sandbox) -> None:
    client = Videomost(sandbox.url, token=SECRET, link_hosts=("VM.Example.com", "other.example.com"))
    link = "https://vm.EXAMPLE.com:8443/service/join/?confid=%7Ba%7D&confpass=1"
    sandbox.faults["create"] = answer(link)
    assert (await client.create(SPEC, KEY)).link == link
    await client.close()


@pytest.mark.parametrize("passcode", [1234, None, "1\r\n2", "x" * 65, "код"])
async def test_a_passcode_that_must_not_reach_a_mail(
    sandbox: Sandbox, videomost: Videomost, passcode: object
) -> None:
    sandbox.faults["create"] = answer(f"{sandbox.url}/join", passcode)
    with pytest.raises(Temporary, match="passcode"):
        await videomost.create(SPEC, KEY)


# --- secrets -------------------------------------------------------------------------------------------


async def test_errors_hold_no_token_no_link_and_no_id(sandbox: Sandbox, videomost: Videomost) -> None:
    link = f"https://elsewhere.example/?confid={KEY}&confpass=9911"
    leaks = json.dumps(
        {"code": f"{link} {SECRET}", "message": link, "id": KEY, "join_url": link, "passcode": "9911"}
    )
    for status in (200, 302, 400, 401, 404, 410, 422, 429, 500):
        sandbox.faults["create"] = Fault(status=status, body=leaks)
        with pytest.raises(MailhookError) as caught:
            await videomost.create(SPEC, KEY)
        for secret in (SECRET, KEY, "9911", "confpass"):
            assert secret not in str(caught.value)


async def test_bytes_that_are_not_http_stay_out_of_the_error() -> None:
    async with serving(b"confpass=9911 confpass=9911\r\n\r\n") as url:
        client = Videomost(url)
        with pytest.raises(Temporary) as caught:
            await client.ping()
        await client.close()
    assert "9911" not in str(caught.value)
    assert caught.value.__suppress_context__


async def test_a_client_does_not_log_the_token(
    sandbox: Sandbox, videomost: Videomost, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await videomost.create(SPEC, KEY)
    assert SECRET not in caplog.text
    assert "confpass" not in caplog.text


# --- settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "base_url",
    ["", "vm.example.com", "ftp://vm.example.com", "https://", "https://user:secret@vm.example.com", "https://[::1",
     "https://vm.example.com/?a=b", "https://vm.example.com/#a", "https://vm example.com:port/"],
)  # fmt: skip
def test_a_base_url_that_cannot_be_used(base_url: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        Videomost(base_url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("token", ["with blank", "line\n", "ключ"])
def test_a_token_that_cannot_be_sent(token: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        Videomost("https://vm.example.com", token=token)
    assert token not in str(caught.value)


async def test_identity_does_not_depend_on_a_final_slash() -> None:
    one, other = Videomost("https://vm.example.com/"), Videomost("https://vm.example.com")
    assert one.identity == other.identity == "videomost https://vm.example.com"
    await one.close()
    await other.close()


# --- a server that says what a test wants ---------------------------------------------------------------


class serving:  # noqa: N801 - used as a verb
    """A TCP server that answers every connection's first bytes with `reply` and closes; gives its URL."""

    def __init__(self, reply: bytes, hear: Callable[[bytes], object] = len) -> None:
        self._reply, self._hear = reply, hear

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._converse, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._hear(await reader.read(65536))
        writer.write(self._reply)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
