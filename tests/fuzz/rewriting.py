"""Coverage-guided fuzzing of scanning, reading, deciding and rewriting, with atheris (not part of the test run):

    pip install atheris
    nice python -m tests.fuzz.rewriting -max_total_time=600 [FOLDER]

FOLDER keeps what reaches new code; it is filled with the golden messages if it is empty. The first octet of an input
chooses the options, the rest is the message. A broken promise (tests/core/fidelity.py), an exception, or an input that
takes longer than `-timeout` ends the run, and the input is left in the current folder.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["mailhook.core", "mailhook.smtp"]):
    from mailhook.core import itip, message
    from mailhook.core.itip import Invitation
    from mailhook.core.policy import Policy, defaults, wish
    from mailhook.core.rewrite import Options
    from mailhook.core.wording import Block
    from mailhook.errors import Unreadable
    from tests.core import fidelity

GOLDEN = Path(__file__).parents[1] / "golden"
LINK = "https://vm.corp.example/service/join/?confid=0123456789abcdef&confpass=1234"
ESCAPED = LINK.replace("&", "&amp;")
HTML = f'<b>Конференция</b><br><a href="{ESCAPED}">{ESCAPED}</a>'
BLOCK = Block(f"Конференция\n{LINK}", HTML, f"Конференция\n{LINK}", HTML, LINK, "Конференция")
POLICY = Policy(organizer_domains=("corp.example",))
DEFAULTS = defaults(POLICY)


def chosen(octet: int) -> Options:
    return Options(
        location=("if-empty", "append", "never")[octet % 3],
        position="top" if octet & 4 else "bottom",
        keywords=("videomost",),
        eight_bit=bool(octet & 8),
    )


def one(data: bytes) -> None:
    octet, raw = data[:1] or b"\0", data[1:]
    fidelity.check(raw, BLOCK, LINK, chosen(octet[0]))
    try:
        invitation = itip.read(message.read(raw), DEFAULTS)
    except Unreadable:
        return
    if isinstance(invitation, Invitation):
        wish(POLICY, invitation, ("vm.corp.example",))


def seeds(folder: Path) -> None:
    for number, path in enumerate(sorted(GOLDEN.rglob("*.eml"))):
        content = path.read_bytes()
        if len(content) < 8000:
            (folder / f"golden-{number}").write_bytes(bytes((number % 16,)) + content)


def main() -> None:
    flags = [each for each in sys.argv[1:] if each.startswith("-")]
    folders = [Path(each) for each in sys.argv[1:] if not each.startswith("-")]
    folder = folders[0] if folders else Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        seeds(folder)
    atheris.Setup([sys.argv[0], "-timeout=10", "-max_len=20000", *flags, str(folder)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
