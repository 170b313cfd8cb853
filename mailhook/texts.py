"""What the settings say of texts: how the wording goes into a mail, and which links are ours.

What: `manner` says how a mail is rewritten, `make_writer` is what does it outside of the relay.

Not here: the wording (`phrasebook`), and rewriting (`writer`).

Errors: Misconfigured for a template that is missing or broken; OSError.
"""

from typing import assert_never
from urllib.parse import urlsplit

from mailhook.config import Settings
from mailhook.phrasebook import Phrasebook
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
    return Writer(settings.policy, Phrasebook(settings).blocks, manner(settings))


def link_hosts(url: str) -> tuple[str, ...]:
    """The host of `url`, without port and brackets."""
    return (urlsplit(url).hostname or "",)
