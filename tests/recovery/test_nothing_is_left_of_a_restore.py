"""No share and no secret is left by `recovery restore`, `recovery derive`, `ceremony keygen`, or a crash.

Each stops where it asks for the PIN: its child has the secret and the derived keys then. The same search that
finds nothing in the parent finds them in the child. tests/recovery/test_nothing_is_left.py is about `create`.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from secret_search import children, files_below, found_in, memory, root_of_linux, words_in
from share_holders import keygen, prepare

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest_softhsm

    Cli = Any  # the fixture in tests/conftest.py
    Holders = Any  # the class in share_holders.py
    Created = Callable[..., tuple[Path, list[list[str]]]]

ALLOWED = ("--allow-swap", "--allow-core-pipe")
ALTERNATE = re.compile(r"\x1b\[\?1049h.*?\x1b\[\?1049l", re.DOTALL)
COMMANDS = {
    "restore": ("--key", "operator:ACME"),
    "derive": ("--role", "account", "--name", "ORDERS", "-o", "longer.record"),
}


def restoring(
    name: str, cli: Cli, holders: type[Holders], created: Created, spare: Any, **streams: Any  # noqa: ANN401
) -> Holders:  # fmt: skip
    """Type the shares for the command *name*; it asks for the PIN next."""
    record, shares = created()
    cli.env["SEEDLESS_PIN_SOURCE"] = "prompt"
    words = ("recovery", name, str(record), *COMMANDS[name], "--token", spare.uri, "--yes", *ALLOWED)
    people = holders(cli.terminal_for(*words, **streams), shares)
    people.type_share(shares[2])
    people.type_share(shares[0])
    return people


def creating(cli: Cli, holders: type[Holders], **streams: Any) -> Holders:  # noqa: ANN401
    """Write down and read back the shares of a ceremony; it asks for the PIN next."""
    words = list(keygen(cli, prepare(cli)))
    words[words.index("--pin-source") + 1] = "prompt"
    people = holders(cli.terminal_for(*words, **streams))
    people.write_down_all()
    people.read_back_all()
    return people


def require_nothing_in_parent(people: Holders) -> int:
    """Search parent and child while the child waits for the PIN; return the child."""
    people.terminal.wait_for("PIN")
    parent = people.terminal.process.pid
    (child,) = children(parent)
    assert found_in(memory(parent), people.shares) == []
    assert "secret" in found_in(memory(child), people.shares)  # the same search finds it
    for pid in (parent, child):
        for name in ("cmdline", "environ"):
            assert found_in(Path(f"/proc/{pid}/{name}").read_bytes(), people.shares) == []
    return child


@root_of_linux
@pytest.mark.parametrize("name", [*COMMANDS, "keygen"])
def test_neither_memory_nor_disk_nor_output_nor_history_has_a_share_or_a_secret(
    name: str,
    cli: Cli,
    softhsm: pytest_softhsm.SoftHSM,
    holders: type[Holders],
    created: Created,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    cli.env["TMPDIR"] = str(tmp_path_factory.mktemp("temporary"))
    with (cli.home / "out").open("wb") as out, (cli.home / "err").open("wb") as err:
        if name == "keygen":
            people = creating(cli, holders, stdout=out, stderr=err)
        else:
            spare = softhsm.create("SPARE", pin=cli.token.pin)
            people = restoring(name, cli, holders, created, spare, stdout=out, stderr=err)
        child = require_nothing_in_parent(people)
        people.terminal.type(f"{cli.token.pin}\n")
        if name == "keygen":  # the parent opens the tokens once the child has ended
            end = time.monotonic() + 20
            while Path(f"/proc/{child}").exists() and time.monotonic() < end:
                time.sleep(0.02)
            people.terminal.wait_for("PIN")
            for pid in (people.terminal.process.pid, *children(people.terminal.process.pid)):
                assert found_in(memory(pid), people.shares) == []
            people.terminal.type(f"{cli.token.pin}\n")
        assert people.terminal.end() == 0, (people.terminal.said, (cli.home / "err").read_text())
    folders = (cli.home, softhsm.token_dir, Path(cli.env["TMPDIR"]))
    left = {
        path: found for path in files_below(*folders) if (found := found_in(path.read_bytes(), people.shares))
    }
    assert left == {}
    history = ALTERNATE.sub("", people.terminal.said)
    assert [words_in(history, share) for share in people.shares] == [[], [], []]
    assert words_in(people.terminal.said, people.shares[2])  # the same search finds what was typed


@root_of_linux
@pytest.mark.skipif(
    not Path("/proc/sys/kernel/core_pattern").exists()
    or Path("/proc/sys/kernel/core_pattern").read_text() != "core\n",
    reason="cores of this machine go somewhere else",
)
def test_a_crash_of_the_process_with_the_secret_leaves_no_core(
    cli: Cli, softhsm: pytest_softhsm.SoftHSM, holders: type[Holders], created: Created
) -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        control = os.posix_spawn(
            sys.executable, [sys.executable, "-c", f"import os; os.chdir({str(cli.home)!r}); os.abort()"], {}
        )
        os.waitpid(control, 0)
        spare = softhsm.create("SPARE", pin=cli.token.pin)
        people = restoring("restore", cli, holders, created, spare)
        child = require_nothing_in_parent(people)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
    cores = list(cli.home.glob("core*"))
    assert cores or not before[1], "a crash here does leave a core"
    os.kill(child, signal.SIGSEGV)
    assert people.terminal.end() == 4
    assert "the process that has the secret was ended by signal 11: nothing" in people.terminal.text
    assert list(cli.home.glob("core*")) == cores
