"""The public record: read strictly, and what it refuses of shares and secrets."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest

from seedless.ceremony import documents
from seedless.errors import Refused, UsageError
from seedless.nkey import Role
from seedless.recovery import record as records
from seedless.recovery import slip39
from seedless.recovery.record import KeyName, KeyRecord, RecoveryRecord, ShareRecord, share_digest

SECRET = bytes(range(32))
SHARES = slip39.split(SECRET, 2, 3, identifier=4711)
HOLDERS = ("Ada", "Bo", "Cy")
KEYS = (KeyName(role=Role.OPERATOR, name="ACME"), KeyName(role=Role.ACCOUNT, name="ORDERS", index=1))
RECORD = RecoveryRecord(
    at=1_790_000_000, identifier=4711, threshold=2, words=33,
    shares=tuple(
        ShareRecord(number=share.number + 1, holder=holder, sha256=share_digest(share))
        for share, holder in zip(SHARES, HOLDERS, strict=True)
    ),
    keys=tuple(KeyRecord(key=key, public_key=key.derive(SECRET).public_key) for key in KEYS),
)  # fmt: skip

IMPOSSIBLE = "record.words, record.identifier or record.at is a number that it cannot be"
OF_AN_ACCOUNT = str(RECORD.keys[1].public_key)


def test_a_record_is_read_as_it_was_written() -> None:
    assert records.parse(RECORD.to_bytes()) == RECORD
    assert json.loads(RECORD.to_bytes())["keys"][1] == {
        "role": "account", "name": "ORDERS", "index": 1,
        "path": RECORD.keys[1].path,
        "public_key": "ACGQQGWSM3IHZTAQCJRSQD236XCD5NTYZP7QCVKZHWLA54UIPGCCCRY4",
    }  # fmt: skip


MEMBERS = set(re.findall(r'"(\w+)":', RECORD.to_bytes().decode()))


def test_a_record_contains_no_value_of_a_share_and_no_secret() -> None:
    text = RECORD.to_bytes().decode()
    for share in SHARES:
        assert share.value.hex() not in text
        # Names of members are no secrets, and some are words of the list too.
        assert not set(slip39.encode(share)) & (set(text.split('"')) - MEMBERS)
    assert SECRET.hex() not in text


def changed(place: tuple[Any, ...], value: object) -> bytes:
    members = json.loads(RECORD.to_bytes())
    inner = members
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    return documents.to_bytes(members)


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (("format",), "seedless recovery record 9", "record.format is not 'seedless recovery record 1'"),
        (("threshold",), 1, "record.threshold is not between 2 and the number of shares"),
        (("threshold",), 4, "record.threshold is not between 2 and the number of shares"),
        (("threshold",), True, "record.threshold is not an integer"),
        (("words",), 21, IMPOSSIBLE),
        (("identifier",), 2**15, IMPOSSIBLE),
        (("more",), 1, "record.more is not known"),
        (("keys",), [], "record.keys is empty"),
        (("shares", 0, "number"), 2, "record.shares are not numbered from 1 on"),
        (("shares", 0, "sha256"), "00", "record.shares[0].sha256 is not a SHA-256 in hexadecimal"),
        (("shares", 0, "holder"), "", "record.shares[0].holder has 1 to 500 characters"),
        (("keys", 0, "role"), "server", "record.keys[0] has a role or an index that no key has"),
        (("keys", 0, "index"), 2**32, "record.keys[0] has a role or an index that no key has"),
        (("keys", 0, "index"), 1, "record.keys[0].path is not the path of this role, name and index"),
        (("keys", 0, "path"), "m/0'", "record.keys[0].path is not the path of this role, name and index"),
        (("keys", 0, "public_key"), OF_AN_ACCOUNT, "record.keys[0].public_key is of another role"),
    ],
)  # fmt: skip
def test_a_record_that_was_changed_is_refused_with_the_place(
    place: tuple[Any, ...], value: object, sentence: str
) -> None:
    with pytest.raises(UsageError) as refused:
        records.parse(changed(place, value))
    assert refused.value.message == sentence


def test_a_key_that_is_listed_twice_is_refused() -> None:
    twice = msgspec.structs.replace(RECORD, keys=(*RECORD.keys, RECORD.keys[0]))
    with pytest.raises(UsageError, match="two keys with one name"):
        records.parse(twice.to_bytes())


def test_another_spelling_of_a_record_is_refused() -> None:
    text = json.dumps(json.loads(RECORD.to_bytes()), indent=1).encode() + b"\n"
    with pytest.raises(UsageError, match="not canonical JSON"):
        records.parse(text)


def test_each_share_is_accepted_as_that_of_its_holder() -> None:
    assert [RECORD.check_share(share).holder for share in SHARES] == ["Ada", "Bo", "Cy"]


def test_a_share_of_another_set_is_refused_with_both_identifiers() -> None:
    other = slip39.split(SECRET, 2, 3, identifier=4712)[0]
    with pytest.raises(Refused, match="its identifier is 4712, and that of the record 4711"):
        RECORD.check_share(other)


def test_a_forged_share_with_a_valid_checksum_is_refused_by_its_digest() -> None:
    forged = msgspec.structs.replace(SHARES[1], value=bytes(32))
    assert slip39.decode(slip39.encode(forged)) == forged
    with pytest.raises(Refused, match="this is not the share 2 of Bo that the record lists"):
        RECORD.check_share(forged)


def test_a_share_with_a_number_beyond_the_record_is_refused() -> None:
    beyond = slip39.split(SECRET, 2, 4, identifier=4711)[3]
    with pytest.raises(Refused, match="the record lists no share 4"):
        RECORD.check_share(beyond)


@pytest.mark.parametrize("member", ["number", "threshold", "group"])
def test_a_digest_depends_on_every_number_of_a_share(member: str) -> None:
    share = SHARES[0]
    other = msgspec.structs.replace(share, **{member: getattr(share, member) + 1})
    assert share_digest(other) != share_digest(share)


def test_another_secret_is_refused_before_anything_is_imported() -> None:
    assert [str(key.public_key) for key in RECORD.require_keys(SECRET)] == [
        str(entry.public_key) for entry in RECORD.keys
    ]
    with pytest.raises(Refused, match="and the record has"):
        RECORD.require_keys(bytes(32))


@pytest.mark.parametrize("text", ["ACME", "server:N", "account:", "account:A#x", "account:A#4294967296"])
def test_a_key_that_is_not_named_by_role_and_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        KeyName.parse(text)


def test_a_key_is_named_by_role_name_and_index() -> None:
    assert KeyName.parse("account:ORDERS#2") == KeyName(role=Role.ACCOUNT, name="ORDERS", index=2)
    assert KeyName.parse("operator:ACME signing").text == "operator:ACME signing"
