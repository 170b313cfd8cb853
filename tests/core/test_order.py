"""The order of mails about different components of one event."""

import pytest

from mailhook.core.order import Stamp, is_before, is_overtaken
from tests.core.invitations import stamp


@pytest.mark.parametrize(
    ("one", "other", "before"),
    [
        # SOGo: an override has SEQUENCE 2 while its series has 0, and DTSTAMP is the same for ever.
        (stamp(2, 3, modified=4, date=4), stamp(0, 3, modified=9, date=9), True),
        (stamp(0, 3, modified=9, date=9), stamp(2, 3, modified=4, date=4), False),
        # In the same second DTSTAMP, then LAST-MODIFIED, and SEQUENCE only then.
        (stamp(2, 3, date=5), stamp(0, 4, date=5), True),
        (stamp(2, 4, modified=3, date=5), stamp(0, 4, modified=4, date=5), True),
        (stamp(0, 4, date=5), stamp(2, 4, date=5), True),
        (stamp(0, 4), stamp(2, 4), True),
        (stamp(1, 4, date=5), stamp(1, 4, date=5), False),
        (Stamp(), Stamp(), False),
    ],
)
def test_order_of_components(one: Stamp, other: Stamp, before: bool) -> None:
    assert is_before(one, other) is before
    assert not (before and is_before(other, one))


def test_revisions_of_one_component_keep_their_own_order() -> None:
    """SEQUENCE, DTSTAMP and LAST-MODIFIED agree: the Date says nothing then."""
    new, known = stamp(1, 3, date=9), stamp(2, 4, date=5)
    assert is_overtaken("", new, "", known)
    assert not is_overtaken("20270301T070000Z", new, "", known)
