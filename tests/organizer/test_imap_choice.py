"""What is done about copies: never a moment without one, and nothing where it is unclear."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.organizer.imap.choice import Absent, Append, Choice, Done, Remove, Unclear, choose
from mailhook.organizer.imap.session import Message

OLD, NEW, OTHER = b"old\r\nbody", b"new\r\nbody", b"other"


def rewrite(content: bytes) -> bytes | None:
    return content.replace(b"old", b"new") if b"old" in content else None


def copy(uid: int, content: bytes, *flags: str) -> Message:
    return Message(uid, flags, "", len(content), content)


GONE = "\\Deleted"


@pytest.mark.parametrize(
    ("copies", "choice"),
    [
        ([], Absent()),
        ([copy(1, OLD)], Append(copy(1, OLD), NEW)),
        ([copy(1, NEW)], Done()),
        ([copy(1, OLD), copy(2, NEW)], Remove((1,))),
        ([copy(1, NEW), copy(2, OLD)], Remove((2,))),
        ([copy(1, OLD), copy(2, b"new\nbody")], Remove((1,))),
        ([copy(1, OLD), copy(2, NEW), copy(3, NEW)], Remove((1, 3))),
        ([copy(1, OLD), copy(2, NEW), copy(3, OTHER)], Remove((1,))),
        ([copy(1, OLD, GONE), copy(2, NEW)], Remove((1,))),
        ([copy(1, OLD, "\\DELETED"), copy(2, NEW)], Remove((1,))),
        ([copy(1, OLD, GONE)], Absent()),
        ([copy(1, NEW, GONE)], Absent()),
        ([copy(1, OLD), copy(2, NEW, GONE)], Append(copy(1, OLD), NEW)),
        ([copy(1, b"old other", GONE), copy(2, NEW)], Done()),
        ([copy(1, NEW), copy(2, NEW)], Done()),
        ([copy(1, OTHER)], Done()),
        ([copy(1, OTHER), copy(2, NEW)], Done()),
    ],
)
def test_choices(copies: Sequence[Message], choice: Choice) -> None:
    assert choose(copies, rewrite) == choice


@pytest.mark.parametrize(
    "copies",
    [
        [copy(1, OLD), copy(2, OLD)],
        [copy(1, OLD), copy(2, OLD), copy(3, NEW)],
        [copy(1, OLD), copy(2, b"old of another kind")],
        [copy(1, OLD), copy(2, OTHER)],
        [copy(1, OLD), copy(2, b"new, but not of that")],
    ],
)
def test_what_is_unclear(copies: Sequence[Message]) -> None:
    assert isinstance(choose(copies, rewrite), Unclear)


CONTENTS = st.sampled_from([OLD, NEW, OTHER, b"old other", b"new other"])
COPIES = st.lists(st.tuples(CONTENTS, st.booleans()), max_size=5)


@given(COPIES)
def test_what_is_removed_has_its_successor(drawn: list[tuple[bytes, bool]]) -> None:
    copies = [copy(uid, content, *([GONE] if gone else [])) for uid, (content, gone) in enumerate(drawn, 1)]
    choice = choose(copies, rewrite)
    if isinstance(choice, Remove):
        stays = {each.content for each in copies if each.uid not in choice.uids and GONE not in each.flags}
        for each in copies:
            if each.uid in choice.uids:
                assert (rewrite(each.content) or each.content) in stays


@given(COPIES)
def test_it_comes_to_an_end(drawn: list[tuple[bytes, bool]]) -> None:
    copies = [copy(uid, content, *([GONE] if gone else [])) for uid, (content, gone) in enumerate(drawn, 1)]
    for _ in range(3):
        match choose(copies, rewrite):
            case Append(_, content):
                copies.append(copy(len(copies) + 100, content))
            case Remove(uids):
                assert uids
                copies = [each for each in copies if each.uid not in uids]
            case Absent() | Done() | Unclear():
                return
    raise AssertionError(copies)
