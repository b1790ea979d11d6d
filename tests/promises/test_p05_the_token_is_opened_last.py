"""Promise 5: the token is opened last.

Help, bad arguments, bad claims and all that only reads the store never load the module: here its path leads
nowhere, so a command that wanted it would end with 4. The review comes before every login.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from seedless.claims import Operator
from seedless.errors import Refused
from seedless.jwt import Claims
from seedless.nkey import Role
from seedless.plan import PlanSubject, new_operator
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import issue

if TYPE_CHECKING:
    from typing import Any, NoReturn

    Cli = Any  # the fixture in tests/conftest.py

NOWHERE = "/nowhere.so"
OPERATOR = SoftwareKey(Role.OPERATOR, bytes(range(32)))


@pytest.fixture
def tokenless(cli: Cli) -> Cli:
    """A home with a store, and a module that cannot be loaded."""
    cli.found_system()
    cli.env["SEEDLESS_MODULE"] = NOWHERE
    return cli


def test_a_command_that_signs_does_require_the_module(tokenless: Cli) -> None:
    assert tokenless.run("account", "add", "NEW").code == 4


def test_what_only_reads_never_loads_the_module(tokenless: Cli) -> None:
    for words in (
        "--help",
        "--version",
        "account add --help",
        "sign --help",
        "token init --help",
        "operator show",
        "account list",
        "account show ORDERS",
        "user list -a ORDERS",
        "user show -a ORDERS app",
        "user creds -a ORDERS app",
        "key list",
        "tree",
        "verify",
        "server config --mem-resolver",
        "completion bash",
    ):
        assert tokenless.run(*words.split()).code == 0, words


def test_bad_arguments_and_bad_claims_never_load_the_module(tokenless: Cli) -> None:
    claims = tokenless.home / "claims.json"
    claims.write_text(json.dumps({"sub": "A", "nats": {"type": "account", "limits": {"conn": "x"}}}))
    expired = ("account", "add", "NEW", "--expiry", "2001-01-01")
    for code, words in (
        (2, ("account", "add", "NEW", "--conns", "many")),
        (2, ("account", "add", "NEW", "--set", "limits.conn=many")),
        (2, ("account", "add", "a/b")),
        (2, ("account", "add", "ORDERS")),
        (2, ("account", "add", "NEW", "-K", "nobody")),
        (2, ("account", "add", "NEW", "--token", "pkcs12:token=ACME")),
        (2, ("account", "add", "NEW", "--pin-source", "1234")),
        (2, ("user", "add", "app")),
        (2, ("user", "add", "-a", "NOBODY", "app")),
        (2, ("key", "new", "--role", "king", "--name", "x")),
        (2, ("token", "init")),
        (2, ("key", "show", "ABC")),
        (2, ("sign", str(claims))),
        (2, ("sign", "missing.json")),
        (3, expired),
        (3, (*expired, "--dry-run")),
    ):
        done = tokenless.run(*words)
        assert (done.code, done.out) == (code, ""), words


def test_a_refused_review_opens_no_token() -> None:
    def never(*_: object) -> NoReturn:
        pytest.fail("the token was opened")

    subject = PlanSubject(role=Role.OPERATOR, name="ACME", public_key=OPERATOR.public_key)
    with pytest.raises(Refused, match="not confirmed: nothing was signed"):
        issue(
            new_operator(subject, Claims(sub="", name="ACME", body=Operator.new()), now=1_800_000_000),
            review=lambda _plan, _report: False,
            keys=never,
            record=never,
        )


def test_the_command_line_imports_no_driver_to_show_its_help(cli: Cli) -> None:
    code = (
        "import sys; from seedless.cli.main import main; main(['--help']); "
        "heavy = ('pkcs11', 'nacl', 'nats', 'asyncio', 'msgspec'); "
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=cli.env, capture_output=True, text=True, check=True
    )
    assert done.stderr == "[]\n"
