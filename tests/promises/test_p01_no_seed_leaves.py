"""Promise 1: no seed leaves the token.

Keys with known seeds are put on a token, every command that signs or looks is run, and the seeds are searched
for in every form in which they could be written: in files, output, arguments and environments. The same
search finds a leak that was planted.
"""

from __future__ import annotations

import base64
import json
import sys
from typing import TYPE_CHECKING

import pytest

from seedless.creds import parse_creds
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from pytest_softhsm import SoftHSM

    Desk = Any  # the fixture in tests/conftest.py
    Watch = Any  # and in conftest.py
    Forms = Callable[[bytes], dict[str, bytes]]

SEEDLESS = (sys.executable, "-m", "seedless")
KEYS = {
    role: SoftwareKey(role, base64.b32encode(role.name.encode() * 4)[:32])
    for role in (Role.OPERATOR, Role.ACCOUNT, Role.USER)
}
OPERATOR, ACCOUNT, USER = (str(key.public_key) for key in KEYS.values())


@pytest.fixture
def filled(desk: Desk) -> Desk:
    """A desk whose token holds keys with seeds that the test knows."""
    for number, (role, key) in enumerate(KEYS.items()):
        desk.token.import_ed25519(
            key.reveal_raw(), label=f"{role.name.lower()}:{role.name}", id=bytes([number + 1])
        )
    return desk


def test_seeds_on_a_token_are_nowhere_else(
    filled: Desk, watch: Watch, seed_forms: Forms, softhsm: SoftHSM
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
        watch.run(*SEEDLESS, *words.split(), env=env)
    kinds = {place.split()[0] for place in watch.seen}
    assert kinds == {"cmdline", "environ", "stdout", "stderr"}
    for key in KEYS.values():
        forms = seed_forms(key.reveal_raw())
        assert watch.places_of(forms, filled.home, watch.folder, softhsm.folder) == []


def test_the_seed_of_a_software_user_is_in_its_creds_file_alone(
    desk: Desk, watch: Watch, seed_forms: Forms
) -> None:
    desk.ok("operator", "add", "ACME")
    desk.ok("account", "add", "ORDERS")
    watch.run(*SEEDLESS, "user", "add", "-a", "ORDERS", "app", env=desk.env_with(TMPDIR=str(desk.home)))
    file: Path = desk.store / "keys" / "creds" / "ACME" / "ORDERS" / "app.creds"
    forms = seed_forms(parse_creds(file.read_text()).key.reveal_raw())
    assert watch.places_of(forms, desk.home) == [f"NATS text in {file}"]
    assert watch.places_of(forms, desk.home, but=(file,)) == []
    assert file.stat().st_mode & 0o777 == 0o600


SEED = bytes(range(224, 256))  # its two kinds of base64 differ wherever it begins


@pytest.mark.parametrize("role", Role)
def test_a_seed_in_a_file_is_found(tmp_path: Path, watch: Watch, seed_forms: Forms, role: Role) -> None:
    (tmp_path / "forgotten").write_text(f"seed: {SoftwareKey(role, SEED).reveal()}\n")
    assert watch.places_of(seed_forms(SEED), tmp_path) == [f"NATS text in {tmp_path}/forgotten"]


def test_a_seed_in_a_file_is_found_raw(tmp_path: Path, watch: Watch, seed_forms: Forms) -> None:
    (tmp_path / "core").write_bytes(b"\0" * 100 + SEED + b"\0")
    assert watch.places_of(seed_forms(SEED), tmp_path) == [f"raw in {tmp_path}/core"]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_seed_in_the_output_is_found(desk: Desk, watch: Watch, seed_forms: Forms, stream: str) -> None:
    code = f"import sys; print('{SEED.hex()}', file=sys.{stream})"
    watch.run(sys.executable, "-c", f"exec(bytes.fromhex('{code.encode().hex()}'))", env=desk.env)
    found = [place.split()[:3] for place in watch.places_of(seed_forms(SEED)) if "cmdline" not in place]
    assert found == [["hex", "in", stream]]


@pytest.mark.parametrize("shift", [0, 1, 2])
def test_a_seed_in_an_argument_of_a_child_is_found(
    desk: Desk, watch: Watch, seed_forms: Forms, shift: int
) -> None:
    leak = base64.b64encode(b"x" * shift + SEED + b"tail")
    argument = f"bytes.fromhex('{leak.hex()}').decode()"
    child = f"[sys.executable, '-c', 'import time; time.sleep(0.3)', {argument}]"
    code = f"import subprocess, sys; subprocess.run({child}, check=True)"
    watch.run(sys.executable, "-c", code, env=desk.env)
    found = watch.places_of(seed_forms(SEED))
    assert [place.split(" of ")[0] for place in found] == [f"base64 at {shift} in cmdline"]


def test_a_seed_in_an_environment_is_found(desk: Desk, watch: Watch, seed_forms: Forms) -> None:
    leak = base64.urlsafe_b64encode(SEED).decode()
    watch.run(sys.executable, "-c", "import time; time.sleep(0.2)", env=desk.env | {"NSC_SEED": leak})
    found = watch.places_of(seed_forms(SEED))
    assert [place.split(" of ")[0] for place in found] == ["url-safe base64 at 0 in environ"]
