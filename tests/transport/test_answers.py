"""What an answer means, and what is found in it."""

import json
from typing import Any

import pytest

from mailhook.core.conference import Found, JoinDetails, usable
from mailhook.errors import Temporary, Unusable
from mailhook.transport.answers import MISSING, Meaning, Reader, Reply, at, holds, judged
from mailhook.transport.credible import checked_link
from mailhook.transport.shape import Answer, Operation, When

HOSTS = frozenset({"vm.example.com"})
LINK = "https://vm.example.com/service/join/?confid=1&confpass=2"


def reply(document: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(document).encode())


def answer(**rules: object) -> Answer:
    return Answer.model_validate(rules)


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/m~0n", 8),
        ("/ ", 7),
        ("/foo/2", MISSING),
        ("/foo/01", MISSING),
        ("/foo/-", MISSING),
        ("/foo/-1", MISSING),
        ("/foo/0/x", MISSING),
        ("/nothing", MISSING),
    ],
)
def test_pointers(pointer: str, value: object) -> None:
    """The examples of RFC 6901 §5, and what is not there."""
    document = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, " ": 7, "m~n": 8}
    assert at(document, pointer) == value


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({"status": 404}, True),
        ({"status": [400, "4xx"]}, True),
        ({"status": 410}, False),
        ({"at": "/error/code", "equals": "gone"}, True),
        ({"at": "/error/code", "equals": "other"}, False),
        ({"at": "/error/code"}, True),
        ({"at": "/error/none"}, False),
        ({"at": "/error/done", "equals": True}, False),
        ({"at": "/error/done", "equals": 1}, True),
        ({"text": "g[oa]ne"}, True),
        ({"text": "^gone"}, False),
        ({"is_json": True}, True),
        ({"is_json": False}, False),
        ({"status": 404, "text": "nothing"}, False),
    ],
)
def test_conditions(when: dict[str, Any], expected: bool) -> None:
    assert holds(When(**when), reply({"error": {"code": "gone", "done": 1}}, 404)) == expected


@pytest.mark.parametrize(
    ("own", "given", "meaning"),
    [
        ({}, reply({}), Meaning.SUCCESS),
        ({}, Reply(204, b""), Meaning.SUCCESS),
        ({}, Reply(200, b""), Meaning.TEMPORARY),
        ({}, reply([]), Meaning.TEMPORARY),
        ({"expects": "list"}, reply([]), Meaning.SUCCESS),
        ({"expects": "list"}, reply({}), Meaning.TEMPORARY),
        ({"expects": "text"}, Reply(200, b"OK"), Meaning.SUCCESS),
        ({"expects": "nothing"}, Reply(200, b"<p>"), Meaning.SUCCESS),
        ({"success": [{"at": "/ok", "equals": True}]}, reply({"ok": True}), Meaning.SUCCESS),
        ({"success": [{"at": "/ok", "equals": True}]}, reply({"ok": False}), Meaning.TEMPORARY),
        ({"success": [{"status": 409}]}, reply({}, 409), Meaning.SUCCESS),
        ({"success": [{"status": 409}], "gone": [{"status": 409}]}, reply({}, 409), Meaning.GONE),
        ({"permanent": [{"at": "/error"}]}, reply({"error": 1}), Meaning.PERMANENT),
        ({"temporary": [{"status": 400}]}, reply({}, 400), Meaning.TEMPORARY),
        ({"misconfigured": [{"text": "licence"}]}, reply({"e": "no licence"}, 402), Meaning.MISCONFIGURED),
        ({}, reply({}, 404), Meaning.PERMANENT),
        ({}, Reply(404, b"<p>"), Meaning.MISCONFIGURED),
        ({}, reply({}, 503), Meaning.TEMPORARY),
    ],
)
def test_meanings(own: dict[str, Any], given: Reply, meaning: Meaning) -> None:
    assert judged(Operation(**own), given, "").meaning is meaning


RULES = answer(
    id=("/data/id", "/id"),
    link=("/data/url", "{{ base_url }}/join/{{ id }}?p={{ passcode }}&x={{ answer.extra }}"),
    passcode="/data/pin",
    host_link="/data/host",
    dial_in="/data/phone",
)
READER = Reader(RULES, {"base_url": "https://vm.example.com"}, HOSTS)


def test_all_that_an_answer_tells() -> None:
    data = {"id": 17, "url": LINK, "pin": "0042", "host": f"{LINK}&host=1", "phone": "+7 495 000-00-00, 17#"}
    expected = JoinDetails("17", LINK, "0042", f"{LINK}&host=1", "+7 495 000-00-00, 17#")
    assert READER.details(reply({"data": data}), {}, own_id="") == expected


