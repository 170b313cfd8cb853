"""The commands by which an administrator sees and changes what is written: `preview` and `templates`.

What: their arguments, and what they print.

Not here: what would be done with a message (`preview`), the page (`comparison`), template files (`phrasebook`).

Errors: what these raise; the exit status is 1 where there is no browser, and where a file was kept.
"""

import argparse
import os
import sys
import tempfile
import webbrowser
from pathlib import Path

from mailhook import app, texts
from mailhook.comparison import differences, document, title_of
from mailhook.config import PolicySettings, Provider, Settings, load
from mailhook.core.itip import Invitation
from mailhook.core.policy import domain
from mailhook.errors import MailhookError
from mailhook.phrasebook import copied
from mailhook.preview import envelope_of, preview, read

OK, NOT_IN_ORDER = 0, 1


def add_preview(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "preview",
        help="what would be done with a message",
        description="Decision, reason and difference for one message, as for a meeting that is not known yet. "
        "No side effects. Without --config the organizer's domain counts as yours.",
    )
    parser.add_argument("file", metavar="FILE.eml", type=Path)
    parser.add_argument("--config", metavar="FILE", type=Path, help="the settings (TOML)")
    parser.add_argument(
        "--output", metavar="NEW.eml", type=Path, help="write the message as it would be relayed"
    )
    parser.add_argument(
        "--html", metavar="PAGE.html", type=Path, help="write a page with the message before and after"
    )
    parser.add_argument("--open", action="store_true", help="open that page in a browser")
    parser.set_defaults(command=_preview)


def add_templates(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "templates", help="the wording", description="Wording of your own (docs/templates.md)."
    )
    kinds = parser.add_subparsers(required=True, metavar="COMMAND")
    init = kinds.add_parser(
        "init",
        help="copy the templates that come with mailhook",
        description="Copies them into DIR, one folder for each language, to be changed there. What is there already "
        "is kept; exit status 1 if it differs. Delete what you do not change: mailhook then uses its own.",
    )
    init.add_argument("folder", metavar="DIR", type=Path)
    init.add_argument("--force", action="store_true", help="replace files that are there already")
    init.set_defaults(command=_templates_init)


# --- commands ------------------------------------------------------------------------------------------


def _preview(options: argparse.Namespace) -> int:
    raw = options.file.read_bytes()
    settings = load(options.config) if options.config else _settings_for(raw)
    base = settings.provider.videomost.base_url or "https://videomost.example"
    shown = preview(raw, settings.policy, texts.make_writer(settings), base, app.utc_now())
    if options.output:
        options.output.write_bytes(shown.content)
    page = _page_file(options)
    if page:
        html = document(title_of(raw), shown.facts, raw, shown.content)
        page.write_text(html, encoding="utf-8", errors="replace")
    for name, value in shown.facts:
        print(f"{name + ':':9} {value}")
    for line in differences(raw, shown.content):
        print(line)
    return _opened(page) if page and options.open else OK


def _page_file(options: argparse.Namespace) -> Path | None:
    """Where the page goes: as told, or into a temporary file that only this user may read."""
    told: Path | None = options.html
    if told or not options.open:
        return told
    handle, name = tempfile.mkstemp(prefix="mailhook-", suffix=".html")
    os.close(handle)
    return Path(name)


def _opened(page: Path) -> int:
    if webbrowser.open(page.resolve().as_uri()):
        return OK
    print(f"mailhook: there is no browser here; the page is {page}", file=sys.stderr)
    return NOT_IN_ORDER


def _templates_init(options: argparse.Namespace) -> int:
    files = list(copied(options.folder, force=options.force))
    kept = [path for path, written in files if not written]
    for path in kept:
        print(f"kept {path}: it differs; --force would replace it", file=sys.stderr)
    print(f"{len(files) - len(kept)} files copied to {options.folder}")
    print(f'Set path = "{options.folder.resolve()}" in [templates], delete what you do not change, and let')
    print("`mailhook check` look at the rest.")
    return NOT_IN_ORDER if kept else OK


def _settings_for(raw: bytes) -> Settings:
    """The defaults, with the organizer's domain as ours and the sender trusted."""
    bare = Settings(provider=Provider(kind="videomost"))
    try:
        parsed, invitation = read(raw, bare.policy)
    except MailhookError:
        return bare
    if not isinstance(invitation, Invitation):
        return bare
    rules = PolicySettings(
        organizer_domains=(domain(invitation.key.organizer),),
        trusted_senders=tuple(filter(None, (envelope_of(parsed).sender,))),
    )
    return Settings(provider=bare.provider, policy=rules)
