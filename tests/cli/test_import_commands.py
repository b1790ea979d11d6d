"""`seedless account import`: imports are added, changed and taken out, with and without an activation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from seedless.jwt import read

if TYPE_CHECKING:
    Cli = Any  # the fixture in tests/conftest.py


@pytest.fixture
def system(cli: Cli) -> Cli:
    """ORDERS exports the stream orders.> and the private service pay, BILLING nothing."""
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS")
    cli.ok("account", "add", "BILLING")
    cli.ok("account", "export", "add", "-a", "ORDERS", "-s", "orders.>")
    cli.ok("account", "export", "add", "-a", "ORDERS", "-s", "pay", "--service", "--private")
    return cli


def imports(cli: Cli) -> Any:  # noqa: ANN401 - what JSON holds
    return cli.ok("account", "import", "list", "-a", "BILLING", "--json").data["imports"]


def add(cli: Cli, *words: str) -> Any:  # noqa: ANN401 - what a command returns
    return cli.ok("account", "import", "add", "-a", "BILLING", *words)


def orders(cli: Cli) -> str:
    key: str = cli.ok("account", "show", "ORDERS", "--json").data["subject"]
    return key


def leave(cli: Cli, *words: str) -> str:
    """An activation for BILLING to import the service pay, as text."""
    made: str = cli.ok("activation", "new", "-a", "ORDERS", "-s", "pay", "-t", "BILLING", *words).out.strip()
    return made


@pytest.mark.parametrize("by", ["name", "key"])
def test_a_public_stream_is_imported_from_an_account_by_name_or_key(system: Cli, by: str) -> None:
    source = "ORDERS" if by == "name" else orders(system)
    done = add(system, "--src-account", source, "--remote-subject", "orders.>")
    assert imports(system) == [{"subject": "orders.>", "account": orders(system), "type": "stream"}]
    assert "widens   import: added stream orders.> from account ORDERS" in done.err


def test_every_option_of_an_import_reaches_the_jwt(system: Cli) -> None:
    system.ok("account", "export", "add", "-a", "ORDERS", "-s", "ask.*.*", "--service")
    add(system, "--src-account", "ORDERS", "--remote-subject", "ask.*.*", "--local-subject", "a.$2.$1",
        "--service", "--share", "-n", "ask")  # fmt: skip
    add(system, "--src-account", "ORDERS", "--remote-subject", "orders.>", "-s", "in.>", "--allow-trace")
    assert imports(system) == [
        {
            "name": "ask",
            "subject": "ask.*.*",
            "account": orders(system),
            "local_subject": "a.$2.$1",
            "type": "service",
            "share": True,
        },
        {
            "subject": "orders.>",
            "account": orders(system),
            "local_subject": "in.>",
            "type": "stream",
            "allow_trace": True,
        },
    ]


@pytest.mark.parametrize("way", ["text", "file", "bare file"])
def test_an_activation_reports_account_subject_and_kind(system: Cli, way: str) -> None:
    text = leave(system)
    given = text
    if way != "text":
        given = str(system.home / "leave.jwt")
        system.ok("activation", "new", "-a", "ORDERS", "-s", "pay", "-t", "BILLING", "-o", given)
        text = (system.home / "leave.jwt").read_text().split("\n")[1]
    if way == "bare file":
        (system.home / "leave.jwt").write_text(f"{text}\n")
    add(system, "--activation", given, "--local-subject", "orders.pay")
    assert imports(system) == [
        {
            "subject": "pay",
            "account": orders(system),
            "token": text,
            "local_subject": "orders.pay",
            "type": "service",
        }
    ]


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        pytest.param(["--remote-subject", "pay"], "service", id="as it is exported"),
        pytest.param(["--remote-subject", "pay", "--stream"], "stream", id="as it is said"),
        pytest.param(["--remote-subject", "nothing"], "stream", id="as nobody knows"),
    ],
)
def test_an_import_is_of_the_kind_that_is_exported(system: Cli, words: list[str], kind: str) -> None:
    add(system, "--src-account", "ORDERS", *words)
    assert [one["type"] for one in imports(system)] == [kind]


def test_the_import_of_a_private_export_without_leave_is_signed_with_a_warning(system: Cli) -> None:
    done = add(system, "--src-account", "ORDERS", "--remote-subject", "pay", "--service")
    assert 'T010 account BILLING nats.imports[0].token: account "ORDERS" exports it to those with' in done.err


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        pytest.param(["--local-subject", "in"], {"local_subject": "in"}, id="local subject"),
        pytest.param(["--activation", ""], {"token": None}, id="no activation"),
        pytest.param(["--share"], {"share": True}, id="share"),
        pytest.param(["--name", "pay"], {"name": "pay"}, id="name"),
    ],
)
def test_an_edit_changes_what_is_named_and_leaves_the_rest(
    system: Cli, words: list[str], changed: dict[str, Any]
) -> None:
    add(system, "--activation", leave(system))
    (before,) = imports(system)
    system.ok("account", "import", "edit", "-a", "BILLING", "-s", "pay", *words)
    wanted = {name: value for name, value in (before | changed).items() if value is not None}
    assert imports(system) == [wanted]


def test_another_activation_takes_the_place_of_the_first(system: Cli) -> None:
    add(system, "--activation", leave(system))
    new = leave(system, "--expiry", "30d")
    system.ok("account", "import", "edit", "-a", "BILLING", "-s", "pay", "--activation", new)
    assert imports(system)[0]["token"] == new


def test_an_import_is_found_by_its_local_subject_first(system: Cli) -> None:
    words = ("--src-account", "ORDERS", "--remote-subject", "orders.>")
    add(system, *words)
    add(system, *words, "--local-subject", "in.>")
    system.ok("account", "import", "remove", "-a", "BILLING", "-s", "orders.>")
    assert [one.get("local_subject") for one in imports(system)] == ["in.>"]
    system.ok("account", "import", "remove", "-a", "BILLING", "-s", "orders.>")
    assert imports(system) == []


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        pytest.param(
            ["add", "--src-account", "ORDERS", "--remote-subject", "orders.>"],
            2,
            'error: account "BILLING" imports stream "orders.>" from there already\n'
            "hint: seedless account import edit changes it\n",
            id="twice",
        ),
        pytest.param(
            ["add", "--remote-subject", "orders.>"],
            2,
            "error: --src-account is missing\nhint: an import names an account and its subject\n",
            id="no account",
        ),
        pytest.param(
            ["add", "--src-account", "ORDERS"],
            2,
            "error: --remote-subject is missing\nhint: an import names an account and its subject\n",
            id="no subject",
        ),
        pytest.param(
            ["add", "--activation", "nowhere.jwt"],
            2,
            "error: cannot read nowhere.jwt: no such file or directory\nhint: name a file that can be read\n",
            id="no file",
        ),
        pytest.param(
            ["remove", "-s", "nothing"],
            2,
            'error: account "BILLING" has no such import of "nothing"\nhint: it imports: stream orders.>\n',
            id="unknown",
        ),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_signs_nothing(
    system: Cli, words: list[str], code: int, sentence: str
) -> None:
    add(system, "--src-account", "ORDERS", "--remote-subject", "orders.>")
    before = system.files()
    done = system.run("account", "import", words[0], "-a", "BILLING", *words[1:])
    assert (done.code, done.out, done.err) == (code, "", sentence)
    assert system.files() == before


def test_a_jwt_that_is_no_activation_permits_no_import(system: Cli) -> None:
    account = system.ok("account", "show", "ORDERS", "--json").data["jwt"]
    done = system.run("account", "import", "add", "-a", "BILLING", "--activation", account)
    assert done.code == 2
    assert done.err.startswith("error: the token is a jwt of kind account, and not an activation\n")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(["--activation", "https://example.com/leave"], "C032", id="url"),
        pytest.param(["--activation", "LEAVE", "-n", "x", "--stream"], "C035", id="other kind"),
        pytest.param(["--activation", "LEAVE", "--remote-subject", "pay.more"], "C036", id="other subject"),
        pytest.param(["--activation", "LEAVE", "--src-account", "BILLING"], "C033", id="other account"),
    ],
)
def test_leave_that_servers_would_not_take_is_refused(system: Cli, words: list[str], code: str) -> None:
    text = leave(system)
    given = [text if word == "LEAVE" else word for word in words]
    more = ["--src-account", "ORDERS", "--remote-subject", "pay", "--service"] if code == "C032" else []
    done = system.run("account", "import", "add", "-a", "BILLING", *given, *more)
    assert done.code == 3
    assert f"error: {code} account BILLING nats.imports[0].token: " in done.err


def test_leave_for_another_account_is_refused(system: Cli) -> None:
    system.ok("account", "add", "OTHER")
    text = leave(system)
    done = system.run("account", "import", "add", "-a", "OTHER", "--activation", text)
    assert done.code == 3
    assert (
        f'C034 account OTHER nats.imports[0].token: the activation is for "{read(text).claims.sub}"'
        in done.err
    )


def test_two_imports_that_cannot_be_distinguished_are_named(system: Cli) -> None:
    system.ok("account", "add", "THIRD")
    system.ok("account", "export", "add", "-a", "THIRD", "-s", "orders.>")
    for source in ("ORDERS", "THIRD"):
        add(system, "--src-account", source, "--remote-subject", "orders.>")
    done = system.run("account", "import", "remove", "-a", "BILLING", "-s", "orders.>")
    assert done.err.startswith('error: account "BILLING" imports "orders.>" 2 times\n')
    system.ok("account", "import", "remove", "-a", "BILLING", "-s", "orders.>", "--src-account", "THIRD")
    assert [one["account"] for one in imports(system)] == [orders(system)]
