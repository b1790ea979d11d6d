"""The page on lost tokens, against a real nats-server: the token is gone when the page says so."""

from __future__ import annotations

import json
import os
import re
import shutil
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
_KEY = """
key() { seedless key show "$1" | sed -n 's/^public key *//p'; }
"""


@dataclass(frozen=True)
class Office:
    """A folder with a store and tokens, in which sections of the page are run."""

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
        lines = "\n".join(self.scripts(heading))
        return self.run(lines.replace("nats://localhost:4222", url))

    def scripts(self, heading: str) -> list[str]:
        """Return the commands of each block in the section with that *heading*."""
        (section,) = re.findall(
            rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", self.page, re.MULTILINE | re.DOTALL
        )
        blocks = [re.sub(r"^\$ ", "", block, flags=re.MULTILINE) for block in _BLOCK.findall(section)]
        assert blocks
        return blocks

    def lose(self, label: str) -> None:
        """Take the token with this *label* away: its folder is deleted."""
        (token,) = [
            path.parent for path in (self.folder / "tokens").glob("*/token.object")
            if label.encode() in path.read_bytes()
        ]  # fmt: skip
        token.rename(self.folder / f"lost-{label}")

    def json(self, *words: str) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.run(f"seedless {' '.join(words)} --json"))

    def creds(self, user: str, account: str = "ORDERS", operator: str = "ACME") -> Any:  # noqa: ANN401 - Creds
        path = self.folder / f"store/keys/creds/{operator}/{account}/{user}.creds"
        return parse_creds(path.read_text())

    def configuration(self, accounts: Path) -> str:
        """What the page has written for servers, with the folder in which they keep *accounts*."""
        return (self.folder / "trust.conf").read_text().replace("./jwt", str(accounts))


@dataclass(frozen=True)
class Servers:
    """The nats-server of an office: started, restarted with its new configuration, and logged in to."""

    office: Office
    start: Callable[[str], Any]
    session: Callable[..., Any]

    def restarted(self, running: Any = None) -> Any:  # noqa: ANN401 - NatsServer
        """Return a server that trusts what the page has written by now, in place of the *running* one."""
        if running is not None:
            running.stop()
        return self.start(self.office.configuration(self.office.folder / "accounts"))

    def let_in(self, url: str, *users: Any) -> list[bool]:  # noqa: ANN401 - Creds
        """Whether the server lets each of *users* in."""
        return [self.session(url, user.key, user.jwt).refusal == "" for user in users]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, softhsm: pytest_softhsm.SoftHSM) -> Office:
    """The office as *Prepare a spare* leaves it, with an account whose key is on a token of its own."""
    folder = tmp_path_factory.mktemp("prepared")
    made = opened(folder, softhsm.module)
    made.run("echo 1234 > pin; echo 87654321 > so-pin")
    for label in ("MAIN", "SPARE", "TEAM"):
        made.run(f"seedless token init --yes --label {label} --so-pin-source file:so-pin")
    made.walk("Prepare a spare")
    made.run(
        "seedless account add BILLING --yes --token pkcs11:token=TEAM\nseedless user add --yes -a BILLING app"
    )
    return made


def opened(folder: Path, module: Path) -> Office:
    (folder / "tokens").mkdir(exist_ok=True)
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\n")
    return Office(folder, _PAGE.read_text(encoding="utf-8"), module)


@pytest.fixture
def office(prepared: Office, tmp_path: Path) -> Office:
    """A copy of the prepared office."""
    shutil.copytree(prepared.folder, tmp_path / "office")
    return opened(tmp_path / "office", prepared.module)


@pytest.fixture
def servers(office: Office, nats_server: Callable[[str], Any], session: Callable[..., Any]) -> Servers:
    return Servers(office, nats_server, session)


def test_users_stay_and_the_lost_keys_are_gone_when_the_identity_was_lost(
    office: Office, servers: Servers, tmp_path: Path
) -> None:
    prepared = office.json("operator", "show")
    server = servers.restarted()
    office.run(f"seedless push --all --yes --url {server.url}")
    app = office.creds("app")
    assert servers.let_in(server.url, app) == [True]

    office.run("cp store/keys/creds/ACME/SYS/sys.creds .")
    rehearsed = office.walk("Rehearse the loss", server.url)
    assert "signed on the copy, and verified: 6 jwts" in rehearsed
    assert "came back on the copy, as before: 10 keys" in rehearsed
    assert "came back on the copy, as before: 7 jwts" in rehearsed
    shutil.copytree(office.folder, tmp_path / "thief")
    thief = opened(tmp_path / "thief", office.module)
    office.lose("MAIN")

    office.walk("When the token of the operator's identity is lost", server.url)
    after = office.json("operator", "show")
    assert after["subject"] != prepared["subject"]
    kept = after["claims"]["nats"]["signing_keys"]
    assert len(kept) == 1
    assert kept[0] in prepared["claims"]["nats"]["signing_keys"]
    later = office.creds("later")
    assert servers.let_in(server.url, app, later) == [True, True]  # not restarted yet
    steal = "seedless account add {} --yes --token pkcs11:token=MAIN; seedless push {} --yes --url {}"
    thief.run(steal.format("EVIL", "EVIL", server.url))  # where MAIN was stolen, servers take what it signs
    server = servers.restarted(server)
    with pytest.raises(AssertionError, match="R004"):
        thief.run(steal.format("WORSE", "WORSE", server.url))
    office.run(f"seedless push --all --yes --url {server.url}")
    assert servers.let_in(server.url, app, later) == [True, True]


