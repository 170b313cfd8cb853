"""The local Videomost: what its pages show, what its state survives, and how tests drive it."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from mailhook.core.conference import Person, Spec
from mailhook.errors import Misconfigured
from mailhook.provider import sandbox_words
from mailhook.provider.sandbox import Sandbox
from mailhook.provider.sandbox_faults import OPERATIONS, Fault
from mailhook.provider.videomost import Videomost

START = datetime(2026, 3, 2, 20, 30, tzinfo=UTC)
SPEC = Spec(
    topic="Планёрка <script>alert('x')</script> & Co",
    start=START,
    end=START + timedelta(hours=1),
    timezone="Europe/Moscow",
    owner=Person("anna@example.com", 'Анна "А" <b>'),
    participants=(Person("boris@example.com", "Борис"), Person("guest@example.org")),
)
KEY = "room-1"
BODY: dict[str, Any] = {
    "topic": "Review",
    "start": "2026-03-02T20:30:00Z",
    "end": "2026-03-02T21:30:00Z",
    "timezone": "Europe/Moscow",
    "owner": {"email": "Anna@Example.com", "name": "Anna"},
    "participants": [{"email": "boris@example.com"}],
}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox()
    await sandbox.start("127.0.0.1", 0)
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def moment() -> AsyncIterator[Sandbox]:
    """A sandbox in which it is always 20:00 on 10 March 2026, UTC."""
    sandbox = Sandbox(clock=lambda: datetime(2026, 3, 10, 20, 0, tzinfo=UTC))
    await sandbox.start("127.0.0.1", 0)
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def browser(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as browser:
        yield browser


@pytest.fixture
async def link(sandbox: Sandbox) -> str:
    """The link of a conference as SPEC has it."""
    videomost = Videomost(sandbox.url)
    details = await videomost.create(SPEC, KEY)
    await videomost.close()
    return details.link


# --- the join page -------------------------------------------------------------------------------------


async def test_join_link_has_the_vendors_form(sandbox: Sandbox, link: str) -> None:
    assert re.fullmatch(re.escape(sandbox.url) + r"/service/join/\?confid=room-1&confpass=\d{4}", link)


async def test_links_are_the_same_in_every_run(link: str) -> None:
    assert link.endswith("confpass=4978")


async def test_join_page_in_russian(browser: httpx.AsyncClient, link: str) -> None:
    page = await browser.get(link)
    assert page.status_code == 200
    assert "Планёрка &lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; Co" in page.text
    assert "пн, 2 марта 2026, 23:30 – вт, 3 марта 2026, 00:30 (Europe/Moscow, UTC+3)" in page.text
    assert "<bdi>Анна &quot;А&quot; &lt;b&gt;</bdi> <bdi>&lt;anna@<wbr>example.com&gt;</bdi>" in page.text
    assert "<bdi>Борис</bdi> <bdi>&lt;boris@<wbr>example.com&gt;</bdi>" in page.text
    assert 'lang="ru"' in page.text


@pytest.mark.parametrize("how", ["header", "query"])
async def test_join_page_in_english(browser: httpx.AsyncClient, link: str, how: str) -> None:
    if how == "header":
        page = await browser.get(link, headers={"Accept-Language": "en-GB,en;q=0.9,ru;q=0.8"})
    else:
        page = await browser.get(link + "&lang=en", headers={"Accept-Language": "ru"})
    assert "Mon, 2 March 2026, 23:30 – Tue, 3 March 2026, 00:30 (Europe/Moscow, UTC+3)" in page.text
    assert "Organizer" in page.text


@pytest.mark.parametrize("passcode", ["", "0000", "49781", "ключ"])
async def test_wrong_passcode_is_refused_and_shows_nothing(
    browser: httpx.AsyncClient, link: str, passcode: str
) -> None:
    page = await browser.get("/service/join/", params={"confid": KEY, "confpass": passcode})
    assert page.status_code == 403
    assert "Неверный код доступа" in page.text
    assert "Планёрка" not in page.text


async def test_unknown_and_deleted_conferences(browser: httpx.AsyncClient, link: str) -> None:
    assert (await browser.get("/service/join/?confid=none&confpass=1")).status_code == 404
    await browser.delete(f"/api/v1/conferences/{KEY}")
    gone = await browser.get(link)
    assert gone.status_code == 410
    assert "Конференция удалена" in gone.text
    assert "Планёрка" not in gone.text


# --- the cabinet ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("parameter", ["user", "email"])
@pytest.mark.parametrize("path", ["/cabinet", "/cabinet/"])
@pytest.mark.parametrize("address", ["anna@example.com", "BORIS@example.com", "guest@example.org"])
async def test_cabinet_lists_a_persons_conferences(
    browser: httpx.AsyncClient, link: str, path: str, parameter: str, address: str
) -> None:
    page = await browser.get(path, params={parameter: address})
    assert page.status_code == 200
    assert link.replace("&", "&amp;") in page.text
    assert "2 марта 2026, 23:30" in page.text
    assert ("(вы)" in page.text) == (address == "anna@example.com")


def titles(page: httpx.Response) -> list[str]:
    """Headings of the cabinet's shelves, and below each the topics with their states, in order."""
    found = re.findall(
        r"<h2>(.*?)</h2>|<h3>.*?<bdi>(.*?)</bdi>.*?</h3><p class=\"state\"><span class=\"badge (\w+)\">",
        page.text,
    )
    return [heading or f"{topic} {state}" for heading, topic, state in found]