def test_a_link_put_together() -> None:
    found = READER.details(reply({"id": "a", "extra": 1}), {}, own_id="a")
    assert found.link == "https://vm.example.com/join/a?p=&x=1"
    with pytest.raises(Temporary, match="no usable join link"):
        READER.details(reply({"id": "a"}), {}, own_id="a")  # what the template wants is not there


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"url": LINK}, "no usable id"),
        ({"id": True, "url": LINK}, "no usable id"),
        ({"id": "a\nb", "url": LINK}, "no usable id"),
        ({"id": "a", "url": "https://evil.example/"}, "names evil.example"),
        ({"id": "a", "url": LINK, "pin": 42}, "no usable passcode"),
        ({"id": "a", "url": LINK, "host": "https://evil.example/"}, "the host link names evil.example"),
        ({"id": "a", "url": LINK, "phone": "1\r\nBcc: x"}, "no usable dial-in"),
        ({"id": "a", "url": LINK, "phone": 5}, "no usable dial-in"),
    ],
)
def test_what_must_not_reach_a_mail(data: dict[str, object], words: str) -> None:
    with pytest.raises(Temporary, match=words):
        READER.details(reply({"data": data}), {}, own_id="")


def test_only_what_bears_the_key_is_found() -> None:
    rules = answer(id="/id", link="/url", key="/note", items="/list")
    reader = Reader(rules, {}, HOSTS)
    rooms = [
        {"id": "1", "url": LINK, "note": "made by mailhook: KEY-1"},
        {"id": "2", "url": LINK, "note": "KEY-2"},
        {"id": "3", "url": LINK},
        {"id": "4", "url": LINK, "note": None},
        "nonsense",
    ]
    found = reader.bearing(reply({"list": rooms}), {}, "KEY-1", own_id="")
    assert [room.conference_id for room in found] == ["1"]
    with pytest.raises(Temporary, match="no list"):
        reader.bearing(reply({"list": {}}), {}, "KEY-1", own_id="")


def test_what_is_found_can_be_removed_whatever_its_link_is_like() -> None:
    reader = Reader(answer(id="/id", link="/url", key="/note", items="/list"), {}, HOSTS)
    rooms = [
        {"id": "1", "url": "https://evil.example/", "note": "KEY-1"},
        {"id": "2", "note": "KEY-1"},
        {"id": "3", "url": LINK, "note": "KEY-1"},
    ]
    found = reader.bearing(reply({"list": rooms}), {}, "KEY-1", own_id="")
    why = "the join link names evil.example, which is not in link_hosts"
    assert found == (
        Found("1", why=why),
        Found("2", why="the answer holds no usable join link"),
        Found("3", JoinDetails("3", LINK)),
    )
    assert usable(found) == JoinDetails("3", LINK)
    assert usable(()) is None
    with pytest.raises(Unusable, match="names evil"):
        usable(found[:2])


def test_what_opens_a_room_is_known_in_any_answer() -> None:
    """Whether it can be used or not, so that it can be masked."""
    odd = {"id": 1, "url": "https://evil.example/", "pin": 4321}
    assert list(READER.secrets(reply({"data": odd})))[:1] == ["https://evil.example/"]
    assert "4321" in READER.secrets(reply({"data": odd}))
    listed = Reader(answer(id="/id", link="/url", passcode="/pin", items="/list"), {}, HOSTS)
    assert set(listed.secrets(reply({"list": [odd]}))) == {"https://evil.example/", "4321"}
    assert list(listed.secrets(Reply(502, b"<p>"))) == []


def test_our_own_id_in_a_list() -> None:
    reader = Reader(answer(id="/id", link="/url"), {}, HOSTS)
    rooms = [{"id": "a", "url": LINK}, {"id": "b", "url": LINK}]
    assert [room.conference_id for room in reader.bearing(reply(rooms), {}, "b", own_id="b")] == ["b"]
    assert reader.bearing(reply([]), {}, "b", own_id="b") == ()


def test_text_by_regular_expression() -> None:
    reader = Reader(answer(id=r"~id=(\w+)", link=r"~https\S+"), {}, HOSTS)
    found = reader.details(Reply(200, f"OK id=a7 {LINK} end".encode()), {}, own_id="")
    assert (found.conference_id, found.link) == ("a7", LINK)


def test_a_link_of_an_allowed_host() -> None:
    assert checked_link(LINK, HOSTS) == LINK


def test_a_refusal_tells_the_condition_that_it_meets() -> None:
    own = {"permanent": [{"status": 422}, {"text": "no such host"}], "expects": "text"}
    given = Reply(200, b"<err>no such host</err>")
    assert (
        judged(Operation.model_validate(own), given, "17").why
        == "answered 200 (17): by the condition permanent[1]"
    )
