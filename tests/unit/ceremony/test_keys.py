"""Statements of keys, and the policy that follows from them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seedless.ceremony.keys import CeremonyKey, parse, policy_text, to_bytes
from seedless.ceremony.statements import KEY, ceremony_draft
from seedless.errors import Refused, SeedlessError, UsageError
from seedless.nkey import Role
from seedless.plan_file import digest
from seedless.policy import read as read_policy
from seedless.seeds import SoftwareKey

OPERATOR, ACCOUNT = SoftwareKey(Role.OPERATOR, b"o" * 32), SoftwareKey(Role.ACCOUNT, b"a" * 32)


def made(key: SoftwareKey, **changes: Any) -> CeremonyKey:  # noqa: ANN401 - members of a key
    usual = {
        "name": "ACME",
        "holder": "Ada",
        "uri": "pkcs11:token=SAFE",
        "at": 1_800_000_000,
        "driver_report": {"serial": "1"},
    }
    return CeremonyKey(public_key=key.public_key, **usual | changes)


def statement(key: SoftwareKey, **changes: Any) -> str:  # noqa: ANN401 - members of a key
    one = made(key, **changes).draft()
    return one.complete(key.sign(one.signing_input)).text


def test_statements_are_read_as_they_were_written() -> None:
    texts = [statement(OPERATOR), statement(ACCOUNT, holder="Bob", name="SYS")]
    assert parse(to_bytes(texts)) == (
        (made(OPERATOR), texts[0]),
        (made(ACCOUNT, holder="Bob", name="SYS"), texts[1]),
    )


def by_another(_: None = None) -> str:
    said = {"name": "ACME", "holder": "Eve", "uri": "pkcs11:", "says": {}}
    one = ceremony_draft(KEY, digest(str(OPERATOR.public_key).encode()), said, ACCOUNT.public_key, 1)
    return one.complete(ACCOUNT.sign(one.signing_input)).text


def with_more() -> str:
    said = {"name": "ACME", "holder": "Eve", "uri": "pkcs11:", "says": {}, "more": "x"}
    one = ceremony_draft(KEY, digest(str(OPERATOR.public_key).encode()), said, OPERATOR.public_key, 1)
    return one.complete(OPERATOR.sign(one.signing_input)).text


WRONG = {
    "about another key": (lambda: [by_another()], "keys.keys[0].sub is sha256:"),
    "with more in it": (lambda: [with_more()], "keys.keys[0] differs from what it should contain"),
    "without a holder": (lambda: [statement(OPERATOR, holder=" ")], "keys.keys[0].holder has 1 to"),
    "with an unseen letter": (lambda: [statement(OPERATOR, name="A\u200bCME")], "the name of a key has"),
    "of a role that tokens do not have": (
        lambda: [statement(SoftwareKey(Role.SERVER, b"n" * 32))], "is for an operator, an account or a user",
    ),
    "twice": (lambda: [statement(OPERATOR)] * 2, "keys.keys[1] is a key that is listed already"),
    "in two roles": (
        lambda: [statement(OPERATOR), statement(SoftwareKey(Role.ACCOUNT, b"o" * 32))],
        "keys.keys[1] is a key that is listed already",
    ),
    "that is not text": (lambda: [1], "keys.keys[0] is not text"),
    "that is not a jwt": (lambda: ["x"], "keys.keys[0]: a jwt has three parts"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_statement_that_is_wrong_is_refused_with_its_place(name: str) -> None:
    make, sentence = WRONG[name]
    with pytest.raises(SeedlessError) as caught:
        parse(to_bytes(make()))
    assert isinstance(caught.value, Refused | UsageError)
    assert sentence in caught.value.message


def test_a_file_of_another_format_is_refused() -> None:
    with pytest.raises(UsageError, match=r"keys.format is not 'seedless ceremony keys 1'"):
        parse(b'{"format":"x","keys":[]}\n')


def test_the_policy_pins_operator_tokens_and_witnesses() -> None:
    witnesses = [str(SoftwareKey(Role.USER, bytes([n]) * 32).public_key) for n in (1, 2)]
    text = policy_text([made(ACCOUNT, driver_report={"serial": "2"}), made(OPERATOR)], witnesses, 1)
    policy = read_policy(text.encode())
    assert policy.operator == str(OPERATOR.public_key)
    assert policy.tokens == ("1", "2")
    assert policy.witnesses is not None
    assert (list(policy.witnesses.keys), policy.witnesses.threshold) == (witnesses, 1)


def test_a_serial_cannot_break_out_of_the_policy() -> None:
    text = policy_text([made(OPERATOR, driver_report={"serial": '1"]\nstrict = "'})])
    assert read_policy(text.encode()).tokens == ('1"]\nstrict = "',)


def test_without_an_operator_there_is_no_policy() -> None:
    with pytest.raises(UsageError, match="there is no operator key that a policy could pin"):
        policy_text([made(ACCOUNT)])


def test_a_key_statement_is_no_delete_request() -> None:
    payload = json.loads(made(OPERATOR).draft().payload)
    assert payload["sub"] != payload["iss"]
    assert payload["aud"] == "seedless-ceremony-key"
    assert "accounts" not in payload["nats"]
