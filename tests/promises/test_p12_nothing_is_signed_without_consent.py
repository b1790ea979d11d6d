"""Every command that signs, deletes, writes keys or sends does nothing unless somebody agreed to it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
import pytest
from asked_commands import ASKED

from seedless.claims import Account, Operator
from seedless.cli.main import seedless
from seedless.jwt import Claims, draft
from seedless.nkey import Role
from seedless.recovery.record import KeyName, KeyRecord, RecoveryRecord, ShareRecord, share_digest
from seedless.recovery.slip39 import split
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_softhsm import SoftHSM

    Cli = Any  # the fixture in tests/conftest.py

AT = 1_700_000_000
SENTENCE = "not confirmed: run it on a terminal, or add --yes\n"

# What is brought instead of --yes.
BROUGHT = {
    "ceremony witness": "first.json --key {witness} -o out.witness --policy policy.toml --first-use all",
    "ceremony sign": "first.json -o out.result --policy plain.toml --first-use all",
}
# Nothing can be lost on a blank token; for another the serial is asked for, see tests/cli/test_devices.py.
ERASES = {"token init"}
# These open a token, or write files without a key or a signature in them; they ask nothing.
UNASKED = {
    "token list", "token show", "key attest", "key audit", "key list", "key show",
    "user context", "context add",
    "ceremony inventory", "ceremony keys", "ceremony prepare", "ceremony accept",
    # Services: what they may sign is what their configuration and the policy allow.
    "serve callout", "serve issuer", "serve doctor",
}  # fmt: skip


def every_command(
    command: click.Command = seedless, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from every_command(found, (*path, name))


def test_every_command_that_opens_a_token_or_writes_is_known_to_this_test() -> None:
    flags = {name: {flag for param in one.params for flag in param.opts} for name, one in every_command()}
    doing = {name for name, has in flags.items() if has & {"--dry-run", "--pin-source", "--yes"}}
    assert doing == ASKED.keys() | BROUGHT.keys() | UNASKED | ERASES
    assert {name for name, has in flags.items() if "--yes" in has} == ASKED.keys() | ERASES


@dataclass
class Place:
    """A store in which every command has something to do, and the words of each.

    The `pin` is wrong unless it is set right: whoever is not asked must not come to it.
    """

    cli: Cli
    names: dict[str, str]
    softhsm: SoftHSM
    pin: str = "wrong"

    def words(self, name: str) -> list[str]:
        return [*name.split(), *({**ASKED, **BROUGHT})[name].format(**self.names).split()]

    def env(self) -> dict[str, str]:
        env: dict[str, str] = self.cli.env | {"TOKEN_PIN": self.pin}
        return env

    def state(self) -> dict[str, bytes]:
        """Every file of the home but for locks, and every object on a token."""
        home: Path = self.cli.home
        kept = [path for path in home.rglob("*") if path.is_file() and not path.name.endswith(".lock")]
        return {str(path.relative_to(home)): path.read_bytes() for path in kept} | {
            str(path): b"" for path in self.softhsm.token_dir.rglob("*.object")
        }

    def changed_since(self, before: dict[str, bytes]) -> set[str]:
        now = self.state()
        return {name for name in before.keys() | now if before.get(name) != now.get(name)}


def self_signed(body: Any, key: SoftwareKey, name: str) -> str:  # noqa: ANN401 - of any kind of claims
    made = draft(Claims(sub=str(key.public_key), name=name, body=body), key.public_key, AT)
    return made.complete(key.sign(made.signing_input)).text


@pytest.fixture
def place(cli: Cli, softhsm: SoftHSM, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(cli.home)
    (cli.home / "servers").mkdir(0o700)
    cli.found_system()
    for words in (
        "operator signing-key add", "account add BILLING", "account add OLD", "account add FORMER",
        "user edit -a ORDERS app --expiry 3d", "user add -a ORDERS gone", "account revoke -a ORDERS gone",
        "account export add -a ORDERS -s orders.> --private", "account export add -a OLD -s old.>",
        "account export revoke -a ORDERS -s orders.> -t OLD",
        "activation new -a ORDERS -s orders.> -t BILLING -o given",
        "account mapping add -a ORDERS --from a --to b",
        "account import add -a BILLING --activation given", "account signing-key add -a ORDERS --role clerk",
        "account signing-key add -a OLD", "key new --role account --name SPARE",
        "user add -a ORDERS foreign", "push --all --dir servers", "account delete FORMER",
        "account edit ORDERS --conns 7", "account edit BILLING --tag team:a --plan first.plan",
        "ceremony prepare first.plan --reason a -o first.json", "key new --role user --name ada",
        "delegate add ORDERS --role clerk --for 1h --out given.nk --without-servers",
    ):  # fmt: skip
        cli.ok(*words.split())
    keys = {key["name"]: key["public_key"] for key in cli.ok("key", "list", "--json").data["keys"]}
    operator = cli.ok("operator", "show", "--json").data
    write_files(cli, keys["ada"], operator["subject"])
    names = {"spare": keys["SPARE"], "witness": keys["ada"], "token": cli.token.uri}
    (names["delegated"],) = json.loads((cli.store / "delegations.json").read_text())["delegations"]
    return Place(cli, names | {"signing_key": operator["claims"]["nats"]["signing_keys"][0]}, softhsm)


def write_files(cli: Cli, witness: str, operator: str) -> None:
    """Write what the commands of the table read."""
    home: Path = cli.home
    creds = home / "store/keys/creds/ACME/ORDERS/foreign.creds"
    shutil.copy(creds, home / "foreign.creds")
    cli.ok("user", "delete", "-a", "ORDERS", "foreign", "--no-revoke", "--rm-creds")
    (home / "ORDERS.jwt").write_text(cli.ok("account", "show", "ORDERS", "--json").data["jwt"])
    (home / "tenants.toml").write_text('[accounts.ORDERS]\ndescription = "new"\n')
    (home / "plain.toml").write_text(f'operator = "{operator}"\n')
    (home / "policy.toml").write_text(
        f'operator = "{operator}"\n[witnesses]\nkeys = ["{witness}"]\nthreshold = 1\n'
    )
    account, user, other = (SoftwareKey.generate(role) for role in (Role.ACCOUNT, Role.USER, Role.OPERATOR))
    (home / "request.jwt").write_text(self_signed(Account.new(), account, "NEW"))
    (home / "other.jwt").write_text(self_signed(Operator.new(), other, "OTHER"))
    (home / "given.record").write_bytes(given_record())
    (home / "seed.nk").write_text(account.reveal())
    (home / "seeds").mkdir()
    (home / "seeds/user.nk").write_text(user.reveal())
    (home / "trust.conf").write_text("# written by hand\n")
    nsc, text = home / "nsc", str(other.public_key)
    for path, data in (
        (nsc / "nsc.json", json.dumps({"store_root": str(nsc / "stores"), "operator": "OTHER"})),
        (nsc / "stores/OTHER/OTHER.jwt", (home / "other.jwt").read_text()),
        (nsc / "stores/OTHER/.nsc", '{"managed":false,"name":"OTHER","kind":"operator","version":"1"}'),
        (nsc / "keys/keys/O" / text[1:3] / f"{text}.nk", other.reveal()),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(data)
    shutil.copytree(home / "store", home / "pair")
    cli.ok("operator", "add", "NEXT", "--store", "pair")
    ledger = home / "begun/ledger.json"
    ledger.parent.mkdir(0o700)
    digest = hashlib.sha256((home / "first.json").read_bytes()).hexdigest()
    ledger.write_text(json.dumps({"version": 1, "open": {operator: digest}, "operators": {}}))


def given_record() -> bytes:
    shares = split(bytes(32), 2, 2, identifier=1)
    key = KeyName(role=Role.ACCOUNT, name="RECOVERED")
    return RecoveryRecord(
        at=AT, identifier=1, threshold=2, words=33,
        shares=tuple(
            ShareRecord(number=share.number + 1, holder="Ada", sha256=share_digest(share)) for share in shares
        ),
        keys=(KeyRecord(key=key, public_key=key.derive(bytes(32)).public_key),),
    ).to_bytes()  # fmt: skip


def without_terminal(place: Place, name: str, stdin: bytes | None) -> tuple[int, str]:
    """Run the command *name* in a session without a terminal; return the exit code and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "seedless", *place.words(name)],
        env=place.env(), cwd=place.cli.home, capture_output=True, start_new_session=True, timeout=60,
        check=False, **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
    )  # fmt: skip
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize(
    "stdin",
    [
        pytest.param(None, id="no stdin"),
        pytest.param(b"ORDERS\nBILLING\n", id="names on stdin"),
        pytest.param(b"n\n", id="no on stdin"),
        pytest.param(b"y\n" * 9, id="yes on stdin"),
    ],
)
def test_without_a_terminal_nothing_is_done_whatever_the_streams_are(
    place: Place, stdin: bytes | None
) -> None:
    before = place.state()
    with ThreadPoolExecutor(2) as pool:
        ended = dict(
            zip(ASKED, pool.map(lambda name: without_terminal(place, name, stdin), ASKED), strict=True)
        )
    assert {
        name: (code, err) for name, (code, err) in ended.items() if code != 2 or SENTENCE not in err
    } == {}
    assert place.changed_since(before) == set()


