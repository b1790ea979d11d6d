"""Commands that walk a store: what they do for each jwt is the same, however many there are.

Three stores, each as much larger than the one before: what a command does more for the third than for the
second is what it did more for the second than for the first. A walk within a walk, however short, is not.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from seedless import nkey
from seedless.claims import Account, Operator, User
from seedless.inventory import Inventory, KeyEntry
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.store import NscStore, create_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py

NOW = 1_750_000_000
OPERATOR = SoftwareKey(Role.OPERATOR, bytes(32))
STEP = 6  # accounts, and users of the first of them


def key(role: Role, number: int) -> SoftwareKey:
    return SoftwareKey(role, number.to_bytes(32, "big"))


def signed(name: str, own: SoftwareKey, body: object, by: SoftwareKey) -> Jwt[Any]:
    made = draft(Claims(sub=str(own.public_key), name=name, body=body), by.public_key, NOW)
    return made.complete(by.sign(made.signing_input))


def fill(root: Path, steps: int) -> NscStore:
    """Make a store of STEP accounts with a user each, and as many users of the first one, for each step."""
    store = create_store(root, "ACME")
    jwts: dict[tuple[str, ...], Jwt[Any]] = {(): signed("ACME", OPERATOR, Operator.new(), OPERATOR)}
    entries = []
    for number in range(STEP * steps):
        account, user, more = key(Role.ACCOUNT, number), key(Role.USER, number), key(Role.USER, 1000 + number)
        jwts[f"A{number:02}",] = signed(f"A{number:02}", account, Account.new(), OPERATOR)
        jwts[f"A{number:02}", "u"] = signed("u", user, User.new(), account)
        jwts["A00", f"m{number:02}"] = signed(f"m{number:02}", more, User.new(), key(Role.ACCOUNT, 0))
        uri = f"pkcs11:token=t;id=%{number:02}"
        entries.append(
            KeyEntry(public_key=account.public_key, uri=uri, role=Role.ACCOUNT, name=f"A{number:02}")
        )
    store.put(jwts)
    Inventory.of(entries).save(root / "keyring.json")
    (root / "resolver").mkdir(exist_ok=True)
    return store


COMMANDS: dict[str, tuple[tuple[str, ...], dict[str, float]]] = {
    "key list": (("key", "list"), {}),
    "key list --all": (("key", "list", "--all"), {"open": 3, "verify": 1}),
    "key list --not-referenced": (("key", "list", "--not-referenced"), {"open": 3, "verify": 1}),
    "lint": (("lint",), {"open": 2, "verify": 1}),
    "tree": (("tree",), {"open": 3, "verify": 2}),
    "tree --format mermaid": (("tree", "--format", "mermaid"), {"open": 3, "verify": 2}),
    "verify": (("verify", "--jobs", "1"), {"open": 2, "verify": 2}),
    "user list": (("user", "list", "-a", "A00"), {"open": 1, "verify": 1}),
    "account list": (("account", "list"), {"open": 1, "verify": 1}),
    "expirations": (("expirations",), {"open": 1, "verify": 1}),
    "diff": (("diff", "new.jwt"), {"open": 1, "verify": 1}),
    "push --all --diff": (("push", "--all", "--diff", "--dir", "store/resolver"), {"open": 2, "verify": 2}),
    "export-desired": (("export-desired",), {"open": 1, "verify": 1}),
    "apply of nothing changed": (("apply", "desired.toml", "--plan-only"), {"open": 1, "verify": 1}),
    "apply that changes accounts": (
        ("apply", "changed.toml", "--policy", "policy.toml", "--plan", "plan.json"),
        {"open": 2, "verify": 1},
    ),
}
"""Each command, and the most that it may open and verify for each jwt of the store."""


def _counting(counts: Counter[str], name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(*given: object, **named: object) -> object:
        counts[name] += 1
        return real(*given, **named)

    return call


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Cli, tuple[str, ...]], Counter[str]]:
    """Run a command and count the files that it opens, the folders that it lists, and what it verifies."""

    def run(cli: Cli, words: tuple[str, ...]) -> Counter[str]:
        counts: Counter[str] = Counter()

        opened, bad = nkey._libsodium()
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", _counting(counts, "open", os.open))
            patch.setattr(os, "listdir", _counting(counts, "list", os.listdir))
            patch.setattr(nkey, "_libsodium", lambda: (_counting(counts, "verify", opened), bad))
            patch.chdir(cli.home)
            done = cli.run(*words)
        assert done.code in {0, 3, 5}, done
        return counts

    return run


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_done_for_a_jwt_does_not_depend_on_how_many_there_are(
    cli: Cli, counted: Callable[[Cli, tuple[str, ...]], Counter[str]], name: str, tmp_path: Path
) -> None:
    words, most = COMMANDS[name]
    found = []
    for steps in (1, 2, 3):
        store = fill(tmp_path / f"root{steps}", steps)
        where = {"SEEDLESS_STORE": str(store.root)}
        cli.env.update(where)
        last = store.get("A00", f"m{STEP * steps - 1:02}")
        assert last is not None
        (cli.home / "new.jwt").write_text(last.text)
        if "desired.toml" in words:
            (cli.home / "desired.toml").write_text(cli.ok("export-desired").out)
        if "changed.toml" in words:
            changed = re.sub(
                r"^(\[accounts\.\w+\])$",
                r'\1\ndescription = "changed"',
                cli.ok("export-desired").out,
                flags=re.MULTILINE,
            )
            (cli.home / "changed.toml").write_text(changed)
            (cli.home / "policy.toml").write_text(f'operator = "{OPERATOR.public_key}"\n')
            (cli.home / "plan.json").unlink(missing_ok=True)
        found.append(counted(cli, tuple(word.replace("store/", f"root{steps}/") for word in words)))
    first, second, third = found
    assert {kind: third[kind] - second[kind] for kind in third} == {
        kind: second[kind] - first[kind] for kind in third
    }
    for kind in ("open", "verify"):
        assert third[kind] - second[kind] <= most.get(kind, 0) * 3 * STEP, (kind, found)
