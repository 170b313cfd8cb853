"""The order of revisions.

What: a `Stamp` is what a VEVENT and its mail say of their order; `is_older` compares revisions of one component,
`is_before` those of different ones, whose SEQUENCE numbers have nothing to do with each other.

Not here: what follows from it (`merging`, `holders`).
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import starmap


@dataclass(frozen=True)
class Stamp:
    """What orders revisions of a component (RFC 5546 §2.1.5), and the message's Date."""

    sequence: int = 0
    dtstamp: datetime | None = None
    last_modified: datetime | None = None
    date: datetime | None = None


def is_older(new: Stamp, known: Stamp) -> bool:
    """Whether `new` is a revision before `known` (RFC 5546 §2.1.5, as real servers keep it).

    Older if none of SEQUENCE, DTSTAMP, LAST-MODIFIED is higher and one is lower. Where they disagree or are all
    equal, the header Date decides, by the second; then arrival, so what comes later is not older.
    """
    signs = {
        _sign(new.sequence, known.sequence),
        _sign(new.dtstamp, known.dtstamp),
        _sign(new.last_modified, known.last_modified),
    }
    if signs in ({-1}, {-1, 0}):
        return True
    if signs in ({1}, {1, 0}):
        return False
    return _sign(new.date, known.date) == -1


def _sign(new: int | datetime | None, known: int | datetime | None) -> int:
    match new, known:
        case (int(), int()) | (datetime(), datetime()):
            return (new > known) - (new < known)  # type: ignore[operator]
        case _:
            return 0


def is_before(one: Stamp, other: Stamp) -> bool:
    """Whether `one` was sent before `other`, which is of another component of the same event.

    The header Date decides; in the same second DTSTAMP, then LAST-MODIFIED, SEQUENCE only then; else arrival.
    """
    pairs = (
        (one.date, other.date),
        (one.dtstamp, other.dtstamp),
        (one.last_modified, other.last_modified),
        (one.sequence, other.sequence),
    )
    return next((sign for sign in starmap(_sign, pairs) if sign), 0) == -1


def is_overtaken(key: str, stamp: Stamp, by_key: str, by: Stamp) -> bool:
    """Whether the component `key` in the revision `stamp` is older than that of `by_key` in `by`, maybe another one."""
    return is_older(stamp, by) if key == by_key else is_before(stamp, by)


def is_copy(one: Stamp, other: Stamp) -> bool:
    """Whether two mails may tell of the same change: they differ in the header Date at most."""
    return (one.sequence, one.dtstamp, one.last_modified) == (
        other.sequence,
        other.dtstamp,
        other.last_modified,
    )


def is_later(new: Stamp, known: Stamp) -> bool:
    """Whether `new` is of a later change than `known`, and not only a later copy of the same one."""
    return is_older(known, new) and not is_copy(known, new)


def newest(one: Stamp, other: Stamp) -> Stamp:
    return one if is_older(other, one) else other
