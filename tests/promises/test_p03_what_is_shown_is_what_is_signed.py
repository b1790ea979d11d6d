"""Promise 3: what is shown is what is signed.

The bytes that the reviewer's plan holds are the bytes that the signer gets; where a key has yet to be made,
they differ by that key alone. What a reader could take for something else is refused.
"""

from __future__ import annotations

import base64
import json
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from seedless.claims import Account
from seedless.clock import Clock
from seedless.errors import BadJwt
from seedless.jwt import Claims, draft, payload_of, read, read_draft, read_strict
from seedless.nkey import Role
from seedless.plan import changed, resigned
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import issue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from seedless.jwt import Draft, Jwt
    from seedless.nkey import PublicKey
    from seedless.signing_pipeline import NewKey, Plan

    Cli = Any  # the fixture in tests/conftest.py

OPERATOR = SoftwareKey(Role.OPERATOR, bytes(range(32)))
ACCOUNT = SoftwareKey(Role.ACCOUNT, bytes(range(1, 33)))
NOW = 1_800_000_000


class Listening:
    """Keys that write down what they sign."""

    def __init__(self) -> None:
        self.signed: list[bytes] = []

    def create(self, keys: Sequence[NewKey]) -> dict[NewKey, PublicKey]:
        raise NotImplementedError

    def sign(self, drafts: Iterable[Draft[Any]]) -> Iterator[Jwt[Any]]:
        for one in drafts:
            self.signed.append(one.signing_input)
            yield one.complete(OPERATOR.sign(one.signing_input))


def test_the_bytes_of_the_reviewed_plan_are_the_bytes_that_are_signed() -> None:
    listening, reviewed, recorded = Listening(), [], []

    def review(plan: Plan, _: object) -> bool:
        reviewed.extend(change.draft.signing_input for change in plan.changes)
        return True

    claims = Claims(sub=str(ACCOUNT.public_key), name="ORDERS", body=Account.new())
    change = changed(claims, OPERATOR.public_key, replaces=None, now=NOW, reason="new account")
    (jwt,) = issue(
        resigned(change, (), NOW),
        review=review,
        keys=lambda _: nullcontext(listening),
        record=lambda signed, _: recorded.extend(signed),
        clock=Clock(time=lambda: NOW),
    )
    assert listening.signed == reviewed
    assert jwt.text.rpartition(".")[0].encode() == reviewed[0]
    assert [made for _, made in recorded] == [jwt]


def test_a_plan_with_a_key_to_be_made_differs_from_what_is_signed_by_that_key_alone(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    words = ("account", "add", "ORDERS", "--js-disk-storage", "1G", "--deny-pub", "x.>", "--json")
    shown = cli.ok(*words, "--dry-run").data
    assert shown["new_keys"] == ["account:ORDERS"]
    (change,) = shown["changes"]
    signed = cli.ok(*words).data
    plan = json.loads(change["payload"].replace(change["subject"], signed["subject"]))
    apart = {"jti": "", "iat": 0}
    assert plan | apart == json.loads(payload_of(read(signed["jwt"]))) | apart


def test_the_review_names_the_owner_of_the_key_and_the_signer(cli: Cli) -> None:
    operator = cli.ok("operator", "add", "ACME", "--json").data["subject"]
    done = cli.ok("account", "add", "ORDERS", "-k", str(ACCOUNT.public_key), "--dry-run")
    assert str(ACCOUNT.public_key) in done.err
    assert operator in done.err


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--conns", "4711"), ["4711"]),
        (("--allow-pub", "secret.orders"), ["secret.orders"]),
        (("--expiry", "2999-12-31"), ["2999-12-31"]),
        (("--tag", "colour"), ["colour"]),
        (("--description", "evil\u202ename"), ["evil\\u202ename"]),
        (("--set", "revocations.UANY=4102444800"), ["UANY"]),
        (("--set", 'mappings={"a.b": [{"subject": "c.d", "weight": 100}]}'), ["a.b", "c.d"]),
        (("--set", 'exports=[{"subject": "out.>", "type": "stream"}]'), ["out.>", "stream"]),
    ],
    ids=["limit", "permission", "expiry", "tag", "hidden letters", "revocation", "mapping", "export"],
)
def test_the_review_shows_what_an_option_puts_into_the_claims(
    cli: Cli, option: tuple[str, str], words: list[str]
) -> None:
    cli.ok("operator", "add", "ACME")
    done = cli.run("account", "add", "ORDERS", *option, "--dry-run", "--json")
    assert all(word in done.err for word in words)
    assert "\u202e" not in done.err


