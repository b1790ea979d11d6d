"""`seedless user import`: a jwt that was made elsewhere is placed as it is, or told what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from seedless.claims import User
from seedless.creds import format_creds, parse_creds
from seedless.jwt import Claims, draft, read
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.jwt import Jwt

    Cli = Any  # the fixture in tests/conftest.py

ACCOUNT, SIGNING, STRANGER = (SoftwareKey(Role.ACCOUNT, bytes([n]) * 32) for n in (41, 42, 43))
APP = SoftwareKey(Role.USER, bytes([44]) * 32)
OF = 'user "app" is of account'
TIME = 1_750_000_000


@pytest.fixture
def system(cli: Cli) -> Cli:
    """The account ELSEWHERE, whose keys are not here."""
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ELSEWHERE", "--public-key", str(ACCOUNT.public_key),
            "--set", f'signing_keys=["{SIGNING.public_key}"]')  # fmt: skip
    return cli


def signed(key: SoftwareKey = ACCOUNT, *, at: int = TIME, name: str = "app", **members: Any) -> Jwt[Any]:  # noqa: ANN401 - of a user
    body = User(subs=-1, data=-1, payload=-1, **members)
    made = draft(Claims(sub=str(APP.public_key), name=name, body=body), key.public_key, at)
    return made.complete(key.sign(made.signing_input))


def written(cli: Cli, text: str) -> str:
    file: Path = cli.home / "given"
    file.write_text(text)
    return str(file)


def test_a_jwt_is_placed_byte_for_byte_and_no_token_is_opened(system: Cli) -> None:
    jwt = signed()
    done = system.ok("user", "import", written(system, f"{jwt.text}\n"), TOKEN_PIN="0000")
    assert done.out == "user app: imported into account ELSEWHERE\n"
    assert "user app (placed at ELSEWHERE/app: imported)\n" in done.err
    assert (system.store / "stores/ACME/accounts/ELSEWHERE/users/app.jwt").read_text() == jwt.text


def test_a_user_by_a_signing_key_that_names_its_account_is_placed(system: Cli) -> None:
    jwt = signed(SIGNING, issuer_account=str(ACCOUNT.public_key))
    done = system.ok("user", "import", "-", "--json", stdin=jwt.text)
    assert (done.data["jwt"], done.data["account"], done.data["creds"]) == (jwt.text, "ELSEWHERE", None)


def test_the_seed_of_a_creds_file_is_kept(system: Cli) -> None:
    jwt = signed()
    done = system.ok("user", "import", written(system, format_creds(jwt, APP)), "--json")
    creds = parse_creds((system.store / "keys/creds/ACME/ELSEWHERE/app.creds").read_text())
    assert (creds.jwt.text, creds.key.public_key) == (jwt.text, APP.public_key)
    assert done.data["creds"] == str(system.store / "keys/creds/ACME/ELSEWHERE/app.creds")


def test_a_seed_of_somebody_else_is_refused(system: Cli) -> None:
    text = format_creds(signed(), APP).replace(APP.reveal(), SoftwareKey(Role.USER, bytes(32)).reveal())
    done = system.run("user", "import", written(system, text))
    assert done.code == 2
    assert "which is not the subject of the jwt" in done.err
    assert not (system.store / "stores/ACME/accounts/ELSEWHERE/users/app.jwt").exists()


@pytest.mark.parametrize(
    ("jwt", "sentence"),
    [
        pytest.param(signed(STRANGER), f"{OF} {STRANGER.public_key}, which is not in", id="account"),
        pytest.param(
            signed(STRANGER, issuer_account=str(ACCOUNT.public_key)),
            f'user "app" is issued by {STRANGER.public_key}, which is not a key of account "ELSEWHERE"',
            id="issuer",
        ),
        pytest.param(signed(SIGNING), f"{OF} {SIGNING.public_key}, which is not in", id="account not named"),
        pytest.param(signed(name=""), "stdin: the user has no name", id="no name"),
        pytest.param(signed(name="/" * 84), "the name ", id="no name of a file"),
    ],
)  # fmt: skip
def test_a_user_that_servers_would_refuse_is_a_sentence(system: Cli, jwt: Jwt[Any], sentence: str) -> None:
    before = system.files()
    done = system.run("user", "import", "-", stdin=jwt.text)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {sentence}")
    assert system.files() == before


def test_a_jwt_of_another_kind_is_a_sentence(system: Cli) -> None:
    account = system.ok("account", "show", "ELSEWHERE", "--raw").out
    done = system.run("user", "import", "-", stdin=account)
    assert done.err.startswith("error: stdin: this is a jwt of kind account, and not a user's\n")


def test_a_finding_about_a_user_refuses_its_import(system: Cli) -> None:
    jwt = signed(src=("anywhere",))
    done = system.run("user", "import", "-", stdin=jwt.text)
    assert done.code == 3
    assert "user app nats.src[0]" in done.err


@pytest.mark.parametrize(
    ("at", "words", "code", "told"),
    [
        pytest.param(TIME + 1, [], 2, 'user "app" is in the store already', id="not asked to"),
        pytest.param(TIME + 1, ["--overwrite"], 0, "user app (placed at ELSEWHERE/app", id="newer"),
        pytest.param(
            TIME - 1, ["--overwrite"], 2, 'user "app" of the store is newer: issued 2025-06-15', id="older"
        ),
    ],
)
def test_a_user_of_the_store_gives_way_to_a_newer_jwt_only(
    system: Cli, at: int, words: list[str], code: int, told: str
) -> None:
    system.ok("user", "import", "-", stdin=signed().text)
    done = system.run("user", "import", "-", *words, stdin=signed(at=at).text)
    assert done.code == code
    assert told in done.err


def test_another_user_of_the_same_name_stays(system: Cli) -> None:
    system.ok("user", "import", "-", stdin=signed().text)
    other = SoftwareKey(Role.USER, bytes(32))
    made = draft(Claims(sub=str(other.public_key), name="app", body=User.new()), ACCOUNT.public_key, TIME + 5)
    text = made.complete(ACCOUNT.sign(made.signing_input)).text
    done = system.run("user", "import", "-", "--overwrite", stdin=text)
    assert done.code == 2
    assert done.err.startswith('error: user "app" of the store has another key, ')
    assert read(system.ok("user", "show", "-a", "ELSEWHERE", "app", "--raw").out.strip()).claims.sub == str(
        APP.public_key
    )


def test_an_import_can_be_tried_dry(system: Cli) -> None:
    before = system.files()
    dry = system.ok("user", "import", "-", "--dry-run", "--json", stdin=signed().text).data
    assert dry["placements"] == [{"address": ["ELSEWHERE", "app"], "removed": False, "reason": "imported"}]
    assert system.files() == before
