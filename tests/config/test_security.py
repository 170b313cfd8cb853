"""What `mailhook check` says of certificates, keys and password files."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mailhook.certificates import Pem
from mailhook.config import Listen, Settings, exposed, problems
from tests.authority import Authority
from tests.config.test_reading import written


def said(folder: Path, pem: Pem, more: str = "") -> list[tuple[str, bool, str]]:
    section = (
        f'[listen]\nstarttls = "optional"\ntls_cert = "{pem.certificate}"\ntls_key = "{pem.key}"\n{more}'
    )
    found = problems(written(folder, policy=section))
    return [(problem.key, problem.warning, problem.message) for problem in found]


def test_a_good_pair(tmp_path: Path) -> None:
    assert said(tmp_path, Authority(tmp_path).pem()) == []


@pytest.mark.parametrize(
    ("days", "message"), [(13, "expires in"), (0.5, "expires in 0 days"), (-1, "has expired")]
)
def test_a_certificate_that_expires_is_warned_of(tmp_path: Path, days: float, message: str) -> None:
    ((key, warning, text),) = said(tmp_path, Authority(tmp_path).pem(days=days))
    assert (key, warning) == ("listen.tls_cert", True)
    assert text.startswith(message)


def test_what_others_can_read_is_warned_of(tmp_path: Path) -> None:
    pem = Authority(tmp_path).pem()
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    for file in (Path(pem.key), passwords):
        file.chmod(0o644)
    found = said(tmp_path, pem, f'passwords_file = "{passwords}"')
    assert [(key, warning) for key, warning, _ in found] == [
        ("listen.tls_key", True),
        ("listen.passwords_file", True),
    ]
    assert all("chmod o-r" in message for *_, message in found)


def test_a_key_of_another_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pem, other = authority.pem(), authority.pem(file="other")
    ((key, warning, message),) = said(tmp_path, Pem(pem.certificate, other.key))
    assert (key, warning) == ("listen.tls_cert", False)
    assert "do not belong together" in message


def written_passwords(folder: Path, text: str) -> str:
    file = folder / "passwords"
    file.write_text(text)
    file.chmod(0o600)
    return f'passwords_file = "{file}"'


def test_a_line_that_is_no_hash_is_named_by_its_number(tmp_path: Path) -> None:
    more = written_passwords(tmp_path, "# people\nalice:hunter2\n")
    ((key, warning, message),) = said(tmp_path, Authority(tmp_path).pem(), more)
    assert (key, warning) == ("listen.passwords_file", False)
    assert message == "line 2 should be what `mailhook password USER` prints"


@pytest.mark.parametrize(("mode", "advice"), [(0o620, "chmod g-w"), (0o602, "chmod o-w")])
def test_what_others_can_change_is_warned_of(tmp_path: Path, mode: int, advice: str) -> None:
    authority = Authority(tmp_path)
    pem, more = authority.pem(), written_passwords(tmp_path, "")
    for file in (pem.key, authority.file, tmp_path / "passwords"):
        Path(file).chmod(mode)
    found = said(tmp_path, pem, f'{more}\nclient_ca = "{authority.file}"')
    assert {key for key, *_ in found} == {"listen.tls_key", "listen.passwords_file", "listen.client_ca"}
    assert all(warning and advice in message for _, warning, message in found)


def test_a_key_with_a_passphrase(tmp_path: Path) -> None:
    pem = Authority(tmp_path).pem()
    key = serialization.load_pem_private_key(Path(pem.key).read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    Path(pem.key).write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    ((_, warning, message),) = said(tmp_path, pem)
    assert not warning
    assert "the key has a passphrase" in message


@pytest.mark.parametrize(
    ("networks", "refused"),
    [
        ([f"8.8.{number}.0/24" for number in range(256)], "8.8.0.0/16"),
        ([f"8.8.{number}.0/24" for number in range(16)], ""),
        ([f"8.8.{number}.0/24" for number in range(0, 64, 2)], ""),
        ([f"10.8.{number}.0/24" for number in range(256)], ""),
        ([f"2001:db8:0:{number:x}::/64" for number in range(32)], "2001:db8::/59"),
    ],
    ids=["a /16", "a /20", "apart", "private", "IPv6"],
)
def test_narrow_networks_side_by_side_are_a_wide_one(
    tmp_path: Path, networks: list[str], refused: str
) -> None:
    section = f'[listen]\nhost = "0.0.0.0"\nallow = {networks!r}'
    errors = [problem for problem in problems(written(tmp_path, policy=section)) if not problem.warning]
    assert [problem.value for problem in errors] == ([f'"{refused}"'] if refused else [])


def hop(folder: Path, host: str) -> list[str]:
    found = problems(written(folder, policy=f'[nexthop]\nhost = "{host}"'))
    return [problem.key for problem in found if problem.warning]


@pytest.mark.parametrize("host", ["198.51.100.7", "mail.corp.test", "2001:db8::1"])
def test_mail_in_the_clear_is_warned_of(tmp_path: Path, host: str) -> None:
    assert hop(tmp_path, host) == ["nexthop.tls"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.1.2.3", "fd00::1", "postfix"])
def test_near_by_it_is_not(tmp_path: Path, host: str) -> None:
    assert hop(tmp_path, host) == []


def test_the_examples_url_is_warned_of(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text().replace("videomost.corp.test", "videomost.example.org"))
    (problem,) = problems(path)
    assert (problem.key, problem.warning) == ("provider.videomost.base_url", True)
    assert "policy.organizer_domains" in problem.message


def test_a_socket_is_judged_by_where_it_is_bound() -> None:
    settings = Settings(listen=Listen(allow=(ip_network("11.0.0.0/8"),)))
    assert exposed(settings, "smtp", "127.0.0.1") == exposed(settings, "http", "::1") == []
    assert [problem.key for problem in exposed(settings, "smtp", "192.0.2.2")] == ["listen.allow"]
    assert [problem.key for problem in exposed(settings, "http", "::")] == ["http.password_file"]
