"""`seedless activation new`: activations for another account, signed by a key of the exporting one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from seedless.claims import Activation
from seedless.decorated import parse_jwt
from seedless.jwt import read
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    Cli = Any  # the fixture in tests/conftest.py

OTHER = str(SoftwareKey(Role.ACCOUNT, bytes(range(32))).public_key)

# Runs a command and kills it as soon as the signature is recorded.
_KILLED = """
import os, signal, sys
from seedless.app.pipeline import Job
from seedless.cli.main import main
run = Job.run
def killed(*arguments):
    run(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
Job.run = killed
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def system(cli: Cli) -> Cli:
    """ORDERS exports orders.> in private, the service pay.* in private, and news to all."""
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS")
    for words in (["orders.>", "-p"], ["pay.*", "-r", "-p"], ["news"], ["both", "-p"], ["both", "-r", "-p"]):
        cli.ok("account", "export", "add", "-a", "ORDERS", "-s", *words)
    return cli


def new(cli: Cli, *words: str) -> Any:  # noqa: ANN401 - what a command returns
    return cli.ok("activation", "new", "-a", "ORDERS", "-t", OTHER, *words)


@pytest.mark.parametrize(
    ("subject", "kind"),
    [
        pytest.param("orders.eu.>", "stream", id="stream"),
        pytest.param("pay.card", "service", id="service"),
    ],
)
def test_an_activation_is_of_the_kind_of_the_export_and_by_its_account(
    system: Cli, subject: str, kind: str
) -> None:
    jwt = read(new(system, "-s", subject).out.strip())
    assert jwt.claims.body == Activation(subject=subject, import_type=kind)  # type: ignore[arg-type]  # one of two words
    assert (jwt.claims.sub, jwt.claims.name, jwt.claims.exp) == (OTHER, subject, 0)
    assert str(jwt.issuer) == system.ok("account", "show", "ORDERS", "--json").data["subject"]


def test_an_activation_is_valid_from_its_start_to_its_expiry(system: Cli) -> None:
    jwt = read(new(system, "-s", "orders.>", "--start", "2090-01-01", "--expiry", "2091-01-01").out.strip())
    assert (jwt.claims.nbf, jwt.claims.exp) == (3786912000, 3818448000)


def test_a_file_gets_the_activation_in_armour(system: Cli) -> None:
    path = system.home / "leave"
    done = new(system, "-s", "orders.>", "-o", str(path))
    assert done.out == f"activation: {path}\n"
    assert path.read_text().startswith("-----BEGIN NATS ACTIVATION JWT-----\neyJ")
    assert path.stat().st_mode & 0o777 == 0o600
    assert read(parse_jwt(path.read_text())).claims.sub == OTHER


def test_a_kill_after_the_signature_leaves_its_file(system: Cli) -> None:
    path = system.home / "leave"
    words = ["activation", "new", "-a", "ORDERS", "-t", OTHER, "-s", "orders.>", "-o", str(path)]
    killed = [sys.executable, "-c", _KILLED, *system.agreed(*words)]
    run = subprocess.run(killed, env=system.env_with(), capture_output=True, check=False)
    assert run.returncode == -signal.SIGKILL, run.stderr
    assert read(parse_jwt(path.read_text())).claims.sub == OTHER


def test_an_activation_goes_into_no_store(system: Cli) -> None:
    before = system.files()
    new(system, "-s", "orders.>")
    assert system.files() == before


def test_a_signing_key_names_its_account(system: Cli) -> None:
    system.ok("key", "new", "--role", "account", "--name", "ORDERS-2")
    keys = system.ok("key", "list", "--json").data["keys"]
    key = next(one["public_key"] for one in keys if one["name"] == "ORDERS-2")
    system.ok("account", "edit", "ORDERS", "--sk", key)
    jwt = read(new(system, "-s", "orders.>").out.strip())
    assert str(jwt.issuer) == key
    assert jwt.claims.body.issuer_account == system.ok("account", "show", "ORDERS", "--json").data["subject"]


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        pytest.param(
            "nothing",
            'error: account "ORDERS" exports nothing that holds "nothing"\nhint: it exports: ',
            id="unknown",
        ),
        pytest.param(
            "both",
            'error: account "ORDERS" exports "both" as a stream and as a service\n'
            "hint: name it: --stream or --service\n",
            id="ambiguous",
        ),
    ],
)
def test_leave_for_what_is_not_exported_or_could_be_either_is_not_given(
    system: Cli, subject: str, told: str
) -> None:
    done = system.run("activation", "new", "-a", "ORDERS", "-t", OTHER, "-s", subject)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(told)


def test_an_activation_for_a_public_export_is_reported_as_useless(system: Cli) -> None:
    assert "the export news is public: nobody needs this activation\n" in new(system, "-s", "news").err


def test_leave_for_what_will_be_exported_is_signed_with_a_warning(system: Cli) -> None:
    done = new(system, "-s", "later", "--stream")
    assert 'T008 activation later nats.subject: account "ORDERS" exports no stream "later"' in done.err


def test_an_activation_can_be_tried_dry_and_planned(system: Cli) -> None:
    dry = new(system, "-s", "orders.>", "--dry-run", "--json").data
    assert [(one["kind"], one["address"]) for one in dry["changes"]] == [("activation", None)]
    plan = system.home / "leave.plan"
    new(system, "-s", "orders.>", "--plan", str(plan))
    assert json.loads(plan.read_text())["changes"][0]["address"] is None
    done = system.run(
        "activation", "new", "-a", "ORDERS", "-t", OTHER, "-s", "orders.>", "--plan", str(plan), "-o", "x"
    )
    assert done.err == (
        "error: a plan is signed later, without a file to write\nhint: leave out --output\n"
    )  # fmt: skip
