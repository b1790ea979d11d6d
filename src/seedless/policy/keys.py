"""The keys of a policy: each a field of `Policy` and a row of `KEYS`, and nothing else.

A row has how its key is read, the sentences that describe it, and the rules that judge changes by it, which
no option waives. What is not in a policy is not restricted, but for the operator, which is pinned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from seedless import units, wire
from seedless.claims import Account, Operator, Scope, User
from seedless.claims.fields import ROWS, limit_rows
from seedless.findings import Finding, error
from seedless.nkey import Role
from seedless.policy import delegations
from seedless.policy import format as form
from seedless.policy.delegations import DelegationPins
from seedless.policy.format import Description, PolicyKey, Reading, Texts, many, one, table
from seedless.policy.grants import answers, grants, named_keys, passages
from seedless.subject import has_wildcard
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedless.change import Change, Context, Statement

KINDS = (
    "operator",
    "account",
    "user",
    "activation",
    "authorization_request",
    "authorization_response",
    "generic",
)
ISSUERS = (
    "operator",
    "operator-signing-key",
    "account",
    "account-signing-key",
    "user",
    "server",
    "cluster",
)
TAGGED = ("operator", "account", "user", "activation")
LIMITS = {"account": limit_rows(ROWS["Limits"]), "user": limit_rows(ROWS["User"])}
"""The limits that a policy may name, by kind and member."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_HINT = "change the claims, or have the policy changed by those who keep it"
_ROLES = {"O": "operator", "A": "account", "U": "user", "N": "server", "C": "cluster"}


class Validity(msgspec.Struct, frozen=True, kw_only=True):
    """From `iat` to `exp`, in seconds; None is no bound."""

    shortest: int | None = None
    longest: int | None = None


