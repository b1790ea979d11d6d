"""Which tokens a policy lets sign (P012), and which keys: by attestations (P014), by shares (P015)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.attestation import parse, verify
from seedless.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seedless.attestation import Attestation
    from seedless.nkey import PublicKey, Role
    from seedless.policy.keys import Policy


def refuse_token(policy: Policy, serial: str, where: str) -> None:
    """Raise `Refused` unless *policy* lets the token with *serial* sign; *where* is the token in words."""
    if policy.tokens and not serial:
        raise Refused(
            f"P012 {where} reports no serial, and a policy names tokens by theirs", "use one that it lists"
        )
    if policy.tokens and serial not in policy.tokens:
        raise Refused(f"P012 {where} is not one that the policy lets sign", "use one that it lists")


def is_attestation_required(policy: Policy | None, public_key: PublicKey) -> bool:
    """Return whether *policy* lets *public_key* sign only if its device attests it."""
    pins = policy.attestation if policy else None
    return pins is not None and public_key.role.name.lower() in pins.required


def attestation_of(
    policy: Policy | None, public_key: PublicKey, pem: bytes | None, now: int
) -> Attestation | None:
    """Return as `require_attested`; None where *policy* pins no root, or requires none and there is none."""
    if policy is None or policy.attestation is None:
        return None
    if pem is None and not is_attestation_required(policy, public_key):
        return None
    return require_attested(policy, public_key, pem, now)


def require_attested(policy: Policy, public_key: PublicKey, pem: bytes | None, now: int) -> Attestation:
    """Return what the certificates in *pem* attest of *public_key* under *policy*, *now* (Unix seconds).

    Raise `Refused` where there are none, where they are wrong, where the policy pins no root, and where the
    serial number is not one of those of its `tokens`.
    """
    if pem is None:
        raise Refused(
            f"P014 the policy requires an attestation of {public_key}, and there is none",
            f"verify one, which is kept: seedless key attest {public_key} --certificate FILE",
        )
    if policy.attestation is None:
        raise Refused(
            "the policy pins no root of attestations",
            "pin one: [attestation] roots, see seedless docs reference/policy",
        )
    try:
        found = verify(
            parse(pem, f"the attestation of {public_key}"), public_key, policy.attestation.roots, now
        )
    except Refused as error:
        raise Refused(f"P014 {error.message}", error.hint) from error
    if policy.tokens and str(found.serial) not in {serial.lstrip("0") for serial in policy.tokens}:
        raise Refused(
            f"P014 {public_key} is attested by the {found.device} with the serial {found.serial}, "
            "which is not one that the policy lets sign",
            "use one that it lists in tokens",
        )
    return found


def refuse_recoverable(policy: Policy | None, roles: Iterable[Role]) -> None:
    """Raise `Refused` unless *policy* lets keys of *roles* be restored from shares; no policy refuses none.

    Keys of an operator are created before there is a policy that pins it.
    """
    if policy is None:
        return
    if policy.recoverable == "forbidden":
        raise Refused(
            "P015 the policy forbids keys that shares restore",
            'recoverable = "allowed" in the policy; whoever brings enough shares together has the keys then',
        )
    names = {role.name.lower() for role in roles}
    attested = [role for role in (policy.attestation.required if policy.attestation else ()) if role in names]
    if attested:
        raise Refused(
            f"P015 the policy requires that a device attests the key of {' and '.join(attested)}, "
            "and a key that shares restore is imported: no device attests it",
            "choose one of both for these keys: attestation.required or shares",
        )


def require_recoverable(policy: Policy | None, public_key: PublicKey, *, is_recorded: bool) -> None:
    """Raise `Refused` where *policy* requires or forbids that shares restore *public_key*.

    *is_recorded* is whether a record of shares lists it.
    """
    if policy is None:
        return
    if policy.recoverable == "forbidden" and is_recorded:
        raise Refused(
            f"P015 shares restore {public_key}, and the policy forbids such keys",
            "create a new key (seedless key new), or have the policy changed by those who keep it",
        )
    is_needed = public_key.role.name.lower() in {"operator", "account"}
    if policy.recoverable == "required" and is_needed and not is_recorded:
        raise Refused(
            f"P015 no record lists shares that restore {public_key}, and the policy requires them",
            "create the key with seedless recovery create or recovery derive",
        )
