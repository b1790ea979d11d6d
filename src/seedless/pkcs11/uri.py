"""RFC 7512 URIs: which token, which key, which module.

A `pin-value` is refused, because a URI ends in files, histories and process lists. So are attributes that
come twice, attributes of the path in the query (and the other way), and names that neither the RFC knows nor
`x-` begins. Errors name the attribute and never its value.
"""

from __future__ import annotations

import functools
import re
import urllib.parse

import msgspec

from seedless.errors import BadUri

__all__ = ["KeyUri"]

_SCHEME = "pkcs11:"
_TYPES = ("public", "private", "cert", "secret-key", "data")
_SLOT_ID_LIMIT = 1 << 64
# RFC 7512 §2.3: what may be unencoded besides letters, digits and "-._~".
_PATH_SAFE = ":[]@!$'()*+,=&"
_QUERY_SAFE = ":[]@!$'()*+,=/?|"
_UNRESERVED = r"A-Za-z0-9._~\-"
_PATH_VALUE = re.compile(f"(?:[{_UNRESERVED}{re.escape(_PATH_SAFE)}]|%[0-9A-Fa-f]{{2}})*")
_QUERY_VALUE = re.compile(f"(?:[{_UNRESERVED}{re.escape(_QUERY_SAFE)}]|%[0-9A-Fa-f]{{2}})*")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_VERSION = r"([0-9]{1,3})(?:\.([0-9]{1,3}))?"  # as text: `re` compiles it when it is first needed
_SLOT_ID = r"[0-9]{1,20}"  # likewise
_VERSION_LIMIT = 255  # CK_VERSION holds two bytes

_PATH_FIELDS = (
    "token",
    "manufacturer",
    "model",
    "serial",
    "slot_description",
    "slot_id",
    "slot_manufacturer",
    "library_description",
    "library_manufacturer",
    "library_version",
    "object",
    "id",
    "type",
)
_TOKEN_FIELDS = ("token", "manufacturer", "model", "serial")
_QUERY_FIELDS = ("module_name", "module_path", "pin_source")
# By look-up: an inventory has thousands of URIs, and a command reads each of them.
_PATH_NAMES, _QUERY_NAMES = (
    {field.replace("_", "-"): field for field in fields} for fields in (_PATH_FIELDS, _QUERY_FIELDS)
)
_TEXT_NAMES = tuple((_PATH_NAMES | _QUERY_NAMES).items())


