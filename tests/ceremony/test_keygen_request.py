"""Keys that a ceremony creates from a key specification: request, witnesses, transcript, check, report."""

from __future__ import annotations

import itertools
import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

import seedless
from seedless import Workspace
from seedless.app import ceremonies_keygen
from seedless.app.ceremonies_keygen import KeygenPeople
from seedless.ceremony import documents
from seedless.errors import TokenError, UsageError
from seedless.keygen import request as key_request
from seedless.keygen.check import check_keygen
from seedless.nkey import Role
from seedless.program import program_digest
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from pathlib import Path

    import pytest_softhsm
    from seedless.app.ceremony_keys import CreatedKeys

    Cli = Any  # the fixture in tests/conftest.py
    Done = Any

ADA = SoftwareKey(Role.USER, bytes(range(32)))
BOB = SoftwareKey(Role.USER, bytes(range(1, 33)))

COREUTILS = (
    "find -L . -name __pycache__ -prune -o -type f -print0 | LC_ALL=C sort -z | "
    "xargs -0 sha256sum | sha256sum"
)

SPECIFICATION = f"""\
format = "seedless key specification 1"
operator = "ACME"
exceptions = ["the notary is absent, agreed on by all"]

[[keys]]
role = "operator"
name = "ACME"
holder = "Ada"

[[keys]]
role = "operator"
name = "ACME signing"
holder = "Grace"
attributes = ["local", "sensitive", "never_extractable", "always_sensitive"]

[[keys]]
role = "account"
name = "SYS"
holder = "Grace"

[[people]]
name = "Ada"
role = "holder"

[[people]]
name = "Grace"
role = "holder and scribe"

[[bags]]
number = "4711"
content = "the token"

[witnesses]
keys = ["{ADA.public_key}", "{BOB.public_key}"]
threshold = 1
"""


def prepare(cli: Cli, text: str = SPECIFICATION, *more: str) -> Done:
    (cli.home / "keys.toml").write_text(text)
    return cli.run(
        "ceremony", "prepare", str(cli.home / "keys.toml"), "--reason", "the first keys", "--by", "Grace",
        "-o", str(cli.home / "request.json"), "--json", *more,
    )  # fmt: skip


def witness(cli: Cli, digest: str, key: SoftwareKey = ADA, name: str = "ada") -> Done:
    seed = cli.home / f"{name}.nk"
    seed.write_text(key.reveal())
    seed.chmod(0o600)
    return cli.run(
        "ceremony", "witness", str(cli.home / "request.json"), "--key-file", str(seed), "--expect", digest,
        "--clock-checked", "-o", str(cli.home / f"{name}.witness"),
    )  # fmt: skip


def keygen(cli: Cli, digest: str, *more: str, **env: str) -> Done:
    return cli.run(
        "ceremony", "keygen", "--request", str(cli.home / "request.json"), "--expect", digest,
        "--clock-checked",
        "--statement", str(cli.home / "ada.witness"), "--present", "Ada", "--present", "Grace",
        "-o", str(cli.home / "result.json"), "--json", *more, **env,
    )  # fmt: skip


def created(cli: Cli, *more: str) -> Done:
    digest = prepare(cli).data["request"]
    assert witness(cli, digest).code == 0
    done = keygen(cli, digest, *more)
    assert done.code == 0, done
    return done


def labels(cli: Cli) -> list[str]:
    keys = cli.ok("key", "list", "--token", cli.token.uri, "--json").data["keys"]
    return sorted(row["uri"].partition("object=")[2].partition(";")[0] for row in keys if row["uri"])


