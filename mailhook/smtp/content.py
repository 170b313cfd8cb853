"""Message content on the wire (RFC 5321 §4.5.2).

What: finding the end of the data in a stream, dot stuffing, and a first look whether a message may be an
invitation. All of it is linear and works on chunks of any size.

Only <CR><LF>.<CR><LF> ends the data. A lone dot between other line ends (`\\n.\\n`, `\\n.\\r\\n`, `\\r\\n.\\n`,
`\\r.\\r`, `\\r.\\n` …) is content for us but the end of the data for some next hops, which would then take the rest of
the message for commands. So is a lone dot beside which only NULs stand on its line, for those that leave NULs out.
Bytes are never changed here, so such a message is reported as `ambiguous`, to be refused.

Not here: where content is kept (front/spool), what is in it (core).

Errors: none.
"""

import re

END = b"\r\n.\r\n"
_NEEDLES = (b"text/calendar", b"application/ics", b".ics")
_MARKS = (b" ", b":", b"\t", b'"', b".")
"""What stands before a media type or in a file's name (RFC 2045 §5.1): one of them is in or close before any needle."""

_OVERLAP = 64
_LONE_DOT = re.compile(rb"[\r\n]\.[\r\n]")


class EndOfData:
    """Feed what comes after DATA; `feed` gives content, `finished` tells that the end was seen.

    Content keeps its dot stuffing and the <CR><LF> before the final dot. `rest` is what came behind the end;
    `stuffed` counts the dots that a receiver removes. `bare`: a CR or LF stands alone; looked for if `strict`.
    """

    def __init__(self, *, strict: bool = False) -> None:
        # The data begins at the beginning of a line, hence as if behind a <CR><LF> that is not content.
        self._held = b"\r\n"
        self._not_content = 2
        self.finished = False
        self.rest = b""
        self.ambiguous = False
        self.bare = False
        self._strict = strict
        self.stuffed = 0
        # The end of the content that was emitted, without NULs: it begins at the beginning of a line.
        self._before = b"\r\n"
        self._nul = False

    def feed(self, data: bytes) -> bytes:
        """Content that is known to be content; up to four octets are held back until more comes."""
        window = self._held + data if self._held else data
        if self._strict or not self._is_plain(window):
            at = window.find(END)
            region = window if at < 0 else window[: at + len(END)]
            self._look(region)
        else:
            at, region = len(window) - len(END) if window.endswith(END) else -1, window
            self.stuffed += at >= 0
        if at >= 0:
            self.finished = True
            self.stuffed -= 1
            self.rest = window[at + len(END) :]
            return self._emit(region[: at + 2])
        return self._hold(window)

    def _is_plain(self, window: bytes) -> bool:
        """Whether no line begins with a dot but the last one, which is the end of the data.

        Most content is so, and each look for what might be amiss in the rest costs as much as this one.
        """
        first, last = window.find(b"."), window.rfind(b".")
        if first < 0:
            return True
        between = max(first - 1, 0), last + 1
        at = window.find(b"\n.", *between)
        if at >= 0 and (at < len(window) - 4 or b"." in self._held or not window.endswith(END)):
            return False
        return window.find(b"\r.", *between) < 0

    def _hold(self, window: bytes) -> bytes:
        # What spans two pieces and matters begins with a line end.
        keep = max(len(window) - 4, 0)
        tail = window[keep:]
        if b"\r" not in tail and b"\n" not in tail:
            keep, tail = len(window), b""
        self._held = tail
        return self._emit(window[:keep])

    def _emit(self, piece: bytes) -> bytes:
        skipped = min(self._not_content, len(piece))
        self._not_content -= skipped
        content = piece[skipped:] if skipped else piece
        # The final dot is not content, so that each lone dot here is one too many.
        self._nul = self._nul or b"\0" in content
        if self._nul:
            seen = self._before + content.replace(b"\0", b"")
            self.ambiguous = self.ambiguous or _LONE_DOT.search(seen) is not None
            self._before = seen[-2:]
        elif content:
            self._before = content[-2:] if len(content) > 1 else self._before[-1:] + content
        return content

    def _look(self, region: bytes) -> None:
        # The last octet that was held back is looked at once more: a CR may have got its LF.
        seen = region[len(self._held) - 1 :].removeprefix(b"\n") if self._held else region
        if self._strict and _bare_newline(seen):
            self.bare = True
        if b"\n." in region:
            # What is held back was counted when it came.
            self.stuffed += region.count(b"\r\n.") - self._held.count(b"\r\n.")
            self.ambiguous |= b"\n.\n" in region or _ambiguous_dot(region)
        self.ambiguous |= b"\r." in region and (b"\r.\r" in region or b"\r.\n" in region)


def _bare_newline(seen: bytes) -> bool:
    """Is there a CR without LF or an LF without CR? A CR at the end may still get its LF."""
    whole = seen.count(b"\r\n")
    return seen.count(b"\n") > whole or seen.count(b"\r", 0, max(len(seen) - 1, 0)) > whole


def ambiguous(wire: bytes) -> bool:
    """Would a lax next hop see an end of the data inside of `wire`?"""
    end = EndOfData()
    end.feed(wire + b"\r\n.\r\n")
    return end.ambiguous


def _ambiguous_dot(region: bytes) -> bool:
    """Is there a lone dot between LF and CR that does not stand between two <CR><LF>?"""
    at = region.find(b"\n.\r")
    while at >= 0:
        follower = region[at + 3 : at + 4]
        if follower and (follower != b"\n" or (at > 0 and region[at - 1 : at] != b"\r")):
            return True
        at = region.find(b"\n.\r", at + 3)
    return False


def dot_stuff(content: bytes) -> bytes:
    """The wire form of `content`."""
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed


def dot_unstuff(wire: bytes) -> bytes:
    """The content whose wire form is `wire`."""
    return wire.removeprefix(b".").replace(b"\r\n.", b"\r\n")


class Inspector:
    """Is there anything in the bytes that looks like an invitation? Bytes only: no MIME is parsed."""

    def __init__(self) -> None:
        self.candidate = False
        self._tail = b""

    def feed(self, data: bytes) -> None:
        if self.candidate:
            return
        # Base64 has none of these marks, and a look for one octet costs a hundredth of what follows.
        beginning = self._tail + data[:_OVERLAP]
        found = [at for mark in _MARKS if (at := data.find(mark)) >= 0]
        last = max(map(data.rfind, _MARKS)) if found else -1
        self.candidate = _has_needle(beginning) or (
            bool(found) and _has_needle(data[max(min(found) - _OVERLAP, 0) : last + _OVERLAP])
        )
        self._tail = data[-_OVERLAP:] if len(data) >= _OVERLAP else beginning[-_OVERLAP:]


def _has_needle(window: bytes) -> bool:
    low = window.lower()
    return any(needle in low for needle in _NEEDLES)
