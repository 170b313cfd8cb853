"""`mailhook sandbox` as a process: its state outlives it, and its token is asked for."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from mailhook.cli import main

pytestmark = pytest.mark.usefixtures("logging_as_it_was")

BODY = {
    "topic": "Review",
    "start": "2026-03-02T20:30:00Z",
    "end": "2026-03-02T21:30:00Z",
    "timezone": "Europe/Moscow",
    "owner": {"email": "anna@example.com"},
}


@asynccontextmanager
async def sandbox(*arguments: str) -> AsyncIterator[str]:
    """Its URL; SIGTERM ends it, with status 0."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mailhook.cli", "sandbox", "--port", "0", *arguments),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    try:
        found = re.search(
            r"listens on (http://127\.0\.0\.1:\d+) ", (await process.stdout.readline()).decode()
        )
        assert found is not None
        yield found[1]
    finally:
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_state_and_token(tmp_path: Path) -> None:
    token, state = tmp_path / "token", tmp_path / "state.json"
    await asyncio.to_thread(token.write_text, "s3cret\n")
    arguments = ("--state", str(state), "--token-file", str(token))
    async with httpx.AsyncClient(trust_env=False, headers={"Authorization": "Bearer s3cret"}) as client:
        async with sandbox(*arguments) as url:
            made = await client.put(f"{url}/api/v1/conferences/a", json=BODY)
            assert made.status_code == 201
            stranger = await client.get(f"{url}/api/v1/ping", headers={"Authorization": "Bearer other"})
            assert stranger.status_code == 401
        async with sandbox(*arguments) as url:
            again = await client.get(f"{url}/api/v1/conferences/a")
            assert again.json()["passcode"] == made.json()["passcode"]
            assert "confid=a" in (await client.get(f"{url}/cabinet?user=anna@example.com")).text


@pytest.mark.parametrize("content", ["", "two words", "ключ"])
def test_a_token_file_that_holds_no_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (tmp_path / "token").write_text(content, encoding="utf-8")
    assert main(["sandbox", "--token-file", str(tmp_path / "token")]) == 2
    assert "should hold the token" in capsys.readouterr().err
    assert main(["sandbox", "--token-file", str(tmp_path / "none")]) == 2
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_what_is_no_port(capsys: pytest.CaptureFixture[str], port: str) -> None:
    with pytest.raises(SystemExit) as left:
        main(["sandbox", f"--port={port}"])
    assert left.value.code == 2
    assert "should be a number from 0 to 65535" in capsys.readouterr().err


def test_a_state_file_in_no_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "--port", "0", "--state", str(tmp_path / "none" / "x.json")]) == 2
    assert f"there is no directory {tmp_path / 'none'}" in capsys.readouterr().err
