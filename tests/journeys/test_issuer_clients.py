"""The clients of an issuer that its page shows, as they are there: Python; Go and JavaScript where asked."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedless import Role, SoftwareKey, read
from seedless.creds import format_creds

sys.path.insert(0, str(Path(__file__).parents[1]))

from issuer_systems import ask, world_of
from office import open_office

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    import pytest_softhsm
    from seedless.nkey import PublicKey

_ROOT = Path(__file__).parents[2]
_PAGE = _ROOT / "docs" / "howto" / "issuer.md"
_CLIENTS = os.environ.get("SEEDLESS_TEST_CLIENTS", "")
"""The folder with the packages of Node.js; without it Python alone is run."""
_GO_PACKAGES = "/usr/share/gocode"  # where Debian puts them
_SECONDS = 120.0  # Go compiles first


def shown(language: str) -> str:
    """Return the program, or the command, that the page shows in *language* for `issuer.user`."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", _PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (text,) = (block for block in blocks if "issuer.user" in block)
    return str(text)


def python(folder: Path, program: str) -> list[str]:
    (folder / "client.py").write_text(program)
    return [sys.executable, "client.py"]


def javascript(folder: Path, program: str) -> list[str]:
    (folder / "client.mjs").write_text(program)
    (folder / "node_modules").symlink_to(_ROOT / _CLIENTS / "node_modules")
    return ["node", "client.mjs"]


def go(folder: Path, program: str) -> list[str]:
    (folder / "client.go").write_text(program)
    return ["go", "run", "client.go"]


PROGRAMS: dict[str, Callable[[Path, str], list[str]]] = {"python": python}
if _CLIENTS:
    PROGRAMS |= {"js": javascript, "go": go}


def run(folder: Path, url: str, language: str) -> str:
    """Run the client of the page in *language*, and return what it prints."""
    program = shown(language)
    assert "nats://localhost:4222" in program
    command = PROGRAMS[language](folder, program.replace("nats://localhost:4222", url))
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": _GO_PACKAGES}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_clients_that_the_page_shows_have_users_issued(
    few_tokens: None,
    softhsm_token: pytest_softhsm.Token,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    nats_server: Callable[[str], Any],
) -> None:
    world = world_of(open_office(softhsm_token, tmp_path, monkeypatch), nats_server, tmp_path)
    folder = tmp_path / "clients"
    folder.mkdir()
    (folder / "shop.creds").write_text(format_creds(world.shop.jwt, world.shop.key))
    payload = json.loads(shown("sh").split("'")[1])  # `nats` itself is in no registry that is reached here
    payload["key"] = str(SoftwareKey.generate(Role.USER).public_key)

    async def journey() -> tuple[PublicKey, list[str]]:
        async with world.running() as (process,), world.client(world.shop) as shop:
            asked = (await ask(shop, "user", **payload))["jwt"]
            printed = [await asyncio.to_thread(run, folder, world.url, name) for name in PROGRAMS]
            return process.issuer.keys["ORDERS", "service"].public_key, [asked, *printed]

    key, issued = asyncio.run(journey())
    assert len(issued) == 1 + len(PROGRAMS)
    for text in issued:
        assert (read(text).claims.name, read(text).issuer) == ("ann", key)
