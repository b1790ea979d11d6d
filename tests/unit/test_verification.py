"""A store is verified jwt by jwt: in order, whatever the number of processes, with memory for a few."""

from __future__ import annotations

import multiprocessing
import os
import tracemalloc
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless import verification
from seedless.claims import Account, Operator, Permission, Scope, Template, TimeRange, User
from seedless.errors import SeedlessError
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey
from seedless.store import NscStore, create_store
from seedless.verification import StoreView, VerifiedJwt, verify_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_700_000_000
OPERATOR = SoftwareKey(Role.OPERATOR, bytes(32))
OPERATOR_SIGNING = SoftwareKey(Role.OPERATOR, bytes([1]) * 32)


def signed(key: SoftwareKey, subject: PublicKey, name: str, body: object, **times: int) -> Jwt[Any]:
    made = draft(Claims(sub=str(subject), name=name, body=body, **times), key.public_key, NOW)
    return made.complete(key.sign(made.signing_input))


def account_key(number: int) -> SoftwareKey:
    return SoftwareKey(Role.ACCOUNT, number.to_bytes(32, "big"))


SIGNING = str(account_key(8).public_key)


def user_key(number: int) -> PublicKey:
    return PublicKey(Role.USER, number.to_bytes(32, "big"))


def fill(root: Path, accounts: int, users: int) -> NscStore:
    store = create_store(root, "ACME")
    changes = {(): signed(OPERATOR, OPERATOR.public_key, "ACME", Operator.new())}
    for number in range(accounts):
        owner, name = account_key(number), f"A{number:03}"
        changes[(name,)] = signed(OPERATOR, owner.public_key, name, Account.new())
        for each in range(users):
            changes[(name, f"u{each:03}")] = signed(owner, user_key(each), f"u{each:03}", User.new())
    store.put(changes)
    return store


def verdicts(root: Path, jobs: int = 1) -> list[VerifiedJwt]:
    return list(verify_store(root, "ACME", NOW, jobs=jobs))


def test_all_of_a_sound_store_is_trusted_in_the_order_of_the_tree(tmp_path: Path) -> None:
    fill(tmp_path, 2, 2)
    assert verdicts(tmp_path) == [
        VerifiedJwt(what, "trusted", "valid")
        for what in (
            "operator ACME", "account A000", "user A000/u000", "user A000/u001",
            "account A001", "user A001/u000", "user A001/u001",
        )
    ]  # fmt: skip


@pytest.mark.parametrize(("accounts", "users"), [(12, 2), (2, 19)], ids=["many accounts", "many users"])
def test_processes_report_the_same_in_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accounts: int, users: int
) -> None:
    monkeypatch.setattr(verification, "WORTH", 20)
    monkeypatch.setattr(verification, "_BATCH", 5)
    store = fill(tmp_path, accounts, users)
    store.path("A001").write_text("junk")
    exclusive = verdicts(tmp_path)
    assert len(exclusive) == 1 + accounts * (1 + users)
    assert [one.what for one in exclusive if not one.ok][:2] == ["account A001", "user A001/u000"]
    assert verdicts(tmp_path, jobs=2) == exclusive


def test_a_small_store_is_verified_without_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(verification, "ProcessPoolExecutor", refuse)
    fill(tmp_path, 2, 2)
    assert len(verdicts(tmp_path, jobs=8)) == 7


@pytest.fixture
def starts_by_forkserver() -> Iterator[None]:
    """What Python 3.14 does by default on Linux, on any Python."""
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("forkserver", force=True)
    yield
    multiprocessing.set_start_method(before, force=True)


def test_a_process_that_ends_early_is_reported_in_a_sentence_with_any_start_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, starts_by_forkserver: None
) -> None:
    parent = os.getpid()
    monkeypatch.setattr(verification, "WORTH", 4)
    monkeypatch.setattr(verification, "_BATCH", 2)
    monkeypatch.setattr(verification, "_times", lambda *_: "valid" if os.getpid() == parent else os._exit(1))
    fill(tmp_path, 2, 2)
    with pytest.raises(SeedlessError, match="a process that verifies has ended") as failure:
        verdicts(tmp_path, jobs=2)
    assert "--jobs 1" in failure.value.hint


