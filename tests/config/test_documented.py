"""Every setting is in the example and in the documentation, with the default that it has."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest
from pydantic import BaseModel

from mailhook.config import PolicySettings, Settings, load, problems
from mailhook.core.policy import Policy
from mailhook.transport.presets import PRESETS, transport
from mailhook.transport.shape import Answer, Auth, Capabilities, Operation, Overlay, When
from mailhook.transport.trying import SAMPLE, values_of

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config.example.toml"
GIVEN = {"provider.kind", "provider.videomost.base_url", "policy.organizer_domains"}
"""What the example sets, because mailhook cannot start without it."""


def is_section(annotation: object) -> TypeGuard[type[BaseModel]]:
    """What is laid over a preset counts as one setting: docs/videomost.md tells what stands in it."""
    return (
        isinstance(annotation, type)
        and issubclass(annotation, BaseModel)
        and not issubclass(annotation, Overlay)
    )


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        if is_section(field.annotation):
            yield from keys(field.annotation, f"{key}.")
        else:
            yield key


def named(table: dict[str, object], prefix: str = "") -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, dict) and f"{prefix}{name}" not in ALL:
            yield from named(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


ALL = set(keys(Settings))


def uncommented() -> dict[str, object]:
    return tomllib.loads(re.sub(r"^#(?=\w+ = )", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE))


def documented() -> dict[str, object]:
    """The tables of docs/configuration.md as TOML."""
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    lines = []
    for section, name, default in re.findall(
        r"^##+ (\[.*\])|^\| `(\w+)` \| (?:`(.*?)`|none) \|", text, re.MULTILINE
    ):
        lines.append(section or (f"{name} = {default}" if default else f"# {name}"))
    return tomllib.loads("\n".join(lines))


def flat(settings: Settings) -> dict[str, object]:
    def walk(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, object]]:
        for name, field in type(model).model_fields.items():
            value = getattr(model, name)
            key = f"{prefix}{field.alias or name}"
            if is_section(type(value)):
                yield from walk(value, f"{key}.")
            else:
                yield key, value

    return dict(walk(settings))


def test_the_example_can_be_used_as_it_is() -> None:
    settings = load(EXAMPLE)
    assert (settings.listen.host, settings.listen.port) == ("127.0.0.1", 10225)
    assert (settings.nexthop.host, settings.nexthop.port) == ("127.0.0.1", 10226)
    assert settings.provider.kind == "videomost"
    assert settings.provider.videomost.base_url == "https://videomost.example.org"
    assert settings.policy.organizer_domains == ("example.org",)


def test_the_example_differs_from_the_defaults_only_where_it_must() -> None:
    example, defaults = flat(load(EXAMPLE)), flat(Settings())
    assert {key for key in ALL if example[key] != defaults[key]} == GIVEN


def test_the_example_holds_every_setting() -> None:
    assert set(named(uncommented())) == ALL


def test_the_example_shows_the_defaults() -> None:
    shown, defaults = flat(Settings.model_validate(uncommented())), flat(Settings())
    assert {key: shown[key] for key in ALL - GIVEN} == {key: defaults[key] for key in ALL - GIVEN}


def test_the_documentation_holds_every_setting_with_its_default() -> None:
    assert set(named(documented())) | {"provider.kind"} == ALL
    assert Settings.model_validate(documented()) == Settings()


def test_the_policy_is_the_cores() -> None:
    assert Settings().policy == Policy()
    assert set(PolicySettings.model_fields) == set(Policy.__dataclass_fields__)


@pytest.mark.parametrize("name", sorted(PolicySettings.model_fields))
def test_every_rule_reaches_the_core(name: str) -> None:
    values: dict[str, object] = {
        "organizer_domains": ["a.example"],
        "domain_aliases": {"b.example": "a.example"},
        "trusted_networks": ["10.0.0.0/8"],
        "trigger": "always",
        "on_failure": "pass",
        "property": "X-OTHER",
        "category": "Other",
        "timezone": "Asia/Omsk",
    }
    default = getattr(PolicySettings(), name)
    match default:
        case bool():
            fallback: object = not default
        case int():
            fallback = default + 1
        case tuple():
            fallback = ["user@a.example"] if "@" in EXAMPLES.get(name, "") else ["other.example"]
        case _:
            fallback = "7m"
    value = values.get(name, fallback)
    rules = Settings.model_validate({"policy": {name: value}})
    assert getattr(rules.policy, name) == getattr(rules.rules, name) != default


EXAMPLES = {"trusted_senders": "@", "ignore_recipients": "@", "resource": "@"}


@pytest.mark.parametrize("number", [0, 1])
def test_the_examples_of_a_provider_can_be_used(number: int, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "videomost.md").read_text(encoding="utf-8")
    example = re.findall(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[number]
    example = example.replace("/etc/mailhook/password", str(tmp_path / "password"))
    (tmp_path / "password").write_text("hunter2\n")
    (tmp_path / "password").chmod(0o600)
    file = tmp_path / "config.toml"
    rest = f'[store]\npath = "{tmp_path}/m.db"\n[policy]\norganizer_domains = ["example.org"]\n'
    file.write_text(example + rest, encoding="utf-8")
    file.chmod(0o600)
    assert problems(file) == []
    if number == 0:
        assert load(file).provider.videomost.transport.auth.password == "hunter2"


def test_every_preset_is_named_in_the_documentation() -> None:
    text = (ROOT / "docs" / "videomost.md").read_text(encoding="utf-8")
    for name in PRESETS:
        assert f'"{name}"' in text


def test_every_variable_and_key_is_in_the_documentation() -> None:
    text = (ROOT / "docs" / "videomost.md").read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    named = {word for words in re.findall(r"`([^`]+)`", text) for word in re.findall(r"[a-z_]+", words)}
    assert set(values_of("create", transport("default", {}), SAMPLE)) <= named
    for model in (Operation, When, Answer, Auth, Capabilities):
        assert set(model.model_fields) <= named
