"""Who mailhook is to a server, and what it trusts."""

import asyncio
import ssl
from base64 import b64decode
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from mailhook.core.conference import Person, Spec
from mailhook.errors import Impossible, Misconfigured, Temporary, Unsent
from mailhook.provider.route import Route
from mailhook.provider.sandbox_faults import Fault
from mailhook.provider.session import Exchange
from mailhook.provider.videomost import Videomost
from mailhook.transport.presets import transport
from tests.contract.rigs import KEY
from tests.contract.servers import TrueConf
from tests.contract.stub import Asked, Stub, Told, _write, as_json
from tests.contract.test_provider import SPEC

CERTIFICATES = Path(__file__).parent / "certificates"
AUTHORITY = str(CERTIFICATES / "authority.pem")
FORM_LOGIN = {"method": "POST", "path": "login", "encoding": "form", "expects": "text",
              "body": {"user": "{{ username }}", "pass": "{{ password }}"}}  # fmt: skip


class Guarded(Stub):
    """Answers a ping to whoever shows `shows` in the header `header`; /login gives it out anew each time."""

    def __init__(
        self,
        header: str,
        shows: str,
        context: ssl.SSLContext | None = None,
        lifetime: int = 1000,
        date: datetime | None = None,
    ) -> None:
        super().__init__(context)
        self.told = {"Date": format_datetime(date, usegmt=True)} if date else {}
        self.header, self.shows, self.lifetime = header, shows, lifetime
        self.logins = self.left = 0

    def operation(self, asked: Asked) -> str:
        return "login" if asked.path == "/login" else "ping"

    def answer(self, asked: Asked) -> Told:
        if asked.path == "/login":
            if dict(asked.form) != {"user": "mailhook", "pass": "s3cret"}:
                return Told(403, b"no")
            self.logins, self.left = self.logins + 1, self.lifetime
            cookie = ("Set-Cookie", f"session=value-{self.logins}; Path=/; HttpOnly")
            return Told(200, b"welcome", (cookie,))
        wanted = self.shows.replace("N", str(self.logins))
        if asked.headers.get(self.header) != wanted or (self.logins and self.left <= 0):
            return as_json(401, {"code": "unauthorized"})
        self.left -= 1
        return as_json(200, {"status": "ok"}, **self.told)


async def pinged(server: Stub, own: dict[str, Any], times: int = 1, **more: Any) -> None:
    await server.start()
    client = Videomost(server.url, transport=transport("default", own), **more)
    try:
        for _ in range(times):
            await client.ping()
    finally:
        await client.close()
        await server.stop()


# --- who we are ---------------------------------------------------------------------------------------------


async def test_bearer() -> None:
    await pinged(Guarded("authorization", "Bearer t0ken"), {}, token="t0ken")


async def test_basic() -> None:
    server = Guarded("authorization", "")
    own = {"auth": {"kind": "basic", "username": "mailhook", "password": "pässword"}}
    with pytest.raises(Misconfigured):
        await pinged(server, own)
    kind, _, pair = server.heard[0].headers["authorization"].partition(" ")
    assert (kind, b64decode(pair).decode()) == ("Basic", "mailhook:pässword")


async def test_a_key_in_a_header() -> None:
    own = {"auth": {"kind": "header", "header": "X-Api-Key", "value": "key={{ token }}"}}
    await pinged(Guarded("x-api-key", "key=t0ken"), own, token="t0ken")


async def test_none() -> None:
    server = Guarded("authorization", "")
    with pytest.raises(Misconfigured):
        await pinged(server, {"auth": {"kind": "none"}}, token="t0ken")
    assert "authorization" not in server.heard[0].headers


COOKIE = {"auth": {"kind": "login", "username": "mailhook", "password": "s3cret", "login": FORM_LOGIN}}


