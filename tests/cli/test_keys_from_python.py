"""A program creates, registers, audits, exports and deletes keys, with its streams closed."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

import pytest

from seedless import Workspace
from seedless.errors import NoKey, Refused, UsageError
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def workspace(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace on the store and the token of a command line, while stdin and stdout are closed."""
    monkeypatch.setenv("TOKEN_PIN", cli.token.pin)
    monkeypatch.setenv("SEEDLESS_CONFIG", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(cli.home))
    for name in ("stdin", "stdout"):
        closed = io.StringIO()
        closed.close()
        monkeypatch.setattr(sys, name, closed)
    with Workspace(
        cli.store, module=cli.token.module, token=cli.token.label, pin_source="env:TOKEN_PIN"
    ) as found:
        yield found


def test_a_key_is_created_audited_and_deleted(workspace: Workspace) -> None:
    entry = workspace.keys.create("account", "SPARE")
    assert (entry.role, entry.name, entry.made) == (Role.ACCOUNT, "SPARE", "token")
    assert workspace.keys.entries() == (entry,)
    report = workspace.keys.audit()
    assert ([one.key.label for one in report.keys], report.is_sound) == (["account:SPARE"], True)
    deletion = workspace.keys.delete(str(entry.public_key))
    assert deletion.run(dry_run=True).name == "SPARE"
    with pytest.raises(UsageError, match='its name is not "OTHER"'):
        deletion.run(name="OTHER")
    assert [key.label for key in workspace.keys.on_token()] == ["account:SPARE"]
    assert deletion.run(name="SPARE").public_key == entry.public_key
    assert workspace.keys.on_token() == workspace.keys.entries() == ()


def test_a_key_that_a_jwt_needs_is_not_deleted(workspace: Workspace) -> None:
    workspace.operators.add("ACME").sign()
    with pytest.raises(Refused, match="is needed: it is in operator ACME"):
        workspace.keys.delete(workspace.operator().claims.sub)


def test_an_inventory_that_was_lost_is_rebuilt_from_its_token(workspace: Workspace, cli: Cli) -> None:
    workspace.operators.add("ACME").sign()
    workspace.accounts.add("ORDERS").sign()
    before = {one.public_key: (one.role, one.name, one.uri) for one in workspace.keys.entries()}
    (cli.store / "keyring.json").unlink()
    assert workspace.keys.entries() == ()
    registration = workspace.keys.register_all()
    assert len(registration.run(dry_run=True).entries) == 2
    assert workspace.keys.entries() == ()
    registered = registration.run()
    assert registered.notices == ()
    assert {one.public_key: (one.role, one.name, one.uri) for one in workspace.keys.entries()} == before
    workspace.accounts.add("PAYROLL").sign()  # by the operator's key, found again
    assert workspace.keys.register_all().run().entries == ()


def test_keys_without_a_role_in_their_labels_are_skipped_with_the_reason(
    workspace: Workspace, cli: Cli
) -> None:
    cli.token.import_ed25519(bytes(range(32)), label="Digital Signature", id=b"\x02")
    cli.token.import_ed25519(bytes(range(1, 33)), label="account:ORDERS", id=b"\x03")
    registered = workspace.keys.register_all().run()
    assert [entry.name for entry in registered.entries] == ["ORDERS"]
    [notice] = registered.notices
    assert notice.text == 'skipped the key "Digital Signature" (id 02): its label contains no role'


def test_a_key_with_another_role_in_the_inventory_is_skipped(workspace: Workspace, cli: Cli) -> None:
    cli.token.import_ed25519(bytes(range(32)), label="key", id=b"\x02")
    [entry] = workspace.keys.register("operator", "ACME").run().entries
    cli.token.import_ed25519(bytes(range(32)), label="account:ORDERS", id=b"\x03")
    registered = workspace.keys.register_all().run()
    assert registered.entries == ()
    assert f"the inventory has it as {entry.public_key}" in " ".join(map(str, registered.notices))


def test_a_token_without_keys_has_none_to_register(workspace: Workspace) -> None:
    assert workspace.keys.register_all().run().entries == ()
    with pytest.raises(NoKey, match="0 Ed25519 keys are on"):
        workspace.keys.register("account", "ORDERS").run()


def test_a_role_that_no_key_on_a_token_has_is_refused(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match='not for "curve"'):
        workspace.keys.create("curve", "X")


def test_seeds_of_users_are_exported_into_files(workspace: Workspace, cli: Cli) -> None:
    workspace.operators.add("ACME").sign()
    workspace.accounts.add("ORDERS").sign()
    workspace.users.add("ORDERS", "app").sign()
    export = workspace.keys.export(cli.home / "safe")
    [key] = export.keys
    assert (key.name, str(key.public_key)) == ("ORDERS/app", workspace.user("ORDERS", "app").claims.sub)
    assert not key.path.exists()
    export.run()
    assert SoftwareKey.parse(key.path.read_text().strip()).public_key == key.public_key


def test_the_command_rebuilds_an_inventory_that_was_lost(cli: Cli) -> None:
    cli.found_system()
    keys = cli.ok("key", "list", "--json").data["keys"]
    (cli.store / "keyring.json").unlink()
    registered = cli.ok("key", "register", "--all", "--json").data["keys"]
    assert sorted(one["public_key"] for one in registered) == sorted(one["public_key"] for one in keys)
    cli.ok("account", "edit", "ORDERS", "--conns", "5")
    again = cli.ok("key", "register", "--all", "--json")
    assert (again.data["keys"], len(again.data["checked"])) == ([], 3)
    said = cli.run("key", "register", "--all", "--role", "account")
    assert (said.code, "have their roles and names in their labels" in said.err) == (2, True)


def test_a_seed_is_imported_and_marked_as_such(workspace: Workspace) -> None:
    key = SoftwareKey.generate(Role.ACCOUNT)
    importing = workspace.keys.import_key(key.reveal(), "ORDERS")
    assert (importing.label, importing.previous) == ("account:ORDERS", None)
    assert workspace.keys.entries() == ()
    entry = importing.run()
    assert (entry.public_key, entry.made, entry.name) == (key.public_key, "import", "ORDERS")
    assert workspace.keys.import_key(key, "ORDERS").previous == entry
    with pytest.raises(UsageError, match="the seed is of the role account"):
        workspace.keys.import_key(key, "ORDERS", role="operator")


def test_the_key_files_of_a_folder_go_where_they_belong(workspace: Workspace, cli: Cli) -> None:
    workspace.operators.add("ACME").sign()
    folder, user, other = (
        cli.home / "keys",
        SoftwareKey.generate(Role.USER),
        SoftwareKey.generate(Role.ACCOUNT),
    )
    folder.mkdir()
    for key in (user, other):
        (folder / f"{key.public_key}.nk").write_text(key.reveal())
    with workspace.lock():
        importing = workspace.keys.import_folder(folder)
        assert sorted(one.destination for one in importing.keys) == ["file", "nowhere: no jwt names it"]
        assert importing.run() == ()
    assert workspace.store.seed_path(user.public_key).read_text().strip() == user.reveal()
    with workspace.lock():
        assert workspace.keys.import_folder(folder).is_empty
