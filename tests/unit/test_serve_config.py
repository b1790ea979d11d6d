"""The configuration of an auth callout: errors have their place, and no secret is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedless.errors import StoreError, WrongFile
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.serve.backends import FunctionSettings, UsersSettings
from seedless.serve.config import KeySource, load, software_key

CALLOUT = "AAFVCOWZWSJEAFOKBEBO2B4QITJ2YXN6YIYG6BUURQINVDVW4OPS3YM3"
ORDERS = str(SoftwareKey(Role.ACCOUNT, bytes(32)).public_key)
HEAD = f"""
servers = ["nats://127.0.0.1:4222"]
creds = "/etc/seedless/callout.creds"
mode = "operator"
account = "{CALLOUT}"
signing-key = "file:/etc/seedless/callout.nk"
"""
ACCOUNTS = f"""
[accounts.ORDERS]
key = "{ORDERS}"
roles = {{ clerk = "env:CLERK_SEED" }}
"""
BACKENDS = """
[backends.staff]
kind = "users"
file = "/etc/seedless/users.toml"
"""
RULES = """
[[rules]]
when = { backends = ["staff"], networks = ["10.0.0.0/8"], connections = ["STANDARD"] }
account = "ORDERS"
role = "clerk"
validity = "12h"
"""
CONFIGURATION_MODE = (
    HEAD.replace('"operator"', '"configuration"').replace(CALLOUT, "AUTH") + "[accounts.ORDERS]\n" + BACKENDS
)


def write(folder: Path, text: str) -> Path:
    path = folder / "callout.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def test_a_configuration_becomes_values(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, HEAD + ACCOUNTS + BACKENDS + RULES))
    assert loaded.signing_key == KeySource("file", "/etc/seedless/callout.nk")
    assert loaded.accounts["ORDERS"].roles == {"clerk": KeySource("env", "CLERK_SEED")}
    assert loaded.backends == {"staff": UsersSettings(file=Path("/etc/seedless/users.toml"), remember=60)}
    assert loaded.rules[0].validity == 43200
    assert str(loaded.rules[0].when.networks[0]) == "10.0.0.0/8"
    assert loaded.bounds.refusal_delay == 1.0
    assert loaded.validity == 3600


def test_each_kind_of_backend_has_settings_of_its_own(tmp_path: Path) -> None:
    text = '[backends.own]\nkind = "python"\nfunction = "mine:identify"\n'
    loaded = load(write(tmp_path, HEAD + ACCOUNTS + text + RULES.replace("staff", "own")))
    assert loaded.backends == {"own": FunctionSettings(function="mine:identify")}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("x = ", "invalid value (at end of document)", id="no TOML"),
        pytest.param(HEAD, "accounts is missing", id="no accounts"),
        pytest.param(HEAD + "user = 1", "user is not known", id="unknown"),
        pytest.param(HEAD + ACCOUNTS + "[backends]\n" + RULES, "backends is empty", id="no backends"),
        pytest.param(
            HEAD + ACCOUNTS + '[backends.x]\nkind = "ldap"\n' + RULES,
            "backends.x.kind is none of users, oidc, certificate, python",
            id="unknown kind",
        ),
        pytest.param(
            HEAD + ACCOUNTS + BACKENDS.replace("/etc/", "etc/") + RULES,
            "backends.staff.file is not an absolute path",
            id="relative path",
        ),
        pytest.param(
            HEAD.replace("file:/etc", "/etc") + ACCOUNTS + BACKENDS + RULES,
            "signing-key is not a place of a key: write file:/path, env:NAME or pkcs11:…",
            id="no place of a key",
        ),
        pytest.param(
            HEAD + ACCOUNTS.replace(ORDERS, CALLOUT) + BACKENDS + RULES,
            "accounts.ORDERS is the callout account: users in it could read the passwords of others",
            id="users beside passwords",
        ),
        pytest.param(
            HEAD + ACCOUNTS.replace("env:CLERK_SEED", "delegated") + BACKENDS + RULES,
            "accounts.ORDERS.roles has delegated keys, and there is no [delegation]",
            id="no delegation",
        ),
        pytest.param(
            HEAD + ACCOUNTS + BACKENDS + RULES.replace("10.0.0.0/8", "10.0.0.1/8"),
            "rules[0].when.networks[0] is not a network, as 10.0.0.0/8 or 2001:db8::/32: "
            "10.0.0.1/8 has host bits set",
            id="network",
        ),
        pytest.param(
            HEAD + ACCOUNTS + BACKENDS + RULES.replace("STANDARD", "SSH"),
            "rules[0].when.connections[0] is none of STANDARD, WEBSOCKET, LEAFNODE, MQTT",
            id="connection type",
        ),
        pytest.param(
            HEAD + ACCOUNTS + BACKENDS + RULES.replace('"staff"', '"stuff"'),
            'rules[0].when.backends has "stuff", and there is no such backend',
            id="backend of a rule",
        ),
        pytest.param(
            HEAD + ACCOUNTS + BACKENDS + RULES.replace('"ORDERS"', '"ORDER"'),
            'rules[0].account is "ORDER", which is not among accounts',
            id="account of a rule",
        ),
        pytest.param(
            HEAD + ACCOUNTS + BACKENDS + RULES.replace('"clerk"', '"boss"'),
            'rules[0].role is "boss", which is not a role of that account',
            id="role of a rule",
        ),
        pytest.param(
            HEAD + ACCOUNTS + BACKENDS + RULES.replace('role = "clerk"', "permissions = {}"),
            "rules[0].permissions are given, and the account has no signing-key",
            id="nobody signs permissions",
        ),
        pytest.param(
            HEAD + ACCOUNTS + BACKENDS + RULES + "permissions = {}",
            "rules[0].permissions has a role and permissions: a role has its own",
            id="role and permissions",
        ),
        pytest.param(
            HEAD + ACCOUNTS + BACKENDS + RULES + 'name = "{{name()}}"',
            'rules[0].name has braces that are not a placeholder: "{{name()}}"',
            id="a function of servers",
        ),
        pytest.param(
            HEAD + ACCOUNTS + BACKENDS + RULES + 'tags = ["release:1.2"]',
            "rules[0].tags has release:1.2: "
            "a tag's value is one token of a subject, without . * > and blanks",
            id="tag",
        ),
        pytest.param(
            HEAD + ACCOUNTS + BACKENDS + RULES + "[bounds]\nconcurrency = 0",
            "bounds.concurrency is not above 0",
            id="bounds",
        ),
        pytest.param(
            CONFIGURATION_MODE + RULES,
            "rules[0].role is given in configuration mode, where there are no scopes",
            id="role without scopes",
        ),
        pytest.param(
            CONFIGURATION_MODE
            + '[[rules]]\naccount = "ORDERS"\npermissions = { pub = { allow = ["a..b"] } }',
            'rules[0].permissions.pub.allow has "a..b", which is not a subject',
            id="subject",
        ),
        pytest.param(
            CONFIGURATION_MODE
            + '[[rules]]\naccount = "ORDERS"\npermissions = { jetstream = { publish = ["ORDERS"] } }',
            'rules[0].permissions.jetstream has "ORDERS" does not name what is published: '
            "the name of a stream does not contain its subjects",
            id="JetStream",
        ),
    ],
)
def test_what_is_not_right_is_reported_with_its_place(tmp_path: Path, text: str, sentence: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(WrongFile) as caught:
        load(path)
    assert caught.value.message == f"{path}: {sentence}"
    assert caught.value.hint == "seedless docs reference/callout lists its members"


def test_a_seed_in_the_configuration_is_refused_and_not_shown(tmp_path: Path) -> None:
    seed = SoftwareKey.generate(Role.ACCOUNT).reveal()
    path = write(tmp_path, HEAD.replace("file:/etc/seedless/callout.nk", seed))
    with pytest.raises(WrongFile) as caught:
        load(path)
    assert caught.value.message == f"{path} holds a seed"
    assert seed not in caught.value.hint


def test_a_configuration_that_others_can_write_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD)
    path.chmod(0o622)
    with pytest.raises(StoreError) as caught:
        load(path)
    assert caught.value.message == f"{path} can be written by others"
    assert caught.value.hint == f"it decides who logs in: chmod go-w {path}"


def test_seeds_come_from_files_of_their_owner_and_from_variables(tmp_path: Path) -> None:
    key = SoftwareKey.generate(Role.ACCOUNT)
    path = tmp_path / "key.nk"
    path.write_text(f"{key.reveal()}\n")
    path.chmod(0o600)
    assert software_key(KeySource("file", str(path)), Role.ACCOUNT).public_key == key.public_key
    variables = {"SEED": key.reveal()}
    assert (
        software_key(KeySource("env", "SEED"), Role.ACCOUNT, environment=variables).public_key
        == key.public_key
    )


def test_a_seed_that_cannot_be_read_is_reported_without_it(tmp_path: Path) -> None:
    key = SoftwareKey.generate(Role.USER)
    path = tmp_path / "key.nk"
    path.write_text(key.reveal())
    path.chmod(0o640)
    with pytest.raises(StoreError) as caught:
        software_key(KeySource("file", str(path)), Role.ACCOUNT)
    assert caught.value.message == f"{path} holds a seed and is open to others than its owner"
    path.chmod(0o600)
    with pytest.raises(StoreError) as caught:
        software_key(KeySource("file", str(path)), Role.ACCOUNT)
    assert caught.value.message == f"file:{path} holds the seed of another kind of key"
    path.write_text(key.reveal()[:-1])
    with pytest.raises(StoreError) as caught:
        software_key(KeySource("file", str(path)), Role.ACCOUNT)
    assert caught.value.message == f"file:{path} holds no seed: a seed has 58 characters, not 57"
