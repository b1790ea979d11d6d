"""How many functions are called for each jwt: the same at two sizes, on any machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable

    Cli = Any  # the fixture in tests/conftest.py

FEW, MORE, MANY = 20, 40, 160
MOST = 1.15
"""Times as many calls for one more jwt among many as for one more among few."""


def calls(cli: Cli, *words: str) -> int:
    """Run a command in this process, and count the functions that it calls, those in C too."""
    count = 0

    def counted(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(counted)
    try:
        done = cli.run(*words)
    finally:
        sys.setprofile(None)
    assert done.code in {0, 3, 5}, done
    return count


def new_accounts(cli: Cli, size: int) -> tuple[str, ...]:
    """Write a file with so many new accounts, whose keys are to be created, and a user each."""
    (cli.home / "t.toml").write_text(
        "".join(f"[accounts.A{n}]\n[accounts.A{n}.users.u]\n" for n in range(size))
    )
    return "apply", str(cli.home / "t.toml"), "--plan-only"


def given_accounts(cli: Cli, size: int) -> tuple[str, ...]:
    """Write a file with so many new accounts, whose keys exist."""
    keys = (SoftwareKey(Role.ACCOUNT, n.to_bytes(32, "big")).public_key for n in range(size))
    (cli.home / "t.toml").write_text(
        "".join(f'[accounts.A{n}]\npublic_key = "{key}"\n' for n, key in enumerate(keys))
    )
    return "apply", str(cli.home / "t.toml"), "--plan-only"


@pytest.mark.parametrize("write", [new_accounts, given_accounts])
def test_a_plan_takes_as_many_calls_for_an_account_among_many_as_among_few(
    cli: Cli, write: Callable[[Cli, int], tuple[str, ...]]
) -> None:
    cli.ok("operator", "add", "ACME", "--yes")
    calls(cli, *write(cli, FEW))  # what is loaded once, and remembered
    few, more, many = (calls(cli, *write(cli, size)) for size in (FEW, MORE, MANY))
    assert (many - more) / (MANY - MORE) < MOST * (more - few) / (MORE - FEW)
