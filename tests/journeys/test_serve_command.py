"""`seedless serve` as a process of its own, with its configuration, at a real nats-server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.serve.backends.users import hash_password

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Cli = Any  # the fixture in tests/conftest.py
    StartServer = Callable[[str], Any]
    Connect = Callable[..., Any]

_PATIENCE = 15.0
_COMMAND = [sys.executable, "-m", "seedless", "serve"]


@dataclass
class Office:
    """A server in configuration mode whose logins a callout decides on, and the folder of its files."""

    url: str
    folder: Path
    keys: dict[str, SoftwareKey]

    @property
    def configuration(self) -> Path:
        return self.folder / "callout.toml"

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return path


@pytest.fixture
def office(nats_server: StartServer, tmp_path: Path) -> Office:
    roles = {"issuer": Role.ACCOUNT, "service": Role.USER, "watcher": Role.USER}
    keys = {name: SoftwareKey.generate(role) for name, role in roles.items()}
    public = {name: str(key.public_key) for name, key in keys.items()}
    server = nats_server(
        f"accounts {{ AUTH {{ users: [{{ nkey: {public['service']} }}] }}, ORDERS {{}}, "
        f"SYS {{ users: [{{ nkey: {public['watcher']} }}] }} }}\n"
        f"system_account: SYS\nauthorization {{ auth_callout {{ issuer: {public['issuer']}, account: AUTH, "
        f"auth_users: [{public['service']}, {public['watcher']}] }} }}\n"
    )
    office = Office(server.url, tmp_path, keys)
    for name, key in keys.items():
        office.write(f"{name}.nk", key.reveal())
    office.write("users.toml", f'[ann]\npassword = "{hash_password("correct horse")}"\n')
    office.write(
        "callout.toml",
        f"""\
servers = ["{server.url}"]
mode = "configuration"
account = "AUTH"
nkey = "{tmp_path}/service.nk"
system-nkey = "{tmp_path}/watcher.nk"
signing-key = "file:{tmp_path}/issuer.nk"
listen = "127.0.0.1:0"

[accounts.ORDERS]

[backends.staff]
kind = "users"
file = "{tmp_path}/users.toml"

[[rules]]
account = "ORDERS"
permissions = {{ pub = {{ allow = ["orders.{{{{name}}}}.>"] }}, sub = {{ allow = ["orders.>"] }} }}
""",
    )
    return office


@dataclass
class Service:
    """A process, and the file of its log."""

    process: subprocess.Popen[bytes]
    log: Path

    def wait(self, event: str, count: int = 1) -> dict[str, Any]:
        """Return the event of that number, when it has come."""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            lines = [
                json.loads(line)
                for line in self.log.read_text().splitlines(keepends=True)
                if line[-1:] == "\n"
            ]
            if len(found := [line for line in lines if line["event"] == event]) >= count:
                return found[count - 1]
            time.sleep(0.01)
        pytest.fail(f"{event} did not come: {self.log.read_text()}")


@pytest.fixture
def service(office: Office, cli: Cli) -> Iterator[Service]:
    log = office.folder / "log"
    with (
        log.open("wb") as stream,
        subprocess.Popen(
            [*_COMMAND, "callout", str(office.configuration)], env=cli.env, stderr=stream
        ) as process,
    ):
        try:
            running = Service(process, log)
            running.wait("connected", 2)  # to the system account too
            yield running
        finally:
            process.kill()


def test_the_command_answers_reads_its_configuration_again_and_ends_in_order(
    office: Office, service: Service, cli: Cli, session: Connect
) -> None:
    assert session(office.url, user="ann", **{"pass": "correct horse"}).refusal == ""
    assert service.wait("login accepted")["name"] == "ann"
    checked = cli.child("serve", "doctor", str(office.configuration))
    assert (checked.code, checked.err) == (0, ""), checked
    assert "instances       ok      1 answered" in checked.out
    text = office.configuration.read_text()
    office.write("callout.toml", text.replace("[[rules]]", "[[rules]]\nrefuse = true\n[[rules]]"))
    service.process.send_signal(signal.SIGHUP)
    service.wait("configuration read")
    assert session(office.url, user="ann", **{"pass": "correct horse"}).refusal == "Authorization Violation"
    office.write("callout.toml", "servers = 1")
    service.process.send_signal(signal.SIGHUP)
    assert "servers" in service.wait("configuration not read")["reason"]
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(_PATIENCE) == 0
    log = service.log.read_text()
    assert '"event":"ended"' in log
    assert "horse" not in log


def _slow_backend(office: Office) -> None:
    office.write("slow.py", "import time\ndef identify(_):\n    time.sleep(0.05)\n")
    python = f'[backends.slow]\nkind = "python"\nfunction = "slow:identify"\npath = "{office.folder}"\n'
    text = office.configuration.read_text()
    office.write("callout.toml", text.replace("[backends.staff]", f"{python}[backends.staff]"))


def test_threads_of_previous_backends_end_when_their_logins_are_decided(
    office: Office, service: Service, session: Connect
) -> None:
    _slow_backend(office)
    tasks, counts, logins = Path(f"/proc/{service.process.pid}/task"), [], []
    with ThreadPoolExecutor(1) as pool:
        for count in range(1, 21):
            login = pool.submit(session, office.url, user="ann", **{"pass": "correct horse"})
            service.process.send_signal(signal.SIGHUP)
            service.wait("configuration read", count)
            logins.append(login.result(_PATIENCE).refusal)
            counts.append(len(list(tasks.iterdir())))
    assert logins == [""] * 20
    assert counts[-1] - counts[4] <= 4, counts


def test_a_configuration_that_is_not_right_ends_the_command_with_a_sentence(office: Office, cli: Cli) -> None:
    office.write("callout.toml", office.configuration.read_text().replace("file:", "file:/nowhere"))
    done = cli.run("serve", "callout", str(office.configuration))
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert "/nowhere" in done.err


def test_the_demo_lets_the_right_password_in_and_the_wrong_one_not(cli: Cli) -> None:
    done = cli.child("serve", "demo")
    assert done.code == 0, done
    *_, right, wrong, _, further = done.out.splitlines()
    assert further.endswith("seedless docs howto/callout")
    last = [line.partition(", after")[0] for line in (right, wrong)]
    assert last == [
        "ann           the right password: in the account ORDERS, received a dozen on orders.ann.new",
        "ann           a wrong password: refused",
    ]
