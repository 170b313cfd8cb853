"""What an administrator may send on holds no secret."""

import pytest

from mailhook.transport.masking import HIDDEN, LONGEST, Mask

LINK = "https://vm.example.com/service/join/?confid=abc&confpass=9911"


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b'{"a": 1, "passcode": "9911", "x": [{"token": "t0ps3cret"}]}',
         '{"a": 1, "passcode": "***", "x": [{"token": "***"}]}'),
        (f'{{"join_url": "{LINK}"}}'.encode(), '{"join_url": "https://vm.example.com/***"}'),
        (f"OK room=1 join={LINK} end".encode(), "OK room=1 join=https://vm.example.com/*** end"),
        (b"user=anna&password=hunter2&x=1", "user=anna&password=***&x=1"),
        (b'{"note": "it is hunter2!"}', '{"note": "it is ***!"}'),
        (b'{"pass_through": true, "client_secret": "x"}', '{"pass_through": true, "client_secret": "***"}'),
        (b'{"session": {"id": "abcdef"}, "tokens": ["a1", "b2", {"x": 7}], "x": [1, true]}',
         '{"session": {"id": "***"}, "tokens": ["***", "***", {"x": "***"}], "x": [1, true]}'),
        (b'{"n": 314159, "m": 314158}', '{"n": "***", "m": 314158}'),
        (b"OK room=17 pin=1234, sessionId: abc; next", "OK room=17 pin=***, sessionId: ***; next"),
        (b"<room><id>17</id><pin kind='x'>1234</pin></room>", "<room><id>17</id><pin kind='x'>***</pin></room>"),
        (b'{"id": "17", "passcode": "1234", "jo', '{"id": "17", "passcode": "***", "jo'),
        (b"\xff\x1b[31m", "��[31m"),
    ],
)  # fmt: skip
def test_bodies(content: bytes, shown: str) -> None:
    assert Mask(["hunter2", "314159"]).body(content) == shown


def test_long_bodies_are_cut() -> None:
    assert len(Mask().body(b"x" * 1_000_000)) < LONGEST + 40


@pytest.mark.parametrize("name", ["Authorization", "cookie", "Set-Cookie", "X-Api-Key", "X-Auth-Token"])
def test_headers(name: str) -> None:
    assert Mask().header(name, "anything") == HIDDEN


def test_what_is_no_secret() -> None:
    assert Mask().header("Content-Type", "application/json") == "application/json"
    url = "https://vm.example.com/api/v1/conferences/1?access_token=abcd&page=2"
    assert Mask().target(url) == "https://vm.example.com/api/v1/conferences/1?access_token=***&page=2"


def test_a_secret_is_found_in_a_form_too() -> None:
    mask = Mask(["Pa55-word!x y"])
    for shown in (mask.body(b"u=robot&p=Pa55-word%21x+y"), mask.target("/login?p=Pa55-word%21x%20y")):
        assert "Pa55" not in shown


def test_a_link_is_known_by_its_parts() -> None:
    mask = Mask()
    mask.learn_link("https://vm.example.com/r/opaque?c=conf_17&p=991177")
    mask.learn_link("https://[broken")
    mask.spare("conf_17")
    assert mask.body(b'["opaque", "conf_17", "x 991177", 991177]') == '["***", "conf_17", "x ***", "***"]'


def test_short_texts_are_not_taken_for_secrets() -> None:
    assert Mask(["a", ""]).text("banana") == "banana"
