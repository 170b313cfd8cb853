"""What is wrong with a file is told at once, and nothing else."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailhook.config import Listen, NextHop, PolicySettings, Problem, Settings, load, problems
from mailhook.config.problem import duration, shown
from mailhook.errors import Misconfigured

BAD = sorted((Path(__file__).parents[1] / "bad_config").glob("*.toml"))

GOOD = """
[provider]
kind = "videomost"
[provider.videomost]
base_url = "https://videomost.corp.test/"
{videomost}
[store]
path = "{folder}/mailhook.db"
[policy]
organizer_domains = ["Example.ORG"]
{policy}
"""


def written(folder: Path, videomost: str = "", policy: str = "") -> Path:
    path = folder / "config.toml"
    path.write_text(GOOD.format(folder=folder, videomost=videomost, policy=policy), encoding="utf-8")
    path.chmod(0o600)
    return path


def told(found: list[Problem], path: Path) -> list[str]:
    return [f"{'warning' if p.warning else 'error'}: {p}".replace(str(path), "FILE") for p in found]


@pytest.mark.parametrize("case", BAD, ids=lambda path: path.stem)
def test_a_bad_file_is_told_all_that_is_wrong_with_it(case: Path, tmp_path: Path) -> None:
    """The first lines of each file, `#! …`, are what has to be told, no more and no less."""
    text = case.read_text(encoding="utf-8")
    path = tmp_path / "config.toml"
    path.write_text(re.sub(r"^#! .*\n", "", text, flags=re.MULTILINE), encoding="utf-8")
    path.chmod(0o600)
    expected = re.findall(r"^#! (.*)$", text, re.MULTILINE)
    assert expected
    assert told(problems(path), path) == expected
    assert "hunter2" not in str(problems(path))


@pytest.mark.parametrize("case", BAD, ids=lambda path: path.stem)
def test_load_fails_for_errors_of_the_file_alone(case: Path) -> None:
    errors = [problem for problem in problems(case) if not problem.warning]
    elsewhere = {"its directory", "is a directory"}
    if not errors or all(any(word in problem.message for word in elsewhere) for problem in errors):
        assert isinstance(load(case), Settings)
        return
    with pytest.raises(Misconfigured) as caught:
        load(case)
    assert str(caught.value).splitlines()[1:] == [str(problem) for problem in errors]


def test_a_good_file(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert problems(path) == []
    settings = load(path)
    assert settings.provider.videomost.base_url == "https://videomost.corp.test"
    assert settings.policy.organizer_domains == ("example.org",)


def test_durations_and_sizes(tmp_path: Path) -> None:
    path = written(tmp_path, policy='defer_for = "1h30m"\ndelete_grace = "2d"\n[listen]\nmax_size = "64MiB"')
    settings = load(path)
    assert settings.policy.defer_for == timedelta(hours=1, minutes=30)
    assert settings.policy.delete_grace == timedelta(days=2)
    assert settings.listen.max_size == 64 * 1024 * 1024


@pytest.mark.parametrize("text", ["", "s", "5", "5 m", "-5m", "5m3h", "1.5h", "5M", "٣s", "9999999d", "5m\n"])
def test_what_is_no_duration(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, policy=f"roll_after = {shown('', text)}")
    assert [problem.key for problem in problems(path)] == ["policy.roll_after"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    assert told(problems(path), path) == ["error: FILE: cannot be read: No such file or directory"]
    with pytest.raises(Misconfigured, match="No such file"):
        load(path)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b'[log]\nlevel = "\xff"')
    assert told(problems(path), path) == ["error: FILE: is not UTF-8 text"]


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert problems(path) == []


@pytest.mark.parametrize(("timeout", "said"), [("20s", []), ("60s", ["provider.videomost.timeout"])])
def test_a_timeout_longer_than_a_mail_waits_is_warned_of(
    tmp_path: Path, timeout: str, said: list[str]
) -> None:
    found = problems(written(tmp_path, f'timeout = "{timeout}"'))
    assert [problem.key for problem in found if problem.warning] == said
    assert all("at most policy.deadline" in problem.message for problem in found)


def test_what_is_never_changed_or_deleted_is_warned_of(tmp_path: Path) -> None:
    own = """preset = "none"
