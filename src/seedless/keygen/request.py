"""The request to create keys: a key specification with the header of a ceremony.

A key specification is a TOML file that people write and review: which keys, on which tokens, held by whom,
with which attributes, and who takes part. Nothing about keys is given on the command line of the machine that
creates them. Refused are two keys of one label, names that are none, a key that is to be recoverable and
attested (what shares restore is imported, and no device attests it), and holders who are not among people.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from seedless import plan_file, strict_json
from seedless.ceremony import documents
from seedless.ceremony.request import REHEARSAL
from seedless.errors import BadClaims, SeedlessError, UsageError
from seedless.ledger import is_digest
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.keys import KeyAttributes, label_for
from seedless.pkcs11.uri import KeyUri
from seedless.policy import Witnesses
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

SPECIFICATION_FORMAT: Final = "seedless key specification 1"
FORMAT: Final = "seedless ceremony key request 1"
_WANTED: Final = ("local", "sensitive", "never_extractable")
_ATTRIBUTES: Final = KeyAttributes.__struct_fields__


class SpecifiedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key to create: `token` is the URI of its token, the one that is named when it is empty.

    `attributes` are those that the driver has to report as true; a recoverable key, which is imported, has
    none of them unless they are named.
    """

    role: Literal["operator", "account"]
    name: str
    holder: str
    token: str = ""
    attributes: tuple[str, ...] | None = None
    recoverable: bool = False
    attested: bool = False

    @property
    def label(self) -> str:
        """The label of the key on its token."""
        return label_for(Role[self.role.upper()], self.name)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The attributes that the driver has to report as true."""
        if self.attributes is not None:
            return self.attributes
        return ("sensitive",) if self.recoverable else _WANTED


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who takes part, and as what: holder, witness, scribe, administrator.

    `key` is the public key by which a witness signs, empty for others.
    """

    name: str
    role: str
    key: str = ""


class Bag(msgspec.Struct, frozen=True, kw_only=True):
    """A bag, envelope or safe with its number, and what is in it."""

    number: str
    content: str


class SpecifiedShares(msgspec.Struct, frozen=True, kw_only=True):
    """How the secret of the recoverable keys is shared: `bits` of it, a share for each holder."""

    threshold: int
    holders: tuple[str, ...]
    bits: int = 256


class KeySpecification(msgspec.Struct, frozen=True, kw_only=True):
    """The file that people write: the operator's name, keys, people, bags, witnesses, roots and shares.

    `exceptions` are deviations from the usual script that were agreed on before.
    """

    format: str
    operator: str
    keys: tuple[SpecifiedKey, ...]
    people: tuple[Person, ...] = ()
    bags: tuple[Bag, ...] = ()
    exceptions: tuple[str, ...] = ()
    witnesses: Witnesses | None = None
    attestation_roots: tuple[str, ...] = ()
    shares: SpecifiedShares | None = None

    @property
    def recoverable(self) -> tuple[SpecifiedKey, ...]:
        """The keys that shares are to restore."""
        return tuple(key for key in self.keys if key.recoverable)


