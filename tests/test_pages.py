"""The demo's pages, without a browser."""

import httpx
import pytest

from mailhook.comparison import POLICY
from mailhook.front.pages import Room, Shown, pages
from tests.relay.mails import Event, invitation

HOSTILE = '"><script>x</script>'
BEFORE = invitation(Event(summary=HOSTILE))
MAIL = Shown(
    HOSTILE,
    ("anna@partner.example",),
    BEFORE,
    BEFORE.replace(b"SEQUENCE:0", b"SEQUENCE:1"),
    "https://vm/?a&b",
)


@pytest.fixture(name="client")
def _client() -> httpx.AsyncClient:
    site = pages(lambda: [MAIL], lambda: [Room(HOSTILE, "now", "ivan@corp.example", "https://vm/?c")], "hint")
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=site), base_url="http://demo")


async def test_all_messages_and_conferences(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert answer.headers["content-security-policy"] == POLICY
    assert '<a href="/message/1">&quot;&gt;&lt;script&gt;' in answer.text
    assert '<a href="https://vm/?a&amp;b">' in answer.text
    assert "rewritten" in answer.text
    assert "<script" not in answer.text


async def test_one_message(client: httpx.AsyncClient) -> None:
    answer = await client.get("/message/1")
    assert answer.headers["content-security-policy"] == POLICY
    assert '<td class="new">SEQUENCE:1</td>' in answer.text
    assert answer.text.count('<iframe sandbox="" srcdoc=') == 2
    assert "<script" not in answer.text


async def test_a_message_that_there_is_not(client: httpx.AsyncClient) -> None:
    for number in (0, 2):
        assert (await client.get(f"/message/{number}")).headers["location"] == "/"
