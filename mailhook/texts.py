"""What the settings say of texts: whose wording is used, how it goes into a mail, and which links are ours.

What: `make_wording`, `make_notice_wording` read the shipped templates and those of an administrator over them; `manner`
says how a mail is rewritten.

Not here: rendering (`core.wording`, `core.notice_wording`), and rewriting (`writer`).

Errors: Misconfigured for a template that is missing or broken; OSError.
"""

from pathlib import Path
from typing import assert_never
from urllib.parse import urlsplit

from mailhook.config import Settings
from mailhook.core.notice_wording import NoticeWording
from mailhook.core.wording import Wording
from mailhook.writer import Manner, Writer


def manner(settings: Settings) -> Manner:
    return Manner(
        location=settings.rewrite.location,
        position=settings.rewrite.position,
        dkim=settings.rewrite.dkim,
        language=settings.templates.language,
        languages=tuple(settings.templates.domains.items()),
        test=settings.provider.kind == "sandbox",
        link_hosts=own_link_hosts(settings),
    )


def own_link_hosts(settings: Settings) -> tuple[str, ...]:
    """The hosts that join links of our Videomost name."""
    match settings.provider.kind:
        case "sandbox":
            own = settings.provider.sandbox
            return link_hosts(own.public_url or f"http://{own.host}")
        case "videomost":
            vm = settings.provider.videomost
            return vm.link_hosts or link_hosts(vm.base_url)
        case "external":
            return settings.provider.external.link_hosts
        case None:
            return ()
        case _:
            assert_never(settings.provider.kind)


def make_writer(settings: Settings) -> Writer:
    return Writer(settings.policy, make_wording(settings), manner(settings))


def make_wording(settings: Settings) -> Wording:
    return Wording(_templates(settings), settings.templates.language)


def make_notice_wording(settings: Settings) -> NoticeWording:
    return NoticeWording(
        _templates(settings),
        settings.templates.language,
        next(iter(settings.policy.opt_out), ""),
        test=settings.provider.kind == "sandbox",
    )


def try_templates(settings: Settings) -> None:
    """Misconfigured when a template that is used is missing or broken."""
    make_wording(settings)
    if settings.organizer.notice.enabled:
        make_notice_wording(settings)


def link_hosts(url: str) -> tuple[str, ...]:
    """The host of `url`, without port and brackets."""
    return (urlsplit(url).hostname or "",)


def _templates(settings: Settings) -> dict[str, str]:
    """The shipped templates, with those of `templates.path` over them."""
    sources = read_templates(shipped("templates"))
    if settings.templates.path:
        sources |= read_templates(Path(settings.templates.path))
    return sources


def shipped(name: str) -> Path:
    """A folder that comes with mailhook: inside the installed package, or beside it in a source tree."""
    package = Path(__file__).parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def read_templates(folder: Path) -> dict[str, str]:
    """language/file → source."""
    kinds = ("*/*.txt.j2", "*/*.html.j2")
    paths = (path for kind in kinds for path in folder.glob(kind))
    return {f"{path.parent.name}/{path.name}": path.read_text(encoding="utf-8") for path in paths}