def test_a_seed_from_stdin_is_not_put_on_a_token_without_consent_and_one_in_a_named_file_is(
    place: Place,
) -> None:
    cli, before = place.cli, place.state()
    seed = (cli.home / "seed.nk").read_text()
    done = cli.run("key", "import", "--role", "account", "--name", "NEW", asks=True, stdin=seed)
    assert (done.code, SENTENCE in done.err, place.changed_since(before)) == (2, True, set())
    cli.ok("key", "import", "--role", "account", "--name", "NEW", "seed.nk", asks=True)
    assert [key["name"] for key in cli.ok("key", "list", "--json").data["keys"]].count("NEW") == 1


@pytest.mark.parametrize("name", BROUGHT)
def test_a_ceremony_without_a_terminal_requires_the_digest_and_does_not_print_it(
    place: Place, name: str
) -> None:
    before = place.state()
    code, err = without_terminal(place, name, b"y\n" * 40)
    assert (
        code,
        "not confirmed: run it on a terminal, or add --expect DIGEST and --clock-checked\n" in err,
    ) == (
        2,
        True,
    )
    assert hashlib.sha256((place.cli.home / "first.json").read_bytes()).hexdigest() not in err
    assert place.changed_since(before) == set()


def answered(place: Place, name: str, typed: str) -> tuple[int, str, str]:
    """Run *name* on a terminal, with stdin, stdout and stderr elsewhere; type the answer to each question.

    Return the exit code, the words that the terminal has shown, and what is in the file of stderr.
    """
    home: Path = place.cli.home
    with (home / "stderr").open("wb") as err, (home / "stdout").open("wb") as out:
        cli = dataclasses.replace(place.cli, env=place.env())
        terminal = cli.terminal_for(*place.words(name), stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        for _ in range(9):
            if not terminal.is_asked():
                break
            terminal.type(typed)
        code = terminal.end()
    told = (home / "stderr").read_text()
    for file in ("stderr", "stdout"):
        (home / file).unlink()
    return code, f"{terminal.text} ", told


SKIPS = {"migrate nsc"}  # which is asked for each key, and leaves out those that are not agreed to


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        pytest.param("n\n", (*ASKED, *BROUGHT), id="no"),
        pytest.param("\x04", ("account edit", "key delete", "prune", "ceremony sign"), id="Ctrl-D"),
    ],
)
def test_a_person_who_is_asked_on_the_terminal_and_does_not_agree_is_obeyed(
    place: Place, typed: str, names: tuple[str, ...]
) -> None:
    before = place.state()
    for name in names:
        code, shown, told = answered(place, name, typed)
        assert code in ({0} if name in SKIPS else {2, 3}), (name, code, shown, told)
        assert re.search(r"\[y/N\]: |Type (its|their) ", shown), (name, shown, told)
        assert "PIN of" not in shown, name
        # All of the review that went to stderr is on the terminal too.
        review = [line for line in told.splitlines() if not line.startswith(("error:", "hint:"))]
        missing = [line for line in review if " ".join(line.split()) not in shown]
        assert name in SKIPS or missing == [], (name, shown)
    assert place.changed_since(before) == set()


