"""Meetings to begin with."""

import pytest

from mailhook.core.meeting import Meeting
from mailhook.core.revision import UNCLAIMED
from tests.core.meetings import ANNA, BORIS, KEY, NOW, PETR, ready, request, told


@pytest.fixture
def fresh() -> Meeting:
    """A room that no mail has announced yet."""
    return Meeting(KEY, conference=ready(), delete_at=NOW + UNCLAIMED)


@pytest.fixture
def held(fresh: Meeting) -> Meeting:
    """Everybody was told of revision 1."""
    return told(fresh, request(1), ANNA, BORIS, PETR)
