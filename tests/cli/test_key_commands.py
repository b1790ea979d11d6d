"""`seedless key import, audit, delete`: what they do, what they refuse, and what they never show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py

SOFTWARE = SoftwareKey(Role.ACCOUNT, bytes(range(32)))
SEED = SOFTWARE.reveal()
KEY = str(SOFTWARE.public_key)
ORDERS = ("key", "import", "--role", "account", "--name", "ORDERS")


def written(path: Path, text: str, mode: int = 0o600) -> str:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return str(path)


def keys_on(cli: Cli) -> set[tuple[str | None, str, str]]:
    listed = cli.ok("key", "list", "--token", cli.token.uri, "--json").data["keys"]
    return {(key["public_key"], key["name"], key["state"]) for key in listed}


def refused(cli: Cli, *words: str, code: int = 2, **given: Any) -> str:  # noqa: ANN401 - stdin and environment
    """Run what must be refused with *code*; return what was said. No seed is in it, and nothing changed."""
    before = cli.files()
    done = cli.run(*words, **given)
    assert (done.code, done.out) == (code, ""), done
    assert SEED not in done.err
    assert SEED[6:20] not in done.err
    assert cli.files() == before
    said: str = done.err
    return said


def test_a_seed_from_a_key_file_is_put_on_the_token_and_noted_as_imported(cli: Cli, tmp_path: Path) -> None:
    file = written(tmp_path / "ORDERS.nk", SEED + "\n")
    done = cli.ok(*ORDERS, file, "--json")
    assert set(done.data) == {"public_key", "label", "worth", "uri", "made"}
    assert (done.data["public_key"], done.data["label"], done.data["made"]) == (
        KEY,
        "account:ORDERS",
        "import",
    )
    assert "whoever has a copy can sign with it" in done.data["worth"]
    assert f"{file} was not deleted: destroy it, and every other copy of the seed\n" in done.err
    assert SEED not in done.out + done.err
    assert (tmp_path / "ORDERS.nk").read_text() == SEED + "\n"
    (noted,) = cli.ok("key", "list", "--json").data["keys"]
    assert (noted["public_key"], noted["made"], noted["name"]) == (KEY, "import", "ORDERS")
    assert keys_on(cli) == {(KEY, "ORDERS", "present")}
    assert not any(SEED in path.read_text() for path in cli.store.rglob("*") if path.is_file())


def test_an_imported_operator_key_signs(cli: Cli) -> None:
    operator = SoftwareKey(Role.OPERATOR, bytes(range(1, 33)))
    cli.ok("key", "import", "--role", "operator", "-n", "ACME", stdin=operator.reveal())
    made = cli.ok("operator", "add", "ACME", "--public-key", str(operator.public_key), "--json").data
    assert (made["subject"], made["issuer"]) == (str(operator.public_key), str(operator.public_key))


def test_a_seed_comes_from_stdin_or_a_creds_file_too(cli: Cli) -> None:
    cli.ok(*ORDERS, "-", stdin=f"  {SEED}\r\n")
    cli.found_system()
    (creds,) = (cli.store / "keys").rglob("app.creds")
    cli.ok("key", "import", "--role", "user", "-n", "app", str(creds))
    user = cli.ok("user", "show", "-a", "ORDERS", "app", "--json").data["subject"]
    assert (user, "app", "present") in keys_on(cli)


def test_an_import_that_is_only_shown_opens_no_token(cli: Cli) -> None:
    done = cli.ok(*ORDERS, "--dry-run", "--json", "--module", "/nowhere.so", stdin=SEED)
    assert (done.data["dry_run"], done.data["public_key"]) == (True, KEY)
    assert not cli.store.exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(SEED[:-1], "stdin: a seed has 58 characters, not 57", id="a-character-short"),
        pytest.param(SEED[:-1] + "A", "stdin: the checksum", id="a-slip-of-the-pen"),
        pytest.param("nothing", "stdin: the text holds no seed", id="no-seed"),
        pytest.param("", "stdin: the text holds no seed", id="nothing"),
    ],
)
def test_what_holds_no_seed_is_refused_before_the_token(cli: Cli, given: str, said: str) -> None:
    assert said in refused(cli, *ORDERS, "--module", "/nowhere.so", stdin=given)


def test_a_seed_as_an_argument_is_refused(cli: Cli) -> None:
    said = refused(cli, *ORDERS, SEED)
    assert "error: argument 7 holds a seed, and a seed is never an argument" in said
    assert "hint: seeds are read from files or from stdin, by seedless key import" in said


def test_a_seed_of_another_role_is_refused(cli: Cli) -> None:
    said = refused(cli, "key", "import", "--role", "operator", "-n", "ACME", stdin=SEED)
    assert "the seed is of the role account, and not of the role operator" in said


def test_a_key_that_the_inventory_has_in_another_role_is_refused_before_the_token(cli: Cli) -> None:
    cli.ok(*ORDERS, stdin=SEED)
    twin = SoftwareKey(Role.USER, bytes(range(32)))
    said = refused(
        cli, "key", "import", "--role", "user", "-n", "app", "--module", "/nowhere.so", stdin=twin.reveal()
    )
    assert f"{twin.public_key} is the same key as account ORDERS ({KEY}), and a key has one role" in said


def test_a_key_that_the_token_has_is_refused(cli: Cli) -> None:
    cli.token.import_ed25519(bytes(range(32)), label="account:OLD", id=b"\x07")
    said = refused(cli, *ORDERS, code=4, stdin=SEED)
    assert f'has the key {KEY} already, as "account:OLD" (id 07)' in said


def test_a_key_file_that_others_can_read_is_reported(cli: Cli, tmp_path: Path) -> None:
    file = written(tmp_path / "ORDERS.nk", SEED, 0o644)
    done = cli.ok(*ORDERS, file, "--dry-run")
    assert f"warning: others on this machine can read {file}, and may have done so\n" in done.err
    quiet = cli.ok(*ORDERS, written(tmp_path / "quiet.nk", SEED), "--dry-run")
    assert "warning" not in quiet.err


def test_a_missing_key_file_is_reported(cli: Cli, tmp_path: Path) -> None:
    assert "cannot read" in refused(cli, *ORDERS, str(tmp_path / "none.nk"))


def leaky_key(cli: Cli) -> str:
    """Make a key that can leave, outside of seedless; return its public key."""
    from pkcs11.constants import Attribute, ObjectClass
    from pkcs11.mechanisms import KeyType

    from seedless.pin import parse_pin_source
    from seedless.pkcs11.families import EC_PARAMS_NAME
    from seedless.pkcs11.token import open_token
    from seedless.pkcs11.uri import KeyUri

    pin = cli.home / "pin"
    written(pin, cli.token.pin)
    uri = KeyUri.parse(cli.token.uri)
    common = {
        Attribute.KEY_TYPE: KeyType.EC_EDWARDS,
        Attribute.EC_PARAMS: EC_PARAMS_NAME,
        Attribute.TOKEN: True,
        Attribute.ID: b"\x07",
        Attribute.LABEL: "account:ORDERS",
    }
    private = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.VALUE: bytes(range(32))}
    private |= {Attribute.SIGN: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: True}
    public = {Attribute.CLASS: ObjectClass.PUBLIC_KEY}
    public |= {Attribute.EC_POINT: b"\x04\x20" + SOFTWARE.public_key.raw}
    source = parse_pin_source(f"file:{pin}")
    with (
        open_token(uri, source, module=cli.token.module, writable=True) as token,
        token.session.use("test") as raw,
    ):
        for half in (private, public):
            raw.create_object(common | half)
    return KEY


def test_the_provenance_of_every_key_is_shown(cli: Cli) -> None:
    made = cli.ok("key", "new", "--role", "operator", "-n", "ACME", "--json").data["public_key"]
    cli.ok(*ORDERS, stdin=SEED)
    data = cli.ok("key", "audit", "--json").data
    assert data["statement"] == "these are statements of the driver, not attestations"
    assert (data["token"]["serial"], data["token"]["module"]) == (cli.token.serial, str(cli.token.module))
    by_key = {key["public_key"]: key for key in data["keys"]}
    assert {key: (one["role"], one["verdict"]) for key, one in by_key.items()} == {
        made: ("operator", "made on this token, not extractable"),
        KEY: ("account", "imported"),
    }
    assert by_key[made]["the_driver_says"]["key_gen_mechanism"] == "0x1055"
    assert by_key[KEY]["the_driver_says"]["local"] is False
    assert all(one["remarks"] == ["software: the files can be copied"] for one in by_key.values())
    one = by_key[KEY]
    SOFTWARE.public_key.verify(bytes.fromhex(one["signature"]), bytes.fromhex(one["challenge"]))
    done = cli.ok("key", "audit")
    assert "  CKM_EC_EDWARDS_KEY_PAIR_GEN  " in done.out
    assert done.out.splitlines()[0].endswith("DRIVER REPORTS")
    assert "imported; software: the files can be copied" in done.out
    assert "these are statements of the driver, not attestations" in done.err


def test_an_audit_that_finds_a_key_that_can_leave_ends_with_3(cli: Cli) -> None:
    leaky_key(cli)
    done = cli.run("key", "audit")
    assert (done.code, "can leave" in done.out) == (3, True)


def test_a_key_that_can_leave_signs_only_when_it_is_named(cli: Cli) -> None:
    operator = cli.ok("operator", "add", "ACME", "--json").data["subject"]
    leaky_key(cli)
    cli.ok("account", "add", "ORDERS", "--public-key", KEY)
    add = ("user", "add", "-a", "ORDERS", "app", "--token", cli.token.uri)
    done = cli.run(*add)
    assert done.code == 4
    assert f"or allow this one: --allow-extractable {KEY}\n" in done.err
    assert cli.run(*add, "--allow-extractable", operator).code == 4, "another key is named"
    cli.ok(*add, "--allow-extractable", operator, "--allow-extractable", KEY)
    cli.ok(*add[:4], "shop", *add[5:], "--allow-extractable", "account ORDERS")


def test_what_may_leave_is_a_key_that_is_known_or_a_public_key(cli: Cli) -> None:
    done = cli.run("operator", "add", "ACME", "--allow-extractable", "mine")
    assert (done.code, done.out) == (2, "")
    assert done.err == 'error: there is no key called "mine"\nhint: seedless key list shows the names\n'
    done = cli.run("operator", "add", "ACME", "--reset-time", "O" * 56)
    assert (done.code, "invalid value for '--reset-time': the checksum of the key is wrong" in done.err) == (
        2,
        True,
    )


def test_a_key_without_a_label_has_the_role_that_the_inventory_gives_it(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    cli.ok(*ORDERS, stdin=SEED)
    twin = str(SoftwareKey(Role.OPERATOR, bytes(range(32))).public_key)
    cli.ok("account", "add", "ORDERS", "--public-key", KEY)
    done = cli.run("operator", "add", "OTHER", "--public-key", twin)
    assert done.code == 4
    assert (
        f"{twin} is the key of an account in the inventory, account ORDERS ({KEY}), and a key has one role"
        in done.err
    )


def spare(cli: Cli, name: str = "SPARE") -> str:
    made: str = cli.ok("key", "new", "--role", "account", "-n", name, "--json").data["public_key"]
    return made


def test_a_deleted_key_is_gone_from_the_token_and_the_inventory(cli: Cli) -> None:
    key, kept = spare(cli), spare(cli, "KEPT")
    done = cli.ok("key", "delete", key, "--name", "SPARE", "--json").data
    assert done == {
        "deleted": True,
        "public_key": key,
        "name": "SPARE",
        "token": cli.token.label,
        "left": [],
    }
    assert keys_on(cli) == {(kept, "KEPT", "present")}
    again = cli.run("key", "delete", key, "--name", "SPARE")
    assert (again.code, "no key" in again.err) == (4, True)


def test_a_key_that_is_not_in_the_inventory_is_deleted_by_the_name_in_its_label(cli: Cli) -> None:
    cli.token.import_ed25519(bytes(range(32)), label="account:OLD", id=b"\x07")
    cli.ok("key", "delete", KEY, "--name", "OLD")
    assert keys_on(cli) == set()


def test_a_dry_run_deletes_nothing(cli: Cli) -> None:
    key = spare(cli)
    done = cli.ok("key", "delete", key, "--dry-run", "--json").data
    assert done == {
        "dry_run": True,
        "public_key": key,
        "name": "SPARE",
        "token": cli.token.label,
        "left": [],
    }
    assert keys_on(cli) == {(key, "SPARE", "present")}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param(["--name", "spare"], 'its name is not "spare"', id="another-name"),
        pytest.param(["--name", ""], 'its name is not ""', id="an-empty-name"),
        pytest.param([], "not confirmed: run it on a terminal, or add --yes\n", id="nobody-to-ask"),
    ],
)
def test_a_key_is_not_deleted_without_its_name(cli: Cli, name: list[str], said: str) -> None:
    key = spare(cli)
    assert said in refused(cli, "key", "delete", key, *name, asks=True)
    assert keys_on(cli) == {(key, "SPARE", "present")}


def test_the_name_is_asked_for_on_a_terminal_and_not_printed(cli: Cli) -> None:
    key = spare(cli)
    for typed, code, left in (("other", 2, {(key, "SPARE", "present")}), ("SPARE", 0, set())):
        terminal = cli.terminal_for("key", "delete", key)
        terminal.wait_for("would be lost for good; nothing brings it back")
        terminal.wait_for("Type its name to delete it: ")
        assert "SPARE" not in terminal.said
        terminal.type(f"{typed}\n")
        assert terminal.end() == code
        assert keys_on(cli) == left


def test_a_key_whose_token_is_gone_is_taken_out_of_the_inventory_and_no_token_is_opened(cli: Cli) -> None:
    key = spare(cli)
    away = {"SOFTHSM2_CONF": "/nowhere", "SEEDLESS_MODULE": "/no/such/module.so", "TOKEN_PIN": None}
    done = cli.ok("key", "delete", key, "--lost", "--name", "SPARE", **away)
    where = f'token "{cli.token.label}" (serial {cli.token.serial})'
    assert done.out == f"{key} (SPARE) on {where}: out of the inventory\n"
    assert keys_on(cli) == {(key, "SPARE", "not registered")}
    assert "the inventory does not have" in refused(
        cli, "key", "delete", key, "--lost", "-n", "SPARE", code=4
    )


def test_what_would_be_taken_out_is_printed_before_and_as_json(cli: Cli) -> None:
    key = spare(cli)
    uri = cli.ok("key", "list", "--json").data["keys"][0]["uri"]
    lost = {"public_key": key, "name": "SPARE", "uri": uri, "state": "removed", "left": []}
    would = cli.ok("key", "delete", key, "--lost", "--dry-run", "--json").data
    assert would == {"dry_run": True, "lost": [lost]}
    assert "\nnothing was written: --dry-run\n" in cli.ok("key", "delete", key, "--lost", "--dry-run").out
    assert "not confirmed" in refused(cli, "key", "delete", key, "--lost", asks=True)
    assert 'its name is not "other"' in refused(cli, "key", "delete", key, "--lost", "--name", "other")
    assert keys_on(cli) == {(key, "SPARE", "present")}
    done = cli.ok("key", "delete", key, "--lost", "--name", "SPARE", "--json").data
    assert done == {"dry_run": False, "lost": [lost]}


def test_a_lost_key_that_a_live_jwt_needs_is_marked_and_stays(cli: Cli) -> None:
    cli.found_system()
    operator = cli.ok("operator", "show", "--json").data["subject"]
    done = cli.ok("key", "delete", operator, "--lost", "--name", "ACME")
    assert "marked as lost, since jwts name it" in done.out
    rows = {row["public_key"]: row for row in cli.ok("key", "list", "--json").data["keys"]}
    assert (rows[operator]["state"], rows[operator]["lost_at"] is None) == ("lost", False)
    assert refused(cli, "key", "delete").count("no key is named") == 1


def test_a_key_that_its_token_has_no_more_is_reported_with_the_way_out(cli: Cli) -> None:
    key = spare(cli)
    cli.ok("key", "delete", key, "--lost", "--name", "SPARE")
    cli.ok("key", "register", "--role", "account", "--name", "SPARE")
    entry = cli.store / "keyring.json"
    before = entry.read_text(encoding="ascii")
    cli.ok("key", "delete", key, "--name", "SPARE")
    entry.write_text(before, encoding="ascii")
    said = refused(cli, "key", "delete", key, "--name", "SPARE", code=4)
    assert "if its token is gone for good, add --lost" in said


def test_a_key_that_a_live_jwt_needs_is_not_deleted_and_the_jwts_are_named(cli: Cli) -> None:
    cli.found_system()
    operator = cli.ok("operator", "show", "--json").data["subject"]
    account = cli.ok("account", "show", "ORDERS", "--json").data["subject"]
    elsewhere = ("--module", "/nowhere.so")
    said = refused(cli, "key", "delete", operator, "--name", "ACME", *elsewhere, code=3)
    assert "it is in operator ACME (subject and issuer), account ORDERS of ACME (issuer), account SYS" in said
    said = refused(cli, "key", "delete", account, "--name", "ORDERS", *elsewhere, code=3)
    assert "account ORDERS of ACME (subject), user ORDERS/app of ACME (issuer)\nhint: " in said
    as_a_user = str(PublicKey(Role.USER, PublicKey.parse(account).raw))
    refused(cli, "key", "delete", as_a_user, "--name", "ORDERS", *elsewhere, code=3)


def test_a_key_that_another_operators_store_needs_is_not_deleted(cli: Cli) -> None:
    cli.found_system()
    account = cli.ok("account", "show", "ORDERS", "--json").data["subject"]
    cli.ok("operator", "add", "OTHER")
    refused(cli, "key", "delete", account, "--name", "ORDERS", "--operator", "OTHER", code=3)


def test_a_damaged_jwt_may_need_the_key_so_it_is_not_deleted(cli: Cli) -> None:
    cli.found_system()
    key = spare(cli)
    (path,) = cli.store.rglob("app.jwt")
    path.write_text("damaged")
    said = refused(cli, "key", "delete", key, "--name", "SPARE", code=1)
    assert "user ORDERS/app of ACME cannot be read, and may need the key" in said


def test_a_key_in_another_role_is_not_deleted(cli: Cli) -> None:
    key = PublicKey.parse(spare(cli))
    said = refused(
        cli, "key", "delete", str(PublicKey(Role.USER, key.raw)), "--name", "SPARE",
        "--token", cli.token.uri, code=4,
    )  # fmt: skip
    assert "its label has another role" in said


def test_a_key_that_another_program_made_is_taken_with_its_role_and_signs(cli: Cli) -> None:
    cli.token.import_ed25519(bytes(range(32)), label="Private key for Digital Signature", id=b"\x02")
    operator = str(PublicKey(Role.OPERATOR, SOFTWARE.public_key.raw))
    take = ("key", "register", "--role", "operator", "-n", "ACME", "--id", "02", "--json")
    assert cli.ok(*take, "--dry-run").data["dry_run"] is True
    assert not (cli.store / "keyring.json").exists()
    data = cli.ok(*take).data
    assert (data["public_key"], data["made"], data["role"]) == (operator, "found", "operator")
    assert cli.ok("operator", "add", "ACME", "--public-key", operator, "--json").data["issuer"] == operator
    assert keys_on(cli) == {(operator, "ACME", "present")}
    said = refused(cli, "key", "register", "--role", "account", "-n", "ORDERS")
    assert f"{KEY} is the same key as operator ACME ({operator}), and a key has one role" in said


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(("--id", "09"), 4, "0 Ed25519 keys with the id 09 are on", id="another-id"),
        pytest.param((), 4, "2 Ed25519 keys are on", id="which-of-two"),
        pytest.param(("--id", "x"), 2, "the id of a key is written in hex", id="no-hex"),
        pytest.param(("--id", "02"), 4, "its label has another role", id="another-role"),
    ],
)
def test_what_is_not_one_key_is_not_taken(cli: Cli, words: tuple[str, ...], code: int, said: str) -> None:
    cli.token.import_ed25519(bytes(range(32)), label="user:app", id=b"\x02")
    cli.token.import_ed25519(bytes(range(1, 33)), label="user:other", id=b"\x03")
    assert said in refused(cli, "key", "register", "--role", "account", "-n", "ORDERS", *words, code=code)
