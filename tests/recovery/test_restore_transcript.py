"""The transcript of a restore: what is true is complete, and what was changed is false with its place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless.nkey import Role
from seedless.recovery import slip39
from seedless.recovery.record import KeyName, KeyRecord, RecoveryRecord, ShareRecord, share_digest
from seedless.recovery.transcript import (
    NO_ATTESTATION,
    RESTORE,
    RestoreContent,
    RestoredKey,
    RestoredToken,
    RestoreTranscript,
    UsedShare,
    check_restore,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest_softhsm

    Cli = Any  # the fixture in tests/conftest.py
    Holders = Any  # the class in share_holders.py
    Created = Callable[..., tuple[Path, list[list[str]]]]

SECRET = bytes(range(32))
SHARES = slip39.split(SECRET, 2, 3, identifier=7)
NAMES = tuple(KeyName(role=Role.OPERATOR, name=name) for name in ("ACME", "ACME signing"))
SOFTWARE = [name.derive(SECRET) for name in NAMES]
RECORD = RecoveryRecord(
    at=1_700_000_000, identifier=7, threshold=2, words=33,
    shares=tuple(
        ShareRecord(number=share.number + 1, holder=holder, sha256=share_digest(share))
        for share, holder in zip(SHARES, ("Ada", "Bo", "Cy"), strict=True)
    ),
    keys=tuple(
        KeyRecord(key=name, public_key=key.public_key) for name, key in zip(NAMES, SOFTWARE, strict=True)
    ),
)  # fmt: skip
CONTENT = RestoreContent(
    kind=RESTORE, at=1_700_000_100, ended_at=1_700_000_200, tool="seedless 1", present=("Ada", "Cy"),
    record=RECORD.to_bytes().decode(),
    shares=tuple(UsedShare(number=at, sha256=RECORD.shares[at - 1].sha256) for at in (1, 3)),
    token=RestoredToken(label="SPARE", serial="1", manufacturer="Acme", model="HSM", firmware="1.0"),
    keys=tuple(RestoredKey(public_key=str(key.public_key), uri="pkcs11:token=SPARE") for key in SOFTWARE),
)  # fmt: skip


def signed(content: RestoreContent) -> RestoreTranscript:
    """Return *content* with the receipts of its keys, as somebody who has the secret can make them."""
    software = {str(key.public_key): key for key in SOFTWARE}
    receipts = tuple(
        draft.complete(software[str(draft.issuer)].sign(draft.signing_input)).text
        for draft in content.drafts()
    )
    return RestoreTranscript(content=content, receipts=receipts)


TRUE = signed(CONTENT)


def test_a_transcript_with_the_receipts_of_its_keys_is_complete() -> None:
    found = check_restore(RECORD, TRUE.to_bytes(), SOFTWARE[0].public_key)
    assert (str(found.verdict), found.text) == (
        "complete", "2 keys were imported to token SPARE (serial 1) by 2 shares, each signed a receipt",
    )  # fmt: skip
    assert found.transcript == TRUE


CHANGES: dict[str, dict[str, Any]] = {
    "kind": {"kind": "derive"},
    "time": {"at": 1_700_000_101},
    "end": {"ended_at": 1_700_000_201},
    "program": {"tool": "seedless 2"},
    "people": {"present": ("Ada", "Bo")},
    "share": {"shares": tuple(UsedShare(number=at, sha256=RECORD.shares[at - 1].sha256) for at in (1, 2))},
    "token": {"token": msgspec.structs.replace(CONTENT.token, serial="2")},
    "place": {"keys": tuple(msgspec.structs.replace(key, uri="pkcs11:token=MINE") for key in CONTENT.keys)},
    "fewer keys": {"keys": CONTENT.keys[:1]},
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed_has_no_receipts(name: str) -> None:
    changed = msgspec.structs.replace(
        TRUE, content=msgspec.structs.replace(CONTENT, **CHANGES[name])
    ).to_bytes()
    found = check_restore(RECORD, changed)
    assert str(found.verdict) == "false"
    assert found.text.startswith("transcript.receipts")


IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "an attestation": ({"attestation": "by a device"}, "an attestation that no restore has"),
    "a kind": ({"kind": "create"}, "states a kind"),
    "an end before the beginning": ({"ended_at": 1}, "ends before it begins"),
    "one share": ({"shares": CONTENT.shares[:1]}, "are not 2 shares"),
    "a share twice": ({"shares": CONTENT.shares[:1] * 2}, "are not 2 shares"),
    "a foreign share": (
        {"shares": (CONTENT.shares[0], UsedShare(number=3, sha256="0" * 64))}, "is not a share of the record",
    ),
    "an unseen name": ({"present": ("\N{ZERO WIDTH SPACE}Ada",)}, "characters that cannot be seen"),
    "no key": ({"keys": ()}, "transcript.receipts holds 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_no_restore_does_is_false_whoever_signs_it(name: str) -> None:
    change, why = IMPOSSIBLE[name]
    found = check_restore(RECORD, signed(msgspec.structs.replace(CONTENT, **change)).to_bytes())
    assert str(found.verdict) == "false"
    assert why in found.text


def test_the_transcript_of_another_record_or_operator_is_refused_by_name() -> None:
    other = msgspec.structs.replace(RECORD, at=1)
    found = check_restore(other, TRUE.to_bytes())
    assert f"is of the record {RECORD.digest}, and this one is {other.digest}" in found.text
    stranger = KeyName(role=Role.OPERATOR, name="OTHER").derive(SECRET).public_key
    assert "is none of the keys of the record" in check_restore(RECORD, TRUE.to_bytes(), stranger).text


def test_every_byte_of_it_counts() -> None:
    data = TRUE.to_bytes()
    for at in range(0, len(data), 7):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert str(check_restore(RECORD, changed).verdict) == "false", at


def test_it_states_that_nobody_attests_imported_keys() -> None:
    assert json.loads(TRUE.to_bytes())["content"]["attestation"] == NO_ATTESTATION


def test_a_restore_writes_it_and_a_check_reads_it_without_terminal_or_token(
    cli: Cli, softhsm: pytest_softhsm.SoftHSM, holders: type[Holders], created: Created
) -> None:
    record, shares = created()
    spare = softhsm.create("SPARE", pin=cli.token.pin)
    output = cli.home / "restore.json"
    words = ("recovery", "restore", str(record), "--token", spare.uri, "--present", "Ada", "--yes")
    people = holders(cli.terminal_for(*words, "-o", str(output)))
    people.type_share(shares[0])
    people.type_share(shares[1])
    assert people.terminal.end() == 0, people.terminal.said
    (kept,) = (cli.store / "restores").iterdir()
    assert kept.read_bytes() == output.read_bytes()
    found = cli.ok("recovery", "check", str(record), "--transcript", str(output), "--json").data
    assert (found["verdict"], found["kind"], found["present"]) == ("complete", "restore", ["Ada"])
    assert (found["token"]["serial"], [one["number"] for one in found["shares"]]) == (spare.serial, [1, 2])
    assert found["tool"].startswith("seedless ")
    output.write_bytes(output.read_bytes().replace(b'"Ada"', b'"Eve"'))
    done = cli.run("recovery", "check", str(record), "--transcript", str(output))
    assert (done.code, done.out.startswith("false: transcript.receipts[0]")) == (3, True)
    wrong = cli.run("recovery", "check", str(record), "--transcript", str(record))
    assert wrong.code == 2
    assert "is the record of a recovery, and the transcript of a restore is needed" in wrong.err
