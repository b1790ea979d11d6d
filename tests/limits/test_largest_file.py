"""Promise 7: nothing that can be written cannot be read again, and nothing is signed that could not."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from seedless import plan_file, units
from seedless.ceremony import offline
from seedless.ceremony.judgement import ReviewContext
from seedless.ceremony.request import parse, prepare
from seedless.change import Change
from seedless.claims import Account, Operator, User
from seedless.errors import BadClaims, StoreError
from seedless.inventory import Inventory, KeyEntry
from seedless.jwt import MAX_SIZE, Claims, Draft, Jwt, draft, read
from seedless.ledger import LastJwt, Ledger, OperatorRecord
from seedless.nkey import PublicKey, Role
from seedless.policy import read as read_policy
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import Plan
from seedless.store import atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from seedless.ceremony.request import CeremonyRequest

    Cli = Any  # the fixture in tests/conftest.py

SOURCE = Path(atomic.__file__).parents[1]
NOW = 1_750_000_000
OPERATOR = SoftwareKey(Role.OPERATOR, bytes(32))
ACCOUNT = SoftwareKey(Role.ACCOUNT, bytes(32))
MANY = 100_000


def user_key(number: int) -> PublicKey:
    return PublicKey(Role.USER, number.to_bytes(32, "big"))


def operator_jwt() -> Jwt[Operator]:
    made = draft(
        Claims(sub=str(OPERATOR.public_key), name="ACME", body=Operator.new()), OPERATOR.public_key, NOW
    )
    return made.complete(OPERATOR.sign(made.signing_input))


def account_jwt() -> Jwt[Account]:
    made = draft(
        Claims(sub=str(ACCOUNT.public_key), name="ORDERS", body=Account.new()), OPERATOR.public_key, NOW
    )
    return made.complete(OPERATOR.sign(made.signing_input))


def plan(users: int, *, are_new: bool = False) -> Plan:
    """A plan that signs users again, each beside the jwt that it replaces, or that signs new ones."""
    changes = []
    for number in range(users):
        claims = Claims(sub=str(user_key(number)), name=f"user-{number:06}", body=User.new())
        before = draft(claims, ACCOUNT.public_key, NOW)
        standing = before.complete(ACCOUNT.sign(before.signing_input))
        again = draft(claims, ACCOUNT.public_key, NOW + 1)
        changes.append(Change(again, None if are_new else standing, "renewed", ("ORDERS", claims.name)))
    return Plan(tuple(changes), NOW + 1, (operator_jwt(), account_jwt()))


def request_of(users: int, *, are_new: bool = False) -> CeremonyRequest:
    header = {"reason": "renewal", "prepared_by": "Grace", "expires": NOW + 9999, "tool": "seedless 0"}
    return prepare(plan(users, are_new=are_new), at=NOW + 1, operator=operator_jwt(), **header)


def sitting_of(request: CeremonyRequest, folder: Path, ledger: Ledger) -> offline.CeremonyRun:
    policy = read_policy(f'operator = "{OPERATOR.public_key}"\n'.encode())
    review_context = ReviewContext(
        request=request, policy=policy, ledger=ledger, now=NOW + 5, first_use=("all",)
    )
    return offline.CeremonyRun(
        review_context=review_context,
        folder=folder / "ceremony",
        ledger=folder / "ledger.json",
        clock=lambda: NOW + 5,
    )


class NoKeys:
    """Keys that are never to be asked."""

    def sign(self, drafts: Iterable[Draft[Any]]) -> Iterator[Jwt[Any]]:
        raise AssertionError(f"signed: {drafts}")

    def driver_report(self, public_key: PublicKey) -> Mapping[str, Any]:
        raise AssertionError(f"asked: {public_key}")


def keyring_text(keys: int) -> str:
    uri = "pkcs11:token=production;serial=10be1048a1330d40;object=user:a-user;id=%2F%C6%7A%63;type=private"
    return Inventory.of(
        KeyEntry(public_key=user_key(n), uri=uri, role=Role.USER, name=f"user-{n:06}", at=NOW)
        for n in range(keys)
    ).text()


def ledger_text(subjects: int) -> str:
    book = OperatorRecord(subjects={str(user_key(n)): LastJwt("0" * 64, NOW) for n in range(subjects)})
    return Ledger({str(OPERATOR.public_key): book}).text()


WRITERS: dict[str, Callable[[int], int]] = {
    "inventory": lambda count: len(keyring_text(count)),
    "ledger": lambda count: len(ledger_text(count)),
    "plan": lambda count: len(plan_file.to_bytes(plan(count))),
    "request": lambda count: len(request_of(count).data),
    "result": lambda count: request_of(count).largest_result,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_of_a_hundred_thousand_users_is_one_that_is_read(name: str) -> None:
    size = WRITERS[name]
    per_item = (size(40) - size(20)) / 20
    assert size(20) + per_item * MANY < units.LARGEST_FILE


def test_what_is_larger_than_is_read_is_not_written_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "LARGEST_FILE", 1024)
    atomic.write({tmp_path / "fits": "x" * 1024})
    with pytest.raises(StoreError) as caught:
        atomic.write({tmp_path / "beside": "y", tmp_path / "new" / "large": "é" * 513})
    assert caught.value.message == (
        f"{tmp_path}/new/large would be larger than 1 KiB, which is the most that is read"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["fits"]
    assert atomic.read(tmp_path / "fits") == b"x" * 1024


def test_a_file_that_is_too_large_is_refused_by_its_size_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(units.LARGEST_FILE + 1)
    with pytest.raises(StoreError) as caught:
        atomic.read(path)
    assert caught.value.message == f"{path} is larger than 512 MiB, which is the most that is read"


def test_one_module_defines_how_large_a_file_may_be() -> None:
    number = re.compile(r"1024 ?\*\*? ?(?:2|1024)|<< ?20|_000_000\b")
    found = {
        str(path.relative_to(SOURCE)): number.findall(path.read_text("utf-8"))
        for path in sorted(SOURCE.rglob("*.py"))
        if "pkcs11" not in path.parts and path.name != "doctor.py"
    }
    assert {name for name, numbers in found.items() if numbers} == {
        "jwt.py",  # of a jwt, as the official library has it
        "units.py",
        "serve/backends/oidc.py",  # of the keys that a provider sends, which are no file
        "serve/backends/users.py",  # the memory that argon2id may take
    }


def test_a_jwt_that_is_too_long_to_be_read_is_not_drafted() -> None:
    revocations = {str(user_key(number)): NOW for number in range(12_000)}
    body = msgspec.structs.replace(Account.new(), revocations=revocations)
    with pytest.raises(BadClaims) as caught:
        draft(Claims(sub=str(ACCOUNT.public_key), name="ORDERS", body=body), OPERATOR.public_key, NOW)
    assert caught.value.message.endswith(" characters, at most 1048576 are read")


def test_the_longest_jwt_that_is_drafted_is_read() -> None:
    def made(length: int) -> Draft[Account]:
        body = msgspec.structs.replace(Account.new(), description="x" * length)
        return draft(Claims(sub=str(ACCOUNT.public_key), body=body), OPERATOR.public_key, NOW)

    length = MAX_SIZE * 3 // 4 - 700
    while len(made(length).signing_input) + 87 <= MAX_SIZE - 6:
        length += 3
    longest = made(length)
    assert MAX_SIZE - 8 < len(longest.signing_input) + 87 <= MAX_SIZE
    assert read(longest.complete(OPERATOR.sign(longest.signing_input)).text).claims == longest.claims


def test_a_request_whose_result_could_not_be_read_is_refused_before_it_is_reviewed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = request_of(30, are_new=True)
    monkeypatch.setattr(units, "LARGEST_FILE", request.largest_result - 1)
    with pytest.raises(StoreError, match="the result of this request would be larger than"):
        parse(request.data)


def test_a_result_that_its_transcript_makes_too_large_asks_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_of(30, are_new=True)
    monkeypatch.setattr(units, "LARGEST_FILE", request.largest_result + 1000)
    run = sitting_of(request, tmp_path, Ledger())
    with pytest.raises(StoreError, match=r"result.json would be larger than"):
        offline.run_ceremony(run, review=lambda *_: True, keys=lambda: contextlib.nullcontext(NoKeys()))
    assert not (tmp_path / "ceremony" / "transcript.jsonl").exists()


def test_a_ledger_that_would_grow_too_large_stops_a_ceremony_before_its_first_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_of(3)
    known = {str(user_key(number)): LastJwt("0" * 64, NOW) for number in range(1000, 1400)}
    ledger = Ledger({str(OPERATOR.public_key): OperatorRecord(subjects=known)})
    run = sitting_of(request, tmp_path, ledger)
    monkeypatch.setattr(units, "LARGEST_FILE", len(ledger.text()) + 100)
    with pytest.raises(StoreError, match=r"ledger.json would be larger than"):
        offline.run_ceremony(run, review=lambda *_: True, keys=lambda: contextlib.nullcontext(NoKeys()))
    assert not (tmp_path / "ledger.json").exists()


def test_commands_report_that_a_file_is_too_large_and_sign_nothing(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.found_system()
    before = cli.files()
    for most, words in (
        (2001, ("account", "edit", "ORDERS", "--conns", "5", "--plan", "orders.plan")),
        (2001, ("apply", "-")),
        (500, ("key", "list")),
    ):
        monkeypatch.setattr(units, "LARGEST_FILE", most)
        done = cli.run(*words, stdin="#" * 2002)
        assert (done.code, done.out) == (1, ""), done
        assert f"larger than {most} B, which is the most that is read" in done.err, done
    assert cli.files() == before
