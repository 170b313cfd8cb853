"""A provider in a file of one's own: what is told when it cannot be used, and what becomes of what it raises."""

import asyncio
import re
from pathlib import Path

import pytest

from mailhook.core.conference import Found, JoinDetails
from mailhook.errors import Gone, MailhookError, Misconfigured, Permanent, Temporary
from mailhook.provider.external import External, load
from tests.contract.rigs import KEY
from tests.contract.test_provider import SPEC

WHOLE = """
from mailhook.core.conference import Found, JoinDetails
from mailhook.errors import *

def identity(options): return "https://vm.example.com"
async def create(options, spec, key): return JoinDetails("1", "https://vm.example.com/1")
async def update(options, conference_id, spec): return None
async def delete(options, conference_id): return None
async def find(options, key): return []
async def ping(options): return None
"""


def loaded(
    folder: Path, source: str, options: dict[str, object] | None = None, timeout: float = 5
) -> External:
    file = folder / "provider.py"
    file.write_text(source, encoding="utf-8")
    return load(file, options or {}, ("vm.example.com",), timeout)


async def test_a_whole_file(tmp_path: Path) -> None:
    provider = loaded(tmp_path, WHOLE)
    assert (provider.identity, provider.chooses_id, provider.finds) == (
        "external https://vm.example.com",
        False,
        True,
    )
    assert await provider.create(SPEC, KEY) == JoinDetails("1", "https://vm.example.com/1")
    await provider.close()


async def test_what_may_be_left_out(tmp_path: Path) -> None:
    provider = loaded(tmp_path, WHOLE.replace("async def find", "async def _find"))
    assert not provider.finds
    with pytest.raises(Permanent):
        await provider.find(KEY)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            "async def update",
            "async def _update",
            r"async def update\(options, conference_id, spec\) is missing",
        ),
        (
            "async def delete",
            "def delete",
            r"line 8: delete should be async def delete\(.*: it is not async, and would hold up all mail",
        ),
        (
            "async def delete(options, conference_id): return None",
            "delete = 5",
            r"line 8: delete should be async def delete\(options, conference_id\): it is int$",
        ),
        (
            "async def find(options, key): return []",
            "find = None",
            r"line 9: find should be async def find\(options, key\), or left out altogether: it is NoneType$",
        ),
        (
            "async def ping(options): return None",
            "class ping: pass",
            r"line 10: ping should be async def ping\(options\): it is not async",
        ),
        ("def identity", "async def identity", "line 5: .*: it is async, and nobody waits for it"),
        (
            "def identity(options)",
            "def identity()",
            r"line 5: identity should be def identity\(options\): it takes \(\)",
        ),
        ("create(options, spec, key)", "create(spec, key)", r"it takes \(spec, key\)"),
        ("def identity", "def _identity", r"def identity\(options\) is missing"),
        (
            'return "https://vm.example.com"',
            "return 5",
            r"provider.py: line 5: identity should return a text .* not int",
        ),
        (
            'return "https://vm.example.com"',
            "raise OSError(5)",
            r"provider.py: line 5: identity: OSError: 5: it should return a text",
        ),
        (
            'return "https://vm.example.com"',
            "raise SystemExit(3)",
            r"provider.py: line 5: identity: SystemExit: 3: ",
        ),
        ('return "https://vm.example.com"', 'return options["url"]', "identity: KeyError: 'url'"),
        ("async def ping(options): return None", "async def ping(options) return", "line 10: "),
        (
            "def identity",
            "import no_such_module\ndef identity",
            r"provider.py: line 5: cannot be loaded: ModuleNotFoundError",
        ),
        (
            "def identity",
            "import sys; sys.exit(3)\ndef identity",
            r"provider.py: line 5: cannot be loaded: SystemExit: 3: it should only define",
        ),
        ("def identity", "1 / 0\ndef identity", "cannot be loaded: ZeroDivisionError"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, before: str, after: str, words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        loaded(tmp_path, WHOLE.replace(before, after))


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        loaded(tmp_path, "x = 1")
    assert len(str(caught.value).splitlines()) == 5


@pytest.mark.parametrize("name", ["missing.py", "provider.txt"])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "provider.txt").write_text("")
    with pytest.raises(Misconfigured, match=name):
        load(tmp_path / name, {}, (), 5)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        ('Gone("no room")', Gone),
        ('Permanent("no account")', Permanent),
        ('Misconfigured("no token")', Misconfigured),
        ('Temporary("busy")', Temporary),
        ('ValueError("https://vm.example.com/?confpass=1")', Temporary),
        ("KeyError('x')", Temporary),
        ("TimeoutError()", Temporary),
        ("SystemExit(3)", Temporary),
    ],
)
async def test_what_it_raises(tmp_path: Path, raised: str, expected: type[MailhookError]) -> None:
    source = WHOLE.replace("spec): return None", f"spec): raise {raised}")
    with pytest.raises(expected) as caught:
        await loaded(tmp_path, source).update("1", SPEC)
    assert type(caught.value) is expected
    assert "confpass" not in str(caught.value)
    if raised.startswith("ValueError"):
        told = re.sub(r"line \d+ of /\S+\.py", "line N", str(caught.value))
        assert told == "the external provider, update: ValueError in line N"


