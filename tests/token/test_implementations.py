"""Each PKCS#11 library that is installed, by whole commands: one that signs Ed25519, or a sentence why not.

`make test-tokens` installs them, and fails where one is missing; elsewhere what needs a daemon is skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest_softhsm

    Misbehaving = Any

PIN = "token-pin-1"


@dataclass(frozen=True)
class Library:
    """A library, how its token is named, and the environment that it needs."""

    module: Path
    uri: str
    env: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command on it."""
        named = ["--module", str(self.module), *(["--token", self.uri] if self.uri else [])]
        return subprocess.run(
            [sys.executable, "-m", "seedless", "token", *words, *named, "--json"],
            env={**os.environ, "SEEDLESS_TEST_PIN": PIN, **self.env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )


def missing(what: str) -> None:
    """Skip the test, or fail it where all libraries are wanted."""
    (pytest.fail if "SEEDLESS_TEST_TOKENS" in os.environ else pytest.skip)(
        f"{what} is not here: .ci/setup tokens installs it"
    )


def library(*patterns: str) -> Path:
    found = [path for pattern in patterns for path in Path("/usr").glob(pattern)]
    if not found:
        missing(patterns[0])
    return found[0]


@pytest.fixture
def softhsm_library(softhsm: pytest_softhsm.SoftHSM) -> Library:
    made = softhsm.create(pin=PIN)
    return Library(made.module, made.uri)


@pytest.fixture
def p11_kit_proxy(softhsm_library: Library, tmp_path: Path) -> Library:
    folder = tmp_path / ".config/pkcs11"
    (folder / "modules").mkdir(parents=True)
    (folder / "pkcs11.conf").write_text("user-config: only\n", encoding="ascii")
    (folder / "modules/it.module").write_text(f"module: {softhsm_library.module}\n", encoding="ascii")
    return Library(library("lib*/**/p11-kit-proxy.so"), softhsm_library.uri, {"HOME": str(tmp_path)})


@pytest.fixture
def p11_kit_client(softhsm_library: Library, tmp_path: Path) -> Iterator[Library]:
    client, server = library("lib*/**/p11-kit-client.so"), library("libexec/p11-kit/p11-kit-server")
    options = ["-f", "-n", str(tmp_path / "socket"), "--provider", str(softhsm_library.module)]
    serving = subprocess.Popen([str(server), *options, softhsm_library.uri], stdout=subprocess.PIPE)
    try:
        assert serving.stdout is not None
        serving.stdout.readline()
        yield Library(
            client, softhsm_library.uri, {"P11_KIT_SERVER_ADDRESS": f"unix:path={tmp_path / 'socket'}"}
        )
    finally:
        serving.terminate()
        serving.communicate()


@pytest.fixture
def opencryptoki() -> Iterator[Library]:
    module = library("lib*/**/opencryptoki/libopencryptoki.so.0", "lib*/opencryptoki/libopencryptoki.so")
    daemon = shutil.which("pkcsslotd") or shutil.which("pkcsslotd", path="/usr/sbin")
    if daemon is None or os.getuid() or "SEEDLESS_TEST_TOKENS" not in os.environ:
        missing("pkcsslotd, its daemon, started by root,")
    runs = subprocess.run(["pgrep", "-x", "pkcsslotd"], capture_output=True, check=False).stdout.split()
    started = None if runs else subprocess.Popen([str(daemon), "-f"], stderr=subprocess.DEVNULL)
    yield Library(module, "")
    if started is not None:
        started.terminate()
        started.wait()


@pytest.fixture
def nss(tmp_path: Path) -> Library:
    module, certutil = library("lib*/**/libsoftokn3.so"), shutil.which("certutil")
    if certutil is None:
        missing("certutil")
    (tmp_path / "pin").write_text(f"{PIN}\n", encoding="ascii")
    subprocess.run([str(certutil), "-N", "-d", f"sql:{tmp_path}", "-f", str(tmp_path / "pin")], check=True)
    return Library(
        module, "pkcs11:token=NSS%20Certificate%20DB", {"NSS_LIB_PARAMS": f"configDir='sql:{tmp_path}'"}
    )


def doctor(tried: Library) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    done = tried.run("doctor", "--yes", "--pin-source", "env:SEEDLESS_TEST_PIN")
    lines: dict[str, list[dict[str, Any]]] = {}
    for line in json.loads(done.stdout)["lines"]:
        lines.setdefault(line["what"], []).append(line)
    return done.returncode, lines


def signs(lines: dict[str, list[dict[str, Any]]]) -> bool:
    return "bytes for a signature" in str(lines) or "ms for 600 bytes" in str(lines.get("signature"))


@pytest.mark.parametrize("name", ["softhsm_library", "p11_kit_proxy"])
def test_it_creates_a_key_signs_with_it_and_deletes_it(request: pytest.FixtureRequest, name: str) -> None:
    code, lines = doctor(request.getfixturevalue(name))
    assert (code, signs(lines)) == (0, True)
    assert [line["found"] for line in lines["throw-away key"]][-1] == "deleted"


def test_what_p11_kit_does_not_pass_on_is_reported_as_that(p11_kit_client: Library) -> None:
    code, lines = doctor(p11_kit_client)
    [mechanisms] = lines["mechanisms"]
    if mechanisms["verdict"] != "problem":  # a p11-kit of after September 2026
        assert (code, signs(lines)) == (0, True)
    else:
        assert mechanisms["advice"].startswith("p11-kit passes on to its clients what it knows")
        assert code == 4


def test_a_server_of_p11_kit_that_is_not_there_is_reported(p11_kit_client: Library, tmp_path: Path) -> None:
    nowhere = {"P11_KIT_SERVER_ADDRESS": f"unix:path={tmp_path / 'nowhere'}"}
    code, lines = doctor(Library(p11_kit_client.module, p11_kit_client.uri, nowhere))
    [token] = lines["token"]
    assert (code, token["found"].endswith("the module shows no token")) == (4, True)
    assert token["advice"].startswith("connect it, or look at P11_KIT_SERVER_ADDRESS")


def test_opencryptoki_lists_its_token_and_signs_or_reports_why_not(opencryptoki: Library) -> None:
    listed = json.loads(opencryptoki.run("list").stdout)["tokens"]
    [soft] = [token for token in listed if token["model"].strip() == "IBM SoftTok"]
    assert soft["manufacturer"].startswith("IBM")
    code, lines = doctor(opencryptoki)
    text = str(lines["token"])
    assert code == 4 or signs(lines)
    assert signs(lines) or "has to be initialised before it can be used" in text or "Ed25519" in str(lines)


def test_nss_signs_or_reports_why_not(nss: Library) -> None:
    code, lines = doctor(nss)
    if code == 4:
        [token] = lines["token"]
        assert token["advice"].startswith("look at NSS_LIB_PARAMS, which names its database")
    else:
        assert signs(lines)


@pytest.mark.parametrize("wait", [0, 5])
def test_a_process_that_loaded_a_module_ends_it_unless_a_call_hangs(
    misbehaving: Misbehaving, in_child: Callable[..., Any], wait: int
) -> None:
    code = (
        "import threading, time, warnings\n"
        # Python 3.12 and later warn of what is tried here: a fork while a thread hangs in the driver.
        "warnings.simplefilter('ignore', DeprecationWarning)\n"
        "opening = open_token(URI, Given(), module=MODULE)\n"
        "token = opening.__enter__()\n"
        "hang = threading.Thread(target=token.keys, daemon=True)\n"
        f"hang.start() if {wait} else None\n"
        "time.sleep(0.3)\n"
        "child = os.fork()\n"
        "if child:\n"
        "    os.waitpid(child, 0)\n"
    )
    misbehaving.wants(f"fault C_FindObjectsInit 1+ SLEEP {wait}")
    done = in_child(misbehaving.made, code)
    assert (done.returncode, done.stderr) == (0, "")
    assert misbehaving.calls("C_Finalize") == (0 if wait else 1)