def test_keys_of_a_specification_are_reviewed_witnessed_created_checked_registered_and_pinned(
    cli: Cli,
) -> None:
    digest = prepare(cli).data["request"]
    shown = cli.ok("ceremony", "review", str(cli.home / "request.json")).err
    for line in (
        "new operator ACME, held by Ada: local, sensitive, never_extractable",
        "bag 4711: the token",
        "agreed exception: the notary is absent, agreed on by all",
        "witnesses  1 of 2",
    ):
        assert line in shown, shown
    assert witness(cli, digest).code == 0
    done = keygen(
        cli,
        digest,
        "--exception",
        "the camera was off for 2 minutes",
        "--bag",
        "4711:the seal was whole",
        "--policy-out",
        str(cli.home / "policy.toml"),
    )
    assert done.code == 0, done
    assert [key["name"] for key in done.data["keys"]] == ["ACME", "ACME signing", "SYS"]
    operator = done.data["keys"][0]["public_key"]
    assert labels(cli) == ["account:SYS", "operator:ACME", "operator:ACME%20signing"]
    paths = (str(cli.home / "request.json"), str(cli.home / "result.json"), "--operator-key", operator)
    more = ("--recompute", "--policy", str(cli.home / "policy.toml"))
    checked = cli.ok("ceremony", "check", *paths, *more, "--json").data
    assert (checked["verdict"], checked["transcript"]) == ("complete", done.data["transcript"])
    assert checked["recomputed"] == {"agrees": True, "text": "every byte agrees"}
    assert checked["sessions"][0]["bags"] == [{"number": "4711", "found": "the seal was whole"}]
    text = cli.ok("ceremony", "check", *paths).out
    for line in ("bag         4711: the seal was whole", "exception   the camera was off for 2 minutes",
                 "witnesses   1 signed; needed: 1 of 2", f"witness     {ADA.public_key}",
                 f"signatures  3 of operator ACME ({operator})"):  # fmt: skip
        assert line in text, text
    page = cli.home / "report.html"
    cli.ok("ceremony", "report", *paths, "-o", str(page))
    for text in ("Before the ceremony", "the camera was off for 2 minutes", "bag 4711: the token",
                 "<strong>Keys in software</strong>: operator ACME, operator ACME signing, account SYS.",
                 f"<h3>operator ACME<br><code>{operator}</code></h3>",
                 f"<tr><th>operator ACME</th><td>3<br><code>{operator}</code></td></tr>",
                 "<th>Bag 4711</th><td>the seal was whole</td>", "Ada (holder), Grace (holder and scribe)",
                 "the digests of request and transcript are those on paper",
                 "p, li { overflow-wrap: anywhere; }",
                 "Times of the steps", "created operator:ACME signing"):  # fmt: skip
        assert text in page.read_text()
    states = cli.ok("ceremony", "inventory", "--token", cli.token.uri, "--json").data["keys"]
    assert sorted(one["state"] for one in states) == ["present"] * 3
    cli.ok("ceremony", "keys", str(cli.home / "result.json"))
    policy = cli.ok("policy", "explain", str(cli.home / "policy.toml"))
    assert operator in policy.out


def test_the_transcript_has_people_exceptions_rows_and_a_count_of_all_signatures(cli: Cli) -> None:
    created(cli, "--exception", "the seal of bag 4711 was torn")
    entries = json.loads((cli.home / "result.json").read_bytes())["transcript"]
    assert [entry["kind"] for entry in entries] == [
        "opened", "witnessed", "readiness", *["intent", "created"] * 3, "ended",
    ]  # fmt: skip
    assert entries[0]["present"] == ["Ada", "Grace"]
    assert entries[0]["exceptions"] == ["the seal of bag 4711 was torn"]
    assert [entry["signed"] for entry in entries if entry["kind"] == "created"] == [
        {"challenge": 1, "statement": 1}
    ] * 3
    assert list(entries[-1]["signatures"].values()) == [3, 3, 3]


