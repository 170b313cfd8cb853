"""Notices to organizers: mails of our own, handed to the next hop.

What: `MailNotifier` composes one (RFC 5322) and delivers it with the null sender, so that nobody answers it.

Not here: whether there is one (`core.notice`), its words (`core.notice_wording`), trying again (`courier`).

Errors: Temporary, Permanent, with the next hop's answer.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid

from mailhook.core.itip import MARKER_HEADER
from mailhook.core.notice import Notice
from mailhook.core.notice_wording import NoticeWording
from mailhook.errors import MailhookError, Permanent, Temporary
from mailhook.ports import Answered, Client, HopTransaction, Lost, NextHop
from mailhook.smtp.commands import Mail, Rcpt
from mailhook.smtp.content import dot_stuff
from mailhook.smtp.replies import Reply


@dataclass(frozen=True)
class _Octets:
    """`ports.Content` in memory."""

    octets: bytes

    @property
    def size(self) -> int:
        return len(self.octets)

    def chunks(self) -> Iterator[bytes]:
        yield self.octets

    def wire(self) -> bytes:
        return self.octets


class MailNotifier:
    """`ports.Notifier`. `sender` and `sender_name` stand in From, `hostname` in Message-ID."""

    def __init__(
        self,
        hop: NextHop,
        wording: Callable[[], NoticeWording],
        sender: str,
        sender_name: str,
        hostname: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._hop = hop
        self._wording = wording
        self._sender = Address(sender_name, addr_spec=sender)
        self._hostname = hostname
        self._clock = clock

    async def send(self, notice: Notice) -> None:
        content = _Octets(dot_stuff(self.compose(notice)))
        transaction = self._hop.transaction(Client("127.0.0.1", self._hostname.encode()))
        try:
            await self._deliver(transaction, notice.to.address, content)
        finally:
            await transaction.abandon()

    async def _deliver(self, transaction: HopTransaction, to: str, content: _Octets) -> None:
        replies = await transaction.envelope([Mail(b"<>"), Rcpt(f"<{to}>".encode())])
        refusal = next((reply for reply in replies if not reply.positive), None)
        if refusal is not None:
            raise _refusal(refusal)
        delivery = await transaction.deliver(content)
        match delivery:
            case Answered(reply) if reply.positive:
                return
            case Answered(reply):
                raise _refusal(reply)
            case Lost(why=why):
                raise Temporary(why)

    def compose(self, notice: Notice) -> bytes:
        """The message; Auto-Submitted (RFC 3834 §5) keeps responders silent."""
        subject, text = self._wording().render(notice)
        message = EmailMessage(policy=SMTP)
        message["From"] = self._sender
        message["To"] = Address(" ".join(notice.to.name.split()), addr_spec=notice.to.address)
        message["Subject"] = subject
        message["Date"] = format_datetime(self._clock())
        message["Message-ID"] = make_msgid(domain=self._hostname)
        message["Auto-Submitted"] = "auto-generated"
        message[MARKER_HEADER.title()] = "notice"
        message.set_content(text, cte="base64")
        return message.as_bytes()


def _refusal(reply: Reply) -> MailhookError:
    kind = Permanent if reply.code >= 500 else Temporary
    return kind(f"the next hop does not take the notice: {reply.code} {reply.text}")
