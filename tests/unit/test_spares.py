"""What has a spare follows from the claims and from where the keys are; a policy can require one."""

from __future__ import annotations

import msgspec
import pytest

from seedless.change import Change, Context
from seedless.claims import Account, Operator, Scope, Template
from seedless.inventory import Inventory, KeyEntry
from seedless.jwt import Claims, draft
from seedless.nkey import PublicKey, Role
from seedless.policy import judge, read
from seedless.spares import backups, substitutes

O1, O2, O3 = (str(PublicKey(Role.OPERATOR, bytes([number]) * 32)) for number in (1, 2, 3))
A1, A2, A3, A4 = (str(PublicKey(Role.ACCOUNT, bytes([number]) * 32)) for number in (4, 5, 6, 7))


def operator(*, strict: bool = False) -> Claims[Operator]:
    return Claims(sub=O1, name="ACME", body=Operator(signing_keys=(O2, O3), strict_signing_key_usage=strict))


def account() -> Claims[Account]:
    scopes = tuple(Scope(key=key, role="app", template=Template.new()) for key in (A3, A4))
    return Claims(sub=A1, name="ORDERS", body=Account(signing_keys=(A2, *scopes)))


def entry(key: str, *tokens: str, at: int = 0) -> KeyEntry:
    """The entry of *key*, on *tokens*, where it signed at 100, on the last one *at*."""
    public_key = PublicKey.parse(key)
    found = None
    for token in tokens:
        time = at if at and token == tokens[-1] else 100
        uri = f"pkcs11:token={token};id=%01"
        found = KeyEntry(public_key=public_key, uri=uri, role=public_key.role, at=time).merged(found)
    assert found is not None
    return found


def unchecked(key: str, *tokens: str) -> KeyEntry:
    """The entry of *key* as a person may write it: the last place has no time."""
    *places, last = entry(key, *tokens).places
    return entry(key, *tokens).at_places([*places, msgspec.structs.replace(last, at=0, checked_at=0)])


def lost(known: KeyEntry, number: int) -> KeyEntry:
    """The entry *known* whose place with that *number* was reported as lost at 900."""
    places = list(known.places)
    places[number] = msgspec.structs.replace(places[number], lost_at=900)
    return known.at_places(places)


@pytest.mark.parametrize(
    ("key", "claims", "expected"),
    [
        pytest.param(O1, operator(), (O2, O3), id="an identity"),
        pytest.param(O2, operator(), (O1, O3), id="a signing key"),
        pytest.param(O2, operator(strict=True), (O3,), id="a signing key under a strict operator"),
        pytest.param(O1, operator(strict=True), (O2, O3), id="the identity of a strict operator"),
        pytest.param(A1, account(), (A2,), id="the identity of an account"),
        pytest.param(A2, account(), (A1,), id="a plain signing key"),
        pytest.param(A3, account(), (A4,), id="a scope, by the scope of the same role"),
        pytest.param(A1, operator(), (), id="a key of somebody else"),
    ],
)
def test_the_keys_that_do_the_same_work(
    key: str, claims: Claims[Operator] | Claims[Account], expected: tuple[str, ...]
) -> None:
    assert substitutes(key, claims) == expected


def test_under_a_strict_operator_no_identity_of_an_account_issues_users() -> None:
    assert substitutes(A2, account(), is_strict=True) == ()


@pytest.mark.parametrize(
    ("entries", "kind", "checked_at"),
    [
        pytest.param([entry(O1, "MAIN")], "none", 0, id="alone"),
        pytest.param([entry(O1, "MAIN"), entry(O2, "MAIN")], "none", 0, id="both on one token"),
        pytest.param(
            [entry(O1, "MAIN"), entry(O2, "SPARE", at=300)], "spare", 300, id="another key elsewhere"
        ),
        pytest.param([entry(O1, "MAIN", "SPARE", at=400)], "spare", 400, id="the same key elsewhere"),
        pytest.param(
            [entry(O1, "MAIN"), entry(O2, "MAIN", "SPARE")], "spare", 100, id="a spare of the other"
        ),
        pytest.param([entry(O1, "MAIN"), entry(A1, "SPARE")], "none", 0, id="a key of somebody else"),
        pytest.param([unchecked(O1, "MAIN", "SPARE")], "none", 0, id="a place where it never signed"),
        pytest.param(
            [entry(O1, "MAIN;serial=1", "COPY;serial=1")], "none", 0, id="one serial number by two labels"
        ),
        pytest.param(
            [entry(O1, "MAIN;serial=1", "MAIN")], "none", 0, id="one token, once without its number"
        ),
        pytest.param(
            [entry(O1, "MAIN;serial=1", "MAIN;serial=2")], "spare", 100, id="two tokens with one label"
        ),
        pytest.param(
            [entry(O1, "MAIN;serial=1;manufacturer=A", "MAIN;serial=1;manufacturer=B")],
            "spare",
            100,
            id="one serial number of two makers",
        ),
        pytest.param([lost(entry(O1, "MAIN", "SPARE"), 0)], "none", 0, id="the first token is lost"),
        pytest.param([lost(entry(O1, "MAIN", "SPARE"), 1)], "none", 0, id="the spare is lost"),
        pytest.param(
            [lost(entry(O1, "MAIN"), 0), entry(O2, "SPARE")], "lost", 900, id="the only one is lost"
        ),
        pytest.param([entry(O1, "MAIN"), lost(entry(O2, "SPARE"), 0)], "none", 0, id="the other key is lost"),
    ],
)
def test_a_spare_is_on_another_token(entries: list[KeyEntry], kind: str, checked_at: int) -> None:
    found = backups(Inventory.of(entries), [operator()], {})[PublicKey.parse(O1)]
    assert (found.kind, found.checked_at) == (kind, checked_at)


def test_shares_are_a_backup_too() -> None:
    key = PublicKey.parse(O1)
    found = backups(Inventory.of([entry(O1, "MAIN")]), [], {key: 500})[key]
    assert (found.kind, found.checked_at) == ("shares", 500)


def test_a_policy_that_requires_spares_refuses_an_issuer_without_one() -> None:
    policy = read(f'operator = "{O1}"\nspare = "required"'.encode())
    change = Change(draft(operator(), PublicKey.parse(O1), 1_000))
    found = list(judge(policy, [change], Context(now=1_000, unspared=frozenset({O1}))))
    assert [(one.code, one.where, one.severity) for one in found] == [("P016", "iss", "error")]
    assert found[0].text.startswith(f"{O1} has no spare")
    assert list(judge(policy, [change], Context(now=1_000))) == []
    assert policy.digest != read(f'operator = "{O1}"'.encode()).digest
