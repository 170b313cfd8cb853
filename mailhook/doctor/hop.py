"""The next hop: whether it takes our mail, and what it can.

What: greeting, EHLO, and MAIL FROM:<> without a recipient, which hands in nothing.

Not here: a loop behind the next hop (its content_filter leads back to us): only a mail would show it.

Errors: none; what goes wrong is a finding.
"""

from mailhook import sides
from mailhook.config import Settings
from mailhook.doctor.finding import Finding, failure, ok, warning
from mailhook.doctor.visit import Visit, visit
from mailhook.errors import Misconfigured, Temporary
from mailhook.nexthop.session import Safety
from mailhook.smtp.auth import Credentials, login_lines
from mailhook.smtp.ehlo import Capabilities
from mailhook.smtp.replies import BANNER

HOP, LIMITS = "next hop", "next hop's limits"
SMALL = 10 * 1024 * 1024
"""Octets: invitations with attachments are often larger."""

_LACKING = {
    "SIZE": "a mail that is too large is refused only after it was sent",
    "PIPELINING": "every command waits for its answer",
    "8BITMIME": "mail in 8 bit is converted before it comes, or refused",
    "SMTPUTF8": "mail to or from addresses with other letters than ASCII is refused",
    "DSN": "senders get no delivery reports that they ask for",
    "XFORWARD": "its log does not show the true client and queue id",
}


async def next_hop(settings: Settings) -> list[Finding]:
    hop = settings.nexthop
    where = f"{hop.host}:{hop.port}"
    try:
        safety = sides.safety(settings)
        context = safety.context() if safety.context is not None else None
        implicit = context if hop.tls == "implicit" else None
        async with visit(hop.host, hop.port, implicit, safety.name) as guest:
            return await _looked_at(guest, where, settings, safety)
    except Misconfigured as error:
        return [failure(HOP, str(error), "see nexthop.ca_file and client_cert_file in docs/configuration.md")]
    except Temporary as error:
        return [
            failure(
                HOP,
                f"{where}: {error}",
                "start the mail server's listener for mail that comes back (docs/postfix.md, section 2), and compare "
                "nexthop.tls, ca_file and tls_name with what it has",
            )
        ]


async def _looked_at(guest: Visit, where: str, settings: Settings, safety: Safety) -> list[Finding]:
    own = sides.own_name(settings)
    if BANNER in guest.greeting.text:
        name = guest.greeting.text.split()[1]
        who = "mailhook itself" if name == own else f"a mailhook ({name})"
        sentence = f"{where} is {who}: mail would go round in a loop"
        return [
            failure(HOP, sentence, "set nexthop to the mail server's own port: docs/postfix.md, section 2")
        ]
    if guest.greeting.code != 220:
        return [_refused(where, "a connection", guest.greeting.text)]
    ehlo = await guest.say(f"EHLO {own}")
    capabilities = Capabilities.parse(ehlo) if ehlo.positive else Capabilities()
    wanted = safety.tls == "starttls" or (safety.tls == "opportunistic" and "STARTTLS" in capabilities)
    if wanted and safety.context is not None:
        await guest.start_tls(safety.context(), safety.name)
        ehlo = await guest.say(f"EHLO {own}")
        capabilities = Capabilities.parse(ehlo) if ehlo.positive else Capabilities()
    hello = ehlo if ehlo.positive else await guest.say(f"HELO {own}")
    if not hello.positive:
        return [_refused(where, f"the name {own}", hello.text)]
    if safety.credentials is not None and (refused := await _login(guest, capabilities, safety.credentials)):
        return [_refused(where, "our login (nexthop.username)", refused)]
    mail = await guest.say("MAIL FROM:<>")
    if not mail.positive:
        return [_refused(where, "mail from us", mail.text), *limits(capabilities, settings.listen.max_size)]
    return [ok(HOP, f"{where} takes mail from us"), *limits(capabilities, settings.listen.max_size)]


async def _login(guest: Visit, capabilities: Capabilities, credentials: Credentials) -> str:
    """What is said against it, or ""."""
    lines = login_lines(capabilities.keywords.get("AUTH", b""), credentials)
    if lines is None:
        return "it offers neither AUTH PLAIN nor AUTH LOGIN"
    for line in lines:
        answer = await guest.say(line.decode().removesuffix("\r\n"))
        if not answer.positive:
            return answer.text
    return ""


def _refused(where: str, what: str, answer: str) -> Finding:
    return failure(
        HOP,
        f"{where} refuses {what}: {answer}",
        "let this machine hand in mail there, with nexthop.tls and nexthop.username as set: docs/postfix.md, section 2",
    )


def limits(capabilities: Capabilities, max_size: int) -> list[Finding]:
    """`max_size`: listen.max_size in octets, 0 for none."""
    lacking = [f"{word} ({effect})" for word, effect in _LACKING.items() if word not in capabilities]
    found = []
    if lacking:
        sentence = f"it does not offer {', '.join(lacking)}"
        found.append(
            warning(LIMITS, sentence, "offer it there: smtpd_discard_ehlo_keywords in docs/postfix.md")
        )
    size = capabilities.size
    if size is not None and max_size > size:
        sentence = f"listen.max_size is {max_size} octets, but the next hop takes only {size}"
        found.append(warning(LIMITS, sentence, "set listen.max_size to 0, or raise the next hop's limit"))
    if size is not None and size < SMALL:
        sentence = f"the largest mail that it takes has {size} octets"
        found.append(warning(LIMITS, sentence, "raise the next hop's limit (Postfix: message_size_limit)"))
    told = f"mail of up to {size} octets" if size else "mail of any size"
    return found or [ok(LIMITS, f"it takes {told}, and offers {', '.join(_LACKING)}")]
