"""`seedless ceremony rehearse`: the whole ceremony on a temporary token, and what the real one will need."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seedless.app import ceremonies
from seedless.app.ceremony_tokens import driver_says
from seedless.ceremony import offline
from seedless.ceremony.check import check
from seedless.ceremony.rehearsal import KeyMapping, review_context_of, signers
from seedless.ceremony.request import REHEARSAL
from seedless.cli import _ceremony_desk as desk
from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import Settings, judge_options
from seedless.cli.review import show_findings
from seedless.cli.workspace import CommandWorkspace
from seedless.config import softhsm_module
from seedless.errors import ExitCode, UsageError
from seedless.nkey import PublicKey, Role
from seedless.pin import environment_pin
from seedless.pkcs11.initialise import blank_or_named, initialise_token
from seedless.pkcs11.keys import label_for
from seedless.pkcs11.token import open_token
from seedless.pkcs11.uri import KeyUri
from seedless.program import tool
from seedless.seeds import SoftwareKey
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from seedless.ceremony.check import CeremonyCheck
    from seedless.ceremony.judgement import ReviewContext
    from seedless.findings import Report
    from seedless.jwt import Draft, Jwt
    from seedless.pkcs11.token import Token
    from seedless.pkcs11.token_info import TokenInfo

_LABEL = "REHEARSAL"


class _Stage:
    """A throw-away token with a key for each that signs; the `CeremonyKeys` of a rehearsal."""

    def __init__(self, token: Token, real: Iterable[PublicKey]) -> None:
        """Make the stand-ins on *token*."""
        self.token = token
        self.table: dict[str, str] = {}
        for number, key in enumerate(real, 1):
            made = token.generate(label_for(key.role, f"placeholder {number}"))
            self.table[str(key)] = str(PublicKey(key.role, made.raw or b""))

    def sign(self, drafts: Iterable[Draft[Any]]) -> Iterator[Jwt[Any]]:
        for one in drafts:
            yield one.complete(self.token.signer(one.issuer).sign(one.signing_input))

    def driver_report(self, public_key: PublicKey) -> Mapping[str, Any]:
        return driver_says(self.token, self.token.find(public_key.raw))

    def only(self, one: Draft[Any]) -> Jwt[Any]:
        return next(iter(self.sign([one])))


@command()
@desk.request_argument
@desk.first_use_option
@click.option(
    "--softhsm", type=desk.FILE, metavar="FILE", help="The module of SoftHSM [default: where it lies]."
)
@click.option("--output", "-o", type=desk.FILE, metavar="DIR", help="Keep the files of the rehearsal here.")
@judge_options
def rehearse(
    settings: Settings,
    *,
    request_file: Path,
    first_use: tuple[str, ...],
    softhsm: Path | None,
    output: Path | None,
) -> int:
    """Rehearse the whole ceremony on a temporary token.

    Each key gets a placeholder on a SoftHSM token that is deleted at the end; which replaces which is shown.
    Everything that is made is marked REHEARSAL, and `accept` refuses it. No real token is touched. At the end
    stands what the real ceremony will need; exit code 3 when it would be refused today.

    \b
    Example:
      seedless ceremony rehearse request.json --policy policy.toml
    """
    if output is not None:
        for name in (offline.REQUEST_NAME, offline.RESULT_NAME):
            atomic.require_new(output / name)
    workspace = CommandWorkspace(settings)
    real = desk.review_context_of(workspace, request_file, first_use)
    report = real.judge()
    module = softhsm or softhsm_module()
    if module is None:
        raise UsageError(
            "SoftHSM is not where it usually lies", "install it, or name its module with --softhsm"
        )
    with tempfile.TemporaryDirectory(prefix="seedless-rehearsal-") as folder:
        with _stage(Path(folder), module, signers(real.request)) as stage:
            checked, files = _walk(workspace, real, stage, Path(folder))
        if output is not None:
            atomic.write_new({output / name: text for name, text in files.items()})
    _tell(workspace, real, report, stage.table, checked)
    return ExitCode.FINDINGS if report.errors else ExitCode.OK


def require_softhsm(info: TokenInfo) -> None:
    """Raise `UsageError` for a token that is not SoftHSM's: a rehearsal would initialise a real device."""
    if not info.model.startswith("SoftHSM"):
        raise UsageError(
            f"{info.where} is no token of SoftHSM, and a rehearsal touches no other",
            "name SoftHSM's module with --softhsm",
        )


