"""The provider that the settings name: how it is made, and what shows only when it and the wording are made.

Not here: the guard around it (`guard`), where it is used (`app`, `trial`, `doctor`).

Errors: Misconfigured, naming the setting.
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import assert_never

from mailhook import texts
from mailhook.config import Problem, Settings, VideomostSettings
from mailhook.config.problem import is_secret
from mailhook.errors import Misconfigured
from mailhook.phrasebook import template_problems
from mailhook.ports import Provider
from mailhook.provider import external
from mailhook.provider.route import Route
from mailhook.provider.sandbox import Sandbox
from mailhook.provider.session import Witness
from mailhook.provider.videomost import Videomost


async def start_sandbox(settings: Settings, stack: AsyncExitStack) -> Sandbox | None:
    if settings.provider.kind != "sandbox":
        return None
    own = settings.provider.sandbox
    sandbox = Sandbox(public_url=own.public_url, state=Path(own.state) if own.state else None)
    await sandbox.start(own.host, own.port)
    stack.push_async_callback(sandbox.stop)
    return sandbox


def with_sandbox_at(settings: Settings, port: int) -> Settings:
    """The settings, with the port that the local Videomost really has."""
    sandbox = settings.provider.sandbox.model_copy(update={"port": port})
    return settings.model_copy(update={"provider": settings.provider.model_copy(update={"sandbox": sandbox})})


def make_provider(
    settings: Settings,
    sandbox: Sandbox | None,
    stack: AsyncExitStack,
    secret: bytes,
    witness: Witness | None = None,
) -> Provider:
    """What the settings name, without a guard; `secret`: the store's; `witness` sees every HTTP exchange."""
    provider = _provider(settings, sandbox, secret, witness)
    stack.push_async_callback(provider.close)
    return provider


def _provider(
    settings: Settings, sandbox: Sandbox | None, secret: bytes, witness: Witness | None
) -> Provider:
    kind = settings.provider.kind
    match kind:
        case "sandbox":
            own = settings.provider.sandbox
            base = sandbox.url if sandbox else f"http://{own.host}:{own.port}"
            hosts = texts.link_hosts(own.public_url or base)
            return Videomost(base, link_hosts=hosts, kind="sandbox", witness=witness)
        case "videomost":
            return _videomost(settings.provider.videomost, secret, witness)
        case "external":
            own_file = settings.provider.external
            seconds = own_file.timeout.total_seconds()
            return external.load(Path(own_file.file), own_file.options, own_file.link_hosts, seconds)
        case None:
            raise Misconfigured('provider.kind is missing: "videomost", or "sandbox" to try mailhook out')
        case _:
            assert_never(kind)


def _videomost(vm: VideomostSettings, secret: bytes, witness: Witness | None) -> Videomost:
    return Videomost(
        vm.base_url,
        token=vm.token,
        link_hosts=vm.link_hosts,
        fallback_owner=vm.fallback_owner,
        timeout=vm.timeout.total_seconds(),
        transport=vm.transport,
        mode=vm.mode,
        secret=secret,
        route=Route(vm.ca_file, vm.client_cert_file, vm.client_key_file, vm.proxy),
        witness=witness,
    )


def secrets(settings: Settings) -> tuple[str, ...]:
    """What must not be shown of an exchange with the provider."""
    vm, options = settings.provider.videomost, settings.provider.external.options
    hidden = (str(value) for name, value in options.items() if is_secret(name))
    return tuple(filter(None, (vm.token, vm.auth.password, *hidden)))


def _problems(settings: Settings, known: Sequence[Problem]) -> list[Problem]:
    """What keeps the provider from being made: certificates, and the Python file of an external one.

    Nothing where errors among those that are `known` already say so.
    """
    where = {"videomost": "provider.videomost", "external": "provider.external.file"}
    key = where.get(settings.provider.kind or "")
    if key is None or any(f"{each.key}.".startswith(f"{key}.") for each in known if not each.warning):
        return []
    try:
        _provider(settings, None, b"", None)
    except Misconfigured as error:
        return [Problem(key, "", line) for line in str(error).splitlines()]
    return []


def tried(settings: Settings, known: Sequence[Problem]) -> list[Problem]:
    """What shows only when the provider and the wording are made."""
    return [*_problems(settings, known), *template_problems(settings)]
