"""Who may hand in mail, and how safe the ways in and out are.

What: `security` looks at what lets others in and at the files of TLS and passwords; `exposed` at the address to which
a socket is really bound; `warnings_of_files` at who can read the files, and how long certificates are still valid.

A network is wide if it holds public addresses and is larger than a /24 (IPv6: /64): a company's own mail servers stand
in one such network, the least that is routed in the Internet; whoever owns more names them one by one, or says
`listen.open_relay = true`.

Errors: none; what is wrong is a `Problem`.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Literal

from mailhook.certificates import Pem, client, expiry, server
from mailhook.config.checks import loopback
from mailhook.config.http import http
from mailhook.config.problem import Problem, shown
from mailhook.config.settings import Settings
from mailhook.errors import Misconfigured

PRIVATE = tuple(
    ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
)
MAPPED = IPv6Network("::ffff:0:0/96")
WIDEST_PUBLIC = {4: 24, 6: 64}
EXPIRES_SOON = timedelta(days=14)

_WAYS_OUT = (
    "name your own mail servers, let others log in (listen.passwords_file), or say listen.open_relay = true where a "
    "firewall keeps strangers out"
)
_MEANT = "is an open relay for whoever reaches mailhook from there; listen.open_relay says that this is meant"


def security(settings: Settings) -> list[Problem]:
    """Contradictions, and files that cannot be used."""
    checks = (_open_relay, _listener_tls, _logins, _next_hop)
    return [problem for check in checks for problem in check(settings)]


def exposed(settings: Settings, name: Literal["smtp", "http"], host: str) -> list[Problem]:
    """What keeps us from accepting on a socket that is bound to `host`: systemd does not ask the settings where."""
    section = "listen" if name == "smtp" else "http"
    there = getattr(settings, section).model_copy(update={"host": host})
    moved = settings.model_copy(update={section: there})
    found = _open_relay(moved) if name == "smtp" else http(moved)
    return [problem for problem in found if not problem.warning]


def warnings_of_files(settings: Settings) -> list[Problem]:
    """Keys that others can read, certificates that expire soon or have expired."""
    listen, hop = settings.listen, settings.nexthop
    found: list[Problem] = []
    for key, file in (
        ("listen.tls_key", listen.tls_key or listen.tls_cert),
        ("nexthop.client_key_file", hop.client_key_file or hop.client_cert_file),
        ("listen.passwords_file", listen.passwords_file),
    ):
        found += _loose(key, file)
    for key, file in (
        ("listen.tls_cert", listen.tls_cert),
        ("nexthop.client_cert_file", hop.client_cert_file),
    ):
        found += _expiring(key, file)
    return found


def _loose(key: str, file: str) -> Iterator[Problem]:
    try:
        mode = os.stat(file).st_mode if file else 0
    except OSError:
        return
    if mode & stat.S_IROTH:
        why = "the file can be read by everybody on this machine: chmod o-r"
        yield Problem(key, shown("", file), why, warning=True)


def _expiring(key: str, file: str) -> Iterator[Problem]:
    try:
        left = expiry(file) - datetime.now(UTC) if file else EXPIRES_SOON
    except Misconfigured:
        return
    if left <= timedelta(0):
        yield Problem(key, shown("", file), "has expired: peers refuse it; renew it", warning=True)
    elif left < EXPIRES_SOON:
        why = f"expires in {left.days} days; renew it: it is read again without a restart"
        yield Problem(key, shown("", file), why, warning=True)


def _listener_tls(settings: Settings) -> Iterator[Problem]:
    listen = settings.listen
    if listen.starttls == "off":
        for name in ("tls_cert", "client_ca"):
            if getattr(listen, name):
                why = 'has no effect while listen.starttls is "off"; set that to "optional" or "required"'
                yield Problem(f"listen.{name}", shown("", getattr(listen, name)), why)
        return
    if not listen.tls_cert:
        yield Problem("listen.tls_cert", '""', f'should be given with listen.starttls = "{listen.starttls}"')
        return
    try:
        server(Pem(listen.tls_cert, listen.tls_key, listen.client_ca))
    except Misconfigured as error:
        yield Problem("listen.tls_cert", "", str(error))


def _logins(settings: Settings) -> Iterator[Problem]:
    listen = settings.listen
    if not listen.passwords_file:
        return
    if listen.starttls == "off":
        why = "has no effect without TLS: no password is taken in the clear; set listen.starttls"
        yield Problem("listen.passwords_file", shown("", listen.passwords_file), why)
    if not os.access(listen.passwords_file, os.R_OK):
        why = "cannot be read; `mailhook password USER` makes a line of it"
        yield Problem("listen.passwords_file", shown("", listen.passwords_file), why)


def _next_hop(settings: Settings) -> Iterator[Problem]:
    hop = settings.nexthop
    if bool(hop.username) != bool(hop.password):
        lacking = "password" if hop.username else "username"
        yield Problem(f"nexthop.{lacking}", '""', "should be given too: username and password go together")
    if hop.username and hop.tls in {"off", "opportunistic"} and not loopback(hop.host):
        why = 'should be "starttls" or "implicit": no password is said in the clear, or to who knows whom'
        yield Problem("nexthop.tls", shown("", hop.tls), why)
    if hop.tls == "off":
        for name in ("ca_file", "client_cert_file", "tls_name"):
            if getattr(hop, name):
                why = 'has no effect while nexthop.tls is "off"'
                yield Problem(f"nexthop.{name}", shown("", getattr(hop, name)), why)
        return
    try:
        pem = Pem(hop.client_cert_file, hop.client_key_file, hop.ca_file)
        client(pem, verified=hop.tls != "opportunistic")
    except Misconfigured as error:
        yield Problem("nexthop.tls", shown("", hop.tls), str(error))


# --- who may hand in mail -----------------------------------------------------------------------------------------


def _open_relay(settings: Settings) -> Iterator[Problem]:
    networks, key = settings.listen.allow, "listen.allow"
    value = shown(key, [str(network) for network in networks])
    if not networks:
        yield Problem(key, value, "should name who may hand in mail; nobody could")
    meant = settings.listen.open_relay
    if _everything(networks):
        why = f"lets everybody hand in mail: an open relay; {_WAYS_OUT}"
        yield Problem(key, value, _MEANT if meant else why, warning=meant)
    elif not loopback(settings.listen.host):
        for network in networks:
            yield from _wide(network, settings.listen.host, meant=meant)


def _everything(networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    plain = [_unmapped(network) for network in networks]
    four = collapse_addresses(network for network in plain if isinstance(network, IPv4Network))
    six = collapse_addresses(network for network in plain if isinstance(network, IPv6Network))
    return IPv4Network("0.0.0.0/0") in four or IPv6Network("::/0") in six


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """IPv4 networks written as IPv4-mapped IPv6 (RFC 4291 §2.5.5.2) as what they are."""
    if isinstance(network, IPv6Network) and network.subnet_of(MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
    return network


def _wide(written: IPv4Network | IPv6Network, host: str, *, meant: bool) -> Iterator[Problem]:
    network, value = _unmapped(written), shown("", str(written))
    if any(network.version == known.version and network.subnet_of(known) for known in PRIVATE):  # type: ignore[arg-type]
        return
    if network.prefixlen < WIDEST_PUBLIC[network.version]:
        why = f"with listen.host {host} is an open relay for a part of the Internet; {_WAYS_OUT}"
        yield Problem("listen.allow", value, _MEANT if meant else why, warning=meant)
    elif network.num_addresses > 1:
        why = "are public addresses: make sure that all of them are your own mail servers"
        yield Problem("listen.allow", value, why, warning=True)
