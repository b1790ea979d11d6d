"""`seedless account export`: exports are added, changed, removed, and activations for them are revoked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    Cli = Any  # the fixture in tests/conftest.py

OTHER = str(SoftwareKey(Role.ACCOUNT, bytes(range(32))).public_key)


@pytest.fixture
def system(cli: Cli) -> Cli:
    """The operator ACME and the accounts ORDERS and BILLING."""
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS")
    cli.ok("account", "add", "BILLING")
    return cli


def exports(cli: Cli) -> Any:  # noqa: ANN401 - what JSON holds
    return cli.ok("account", "export", "list", "-a", "ORDERS", "--json").data["exports"]


def export(cli: Cli, verb: str, *words: str) -> Any:  # noqa: ANN401 - what a command returns
    return cli.ok("account", "export", verb, "-a", "ORDERS", *words)


def key_of(cli: Cli, account: str) -> str:
    key: str = cli.ok("account", "show", account, "--json").data["subject"]
    return key


def test_a_subject_is_exported_as_a_public_stream(system: Cli) -> None:
    done = export(system, "add", "-s", "orders.>")
    assert exports(system) == [{"subject": "orders.>", "type": "stream"}]
    assert "widens   export: added stream orders.> public\n" in done.err
    assert done.out == "account ORDERS: changed\n"


def test_every_option_of_a_service_reaches_the_jwt(system: Cli) -> None:
    export(
        system, "add", "-s", "pay.*", "--service", "--private", "--name", "pay", "--latency", "latency.pay",
        "--sampling", "25", "--response-type", "chunked", "--response-threshold", "2s",
        "--account-token-position", "2", "--advertise", "--allow-trace", "--description", "To pay",
        "--info-url", "https://example.com/pay",
    )  # fmt: skip
    assert exports(system) == [
        {
            "name": "pay",
            "subject": "pay.*",
            "type": "service",
            "token_req": True,
            "response_type": "Chunked",
            "response_threshold": 2_000_000_000,
            "service_latency": {"sampling": 25, "results": "latency.pay"},
            "account_token_position": 2,
            "advertise": True,
            "allow_trace": True,
            "description": "To pay",
            "info_url": "https://example.com/pay",
        }
    ]


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        pytest.param(["--public"], {"token_req": None}, id="public"),
        pytest.param(["--name", ""], {"name": None}, id="no name"),
        pytest.param(
            ["--sampling", "header"],
            {"service_latency": {"sampling": "headers", "results": "latency"}},
            id="sampling",
        ),
        pytest.param(["--rm-latency-sampling"], {"service_latency": None}, id="no latency"),
        pytest.param(["--response-type", "Stream"], {"response_type": "Stream"}, id="response type"),
        pytest.param(["--description", "New"], {"description": "New"}, id="description"),
        pytest.param(["--allow-trace"], {"allow_trace": True}, id="trace"),
    ],
)
def test_an_edit_changes_what_is_named_and_leaves_the_rest(
    system: Cli, words: list[str], changed: dict[str, Any]
) -> None:
    export(system, "add", "-s", "pay", "-r", "-p", "-n", "pay", "--latency", "latency", "--sampling", "5%")
    (before,) = exports(system)
    export(system, "edit", "-s", "pay", *words)
    wanted = {name: value for name, value in (before | changed).items() if value is not None}
    assert exports(system) == [wanted]


def test_an_edit_that_changes_nothing_signs_nothing(system: Cli) -> None:
    export(system, "add", "-s", "pay", "-p")
    before = system.files()
    assert export(system, "edit", "-s", "pay", "-p").out == "account ORDERS: nothing to change\n"
    assert system.files() == before


def test_an_export_is_taken_out_and_those_who_import_it_are_named(system: Cli) -> None:
    export(system, "add", "-s", "orders.>")
    system.ok("account", "import", "add", "-a", "BILLING", "--src-account", "ORDERS",
              "--remote-subject", "orders.>")  # fmt: skip
    done = export(system, "remove", "-s", "orders.>")
    assert "account BILLING imports orders.>, and gets nothing any more\n" in done.err
    assert exports(system) == []


@pytest.mark.parametrize(
    ("words", "sentence", "hint"),
    [
        pytest.param(
            ["add", "-s", "orders.>"],
            'account "ORDERS" exports stream "orders.>" already',
            "seedless account export edit changes it",
            id="twice",
        ),
        pytest.param(
            ["edit", "-s", "nothing", "--public"],
            'account "ORDERS" exports no "nothing"',
            "it exports: stream both, service both, stream orders.>",
            id="unknown",
        ),
        pytest.param(
            ["edit", "-s", "orders.>", "--service", "--public"],
            'account "ORDERS" exports no service "orders.>"',
            "it exports: stream both, service both, stream orders.>",
            id="other kind",
        ),
        pytest.param(
            ["remove", "-s", "both"],
            'account "ORDERS" exports "both" as a stream and as a service',
            "name it: --stream or --service",
            id="ambiguous",
        ),
        pytest.param(
            ["edit", "-s", "both", "--service", "--sampling", "10"],
            "no subject for measurements of latency is named",
            "name a subject with --latency SUBJECT",
            id="sampling without results",
        ),
        pytest.param(
            ["revoke", "-s", "orders.>", "-t", "BILLING"],
            'the export "orders.>" is public: there are no activations to revoke',
            "seedless account export edit --private requires activations",
            id="revoke public",
        ),
        pytest.param(
            ["unrevoke", "-s", "orders.>", "-t", "BILLING"],
            'the export "orders.>" has no revocation of "BILLING"',
            "seedless account export revocations lists them",
            id="unrevoke",
        ),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_signs_nothing(
    system: Cli, words: list[str], sentence: str, hint: str
) -> None:
    export(system, "add", "-s", "orders.>")
    export(system, "add", "-s", "both")
    export(system, "add", "-s", "both", "--service")
    before = system.files()
    done = system.run("account", "export", words[0], "-a", "ORDERS", *words[1:])
    assert (done.code, done.out) == (2, "")
    assert done.err == f"error: {sentence}\nhint: {hint}\n"
    assert system.files() == before


@pytest.mark.parametrize("sampling", ["0", "101", "half", "1.5", "٣"])
def test_a_sampling_is_a_percentage_or_header(system: Cli, sampling: str) -> None:
    done = system.run("account", "export", "add", "-a", "ORDERS", "-s", "x", "--sampling", sampling)
    assert (done.code, done.out) == (2, "")
    assert "is not a sampling: write 1 to 100, or header" in done.err


def test_one_of_two_exports_of_a_subject_is_chosen_by_its_kind(system: Cli) -> None:
    export(system, "add", "-s", "both")
    export(system, "add", "-s", "both", "--service")
    export(system, "remove", "-s", "both", "--stream")
    assert exports(system) == [{"subject": "both", "type": "service"}]


def test_an_export_that_servers_would_refuse_is_refused_before_the_token_is_opened(system: Cli) -> None:
    done = system.run(
        "account", "export", "add", "-a", "ORDERS", "-s", "pay", "--response-type", "Stream", TOKEN_PIN="0000"
    )
    assert done.code == 3
    assert "C039 account ORDERS nats.exports[0].response_type: only services have it" in done.err


def test_leave_is_revoked_for_an_account_until_now(system: Cli) -> None:
    export(system, "add", "-s", "orders.>", "--private")
    done = export(system, "revoke", "-s", "orders.>", "-t", "BILLING", "--json")
    (held,) = exports(system)
    billing = key_of(system, "BILLING")
    assert list(held["revocations"]) == [billing]
    assert 0 <= done.data["issued_at"] - held["revocations"][billing] <= 2
    listed = system.ok("account", "export", "revocations", "-a", "ORDERS", "--json").data
    assert listed == {
        "account": "ORDERS",
        "revocations": [
            {
                "subject": "orders.>",
                "type": "stream",
                "account": billing,
                "name": "BILLING",
                "until": held["revocations"][billing],
            }
        ],
    }


@pytest.mark.parametrize("target", ["*", OTHER])
def test_leave_is_revoked_for_everyone_or_a_key_until_a_time(system: Cli, target: str) -> None:
    export(system, "add", "-s", "orders.>", "--private")
    export(system, "revoke", "-s", "orders.>", "-t", target, "--at", "2024-01-02")
    assert exports(system)[0]["revocations"] == {target: 1704153600}


def test_a_revocation_does_not_move_back(system: Cli) -> None:
    export(system, "add", "-s", "orders.>", "--private")
    export(system, "revoke", "-s", "orders.>", "-t", OTHER, "--at", "2024-01-02")
    export(system, "revoke", "-s", "orders.>", "-t", OTHER, "--at", "2023-01-02")
    assert exports(system)[0]["revocations"] == {OTHER: 1704153600}


def test_a_revocation_is_taken_back(system: Cli) -> None:
    export(system, "add", "-s", "orders.>", "--private")
    export(system, "revoke", "-s", "orders.>", "-t", OTHER, "--at", "2024-01-02")
    done = export(system, "unrevoke", "-s", "orders.>", "-t", OTHER)
    assert f"widens   export stream orders.> revocation: removed {OTHER}" in done.err
    assert "revocations" not in exports(system)[0]


def test_an_edit_keeps_the_revocations(system: Cli) -> None:
    export(system, "add", "-s", "orders.>", "--private")
    export(system, "revoke", "-s", "orders.>", "-t", "*", "--at", "2024-01-02")
    export(system, "edit", "-s", "orders.>", "--description", "Orders")
    assert exports(system)[0]["revocations"] == {"*": 1704153600}


def test_a_target_is_an_account_of_the_store_or_a_key_of_one(system: Cli) -> None:
    export(system, "add", "-s", "orders.>", "--private")
    words = ("account", "export", "revoke", "-a", "ORDERS", "-s", "orders.>", "-t")
    operator = system.ok("operator", "show", "--json").data["subject"]
    told = {
        "NOBODY": 'error: there is no account "NOBODY" in operator ACME\n'
        "hint: the accounts are: BILLING, ORDERS\n",
        operator: f"error: operator ACME ({operator}) is not the key of an account\n"
        "hint: name an account, or its key: A…\n",
    }
    assert {name: system.run(*words, name).err for name in told} == told
    assert system.run(*words, f"{OTHER[:-1]}A").code == 2


def test_a_subject_that_would_clear_the_screen_is_shown_as_escapes(system: Cli) -> None:
    done = system.run("account", "export", "add", "-a", "ORDERS", "-s", "a\x1b[2Jb", "--dry-run")
    assert "\x1b" not in done.err + done.out
    assert "\\x1b[2J" in done.err


def test_an_export_can_be_tried_dry_and_planned(system: Cli) -> None:
    before = system.files()
    dry = export(system, "add", "-s", "orders.>", "--dry-run", "--json").data
    assert [one["text"] for one in dry["changes"][0]["differences"]] == ["added stream orders.> public"]
    plan = system.home / "export.plan"
    export(system, "add", "-s", "orders.>", "--plan", str(plan))
    assert json.loads(plan.read_text())["changes"][0]["address"] == ["ORDERS"]
    assert system.files() == before
    system.ok("sign", "--plan", str(plan), "--dry-run")
