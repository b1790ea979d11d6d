"""Promise 1: no seed leaves the token.

Keys with known seeds are put on a token, every command that signs or looks is run, and the seeds are searched
for in every form in which they could be written: in files, output, arguments and environments. The same
search finds a leak that was planted. A seed that somebody gives as an argument is neither shown nor used.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from typing import TYPE_CHECKING

import click
import pytest

from seedless.creds import parse_creds
from seedless.nkey import Role, base32, pack
from seedless.seeds import SoftwareKey
from seedless.text import holds_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from pytest_softhsm import SoftHSM

    Cli = Any  # the fixture in tests/conftest.py
    Watch = Any  # and in conftest.py
    Forms = Callable[[bytes], dict[str, bytes]]

SEEDLESS = (sys.executable, "-m", "seedless")
KEYS = {
    role: SoftwareKey(role, base64.b32encode(role.name.encode() * 4)[:32])
    for role in (Role.OPERATOR, Role.ACCOUNT, Role.USER)
}
OPERATOR, ACCOUNT, USER = (str(key.public_key) for key in KEYS.values())


@pytest.fixture
def filled(cli: Cli) -> Cli:
    """A home whose token holds keys with seeds that the test knows."""
    for number, (role, key) in enumerate(KEYS.items()):
        cli.token.import_ed25519(
            key.reveal_raw(), label=f"{role.name.lower()}:{role.name}", id=bytes([number + 1])
        )
    return cli


def test_seeds_on_a_token_are_nowhere_else(
    filled: Cli, watch: Watch, seed_forms: Forms, softhsm: SoftHSM
) -> None:
    claims = filled.home / "claims.json"
    claims.write_text(json.dumps({"sub": USER, "name": "plain", "nats": {"x": 1}}))
    creds = filled.home / "app.creds"
    env = filled.env_with(TMPDIR=str(filled.home))
    for words in (
        f"operator add ACME -k {OPERATOR}",
        f"account add ORDERS -k {ACCOUNT}",
        f"user add -a ORDERS app -k {USER} --json",
        f"sign {claims} --kind generic -K {ACCOUNT} -o {filled.home}/plain.jwt",
        f"sign {filled.store}/stores/ACME/accounts/ORDERS/ORDERS.jwt --record --json",
        f"key list --token {filled.token.uri} --json",
        f"key show {USER}",
        f"user creds -a ORDERS app -o {creds}",
    ):
        watch.run(*SEEDLESS, *filled.agreed(*words.split()), env=env)
    kinds = {place.split()[0] for place in watch.seen}
    assert kinds == {"cmdline", "environ", "stdout", "stderr"}
    for key in KEYS.values():
        forms = seed_forms(key.reveal_raw())
        assert watch.places_of(forms, filled.home, watch.folder, softhsm.folder) == []


def test_the_seed_of_a_software_user_is_in_its_creds_and_its_key_file_alone(
    cli: Cli, watch: Watch, seed_forms: Forms
) -> None:
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS")
    watch.run(*SEEDLESS, "user", "add", "-a", "ORDERS", "app", "-y", env=cli.env_with(TMPDIR=str(cli.home)))
    file: Path = cli.store / "keys" / "creds" / "ACME" / "ORDERS" / "app.creds"
    key = parse_creds(file.read_text()).key
    public = str(key.public_key)
    stored = cli.store / "keys" / "keys" / "U" / public[1:3] / f"{public}.nk"
    forms = seed_forms(key.reveal_raw())
    places = watch.places_of(forms, cli.home)
    assert sorted(places) == [f"NATS text in {file}", f"NATS text in {stored}"]
    assert watch.places_of(forms, cli.home, but=(file, stored)) == []
    assert [path.stat().st_mode & 0o777 for path in (file, stored)] == [0o600, 0o600]


SEED = bytes(range(224, 256))  # its two kinds of base64 differ wherever it begins


@pytest.mark.parametrize("role", Role)
def test_a_seed_in_a_file_is_found(tmp_path: Path, watch: Watch, seed_forms: Forms, role: Role) -> None:
    (tmp_path / "forgotten").write_text(f"seed: {SoftwareKey(role, SEED).reveal()}\n")
    assert watch.places_of(seed_forms(SEED), tmp_path) == [f"NATS text in {tmp_path}/forgotten"]


def test_a_seed_in_a_file_is_found_raw(tmp_path: Path, watch: Watch, seed_forms: Forms) -> None:
    (tmp_path / "core").write_bytes(b"\0" * 100 + SEED + b"\0")
    assert watch.places_of(seed_forms(SEED), tmp_path) == [f"raw in {tmp_path}/core"]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_seed_in_the_output_is_found(cli: Cli, watch: Watch, seed_forms: Forms, stream: str) -> None:
    code = f"import sys; print('{SEED.hex()}', file=sys.{stream})"
    watch.run(sys.executable, "-c", f"exec(bytes.fromhex('{code.encode().hex()}'))", env=cli.env)
    found = [place.split()[:3] for place in watch.places_of(seed_forms(SEED)) if "cmdline" not in place]
    assert found == [["hex", "in", stream]]


@pytest.mark.parametrize("shift", [0, 1, 2])
def test_a_seed_in_an_argument_of_a_child_is_found(
    cli: Cli, watch: Watch, seed_forms: Forms, shift: int
) -> None:
    leak = base64.b64encode(b"x" * shift + SEED + b"tail")
    argument = f"bytes.fromhex('{leak.hex()}').decode()"
    child = f"[sys.executable, '-c', 'import time; time.sleep(0.3)', {argument}]"
    code = f"import subprocess, sys; subprocess.run({child}, check=True)"
    watch.run(sys.executable, "-c", code, env=cli.env)
    found = watch.places_of(seed_forms(SEED))
    assert [place.split(" of ")[0] for place in found] == [f"base64 at {shift} in cmdline"]


def test_a_seed_in_an_environment_is_found(cli: Cli, watch: Watch, seed_forms: Forms) -> None:
    leak = base64.urlsafe_b64encode(SEED).decode()
    watch.run(sys.executable, "-c", "import time; time.sleep(0.2)", env=cli.env | {"NSC_SEED": leak})
    found = watch.places_of(seed_forms(SEED))
    assert [place.split(" of ")[0] for place in found] == ["url-safe base64 at 0 in environ"]


MISTYPED = {role: SoftwareKey(role, bytes(range(100, 132))).reveal() for role in Role}


def places(
    words: tuple[str, ...], command: click.Command, seed: str
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield *command* with *seed* in each place that takes text, and how its error names that place."""
    arguments = sum(isinstance(parameter, click.Argument) for parameter in command.params)
    for number in range(arguments + 1):  # one too many, too
        given = (*words, *("x" for _ in range(number)), seed)
        yield given, f"argument {len(given)}"
    for option in (parameter for parameter in command.params if isinstance(parameter, click.Option)):
        for name in (*option.opts, *option.secondary_opts):
            yield (*words, name, seed), f"what follows {name}"
            yield (*words, f"{name}={seed}"), f"the value of {name if name[:2] == '--' else name[:2]}"
            yield (*words, name, f"pkcs11:token={seed};x"), f"what follows {name}"
            if name[:2] != "--":
                yield (*words, name + seed), f"the value of {name}"


