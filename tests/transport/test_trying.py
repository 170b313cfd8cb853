"""What is wrong with a transport is told before the first invitation comes."""

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from mailhook.transport.presets import PRESETS, laid_over, preset, transport
from mailhook.transport.trying import Fault, faults


def told(own: Mapping[str, Any], name: str = "default") -> list[str]:
    return [f"{fault.key}: {fault.message}" for fault in faults(transport(name, own))]


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "none"])
def test_presets_are_right(name: str) -> None:
    assert faults(transport(name, {})) == []


def test_nothing_assumed_is_not_enough() -> None:
    assert told({}, "none") == [
        "operations.create.method: should be given: nothing could be created",
        "answer.id: should say where in the answer it stands",
        "answer.link: should say where in the answer it stands",
    ]


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (
            {"operations": {"create": {"body": {"topic": "{{ topik }}", "x": ["{{ start.utz }}"]}}}},
            [
                "operations.create.body.topic: there is no variable topik",
                "operations.create.body.x[0]: there is no variable start.utz",
            ],
        ),
        (
            {"operations": {"create": {"path": "c/{{ id }}"}}},
            ["operations.create.path: there is no variable id"],
        ),
        (
            {
                "capabilities": {"chooses_id": False, "repeats_create": False},
                "operations": {"find": {"method": ""}},
            },
            [],
        ),
        (
            {"capabilities": {"chooses_id": False}},
            [
                "answer.key: should say where a found conference bears our key: others' conferences would be taken "
                "for ours"
            ],
        ),
        (
            {
                "capabilities": {"chooses_id": False},
                "operations": {"find": {"method": ""}, "update": {"body": {"pin": "{{ passcode }}"}}},
            },
            ["operations.update.body.pin: there is no variable passcode"],
        ),
        (
            {"capabilities": {"repeats_create": False}, "operations": {"find": {"method": ""}}},
            [
                "operations.find.method: should be given: without repeats_create mailhook looks before it creates"
            ],
        ),
        (
            {"operations": {"create": {"body": {"start": "{{ start }}"}}}},
            [
                "operations.create.body.start: start is a group of variables: name one of them, such as start.utc"
            ],
        ),
        (
            {
                "operations": {
                    "create": {
                        "path": "by/{{ owner }}",
                        "headers": {"X-Owner": "{{ owner }}"},
                        "body": {"for": ["{{ duration }}"], "from": "at {{ start }}"},
                    }
                }
            },
            [
                "operations.create.path: cannot be rendered: this is a group of variables: name one of them, such as "
                "owner.email",
                "operations.create.headers.X-Owner: owner is a group of variables",
                "operations.create.body.for[0]: duration is a group of variables: name one of them, such as duration.m",
                "operations.create.body.from: cannot be rendered: this is a group of variables: name one of them, such",
            ],
        ),
        (
            {"operations": {"create": {"encoding": "form", "body": {"owner": "{{ owner }}"}}}},
            ["operations.create.body.owner: owner is a group of variables"],
        ),
        (
            {"operations": {"create": {"path": "../{{ key }}"}}},
            ["operations.create.path: operations.create: the path cannot hold"],
        ),
        ({"auth": {"expired": [{}]}}, ["auth.expired[0]: should name a status"]),
        (
            {"operations": {"create": {"encoding": "form"}}},
            ["operations.create.body.owner: should be text, a number, or a list of those"],
        ),
        (
            {"operations": {"create": {"body": {"first": "{{ participants[0].email }}"}}}},
            [
                "operations.create.body.first: cannot be rendered: list object has no element 0",
            ],
        ),
        (
            {"operations": {"create": {"headers": {"X-Topic": "{{ topic }}"}}}},
            ["operations.create.headers.X-Topic: a header cannot hold what stands in an invitation"],
        ),
        (
            {"participant": {"mail": "{{ person.mail }}"}},
            ["participant.mail: there is no variable person.mail"],
        ),
        (
            {"answer": {"link": "{{ base_url }}/join/{{ ident }}"}},
            ["answer.link: there is no variable ident"],
        ),
        (
            {"operations": {"ping": {"body": {"x": 1}}}},
            ["operations.ping.body: should not be given: GET has none"],
        ),
        (
            {"operations": {"update": {"gone": [{}]}}},
            [
                "operations.update.gone[0]: should name a status, a pointer, a text or is_json: every answer would fit"
            ],
        ),
        ({"auth": {"kind": "basic"}}, ['auth.username: should be given with kind "basic"']),
        ({"auth": {"kind": "login"}}, ['auth.login.method: should be given with kind "login"']),
        (
            {"auth": {"kind": "login", "login": {"method": "POST"}, "session": "{{ anwser.sid }}"}},
            ["auth.session: there is no variable anwser"],
        ),
        (
            {"auth": {"kind": "login", "login": {"method": "POST"}, "session": "{{ answer.sid | hsah }}"}},
            ["auth.session: is no template: No filter named 'hsah'."],
        ),
        (
            {"auth": {"kind": "login", "login": {"method": "POST", "body": {"u": "{{ usr }}"}}}},
            ["auth.login.body.u: there is no variable usr"],
        ),
        ({"auth": {"kind": "header", "value": "{{ tokn }}"}}, ["auth.value: there is no variable tokn"]),
    ],
)
def test_what_is_wrong_is_told_with_its_place(own: dict[str, Any], expected: list[str]) -> None:
    found = told(own)
    assert len(found) == len(expected)
    for line, words in zip(found, expected, strict=True):
        assert line.startswith(words)


