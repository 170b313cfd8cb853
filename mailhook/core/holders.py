"""What a recipient holds: the entries of `Meeting.told`, changed by mails that pass, are refused, or cancel.

What: pure functions on the entries of one recipient. He is a holder as long as one entry is not cancelled.

Not here: what that means for the conference (`revision`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from mailhook.core.itip import Invitation
from mailhook.core.meeting import MASTER, Component, Told
from mailhook.core.order import Stamp, is_before, is_copy, is_older, is_overtaken, newest


def holds(entries: tuple[Told, ...]) -> bool:
    return any(not entry.cancelled for entry in entries)


def told_more(known: tuple[Told, ...], left: tuple[Told, ...], invitation: Invitation) -> tuple[Told, ...]:
    """What a recipient holds after one more REQUEST; `left`: the CANCEL that un-invited him, if one did.

    An older revision counts as one more copy: should the newer one be refused, it is what he has.
    """
    entries = {entry.key: entry for entry in known}
    for event in invitation.events:
        key, stamp, cancelled = event.component.key, event.component.stamp, event.component.cancelled
        before = entries.get(key)
        if _overtaken(key, stamp, left) or (cancelled and MASTER not in entries):
            continue
        if before is None or before.cancelled:
            if before is None or not is_older(stamp, before.stamp):
                entries[key] = Told(key, stamp, cancelled=cancelled)
        elif is_copy(stamp, before.stamp) or is_older(stamp, before.stamp):
            entries[key] = replace(before, stamp=newest(stamp, before.stamp), copies=before.copies + 1)
        else:
            entries[key] = Told(key, stamp, cancelled=cancelled)
    entries = _lost_before(entries, left) | entries
    return tuple(entries[key] for key in sorted(entries))


def _lost_before(entries: Mapping[str, Told], left: tuple[Told, ...]) -> dict[str, Told]:
    """Instances of the series in `entries` that a CANCEL took which came before it."""
    series = entries.get(MASTER)
    lost = (entry for entry in left if entry.key != MASTER)
    return {e.key: e for e in lost if series is not None and not is_before(e.stamp, series.stamp)}


def is_taken(left: tuple[Told, ...], invitation: Invitation) -> bool:
    """Whether CANCELs have overtaken every component of this REQUEST to one recipient; `left`: what they took."""
    components = (event.component for event in invitation.events)
    return all(_overtaken(each.key, each.stamp, left) for each in components)


def _overtaken(key: str, stamp: Stamp, left: tuple[Told, ...]) -> bool:
    return any(
        entry.key in {key, MASTER} and is_overtaken(key, stamp, entry.key, entry.stamp) for entry in left
    )


def taken(left: tuple[Told, ...], invitation: Invitation) -> tuple[Told, ...]:
    """What CANCELs have taken from a recipient whom this one leaves nothing; `left`: the others, maybe newer."""
    entries = {entry.key: entry for entry in left}
    for event in invitation.events:
        key, stamp = event.component.key, event.component.stamp
        known = entries.get(key)
        entries[key] = Told(key, newest(stamp, known.stamp) if known else stamp, cancelled=True)
    return tuple(entries[key] for key in sorted(entries))


def told_less(known: tuple[Told, ...], before: tuple[Told, ...], invitation: Invitation) -> tuple[Told, ...]:
    entries = {entry.key: entry for entry in known}
    earlier = {entry.key: entry for entry in before}
    for event in invitation.events:
        key, stamp = event.component.key, event.component.stamp
        entry, old = entries.get(key), earlier.get(key)
        if entry is None or entry.cancelled or not is_copy(entry.stamp, stamp):
            continue
        if entry.copies > 1:
            entries[key] = replace(entry, copies=entry.copies - 1)
        elif old is None:
            del entries[key]
        elif not is_copy(old.stamp, stamp):
            entries[key] = old
    return tuple(entries[key] for key in sorted(entries))


def still_told(known: tuple[Told, ...], invitation: Invitation) -> tuple[Told, ...]:
    """What is left to a recipient of a CANCEL; of a series, single instances are marked as taken from him."""
    entries = {entry.key: entry for entry in known}
    for event in invitation.events:
        key, stamp = event.component.key, event.component.stamp
        series = entries.get(MASTER)
        if key == MASTER:
            entries = {k: e for k, e in entries.items() if is_overtaken(key, stamp, k, e.stamp)}
        elif (held := entries.get(key) or series) and not is_overtaken(key, stamp, held.key, held.stamp):
            entries.pop(key, None)
            entries |= {key: Told(key, stamp, cancelled=True)} if series else {}
    return tuple(entries[key] for key in sorted(entries))


def held_by_none(told: Mapping[str, tuple[Told, ...]], keys: Iterable[str]) -> set[str]:
    """Those of a CANCEL's `keys` that every holder has lost: they leave the schedule, and the conference stays."""
    return {key for key in keys if not any(_has(entries, key) for entries in told.values())}


def lost_by_all(told: Mapping[str, tuple[Told, ...]]) -> dict[str, Stamp]:
    """Instances that every holder has lost, maybe by CANCELs at different times; each with the newest of these."""
    lost: dict[str, Stamp] = {}
    for entry in (entry for entries in told.values() for entry in entries if entry.cancelled):
        known = lost.get(entry.key)
        lost[entry.key] = newest(entry.stamp, known) if known else entry.stamp
    return {key: at for key, at in lost.items() if not any(_has(entries, key) for entries in told.values())}


def _has(entries: tuple[Told, ...], key: str) -> bool:
    own = {entry.key: not entry.cancelled for entry in entries}
    return own.get(key, own.get(MASTER, False))


def lost_an_instance(entries: tuple[Told, ...]) -> bool:
    """Whether an instance was taken from him after he was told of the series."""
    series = next((entry for entry in entries if entry.key == MASTER), None)
    return series is not None and any(
        entry.cancelled and not is_before(entry.stamp, series.stamp) for entry in entries
    )


def without(known: tuple[Told, ...], component: Component) -> tuple[Told, ...]:
    """What is left to a recipient who is not listed in a newer revision of `component`."""
    return tuple(e for e in known if e.key != component.key or not is_older(e.stamp, component.stamp))
