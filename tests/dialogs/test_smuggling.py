"""What goes out for what came in, where CR and LF do not stand together (docs/security.md shows this table)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from mailhook.front.dialogue import Terms

if TYPE_CHECKING:
    from tests.dialogs.conftest import Rig

ENVELOPE = b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n"
ENDS = (b"\r\n", b"\n", b"\r", b"\n\r", b"\r\r\n", b"\n\r\n")
NULS = (
    (b"\r\n\0", b"\r\n"),
    (b"\r\n", b"\0\r\n"),
    (b"\r\n\0\0", b"\0\r\n"),
    (b"\r\0\n", b"\r\n"),
    (b"\n", b"\r\0\n"),
)
SMUGGLED = b"MAIL FROM:<evil@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\nevil"


@pytest.mark.parametrize(("before", "after"), [*itertools.product(ENDS, ENDS), *NULS], ids=repr)
async def test_a_lone_dot(rig: Rig, before: bytes, after: bytes) -> None:
    """Between other line ends the message is refused, and none of it goes out; commands in it are never obeyed."""
    peer, _ = await rig.through()
    assert await peer.codes(ENVELOPE, 3) == [250, 250, 354]
    if before.endswith(b"\r\n") and after.startswith(b"\r\n"):
        assert (await peer.ask(b"first" + before + b"." + after)).code == 250
        assert [message.content for message in rig.sink.messages] == [b"first" + before]
        return
    assert (await peer.ask(b"first" + before + b"." + after + SMUGGLED + b"\r\n.\r\n")).code == 550
    assert rig.sink.messages == []
    assert (await peer.ask(b"NOOP\r\n")).code == 250


BARE = (
    b"a\n\0.b\r\n\0\r\n",
    b"a\nb\r\n",
    b"a\rb\r\n",
    b"a\r\r\nb\r\n",
    b"a\n\r\nb\r\n",
    b"\nb\r\n",
    b"a\n..\nb\r\n",
    b"a\n.b\n\r\n",
)


@pytest.mark.parametrize("content", BARE, ids=repr)
async def test_bare_newlines_pass_as_they_came(rig: Rig, content: bytes) -> None:
    peer, _ = await rig.through()
    assert await peer.codes(ENVELOPE, 3) == [250, 250, 354]
    assert (await peer.ask(content + b".\r\n")).code == 250
    assert [message.wire for message in rig.sink.messages] == [content]


@pytest.mark.parametrize("content", BARE, ids=repr)
async def test_or_are_rejected(rig: Rig, content: bytes) -> None:
    peer, _ = await rig.through(Terms("mailhook.test", bare_newlines=False))
    assert await peer.codes(ENVELOPE, 3) == [250, 250, 354]
    assert (await peer.ask(content + b".\r\n")).code == 550
    assert await peer.codes(ENVELOPE, 3) == [250, 250, 354]
    assert (await peer.ask(b"whole\r\n..\r\nlines\r\n.\r\n")).code == 250
    assert len(rig.sink.messages) == 1