def test_faults_of_many_places_come_together() -> None:
    own = {
        "operations": {
            name: {"headers": {"X": "{{ wrong }}"}} for name in ("create", "update", "delete", "find")
        }
    }
    assert [fault.key for fault in faults(transport("default", own))] == [
        f"operations.{name}.headers.X" for name in ("create", "update", "delete", "find")
    ]
    assert faults(transport("default", own))[0] == Fault(
        "operations.create.headers.X", "{{ wrong }}", "there is no variable wrong"
    )


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"operations": {"create": {"methd": "PUT"}}}, "Extra inputs"),
        ({"operations": {"create": {"method": "FETCH"}}}, "should be one of GET, POST"),
        ({"operations": {"create": {"path": "{{ a"}}}, "is no template"),
        ({"operations": {"create": {"gone": [{"status": "6xx"}]}}}, 'should be a status such as 404, "5xx"'),
        ({"operations": {"create": {"gone": [{"text": "("}]}}}, "should be a regular expression"),
        ({"operations": {"create": {"gone": [{"at": "id"}]}}}, 'should be a JSON pointer such as "/data/id"'),
        ({"operations": {"create": {"headers": {"a b": "x"}}}}, "should be the name of an HTTP header"),
        ({"answer": {"id": "id"}}, "should be a JSON pointer"),
        ({"answer": {"id": "~("}}, "should be a regular expression"),
        ({"answer": {"id": 5}}, 'should be text such as "/data/id"'),
        ({"capabilities": {"chooses_id": "yes"}}, "should be a valid boolean"),
        ({"participant": 5}, "should be a table, or text"),
    ],
)
def test_single_values(own: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        transport("default", own)
    assert words in str(caught.value)


def test_own_keys_are_laid_over_those_of_the_preset() -> None:
    merged = transport(
        "default", {"operations": {"create": {"body": {"notify": False, "mode": "{{ omit }}"}}}}
    )
    default = transport("default", {})
    assert merged.operations.create.body == {
        **default.operations.create.body,
        "notify": False,
        "mode": "{{ omit }}",
    }
    assert merged.operations.update == default.operations.update
    assert laid_over({"a": [1], "b": {"c": 1}}, {"a": [2], "b": {"d": 2}}) == {
        "a": [2],
        "b": {"c": 1, "d": 2},
    }
    assert preset("none") == {}
