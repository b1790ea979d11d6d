"""What we say of a configuration is what nats-server does with it: it takes it, or it does not start.

Configurations are made by chance, the same ones each time. CONFIGURATIONS=20000 tries more of them,
CONFIGURATIONS_SEED=7 others.
"""

from __future__ import annotations

import http.server
import os
import shutil
import sys
import threading
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from seedless.nats_config.lint import lint_configuration

sys.path.insert(0, str(Path(__file__).parent))

import generated_trust as trust
from generated_configurations import configuration
from known_words import answer, start, takes_it

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = int(os.environ.get("CONFIGURATIONS", "1000"))
SEED = int(os.environ.get("CONFIGURATIONS_SEED", "12"))
NOW = 1_700_000_000
EMPTY_FOLDER = "no such file or directory"  # of a resolver: what is in its folder is not in the configuration
REFUSED = ("do not start", "cannot be read")


def test_what_servers_take_and_refuse_is_what_we_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chance = Random(SEED)  # noqa: S311 - chance that can be repeated
    differing, taken = [], 0
    for _ in range(COUNT):
        text, inner = configuration(chance)
        (tmp_path / "inner.conf").write_text(inner)
        said = answer(text, tmp_path)
        findings = lint_configuration(Path("s.conf"), {}, NOW)
        refusals = [found.text for found in findings if any(words in found.text for words in REFUSED)]
        taken += takes_it(said)
        if takes_it(said) and refusals:  # -t does not look at everything
            said = start(text, tmp_path)
        if takes_it(said) == bool(refusals):
            differing.append(f"{text}\n[inner: {inner}]\nserver: {said}\nhere: {refusals}")
    assert not differing, "\n---\n".join([f"{len(differing)} of {COUNT} differ", *differing[:8]])
    assert COUNT // 5 < taken < COUNT * 4 // 5


class AccountServer(http.server.BaseHTTPRequestHandler):
    """Answers every request, with an account where one is asked for."""

    def do_GET(self) -> None:
        name = self.path.rsplit("/", 1)[-1]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(trust.ACCOUNTS.get(name, "").encode())

    def log_message(self, *_: object) -> None:
        """Be silent."""


@pytest.fixture
def account_server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), AccountServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/jwt/v1"
        server.shutdown()


def test_servers_start_where_we_report_that_they_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, account_server: str
) -> None:
    monkeypatch.chdir(tmp_path)
    chance = Random(SEED)  # noqa: S311 - chance that can be repeated
    differing, started = [], 0
    for _ in range(COUNT // 4):
        text = trust.configuration(chance, account_server)
        shutil.rmtree(tmp_path / "jwt", ignore_errors=True)
        said = start(text, tmp_path)
        findings = lint_configuration(Path("s.conf"), {}, trust.NOW)
        refusals = [found.text for found in findings if any(words in found.text for words in REFUSED)]
        if refusals and not said:  # with two operators it is ready, and ends with a panic then
            said = start(text, tmp_path, 2.0)
        started += not said
        if bool(said) != bool(refusals) and EMPTY_FOLDER not in said:
            differing.append(f"{text}\nserver: {said}\nhere: {refusals}")
    assert not differing, "\n---\n".join([f"{len(differing)} differ", *differing[:8]])
    assert started > COUNT // 50  # of a quarter as many
