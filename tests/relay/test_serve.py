"""The daemon as a process: what it logs, and how it stops."""

import asyncio
import json
import signal
from dataclasses import replace

import pytest

from mailhook.provider.sandbox_faults import Fault
from tests.relay.mails import ANNA, IVAN, ORDINARY, invitation, link_in
from tests.relay.processes import Outside, Served, creates, fresh, serving
from tests.relay.rig import Client, until


async def stopped(served: Served) -> int:
    served.process.send_signal(signal.SIGTERM)
    return await served.process.wait()


async def test_one_line_tells_the_story_of_a_message(outside: Outside) -> None:
    async with serving(outside.settings) as served, await Client.connect(served.port) as client:
        await client.ask(b"XFORWARD IDENT=4F2A1\r\n")
        assert (await client.send(invitation(fresh()), IVAN, ANNA)).code == 250
        assert (await client.send(ORDINARY, IVAN, ANNA)).code == 250
        await until(lambda: sum('"event": "message"' in line for line in served.log) == 2)
    one, two = (line for line in map(json.loads, served.log) if line["event"] == "message")
    assert (one["decision"], one["reason"], one["code"]) == ("rewrite", "rewritten", 250)
    assert (one["ident"], one["hop_ident"], one["sender"], one["recipients"]) == (
        "4F2A1",
        "SINK0001",
        IVAN,
        1,
    )
    assert set(one["steps"]) >= {"read", "decide", "create", "rewrite", "record", "relay"}
    assert (two["decision"], two["reason"]) == ("pass", "ordinary")


async def test_no_join_link_is_logged(outside: Outside) -> None:
    outside.settings.write_text(outside.settings.read_text() + 'level = "debug"\n')
    async with serving(outside.settings) as served, await Client.connect(served.port) as client:
        assert (await client.send(invitation(fresh()), IVAN, ANNA)).code == 250
        outside.sandbox.faults["update"] = Fault(body="<p>https://x/service/join/?confid=1&confpass=2</p>")
        moved = invitation(fresh()).replace(b"SUMMARY:", b"SUMMARY:Moved ")
        assert (await client.send(moved, IVAN, ANNA)).code == 250
        await until(lambda: any("conference-failed" in line for line in served.log))
    (room,) = outside.sandbox.conferences.values()
    log = "".join(served.log)
    assert link_in(outside.sink.messages[0].content) == outside.sandbox.link(room)
    assert "confpass" not in log
    assert room.passcode not in [word for line in served.log for word in line.split('"')]


async def test_a_stop_lets_a_waiting_invitation_end(outside: Outside) -> None:
    outside.sandbox.faults["create"] = Fault(delay=0.5)
    async with serving(outside.settings) as served, await Client.connect(served.port) as client:
        await client.begin(invitation(fresh()), IVAN, ANNA)
        await until(lambda: creates(outside.sandbox) == 1)
        stopping = asyncio.create_task(stopped(served))
        assert (await client.hear()).code == 250
        assert await stopping == 0
    assert link_in(outside.sink.messages[0].content)


async def test_a_stop_sends_idle_clients_away(outside: Outside) -> None:
    async with serving(outside.settings) as served, await Client.connect(served.port) as client:
        stopping = asyncio.create_task(stopped(served))
        assert (await client.hear()).code == 421
        assert await stopping == 0
        with pytest.raises(ConnectionRefusedError):
            await Client.connect(served.port)


async def test_settings_that_cannot_be(outside: Outside) -> None:
    outside.settings.write_text(outside.settings.read_text() + '[store]\npath = "relative.db"\n')
    with pytest.raises(AssertionError, match=r"mailhook\.toml"):
        async with serving(outside.settings):
            pass


async def test_templates_are_read_again_when_asked(outside: Outside) -> None:
    """SIGHUP: the next invitation bears the new wording; a broken template keeps what was, and the log says where."""
    own = outside.settings.parent / "templates" / "ru" / "body.txt.j2"
    own.parent.mkdir(parents=True)
    own.write_text("One\n{{ link }}")
    templates = f'[templates]\npath = "{own.parent.parent}"\n'
    outside.settings.write_text(outside.settings.read_text() + templates)
    async with serving(outside.settings) as served:
        for number, (source, said, heading) in enumerate(
            [
                ("One\n{{ link }}", "settings-reloaded", b"One\r\nhttps:"),
                ("Two\n{{ link }}", "settings-reloaded", b"Two\r\nhttps:"),
                ("Three\n{{ lnik }}", "settings-kept", b"Two\r\nhttps:"),
                ("{% for a in range(10 ** 9) %}{% endfor %}", "settings-kept", b"Two\r\nhttps:"),
                ("Four\n{{ link }}", "settings-reloaded", b"Four\r\nhttps:"),
                (
                    "{% for a in topic %}" + "x" * 1500 + "\n{% endfor %}{{ link }}",
                    "settings-reloaded",
                    b"_______\r\nhttps:",
                ),
            ]
        ):
            own.write_text(source)
            served.process.send_signal(signal.SIGHUP)
            await until(lambda: len(reloads(served)) > number)  # noqa: B023 - awaited within the turn
            assert reloads(served)[-1]["event"] == said
            async with await Client.connect(served.port) as client:
                assert (
                    await client.send(invitation(replace(fresh(), summary="Б" * 100)), IVAN, ANNA)
                ).code == 250
            assert heading in outside.sink.messages[-1].content
    assert "template ru/body.txt.j2, line 2: there is no variable lnik; there are all_day, " in str(
        reloads(served)[2]["error"]
    )
    (warned,) = (told for told in map(json.loads, served.log) if "more than 65536" in str(told.get("error")))
    assert (warned["level"], warned["reason"]) == ("warning", "rewritten")
    assert reloads(served)[0]["languages"] == ["en", "ru"]


def reloads(served: Served) -> list[dict[str, object]]:
    return [told for told in map(json.loads, served.log) if str(told["event"]).startswith("settings-")]
