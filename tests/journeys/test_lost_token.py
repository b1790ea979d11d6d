"""The page on lost tokens, against a real nats-server: the token is gone when the page says so."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from seedless.creds import parse_creds

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest_softhsm

_PAGE = Path(__file__).parents[2] / "docs/howto/lost-token.md"
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_KEY = r"""
key() { seedless key list --json --filter "$1" | grep -o '"[OA][A-Z2-7]\{55\}"' | tr -d '"' | head -1; }
"""


@dataclass(frozen=True)
class Office:
    """A folder with a store and two tokens; `sections` of the page are run in it."""

    folder: Path
    page: str
    module: Path

    def run(self, script: str) -> str:
        """Run the lines of *script*, which must all end well; return what they printed."""
        kept = {
            name: text for name, text in os.environ.items() if not name.startswith(("SEEDLESS", "SOFTHSM"))
        }
        own = {
            "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]),
            "HOME": str(self.folder), "SEEDLESS_MODULE": str(self.module), "SEEDLESS_STORE": "store",
            "SEEDLESS_PIN_SOURCE": "file:pin", "SOFTHSM2_CONF": str(self.folder / "softhsm2.conf"),
        }  # fmt: skip
        done = subprocess.run(
            ["bash", "-euc", f"umask 077\n{script}"],
            cwd=self.folder, env=kept | own, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def walk(self, heading: str, url: str = "") -> str:
        """Run the commands of the section with that *heading*, against the server at *url*."""
        (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", self.page, re.MULTILINE | re.DOTALL)
        lines = [line.removeprefix("$ ") for block in _BLOCK.findall(section) for line in block.splitlines()]
        assert lines
        return self.run(_KEY + "\n".join(lines).replace("nats://localhost:4222", url))

    def lose(self, label: str) -> None:
        """Take the token with this *label* away: its folder is deleted."""
        (token,) = [
            path.parent for path in (self.folder / "tokens").glob("*/token.object")
            if label.encode() in path.read_bytes()
        ]  # fmt: skip
        token.rename(self.folder / "lost")

    def json(self, *words: str) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.run(f"seedless {' '.join(words)} --json"))

    def creds(self, user: str) -> Any:  # noqa: ANN401 - Creds
        return parse_creds((self.folder / f"store/keys/creds/ACME/ORDERS/{user}.creds").read_text())

    def configuration(self, accounts: Path) -> str:
        """What the page has written for servers, with the folder in which they keep *accounts*."""
        return (self.folder / "trust.conf").read_text().replace("./jwt", str(accounts))


@pytest.fixture
def office(tmp_path: Path, softhsm: pytest_softhsm.SoftHSM) -> Office:
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path}/tokens\n")
    page = _PAGE.read_text(encoding="utf-8")
    made = Office(tmp_path, page, softhsm.module)
    made.run("echo 1234 > pin; echo 87654321 > so-pin")
    for label in ("MAIN", "SPARE"):
        made.run(f"seedless token init --yes --label {label} --so-pin-source file:so-pin")
    return made


def test_users_stay_and_the_lost_keys_are_gone_when_the_page_was_followed(
    office: Office, nats_server: Callable[[str], Any], session: Callable[..., Any], tmp_path: Path
) -> None:
    office.walk("Prepare a spare")
    prepared = office.json("operator", "show")
    accounts = tmp_path / "accounts"
    server = nats_server(office.configuration(accounts))
    office.run(f"seedless push --all --yes --url {server.url}")
    app = office.creds("app")
    assert session(server.url, app.key, app.jwt).refusal == ""

    office.lose("MAIN")
    shown = office.walk("Rehearse the loss", server.url)
    assert "MAIN" not in shown
    drill = office.creds("drill")
    assert drill.jwt.issuer != app.jwt.issuer
    assert session(server.url, drill.key, drill.jwt).refusal == ""

    office.walk("When it is lost: the operator", server.url)
    after = office.json("operator", "show")
    assert after["subject"] != prepared["subject"]
    spare = after["claims"]["nats"]["signing_keys"]
    assert len(spare) == 1
    assert spare[0] in prepared["claims"]["nats"]["signing_keys"]
    assert session(server.url, app.key, app.jwt).refusal == ""  # not restarted yet
    server.stop()
    restarted = nats_server(office.configuration(accounts))
    for user in (app, drill):
        assert session(restarted.url, user.key, user.jwt).refusal == ""
    office.run(f"seedless user add --yes -a ORDERS later && seedless push --all --yes --url {restarted.url}")
    later = office.creds("later")
    assert session(restarted.url, later.key, later.jwt).refusal == ""
    office.walk("When it is lost: the accounts")


def test_without_a_spare_the_loss_of_the_token_is_the_loss_of_the_operator(office: Office) -> None:
    office.run(
        "seedless operator add ACME --yes --sys --generate-signing-key --token pkcs11:token=MAIN\n"
        "seedless account add ORDERS --yes --token pkcs11:token=MAIN"
    )
    office.lose("MAIN")
    with pytest.raises(AssertionError, match=r'token "MAIN" \(serial [0-9a-f]+\) is not connected'):
        office.run("seedless account edit ORDERS --yes --conns 100")
