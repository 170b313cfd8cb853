"""What goes out: every documented variable, in every encoding."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from mailhook.core.conference import Person, Spec
from mailhook.core.templates import Tree
from mailhook.errors import Permanent
from mailhook.transport.requests import Form, described, keyed
from mailhook.transport.shape import Operation

START = datetime(2026, 7, 2, 9, 0, tzinfo=UTC)
SPEC = Spec(
    "Планёрка",
    START,
    START + timedelta(minutes=90, seconds=30),
    "Europe/Berlin",
    Person("anna.petrova@example.com", "Анна"),
    (Person("boris@example.com", "Борис"), Person("guest@example.org")),
)
PERSON = {"mail": "{{ person.email }}", "name": "{{ person.name or omit }}"}


def sent(operation: dict[str, Any], spec: Spec = SPEC, participant: object = PERSON) -> Any:
    values = {**described(spec, Tree(participant)), **keyed("k1", b"s"), "id": "i/1", "mode": "webinar"}
    return Form("operations.create", Operation(method="POST", **operation)).request(values)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ topic }}", "Планёрка"),
        ("{{ start.utc }}", "2026-07-02T09:00:00Z"),
        ("{{ start.local }}", "2026-07-02T11:00:00"),
        ("{{ start.offset }}", "2026-07-02T11:00:00+02:00"),
        ("{{ start.offset_minutes }}", 120),
        ("{{ start.unix }}", 1782982800),
        ("{{ start.format('%d.%m.%Y %H:%M') }}", "02.07.2026 11:00"),
        ("{{ end.utc }}", "2026-07-02T10:30:30Z"),
        ("{{ timezone }}", "Europe/Berlin"),
        ("{{ duration.seconds }}", 5430),
        ("{{ duration.minutes }}", 91),
        ("{{ owner.email }}", "anna.petrova@example.com"),
        ("{{ owner.login }}", "anna.petrova"),
        ("{{ owner.name }}", "Анна"),
        (
            "{{ participants }}",
            [{"mail": "boris@example.com", "name": "Борис"}, {"mail": "guest@example.org"}],
        ),
        ("{{ everyone | length }}", 3),
        ("{{ participants | map(attribute='mail') | join(',') }}", "boris@example.com,guest@example.org"),
        ("{{ mode }}", "webinar"),
        ("{{ key }}", "k1"),
        ("{{ id }}", "i/1"),
    ],
)
def test_variables(template: str, value: object) -> None:
    assert json.loads(sent({"body": {"x": template}}).content) == {"x": value}


def test_the_passcode_follows_from_the_key() -> None:
    passcode = json.loads(sent({"body": {"x": "{{ passcode }}"}}).content)["x"]
    assert passcode == keyed("k1", b"s")["passcode"] != keyed("k2", b"s")["passcode"]
    assert passcode != keyed("k1", b"another store")["passcode"]
    assert len(passcode) == 6
    assert passcode.isdecimal()


def test_a_zone_that_nobody_knows_is_utc_and_is_sent_as_it_is() -> None:
    spec = replace(SPEC, timezone="Nowhere/Land")
    body = json.loads(sent({"body": {"a": "{{ start.local }}", "b": "{{ timezone }}"}}, spec).content)
    assert body == {"a": "2026-07-02T09:00:00", "b": "Nowhere/Land"}


def test_a_form() -> None:
    body = {"t": "{{ topic }}", "p": "{{ participants }}", "n": "{{ duration.minutes }}", "f": True}
    request = sent({"body": body, "encoding": "form"}, participant="{{ person.email }}")
    assert request.headers == {"Content-Type": "application/x-www-form-urlencoded"}
    assert parse_qsl(request.content.decode()) == [
        ("t", "Планёрка"),
        ("p", "boris@example.com"),
        ("p", "guest@example.org"),
        ("n", "91"),
        ("f", "true"),
    ]


def test_the_target() -> None:
    request = sent({"path": "/rooms/{{ id }}", "query": {"q": "{{ topic }}", "page_size": 1}})
    assert request.target == "rooms/i%2F1?q=%D0%9F%D0%BB%D0%B0%D0%BD%D1%91%D1%80%D0%BA%D0%B0&page_size=1"
    assert sent({"path": "rooms?a=1", "query": {"b": 2}}).target == "rooms?a=1&b=2"
    assert (request.content, request.headers) == (b"", {})


def test_a_header() -> None:
    assert sent({"headers": {"X-Act-As": "{{ owner.email }}"}}).headers == {"X-Act-As": SPEC.owner.address}
    with pytest.raises(Permanent, match="X-Act-As"):
        sent({"headers": {"X-Act-As": "{{ owner.name }}"}})


@pytest.mark.parametrize("topic", ['"}, {"', "{{ key }}", "\x00\r\n", "\udc80", "а" * 5000])
def test_no_topic_breaks_the_body(topic: str) -> None:
    body = json.loads(sent({"body": {"a": "{{ topic }}", "b": 1}}, replace(SPEC, topic=topic)).content)
    assert body == {"a": topic.replace("\udc80", "?"), "b": 1}


@pytest.mark.parametrize("value", ["..", ".", "../../admin", "a/..", "?/.."])
@pytest.mark.parametrize("template", ["c/{{ topic }}", "c/{{ topic }}/x", "{{ topic }}?a=1"])
def test_nothing_leaves_the_path_that_was_meant(value: str, template: str) -> None:
    """%2E%2E, and what is behind %2F, is decoded by many servers before they look where it leads."""
    with pytest.raises(Permanent, match=r"operations\.create: the path cannot hold"):
        sent({"path": template}, replace(SPEC, topic=value))


@pytest.mark.parametrize("value", ["...", "a..b", "..a", "v1.2", "?x=.."])
def test_dots_within_a_name_are_none_of_those(value: str) -> None:
    assert sent({"path": "c/{{ topic }}"}, replace(SPEC, topic=value)).target.startswith("c/")


def test_dots_in_a_query_lead_nowhere() -> None:
    assert sent({"path": "c", "query": {"t": "{{ topic }}"}}, replace(SPEC, topic="..")).target == "c?t=.."
