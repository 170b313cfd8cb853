"""What does not go together, although each value by itself is right.

What: `crosswise` looks at the settings and at the files that they name.

Not here: single values (`values`), what this machine allows (`permissions`), and whether peers answer.

Errors: none; what is wrong is a `Problem`.
"""

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from mailhook.config.problem import Problem, shown
from mailhook.config.settings import ExternalSettings, Settings, VideomostSettings
from mailhook.transport.trying import faults

# Postfix waits this long for the reply to the dot, as a client of a content filter (smtp_data_done_timeout), and
# this long for any reply as a client of a before-queue filter (smtpd_proxy_timeout); both less some time for us.
DOT_REPLY = timedelta(seconds=590)
PROXY_REPLY = timedelta(seconds=90)
SHORTEST_TIMEOUT = timedelta(seconds=30)
SMALLEST_LIMIT = 1024 * 1024
SMALLEST_MEMORY = 16 * 1024 * 1024
SHORTEST_GRACE = timedelta(minutes=10)

PLACEHOLDER = "videomost.example.org"
"""Stands in config.example.toml."""

SHIPPED_LANGUAGES = ("ru", "en")


def crosswise(settings: Settings) -> list[Problem]:
    """Every contradiction within the settings."""
    checks = (
        *(_loop, _provider, _times, _domains, _markers, _limits),
        *(_store, _templates),
    )
    return [problem for check in checks for problem in check(settings)]


def loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _loop(settings: Settings) -> Iterator[Problem]:
    listen, hop = settings.listen, settings.nexthop
    wildcard = listen.host in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    same = listen.host.lower() == hop.host.lower() or (
        loopback(hop.host) and (wildcard or loopback(listen.host))
    )
    if listen.port == hop.port and same:
        yield Problem(
            "nexthop.port", str(hop.port), "is where mailhook itself listens: mail would go round in a loop"
        )


# --- the provider ---------------------------------------------------------------------------------------------------


def _provider(settings: Settings) -> Iterator[Problem]:
    provider = settings.provider
    match provider.kind:
        case None:
            yield Problem(
                "provider.kind", "", 'should be given: "videomost", or "sandbox" to try mailhook out'
            )
        case "external":
            yield from _external(provider.external)
        case "sandbox":
            yield from _sandbox(provider.sandbox.public_url)
        case "videomost":
            yield from _videomost(provider.videomost)


def _sandbox(public_url: str) -> Iterator[Problem]:
    why = "is for trying out: invitations are marked as TEST and lead to no real conference"
    yield Problem("provider.kind", '"sandbox"', why, warning=True)
    if not public_url:
        why = "should be the URL at which the readers of the invitations reach the sandbox"
        yield Problem("provider.sandbox.public_url", '""', why)


def _videomost(videomost: VideomostSettings) -> Iterator[Problem]:
    key, base_url = "provider.videomost.base_url", videomost.base_url
    parts = urlsplit(base_url)
    if not base_url:
        yield Problem(key, '""', "should be the URL of your Videomost, such as https://videomost.example.org")
    elif parts.hostname == PLACEHOLDER:
        why = (
            "is the example's: put the URL of your own Videomost there; token_file and policy.organizer_domains are "
            "yours to fill in too"
        )
        yield Problem(key, shown(key, base_url), why, warning=True)
    elif parts.scheme != "https" and not loopback(parts.hostname or ""):
        why = "should begin with https: the token and the join links can be read on the way"
        yield Problem(key, shown(key, base_url), why, warning=True)
    if videomost.client_key_file and not videomost.client_cert_file:
        why = "should be given with client_key_file"
        yield Problem("provider.videomost.client_cert_file", '""', why)
    for fault in faults(videomost.transport):
        where = f"provider.videomost.{fault.key}"
        yield Problem(where, shown(where, fault.value) if fault.value else "", fault.message)
    yield from _left_undone(videomost)
    if videomost.transport.capabilities.sends_mail:
        why = "means that participants are told twice: switch it off in the body of create, if the API can"
        yield Problem("provider.videomost.capabilities.sends_mail", "true", why, warning=True)


def _left_undone(videomost: VideomostSettings) -> Iterator[Problem]:
    """What stays as it is at the provider, because there is no operation for it."""
    operations = videomost.transport.operations
    for name, what in (
        ("update", "a conference stays as it was made: no new date, title or participant reaches it"),
        ("delete", "a conference that nobody wants any more stays until somebody deletes it by hand"),
    ):
        if operations.create.method and not getattr(operations, name).method:
            why = f"is not given: {what}"
            yield Problem(f"provider.videomost.operations.{name}.method", "", why, warning=True)


def _external(external: ExternalSettings) -> Iterator[Problem]:
    if not external.file:
        why = "should be the path of a Python file (docs/videomost.md, “In Python”)"
        yield Problem("provider.external.file", '""', why)
    elif not Path(external.file).is_absolute():
        why = "should be an absolute path, beginning with /"
        yield Problem("provider.external.file", shown("", external.file), why)
    if not external.link_hosts:
        why = "should name the hosts that a join link may name: every link would be refused"
        yield Problem("provider.external.link_hosts", "[]", why)


# --- times, limits, names ---------------------------------------------------------------------------------------------


