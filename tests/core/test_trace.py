"""What the header says of a message's way."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhook.core import message, trace

QUEUED = (
    b"Received: from phone (phone.corp.example [192.0.2.7])\r\n"
    b"\tby mail.corp.example (Postfix) with ESMTPSA id 4XyZ12\r\n"
    b"\tfor <anna@partner.example>; Mon,  1 Mar 2027 10:00:00 +0300 (MSK)\r\n"
)
OLDER = b"Received: by phone id old-1; Mon, 1 Mar 2027 06:59:00 +0000\r\n"


def read(header: bytes) -> message.Message:
    return message.read(header + b"From: ivan@corp.example\r\n\r\ntext\r\n")


@pytest.mark.parametrize(
    ("header", "moment"),
    [
        (QUEUED + OLDER, datetime(2027, 3, 1, 7, tzinfo=UTC)),
        (OLDER + QUEUED, datetime(2027, 3, 1, 6, 59, tzinfo=UTC)),
        (b"", None),
        (b"Received: by x; yesterday\r\n", None),
        (b"Received: nonsense\r\n", None),
        (b"Received: from x by y with smtp id <1uX-00A.b>; Mon, 1 Mar 2027 10:00:00 -0000\r\n",
         datetime(2027, 3, 1, 10, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_the_newest_received_field(header: bytes, moment: datetime | None) -> None:
    assert trace.received(read(header)) == moment


CORP = b"DKIM-Signature: v=1; a=rsa-sha256; bh=d=x;\r\n\td=Corp.Example; s=2027; b=AAAA\r\n\tBBBB\r\n"
OTHER = b"DKIM-Signature: v=1; d = partner.example ; b=CCCC\r\n"
BROKEN = b"DKIM-Signature: v=1; nothing\r\n"


BELOW = b"DKIM-Signature: v=1; d=mail.corp.example; b=DDDD\r\n"
ALIKE = b"DKIM-Signature: v=1; d=notcorp.example; b=EEEE\r\n"


@pytest.mark.parametrize(
    ("header", "signed"),
    [
        (b"", False),
        (CORP, True),
        (OTHER + CORP, True),
        (OTHER, False),
        (BELOW, True),
        (ALIKE, False),
        (BROKEN, False),
    ],
)
def test_signed_by_a_domain_of_ours(header: bytes, signed: bool) -> None:
    assert trace.is_signed_by(read(header), ["corp.example"]) is signed


@pytest.mark.parametrize(
    ("header", "left"),
    [
        (CORP, b""),
        (OTHER, OTHER),
        (CORP + OTHER + CORP + BROKEN, OTHER + BROKEN),
        (BELOW + ALIKE, ALIKE),
        (b"Subject: x\r\n" + CORP + OLDER, b"Subject: x\r\n" + OLDER),
    ],
)
def test_signatures_of_ours_are_taken_out_and_nothing_else(header: bytes, left: bytes) -> None:
    assert trace.unsigned(read(header), ["corp.example"]).raw == read(left).raw


def test_a_message_without_signatures_of_ours_stays_itself() -> None:
    before = read(OTHER)
    assert trace.unsigned(before, ["corp.example"]) is before


@pytest.mark.parametrize(
    ("header", "custody"),
    [
        (b"ARC-Seal: i=1; a=rsa-sha256; d=list.example; s=x; cv=none; b=AAAA\r\n", True),
        (b"arc-seal: nonsense\r\n", True),
        (b"ARC-Authentication-Results: i=1; list.example\r\n", False),
        (CORP, False),
    ],
)
def test_custody(header: bytes, custody: bool) -> None:
    assert trace.is_in_custody(read(header)) is custody


@given(st.binary(max_size=300))
def test_any_header_is_survived(value: bytes) -> None:
    parsed = read(b"Received: " + value + b"\r\nDKIM-Signature: " + value + b"\r\n")
    trace.received(parsed)
    assert not trace.is_signed_by(trace.unsigned(parsed, ["corp.example"]), ["corp.example"])
