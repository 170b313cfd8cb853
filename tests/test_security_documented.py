"""docs/security.md: every claim names a test that there is, and what it says of starting holds for the command line."""

import ast
import re
from pathlib import Path

import pytest

from mailhook.cli import main

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)`:\s((?:`test_\w+`(?:,\s)?)+)", PAGE)


@pytest.mark.parametrize(("file", "names"), NAMED)
def test_every_named_test_is_there(file: str, names: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert set(re.findall(r"test_\w+", names)) <= there


def test_no_test_is_named_in_another_way() -> None:
    assert sum(len(re.findall(r"`test_", names)) for _, names in NAMED) == PAGE.count("`test_")


def test_every_claim_has_a_test() -> None:
    for table in re.findall(r"^\| claim .*\n\|---.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE):
        assert all("`test_" in row for row in table.splitlines())


@pytest.mark.usefixtures("logging_as_it_was")
@pytest.mark.parametrize("command", ["serve", "check"])
def test_serve_and_check_refuse_an_open_relay(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    text = text.replace("/var/lib/mailhook", str(tmp_path)).replace("#path", "path", 1)
    text = text.replace(
        'host = "127.0.0.1"\nport = 10225', 'host = "0.0.0.0"\nport = 10225\nallow = ["11.0.0.0/8"]'
    )
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="utf-8")
    assert main([command, "--config", str(file)]) == 2
    said = "".join(capsys.readouterr())
    assert "open relay" in said
    assert "listen.open_relay = true" in said
