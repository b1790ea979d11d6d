"""Claims rules for operators (nats-io/jwt v2.8.2, operator_claims.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.findings import error
from seedless.nkey import Role
from seedless.rules.formats import cited, is_key, number
from seedless.wire import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.change import Context, Statement
    from seedless.claims import Operator
    from seedless.claims.url import Url
    from seedless.findings import Finding

_SERVER_URL = "nats.account_server_url"
_SERVICE_SCHEMES = frozenset({"nats", "tls", "ws", "wss"})
_SERVICE_HINT = "write nats://host:4222; schemes are nats, tls, ws and wss"
_VERSION = "nats.assert_server_version"
_DOTS = 2


# operator_claims.go:98-112; Encode refuses it too, so nsc cannot write such a jwt.
def c011_account_server_is_a_url(statement: Statement[Operator], _: Context) -> Iterator[Finding]:
    """The account server of an operator is a URL.

    Servers do not start with an operator whose account server they cannot parse.
    """
    text = statement.claims.body.account_server_url
    if text and _parsed(text) is None:
        yield error("C011", _SERVER_URL, f"{cited(text)} is not a URL", "write nats://host:4222")


def c012_account_server_has_a_scheme(statement: Statement[Operator], _: Context) -> Iterator[Finding]:
    """The URL of the account server begins with its scheme.

    Tools decide by it how accounts are pushed: nats, tls, ws and wss to a resolver, http and https by POST.
    """
    text = statement.claims.body.account_server_url
    found = _parsed(text) if text else None
    if found and not found.scheme:
        yield error("C012", _SERVER_URL, f"{cited(text)} has no scheme", "write nats://host:4222")


def c013_service_is_a_url(statement: Statement[Operator], _: Context) -> Iterator[Finding]:
    """Each service URL of an operator is a URL.

    Tools connect to them; one that cannot be parsed is of no use.
    """
    for path, text, found in _services(statement):
        if found is None:
            yield error("C013", path, f"{cited(text)} is not a URL", _SERVICE_HINT)


def c014_service_has_no_credentials(statement: Statement[Operator], _: Context) -> Iterator[Finding]:
    """A service URL holds no user and no password.

    An operator jwt is public: whoever reads it would have them.
    """
    for path, _text, found in _services(statement):
        if found and found.has_user:
            yield error("C014", path, "the URL holds a user or a password", "leave them out")


# operator_claims.go:72-158. Even the path `/` counts.
def c015_service_has_no_path(statement: Statement[Operator], _: Context) -> Iterator[Finding]:
    """A service URL ends with its host and port; even a final slash is a path.

    NATS servers have no paths.
    """
    for path, text, found in _services(statement):
        if found and not found.has_user and found.path:
            yield error("C015", path, f"{cited(text)} has a path", _SERVICE_HINT)


# operator_claims.go:72-158; the scheme is compared in lower case.
def c016_service_scheme_is_of_nats(statement: Statement[Operator], _: Context) -> Iterator[Finding]:
    """A service URL is one of a NATS server: its scheme is nats, tls, ws or wss.

    `host:4222` is read as a URL with the scheme `host`.
    """
    for path, text, found in _services(statement):
        if found and not (found.has_user or found.path) and found.scheme not in _SERVICE_SCHEMES:
            yield error("C016", path, f"{cited(text)} is not a URL of a NATS server", _SERVICE_HINT)


def c017_signing_keys_are_operator_keys(statement: Statement[Operator], _: Context) -> Iterator[Finding]:
    """The signing keys of an operator are operator keys.

    Servers refuse an operator with any other.
    """
    for index, key in enumerate(statement.claims.body.signing_keys):
        if not is_key(key, Role.OPERATOR):
            path = at("nats.signing_keys", index)
            yield error("C017", path, f"{cited(key)} is not an operator's public key", "give one, O…")


# operator_claims.go. That it is an account of this operator is not looked at there: T004.
def c018_system_account_is_an_account(statement: Statement[Operator], _: Context) -> Iterator[Finding]:
    """The system account of an operator is named by an account key.

    Servers do not start with any other.
    """
    key = statement.claims.body.system_account
    if key and not is_key(key, Role.ACCOUNT):
        yield error(
            "C018", "nats.system_account", f"{cited(key)} is not an account's public key", "give one, A…"
        )


# operator_claims.go:51-69. A server that is older than this version does not start.
def c019_version_has_three_parts(statement: Statement[Operator], _: Context) -> Iterator[Finding]:
    """The server version that an operator asks for has three parts: major, minor and update.

    Servers that are older than it do not start; one that cannot be read stops them all.
    """
    text = statement.claims.body.assert_server_version
    if text and text.count(".") != _DOTS:
        yield error("C019", _VERSION, f"{cited(text)} has not three parts", "write 2.10.0")


# operator_claims.go:51-69. Go's Atoi takes `+3` and `01`.
def c020_version_is_numbers(statement: Statement[Operator], _: Context) -> Iterator[Finding]:
    """The parts of the server version are whole numbers.

    A suffix such as `-RC1` is not understood.
    """
    text, parts = _version(statement)
    bad = [cited(part) for part, value in parts if value is None]
    if bad:
        yield error(
            "C020",
            _VERSION,
            f"{cited(text)} has a part that is not a number: {', '.join(bad)}",
            "write 2.10.0",
        )


def c021_version_is_not_negative(statement: Statement[Operator], _: Context) -> Iterator[Finding]:
    """The parts of the server version are not negative.

    No server has such a version.
    """
    text, parts = _version(statement)
    values = [value for _, value in parts if value is not None]
    if len(values) == len(parts) and any(value < 0 for value in values):
        yield error("C021", _VERSION, f"{cited(text)} has a negative part", "write 2.10.0")


def _services(statement: Statement[Operator]) -> Iterator[tuple[str, str, Url | None]]:
    """Yield the path, the text and the parts of each service URL that is given."""
    for index, text in enumerate(statement.claims.body.operator_service_urls):
        if text:
            yield at("nats.operator_service_urls", index), text, _parsed(text)


def _parsed(text: str) -> Url | None:
    from seedless.claims import url  # patterns that are slow to compile, and few have a URL

    return url.parse(text)


def _version(statement: Statement[Operator]) -> tuple[str, list[tuple[str, int | None]]]:
    """Return the version that is asked for, and its parts with their values if there are three."""
    text = statement.claims.body.assert_server_version
    parts = text.split(".") if text.count(".") == _DOTS else []
    return text, [(part, number(part)) for part in parts]


RULES = (
    c011_account_server_is_a_url,
    c012_account_server_has_a_scheme,
    c013_service_is_a_url,
    c014_service_has_no_credentials,
    c015_service_has_no_path,
    c016_service_scheme_is_of_nats,
    c017_signing_keys_are_operator_keys,
    c018_system_account_is_an_account,
    c019_version_has_three_parts,
    c020_version_is_numbers,
    c021_version_is_not_negative,
)
"""For operators."""