async def test_a_login_for_a_cookie_is_renewed_when_it_has_run_out() -> None:
    server = Guarded("cookie", "session=value-N", lifetime=2)
    await pinged(server, COOKIE, times=5)
    assert server.logins == 3
    assert [asked.path for asked in server.heard].count("/api/v1/ping") == 7  # two of them answered 401


async def test_a_refusal_that_comes_late_does_not_spoil_the_next_login() -> None:
    """Its Set-Cookie is of the session that has run out, and may arrive after the new one has begun."""

    class Forgetful(Guarded):
        """Its first refusal waits until another call has logged in anew and was answered."""

        served, late = asyncio.Event(), False

        async def _serve(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
            told = self.answer(asked)
            if told.status == 401 and not self.late:
                self.late = True
                await self.served.wait()
            if told.status == 200 and self.late:
                self.served.set()
            await _write(writer, told, Fault())

        def answer(self, asked: Asked) -> Told:
            told = super().answer(asked)
            anonymous = ("Set-Cookie", "session=anonymous; Path=/")
            return Told(401, told.body, (anonymous,)) if told.status == 401 else told

    server = Forgetful("cookie", "session=value-N")
    await server.start()
    client = Videomost(server.url, transport=transport("default", COOKIE))
    await client.ping()
    server.left = 0  # as after a week
    await asyncio.gather(client.ping(), client.ping())
    await client.ping()
    await client.close()
    await server.stop()
    assert server.logins == 2


async def test_a_cookie_that_rolls_on_is_taken_from_successes() -> None:
    class Rolling(Guarded):
        def answer(self, asked: Asked) -> Told:
            self.shows = f"session=value-{len(self.heard) - 1}"
            told = super().answer(asked)
            rolled = ("Set-Cookie", f"session=value-{len(self.heard)}; Path=/")
            return told if asked.path == "/login" else Told(told.status, told.body, (rolled,))

    server = Rolling("cookie", "")
    await pinged(server, COOKIE, times=4)
    assert server.logins == 1


@pytest.mark.parametrize(
    ("answer", "expired"),
    [
        (Told(302, b"", (("Location", "/login.html"),)), {"status": 302}),
        (Told(200, b'<err code="3"/>', (("Set-Cookie", "session=gone; Path=/"),)), {"text": 'code="3"'}),
    ],
)
async def test_a_login_that_runs_out_without_a_401(answer: Told, expired: dict[str, Any]) -> None:
    class Quiet(Guarded):
        def answer(self, asked: Asked) -> Told:
            told = super().answer(asked)
            return answer if told.status == 401 else told

    server = Quiet("cookie", "session=value-N", lifetime=2)
    await pinged(server, {"auth": {**COOKIE["auth"], "expired": [expired]}}, times=5)
    assert server.logins == 3


async def test_a_login_that_is_refused() -> None:
    own = {"auth": {**COOKIE["auth"], "password": "wrong"}}
    server = Guarded("cookie", "session=value-N")
    with pytest.raises(Misconfigured, match="the login answered 403"):
        await pinged(server, own)
    assert server.logins == 0


async def test_a_login_that_helps_nothing_is_tried_once_more_only() -> None:
    server = Guarded("cookie", "never")
    with pytest.raises(Misconfigured, match="401"):
        await pinged(server, COOKIE)
    assert server.logins == 2


async def test_a_login_without_a_believable_answer_has_sent_nothing() -> None:
    own = {"auth": {**COOKIE["auth"], "session": "/access_token"}}
    with pytest.raises(Unsent, match="no session"):
        await pinged(Guarded("cookie", "session=value-N"), own)


async def test_calls_at_once_share_a_renewal() -> None:
    server = TrueConf()
    await server.start()
    own = {"auth": {"username": TrueConf.APPLICATION[0], "password": TrueConf.APPLICATION[1]}}
    client = Videomost(server.url, transport=transport("trueconf-server-4", own))
    await asyncio.gather(*(client.ping() for _ in range(10)))
    assert server.logins == 1
    server._left = 0  # as after a week
    await asyncio.gather(*(client.ping() for _ in range(10)))
    assert server.logins == 2
    await client.close()
    await server.stop()


async def test_what_goes_out_in_the_preset_for_trueconf() -> None:
    server = TrueConf()
    await server.start()
    own = {"auth": {"username": TrueConf.APPLICATION[0], "password": TrueConf.APPLICATION[1]}}
    client = Videomost(
        server.url, transport=transport("trueconf-server-4", own), fallback_owner="rooms@example.com"
    )
    details = await client.create(SPEC, KEY)
    assert details.link == f"{server.url}/c/{KEY}"
    document = server.conferences[KEY]
    assert document["schedule"] == {
        "type": "once",
        "start_time": 1772442000,
        "duration": 3600,
        "special_time_offset": 180,
    }
    assert document["invitations"] == [
        {"id": "anna", "display_name": "Анна"},
        {"id": "boris", "display_name": "Борис"},
        {"id": "guest", "display_name": "guest@example.org"},
    ]
    stranger = Spec(SPEC.topic, SPEC.start, SPEC.end, SPEC.timezone, Person("stranger@example.com"))
    await client.create(stranger, "other")
    assert server.conferences["other"]["owner"] == "rooms"
    await client.close()
    await server.stop()


# --- whom we trust --------------------------------------------------------------------------------------------


def server_side(*, asks_for_ours: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "server.pem", CERTIFICATES / "server.key")
    if asks_for_ours:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(AUTHORITY)
    return context


async def test_a_certificate_of_an_unknown_authority_is_not_accepted() -> None:
    with pytest.raises(Unsent, match=r"cannot connect.*: name the authority .* in ca_file"):
        await pinged(Guarded("authorization", "Bearer t0ken", server_side()), {}, token="t0ken")


async def test_the_companys_own_authority() -> None:
    server = Guarded("authorization", "Bearer t0ken", server_side())
    await pinged(server, {}, token="t0ken", route=Route(ca_file=AUTHORITY))


async def test_a_certificate_of_ours() -> None:
    ours = {
        "client_cert_file": str(CERTIFICATES / "client.pem"),
        "client_key_file": str(CERTIFICATES / "client.key"),
    }
    server = Guarded("authorization", "Bearer t0ken", server_side(asks_for_ours=True))
    await pinged(server, {}, token="t0ken", route=Route(ca_file=AUTHORITY, **ours))
    with pytest.raises(Temporary):
        await pinged(server, {}, token="t0ken", route=Route(ca_file=AUTHORITY))


@pytest.mark.parametrize(
    "route", [Route(ca_file="/nonexistent.pem"), Route(client_cert_file="/nonexistent.pem")]
)
def test_certificates_that_cannot_be_read(route: Route) -> None:
    with pytest.raises(Misconfigured, match=r"/nonexistent\.pem"):
        Videomost("https://vm.example.com", route=route)


async def test_a_proxy_is_used() -> None:
    proxy = Guarded("authorization", "Bearer t0ken")
    await proxy.start()
    client = Videomost("http://videomost.invalid", token="t0ken", route=Route(proxy=proxy.url))
    await client.ping()
    assert proxy.heard[0].headers["host"] == "videomost.invalid"
    await client.close()
    await proxy.stop()


async def test_a_proxy_that_is_not_there_is_named() -> None:
    route = Route(proxy="http://somebody:s3cret@127.0.0.1:9")
    client = Videomost("http://videomost.invalid", token="t0ken", route=route)
    with pytest.raises(Unsent, match=r"cannot connect by way of the proxy 127\.0\.0\.1:9: ") as caught:
        await client.ping()
    assert "s3cret" not in str(caught.value)
    await client.close()


# --- answers that lie -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["update", "delete"])
async def test_an_answer_about_another_conference(operation: str) -> None:
    class Liar(Stub):
        def operation(self, asked: Asked) -> str:
            return ""

        def answer(self, asked: Asked) -> Told:
            return as_json(200, {"id": "another"})

    server = Liar()
    await server.start()
    client = Videomost(server.url)
    with pytest.raises(Temporary, match="about another conference"):
        await (client.update("one", SPEC) if operation == "update" else client.delete("one"))
    await client.close()
    await server.stop()


async def test_a_witness_sees_what_is_said() -> None:
    seen: list[Exchange] = []
    await pinged(Guarded("authorization", "Bearer t0ken"), {}, token="t0ken", witness=seen.append)
    (exchange,) = seen
    assert (exchange.method, exchange.status, exchange.answer) == ("GET", 200, b'{"status": "ok"}')
    assert ("authorization", "Bearer t0ken") in exchange.headers


# --- whether anybody is there ------------------------------------------------------------------------------


async def test_without_a_ping_the_login_tells() -> None:
    own = {**COOKIE, "operations": {"ping": {"method": ""}}}
    server = Guarded("cookie", "")
    await pinged(server, own, times=2)
    assert (server.logins, len(server.heard)) == (2, 2)
    wrong = {**own, "auth": {**COOKIE["auth"], "password": "wrong"}}
    with pytest.raises(Misconfigured, match="the login answered 403"):
        await pinged(Guarded("cookie", ""), wrong)


async def test_without_a_login_a_key_that_nobody_has_tells() -> None:
    own = {"operations": {"ping": {"method": ""}}}
    server = Guarded("authorization", "Bearer t0ken")
    with pytest.raises(Misconfigured, match="find: answered 401"):
        await pinged(server, own, token="wrong")
    assert len(server.heard) == 1


async def test_without_anything_to_ask_it_is_said_whether_somebody_is_there() -> None:
    own = {"operations": {"ping": {"method": ""}, "find": {"method": ""}}}
    server = Guarded("authorization", "")
    with pytest.raises(Impossible, match="no login and no operations"):
        await pinged(server, own, token="t0ken")
    assert [(asked.method, "authorization" in asked.headers) for asked in server.heard] == [("HEAD", False)]


# --- capabilities ---------------------------------------------------------------------------------------------


async def test_what_an_api_cannot_do_is_said_without_asking_it() -> None:
    own = {"operations": {name: {"method": ""} for name in ("update", "delete", "find", "ping")}}
    client = Videomost("http://127.0.0.1:9", transport=transport("default", own))
    with pytest.raises(Unsent, match="ping: cannot connect"):
        await client.ping()
    for call, words in (
        (client.update("1", SPEC), "cannot change"),
        (client.delete("1"), "by hand"),
        (client.find("1"), "cannot find"),
    ):
        with pytest.raises(Impossible, match=words):
            await call
    keeps_nothing = Videomost(
        "http://127.0.0.1:9", transport=transport("default", {"capabilities": {"updates_keep_link": False}})
    )
    with pytest.raises(Exception, match="keep its link"):
        await keeps_nothing.update("1", SPEC)
    await client.close()
    await keeps_nothing.close()


# --- connections --------------------------------------------------------------------------------------------


class Kept:
    """Answers pings on connections that it keeps, each as soon as `at_once` are asked for."""

    def __init__(self, at_once: int) -> None:
        self.visits: list[asyncio.Task[None] | None] = []
        self._together = asyncio.Barrier(at_once)

    async def visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits.append(asyncio.current_task())
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            await self._together.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()


@pytest.mark.parametrize("at_once", [1, 3])
async def test_there_are_as_many_connections_as_calls_at_a_time(at_once: int) -> None:
    kept = Kept(at_once)
    server = await asyncio.start_server(kept.visit, "127.0.0.1", 0)
    client = Videomost(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        for _ in range(3):
            await asyncio.gather(*(client.ping() for _ in range(at_once)))
        await client.close()
        await asyncio.gather(*filter(None, kept.visits))
    assert len(kept.visits) == at_once