def _times(settings: Settings) -> Iterator[Problem]:
    policy, data = settings.policy, settings.nexthop.data_timeout
    deadline = shown("", policy.deadline)
    if policy.deadline >= PROXY_REPLY:
        why = (
            "should be shorter than 90s: the client waits no longer for a reply and would send the mail again"
        )
        yield Problem("policy.deadline", deadline, why)
    if policy.deadline + data > DOT_REPLY:
        why = (
            f"should be at most 590s less policy.deadline ({deadline}): the client waits 600s for the reply to a "
            "message and would then deliver it twice"
        )
        yield Problem("nexthop.data_timeout", shown("", data), why)
    yield from _patience(settings)
    if policy.delete_grace < policy.defer_for:
        why = f"should not be shorter than policy.defer_for ({shown('', policy.defer_for)}): an update may be deferred"
        yield Problem("policy.delete_grace", shown("", policy.delete_grace), why, warning=True)
    elif policy.delete_grace < SHORTEST_GRACE:
        why = "should be at least 10m, longer than the mail server's pause between tries: deleting cannot be undone"
        yield Problem("policy.delete_grace", shown("", policy.delete_grace), why, warning=True)


def _patience(settings: Settings) -> Iterator[Problem]:
    provider, deadline = settings.provider, settings.policy.deadline
    timeouts = {"videomost": provider.videomost.timeout, "external": provider.external.timeout}
    timeout = timeouts.get(provider.kind or "")
    if timeout is not None and timeout > deadline:
        why = (
            f"should be at most policy.deadline ({shown('', deadline)}): a mail waits no longer, and creating its "
            "conference is given up soon after; for a slower server raise policy.deadline too, below 90s"
        )
        yield Problem(f"provider.{provider.kind}.timeout", shown("", timeout), why, warning=True)


def _domains(settings: Settings) -> Iterator[Problem]:
    policy, key = settings.policy, "policy.organizer_domains"
    if not policy.organizer_domains:
        yield Problem(
            key, "[]", "should name the mail domains of your organizers; no invitation would get a link"
        )
        return
    for alias, domain in policy.domain_aliases.items():
        if domain not in policy.organizer_domains:
            why = f"should be one of {key}, or invitations from {alias} get no link"
            yield Problem(f"policy.domain_aliases.{alias}", shown("", domain), why)


def _markers(settings: Settings) -> Iterator[Problem]:
    policy = settings.policy
    for word in sorted(
        {w.casefold() for w in policy.opt_out} & {w.casefold() for w in (*policy.tags, *policy.keywords)}
    ):
        yield Problem("policy.opt_out", shown("", word), "should not be a keyword or a tag too")
    own = {
        *settings.provider.videomost.link_hosts,
        *settings.provider.external.link_hosts,
        urlsplit(settings.provider.videomost.base_url).hostname or "",
    }
    for host in policy.foreign_hosts:
        if any(name == host or name.endswith(f".{host}") for name in own):
            why = "is the host of your own join links, so no invitation that has one would get its conference"
            yield Problem("policy.foreign_hosts", shown("", host), why)


def _limits(settings: Settings) -> Iterator[Problem]:
    if 0 < settings.listen.max_size < SMALLEST_LIMIT:
        why = "should be 0 or at least 1MiB: larger mail would bounce"
        yield Problem("listen.max_size", str(settings.listen.max_size), why)
    if settings.listen.timeout < SHORTEST_TIMEOUT:
        why = "should be at least 30s: a client that pauses would be cut off"
        yield Problem("listen.timeout", shown("", settings.listen.timeout), why)
    yield from _overload(settings)
    waiting, sessions = settings.policy.max_waiting, settings.nexthop.max_sessions
    if waiting >= sessions:
        why = f"should be less than nexthop.max_sessions ({sessions}): waiting invitations would hold up all other mail"
        yield Problem("policy.max_waiting", str(waiting), why)
    workers = settings.listen.workers
    if workers > waiting:
        why = f"should not be more than policy.max_waiting ({waiting}), of which each worker has its share"
        yield Problem("listen.workers", str(workers), why)


def _overload(settings: Settings) -> Iterator[Problem]:
    listen = settings.listen
    if listen.max_in_flight < SMALLEST_MEMORY:
        why = "should be at least 16MiB: mail with many recipients would be held up"
        yield Problem("listen.max_in_flight", str(listen.max_in_flight), why)
    if listen.max_connections_per_peer > listen.max_connections:
        why = f"should be at most listen.max_connections ({listen.max_connections})"
        yield Problem("listen.max_connections_per_peer", str(listen.max_connections_per_peer), why)
    if listen.max_transactions < settings.nexthop.max_sessions:
        why = f"should be at least nexthop.max_sessions ({settings.nexthop.max_sessions})"
        yield Problem("listen.max_transactions", str(listen.max_transactions), why)


def _store(settings: Settings) -> Iterator[Problem]:
    if not Path(settings.store.path).is_absolute():
        yield Problem(
            "store.path", shown("", settings.store.path), "should be an absolute path, beginning with /"
        )


def _templates(settings: Settings) -> Iterator[Problem]:
    templates, folder = settings.templates, Path(settings.templates.path)
    if templates.path and not folder.is_dir():
        yield Problem("templates.path", shown("", templates.path), "should be a directory; there is none")
    named = {"templates.language": templates.language}
    named |= {f"templates.domains.{domain}": language for domain, language in templates.domains.items()}
    for key, language in named.items():
        if language not in SHIPPED_LANGUAGES and not (templates.path and (folder / language).is_dir()):
            why = f"should be one of {', '.join(SHIPPED_LANGUAGES)}, or a folder in templates.path"
            yield Problem(key, shown("", language), why)
