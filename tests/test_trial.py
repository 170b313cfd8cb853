"""`mailhook provider-test`: every kind of provider, and what it leaves behind."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from mailhook.cli import main
from mailhook.config import (
    ExternalSettings,
    PolicySettings,
    Provider,
    SandboxSettings,
    Settings,
    VideomostSettings,
)
from mailhook.provider.sandbox import Sandbox
from mailhook.provider.sandbox_faults import Fault
from mailhook.trial import trial
from tests.contract.rigs import EXAMPLE, plain
from tests.contract.servers import Plain, TrueConf
from tests.contract.stub import Asked, Stub, Told, as_json
from tests.relay.rig import until

NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
TOKEN = "very-s3cret-token"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(token=TOKEN)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


def settings(**provider: object) -> Settings:
    return Settings(
        provider=Provider.model_validate(provider), policy=PolicySettings(organizer_domains=("example.org",))
    )


def videomost(url: str, **more: object) -> Settings:
    return settings(kind="videomost", videomost=VideomostSettings.model_validate({"base_url": url, **more}))


async def run(used: Settings) -> tuple[int, list[str]]:
    said: list[str] = []
    return await trial(used, "anna@example.com", NOW, said.append), said


def steps(said: list[str]) -> list[str]:
    return [line for line in said if line.startswith(("ok ", "FAILED"))]


async def test_all_steps(sandbox: Sandbox) -> None:
    status, said = await run(videomost(sandbox.url, token=TOKEN))
    assert (status, steps(said)) == (
        0,
        [
            "ok      ping",
            "ok      create",
            "ok      create the same again",
            "ok      find",
            "ok      move",
            "ok      find what was moved",
            "ok      delete",
            "ok      delete what is not there any more",
            "ok      find nothing",
        ],
    )
    assert sandbox.conferences == {}
    (room,) = sandbox.deleted.values()
    assert (room.spec.start.day, room.spec.owner.address) == (1, "anna@example.com")
    text = "\n".join(said)
    assert f"  > PUT {sandbox.url}/api/v1/conferences/{room.id}" in said
    assert "  < 201" in said
    for secret in (TOKEN, "confpass", room.passcode):
        assert secret not in text


async def test_every_kind_of_provider(sandbox: Sandbox, tmp_path: Path) -> None:
    own = {"base_url": sandbox.url, "token": TOKEN}
    external = ExternalSettings(file=str(EXAMPLE), link_hosts=("127.0.0.1",), options=own)
    status, said = await run(settings(kind="external", external=external))
    assert (status, len(steps(said)), TOKEN in str(said)) == (0, 9, False)
    status, _ = await run(settings(kind="sandbox", sandbox=SandboxSettings(port=0)))
    assert status == 0
    server = TrueConf()
    await server.start()
    auth = dict(zip(("username", "password"), TrueConf.APPLICATION, strict=True))
    status, said = await run(videomost(server.url, preset="trueconf-server-4", auth=auth))
    assert (status, server.conferences) == (0, {})
    text = "\n".join(said)
    assert TrueConf.APPLICATION[1] not in text
    assert "token-1" not in text
    assert "/c/" not in text
    await server.stop()


@pytest.mark.parametrize("finds", [True, False])
async def test_a_server_that_chooses_the_ids(finds: bool) -> None:
    server = Plain()
    await server.start()
    data = plain(Plain.PASSWORD, finds=finds).model_dump(exclude_unset=True)
    status, said = await run(videomost(server.url, preset="none", **data))
    assert (status, server.rooms) == (0, {})
    assert ("ok      find" in said) == finds
    assert "0042" not in "\n".join(said)
    server.faults["create"] = Fault(fail_after=True, times=1)
    status, said = await run(videomost(server.url, preset="none", **data))
    assert status == 1
    assert (server.rooms == {}) == finds
    assert any("LOOK BY HAND" in line for line in said) != finds
    await server.stop()


@pytest.mark.parametrize(
    ("operation", "fault", "words"),
    [
        ("ping", Fault(status=401), "the token is not accepted"),
        ("create", Fault(status=422), "answered 422 (invalid)"),
        ("create", Fault(fail_after=True), "the connection ended"),
        (
            "create",
            Fault(body='{"id": "x", "join_url": "https://vm.example/j?confid=1&confpass=77777"}'),
            "another",
        ),
        ("find", Fault(status=503), "answered 503"),
        ("update", Fault(status=410, body="{}"), "no longer exists"),
        ("update", Fault(body="<p>Maintenance</p>"), "not a JSON object"),
    ],
)
async def test_what_was_made_is_deleted_whatever_fails(
    sandbox: Sandbox, operation: str, fault: Fault, words: str
) -> None:
    sandbox.faults[operation] = fault
    status, said = await run(videomost(sandbox.url, token=TOKEN))
    (failed, *_) = [line for line in said if line.startswith("FAILED")]
    assert (status, words in failed) == (1, True)
    assert said[said.index(failed) + 1].startswith("  ")
    assert sandbox.conferences == {}
    assert "77777" not in "\n".join(said)


async def test_what_cannot_be_deleted_is_said(sandbox: Sandbox) -> None:
    sandbox.faults["delete"] = Fault(status=503)
    status, said = await run(videomost(sandbox.url, token=TOKEN))
    (room,) = sandbox.conferences
    assert status == 1
    assert f"  DELETE BY HAND: the conference {room}" in said


async def test_a_server_that_is_down() -> None:
    status, said = await run(videomost("http://127.0.0.1:9"))
    assert (status, len(steps(said))) == (1, 1)
    assert "cannot connect" in steps(said)[0]


@pytest.mark.usefixtures("logging_as_it_was")
def test_as_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        '[provider]\nkind = "sandbox"\n[provider.sandbox]\nport = 0\npublic_url = "http://127.0.0.1:1"\n'
        f'[store]\npath = "{tmp_path}/m.db"\n[policy]\norganizer_domains = ["example.org"]\n'
    )
    assert main(["provider-test", "--config", str(config), "--organizer", "Anna@Example.org"]) == 0
    assert "anna@example.org" in capsys.readouterr().out


COMMAND = "import sys; from mailhook.cli import main; sys.exit(main())"


def asked(sandbox: Sandbox, operation: str) -> bool:
    return any(counter[operation] for counter in sandbox.counts.values())


async def interrupted(
    sandbox: Sandbox, folder: Path, *numbers: signal.Signals, at: Sequence[str] = ("update", "delete")
) -> tuple[int, str]:
    """Exit status and words of the command, which is sent the signals one by one when it waits for an answer."""
    config = folder / "config.toml"
    config.write_text(
        f'[provider]\nkind = "videomost"\n[provider.videomost]\nbase_url = "{sandbox.url}"\ntoken = "{TOKEN}"\n'
        f'[store]\npath = "{folder}/m.db"\n[policy]\norganizer_domains = ["example.org"]\n'
    )
    command = (sys.executable, "-c", COMMAND, "provider-test", "--config", str(config))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    for number, operation in zip(numbers, at, strict=False):
        await until(partial(asked, sandbox, operation))
        process.send_signal(number)
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_what_was_made_is_deleted_when_it_is_stopped(
    sandbox: Sandbox, tmp_path: Path, number: signal.Signals
) -> None:
    sandbox.faults["update"] = Fault(delay=600)
    status, said = await interrupted(sandbox, tmp_path, number)
    assert (status, "Interrupted" in said, "BY HAND" in said) == (130, True, False), said
    assert (len(sandbox.deleted), sandbox.conferences) == (1, {})


async def test_what_is_left_is_said_when_it_is_stopped(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.faults.update(update=Fault(delay=600), delete=Fault(status=503))
    status, said = await interrupted(sandbox, tmp_path, signal.SIGTERM)
    (room,) = sandbox.conferences
    assert (status, f"DELETE BY HAND: the conference {room}" in said) == (130, True), said


async def test_a_create_that_was_under_way_may_still_be_carried_out(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.faults["create"] = Fault(delay=600)
    status, said = await interrupted(sandbox, tmp_path, signal.SIGTERM, at=["create"])
    (key,) = sandbox.counts
    assert (status, f"LOOK BY HAND: create was under way, and may still make {key}" in said) == (130, True), (
        said
    )


async def test_what_is_left_is_said_when_it_may_not_even_delete(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.faults.update(update=Fault(delay=600), delete=Fault(delay=600))
    status, said = await interrupted(sandbox, tmp_path, signal.SIGTERM, signal.SIGTERM)
    (room,) = sandbox.conferences
    assert (status, f"DELETE BY HAND: the conference {room}" in said) == (130, True), said


@pytest.mark.parametrize(("wrong", "left"), [("link", 0), ("id", 1), ("items", 1)])
async def test_a_pointer_that_points_at_nothing(wrong: str, left: int) -> None:
    """The likeliest mistake of all: what bears the key goes without a link; what has no id is left to a person."""
    server = Plain()
    await server.start()
    data = plain(Plain.PASSWORD, finds=True).model_dump(exclude_unset=True)
    data["answer"] = {**data["answer"], wrong: "/nowhere"}
    if wrong == "items":
        server.faults["create"] = Fault(fail_after=True)
    status, said = await run(videomost(server.url, preset="none", **data))
    assert (status, len(server.rooms)) == (1, left)
    assert any("LOOK BY HAND" in line for line in said) == bool(left)
    await server.stop()


SESSION = "0f7e5c3a-session"


class Sessions(Stub):
    """Gives out a session under a name that tells nothing, and asks for it in a header of such a name."""

    def operation(self, asked: Asked) -> str:
        return asked.path

    def answer(self, asked: Asked) -> Told:
        if asked.path == "/login":
            return as_json(200, {"data": {"sid": SESSION}})
        known = asked.headers.get("x-sid") == f"Sid {SESSION}"
        return as_json(200 if known else 401, {"status": "ok"})


async def test_a_session_is_not_shown_by_whatever_name() -> None:
    server = Sessions()
    await server.start()
    login = {"method": "POST", "path": "login"}
    auth = {
        "kind": "login",
        "header": "X-Sid",
        "value": "Sid {{ session }}",
        "session": "/data/sid",
        "login": login,
    }
    try:
        _, said = await run(videomost(server.url, auth=auth))
    finally:
        await server.stop()
    assert "ok      ping" in said
    assert "  > x-sid: Sid ***" in said
    assert SESSION not in "\n".join(said)


@pytest.mark.parametrize(
    ("auth", "operations"),
    [
        ({"value": 'Token token="{{ session }}"', "session": "/data/sid", "header": "X-Sid"}, {}),
        ({"value": "v1/{{ session }}", "session": "/data/sid", "header": "X-Sid"}, {"ping": {"method": ""}}),
        ({}, {}),
    ],
)
async def test_a_session_is_not_shown_in_whatever_it_stands(
    auth: dict[str, object], operations: dict[str, object]
) -> None:
    """Around it stands what its header wants; the answers to it and to the login repeat it; or it is a cookie."""

    class Talking(Sessions):
        def answer(self, asked: Asked) -> Told:
            body = {"data": {"sid": SESSION}, "seen": f"is {SESSION}", "rolled": "r0lled-on"}
            rolled = "" if asked.path == "/login" else "r0lled-on"
            return as_json(200, body, Set_Cookie=f"JSID={rolled or SESSION}; Path=/")

    server = Talking()
    await server.start()
    used = {"kind": "login", "login": {"method": "POST", "path": "login"}, **auth}
    _, said = await run(videomost(server.url, auth=used, operations=operations))
    await server.stop()
    assert "ok      ping" in said
    assert any("is ***" in line for line in said)
    assert SESSION not in "\n".join(said)
    if not operations:
        assert "r0lled-on" not in "\n".join(said)


async def test_what_cannot_be_asked_is_skipped() -> None:
    server = Plain()
    await server.start()
    data = plain(Plain.PASSWORD, finds=False).model_dump(exclude_unset=True)
    for name in ("ping", "update"):
        data["operations"].pop(name, None)
    status, said = await run(videomost(server.url, preset="none", **data))
    await server.stop()
    skipped = [line.partition(":")[0] for line in said if line.startswith("skipped")]
    assert (status, said[-1]) == (0, "What can be asked works; the rest was skipped.")
    assert skipped[-1:] == ["skipped move"]
    assert not any(line.startswith("FAILED") for line in said)


ROOM = {"n": "room-17", "w": "https://elsewhere.example/?x=abcdef", "o": 778899, "t": "say 778899, abcdef"}


class Nameless(Stub):
    """Its names tell nothing, and the host of its links is not ours: no answer can be used."""

    def operation(self, asked: Asked) -> str:
        return asked.path

    def answer(self, asked: Asked) -> Told:
        return as_json(200, {"d": ROOM} if asked.path == "/make" else {"status": "ok"})


async def test_what_opens_a_room_is_not_shown_by_whatever_name() -> None:
    server = Nameless()
    await server.start()
    operations = {"create": {"method": "POST", "path": "make"}}
    answer = {"id": "/d/n", "link": "/d/w", "passcode": "/d/o"}
    status, said = await run(videomost(server.url, preset="none", operations=operations, answer=answer))
    await server.stop()
    assert status == 1
    assert '  <   {"d": {"n": "room-17", "w": "***", "o": "***", "t": "say ***, ***"}}' in said
