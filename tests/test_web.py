"""The web server of the demo's page."""

import signal

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from mailhook.web import WebServer


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
