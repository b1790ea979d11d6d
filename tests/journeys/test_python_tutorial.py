"""The code of docs/tutorial/python.md is run, block by block, with a token and a nats-server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from conftest import NatsServer

    import pytest_softhsm

PAGE = Path(__file__).parents[2] / "docs/tutorial/python.md"
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_code_of_the_tutorial_runs(
    softhsm: pytest_softhsm.SoftHSM,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    nats_server: Callable[[str], NatsServer],
    capsys: pytest.CaptureFixture[str],
) -> None:
    token = softhsm.create("ACME")
    (tmp_path / "pin").touch(mode=0o600)
    (tmp_path / "pin").write_text(token.pin)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    # The digest is typed from paper: a person has copied it there from what was printed.
    names: dict[str, Any] = {"input": lambda _question: names["request"].digest}
    url = ""
    for language, block in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if language == "sh":
            assert block == "nats-server -c server.conf\n"
            url = nats_server((tmp_path / "server.conf").read_text(encoding="utf-8")).url
            continue
        code = block.replace("/usr/lib/softhsm/libsofthsm2.so", str(token.module))
        code = code.replace("pkcs11:token=ACME", token.uri).replace("nats://127.0.0.1:4222", url)
        exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 - the page's own code
    printed = capsys.readouterr().out
    assert "True 200" in printed
    assert "['C121']" in printed
    assert "b'one dozen eggs'" in printed
    assert "complete 300" in printed
    assert names["revoked"].jwt.claims.body.revocations.keys() == {names["app"].jwt.claims.sub}
    assert (tmp_path / "till.creds").stat().st_mode & 0o777 == 0o600