def test_the_commands_that_a_drill_prints_are_the_way_on(office: Office, servers: Servers) -> None:
    office.run('seedless account edit BILLING --yes --issuer "$(seedless operator show --field sub)"')
    server = servers.restarted()
    office.run(f"seedless push --all --yes --url {server.url}")
    app = office.creds("app")
    steps = office.json("recovery", "drill", "MAIN")["steps"]
    commands = [command for step in steps for command in step["commands"]]
    office.lose("MAIN")
    for command in commands:
        words = command.replace("--token OTHER", "--token pkcs11:token=SPARE").replace(" NAME ", " later ")
        office.run(f"{words} --yes" + (f" --url {server.url}" if " push " in command else ""))
    server = servers.restarted(server)
    office.run(f"seedless push --all --yes --url {server.url}")
    again, later = office.creds("app"), office.creds("later")
    assert servers.let_in(server.url, app, again, later) == [False, True, True]
    assert servers.let_in(server.url, office.creds("app", "BILLING")) == [True]


def test_a_lost_signing_key_is_forgotten_and_nobody_notices(office: Office, servers: Servers) -> None:
    lost = office.run(_KEY + "key 'ACME spare'").strip()
    server = servers.restarted()
    office.run(f"seedless push --all --yes --url {server.url}")
    office.lose("SPARE")
    office.walk("When the token of a signing key is lost", server.url)
    assert lost not in office.json("operator", "show")["claims"]["nats"]["signing_keys"]
    assert len(office.json("account", "show", "ORDERS")["claims"]["nats"]["signing_keys"]) == 1
    server = servers.restarted(server)
    assert servers.let_in(server.url, office.creds("app")) == [True]


def test_an_account_whose_token_is_lost_goes_on_without_a_restart(office: Office, servers: Servers) -> None:
    server = servers.restarted()
    office.run(f"seedless push --all --yes --url {server.url}")
    office.lose("TEAM")
    with pytest.raises(AssertionError, match="signing-key add -a BILLING --token OTHER lists another key"):
        office.run("seedless user add --yes -a BILLING later")
    office.walk("When the token of an account is lost", server.url)
    app, later = (office.creds(name, "BILLING") for name in ("app", "later"))
    assert servers.let_in(server.url, app, later) == [True, True]


def drill_of_the_store(office: Office, url: str) -> None:
    """Play the loss of the store with the servers; an account that they do not have as it is gets named."""
    words = ("recovery", "drill", "store", "--url", url, "--creds", "sys.creds")
    played = office.json(*words)
    subjects = [office.json("operator", "show")["subject"]]
    subjects += [office.json("account", "show", name)["subject"] for name in ("BILLING", "ORDERS", "SYS")]
    assert (set(subjects) - set(played["returned"]), played["missing"]) == (set(), [])
    assert len(played["returned"]) == 7  # with app, app of BILLING, and sys
    office.run("cp -r store/stores kept; seedless account edit SYS --yes --tag late")
    with pytest.raises(
        AssertionError, match="missing on the copy: account SYS: the servers have another jwt"
    ):
        office.run(f"seedless {' '.join(words)}")
    office.run("rm -r store/stores; mv kept store/stores")


def test_a_store_and_an_inventory_that_are_lost_come_back(office: Office, servers: Servers) -> None:
    server = servers.restarted()
    office.run(f"seedless push --all --yes --url {server.url}")
    app = office.creds("app")
    office.run(
        "cp store/keys/creds/ACME/SYS/sys.creds sys.creds; cp store/keys/creds/ACME/ORDERS/app.creds .\n"
        "rm store/keyring.json"
    )
    office.walk("When the inventory is lost")
    drill_of_the_store(office, server.url)
    assert len(office.json("key", "list")["keys"]) == 9  # without that of BILLING
    office.run("seedless account edit ORDERS --yes --conns 100")
    office.run("cp -r store away; rm -r store/stores store/keys")
    office.walk("When the store is lost", server.url)
    office.run("seedless account edit ORDERS --yes --conns 50; seedless user add --yes -a ORDERS later")
    office.run("seedless server config --yes --nats-resolver -o trust.conf")
    server = servers.restarted(server)
    office.run(f"seedless push --all --yes --url {server.url}")
    assert servers.let_in(server.url, app, office.creds("later")) == [True, True]


