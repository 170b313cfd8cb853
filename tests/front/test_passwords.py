"""Hashed passwords: lines that are made can be read, and what is no such line is told."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailhook.cli import main
from mailhook.core import hashed
from mailhook.errors import Misconfigured
from mailhook.front import auth
from mailhook.smtp.auth import Credentials


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashed, "COST", 10)


@settings(max_examples=20, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_a_line_lets_in_with_its_password_alone(password: str) -> None:
    bob = hashed.parsed(auth.line("bob", password))["bob"]
    assert bob.fits(password)
    assert not bob.fits(password + "x")


def test_two_lines_of_one_password_differ() -> None:
    assert auth.line("bob", "hunter2") != auth.line("bob", "hunter2")


def test_every_line_costs_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the time of a wrong login would tell which users there are."""
    monkeypatch.undo()
    lines = [f"eve:$scrypt$ln={cost},r=8,p=1${'A' * 22}==${'A' * 43}=" for cost in (14, 15, 16)]
    assert set(hashed.parsed(lines[1])) == {"eve"}
    for line in (lines[0], lines[2]):
        with pytest.raises(Misconfigured, match="line 1 should be what"):
            hashed.parsed(line)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "bob:hunter2",
            "bob",
            "bob:$scrypt$ln=40,r=8,p=1$AA==$AA==",
            f"bob:$scrypt$ln=10,r=1,p=1$AA==${'A' * 43}=",
        ),
        *("bob:$scrypt$ln=10,r=8,p=1$AA==$AA==", f"bob:$scrypt$ln=10,r=8,p=1$A${'A' * 43}="),
        *("bob:$scrypt$ln=10,r=8,p=1$A$AA==", "bob:$argon2id$v=19$m=1,t=1,p=1$AA$AA"),
    ],
)
def test_what_is_no_line(text: str) -> None:
    with pytest.raises(Misconfigured, match="line 2 should be what `mailhook password USER` prints"):
        hashed.parsed(f"# people\n{text}\n")


@pytest.mark.parametrize(
    ("user", "password"), [("", "x"), ("a:b", "x"), ("a b", "x"), ("a", ""), ("a", "\0")]
)
def test_what_cannot_be_one(user: str, password: str) -> None:
    with pytest.raises(Misconfigured):
        auth.line(user, password)


@pytest.fixture(name="tried")
def _tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were hashed."""
    tried: list[str] = []
    fits = hashed.Hashed.fits

    def noted(line: hashed.Hashed, password: str) -> bool:
        tried.append(password)
        return fits(line, password)

    monkeypatch.setattr(hashed.Hashed, "fits", noted)
    return tried


def write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    file = tmp_path / "passwords"
    write(file, auth.line("bob", "hunter2"))
    return file


async def test_an_unknown_user_costs_a_hash_too(file: Path, tried: list[str]) -> None:
    passwords = auth.Passwords(str(file))
    assert (await passwords.judged(Credentials("eve", "hunter3"), "192.0.2.1")).code == 535
    assert (await passwords.judged(Credentials("bob", "hunter2"), "192.0.2.1")).code == 235
    assert tried == ["hunter3", "hunter2"]


async def test_a_login_is_remembered_while_its_line_stands(file: Path, tried: list[str]) -> None:
    passwords, bob = auth.Passwords(str(file)), Credentials("bob", "hunter2")
    answers = await asyncio.gather(*(passwords.judged(bob, "192.0.2.1") for _ in range(10)))
    assert {answer.code for answer in answers} == {235}
    assert tried == ["hunter2"]
    assert (await passwords.judged(Credentials("bob", "hunter3"), "192.0.2.1")).code == 535
    write(file, auth.line("bob", "hunter4"))
    assert (await passwords.judged(bob, "192.0.2.1")).code == 535
    write(file, "")
    assert (await passwords.judged(bob, "192.0.2.1")).code == 535


async def test_it_is_forgotten_in_time(file: Path, tried: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "REMEMBERED", 0.0)
    passwords = auth.Passwords(str(file))
    for _ in range(2):
        assert (await passwords.judged(Credentials("bob", "hunter2"), "192.0.2.1")).code == 235
    assert tried == ["hunter2", "hunter2"]


async def test_who_floods_keeps_nobody_else_waiting(file: Path, tried: list[str]) -> None:
    """One stranger's logins wait in one line; another's has its turn after the one that is being hashed."""
    passwords = auth.Passwords(str(file))
    flood = [
        asyncio.create_task(passwords.judged(Credentials("eve", f"{number}"), f"2001:db8::{number:x}"))
        for number in range(40)
    ]
    await asyncio.sleep(0)
    assert (await passwords.judged(Credentials("bob", "hunter2"), "192.0.2.1")).code == 235
    assert tried.index("hunter2") <= 2
    codes = [answer.code for answer in await asyncio.gather(*flood)]
    assert (codes.count(535), codes.count(454)) == (auth.MAX_WAITING, 40 - auth.MAX_WAITING)


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    monkeypatch.setattr("sys.stdin.readline", lambda: "hunter2\n", raising=False)
    assert main(["password", "bob"]) == 0
    assert hashed.parsed(capsys.readouterr().out)["bob"].fits("hunter2")