async def test_cabinet_shows_what_is_near_first_and_says_its_state(moment: Sandbox) -> None:
    async with httpx.AsyncClient(base_url=moment.url, trust_env=False) as browser:
        for name, day in (("f", 20), ("a", 1), ("d", 10), ("b", 2), ("e", 11), ("c", 9), ("gone", 3)):
            times = {"start": f"2026-03-{day:02}T20:00:00Z", "end": f"2026-03-{day:02}T21:00:00Z"}
            await browser.put(f"/api/v1/conferences/{name}", json=BODY | times | {"topic": name})
        await browser.delete("/api/v1/conferences/gone")
        page = await browser.get("/cabinet?user=boris@example.com&lang=en")
    assert titles(page) == [
        *("Upcoming", "d running", "e upcoming", "f upcoming"),
        *("Past", "c ended", "b ended", "a ended"),
        *("Deleted", "gone deleted"),
    ]
    assert "confid=gone" not in page.text


async def test_cabinet_of_a_stranger_and_of_nobody(browser: httpx.AsyncClient, link: str) -> None:
    stranger = await browser.get("/cabinet", params={"user": '"><img src=x>@example.com'})
    assert "Конференций нет" in stranger.text
    assert "<img" not in stranger.text
    nobody = await browser.get("/", follow_redirects=True)
    assert nobody.status_code == 200
    assert 'name="user"' in nobody.text
    assert "Конференций нет" not in nobody.text


async def test_cabinet_forgets_a_removed_participant_and_the_link_of_a_deleted_room(
    browser: httpx.AsyncClient, link: str
) -> None:
    await browser.patch(f"/api/v1/conferences/{KEY}", json={"participants": []})
    assert "Конференций нет" in (await browser.get("/cabinet?user=boris@example.com")).text
    assert "confid=" in (await browser.get("/cabinet?user=anna@example.com")).text
    await browser.delete(f"/api/v1/conferences/{KEY}")
    page = await browser.get("/cabinet?user=anna@example.com")
    assert titles(page)[0] == "Удалённые"
    assert "confid=" not in page.text


