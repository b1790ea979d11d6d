"""A ceremony whose policy requires attestations: what carries them, and what an auditor verifies again."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import certificates as made

import seedless
from seedless.ceremony import offline
from seedless.ceremony.check import CeremonyVerdict, check
from seedless.ceremony.rehearsal import KeyMapping
from seedless.ceremony.report import report
from seedless.errors import MissingPackage, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from seedless.jwt import Draft, Jwt
    from seedless.nkey import PublicKey

    Hall = Any  # the fixture in conftest.py

DEVICE = made.yubikey()
PINS = f'[attestation]\nroots = ["{DEVICE.root.digest}"]\nrequired = ["operator"]\n'


def chain(public_key: PublicKey, device: made.Device = DEVICE) -> str:
    return (device.piv(public_key.raw).pem + device.own.pem + device.root.pem).decode()


@dataclasses.dataclass(frozen=True)
class AttestedKeys:
    """The keys of a hall, with what is said of each that is in `attested`."""

    keys: Any
    attested: Mapping[PublicKey, str]

    def sign(self, drafts: Iterable[Draft[Any]]) -> Iterator[Jwt[Any]]:
        yield from self.keys.sign(drafts)

    def driver_report(self, public_key: PublicKey) -> Mapping[str, Any]:
        pem = self.attested.get(public_key)
        return {**self.keys.driver_report(public_key), **({"attestation": pem} if pem else {})}


def held(hall: Hall, attested: Mapping[PublicKey, str], pins: str = PINS) -> tuple[bytes, bytes]:
    request = hall.request()
    review_context = hall.review_context(request, policy=hall.policy(hall.policy_text + pins))
    return request.data, hall.sit(review_context, keys=AttestedKeys(hall.keys, attested))


def test_the_transcript_carries_the_attestation_and_a_check_verifies_it_again(hall: Hall) -> None:
    key = hall.signing.public_key
    request, result = held(hall, {key: chain(key)})
    found = hall.check(request, result)
    assert (found.verdict, found.text) == (CeremonyVerdict.COMPLETE, "2 jwts, 1 receipt")
    assert found.attestations[str(key)].serial == 12345678
    assert hall.recomputed(request, result)
    page = report(found)
    assert "<li>created on a YubiKey, serial 12345678, firmware 5.7.4 (USB-C), slot 9c</li>" in page
    assert "BEGIN CERTIFICATE" not in page


def test_a_key_without_an_attestation_or_with_a_forged_one_signs_nothing(hall: Hall) -> None:
    key = hall.signing.public_key
    with pytest.raises(Refused, match=f"P014 the policy requires an attestation of {key}"):
        held(hall, {})
    with pytest.raises(Refused, match="P014 no certificate that was given is a root"):
        held(hall, {key: chain(key, made.yubikey(2))})
    with pytest.raises(Refused, match="P014 no certificate that was given is of the key"):
        held(hall, {key: chain(hall.operator.public_key)})


def test_a_ceremony_of_a_machine_that_did_not_look_is_forbidden(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = hall.signing.public_key
    monkeypatch.setattr(offline, "attestation_of", lambda *_: None)
    found = hall.check(*held(hall, {}))
    assert found.verdict is CeremonyVerdict.FORBIDDEN
    assert found.text.startswith(f"P014 the policy requires an attestation of {key}")
    found = hall.check(*held(dataclasses.replace(hall, folder=hall.folder / "b"), {key: "no certificate"}))
    assert found.verdict is CeremonyVerdict.FORBIDDEN
    assert found.text.startswith(f"P014 the attestation of {key} is not a certificate that can be read")


def test_an_attestation_is_carried_where_the_policy_pins_roots_and_requires_none(hall: Hall) -> None:
    key = hall.signing.public_key
    pins = PINS.partition("required")[0]
    found = hall.check(*held(hall, {key: chain(key)}, pins))
    assert (found.verdict, list(found.attestations)) == (CeremonyVerdict.COMPLETE, [str(key)])
    found = hall.check(*held(dataclasses.replace(hall, folder=hall.folder / "b"), {}, pins))
    assert (found.verdict, list(found.attestations)) == (CeremonyVerdict.COMPLETE, [])


def test_an_attestation_that_was_changed_afterwards_makes_the_ceremony_false(hall: Hall) -> None:
    key = hall.signing.public_key
    request, result = held(hall, {key: chain(key)})
    changed = result.replace(b"-----BEGIN CERTIFICATE-----\\nMIIC", b"-----BEGIN CERTIFICATE-----\\nMIID", 1)
    assert changed != result
    assert check(request, changed, hall.operator.public_key).verdict is CeremonyVerdict.FALSE


def test_a_rehearsal_requires_no_attestation_of_the_keys_that_stand_in(hall: Hall) -> None:
    policy = hall.policy(hall.policy_text + PINS)
    rehearsed = KeyMapping({}, sign=lambda _: pytest.fail("nothing is signed here")).policy(
        policy, (), "1234"
    )
    assert (policy.attestation is None, rehearsed.attestation) == (False, None)


def test_without_cryptography_a_check_names_what_to_install_and_calls_nothing_false(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = hall.signing.public_key
    request, result = held(hall, {key: chain(key)})
    monkeypatch.delitem(sys.modules, "seedless._x509")
    monkeypatch.delattr(seedless, "_x509")
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(MissingPackage, match="cannot be read without the Python package cryptography"):
        hall.check(request, result)