def test_a_seed_in_any_place_of_any_command_is_neither_shown_nor_used(
    cli: Cli, commands: dict[tuple[str, ...], click.Command]
) -> None:
    cli.ok("operator", "add", "ACME")
    before, seed, count = cli.files(), MISTYPED[Role.ACCOUNT], 0
    for words, command in commands.items():
        for given, place in places(words, command, seed):
            done = cli.run(*given, *(["--json"] if count % 2 else []))
            assert (done.code, seed in done.out + done.err) == (2, False), given
            assert f"error: {place} holds a seed, and a seed is never an argument" in done.err, given
            count += 1
    assert cli.files() == before
    assert count > 2000


@pytest.mark.parametrize(
    "words",
    [
        "{}",
        "account {}",
        "account add --{}",
        "account add X -k {}",
        "account edit ORDERS --rm-sk {}",
        "account show {}",
        "account revoke -a ORDERS {}",
        "user add -a {} u",
        "user add -a ORDERS u -K {}",
        "user show -a ORDERS {}",
        "key show {}",
        "show {}",
        "verify {}",
        "server config --nkey {}",
        "sign x.json -K {}",
        "rotate account-key {}",
        "push {} --url nats://127.0.0.1:1",
    ],
)
def test_no_message_shows_a_seed_wherever_it_comes_from(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    cli.ok("operator", "add", "ACME", "--sys")
    cli.ok("account", "add", "ORDERS")
    monkeypatch.setattr("seedless.cli.main.refuse_seeds", lambda *_: None)
    seed = MISTYPED[Role.ACCOUNT]
    done = cli.run(*words.format(seed).split())
    assert done.code in {1, 2, 3}
    assert (seed in done.out + done.err, done.err[:7]) == (False, "error: ")


WRITTEN = {
    "alone": "{seed}",
    "in a URL": "nats://{seed}@host:4222",
    "in a path": "/home/x/{seed}.nk",
    "in a URI": "pkcs11:token=ACME;object={seed}",
    "behind letters": "MY{seed}",
    "before letters": "{seed}ABC",
    "its last letters missing": "{seed:.54}",
    "in lower case": "{lower}",
    "between quotes": "'{seed}'",
    "twice": "{seed}{seed}",
    "an option": "--{seed}",
    "a short option": "-{seed}",
    "a line of a creds file": "-----BEGIN USER NKEY SEED-----\n{seed}\n",
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("role", Role)
def test_however_a_seed_is_written_it_is_cut(cli: Cli, role: Role, text: str) -> None:
    seed = MISTYPED[role]
    given = text.format(seed=seed, lower=seed.lower())
    for words in ((given,), ("account", "add", given), ("show", given), ("key", "list", "--token", given)):
        done = cli.run(*words)
        assert done.code == 2
        assert "holds a seed, and a seed is never an argument" in done.err
        assert seed[2:50].lower() not in (done.out + done.err).lower()


@pytest.mark.parametrize("name", ["SEEDLESS_STORE", "SEEDLESS_TOKEN", "SEEDLESS_CONTEXT", "NATS_CA"])
def test_a_seed_in_a_variable_is_neither_shown_nor_used(cli: Cli, name: str) -> None:
    done = cli.run("account", "add", "ORDERS", **{name: MISTYPED[Role.ACCOUNT]})
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: the environment variable {name} holds a seed")
    assert MISTYPED[Role.ACCOUNT] not in done.err


def test_public_keys_and_digests_are_no_seeds(cli: Cli) -> None:
    for number in range(300):
        raw = hashlib.sha256(bytes([number % 256, number // 256])).digest()
        keys = (pack(bytes([role.prefix]) + raw) for role in Role)
        for text in (*keys, base32(raw), raw.hex(), base64.b64encode(raw * 50).decode()):
            assert not holds_seed(text)
            assert not holds_seed(f"{text}:{text}")
    assert "holds a seed" not in cli.run("key", "show", OPERATOR).err


DESIRED = {
    "an account's name": "[accounts.{seed}]\n",
    "a user's name": "[accounts.ORDERS.users.{seed}]\n",
    "a tag": '[accounts.ORDERS]\ntags = ["{seed}"]\n',
    "a description": '[accounts.ORDERS]\ndescription = "see {seed}"\n',
    "a subject": '[accounts.ORDERS]\nexports = [{{subject = "orders.{seed}", type = "stream"}}]\n',
    "a key": '[accounts.ORDERS]\nsigning_keys = ["{seed}"]\n',
    "an unknown member": "[accounts.ORDERS]\n{seed} = 1\n",
}


@pytest.mark.parametrize("text", DESIRED.values(), ids=DESIRED)
def test_a_seed_in_a_file_of_desired_state_is_neither_shown_nor_signed(cli: Cli, text: str) -> None:
    cli.ok("operator", "add", "ACME")
    keys, before, seed = cli.ok("key", "list").out, cli.files(), MISTYPED[Role.ACCOUNT]
    file = cli.home / "desired.toml"
    file.write_text('version = 1\noperator = "ACME"\n' + text.format(seed=seed))
    done = cli.run("apply", str(file), "-y")
    assert done.code in {1, 2, 3}
    assert seed not in done.out + done.err
    assert (cli.files(), cli.ok("key", "list").out) == (before, keys)


def test_claims_with_a_seed_are_signed_by_nobody(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    cli.ok("account", "add", "ORDERS")
    before, seed, file = cli.files(), MISTYPED[Role.USER], cli.home / "claims.json"
    file.write_text(json.dumps({"sub": "x", "name": "n", "nats": {"deep": [{seed: 1}, {"x": f"({seed})"}]}}))
    issuer = cli.ok("account", "show", "ORDERS", "--json").data["subject"]
    words = ("sign", str(file), "--kind", "generic", "-K", issuer, "-o", str(cli.home / "out.jwt"))
    done = cli.run(*words)
    assert (done.code, seed in done.out + done.err) == (3, False)
    assert "error: G012 generic n nats.deep[0]: is or holds a seed" in done.err
    assert "error: G012 generic n nats.deep[1].x: is or holds a seed" in done.err
    assert cli.run(*words, "--allow", "G012").code == 2
    assert (cli.files(), (cli.home / "out.jwt").exists()) == (before, False)