@pytest.mark.parametrize(
    "returned",
    ["None", "('1', 'https://vm.example.com/1')", 'JoinDetails(1, "https://vm.example.com/1")',
     'JoinDetails("1", "https://elsewhere.example/1")', 'JoinDetails("1", "https://vm.example.com/a b")',
     'JoinDetails("1", "https://vm.example.com/1", None)', r'JoinDetails("1\r\nX: y", "https://vm.example.com/1")'],
)  # fmt: skip
async def test_what_it_returns_is_looked_at(tmp_path: Path, returned: str) -> None:
    source = WHOLE.replace('return JoinDetails("1", "https://vm.example.com/1")', f"return {returned}")
    with pytest.raises(Temporary):
        await loaded(tmp_path, source).create(SPEC, KEY)


async def test_the_id_must_be_the_key_where_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(Temporary, match="another conference"):
        await loaded(tmp_path, f"CHOOSES_ID = True\n{WHOLE}").create(SPEC, KEY)


def finding(folder: Path, items: str, *, chooses_id: bool = False) -> External:
    source = WHOLE.replace("key): return []", f"key): return {items}")
    return loaded(folder, f"CHOOSES_ID = {chooses_id}\n{source}")


VM = "https://vm.example.com/1"
ROOM = f'JoinDetails("1", "{VM}")'


async def test_only_what_bears_the_key_is_found(tmp_path: Path) -> None:
    """A search by likeness gives others' rooms too, and what is found may be removed."""
    items = f'[("mailhook " + key, {ROOM}), ("another", JoinDetails("2", "{VM}"))]'
    assert await finding(tmp_path, items).find(KEY) == (Found("1", JoinDetails("1", VM)),)
    own = f'[JoinDetails(key, "{VM}"), {ROOM}]'
    found = await finding(tmp_path, own, chooses_id=True).find(KEY)
    assert found == (Found(KEY, JoinDetails(KEY, VM)),)


async def test_what_is_found_can_be_removed_whatever_its_link_is_like(tmp_path: Path) -> None:
    (room,) = await finding(tmp_path, '[(key, JoinDetails("1", "https://evil.example/"))]').find(KEY)
    assert (room.conference_id, room.details, "evil.example" in room.why) == ("1", None, True)


@pytest.mark.parametrize(
    ("items", "chooses_id"),
    [(f"[{ROOM}]", False), (f"[(None, {ROOM})]", False), (f"[(key, {ROOM})]", True), ("[key]", True)],
)
async def test_what_is_found_is_looked_at(tmp_path: Path, items: str, chooses_id: bool) -> None:
    with pytest.raises(Misconfigured, match="find: it should return a list of"):
        await finding(tmp_path, items, chooses_id=chooses_id).find(KEY)


WAITS = """
async def work(): await asyncio.sleep(600)
async def ping(options):
    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    task.cancel()
    await task
"""


@pytest.mark.parametrize(
    ("ping", "words"),
    [
        (WAITS, "something that it waited for was cancelled in line 12 of "),
        ("\nasync def ping(options): raise KeyboardInterrupt", "KeyboardInterrupt in line 12"),
        ("\nasync def ping(options): raise SystemExit(3)", "SystemExit in line 12"),
    ],
)
async def test_it_ends_nothing_but_its_own_call(tmp_path: Path, ping: str, words: str) -> None:
    source = "import asyncio\n" + WHOLE.replace("async def ping(options): return None", ping)
    with pytest.raises(Temporary, match=words):
        await loaded(tmp_path, source).ping()


async def test_our_own_cancellation_passes(tmp_path: Path) -> None:
    source = WHOLE.replace("ping(options): return None", "ping(options): await options['gate'].wait()")
    call = asyncio.create_task(loaded(tmp_path, source, {"gate": asyncio.Event()}).ping())
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_it_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    source = WHOLE.replace(
        "ping(options): return None", "ping(options): await __import__('asyncio').sleep(600)"
    )
    with pytest.raises(Temporary, match=r"no answer within 0\.05 s"):
        await loaded(tmp_path, source, timeout=0.05).ping()


async def test_options_reach_it(tmp_path: Path) -> None:
    source = WHOLE.replace(
        "ping(options): return None", 'ping(options): assert options["deep"] == {"a": [1]}'
    )
    await loaded(tmp_path, source, {"deep": {"a": [1]}}).ping()
