"""A search for secrets in all that a command leaves or shows: files, output, arguments, environments."""

from __future__ import annotations

import base64
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PATIENCE = 60.0


def forms_of_seed(seed: bytes) -> dict[str, bytes]:
    """Return the ways in which a seed of 32 bytes could be written, by name."""
    forms = {
        "raw": seed,
        "hex": seed.hex().encode(),
        "HEX": seed.hex().upper().encode(),
        # The characters that hold nothing but the seed: what stands before and behind differs by role.
        "NATS text": base64.b32encode(bytes(2) + seed + bytes(2))[4:54],
    }
    for shift in range(3):
        padded = bytes(shift) + seed + bytes(-(shift + len(seed)) % 3)
        inner = slice((0, 2, 3)[shift], (shift + len(seed)) * 8 // 6)
        forms[f"base64 at {shift}"] = base64.b64encode(padded)[inner]
        forms[f"url-safe base64 at {shift}"] = base64.urlsafe_b64encode(padded)[inner]
    return forms


def forms_of_text(text: str) -> dict[str, bytes]:
    """Return the ways in which a short text, such as a PIN, could be written, by name."""
    raw = text.encode()
    return {
        "text": raw,
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "base64": base64.b64encode(raw).rstrip(b"="),
        "quoted": repr(text).encode(),
    }


@dataclass
class Watch:
    """All that was to be seen while commands ran, by the place where it was."""

    folder: Path
    seen: dict[str, bytes] = field(default_factory=dict)

    def run(self, *command: str, env: Mapping[str, str]) -> str:
        """Run *command* to its end, look at it and its children all the while, and return its stdout."""
        name = " ".join(command[-3:])
        with (self.folder / "out").open("w+b") as out, (self.folder / "err").open("w+b") as err:
            process = subprocess.Popen(command, env=dict(env), cwd=self.folder, stdout=out, stderr=err)
            end = time.monotonic() + PATIENCE
            while process.poll() is None and time.monotonic() < end:
                self._look(process.pid, name)
                time.sleep(0.01)
            out.seek(0)
            err.seek(0)
            said, told = out.read(), err.read()
        assert process.returncode == 0, told.decode()
        self.seen |= {f"stdout of {name}": said, f"stderr of {name}": told}
        return said.decode()

    def _look(self, pid: int, name: str) -> None:
        for what in ("cmdline", "environ"):
            try:
                now = Path(f"/proc/{pid}/{what}").read_bytes()
            except OSError:  # it has ended, or only root may read its environment: its children are looked at
                continue
            place = f"{what} of {pid}, {name}"
            before = self.seen.get(place, b"")
            if now not in before:  # a process changes it by exec, and has none at its end
                self.seen[place] = before + b"\0" + now
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                below = children.read_text().split()
            except OSError:
                continue
            for child in below:
                self._look(int(child), f"child of {name}")

    def places_of(self, forms: Mapping[str, bytes], *folders: Path, but: tuple[Path, ...] = ()) -> list[str]:
        """Return where any of *forms* is: in what was seen, or in a file of *folders* other than *but*."""
        files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
        written = {str(path): path.read_bytes() + str(path).encode() for path in files if path not in but}
        return [
            f"{form} in {place}"
            for place, data in {**self.seen, **written}.items()
            for form, text in forms.items()
            if text in data
        ]


@pytest.fixture
def watch(tmp_path_factory: pytest.TempPathFactory) -> Watch:
    return Watch(tmp_path_factory.mktemp("watched"))


@pytest.fixture
def seed_forms() -> Callable[[bytes], dict[str, bytes]]:
    return forms_of_seed


@pytest.fixture
def text_forms() -> Callable[[str], dict[str, bytes]]:
    return forms_of_text
