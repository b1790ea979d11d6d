"""What refuses shares through the commands: the policy (P015), the ways of a machine to a disk."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    Cli = Any  # the fixture in tests/conftest.py

CREATE = ("recovery", "create", "OTHER", "--threshold", "2", "--shares", "3", "--yes")


@pytest.fixture
def founded(cli: Cli) -> str:
    """An operator whose keys were created on the token; its public key."""
    cli.ok("operator", "add", "ACME")
    return str(cli.ok("operator", "show", "--json").data["claims"]["sub"])


def policy(cli: Cli, operator: str, text: str) -> str:
    path = cli.home / "policy.toml"
    path.write_text(f'operator = "{operator}"\n{text}')
    return str(path)


def test_a_policy_that_does_not_allow_shares_refuses_to_create_them(cli: Cli, founded: str) -> None:
    for text, why in (
        ("", "P015 the policy forbids keys that shares restore"),
        (
            f'recoverable = "allowed"\n[attestation]\nroots = ["{"0" * 64}"]\nrequired = ["operator"]\n',
            "P015 the policy requires that a device attests the key of operator",
        ),
    ):
        record = cli.home / "record.json"
        done = cli.run(*CREATE, "--policy", policy(cli, founded, text), "-o", str(record))
        assert (done.code, why in done.err, record.exists()) == (3, True, False), done


def test_a_policy_that_requires_shares_lets_no_key_sign_without_them(cli: Cli, founded: str) -> None:
    path = policy(cli, founded, 'recoverable = "required"\n')
    done = cli.run("account", "add", "ORDERS", "--policy", path)
    assert done.code == 3, done
    assert (
        f"P015 no record lists shares that restore operator ACME ({founded}), and the policy requires them"
        in done.err
    )
    assert not (cli.store / "stores/ACME/accounts/ORDERS/ORDERS.jwt").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts files over those of /proc")
@pytest.mark.parametrize(
    ("path", "content", "why", "option"),
    [
        pytest.param(
            "/proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n",
            "this machine has swap: secrets in memory may be written to a disk", "--allow-swap", id="swap",
        ),
        pytest.param(
            "/proc/sys/kernel/core_pattern", "|/usr/lib/systemd/systemd-coredump %P\n",
            "the kernel hands core files to a program", "--allow-core-pipe", id="core-pipe",
        ),
    ],
)  # fmt: skip
def test_a_machine_that_may_write_memory_to_a_disk_is_refused_unless_it_is_allowed(
    cli: Cli, tmp_path: Path, path: str, content: str, why: str, option: str
) -> None:
    clean = {"/proc/swaps": "Filename\n", "/proc/sys/kernel/core_pattern": "core\n"}
    script = ""
    for number, (place, text) in enumerate((clean | {path: content}).items()):
        (tmp_path / str(number)).write_text(text)
        script += f"mount --bind {tmp_path / str(number)} {place} && "
    command = (sys.executable, "-m", "seedless", *CREATE, "-o", str(tmp_path / "record.json"))
    refused, allowed = (
        subprocess.run(
            ("unshare", "-m", "sh", "-c", f'{script}exec "$@"', "sh", *command, *more),
            env=cli.env_with(), cwd=cli.home, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            start_new_session=True, check=False,
        )
        for more in ((), (option,))
    )  # fmt: skip
    if "mount" in refused.stderr and "permission denied" in refused.stderr.lower():
        pytest.skip("this system lets nobody mount")
    assert (refused.returncode, why in refused.stderr, option in refused.stderr) == (2, True, True), refused
    assert (why in allowed.stderr, "terminal" in allowed.stderr) == (False, True), allowed
    assert not (tmp_path / "record.json").exists()
