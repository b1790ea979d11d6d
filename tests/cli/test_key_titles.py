"""Keys are called what they are, `operator ACME (O…)`, where their name is known; not in what is copied."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from seedless.app.key_names import with_titles

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py

O, A = "OCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVYOCS", f"A{'B' * 55}"  # noqa: E741 - the letter of the role
TITLES = {O: "operator ACME", A: "account a, b"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"is issued by {O}, no key", f"is issued by operator ACME ({O}), no key"),
        (f"the operator {O} is gone", f"the operator ACME ({O}) is gone"),
        (f"account {A}: of {O}", f'"account a, b" ({A}): of operator ACME ({O})'),
        (f"operator ACME ({O})", f"operator ACME ({O})"),
        (f"{O} is the key of ACME", f"{O} is the key of ACME"),
        (f'"{O}" is not a role', f'"{O}" is not a role'),
        (f"store/{O}.jwt and token={A}", f"store/{O}.jwt and token={A}"),
        (f"U{'B' * 55} is not known", f"U{'B' * 55} is not known"),
    ],
    ids=[
        "bare",
        "its role before it",
        "a name with a comma",
        "named already",
        "a name elsewhere",
        "quoted",
        "in a path",
        "unknown",
    ],
)
def test_a_sentence_has_the_title_before_each_key_that_has_one(text: str, expected: str) -> None:
    assert with_titles(text, TITLES) == expected


@pytest.fixture
def acme(cli: Cli) -> Cli:
    cli.ok("operator", "add", "ACME", "--sys", "--generate-signing-key")
    cli.ok("account", "add", "ORDERS")
    cli.ok("user", "add", "-a", "ORDERS", "app")
    return cli


def test_a_person_reads_names_before_keys(acme: Cli) -> None:
    keys = {
        (key["role"], key["name"]): key["public_key"] for key in acme.ok("key", "list", "--json").data["keys"]
    }
    signing, orders = keys["operator", "ACME signing"], keys["account", "ORDERS"]
    issuer = f"operator ACME signing ({signing})"
    assert f"issuer: {issuer}" in acme.ok("account", "edit", "ORDERS", "--conns", "5").err
    shown = acme.ok("show", "ORDERS").out
    assert f" {issuer}\n" in shown
    assert f" {orders}\n" in shown  # its own key, whose name is beside it
    operator = acme.ok("operator", "show").out
    assert f" {issuer}\n" in operator
    assert f" account SYS ({keys['account', 'SYS']})\n" in operator
    tree = acme.ok("tree").out.splitlines()
    assert tree[1] == f"├── signing key ACME signing ({signing[:12]}…)  on a token"
    assert f"error: the key {orders} is needed" in acme.run("key", "delete", orders).err  # and what of ORDERS


def test_lint_names_the_key_that_signed(acme: Cli) -> None:
    keys = {key["name"]: key["public_key"] for key in acme.ok("key", "list", "--json").data["keys"]}
    acme.ok("operator", "edit", "--rm-sk", keys["ACME signing"], "--force")
    done = acme.run("lint")
    assert (done.code, f"operator ACME signing ({keys['ACME signing']})" in done.out) == (3, True), done.out


def test_a_fingerprint_is_the_same_wherever_it_is_printed(acme: Cli) -> None:
    key = acme.ok("account", "show", "ORDERS", "--json").data["subject"]
    fingerprint = acme.ok("key", "show", key, "--json").data["fingerprint"]
    assert len(fingerprint) == len("A:KZDV-VJ2U-MNDU-YAUF")
    [row] = [line for line in acme.ok("key", "list", "--long").out.splitlines() if key in line]
    assert row.split()[3] == fingerprint


def test_signing_keys_are_listed_with_their_names(acme: Cli) -> None:
    acme.ok("account", "signing-key", "add", "-a", "ORDERS", "--role", "clerk")
    keys = {key["name"]: key["public_key"] for key in acme.ok("key", "list", "--json").data["keys"]}
    of_operator = acme.ok("operator", "signing-key", "list").out
    assert f"\nACME signing  {keys['ACME signing'][:15]}…  " in of_operator
    of_account = acme.ok("account", "signing-key", "list", "-a", "ORDERS").out
    assert f"\nORDERS clerk  {keys['ORDERS clerk'][:15]}…  " in of_account


def test_a_policy_is_explained_with_the_names_of_its_keys(acme: Cli) -> None:
    operator = acme.ok("operator", "show", "--json").data["subject"]
    ada = acme.ok("key", "new", "--role", "user", "--name", "ada", "--json").data["public_key"]
    policy = acme.home / "policy.toml"
    policy.write_text(f'operator = "{operator}"\n')
    words = ("policy", "explain", str(policy))
    assert acme.ok(*words).out.startswith(f"Only the operator ACME ({operator}) is trusted.\n")
    assert acme.ok(*words, SEEDLESS_STORE="/no/where").out.startswith(f"Only the operator {operator} is trus")
    (acme.home / "new.toml").write_text(f'{policy.read_text()}[witnesses]\nkeys = ["{ada}"]\nthreshold = 1\n')
    changed = acme.run("policy", "check", str(acme.home / "new.toml"), "--against", str(policy))
    assert (changed.code, f" user ada ({ada})" in changed.out) == (5, True), changed.out


def test_a_ceremony_names_its_keys_in_every_step(acme: Cli) -> None:
    operator = acme.ok("operator", "show", "--json").data["subject"]
    ada = acme.ok("key", "new", "--role", "user", "--name", "ada", "--json").data["public_key"]
    policy, plan, request, witness, result = (
        str(acme.home / name)
        for name in ("policy.toml", "a.plan", "request.json", "ada.witness", "result.json")
    )
    witnesses = f'[witnesses]\nkeys = ["{ada}"]\nthreshold = 1\n'
    (acme.home / "policy.toml").write_text(f'operator = "{operator}"\n{witnesses}')
    acme.ok("account", "edit", "ORDERS", "--conns", "5", "--plan", plan)
    acme.ok("ceremony", "prepare", plan, "--reason", "a", "-o", request)
    reviewed = acme.run("ceremony", "review", request, "--policy", policy)
    assert f" R011 ledger operator ACME ({operator}): " in reviewed.err, reviewed.err
    with_digest = ("--policy", policy, "--first-use", "all", "--clock-checked", "--expect")
    with_digest += (hashlib.sha256((acme.home / "request.json").read_bytes()).hexdigest(),)
    witnessed = acme.ok("ceremony", "witness", request, "--key", ada, "-o", witness, *with_digest)
    assert f"waived: R011 ledger operator ACME ({operator}): " in witnessed.err, witnessed.err
    assert witnessed.out == f"{witness}: witnessed by user ada ({ada})\n"
    acme.ok("ceremony", "sign", request, "--witness", witness, "-o", result, *with_digest)
    checked = acme.ok("ceremony", "check", request, result, "--operator-key", operator).out
    signing = {key["name"]: key["public_key"] for key in acme.ok("key", "list", "--json").data["keys"]}
    assert f"\nwaived      R011 ledger operator ACME ({operator})\n" in checked, checked
    assert f"\nkey         operator ACME signing ({signing['ACME signing']}): " in checked
    listed = acme.ok("ceremony", "inventory", "--offline").out
    assert f"\noperator ACME signing ({signing['ACME signing']})  " in listed
