"""The same kind of mistake ends with the same exit code and kind of sentence, whatever the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from asked_commands import ASKED

from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from typing import Any

    Cli = Any  # the fixture in tests/conftest.py

OPERATOR = str(SoftwareKey.generate(Role.OPERATOR).public_key)


@pytest.fixture
def acme(cli: Cli) -> Cli:
    cli.found_system()
    return cli


def ends(cli: Cli, commands: list[str], **env: str) -> dict[str, tuple[int, str]]:
    """Return how each of *commands* ends: exit code and first line of the error."""
    found = {}
    for words in commands:
        done = cli.run(*words.split(), **env)
        lines = [line for line in done.err.splitlines() if line.startswith("error: ")]
        found[words] = (done.code, lines[0] if lines else "")
    return found


def the_same(commands: list[str], code: int, sentence: str) -> dict[str, tuple[int, str]]:
    return dict.fromkeys(commands, (code, f"error: {sentence}"))


def test_an_account_that_is_not_there_is_usage(acme: Cli) -> None:
    commands = [
        "account show NO", "account edit NO --conns 1", "account delete NO", "account export list -a NO",
        "account mapping list -a NO", "account signing-key add -a NO", "account revoke -a NO *",
        "user add -a NO x", "user list -a NO", "user show -a NO x", "user edit -a NO x --tag t",
        "user delete -a NO x", "user creds -a NO x", "user context -a NO x", "push NO --url nats://127.0.0.1:1",
        "rotate account-key NO --without-servers", "delegate list NO",
    ]  # fmt: skip
    assert ends(acme, commands) == the_same(commands, 2, 'there is no account "NO" in operator ACME')


def test_a_user_that_is_not_there_is_usage(acme: Cli) -> None:
    commands = [f"user {words}" for words in (
        "show -a ORDERS no", "edit -a ORDERS no --tag t", "delete -a ORDERS no", "creds -a ORDERS no",
        "renew -a ORDERS no", "context -a ORDERS no",
    )] + ["account revoke -a ORDERS no"]  # fmt: skip
    assert ends(acme, commands) == the_same(commands, 2, 'there is no user "no" in account "ORDERS"')


READING = [
    "operator show",
    "account list",
    "user list",
    "tree",
    "verify",
    "lint",
    "expirations",
    "export-desired",
]
SIGNING = [
    "account add NEW",
    "account edit ORDERS --conns 1",
    "user add -a ORDERS x",
    "operator edit --tag t",
]


def test_an_operator_that_is_not_there_is_usage(acme: Cli) -> None:
    commands = READING + SIGNING
    found = ends(acme, commands, SEEDLESS_OPERATOR="NO")
    assert found == the_same(commands, 2, f'there is no operator "NO" in {acme.store}')


def test_a_store_that_is_not_there_is_usage(acme: Cli) -> None:
    commands = READING + SIGNING
    found = ends(acme, commands, SEEDLESS_STORE="/no/where")
    assert found == the_same(commands, 2, "there is no store in /no/where")


def test_what_is_there_already_is_usage_and_points_to_edit(acme: Cli) -> None:
    for words, edit in {
        "operator add ACME": "operator edit",
        "account add ORDERS": "account edit ORDERS",
        "user add -a ORDERS app": "user edit -a ORDERS app",
    }.items():
        done = acme.run(*words.split())
        assert (done.code, f"hint: seedless {edit}" in done.err) == (2, True), done.err


def test_a_file_that_is_not_there_is_usage(acme: Cli) -> None:
    commands = [
        "show no.jwt", "verify no.jwt", "lint no.jwt", "diff no.jwt", "sign no.json", "apply no.toml",
        "server lint no.conf", "policy explain no.toml", "policy check no.toml", "tree --context x",
        "account add NEW --policy no.toml", "operator import no.jwt", "import account no.jwt",
        "import user no.creds", "ceremony review no.json", f"ceremony check no no2 --operator-key {OPERATOR}",
        "ceremony accept no", "key public no.nk", "recovery check no.json", "serve issuer no.toml",
        "serve callout no.toml", "push --all --creds no.creds --url nats://127.0.0.1:1",
        "push --all --config no.conf",
    ]  # fmt: skip
    found = ends(acme, commands)
    assert {words: code for words, (code, _) in found.items()} == dict.fromkeys(commands, 2), found


@pytest.mark.parametrize("content", [b"garbage here\n", b'{"a": 1}\n', b"\xff\xfe\x00"])
def test_a_file_that_is_malformed_is_usage(acme: Cli, content: bytes) -> None:
    file = acme.home / "malformed"
    file.write_bytes(content)
    commands = [words.format(file) for words in (
        "show {}", "diff {}", "sign {}", "apply {}", "policy explain {}", "policy check {}",
        "account add NEW --policy {}", "operator import {}", "import account {}", "import user {}",
        "ceremony review {}", "sign --plan {}", "ceremony prepare {} --reason r -o out", "key public {}",
        "recovery check {}", "serve issuer {}", "serve callout {}", "account import add -a ORDERS -u {}",
        "push --all --creds {} --url nats://127.0.0.1:1", "push --all --config {}",
    )]  # fmt: skip
    found = ends(acme, commands)
    assert {words: code for words, (code, _) in found.items()} == dict.fromkeys(commands, 2), found


ON_TOKENS = [
    "account add NEW", "account edit ORDERS --conns 1", "user edit -a ORDERS app --tag t",
    "operator edit --tag t", "key list --token {uri}", "key audit --token {uri}",
    "key new --role account --name K", "user delete -a ORDERS app", "token doctor",
]  # fmt: skip


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        pytest.param({"SEEDLESS_MODULE": "/no/where.so"}, "/no/where.so", id="module"),
        pytest.param({"SEEDLESS_PIN_SOURCE": "env:NONE"}, "NONE is not set", id="no PIN"),
        pytest.param(
            {"SEEDLESS_PIN_SOURCE": "cmd:no-such-program"}, "No such file or directory", id="no program"
        ),
        pytest.param({"SEEDLESS_PIN_SOURCE": "cmd:echo 000000"}, "PIN", id="wrong PIN"),
    ],
)
def test_a_token_that_cannot_be_used_is_4(acme: Cli, env: dict[str, str], sentence: str) -> None:
    commands = [words.format(uri=acme.token.uri) for words in ON_TOKENS]
    found = ends(acme, commands, **env)
    assert {words: code for words, (code, _) in found.items()} == dict.fromkeys(commands, 4), found
    del found["token doctor"]  # it prints a table of what it has tried, and ends with what is wrong
    assert {words for words, (_, error) in found.items() if sentence not in error} == set()


def test_findings_are_3_and_what_is_done_already_is_0(acme: Cli) -> None:
    findings = ["account add NEW --expiry 2001-01-01", "user add -a ORDERS x --expiry 2001-01-01"]
    assert [code for code, _ in ends(acme, findings).values()] == [3, 3]
    done = [
        "account edit ORDERS --conns -1",
        "user renew -a ORDERS app",
        "operator edit --tag a",
        "operator edit --tag a",
    ]
    assert [code for code, _ in ends(acme, done).values()] == [0, 0, 0]


# What is wrong, the exit code, how the sentence begins, and how many commands at least end with it.
KINDS = {
    "an unknown context": ({"SEEDLESS_CONTEXT": "NO"}, 2, 'there is no context "NO"', 55),
    "a damaged configuration": ({"SEEDLESS_CONFIG": "bad.toml"}, 1, "bad.toml: ", 55),
    "no configuration": ({"SEEDLESS_CONFIG": "gone.toml"}, 2, "there is no file gone.toml", 55),
    "no store": ({"SEEDLESS_STORE": "gone"}, 2, "there is no store in gone", 50),
    "no operator": ({"SEEDLESS_OPERATOR": "NO"}, 2, 'there is no operator "NO" in ', 50),
    "no policy": ({"SEEDLESS_POLICY": "gone.toml"}, 2, "there is no policy gone.toml", 32),
    "a damaged policy": ({"SEEDLESS_POLICY": "bad.toml"}, 2, "bad.toml: ", 32),
    "a PIN, not its source": ({"SEEDLESS_PIN_SOURCE": "1234"}, 2, "the source of the PIN is not", 32),
    "a damaged URI": ({"SEEDLESS_TOKEN": "pkcs11:tokn=x"}, 2, "a PKCS#11 URI has no attribute tokn", 32),
    "no module": ({"SEEDLESS_MODULE": "/no/where.so"}, 4, "cannot load the PKCS#11 module /no/where.so", 32),
    "no token": ({"SEEDLESS_TOKEN": "gone"}, 4, "no token matches pkcs11:token=gone", 8),
    "no PIN": ({"SEEDLESS_PIN_SOURCE": "env:NONE"}, 4, "the environment variable NONE is not set", 30),
}
# Who is asked before a token is looked for: these need none, look for it with what is asked for, or go
# through several.
ASKED_FIRST = {
    "token doctor", "key export", "account delete", "ceremony keygen", "recovery drill", "push", "key delete",
}  # fmt: skip


def test_a_mistake_has_one_exit_code_in_all_commands(acme: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = furnished(acme, monkeypatch)
    before = acme.files()
    for kind, (env, code, sentence, count) in KINDS.items():
        ended = {name: acme.run(*words.split(), asks=True, **env) for name, words in commands.items()}
        by_kind = {
            name: done.code
            for name, done in ended.items()
            if f"error: {sentence}" in done.err or sentence in done.out  # as `token doctor` reports it
        }
        assert by_kind == dict.fromkeys(by_kind, code), kind
        assert len(by_kind) >= count, (kind, ended.keys() - by_kind.keys())
        others = {name: done for name, done in ended.items() if name not in by_kind}
        # The rest does not need what is missing, or has another mistake in its words.
        assert {name for name, done in others.items() if done.code in {1, 4}} == set(), kind
        if code == 4:
            asked = {name for name, done in others.items() if "not confirmed: run it on a t" in done.err}
            assert kind == "no token" or asked <= ASKED_FIRST, (kind, asked - ASKED_FIRST)
    assert acme.files() == before


def furnished(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give the commands that have to be agreed to something to do; return the words of all."""
    monkeypatch.chdir(cli.home)
    for words in (
        "account add OLD", "account add BILLING", "account export add -a ORDERS -s orders.> --private",
        "account mapping add -a ORDERS --from a --to b", "account signing-key add -a ORDERS --role clerk",
        "operator signing-key add", "account show ORDERS --raw -o ORDERS.jwt",
    ):  # fmt: skip
        cli.ok(*words.split())
    (cli.home / "bad.toml").write_text("x")
    (cli.home / "tenants.toml").write_text('[accounts.ORDERS]\ndescription = "new"\n')
    (cli.home / "servers").mkdir(0o700)
    keys = {key["name"]: key["public_key"] for key in cli.ok("key", "list", "--json").data["keys"]}
    names = {"spare": keys["OLD"], "signing_key": keys["ACME signing"], "delegated": keys["ORDERS clerk"]}
    asked = {name: f"{name} {words.format(**names, token=cli.token.uri)}" for name, words in ASKED.items()}
    del asked["recovery create"]  # it forks, which a process with a driver must not
    return dict(zip(READING, READING, strict=True)) | asked
