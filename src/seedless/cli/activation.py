"""`seedless activation`: leave for another account to import a private export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedless.app.exports_imports import account_key, listed
from seedless.claims import Activation
from seedless.cli import printing
from seedless.cli.account.parts import given, kind_of, kind_option
from seedless.cli.command import group
from seedless.cli.key_options import issuer_option
from seedless.cli.options import Settings, sign_options
from seedless.cli.render import describe
from seedless.cli.review import sign
from seedless.cli.values import MOMENT, Moment
from seedless.cli.workspace import CommandWorkspace
from seedless.creds import decorate_jwt
from seedless.errors import UsageError
from seedless.jwt import Claims
from seedless.plan import changed, issuing_key, resigned
from seedless.subject import is_contained_in
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from seedless.claims import Account

_NEVER = Moment("0")


@group()
def activation() -> None:
    """Sign activations: permissions to import private exports."""


@activation.command()
@click.option("--account", "-a", required=True, metavar="NAME", help="The account that exports.")
@click.option("--subject", "-s", required=True, metavar="SUBJECT", help="What may be imported.")
@click.option(
    "--target-account", "-t", "target", required=True, metavar="NAME|KEY", help="The account that may import."
)
@kind_option
@given(
    click.option("--expiry", type=MOMENT, help="Expiry: 30d, 1y, 2027-01-31, or 0 for none."),
    click.option("--start", type=MOMENT, help="Not valid before."),
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write it here (0600), as nsc does.",
)
@issuer_option
@sign_options
def new(
    settings: Settings,
    *,
    account: str,
    subject: str,
    target: str,
    is_service: bool | None,
    output: Path | None,
    issuer: str | None,
    given: dict[str, Moment],
) -> None:
    """Make an activation: leave for one account to import.

    It is signed by a key of the exporting account. It is in no store: hand it to the importing account, which
    takes it with seedless account import add --activation.

    \b
    Example:
      seedless activation new -a ORDERS -s 'orders.eu.>' -t BILLING --expiry 1y -o billing.activation
    """
    if output and settings.plan:
        raise UsageError("a plan is signed later, without a file to write", "leave out --output")
    workspace = CommandWorkspace(settings)
    exporter = workspace.account(account).claims
    key = issuing_key(exporter, workspace.known_keys(), issuer)
    body = Activation(
        subject=subject,
        import_type=_kind(exporter, subject, kind_of(is_service=is_service)),  # type: ignore[arg-type]  # one of two words
        issuer_account="" if str(key) == exporter.sub else exporter.sub,
    )
    claims = Claims(
        sub=account_key(workspace, target),
        name=subject,
        body=body,
        exp=given.get("expiry", _NEVER).at(workspace.now),
        nbf=given.get("start", _NEVER).at(workspace.now),
    )
    change = changed(claims, key, replaces=None, now=workspace.now, reason=f"leave for {target}")
    around = workspace.around(claims, keys=(exporter.sub,))
    (jwt,) = sign(
        workspace,
        resigned(change, around, workspace.now),
        files=lambda signed: {output: decorate_jwt(signed[0][1])} if output else {},
    )
    printing.emit(
        describe.data(jwt), f"activation: {output}" if output else jwt.text, as_json=settings.as_json
    )


def _kind(exporter: Claims[Account], subject: str, wanted: str | None) -> str:
    """Return stream or service, as the exports of *exporter* that hold *subject* say."""
    fitting = [one for one in exporter.body.exports if is_contained_in(subject, one.subject)]
    kinds = {one.type for one in fitting}
    if wanted is None and len(kinds) != 1:
        name = quoted(exporter.name)
        if kinds:
            raise UsageError(
                f"account {name} exports {quoted(subject)} as a stream and as a service",
                "name it: --stream or --service",
            )
        raise UsageError(
            f"account {name} exports nothing that holds {quoted(subject)}",
            f"it exports: {listed(exporter.body.exports)}",
        )
    kind = wanted or kinds.pop()
    if any(one.type == kind for one in fitting) and not any(
        one.type == kind and one.token_req for one in fitting
    ):
        printing.say(f"the export {shown(subject)} is public: nobody needs this activation")
    return kind
