"""Hashed passwords: lines that are made can be read, and what is no such line is told."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailhook.cli import main
from mailhook.errors import Misconfigured
from mailhook.front import auth
from mailhook.smtp.auth import Credentials

CHEAP = auth.Hashed(10, 8, 1, b"nobody" * 3, bytes(32))


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "COST", 10)
    monkeypatch.setattr(auth, "NOBODY", CHEAP)


@settings(max_examples=20, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_a_line_lets_in_with_its_password_alone(password: str) -> None:
    hashed = auth.parsed(auth.line("bob", password))["bob"]
    assert hashed.fits(password)
    assert not hashed.fits(password + "x")


def test_two_lines_of_one_password_differ() -> None:
    assert auth.line("bob", "hunter2") != auth.line("bob", "hunter2")


def test_the_default_cost() -> None:
    line = "eve:$scrypt$ln=15,r=8,p=1$" + "c2FsdHNhbHRzYWx0c2FsdA==$" + "A" * 43 + "="
    hashed = auth.parsed(line)["eve"]
    assert (hashed.cost, hashed.block, hashed.parallel) == (15, 8, 1)
    assert not hashed.fits("guess")


@pytest.mark.parametrize(
    "text",
    [
        *("bob:hunter2", "bob", "bob:$scrypt$ln=40,r=8,p=1$AA==$AA==", "bob:$scrypt$ln=10,r=0,p=1$AA==$AA=="),
        *("bob:$scrypt$ln=10,r=8,p=1$A$AA==", "bob:$argon2id$v=19$m=1,t=1,p=1$AA$AA"),
    ],
)
def test_what_is_no_line(text: str) -> None:
    with pytest.raises(Misconfigured, match="line 2 should be what `mailhook password USER` prints"):
        auth.parsed(f"# people\n{text}\n")


@pytest.mark.parametrize(
    ("user", "password"), [("", "x"), ("a:b", "x"), ("a b", "x"), ("a", ""), ("a", "\0")]
)
def test_what_cannot_be_one(user: str, password: str) -> None:
    with pytest.raises(Misconfigured):
        auth.line(user, password)


async def test_an_unknown_user_costs_a_hash_too(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path_factory.mktemp("auth") / "passwords"
    file.write_text(auth.line("bob", "hunter2"))
    tried: list[auth.Hashed] = []
    fits = auth.Hashed.fits

    def noted(hashed: auth.Hashed, password: str) -> bool:
        tried.append(hashed)
        return fits(hashed, password)

    monkeypatch.setattr(auth.Hashed, "fits", noted)
    passwords = auth.Passwords(str(file))
    assert (await passwords.judged(Credentials("eve", "hunter2"), "192.0.2.1")).code == 535
    assert (await passwords.judged(Credentials("bob", "hunter2"), "192.0.2.1")).code == 235
    assert [hashed.cost for hashed in tried] == [10, 10]


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    monkeypatch.setattr("sys.stdin.readline", lambda: "hunter2\n", raising=False)
    assert main(["password", "bob"]) == 0
    assert auth.parsed(capsys.readouterr().out)["bob"].fits("hunter2")
