"""The commands for the administrator, on a store that the relay has written."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mailhook.app import utc_now
from mailhook.cli import main
from mailhook.core.meeting import MeetingKey, Suspect
from mailhook.provider.sandbox import Sandbox
from mailhook.provider.sandbox_faults import Fault
from mailhook.store.sqlite import SqliteStore
from tests.contract.rigs import EXAMPLE
from tests.relay.mails import ANNA, IVAN, PUBLIC, Event, invitation
from tests.relay.processes import write_settings
from tests.relay.rig import Client, Clock, world

pytestmark = pytest.mark.usefixtures("logging_as_it_was")

GOLDEN = Path(__file__).parents[1] / "golden"
SECRETS = ("confpass", "confid", "/service/join/")


@dataclass
class Office:
    """A store with one conference and one that could not be created yet; `run` is the command line."""

    settings: Path
    output: pytest.CaptureFixture[str]

    def run(self, *arguments: str, expect: int = 0) -> str:
        """Standard output, or standard error where the command fails."""
        status = main([*arguments, "--config", str(self.settings)])
        said = self.output.readouterr()
        assert (status, said.err if not status else "") == (expect, "")
        return said.out + said.err

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        rows = json.loads(self.run(*arguments, "--json"))
        assert isinstance(rows, list)
        return rows


@pytest.fixture
def office(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Office:
    """The sandbox has stopped meanwhile."""
    store, now = tmp_path / "store.db", utc_now()

    async def fill() -> str:
        async with world({"on_failure": "pass"}, store=str(store), clock=Clock(now)) as here:
            event = Event(uid="held", start=now + timedelta(days=7), stamp=now)
            async with await Client.connect(here.port) as client:
                assert (await client.send(invitation(event), IVAN, ANNA)).code == 250
                here.sandbox.faults["create"] = Fault(status=503)
                event = replace(event, uid="failed")
                assert (await client.send(invitation(event), IVAN, ANNA)).code == 250
            return here.sandbox.url

    base = asyncio.run(fill())
    settings = write_settings(tmp_path / "mailhook.toml", hop=25, base=base, store=store)
    settings.chmod(0o600)
    return Office(settings, capsys)


def test_conferences_list(office: Office) -> None:
    rows = {row["uid"]: row for row in office.rows("conferences", "list")}
    assert set(rows) == {"held", "failed"}
    held = rows["held"]
    assert (held["organizer"], held["state"], held["holders"], held["topic"]) == (
        IVAN,
        "announced",
        1,
        "Бюджет",
    )
    assert held["next"]
    assert held["conference_id"]
    assert rows["failed"]["conference_id"] is None
    text = office.run("conferences", "list")
    assert len(text.splitlines()) == 2
    assert not any(secret in text for secret in SECRETS)


@pytest.mark.parametrize(
    "arguments",
    [
        *(("conferences", "list"), ("conferences", "show", "held"), ("conferences", "delete", "held")),
        *(("pending", "list"), ("pending", "retry"), ("pending", "forget", "held")),
    ],
    ids=" ".join,
)
def test_before_the_first_start_nothing_is_made(
    office: Office, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """A file that root makes could not be written by mailhook's user."""
    for file in tmp_path.glob("store.db*"):
        file.unlink()
    assert "does not exist: there is none until mailhook serve has made it" in office.run(
        *arguments, expect=2
    )
    assert not list(tmp_path.glob("store.db*"))


def test_conferences_show_hides_the_link_unless_asked(office: Office) -> None:
    (row,) = office.rows("conferences", "show", "held")
    assert row["told"] == {ANNA: ["all"]}
    assert row["participants"] == [ANNA]
    for text in (json.dumps(row), office.run("conferences", "show", "held")):
        assert not any(secret in text for secret in SECRETS)
    (row,) = office.rows("conferences", "show", "held", "--links")
    assert row["join_link"].startswith(f"{PUBLIC}/service/join/?")
    assert row["join_link"] in office.run("conferences", "show", "held", "--links").replace('"', "")


