"""What is remembered of a text that bears a link, in bounds, and texts of any form compared with it."""

from hypothesis import given
from hypothesis import strategies as st

from mailhook.core.truncation import breaks_off, is_cut, passage

LINK = "https://videomost.corp.example/service/join/?confid=a&confpass=1"
OTHER = "https://videomost.corp.example/service/join/?confid=b&confpass=2"
TEXTS = st.text(alphabet="ab \n<>&;…._/:" + LINK, max_size=60)


@given(TEXTS, TEXTS, TEXTS)
def test_any_texts_can_be_compared(above: str, below: str, later: str) -> None:
    """Also such as still bear the link: it may be another conference's by now."""
    before = passage(f"{above}{LINK}{below}", LINK)
    assert before is not None
    for text in (later, f"{above}{later}", f"{above}{LINK}{later}", f"{above}{LINK} {later}", ""):
        assert is_cut(text, before) in {True, False}


def test_what_is_remembered_is_bounded() -> None:
    for text in ("x" * 10**6 + LINK + "y" * 10**6, "word " * 10**5 + LINK, f"{LINK} " * 10**4):
        before = passage(text, LINK)
        assert before is not None
        assert len(repr(before)) < 10_000


def test_blanks_without_end() -> None:
    before = passage(f"Agenda\n{LINK}", LINK)
    assert before is not None
    text = "Agenda" + " " * 10**6 + "x"
    assert is_cut(text, before) in {True, False}
    assert not breaks_off(text, LINK)


def test_a_text_that_bears_what_is_another_conferences_link_by_now() -> None:
    before = passage(f"Agenda\n{OTHER}", OTHER)
    assert before is not None
    assert is_cut(f"Agenda\n{OTHER} more", before)
