"""Operators, accounts and users, and what shows them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from seedless.claims import Account, Operator, User
from seedless.creds import parse_creds
from seedless.jwt import read
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py
    Stored = Any

OWN_USER = str(SoftwareKey(Role.USER, bytes(range(32))).public_key)
OWN_ACCOUNT = str(SoftwareKey(Role.ACCOUNT, bytes(range(32))).public_key)

JWT_KEYS = {
    "kind", "name", "subject", "issuer", "issued_at", "expires", "version", "id", "unknown", "unusual",
    "claims", "jwt",
}  # fmt: skip


def stored(cli: Cli, *parts: str) -> Stored:
    return read((cli.store / "stores" / "ACME").joinpath(*parts).read_text())


def test_an_operator_signs_itself_with_a_key_on_the_token(cli: Cli) -> None:
    done = cli.ok("operator", "add", "ACME", "--json")
    assert set(done.data) == {*JWT_KEYS, "system_account", "store"}
    jwt = stored(cli, "ACME.jwt")
    assert done.data["subject"] == jwt.claims.sub == str(jwt.issuer)
    assert done.data["system_account"] is None
    assert jwt.claims.body == Operator.new()
    on_token = cli.ok("key", "list", "--token", cli.token.uri, "--json").data["keys"]
    assert [(key["public_key"], key["state"]) for key in on_token] == [(jwt.claims.sub, "present")]


def test_the_system_account_is_what_nsc_makes(cli: Cli) -> None:
    data = cli.ok("operator", "add", "ACME", "--sys", "--json").data
    account = stored(cli, "accounts", "SYS", "SYS.jwt")
    user = stored(cli, "accounts", "SYS", "users", "sys.jwt")
    assert stored(cli, "ACME.jwt").claims.body.system_account == account.claims.sub == data["system_account"]
    assert [(export.name, export.subject, export.type) for export in account.claims.body.exports] == [
        ("account-monitoring-streams", "$SYS.ACCOUNT.*.>", "stream"),
        ("account-monitoring-services", "$SYS.REQ.ACCOUNT.*.*", "service"),
    ]
    assert str(user.issuer) == account.claims.sub
    creds = cli.store / "keys" / "creds" / "ACME" / "SYS" / "sys.creds"
    assert data["system_user_creds"] == str(creds)
    assert parse_creds(creds.read_text()).jwt.text == user.text


def test_the_signing_key_of_an_operator_signs_its_accounts(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME", "--sys", "--generate-signing-key")
    (signing_key,) = stored(cli, "ACME.jwt").claims.body.signing_keys
    assert str(stored(cli, "accounts", "SYS", "SYS.jwt").issuer) == signing_key
    assert cli.ok("account", "add", "ORDERS", "--json").data["issuer"] == signing_key


def test_a_strict_operator_gives_its_system_account_a_signing_key_that_signs_its_user(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME", "--sys", "--generate-signing-key", "--require-signing-keys")
    operator, account = stored(cli, "ACME.jwt").claims, stored(cli, "accounts", "SYS", "SYS.jwt")
    (signing,) = account.claims.body.signing_keys
    user = stored(cli, "accounts", "SYS", "users", "sys.jwt")
    assert operator.body.strict_signing_key_usage
    assert str(account.issuer) in operator.body.signing_keys
    assert (str(user.issuer), user.claims.body.issuer_account) == (signing, account.claims.sub)
    assert cli.run("lint").code == 0


@pytest.mark.parametrize("more", [(), ("--sys",)], ids=["alone", "with its system account"])
def test_a_strict_operator_without_a_signing_key_is_refused_with_the_way_to_one(
    cli: Cli, more: tuple[str, ...]
) -> None:
    done = cli.run("operator", "add", "ACME", "--require-signing-keys", *more)
    assert (done.code, done.out) == (2, "")
    assert "hint: --generate-signing-key creates one" in done.err
    assert not cli.store.exists()


def test_the_identity_of_an_operator_signs_if_it_is_named(cli: Cli) -> None:
    identity = cli.ok("operator", "add", "ACME", "--generate-signing-key", "--json").data["subject"]
    assert cli.ok("account", "add", "ORDERS", "-K", identity, "--json").data["issuer"] == identity


def test_a_second_operator_has_its_own_store_and_must_be_named(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    cli.ok("operator", "add", "OTHER")
    done = cli.run("operator", "show")
    assert done.code == 2
    assert 'holds 2 operators: "ACME", "OTHER"' in done.err
    assert "hint: name it: --operator NAME" in done.err
    assert cli.ok("operator", "show", "--operator", "OTHER", "--json").data["name"] == "OTHER"


def test_an_operator_is_not_made_twice(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    before = cli.files()
    done = cli.run("operator", "add", "ACME")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith('error: there is already an operator "ACME" in ')
    assert "hint: seedless operator edit changes it; " in done.err
    assert cli.files() == before


def test_an_account_takes_the_limits_of_nsc_options(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    done = cli.ok(
        "account", "add", "ORDERS", "--js-disk-storage", "10G", "--conns", "5", "--expiry", "30d",
        "--description", "what is ordered", "--tag", "Env:Prod", "--deny-pub", "secret.>",
        "--set", "limits.disallow_bearer=true", "--json",
    )  # fmt: skip
    assert set(done.data) == JWT_KEYS
    body = stored(cli, "accounts", "ORDERS", "ORDERS.jwt").claims.body
    assert isinstance(body, Account)
    limits = body.limits
    assert (limits.disk_storage, limits.conn, limits.disallow_bearer, limits.leaf) == (
        10 * 1000**3,
        5,
        True,
        -1,
    )
    assert (body.description, body.tags) == ("what is ordered", ("env:prod",))
    assert body.default_permissions.pub.deny == ("secret.>",)
    assert abs(done.data["expires"] - time.time() - 30 * 86400) < 60


def test_an_account_key_that_exists_already_is_not_made(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    assert cli.ok("account", "add", "ORDERS", "-k", OWN_ACCOUNT, "--json").data["subject"] == OWN_ACCOUNT
    keys = cli.ok("key", "list", "--token", cli.token.uri, "--json").data["keys"]
    assert [key["role"] for key in keys] == ["operator"]


def test_accounts_are_listed_by_name(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "B")
    cli.ok("account", "add", "A", "--expiry", "2999-01-01")
    data = cli.ok("account", "list", "--json").data
    assert set(data) == {"operator", "accounts", "damaged"}
    assert (data["operator"], data["damaged"]) == ("ACME", [])
    assert [account["name"] for account in data["accounts"]] == ["A", "B"]
    lines = cli.ok("account", "list").out.splitlines()
    assert lines[0].split() == ["ACCOUNT", "PUBLIC", "KEY", "EXPIRES"]
    assert lines[1].split()[2:] == ["2999-01-01", "00:00:00", "UTC"]
    assert lines[2].split() == ["B", data["accounts"][1]["subject"], "never"]


@pytest.mark.parametrize("noun", ["operator", "account", "user"])
def test_what_is_shown_of_claims_is_all_of_them(cli: Cli, noun: str) -> None:
    cli.found_system()
    words = {"operator": [], "account": ["ORDERS"], "user": ["-a", "ORDERS", "app"]}[noun]
    data = cli.ok(noun, "show", *words, "--json").data
    assert set(data) == JWT_KEYS
    assert data["kind"] == noun
    assert read(data["jwt"]).claims.sub == data["claims"]["sub"] == data["subject"]
    lines = dict(line.split("  ", 1) for line in cli.ok(noun, "show", *words).out.splitlines())
    assert lines["subject"].strip() == data["subject"]
    assert lines["expires"].strip() == "never"


def test_a_name_that_is_not_there_gets_the_names_that_are(cli: Cli) -> None:
    cli.found_system()
    account = cli.run("account", "show", "ORDER")
    assert (account.code, account.out) == (2, "")
    assert account.err == (
        'error: there is no account "ORDER" in operator ACME\n'
        "hint: did you mean ORDERS? the accounts are: ORDERS, SYS\n"
    )
    user = cli.run("user", "show", "-a", "ORDERS", "apb")
    assert user.err == (
        'error: there is no user "apb" in account "ORDERS"\nhint: did you mean app? the users are: app\n'
    )


def test_a_user_with_a_software_key_gets_creds_that_only_the_owner_reads(cli: Cli) -> None:
    cli.found_system()
    done = cli.ok("user", "add", "-a", "ORDERS", "web", "--allow-pub", "orders.>", "--json")
    assert set(done.data) == {*JWT_KEYS, "account", "creds"}
    path = cli.store / "keys" / "creds" / "ACME" / "ORDERS" / "web.creds"
    assert done.data["creds"] == str(path)
    assert path.stat().st_mode & 0o777 == 0o600
    creds = parse_creds(path.read_text())
    assert creds.jwt.claims.body.pub.allow == ("orders.>",)
    assert str(creds.key.public_key) == done.data["subject"]
    assert creds.key.reveal() not in done.out + done.err


def test_a_user_keeps_its_own_key(cli: Cli) -> None:
    cli.found_system()
    done = cli.ok("user", "add", "-a", "ORDERS", "own", "--public-key", OWN_USER, "--json")
    assert (done.data["subject"], done.data["creds"]) == (OWN_USER, None)


def test_a_user_key_is_made_on_the_token(cli: Cli) -> None:
    cli.found_system()
    done = cli.ok("user", "add", "-a", "ORDERS", "hard", "--on-token", "--json")
    shown = cli.ok("key", "show", done.data["subject"], "--json").data
    assert (shown["role"], shown["name"]) == ("user", "hard")
    assert (shown["the_driver_says"]["sensitive"], shown["the_driver_says"]["extractable"]) == (True, False)


def test_a_user_key_is_given_or_made_and_not_both(cli: Cli) -> None:
    cli.found_system()
    done = cli.run("user", "add", "-a", "ORDERS", "x", "--on-token", "-k", OWN_USER)
    assert done.code == 2
    assert done.err.startswith("error: a key is given or created on a token, not both\n")


def test_users_are_listed(cli: Cli) -> None:
    cli.found_system()
    data = cli.ok("user", "list", "-a", "ORDERS", "--json").data
    assert set(data) == {"account", "users", "damaged"}
    assert [user["name"] for user in data["users"]] == ["app"]
    assert cli.ok("user", "list", "-a", "ORDERS").out.splitlines()[1].split()[0] == "app"


def test_creds_are_printed_or_written_for_the_owner_alone(cli: Cli, tmp_path: Path) -> None:
    cli.found_system()
    text = (cli.store / "keys" / "creds" / "ACME" / "ORDERS" / "app.creds").read_text()
    assert cli.ok("user", "creds", "-a", "ORDERS", "app").out == text
    data = cli.ok("user", "creds", "-a", "ORDERS", "app", "--json").data
    assert data == {"account": "ORDERS", "user": "app", "has_seed": True, "creds": text}
    target = tmp_path / "app.creds"
    written = cli.ok("user", "creds", "-a", "ORDERS", "app", "-o", str(target), "--json").data
    assert written == {"account": "ORDERS", "user": "app", "has_seed": True, "path": str(target)}
    assert target.read_text() == text
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_user_whose_key_is_elsewhere_gets_its_jwt_alone(cli: Cli) -> None:
    cli.found_system()
    cli.ok("user", "add", "-a", "ORDERS", "own", "--public-key", OWN_USER)
    done = cli.ok("user", "creds", "-a", "ORDERS", "own")
    assert done.out.startswith("-----BEGIN NATS USER JWT-----\n")
    assert "SEED" not in done.out
    assert done.err == "the seed of this user is not here: this is its jwt alone\n"


def test_a_scoped_key_signs_users_that_carry_nothing(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    scope = cli.ok("key", "new", "--role", "account", "--name", "scope", "--json").data["public_key"]
    template = {"pub": {"allow": ["a.>"]}, "sub": {}, "subs": -1, "data": -1, "payload": -1}
    setting = json.dumps([{"kind": "user_scope", "key": scope, "role": "reader", "template": template}])
    cli.ok("account", "add", "ORDERS", "--set", f"signing_keys={setting}")
    user = cli.ok("user", "add", "-a", "ORDERS", "r", "-K", "reader", "--json").data
    assert user["issuer"] == scope
    assert read(user["jwt"]).claims.body == User(issuer_account=user["claims"]["nats"]["issuer_account"])
    done = cli.run("user", "add", "-a", "ORDERS", "w", "-K", "reader", "--allow-pub", "b.>")
    assert done.code == 3
    assert "error: T003 user w" in done.err


def test_the_tree_shows_who_is_below_whom_and_whose_key_is_on_a_token(cli: Cli) -> None:
    cli.found_system()
    data = cli.ok("tree", "--json").data
    assert list(data) == [
        *("kind", "name", "subject", "on_token", "backup", "expires"),
        *("signing_keys", "exports", "imports", "findings", "children"),
    ]
    assert [(child["name"], child["on_token"]) for child in data["children"]] == [
        ("ORDERS", True),
        ("SYS", True),
    ]
    lines = cli.ok("tree").out.splitlines()
    drawn = [line.partition(" (")[0] for line in lines if line.startswith(("operator", "├", "└"))]
    assert drawn == ["operator ACME", "├── account ORDERS", "└── account SYS"]
    assert [line.endswith("  on a token") for line in lines] == [True, True, False, True, False]


def test_all_of_a_fresh_store_is_verified_and_trusted(cli: Cli) -> None:
    cli.found_system()
    data = cli.ok("verify", "--json").data
    assert data["ok"] is True
    assert [row["what"] for row in data["jwts"]] == [
        "operator ACME", "account ORDERS", "user ORDERS/app", "account SYS", "user SYS/sys",
    ]  # fmt: skip
    assert {(row["signature"], row["trust"], row["times"], row["error"]) for row in data["jwts"]} == {
        ("good", "trusted", "valid", None)
    }


def test_a_jwt_of_another_operator_is_verified_and_not_trusted(cli: Cli) -> None:
    cli.found_system()
    other = str(cli.home / "other")
    cli.ok("operator", "add", "EVIL", "--store", other)
    account = cli.ok("account", "add", "ORDERS", "--store", other, "--json").data["jwt"]
    file = cli.home / "stranger.jwt"
    file.write_text(account)
    done = cli.run("verify", str(file), "--json")
    assert done.code == 3
    (row,) = done.data["jwts"]
    assert (row["signature"], row["trust"], row["ok"]) == ("good", "not issued by the operator", False)


def test_a_jwt_with_one_changed_letter_does_not_verify(cli: Cli) -> None:
    cli.found_system()
    text = cli.ok("account", "show", "ORDERS", "--json").data["jwt"]
    file = cli.home / "changed.jwt"
    file.write_text(text[:-10] + ("A" if text[-10] != "A" else "B") + text[-9:])
    done = cli.run("verify", str(file))
    assert done.code == 3
    assert done.out.splitlines()[1].split()[1:] == ["bad", "-", "-"]
    assert done.out.splitlines()[2].startswith("bad: ")
    shown = cli.run("show", str(file))
    assert (shown.code, shown.out) == (3, "")
    assert shown.err.startswith(f"error: {file}: ")


def test_an_expired_user_is_reported_by_verify(cli: Cli) -> None:
    cli.found_system()
    cli.ok("user", "add", "-a", "ORDERS", "brief", "--expiry", "1s")
    time.sleep(1.1)
    done = cli.run("verify", "--json")
    assert done.code == 3
    assert [row["times"][:8] for row in done.data["jwts"] if not row["ok"]] == ["expired "]


def test_show_reads_a_jwt_or_creds_from_a_file_or_stdin(cli: Cli) -> None:
    cli.found_system()
    creds = cli.store / "keys" / "creds" / "ACME" / "ORDERS" / "app.creds"
    from_file = cli.ok("show", str(creds), "--json").data
    from_stdin = cli.ok("show", "-", "--json", stdin=from_file["jwt"]).data
    assert from_file == from_stdin
    assert (from_file["kind"], from_file["name"]) == ("user", "app")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_for_the_shell_that_is_named(cli: Cli, shell: str) -> None:
    data = cli.ok("completion", shell, "--json").data
    assert data["shell"] == shell
    assert "_SEEDLESS_COMPLETE=" in data["script"]


def test_the_shell_completes_commands_of_lazy_groups(cli: Cli) -> None:
    done = cli.child(_SEEDLESS_COMPLETE="bash_complete", COMP_WORDS="seedless acc", COMP_CWORD="1")
    assert done.out.split() == ["plain,account"]


@pytest.mark.parametrize(
    ("kind", "flags"), [("memory", ["--mem-resolver"]), ("full", ["--nats-resolver", "--dir", "/data/jwt"])]
)
def test_the_server_configuration_holds_the_jwts_that_servers_need(
    cli: Cli, kind: str, flags: list[str]
) -> None:
    cli.found_system()
    done = cli.ok("server", "config", *flags, "--json").data
    assert (done["kind"], done["path"]) == (kind, None)
    system = cli.ok("account", "show", "SYS", "--json").data
    orders = cli.ok("account", "show", "ORDERS", "--json").data
    assert cli.ok("operator", "show", "--json").data["jwt"] in done["configuration"]
    assert f"system_account: {system['subject']}" in done["configuration"]
    assert system["jwt"] in done["configuration"]
    assert (orders["jwt"] in done["configuration"]) is (kind == "memory")


def test_the_server_configuration_goes_into_a_file(cli: Cli, tmp_path: Path) -> None:
    target = tmp_path / "nats.conf"
    done = cli.ok("server", "config", "--nkey", OWN_USER, "-o", str(target), "--json").data
    assert (done["kind"], done["path"]) == ("nkey", str(target))
    assert target.read_text() == done["configuration"]
    assert OWN_USER in target.read_text()


@pytest.mark.parametrize("flags", [[], ["--mem-resolver", "--nkey", OWN_USER]], ids=["none", "two"])
def test_one_kind_of_server_configuration_is_required(cli: Cli, flags: list[str]) -> None:
    done = cli.run("server", "config", *flags)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: one kind of configuration is wanted\nhint: --mem-resolver")


def test_a_key_that_an_earlier_run_created_is_reused(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    made = cli.ok("key", "new", "--role", "account", "--name", "ORDERS", "--json").data["public_key"]
    done = cli.ok("account", "add", "ORDERS", "--json")
    assert done.data["subject"] == made
    assert f"reusing the key that was created for account ORDERS: {made}" in done.err
    assert PublicKey.parse(made).role is Role.ACCOUNT
    assert cli.ok("account", "add", "OTHER", "--json").data["subject"] != made