def test_a_conference_is_found_by_its_id_and_by_its_organizer(office: Office) -> None:
    (row,) = office.rows("conferences", "show", "held")
    assert office.rows("conferences", "show", row["conference_id"]) == [row]
    assert len(office.rows("conferences", "show", IVAN)) == 2


def test_what_nobody_knows(office: Office) -> None:
    assert "no conference is known by 'nothing'" in office.run("conferences", "show", "nothing", expect=1)
    assert "no conference is known by 'nothing'" in office.run("conferences", "delete", "nothing", expect=1)


def test_delete_wants_one_conference(office: Office) -> None:
    assert "names 2 conferences" in office.run("conferences", "delete", IVAN, expect=2)
    assert {row["state"] for row in office.rows("conferences", "list")} == {"announced", "reserved"}


def test_delete_while_videomost_is_down_is_remembered(office: Office) -> None:
    assert "not deleted yet" in office.run("conferences", "delete", "held", expect=1)
    (row,) = [row for row in office.rows("pending", "list") if row["uid"] == "held"]
    assert row["state"] == "ending"
    assert row["attempts"] == 1
    assert row["tried_again"]


def test_delete_at_the_provider(office: Office) -> None:
    port = int(office.settings.read_text(encoding="utf-8").partition("127.0.0.1:")[2].partition('"')[0])

    async def delete() -> int:
        sandbox = Sandbox()
        await sandbox.start(port=port)
        try:
            await asyncio.to_thread(office.run, "conferences", "delete", "held")
        finally:
            await sandbox.stop()
        return sum(counter["delete"] for counter in sandbox.counts.values())

    assert asyncio.run(delete()) == 1
    (row,) = [row for row in office.rows("conferences", "list") if row["uid"] == "held"]
    assert row["state"] == "gone"


def test_pending(office: Office) -> None:
    (row,) = office.rows("pending", "list")
    assert (row["uid"], row["attempts"]) == ("failed", 1)
    assert row["why"]
    waits = row["tried_again"]
    (row,) = office.rows("pending", "retry", "failed")
    assert row["uid"] == "failed"
    (row,) = office.rows("pending", "list")
    assert row["tried_again"] < waits
    assert not any(secret in office.run("pending", "list") for secret in SECRETS)


def test_what_the_provider_cannot_find_is_forgotten_by_hand(office: Office, tmp_path: Path) -> None:
    async def doubted() -> None:
        store = await SqliteStore.open(tmp_path / "store.db", utc_now)
        suspect = Suspect(1, "videomost https://vm.example", unsearchable=True)
        key = MeetingKey(IVAN, "held")
        await store.change(key, lambda meeting, _: (replace(meeting, suspects=(suspect,)), None))
        await store.close()

    asyncio.run(doubted())
    (row,) = [row for row in office.rows("pending", "list") if row["uid"] == "held"]
    assert row["why"] == "there may be a conference that nobody uses: look for it at the provider"
    assert [row["uid"] for row in office.rows("pending", "forget", "held")] == ["failed"]
    assert "no conference is known" in office.run("pending", "forget", "unheard-of", expect=1)


def test_a_deferred_mail_is_tried_again_by_its_sender(office: Office) -> None:
    """Not by the worker, which a day later only clears away what nobody has asked for again."""
    store = office.settings.parent / "store.db"

    async def defer() -> None:
        now = utc_now()
        async with world({"on_failure": "defer"}, store=str(store), clock=Clock(now)) as here:
            here.sandbox.faults["create"] = Fault(status=503)
            event = Event(uid="deferred", start=now + timedelta(days=7), stamp=now)
            assert (await here.send(invitation(event))).code == 451

    asyncio.run(defer())
    rows = {row["uid"]: row for row in office.rows("pending", "list")}
    assert rows["deferred"]["tried_again"] is None
    assert rows["deferred"]["why"].endswith("503 (fault) (tried again when the deferred mail comes again)")
    assert rows["failed"]["tried_again"]
    assert "comes again" not in rows["failed"]["why"]