# --- what both pages say -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("2026-03-10T19:59:59Z", "Конференция идёт сейчас."),
        ("2026-03-10T20:00:00Z", "Конференция идёт сейчас."),
        ("2026-03-10T20:00:01Z", "Конференция ещё не началась."),
        ("2026-03-10T19:00:00Z", "Конференция завершена."),
    ],
)
async def test_join_page_says_whether_the_conference_has_begun(
    moment: Sandbox, start: str, said: str
) -> None:
    end = (datetime.fromisoformat(start) + timedelta(hours=1)).isoformat()
    async with httpx.AsyncClient(base_url=moment.url, trust_env=False) as browser:
        made = await browser.put("/api/v1/conferences/a", json=BODY | {"start": start, "end": end})
        assert said in (await browser.get(made.json()["join_url"])).text


@pytest.mark.parametrize("month", range(1, 13))
def test_dates_in_both_languages(month: int) -> None:
    genitive = (
        *("января", "февраля", "марта", "апреля", "мая", "июня"),
        *("июля", "августа", "сентября", "октября", "ноября", "декабря"),
    )[month - 1]
    start = datetime(2026, month, 4, 22, 0, tzinfo=UTC)
    said = sandbox_words.span(start, start + timedelta(minutes=30), "Asia/Kolkata", "ru")
    assert said.endswith(f", 5 {genitive} 2026, 03:30 – 04:00 (Asia/Kolkata, UTC+5:30)")
    english = sandbox_words.span(start, start + timedelta(hours=24), "UTC", "en")
    assert f"{start:%a, %-d %B} 2026, 22:00 – {start + timedelta(days=1):%a, %-d %B} 2026" in english
    assert english.endswith("(UTC, UTC)")


@pytest.mark.parametrize(
    ("topic", "shown"),
    [
        ("\u202egnp.exe", "gnp.exe"),
        ("a\u2066b\u2069c\u200fd\u061c", "abcd"),
        ("line\r\none\x00\x1b[31m\u2028two", "line one[31m two"),
        ("\ufeff\u200b", ""),
        ("👨\u200d👩\u200d👧 שלום", "👨\u200d👩\u200d👧 שלום"),
    ],
)
def test_foreign_text_cannot_turn_the_page_around(topic: str, shown: str) -> None:
    assert sandbox_words.harmless(topic) == shown


async def test_pages_forbid_scripts_and_foreign_content(browser: httpx.AsyncClient, link: str) -> None:
    for path in (link, "/cabinet?user=anna@example.com", "/service/join/"):
        page = await browser.get(path)
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "<script" not in page.text


def test_both_languages_have_the_same_words() -> None:
    russian, english = sandbox_words.WORDS["ru"], sandbox_words.WORDS["en"]
    assert russian.keys() == english.keys()


# --- the API beyond what the client uses ----------------------------------------------------------------


