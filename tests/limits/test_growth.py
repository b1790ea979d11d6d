"""Reviews, rules and texts: ten times as much takes some ten times as long, never a hundred times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless import nkey, text
from seedless.change import Change, Context, Statement
from seedless.claims import (
    Account,
    Export,
    Import,
    JetStreamLimits,
    Operator,
    Permission,
    Permissions,
    User,
    WeightedMapping,
)
from seedless.diff import diff
from seedless.jwt import Claims, draft
from seedless.nkey import PublicKey, Role
from seedless.policy import judge as judge_by_policy
from seedless.policy import read as read_policy
from seedless.rules import judge_statement
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("no_collector")
NOW = 1_800_000_000
OPERATOR = SoftwareKey(Role.OPERATOR, bytes(32))


def key(role: Role, number: int) -> str:
    return str(PublicKey(role, number.to_bytes(32, "big")))


OTHER = key(Role.ACCOUNT, 10**8)


def permission(side: str, count: int) -> Permission:
    return Permission(allow=tuple(f"{side}{n}.>" for n in range(count)))


MANY: dict[str, Callable[[int], dict[str, Any]]] = {
    "streams": lambda n: {"exports": tuple(Export(subject=f"s{i}.a.>", type="stream") for i in range(n))},
    "services": lambda n: {"exports": tuple(Export(subject=f"*.s{i}.>", type="service") for i in range(n))},
    "one export often": lambda n: {"exports": (Export(subject="a.>", type="stream"),) * n},
    "imports": lambda n: {
        "imports": tuple(Import(subject=f"s{i}.>", type="service", account=OTHER) for i in range(n))
    },
    "revocations": lambda n: {"revocations": {key(Role.USER, i): NOW for i in range(n)}},
    "revocations of an export": lambda n: {
        "exports": (
            Export(subject="a", type="stream", revocations={key(Role.ACCOUNT, i): NOW for i in range(n)}),
        )
    },
    "mappings": lambda n: {"mappings": {f"a{i}.b": (WeightedMapping(subject=f"c{i}"),) for i in range(n)}},
    "targets of a mapping": lambda n: {
        "mappings": {"a": tuple(WeightedMapping(subject=f"c{i}", cluster=f"c{i}") for i in range(n))}
    },
    "signing keys": lambda n: {"signing_keys": tuple(key(Role.ACCOUNT, i) for i in range(n))},
    "tiers": lambda n: {
        "limits": msgspec.structs.replace(
            Account.new().limits, tiered_limits={f"R{i}": JetStreamLimits() for i in range(n)}
        )
    },
    "default permissions": lambda n: {"default_permissions": Permissions(pub=permission("a", n))},
    "tags": lambda n: {"tags": tuple(f"t{i}" for i in range(n))},
}


def account(**members: object) -> Claims[Account]:
    return Claims(sub=OTHER, name="A", body=msgspec.structs.replace(Account.new(), **members))


def turned(claims: Claims[Account]) -> Claims[Account]:
    """The same members in another order."""
    members = {name: getattr(claims.body, name) for name in Account.__struct_fields__}
    lists = {name: value[::-1] for name, value in members.items() if isinstance(value, tuple)}
    maps = {name: dict(reversed(value.items())) for name, value in members.items() if isinstance(value, dict)}
    return account(**lists, **maps)


@pytest.mark.parametrize("name", MANY)
def test_what_is_new_gone_or_in_another_order_is_compared_in_one_pass(
    name: str, growth: Callable[..., float], most: float
) -> None:
    new = lambda size: account(**MANY[name](size))  # noqa: E731 - the same for three measurements
    assert growth(new, lambda claims: diff(None, claims)) < most
    assert growth(new, lambda claims: diff(claims, account())) < most
    assert growth(lambda size: (new(size), turned(new(size))), lambda sides: diff(*sides)) < most


@pytest.mark.parametrize("name", ["pub", "sub"])
def test_permissions_that_all_change_are_held_against_each_other_in_one_pass(
    name: str, growth: Callable[..., float], most: float
) -> None:
    def sides(size: int) -> tuple[Claims[User], Claims[User]]:
        bodies = (User(**{name: permission(side, size)}) for side in ("a", "b"))
        return tuple(Claims(sub=key(Role.USER, 1), body=body) for body in bodies)  # type: ignore[return-value]  # of two

    assert growth(sides, lambda given: diff(*given)) < most


@pytest.mark.parametrize("name", MANY)
def test_the_rules_look_at_each_member_and_not_at_each_pair(
    name: str, growth: Callable[..., float], most: float
) -> None:
    def judged(claims: Claims[Account]) -> None:
        nkey._parsed.cache_clear()  # it remembers 1,024 keys: all of the small input, none of the large one
        said = Statement(claims, str(OPERATOR.public_key), NOW)
        list(judge_statement(said, Context(NOW)))

    # Within one walk keys are remembered likewise, so the bar is higher: what is quadratic comes to 10.
    assert growth(lambda size: account(**MANY[name](size)), judged) < most + 3


def test_imports_find_their_exports_without_looking_at_all_of_them(
    growth: Callable[..., float], most: float
) -> None:
    """Each of n imports is of one of n exports, by the same account or by many."""

    def store(size: int) -> tuple[list[Claims[Account]], Context]:
        exporter = account(exports=tuple(Export(subject=f"s{i}.>", type="service") for i in range(size)))
        importers = [
            Claims(
                sub=key(Role.ACCOUNT, n),
                body=msgspec.structs.replace(
                    Account.new(), imports=(Import(subject=f"s{n}.a", type="service", account=OTHER),)
                ),
            )
            for n in range(size)
        ]
        known = {one.sub: one for one in (exporter, *importers)}
        return importers, Context(NOW, claims=known)

    def judged(given: tuple[list[Claims[Account]], Context]) -> None:
        importers, context = given
        for claims in importers:
            found = list(judge_statement(Statement(claims, str(OPERATOR.public_key), NOW), context))
            assert "T009" not in {finding.code for finding in found}

    assert growth(store, judged, rounds=2) < most


def test_a_policy_holds_each_permission_against_what_is_denied_in_one_pass(
    growth: Callable[..., float], most: float
) -> None:
    policy = read_policy(f'operator = "{OPERATOR.public_key}"\n[subjects]\nreserved = ["a.>"]\n'.encode())

    def permitted(size: int) -> Change:
        sides = Permission(
            allow=tuple(f"a.b{n}" for n in range(size)), deny=(*(f"x.{n}" for n in range(size)), "a.>")
        )
        account = SoftwareKey(Role.ACCOUNT, bytes(32))
        claims = Claims(sub=key(Role.USER, 1), body=User(pub=sides, sub=sides))
        return Change(draft(claims, account.public_key, NOW))

    def judged(change: Change) -> None:
        assert "P008" not in {finding.code for finding in judge_by_policy(policy, [change], Context(NOW))}

    assert growth(permitted, judged) < most


TEXTS = {
    "accents on one letter": ("e", "\u0301"),
    "accents on nothing": ("", "\u0301"),
    "variation selectors": ("a", "\ufe0f"),
    "another script": ("", "\u0430"),
    "two scripts": ("", "a\u0430"),
    "line ends": ("", "\n"),
    "dashes": ("", "a\u2010"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_made_safe_in_one_pass(name: str, growth: Callable[..., float], most: float) -> None:
    first, rest = TEXTS[name]
    assert growth(lambda size: first + rest * size, text.shown) < most


def test_drafting_grows_with_what_is_drafted(growth: Callable[..., float], most: float) -> None:
    body = lambda size: account(**MANY["revocations"](size))  # noqa: E731 - as above
    assert growth(body, lambda claims: draft(claims, OPERATOR.public_key, NOW)) < most


def test_an_operator_with_many_keys_is_compared_in_one_pass(
    growth: Callable[..., float], most: float
) -> None:
    def sides(size: int) -> tuple[Claims[Operator], Claims[Operator]]:
        keys = tuple(key(Role.OPERATOR, n) for n in range(size))
        bodies = (msgspec.structs.replace(Operator.new(), signing_keys=side) for side in (keys, keys[::-1]))
        old, new = (Claims(sub=str(OPERATOR.public_key), body=body) for body in bodies)
        return old, new

    assert growth(sides, lambda given: diff(*given)) < most