def test_check_looks_at_an_external_provider(office: Office, tmp_path: Path) -> None:
    file = tmp_path / "provider.py"
    file.write_text("async def create(spec, key): ...\n")
    text = office.settings.read_text(encoding="utf-8").replace('kind = "videomost"', 'kind = "external"')
    with office.settings.open("w", encoding="utf-8") as settings:
        settings.write(f'{text}\n[provider.external]\nfile = "{file}"\nlink_hosts = []\n')
    wrong = office.run("check", expect=2)
    assert wrong.count("error: provider.external.file") == 5
    assert wrong.count("error: provider.external.link_hosts = []: should name the hosts") == 1
    assert "line 1: create should be async def create(options, spec, key): it takes (spec, key)" in wrong
    assert "no errors" not in wrong


@pytest.mark.parametrize("command", ["check", "provider-test", "doctor", "serve"])
@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("import json\n", "import sys; sys.exit(0)\n", "cannot be loaded: SystemExit: 0"),
        ('return str(options["base_url"])', "raise RuntimeError(1)", "identity: RuntimeError: 1"),
        (
            "async def delete(",
            "delete = 5\nasync def _delete(",
            "delete should be async def delete(options, conference_id): it is int",
        ),
    ],
)
def test_an_external_file_that_cannot_be_used(
    office: Office, tmp_path: Path, command: str, before: str, after: str, words: str
) -> None:
    source = EXAMPLE.read_text(encoding="utf-8")
    assert before in source
    file = tmp_path / "provider.py"
    file.write_text(source.replace(before, after), encoding="utf-8")
    text = office.settings.read_text(encoding="utf-8").replace('kind = "videomost"', 'kind = "external"')
    with office.settings.open("w", encoding="utf-8") as settings:
        settings.write(f'{text}\n[provider.external]\nfile = "{file}"\nlink_hosts = ["vm.example"]\n')
    said = office.run(command, expect=1 if command == "doctor" else 2)
    assert str(file) in said
    assert words in said
    assert "Traceback" not in said


def test_check(office: Office) -> None:
    assert office.run("check").endswith("no errors\n")
    with office.settings.open("a", encoding="utf-8") as file:
        file.write('[templates]\nlanguage = "xx"\n[listn]\nport = 1\n')
    wrong = office.run("check", expect=2)
    assert "templates.language" in wrong
    assert "listn" in wrong


def test_check_renders_every_template(office: Office, tmp_path: Path) -> None:
    own = tmp_path / "own" / "ru"
    own.mkdir(parents=True)
    with office.settings.open("a", encoding="utf-8") as file:
        file.write(f'[templates]\npath = "{own.parent}"\n')
    (own / "body.txt.j2").write_text("{% if test %}\n{{ lnik }}{% endif %}")
    (own / "notice.txt.j2").write_text("{{ topic.upper() }}")
    wrong = office.run("check", expect=2)
    where = f'error: templates.path = "{own.parent}": template ru'
    assert f"{where}/body.txt.j2, line 2: there is no variable lnik; there are all_day, " in wrong
    assert f"{where}/notice.txt.j2, line 1: a template calls nothing" in wrong
    (own / "body.txt.j2").write_text("{{ link }}")
    (own / "notice.txt.j2").rename(own / "notis.txt.j2")
    said = office.run("check")
    assert "warning: templates.path" in said
    assert "ru/notis.txt.j2 is the name of no template" in said
    assert said.endswith("no errors\n")


