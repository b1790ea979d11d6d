"""`operator import` and `import account`: what others made, placed or signed here."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from seedless.claims import Account, Export, Operator
from seedless.jwt import Claims, draft, read
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py
    Stored = Any

OPERATOR = SoftwareKey(Role.OPERATOR, bytes(range(32)))
ACCOUNT = SoftwareKey(Role.ACCOUNT, bytes(range(1, 33)))
OTHER = SoftwareKey(Role.ACCOUNT, bytes(range(2, 34)))
NOW = 1_790_000_000
WISHES = replace(Account.new(), exports=(Export(subject="orders.>", type="stream"),))


def signed(claims: Claims[Any], key: SoftwareKey, at: int = NOW) -> str:
    made = draft(claims, key.public_key, at)
    return made.complete(key.sign(made.signing_input)).text


def operator_file(folder: Path, at: int = NOW, **members: Any) -> str:  # noqa: ANN401 - of an operator
    path = folder / f"operator-{at}.jwt"
    body = replace(Operator.new(), **members)
    path.write_text(signed(Claims(sub=str(OPERATOR.public_key), name="THEIRS", body=body), OPERATOR, at))
    return str(path)


def account_file(
    folder: Path,
    body: Account = WISHES,
    *,
    by: SoftwareKey = ACCOUNT,
    key: SoftwareKey = ACCOUNT,
    at: int = NOW,
) -> str:
    path = folder / "request.jwt"
    path.write_text(signed(Claims(sub=str(key.public_key), name="PARTNER", body=body), by, at) + "\n")
    return str(path)


def partner(cli: Cli, operator: str = "ACME", name: str = "PARTNER") -> Stored:
    return read((cli.store / f"stores/{operator}/accounts/{name}/{name}.jwt").read_text())


@pytest.fixture
def acme(cli: Cli) -> Cli:
    """A home with the operator ACME."""
    cli.ok("operator", "add", "ACME")
    return cli


def test_the_store_of_an_own_operator_comes_back_with_its_jwt_and_is_not_managed(cli: Cli) -> None:
    cli.found_system()
    operator = cli.ok("operator", "show", "--json").data
    shutil.rmtree(cli.store / "stores")
    assert cli.ok("operator", "import", "-", "--json", stdin=operator["jwt"]).data["managed"] is False
    cli.ok("account", "add", "LATER")
    assert cli.ok("account", "show", "LATER", "--json").data["issuer"] == operator["subject"]


def test_the_operator_of_others_gets_a_managed_store(cli: Cli) -> None:
    path = operator_file(cli.home)
    done = cli.ok("operator", "import", path, "--json", TOKEN_PIN=None)
    assert (done.data["subject"], done.data["managed"]) == (str(OPERATOR.public_key), True)
    assert (cli.store / "stores/THEIRS/THEIRS.jwt").read_text() in (
        cli.home / f"operator-{NOW}.jwt"
    ).read_text()
    assert '"managed":true' in (cli.store / "stores/THEIRS/.nsc").read_text().replace(" ", "")
    assert cli.ok("operator", "list", "--json").data["managed"] == ["THEIRS"]


def test_a_newer_jwt_of_an_operator_renews_its_store_and_an_older_one_does_not(cli: Cli) -> None:
    cli.ok("operator", "import", operator_file(cli.home))
    cli.ok("operator", "import", operator_file(cli.home, NOW + 5, tags=("new",)))
    assert cli.ok("operator", "show", "--field", "nats.tags", "--json").data["value"] == ["new"]
    done = cli.run("operator", "import", operator_file(cli.home))
    assert (done.code, 'operator "THEIRS" of the store is newer' in done.err) == (2, True)
    cli.ok("operator", "import", operator_file(cli.home), "--force")
    assert cli.ok("operator", "show", "--field", "iat", "--json").data["value"] == NOW


def test_an_import_of_an_operator_is_tried_dry(cli: Cli) -> None:
    done = cli.ok("operator", "import", operator_file(cli.home), "--dry-run", "--json")
    assert done.data["placements"] == [{"address": [], "removed": False, "reason": "imported"}]
    assert not (cli.store / "stores/THEIRS/THEIRS.jwt").exists()


def test_an_expired_operator_is_reported(cli: Cli) -> None:
    path = cli.home / "old.jwt"
    claims = Claims(sub=str(OPERATOR.public_key), name="THEIRS", body=Operator.new(), exp=NOW - 1_000_000_000)
    path.write_text(signed(claims, OPERATOR, NOW - 1_000_000_100))
    done = cli.ok("operator", "import", str(path))
    assert "timecheck: C001" in done.err


def test_a_request_is_signed_here_without_the_limits_that_it_gives_itself(acme: Cli) -> None:
    wishes = replace(WISHES, limits=replace(WISHES.limits, disk_storage=-1, streams=-1))
    done = acme.ok("import", "account", account_file(acme.home, wishes), "--json")
    assert "the limits that the request asks for are not granted" in done.err
    made = partner(acme)
    assert (done.data["signed"], made.claims.sub) == (True, str(ACCOUNT.public_key))
    assert str(made.issuer) == acme.ok("operator", "show", "--json").data["subject"]
    assert made.claims.body.exports == (Export(subject="orders.>", type="stream"),)
    assert made.claims.body.limits == Account.new().limits


def test_limits_of_a_request_are_granted_or_given(acme: Cli) -> None:
    wishes = replace(WISHES, limits=replace(WISHES.limits, conn=7))
    acme.ok("import", "account", account_file(acme.home, wishes), "--take-limits")
    assert partner(acme).claims.body.limits.conn == 7
    acme.ok(
        "import", "account", account_file(acme.home, wishes), "--overwrite", "--conns", "3",
        "--expiry", "2999-01-01",
    )  # fmt: skip
    assert (partner(acme).claims.body.limits.conn, partner(acme).claims.exp) == (3, 32472144000)


def test_a_request_again_keeps_the_limits_that_stand_and_is_later(acme: Cli) -> None:
    acme.ok("import", "account", account_file(acme.home), "--conns", "9")
    before = partner(acme)
    acme.ok("import", "account", account_file(acme.home, replace(WISHES, exports=())), "--overwrite")
    after = partner(acme)
    assert (after.claims.body.limits.conn, after.claims.body.exports) == (9, ())
    assert after.issued_at > before.issued_at


def test_a_request_comes_from_stdin_and_gets_another_name(acme: Cli) -> None:
    text = (acme.home / "request.jwt").read_text() if account_file(acme.home) else ""
    acme.ok("import", "account", "-", "--name", "SALES", stdin=text)
    assert partner(acme, name="SALES").claims.name == "SALES"


def test_an_account_of_the_same_operator_is_placed_as_it_is(acme: Cli) -> None:
    acme.ok("account", "add", "ORDERS")
    text = partner(acme, name="ORDERS").text
    (acme.home / "orders.jwt").write_text(text)
    acme.ok("account", "delete", "ORDERS")
    done = acme.ok("import", "account", str(acme.home / "orders.jwt"), "--json", TOKEN_PIN=None)
    assert done.data["signed"] is False
    assert partner(acme, name="ORDERS").text == text
    acme.ok("account", "edit", "ORDERS", "--conns", "1")
    late = acme.run("import", "account", str(acme.home / "orders.jwt"), "--overwrite")
    assert (late.code, 'account "ORDERS" of the store is newer' in late.err) == (2, True)


def test_an_account_of_another_operator_is_signed_here_by_force_alone(acme: Cli) -> None:
    path = account_file(acme.home, by=OPERATOR)
    done = acme.run("import", "account", path, TOKEN_PIN=None)
    assert (done.code, done.out) == (2, "")
    assert 'which is not a key of operator "ACME"' in done.err
    acme.ok("import", "account", path, "--force")
    assert str(partner(acme).issuer) == acme.ok("operator", "show", "--json").data["subject"]


def test_what_is_in_the_store_is_not_replaced_unasked(acme: Cli) -> None:
    acme.ok("import", "account", account_file(acme.home))
    files = acme.files()
    again = acme.run("import", "account", account_file(acme.home))
    assert (again.code, 'account "PARTNER" is in the store already' in again.err) == (2, True)
    other = acme.run("import", "account", account_file(acme.home, by=OTHER, key=OTHER), "--overwrite")
    assert (other.code, 'account "PARTNER" of the store has another key' in other.err) == (2, True)
    named = acme.run("import", "account", account_file(acme.home), "--name", "SALES")
    assert (named.code, 'as "PARTNER"' in named.err) == (2, True)
    assert acme.files() == files


def test_a_request_that_breaks_a_rule_is_refused_before_the_token_is_asked(acme: Cli) -> None:
    wishes = replace(WISHES, exports=(Export(subject="orders..x", type="stream"),))
    done = acme.run("import", "account", account_file(acme.home, wishes), TOKEN_PIN=None)
    assert (done.code, "C006" in done.err) == (3, True)


@pytest.mark.parametrize(
    ("noun", "text", "sentence"),
    [
        pytest.param(
            ["import", "account"],
            "operator",
            "this is a jwt of kind operator, and not of an account",
            id="operator",
        ),
        pytest.param(
            ["operator", "import"],
            "account",
            "this is a jwt of kind account, and not of an operator",
            id="account",
        ),
        pytest.param(["import", "account"], "nothing", "nothing.jwt", id="no file"),
    ],
)
def test_a_file_that_holds_something_else_is_refused_by_its_name(
    acme: Cli, noun: list[str], text: str, sentence: str
) -> None:
    files = {
        "operator": operator_file(acme.home),
        "account": account_file(acme.home),
        "nothing": "nothing.jwt",
    }
    done = acme.run(*noun, files[text], TOKEN_PIN=None)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err


def test_an_account_of_a_managed_store_signs_itself_and_the_operator_signs_the_request(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    cli.ok("operator", "show", "--raw", "--output", str(cli.home / "ACME.jwt"))
    theirs = {"SEEDLESS_STORE": str(cli.home / "theirs")}
    cli.ok("operator", "import", str(cli.home / "ACME.jwt"), **theirs)
    done = cli.ok("account", "add", "PARTNER", "--conns", "7", **theirs)
    assert "warning: T001" in done.err
    assert 'is a request, signed by itself: servers refuse it until operator "ACME" signs it' in done.err
    assert "send this request to the operator: seedless account show PARTNER --raw\n" in done.err
    cli.ok("user", "add", "-a", "PARTNER", "till", **theirs)
    made = read((cli.home / "theirs/stores/ACME/accounts/PARTNER/PARTNER.jwt").read_text())
    assert (str(made.issuer), made.claims.body.limits.conn) == (made.claims.sub, 7)
    verdicts = cli.run("verify", "--json", **theirs)
    assert verdicts.code == 3
    assert [one["trust"] for one in verdicts.data["jwts"]] == [
        "trusted",
        "a request, not signed by the operator yet",
        "its account is a request, not signed by the operator yet",
    ]
    # An edit asks again; then the operator signs, and its jwt takes the place of the request.
    cli.ok("account", "edit", "PARTNER", "--conns", "9", **theirs)
    cli.ok("account", "show", "PARTNER", "--raw", "--output", str(cli.home / "request.jwt"), **theirs)
    cli.ok("import", "account", str(cli.home / "request.jwt"), "--take-limits")
    assert partner(cli).claims.body.limits.conn == 9
    cli.ok("account", "show", "PARTNER", "--raw", "--output", str(cli.home / "signed.jwt"))
    cli.ok("import", "account", str(cli.home / "signed.jwt"), "--overwrite", **theirs)
    assert cli.ok("verify", **theirs).code == 0
