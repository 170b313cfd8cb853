"""The kinds of values that settings have.

What: annotated types that read what stands in the TOML file: durations, sizes, networks, names, addresses.

Not here: which setting has which kind (`settings`).

Errors: ValueError, whose text says what would be right; pydantic makes it part of its own error.
"""

import re
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictInt

_DURATION = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", re.ASCII)
_SIZE = re.compile(r"(\d{1,12})\s*(KiB|MiB|GiB)?", re.ASCII)
_FACTORS = {None: 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_HOST = re.compile(r"[\w.:-]{1,253}")
_DOMAIN = re.compile(r"(?!-)[\w-]{1,63}(?<!-)(\.(?!-)[\w-]{1,63}(?<!-))*")
_ADDRESS = re.compile(r"[^@\s<>,]+@[^@\s<>,]+")
_PROPERTY = re.compile(r"[A-Za-z0-9-]+", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", re.ASCII)


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    found = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if found is None:
        raise ValueError('should be a duration such as "20s", "5m", "1h30m" or "400d"')
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("should be longer than nothing")
    return value


def _size(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError('should be a size such as "64MiB", "512KiB" or a number of bytes')
    return int(found[1]) * _FACTORS[found[2]]


def _network(value: object) -> IPv4Network | IPv6Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    if not isinstance(value, str):
        raise ValueError('should be a network such as "10.1.2.0/24" or an address')
    try:
        return ip_network(value)
    except ValueError as fault:
        raise ValueError(f'should be a network such as "10.1.2.0/24" or an address: {fault}') from None


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError("should be a host name or an IP address alone, without scheme, path or blanks")
    return value


def _host_or_none(value: str) -> str:
    return value and _host(value)


def _domain(value: str) -> str:
    if not _DOMAIN.fullmatch(value):
        raise ValueError('should be a domain such as "example.org"')
    return value.lower()


def _address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise ValueError('should be an address such as "user@example.org"')
    return value.lower()


def _address_or_none(value: str) -> str:
    return value and _address(value)


def _token(value: str) -> str:
    if not re.fullmatch(r"[!-~]*", value):
        raise ValueError("should hold only printable ASCII characters, without blanks")
    return value


def _line(value: str) -> str:
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise ValueError("should be one line, without control characters")
    return value


def _file(value: str) -> str:
    if not value.isprintable():
        raise ValueError("should be a path, without control characters")
    return value


def _url(value: str) -> str:
    if not value:
        return value
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or re.search(r"[\s\x00-\x1f]", value):
        raise ValueError("should be a URL such as https://videomost.example.org, without query")
    if "@" in parts.netloc:
        raise ValueError("should have no user name and password in it")
    return value.rstrip("/")


def _place(value: str) -> str:
    plain = re.sub(r"\{(user|address|domain|uid)\}", "x", value)
    _url(plain)
    if re.search(r"[{}]", plain):
        raise ValueError("should have no other braces than {user}, {address}, {domain} and {uid}")
    if "{" in value[: len(value) - len(value.partition("//")[2].partition("/")[2])]:
        raise ValueError("should have {user}, {address}, {domain} and {uid} only in the path")
    return value


def _proxy(value: str) -> str:
    if value and not re.fullmatch(r"https?://[!-~]+", value):
        raise ValueError("should be a URL such as http://proxy.example.org:3128")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError('is no time zone of the IANA database such as "Europe/Moscow"') from None
    return value


def _word(value: str) -> str:
    if not value.strip():
        raise ValueError("should not be empty")
    return value


def _name_template(value: str) -> str:
    if not value.isprintable() or re.search(r"[{}]", re.sub(r"\{(user|address|domain)\}", "", value)):
        raise ValueError('should be a login such as "mailhook" or "{user}"')
    return value


def _property(value: str) -> str:
    if not _PROPERTY.fullmatch(value):
        raise ValueError('should be the name of an iCalendar property such as "X-VIDEOMOST-REQUIRED"')
    return value


def _language(value: str) -> str:
    if not _LANGUAGE.fullmatch(value):
        raise ValueError('should be a language such as "ru" or "en"')
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
PositiveDuration = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_positive)]
Size = Annotated[int, BeforeValidator(_size)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
Port = Annotated[StrictInt, Field(ge=1, le=65535)]
ListenPort = Annotated[StrictInt, Field(ge=0, le=65535)]
"""0: any free one."""
Count = Annotated[StrictInt, Field(ge=1)]
Flag = StrictBool
Host = Annotated[str, AfterValidator(_host)]
HostOrNone = Annotated[str, AfterValidator(_host_or_none)]
Domain = Annotated[str, AfterValidator(_domain)]
Address = Annotated[str, AfterValidator(_address)]
AddressOrNone = Annotated[str, AfterValidator(_address_or_none)]
Token = Annotated[str, AfterValidator(_token)]
Line = Annotated[str, AfterValidator(_line)]
File = Annotated[str, AfterValidator(_file)]
Url = Annotated[str, AfterValidator(_url)]
UrlTemplate = Annotated[str, AfterValidator(_place)]
ProxyUrl = Annotated[str, AfterValidator(_proxy)]
Zone = Annotated[str, AfterValidator(_zone)]
Word = Annotated[str, AfterValidator(_word)]
NameTemplate = Annotated[str, AfterValidator(_name_template)]
Property = Annotated[str, AfterValidator(_property)]
Language = Annotated[str, AfterValidator(_language)]
