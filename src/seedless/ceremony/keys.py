"""Keys made for ceremonies: each states itself who holds it, and what its driver states of it.

A file of statements, one by each key, signed by that key: whoever reads it knows that somebody held the keys
when the statements were made. What the driver states is a statement of the driver, and no attestation.
Refused are a statement by another key than it is about, one raw key twice, and a role or a name that is none.

The keys that transcripts state exist, and what was stated of each: to be laid beside what tokens show.

Transcripts are read for the entries that report of keys, and for nothing else: whether to believe one is for
`check`. The last word about a key counts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from seedless import plan_file
from seedless.ceremony import documents
from seedless.ceremony.statements import KEY, ceremony_draft, read_ceremony_jwt, require_equal
from seedless.errors import Refused, SeedlessError, UsageError
from seedless.ledger import is_digest
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.keys import label_for
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from seedless.ceremony.transcript import CeremonyResult
    from seedless.jwt import Draft, Jwt


FORMAT = "seedless ceremony keys 1"
RESULT_FORMAT = "seedless ceremony key result 1"


class _KeysMembers(msgspec.Struct, frozen=True):
    """The members of the file."""

    format: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CeremonyKey:
    """A key, what it is called, who holds its token, where it is (URI) and what the driver states of it."""

    public_key: PublicKey
    name: str
    holder: str
    uri: str
    at: int
    driver_report: Mapping[str, Any] = field(default_factory=dict)

    def draft(self) -> Draft[Any]:
        """Return the draft of the statement that the key signs."""
        data = {"name": self.name, "holder": self.holder, "uri": self.uri, "says": dict(self.driver_report)}
        return ceremony_draft(KEY, _digest(self.public_key), data, self.public_key, self.at)


def _digest(public_key: PublicKey) -> str:
    return plan_file.digest(str(public_key).encode())


def to_bytes(statements: Sequence[str]) -> bytes:
    """Return the file of *statements* (jwt text)."""
    return documents.to_bytes({"format": FORMAT, "keys": list(statements)})


def parse(data: bytes) -> tuple[tuple[CeremonyKey, str], ...]:
    """Return the keys in a file of keys, or in the result of a ceremony that created keys, with statements.

    Raise `UsageError` or `Refused` with the place.
    """
    value = documents.parse(data, "the file of keys")
    if isinstance(value, dict) and value.get("format") == RESULT_FORMAT:
        value = {"format": FORMAT, "keys": _statements_in(value)}
    members = documents.members_of(value, _KeysMembers, "keys")
    if members.format != FORMAT:
        raise UsageError(f"keys.format is not {FORMAT!r}", "another version of seedless may read it")
    found = [(read_statement(text, f"keys.keys[{n}]"), text) for n, text in enumerate(members.keys)]
    raw = [made.public_key.raw for made, _ in found]
    for number, entry in enumerate(raw):
        if entry in raw[:number]:
            raise Refused(f"keys.keys[{number}] is a key that is listed already", "a key has one role")
    return tuple(found)


def _statements_in(result: Mapping[str, object]) -> list[object]:
    """Return the statements in the result of a ceremony that created keys; `check_keygen` judges the rest."""
    entries = result.get("transcript")
    first = entries[0] if isinstance(entries, list) and entries else None
    if isinstance(first, dict) and first.get("mark"):
        raise Refused(
            f"these keys are of a ceremony that is marked {shown(str(first['mark']))}",
            "their token is deleted; register those of the real ceremony",
        )
    created = (entry for entry in entries if isinstance(entry, dict)) if isinstance(entries, list) else ()
    return [key.get("statement") for key in created if key.get("kind") == "created"]


def read_statement(text: object, where: str) -> CeremonyKey:
    """Return the key that has signed the statement *text* about itself; raise `Refused` with its place."""
    jwt: Jwt[Any] = read_ceremony_jwt(text, where)
    data = jwt.claims.body.data or {}
    texts = [data.get(name) for name in ("name", "holder", "uri")]
    if not all(isinstance(item, str) for item in texts) or not isinstance(data.get("says"), dict):
        raise Refused(f"{where} lacks name, holder, uri or what the driver reports")
    made = CeremonyKey(
        public_key=jwt.issuer, name=data["name"], holder=data["holder"], uri=data["uri"],
        at=jwt.issued_at, driver_report=data["says"],
    )  # fmt: skip
    try:
        label_for(made.public_key.role, made.name)
        documents.require_plain(made.holder, f"{where}.holder")
    except SeedlessError as error:
        raise Refused(f"{where}: {error.message}", error.hint) from error
    require_equal(jwt, made.draft(), where)
    return made


def require_other_witnesses(made: Iterable[CeremonyKey], witnesses: Iterable[PublicKey]) -> None:
    """Raise `UsageError` for a witness that is one of the keys *made*: what signs cannot confirm itself."""
    own = {created.public_key.raw for created in made}
    for key in witnesses:
        if key.raw in own:
            raise UsageError(
                f"{key} is a key that signs in ceremonies, and cannot witness one",
                "give the key of a person: --witness",
            )


def require_root(text: str) -> None:
    """Raise `UsageError` unless *text* is the digest of a root, as a policy has it."""
    if not is_digest(text):
        raise UsageError(
            f"{quoted(text)} is not a SHA-256 of a certificate",
            "openssl x509 -in FILE -outform DER | sha256sum",
        )


def policy_text(
    made: Iterable[CeremonyKey],
    witnesses: Sequence[str] = (),
    threshold: int = 0,
    roots: Sequence[str] = (),
    *,
    recoverable: bool = False,
) -> str:
    """Return the policy (TOML) that pins the first operator key of *made*, and the tokens of all of them.

    *witnesses* are public keys, of which *threshold* must have signed; *roots* are those up to which devices
    have to attest the operator's keys (SHA-256 of DER); *recoverable* lets shares restore keys. Raise
    `UsageError` where no operator's key was made.
    """
    all_keys = list(made)
    operator = next((key for key in all_keys if key.public_key.role is Role.OPERATOR), None)
    if operator is None:
        raise UsageError(
            "there is no operator key that a policy could pin", "create one: --key operator:NAME"
        )
    serials = sorted(
        {str(key.driver_report["serial"]) for key in all_keys if key.driver_report.get("serial")}
    )
    lines = [f'operator = "{operator.public_key}"']
    if serials:
        lines.append(f"tokens = {json.dumps(serials)}")
    if recoverable:
        lines.append('recoverable = "allowed"')
    if witnesses:
        keys = json.dumps(list(witnesses), indent=2)
        lines += ["", "[witnesses]", f"keys = {keys}", f"threshold = {threshold}"]
    if roots:
        lines += ["", "[attestation]", f"roots = {json.dumps(list(roots))}", 'required = ["operator"]']
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedKey:
    """A key in transcripts: when it was used last (Unix seconds), and what the driver reported of it then."""

    public_key: PublicKey
    at: int
    driver_report: Mapping[str, Any] = field(default_factory=dict)


def reported_keys(transcripts: Iterable[CeremonyResult]) -> tuple[ReportedKey, ...]:
    """Return the keys in *transcripts*, of signatures and of new keys, by public key."""
    found: dict[str, ReportedKey] = {}
    for read in transcripts:
        at = 0
        for entry in read.entries:
            at = max(at, _at(entry))
            stated = _key(entry, at)
            if stated is not None and at >= found.get(str(stated.public_key), stated).at:
                found[str(stated.public_key)] = stated
    return tuple(found[key] for key in sorted(found))


def _at(entry: object) -> int:
    at = entry.get("at") if isinstance(entry, dict) else None
    return at if isinstance(at, int) and not isinstance(at, bool) else 0


def _key(entry: object, at: int) -> ReportedKey | None:
    if isinstance(entry, dict) and entry.get("kind") == "created":
        made = read_statement(entry.get("statement"), "the statement of a key")
        return ReportedKey(public_key=made.public_key, at=at, driver_report=made.driver_report)
    if not isinstance(entry, dict) or entry.get("kind") != "key":
        return None
    key, driver_report = entry.get("public_key"), entry.get("says")
    if not isinstance(key, str) or not isinstance(driver_report, dict):
        return None
    try:
        return ReportedKey(public_key=PublicKey.parse(key), at=at, driver_report=driver_report)
    except SeedlessError:
        return None


def differences(before: Mapping[str, object], now: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names of what is stated *now* otherwise than *before*; library and firmware may change."""
    names = sorted((before.keys() | now.keys()) - {"library", "firmware"})
    return tuple(name for name in names if before.get(name) != now.get(name))
