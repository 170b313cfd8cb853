"""What keeps calendar servers silent when somebody else than the organizer changes his event.

What: for each kind of server, where the link may stand and what a PUT must say so that no attendee gets a mail for it.
Measured with Cyrus 3.6, SOGo 5.8 and sabre/dav; Nextcloud's list is that of its source.

Not here: HTTP (`organizer.caldav`).

Errors: none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mailhook.core.event_edit import Reach

ServerKind = Literal["generic", "cyrus", "sogo", "sabre"]
Extent = Literal["full", "conference"]
"""What the administrator allows: all that a program may show, or CONFERENCE and our own property."""


@dataclass(frozen=True)
class Silence:
    """`headers` of a PUT; `location`: whether LOCATION may change; `reach`: where else the link may stand."""

    headers: Mapping[str, str] = field(default_factory=dict)
    location: bool = True
    reach: Reach = "everywhere"


SERVERS: dict[ServerKind, Silence] = {
    "generic": Silence(),
    "cyrus": Silence(headers={"Scheduling-Enabled": "F"}),
    "sogo": Silence(location=False),
    "sabre": Silence(location=False, reach="links"),
}


def reach(kind: ServerKind, extent: Extent) -> Reach:
    return "hidden" if extent == "conference" else SERVERS[kind].reach
