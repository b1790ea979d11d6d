"""`seedless lint`: what it takes, what it prints, and how it ends."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from seedless.claims import Account, Operator, User
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey
from seedless.store import create_store

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Cli

NOW = 1_700_000_000
OPERATOR, ORDERS = SoftwareKey(Role.OPERATOR, bytes(32)), SoftwareKey(Role.ACCOUNT, bytes(32))
U = str(SoftwareKey(Role.USER, bytes(32)).public_key)
OPEN_LOGIN = f"authorization {{ users = [ {{ user: {U} }} ] }}\n"


def sign(key: SoftwareKey, claims: Claims[object]) -> Jwt[object]:
    made = draft(claims, key.public_key, NOW)
    return made.complete(key.sign(made.signing_input))


@pytest.fixture
def filled(cli: Cli) -> Cli:
    """A home with a store in order: an operator, an account and a user."""
    store = create_store(cli.store, "ACME")
    root = Claims(sub=str(OPERATOR.public_key), name="ACME", body=Operator.new())
    account = Claims(sub=str(ORDERS.public_key), name="ORDERS", body=Account.new())
    store.put(
        {
            (): sign(OPERATOR, root),
            ("ORDERS",): sign(OPERATOR, account),
            ("ORDERS", "app"): sign(ORDERS, Claims(sub=U, name="app", body=User.new())),
        }
    )
    return cli


def test_a_store_in_order_is_clean(filled: Cli) -> None:
    assert filled.ok("lint").out == "3 files looked at: nothing found\n"
    assert filled.ok("lint", "--json").data == {
        "ok": True, "looked_at": 3, "nats_server": None, "findings": [], "waived": [],
    }  # fmt: skip


def test_what_the_commands_make_is_clean(cli: Cli) -> None:
    cli.found_system()
    for words in (["--mem-resolver"], ["--nats-resolver"], ["--nkey", U]):
        cli.ok("server", "config", *words, "-o", str(cli.home / "s.conf"))
        done = cli.ok("lint", "--json", str(cli.home / "s.conf"))
        assert done.data["findings"] == []
        assert done.data["nats_server"].endswith("nats-server")
    done = cli.ok("lint")
    assert done.out == "5 files looked at: nothing found\n"
    assert not (cli.home / "jwt").exists()


def test_a_security_issue_in_a_configuration_ends_with_3(cli: Cli) -> None:
    path = cli.home / "s.conf"
    path.write_text(OPEN_LOGIN)
    told = f"anyone who knows the public key {U} is let in as this client, without a signature"
    for words in (["lint"], ["server", "lint"]):
        done = cli.run(*words, str(path))
        assert done.code == 3
        assert done.out.splitlines() == [
            f"error: S003 {path}:1:29: {told}",
            f'  hint: write nkey: "{U}"',
            "1 file looked at: 1 error",
        ]
        (finding,) = cli.run(*words, str(path), "--json").data["findings"]
        assert (finding["code"], finding["severity"], finding["where"]) == ("S003", "error", f"{path}:1:29")


def test_the_gravest_findings_come_first(cli: Cli) -> None:
    path = cli.home / "s.conf"
    path.write_text(f"no_auth_user: bob\n{OPEN_LOGIN.replace(U, 'bob')}")
    findings = cli.run("lint", str(path), "--json").data["findings"]
    assert [finding["code"] for finding in findings] == ["S004", "S008"]


def test_a_warning_ends_with_3_only_when_it_is_strict(cli: Cli) -> None:
    path = cli.home / "s.conf"
    path.write_text("port: 4222\n")
    assert cli.run("lint", str(path)).code == 0
    assert cli.run("lint", str(path), "--strict").code == 3
    assert cli.run("server", "lint", str(path), "--strict").code == 3


def test_what_is_allowed_is_shown_and_counted_and_ends_with_0(cli: Cli) -> None:
    path = cli.home / "s.conf"
    path.write_text(f"{OPEN_LOGIN}no_auth_user: a # seedless: allow S008 because guests may read\n")
    for words in (["lint"], ["server", "lint"]):
        done = cli.run(*words, str(path), "--allow", "S003", "--strict")
        assert done.code == 0
        assert [line.split(": ")[0] for line in done.out.splitlines()] == [
            *("waived", "  hint", "waived", "  hint", "1 file looked at")
        ]
        assert done.out.endswith("1 file looked at: nothing found, 2 waived\n")
        data = cli.run(*words, str(path), "--allow", "S003", "--json").data
        assert (data["ok"], data["findings"]) == (True, [])
        assert [finding["code"] for finding in data["waived"]] == ["S008", "S003"]


@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        ("S001", "S001 cannot be waived: it guards a promise"),
        ("S006", "S006 cannot be waived: it guards a promise"),
        ("G012", "G012 cannot be waived: it guards a promise"),
        ("P001", "P001 is a finding of the policy, which nothing waives"),
        ("S999", "no rule has the code S999"),
    ],
)
def test_a_code_that_cannot_be_allowed_is_refused(cli: Cli, code: str, refusal: str) -> None:
    path = cli.home / "s.conf"
    path.write_text(OPEN_LOGIN)
    for words in (["lint"], ["server", "lint"]):
        done = cli.run(*words, str(path), "--allow", code)
        assert (done.code, refusal in done.err) == (2, True)


def test_to_delete_requires_an_option(filled: Cli) -> None:
    path = filled.home / "s.conf"
    filled.ok("server", "config", "--mem-resolver", "-o", str(path))
    for words in (["lint"], ["server", "lint"]):
        codes = [
            [found["code"] for found in filled.run(*words, str(path), *option, "--json").data["findings"]]
            for option in ([], ["--wants-delete"])
        ]
        assert codes == [["S020"], ["S023", "S020"]]


def test_what_does_not_hold_now_ends_with_3(filled: Cli) -> None:
    claims = Claims(sub=U, name="app", body=User.new(), exp=NOW + 1)
    (filled.store / "stores/ACME/accounts/ORDERS/users/app.jwt").write_text(sign(ORDERS, claims).text)
    done = filled.run("lint")
    assert (done.code, done.out.splitlines()[0]) == (3, "timecheck: C001 user ORDERS/app exp: has expired")
    assert done.out.splitlines()[-1] == "3 files looked at: 1 timecheck"


def test_the_server_is_asked_what_the_rules_cannot_decide(cli: Cli) -> None:
    path = cli.home / "s.conf"
    path.write_text("authorization { token: x }\nocsp { mode: red }\n")
    done = cli.run("lint", str(path))
    assert done.code == 3
    assert done.out.splitlines()[0] == (
        f"error: S002 {path}:2: nats-server refuses it: "
        "error parsing ocsp config: unsupported ocsp mode string"
    )


def test_without_a_server_that_is_reported(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    path = cli.home / "s.conf"
    path.write_text("authorization { token: x }\nocsp { mode: red }\n")
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(cli.home))
    done = cli.run("lint", str(path), PATH=str(cli.home))
    assert done.code == 0
    assert done.err == f"nats-server is not installed: {path} is judged without it\n"


def test_jwts_creds_and_folders_are_known_by_what_they_are(filled: Cli) -> None:
    stores = filled.store / "stores"
    app = stores / "ACME/accounts/ORDERS/users/app.jwt"
    shutil.copy(app, filled.home / "app")
    for path, looked_at in (
        (app, 1), (filled.home / "app", 1), (filled.store, 3), (stores / "ACME", 3), (stores.parent, 3),
    ):  # fmt: skip
        assert filled.ok("lint", str(path), "--json").data["looked_at"] == looked_at, path
    done = filled.run("lint", str(filled.home))
    assert (done.code, done.err.splitlines()[0]) == (2, f"error: there is no store in {filled.home}")
    done = filled.run("lint", str(filled.home / "nope"))
    assert (done.code, done.err.splitlines()[0]) == (2, f"error: there is no file {filled.home}/nope")


def test_a_creds_file_whose_seed_is_of_another_is_reported(cli: Cli) -> None:
    cli.found_system()
    (creds,) = cli.store.rglob("app.creds")
    assert cli.run("lint", str(creds)).code == 0
    text = creds.read_text()
    start = text.index("\nSU") + 1
    creds.write_text(text.replace(text[start : start + 58], SoftwareKey.generate(Role.USER).reveal()))
    done = cli.run("lint", str(creds))
    assert done.code == 3
    assert "error: L001" in done.out
    assert "which is not the subject of the jwt" in done.out


def test_a_jwt_without_its_store_is_judged_by_itself(filled: Cli, tmp_path: Path) -> None:
    app = shutil.copy(filled.store / "stores/ACME/accounts/ORDERS/users/app.jwt", tmp_path / "app.jwt")
    done = filled.ok("lint", str(app), SEEDLESS_STORE=str(tmp_path / "empty"))
    assert done.out.splitlines()[0].startswith(f"warning: L005 {app} iss: its account {ORDERS.public_key}")


def test_a_damaged_jwt_is_a_finding(filled: Cli) -> None:
    path = filled.home / "app.jwt"
    path.write_text("eyJ.x.y")
    done = filled.run("lint", str(path))
    assert (done.code, done.out.splitlines()[-1]) == (3, "1 file looked at: 1 error")


def test_a_policy_is_asked_too(filled: Cli) -> None:
    path = filled.home / "policy.toml"
    other = SoftwareKey(Role.OPERATOR, bytes([1] * 32)).public_key
    path.write_text(f'operator = "{other}"\n')
    done = filled.run("lint", "--policy", str(path), "--json")
    assert done.code == 3
    assert {finding["code"] for finding in done.data["findings"]} == {"P001"}


def test_progress_is_reported_every_tenth_where_there_is_no_terminal(filled: Cli) -> None:
    users = filled.store / "stores/ACME/accounts/ORDERS/users"
    for number in range(250):
        key = PublicKey(Role.USER, number.to_bytes(32, "big"))
        claims = Claims(sub=str(key), name=f"u{number}", body=User.new())
        (users / f"u{number}.jwt").write_text(sign(ORDERS, claims).text)
    done = filled.ok("lint")
    assert done.out == "253 files looked at: nothing found\n"
    assert done.err.splitlines()[0] == "operator ACME: 26 of 253"
    assert done.err.splitlines()[-1] == "operator ACME: 253 of 253"
    assert len(done.err.splitlines()) == 10
