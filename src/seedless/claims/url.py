"""Which texts Go's net/url takes as a URL (Go 1.27, `url.Parse`), and what it finds in them.

Servers parse the URLs of an operator with it, so what it refuses must not be signed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_USER_INFO = re.compile(r"[A-Za-z0-9._:~!$&'()*+,;=%@-]*")
_HOST_CHARACTER = r"[A-Za-z0-9!\"$&'()*+,.:;<=>\[\]_~\x80-\U0010ffff-]"
_HOST = re.compile(rf"(?:{_HOST_CHARACTER}|%[89A-Fa-f][0-9A-Fa-f]|%25)*")
_PORT = re.compile(r"(?::[0-9]*)?")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Url:
    """The parts of a URL as Go has them: scheme in lower case, host without port and brackets."""

    scheme: str = ""
    has_user: bool = False
    host: str = ""
    path: str = ""


def parse(text: str) -> Url | None:
    """Return the parts of *text*, or None for what Go refuses to parse."""
    before, _, fragment = text.partition("#")
    if _CONTROL.search(before) or _BAD_ESCAPE.search(fragment) or before.startswith(":"):
        return None
    match = _SCHEME.match(before)
    scheme = match[1].lower() if match else ""
    rest = before[match.end() if match else 0 :].partition("?")[0]
    if not rest.startswith("/"):
        if match:
            return Url(scheme)  # what Go calls opaque is not looked at
        return None if ":" in rest.partition("/")[0] or _BAD_ESCAPE.search(rest) else Url(path=rest)
    if not rest.startswith("//") or (not match and rest.startswith("///")):
        return None if _BAD_ESCAPE.search(rest) else Url(scheme, path=rest)
    authority, slash, below = rest[2:].partition("/")
    if not _is_authority(scheme, authority) or _BAD_ESCAPE.search(below):
        return None
    return Url(scheme, "@" in authority, _host_name(authority.rpartition("@")[2]), slash + below)


def is_url(text: str) -> bool:
    """Return whether Go parses *text* as a URL, and finds a scheme in it."""
    url = parse(text)
    return url is not None and url.scheme != ""


def _host_name(host: str) -> str:
    name, colon, port = host.rpartition(":")
    if colon and _PORT.fullmatch(colon + port):
        host = name
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _is_authority(scheme: str, authority: str) -> bool:
    user, _, host = authority.rpartition("@")
    if not _USER_INFO.fullmatch(user) or _BAD_ESCAPE.search(user):
        return False
    if "[" in host:
        return _is_literal(host)
    colons = host.count(":")
    name, colon, port = host.partition(":") if scheme in {"http", "https"} else host.rpartition(":")
    if colons and not _PORT.fullmatch(colon + port):
        return False
    return _HOST.fullmatch(name if colons else host) is not None


def _is_literal(host: str) -> bool:
    """Return whether *host* is an IPv6 address in brackets, perhaps with a zone and a port."""
    inner, bracket, port = host[1:].rpartition("]")
    if not host.startswith("[") or "[" in inner or not bracket or not _PORT.fullmatch(port):
        return False
    address, escaped, zone = inner.partition("%25")
    if not _HOST.fullmatch(address) or not _is_zone(escaped + zone):
        return False
    return _is_ipv6(_unescaped(inner))


def _is_zone(zone: str) -> bool:
    plain = re.sub(r"%25|%20", "", zone)
    if not _HOST.fullmatch(re.sub(r"%[0-9A-Fa-f]{2}", "", plain)) or _BAD_ESCAPE.search(plain):
        return False
    bytes_named = (int(code, 16) for code in re.findall(r"%([0-9A-Fa-f]{2})", plain))
    return all(byte < 0x80 and _HOST.fullmatch(chr(byte)) for byte in bytes_named)  # noqa: PLR2004 - ASCII


def _unescaped(text: str) -> str:
    raw = _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), text.encode(errors="surrogatepass"))
    return raw.decode(errors="replace")


def _is_ipv6(text: str) -> bool:
    import ipaddress  # only for URLs with an address in brackets

    address, percent, zone = text.partition("%")
    if percent and not zone:
        return False
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return True