async def test_put_answers_created_once(browser: httpx.AsyncClient) -> None:
    first = await browser.put("/api/v1/conferences/a", json=BODY)
    second = await browser.put("/api/v1/conferences/a", json=BODY | {"topic": "Renamed"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json() | {"topic": "Renamed"}
    assert first.json()["owner"] == {"email": "anna@example.com", "name": "Anna"}
    assert (first.json()["mode"], first.json()["join_without_owner"]) == ("discussion", True)


async def test_patch_takes_single_fields(browser: httpx.AsyncClient) -> None:
    made = (await browser.put("/api/v1/conferences/a", json=BODY | {"mode": "webinar"})).json()
    changed = await browser.patch("/api/v1/conferences/a", json={"topic": "Renamed"})
    assert changed.status_code == 200
    assert changed.json() == made | {"topic": "Renamed"}


async def test_delete_is_final(browser: httpx.AsyncClient) -> None:
    await browser.put("/api/v1/conferences/a", json=BODY)
    statuses = [
        (await browser.delete("/api/v1/conferences/a")).status_code,
        (await browser.delete("/api/v1/conferences/a")).status_code,
        (await browser.put("/api/v1/conferences/a", json=BODY)).status_code,
        (await browser.patch("/api/v1/conferences/a", json=BODY)).status_code,
        (await browser.get("/api/v1/conferences/a")).status_code,
        (await browser.delete("/api/v1/conferences/b")).status_code,
    ]
    assert statuses == [204, 404, 410, 410, 410, 404]


async def test_list_by_owner_in_order_of_start(browser: httpx.AsyncClient) -> None:
    later = {"start": "2026-04-02T20:30:00Z", "end": "2026-04-02T21:30:00Z"}
    await browser.put("/api/v1/conferences/a", json=BODY | later)
    await browser.put("/api/v1/conferences/b", json=BODY)
    await browser.put("/api/v1/conferences/c", json=BODY | {"owner": {"email": "boris@example.com"}})
    listed = await browser.get("/api/v1/conferences", params={"owner": "ANNA@example.com"})
    assert [item["id"] for item in listed.json()["conferences"]] == ["b", "a"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"topic": 1},
        {"topic": "x" * 1001},
        {"start": "2026-03-02T20:30:00"},
        {"start": "2026-03-02T20:30:00+03:00"},
        {"start": "0001-01-01T00:00:00Z"},
        {"start": None},
        {"end": "2026-03-02T20:00:00Z"},
        {"end": "2026-03-02T20:30:00Z"},
        {"passcode": 1234},
        {"passcode": "123"},
        {"passcode": "with blank"},
        {"passcode": "ключ-ключ"},
        {"timezone": "Nowhere"},
        {"timezone": "../../etc/passwd"},
        {"timezone": "Europe"},
        {"timezone": 3},
        {"owner": None},
        {"owner": {"email": "nobody"}},
        {"participants": {"email": "a@b"}},
        {"participants": ["a@b"]},
        {"mode": "<b>"},
        {"join_without_owner": 1},
        {"id": "other"},
    ],
)
async def test_what_the_contract_forbids(
    browser: httpx.AsyncClient, sandbox: Sandbox, wrong: dict[str, Any]
) -> None:
    answer = await browser.put("/api/v1/conferences/a", json=BODY | wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert sandbox.conferences == {}


@pytest.mark.parametrize("room_id", ["a b", "%D0%B0", "x" * 129, "a.b"])
async def test_ids_that_the_contract_forbids(browser: httpx.AsyncClient, room_id: str) -> None:
    assert (await browser.put(f"/api/v1/conferences/{room_id}", json=BODY)).status_code == 422


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"", 400), (b"[]", 400), (b"\xff", 400), (b'{"topic": "\\ud800"}', 400), (b"[" * 100_000, 400),
     (b" " * (1024 * 1024 + 1), 413)],
)  # fmt: skip
async def test_bodies_that_cannot_be_read(browser: httpx.AsyncClient, content: bytes, status: int) -> None:
    assert (await browser.put("/api/v1/conferences/a", content=content)).status_code == status


async def test_a_passcode_may_be_chosen_and_stays(browser: httpx.AsyncClient, sandbox: Sandbox) -> None:
    made = await browser.put("/api/v1/conferences/a", json=BODY | {"passcode": "s&cret=1"})
    assert made.json()["passcode"] == "s&cret=1"
    assert made.json()["join_url"].endswith("confpass=s%26cret%3D1")
    assert (await browser.get(made.json()["join_url"])).status_code == 200
    for passcode in ("s&cret=1", ""):
        again = await browser.put("/api/v1/conferences/a", json=BODY | {"passcode": passcode})
        assert (again.status_code, again.json()) == (200, made.json())
    moved = await browser.patch("/api/v1/conferences/a", json={"topic": "Renamed"})
    assert moved.json() == made.json() | {"topic": "Renamed"}
    other = await browser.patch("/api/v1/conferences/a", json={"passcode": "another"})
    assert (other.status_code, other.json()["code"]) == (422, "invalid")
    assert sandbox.conferences["a"].passcode == "s&cret=1"


# --- state, counts, faults ------------------------------------------------------------------------------