def test_a_user_that_lies_with_another_account_is_held_against_its_own(tmp_path: Path) -> None:
    store = fill(tmp_path, 2, 0)
    own = signed(account_key(1), user_key(7), "guest", User.new())
    folder = store.path("A000", "guest").parent
    folder.mkdir()
    store.path("A000", "guest").write_text(own.text)
    assert VerifiedJwt("user A000/guest", "trusted", "valid") in verdicts(tmp_path)
    store.path("A001").unlink()
    assert VerifiedJwt("user A000/guest", "account is not in the store", "valid") in verdicts(tmp_path)


@pytest.mark.parametrize(
    ("account", "user", "trust"),
    [
        pytest.param({}, {}, "trusted", id="signed by the account"),
        pytest.param({"signing_keys": (SIGNING,)}, {"by": 8}, "trusted", id="signing key"),
        pytest.param({}, {"by": 8}, "not issued by its account", id="a key of nobody"),
        pytest.param({"revocations": {str(user_key(7)): NOW}}, {}, "revoked", id="revoked"),
        pytest.param(
            {"signing_keys": (Scope(key=SIGNING, role="r", template=Template()),)},
            {"by": 8},
            "trusted",
            id="scope",
        ),
    ],
)
def test_a_user_is_trusted_as_far_as_its_account(
    tmp_path: Path, account: dict[str, Any], user: dict[str, int], trust: str
) -> None:
    store = create_store(tmp_path, "ACME")
    owner = account_key(1)
    body = User(issuer_account=str(owner.public_key)) if user else User.new()
    store.put(
        {
            (): signed(OPERATOR, OPERATOR.public_key, "ACME", Operator.new()),
            ("A",): signed(OPERATOR, owner.public_key, "A", Account(**account)),
            ("A", "u"): signed(account_key(user.get("by", 1)), user_key(7), "u", body),
        }
    )
    assert verdicts(tmp_path)[2] == VerifiedJwt("user A/u", trust, "valid")


OWNER = str(account_key(1).public_key)
OPEN = msgspec.structs.replace(User.new(), issuer_account=OWNER)
SCOPED = User.scoped(OWNER)
BEARER = msgspec.structs.replace(Account.new().limits, disallow_bearer=True)


def scope(**members: Any) -> dict[str, Any]:  # noqa: ANN401 - members
    template = msgspec.structs.replace(Template.new(), **members)
    return {"signing_keys": (Scope(key=SIGNING, role="r", template=template),)}


@pytest.mark.parametrize(
    ("strict", "account", "body", "trust"),
    [
        pytest.param(
            True, {}, User.new(), "issued by the identity of its account, and the operator is strict"
        ),
        pytest.param(True, {"signing_keys": (SIGNING,)}, OPEN, "trusted"),
        pytest.param(False, scope(), OPEN, "carries subs, data, payload, and its scope gives them"),
        pytest.param(
            False,
            scope(pub=Permission(deny=("{{tag(x)}}",))),
            SCOPED,
            "refused by its scope: there is no tag for {{tag(x)}}",
        ),
        pytest.param(
            False,
            scope(bearer_token=True) | {"limits": BEARER},
            SCOPED,
            "a bearer token, which its account disallows",
        ),
        pytest.param(
            False,
            {"limits": BEARER},
            msgspec.structs.replace(User.new(), bearer_token=True),
            "a bearer token, which its account disallows",
        ),
        pytest.param(False, scope(bearer_token=True), SCOPED, "trusted"),
    ],
    ids=[
        "strict",
        "strict and signing key",
        "carries",
        "template",
        "bearer scope",
        "bearer",
        "bearer allowed",
    ],
)
def test_a_user_that_servers_refuse_is_not_trusted(
    tmp_path: Path,
    strict: bool,  # noqa: FBT001 - a table
    account: dict[str, Any],
    body: User,
    trust: str,
) -> None:
    store = create_store(tmp_path, "ACME")
    operator = Operator(strict_signing_key_usage=strict, signing_keys=(str(OPERATOR_SIGNING.public_key),))
    owner = msgspec.structs.replace(Account.new(), **account)
    store.put(
        {
            (): signed(OPERATOR, OPERATOR.public_key, "ACME", operator),
            ("A",): signed(OPERATOR_SIGNING, account_key(1).public_key, "A", owner),
            ("A", "u"): signed(account_key(8 if body.issuer_account else 1), user_key(7), "u", body),
        }
    )
    assert verdicts(tmp_path)[2] == VerifiedJwt("user A/u", trust, "valid")


