"""`rotate account-key` over a store, with no server to ask."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from seedless.creds import parse_creds

if TYPE_CHECKING:
    Cli = Any  # the fixture in tests/conftest.py

ROTATE = ("rotate", "account-key", "ORDERS")
ALONE = "--without-servers"


def keys_of(cli: Cli, account: str = "ORDERS") -> list[Any]:
    """The signing keys that an account lists: key text, or the object of a scope."""
    found: list[Any] = (
        cli.ok("account", "show", account, "--json").data["claims"]["nats"].get("signing_keys", [])
    )
    return found


def issuer(cli: Cli, user: str) -> str:
    found: str = cli.ok("user", "show", "-a", "ORDERS", user, "--json").data["issuer"]
    return found


def jwts(cli: Cli) -> dict[str, str]:
    return {path: digest for path, digest in cli.files().items() if path.endswith((".jwt", ".creds"))}


@pytest.fixture
def old(cli: Cli) -> str:
    """The one signing key of ORDERS, by which the users app and ops are; bob is by the identity."""
    cli.found_system()
    cli.ok("account", "signing-key", "add", "-a", "ORDERS")
    (key,) = keys_of(cli)
    for name in ("pay", "ops"):
        cli.ok("user", "add", "-a", "ORDERS", name, "--issuer", key)
    made: str = key
    return made


def test_the_first_phase_lists_both_keys_and_signs_anew_what_the_old_one_signed(cli: Cli, old: str) -> None:
    identity = issuer(cli, "app")
    before = parse_creds(cli.ok("user", "creds", "-a", "ORDERS", "pay").out)
    done = cli.ok(*ROTATE, "--json").data
    new = done["new"]
    assert (done["stage"], done["old"], sorted(keys_of(cli))) == ("overlap", old, sorted([old, new]))
    assert [(one["kind"], one["name"]) for one in done["signed"]] == [
        ("account", "ORDERS"), ("user", "ops"), ("user", "pay"),
    ]  # fmt: skip
    assert (issuer(cli, "pay"), issuer(cli, "ops"), issuer(cli, "app")) == (new, new, identity)
    after = parse_creds(cli.ok("user", "creds", "-a", "ORDERS", "pay").out)
    assert str(after.jwt.issuer) == new
    assert (after.key.public_key, after.jwt.claims.body) == (before.key.public_key, before.jwt.claims.body)
    assert [one["user"] for one in done["deliver"]] == ["ops", "pay"]
    assert done["deliver"][0]["creds"].endswith("ACME/ORDERS/ops.creds")


def test_what_a_person_reads_are_lines_with_what_is_next_at_the_end(cli: Cli, old: str) -> None:
    lines = cli.ok(*ROTATE).out.splitlines()
    new = next(key for key in keys_of(cli) if key != old)
    folder = cli.store / "keys/creds/ACME/ORDERS"
    before = f"account ORDERS signing before {new[:12]} ({old})"
    assert lines == [
        f"account ORDERS: {before} is replaced by account ORDERS signing ({new})",
        "signed: 1 account, 2 users",
        f"to be delivered to ops: {folder}/ops.creds",
        f"to be delivered to pay: {folder}/pay.creds",
        "next: seedless push ORDERS; deliver the creds; then seedless rotate account-key ORDERS --finish",
    ]
    lines = cli.ok(*ROTATE, "--finish", ALONE).out.splitlines()
    assert lines[:2] == [
        f"account ORDERS: {before} was replaced by account ORDERS signing ({new})",
        "signed: 1 account",
    ]
    assert len(lines) == 3


def test_an_account_without_users_has_no_creds_to_deliver(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "EMPTY")
    cli.ok("account", "edit", "EMPTY", "--sk", "generate")
    lines = cli.ok("rotate", "account-key", "EMPTY", "--without-servers").out.splitlines()
    assert lines[-1] == "next: seedless push EMPTY; then seedless rotate account-key EMPTY --finish"


def test_the_first_phase_again_signs_nothing(cli: Cli, old: str) -> None:
    first = cli.ok(*ROTATE, "--json").data
    files = cli.files()
    again = cli.ok(*ROTATE, "--json", SEEDLESS_MODULE="/no/module").data
    assert (again["old"], again["new"], again["signed"]) == (old, first["new"], [])
    assert [one["user"] for one in again["deliver"]] == ["ops", "pay"]
    assert cli.files() == files


def test_the_second_phase_lists_the_new_key_alone_and_again_signs_nothing(cli: Cli, old: str) -> None:
    new = cli.ok(*ROTATE, "--json").data["new"]
    done = cli.ok(*ROTATE, "--finish", ALONE, "--json").data
    assert (done["stage"], done["old"], done["new"], keys_of(cli)) == ("finished", old, new, [new])
    assert done["next"] == (
        f"seedless push ORDERS; seedless key delete {old}, when no backup requires it any more"
    )
    files = cli.files()
    for words in ((), ("--key", old)):
        again = cli.ok(*ROTATE, "--finish", ALONE, *words, "--json", SEEDLESS_MODULE="/no/module").data
        assert (again["stage"], again["signed"]) == ("finished", [])
    assert cli.files() == files


def test_a_rotation_after_a_rotation_replaces_the_newer_key(cli: Cli, old: str) -> None:
    second = cli.ok(*ROTATE, "--json").data["new"]
    cli.ok(*ROTATE, "--finish", ALONE)
    done = cli.ok(*ROTATE, "--json").data
    assert done["old"] == second
    assert done["new"] not in {old, second}


def test_the_second_phase_is_refused_while_a_user_is_by_the_old_key(cli: Cli, old: str) -> None:
    cli.ok(*ROTATE)
    cli.ok("user", "add", "-a", "ORDERS", "late", "--issuer", old)
    files = jwts(cli)
    done = cli.run(*ROTATE, "--finish", ALONE)
    assert (done.code, done.out) == (3, "")
    assert f"({old}) is still needed by 1 jwts: late" in done.err
    assert jwts(cli) == files
    cli.ok(*ROTATE)
    cli.ok(*ROTATE, "--finish", ALONE)


def test_the_second_phase_requires_to_ask_the_servers(cli: Cli, old: str) -> None:
    cli.ok(*ROTATE)
    done = cli.run(*ROTATE, "--finish")
    assert (done.code, old in keys_of(cli)) == (2, True)
    assert "it is not known where the servers are" in done.err


def test_the_second_phase_before_the_first_is_refused(cli: Cli, old: str) -> None:
    done = cli.run(*ROTATE, "--finish", ALONE, "--key", old)
    assert (done.code, keys_of(cli)) == (3, [old])
    assert f"no key takes the place of account ORDERS signing ({old}) yet" in done.err


def test_a_revoked_and_an_expired_user_are_left_as_they_are(cli: Cli, old: str) -> None:
    cli.ok("user", "add", "-a", "ORDERS", "gone", "--issuer", old, "--expiry", "1s")
    cli.ok("account", "revoke", "-a", "ORDERS", "ops")
    wait_past(cli, "gone")
    done = cli.ok(*ROTATE, "--json").data
    assert (done["revoked"], done["expired"]) == (["ops"], ["gone"])
    assert (issuer(cli, "ops"), issuer(cli, "gone"), issuer(cli, "pay")) == (old, old, done["new"])
    assert cli.ok(*ROTATE, "--finish", ALONE, "--json").data["stage"] == "finished"


def test_a_scope_keeps_its_role_and_template(cli: Cli) -> None:
    cli.found_system()
    words = (
        "account",
        "signing-key",
        "add",
        "-a",
        "ORDERS",
        "--role",
        "service",
        "--allow-sub",
        "{{name()}}.>",
    )
    cli.ok(*words)
    (before,) = keys_of(cli)
    cli.ok("user", "add", "-a", "ORDERS", "shop", "--issuer", "service")
    done = cli.ok(*ROTATE, "--key", "service", "--json").data
    assert (done["old"], issuer(cli, "shop")) == (before["key"], done["new"])
    assert sorted(keys_of(cli), key=lambda entry: entry["key"] == done["new"]) == [
        before, before | {"key": done["new"]},
    ]  # fmt: skip
    cli.ok(*ROTATE, "--key", "service", "--finish", ALONE)
    assert keys_of(cli) == [before | {"key": done["new"]}]


def test_a_key_that_was_created_and_not_used_yet_is_reused(cli: Cli, old: str) -> None:
    made = cli.ok("key", "new", "--role", "account", "--name", f"ORDERS after {old[:12]}", "--json").data
    assert cli.ok(*ROTATE, "--json").data["new"] == made["public_key"]


def names(cli: Cli) -> dict[str, str]:
    """What the inventory calls each key."""
    return {one["public_key"]: one["name"] for one in cli.ok("key", "list", "--json").data["keys"]}


def test_the_new_key_gets_the_name_of_the_old_one_by_which_it_is_known(cli: Cli, old: str) -> None:
    name = names(cli)[old]
    new = cli.ok(*ROTATE, "--json").data["new"]
    assert names(cli) | {old: f"{name} before {new[:12]}", new: name} == names(cli)
    cli.ok(*ROTATE, "--finish", ALONE)
    newer = cli.ok(*ROTATE, "--json").data["new"]
    assert (names(cli)[newer], names(cli)[new]) == (name, f"{name} before {newer[:12]}")
    cli.ok(*ROTATE, "--emergency", "--key", new)
    assert names(cli)[newer] == name


def test_a_desired_state_file_means_the_new_key_from_the_overlap_on(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME", "--sys")
    operator = cli.ok("operator", "show", "--json").data["subject"]
    (cli.home / "policy.toml").write_text(f'operator = "{operator}"\n')
    cli.env["SEEDLESS_POLICY"] = str(cli.home / "policy.toml")
    path = cli.home / "tenants.toml"
    path.write_text('[accounts.ORDERS]\nsigning_keys.main = {}\nusers.app.issuer = "main"\n')
    cli.ok("apply", str(path))
    new = cli.ok(*ROTATE, "--json").data["new"]
    assert cli.ok("apply", str(path), "--plan-only").code == 0
    cli.ok(*ROTATE, "--finish", ALONE)
    assert cli.ok("apply", str(path), "--plan-only").code == 0
    assert (keys_of(cli), issuer(cli, "app")) == ([new], new)


def test_a_key_that_is_given_takes_the_place(cli: Cli, old: str) -> None:
    given = cli.ok("key", "new", "--role", "account", "--name", "spare", "--json").data["public_key"]
    assert cli.ok(*ROTATE, "--new-key", given, "--json").data["new"] == given
    assert sorted(keys_of(cli)) == sorted([old, given])
    done = cli.ok(*ROTATE, "--new-key", given, "--finish", ALONE, "--json").data
    assert (done["old"], keys_of(cli)) == (old, [given])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(
            ["--key", "nobody"], '"nobody" is not a signing key or role of account ORDERS', id="no such key"
        ),
        pytest.param([], "account ORDERS has 2 signing keys that may be meant", id="two keys"),
        pytest.param(["--finish", "--emergency"], "two ways to end it", id="both ends"),
        pytest.param(["--dir", "."], "proves nothing about servers that run", id="a folder"),
    ],
)
def test_a_rotation_that_is_not_clear_is_refused(cli: Cli, old: str, words: list[str], sentence: str) -> None:
    cli.ok("account", "signing-key", "add", "-a", "ORDERS")
    files = cli.files()
    done = cli.run(*ROTATE, *words)
    assert (done.code, done.out, old in done.err or sentence in done.err) == (2, "", True)
    assert sentence in done.err
    assert cli.files() == files


def test_an_account_without_a_signing_key_is_reported(cli: Cli) -> None:
    cli.found_system()
    done = cli.run(*ROTATE)
    assert (done.code, done.out) == (2, "")
    assert "account ORDERS has no signing key: it signs with its identity" in done.err
    assert "seedless account signing-key add -a ORDERS" in done.err


def test_a_dry_run_shows_every_jwt_and_signs_none(cli: Cli, old: str) -> None:
    files = cli.files()
    done = cli.ok(*ROTATE, "--dry-run", "--json")
    assert [one["name"] for one in done.data["changes"]] == ["ORDERS", "ops", "pay"]
    assert done.data["new_keys"] == [f"account:ORDERS after {old[:12]}"]
    assert "user pay (changed: its issuer is replaced)" in done.err
    assert cli.files() == files


def test_the_first_phase_goes_through_a_plan_file(cli: Cli, old: str) -> None:
    operator = cli.ok("operator", "show", "--json").data["subject"]
    (cli.home / "policy.toml").write_text(f'operator = "{operator}"\n')
    path = str(cli.home / "rotation.plan")
    done = cli.run(*ROTATE, "--plan", path)
    assert f"seedless key new --role account --name 'ORDERS after {old[:12]}'" in done.err
    cli.ok("key", "new", "--role", "account", "--name", f"ORDERS after {old[:12]}")
    digest = cli.ok(*ROTATE, "--plan", path, "--json").data["digest"]
    env = {"SEEDLESS_POLICY": str(cli.home / "policy.toml")}
    signed = cli.ok("sign", "--plan", path, "--expect", digest, "--json", **env).data["signed"]
    assert len(signed) == 3
    assert cli.ok(*ROTATE, "--json").data["signed"] == []


def test_an_emergency_does_both_at_once_and_reports_whom_it_locks_out(cli: Cli, old: str) -> None:
    done = cli.ok(*ROTATE, "--emergency", "--key", old, "--json")
    assert "this locks out, until they have their new creds: ops, pay" in done.err
    assert (done.data["stage"], keys_of(cli)) == ("finished", [done.data["new"]])
    assert issuer(cli, "pay") == done.data["new"]
    assert old not in str(keys_of(cli))


def test_an_emergency_again_does_away_with_no_other_key(cli: Cli, old: str) -> None:
    cli.ok(*ROTATE, "--emergency", "--key", old)
    files = cli.files()
    again = cli.ok(*ROTATE, "--emergency", "--key", old, "--json", SEEDLESS_MODULE="/no/module").data
    assert (again["stage"], again["signed"], cli.files()) == ("finished", [], files)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param([], "an emergency is about one key, and none is named", id="no key"),
        pytest.param(["--key", "service"], '"service" is a name, and names pass to the', id="a role"),
    ],
)
def test_an_emergency_requires_to_know_its_key(cli: Cli, old: str, words: list[str], sentence: str) -> None:
    done = cli.run(*ROTATE, "--emergency", *words)
    assert (done.code, keys_of(cli)) == (2, [old])
    assert sentence in done.err


def test_an_emergency_ends_a_rotation_that_was_begun(cli: Cli, old: str) -> None:
    new = cli.ok(*ROTATE, "--json").data["new"]
    done = cli.ok(*ROTATE, "--emergency", "--key", old, "--json").data
    assert (done["old"], keys_of(cli), [one["kind"] for one in done["signed"]]) == (old, [new], ["account"])


def wait_past(cli: Cli, user: str) -> None:
    expiry = cli.ok("user", "show", "-a", "ORDERS", user, "--json").data["expires"]
    time.sleep(max(0.0, expiry - time.time()) + 0.01)


@pytest.fixture
def leave(cli: Cli, old: str) -> str:
    """An activation by the old key, with which PAYROLL imports from ORDERS."""
    cli.ok("account", "export", "add", "-a", "ORDERS", "-s", "orders.>", "--private")
    cli.ok("account", "add", "PAYROLL")
    path = cli.home / "leave"
    words = ("-s", "orders.>", "-t", "PAYROLL", "--issuer", old, "-o", str(path))
    cli.ok("activation", "new", "-a", "ORDERS", *words)
    cli.ok("account", "import", "add", "-a", "PAYROLL", "--activation", str(path))
    return imported(cli)["token"]  # type: ignore[no-any-return]  # what JSON holds


def imported(cli: Cli) -> dict[str, Any]:
    """What PAYROLL imports."""
    (found,) = cli.ok("account", "show", "PAYROLL", "--json").data["claims"]["nats"]["imports"]
    assert isinstance(found, dict)
    return found


def test_an_activation_in_an_import_is_signed_anew_and_put_in_its_place(
    cli: Cli, old: str, leave: str
) -> None:
    before = cli.ok("show", "-", "--json", stdin=leave).data
    assert before["issuer"] == old
    done = cli.ok(*ROTATE, "--json").data
    after = cli.ok("show", "-", "--json", stdin=imported(cli)["token"]).data
    assert after["issuer"] == done["new"]
    assert [(one["kind"], one["name"]) for one in done["signed"]][-1] == ("account", "PAYROLL")
    for name in ("subject", "kind", "issuer_account"):
        assert after["claims"]["nats"].get(name) == before["claims"]["nats"].get(name)
    cli.ok(*ROTATE, "--finish", ALONE)
    assert "T011" not in cli.run("lint", "--json").out


def test_the_second_phase_is_refused_while_an_import_lives_by_the_old_key(
    cli: Cli, old: str, leave: str
) -> None:
    new = cli.ok("key", "new", "--role", "account", "--name", f"ORDERS after {old[:12]}", "--json").data
    cli.ok("account", "signing-key", "add", "-a", "ORDERS", "--sk", new["public_key"])
    for user in ("pay", "ops"):
        cli.ok("user", "edit", "-a", "ORDERS", user, "--issuer", new["public_key"])
    done = cli.run(*ROTATE, "--finish", ALONE)
    assert done.code == 3
    assert f"({old}) is still needed by 1 jwts: an import of PAYROLL" in done.err
    # A run that was killed before the last step is in this state, and goes on from there.
    done = cli.ok(*ROTATE, "--json").data
    assert [(one["kind"], one["name"]) for one in done["signed"]][1:] == [("account", "PAYROLL")]
    assert imported(cli)["token"] != leave
    cli.ok(*ROTATE, "--finish", ALONE)


def test_activations_missing_from_a_plan_file_are_reported(cli: Cli, old: str, leave: str) -> None:
    cli.ok("key", "new", "--role", "account", "--name", f"ORDERS after {old[:12]}")
    path = str(cli.home / "rotation.plan")
    done = cli.ok(*ROTATE, "--plan", path, "--json")
    assert done.data["changes"] == 3
    assert "1 activations are not in this plan" in done.err
    assert imported(cli)["token"] == leave
