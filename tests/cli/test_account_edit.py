"""`account edit` and `account show`: what options say of an account that stands."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from seedless.claims import JetStreamLimits, MessageTrace, Permission, ResponsePermission
from seedless.jwt import read
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py
    Stored = Any

OWN_ACCOUNT = str(SoftwareKey(Role.ACCOUNT, bytes(range(32))).public_key)
OWN_OPERATOR = str(SoftwareKey(Role.OPERATOR, bytes(range(32))).public_key)
GB = 1000**3


@pytest.fixture
def orders(cli: Cli) -> Cli:
    """A home with the account ORDERS."""
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS", "--conns", "5", "--tag", "env:prod", "--deny-pub", "secret.>")
    return cli


def body(cli: Cli, name: str = "ORDERS") -> Stored:
    return stored(cli, name).claims.body


def stored(cli: Cli, name: str = "ORDERS") -> Stored:
    return read((cli.store / "stores/ACME/accounts" / name / f"{name}.jwt").read_text())


def test_what_no_option_names_stays_and_the_jwt_is_later(orders: Cli) -> None:
    before = stored(orders)
    done = orders.ok("account", "edit", "ORDERS", "--leaf-conns", "2", "--json")
    after = stored(orders)
    assert (done.data["changed"], done.data["jwt"]) == (True, after.text)
    assert (after.claims.body.limits.conn, after.claims.body.limits.leaf) == (5, 2)
    assert after.claims.body.tags == ("env:prod",)
    assert after.claims.body.default_permissions.pub.deny == ("secret.>",)
    assert after.issued_at > before.issued_at
    assert (after.claims.sub, after.issuer) == (before.claims.sub, before.issuer)


@pytest.mark.parametrize(
    ("words", "member", "value"),
    [
        pytest.param(["--conns", "-1"], "conn", -1, id="connections"),
        pytest.param(["--subscriptions", "7"], "subs", 7, id="subscriptions"),
        pytest.param(["--exports", "3"], "exports", 3, id="exports"),
        pytest.param(["--imports", "0"], "imports", 0, id="imports"),
        pytest.param(["--data", "1K"], "data", 1000, id="data"),
        pytest.param(["--payload", "1MiB"], "payload", 1024**2, id="payload"),
        pytest.param(["--no-wildcard-exports"], "wildcards", False, id="no wildcard exports"),
        pytest.param(["--disallow-bearer"], "disallow_bearer", True, id="no bearers"),
    ],
)
def test_limits_have_the_options_of_nsc(orders: Cli, words: list[str], member: str, value: object) -> None:
    orders.ok("account", "edit", "ORDERS", *words)
    assert getattr(body(orders).limits, member) == value


def test_description_url_and_traffic_are_set_and_emptied(orders: Cli) -> None:
    orders.ok(
        "account", "edit", "ORDERS", "--description", "what is ordered", "--info-url", "https://acme.example/o",
        "--cluster-traffic", "owner",
    )  # fmt: skip
    said = body(orders)
    assert (said.description, said.info_url, said.cluster_traffic) == (
        "what is ordered", "https://acme.example/o", "owner",
    )  # fmt: skip
    orders.ok("account", "edit", "ORDERS", "--description", "", "--info-url", "", "--cluster-traffic", "none")
    said = body(orders)
    assert (said.description, said.info_url, said.cluster_traffic) == ("", "", "")


def test_tags_come_and_go_without_regard_to_case(orders: Cli) -> None:
    orders.ok(
        "account", "edit", "ORDERS", "--tag", "Team:A,team:b", "--rm-tag", "ENV:PROD", "--tag", "team:a"
    )
    assert body(orders).tags == ("team:a", "team:b")


def test_permissions_are_added_to_and_removed_from_all_lists(orders: Cli) -> None:
    orders.ok(
        "account", "edit", "ORDERS", "--allow-pubsub", "orders.>", "--allow-sub", "_INBOX.>,stock.*",
        "--deny-sub", "secret.>", "--allow-pub-response", "5", "--response-ttl", "2s",
    )  # fmt: skip
    defaults = body(orders).default_permissions
    assert defaults.pub == Permission(allow=("orders.>",), deny=("secret.>",))
    assert defaults.sub == Permission(allow=("_INBOX.>", "stock.*", "orders.>"), deny=("secret.>",))
    assert defaults.resp == ResponsePermission(max=5, ttl=2 * 10**9)
    orders.ok("account", "edit", "ORDERS", "--rm", "secret.>,stock.*", "--rm-response-perms")
    defaults = body(orders).default_permissions
    assert (defaults.pub.deny, defaults.sub.deny, defaults.sub.allow) == ((), (), ("_INBOX.>", "orders.>"))
    assert defaults.resp is None


def test_one_half_of_the_leave_to_answer_keeps_the_other(orders: Cli) -> None:
    orders.ok("account", "edit", "ORDERS", "--allow-pub-response", "5", "--response-ttl", "2s")
    orders.ok("account", "edit", "ORDERS", "--response-ttl", "1m")
    assert body(orders).default_permissions.resp == ResponsePermission(max=5, ttl=60 * 10**9)


def test_an_expiry_is_set_moved_and_taken_away(orders: Cli) -> None:
    orders.ok("account", "edit", "ORDERS", "--expiry", "30d", "--start", "2026-01-01")
    assert abs(stored(orders).claims.exp - time.time() - 30 * 86400) < 60
    assert stored(orders).claims.nbf == 1767225600
    orders.ok("account", "edit", "ORDERS", "--expiry", "0")
    assert (stored(orders).claims.exp, stored(orders).claims.nbf) == (0, 1767225600)


def test_the_first_limit_of_jetstream_turns_it_on_with_no_other_limit(orders: Cli) -> None:
    orders.ok("account", "edit", "ORDERS", "--js-disk-storage", "10G")
    limits = body(orders).limits
    assert (limits.disk_storage, limits.mem_storage, limits.streams, limits.consumer) == (10 * GB, 0, -1, -1)
    orders.ok("account", "edit", "ORDERS", "--js-streams", "4", "--js-max-bytes-required")
    limits = body(orders).limits
    assert (limits.disk_storage, limits.streams, limits.max_bytes_required) == (10 * GB, 4, True)


def test_tiers_have_limits_of_their_own(orders: Cli) -> None:
    orders.ok(
        "account", "edit", "ORDERS", "--js-tier", "1", "--js-mem-storage", "1G", "--js-max-disk-stream", "1M",
        "--js-max-mem-stream", "2M", "--js-max-ack-pending", "10", "--js-consumer", "3",
    )  # fmt: skip
    orders.ok("account", "edit", "ORDERS", "--js-enable", "3")
    assert body(orders).limits.tiered_limits == {
        "R1": JetStreamLimits(
            mem_storage=GB, streams=-1, consumer=3, max_ack_pending=10,
            mem_max_stream_bytes=2 * 1000**2, disk_max_stream_bytes=1000**2,
        ),
        "R3": JetStreamLimits(
            mem_storage=-1, disk_storage=-1, streams=-1, consumer=-1, max_ack_pending=-1,
            mem_max_stream_bytes=-1, disk_max_stream_bytes=-1,
        ),
    }  # fmt: skip
    orders.ok("account", "edit", "ORDERS", "--rm-js-tier", "1")
    assert list(body(orders).limits.tiered_limits) == ["R3"]
    orders.ok("account", "edit", "ORDERS", "--js-disable")
    limits = body(orders).limits
    assert (limits.tiered_limits, limits.mem_storage, limits.streams) == ({}, 0, 0)


@pytest.mark.parametrize(
    ("standing", "words", "sentence"),
    [
        pytest.param(
            ["--js-enable", "3"], ["--js-disk-storage", "1G"],
            "the account has limits for the tiers R3, and then none of its own", id="flat beside a tier",
        ),
        pytest.param(
            ["--js-enable", "0"], ["--js-tier", "3", "--js-streams", "1"],
            "the account has limits of JetStream that are for all tiers", id="a tier beside flat",
        ),
        pytest.param(
            ["--js-enable", "0"], ["--js-enable", "0"], "JetStream is on already for the account",
            id="on twice",
        ),
        pytest.param(
            ["--js-enable", "1"], ["--rm-js-tier", "3"], "there are no limits of JetStream for tier R3",
            id="no such tier",
        ),
        pytest.param(
            ["--js-enable", "1"], ["--js-disable", "--js-streams", "3"], "--js-disable is used alone",
            id="off, and limited",
        ),
        pytest.param(["--js-enable", "1"], ["--js-tier", "1"], "--js-tier names a tier", id="a tier alone"),
    ],
)  # fmt: skip
def test_limits_of_jetstream_that_contradict_each_other_are_refused(
    orders: Cli, standing: list[str], words: list[str], sentence: str
) -> None:
    orders.ok("account", "edit", "ORDERS", *standing)
    files = orders.files()
    done = orders.run("account", "edit", "ORDERS", *words, TOKEN_PIN=None)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert orders.files() == files


def test_traces_go_to_a_subject_until_they_go_nowhere(orders: Cli) -> None:
    orders.ok(
        "account", "edit", "ORDERS", "--trace-context-subject", "traces", "--trace-context-sampling", "20"
    )
    assert body(orders).trace == MessageTrace(dest="traces", sampling=20)
    orders.ok("account", "edit", "ORDERS", "--trace-context-sampling", "50")
    assert body(orders).trace == MessageTrace(dest="traces", sampling=50)
    orders.ok("account", "edit", "ORDERS", "--trace-context-subject", "")
    assert body(orders).trace is None
    done = orders.run("account", "edit", "ORDERS", "--trace-context-sampling", "50")
    assert (done.code, "nothing is traced yet" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("setting", "member", "value"),
    [
        pytest.param("limits.conn=10", "limits.conn", 10, id="a number"),
        pytest.param("nats.limits.wildcards=false", "limits.wildcards", False, id="with nats before it"),
        pytest.param("description=10", "description", "10", id="text that looks like a number"),
        pytest.param("description=true", "description", "true", id="text that looks like a truth"),
        pytest.param('tags=["a","b"]', "tags", ["a", "b"], id="a list"),
        pytest.param("tags[1]=two", "tags", ["env:prod", "two"], id="one more in a list"),
        pytest.param("tags[0]=one", "tags", ["one"], id="one of a list"),
        pytest.param(
            'mappings."orders.*"[0].subject=orders.eu.$1', "mappings",
            {"orders.*": [{"subject": "orders.eu.$1"}]}, id="a quoted name",
        ),
        pytest.param("trace.dest=traces", "trace", {"dest": "traces"}, id="a member of what was not there"),
    ],
)  # fmt: skip
def test_any_member_is_set_by_its_path(orders: Cli, setting: str, member: str, value: object) -> None:
    orders.ok("account", "edit", "ORDERS", "--set", setting)
    shown = (
        orders.ok("account", "show", "ORDERS", "--field", f"nats.{member}", "--json").data["value"]
        if member != "limits.wildcards"
        else body(orders).limits.wildcards
    )
    assert shown == value


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(
            ["--set", "limits.conn=ten"], 'limits.conn: expected a whole number, found "ten"',
            id="text for a number",
        ),
        pytest.param(["--set", "limits.con=1"], "limits.con: there is no such member", id="a slip"),
        pytest.param(["--set", "tags[5]=x"], "there is no entry 5", id="beyond a list"),
        pytest.param(["--set", "description.x=1"], "description: expected text", id="inside of text"),
        pytest.param(["--set", "limits"], "is not path=value", id="no value"),
        pytest.param(["--set", "exports={"], "not JSON", id="broken JSON"),
        pytest.param(["--unset", "limits.con"], "limits.con: there is no such member", id="unset a slip"),
        pytest.param(["--unset", "tags[7]"], "the list has no such entry", id="unset beyond a list"),
        pytest.param(["--unset", "limits..conn"], "is not a path of a member", id="an empty name"),
    ],
)  # fmt: skip
def test_a_setting_that_does_not_fit_is_refused_with_its_path(
    orders: Cli, words: list[str], sentence: str
) -> None:
    files = orders.files()
    done = orders.run("account", "edit", "ORDERS", *words, TOKEN_PIN=None)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert "hint: " in done.err
    assert orders.files() == files


def test_members_are_unset_by_their_paths(orders: Cli) -> None:
    orders.ok("account", "edit", "ORDERS", "--unset", "tags[0]", "--unset", "default_permissions.pub.deny")
    assert (body(orders).tags, body(orders).default_permissions.pub.deny) == ((), ())


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--conns", "5"], id="a limit that is"),
        pytest.param(["--tag", "ENV:prod"], id="a tag that is"),
        pytest.param(["--rm", "nothing.>"], id="a subject that is not"),
        pytest.param(["--unset", "trace"], id="a member that is not"),
    ],
)
def test_an_edit_that_changes_nothing_signs_nothing(orders: Cli, words: list[str]) -> None:
    files = orders.files()
    done = orders.ok("account", "edit", "ORDERS", *words, "--json", TOKEN_PIN=None)
    assert done.data == {"changed": False}
    assert orders.files() == files


def test_an_edit_without_an_option_names_the_options(orders: Cli) -> None:
    done = orders.run("account", "edit", "ORDERS")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: no option names a change")


def test_an_account_that_is_not_there_gets_the_names_that_are(orders: Cli) -> None:
    done = orders.run("account", "edit", "ORDER", "--conns", "1")
    assert (done.code, "did you mean ORDERS? the accounts are: ORDERS" in done.err) == (2, True)


def test_a_dry_run_of_an_edit_shows_what_widens_and_signs_nothing(orders: Cli) -> None:
    files = orders.files()
    done = orders.ok("account", "edit", "ORDERS", "--conns", "50", "--dry-run", "--json", TOKEN_PIN=None)
    (change,) = done.data["changes"]
    assert [(one["effect"], one["old"], one["new"]) for one in change["differences"]] == [("widens", 5, 50)]
    assert orders.files() == files


def test_an_edit_is_planned_and_signed_later(orders: Cli) -> None:
    plan = orders.home / "edit.plan"
    digest = orders.ok("account", "edit", "ORDERS", "--conns", "50", "--plan", str(plan), "--json").data[
        "digest"
    ]
    assert body(orders).limits.conn == 5
    operator = orders.ok("operator", "show", "--json").data["subject"]
    (orders.home / "policy.toml").write_text(f'operator = "{operator}"\n')
    orders.ok("sign", "--plan", str(plan), "--expect", digest, "--policy", str(orders.home / "policy.toml"))
    assert body(orders).limits.conn == 50


def test_signing_keys_are_made_on_the_token_or_given_and_removed(orders: Cli) -> None:
    orders.ok("account", "edit", "ORDERS", "--sk", f"generate,{OWN_ACCOUNT}")
    keys = body(orders).signing_keys
    assert len(keys) == 2
    assert OWN_ACCOUNT in keys
    (made,) = (key for key in keys if key != OWN_ACCOUNT)
    shown = orders.ok("key", "show", made, "--json").data
    assert (shown["role"], shown["name"]) == ("account", "ORDERS signing")
    orders.ok("account", "edit", "ORDERS", "--rm-sk", OWN_ACCOUNT)
    assert body(orders).signing_keys == (made,)


def test_two_keys_that_are_made_at_once_are_two(orders: Cli) -> None:
    orders.ok("account", "edit", "ORDERS", "--sk", "generate", "--sk", "generate")
    keys = orders.ok("key", "list", "--json").data["keys"]
    names = {key["public_key"]: key["name"] for key in keys}
    assert sorted(names[key] for key in body(orders).signing_keys) == ["ORDERS signing", "ORDERS signing 2"]


def test_a_key_that_was_created_for_it_is_reused_and_one_that_was_removed_is_not(orders: Cli) -> None:
    orders.ok("account", "edit", "ORDERS", "--sk", "generate")
    (first,) = body(orders).signing_keys
    orders.ok("account", "edit", "ORDERS", "--rm-sk", first)
    orders.ok("account", "edit", "ORDERS", "--sk", "generate")
    (second,) = body(orders).signing_keys
    assert second != first
    time.sleep(max(0, stored(orders).issued_at - int(time.time())))  # edits of one second are seconds apart
    third = orders.ok("key", "new", "--role", "account", "--name", "ORDERS signing", "--json").data[
        "public_key"
    ]
    done = orders.ok("account", "edit", "ORDERS", "--sk", "generate")
    assert f"reusing the key that was created for account ORDERS signing: {third}" in done.err
    assert set(body(orders).signing_keys) == {second, third}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(
            ["--sk", OWN_OPERATOR], "is the key of an operator, not of an account", id="another role"
        ),
        pytest.param(["--sk", "ABC"], '"ABC" is not a signing key', id="no key"),
        pytest.param(["--rm-sk", OWN_ACCOUNT], "is not a signing key of account ORDERS", id="not there"),
    ],
)
def test_a_signing_key_that_cannot_be_is_refused(orders: Cli, words: list[str], sentence: str) -> None:
    done = orders.run("account", "edit", "ORDERS", *words, TOKEN_PIN=None)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err


def test_bearers_are_not_refused_while_there_are_some(orders: Cli) -> None:
    orders.ok("user", "add", "-a", "ORDERS", "web", "--bearer")
    done = orders.run("account", "edit", "ORDERS", "--disallow-bearer")
    assert (done.code, "bearers are refused, which locks out 1 user: web" in done.err) == (2, True)
    orders.ok("account", "edit", "ORDERS", "--disallow-bearer", "--force")
    assert body(orders).limits.disallow_bearer is True


def test_bearers_by_their_scope_count_too(orders: Cli) -> None:
    orders.ok("account", "signing-key", "add", "-a", "ORDERS", "--role", "open", "--bearer")
    orders.ok("user", "add", "-a", "ORDERS", "web", "-K", "open")
    done = orders.run("account", "edit", "ORDERS", "--disallow-bearer", TOKEN_PIN=None)
    assert (done.code, "locks out 1 user: web" in done.err) == (2, True)


def test_a_plan_with_a_new_key_reports_how_to_create_it_first(orders: Cli) -> None:
    plan = str(orders.home / "sk.plan")
    done = orders.run("account", "edit", "ORDERS", "--sk", "generate", "--plan", plan)
    assert done.code == 2
    assert "seedless key new --role account --name 'ORDERS signing'; it is reused" in done.err
    key = orders.ok("key", "new", "--role", "account", "--name", "ORDERS signing", "--json").data[
        "public_key"
    ]
    orders.ok("account", "edit", "ORDERS", "--sk", "generate", "--plan", plan)
    assert key in orders.ok("sign", "--plan", plan, "--dry-run", "--json").out


def test_an_account_that_grows_too_large_for_its_token_is_refused_before_the_pin(orders: Cli) -> None:
    path = orders.store / "keyring.json"
    inventory = json.loads(path.read_text())
    for entry in inventory["keys"].values():
        entry["uri"] = "pkcs11:manufacturer=Yubico%20%28www.yubico.com%29;model=YubiKey%20YK5;serial=1"
    path.write_text(json.dumps(inventory))
    subjects = ",".join(f"a-subject-of-some-length.and-a-number-{number}" for number in range(60))
    done = orders.run("account", "edit", "ORDERS", "--allow-pub", subjects, TOKEN_PIN=None)
    assert (done.code, "error: G010" in done.err) == (3, True)


def test_edits_at_the_same_time_are_all_kept(orders: Cli) -> None:
    with ThreadPoolExecutor(8) as pool:
        words = [("account", "edit", "ORDERS", "--tag", f"n:{number}") for number in range(8)]
        codes = [done.code for done in pool.map(lambda one: orders.child(*one), words)]
    assert codes == [0] * 8
    assert sorted(body(orders).tags) == ["env:prod", *(f"n:{number}" for number in range(8))]


def test_an_edit_may_change_who_signs(orders: Cli) -> None:
    orders.ok("operator", "edit", "--sk", "generate")
    (key,) = orders.ok("operator", "show", "--field", "nats.signing_keys", "--json").data["value"]
    orders.ok("account", "edit", "ORDERS", "--issuer", key)
    assert str(stored(orders).issuer) == key


def test_an_account_is_shown_raw_or_in_parts_and_into_a_file(orders: Cli) -> None:
    text = stored(orders).text
    assert orders.ok("account", "show", "ORDERS", "--raw").out == f"{text}\n"
    assert json.loads(orders.ok("account", "show", "ORDERS", "-F", "nats.limits.conn").out) == 5
    path = orders.home / "ORDERS.jwt"
    orders.ok("account", "show", "ORDERS", "-R", "-o", str(path))
    assert path.read_text().strip() == text
    assert path.stat().st_mode & 0o777 == 0o600
    assert orders.run("account", "show", "ORDERS", "-F", "nats.nothing").code == 2


def test_the_system_account_gets_no_jetstream_by_any_command(cli: Cli, tmp_path: Path) -> None:
    cli.ok("operator", "add", "ACME", "--sys")
    cli.ok("account", "add", "STREAMS", "--js-disk-storage", "1G")
    file = tmp_path / "desired.toml"
    file.write_text('[accounts.SYS.limits]\ndisk_storage = "1G"\n')
    for words in (
        ("account", "edit", "SYS", "--js-disk-storage", "1G"),
        ("operator", "edit", "--system-account", "STREAMS"),
        ("apply", str(file)),
    ):
        done = cli.run(*words)
        assert (done.code, "C119" in done.err, "servers with it do not start again" in done.err) == (
            3,
            True,
            True,
        ), words
