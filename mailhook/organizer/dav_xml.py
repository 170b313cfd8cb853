"""The XML of WebDAV and CalDAV (RFC 4918, RFC 4791, RFC 5397): what is asked, and what a multistatus says.

What: bodies of PROPFIND and REPORT, and `read`, which gives the responses of a multistatus.

Not here: HTTP (`dav`).

Errors: Temporary for what is no multistatus. A document type is refused before its entities are read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from mailhook.errors import Temporary

DAV, CALDAV = "{DAV:}", "{urn:ietf:params:xml:ns:caldav}"
_FOREIGN = ("{http://calendarserver.org/ns/}shared", "{http://calendarserver.org/ns/}subscribed")
"""Kinds of a resource that somebody else shares with whose home it stands in, or that is subscribed to."""
_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'
_NAMES = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"'

PRINCIPAL = f"{_HEAD}<D:propfind {_NAMES}><D:prop><D:current-user-principal/></D:prop></D:propfind>".encode()
HOME = f"{_HEAD}<D:propfind {_NAMES}><D:prop><C:calendar-home-set/></D:prop></D:propfind>".encode()
CALENDARS = (
    f"{_HEAD}<D:propfind {_NAMES}><D:prop><D:resourcetype/><D:owner/><C:supported-calendar-component-set/>"
    "</D:prop></D:propfind>"
).encode()


def _query(condition: str) -> bytes:
    events = f'<C:comp-filter name="VEVENT">{condition}</C:comp-filter>'
    filters = f'<C:comp-filter name="VCALENDAR">{events}</C:comp-filter>'
    query = f"<D:prop><D:getetag/></D:prop><C:filter>{filters}</C:filter>"
    return f"{_HEAD}<C:calendar-query {_NAMES}>{query}</C:calendar-query>".encode("utf-8", "replace")


EVENTS = _query("")


def events_by_uid(uid: str) -> bytes:
    """A calendar-query for events whose UID holds `uid`; servers differ in what equality means."""
    return _query(f'<C:prop-filter name="UID"><C:text-match>{escape(uid)}</C:text-match></C:prop-filter>')


@dataclass(frozen=True)
class Response:
    """One resource of a multistatus. `properties`: those that were found, by name with namespace."""

    href: str
    status: int
    properties: dict[str, ElementTree.Element]

    def hrefs(self, name: str) -> list[str]:
        """The URLs that the property `name` holds."""
        found = self.properties.get(name)
        hrefs = found.iter(f"{DAV}href") if found is not None else ()
        return [text for each in hrefs if (text := (each.text or "").strip())]

    @property
    def holds_events(self) -> bool:
        """Whether it is a calendar, and one of events as far as it tells."""
        kind = self.properties.get(f"{DAV}resourcetype")
        if kind is None or kind.find(f"{CALDAV}calendar") is None:
            return False
        supported = self.properties.get(f"{CALDAV}supported-calendar-component-set")
        names = [each.get("name", "").upper() for each in supported] if supported is not None else []
        return not names or "VEVENT" in names

    @property
    def tag(self) -> str:
        """Its entity tag, or ""."""
        found = self.properties.get(f"{DAV}getetag")
        return (found.text or "").strip() if found is not None else ""

    @property
    def is_shared(self) -> bool:
        """Whether the server says that somebody else shares it."""
        kind = self.properties.get(f"{DAV}resourcetype")
        return kind is not None and any(kind.find(name) is not None for name in _FOREIGN)


class _WithoutDoctype(ElementTree.TreeBuilder):
    def doctype(self, _name: str, _pubid: str, _system: str) -> None:
        raise Temporary("the answer has a document type, which no WebDAV server sends")


def read(content: bytes) -> list[Response]:
    """Raises Temporary."""
    parser = ElementTree.XMLParser(target=_WithoutDoctype())  # noqa: S314 - no document type, hence no entities
    try:
        parser.feed(content)
        root = parser.close()
    except (ElementTree.ParseError, ValueError, LookupError):
        raise Temporary("the answer is not XML") from None
    if root is None or root.tag != f"{DAV}multistatus":
        raise Temporary("the answer is no multistatus")
    return [_response(each) for each in root.findall(f"{DAV}response")]


def _response(element: ElementTree.Element) -> Response:
    href = (element.findtext(f"{DAV}href") or "").strip()
    return Response(href, _status(element), dict(_properties(element)))


def _properties(element: ElementTree.Element) -> Iterator[tuple[str, ElementTree.Element]]:
    for found in element.findall(f"{DAV}propstat"):
        if _status(found) == 200:
            for each in found.findall(f"{DAV}prop/*"):
                yield each.tag, each


def _status(element: ElementTree.Element) -> int:
    """Of a line such as "HTTP/1.1 200 OK"; 200 where there is none."""
    words = (element.findtext(f"{DAV}status") or "").split()
    return int(words[1]) if len(words) > 1 and words[1].isdecimal() else 200
