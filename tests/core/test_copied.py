"""Links of ours in whatever spelling, and in texts of whatever size."""

from dataclasses import replace

import pytest

from mailhook.core.conference import JoinDetails
from mailhook.core.copied import copied, means, spellings
from mailhook.core.meeting import Meeting
from mailhook.core.relinking import exchanged
from mailhook.core.splice_text import history
from mailhook.core.splices import Splice, apply
from tests.core.invitations import invitation
from tests.core.meetings import ready

HOST = "videomost.corp.example"
LINK = f"https://{HOST}/service/join/?confid=a&confpass=12"
NEW = f"https://{HOST}/service/join/?confid=b&confpass=34"


@pytest.mark.parametrize(
    ("spelled", "same"),
    [
        (LINK, True),
        (f"{LINK}.", True),
        (f"{LINK}#x", True),
        (f"{LINK}&x=1", True),
        (LINK.replace("&", "&amp;"), True),
        (LINK.replace("https", "http"), True),
        (LINK.replace(HOST, HOST.upper()), True),
        (f"{LINK}3", False),
        (f"{LINK}-", False),
        (LINK.replace("=a", "=A"), False),
        ("https://[", False),
        ("", False),
    ],
)
def test_what_a_spelling_means(spelled: str, same: bool) -> None:
    assert means(spelled, [NEW, LINK]) is same


def test_a_link_that_does_not_end() -> None:
    """A text without blanks, of any characters, is looked at up to a bound."""
    long = f"{LINK}" + "/&." * 10**5
    assert means(long, [LINK])
    read = invitation(f"DTSTART:20270301T070000Z\nDESCRIPTION:{long}")
    event = replace(read.events[0], location=f"{LINK}\ud800 {LINK}\u2028")
    read = replace(read, events=(event,))
    places = spellings(read, (HOST,))
    assert all(len(place) < 1000 and all(each.isascii() for each in place) for place in places)
    assert all(LINK in place for place in places)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (LINK, {LINK}),
        (f"{NEW} last time: {LINK}", set[str]()),
    ],
    ids=["copied", "referred to"],
)
def test_a_link_beside_the_own_one_is_a_reference(text: str, found: set[str]) -> None:
    read = invitation(f"DTSTART:20270301T070000Z\nDESCRIPTION:{text}")
    other = replace(read.key, uid="another")
    conference = replace(ready(), details=JoinDetails("b", NEW))
    own = Meeting(read.key, conference=conference, copied=frozenset({LINK}))
    assert copied(own, read, {LINK: {other}}) == found


def test_nothing_is_exchanged_in_quoted_lines() -> None:
    data = f"{LINK}\n> {LINK}\n".encode()
    edits = exchanged(data, [LINK], NEW, "utf-8", [], history(data, "utf-8"))
    assert apply(data, edits) == f"{NEW}\n> {LINK}\n".encode()


@pytest.mark.parametrize("count", [1, 3, 20_000])
def test_every_occurrence_is_exchanged_outside_of_edits(count: int) -> None:
    data = b" ".join([LINK.encode()] * count)
    first = Splice(0, len(LINK), b"-")
    edits = exchanged(data, [LINK], NEW, "utf-8", [first])
    assert apply(data, edits) == b" ".join([b"-", *[NEW.encode()] * (count - 1)])