@pytest.mark.parametrize(
    ("name", "question", "review"),
    [
        ("operator edit", "Sign this jwt? [y/N]: ", "operator ACME (changed: "),
        ("account delete", "Do this? [y/N]: ", "account OLD (removed: deleted)"),
        ("key new", "Create the key account:NEW on the token? [y/N]: ", ""),
        ("push", "Send this account to servers? [y/N]: ", "ORDERS: "),
        (
            "token doctor",
            "Sign a challenge with a throw-away key, created and deleted, or with one that is there? [y/N]: ",
            "",
        ),
    ],
)
def test_a_yes_on_the_terminal_is_consent_whatever_the_streams_are(
    place: Place, name: str, question: str, review: str
) -> None:
    place.pin = place.cli.token.pin
    code, shown, told = answered(place, name, "y\n")
    assert code == 0, (shown, told)
    assert question in shown
    assert review in shown[: shown.index(question)]


def test_what_is_shown_on_a_terminal_is_not_shown_twice(place: Place) -> None:
    terminal = place.cli.terminal_for(*place.words("operator edit"))
    terminal.wait_for("Sign this jwt? [y/N]: ")
    assert terminal.said.count("operator ACME (changed: ") == 1
    terminal.type("n\n")
    assert terminal.end() == 3
    assert "not confirmed: nothing was signed" in terminal.said


