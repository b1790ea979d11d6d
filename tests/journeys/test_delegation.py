"""Keys that the token delegates: a service signs users with them on a real server, and they end."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from seedless import (
    Account,
    Claims,
    Refused,
    Remote,
    Role,
    SoftwareKey,
    StoreError,
    UsageError,
    User,
    Workspace,
    sign,
)
from seedless.app.delegation import DelegatedKey, read_key
from seedless.claims import Permission, Template
from seedless.creds import parse_key
from seedless.server_config import full

sys.path.insert(0, str(Path(__file__).parents[1]))

from office import Office, open_office

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Cli, NatsServer

    import pytest_softhsm

    OpenSession = Callable[..., Any]

START = """
from seedless import Workspace
ws = Workspace(**ARGUMENTS)
key = ws.delegations.add("ORDERS", role="service", expiry="12h").sign()
result["key"] = str(key.public_key)
import json
json.dump(result, open(OUT, "w"))
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def office(
    few_tokens: None, softhsm_token: pytest_softhsm.Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Office:
    """An office with the account ORDERS, whose role service may use `orders.NAME`."""
    made = open_office(softhsm_token, tmp_path, monkeypatch)
    with made.workspace() as ws:
        ws.operators.add("ACME", system_account=True).sign()
        ws.accounts.add("ORDERS").sign()
        template = Template.new()
        allowed = Permission(allow=("orders.{{name()}}",))
        ws.signing_keys.add(
            "ORDERS", role="service", template=type(template)(pub=allowed, sub=allowed, subs=9)
        ).sign()
    return made


@pytest.fixture
def server(office: Office, nats_server: Callable[[str], NatsServer]) -> NatsServer:
    """A server of the operator ACME."""
    with office.workspace() as ws:
        return nats_server(full(ws.operator(), ws.all_accounts(), allow_delete=True))


def user_of(key: DelegatedKey, name: str = "ann", **members: int) -> tuple[SoftwareKey, Any]:
    """A user that *key* has signed, with the key of the user."""
    pair = SoftwareKey.generate(Role.USER)
    return pair, key.sign_user(Claims(sub=str(pair.public_key), name=name, body=User.new(), **members))


def test_a_delegated_key_signs_users_that_log_in_until_it_ends_which_closes_their_connections(
    office: Office, server: NatsServer, session: OpenSession
) -> None:
    there = Remote(urls=(server.url,))
    with office.workspace() as ws:
        key = ws.delegations.add("ORDERS", role="service", expiry="12h").sign()
        ws.delegations.push("ORDERS", there)
        client = session(server.url, *user_of(key))
        assert client.refusal == ""
        client.subscribe("orders.ann")
        client.publish("orders.ann", b"1")
        assert client.message() == b"1"
        with pytest.raises(UsageError, match="may be valid until"):
            ws.delegations.end("ORDERS", key.public_key)
        ws.delegations.end("ORDERS", key.public_key, now=True).sign()
        ws.delegations.push("ORDERS", there)
        client.flush()
        assert client.refusal != ""
        assert session(server.url, *user_of(key, "bob")).refusal == "Authorization Violation"
        assert ws.delegations.entries() == ()
        assert len(ws.account("ORDERS").claims.body.signing_keys) == 1


def test_a_second_key_beside_the_first_keeps_its_users_until_they_expire(
    office: Office, server: NatsServer, session: OpenSession
) -> None:
    there = Remote(urls=(server.url,))
    seconds = [0.0]
    with office.workspace(clock=lambda: time.time() + seconds[0]) as ws:
        first = ws.delegations.add("ORDERS", role="service", expiry="12h").sign()
        ws.delegations.push("ORDERS", there)
        client = session(server.url, *user_of(first, exp=int(time.time()) + 600))
        second = ws.delegations.renew(first, expiry="12h").sign()
        ws.delegations.push("ORDERS", there)
        ws.delegations.stop(first)
        client.flush()
        assert client.refusal == ""
        assert session(server.url, *user_of(second, "bob")).refusal == ""
        with pytest.raises(Refused, match="has ended"):
            user_of(first)
        states = {
            one.public_key: (one.state, one.until - first.last_expiry) for one in ws.delegations.entries()
        }
        assert states[first.public_key] == ("ended", 0)
        assert states[second.public_key][0] == "active"
        seconds[0] = 601
        ended = ws.delegations.end("ORDERS").sign()
        assert ended.changed
        assert [one.public_key for one in ws.delegations.entries()] == [second.public_key]


def test_a_key_whose_process_was_killed_is_listed_as_lost_and_the_next_start_removes_it(
    office: Office,
) -> None:
    given = office.folder / "start.py"
    out = office.folder / "started.json"
    given.write_text(
        f"import os\nARGUMENTS = {office.arguments!r}\nOUT = {str(out)!r}\nresult = {{}}\n{START}"
    )
    done = subprocess.run([sys.executable, str(given)], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    with office.workspace() as ws:
        (lost,) = ws.delegations.entries()
        assert (lost.account, lost.role, lost.state, lost.is_listed) == ("ORDERS", "service", "lost", True)
        made = ws.delegations.add("ORDERS", role="service", expiry="12h")
        assert [notice.is_warning for notice in made.notices] == [True]
        key = made.sign()
        (left,) = ws.delegations.entries("ORDERS")
        assert (left.public_key, left.state) == (key.public_key, "active")
        assert len(ws.account("ORDERS").claims.body.signing_keys) == 2
        again = ws.delegations.add("ORDERS", role="service", expiry="12h")
        assert again.notices == ()  # a key that is held is nobody's to remove
    assert not list((office.folder / "store" / "delegations").glob(f"{lost.public_key}*"))


def test_hold_gives_a_key_that_servers_have_and_removes_it_at_the_end(
    office: Office, server: NatsServer, session: OpenSession
) -> None:
    with office.workspace() as ws:
        with ws.delegations.hold("ORDERS", role="service", expiry="1h", remote=server.url) as key:
            assert repr(key) == f"DelegatedKey({key.public_key})"
        assert ws.delegations.entries() == ()
        with ws.delegations.hold("ORDERS", role="service", expiry="1h", remote=server.url) as key:
            client = session(server.url, *user_of(key))
        client.flush()
        assert client.refusal == ""  # what it signed is valid, so the account keeps the key
        assert [one.state for one in ws.delegations.entries()] == ["ended"]


def test_a_delegated_key_signs_users_that_expire_before_its_end_and_nothing_else(office: Office) -> None:
    with office.workspace() as ws:
        key = ws.delegations.add("ORDERS", role="service", expiry="1h").sign()
    assert user_of(key)[1].claims.exp == key.until
    with pytest.raises(Refused, match=r"expires at .* at the latest"):
        user_of(key, exp=key.until + 1)
    own = SoftwareKey.generate(Role.ACCOUNT)
    with pytest.raises(Refused, match="signs users only"):
        sign(Claims(sub=str(own.public_key), name="X", body=Account.new()), key)
    for message in (b"", b"nonce", b"a.b", b"eyJ.%%", "ü.ü".encode()):
        with pytest.raises(Refused, match="signs users only"):
            key.sign(message)


def test_a_pipeline_has_the_key_in_a_file_of_0600_until_it_ends(
    cli: Cli, nats_server: Callable[[str], NatsServer], session: OpenSession
) -> None:
    cli.found_system()
    cli.ok("account", "signing-key", "add", "-a", "ORDERS", "--role", "web", "--allow-pub", "web.>")
    server = nats_server(cli.ok("server", "config", "--nats-resolver").out)
    cli.ok("push", "--all", "--url", server.url)
    path = cli.home / "web.nk"
    added = cli.ok(
        "delegate", "add", "ORDERS", "--role", "web", "--for", "12h", "--out", str(path), "--url", server.url
    )
    key = added.out.split()[0]
    assert (path.stat().st_mode & 0o777, "BEGIN ACCOUNT NKEY SEED" in path.read_text()) == (0o600, True)
    path.chmod(0o640)
    with pytest.raises(StoreError, match="is open to others") as open_to_others:
        read_key(Workspace(cli.store), path)
    assert open_to_others.value.hint == f"chmod 600 {path}"
    path.chmod(0o600)
    read = read_key(Workspace(cli.store), path)
    assert (str(read.public_key), read.role) == (key, "web")
    client = session(server.url, *user_of(read))
    assert client.refusal == ""
    listed = cli.ok("delegate", "list", "--json").data["delegations"]
    assert [(one["public_key"], one["state"], one["file"]) for one in listed] == [(key, "active", str(path))]
    early = cli.run("delegate", "end", "ORDERS", key)
    assert (early.code, "--now" in early.err) == (2, True)
    cli.ok("delegate", "end", "ORDERS", key, "--now", "--url", server.url)
    client.flush()
    assert (client.refusal != "", path.exists()) == (True, False)
    assert cli.ok("delegate", "list").out == "no key is delegated\n"
    assert cli.ok("delegate", "end", "ORDERS").out == "account ORDERS: nothing to change\n"
    assert not cli.store.joinpath("keys", "keys", "A", key[1:3], f"{key}.nk").exists()


def test_a_stolen_seed_signs_users_of_its_role_and_account_until_its_key_is_removed_and_nothing_more(
    office: Office, server: NatsServer, session: OpenSession
) -> None:
    there, path = Remote(urls=(server.url,)), office.folder / "stolen.nk"
    with office.workspace() as ws:
        key = ws.delegations.add("ORDERS", role="service", expiry="1h", file=path).sign().public_key
        ws.delegations.push("ORDERS", there)
        seed = parse_key(path.read_text())
        orders, system = ws.account("ORDERS").claims.sub, ws.account("SYS").claims.sub
        now = int(time.time())

        def refusal(body: User, expiry: int = 0) -> str:
            pair = SoftwareKey.generate(Role.USER)
            claims = Claims(sub=str(pair.public_key), name="mallory", body=body, exp=expiry)
            return str(session(server.url, pair, sign(claims, seed, now=now)).refusal)

        role, refused = User.scoped(orders), "Authorization Violation"
        assert refusal(role) == "", "servers know no end of a key: a user without one is let in"
        assert refusal(role, now + 10**9) == ""
        everything = replace(User.new(), issuer_account=orders, pub=Permission(allow=(">",)))
        assert refusal(everything) == refused
        assert refusal(User.scoped(system)) == refused
        assert refusal(User.new()) == refused, "the key is not an account"
        ws.delegations.end("ORDERS", key, now=True).sign()
        ws.delegations.push("ORDERS", there)
        assert refusal(role) == refused


def test_the_command_line_renews_reports_and_removes_what_nothing_here_has_recorded(cli: Cli) -> None:
    cli.found_system()
    cli.ok("account", "signing-key", "add", "-a", "ORDERS", "--role", "web", "--allow-pub", "web.>")
    first, second = cli.home / "1.nk", cli.home / "2.nk"
    words = ("delegate", "add", "ORDERS", "--role", "web", "--for", "12h", "--out", str(first))
    before = cli.files()
    cli.ok(*words, "--dry-run")
    assert (cli.files(), first.exists()) == (before, False)
    key = cli.ok(*words).out.split()[0]
    again = cli.run(*words)
    assert (again.code, "exists, and is not replaced" in again.err) == (2, True)
    new = cli.ok("delegate", "renew", key, "--for", "1h", "--out", str(second), "--json").data
    states = {
        one["public_key"]: one["state"] for one in cli.ok("delegate", "list", "--json").data["delegations"]
    }
    assert states == {key: "active", new["key"]: "active"}
    for wrong, sentence in (
        (
            ("add", "ORDERS", "--role", "db", "--for", "1h", "--out", "x"),
            "is not a signing key or role of account ORDERS\nhint: there are: web\n",
        ),
        (("add", "ORDERS", "--role", "web", "--for", "0", "--out", "x"), "a delegation ends"),
        (
            ("renew", str(SoftwareKey.generate(Role.ACCOUNT).public_key), "--for", "1h", "--out", "x"),
            "is not a delegated",
        ),
        (("end", "ORDERS", str(SoftwareKey.generate(Role.ACCOUNT).public_key)), "is not a delegated key"),
    ):
        done = cli.run("delegate", *wrong)
        assert (done.code, sentence in done.err) == (2, True), done
    gone = cli.run(*words[:-1], str(cli.home / "3.nk"), "--url", "nats://127.0.0.1:1")
    assert (
        "hint: account ORDERS is signed and in the store: seedless push ORDERS sends it; is the" in gone.err
    )
    known = {one["public_key"] for one in cli.ok("delegate", "list", "--json").data["delegations"]}
    cli.ok("delegate", "end", "ORDERS", *(known - states.keys()), "--now")
    (cli.store / "delegations.json").unlink()
    listed = cli.ok("delegate", "list", "ORDERS", "--json").data["delegations"]
    assert [one["state"] for one in listed] == ["unknown", "unknown"]
    assert cli.run("delegate", "end", "ORDERS", key).code == 2
    cli.ok("delegate", "end", "ORDERS", key, new["key"], "--now")
    assert len(Workspace(cli.store).account("ORDERS").claims.body.signing_keys) == 1
    (cli.store / "delegations.json").write_text('{"version": 1}')
    damaged = cli.run("delegate", "list")
    assert (damaged.code, "delegations.json is damaged" in damaged.err) == (1, True)


def test_files_and_rotations_are_about_other_keys_than_delegated_ones(office: Office) -> None:
    with office.workspace() as ws:
        (own,) = ws.account("ORDERS").claims.body.signing_keys
        key = ws.delegations.add("ORDERS", role="service", expiry="1h").sign()
        assert str(key.public_key) not in str(ws.desired.export())
        rotation = ws.rotations.account_key("ORDERS")
        assert rotation.replacement is not None
        assert str(rotation.replacement.old) == own.key  # type: ignore[union-attr]  # a scope
        path = office.folder / "acme.toml"
        path.write_text(f'[accounts.ORDERS.signing_keys.service]\nkey = "{own.key}"\n')  # type: ignore[union-attr]  # a scope
        assert ws.desired.preview(path, prune=True).is_empty


POLICY = """
operator = "{operator}"
{more}
"""


@pytest.mark.parametrize(
    ("more", "finding"),
    [
        ("", "the policy does not allow that"),
        ('[delegations]\naccounts = ["*"]\nroles = ["service"]\nlongest = "12h"', ""),
        (
            '[delegations]\naccounts = ["*"]\nroles = ["s*"]\nlongest = "11h"',
            "and the policy allows 11h at most",
        ),
        ('[delegations]\naccounts = ["*"]\nroles = ["web"]\nlongest = "1d"', "which is not like web"),
        (
            '[delegations]\naccounts = ["{operator}"]\nroles = ["*"]\nlongest = "1d"'.replace(
                "{operator}", "AAFVCOWZWSJEAFOKBEBO2B4QITJ2YXN6YIYG6BUURQINVDVW4OPS3YM3"
            ),
            "does not allow that for this account",
        ),
    ],
)
def test_the_policy_decides_whose_role_is_delegated_and_for_how_long(
    office: Office, more: str, finding: str
) -> None:
    path = office.folder / "policy.toml"
    operator = office.workspace().operator().claims.sub
    # A policy that names signing keys cannot know a delegated one.
    known = '[named]\nsigning-keys = ["{}"]'
    own = office.workspace().account("ORDERS").claims.body.signing_keys[0]
    path.write_text(POLICY.format(operator=operator, more=f"{more}\n{known.format(own.key)}"))  # type: ignore[union-attr]  # a scope
    with office.workspace(policy=path) as ws:
        made = ws.delegations.add("ORDERS", role="service", expiry="12h")
        found = [one.text for one in made.report.errors]
        assert [finding in one for one in found] == ([True] if finding else [])
        if not finding:
            made.sign()
            ws.accounts.edit("ORDERS", tags=["a"]).sign()  # the key that is listed is no finding