def test_templates_init(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "templates"
    assert main(["templates", "init", str(folder)]) == 0
    assert f'Set path = "{folder}" in [templates]' in capsys.readouterr().out
    own = folder / "ru" / "body.txt.j2"
    usual = own.read_text(encoding="utf-8")
    own.write_text("{{ link }}")
    assert main(["templates", "init", str(folder)]) == 1
    said = capsys.readouterr()
    assert said.err == f"kept {own}: it differs; --force would replace it\n"
    assert said.out.startswith("0 files copied")
    assert own.read_text(encoding="utf-8") == "{{ link }}"
    assert main(["templates", "init", str(folder), "--force"]) == 0
    assert own.read_text(encoding="utf-8") == usual
    assert main(["templates", "init", str(own)]) == 2
    assert capsys.readouterr().err == f"mailhook: {own}/en: Not a directory\n"


def test_a_missing_settings_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conferences", "list", "--config", str(tmp_path / "none.toml")]) == 2
    assert "none.toml" in capsys.readouterr().err


# --- preview ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "decision", "reason"),
    [
        ("zimbra-series/in.eml", "rewrite", "rewritten"),
        ("zimbra-series/cancel.eml", "pass", "cancel"),
        ("anyone-opt-out/in.eml", "pass", "opted-out"),
        ("anyone-bounce/in.eml", "pass", "no-calendar"),
        ("sogo/11a-reply-accepted-karl_partner.example.eml", "pass", "method-reply"),
    ],
)
def test_preview(
    message: str, decision: str, reason: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before, output = (GOLDEN / message).read_bytes(), tmp_path / "new.eml"
    assert main(["preview", str(GOLDEN / message), "--output", str(output)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"decision: {decision}\nreason:   {reason}")
    assert (output.read_bytes() != before) == (decision == "rewrite")
    assert ("--- as it came" in said) == (decision == "rewrite")
    assert (GOLDEN / message).read_bytes() == before


def test_preview_with_settings_touches_nothing(office: Office) -> None:
    before = office.run("conferences", "list", "--json")
    said = office.run("preview", str(GOLDEN / "zimbra-series" / "in.eml"))
    assert said.startswith("decision: rewrite")
    assert "places:   text/plain, text/html" in said
    assert office.run("conferences", "list", "--json") == before


def test_preview_of_somebody_elses_invitation(office: Office) -> None:
    said = office.run("preview", str(GOLDEN / "anyone-foreign-organizer" / "in.eml"))
    assert said.startswith("decision: pass\nreason:   foreign-organizer")


def test_preview_as_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert main(["preview", str(GOLDEN / "zimbra-series" / "in.eml"), "--html", str(page)]) == 0
    assert "decision: rewrite" in capsys.readouterr().out
    html = page.read_text(encoding="utf-8")
    for words in (
        "<h1>Weekly sync</h1>",
        "<dt>reason</dt><dd>rewritten</dd>",
        "no conference was made",
        "srcdoc=",
    ):
        assert words in html
    assert "src=" not in html.replace("srcdoc=", "")


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(("browser", "status"), [("cp", 0), ("false", 1)])
def test_preview_in_a_browser(browser: str, status: int, named: bool, tmp_path: Path) -> None:
    """What the person's browser is asked to open; where there is none, the file is named."""
    seen, page = tmp_path / "seen", tmp_path / "page.html"
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\n{browser} "${{1#file://}}" {seen}\n')
    script.chmod(0o755)
    mail = str(GOLDEN / "zimbra-series" / "in.eml")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mailhook.cli",
            "preview",
            mail,
            "--open",
            *(["--html", str(page)] if named else []),
        ],
        env={**os.environ, "BROWSER": f"{script} %s", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    (file,) = tmp_path.glob("*.html")
    assert (file == page) == named
    assert done.returncode == status, done.stderr
    if status:
        assert done.stderr == f"mailhook: there is no browser here; the page is {file}\n"
    else:
        assert seen.read_text(encoding="utf-8") == file.read_text(encoding="utf-8")
    assert named or file.stat().st_mode & 0o077 == 0


def test_preview_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "/nowhere/none.eml"]) == 2
    assert "none.eml" in capsys.readouterr().err
