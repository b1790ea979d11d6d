"""The commands of a ceremony with real tokens, on machines that share nothing but the files carried."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import certificates as made

from seedless.ceremony import words
from seedless.jwt import read
from seedless.nkey import PublicKey, Role
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    import pytest_softhsm

    Cli = Any  # the fixture in tests/conftest.py
    Done = Any


@dataclasses.dataclass(frozen=True)
class Gap:
    """Two homes: `online` has no token, `offline` has the keys and the policy; files are carried by hand."""

    online: Cli
    offline: Cli

    def carry(self, name: str, to: str) -> Path:
        """Copy the file *name* to the other side."""
        source, target = (self.online, self.offline) if to == "offline" else (self.offline, self.online)
        return shutil.copy(source.home / name, target.home / name)

    def path(self, cli: Cli, name: str) -> str:
        return str(cli.home / name)

    def prepare(self, plan: str, request: str, *more: str) -> dict[str, Any]:
        """Make a request of a plan, and carry it to the machine that signs."""
        made = self.online.ok(
            "ceremony", "prepare", self.path(self.online, plan), "--reason", "a test", "--by", "Grace",
            "-o", self.path(self.online, request), "--json", *more,
        ).data  # fmt: skip
        self.carry(request, "offline")
        return dict(made)

    def sign(self, request: str, result: str, digest: str, *more: str) -> Done:
        return self.offline.run(
            "ceremony", "sign", self.path(self.offline, request), "-o", self.path(self.offline, result),
            "--expect", digest, "--clock-checked", "--json", *more,
        )  # fmt: skip


@pytest.fixture
def gap(cli: Cli, tmp_path: Path) -> Gap:
    homes = {name: tmp_path / name for name in ("online", "offline")}
    for home in homes.values():
        home.mkdir()
    nothing = {
        "SEEDLESS_TOKEN": None,
        "SEEDLESS_MODULE": None,
        "SEEDLESS_PIN_SOURCE": None,
        "TOKEN_PIN": None,
    }
    own = {name: {"HOME": str(home), "SEEDLESS_STORE": str(home / "store")} for name, home in homes.items()}
    online = dataclasses.replace(cli, home=homes["online"], env=cli.env_with(**own["online"], **nothing))
    policy = {"SEEDLESS_POLICY": str(homes["offline"] / "policy.toml")}
    offline = dataclasses.replace(cli, home=homes["offline"], env=cli.env_with(**own["offline"], **policy))
    return Gap(online, offline)


@pytest.fixture
def founded(gap: Gap) -> Gap:
    """The keys are made offline, and their operator, signing key and system account are requested."""
    gap.offline.ok(
        "ceremony", "keygen", "ACME", "--holder", "Ada", "--policy-out", gap.path(gap.offline, "policy.toml"),
        "-o", gap.path(gap.offline, "keys.json"),
    )  # fmt: skip
    gap.online.ok("ceremony", "keys", str(gap.carry("keys.json", "online")))
    gap.online.ok(
        "operator",
        "add",
        "ACME",
        "--sys",
        "--generate-signing-key",
        "--plan",
        gap.path(gap.online, "first.plan"),
    )
    return gap


@pytest.fixture
def running(founded: Gap) -> Gap:
    """The first ceremony was held, and its result accepted."""
    made = founded.prepare("first.plan", "first.json")
    done = founded.sign("first.json", "first.result", made["request"])
    assert done.code == 0, done
    founded.online.ok("ceremony", "accept", str(founded.carry("first.result", "online")))
    return founded


def operator_of(gap: Gap) -> str:
    return str(gap.online.ok("operator", "show", "--json").data["subject"])


def planned(gap: Gap, name: str, *change: str) -> None:
    gap.online.ok(*change, "--plan", gap.path(gap.online, name))


def test_the_first_ceremony_makes_an_operator_whose_keys_were_never_online(running: Gap) -> None:
    shown = running.online.ok("tree").out
    assert "operator ACME" in shown
    assert "account SYS" in shown
    assert "user sys" in shown
    assert running.online.ok("verify", "--json").code == 0
    assert (running.online.store / "keys/creds/ACME/SYS/sys.creds").exists()


def test_the_auditor_needs_public_material_alone(running: Gap, tmp_path: Path) -> None:
    folder = tmp_path / "auditor"
    folder.mkdir()
    for name in ("first.json", "first.result"):
        shutil.copy(running.offline.home / name, folder / name)
    found = running.online.ok(
        "ceremony", "check", str(folder / "first.json"), str(folder / "first.result"),
        "--operator-key", operator_of(running), "--json", SEEDLESS_STORE=None, HOME=str(folder),
    ).data  # fmt: skip
    assert (found["verdict"], found["text"]) == ("complete", "3 jwts, 3 receipts")
    assert len(found["keys"]) == 3


def test_a_check_of_an_interrupted_ceremony_ends_with_3(running: Gap) -> None:
    (transcript,) = running.offline.store.rglob("transcript.jsonl")
    words_of = ("ceremony", "check", running.path(running.offline, "first.json"), str(transcript))
    done = running.offline.run(*words_of, "--operator-key", operator_of(running))
    assert (done.code, done.out.splitlines()[0]) == (
        3, "incomplete: it stops before the receipts: 3 of 3 jwts are signed",
    )  # fmt: skip
    transcript.write_bytes(
        transcript.read_bytes().replace(b"Ada", b"Eve", 1).replace(b"SoftHSM", b"SoftHSN", 1)
    )
    done = running.offline.run(*words_of, "--operator-key", operator_of(running), "--json")
    assert (done.code, done.data["verdict"]) == (3, "false")
    assert "transcript[" in done.data["text"]


def test_keygen_reports_what_the_driver_reports_and_pins_operator_and_token(founded: Gap) -> None:
    policy = (founded.offline.home / "policy.toml").read_text()
    made = founded.online.ok("ceremony", "keys", founded.path(founded.online, "keys.json"), "--json").data[
        "keys"
    ]
    assert [one["name"] for one in made] == ["ACME", "ACME signing", "SYS"]
    assert {one["the_driver_says"]["extractable"] for one in made} == {"no"}
    assert {one["holder"] for one in made} == {"Ada"}
    assert policy == f'operator = "{made[0]["public_key"]}"\ntokens = ["{founded.offline.token.serial}"]\n'


def test_a_file_of_keys_that_was_changed_is_refused(founded: Gap) -> None:
    path = founded.online.home / "keys.json"
    value = json.loads(path.read_text())
    value["keys"][1] = value["keys"][0]
    path.write_text(json.dumps(value, separators=(",", ":")) + "\n")
    done = founded.online.run("ceremony", "keys", str(path))
    assert done.code == 3
    assert "keys.keys[1] is a key that is listed already" in done.err


def test_a_review_opens_no_token_and_asks_for_no_pin(founded: Gap) -> None:
    made = founded.prepare("first.plan", "first.json")
    page = founded.offline.home / "checklist.txt"
    done = founded.offline.ok(
        "ceremony", "review", founded.path(founded.offline, "first.json"), "--checklist", str(page), "--json",
        SEEDLESS_MODULE="/nowhere.so", SEEDLESS_PIN_SOURCE="file:/nowhere",
    )  # fmt: skip
    assert done.data["request"] == made["request"]
    assert done.data["words"] == list(words.words(bytes.fromhex(made["request"])))
    assert [change["name"] for change in done.data["changes"]] == ["ACME", "SYS", "sys"]
    assert "operator ACME (new: new operator)" in done.err
    pages = page.read_text().split("\f")
    assert [len(text.splitlines()) < 60 for text in pages] == [True, True, True]
    assert pages[1].startswith("BEFORE THE CEREMONY\n\nread\n[ ] this program: ")


def test_a_checklist_has_empty_rows_for_the_words_and_prints_nothing_to_compare_with(founded: Gap) -> None:
    made = founded.prepare("first.plan", "first.json")
    page = founded.offline.home / "checklist.txt"
    request = founded.path(founded.offline, "first.json")
    founded.offline.ok("ceremony", "review", request, "--checklist", str(page))
    text = page.read_text()
    token = founded.offline.token
    assert f')\n  token "{token.label}" (serial {token.serial})\n' in text
    assert re.search(r"^operator     ACME\n {13}O[A-Z2-7]{55}$", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 80
    assert "pkcs11:" not in text
    assert made["request"] not in text
    printed = {*text.split()} - {"python"}  # the version of Python is printed too
    assert printed.isdisjoint(made["words"])
    rows = "________________ ________________ ________________ ________________\n"
    first, last = text.split("\f")[0], text.split("\f")[-1]
    assert (first.count(rows), last.count(rows)) == (8, 8)
    assert last.startswith("AFTER THE CEREMONY\n\nthe words of the transcript, from the screen\n")
    assert ("exceptions, with the time\n" in last, "names and signatures\n" in last) == (True, True)


def test_a_review_that_finds_something_ends_with_3_and_reports_it_first(running: Gap) -> None:
    running.prepare("first.plan", "again.json")
    done = running.offline.run("ceremony", "review", running.path(running.offline, "again.json"))
    assert done.code == 3
    told = [line for line in done.err.splitlines() if line.startswith("error:")]
    assert told[0].startswith("error: R006") or told[0].startswith("error: R007")
    assert done.err.index("error:") < done.err.index("operator ACME (new")


def test_a_dry_run_of_each_step_writes_nothing(founded: Gap) -> None:
    made = founded.prepare("first.plan", "first.json")
    before = founded.offline.files()
    for command in (
        ("sign", founded.path(founded.offline, "first.json"), "-o", founded.path(founded.offline, "x")),
        ("keygen", "OTHER", "--holder", "Eve", "-o", founded.path(founded.offline, "x")),
    ):
        assert founded.offline.ok("ceremony", *command, "--dry-run", "--json").data["dry_run"] is True
    assert founded.offline.files() == before
    assert not (founded.offline.home / "x").exists()
    words_of = (
        "prepare",
        founded.path(founded.online, "first.plan"),
        "--reason",
        "r",
        "-o",
        founded.path(founded.online, "x"),
    )
    assert founded.online.ok("ceremony", *words_of, "--dry-run", "--json").data["dry_run"] is True
    assert not (founded.online.home / "x").exists()
    done = founded.sign("first.json", "first.result", made["request"])
    assert done.code == 0
    result = str(founded.carry("first.result", "online"))
    assert founded.online.ok("ceremony", "accept", result, "--dry-run", "--json").data["passed"] == 0
    assert not (founded.online.store / "stores").exists()


SIGNING: dict[str, tuple[tuple[str, ...], int, str]] = {
    "another digest": (("--expect", "00", "--clock-checked"), 3, "the digest of the request is not 00"),
    "no digest": (("--clock-checked",), 2, "run it on a terminal, or add --expect DIGEST\n"),
    "no word on the clock": (("--expect", "DIGEST"), 2, "run it on a terminal, or add --clock-checked\n"),
    "neither": ((), 2, "run it on a terminal, or add --expect DIGEST and --clock-checked\n"),
}


@pytest.mark.parametrize("name", SIGNING)
def test_without_a_terminal_a_ceremony_requires_its_digest_and_its_clock(founded: Gap, name: str) -> None:
    made = founded.prepare("first.plan", "first.json")
    more, code, sentence = SIGNING[name]
    more = tuple(made["request"] if word == "DIGEST" else word for word in more)
    done = founded.offline.run(
        "ceremony", "sign", founded.path(founded.offline, "first.json"), *more,
        "-o", founded.path(founded.offline, "x"), TOKEN_PIN="wrong",
    )  # fmt: skip
    assert done.code == code
    assert sentence in done.err
    assert made["request"] not in done.err, "a person brings it, from the paper"
    # Two words in a row: one alone can be a word of the review, as "allow" is in "allowed".
    assert not re.search(r"\s+".join(made["words"][:2]), done.err)


def test_a_ceremony_without_a_policy_is_refused(founded: Gap) -> None:
    founded.prepare("first.plan", "first.json")
    done = founded.offline.run(
        "ceremony", "review", founded.path(founded.offline, "first.json"), SEEDLESS_POLICY=None
    )
    assert done.code == 2
    assert "a ceremony goes by a policy of this machine, and none is named" in done.err


def test_a_draft_for_a_key_that_this_token_does_not_hold_is_refused(
    founded: Gap, softhsm: pytest_softhsm.SoftHSM
) -> None:
    made = founded.prepare("first.plan", "first.json")
    policy = founded.offline.home / "policy.toml"
    policy.write_text(policy.read_text().splitlines()[0])
    (founded.offline.store / "keyring.json").unlink()
    other = softhsm.create(label="other")
    try:
        done = founded.sign("first.json", "x", made["request"], "--token", other.uri)
    finally:
        softhsm.remove(other)
    assert done.code == 4
    assert "it is not known where the key O" in done.err
    assert b'"kind":"intent"' not in next(founded.offline.store.rglob("transcript.jsonl")).read_bytes()


def test_keys_of_two_holders_on_two_tokens_are_in_one_file_and_one_policy(
    gap: Gap, softhsm: pytest_softhsm.SoftHSM
) -> None:
    first, both = (gap.path(gap.offline, name) for name in ("one.json", "both.json"))
    gap.offline.ok("ceremony", "keygen", "ACME", "--holder", "Ada", "--key", "operator:ACME", "-o", first)
    other = softhsm.create(label="other")
    witnesses = [str(SoftwareKey.generate(Role.USER).public_key) for _ in range(3)]
    try:
        done = gap.offline.ok(
            "ceremony", "keygen", "ACME", "--holder", "Bob", "--key", "operator:ACME signing", "--add", first,
            "--token", other.uri, "-o", both, "--policy-out", gap.path(gap.offline, "policy.toml"),
            *(word for key in witnesses for word in ("--witness", key)), "--witnesses", "2", "--json",
        )  # fmt: skip
    finally:
        softhsm.remove(other)
    assert [(one["name"], one["holder"]) for one in done.data["keys"]] == [
        ("ACME", "Ada"),
        ("ACME signing", "Bob"),
    ]
    policy = gap.offline.ok("policy", "explain", gap.path(gap.offline, "policy.toml"), "--json").data
    assert policy["digest"] == done.data["policy"]
    assert "A ceremony is witnessed by 2 of" in policy["rules"]["witnesses"]
    assert other.serial in policy["rules"]["tokens"]
    assert gap.offline.token.serial in policy["rules"]["tokens"]


def test_a_key_that_was_made_for_ceremonies_is_no_witness_in_the_policy(founded: Gap) -> None:
    keys = json.loads((founded.offline.home / "keys.json").read_text())
    own = read(keys["keys"][0]).issuer
    before = founded.offline.ok("key", "list", "--json").data["keys"]
    done = founded.offline.run(
        "ceremony", "keygen", "ACME", "--holder", "Bob", "--add", founded.path(founded.offline, "keys.json"),
        "--witness", str(own), "--witnesses", "1", "-o", founded.path(founded.offline, "both.json"),
    )  # fmt: skip
    assert (done.code, f"({own}) is a key that signs in ceremonies" in done.err) == (2, True)
    assert founded.offline.ok("key", "list", "--json").data["keys"] == before


def test_a_wrong_pin_leaves_a_ceremony_that_can_be_gone_on_with(founded: Gap) -> None:
    made = founded.prepare("first.plan", "first.json")
    words_of = (
        "ceremony", "sign", founded.path(founded.offline, "first.json"), "--expect", made["request"],
        "--clock-checked", "-o", founded.path(founded.offline, "first.result"),
    )  # fmt: skip
    done = founded.offline.run(*words_of, TOKEN_PIN="0000")
    assert (done.code, "the PIN is wrong" in done.err) == (4, True)
    assert not (founded.offline.home / "first.result").exists()
    founded.offline.ok(*words_of)
    done = founded.offline.run(*words_of)
    assert done.code == 3
    assert "R004 request: was signed before" in done.err


def test_the_next_request_brings_the_receipts_of_the_ceremony_before(running: Gap) -> None:
    planned(running, "tag.plan", "account", "edit", "SYS", "--tag", "team:a")
    running.prepare("tag.plan", "tag.json")
    request = json.loads((running.online.home / "tag.json").read_text())
    result = json.loads((running.offline.home / "first.result").read_text())
    assert len(request["receipts"]) == 3
    assert request["receipts"] == result["receipts"]
    book = {operator_of(running): {"last": None, "requests": {}, "subjects": {}}}
    older = {"version": 1, "open": {}, "operators": book}
    (running.offline.store / "ledger.json").write_text(json.dumps(older))
    done = running.offline.run("ceremony", "review", running.path(running.offline, "tag.json"), "--json")
    assert done.code == 3
    assert "R013 ledger: does not know the ceremony of the request" in done.err
    assert "R006 request previous: follows the ceremony" in done.err
    assert "it brings a receipt of that ceremony, which the ledger does not know" in done.err


def test_a_result_is_accepted_only_where_its_request_was_prepared(running: Gap, tmp_path: Path) -> None:
    other = dataclasses.replace(
        running.online, home=tmp_path, env=running.online.env_with(SEEDLESS_STORE=str(tmp_path / "s"))
    )
    done = other.run("ceremony", "accept", running.path(running.online, "first.result"))
    assert done.code == 3
    assert "the result is for a request that was not prepared here" in done.err


def test_a_result_that_was_accepted_is_accepted_again_and_changes_nothing(running: Gap) -> None:
    before = running.online.files()
    done = running.online.ok("ceremony", "accept", running.path(running.online, "first.result"), "--json")
    assert done.data["passed"] == 3
    assert running.online.files() == before


def test_a_result_is_refused_where_the_store_has_changed_since(running: Gap) -> None:
    planned(running, "tag.plan", "account", "edit", "SYS", "--tag", "team:a")
    made = running.prepare("tag.plan", "tag.json")
    assert running.sign("tag.json", "tag.result", made["request"]).code == 0
    result = str(running.carry("tag.result", "online"))
    (path,) = running.online.store.rglob("SYS.jwt")
    kept = path.read_text()
    path.write_text(kept.replace("\n", "") + "\n")
    data = bytearray((running.online.home / "tag.result").read_bytes())
    data[-100] ^= 1
    (running.online.home / "bad.result").write_bytes(bytes(data))
    done = running.online.run("ceremony", "accept", str(running.online.home / "bad.result"))
    assert (done.code, "the result is false" in done.err or "cannot be read" in done.err) == (3, True)
    assert path.read_text().strip() == kept.strip()
    running.online.ok("ceremony", "accept", result)
    assert "team:a" in running.online.ok("account", "show", "SYS").out


def test_the_second_ceremony_follows_the_first_and_a_stale_request_does_not(running: Gap) -> None:
    planned(running, "one.plan", "account", "edit", "SYS", "--tag", "team:a")
    planned(running, "two.plan", "account", "edit", "SYS", "--tag", "team:b")
    one = running.prepare("one.plan", "one.json")
    two = running.prepare("two.plan", "two.json")
    assert running.sign("one.json", "one.result", one["request"]).code == 0
    done = running.sign("two.json", "two.result", two["request"])
    assert done.code == 3
    assert "R006" in done.err
    assert "R008" in done.err
    done = running.online.ok("ceremony", "accept", str(running.carry("one.result", "online")))
    assert done.err == "the servers have the accounts after: seedless push --all\n"
    assert running.online.ok("verify", "--json").code == 0


def test_a_ceremony_with_a_fast_clock_is_followed_by_one_that_names_its_subject(
    running: Gap, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    with monkeypatch.context() as fast:
        fast.setattr(time, "time", lambda: real() + 365 * 86400)
        planned(running, "fast.plan", "account", "edit", "SYS", "--tag", "team:a")
        made = running.prepare("fast.plan", "fast.json")
        assert running.sign("fast.json", "fast.result", made["request"]).code == 0
        running.online.ok("ceremony", "accept", str(running.carry("fast.result", "online")))
    account = running.online.ok("account", "show", "SYS", "--json").data
    edit, reset = ("account", "edit", "SYS", "--tag", "team:b"), ("--reset-time", account["subject"])
    done = running.online.run(*edit, "--plan", running.path(running.online, "back.plan"))
    assert (done.code, "seedless docs howto/clock" in done.err) == (3, True)
    planned(running, "back.plan", *edit, *reset)
    made = running.prepare("back.plan", "back.json", *reset)
    refused = running.sign("back.json", "back.result", made["request"])
    assert (refused.code, "G001" in refused.err) == (3, True)
    done = running.sign("back.json", "back.result", made["request"], *reset)
    assert (done.code, "waived: G001 account SYS iat: is " in done.err) == (0, True), done.err
    assert "in the ledger: 2" in done.err
    running.online.ok("ceremony", "accept", str(running.carry("back.result", "online")))
    assert running.online.ok("account", "show", "SYS", "--json").data["issued_at"] <= real()
    planned(running, "next.plan", "account", "edit", "SYS", "--tag", "team:c")
    made = running.prepare("next.plan", "next.json")
    assert running.sign("next.json", "next.result", made["request"]).code == 0


def test_what_a_ceremony_signs_about_itself_is_signed_by_no_other_command(cli: Cli) -> None:
    cli.found_system()
    for audience in ("seedless-ceremony-receipt", "seedless-ceremony-witness", "seedless-else"):
        claims = {"sub": "sha256:00", "aud": audience, "nats": {"type": "generic"}}
        operator = cli.ok("operator", "show", "--json").data["subject"]
        done = cli.run("sign", "-", "--kind", "generic", "--issuer", operator, stdin=json.dumps(claims))
        assert done.code == 3, done
        assert "G004" in done.err
        done = cli.run(
            "sign",
            "-",
            "--kind",
            "generic",
            "--issuer",
            operator,
            "--allow",
            "G004",
            stdin=json.dumps(claims),
        )
        assert done.code == 2


def test_a_ceremony_that_cannot_be_finished_is_given_up_by_its_digest(running: Gap) -> None:
    planned(running, "one.plan", "account", "edit", "SYS", "--tag", "team:a")
    made = running.prepare("one.plan", "one.json")
    request = running.path(running.offline, "one.json")
    done = running.offline.run("ceremony", "abandon", request, "--expect", made["request"])
    assert (done.code, "no ceremony of the request" in done.err) == (2, True)
    path = running.offline.store / "ledger.json"
    ledger = json.loads(path.read_text())
    ledger["open"] = {operator_of(running): made["request"]}  # as a kill after the first intent leaves it
    path.write_text(json.dumps(ledger))
    before = path.read_text()
    running.offline.ok("ceremony", "abandon", request, "--dry-run")
    done = running.offline.run("ceremony", "abandon", request, asks=True)
    assert (done.code, "not confirmed: run it on a terminal, or add --yes" in done.err) == (2, True)
    assert made["request"] not in done.err
    assert path.read_text() == before
    done = running.offline.ok("ceremony", "abandon", request, "--expect", made["request"], "--json")
    assert done.data["signed"] == 0
    assert json.loads(path.read_text())["open"] == {}
    assert "R004" in running.sign("one.json", "x", made["request"]).err


def test_a_result_from_the_future_is_not_accepted(founded: Gap, monkeypatch: pytest.MonkeyPatch) -> None:
    made = founded.prepare("first.plan", "first.json")
    assert founded.sign("first.json", "first.result", made["request"]).code == 0
    result = str(founded.carry("first.result", "online"))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 3600)
    done = founded.online.run("ceremony", "accept", result)
    assert done.code == 3
    assert ", and this clock reads 20" in done.err
    assert not (founded.online.store / "stores").exists()


@pytest.mark.parametrize(
    ("words_of", "sentence"),
    [
        pytest.param(("--at", "2h"), ", and this clock reads 20", id="a time that has not come"),
        pytest.param(
            ("--expires", "2020-01-01"), "request.expires is not after", id="an expiry that has been"
        ),
        pytest.param(
            ("--by", "Gr\u0430ce"), "request.prepared_by holds characters", id="a name that deceives"
        ),
    ],
)
def test_a_request_that_nobody_could_sign_is_not_made(
    founded: Gap, words_of: tuple[str, ...], sentence: str
) -> None:
    done = founded.online.run(
        "ceremony", "prepare", founded.path(founded.online, "first.plan"), "--reason", "r",
        "-o", founded.path(founded.online, "x"), *words_of,
    )  # fmt: skip
    assert done.code == 2
    assert sentence in done.err
    assert not (founded.online.home / "x").exists()


def test_the_same_plan_and_time_give_the_same_request(founded: Gap) -> None:
    made = [
        founded.prepare("first.plan", f"{name}.json", "--at", "2026-01-01", "--expires", "2030-01-01")[
            "request"
        ]
        for name in ("one", "two")
    ]
    assert made[0] == made[1]
    assert (founded.online.home / "one.json").read_bytes() == (founded.online.home / "two.json").read_bytes()


def test_a_witness_signs_with_a_key_in_a_file_or_on_a_token(gap: Gap) -> None:
    ada = SoftwareKey.generate(Role.USER)
    (gap.offline.home / "ada.nk").write_text(ada.reveal())
    bob = gap.offline.ok("key", "new", "--role", "user", "--name", "bob", "--json").data["public_key"]
    gap.offline.ok(
        "ceremony", "keygen", "ACME", "--holder", "Ada", "--policy-out", gap.path(gap.offline, "policy.toml"),
        "-o", gap.path(gap.offline, "keys.json"), "--witness", str(ada.public_key), "--witness", bob,
        "--witnesses", "2",
    )  # fmt: skip
    gap.online.ok("ceremony", "keys", str(gap.carry("keys.json", "online")))
    gap.online.ok("operator", "add", "ACME", "--plan", gap.path(gap.online, "first.plan"))
    made = gap.prepare("first.plan", "first.json")
    request, consent = gap.path(gap.offline, "first.json"), ("--expect", made["request"], "--clock-checked")
    done = gap.sign("first.json", "x", made["request"])
    assert (done.code, "0 of 2 witnesses have signed" in done.err) == (3, True)
    for name, key in (("ada", ("--key-file", gap.path(gap.offline, "ada.nk"))), ("bob", ("--key", bob))):
        gap.offline.ok("ceremony", "witness", request, *key, *consent, "-o", gap.path(gap.offline, name))
    witnesses = [word for name in ("ada", "bob") for word in ("--witness", gap.path(gap.offline, name))]
    assert gap.sign("first.json", "first.result", made["request"], *witnesses).code == 0
    eve = SoftwareKey.generate(Role.USER)
    (gap.offline.home / "eve.nk").write_text(eve.reveal())
    done = gap.offline.run(
        "ceremony", "witness", request, "--key-file", gap.path(gap.offline, "eve.nk"), *consent, "-o", "x"
    )
    assert done.code == 3


def test_a_ceremony_that_pins_a_root_signs_with_attested_keys_alone(gap: Gap) -> None:
    device = made.yubikey()
    root = ("--attestation-root", device.root.digest)
    done = gap.offline.run(
        "ceremony", "keygen", "ACME", "--holder", "Ada", "--attestation-root", "63:ec",
        "-o", gap.path(gap.offline, "keys.json"),
    )  # fmt: skip
    assert (done.code, '"63:ec" is not a SHA-256 of a certificate' in done.err) == (2, True)
    policy = gap.path(gap.offline, "policy.toml")
    gap.offline.ok(
        "ceremony", "keygen", "ACME", "--holder", "Ada", "--key", "operator:ACME", *root,
        "--policy-out", policy, "-o", gap.path(gap.offline, "keys.json"),
    )  # fmt: skip
    # SoftHSM has no serial that a YubiKey could have: the policy lists that of the device too.
    listed = gap.offline.home / "policy.toml"
    listed.write_text(listed.read_text().replace("tokens = [", 'tokens = ["12345678", '))
    gap.online.ok("ceremony", "keys", str(gap.carry("keys.json", "online")))
    gap.online.ok("operator", "add", "ACME", "--plan", gap.path(gap.online, "first.plan"))
    request = gap.prepare("first.plan", "first.json")["request"]
    done = gap.sign("first.json", "first.result", request)
    (key,) = (one["public_key"] for one in gap.offline.ok("key", "list", "--json").data["keys"])
    assert (done.code, f"P014 the policy requires an attestation of operator ACME ({key})" in done.err) == (
        3,
        True,
    )
    leaf = device.piv(PublicKey.parse(key).raw)
    (gap.offline.home / "chain.pem").write_bytes(leaf.pem + device.own.pem + device.root.pem)
    gap.offline.ok("key", "attest", key, "-c", gap.path(gap.offline, "chain.pem"), "--no-token")
    done = gap.sign("first.json", "first.result", request)
    assert done.code == 0, done
    found = gap.online.ok(
        "ceremony", "check", gap.path(gap.online, "first.json"), str(gap.carry("first.result", "online")),
        "--operator-key", key, "--json",
    ).data  # fmt: skip
    assert (found["verdict"], found["attested"]) == (
        "complete",
        {
            key: {
                "device": "YubiKey",
                "serial": 12345678,
                "sha256": leaf.digest,
                "root": device.root.digest,
            }
        },
    )
