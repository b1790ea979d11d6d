"""`seedless key audit`: the provenance of every key on a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import token_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import ExitCode
from seedless.nkey import PublicKey
from seedless.pkcs11.keys import NOT_ATTESTED
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.keys import AuditReport
    from seedless.pkcs11.audit import AuditedKey

_ATTRIBUTES = ("sensitive", "extractable", "always_sensitive", "never_extractable", "local", "modifiable")
_WORDS: dict[bool | None, str] = {True: "yes", False: "no", None: "-"}
_MECHANISMS = {0x1040: "CKM_EC_KEY_PAIR_GEN", 0x1055: "CKM_EC_EDWARDS_KEY_PAIR_GEN"}  # PKCS#11 3.0 §2.3
_AGREES: dict[bool | None, str] = {True: "agrees", False: "DISAGREES"}


@command()
@token_options
def audit(workspace: CommandWorkspace) -> int:
    """Show the attributes of every key; exit 3 when one can leave.

    What the driver reports of each key is not an attestation. Each key signs a challenge, by which its public
    object is checked; exit 3 also when one does not agree.

    \b
    Example:
      seedless key audit --token pkcs11:token=ACME
    """
    report = workspace.keys.audit()
    data = {
        "token": _token_data(report),
        "at": workspace.now,
        "statement": NOT_ATTESTED,
        "keys": [_data(key, uri) for key, uri in zip(report.keys, report.uris, strict=True)],
    }
    header = (
        "KEY",
        *(name.upper() for name in _ATTRIBUTES),
        "MECHANISM",
        "PUBLIC OBJECT",
        "DRIVER REPORTS",
    )
    workspace.emit(data, printing.table(map(_row, report.keys), header))
    printing.report(f"{NOT_ATTESTED}; the public objects were checked by a signature each")
    return ExitCode.OK if report.is_sound else ExitCode.FINDINGS


def _token_data(report: AuditReport) -> dict[str, object]:
    info = report.token
    found = printing.members(info, "label", "serial", "manufacturer", "model", "firmware_version")
    return found | {"family": info.quirks.family, "module": str(report.module), "library": info.library}


def _row(key: AuditedKey) -> tuple[str, ...]:
    driver_report = key.key.attributes
    return (
        shown(key.key.label) or f"(id {key.key.id.hex() or 'none'})",
        *(_WORDS[getattr(driver_report, name)] for name in _ATTRIBUTES),
        _MECHANISMS.get(key.provenance.mechanism or 0, _mechanism(key) or "-"),
        _AGREES.get(key.agrees, f"not tried: {shown(key.trial.refusal)}"),
        key.provenance.text,
    )


def _data(audited: AuditedKey, uri: str) -> dict[str, object]:
    key = audited.key
    role = key.role
    driver_report = {name: getattr(key.attributes, name) for name in key.attributes.__struct_fields__}
    return {
        "public_key": str(PublicKey(role, key.raw)) if role and key.raw else None,
        "raw": key.raw.hex() if key.raw else None,
        "role": role.name.lower() if role else None,
        "label": key.label,
        "type": key.key_type,
        "uri": uri,
        "the_driver_says": driver_report | {"key_gen_mechanism": _mechanism(audited) or None},
        "verdict": str(audited.provenance.verdict),
        "remarks": list(audited.provenance.remarks),
        "public_object_agrees": audited.agrees,
        "not_tried": audited.trial.refusal or None,
        "challenge": audited.trial.message.hex(),
        "signature": audited.trial.signature.hex() or None,
    }


def _mechanism(key: AuditedKey) -> str:
    number = key.provenance.mechanism
    return "" if number is None else f"0x{number:x}"
