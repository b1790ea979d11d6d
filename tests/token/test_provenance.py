from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from pkcs11.constants import Attribute, ObjectClass
from pkcs11.mechanisms import KeyType

from seedless.errors import PinError
from seedless.nkey import Role
from seedless.pkcs11.audit import audit
from seedless.pkcs11.families import EC_PARAMS_NAME
from seedless.pkcs11.keys import NOT_ATTESTED, KeyAttributes, provenance_of
from seedless.pkcs11.token_info import TokenInfo
from seedless.seeds import SoftwareKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import pytest_softhsm
    from seedless.pkcs11.token import Token

    Open = Callable[..., AbstractContextManager[Token]]
    Misbehaving = Any

DEVICE = TokenInfo(
    label="ACME", manufacturer="Acme", model="HSM", serial="1", slot_id=0, initialised=True, library="Acme"
)
SOFTHSM = msgspec.structs.replace(DEVICE, manufacturer="SoftHSM project", model="SoftHSM v2")
SOFT_TOKEN = msgspec.structs.replace(DEVICE, manufacturer="IBM", model="Soft")
MADE = KeyAttributes(
    sensitive=True, extractable=False, always_sensitive=True, never_extractable=True, local=True
)
UNAVAILABLE = 0xFFFFFFFFFFFFFFFF
SOFTWARE = SoftwareKey(Role.USER, bytes(range(32)))


@pytest.mark.parametrize(
    ("driver_report", "mechanism", "verdict"),
    [
        pytest.param(MADE, 0x1055, "made on this token, not extractable", id="made-here"),
        pytest.param(MADE, None, "made on this token, not extractable", id="no-mechanism-told"),
        pytest.param(
            KeyAttributes(sensitive=True, extractable=False),
            0x1055,
            "made on this token, not extractable",
            id="only-the-mechanism-tells",
        ),
        pytest.param(
            msgspec.structs.replace(MADE, never_extractable=False),
            0x1055,
            "made on this token, but could leave before",
            id="was-extractable",
        ),
        pytest.param(
            msgspec.structs.replace(MADE, always_sensitive=False),
            0x1055,
            "made on this token, but could leave before",
            id="was-readable",
        ),
        pytest.param(
            msgspec.structs.replace(MADE, local=False, never_extractable=False),
            UNAVAILABLE,
            "imported",
            id="imported",
        ),
        pytest.param(msgspec.structs.replace(MADE, extractable=True), 0x1055, "can leave", id="extractable"),
        pytest.param(msgspec.structs.replace(MADE, sensitive=False), 0x1055, "can leave", id="readable"),
        pytest.param(
            KeyAttributes(local=False, extractable=True), None, "can leave", id="imported-and-can-leave"
        ),
        pytest.param(KeyAttributes(), None, "not reported by the driver", id="nothing-said"),
        pytest.param(
            KeyAttributes(extractable=False),
            UNAVAILABLE,
            "not reported by the driver",
            id="origin-unavailable",
        ),
        pytest.param(
            KeyAttributes(local=True), 0x1055, "not reported by the driver", id="not-whether-it-leaves"
        ),
    ],
)
def test_the_verdict_follows_from_what_the_driver_reports(
    driver_report: KeyAttributes, mechanism: int | None, verdict: str
) -> None:
    found = provenance_of(driver_report, mechanism, DEVICE)
    assert (str(found.verdict), found.text, found.remarks) == (verdict, verdict, ())


@pytest.mark.parametrize("info", [SOFTHSM, SOFT_TOKEN], ids=["softhsm", "opencryptoki-soft-token"])
def test_of_a_key_in_software_it_is_always_reported_that_the_files_can_be_copied(info: TokenInfo) -> None:
    said = provenance_of(MADE, 0x1055, info).text
    assert said == "made on this token, not extractable; software: the files can be copied"


def test_where_a_driver_does_not_report_the_origin_no_key_is_called_imported() -> None:
    nss = msgspec.structs.replace(DEVICE, manufacturer="Mozilla Foundation", model="NSS 3", library="")
    said = provenance_of(msgspec.structs.replace(MADE, local=False, never_extractable=False), None, nss)
    assert said.verdict == "not reported by the driver"
    leaving = provenance_of(msgspec.structs.replace(MADE, local=False, extractable=True), None, nss)
    assert leaving.verdict == "can leave"


def test_a_mechanism_that_is_not_available_is_none() -> None:
    assert provenance_of(MADE, 0x1055, DEVICE).mechanism == 0x1055
    assert provenance_of(MADE, UNAVAILABLE, DEVICE).mechanism is None
    assert NOT_ATTESTED == "these are statements of the driver, not attestations"