class Witnesses(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of those who watch a ceremony, and how many of them must have signed."""

    keys: Texts
    threshold: int


class AttestationPins(msgspec.Struct, frozen=True, kw_only=True):
    """The roots of makers, SHA-256 of DER in hexadecimal, and the roles whose keys have to be attested."""

    roots: Texts
    required: Texts = ()


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What may be signed; a field with its default restricts nothing."""

    operator: str
    sign: Mapping[str, Texts] | None = None
    strict_signing_keys: bool = False
    tokens: Texts = ()
    validity: Mapping[str, Validity] = _NOTHING
    names: Mapping[str, Texts] = _NOTHING
    tags: Mapping[str, Texts] = _NOTHING
    too_wide: Texts = ()
    reserved: Texts = ()
    wildcard_exports: bool = True
    limits: Mapping[str, Mapping[str, int]] = _NOTHING
    named: Mapping[str, Texts] = _NOTHING
    witnesses: Witnesses | None = None
    attestation: AttestationPins | None = None
    recoverable: str = "forbidden"
    spare: str = "optional"
    delegations: DelegationPins | None = None

    @property
    def stated_keys(self) -> Iterator[tuple[PolicyKey, object]]:
        """The keys of this policy, each with its value."""
        defaults = {field.name: field.default for field in msgspec.structs.fields(self)}
        values = ((key, getattr(self, key.field)) for key in KEYS)
        return ((key, value) for key, value in values if value != defaults[key.field])

    @property
    def canonical(self) -> bytes:
        """The bytes that the digest is of."""
        members: dict[str, Any] = {}
        for key, value in self.stated_keys:
            first, _, name = key.path.rpartition(".")
            (members.setdefault(first, {}) if first else members)[name] = form.plain(value)
        return wire.encode(members)

    @property
    def digest(self) -> str:
        """The SHA-256 of `canonical`, in hexadecimal."""
        return hashlib.sha256(self.canonical).hexdigest()


# Reading: what is not a value, a list or a table of them.


def _validity(reading: Reading, place: str, value: object) -> Validity:
    bounds = reading.table(place, value, ("shortest", "longest"))
    readers = {"shortest": one(form.shortest), "longest": one(form.longest)}
    seconds = {name: readers[name](reading, f"{place}.{name}", bound) for name, bound in bounds.items()}
    validity = Validity(**seconds)
    if (
        validity.shortest is not None
        and validity.longest is not None
        and validity.shortest > validity.longest
    ):
        reading.errors.append(f"{place}.shortest is longer than {place}.longest")
    return validity


def _witnesses(reading: Reading, place: str, value: object) -> Witnesses:
    entries = reading.table(place, value, ("keys", "threshold"))
    roles = (role for role in Role if role is not Role.CURVE)
    members = table({"keys": many(form.public_key(*roles)), "threshold": one(form.count)})(
        reading, place, entries
    )
    keys, threshold = members.get("keys", ()), members.get("threshold")
    if "keys" not in entries or "threshold" not in entries:
        reading.errors.append(f"{place} has keys and a threshold: how many of them must have signed")
    elif threshold is not None and not 1 <= threshold <= len(set(keys)):
        reading.errors.append(f"{place}.threshold is not between 1 and the {len(set(keys))} keys")
    return Witnesses(keys=keys, threshold=threshold or 0)


def _attestation(reading: Reading, place: str, value: object) -> AttestationPins:
    entries = reading.table(place, value, ("roots", "required"))
    if "roots" not in entries:
        reading.errors.append(f"{place} has roots: the SHA-256 digests of the roots that are trusted")
    required = many(form.choice("operator", "account", "user"))
    members = table({"roots": many(form.digest), "required": required})(reading, place, entries)
    return AttestationPins(roots=members.get("roots", ()), required=members.get("required", ()))


# Describing: sentences that can be read aloud.


def _either(texts: Sequence[str]) -> str:
    return " or ".join(sorted(set(texts)))


def _all(texts: Sequence[str]) -> str:
    *first, last = sorted(set(texts))
    return f"{', '.join(first)} and {last}" if first else last


def _a(kind: str) -> str:
    text = kind.replace("_", " ")
    return f"{'An' if text[0] in 'aeio' else 'A'} {text}"


def _signers(sign: Mapping[str, Texts]) -> Description:
    for issuer, kinds in sorted(sign.items()):
        signer = f"{_a(issuer.replace('-', ' '))}{'' if issuer.endswith('key') else ' key'}"
        yield f".{issuer}", f"{signer} signs {_all(kinds).replace('_', ' ')} jwts."
    yield "", "No other key signs anything."


def _validities(validity: Mapping[str, Validity]) -> Description:
    for kind, bounds in sorted(validity.items()):
        whose = f"{_a(kind)} jwt holds for"
        if bounds.shortest is not None:
            yield f".{kind}.shortest", f"{whose} {units.span(bounds.shortest)} at least."
        if bounds.longest is not None:
            yield (
                f".{kind}.longest",
                f"{whose} {units.span(bounds.longest)} at most, and never without an expiry.",
            )


def _names(names: Mapping[str, Texts]) -> Description:
    for kind, patterns in sorted(names.items()):
        yield f".{kind}", f"The name of {_a(kind).lower()} is like {_either(patterns)}."


def _tags(tags: Mapping[str, Texts]) -> Description:
    for kind, patterns in sorted(tags.items()):
        yield f".{kind}", f"{_a(kind)} has a tag like each of {_all(patterns)}."


def _limits(limits: Mapping[str, Mapping[str, int]]) -> Description:
    for kind, numbers in sorted(limits.items()):
        for name, number in sorted(numbers.items()):
            most = units.limit(number, in_bytes=LIMITS[kind][name].in_bytes)
            yield f".{kind}.{name}", f"The limit {name} of {_a(kind).lower()} is {most} at most."


_NAMED = {
    "accounts": "other accounts",
    "signing-keys": "signing keys",
    "users": "users of an auth callout",
}


def _named(named: Mapping[str, Texts]) -> Description:
    for what, keys in sorted(named.items()):
        listed = _either(keys).replace("*", "any account")
        yield f".{what}", f"Of {_NAMED[what]}, only {listed} may be named."


def _attested(pins: AttestationPins) -> Description:
    yield ".roots", f"An attestation chains to the certificate with the SHA-256 {_either(pins.roots)}."
    if pins.required:
        roles = _either([_a(role).lower() for role in pins.required])
        yield ".required", f"The key of {roles} signs only if its device attests it."


RECOVERABLE = {
    "required": "The key of an operator or an account signs only if shares restore it.",
    "allowed": "Shares may restore keys.",
    "forbidden": "Shares restore no key.",
}


SPARE = {
    "required": "The key of an operator or an account signs only if it has a spare, or shares restore it.",
    "optional": "Keys need no spare.",
}


def contradictions(fields: Mapping[str, Any]) -> Iterator[str]:
    """Yield what no key can comply with in the *fields* of a policy."""
    pins = fields.get("attestation")
    roles = [role for role in ("operator", "account") if pins is not None and role in pins.required]
    if fields.get("recoverable") == "required" and roles:
        yield (
            f"recoverable and attestation.required exclude each other for the key of {_either(roles)}: "
            "a key that shares restore is imported, and a device attests none that is"
        )


# Rules: what is against a policy in a change.


def _p002_issuer_may_sign_this(policy: Policy, change: Change, _: Context) -> Iterator[Finding]:
    statement = change.statement
    role, kind = _issuer_role(policy, statement), statement.claims.body.kind
    if kind not in (policy.sign or {}).get(role, ()):
        text = f"no {role.replace('-', ' ')}{'' if role.endswith('key') else ' key'} may sign {kind} jwts"
        yield error("P002", "iss", text, _HINT)


def _issuer_role(policy: Policy, statement: Statement[object]) -> str:
    role = _ROLES.get(statement.issuer[:1], "")
    owner = getattr(statement.claims.body, "issuer_account", "") or statement.issuer
    if role == "operator" and statement.issuer != policy.operator:
        return "operator-signing-key"
    return "account-signing-key" if role == "account" and statement.issuer != owner else role


def _p003_holds_no_longer(policy: Policy, change: Change, _: Context) -> Iterator[Finding]:
    bounds = policy.validity.get(change.draft.claims.body.kind)
    if bounds is None or bounds.longest is None:
        return
    seconds = _validity_of(change)
    if seconds is None or seconds > bounds.longest:
        length = "has no expiry" if seconds is None else f"holds for {units.span(seconds)}"
        text = f"{length}, and the policy allows {units.span(bounds.longest)} at most"
        yield error("P003", "exp", text, "give an earlier --expiry")


def _p004_holds_long_enough(policy: Policy, change: Change, _: Context) -> Iterator[Finding]:
    bounds = policy.validity.get(change.draft.claims.body.kind)
    least = bounds.shortest if bounds else None
    seconds = _validity_of(change)
    if least is not None and seconds is not None and seconds < least:
        text = (
            f"holds for {units.span(max(seconds, 0))}, and the policy requires {units.span(least)} at least"
        )
        yield error("P004", "exp", text, "give a later --expiry")


def _validity_of(change: Change) -> int | None:
    """Return the seconds from `iat` to `exp`; None is for ever."""
    exp = change.draft.claims.exp
    return exp - change.draft.issued_at if exp > 0 else None


def _p005_name_is_like_a_pattern(policy: Policy, change: Change, _: Context) -> Iterator[Finding]:
    claims = change.draft.claims
    patterns = policy.names.get(claims.body.kind, ())
    if patterns and not any(fnmatchcase(claims.name, pattern) for pattern in patterns):
        yield error("P005", "name", f"{shown(claims.name)} is not like {' or '.join(patterns)}", _HINT)


def _p006_has_each_tag(policy: Policy, change: Change, _: Context) -> Iterator[Finding]:
    body = change.draft.claims.body
    for pattern in policy.tags.get(body.kind, ()):
        if not any(fnmatchcase(tag, pattern) for tag in body.tags):
            yield error("P006", "nats.tags", f"has no tag like {pattern}", "give one with --tag")


def _p007_nothing_is_too_wide(policy: Policy, change: Change, context: Context) -> Iterator[Finding]:
    for grant in grants(change.statement, context):
        covered = [subject for subject in policy.too_wide if grant.is_as_wide_as(subject)]
        if covered:
            text = f"gives access to {grant.text}, which is as wide as {' and '.join(covered)}"
            yield error("P007", grant.where, text, "name what is needed")


def _p008_nothing_reaches_what_is_reserved(
    policy: Policy, change: Change, context: Context
) -> Iterator[Finding]:
    statement = change.statement
    for grant in grants(statement, context):
        reached = " and ".join(subject for subject in policy.reserved if grant.reaches(subject))
        if reached:
            text = f"gives access to {grant.text}, which reaches {reached}"
            yield error("P008", grant.where, text, f"name what is needed, or deny {reached}")
    for where in answers(statement, context):
        reached = " and ".join(policy.reserved)
        text = f"permits answers on any subject that a request names, which reaches {reached}"
        yield error("P008", where, text, "allow the subjects of replies instead: --allow-pub '_INBOX.>'")
    for passage in passages(statement.claims.body) if isinstance(statement.claims.body, Account) else ():
        if reached := " and ".join(passage.reaches(policy.reserved)):
            source, target = map(shown, passage.subjects)
            text = f"carries messages between {source} and {target}, one of which reaches {reached}"
            yield error("P008", passage.where, text, _HINT)


def _p009_no_wildcard_exports(_policy: Policy, change: Change, _: Context) -> Iterator[Finding]:
    body = change.draft.claims.body
    if not isinstance(body, Account):
        return
    if body.limits.wildcards:
        text = "wildcard exports are allowed, and the policy allows none"
        yield error("P009", "nats.limits.wildcards", text, "give --set limits.wildcards=false")
    for index, export in enumerate(body.exports):
        if has_wildcard(export.subject):
            text = f"{shown(export.subject)} has a wildcard"
            yield error("P009", f"nats.exports[{index}].subject", text, "export what is needed")


def _p010_no_limit_is_higher(policy: Policy, change: Change, _: Context) -> Iterator[Finding]:
    body = change.draft.claims.body
    for kind, path, limits in _limited(body):
        for name, most in policy.limits.get(kind, {}).items():
            number = getattr(limits, name, 0)
            if not hasattr(limits, name):  # a tier has the limits of JetStream alone
                continue
            row = LIMITS[kind][name]
            is_unlimited = row.is_unlimited(number)
            if is_unlimited or number > most:
                current = "unlimited" if is_unlimited else units.limit(number, in_bytes=row.in_bytes)
                maximum = units.limit(most, in_bytes=row.in_bytes)
                text = f"is {current}, and the policy allows {maximum} at most"
                yield error("P010", f"{path}.{name}", text, _HINT)


def _limited(body: object) -> Iterator[tuple[str, str, object]]:
    """Yield what has limits in *body*: which limits of a policy they are, where, and the value."""
    if isinstance(body, User):
        yield "user", "nats", body
    if isinstance(body, Account):
        yield "account", "nats.limits", body.limits
        for tier, limits in body.limits.tiered_limits.items():
            yield "account", f"nats.limits.tiered_limits.{tier}", limits
        for index, entry in enumerate(body.signing_keys):
            if isinstance(entry, Scope):
                yield "user", f"nats.signing_keys[{index}].template", entry.template


def _p011_operator_is_strict(policy: Policy, change: Change, context: Context) -> Iterator[Finding]:
    body, current = change.draft.claims.body, context.jwts.get(policy.operator)
    operator = context.operator or (current.claims if current else None)
    operator = change.draft.claims if isinstance(body, Operator) else operator
    if operator is None or not operator.body.strict_signing_key_usage:
        where = "nats.strict_signing_key_usage" if isinstance(body, Operator) else ""
        text = "the policy requires an operator with strict signing keys, and this one is not strict"
        yield error(
            "P011",
            where,
            text,
            "give the operator a signing key, and --set strict_signing_key_usage=true",
        )


def _p016_issuer_has_a_spare(_: Policy, change: Change, context: Context) -> Iterator[Finding]:
    # Only keys that the inventory of this machine has been asked about: an auditor has another one.
    issuer = str(change.draft.issuer)
    if issuer in context.unspared:
        owner = "operator" if change.draft.issuer.role is Role.OPERATOR else "account"
        text = f"{issuer} has no spare: when its token is lost, no other key of the {owner} can sign"
        yield error("P016", "iss", text, f"create one: seedless {owner} signing-key add --token OTHER")


def _p013_names_nobody_else(policy: Policy, change: Change, context: Context) -> Iterator[Finding]:
    for what, where, key in named_keys(change.draft.claims.sub, change.draft.claims.body):
        if key in context.delegations:  # they are created after a policy is written: P017 judges them
            continue
        allowed = policy.named.get(what)
        if allowed is not None and key not in allowed:
            yield error("P013", where, f"names {shown(key)}, which the policy does not list", _HINT)


KEYS: tuple[PolicyKey, ...] = (
    PolicyKey(
        "operator", "operator", one(form.public_key(Role.OPERATOR)),
        lambda key: iter([("", f"Only the operator {key} is trusted.")]),
        {"P001": ""},  # judged with the whole plan: `trust_chain`
    ),
    PolicyKey(
        "sign", "sign", table(dict.fromkeys(ISSUERS, many(form.choice(*KINDS)))), _signers,
        {"P002": ""}, (_p002_issuer_may_sign_this,),
    ),
    PolicyKey(
        "strict-signing-keys", "strict_signing_keys", one(form.flag),
        lambda _: iter([("", "The operator is strict: its identity signs no accounts.")]),
        {"P011": ""}, (_p011_operator_is_strict,),
    ),
    PolicyKey(
        "tokens", "tokens", many(form.text),
        lambda serials: iter([("", f"Only tokens with the serial {_either(serials)} sign.")]),
        {"P012": ""},  # judged when a token is opened: `devices`
    ),
    PolicyKey(
        "validity", "validity", table(dict.fromkeys(KINDS, _validity)), _validities,
        {"P003": ".KIND.longest", "P004": ".KIND.shortest"}, (_p003_holds_no_longer, _p004_holds_long_enough),
    ),
    PolicyKey(
        "names", "names", table(dict.fromkeys(TAGGED, many(form.text))), _names,
        {"P005": ""}, (_p005_name_is_like_a_pattern,),
    ),
    PolicyKey(
        "tags", "tags", table(dict.fromkeys(TAGGED, many(form.text))), _tags,
        {"P006": ""}, (_p006_has_each_tag,),
    ),
    PolicyKey(
        "subjects.too-wide", "too_wide", many(form.subject),
        lambda wide: iter([("", f"Nothing that is allowed or exported is as wide as {_either(wide)}.")]),
        {"P007": ""}, (_p007_nothing_is_too_wide,),
    ),
    PolicyKey(
        "subjects.reserved", "reserved", many(form.subject),
        lambda reserved: iter([("", f"Nothing that is allowed or exported reaches {_either(reserved)}.")]),
        {"P008": ""}, (_p008_nothing_reaches_what_is_reserved,),
    ),
    PolicyKey(
        "subjects.wildcard-exports", "wildcard_exports", one(form.flag),
        lambda _: iter([("", "No export has a wildcard, and no account may have such exports.")]),
        {"P009": ""}, (_p009_no_wildcard_exports,),
    ),
    PolicyKey(
        "limits", "limits",
        table({kind: table(dict.fromkeys(rows, one(form.limit))) for kind, rows in LIMITS.items()}), _limits,
        {"P010": ""}, (_p010_no_limit_is_higher,),
    ),
    PolicyKey(
        "named", "named",
        table({
            "accounts": many(form.account_or_any),
            "signing-keys": many(form.public_key(Role.ACCOUNT, Role.OPERATOR)),
            "users": many(form.public_key(Role.USER)),
        }),
        _named, {"P013": ""}, (_p013_names_nobody_else,),
    ),
    PolicyKey(
        "witnesses", "witnesses", _witnesses,
        lambda required: iter(
            [("", f"A ceremony is witnessed by {required.threshold} of {_all(required.keys)}.")]
        ),
    ),
    PolicyKey(
        "attestation", "attestation", _attestation, _attested,
        {"P014": ".required"},  # judged when a key is to sign: `devices`
    ),
    PolicyKey(
        "recoverable", "recoverable", one(form.choice(*RECOVERABLE)),
        lambda word: iter([("", RECOVERABLE[word])]),
        {"P015": ""},  # judged when a key is created, restored, or to sign: `devices`
    ),
    PolicyKey(
        "spare", "spare", one(form.choice(*SPARE)), lambda word: iter([("", SPARE[word])]),
        {"P016": ""}, (_p016_issuer_has_a_spare,),
    ),
    PolicyKey(
        "delegations", "delegations", delegations.read, delegations.describe,
        {"P017": ""},  # judged without it too, since it is forbidden then: `judge`
    ),
)  # fmt: skip
"""In the order in which a policy is read aloud and its rules are applied."""

CODES = {code: f"{key.path}{place}" for key in KEYS for code, place in key.codes.items()}
"""The key of the policy behind each code."""