async def test_state_file_outlives_the_process(tmp_path: Path) -> None:
    before, state = Sandbox(state=tmp_path / "state.json"), tmp_path / "state.json"
    await before.start("127.0.0.1", 0)
    videomost = Videomost(before.url)
    await videomost.create(SPEC, KEY)
    await videomost.create(SPEC, "deleted")
    async with httpx.AsyncClient(base_url=before.url, trust_env=False) as browser:
        await browser.put("/api/v1/conferences/chosen", json=BODY | {"passcode": "chosen"})
    await videomost.delete("deleted")
    await videomost.close()
    await before.stop()
    after = Sandbox(state=state)
    assert after.conferences == before.conferences
    assert after.conferences["chosen"].passcode == "chosen"
    assert after.deleted == before.deleted
    assert after.deleted.keys() == {"deleted"}
    assert os.listdir(tmp_path) == ["state.json"]
    assert state.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"conferences": [{"id": "a"}]}', '{"conferences": [1]}']
)
def test_a_state_file_that_cannot_be_used(tmp_path: Path, content: str) -> None:
    (tmp_path / "state.json").write_text(content)
    with pytest.raises(Misconfigured, match=re.escape(str(tmp_path / "state.json"))):
        Sandbox(state=tmp_path / "state.json")


async def test_state_page_tells_everything(browser: httpx.AsyncClient, sandbox: Sandbox) -> None:
    await browser.put("/api/v1/conferences/a", json=BODY)
    await browser.put("/api/v1/conferences/a", json=BODY)
    await browser.put("/api/v1/conferences/b", json=BODY)
    await browser.patch("/api/v1/conferences/a", json=BODY)
    await browser.delete("/api/v1/conferences/b")
    state = (await browser.get("/sandbox/state")).json()
    assert {(room["id"], room["deleted"]) for room in state["conferences"]} == {("a", False), ("b", True)}
    assert state["conferences"][0]["join_url"] == sandbox.link(sandbox.conferences["a"])
    assert state["counts"] == {"a": {"create": 2, "update": 1}, "b": {"create": 1, "delete": 1}}


async def test_faults_over_http(browser: httpx.AsyncClient, sandbox: Sandbox) -> None:
    asked = {"create": {"status": 503, "times": 2}, "delete": {"fail_after": True, "delay": 0.5}}
    assert (await browser.post("/sandbox/faults", json=asked)).status_code == 204
    assert sandbox.faults == {
        "create": Fault(status=503, times=2),
        "delete": Fault(fail_after=True, delay=0.5),
    }
    statuses = [(await browser.put("/api/v1/conferences/a", json=BODY)).status_code for _ in range(3)]
    assert statuses == [503, 503, 201]
    assert (await browser.post("/sandbox/faults", json={})).status_code == 204
    assert (await browser.delete("/api/v1/conferences/a")).status_code == 204


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("delay", "1e9"),
        ("delay", "NaN"),
        ("delay", "Infinity"),
        ("delay", "-1"),
        ("trickle", "1e9"),
        ("status", "99999999999999999999"),
        ("status", "100"),
        ("status", "-1"),
        ("times", "-1"),
        ("times", "1e99"),
    ],
)
async def test_absurd_numbers_are_refused(
    browser: httpx.AsyncClient, sandbox: Sandbox, name: str, value: str
) -> None:
    asked = f'{{"ping": {{"{name}": {value}}}}}'
    answer = await browser.post(
        "/sandbox/faults", content=asked, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, name in answer.json()["message"]) == (422, True), answer.text
    assert sandbox.faults == {}
    assert (await browser.get("/api/v1/ping")).status_code == 200


@pytest.mark.parametrize(
    "asked",
    [{"made up": {}}, {"create": 1}, {"create": {"made up": 1}}, {"create": {"times": "2"}},
     {"create": {"times": True}}, {"create": {"fail_after": 1}}, {"create": {"wrong": "x"}}],
)  # fmt: skip
async def test_faults_that_do_not_exist(
    browser: httpx.AsyncClient, sandbox: Sandbox, asked: dict[str, Any]
) -> None:
    assert (await browser.post("/sandbox/faults", json=asked)).status_code == 422
    assert sandbox.faults == {}