@contextlib.contextmanager
def _stage(folder: Path, module: Path, real: Iterable[PublicKey]) -> Iterator[_Stage]:
    """Make a token in *folder*, with stand-ins for the *real* keys."""
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\n", encoding="utf-8")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")  # read once, when the module is initialised
    require_softhsm(blank_or_named(module, KeyUri()))
    pin = secrets.token_hex(16)
    made = initialise_token(module, KeyUri(), label=_LABEL, so_pin=secrets.token_hex(16), pin=pin)
    pins = environment_pin("PIN", {"PIN": pin})
    with open_token(made.uri, pins, module=module, writable=True) as token:
        yield _Stage(token, real)


def _walk(
    workspace: CommandWorkspace, real: ReviewContext, stage: _Stage, folder: Path
) -> tuple[CeremonyCheck, dict[str, str]]:
    """Hold the ceremony with the stand-ins, and check it; return the verdict and the files."""
    mapping = KeyMapping(stage.table, stage.only)
    wanted = real.policy.witnesses
    witnesses = [SoftwareKey.generate(Role.USER) for _ in wanted.keys] if wanted else []
    serial = stage.token.info.serial
    policy = mapping.policy(real.policy, tuple(key.public_key for key in witnesses), serial)
    review_context = review_context_of(mapping.request(real.request), policy, workspace.now)
    _show_cast(stage.table)
    desk.show(workspace, review_context, review_context.judge())
    content = offline.statement_content(review_context, review_context.judge())
    statements = []
    for key in witnesses[: wanted.threshold if wanted else 0]:
        one = content.draft(key.public_key, workspace.now)
        statements.append(one.complete(key.sign(one.signing_input)).text)
    run = offline.CeremonyRun(
        review_context=review_context,
        folder=folder / "ceremony",
        ledger=folder / "ledger.json",
        clock=lambda: workspace.now,
        statements=tuple(statements),
        present=("nobody: this is a rehearsal",),
        tool=tool(),
    )
    result = offline.run_ceremony(
        run, review=lambda _plan, _report: True, keys=lambda: contextlib.nullcontext(stage)
    )
    checked = check(review_context.request.data, result, PublicKey.parse(policy.operator))
    files = {offline.REQUEST_NAME: review_context.request.data.decode(), offline.RESULT_NAME: result.decode()}
    return checked, files


def _show_cast(table: Mapping[str, str]) -> None:
    printing.say(
        click.style(f"{REHEARSAL}: other keys sign, on a token that is deleted at the end", bold=True)
    )
    for key, other in table.items():
        printing.say(f"  {key}\n    is played by {other}")


def _tell(
    workspace: CommandWorkspace,
    real: ReviewContext,
    report: Report,
    table: Mapping[str, str],
    checked: CeremonyCheck,
) -> None:
    request = real.request
    needs = _needs(workspace, real)
    printing.say(click.style("the real ceremony will need", bold=True))
    for line in printing.labelled(needs, 11, "  "):
        printing.say(line)
    show_findings(report)
    if report.errors:
        printing.say("today the real request would be refused: see above")
    data = {
        "mark": REHEARSAL,
        "verdict": str(checked.verdict),
        "request": request.digest,
        "stand_ins": dict(table),
        "needs": [{"what": label, "text": text} for label, text in needs],
        "refused": [finding.text for finding in report.errors],
    }
    printing.emit(data, f"{REHEARSAL} {checked.verdict}: {checked.text}", as_json=workspace.options.as_json)


def _needs(workspace: CommandWorkspace, real: ReviewContext) -> list[tuple[str, str]]:
    request, policy = real.request, real.policy
    largest = max(len(change.draft.signing_input) for change in request.plan.changes)
    wanted = policy.witnesses
    return [
        *(("key", f"{key}: {shown(ceremonies.place_of(workspace, key))}") for key in request.issuers),
        ("PIN", "that of each token above, asked for last"),
        ("witnesses", f"{wanted.threshold} of {len(wanted.keys)}" if wanted else "none, by the policy"),
        ("signatures", f"{len(request.plan.changes)}, and {len(request.issuers)} for the receipts"),
        ("largest", f"{largest} bytes in one signature"),
        ("until", printing.moment(request.expires)),
        ("policy", f"sha256 {policy.digest}"),
        ("request", f"sha256 {request.digest}, in words, typed"),
    ]