answer = { id = "/id", link = "/url" }
[provider.videomost.operations.create]
method = "POST"
path = "rooms"
"""
    assert [problem.key for problem in problems(written(tmp_path, own)) if problem.warning] == [
        "provider.videomost.operations.update.method",
        "provider.videomost.operations.delete.method",
    ]


# --- secrets ----------------------------------------------------------------------------------------------------


def test_a_token_in_a_file(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(" hunter2\n")
    token.chmod(0o640)
    path = written(tmp_path, f'token_file = "{token}"')
    assert problems(path) == []
    settings = load(path)
    assert settings.provider.videomost.token == "hunter2"
    assert "hunter2" not in repr(settings)


def test_a_token_that_everybody_can_read_is_warned_of(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("hunter2")
    token.chmod(0o644)
    path = written(tmp_path, f'token_file = "{token}"')
    (problem,) = problems(path)
    assert problem == Problem(
        "provider.videomost.token_file",
        f'"{token}"'[:60] + ("…" if len(f'"{token}"') > 60 else ""),
        "the file can be read by everybody on this machine: chmod o-r",
        warning=True,
    )
    assert load(path).provider.videomost.token == "hunter2"


def test_so_is_a_settings_file_that_holds_it(tmp_path: Path) -> None:
    path = written(tmp_path, 'token = "hunter2"')
    assert problems(path) == []
    path.chmod(0o644)
    (problem,) = problems(path)
    assert (problem.key, problem.value, problem.warning) == ("provider.videomost.token", "***", True)


def test_what_everybody_may_change_commands_mailhook(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("hunter2")
    token.chmod(0o602)
    path = written(tmp_path, f'token_file = "{token}"')
    path.chmod(0o602)
    assert [(problem.key, problem.warning) for problem in problems(path)] == [
        (str(path), True),
        ("provider.videomost.token_file", True),
    ]
    assert all("chmod o-w" in problem.message for problem in problems(path))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o602])
def test_a_store_that_everybody_may_open_is_warned_of(tmp_path: Path, mode: int) -> None:
    store = tmp_path / "mailhook.db"
    store.touch()
    store.chmod(mode)
    found = [(problem.key, problem.warning) for problem in problems(written(tmp_path))]
    assert found == ([] if mode == 0o640 else [("store.path", True)])


def test_so_is_a_folder_in_which_everybody_may_put_another(tmp_path: Path) -> None:
    path = written(tmp_path)
    tmp_path.chmod(0o777)
    (problem,) = problems(path)
    assert (problem.key, problem.warning) == ("store.path", True)
    assert problem.message.endswith(f"chmod o-w {tmp_path}")


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ('client_cert_file = "{0}"', "client_cert_file"),
        ('client_cert_file = "/etc/hostname"\nclient_key_file = "{0}"', "client_key_file"),
    ],
)
def test_a_key_that_everybody_can_read_is_warned_of(tmp_path: Path, settings: str, key: str) -> None:
    pem = tmp_path / "key.pem"
    pem.touch()
    pem.chmod(0o640)
    path = written(tmp_path, settings.format(pem))
    assert problems(path) == []
    pem.chmod(0o644)
    assert [(p.key, p.warning) for p in problems(path)] == [(f"provider.videomost.{key}", True)]


def test_a_file_of_code_that_everybody_may_change_is_warned_of(tmp_path: Path) -> None:
    code = tmp_path / "provider.py"
    code.touch()
    code.chmod(0o646)
    path = written(tmp_path)
    text = path.read_text(encoding="utf-8").replace('kind = "videomost"', 'kind = "external"')
    external = f'[provider.external]\nfile = "{code}"\nlink_hosts = ["videomost.corp.test"]\n'
    path.write_text(text + external, encoding="utf-8")
    assert [(p.key, p.warning) for p in problems(path)] == [("provider.external.file", True)]


@pytest.mark.parametrize(("content", "message"), [(b" \n", "is an empty file"), (b"\xff", "it is not text")])
def test_a_token_file_that_holds_none(tmp_path: Path, content: bytes, message: str) -> None:
    token = tmp_path / "token"
    token.write_bytes(content)
    token.chmod(0o600)
    (problem,) = problems(written(tmp_path, f'token_file = "{token}"'))
    assert problem.key == "provider.videomost.token_file"
    assert message in problem.message


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("a.token", "x", "***"),
        ("a.password", "x", "***"),
        ("provider.videomost.answer.passcode", "/data/pin", '"/data/pin"'),
        ("a.client_secret", ["x"], "***"),
        ("a.tls_key", "x", "***"),
        ("a.token_file", "/x", '"/x"'),
        ("a.url", "https://user:x@example.org/", '"https://***@example.org/"'),
        ("a.keywords", ["я", 1, True], '["я", 1, true]'),
        ("a.name", "x" * 100, '"' + "x" * 59 + "…"),
        ("a.name", "\u202e", "'\"\\u202e\"'"),
        ("a.table", {"token": "x"}, ""),
        ("a.time", timedelta(days=1, minutes=1, seconds=1), '"1d1m1s"'),
    ],
)
def test_values_are_shown_without_secrets(key: str, value: object, text: str) -> None:
    assert shown(key, value) == text


def test_durations_are_shown_as_they_are_written() -> None:
    assert duration(timedelta(0)) == '"0s"'
    assert duration(timedelta(days=400)) == '"400d"'


# --- whatever stands in a file ------------------------------------------------------------------------------------

KEYS = st.sampled_from(
    [
        "listen",
        "provider",
        "videomost",
        "token",
        "token_file",
        "policy",
        "domain_aliases",
        "allow",
        "port",
        "path",
        "x",
    ]
)
LEAVES = st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs", "Cc"])) | st.floats()
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)


def toml(value: object) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{name} = {toml(content)}" for name, content in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case bool():
            return str(value).lower()
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case _:
            return str(value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(KEYS, TREES))
def test_every_file_is_either_used_or_told_what_is_wrong(tmp_path: Path, tree: dict[str, object]) -> None:
    path = tmp_path / "config.toml"
    path.write_text("\n".join(f"{name} = {toml(value)}" for name, value in tree.items()), encoding="utf-8")
    assert any(not problem.warning for problem in problems(path))  # no organizer's domain can come about
    with pytest.raises(Misconfigured):
        load(path)


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("ivan@example.org:hunter2\n", 0o600, []),
        (
            "ivan@example.org:hunter2\n",
            0o604,
            ["warning: … the file can be read by everybody on this machine: chmod o-r"],
        ),
        (
            "# none\nhunter2\n",
            0o600,
            ["error: … cannot be used: line 2 should be an address, a colon and a password"],
        ),
    ],
)
def test_a_file_of_passwords(tmp_path: Path, text: str, mode: int, said: list[str]) -> None:
    file = tmp_path / "passwords"
    file.write_text(text)
    file.chmod(mode)
    section = f'[organizer.imap]\nhost = "imap.example.org"\npasswords_file = "{file}"'
    path = written(tmp_path, policy=section)
    assert [
        line.replace(f"organizer.imap.passwords_file = {shown('', str(file))}:", "…")
        for line in told(problems(path), path)
    ] == said


def test_the_password_of_a_service_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    (tmp_path / "password").chmod(0o600)
    section = f"""[organizer.imap]
host = "imap.example.org"
login = "{{address}}*mailhook"
tls = "implicit"
password_file = "{tmp_path}/password"
"""
    path = written(tmp_path, policy=section)
    assert problems(path) == []
    own = load(path).organizer.imap
    assert (own.password, own.actual_port) == ("hunter2", 993)
    assert "hunter2" not in repr(own)


def test_one_password_for_all_users_is_warned_of(tmp_path: Path) -> None:
    path = written(tmp_path, policy='[organizer.imap]\nhost = "imap.example.org"\npassword = "hunter2"\n')
    (found,) = problems(path)
    assert (found.key, found.warning) == ("organizer.imap.login", True)
    assert load(path).organizer.imap.actual_port == 143


def test_limits_are_divided_among_workers() -> None:
    all_ = Settings(
        listen=Listen(workers=3), nexthop=NextHop(max_sessions=80), policy=PolicySettings(max_waiting=10)
    )
    share = all_.share()
    assert (share.nexthop.max_sessions, share.policy.max_waiting) == (26, 3)
    assert Settings(policy=PolicySettings(max_waiting=1)).share().policy.max_waiting == 1
    assert share.listen == all_.listen