def test_another_terminal_than_the_controlling_one_asks_nobody(place: Place) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "seedless", *place.words("operator edit")],
        env=place.env(), cwd=place.cli.home, stdin=theirs, stdout=theirs,
        stderr=subprocess.PIPE, start_new_session=True, timeout=60, check=False,
    )  # fmt: skip
    os.close(theirs)
    os.close(ours)
    assert (done.returncode, SENTENCE.encode() in done.stderr) == (2, True)


# The first process of a terminal, as a shell is, which leaves a command in the background and has ended what
# started it: nobody in that session can bring it to the foreground, and the kernel answers reads with EIO.
_LEFT_BEHIND = """
import fcntl, os, subprocess, sys, termios
fcntl.ioctl(int(sys.argv[1]), termios.TIOCSCTTY, 0)
read, write = os.pipe()
if os.fork():
    os.close(write)
    sys.exit(int(os.read(read, 9)))
os.setpgid(0, 0)
if not os.fork():
    done = subprocess.run([sys.executable, "-m", "seedless", *sys.argv[2:]])
    os.write(write, str(done.returncode).encode())
os._exit(0)
"""


def left_behind(place: Place, stdin: bytes, *words: str) -> tuple[int, str]:
    """Run a command in a job that a shell has left in the background; return the exit code and stderr."""
    terminal, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-S", "-c", _LEFT_BEHIND, str(theirs), *words],
        env=place.env(), cwd=place.cli.home, input=stdin, capture_output=True, start_new_session=True,
        pass_fds=[theirs], timeout=60, check=False,
    )  # fmt: skip
    os.close(theirs)
    os.close(terminal)
    return done.returncode, done.stderr.decode()


def test_a_job_that_was_left_in_the_background_has_nobody_to_ask(place: Place) -> None:
    before = place.state()
    code, told = left_behind(place, b"y\n", *place.words("operator edit"))
    assert (code, told[-len(SENTENCE) :]) == (2, SENTENCE)
    assert place.changed_since(before) == set()


def test_a_job_in_the_background_takes_no_pin_from_stdin(place: Place) -> None:
    words = (*place.words("operator edit"), "--yes", "--pin-source", "prompt")
    code, told = left_behind(place, f"{place.cli.token.pin}\n".encode(), *words)
    assert code == 4
    assert told.splitlines()[-2:] == [
        "error: there is no terminal to ask for the PIN",
        "hint: give it by env:NAME, file:PATH, fd:N or cmd:PROGRAM",
    ]


def test_what_was_typed_before_the_question_is_no_answer(place: Place) -> None:
    before = place.state()
    terminal = place.cli.terminal_for(*place.words("operator edit"))
    terminal.type("y\n" * 3)
    terminal.wait_for("Sign this jwt? [y/N]: ")
    terminal.type("n\n")
    assert terminal.end() == 3
    assert place.changed_since(before) == set()


def test_where_a_policy_is_pinned_the_hint_states_that_it_decides(place: Place) -> None:
    path = place.cli.home / "policy.toml"
    done = place.cli.run("account", "edit", "ORDERS", "--conns", "5", "--policy", str(path), asks=True)
    assert done.code == 2
    assert f"{SENTENCE}hint: with --yes the pinned policy decides alone: {path}\n" in done.err


def test_nobody_is_asked_for_a_dry_run_a_plan_or_nothing_to_do(place: Place) -> None:
    cli, before = place.cli, place.state()
    cli.ok("account", "edit", "ORDERS", "--conns", "5", "--dry-run", asks=True)
    assert (
        cli.ok("account", "edit", "ORDERS", "--conns", "7", asks=True).out
        == "account ORDERS: nothing to change\n"
    )
    assert place.changed_since(before) == set()
    cli.ok("account", "edit", "ORDERS", "--conns", "5", "--plan", str(cli.home / "a.plan"), asks=True)
    assert place.changed_since(before) == {"a.plan"}


def test_a_digest_from_the_reviewer_is_consent_and_no_message_contains_it(place: Place) -> None:
    cli = place.cli
    plan = cli.ok(
        "account", "edit", "ORDERS", "--conns", "5", "--plan", str(cli.home / "a.plan"), "--json"
    ).data
    for words in ((), ("--expect", "00"), ("--expect", "00", "--yes")):
        done = cli.run("sign", "--plan", plan["plan"], *words, asks=True)
        assert (done.code in {2, 3}, plan["digest"] in done.err) == (True, False)
    assert cli.ok("sign", "--plan", plan["plan"], "--expect", plan["digest"], asks=True).out == "signed: 1\n"
