"""The provider and its clock."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from mailhook.app import utc_now
from mailhook.config import ExternalSettings, Provider, SandboxSettings, VideomostSettings
from mailhook.doctor import Level, service
from mailhook.provider.sandbox_faults import Fault
from tests.contract.rigs import EXAMPLE
from tests.doctor.rig import Site, server
from tests.provider.test_session import AUTHORITY, CERTIFICATES, Guarded, server_side

OK, WARNING, FAILURE = Level.OK, Level.WARNING, Level.FAILURE
settings = VideomostSettings.model_validate
MOMENT = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


# --- the provider and its clock ------------------------------------------------------------------------------


async def test_a_wrong_token(site: Site) -> None:
    vm = site.settings.provider.videomost.model_copy(update={"token": "wrong"})
    found = await site.finding("provider", provider=Provider(kind="videomost", videomost=vm))
    assert (found.level, "the token is not accepted" in found.sentence) == (FAILURE, True), found
    assert "wrong" not in found.sentence


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(body="<p>Maintenance</p>"), Fault(drop=True)])
async def test_a_provider_that_is_unwell(site: Site, fault: Fault) -> None:
    site.sandbox.faults["ping"] = fault
    found = await site.finding("provider")
    assert (found.level, "deferred meanwhile" in found.advice) == (FAILURE, True), found


NOTHING_TO_ASK = {"ping": {"method": ""}, "find": {"method": ""}}


@pytest.mark.parametrize("operations", [NOTHING_TO_ASK, {"ping": {"method": ""}}])
async def test_nobody_is_there_though_there_is_no_ping(
    site: Site, dead_port: int, operations: dict[str, object]
) -> None:
    own = {"base_url": f"http://127.0.0.1:{dead_port}", "operations": operations}
    found = await site.finding("provider", provider=Provider(kind="videomost", videomost=settings(own)))
    assert (found.level, "cannot connect" in found.sentence) == (FAILURE, True), found


async def test_somebody_is_there_but_nothing_can_be_asked(site: Site) -> None:
    own = {"base_url": site.sandbox.url, "operations": NOTHING_TO_ASK}
    found = await site.finding("provider", provider=Provider(kind="videomost", videomost=settings(own)))
    assert (found.level, "whether it accepts us is not known" in found.sentence) == (WARNING, True), found
    assert "operations.ping" in found.advice


async def test_a_token_is_tried_without_a_ping(site: Site) -> None:
    own = {"base_url": site.sandbox.url, "operations": {"ping": {"method": ""}}, "token": "right"}
    used = Provider(kind="videomost", videomost=settings(own))
    assert (await site.finding("provider", provider=used)).level is OK
    used = Provider(kind="videomost", videomost=settings({**own, "token": "wrong"}))
    assert (await site.finding("provider", provider=used)).level is FAILURE


async def test_a_sandbox_starts_with_serve(site: Site, dead_port: int) -> None:
    provider = Provider(kind="sandbox", sandbox=SandboxSettings(port=dead_port))
    assert (await site.finding("provider", provider=provider)).level is WARNING


@pytest.mark.parametrize(
    ("ahead", "level", "said"),
    [
        (0, OK, "agrees"),
        (-60, OK, "agrees"),
        (61, WARNING, "61 s ahead of"),
        (-600, WARNING, "600 s behind"),
        (601, FAILURE, "601 s ahead of"),
        (-86400, FAILURE, "86400 s behind"),
    ],
)
def test_clocks(ahead: int, level: Level, said: str) -> None:
    found = service.compared(MOMENT, MOMENT + timedelta(seconds=ahead))
    assert (found.level, said in found.sentence) == (level, True), found


async def test_the_clock_is_asked_for_on_the_way_that_calls_take(site: Site) -> None:
    """Behind a certificate of the company's own authority, which wants to see ours."""
    peer = Guarded("authorization", "Bearer right", server_side(asks_for_ours=True), date=utc_now())
    await peer.start()
    ours = {
        "base_url": peer.url,
        "ca_file": AUTHORITY,
        "client_cert_file": str(CERTIFICATES / "client.pem"),
        "client_key_file": str(CERTIFICATES / "client.key"),
    }
    vm = site.settings.provider.videomost.model_copy(update=ours)
    found = await site.finding("clock", provider=Provider(kind="videomost", videomost=vm))
    await peer.stop()
    assert (found.level, "agrees" in found.sentence) == (OK, True), found


async def test_a_python_file_tells_no_time(site: Site) -> None:
    options = {"base_url": site.sandbox.url, "token": "right"}
    external = ExternalSettings(file=str(EXAMPLE), link_hosts=("127.0.0.1",), options=options)
    found = await site.finding("clock", provider=Provider(kind="external", external=external))
    assert (found.level, "nothing is asked" in found.sentence) == (OK, True), found


@pytest.mark.parametrize(
    ("header", "level", "said"),
    [
        (
            f"Date: {format_datetime(utc_now() - timedelta(hours=2), usegmt=True)}\r\n",
            FAILURE,
            "ahead of the provider's",
        ),
        ("", WARNING, "has no Date"),
        ("Date: yesterday\r\n", WARNING, "has no Date"),
    ],
)
async def test_the_date_of_an_answer(site: Site, header: str, level: Level, said: str) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 404 Not Found\r\n{header}Content-Length: 0\r\n\r\n".encode())

    async with server(answer) as port:
        vm = site.settings.provider.videomost.model_copy(update={"base_url": f"http://127.0.0.1:{port}"})
        found = await site.finding("clock", provider=Provider(kind="videomost", videomost=vm))
    assert (found.level, said in found.sentence) == (level, True), found