class KeygenRequest(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A key specification, and who asks for it: why, when, its expiry (Unix seconds), by which program.

    `mark` is empty, or `REHEARSAL`.
    """

    specification: KeySpecification
    reason: str
    prepared_by: str
    prepared_at: int
    expires: int
    tool: str
    format: str = FORMAT
    mark: str = ""

    @functools.cached_property
    def data(self) -> bytes:
        """The bytes of its file."""
        return documents.to_bytes(msgspec.to_builtins(self))

    @functools.cached_property
    def digest(self) -> str:
        """The SHA-256 of its file, in hex."""
        return plan_file.digest(self.data)


def rehearsed_keys(request: KeygenRequest, witnesses: tuple[str, ...]) -> KeygenRequest:
    """Return *request* for a rehearsal on one token in software, with the placeholder keys of *witnesses*.

    Nothing is shared and nothing attested there: holders do not write down the shares of a secret that is
    gone, and no device attests such a key.
    """
    specification = request.specification
    real = specification.witnesses.keys if specification.witnesses else ()
    placeholders = dict(zip(real, witnesses, strict=True))
    replace = msgspec.structs.replace
    changed = replace(
        specification,
        keys=tuple(
            replace(key, token="", recoverable=False, attested=False, attributes=None)
            for key in specification.keys
        ),
        people=tuple(
            replace(person, key=placeholders.get(person.key, "")) for person in specification.people
        ),
        witnesses=specification.witnesses and replace(specification.witnesses, keys=witnesses),
        attestation_roots=(),
        shares=None,
    )
    return parse(replace(request, specification=changed, mark=REHEARSAL).data)


def read_specification(data: bytes, name: str) -> KeySpecification:
    """Read the key specification (TOML) of the file *name*; raise `UsageError` with the place."""
    try:
        specification = strict_json.read_toml(data, KeySpecification)
    except BadClaims as error:
        raise UsageError(
            f"{name}: {error.message}", "seedless docs reference/ceremony lists the members"
        ) from error
    require_sound(specification, name)
    return specification


def prepare(specification: KeySpecification, **header: object) -> KeygenRequest:
    """Return the request; *header* are its other members. Raise `UsageError` for what no request may hold."""
    request = KeygenRequest(specification=specification, **header)  # type: ignore[arg-type]  # checked by `parse`
    return parse(request.data)


def parse(data: bytes) -> KeygenRequest:
    """Read a request to create keys; raise `UsageError` that names the place."""
    value = documents.parse(data, "the request")
    request = documents.members_of(value, KeygenRequest, "request")
    if request.format != FORMAT:
        raise UsageError(f"request.format is not {FORMAT!r}", "another version of seedless may read it")
    for name in ("reason", "prepared_by", "tool"):
        documents.require_plain(getattr(request, name), f"request.{name}")
    if request.mark not in {"", REHEARSAL}:
        raise UsageError(f"request.mark is {quoted(request.mark)}", f"it is empty, or {REHEARSAL}")
    if request.expires <= request.prepared_at:
        raise UsageError("request.expires is not after request.prepared_at", "give it some days")
    require_sound(request.specification, "request.specification")
    return request


def require_sound(specification: KeySpecification, where: str) -> None:
    """Raise `UsageError` for a specification, called *where*, that nobody can fulfil."""
    if specification.format != SPECIFICATION_FORMAT:
        raise UsageError(
            f"{where}.format is not {SPECIFICATION_FORMAT!r}", f'format = "{SPECIFICATION_FORMAT}"'
        )
    if not specification.keys:
        raise UsageError(f"{where}.keys is empty: nothing would be created", "add a table [[keys]]")
    documents.require_plain(specification.operator, f"{where}.operator")
    for number, key in enumerate(specification.keys):
        _require_key(specification, key, f"{where}.keys[{number}]")
    labels = [(key.role, key.name) for key in specification.keys]
    for number, label in enumerate(labels):
        if label in labels[:number]:
            raise UsageError(
                f"{where}.keys[{number}] is in the list already: {':'.join(label)}", "leave it out"
            )
    _require_texts(specification, where)
    _require_witnesses(specification, where)
    _require_shares(specification, where)


def _require_key(specification: KeySpecification, key: SpecifiedKey, where: str) -> None:
    try:
        _ = key.label
        uri = KeyUri.parse(key.token) if key.token else None
    except SeedlessError as error:
        raise UsageError(f"{where}: {error.message}", error.hint) from error
    # A slot number is given out anew by each start of a driver, so it names no token to compare with later.
    if uri is not None and not uri.covers(uri):
        raise UsageError(
            f"{where}.token names no token by what it reports of itself: {shown(key.token)}",
            "pkcs11:token=LABEL, or pkcs11:serial=SERIAL",
        )
    documents.require_plain(key.holder, f"{where}.holder")
    people = {person.name for person in specification.people}
    if people and key.holder not in people:
        raise UsageError(f"{where}.holder is {shown(key.holder)}, who is not among people", "add [[people]]")
    for name in key.wanted:
        if name not in _ATTRIBUTES:
            raise UsageError(f"{where}.attributes: {quoted(name)} is none of {', '.join(_ATTRIBUTES)}")
    if key.recoverable and key.attested:
        raise UsageError(
            f"{where} is to be recoverable and attested: what shares restore is imported, "
            "and no device attests it",
            "choose one of both for this key",
        )
    if key.recoverable and {"local", "never_extractable", "always_sensitive"} & set(key.wanted):
        raise UsageError(
            f"{where} is to be recoverable, so it is imported, and no token reports it as "
            f"{', '.join(key.wanted)}",
            'attributes = ["sensitive"]',
        )


def _require_texts(specification: KeySpecification, where: str) -> None:
    texts = [
        *((f"people[{n}].name", person.name) for n, person in enumerate(specification.people)),
        *((f"people[{n}].role", person.role) for n, person in enumerate(specification.people)),
        *((f"bags[{n}].number", bag.number) for n, bag in enumerate(specification.bags)),
        *((f"bags[{n}].content", bag.content) for n, bag in enumerate(specification.bags)),
        *((f"exceptions[{n}]", text) for n, text in enumerate(specification.exceptions)),
    ]
    for place, text in texts:
        documents.require_plain(text, f"{where}.{place}")
    for number, root in enumerate(specification.attestation_roots):
        if not is_digest(root):
            raise UsageError(
                f"{where}.attestation_roots[{number}] is not a SHA-256 of a certificate",
                "openssl x509 -in FILE -outform DER | sha256sum",
            )
    if any(key.attested for key in specification.keys) != bool(specification.attestation_roots):
        raise UsageError(
            f"{where}: attested keys need attestation_roots, and roots are for attested keys", "give both"
        )


def _require_witnesses(specification: KeySpecification, where: str) -> None:
    witnesses = specification.witnesses
    _require_people(specification, where)
    if witnesses is None:
        return
    try:
        count = len({PublicKey.parse(key).raw for key in witnesses.keys})
    except SeedlessError as error:
        raise UsageError(f"{where}.witnesses.keys: {error.message}", error.hint) from error
    if count < len(witnesses.keys) or not 1 <= witnesses.threshold <= count:
        raise UsageError(
            f"{where}.witnesses: {witnesses.threshold} of {count} different keys cannot have signed",
            "each key once, and a threshold of 1 up to their number",
        )


def _require_people(specification: KeySpecification, where: str) -> None:
    """Raise `UsageError` for somebody, a bag or a witness who is there twice, or who is nobody."""
    # Two keys of one person are two witnesses by their keys alone: only who writes the specification knows
    # that they are one, and the names make a reviewer see it.
    witnesses = specification.witnesses.keys if specification.witnesses else ()
    named = [person.key for person in specification.people if person.key]
    for number, person in enumerate(specification.people):
        if [other.name for other in specification.people].count(person.name) > 1:
            raise UsageError(
                f"{where}.people[{number}] is {shown(person.name)}, who is there twice",
                "one entry for each person, with all roles: a person counts once",
            )
        if person.key and (person.key not in witnesses or named.count(person.key) > 1):
            raise UsageError(
                f"{where}.people[{number}].key is that of no witness, or of two people",
                "[witnesses] lists the keys of witnesses, and each is that of one person",
            )
    strangers = [key for key in witnesses if named and key not in named]
    if strangers:
        raise UsageError(
            f"{where}.witnesses.keys: {strangers[0]} is the key of nobody in people",
            "give each witness an entry in people with their key, or none of them",
        )
    numbers = [bag.number for bag in specification.bags]
    for number, item in enumerate(numbers):
        if numbers.count(item) > 1:
            raise UsageError(f"{where}.bags[{number}].number is there twice: {shown(item)}", "look again")


def _require_shares(specification: KeySpecification, where: str) -> None:
    recoverable, shares = specification.recoverable, specification.shares
    if bool(recoverable) != (shares is not None):
        raise UsageError(
            f"{where}: recoverable keys need [shares], and shares are for such keys", "give both"
        )
    if shares is None:
        return
    if len({key.token for key in recoverable}) > 1:
        raise UsageError(
            f"{where}: recoverable keys of one secret go to one token", "restore them on others afterwards"
        )
    if not 2 <= shares.threshold <= len(shares.holders) or shares.bits not in {128, 256}:  # noqa: PLR2004 - the least
        raise UsageError(
            f"{where}.shares: {shares.threshold} of {len(shares.holders)} shares of {shares.bits} bits are "
            "not possible",
            "a threshold of at least 2, at most as many as holders, and 128 or 256 bits",
        )
    for number, holder in enumerate(shares.holders):
        documents.require_plain(holder, f"{where}.shares.holders[{number}]")


def key_lines(specification: KeySpecification) -> Iterable[str]:
    """Yield each key of *specification* in words, a line each."""
    for key in specification.keys:
        marks = [name for name in ("recoverable", "attested") if getattr(key, name)]
        where = f" on {key.token}" if key.token else ""
        wanted = ", ".join(key.wanted) or "none required"
        text = ", ".join([*marks, wanted])
        yield f"new {key.role} {shown(key.name)}{where}, held by {shown(key.holder)}: {text}"


def description(request: KeygenRequest) -> Iterable[str]:
    """Yield a request in words, a line each, as a reviewer reads it."""
    specification = request.specification
    yield from key_lines(specification)
    if specification.shares is not None:
        shares = specification.shares
        yield (
            f"whoever brings {shares.threshold} of the {len(shares.holders)} shares together has all "
            f"recoverable keys; the secret has {shares.bits} random bits"
        )
    for person in specification.people:
        signs = f", signs with {person.key}" if person.key else ""
        yield f"{person.role}: {shown(person.name)}{signs}"
    for bag in specification.bags:
        yield f"bag {shown(bag.number)}: {shown(bag.content)}"
    for text in specification.exceptions:
        yield f"agreed exception: {shown(text)}"
