"""What the settings say of the two sides of the hop: who may hand in mail and how, and how the next hop is spoken to.

Not here: both sides themselves (`front`, `nexthop`).

Errors: Misconfigured where a certificate cannot be used.
"""

import socket
from functools import partial

from mailhook import journal
from mailhook.certificates import Kept, Pem, client, server
from mailhook.config import Settings
from mailhook.front import descriptors
from mailhook.front.auth import Passwords
from mailhook.front.dialogue import Terms
from mailhook.front.limits import Limits
from mailhook.front.standing import Entry
from mailhook.nexthop.pool import Pool
from mailhook.nexthop.session import Safety
from mailhook.smtp.auth import Credentials


def make_pool(settings: Settings) -> Pool:
    hop = settings.nexthop
    return Pool(
        hop.host,
        hop.port,
        hostname=own_name(settings),
        connect_timeout=hop.connect_timeout.total_seconds(),
        command_timeout=hop.command_timeout.total_seconds(),
        data_timeout=hop.data_timeout.total_seconds(),
        limit=hop.max_sessions,
        safety=safety(settings),
    )


def safety(settings: Settings) -> Safety:
    """How the next hop is spoken to. Misconfigured: a file cannot be used."""
    hop = settings.nexthop
    credentials = Credentials(hop.username, hop.password) if hop.username else None
    if hop.tls == "off":
        return Safety(credentials=credentials)
    pem = Pem(hop.client_cert_file, hop.client_key_file, hop.ca_file)
    verified = hop.tls != "opportunistic"
    kept = Kept(partial(client, pem, verified=verified), pem)
    return Safety(hop.tls, kept.context, hop.tls_name or hop.host, credentials)


def entry(settings: Settings) -> Entry:
    """Who may come in, and how. Misconfigured: a file cannot be used."""
    listen = settings.listen
    if listen.starttls == "off":
        return Entry()
    pem = Pem(listen.tls_cert, listen.tls_key, listen.client_ca)
    passwords = Passwords(listen.passwords_file) if listen.passwords_file else None
    return Entry(listen.starttls, Kept(partial(server, pem), pem), passwords, bool(listen.client_ca))


def longest_transaction(settings: Settings) -> float:
    """Seconds that a mail may take after its content: a stop waits as long, for what is cut is delivered twice."""
    return (settings.policy.deadline + settings.nexthop.data_timeout).total_seconds()


def own_name(settings: Settings) -> str:
    name = settings.listen.hostname or socket.gethostname()
    return name if name and name.isascii() else "localhost"


def terms(settings: Settings) -> Terms:
    listen = settings.listen
    return Terms(
        hostname=own_name(settings),
        allow=tuple(str(network) for network in listen.allow),
        max_size=listen.max_size,
        timeout=listen.timeout.total_seconds(),
        limits=Limits(
            max_connections=connections(settings),
            max_connections_per_peer=listen.max_connections_per_peer,
            max_transactions=listen.max_transactions,
            sessions=settings.nexthop.max_sessions,
            max_in_flight=listen.max_in_flight,
        ),
        entry=entry(settings),
        bare_newlines=listen.bare_newline == "pass",
    )


def connections(settings: Settings) -> int:
    """How many clients may be connected: as many as the settings say, if there are file descriptors for them."""
    wanted = settings.listen.max_connections
    # A large message is in a file.
    others = settings.nexthop.max_sessions + settings.listen.max_transactions
    to_be_had = max(descriptors.provide(wanted + others) - others, 1)
    if to_be_had < wanted:
        journal.event("few-descriptors", error=f"only {to_be_had} connections are taken; raise LimitNOFILE")
    return to_be_had