def test_the_digest_of_the_program_is_in_request_and_transcript_and_coreutils_compute_it(cli: Cli) -> None:
    created(cli)
    folder = next(iter(seedless.__path__))
    done = subprocess.run(["sh", "-c", COREUTILS], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == program_digest()
    for name in ("request.json", "result.json"):
        assert f"program sha256 {program_digest()}" in (cli.home / name).read_text()


def test_a_label_that_exists_is_refused_by_the_request_and_by_the_token(cli: Cli) -> None:
    digest = prepare(cli).data["request"]
    assert witness(cli, digest).code == 0
    cli.token.import_ed25519(bytes(range(32)), label="operator:ACME signing", id=b"\x07")
    done = keygen(cli, digest)
    assert (done.code, "the token has a key operator:ACME signing already" in done.err) == (3, True), done
    assert not (cli.home / "result.json").exists()
    again = prepare(cli, SPECIFICATION, "--dry-run")
    assert (again.code, "the inventory has a key operator:ACME already" in again.err) == (3, True), again


def test_without_its_witnesses_or_for_another_request_no_key_is_created(cli: Cli) -> None:
    digest = prepare(cli).data["request"]
    path = str(cli.home / "request.json")
    words = ("ceremony", "keygen", "--request", path, "--clock-checked", "-o", str(cli.home / "result.json"))
    done = cli.run(*words, "--expect", digest)
    assert (done.code, "0 of 1 witnesses have signed" in done.err) == (3, True), done
    assert "--statement for keygen" in done.err
    done = cli.run(*words, "--expect", "0" * 64)
    assert (done.code, "the digest of the request is not" in done.err) == (3, True)
    stranger = SoftwareKey(Role.USER, bytes(32))
    done = witness(cli, digest, stranger, "eve")
    assert (done.code, "is not a witness of the request" in done.err) == (3, True), done
    assert labels(cli) == []


def test_a_ceremony_that_ends_anywhere_goes_on_and_creates_no_key_twice(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = prepare(cli).data["request"]
    assert witness(cli, digest).code == 0
    request = key_request.parse((cli.home / "request.json").read_bytes())
    people = KeygenPeople(statements=((cli.home / "ada.witness").read_text().strip(),), present=("Ada",))

    def create(most: int) -> CreatedKeys:
        """Create the keys on a machine that fails when its clock is read for the *most* + 1st time."""
        calls = itertools.count()
        monkeypatch.setenv("TOKEN_PIN", cli.token.pin)  # it is forgotten once it was read

        def clock() -> int:
            if next(calls) == most:
                raise TokenError("the power was cut")
            return int(time.time())

        workspace = Workspace(
            cli.store, module=cli.token.module, token=cli.token.label, pin_source="env:TOKEN_PIN"
        )
        with workspace:
            return ceremonies_keygen.create(
                workspace, request, people, output=cli.home / "result.json", clock=clock
            )

    # Each run gets one entry further than the one before: it begins anew until the first intent, and goes on
    # with an entry of its own from then on.
    for most in (0, 1, 3, 4, 2, 2, 2, 2, 2):
        with pytest.raises(TokenError, match="the power was cut"):
            create(most)
    done = create(-1)
    assert [key.name for key in done.keys] == ["ACME", "ACME signing", "SYS"]
    assert labels(cli) == ["account:SYS", "operator:ACME", "operator:ACME%20signing"]
    assert str(check_keygen(request.data, done.result).verdict) == "complete"


def test_an_intent_without_its_key_does_not_use_another_one_of_that_label(cli: Cli) -> None:
    created(cli)
    (folder,) = (cli.store / "key-ceremonies").iterdir()
    (cli.home / "result.json").unlink()
    (folder / "result.json").unlink()
    lines = (folder / "transcript.jsonl").read_bytes().splitlines(keepends=True)
    kinds = [json.loads(line)["kind"] for line in lines]
    second = kinds.index("created", kinds.index("created") + 1)
    (folder / "transcript.jsonl").write_bytes(b"".join(lines[:second]))
    done = keygen(cli, prepare_digest(cli))
    assert (done.code, "the inventory has a key operator:ACME signing already" in done.err) == (3, True), done
    assert len(labels(cli)) == 3


def test_the_keys_of_a_request_are_created_once(cli: Cli) -> None:
    digest = created(cli).data and prepare_digest(cli)
    (cli.home / "result.json").unlink()
    done = keygen(cli, digest)
    assert (done.code, "the keys of this request were created" in done.err) == (3, True)
    assert len(labels(cli)) == 3


def test_a_key_that_is_no_longer_as_its_transcript_has_it_is_found_on_its_token(cli: Cli) -> None:
    operator = created(cli).data["keys"][0]["public_key"]
    cli.ok("key", "delete", operator, "--yes")
    done = cli.run("ceremony", "inventory", "--token", cli.token.uri, "--json")
    assert (done.code, sorted(one["state"] for one in done.data["keys"])) == (
        3, ["missing", "present", "present"],
    )  # fmt: skip


def test_the_checklist_of_a_key_ceremony_has_its_keys_people_bags_and_room_to_write(cli: Cli) -> None:
    prepare(cli)
    page = cli.home / "checklist.txt"
    cli.ok("ceremony", "review", str(cli.home / "request.json"), "--checklist", str(page))
    lines = page.read_text().splitlines()
    assert lines[0] == "KEY CEREMONY"
    for text in (
        "new operator ACME, held by Ada: local, sensitive, never_extractable",
        "agreed exception: the notary is absent, agreed on by all",
        "Grace, holder and scribe                    __________________________________",
        "4711: the token                             __________________________________",
        "exceptions, with the time",
        "BEFORE THE CEREMONY",
        "ask a person",
    ):
        assert any(text in line for line in lines), text
    assert max(map(len, lines)) <= 80
    digest = prepare_digest(cli)
    assert digest not in page.read_text()


def test_a_review_ends_with_the_reason_why_no_key_would_be_created(cli: Cli) -> None:
    path = str(cli.home / "request.json")
    prepare(cli, SPECIFICATION, "--at", "2020-01-01T00:00:00Z")
    done = cli.run("ceremony", "review", path, "--checklist", str(cli.home / "checklist.txt"))
    assert (done.code, "the request holds from 2020-01-01" in done.err) == (3, True), done
    assert not (cli.home / "checklist.txt").exists()
    (cli.home / "request.json").unlink()
    created(cli)
    done = cli.run("ceremony", "review", path)
    assert (done.code, "the keys of this request were created" in done.err) == (3, True), done


def test_a_ceremony_that_cannot_be_finished_is_abandoned_for_good(cli: Cli) -> None:
    text = SPECIFICATION.replace(
        '["local", "sensitive", "never_extractable", "always_sensitive"]', '["always_authenticate"]'
    )
    digest = prepare(cli, text).data["request"]
    path = str(cli.home / "request.json")
    done = cli.run("ceremony", "abandon", path, "--expect", digest)
    assert (done.code, "has begun here and not ended" in done.err) == (2, True), done
    assert witness(cli, digest).code == 0
    assert keygen(cli, digest).code == 3
    (folder,) = (cli.store / "key-ceremonies").iterdir()
    transcript = str(folder / "transcript.jsonl")
    operator = json.loads((folder / "transcript.jsonl").read_text().splitlines()[-2])["kind"] == "created"
    words = ("ceremony", "check", path, transcript, "--operator-key", f"{made_key(folder)}", "--json")
    done = cli.run(*words)
    assert (operator, done.code, done.data["verdict"]) == (True, 3, "incomplete")
    done = cli.run("ceremony", "abandon", path, "--expect", "0" * 64)
    assert (done.code, "the digest of the request is not" in done.err) == (3, True), done
    done = cli.ok("ceremony", "abandon", path, "--expect", digest, "--json")
    assert (done.data["created"], "1 of 3 keys are created" in done.err) == (1, True), done
    done = keygen(cli, digest)
    assert (done.code, "was abandoned, for good" in done.err) == (3, True), done
    done = cli.run(*words)
    assert done.data["text"] == "1 of 3 keys were created, and there are no receipts: it was abandoned"


def made_key(folder: Path) -> str:
    """Return the public key of the first key that the transcript in *folder* has."""
    lines = map(json.loads, (folder / "transcript.jsonl").read_text().splitlines())
    statement = next(entry["statement"] for entry in lines if entry["kind"] == "created")
    return str(seedless.read(statement).issuer)


def prepare_digest(cli: Cli) -> str:
    return key_request.parse((cli.home / "request.json").read_bytes()).digest


def changed(cli: Cli, path: list[Any], value: object) -> bytes:
    members = json.loads((cli.home / "result.json").read_bytes())
    place = members
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return documents.to_bytes(members)


def test_what_was_changed_in_a_result_is_found_with_its_place(cli: Cli) -> None:
    created(cli)
    request = (cli.home / "request.json").read_bytes()
    assert str(check_keygen(request, (cli.home / "result.json").read_bytes()).verdict) == "complete"
    for path, value, why in (
        (["transcript", 0, "present"], ["Eve"], "transcript[1] does not follow"),
        (["transcript", 0, "exceptions"], ["none"], "transcript[1] does not follow"),
        (["transcript", 4, "signed"], {"statement": 1}, "transcript[5] does not follow"),
        (["transcript", 9, "signatures"], {}, "counts other keys or signatures"),
        (["receipts"], [], "result.receipts holds 0, and 3 keys were created"),
    ):
        found = check_keygen(request, changed(cli, path, value))
        assert (str(found.verdict), why in found.text) == ("false", True), found
    other = check_keygen(request, (cli.home / "result.json").read_bytes(), ADA.public_key)
    assert "is none of the keys that were created" in other.text


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('name = "SYS"', 'name = "SYS"\nrecoverable = true\nattested = true', "recoverable and attested"),
        ('name = "SYS"', 'name = "SYS"\nrecoverable = true', "recoverable keys need [shares]"),
        ('name = "SYS"', 'name = "SYS"\nattested = true', "attested keys need attestation_roots"),
        ('name = "SYS"', 'name = "SYS"\nattributes = ["shiny"]', '"shiny" is none of sensitive'),
        ('name = "SYS"\nholder = "Grace"', 'name = "SYS"\nholder = "Eve"', "is Eve, who is not among people"),
        ('name = "ACME signing"', 'name = "ACME"', "keys[1] is in the list already: operator:ACME"),
        ("threshold = 1", "threshold = 3", "3 of 2 different keys cannot have signed"),
        ('role = "account"', 'role = "user"', "keys[2].role is none of operator, account"),
        ('number = "4711"', 'numbers = "4711"', "bags[0].numbers is not known"),
        ("key specification 1", "key specification 2", "format is not 'seedless key specification 1'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_the_specification_with_its_place(old: str, new: str, why: str) -> None:
    text = SPECIFICATION.replace(old, new, 1)
    assert text != SPECIFICATION
    with pytest.raises(UsageError) as caught:
        key_request.read_specification(text.encode(), "keys.toml")
    assert why in caught.value.message


def test_a_key_that_its_driver_reports_otherwise_ends_the_ceremony(cli: Cli) -> None:
    text = SPECIFICATION.replace(
        '["local", "sensitive", "never_extractable", "always_sensitive"]', '["always_authenticate"]'
    )
    digest = prepare(cli, text).data["request"]
    assert witness(cli, digest).code == 0
    done = keygen(cli, digest)
    assert (done.code, "does not report that it is always_authenticate" in done.err) == (3, True), done
    assert not (cli.home / "result.json").exists()


def test_options_of_the_two_ways_are_not_mixed(cli: Cli) -> None:
    prepare(cli)
    path = str(cli.home / "request.json")
    for words, why in (
        (("ACME", "--request", path), "has names, holders, witnesses and roots itself"),
        (("--request", path, "--holder", "Ada"), "has names, holders, witnesses and roots itself"),
        (("ACME", "--holder", "Ada", "--present", "Bo"), "belong to a request"),
        ((), "no keys are named"),
        (("ACME",), "no keys are named"),
    ):
        done = cli.run("ceremony", "keygen", *words, "-o", str(cli.home / "out.json"))
        assert (done.code, why in done.err) == (2, True), done


def test_a_rehearsal_creates_the_keys_on_a_token_that_is_deleted_and_none_of_them_is_registered(
    cli: Cli,
) -> None:
    digest = prepare(cli).data["request"]
    kept = cli.home / "rehearsal"
    done = cli.child(
        "ceremony", "rehearse", str(cli.home / "request.json"), "--output", str(kept), "--json",
        SEEDLESS_PIN_SOURCE="file:/nowhere",
    )  # fmt: skip
    assert (done.code, done.data["mark"], done.data["verdict"]) == (0, "REHEARSAL", "complete"), done
    assert {"what": "bag", "text": "4711: the token"} in done.data["needs"]
    assert done.data["request"] == digest
    assert labels(cli) == []
    for words, why in (
        (("keys", str(kept / "result.json")), "of a ceremony that is marked REHEARSAL"),
        (("review", str(kept / "request.json")), "the request is that of a rehearsal"),
    ):
        refused = cli.run("ceremony", *words)
        assert (refused.code, why in refused.err) == (3, True), refused
    found = check_keygen((kept / "request.json").read_bytes(), (kept / "result.json").read_bytes())
    assert found.request is not None
    assert (str(found.verdict), found.request.mark) == ("complete", "REHEARSAL")
    forged = (kept / "request.json").read_bytes().replace(b'"mark":"REHEARSAL"', b'"mark":""')
    assert str(check_keygen(forged, (kept / "result.json").read_bytes()).verdict) == "false"


def test_the_keys_of_a_request_are_created_on_the_tokens_that_it_names(
    cli: Cli, softhsm: pytest_softhsm.SoftHSM
) -> None:
    other = softhsm.create("SECOND SAFE", pin=cli.token.pin)
    text = SPECIFICATION.replace('holder = "Ada"', f'holder = "Ada"\ntoken = "{other.uri}"')
    digest = prepare(cli, text).data["request"]
    assert witness(cli, digest).code == 0
    done = keygen(cli, digest)
    assert done.code == 0, done
    serials = [seedless.KeyUri.parse(key["uri"]).serial for key in done.data["keys"]]
    assert len(set(serials)) == 2
    assert serials[1] == serials[2]
    abouts = {row["about"] for entry in json.loads((cli.home / "result.json").read_bytes())["transcript"]
              if entry["kind"] == "readiness" for row in entry["rows"]}  # fmt: skip
    assert len([about for about in abouts if about.startswith("token ")]) == 2


@pytest.mark.parametrize(("bits", "text"), [("", "256"), ("bits = 128\n", "128"), ("bits = 64\n", "")])
def test_a_request_with_shares_states_the_bits_of_their_secret(bits: str, text: str) -> None:
    shares = f'[shares]\nthreshold = 2\nholders = ["Ada", "Bo", "Cy"]\n{bits}'
    recoverable = SPECIFICATION.replace('name = "SYS"', 'name = "SYS"\nrecoverable = true') + shares
    if not text:
        with pytest.raises(UsageError, match="2 of 3 shares of 64 bits are not possible"):
            key_request.read_specification(recoverable.encode(), "keys.toml")
        return
    request = key_request.prepare(
        key_request.read_specification(recoverable.encode(), "keys.toml"),
        reason="x", prepared_by="Ada", prepared_at=1, expires=2, tool="seedless 0",
    )  # fmt: skip
    assert f"the secret has {text} random bits" in "\n".join(key_request.description(request))
