"""Plans that say something else than they should: each is refused before a token is opened."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless.claims import Account, Generic, Operator
from seedless.jwt import Claims, Jwt, draft, read
from seedless.nkey import PublicKey, Role
from seedless.plan_file import canonical
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable

    Cli = Any  # the fixture in tests/conftest.py


@dataclass
class Forger:
    """Somebody who writes plans as they like, and has keys of their own."""

    cli: Cli
    members: dict[str, Any]
    old: str
    """ORDERS as it was once."""

    @property
    def change(self) -> dict[str, Any]:
        found: dict[str, Any] = self.members["changes"][0]
        return found

    @property
    def store_account(self) -> str:
        return str(self.cli.ok("account", "show", "ORDERS", "--json").data["jwt"])

    @property
    def operator(self) -> Jwt[Any]:
        return read(self.cli.ok("operator", "show", "--json").data["jwt"])

    def placed(self, address: list[str], jwt: str | None, replaces: str | None) -> None:
        self.members["placements"] = [
            {"address": address, "jwt": jwt, "reason": "tidied", "replaces": replaces}
        ]

    def redraft(
        self, claims: Claims[Any] | None = None, at: int = 0, issuer: PublicKey | None = None
    ) -> None:
        """Say *claims* in the draft, issued *at*."""
        said = read(self.old)
        made = draft(claims or said.claims, issuer or said.issuer, at or said.issued_at)
        self.change["draft"] = made.signing_input.decode()

    def run(self) -> Any:  # noqa: ANN401 - what a command returns
        data = canonical(self.members) + b"\n"
        path = self.cli.home / "forged.plan"
        path.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        return self.cli.run("sign", "--plan", str(path), "--expect", digest, PIN="0000", TOKEN_PIN="0000")


@pytest.fixture
def forger(cli: Cli) -> Forger:
    """A forger with the plan of an edit of ORDERS, which is right as it is."""
    cli.found_system()
    old = cli.ok("account", "show", "ORDERS", "--json").data["jwt"]
    cli.ok("account", "edit", "ORDERS", "--tag", "team:a")
    operator = cli.ok("operator", "show", "--json").data["subject"]
    (cli.home / "policy.toml").write_text(f'operator = "{operator}"\n')
    cli.env["SEEDLESS_POLICY"] = str(cli.home / "policy.toml")
    path = cli.home / "orders.plan"
    cli.ok("account", "edit", "ORDERS", "--tag", "team:b", "--plan", str(path))
    return Forger(cli, json.loads(path.read_bytes()), old)


def a_predecessor_that_was_rolled_back(forger: Forger) -> None:
    forger.change.update(replaces=forger.old, address=["RENAMED"])
    said = read(forger.old).claims
    forger.redraft(msgspec.structs.replace(said, name="RENAMED"), read(forger.old).issued_at + 1)


def a_predecessor_that_is_left_out(forger: Forger) -> None:
    forger.change.update(replaces=None, address=None)
    forger.redraft()


def a_predecessor_that_is_cleared_away(forger: Forger) -> None:
    forger.change.update(replaces=None)
    forger.redraft()
    forger.placed(["ORDERS"], None, forger.store_account)


def a_jwt_that_is_rolled_back(forger: Forger) -> None:
    forger.members["changes"] = []
    forger.placed(["ORDERS"], forger.old, forger.store_account)


def the_address_of_another_account(forger: Forger) -> None:
    forger.change.update(address=["SYS"])


def the_address_of_the_operator(forger: Forger) -> None:
    forger.change.update(address=[])


def an_address_outside_the_store(forger: Forger) -> None:
    forger.change.update(address=["../../ORDERS"])


def an_address_that_hides(forger: Forger) -> None:
    forger.change.update(address=[".ORDERS"], replaces=None)
    forger.redraft(msgspec.structs.replace(read(forger.old).claims, name=".ORDERS"))


def a_user_in_the_folder_of_another_account(forger: Forger) -> None:
    user = forger.cli.ok("user", "show", "-a", "ORDERS", "app", "--json").data["jwt"]
    forger.members["changes"] = []
    account = forger.cli.ok("account", "show", "SYS", "--json").data["jwt"]
    forger.members["around"] += [forger.store_account, account]
    forger.placed(["SYS", "app"], user, None)


def _attackers_operator(forger: Forger) -> tuple[SoftwareKey, str]:
    key = SoftwareKey.generate(Role.OPERATOR)
    claims = Claims(sub=str(key.public_key), name="ACME", body=Operator.new())
    one = draft(claims, key.public_key, forger.operator.issued_at + 1)
    return key, one.complete(key.sign(one.signing_input)).text


def the_operator_of_an_attacker(forger: Forger) -> None:
    forger.members["changes"] = []
    forger.placed([], _attackers_operator(forger)[1], forger.operator.text)


def an_account_of_an_attacker(forger: Forger) -> None:
    key, _ = _attackers_operator(forger)
    said = read(forger.store_account)
    one = draft(said.claims, key.public_key, said.issued_at + 1)
    forged = one.complete(key.sign(one.signing_input)).text
    forger.members["changes"] = []
    forger.placed(["ORDERS"], forged, forger.store_account)


def an_attackers_operator_around_it(forger: Forger) -> None:
    forger.members["around"] = [_attackers_operator(forger)[1]]


def nothing_around_and_a_key_of_no_operator(forger: Forger) -> None:
    forger.members["around"] = []
    said = read(forger.store_account)
    forger.redraft(said.claims, said.issued_at + 1, PublicKey.parse(said.claims.sub))


def another_jwt_of_the_account_around_it(forger: Forger) -> None:
    forger.members["around"].append(forger.old)


def two_drafts_for_one_place(forger: Forger) -> None:
    forger.members["changes"] *= 2


def the_operator_is_taken_away(forger: Forger) -> None:
    forger.placed([], None, forger.operator.text)


def an_order_to_delete(forger: Forger) -> None:
    said = read(forger.store_account)
    body = Generic(data={"accounts": [said.claims.sub]})
    forger.change.update(address=None, replaces=None)
    forger.redraft(Claims(sub=str(said.issuer), body=body), said.issued_at + 1)


def a_receipt_of_a_ceremony(forger: Forger) -> None:
    said = read(forger.store_account)
    body = Generic(data={"request": "0" * 64})
    claims = Claims(sub=f"sha256:{'0' * 64}", aud="seedless-ceremony-receipt", body=body)
    forger.change.update(address=None, replaces=None)
    forger.redraft(claims, said.issued_at + 1)


def a_draft_of_the_future(forger: Forger) -> None:
    forger.redraft(read(forger.store_account).claims, 4_000_000_000)


@pytest.mark.parametrize(
    ("forge", "sentence"),
    [
        (a_predecessor_that_was_rolled_back, "the store has another jwt of "),
        (a_predecessor_that_is_left_out, "the store has another jwt of "),
        (a_predecessor_that_is_cleared_away, "the store has another jwt of "),
        (a_jwt_that_is_rolled_back, ", and the jwt that it replaces is of "),
        (the_address_of_another_account, "plan.changes[0].address is SYS"),
        (the_address_of_the_operator, "plan.changes[0].address is not a place for account claims"),
        (an_address_outside_the_store, "plan.changes[0].address is ../../ORDERS, and the claims have ORDERS"),
        (an_address_that_hides, "the store has another jwt of account .ORDERS"),
        (a_user_in_the_folder_of_another_account, "plan.placements[0].address is in the account SYS"),
        (the_operator_of_an_attacker, "is of the operator O"),
        (an_account_of_an_attacker, "no key of the pinned operator"),
        (an_attackers_operator_around_it, "the store has another jwt of ACME"),
        (nothing_around_and_a_key_of_no_operator, "no key of the pinned operator"),
        (another_jwt_of_the_account_around_it, "holds two jwts of ORDERS as current"),
        (two_drafts_for_one_place, "has one address twice"),
        (the_operator_is_taken_away, "takes the operator away"),
        (an_order_to_delete, "G004"),
        (a_receipt_of_a_ceremony, "G004"),
        (a_draft_of_the_future, "G002"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_forged_plan_is_refused_and_changes_nothing(
    forger: Forger, forge: Callable[[Forger], None], sentence: str
) -> None:
    forge(forger)
    before = forger.cli.files()
    done = forger.run()
    assert (done.code in {1, 2, 3}, done.out) == (True, ""), done
    assert sentence in done.err
    assert forger.cli.files() == before


@pytest.mark.parametrize(
    "forge",
    [the_operator_of_an_attacker, an_account_of_an_attacker, nothing_around_and_a_key_of_no_operator],
    ids=lambda one: one.__name__,
)
def test_without_a_policy_too_what_a_plan_signs_and_places_is_of_the_operator_of_the_store(
    forger: Forger, forge: Callable[[Forger], None]
) -> None:
    (forger.cli.home / "policy.toml").unlink()
    forger.cli.env.pop("SEEDLESS_POLICY")
    forge(forger)
    path = forger.cli.home / "forged.plan"
    path.write_bytes(canonical(forger.members) + b"\n")
    done = forger.cli.run("sign", "--plan", str(path), "--dry-run")
    assert done.code == 3, done
    assert "T001" in done.err


def test_the_plan_that_was_not_forged_is_signed(forger: Forger) -> None:
    data = canonical(forger.members) + b"\n"
    path = forger.cli.home / "orders.plan"
    assert path.read_bytes() == data
    forger.cli.ok("sign", "--plan", str(path), "--expect", hashlib.sha256(data).hexdigest())
    assert isinstance(read(forger.store_account).claims.body, Account)
