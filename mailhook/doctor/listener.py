"""The listener: who can reach it, and whether a process serves it.

Errors: none; what goes wrong is a finding.
"""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from mailhook.certificates import Pem, client
from mailhook.config import Settings
from mailhook.doctor.finding import Finding, failure, ok, warning
from mailhook.doctor.visit import Visit, because, visit
from mailhook.errors import Temporary
from mailhook.smtp import replies
from mailhook.smtp.replies import BANNER

EXPOSURE, LISTENER = "exposure", "listener"
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound

Networks = Sequence[IPv4Network | IPv6Network]


async def exposure(settings: Settings) -> list[Finding]:
    host = settings.listen.host
    try:
        addresses = await _addresses(host)
    except OSError as error:
        sentence = f"listen.host {host} is no address that this machine can listen on: {because(error)}"
        return [failure(EXPOSURE, sentence, 'set it to 127.0.0.1, or to an address that "ip address" shows')]
    return [exposed(host, all(ip_address(each).is_loopback for each in addresses), settings.listen.allow)]


async def _addresses(host: str) -> list[str]:
    """Those that `host` stands for, each tried on a port that is free."""
    found = await asyncio.get_running_loop().getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as trial:
            trial.bind(address)
    return [str(address[0]).partition("%")[0] for *_, address in found]


def exposed(host: str, loopback: bool, allow: Networks) -> Finding:
    """`loopback`: no other machine can reach `host`."""
    strangers = [network for network in allow if not network.is_loopback]
    if loopback:
        return ok(EXPOSURE, f"only this machine can reach {host}")
    if not strangers:
        sentence = (
            f"{host} can be reached from outside, but listen.allow turns away all but this machine (421)"
        )
        return warning(EXPOSURE, sentence, "listen on 127.0.0.1, or name your mail servers in listen.allow")
    names, count = ", ".join(map(str, strangers)), sum(network.num_addresses for network in strangers)
    if count > len(strangers):
        sentence = f"{count} addresses ({names}) may send any mail through your mail server by {host}"
        return warning(
            EXPOSURE, sentence, "name single mail servers in listen.allow, and see to your firewall"
        )
    return ok(EXPOSURE, f"{host} takes mail from {names} only")


async def listening(settings: Settings) -> list[Finding]:
    listen = settings.listen
    if listen.port == 0:
        sentence = "listen.port is 0: each start takes another port, which no mail server can know"
        return [warning(LISTENER, sentence, "set listen.port")]
    host = EVERYWHERE.get(listen.host, listen.host)
    try:
        async with visit(host, listen.port) as guest:
            where = f"{host}:{listen.port}"
            return [_greeted(where, guest.greeting), *await _tls(guest, where, settings)]
    except Temporary as error:
        sentence = f"no mailhook serves {host}:{listen.port}: {error}"
        return [warning(LISTENER, sentence, "start mailhook serve; its log says why if it does not stay")]


async def _tls(guest: Visit, where: str, settings: Settings) -> list[Finding]:
    """Whether the certificate that is shown is one that can be used; its name is the clients' affair."""
    if settings.listen.starttls == "off" or guest.greeting.code != 220:
        return []
    await guest.say("EHLO localhost")
    try:
        await guest.start_tls(client(Pem(), verified=False), "localhost")
    except Temporary as error:
        sentence = f"{where} does not begin TLS as listen.starttls says: {error}"
        return [
            failure(LISTENER, sentence, "restart mailhook serve if the settings have changed; see its log")
        ]
    return [ok(LISTENER, f"{where} speaks {guest.writer.get_extra_info('ssl_object').version()}")]


def _greeted(where: str, greeting: replies.Reply) -> Finding:
    if greeting.code == 220 and BANNER in greeting.text:
        return ok(LISTENER, f"a mailhook serves {where}")
    if greeting == replies.NOT_ALLOWED:
        sentence = f"a mailhook serves {where}, but listen.allow does not let this machine hand in mail"
        return warning(
            LISTENER, sentence, "add this machine to listen.allow if its mail server is to use mailhook"
        )
    if greeting in (replies.SHUTTING_DOWN, replies.TOO_MANY_CONNECTIONS):
        return warning(LISTENER, f"a mailhook serves {where}, but says {greeting.text}", "look into its log")
    sentence = f"{where} is served by something else, which says {greeting.text}"
    return failure(LISTENER, sentence, "stop that, or set listen.port to a free one")
