"""`seedless key import, audit, delete`: what they do, what they refuse, and what they never show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from pathlib import Path

    Desk = Any  # the fixture in tests/conftest.py

SOFTWARE = SoftwareKey(Role.ACCOUNT, bytes(range(32)))
SEED = SOFTWARE.reveal()
KEY = str(SOFTWARE.public_key)
ORDERS = ("key", "import", "--role", "account", "--name", "ORDERS")


def written(path: Path, text: str, mode: int = 0o600) -> str:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return str(path)


def keys_on(desk: Desk) -> set[tuple[str | None, str, str]]:
    listed = desk.ok("key", "list", "--token", desk.token.uri, "--json").data["keys"]
    return {(key["public_key"], key["name"], key["state"]) for key in listed}


def refused(desk: Desk, *words: str, code: int = 2, **given: Any) -> str:  # noqa: ANN401 - stdin and environment
    """Run what must be refused with *code*; return what was said. No seed is in it, and nothing changed."""
    before = desk.files()
    done = desk.run(*words, **given)
    assert (done.code, done.out) == (code, ""), done
    assert SEED not in done.err
    assert SEED[6:20] not in done.err
    assert desk.files() == before
    said: str = done.err
    return said


def test_a_seed_from_a_key_file_is_put_on_the_token_and_noted_as_imported(desk: Desk, tmp_path: Path) -> None:
    file = written(tmp_path / "ORDERS.nk", SEED + "\n")
    done = desk.ok(*ORDERS, file, "--json")
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
    (noted,) = desk.ok("key", "list", "--json").data["keys"]
    assert (noted["public_key"], noted["made"], noted["name"]) == (KEY, "import", "ORDERS")
    assert keys_on(desk) == {(KEY, "ORDERS", "present")}
    assert not any(SEED in path.read_text() for path in desk.store.rglob("*") if path.is_file())


def test_an_imported_operator_key_signs(desk: Desk) -> None:
    operator = SoftwareKey(Role.OPERATOR, bytes(range(1, 33)))
    desk.ok("key", "import", "--role", "operator", "-n", "ACME", stdin=operator.reveal())
    made = desk.ok("operator", "add", "ACME", "--public-key", str(operator.public_key), "--json").data
    assert (made["subject"], made["issuer"]) == (str(operator.public_key), str(operator.public_key))


def test_a_seed_comes_from_stdin_or_a_creds_file_too(desk: Desk) -> None:
    desk.ok(*ORDERS, "-", stdin=f"  {SEED}\r\n")
    desk.found_system()
    (creds,) = (desk.store / "keys").rglob("app.creds")
    desk.ok("key", "import", "--role", "user", "-n", "app", str(creds))
    user = desk.ok("user", "show", "-a", "ORDERS", "app", "--json").data["subject"]
    assert (user, "app", "present") in keys_on(desk)


def test_an_import_that_is_only_shown_opens_no_token(desk: Desk) -> None:
    done = desk.ok(*ORDERS, "--dry-run", "--json", "--module", "/nowhere.so", stdin=SEED)
    assert (done.data["dry_run"], done.data["public_key"]) == (True, KEY)
    assert not desk.store.exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(SEED[:-1], "stdin: a seed has 58 characters, not 57", id="a-character-short"),
        pytest.param(SEED[:-1] + "A", "stdin: the checksum", id="a-slip-of-the-pen"),
        pytest.param("nothing", "stdin: the text holds no seed", id="no-seed"),
        pytest.param("", "stdin: the text holds no seed", id="nothing"),
    ],
)
def test_what_holds_no_seed_is_refused_before_the_token(desk: Desk, given: str, said: str) -> None:
    assert said in refused(desk, *ORDERS, "--module", "/nowhere.so", code=1, stdin=given)


def test_a_seed_as_an_argument_is_refused(desk: Desk) -> None:
    said = refused(desk, *ORDERS, SEED)
    assert "error: a seed is not given as an argument" in said
    assert "hint: take this key out of use" in said


def test_a_seed_of_another_role_is_refused(desk: Desk) -> None:
    said = refused(desk, "key", "import", "--role", "operator", "-n", "ACME", stdin=SEED)
    assert "the seed is of the role account, and not of the role operator" in said


def test_a_key_that_the_inventory_has_in_another_role_is_refused_before_the_token(desk: Desk) -> None:
    desk.ok(*ORDERS, stdin=SEED)
    twin = SoftwareKey(Role.USER, bytes(range(32)))
    said = refused(
        desk, "key", "import", "--role", "user", "-n", "app", "--module", "/nowhere.so", stdin=twin.reveal()
    )
    assert f"{twin.public_key} is the same key as {KEY}, and a key has one role" in said


def test_a_key_that_the_token_has_is_refused(desk: Desk) -> None:
    desk.token.import_ed25519(bytes(range(32)), label="account:OLD", id=b"\x07")
    said = refused(desk, *ORDERS, code=4, stdin=SEED)
    assert f'has the key {KEY} already, as "account:OLD" (id 07)' in said


def test_a_key_file_that_others_can_read_is_told(desk: Desk, tmp_path: Path) -> None:
    file = written(tmp_path / "ORDERS.nk", SEED, 0o644)
    done = desk.ok(*ORDERS, file, "--dry-run")
    assert f"warning: others on this machine can read {file}, and may have done so\n" in done.err
    quiet = desk.ok(*ORDERS, written(tmp_path / "quiet.nk", SEED), "--dry-run")
    assert "warning" not in quiet.err


def test_a_key_file_that_is_not_there_is_said_so(desk: Desk, tmp_path: Path) -> None:
    assert "cannot read" in refused(desk, *ORDERS, str(tmp_path / "none.nk"))