class KeyUri(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes of a PKCS#11 URI; None where one is missing (RFC 7512 §2.3, §2.4).

    Text is UTF-8 without NUL, `id` is bytes, `slot_id` a number below 2**64, `library_version` is `3` or
    `3.2`. `extra` and `extra_query` hold vendor attributes (`x-…`), sorted by name.
    """

    token: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    serial: str | None = None
    object: str | None = None
    id: bytes | None = None
    type: str | None = None
    slot_id: int | None = None
    slot_manufacturer: str | None = None
    slot_description: str | None = None
    library_manufacturer: str | None = None
    library_description: str | None = None
    library_version: str | None = None
    module_name: str | None = None
    module_path: str | None = None
    pin_source: str | None = None
    extra: tuple[tuple[str, str], ...] = ()
    extra_query: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for name, field in _TEXT_NAMES:
            value = getattr(self, field)
            if isinstance(value, str):
                _check_text(name, value)
        for name, value in (*self.extra, *self.extra_query):
            _check_extra(name)
            _check_text(name, value)
        for extra in (self.extra, self.extra_query):
            if list(extra) != sorted(dict(extra).items()):
                raise BadUri("vendor attributes of a PKCS#11 URI are sorted by name, each once")
        if self.type is not None and self.type not in _TYPES:
            raise BadUri(
                "the attribute type of a PKCS#11 URI has an unknown value",
                f"it is one of {', '.join(_TYPES)}",
            )
        if self.slot_id is not None and not 0 <= self.slot_id < _SLOT_ID_LIMIT:
            raise BadUri("the attribute slot-id of a PKCS#11 URI is too large", "it is a number below 2**64")
        if self.library_version is not None:
            _check_version(self.library_version)

    @classmethod
    def parse(cls, text: str) -> KeyUri:
        """Read `pkcs11:token=…;object=…?module-path=…`; raise `BadUri`, which never quotes a value."""
        return _parsed(text)

    def without_query(self) -> KeyUri:
        """Return it without module and PIN source: what may be recorded of it."""
        if (self.module_name, self.module_path, self.pin_source, self.extra_query) == (None, None, None, ()):
            return self
        return msgspec.structs.replace(
            self, module_name=None, module_path=None, pin_source=None, extra_query=()
        )

    @property
    def token_part(self) -> KeyUri:
        """The attributes of the token, without the key on it."""
        return msgspec.structs.replace(self, object=None, id=None, type=None)

    def covers(self, other: KeyUri) -> bool:
        """Report whether it names a token, and *other* names no token that it does not mean."""
        wanted = [(getattr(self, field), getattr(other, field)) for field in _TOKEN_FIELDS]
        named = [(mine, theirs) for mine, theirs in wanted if mine is not None]
        return bool(named) and all(mine == theirs for mine, theirs in named)

    def may_be(self, other: KeyUri) -> bool:
        """Report whether one token can be meant by both: no attribute that both name differs.

        A label is given by people, so it separates no tokens whose serial numbers are the same.
        """
        fields = ("manufacturer", "serial") if self.serial and other.serial else _TOKEN_FIELDS
        pairs = [(getattr(self, field), getattr(other, field)) for field in fields]
        return all(not mine or not theirs or mine == theirs for mine, theirs in pairs)

    def __str__(self) -> str:
        path = [*self._written(_PATH_FIELDS, _PATH_SAFE), *_written_extra(self.extra, _PATH_SAFE)]
        query = [*self._written(_QUERY_FIELDS, _QUERY_SAFE), *_written_extra(self.extra_query, _QUERY_SAFE)]
        return _SCHEME + ";".join(path) + ("?" + "&".join(query) if query else "")

    def _written(self, names: tuple[str, ...], safe: str) -> list[str]:
        values = ((name, getattr(self, name)) for name in names)
        return [
            f"{name.replace('_', '-')}={_quoted(value, safe)}" for name, value in values if value is not None
        ]


@functools.lru_cache(maxsize=4096)
def _parsed(text: str) -> KeyUri:
    # Remembered: a run over an inventory comes to each of its URIs several times.
    if text[: len(_SCHEME)].lower() != _SCHEME:
        raise BadUri(
            "this is not a PKCS#11 URI", "it begins with pkcs11: as in pkcs11:token=NAME;serial=NUMBER"
        )
    path, _, query = text[len(_SCHEME) :].partition("?")
    values: dict[str, str | bytes | int] = {}
    extra = _read(path, ";", _PATH_VALUE, values)
    extra_query = _read(query, "&", _QUERY_VALUE, values)
    return KeyUri(**values, extra=extra, extra_query=extra_query)  # type: ignore[arg-type]  # by name, as _value made them


def _quoted(value: str | bytes | int, safe: str) -> str:
    if isinstance(value, bytes):
        # RFC 7512 §2.3: the whole value of id should be percent-encoded.
        return "".join(f"%{byte:02X}" for byte in value)
    return urllib.parse.quote(str(value), safe=safe)


def _written_extra(extra: tuple[tuple[str, str], ...], safe: str) -> list[str]:
    return [f"{name}={_quoted(value, safe)}" for name, value in extra]


def _read(
    part: str, separator: str, allowed: re.Pattern[str], values: dict[str, str | bytes | int]
) -> tuple[tuple[str, str], ...]:
    """Put the attributes of one *part* into *values*; return its vendor attributes."""
    extra: dict[str, str] = {}
    for piece in part.split(separator) if part else ():
        name, equals, raw = piece.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise BadUri(
                "a part of the PKCS#11 URI is not NAME=VALUE",
                "attributes of the path end with ; those of the query with &",
            )
        field = _field(name, separator)
        if field in values or name in extra:
            raise BadUri(f"the attribute {name} occurs twice in the PKCS#11 URI")
        if not allowed.fullmatch(raw):
            raise BadUri(
                f"the attribute {name} holds a character that must be percent-encoded",
                "a blank is %20, an umlaut its UTF-8 bytes",
            )
        data = urllib.parse.unquote_to_bytes(raw)
        if field is None:
            extra[name] = _text(name, data)
        else:
            values[field] = _value(name, data)
    return tuple(sorted(extra.items()))


def _field(name: str, separator: str) -> str | None:
    """Return the field of attribute *name*, None for a vendor's; raise `BadUri` if it has no place here."""
    if name == "pin-value":
        raise BadUri(
            "the PKCS#11 URI holds a pin-value",
            "take the PIN out; give it by a prompt, env:NAME, file:PATH, fd:N or cmd:PROGRAM",
        )
    own, other = (_PATH_NAMES, _QUERY_NAMES) if separator == ";" else (_QUERY_NAMES, _PATH_NAMES)
    if name in own:
        return own[name]
    if name in other:
        raise BadUri(f"the attribute {name} is on the wrong side of the ? in the PKCS#11 URI")
    _check_extra(name)
    return None


def _value(name: str, data: bytes) -> str | bytes | int:
    if name == "id":
        return data
    text = _text(name, data)
    if name != "slot-id":
        return text
    if not re.fullmatch(_SLOT_ID, text):
        raise BadUri("the attribute slot-id of a PKCS#11 URI is not a number")
    return int(text)


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise BadUri(f"the attribute {name} of the PKCS#11 URI is not UTF-8") from None


def _check_text(name: str, value: str) -> None:
    if "\0" in value:
        raise BadUri(f"the attribute {name} of a PKCS#11 URI holds a NUL")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise BadUri(f"the attribute {name} of a PKCS#11 URI is not UTF-8") from None


def _check_extra(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadUri("the name of an attribute of a PKCS#11 URI is made of letters, digits, - and _")
    if not name.startswith("x-"):
        raise BadUri(
            f"a PKCS#11 URI has no attribute {name}", "RFC 7512 lists them: token, serial, object, id, …"
        )


def _check_version(text: str) -> None:
    match = re.fullmatch(_VERSION, text)
    if not match or any(int(number) > _VERSION_LIMIT for number in match.groups(default="0")):
        raise BadUri("the attribute library-version of a PKCS#11 URI is not like 3 or 3.2")
