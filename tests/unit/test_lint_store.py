"""Stores and single jwts: what is wrong is found where it lies, and memory does not follow the users."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless.change import Context
from seedless.claims import Account, Operator, Permission, Scope, Template, User
from seedless.errors import StoreError
from seedless.findings import Severity
from seedless.jwt import Claims, Jwt, draft, read
from seedless.lint import LintContext, count, judge_jwt, lint_store, unreadable
from seedless.nkey import PublicKey, Role
from seedless.policy import read as read_policy
from seedless.seeds import SoftwareKey
from seedless.store import create_store, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Craft

    from seedless.store import NscStore

NOW = 1_700_000_000
replace = msgspec.structs.replace


def key(role: Role, number: int) -> SoftwareKey:
    return SoftwareKey(role, bytes([number] * 32))


OPERATOR, STRANGER = key(Role.OPERATOR, 1), key(Role.OPERATOR, 2)
ORDERS, PAYROLL, SCOPED = (key(Role.ACCOUNT, number) for number in (1, 2, 3))
APP = key(Role.USER, 1)


def text(of: SoftwareKey) -> str:
    return str(of.public_key)


def sign(by: SoftwareKey, about: SoftwareKey, name: str, body: Any, at: int = NOW, exp: int = 0) -> Jwt[Any]:  # noqa: ANN401 - any claims
    made = draft(Claims(sub=text(about), name=name, body=body, exp=exp), by.public_key, at)
    return made.complete(by.sign(made.signing_input))


ROOT = sign(OPERATOR, OPERATOR, "ACME", Operator.new())


def account(
    name: str = "ORDERS",
    about: SoftwareKey = ORDERS,
    by: SoftwareKey = OPERATOR,
    **members: Any,  # noqa: ANN401 - claims
) -> Jwt[Any]:
    return sign(by, about, name, replace(Account.new(), **members))


def user(name: str = "app", by: SoftwareKey = ORDERS, exp: int = 0, **members: Any) -> Jwt[Any]:  # noqa: ANN401 - claims
    return sign(by, APP, name, replace(User.new(), **members), exp=exp)


@pytest.fixture
def store(tmp_path: Path) -> NscStore:
    made = create_store(tmp_path, "ACME")
    made.put({(): ROOT, ("ORDERS",): account(), ("ORDERS", "app"): user()})
    return made


def found(store: NscStore, **options: Any) -> list[str]:  # noqa: ANN401 - options of surroundings
    judged = lint_store(store, NOW, **options)
    return [
        f"{finding.about}: {finding.code} {finding.where}".rstrip()
        for one in judged
        for finding in one.findings
    ]


def test_a_store_in_order_is_clean_and_all_of_it_is_looked_at(store: NscStore) -> None:
    judged = list(lint_store(store, NOW))
    assert [(one.what, one.findings) for one in judged] == [
        ("operator ACME", ()), ("account ORDERS", ()), ("user ORDERS/app", ()),
    ]  # fmt: skip
    assert count(store) == 3


SCOPE = (Scope(key=text(SCOPED), template=Template.new()),)
CASES = {
    "a user of another key": (
        {("ORDERS", "app"): user(by=PAYROLL)},
        ["L005 iss", "L007 nats.issuer_account"],
    ),
    "a user that has expired": ({("ORDERS", "app"): user(exp=NOW - 1)}, ["C001 exp"]),
    "a user that is revoked": ({("ORDERS",): account(revocations={text(APP): NOW})}, ["T006 iat"]),
    "a user with a bad permission": (
        {("ORDERS", "app"): user(pub=Permission(allow=("a..b",)))},
        ["C006 nats.pub.allow[0]"],
    ),
    "a user of a scope with limits": (
        {
            ("ORDERS",): account(signing_keys=SCOPE),
            ("ORDERS", "app"): user(by=SCOPED, issuer_account=text(ORDERS)),
        },
        ["T003 nats"],
    ),
    "a user of a scope": (
        {
            ("ORDERS",): account(signing_keys=SCOPE),
            ("ORDERS", "app"): sign(SCOPED, APP, "app", User.scoped(text(ORDERS))),
        },
        [],
    ),
    "a user from the future": (
        {("ORDERS", "app"): sign(ORDERS, APP, "app", User.new(), at=NOW + 3600)},
        ["G002 iat"],
    ),
    "an account by a stranger": ({("ORDERS",): account(by=STRANGER)}, ["T001 iss"]),
    "an account twice": ({("COPY",): account("COPY")}, ["L006 sub"]),
    "a user in the folder of another account": (
        {("PAYROLL",): account("PAYROLL", PAYROLL), ("PAYROLL", "app"): user()},
        ["L007 nats.issuer_account"],
    ),
    "a system account that is missing": (
        {(): sign(OPERATOR, OPERATOR, "ACME", replace(Operator.new(), system_account=text(PAYROLL)))},
        ["T004 nats.system_account"],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), CASES.values(), ids=CASES)
def test_what_is_wrong_in_a_store_is_found(
    store: NscStore, changes: dict[tuple[str, ...], Jwt[Any]], expected: list[str]
) -> None:
    store.put(changes)
    assert [line.partition(": ")[2] for line in found(store)] == expected


def test_a_damaged_file_is_reported_and_the_rest_is_judged(store: NscStore) -> None:
    store.put({("ORDERS", "zoe"): sign(ORDERS, key(Role.USER, 2), "zoe", User.new(), exp=NOW - 1)})
    path = store.path("ORDERS", "app")
    path.write_text(path.read_text()[:-3])
    assert found(store) == ["user ORDERS/app: L001", "user ORDERS/zoe: C001 exp"]


def test_without_its_operator_a_store_is_judged_all_the_same(store: NscStore) -> None:
    store.path().write_text("x")
    store.put({("ORDERS", "zoe"): sign(ORDERS, key(Role.USER, 2), "zoe", User.new(), exp=NOW - 1)})
    assert found(store) == ["operator ACME: L001", "user ORDERS/zoe: C001 exp"]


def test_users_of_a_damaged_account_are_judged_without_trust(store: NscStore) -> None:
    store.path("ORDERS").write_text("x")
    assert found(store) == ["account ORDERS: L001", "user ORDERS/app: L005 iss"]


def test_a_jwt_under_another_name_is_reported(store: NscStore) -> None:
    store.path("ORDERS", "app").rename(store.path("ORDERS", "clerk"))
    (judged,) = [one for one in lint_store(store, NOW) if one.findings]
    (finding,) = judged.findings
    assert (finding.code, finding.severity, finding.about) == ("L001", Severity.ERROR, "user ORDERS/clerk")
    assert 'holds the jwt of "app", not of "clerk"' in finding.text


def test_a_policy_judges_what_stands(store: NscStore) -> None:
    ours, theirs = (read_policy(f'operator = "{text(one)}"\n'.encode()) for one in (OPERATOR, STRANGER))
    assert found(store, policy=ours) == []
    assert {line.partition(": ")[2][:4] for line in found(store, policy=theirs)} == {"P001"}
    assert len({line.partition(":")[0] for line in found(store, policy=theirs)}) == 3


def test_members_that_are_not_known_and_old_versions_are_reported(craft: Craft) -> None:
    body = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1, "colour": "red"}
    strange = read(craft({"sub": text(APP), "iat": NOW, "jti": "x", "name": "app", "nats": body}))
    around = LintContext(Context(NOW))
    codes = [(one.code, one.where) for one in judge_jwt("app.jwt", strange, around).findings]
    assert ("L002", "nats.colour") in codes
    old = read(craft({"sub": text(APP), "iat": NOW, "jti": "x", "name": "app", "type": "user", "nats": {}},
                     header=b'{"typ":"jwt","alg":"ed25519"}', version=1))  # fmt: skip
    assert "L003" in [one.code for one in judge_jwt("app.jwt", old, around).findings]


def test_an_empty_list_of_a_scoped_user_is_reported(craft: Craft, keys: dict[Role, SoftwareKey]) -> None:
    scope = Scope(key=text(keys[Role.ACCOUNT]), template=Template.new())
    parent = account(signing_keys=(scope,))
    around = LintContext(Context(NOW, claims={text(ORDERS): parent.claims}))
    for given, codes in (({"pub": {"allow": []}, "sub": {}}, ["L004"]), ({"pub": {}, "sub": {}}, [])):
        body = given | {"issuer_account": text(ORDERS), "type": "user", "version": 2}
        payload = {
            "jti": "x",
            "iat": NOW,
            "iss": text(keys[Role.ACCOUNT]),
            "name": "app",
            "sub": text(APP),
            "nats": body,
        }
        jwt = read(craft(payload))
        found = [one.code for one in judge_jwt("app.jwt", jwt, around).findings if one.code[0] == "L"]
        assert [code for code in found if code != "L002"] == codes


def test_a_user_whose_account_is_not_known_is_not_judged_for_trust() -> None:
    around = LintContext(Context(NOW))
    assert [one.code for one in judge_jwt("app.jwt", user(), around).findings] == ["L005"]
    assert [one.code for one in unreadable("app.jwt", StoreError("gone", "look")).findings] == ["L001"]


def fill(root: Path, accounts: int, users: int) -> NscStore:
    """Make a store with as many *accounts*, each with as many *users*; files are written as they are."""
    made = create_store(root, "ACME")
    made.put({(): ROOT})
    for number in range(accounts):
        owner = SoftwareKey(Role.ACCOUNT, number.to_bytes(32, "big"))
        name = f"A{number}"
        folder = made.path(name, "x").parent
        folder.mkdir(parents=True)
        made.path(name).write_text(account(name, owner).text)
        for each in range(users):
            about = PublicKey(Role.USER, (number * users + each).to_bytes(32, "big"))
            drafted = draft(Claims(sub=str(about), name=f"u{each}", body=User.new()), owner.public_key, NOW)
            jwt = drafted.complete(owner.sign(drafted.signing_input))
            (folder / f"u{each}.jwt").write_text(jwt.text)
    return open_store(root, "ACME")


def test_memory_does_not_grow_with_the_users(tmp_path: Path) -> None:
    peaks = []
    for users in (4, 40):
        store = fill(tmp_path / str(users), 10, users)
        list(lint_store(store, NOW))  # what is made once is made now
        tracemalloc.start()
        looked_at = sum(1 for _ in lint_store(store, NOW))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert looked_at == count(store) == 1 + 10 + 10 * users
    assert peaks[1] < 1.2 * peaks[0], peaks
