"""Names and secrets of organizers."""

import pytest

from mailhook.core.logins import login_name, passwords, unknown_places
from mailhook.errors import Unreadable


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{address}", "ivan@example.org"),
        ("{address}*mailhook", "ivan@example.org*mailhook"),
        ("{user}", "ivan"),
        ("{domain}\\{user}", "example.org\\ivan"),
        ("mailhook", "mailhook"),
        ("{other}{address", "{other}{address"),
    ],
)
def test_login_names(template: str, name: str) -> None:
    assert login_name(template, "ivan@example.org") == name


def test_an_address_is_not_taken_for_a_template() -> None:
    assert login_name("{address}", "{user}@example.org") == "{user}@example.org"


def test_places() -> None:
    assert unknown_places("{address}{user}{domain}") == []
    assert unknown_places("{local}*{}") == ["local", ""]


def test_passwords() -> None:
    text = "# who: what\n\nIvan@Example.org:a:b c #d \r\nolga@example.org:ü\n"
    assert passwords(text) == {"ivan@example.org": "a:b c #d ", "olga@example.org": "ü"}


@pytest.mark.parametrize("line", ["ivan:secret", "ivan@example.org", "ivan@example.org:", "secret"])
def test_lines_that_are_none(line: str) -> None:
    with pytest.raises(Unreadable, match="line 2 should be") as raised:
        passwords(f"# first\n{line}\n")
    assert "secret" not in str(raised.value)
