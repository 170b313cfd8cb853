"""What `mailhook check` says of certificates, keys and password files."""

from pathlib import Path

import pytest

from mailhook.certificates import Pem
from mailhook.config import problems
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