async def test_one_fault_for_all_operations(browser: httpx.AsyncClient, sandbox: Sandbox) -> None:
    asked = {"all": {"status": 503}, "delete": {"status": 500}}
    assert (await browser.post("/sandbox/faults", json=asked)).status_code == 204
    assert sandbox.faults.keys() == set(OPERATIONS)
    statuses = [
        (await browser.get("/api/v1/ping")).status_code,
        (await browser.delete("/api/v1/conferences/a")).status_code,
    ]
    assert statuses == [503, 500]


async def test_a_dropped_request_is_not_carried_out(browser: httpx.AsyncClient, sandbox: Sandbox) -> None:
    sandbox.faults["create"] = Fault(drop=True, times=1)
    with pytest.raises(httpx.TransportError):
        await browser.put("/api/v1/conferences/a", json=BODY)
    assert sandbox.conferences == {}
    assert (await browser.put("/api/v1/conferences/a", json=BODY)).status_code == 201


async def test_wrong_data_in_an_answer_that_is_true_otherwise(
    browser: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    wrong = {"create": {"wrong": {"join_url": "https://elsewhere.example/", "passcode": None}, "times": 1}}
    assert (await browser.post("/sandbox/faults", json=wrong)).status_code == 204
    lie = await browser.put("/api/v1/conferences/a", json=BODY)
    truth = await browser.put("/api/v1/conferences/a", json=BODY)
    assert lie.status_code == 201
    assert lie.json() == truth.json() | wrong["create"]["wrong"]
    assert sandbox.conferences.keys() == {"a"}


async def test_what_has_ended_cannot_be_moved_if_that_is_asked_for(moment: Sandbox) -> None:
    def at(hour: int) -> dict[str, str]:
        return {"start": f"2026-03-10T{hour}:00:00Z", "end": f"2026-03-10T{hour + 1}:00:00Z"}

    async with httpx.AsyncClient(base_url=moment.url, trust_env=False) as browser:
        for name, hour in (("ended", 19), ("running", 20)):
            await browser.put(f"/api/v1/conferences/{name}", json=BODY | at(hour))
        rule = {"if_ended": True}
        await browser.post("/sandbox/faults", json={"update": rule, "create": rule | {"status": 422}})
        answers = [
            await browser.patch("/api/v1/conferences/ended", json=at(22)),
            await browser.patch("/api/v1/conferences/running", json=at(22)),
            await browser.put("/api/v1/conferences/ended", json=BODY | at(22)),
            await browser.put("/api/v1/conferences/new-and-over", json=BODY | at(18)),
            await browser.put("/api/v1/conferences/new", json=BODY | at(22)),
            await browser.patch("/api/v1/conferences/none", json=at(22)),
        ]
    assert [answer.status_code for answer in answers] == [409, 200, 422, 422, 201, 404]
    assert {answer.json()["code"] for answer in answers if answer.status_code in {409, 422}} == {
        "ended_conference"
    }
    assert moment.conferences["ended"].spec.start.hour == 19
    assert moment.conferences.keys() == {"ended", "running", "new"}


async def test_a_form_of_another_site_sets_no_faults(browser: httpx.AsyncClient, sandbox: Sandbox) -> None:
    form = await browser.post(
        "/sandbox/faults", content='{"create": {"status": 500}}', headers={"Content-Type": "text/plain"}
    )
    assert form.status_code == 415
    assert sandbox.faults == {}


async def test_a_request_whose_client_has_gone_is_still_carried_out(sandbox: Sandbox) -> None:
    """The late success that an impatient client has to reckon with."""
    impatient, patient = Videomost(sandbox.url, timeout=0.1), Videomost(sandbox.url)
    sandbox.faults["create"] = Fault(delay=0.3, times=1)
    late = asyncio.create_task(impatient.create(SPEC, KEY))
    await asyncio.wait([late])
    assert late.exception() is not None
    async with asyncio.timeout(30):
        while await patient.find(KEY) == ():
            pass
    assert sandbox.conferences[KEY].spec == SPEC
    await impatient.close()
    await patient.close()


async def test_a_refusal_after_the_deed(sandbox: Sandbox, browser: httpx.AsyncClient) -> None:
    sandbox.faults["create"] = Fault(status=500, fail_after=True, times=1)
    assert (await browser.put("/api/v1/conferences/a", json=BODY)).status_code == 500
    assert sandbox.conferences.keys() == {"a"}


# --- the server ----------------------------------------------------------------------------------------


async def test_token_guards_the_api_and_not_the_pages() -> None:
    sandbox = Sandbox(token="right")
    await sandbox.start("127.0.0.1", 0)
    async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as client:
        for path in (
            "/api/v1/ping",
            "/api/v1/conferences/a",
            "/api/v1/conferences?owner=a",
            "/sandbox/state",
        ):
            assert (await client.get(path)).status_code == 401
            assert (await client.get(path, headers={"Authorization": "Bearer wrong"})).status_code == 401
        refused = await client.post("/sandbox/faults", json={"ping": {"status": 500}})
        assert (refused.status_code, sandbox.faults, sandbox.counts) == (401, {}, {})
        assert (
            await client.get("/api/v1/ping", headers={"Authorization": "Bearer right"})
        ).status_code == 200
        assert (await client.get("/cabinet")).status_code == 200
    await sandbox.stop()


async def test_public_url_is_the_base_of_links() -> None:
    sandbox = Sandbox(public_url="https://vm.example.com/test/")
    await sandbox.start("127.0.0.1", 0)
    strict = Videomost(sandbox.url)
    told = Videomost(sandbox.url, link_hosts=("vm.example.com",))
    with pytest.raises(Exception, match=r"vm\.example\.com, which is not in link_hosts"):
        await strict.create(SPEC, KEY)
    assert (await told.create(SPEC, KEY)).link.startswith(
        "https://vm.example.com/test/service/join/?confid=room-1"
    )
    for client in (strict, told):
        await client.close()
    await sandbox.stop()


async def test_it_starts_again_where_it_was(sandbox: Sandbox, browser: httpx.AsyncClient) -> None:
    await browser.put("/api/v1/conferences/a", json=BODY)
    await sandbox.stop()
    with pytest.raises(httpx.TransportError):
        await browser.get("/api/v1/ping")
    await sandbox.start("127.0.0.1", httpx.URL(sandbox.url).port or 0)
    assert (await browser.get("/api/v1/conferences/a")).status_code == 200


async def test_stopping_drops_a_delayed_request_undone(sandbox: Sandbox, browser: httpx.AsyncClient) -> None:
    sandbox.faults["create"] = Fault(delay=600)
    waiting = asyncio.create_task(browser.put("/api/v1/conferences/a", json=BODY))
    async with asyncio.timeout(30):
        while not (await browser.get("/sandbox/state")).json()["counts"]:
            pass
    await sandbox.stop()
    with pytest.raises(httpx.TransportError):
        await waiting
    assert sandbox.conferences == {}


async def test_a_taken_port_is_an_error_and_not_the_end(sandbox: Sandbox) -> None:
    other = Sandbox()
    with pytest.raises(OSError, match="in use"):
        await other.start("127.0.0.1", httpx.URL(sandbox.url).port or 0)
    await other.stop()


async def test_signals_stay_the_programs(sandbox: Sandbox, browser: httpx.AsyncClient) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    other = Sandbox()
    await other.start("127.0.0.1", 0)
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{other.url}/api/v1/ping")).status_code == 200
    assert before == {number: signal.getsignal(number) for number in before}
    await other.stop()


async def test_unknown_paths_are_not_the_apis_own_answer(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/elsewhere/api/v1/conferences/a")
    assert answer.status_code == 404
    with pytest.raises(json.JSONDecodeError):
        answer.json()
