"""States of a conference, and what is known of one.

What: a conference is the room in Videomost that belongs to one generation of a meeting. Everything that
changes its state is in `TRANSITIONS`; a move that is not in the table raises `IllegalTransitionError`.

    ABSENT ──reserve──► RESERVED ──confirm──► READY ──announce──► ANNOUNCED ──finish──► FINISHED
       ▲                   │ release             │                    │ ▲                  │
       └───────────────────┘                     │ condemn            │ └──────reopen──────┘
                                                 ▼                    ▼ condemn
                                               ENDING ──deleted──► GONE ──reserve──► RESERVED (next generation)

RESERVED bears a token: `confirm` is conditional on it, so of two creators one wins and the other uses the
winner's link. A create without a clear answer leaves RESERVED, with the lease over: there may be a room. Whoever
releases such a reservation goes on to the next generation and lists the old one in `Meeting.suspects`, so that removing
what bears its key can never hit a room that somebody has been told of.
ENDING is committed before the delete call and has no way back: a REQUEST that comes then reserves the next
generation, and the old room stays listed in `Meeting.leftovers` until it is deleted. GONE also comes by `lose`:
somebody else deleted the room at the provider.

Not here: when a state should change (`meeting`), and I/O (`flight`, `sync`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mailhook.errors import Unusable


class State(StrEnum):
    ABSENT = "absent"
    RESERVED = "reserved"
    READY = "ready"
    ANNOUNCED = "announced"
    ENDING = "ending"
    GONE = "gone"
    FINISHED = "finished"


class Move(StrEnum):
    RESERVE = "reserve"
    RELEASE = "release"
    CONFIRM = "confirm"
    ANNOUNCE = "announce"
    CONDEMN = "condemn"
    LOSE = "lose"
    DELETED = "deleted"
    FINISH = "finish"
    REOPEN = "reopen"


TRANSITIONS: dict[tuple[State, Move], State] = {
    (State.ABSENT, Move.RESERVE): State.RESERVED,
    (State.GONE, Move.RESERVE): State.RESERVED,
    (State.RESERVED, Move.RESERVE): State.RESERVED,
    (State.RESERVED, Move.RELEASE): State.ABSENT,
    (State.RESERVED, Move.CONFIRM): State.READY,
    (State.READY, Move.ANNOUNCE): State.ANNOUNCED,
    (State.ANNOUNCED, Move.ANNOUNCE): State.ANNOUNCED,
    (State.READY, Move.CONDEMN): State.ENDING,
    (State.ANNOUNCED, Move.CONDEMN): State.ENDING,
    (State.FINISHED, Move.CONDEMN): State.ENDING,
    (State.ENDING, Move.DELETED): State.GONE,
    (State.ENDING, Move.RESERVE): State.RESERVED,
    (State.READY, Move.LOSE): State.GONE,
    (State.ANNOUNCED, Move.LOSE): State.GONE,
    (State.FINISHED, Move.LOSE): State.GONE,
    (State.READY, Move.FINISH): State.FINISHED,
    (State.ANNOUNCED, Move.FINISH): State.FINISHED,
    (State.FINISHED, Move.REOPEN): State.ANNOUNCED,
}


class IllegalTransitionError(Exception):
    """A move that the table does not allow: a fault of the program, never of a message."""


def step(state: State, move: Move) -> State:
    """The state after `move`; raises IllegalTransitionError where the table has no such arrow."""
    try:
        return TRANSITIONS[state, move]
    except KeyError:
        raise IllegalTransitionError(f"a conference that is {state} cannot {move}") from None


@dataclass(frozen=True, order=True)
class Person:
    """A participant: `address` in lower case, `name` as the calendar has it (may be empty)."""

    address: str
    name: str = ""


@dataclass(frozen=True)
class Spec:
    """What a conference should be. `start` and `end` are UTC instants, `timezone` an IANA name."""

    topic: str
    start: datetime
    end: datetime
    timezone: str
    owner: Person
    participants: tuple[Person, ...] = ()


@dataclass(frozen=True)
class JoinDetails:
    """What the provider answered to a create. The links are secrets: they never go to a log.

    `host_link` is for the organizer alone; `dial_in` is a line of text that tells how to take part by telephone.
    """

    conference_id: str
    link: str
    passcode: str = ""
    host_link: str = ""
    dial_in: str = ""


@dataclass(frozen=True)
class Found:
    """A room that bears our key. `details` None: they may not be used, for the reason `why`; it can be removed."""

    conference_id: str
    details: JoinDetails | None = None
    why: str = ""


def usable(rooms: Sequence[Found]) -> JoinDetails | None:
    """Of the rooms that were found one whose link may be sent out; None: none was found. Unusable: none has one."""
    for room in rooms:
        if room.details is not None:
            return room.details
    if rooms:
        raise Unusable(rooms[0].why)
    return None


@dataclass(frozen=True)
class Conference:
    """One generation's room. `provider` is "kind base_url": another provider's room is never touched.

    `immovable`: it has ended, and the provider refused to move it to the next date.
    `uncertain`: RESERVED, and an earlier create has no clear answer: there may be a room whatever the next is answered.
    """

    state: State = State.ABSENT
    generation: int = 1
    token: str = ""
    lease_until: datetime | None = None
    provider: str = ""
    details: JoinDetails | None = None
    applied: Spec | None = None
    uncertain: bool = False
    immovable: bool = False
