"""The errors that cross a port.

What: every adapter maps what its library raises to one of these, so that the middle of the house
(relay, pipeline, flight, sync) knows consequences and not libraries.

Not here: refusals of the SMTP dialogue. Those are replies, hence values (`mailhook.smtp.replies`).
"""


class MailhookError(Exception):
    """Root of the tree; its text is one sentence for the log, without secrets and join links."""


class Temporary(MailhookError):  # noqa: N818 - the name is the consequence
    """The same call may succeed later: try again, or follow `policy.on_failure`."""


class Unsent(Temporary):
    """Temporary, and the call has certainly had no effect: no room can have come of it."""


class Unusable(Temporary):
    """Temporary, and the provider has answered: what it says cannot be used for this conference; it is not down."""


class Permanent(MailhookError):  # noqa: N818
    """The same call will fail again for this conference; others are not affected."""


class Impossible(Permanent):
    """Permanent, and the call was not made: the provider has, or is given, nothing for it."""


class Gone(Permanent):
    """The conference no longer exists at the provider; for an update: create it again."""


class Misconfigured(MailhookError):  # noqa: N818
    """No call will succeed until an administrator changes the settings: failure policy, and alarm."""


class Unreadable(MailhookError):  # noqa: N818
    """A message or calendar that cannot be read safely: it is relayed unchanged."""
