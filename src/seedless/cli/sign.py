"""`seedless sign`: claims from a file, or a jwt again."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from seedless import file_kind
from seedless.change import Statement
from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.input_files import named, read_input
from seedless.cli.key_options import KEY_OR_ROLE
from seedless.cli.options import Settings, bulk_options
from seedless.cli.render import describe
from seedless.cli.review import sign_preview
from seedless.cli.values import output_option
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedless.jwt import Claims, Jwt

_KINDS = [
    "operator", "account", "user", "activation", "authorization_request", "authorization_response", "generic",
]  # fmt: skip
_KIND = f"Kind of the claims, one of {', '.join(_KINDS)} [default: nats.type]."


@command()
@click.argument("file", metavar="[FILE]", required=False)
@click.option("--kind", type=click.Choice(_KINDS), metavar="KIND", help=_KIND)
@click.option(
    "--issuer", "-K", type=KEY_OR_ROLE, metavar="KEY|ROLE", help="The key that signs, or the role of a scope."
)
@output_option("Write the jwt here (0600).")
@click.option("--upgrade", is_flag=True, help="Sign a jwt of version 1 as version 2.")
@click.option("--record", is_flag=True, help="Put the jwt into the store, under its name.")
@click.option(
    "--expect", metavar="DIGEST", help="Sign --plan only if this is its digest; nobody is asked then."
)
@bulk_options
def sign(
    workspace: CommandWorkspace,
    *,
    file: str | None,
    kind: str | None,
    issuer: str | None,
    output: Path | None,
    upgrade: bool,
    record: bool,
    expect: str | None,
) -> None:
    """Sign a claims file, a jwt again, or a plan.

    FILE holds claims (JSON) or a jwt; - is stdin. The jwt goes to stdout, or into a file, or with --record
    into the store. What the store has for the same subject is taken as its predecessor: the new one is
    always later. With --record, claims that the store has already are not signed again; a jwt is.

    Without FILE, --plan names a plan that a command wrote before. It is signed as it is, into the store, and
    only where the store is still as it was. Without a terminal that requires --expect with its digest, or
    --yes.

    \b
    Example:
      seedless sign orders.json --issuer OAK3… -o ORDERS.jwt
      seedless sign ORDERS.jwt --record
      seedless sign --plan orders.plan --expect 6f0c…
    """
    if file is None:
        given = {"kind": kind, "issuer": issuer, "output": output, "upgrade": upgrade, "record": record}
        _refuse_together(workspace.options, given)
        _sign_plan(workspace.options, expect)
        return
    if expect is not None:
        raise UsageError("--expect is for a plan that is signed", "leave out FILE, or leave out --expect")
    claims = _read(file, kind)
    with workspace.lock() if record else contextlib.nullcontext():
        signed = sign_preview(
            workspace,
            workspace.claims.preview(
                claims, issuer=issuer, record=record, output=output, upgrade=upgrade, source=named(file)
            ),
        )
    if not signed.changed:
        printing.report(f"{shown(Statement.of(signed.jwt).title)}: nothing to change")
        if output is not None and not workspace.options.dry_run:
            atomic.write({output: signed.jwt.text})
    data = describe.data(signed.jwt) | ({"changed": signed.changed} if record else {})
    workspace.emit(data, str(output) if output else signed.jwt.text)


def _sign_plan(settings: Settings, expect: str | None) -> None:
    """Sign the plan in the file of --plan; whoever gives its digest has reviewed it, and is not asked."""
    from seedless.app.plans import read_file, with_store_of  # only for plans

    workspace = CommandWorkspace(msgspec.structs.replace(settings, plan=None))
    approve = consent.ask_to_sign if expect is None else consent.given
    path = settings.plan or ""
    workspace = with_store_of(workspace, read_file(path, expect=expect)[0])
    with workspace.lock():
        signed = sign_preview(workspace, workspace.plans.preview(path, expect=expect), approve=approve)
    for file in signed.creds_left:
        printing.report(f"the creds stay: {shown(file)}; its user is removed")
    skipped = f"\nin the store already: {signed.passed}" if signed.passed else ""
    settings.emit(
        lambda: {
            "digest": signed.digest,
            "signed": [describe.data(jwt) for jwt in signed.jwts],
            "passed": signed.passed,
            "creds_left": [str(file) for file in signed.creds_left],
        },
        f"signed: {len(signed.jwts)}{skipped}",
    )


def _refuse_together(settings: Settings, given: Mapping[str, object]) -> None:
    if settings.plan is None:
        raise UsageError("there is nothing to sign", "name a FILE of claims, or a plan with --plan")
    for name, value in given.items():
        if value:
            raise UsageError(
                f"--{name} is for a file of claims, and a plan contains it all", f"leave out --{name}"
            )


def _read(file: str, kind: str | None) -> Claims[object] | Jwt[object]:
    """Return the claims in *file*, or the jwt that it contains."""
    from seedless.app.claims_signing import read_claims  # not for plans

    text = read_input(file)
    file_kind.require(
        text.encode(),
        file,
        file_kind.CLAIMS,
        file_kind.CREDS,
        *file_kind.JWTS.values(),
        *file_kind.OWN.values(),
    )
    return read_claims(text, kind, source=named(file))
