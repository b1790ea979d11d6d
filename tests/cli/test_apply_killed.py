"""Apply in bulk: killed anywhere, the same command finishes the work; bulk and one by one make the same."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from seedless.jwt import read
from seedless.nkey import Role
from seedless.pkcs11.isolation.pool import open_pool
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py

COUNT = 220  # more than are recorded together, and enough for workers


def key(number: int) -> str:
    return str(SoftwareKey(Role.ACCOUNT, hashlib.sha256(b"%d" % number).digest()).public_key)


def tenants(count: int = COUNT) -> str:
    lines = ['[templates.s]\npublic_key = "{{key}}"\n']
    lines += [
        f'[[tenants]]\ntemplate = "s"\nname = "t{number:03}"\nvars = {{ key = "{key(number)}" }}\n'
        for number in range(count)
    ]
    return "".join(lines)


@pytest.fixture
def system(cli: Cli) -> Cli:
    """The operator ACME on the token, pinned by a policy, and a file of many tenants."""
    cli.ok("operator", "add", "ACME")
    operator = cli.ok("operator", "show", "--json").data["subject"]
    (cli.home / "policy.toml").write_text(f'operator = "{operator}"\n')
    (cli.home / "tenants.toml").write_text(tenants())
    cli.env["SEEDLESS_POLICY"] = str(cli.home / "policy.toml")
    return cli


def recorded(store: Path) -> dict[str, str]:
    return {path.stem: path.read_text() for path in store.glob("stores/ACME/accounts/*/*.jwt")}


def test_a_run_that_is_killed_at_many_points_is_finished_by_the_same_command(system: Cli) -> None:
    command = [sys.executable, "-m", "seedless", "apply", "tenants.toml", "--yes"]
    kept: dict[str, str] = {}
    begun = time.monotonic()
    subprocess.run(
        [*command, "--plan-only"], env=system.env, cwd=system.home, capture_output=True, check=False
    )
    whole = (time.monotonic() - begun) * 3
    for turn in range(10):
        with system.whole_tokens():
            process = subprocess.Popen(
                command,
                env=system.env,
                cwd=system.home,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            time.sleep(whole * (turn + 1) / 10)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        there = recorded(system.store)
        assert {name: there[name] for name in kept} == kept  # nothing lost, nothing signed again
        assert all(read(text).claims.name == name for name, text in there.items())
        kept = there
    system.ok("apply", str(system.home / "tenants.toml"))
    there = recorded(system.store)
    assert len(there) == COUNT
    assert {name: there[name] for name in kept} == kept
    assert system.ok("apply", str(system.home / "tenants.toml"), "--plan-only").out == "nothing differs\n"
    assert list(system.store.rglob(".seedless-*.tmp")) == []


def test_what_is_signed_in_bulk_is_signed_byte_for_byte_as_one_by_one(
    system: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr("seedless.app.workspace.time.time", lambda: now)
    few = system.home / "few"
    shutil.copytree(system.store, few)
    (system.home / "few.toml").write_text(tenants(3))
    system.ok("apply", str(system.home / "tenants.toml"))
    system.ok("apply", str(system.home / "few.toml"), SEEDLESS_STORE=str(few))
    there = recorded(system.store)
    assert recorded(few) == {name: there[name] for name in ("t000", "t001", "t002")}


def test_jobs_are_as_many_sessions_and_sign_the_same_bytes(
    system: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr("seedless.app.workspace.time.time", lambda: now)
    opened: list[int] = []

    def spy(*args: Any, workers: int, **named: Any) -> Any:  # noqa: ANN401 - as it is called
        opened.append(workers)
        return open_pool(*args, workers=workers, **named)

    monkeypatch.setattr("seedless.pkcs11.isolation.pool.open_pool", spy)
    one, three = system.home / "one", system.home / "three"
    for store in (one, three):
        shutil.copytree(system.store, store)
    (system.home / "few.toml").write_text(tenants(7))
    few = str(system.home / "few.toml")
    system.ok("apply", few, SEEDLESS_STORE=str(one))
    assert opened == []
    system.ok("apply", few, "--jobs", "3", SEEDLESS_STORE=str(three))
    assert opened == [3]
    assert len(recorded(three)) == 7
    assert recorded(three) == recorded(one)


def test_progress_is_reported_where_there_is_no_terminal(system: Cli) -> None:
    told = system.ok("apply", str(system.home / "tenants.toml")).err
    assert re.findall(r"^signed: \d+ of \d+$", told, re.MULTILINE)[-1] == f"signed: {COUNT} of {COUNT}"


def test_the_pin_is_asked_once_for_new_keys_and_for_workers(system: Cli) -> None:
    asked = system.home / "asked"
    program = system.home / "pin.sh"
    program.write_text(f"#!/bin/sh\necho asked >> {asked}\necho {system.token.pin}\n")
    program.chmod(0o700)
    (system.home / "tenants.toml").write_text(tenants() + "[accounts.NEW]\n")
    source = f"cmd:{program}"
    system.ok("apply", str(system.home / "tenants.toml"), SEEDLESS_PIN_SOURCE=source, TOKEN_PIN=None)
    assert asked.read_text() == "asked\n"
    assert "NEW" in recorded(system.store)
