"""`rotate account-key` over a store, with no server to ask."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from seedless.creds import parse_creds

if TYPE_CHECKING:
    Desk = Any  # the fixture in tests/conftest.py

ROTATE = ("rotate", "account-key", "ORDERS")
ALONE = "--without-servers"


def keys_of(desk: Desk, account: str = "ORDERS") -> list[Any]:
    """The signing keys that an account lists: key text, or the object of a scope."""
    found: list[Any] = (
        desk.ok("account", "show", account, "--json").data["claims"]["nats"].get("signing_keys", [])
    )
    return found


def issuer(desk: Desk, user: str) -> str:
    found: str = desk.ok("user", "show", "-a", "ORDERS", user, "--json").data["issuer"]
    return found


def jwts(desk: Desk) -> dict[str, str]:
    return {path: digest for path, digest in desk.files().items() if path.endswith((".jwt", ".creds"))}


@pytest.fixture
def old(desk: Desk) -> str:
    """The one signing key of ORDERS, by which the users app and ops are; bob is by the identity."""
    desk.found_system()
    desk.ok("account", "signing-key", "add", "-a", "ORDERS")
    (key,) = keys_of(desk)
    for name in ("pay", "ops"):
        desk.ok("user", "add", "-a", "ORDERS", name, "--issuer", key)
    made: str = key
    return made


def test_the_first_phase_lists_both_keys_and_signs_anew_what_the_old_one_signed(desk: Desk, old: str) -> None:
    identity = issuer(desk, "app")
    before = parse_creds(desk.ok("user", "creds", "-a", "ORDERS", "pay").out)
    done = desk.ok(*ROTATE, "--json").data
    new = done["new"]
    assert (done["stage"], done["old"], sorted(keys_of(desk))) == ("overlap", old, sorted([old, new]))
    assert [(one["kind"], one["name"]) for one in done["signed"]] == [
        ("account", "ORDERS"), ("user", "ops"), ("user", "pay"),
    ]  # fmt: skip
    assert (issuer(desk, "pay"), issuer(desk, "ops"), issuer(desk, "app")) == (new, new, identity)
    after = parse_creds(desk.ok("user", "creds", "-a", "ORDERS", "pay").out)
    assert str(after.jwt.issuer) == new
    assert (after.key.public_key, after.jwt.claims.body) == (before.key.public_key, before.jwt.claims.body)
    assert [one["user"] for one in done["deliver"]] == ["ops", "pay"]
    assert done["deliver"][0]["creds"].endswith("ACME/ORDERS/ops.creds")


def test_what_a_person_reads_are_lines_with_what_is_next_at_the_end(desk: Desk, old: str) -> None:
    lines = desk.ok(*ROTATE).out.splitlines()
    new = next(key for key in keys_of(desk) if key != old)
    folder = desk.store / "keys/creds/ACME/ORDERS"
    assert lines == [
        f"account ORDERS: {old} is replaced by {new}",
        "signed: 1 account, 2 users",
        f"to be delivered to ops: {folder}/ops.creds",
        f"to be delivered to pay: {folder}/pay.creds",
        "next: seedless push ORDERS; deliver the creds; then seedless rotate account-key ORDERS --finish",
    ]
    lines = desk.ok(*ROTATE, "--finish", ALONE).out.splitlines()
    assert lines[:2] == [f"account ORDERS: {old} was replaced by {new}", "signed: 1 account"]
    assert len(lines) == 3


def test_the_first_phase_again_signs_nothing(desk: Desk, old: str) -> None:
    first = desk.ok(*ROTATE, "--json").data
    files = desk.files()
    again = desk.ok(*ROTATE, "--json", SEEDLESS_MODULE="/no/module").data
    assert (again["old"], again["new"], again["signed"]) == (old, first["new"], [])
    assert [one["user"] for one in again["deliver"]] == ["ops", "pay"]
    assert desk.files() == files


def test_the_second_phase_lists_the_new_key_alone_and_again_signs_nothing(desk: Desk, old: str) -> None:
    new = desk.ok(*ROTATE, "--json").data["new"]
    done = desk.ok(*ROTATE, "--finish", ALONE, "--json").data
    assert (done["stage"], done["old"], done["new"], keys_of(desk)) == ("finished", old, new, [new])
    assert done["next"] == (
        f"seedless push ORDERS; seedless key delete {old}, when no backup requires it any more"
    )
    files = desk.files()
    for words in ((), ("--key", old)):
        again = desk.ok(*ROTATE, "--finish", ALONE, *words, "--json", SEEDLESS_MODULE="/no/module").data
        assert (again["stage"], again["signed"]) == ("finished", [])
    assert desk.files() == files


def test_a_rotation_after_a_rotation_replaces_the_newer_key(desk: Desk, old: str) -> None:
    second = desk.ok(*ROTATE, "--json").data["new"]
    desk.ok(*ROTATE, "--finish", ALONE)
    done = desk.ok(*ROTATE, "--json").data
    assert done["old"] == second
    assert done["new"] not in {old, second}


def test_the_second_phase_is_refused_while_a_user_is_by_the_old_key(desk: Desk, old: str) -> None:
    desk.ok(*ROTATE)
    desk.ok("user", "add", "-a", "ORDERS", "late", "--issuer", old)
    files = jwts(desk)
    done = desk.run(*ROTATE, "--finish", ALONE)
    assert (done.code, done.out) == (3, "")
    assert f"({old}) is still needed by 1 jwts: late" in done.err
    assert jwts(desk) == files
    desk.ok(*ROTATE)
    desk.ok(*ROTATE, "--finish", ALONE)


def test_the_second_phase_wants_to_ask_the_servers(desk: Desk, old: str) -> None:
    desk.ok(*ROTATE)
    done = desk.run(*ROTATE, "--finish")
    assert (done.code, old in keys_of(desk)) == (2, True)
    assert "it is not known where the servers are" in done.err


def test_the_second_phase_before_the_first_is_refused(desk: Desk, old: str) -> None:
    done = desk.run(*ROTATE, "--finish", ALONE, "--key", old)
    assert (done.code, keys_of(desk)) == (3, [old])
    assert f"no key takes the place of account ORDERS signing ({old}) yet" in done.err


def test_a_revoked_and_an_expired_user_are_left_as_they_are(desk: Desk, old: str) -> None:
    desk.ok("user", "add", "-a", "ORDERS", "gone", "--issuer", old, "--expiry", "1s")
    desk.ok("account", "revoke", "-a", "ORDERS", "ops")
    wait_past(desk, "gone")
    done = desk.ok(*ROTATE, "--json").data
    assert (done["revoked"], done["expired"]) == (["ops"], ["gone"])
    assert (issuer(desk, "ops"), issuer(desk, "gone"), issuer(desk, "pay")) == (old, old, done["new"])
    assert desk.ok(*ROTATE, "--finish", ALONE, "--json").data["stage"] == "finished"


def test_a_scope_keeps_its_role_and_template(desk: Desk) -> None:
    desk.found_system()
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
    desk.ok(*words)
    (before,) = keys_of(desk)
    desk.ok("user", "add", "-a", "ORDERS", "shop", "--issuer", "service")
    done = desk.ok(*ROTATE, "--key", "service", "--json").data
    assert (done["old"], issuer(desk, "shop")) == (before["key"], done["new"])
    assert sorted(keys_of(desk), key=lambda entry: entry["key"] == done["new"]) == [
        before, before | {"key": done["new"]},
    ]  # fmt: skip
    desk.ok(*ROTATE, "--key", "service", "--finish", ALONE)
    assert keys_of(desk) == [before | {"key": done["new"]}]


def test_a_key_that_was_made_and_not_used_yet_is_taken_up(desk: Desk, old: str) -> None:
    made = desk.ok("key", "new", "--role", "account", "--name", f"ORDERS after {old[:12]}", "--json").data
    assert desk.ok(*ROTATE, "--json").data["new"] == made["public_key"]


def names(desk: Desk) -> dict[str, str]:
    """What the inventory calls each key."""
    return {one["public_key"]: one["name"] for one in desk.ok("key", "list", "--json").data["keys"]}


def test_the_new_key_gets_the_name_of_the_old_one_by_which_it_is_known(desk: Desk, old: str) -> None:
    name = names(desk)[old]
    new = desk.ok(*ROTATE, "--json").data["new"]
    assert names(desk) | {old: f"{name} before {new[:12]}", new: name} == names(desk)
    desk.ok(*ROTATE, "--finish", ALONE)
    newer = desk.ok(*ROTATE, "--json").data["new"]
    assert (names(desk)[newer], names(desk)[new]) == (name, f"{name} before {newer[:12]}")
    desk.ok(*ROTATE, "--emergency", "--key", new)
    assert names(desk)[newer] == name


def test_a_desired_state_file_means_the_new_key_from_the_overlap_on(desk: Desk) -> None:
    desk.ok("operator", "add", "ACME", "--sys")
    operator = desk.ok("operator", "show", "--json").data["subject"]
    (desk.home / "policy.toml").write_text(f'operator = "{operator}"\n')
    desk.env["SEEDLESS_POLICY"] = str(desk.home / "policy.toml")
    path = desk.home / "tenants.toml"
    path.write_text('[accounts.ORDERS]\nsigning_keys.main = {}\nusers.app.issuer = "main"\n')
    desk.ok("apply", str(path))
    new = desk.ok(*ROTATE, "--json").data["new"]
    assert desk.ok("apply", str(path), "--plan-only").code == 0
    desk.ok(*ROTATE, "--finish", ALONE)
    assert desk.ok("apply", str(path), "--plan-only").code == 0
    assert (keys_of(desk), issuer(desk, "app")) == ([new], new)


def test_a_key_that_is_given_takes_the_place(desk: Desk, old: str) -> None:
    given = desk.ok("key", "new", "--role", "account", "--name", "spare", "--json").data["public_key"]
    assert desk.ok(*ROTATE, "--new-key", given, "--json").data["new"] == given
    assert sorted(keys_of(desk)) == sorted([old, given])
    done = desk.ok(*ROTATE, "--new-key", given, "--finish", ALONE, "--json").data
    assert (done["old"], keys_of(desk)) == (old, [given])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["--key", "nobody"], '"nobody" is no signing key of account ORDERS', id="no such key"),
        pytest.param([], "account ORDERS has 2 signing keys that may be meant", id="two keys"),
        pytest.param(["--finish", "--emergency"], "two ways to end it", id="both ends"),
        pytest.param(["--dir", "."], "proves nothing about servers that run", id="a folder"),
    ],
)
def test_a_rotation_that_is_not_clear_is_refused(
    desk: Desk, old: str, words: list[str], sentence: str
) -> None:
    desk.ok("account", "signing-key", "add", "-a", "ORDERS")
    files = desk.files()
    done = desk.run(*ROTATE, *words)
    assert (done.code, done.out, old in done.err or sentence in done.err) == (2, "", True)
    assert sentence in done.err
    assert desk.files() == files


def test_an_account_without_a_signing_key_is_told_so(desk: Desk) -> None:
    desk.found_system()
    done = desk.run(*ROTATE)
    assert (done.code, done.out) == (2, "")
    assert "account ORDERS has no signing key: it signs with its identity" in done.err
    assert "seedless account signing-key add -a ORDERS" in done.err


def test_a_dry_run_shows_every_jwt_and_signs_none(desk: Desk, old: str) -> None:
    files = desk.files()
    done = desk.ok(*ROTATE, "--dry-run", "--json")
    assert [one["name"] for one in done.data["changes"]] == ["ORDERS", "ops", "pay"]
    assert done.data["new_keys"] == [f"account:ORDERS after {old[:12]}"]
    assert "user pay (changed: its issuer is replaced)" in done.err
    assert desk.files() == files


def test_the_first_phase_goes_through_a_plan_file(desk: Desk, old: str) -> None:
    operator = desk.ok("operator", "show", "--json").data["subject"]
    (desk.home / "policy.toml").write_text(f'operator = "{operator}"\n')
    path = str(desk.home / "rotation.plan")
    done = desk.run(*ROTATE, "--plan", path)
    assert f"seedless key new --role account --name 'ORDERS after {old[:12]}'" in done.err
    desk.ok("key", "new", "--role", "account", "--name", f"ORDERS after {old[:12]}")
    digest = desk.ok(*ROTATE, "--plan", path, "--json").data["digest"]
    env = {"SEEDLESS_POLICY": str(desk.home / "policy.toml")}
    signed = desk.ok("sign", "--plan", path, "--expect", digest, "--json", **env).data["signed"]
    assert len(signed) == 3
    assert desk.ok(*ROTATE, "--json").data["signed"] == []


def test_an_emergency_does_both_at_once_and_says_whom_it_locks_out(desk: Desk, old: str) -> None:
    done = desk.ok(*ROTATE, "--emergency", "--key", old, "--json")
    assert "this locks out, until they have their new creds: ops, pay" in done.err
    assert (done.data["stage"], keys_of(desk)) == ("finished", [done.data["new"]])
    assert issuer(desk, "pay") == done.data["new"]
    assert old not in str(keys_of(desk))


def test_an_emergency_again_does_away_with_no_other_key(desk: Desk, old: str) -> None:
    desk.ok(*ROTATE, "--emergency", "--key", old)
    files = desk.files()
    again = desk.ok(*ROTATE, "--emergency", "--key", old, "--json", SEEDLESS_MODULE="/no/module").data
    assert (again["stage"], again["signed"], desk.files()) == ("finished", [], files)


@pytest.mark.parametrize("words", [[], ["--key", "service"]], ids=["no key", "a role"])
def test_an_emergency_wants_to_know_its_key(desk: Desk, old: str, words: list[str]) -> None:
    done = desk.run(*ROTATE, "--emergency", *words)
    assert (done.code, keys_of(desk)) == (2, [old])
    assert "an emergency is about one key, and none is named" in done.err


def test_an_emergency_ends_a_rotation_that_was_begun(desk: Desk, old: str) -> None:
    new = desk.ok(*ROTATE, "--json").data["new"]
    done = desk.ok(*ROTATE, "--emergency", "--key", old, "--json").data
    assert (done["old"], keys_of(desk), [one["kind"] for one in done["signed"]]) == (old, [new], ["account"])


def wait_past(desk: Desk, user: str) -> None:
    expiry = desk.ok("user", "show", "-a", "ORDERS", user, "--json").data["expires"]
    time.sleep(max(0.0, expiry - time.time()) + 0.01)


@pytest.fixture
def leave(desk: Desk, old: str) -> str:
    """An activation by the old key, with which PAYROLL imports from ORDERS."""
    desk.ok("account", "export", "add", "-a", "ORDERS", "-s", "orders.>", "--private")
    desk.ok("account", "add", "PAYROLL")
    path = desk.home / "leave"
    words = ("-s", "orders.>", "-t", "PAYROLL", "--issuer", old, "-o", str(path))
    desk.ok("activation", "new", "-a", "ORDERS", *words)
    desk.ok("account", "import", "add", "-a", "PAYROLL", "--activation", str(path))
    return imported(desk)["token"]  # type: ignore[no-any-return]  # what JSON holds


def imported(desk: Desk) -> dict[str, Any]:
    """What PAYROLL imports."""
    (found,) = desk.ok("account", "show", "PAYROLL", "--json").data["claims"]["nats"]["imports"]
    assert isinstance(found, dict)
    return found


def test_an_activation_in_an_import_is_signed_anew_and_put_in_its_place(
    desk: Desk, old: str, leave: str
) -> None:
    before = desk.ok("show", "-", "--json", stdin=leave).data
    assert before["issuer"] == old
    done = desk.ok(*ROTATE, "--json").data
    after = desk.ok("show", "-", "--json", stdin=imported(desk)["token"]).data
    assert after["issuer"] == done["new"]
    assert [(one["kind"], one["name"]) for one in done["signed"]][-1] == ("account", "PAYROLL")
    for name in ("subject", "kind", "issuer_account"):
        assert after["claims"]["nats"].get(name) == before["claims"]["nats"].get(name)
    desk.ok(*ROTATE, "--finish", ALONE)
    assert "T011" not in desk.run("lint", "--json").out


def test_the_second_phase_is_refused_while_an_import_lives_by_the_old_key(
    desk: Desk, old: str, leave: str
) -> None:
    new = desk.ok("key", "new", "--role", "account", "--name", f"ORDERS after {old[:12]}", "--json").data
    desk.ok("account", "signing-key", "add", "-a", "ORDERS", "--sk", new["public_key"])
    for user in ("pay", "ops"):
        desk.ok("user", "edit", "-a", "ORDERS", user, "--issuer", new["public_key"])
    done = desk.run(*ROTATE, "--finish", ALONE)
    assert done.code == 3
    assert f"({old}) is still needed by 1 jwts: an import of PAYROLL" in done.err
    # A run that was killed before the last step is in this state, and goes on from there.
    done = desk.ok(*ROTATE, "--json").data
    assert [(one["kind"], one["name"]) for one in done["signed"]][1:] == [("account", "PAYROLL")]
    assert imported(desk)["token"] != leave
    desk.ok(*ROTATE, "--finish", ALONE)


def test_a_plan_file_holds_no_activations_and_says_so(desk: Desk, old: str, leave: str) -> None:
    desk.ok("key", "new", "--role", "account", "--name", f"ORDERS after {old[:12]}")
    path = str(desk.home / "rotation.plan")
    done = desk.ok(*ROTATE, "--plan", path, "--json")
    assert done.data["changes"] == 3
    assert "1 activations are not in this plan" in done.err
    assert imported(desk)["token"] == leave
