"""What one `seedless sign` costs, counted: calls of the driver, and modules that are loaded for nothing."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    Misbehaving = Any

NEEDLESS = {
    "asn1crypto", "asyncio", "dataclasses", "email", "importlib.metadata", "nats", "random", "secrets",
    "seedless.claims.url", "seedless.app.plans", "seedless.creds", "seedless.migrate",
    "seedless.pkcs11.isolation.frames", "seedless.pkcs11.isolation.pool", "seedless.pkcs11.isolation.worker",
    "seedless.pkcs11.isolation.worker_group", "seedless.pkcs11.key_creation", "seedless.plan_file",
    "seedless.policy", "ssl", "tomllib", "zoneinfo._zoneinfo",
}  # fmt: skip
CALLS = {
    "C_Initialize": 1, "C_OpenSession": 1, "C_Login": 1, "C_FindObjectsInit": 2, "C_SignInit": 1, "C_Sign": 1,
}  # fmt: skip


NEEDLESS_FOR_AN_ACCOUNT = NEEDLESS - {"seedless.pkcs11.key_creation"} | {
    "seedless.claims.lenient", "seedless.desired", "seedless.lint", "subprocess",
}  # fmt: skip


def loaded_for(cli: Any, misbehaving: Misbehaving, *words: str) -> set[str]:  # noqa: ANN401 - conftest's
    """Run a command in a process of its own; return the modules that were loaded for it."""
    env = {name: os.environ[name] for name in ("MISBEHAVE", "MISBEHAVE_MODULE")}
    env |= {"SEEDLESS_MODULE": str(misbehaving.made.module), "PYTHONPROFILEIMPORTTIME": "1"}
    misbehaving.forget()
    done = cli.child(*words, "--yes", **env)
    assert done.code == 0
    return set(re.findall(r"^import time:[^|]*\|[^|]*\| *(\S+)$", done.err, re.MULTILINE))


def dataclasses_of_ours(loaded: set[str]) -> list[Path]:
    specs = [importlib.util.find_spec(name) for name in loaded if name.startswith("seedless.")]
    files = [Path(spec.origin) for spec in specs if spec and spec.origin]
    assert len(files) > 60
    return [file for file in files if "@dataclass" in file.read_text(encoding="utf-8")]


@pytest.fixture
def signed(cli: Any, misbehaving: Misbehaving) -> set[str]:  # noqa: ANN401 - conftest's
    """Sign an account once; return the modules that were loaded for it."""
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS")
    return loaded_for(cli, misbehaving, "sign", str(cli.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt"))


def test_one_signature_asks_its_token_once_for_each_thing(signed: set[str], misbehaving: Misbehaving) -> None:
    assert "pkcs11._pkcs11" in signed
    assert {name: misbehaving.calls(name) for name in CALLS} == CALLS


def test_one_signature_loads_nothing_that_it_does_not_use(signed: set[str]) -> None:
    assert {"msgspec", "nacl._sodium", "seedless.rules.account"} <= signed
    assert signed & NEEDLESS == set()


def test_one_signature_loads_no_dataclass_of_ours(signed: set[str]) -> None:
    assert dataclasses_of_ours(signed) == []


def test_a_new_account_loads_nothing_that_it_does_not_use(
    cli: Any,  # noqa: ANN401 - conftest's
    misbehaving: Misbehaving,
) -> None:
    cli.ok("operator", "add", "ACME")
    loaded = loaded_for(cli, misbehaving, "account", "add", "ORDERS")
    assert {"pkcs11._pkcs11", "seedless.pkcs11.key_creation"} <= loaded
    assert loaded & NEEDLESS_FOR_AN_ACCOUNT == set()
    assert dataclasses_of_ours(loaded) == []