def test_an_audit_reads_and_tries_every_key(softhsm_token: pytest_softhsm.Token, opened: Open) -> None:
    with opened(softhsm_token, writable=True) as token:
        made = token.generate("account:ORDERS")
        token.import_key(SOFTWARE, "user:app")
        by_label = {one.key.label: one for one in audit(token)}
        assert len(token.keys()) == 2, "the token is still open"
    ours, imported = by_label["account:ORDERS"], by_label["user:app"]
    assert (ours.key, ours.provenance.verdict, ours.provenance.mechanism) == (
        made, "made on this token, not extractable", 0x1055,
    )  # fmt: skip
    assert (imported.provenance.verdict, imported.provenance.mechanism) == ("imported", None)
    assert [one.agrees for one in by_label.values()] == [True, True]
    assert all(one.is_sound for one in by_label.values())
    assert imported.trial.signature == SOFTWARE.sign(imported.trial.message)
    assert ours.trial.message != imported.trial.message
    assert ours.trial.message.startswith(b"seedless challenge v1 audit\n")


def add(token: Token, **private: Any) -> None:  # noqa: ANN401 - values of attributes
    """Put the known key on the token, with attributes that seedless would not ask for."""
    common = {
        Attribute.KEY_TYPE: KeyType.EC_EDWARDS,
        Attribute.EC_PARAMS: EC_PARAMS_NAME,
        Attribute.TOKEN: True,
        Attribute.ID: b"\x01",
        Attribute.LABEL: "user:odd",
    }
    point = private.pop("point", SOFTWARE.public_key.raw)
    secret = {Attribute.VALUE: bytes(range(32)), Attribute.SIGN: True, Attribute.SENSITIVE: True}
    with token.session.use("test") as raw:
        raw.create_object(
            common
            | secret
            | {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.EXTRACTABLE: False}
            | {Attribute[name]: value for name, value in private.items()}
        )
        raw.create_object(
            common | {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.EC_POINT: b"\x04\x20" + point}
        )


def test_a_public_object_of_another_key_disagrees(softhsm_token: pytest_softhsm.Token, opened: Open) -> None:
    with opened(softhsm_token, writable=True) as token:
        add(token, point=SoftwareKey(Role.USER, bytes(range(1, 33))).public_key.raw)
        (one,) = audit(token)
    assert (one.agrees, one.is_sound) == (False, False)


def test_a_key_that_can_leave_is_not_sound(softhsm_token: pytest_softhsm.Token, opened: Open) -> None:
    with opened(softhsm_token, writable=True) as token:
        add(token, EXTRACTABLE=True)
        (one,) = audit(token)
    assert (one.provenance.verdict, one.agrees, one.is_sound) == ("can leave", True, False)


def test_a_key_that_requires_the_pin_again_is_tried_with_it(
    softhsm_token: pytest_softhsm.Token, opened: Open
) -> None:
    with opened(softhsm_token, writable=True) as token:
        add(token, ALWAYS_AUTHENTICATE=True)
        token.generate("user:other")
        assert [one.agrees for one in audit(token)] == [True, True]


def test_a_key_that_cannot_be_tried_reports_why_and_the_others_are_tried(
    misbehaving: Misbehaving, opened: Open
) -> None:
    with opened(misbehaving.made, writable=True) as token:
        token.generate("user:one")
        token.generate("user:two")
        misbehaving.wants("fault C_Sign 1 DEVICE_MEMORY")
        first, second = audit(token)
    assert (first.agrees, first.trial.refusal, first.trial.signature) == (None, "the token is full", b"")
    assert (second.agrees, second.trial.refusal) == (True, "")


def test_a_truncated_signature_is_no_signature(misbehaving: Misbehaving, opened: Open) -> None:
    with opened(misbehaving.made, writable=True) as token:
        token.generate("user:one")
        misbehaving.wants("fault C_Sign 1 TRUNCATED")
        (one,) = audit(token)
    assert (one.agrees, one.trial.refusal) == (None, "63 bytes came for a signature of 64")


def test_a_key_without_a_public_object_is_reported(misbehaving: Misbehaving, opened: Open) -> None:
    with opened(misbehaving.made, writable=True) as token:
        token.generate("user:one")
        misbehaving.wants("set no_public")
        (one,) = audit(token)
    assert (one.agrees, one.trial.refusal, one.is_sound) == (None, "there is no public object", True)


def test_an_audit_leaves_no_session_open(misbehaving: Misbehaving, opened: Open) -> None:
    with opened(misbehaving.made, writable=True) as token:
        token.generate("user:one")
        misbehaving.forget()
        misbehaving.wants("fault C_Sign 1 GENERAL_ERROR")
        audit(token)
        assert misbehaving.calls("C_OpenSession") == misbehaving.calls("C_CloseSession") == 1


def test_a_pin_that_is_refused_for_one_key_ends_the_audit(misbehaving: Misbehaving, opened: Open) -> None:
    with opened(misbehaving.made, writable=True) as token:
        add(token, ALWAYS_AUTHENTICATE=True)
        misbehaving.wants("fault C_Login 1 0xa0")
        with pytest.raises(PinError):
            audit(token)
