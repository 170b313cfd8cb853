"""Files that the settings name, where something else than a file stands there: told at once, and nothing waits."""

import os
from pathlib import Path

import pytest

from mailhook import files
from mailhook.config import Settings, Templates, problems
from mailhook.errors import Misconfigured
from mailhook.organizer import access
from mailhook.phrasebook import Phrasebook, template_problems
from mailhook.provider.external import load
from mailhook.provider.route import Route, trust

DEVICE = Path("/dev/zero")


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """Nobody writes into it: who opens it as a file waits for ever."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb")
    assert files.text(path, "utf-8-sig") == "a\nb"
    files.require_regular(path)


def test_what_is_no_file(fifo: Path) -> None:
    for path, why in (
        (fifo, "a FIFO"),
        (DEVICE, "a device"),
        (fifo.parent, "Is a directory"),
        (fifo.with_name("none"), "No such file"),
    ):
        for read in (files.text, files.require_regular):
            with pytest.raises(OSError, match=why):
                read(path)


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("[provider.videomost]\nbase_url = 'https://v.example'\ntoken_file = 'PATH'", "token_file"),
        ("[organizer.imap]\nhost = 'imap.example'\npassword_file = 'PATH'", "imap.password_file"),
        ("[organizer.imap]\nhost = 'imap.example'\npasswords_file = 'PATH'", "imap.passwords_file"),
        (
            "[organizer.caldav]\nurl = 'https://c.example/{user}'\npasswords_file = 'PATH'",
            "caldav.passwords_file",
        ),
        ("[organizer.imap]\nhost = 'imap.example'\nca_file = 'PATH'", "imap.ca_file"),
    ],
)
def test_settings_that_name_a_fifo(section: str, key: str, fifo: Path) -> None:
    settings = fifo.with_name("mailhook.toml")
    settings.write_text(section.replace("PATH", str(fifo)))
    assert [each for each in problems(settings) if each.key.endswith(key) and not each.warning]


def test_settings_that_are_a_fifo(fifo: Path) -> None:
    assert [each.message for each in problems(fifo)] == ["cannot be read: it is a FIFO, and should be a file"]


@pytest.mark.parametrize("device", [False, True])
def test_a_template_that_is_no_file(fifo: Path, device: bool) -> None:
    folder = fifo.parent / "templates" / "ru"
    folder.mkdir(parents=True)
    settings = Settings(templates=Templates(path=str(folder.parent)))
    (folder / "body.txt.j2").symlink_to(DEVICE if device else fifo)
    (told,) = template_problems(settings)
    assert (
        told.message
        == f"{folder / 'body.txt.j2'} cannot be read: it is a {'device' if device else 'FIFO'}, and should be a file"
    )
    with pytest.raises(Misconfigured):
        Phrasebook(settings)


def test_certificates_and_programs_that_are_no_files(fifo: Path) -> None:
    name = str(fifo)
    for route in (
        Route(ca_file=name),
        Route(client_cert_file=name),
        Route(client_cert_file=__file__, client_key_file=name),
    ):
        with pytest.raises(Misconfigured, match="FIFO"):
            trust(route)
    with pytest.raises(Misconfigured, match="FIFO"):
        access.trust("organizer.imap.ca_file", name)
    program = fifo.with_name("provider.py")
    fifo.rename(program)
    with pytest.raises(Misconfigured, match="FIFO"):
        load(program, {}, (), 1.0)


async def test_passwords_that_are_no_file(fifo: Path) -> None:
    with pytest.raises(Misconfigured, match="FIFO"):
        await access.passwords("organizer.caldav.passwords_file", str(fifo))
