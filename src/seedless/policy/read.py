"""Read a policy from TOML, strictly: whatever is not known, or not of its kind, is an error with its place.

All that is wrong is told at once. An empty list is refused: nobody can tell whether it means all or none.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from seedless import units
from seedless.claims.fields import ROWS, limit_rows
from seedless.errors import BadKey, StoreError
from seedless.nkey import PublicKey, Role
from seedless.policy.values import (
    ATTESTED,
    ISSUERS,
    KINDS,
    NAMED,
    TAGGED,
    AttestationPins,
    Policy,
    Texts,
    Validity,
    Witnesses,
)
from seedless.text import printable, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seedless.claims.fields import Limit

T = TypeVar("T")

LIMIT_ROWS: Mapping[str, Mapping[str, Limit]] = MappingProxyType(
    {"account": limit_rows(ROWS["Limits"]), "user": limit_rows(ROWS["User"])}
)
"""The limits that a policy may name, by kind and member."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_INT64_MAX = 2**63 - 1
_TOP = (
    "operator", "strict-signing-keys", "tokens", "sign", "validity", "names", "tags", "subjects", "limits",
    "named", "witnesses", "attestation",
)  # fmt: skip
_HINT = "docs/reference/policy.md has every key"


class _Wrong(ValueError):
    """A value that is not what its place wants; the sentence says the rest."""


def read(data: bytes, name: str = "the policy") -> Policy:
    """Return the policy that the TOML in *data* says; raise `StoreError` with all that is wrong.

    *name* is what the error calls it: a file.
    """
    try:
        values = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        reason = str(error)
        raise StoreError(f"{name}: {reason[:1].lower()}{reason[1:]}", "a policy is a TOML file") from error
    return of_values(values, name)


def of_values(values: dict[str, Any], name: str = "the policy") -> Policy:
    """Return the policy that *values*, as TOML gives them, say; raise `StoreError` with all that is wrong."""
    reading = _Reading()
    policy = reading.policy(values)
    if reading.wrong or policy is None:
        raise StoreError(f"{name}: {printable('; '.join(reading.wrong))}", _HINT)
    return policy