def test_a_ledger_that_is_lost_is_begun_again_and_the_drill_names_what_does_not_come_back(
    office: Office, servers: Servers
) -> None:
    server = servers.restarted()
    office.run(f"seedless push --all --yes --url {server.url}\ncp store/keys/creds/ACME/SYS/sys.creds .")
    operator = office.json("operator", "show")["subject"]
    (office.folder / "policy.toml").write_text(f'operator = "{operator}"\n')
    office.run(
        "seedless account edit ORDERS --conns 100 --plan first.plan\n"
        "seedless ceremony prepare first.plan --reason first -o first.json\n"
        'seedless ceremony sign first.json --first-use all --expect "$(sha256sum first.json | cut -c1-64)" '
        "--clock-checked -o first.result --policy policy.toml\n"
        "seedless ceremony accept first.result"
    )
    drill, last, *steps = office.scripts("When the ledger is lost")
    orders = office.json("account", "show", "ORDERS")["subject"]
    played = office.run(drill)
    assert "came back on the copy, as before: 2 jwts" in played  # operator and ORDERS
    ledger = office.folder / "store/ledger.json"
    before = json.loads(ledger.read_text())["operators"][operator]

    # A ledger that knows more than the results on the machine: what only it has is named.
    other = json.loads(ledger.read_text())
    other["operators"][operator]["subjects"][orders]["iat"] += 1
    other["operators"][operator]["requests"]["0" * 64] = "1" * 64
    ledger.write_text(json.dumps(other))
    with pytest.raises(AssertionError) as caught:
        office.run(drill)
    assert f"missing on the copy: {orders}: no result here has the jwt" in str(caught.value)
    assert f"the ceremony of the request {'0' * 64}: its result is not here" in str(caught.value)

    ledger.unlink()
    office.run(last)
    with pytest.raises(AssertionError, match="R011"):
        office.run("seedless ceremony review again.json --policy policy.toml")
    for step in steps:
        office.run(step.replace("nats://localhost:4222", server.url))
    after = json.loads(ledger.read_text())["operators"][operator]
    assert before["requests"].items() < after["requests"].items()
    assert after["subjects"].keys() == before["subjects"].keys()
    assert office.json("account", "show", "ORDERS")["claims"]["nats"]["limits"]["conn"] == 300
    assert servers.let_in(server.url, office.creds("app")) == [True]


def test_a_spare_operator_signs_and_no_server_is_restarted(office: Office, servers: Servers) -> None:
    first, second = office.scripts("List a spare operator")
    office.run(first)
    server = servers.restarted()
    office.run(f"seedless push --all --yes --operator ACME --url {server.url}")
    app = office.creds("app")
    assert servers.let_in(server.url, app) == [True]
    linted = office.run("seedless server lint trust.conf")
    assert "error" not in linted
    office.lose("MAIN")
    office.lose("TEAM")
    office.run(second.replace("nats://localhost:4222", server.url))
    spare = office.json("operator", "show", "--operator", "ACME-SPARE")["subject"]
    assert office.json("account", "show", "BILLING", "--operator", "ACME-SPARE")["issuer"] == spare
    again = office.creds("app", operator="ACME-SPARE")
    assert again.jwt.text == app.jwt.text
    assert servers.let_in(server.url, app) == [True]
    done = office.run("seedless operator replace ACME --operator ACME-SPARE --yes --token pkcs11:token=SPARE")
    assert "no account" in done


def test_without_a_spare_the_loss_of_the_token_is_the_loss_of_the_operator(
    tmp_path: Path, softhsm: pytest_softhsm.SoftHSM
) -> None:
    office = opened(tmp_path, softhsm.module)
    office.run(
        "echo 1234 > pin; echo 87654321 > so-pin\n"
        "seedless token init --yes --label MAIN --so-pin-source file:so-pin\n"
        "seedless operator add ACME --yes --sys --generate-signing-key --token pkcs11:token=MAIN\n"
        "seedless account add ORDERS --yes --token pkcs11:token=MAIN"
    )
    office.lose("MAIN")
    with pytest.raises(AssertionError, match=r'token "MAIN" \(serial [0-9a-f]+\) is not connected'):
        office.run("seedless account edit ORDERS --yes --conns 100")
