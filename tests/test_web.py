"""The web server of the demo's page."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from mailhook.web import Bounds, WebServer


async def hello(_: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


APP = Starlette(routes=[Route("/", hello)])


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_it_serves_on_a_free_port_until_it_is_stopped(host: str) -> None:
    server = WebServer(APP)
    await server.start(host, 0)
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        assert (await client.get("/")).text == "hello"
        await server.stop()
        with pytest.raises(httpx.ConnectError):
            await client.get("/")


async def test_signals_stay_the_programs() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    server = WebServer(APP)
    await server.start()
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(server.url)
    assert before == {number: signal.getsignal(number) for number in before}
    await server.stop()


async def test_a_taken_port_is_an_error_and_not_the_end() -> None:
    one, other = WebServer(APP), WebServer(APP)
    await one.start()
    with pytest.raises(OSError, match="in use"):
        await other.start(port=httpx.URL(one.url).port or 0)
    await other.stop()
    await one.stop()


# --- bounds ---------------------------------------------------------------------------------------------------


@asynccontextmanager
async def serving(bounds: Bounds) -> AsyncIterator[WebServer]:
    server = WebServer(APP, bounds)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def bounded() -> AsyncIterator[WebServer]:
    """Two connections at a time."""
    async with serving(Bounds(connections=2, seconds=60)) as server:
        yield server


async def connected(server: WebServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", httpx.URL(server.url).port)


async def until_cut(reader: asyncio.StreamReader) -> bytes:
    """What came before the server ended the connection."""
    heard = b""
    async with asyncio.timeout(30):
        try:
            while data := await reader.read(65536):
                heard += data
        except ConnectionError:
            pass
    return heard


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n",
    ],
    ids=["nothing", "half a line", "half a header", "no body"],
)
async def test_a_connection_lasts_for_a_bounded_time(said: bytes) -> None:
    async with serving(Bounds(connections=2, seconds=0.1)) as server:
        reader, writer = await connected(server)
        writer.write(said)
        await until_cut(reader)
        writer.close()


async def test_headers_are_bounded(bounded: WebServer) -> None:
    reader, writer = await connected(bounded)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 200_000)
    assert b" 400 " in (await until_cut(reader)).partition(b"\r\n")[0]
    writer.close()


async def test_one_connection_too_many_is_cut_and_the_others_stay(bounded: WebServer) -> None:
    reader, writer = await connected(bounded)
    _, silent = await connected(bounded)
    late, unheard = await connected(bounded)
    unheard.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await until_cut(late) == b""
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await until_cut(reader)).endswith(b"hello")
    for each in (writer, silent, unheard):
        each.close()
