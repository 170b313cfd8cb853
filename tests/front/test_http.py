"""Who may look at the page, by himself: the rest is watched over HTTP in tests/relay/test_watching.py."""

import httpx
import pytest

from mailhook.front.http import site
from mailhook.front.status_page import Status

PASSWORD = "correct horse battery"


class Nothing:
    """To see."""

    async def faults(self) -> dict[str, str]:
        return {}

    async def metrics(self) -> tuple[bytes, str]:
        return b"", "text/plain"

    async def status(self, *, secrets: bool) -> Status:
        raise NotImplementedError(secrets)


@pytest.mark.parametrize(
    ("peer", "password", "status"),
    [
        *(("127.0.0.1", "", 200), ("::1", "", 200), ("::ffff:127.0.0.1", "", 200)),
        *(("192.0.2.1", "", 421), ("::ffff:192.0.2.1", "", 421), ("10.0.0.1", "", 421)),
        ("192.0.2.1", PASSWORD, 401),
    ],
)
async def test_without_a_password_only_this_machine_looks(peer: str, password: str, status: int) -> None:
    """Whatever Host says, and wherever the socket is bound."""
    page = httpx.ASGITransport(app=site(Nothing(), "127.0.0.1", password), client=(peer, 40000))
    async with httpx.AsyncClient(transport=page, base_url="http://localhost") as browser:
        assert (await browser.get("/metrics")).status_code == status