NIGHT = (TimeRange(start="21:00:00", end="02:00:00"),)  # NOW is 22:13:20 UTC


@pytest.mark.parametrize(
    ("times", "account", "body", "told"),
    [
        pytest.param({}, {}, {"times": NIGHT, "times_location": "UTC"}, "valid"),
        pytest.param(
            {},
            {},
            {"times": NIGHT, "times_location": "Asia/Kolkata"},
            "only from 21:00:00 to 02:00:00 Asia/Kolkata",
        ),
        pytest.param({}, {}, {"times": NIGHT, "times_location": "Europe/Moscow"}, "valid"),
        pytest.param(
            {},
            {},
            {"times": (TimeRange(start="08:00:00", end="22:13:20"),), "times_location": "UTC"},
            "only from 08:00:00 to 22:13:20 UTC",
        ),
        pytest.param(
            {},
            scope(times=NIGHT, times_location="Asia/Tokyo"),
            None,
            "only from 21:00:00 to 02:00:00 Asia/Tokyo",
        ),
        pytest.param({"exp": NOW}, {}, {}, "its account expired 2023-11-14 22:13:20 UTC"),
        pytest.param({"nbf": NOW + 1}, {}, {}, "its account not before 2023-11-14 22:13:21 UTC"),
    ],
    ids=[
        "in",
        "elsewhere",
        "after midnight",
        "at the end",
        "of a scope",
        "account expired",
        "account not yet",
    ],
)
def test_times_of_day_and_those_of_the_account_count(
    tmp_path: Path, times: dict[str, int], account: dict[str, Any], body: dict[str, Any] | None, told: str
) -> None:
    store = create_store(tmp_path, "ACME")
    owner = msgspec.structs.replace(Account.new(), **account)
    user = SCOPED if body is None else msgspec.structs.replace(User.new(), **body)
    store.put(
        {
            (): signed(OPERATOR, OPERATOR.public_key, "ACME", Operator.new()),
            ("A",): signed(OPERATOR, account_key(1).public_key, "A", owner, **times),
            ("A", "u"): signed(account_key(8 if body is None else 1), user_key(7), "u", user),
        }
    )
    assert verdicts(tmp_path)[2] == VerifiedJwt("user A/u", "trusted", told)


@pytest.mark.parametrize(
    ("times", "told"),
    [
        pytest.param({"exp": NOW}, "expired 2023-11-14 22:13:20 UTC", id="expired now"),
        pytest.param({"exp": NOW + 1}, "valid", id="expires in a second"),
        pytest.param({"nbf": NOW + 1}, "not before 2023-11-14 22:13:21 UTC", id="not yet"),
    ],
)
def test_times_are_held_against_the_clock_that_is_given(times: dict[str, int], told: str) -> None:
    user = signed(account_key(1), user_key(7), "u", User.new(), **times)
    assert StoreView(None, NOW).judge("u", user) == VerifiedJwt("u", "unknown", told)


def test_nothing_is_trusted_where_the_operator_cannot_be_read(tmp_path: Path) -> None:
    store = fill(tmp_path, 1, 1)
    store.path().write_text("junk")
    first, *others = verdicts(tmp_path)
    assert first.signature == "unread"
    assert {one.trust for one in others} == {"the operator cannot be read"}


def test_memory_does_not_grow_with_the_jwts(tmp_path: Path) -> None:
    peaks = []
    for accounts in (40, 400):
        fill(tmp_path / str(accounts), accounts, 2)
        sum(1 for _ in verify_store(tmp_path / str(accounts), "ACME", NOW))  # what is made once is made now
        tracemalloc.start()
        assert sum(1 for _ in verify_store(tmp_path / str(accounts), "ACME", NOW)) == 1 + accounts * 3
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 120_000, peaks
