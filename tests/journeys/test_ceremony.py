"""Ceremonies from the first key to a message: three folders that share nothing but what is carried."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from seedless.cli.main import main
from seedless.creds import parse_creds
from seedless.nkey import Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest_softhsm

_KEYS = ("operator:ACME", "operator:ACME signing", "operator:ACME next", "account:SYS", "account:ORDERS")


def without_network() -> tuple[str, ...]:
    """The words that run a command in a namespace without a network, where the machine allows it."""
    for words in (("unshare", "-n"), ("unshare", "-rn")):
        if (
            shutil.which(words[0])
            and subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0
        ):
            return words
    return ()


@dataclass(frozen=True)
class Machine:
    """A machine: a folder, and what is in its environment.

    `around` are words before each command; without any the commands run in this process, which is quicker.
    """

    folder: Path
    environment: dict[str, str]
    around: tuple[str, ...] = ()

    def run(self, *words: str) -> Any:  # noqa: ANN401 - JSON
        """Run a command that must end well, and return the object that it prints."""
        if not self.around:
            return self._here(*words)
        done = subprocess.run(
            [*self.around, sys.executable, "-m", "seedless", *words, "--json"],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def _here(self, *words: str) -> Any:  # noqa: ANN401 - JSON
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.environment, clear=True),
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = main([*words, "--json"])
        assert code == 0, f"{words}\n{out.getvalue()}\n{err.getvalue()}"
        return json.loads(out.getvalue())

    def carry(self, name: str, to: Machine) -> None:
        shutil.copy(self.folder / name, to.folder / name)


@dataclass(frozen=True)
class Three:
    """The machine with a network, the one without, and that of the auditor."""

    online: Machine
    offline: Machine
    auditor: Machine

    def ceremony(
        self, name: str, *change: str, witnesses: tuple[str, ...] = ("ada", "cyd")
    ) -> dict[str, Any]:
        """Plan *change* online, sign it offline with two witnesses, accept it, and give it to the auditor."""
        request, result = f"{name}.request.json", f"{name}.result.json"
        self.online.run(*change, "--plan", f"{name}.plan")
        made = self.online.run(
            "ceremony", "prepare", f"{name}.plan", "--reason", name, "--by", "Grace", "-o", request
        )
        self.online.carry(request, self.offline)
        if name == "first":
            assert self.offline.run("ceremony", "review", request)["words"] == made["words"]
        consent = ("--expect", made["request"], "--clock-checked")
        for witness in witnesses:
            self.offline.run(
                "ceremony",
                "witness",
                request,
                "--key-file",
                f"{witness}.nk",
                "-o",
                f"{name}.{witness}",
                *consent,
            )
        statements = [word for one in witnesses for word in ("--witness", f"{name}.{one}")]
        self.offline.run(
            "ceremony", "sign", request, *statements, "--present", "Grace", *consent, "-o", result
        )
        self.offline.carry(result, self.online)
        accepted: dict[str, Any] = self.online.run("ceremony", "accept", result)
        self.online.carry(request, self.auditor)
        self.offline.carry(result, self.auditor)
        return accepted


@pytest.fixture(scope="module")
def three(softhsm: pytest_softhsm.SoftHSM, tmp_path_factory: pytest.TempPathFactory) -> Three:
    root = tmp_path_factory.mktemp("ceremony")
    plain = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}

    def machine(name: str, around: tuple[str, ...] = (), **environment: str) -> Machine:
        folder = root / name
        folder.mkdir()
        own = {"HOME": str(folder), "SEEDLESS_STORE": str(folder / "store")}
        return Machine(folder, plain | own | environment, around)

    tokens = root / "offline" / "tokens"
    offline = machine(
        "offline", without_network() or ("env",),
        SEEDLESS_MODULE=str(softhsm.module), SEEDLESS_PIN_SOURCE="file:pin",
        SOFTHSM2_CONF=str(root / "offline" / "softhsm2.conf"), SEEDLESS_POLICY="policy.toml",
    )  # fmt: skip
    tokens.mkdir()
    (offline.folder / "softhsm2.conf").write_text(f"directories.tokendir = {tokens}\n")
    for name, text in (("pin", "1234\n"), ("so-pin", "12345678\n")):
        (offline.folder / name).touch(mode=0o600)
        (offline.folder / name).write_text(text)
    return Three(machine("online"), offline, machine("auditor"))


@pytest.fixture(scope="module")
def held(three: Three) -> dict[str, dict[str, Any]]:
    """Five ceremonies: the keys and the operator, two changes of accounts, a user, a rotation."""
    offline, online = three.offline, three.online
    offline.run("token", "init", "--yes", "--label", "SAFE", "--so-pin-source", "file:so-pin")
    witnesses = {name: SoftwareKey.generate(Role.USER) for name in ("ada", "bob", "cyd")}
    for name, key in witnesses.items():
        (offline.folder / f"{name}.nk").write_text(key.reveal())
    made = offline.run(
        "ceremony", "keygen", "ACME", "--yes", "--holder", "Ada",
        *(word for key in _KEYS for word in ("--key", key)),
        *(word for key in witnesses.values() for word in ("--witness", str(key.public_key))),
        "--witnesses", "2", "--policy-out", "policy.toml", "-o", "keys.json",
    )  # fmt: skip
    keys = {one["name"]: one["public_key"] for one in made["keys"]}
    offline.carry("keys.json", online)
    online.run("ceremony", "keys", "keys.json")
    add = ("operator", "add", "ACME", "--sys", "--generate-signing-key")
    rotate = ("rotate", "operator-key", "--emergency", "--without-servers")
    rotate += ("--key", keys["ACME signing"], "--new-key", keys["ACME next"])
    return {
        "keys": keys,
        "first": three.ceremony("first", *add),
        "account": three.ceremony("account", "account", "add", "ORDERS"),
        "limits": three.ceremony(
            "limits", "account", "edit", "ORDERS", "--conns", "7", witnesses=("bob", "ada")
        ),
        "user": three.ceremony("user", "user", "add", "-a", "ORDERS", "app", "--allow-pubsub", "orders.>"),
        "rotation": three.ceremony("rotation", *rotate),
    }


def test_the_auditor_finds_each_ceremony_complete_with_public_material_alone(
    three: Three, held: dict[str, dict[str, Any]]
) -> None:
    operator = held["keys"]["ACME"]
    before = None
    for name in ("first", "account", "limits", "user", "rotation"):
        files = (f"{name}.request.json", f"{name}.result.json")
        found = three.auditor.run("ceremony", "check", *files, "--operator-key", operator)
        assert found["verdict"] == "complete"
        assert len(found["witnesses"]) == 2
        assert json.loads((three.auditor.folder / files[0]).read_text())["previous"] == before
        before = found["transcript"]
    assert not (three.auditor.folder / "store").exists()


def test_after_the_rotation_everything_is_signed_by_the_new_key(
    three: Three, held: dict[str, dict[str, Any]]
) -> None:
    operator = three.online.run("operator", "show")
    assert operator["claims"]["nats"]["signing_keys"] == [held["keys"]["ACME next"]]
    accounts = three.online.run("account", "list")["accounts"]
    assert {one["name"]: one["issuer"] for one in accounts} == dict.fromkeys(
        ("ORDERS", "SYS"), held["keys"]["ACME next"]
    )
    assert three.online.run("verify")


def test_no_seed_is_on_the_machine_with_a_network_but_those_of_users(
    three: Three, held: dict[str, dict[str, Any]]
) -> None:
    texts = [path.read_text() for path in three.online.folder.rglob("*") if path.is_file()]
    seeds = {seed[:2] for text in texts for seed in re.findall(r"\bS[OAUNCX][A-Z2-7]{56}\b", text)}
    assert seeds == {"SU"}


def test_a_real_server_accepts_the_outcome(
    three: Three,
    held: dict[str, dict[str, Any]],
    nats_server: Callable[[str], Any],
    session: Callable[..., Any],
) -> None:
    three.online.run("server", "config", "--mem-resolver", "-o", "trust.conf")
    server = nats_server((three.online.folder / "trust.conf").read_text())
    app_creds = parse_creds((three.online.folder / "store/keys/creds/ACME/ORDERS/app.creds").read_text())
    app = session(server.url, app_creds.key, app_creds.jwt)
    assert app.refusal == ""
    app.subscribe("orders.new")
    app.publish("orders.new", b"one dozen eggs")
    assert app.message() == b"one dozen eggs"


def test_the_machine_that_signed_had_no_network(three: Three) -> None:
    """Said where it could be done; in a container that allows no namespaces there is nothing to be shown."""
    words = without_network()
    if not words:
        pytest.skip("this machine allows no network namespaces")
    interfaces = subprocess.run([*words, "cat", "/proc/net/dev"], capture_output=True, text=True, check=True)
    assert [line.split(":")[0].strip() for line in interfaces.stdout.splitlines()[2:]] in ([], ["lo"])
    assert three.offline.around == words