class _Reading:
    """One walk over the values, which gathers what is wrong."""

    def __init__(self) -> None:
        self.wrong: list[str] = []

    def policy(self, values: dict[str, Any]) -> Policy | None:
        self._known("", values, _TOP)
        if "operator" not in values:
            self.wrong.append('operator is missing: say operator = "O…", the operator that is trusted here')
        subjects = self._table("subjects", values, ("too-wide", "reserved", "wildcard-exports"))
        operator = self._value("operator", values, _key(Role.OPERATOR))
        sign = self._lists("sign", values, ISSUERS, _choice(KINDS)) if "sign" in values else None
        policy = Policy(
            operator=operator or "",
            sign=sign,
            validity=self._validity(values),
            names=self._lists("names", values, TAGGED, _text),
            tags=self._lists("tags", values, TAGGED, _text),
            too_wide=self._list("subjects.too-wide", subjects, _subject),
            reserved=self._list("subjects.reserved", subjects, _subject),
            wildcard_exports=self._value("subjects.wildcard-exports", subjects, _flag) is not False,
            limits=self._limits(values),
            strict_signing_keys=self._value("strict-signing-keys", values, _flag) is True,
            tokens=self._list("tokens", values, _text),
            named=self._named(values),
            witnesses=self._witnesses(values),
            attestation=self._attestation(values),
        )
        return policy if operator else None

    def _known(self, place: str, values: Mapping[str, Any], names: tuple[str, ...]) -> None:
        for name in values:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                meant = f", did you mean {near[0]}?" if near else f": there are {', '.join(names)}"
                self.wrong.append(f"{_join(place, name)} is no key of a policy{meant}")

    def _value(self, place: str, values: Mapping[str, Any], check: Callable[[object], T]) -> T | None:
        name = place.rpartition(".")[2]
        if name not in values:
            return None
        try:
            return check(values[name])
        except _Wrong as error:
            self.wrong.append(f"{place} {error}")
            return None

    def _list(self, place: str, values: Mapping[str, Any], check: Callable[[object], str]) -> Texts:
        name = place.rpartition(".")[2]
        held = values.get(name)
        if held is None:
            return ()
        if not isinstance(held, list) or not held:
            self.wrong.append(f"{place} is not a list with something in it")
            return ()
        items = {f"{name}[{index}]": item for index, item in enumerate(held)}
        outer = place.removesuffix(name)
        found = [self._value(f"{outer}{index}", items, check) for index in items]
        return tuple(item for item in found if item is not None)

    def _table(self, place: str, values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
        held = values.get(place.rpartition(".")[2], {})
        if not isinstance(held, dict):
            self.wrong.append(f"{place} is not a table: write [{place}]")
            return {}
        self._known(place, held, names)
        return {name: item for name, item in held.items() if name in names}

    def _lists(
        self, place: str, values: Mapping[str, Any], names: tuple[str, ...], check: Callable[[object], str]
    ) -> Mapping[str, Texts]:
        held = self._table(place, values, names)
        return MappingProxyType({name: self._list(f"{place}.{name}", held, check) for name in held})

    def _validity(self, values: Mapping[str, Any]) -> Mapping[str, Validity]:
        held = self._table("validity", values, KINDS)
        found = {}
        for kind in held:
            place = f"validity.{kind}"
            bounds = self._table(place, held, ("shortest", "longest"))
            validity = Validity(
                shortest=self._value(f"{place}.shortest", bounds, _shortest),
                longest=self._value(f"{place}.longest", bounds, _longest),
            )
            if None not in (validity.shortest, validity.longest) and (
                (validity.shortest or 0) > (validity.longest or 0)
            ):
                self.wrong.append(f"{place}.shortest is longer than {place}.longest")
            found[kind] = validity
        return MappingProxyType(found)

    def _limits(self, values: Mapping[str, Any]) -> Mapping[str, Mapping[str, int]]:
        held = self._table("limits", values, tuple(LIMIT_ROWS))
        found: dict[str, Mapping[str, int]] = {}
        for kind in held:
            place = f"limits.{kind}"
            bounds = self._table(place, held, tuple(LIMIT_ROWS[kind]))
            numbers = {name: self._value(f"{place}.{name}", bounds, _limit) for name in bounds}
            found[kind] = MappingProxyType({n: number for n, number in numbers.items() if number is not None})
        return MappingProxyType(found)

    def _named(self, values: Mapping[str, Any]) -> Mapping[str, Texts]:
        held = self._table("named", values, NAMED)
        checks = {
            "accounts": _account_or_any,
            "signing-keys": _key(Role.ACCOUNT, Role.OPERATOR),
            "users": _key(Role.USER),
        }
        return MappingProxyType({name: self._list(f"named.{name}", held, checks[name]) for name in held})

    def _witnesses(self, values: Mapping[str, Any]) -> Witnesses | None:
        if "witnesses" not in values:
            return None
        held = self._table("witnesses", values, ("keys", "threshold"))
        keys = self._list("witnesses.keys", held, _key(*(role for role in Role if role is not Role.CURVE)))
        threshold = self._value("witnesses.threshold", held, _count)
        if "keys" not in held or "threshold" not in held:
            self.wrong.append("witnesses has keys and a threshold: how many of them must have signed")
        elif threshold is not None and not 1 <= threshold <= len(set(keys)):
            self.wrong.append(f"witnesses.threshold is not between 1 and the {len(set(keys))} keys")
        return Witnesses(keys=keys, threshold=threshold or 0)

    def _attestation(self, values: Mapping[str, Any]) -> AttestationPins | None:
        if "attestation" not in values:
            return None
        held = self._table("attestation", values, ("roots", "required"))
        if "roots" not in held:
            self.wrong.append("attestation has roots: the SHA-256 digests of the roots that are trusted")
        return AttestationPins(
            roots=self._list("attestation.roots", held, _digest),
            required=self._list("attestation.required", held, _choice(ATTESTED)),
        )


def _join(place: str, name: str) -> str:
    shown = name if name.isprintable() and " " not in name else quoted(name)
    return f"{place}.{shown}" if place else shown


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _Wrong("is not text")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("is not true or false")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _INT64_MAX:
        raise _Wrong("is not a number from 0 on; leave it out for no limit")
    return value


def _limit(value: object) -> int:
    if not isinstance(value, str):
        return _count(value)
    try:
        return _count(units.parse_number(value))
    except _Wrong:
        raise
    except ValueError as error:
        raise _Wrong(f"is no number: {error}") from error


def _longest(value: object) -> int:
    return _seconds(value, units.parse_span)


def _shortest(value: object) -> int:
    return _seconds(value, units.parse_shortest_span)


def _seconds(value: object, parse: Callable[[str], int]) -> int:
    """Return the seconds of a span, or a number of them, which is how a canonical policy has them."""
    if not isinstance(value, str):
        return _count(value)
    try:
        return parse(value)
    except ValueError as error:
        raise _Wrong(f"is no span: {error}") from error


def _subject(value: object) -> str:
    text = _text(value)
    if not all(text.split(".")) or any(mark.isspace() for mark in text):
        raise _Wrong(f"is no subject: {quoted(text)}")
    return text


def _digest(value: object) -> str:
    text = _text(value)
    if not _SHA256.fullmatch(text):
        raise _Wrong(f"is no SHA-256 of a certificate's DER, 64 hex digits in lower case: {quoted(text)}")
    return text


def _choice(names: tuple[str, ...]) -> Callable[[object], str]:
    def check(value: object) -> str:
        text = _text(value)
        if text not in names:
            raise _Wrong(f"is {quoted(text)}, not one of {', '.join(names)}")
        return text

    return check


def _key(*roles: Role) -> Callable[[object], str]:
    def check(value: object) -> str:
        text = _text(value)
        wanted = " or ".join(role.name.lower() for role in roles)
        try:
            key = PublicKey.parse(text)
        except BadKey as error:
            raise _Wrong(f"is no public key: {error.message}") from error
        if key.role not in roles:
            raise _Wrong(f"is not the public key of an {wanted}")
        return text

    return check


def _account_or_any(value: object) -> str:
    return "*" if value == "*" else _key(Role.ACCOUNT)(value)
