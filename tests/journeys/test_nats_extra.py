"""`pip install '.[nats]'` in a fresh environment is enough for a login with a creds file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from seedless.claims import Account, Operator, User
from seedless.creds import format_creds
from seedless.jwt import Claims, Jwt, draft, read
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.server_config import memory

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from conftest import NatsServer

_ROOT = Path(__file__).parents[2]
_LOGIN = """
import asyncio, sys, nats

async def login():
    client = await nats.connect(sys.argv[1], user_credentials=sys.argv[2], allow_reconnect=False)
    subscription = await client.subscribe("orders.new")
    await client.publish("orders.new", b"one dozen")
    print((await subscription.next_msg(5)).data.decode())
    await client.close()

asyncio.run(login())
"""


def signed(name: str, body: Any, key: SoftwareKey, issuer: SoftwareKey) -> Jwt[Any]:  # noqa: ANN401 - any kind
    claims = Claims(sub=str(key.public_key), body=body, name=name)
    unsigned = draft(claims, issuer.public_key, 1767225600)
    return read(unsigned.complete(issuer.sign(unsigned.signing_input)).text)


def test_the_extra_names_what_logins_with_creds_need() -> None:
    text = (_ROOT / "pyproject.toml").read_text(encoding="utf-8")
    [line] = [line for line in text.splitlines() if line.startswith("nats = ")]
    [requirement] = [Requirement(line.split('"')[1])]
    assert (requirement.name, requirement.extras) == ("nats-py", {"nkeys"})


def test_a_creds_file_logs_in_with_what_the_extra_installs(
    registry: None, nats_server: Callable[[str], NatsServer], tmp_path: Path
) -> None:
    operator, system, account, user = (
        SoftwareKey.generate(role) for role in (Role.OPERATOR, Role.ACCOUNT, Role.ACCOUNT, Role.USER)
    )
    trusted = signed("ACME", Operator(system_account=str(system.public_key)), operator, operator)
    accounts = [
        signed(name, Account.new(), key, operator) for name, key in (("SYS", system), ("ORDERS", account))
    ]
    creds = tmp_path / "clerk.creds"
    creds.write_text(format_creds(signed("clerk", User.new(), user, account), user), encoding="utf-8")
    server = nats_server(memory(trusted, accounts, str(system.public_key)))
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "fresh"], check=True)
    python = tmp_path / "fresh/bin/python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{_ROOT}[nats]"]
    subprocess.run(install, check=True, cwd=tmp_path)
    login = [python, "-I", "-c", _LOGIN, server.url, creds]
    done = subprocess.run(login, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("one dozen\n", "")
