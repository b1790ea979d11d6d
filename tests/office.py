"""A folder, a token, and programs that use both without the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedless import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest

    import pytest_softhsm

# A program without stdout, where nothing of the command line can be imported, and nothing forks.
_ALONE = """
import builtins, json, os, sys
given = json.load(open(sys.argv[1]))
sys.path.insert(0, "")
for name in ("click", "seedless.cli"):
    sys.modules[name] = None
def fork():
    raise AssertionError("a library forks never")
os.fork = fork
os.close(1)
sys.stdout = None
result = {}
exec(compile(given["code"], "program", "exec"), given["names"] | {"result": result})
json.dump(result, open(given["out"], "w"))
"""


@dataclass(frozen=True)
class Office:
    """A folder, a fresh token, and a workspace of both."""

    folder: Path
    token: pytest_softhsm.Token

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of a workspace here, as JSON holds them."""
        return {
            "store": str(self.folder / "store"),
            "module": str(self.token.module),
            "token": self.token.uri,
            "pin_source": f"file:{self.folder / 'pin'}",
        }

    def workspace(self, **others: Any) -> Workspace:  # noqa: ANN401 - as Workspace takes them
        """Return a workspace on the store and the token here."""
        return Workspace(**self.arguments | others)

    def run(self, code: str, names: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Run *code* in a process of its own that has `ARGUMENTS` and `result`; return what it puts there."""
        given, out = self.folder / "given.json", self.folder / "result.json"
        known = {"ARGUMENTS": self.arguments} | dict(names or {})
        given.write_text(json.dumps({"code": code, "names": known, "out": str(out)}))
        done = subprocess.run(
            [sys.executable, "-c", _ALONE, str(given)], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        found: dict[str, Any] = json.loads(out.read_text())
        return found


def open_office(token: pytest_softhsm.Token, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    """Return an office in *folder* with the PIN in a file; no configuration of the owner is in use."""
    pin = folder / "pin"
    pin.touch(mode=0o600)
    pin.write_text(token.pin)
    monkeypatch.setenv("HOME", str(folder))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "SEEDLESS_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return Office(folder, token)
