from __future__ import annotations

import collections
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import judges  # noqa: E402 - a script's folder, as the script itself has it
import replay  # noqa: E402 - likewise
from verdicts import Agree, ByDesign, Disagree  # noqa: E402 - likewise

from seedless.wire import ALWAYS_REFUSED, RULES  # noqa: E402 - after the two above

if TYPE_CHECKING:
    from collections.abc import Callable

VECTORS = HERE / "go-jwt-2.8.2.jsonl"
CASES: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
for _line in (VECTORS.read_text("ascii") + replay.TOLERATED.read_text("ascii")).splitlines():
    _case = json.loads(_line)
    CASES[_case["kind"]].append(_case)
KINDS = {
    "jwt": (350, 3),
    "encode_error": (38, 0),
    "bad_jwt": (211, 5),
    "nkey": (43, 27),
    "nkey_sign": (10, 0),
    "nkey_raw": (24, 0),
    "xkey": (5, 0),
    "creds_format": (9, 0),
    "creds_parse": (21, 0),
    "decorate_seed": (6, 0),
    "decorate_jwt": (7, 0),
    "didsign": (33, 0),
    "hash_id": (10, 0),
    "validation": (283, 3),
    "tolerated": (8, 0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_case_of_the_official_library_disagrees(kind: str) -> None:
    verdicts = [(case["n"], replay.judge(case)) for case in CASES[kind]]
    assert [f"{n}: {v.text}" for n, v in verdicts if isinstance(v, Disagree)] == []
    agree = sum(isinstance(verdict, Agree) for _, verdict in verdicts)
    assert (agree, len(verdicts) - agree) == KINDS[kind]


def test_every_kind_is_judged() -> None:
    assert set(KINDS) == set(judges.JUDGES) == set(CASES)


def test_every_rule_has_a_vector_and_every_difference_by_design_a_rule() -> None:
    verdicts = [replay.judge(case) for kind in KINDS for case in CASES[kind]]
    tolerated = {rule for verdict in verdicts if isinstance(verdict, Agree) for rule in verdict.tolerated}
    by_design = {verdict.rule for verdict in verdicts if isinstance(verdict, ByDesign)}
    assert tolerated == set(RULES) - ALWAYS_REFUSED
    assert by_design == ALWAYS_REFUSED | {"null"}  # claims that people write are read strictly


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, HERE / "replay.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(*cases: dict[str, Any]) -> Path:
        path = tmp_path / "cases.jsonl"
        path.write_text("".join(json.dumps(case) + "\n" for case in cases), "ascii")
        return path

    return write


def test_the_script_exits_0_and_prints_a_table() -> None:
    done = run(VECTORS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "jwt                 350           3         0\n" in done.stdout
    assert "by design:   1  too-deep: nesting deeper than 100 levels\n" in done.stdout
    assert "DISAGREES" not in done.stdout


def test_chosen_kinds_alone_are_judged_and_have_to_be_there(written: Callable[..., Path]) -> None:
    path = written(CASES["hash_id"][0], CASES["nkey_raw"][0] | {"public": "wrong"})
    assert run(path, "--kind", "hash_id").returncode == 0
    assert run(path, "--kind", "hash_id", "--kind", "nkey_raw").returncode == 1
    missing = run(path, "--kind", "xkey")
    assert missing.returncode == 1
    assert missing.stdout.endswith("no case of kind xkey\n")
    assert run(path, "--kind", "something else").returncode == 2


def flipped(text: str, at: int) -> str:
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def spoiled() -> list[Any]:
    """Cases of the official library with one answer made another: none may still agree."""
    one = {kind: CASES[kind][0] for kind in KINDS}
    account = next(c for c in CASES["jwt"] if c["type"] == "account")
    generic = next(c for c in CASES["jwt"] if c["type"] == "generic" and c["decode_generic"]["ok"])
    refused = next(c for c in CASES["bad_jwt"] if c["note"] == "signed by another key")
    taken = next(c for c in CASES["bad_jwt"] if c["note"] == "payload: control")
    key = next(c for c in CASES["nkey"] if c["valid_public"] and len(c["input"]) == 56)
    seed = next(c for c in CASES["nkey"] if "seed_public" in c and "sign_abc" in c)
    creds = next(c for c in CASES["creds_format"] if c["ok"])
    scoped = next(c for c in CASES["didsign"] if c.get("scope_error"))
    hashed = next(c for c in CASES["hash_id"] if c.get("hash_id"))
    dressed = next(c for c in CASES["decorate_seed"] if c["ok"])
    judged = next(c for c in CASES["validation"] if c.get("validation"))
    nulls = CASES["tolerated"][0]
    worn = next(c for c in CASES["decorate_jwt"] if c["ok"])
    return [
        pytest.param(account | {"payload_json": account["payload_json"][:-1]}, id="jwt: payload"),
        pytest.param(account | {"jti": flipped(account["jti"], 3)}, id="jwt: id"),
        pytest.param(
            account | {"jwt": flipped(account["jwt"], len(account["jwt"]) - 9)}, id="jwt: signature"
        ),
        pytest.param(generic | {"iat": generic["iat"] + 1}, id="jwt: time"),
        pytest.param(account | {"decode": {"ok": False, "error": "x"}}, id="jwt: refused by them"),
        pytest.param(
            one["encode_error"] | {"claims_in_raw": '{"sub":"x"}', "type": "generic"}, id="encode_error"
        ),
        pytest.param(refused | {"ok": True, "claims_json": "{}"}, id="bad_jwt: taken by them"),
        pytest.param(taken | {"ok": False, "error": "x"}, id="bad_jwt: refused by them"),
        pytest.param(
            taken | {"claims_json": taken["claims_json"].replace('"iss"', '"iss_"')}, id="bad_jwt: meaning"
        ),
        pytest.param(key | {"valid_public": False}, id="nkey: refused by them"),
        pytest.param(key | {"from_public": flipped(key["from_public"], 9)}, id="nkey: text"),
        pytest.param(key | {"input": flipped(key["input"], 9)}, id="nkey: checksum"),
        pytest.param(
            seed | {"seed_public": flipped(seed["seed_public"], 9)}, id="nkey: public key of a seed"
        ),
        pytest.param(seed | {"sign_abc": flipped(seed["sign_abc"], 9)}, id="nkey: signature"),
        pytest.param(
            one["nkey_sign"] | {"signature": flipped(one["nkey_sign"]["signature"], 9)}, id="nkey_sign"
        ),
        pytest.param(one["nkey_raw"] | {"seed": flipped(one["nkey_raw"]["seed"], 9)}, id="nkey_raw"),
        pytest.param(one["xkey"] | {"public_sender": flipped(one["xkey"]["public_sender"], 9)}, id="xkey"),
        pytest.param(creds | {"output": creds["output"] + "\n"}, id="creds_format"),
        pytest.param(one["creds_parse"] | {"jwt": one["creds_parse"]["jwt"] + " "}, id="creds_parse"),
        pytest.param(dressed | {"output": dressed["output"][1:]}, id="decorate_seed"),
        pytest.param(worn | {"ok": False}, id="decorate_jwt"),
        pytest.param(one["didsign"] | {"did_sign": not one["didsign"]["did_sign"]}, id="didsign"),
        pytest.param(scoped | {"scope_error": None}, id="didsign: scope"),
        pytest.param(hashed | {"hash_id": flipped(hashed["hash_id"], 9)}, id="hash_id"),
        pytest.param(judged | {"validation": judged["validation"][1:]}, id="validation"),
        pytest.param(nulls | {"rules": []}, id="tolerated: rules"),
        pytest.param(nulls | {"canonical": nulls["canonical"].replace("-1", "5")}, id="tolerated: meaning"),
        pytest.param({"n": 1, "kind": "jwt"}, id="a case without its members"),
    ]


@pytest.mark.parametrize("case", spoiled())
def test_a_case_with_another_answer_disagrees(case: dict[str, Any]) -> None:
    assert isinstance(replay.judge(case), Disagree)


def test_a_case_that_disagrees_makes_the_script_exit_1_and_is_named(written: Callable[..., Path]) -> None:
    case = CASES["jwt"][0]
    payload = case["payload_json"].replace('"type":"operator"', '"type":"0perator"')
    done = run(written(case | {"payload_json": payload}), "--kind", "jwt")
    assert done.returncode == 1
    assert done.stdout.startswith("DISAGREES  jwt 0 : payload")
    assert "jwt                   0           0         1\n" in done.stdout


def test_a_difference_by_a_rule_that_is_none_disagrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(judges.JUDGES, "hash_id", lambda _: ByDesign("because"))
    verdict = replay.judge(CASES["hash_id"][0])
    assert verdict == Disagree("differs by 'because', which is no rule")