def test_a_dry_run_signs_and_writes_nothing_and_opens_no_token(cli: Cli) -> None:
    cli.found_system()
    before = cli.files()
    jwt = cli.store / "stores" / "ACME" / "accounts" / "ORDERS" / "ORDERS.jwt"
    for words in (
        ("operator", "add", "OTHER", "--sys"),
        ("account", "add", "NEW"),
        ("user", "add", "-a", "ORDERS", "new"),
        ("user", "add", "-a", "ORDERS", "hard", "--on-token"),
        ("sign", str(jwt), "--record", "-o", str(cli.home / "out.jwt")),
    ):
        done = cli.ok(*words, "--dry-run", "--json", "--module", "/nowhere.so")
        assert set(done.data) >= {"dry_run", "new_keys", "changes"}
        assert done.data["dry_run"] is True
    assert cli.files() == before
    assert not (cli.home / "out.jwt").exists()


def test_a_dry_run_makes_no_folder_where_there_is_none(cli: Cli) -> None:
    cli.ok(
        "operator", "add", "ACME", "--sys", "--generate-signing-key", "--dry-run", "--module", "/nowhere.so"
    )
    assert not cli.store.exists()


def spelled(payload: str) -> str:
    """Return a jwt with a good signature over *payload* as it is spelled."""
    head = base64.urlsafe_b64encode(b'{"typ":"JWT","alg":"ed25519-nkey"}').rstrip(b"=")
    message = head + b"." + base64.urlsafe_b64encode(payload.encode()).rstrip(b"=")
    return (message + b"." + base64.urlsafe_b64encode(OPERATOR.sign(message)).rstrip(b"=")).decode()


@pytest.mark.parametrize(
    ("change", "path", "meant"),
    [
        pytest.param(('"name":"ORDERS"', '"name":"ORDERS","name":"EVIL"'), "name", ("EVIL", -1), id="twice"),
        pytest.param(('"name":"ORDERS"', '"name":"ORDERS","Name":"EVIL"'), "Name", ("EVIL", -1), id="folded"),
        pytest.param(('"conn":-1', '"conn":-1,"CONN":5'), "nats.limits.CONN", ("ORDERS", 5), id="a limit"),
    ],
)
def test_a_jwt_that_readers_could_read_differently_is_read_as_servers_do_and_never_drafted(
    change: tuple[str, str], path: str, meant: tuple[str, int]
) -> None:
    claims = Claims(sub=str(ACCOUNT.public_key), name="ORDERS", body=Account.new())
    payload = draft(claims, OPERATOR.public_key, NOW).payload.decode()
    assert read(spelled(payload)).claims.name == "ORDERS"
    text = spelled(payload.replace(*change))
    for reader in (read_strict, lambda jwt: read_draft(jwt.rpartition(".")[0])):
        with pytest.raises(BadJwt) as caught:
            reader(text)
        assert caught.value.path == path
    found = read(text)
    assert (found.claims.name, found.claims.body.limits.conn) == meant
    again = draft(found.claims, OPERATOR.public_key, NOW)
    assert read_draft(again.signing_input.decode()).claims == found.claims
    assert b"CONN" not in again.payload
    assert b"Name" not in again.payload
