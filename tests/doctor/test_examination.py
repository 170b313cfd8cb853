"""What `mailhook doctor` says as a whole: order, time-outs, settings and templates, the command."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from mailhook.cli import main
from mailhook.config import Problem, Provider
from mailhook.doctor import Level, examine
from mailhook.doctor.finding import ok
from mailhook.provider.sandbox_faults import Fault
from tests.doctor.rig import Site, changed, nothing, server
from tests.relay.processes import write_settings

OK, WARNING, FAILURE = Level.OK, Level.WARNING, Level.FAILURE
SHORT = 3.0
"""Seconds for peers that never answer."""

SUBJECTS = [
    *("settings", "templates", "exposure", "listener", "next hop", "next hop's limits", "provider", "clock"),
    *("store", "store's owner", "signatures"),
]
"""In their order; then what the machine's disks are like."""


# --- the whole -----------------------------------------------------------------------------------------------


async def test_all_is_well(site: Site) -> None:
    found = await examine(site.settings, ())
    assert [(each.level, each.subject) for each in found][: len(SUBJECTS)] == [
        (OK, each) for each in SUBJECTS
    ]
    assert {each.subject for each in found[len(SUBJECTS) :]} == {"disk"}
    assert site.sink.messages == []
    assert site.sandbox.conferences == {}


async def test_peers_that_never_answer_hold_up_no_other(site: Site) -> None:
    async with server(nothing) as silent:
        vm = site.settings.provider.videomost.model_copy(update={"base_url": f"http://127.0.0.1:{silent}"})
        settings = changed(
            site.settings,
            nexthop=site.settings.nexthop.model_copy(update={"port": silent}),
            listen=site.settings.listen.model_copy(update={"port": silent}),
            provider=Provider(kind="videomost", videomost=vm),
        )
        found = await examine(settings, (), SHORT)
    levels = {each.subject: each.level for each in found if each.subject != "disk"}
    assert list(levels) == [each for each in SUBJECTS if each != "next hop's limits"]
    assert {subject for subject, level in levels.items() if level is FAILURE} == {
        *("listener", "next hop", "provider"),
    }
    assert levels["clock"] is WARNING
    assert f"127.0.0.1:{silent} gave no answer within 3 s" in [each.sentence for each in found]


async def test_what_a_peer_says_reaches_no_terminal_unclean(site: Site) -> None:
    async def greet(writer: asyncio.StreamWriter) -> None:
        writer.write(b"554 \x1b[2J\xe2\x80\xae http://x/service/join/?confid=1&confpass=2\r\n")

    async with server(greet) as port:
        found = await site.finding(
            "next hop", nexthop=site.settings.nexthop.model_copy(update={"port": port})
        )
    assert found.sentence.isprintable()
    assert "confpass" not in found.sentence


# --- settings and templates ----------------------------------------------------------------------------------


async def test_problems_of_the_settings_are_findings(site: Site) -> None:
    problems = [
        Problem("policy.delete_grace", '"1m"', "should be longer", warning=True),
        Problem("store.path", "", "is looked at by the store's own probe"),
    ]
    found = [each for each in await examine(site.settings, problems) if each.subject == "settings"]
    assert [(each.level, each.sentence) for each in found] == [
        (WARNING, 'policy.delete_grace = "1m": should be longer')
    ]


@pytest.mark.parametrize(
    ("file", "text", "level", "said"),
    [
        ("body.txt.j2", "{{ link", FAILURE, "template ru/body.txt.j2, line 1"),
        ("body.txt.j2", "{{ lnik }}", FAILURE, "there is no variable lnik"),
        ("body.txt.j2", "Join: {{ link }}.", WARNING, "ru/body.txt.j2 does not show the link alone"),
        ("description.txt.j2", "none", WARNING, "ru/description.txt.j2 does not show the link alone"),
        ("body.html.j2", "<p>none</p>", WARNING, "ru/body.html.j2 does not show the link"),
        ("body.html.j2", "<p>{{ link }}</p>", OK, "usable in en, ru"),
    ],
)
async def test_templates(site: Site, tmp_path: Path, file: str, text: str, level: Level, said: str) -> None:
    (tmp_path / "ru").mkdir()
    (tmp_path / "ru" / file).write_text(text)
    templates = site.settings.templates.model_copy(update={"path": str(tmp_path)})
    found = await site.finding("templates", templates=templates)
    assert (found.level, said in found.sentence) == (level, True), found


# --- the command ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("logging_as_it_was")
async def test_the_command(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = site.settings
    file = write_settings(
        tmp_path / "mailhook.toml",
        hop=settings.nexthop.port,
        base=site.sandbox.url,
        store=Path(settings.store.path),
    )
    text = file.read_text().replace("port = 0", f"port = {settings.listen.port}", 1)
    file.write_text(text.replace("[store]", 'token = "right"\n[store]'))
    file.chmod(0o600)

    def run(*arguments: str) -> tuple[int, str]:
        return main(["doctor", "--config", str(file), *arguments]), capsys.readouterr().out

    status, said = await asyncio.to_thread(run)
    assert status == 0, said
    assert "ok       listener: a mailhook serves" in said
    status, said = await asyncio.to_thread(run, "--json")
    rows: list[dict[str, Any]] = json.loads(said)
    assert [row["subject"] for row in rows if row["subject"] != "disk"] == SUBJECTS
    assert rows[0] == {**vars(ok("settings", "nothing is wrong with the settings")), "level": "ok"}
    site.sandbox.faults["ping"] = Fault(status=503)
    status, said = await asyncio.to_thread(run)
    assert status == 1
    assert re.search(r"^failure  provider: .* answered 503 .*\n +see whether it runs", said, re.MULTILINE)
    file.write_text(text + "[unknown]\n")
    assert await asyncio.to_thread(run) == (2, "")
