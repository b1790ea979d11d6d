"""What a file is, recognised by its bytes before it is judged, without believing what it states.

People carry requests, plans, statements and results between machines, and give a command the wrong one. An
error then names what the file is, what was needed, and the command that makes that; *false* is left for
forgeries. A file that is not recognised, for it was cut off or edited, is left to the reader of what was
needed: it names the place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from seedless import base64url
from seedless.errors import SeedlessError, WrongFile
from seedless.nkey import PublicKey
from seedless.text import shown

if TYPE_CHECKING:
    from pathlib import Path


class FileKind(msgspec.Struct, frozen=True):
    """A kind of file: what it is called, the command that makes one, and the one that takes the FILE."""

    label: str
    made_by: str = ""
    taken_by: str = ""


PLAN = FileKind(
    "a plan", "--plan FILE, with a command that signs,", "seedless sign --plan FILE --dry-run shows it"
)
REQUEST = FileKind(
    "the request of a ceremony",
    "seedless ceremony prepare PLAN -o FILE",
    "seedless ceremony review FILE shows it",
)
STATEMENT = FileKind(
    "the statement of a witness",
    "seedless ceremony witness REQUEST -o FILE",
    "seedless ceremony sign REQUEST --witness FILE takes it",
)
RESULT = FileKind(
    "the result of a ceremony",
    "seedless ceremony sign REQUEST -o FILE",
    "seedless ceremony accept FILE takes it",
)
TRANSCRIPT = FileKind(
    "the transcript of a ceremony", "seedless ceremony sign", "seedless ceremony check REQUEST FILE takes it"
)
KEYS = FileKind(
    "a file of ceremony keys",
    "seedless ceremony keygen NAME -o FILE",
    "seedless ceremony keys FILE takes it",
)
KEY_SPECIFICATION = FileKind(
    "a key specification", "a person", "seedless ceremony prepare FILE makes a request of it"
)
KEY_REQUEST = FileKind(
    "the request of a ceremony that creates keys",
    "seedless ceremony prepare SPECIFICATION -o FILE",
    "seedless ceremony keygen --request FILE takes it",
)
KEY_RESULT = FileKind(
    "the result of a ceremony that created keys",
    "seedless ceremony keygen --request FILE",
    "seedless ceremony keys FILE takes it",
)
KEY_TRANSCRIPT = FileKind(
    "the transcript of a ceremony that creates keys",
    "seedless ceremony keygen --request FILE",
    "seedless ceremony check REQUEST FILE takes it",
)
RECEIPT = FileKind("the receipt of a ceremony", "seedless ceremony sign")
KEY_STATEMENT = FileKind("the statement of a ceremony key", "seedless ceremony keygen")
POLICY = FileKind(
    "a policy", "seedless ceremony keygen NAME --policy-out FILE", "seedless policy explain FILE shows it"
)
RECOVERY = FileKind(
    "the record of a recovery", "seedless recovery create", "seedless recovery restore FILE takes it"
)
RECOVERY_TRANSCRIPT = FileKind(
    "the transcript of a restore",
    "seedless recovery restore",
    "seedless recovery check RECORD --transcript FILE verifies it",
)
LEDGER = FileKind("a ledger of ceremonies", "seedless ceremony keygen")
INVENTORY = FileKind("an inventory of keys", "seedless key new")
DESIRED = FileKind("a desired state", "seedless export-desired", "seedless apply FILE takes it")
CLAIMS = FileKind("a file of claims", "seedless show --raw", "seedless sign FILE takes it")
JWT = FileKind("a jwt")
CREDS = FileKind("a creds file", "seedless user creds NAME -a ACCOUNT -o FILE")
SEED = FileKind("a seed", "nk -gen user")
PUBLIC_KEY = FileKind("a public key", "seedless key list")
REPORT = FileKind("the report of a ceremony", "seedless ceremony report")
JWTS = {
    kind: FileKind(f"a jwt of {article} {kind.replace('_', ' ')}", made_by)
    for kind, article, made_by in (
        ("operator", "an", "seedless operator add"),
        ("account", "an", "seedless account add"),
        ("user", "a", "seedless user add"),
        ("activation", "an", "seedless activation new"),
        ("generic", "a", "seedless sign"),
        ("authorization_request", "an", "a nats-server"),
        ("authorization_response", "an", "seedless sign"),
    )
}
"""By the type that the claims state."""

_FORMATS = {
    "seedless plan": PLAN,
    "seedless ceremony request": REQUEST,
    "seedless ceremony result": RESULT,
    "seedless ceremony transcript": TRANSCRIPT,
    "seedless ceremony keys": KEYS,
    "seedless key specification": KEY_SPECIFICATION,
    "seedless ceremony key request": KEY_REQUEST,
    "seedless ceremony key result": KEY_RESULT,
    "seedless ceremony key transcript": KEY_TRANSCRIPT,
    "seedless recovery record": RECOVERY,
    "seedless recovery transcript": RECOVERY_TRANSCRIPT,
}
OWN = {
    "seedless-ceremony-witness": STATEMENT,
    "seedless-ceremony-receipt": RECEIPT,
    "seedless-ceremony-key": KEY_STATEMENT,
}
"""What a ceremony signs about itself, by the audience of the jwt."""

_SEED = re.compile(r"S[A-Z2-7]{57}")
_CREDS = b"-----BEGIN NATS USER JWT-----"
_REPORT = re.compile(rb"<!doctype html>.{0,400}<title>Ceremony", re.DOTALL)
_TOP_OF_STATE = ("operator", "accounts", "tenants", "templates", "variables")
_PARTS = 3  # of a jwt


def identify(data: bytes) -> FileKind | None:
    """Return what *data*, the bytes of a file, is; None for what is not recognised. Nothing is verified."""
    if _CREDS in data:
        return CREDS
    if _REPORT.match(data):
        return REPORT
    try:
        text = data.decode("utf-8").strip()
    except UnicodeDecodeError:
        return None
    if text.startswith("{"):
        return _json_kind(text)
    return _word_kind(text) if " " not in text and "=" not in text else _toml_kind(text)


def require(data: bytes, name: str | Path, *kinds: FileKind) -> None:
    """Raise `WrongFile` where *data*, of the file *name*, is recognised as none of the kinds *kinds*.

    The first of *kinds* is the one that the error names.
    """
    found = identify(data)
    if found is None or found in kinds:
        return
    first = kinds[0]
    made = [f"{first.made_by} makes {first.label}"] if first.made_by else []
    taken = [found.taken_by.replace("FILE", shown(name))] if found.taken_by else []
    raise WrongFile(
        f"{shown(name)} is {found.label}, and {first.label} is needed", "; ".join([*taken, *made])
    )


def _json_kind(text: str) -> FileKind | None:
    try:
        value = msgspec.json.decode(text)
    except RecursionError:
        return None
    except (msgspec.MsgspecError, ValueError):
        return _line_kind(text)
    return _object_kind(value)


def _line_kind(text: str) -> FileKind | None:
    """Return the kind of a file of several lines, each with an object."""
    try:
        return _object_kind(msgspec.json.decode(text.partition("\n")[0]))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _object_kind(value: object) -> FileKind | None:
    if not isinstance(value, dict):
        return None
    written = value.get("format")
    if isinstance(written, str):
        return _FORMATS.get(written.rpartition(" ")[0])
    if {"version", "operators", "open"} <= value.keys():
        return LEDGER
    if {"version", "keys"} == value.keys():
        return INVENTORY
    if "nats" in value and "sub" in value:
        return CLAIMS
    return _settings_kind(value)


def _settings_kind(value: dict[str, object]) -> FileKind | None:
    """Return the kind of what people write: a policy names its operator by key, a state describes it."""
    if str(value.get("format", "")).startswith("seedless key specification "):
        return KEY_SPECIFICATION
    operator = value.get("operator")
    if isinstance(operator, str) and _word_kind(operator) is PUBLIC_KEY:
        return POLICY
    tables = (name for name in _TOP_OF_STATE if isinstance(value.get(name), dict | list))
    return DESIRED if any(tables) else None


def _toml_kind(text: str) -> FileKind | None:
    import tomllib  # a signature of one jwt loads this module, and reads no TOML

    try:
        return _settings_kind(tomllib.loads(text))
    except (ValueError, RecursionError):
        return None


def _word_kind(text: str) -> FileKind | None:
    if _SEED.fullmatch(text):
        return SEED
    if text.count(".") == _PARTS - 1:
        return _jwt_kind(text.split(".")[1])
    try:
        PublicKey.parse(text)
    except SeedlessError:
        return None
    return PUBLIC_KEY


def _jwt_kind(payload: str) -> FileKind | None:
    try:
        value = msgspec.json.decode(base64url.decode(payload, "the payload"))
    except (SeedlessError, msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    own = OWN.get(str(value.get("aud")))
    nats = value.get("nats")
    kind = nats.get("type") if isinstance(nats, dict) else value.get("type")
    return own or JWTS.get(str(kind))
