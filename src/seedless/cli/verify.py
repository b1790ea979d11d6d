"""`seedless verify`: signatures, and whether the store's operator stands behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless import trust
from seedless.claims import Account, Activation, Operator, User
from seedless.cli import _io
from seedless.cli._options import Settings, store_options
from seedless.cli._workspace import Workspace
from seedless.cli.show import read_jwt
from seedless.errors import BadJwt, BadSignature, SeedlessError, StoreError
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.jwt import Jwt

_FINDINGS = 3


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...")
@store_options
def verify(settings: Settings, *, files: tuple[str, ...]) -> int:
    """Verify jwts, and whether the store trusts them.

    FILEs hold jwts, bare or in creds files; without any, all of the store is verified. Exit 3 when one does
    not hold.

    A signature proves only who signed. TRUSTED means that it leads to the operator of the store.

    \b
    Example:
      seedless verify
      seedless verify ORDERS.jwt app.creds
    """
    workspace = Workspace(settings)
    rows = [_file_row(workspace, file) for file in files] if files else _store_rows(workspace)
    text = _io.table(
        [(shown(row["what"]), row["signature"], row["trust"], row["times"]) for row in rows],
        ("JWT", "SIGNATURE", "TRUST", "TIMES"),
    )
    explained = (f"bad: {_io.printable(row['error'])}" for row in rows if row["error"])
    good = all(row["ok"] for row in rows)
    _io.emit({"ok": good, "jwts": rows}, "\n".join([text, *explained]), as_json=settings.as_json)
    return 0 if good else _FINDINGS


def _store_rows(workspace: Workspace) -> list[dict[str, Any]]:
    rows = [_stored_row(workspace, f"operator {workspace.store.operator}", ())]
    for account in workspace.store.children():
        rows.append(_stored_row(workspace, f"account {account}", (account,)))
        rows += [
            _stored_row(workspace, f"user {account}/{user}", (account, user))
            for user in workspace.store.children(account)
        ]
    return rows


def _stored_row(workspace: Workspace, what: str, address: tuple[str, ...]) -> dict[str, Any]:
    try:
        jwt = workspace.store.get(*address)
    except SeedlessError as error:
        return _broken(what, error)
    return _row(workspace, what, jwt) if jwt else _broken(what, BadJwt("there is no jwt"))


def _file_row(workspace: Workspace, file: str) -> dict[str, Any]:
    try:
        return _row(workspace, shown(file), read_jwt(file))
    except (BadJwt, BadSignature) as error:
        return _broken(shown(file), error)


def _broken(what: str, error: SeedlessError) -> dict[str, Any]:
    return {"what": what, "ok": False, "signature": "bad", "trust": "-", "times": "-", "error": error.message}


def _row(workspace: Workspace, what: str, jwt: Jwt[Any]) -> dict[str, Any]:
    standing = _standing(workspace, jwt)
    times = _times(jwt, workspace.now)
    good = standing in {"trusted", "unknown"} and times == "valid"
    return {"what": what, "ok": good, "signature": "good", "trust": standing, "times": times, "error": None}


def _times(jwt: Jwt[Any], now: int) -> str:
    if 0 < jwt.claims.exp <= now:
        return f"expired {_io.moment(jwt.claims.exp)}"
    if jwt.claims.nbf > now:
        return f"not before {_io.moment(jwt.claims.nbf)}"
    return "valid"


def _standing(workspace: Workspace, jwt: Jwt[Any]) -> str:
    """Say whether *jwt* leads to the operator of the store; unknown where there is no store to ask."""
    if not workspace.has_store:
        return "unknown"
    try:
        operator = workspace.operator()
    except StoreError:
        return "the operator cannot be read"
    if isinstance(jwt.claims.body, Operator):
        ours = jwt.claims.sub == operator.claims.sub and trust.did_sign(operator, jwt)
        return "trusted" if ours else "another operator"
    if isinstance(jwt.claims.body, Account):
        return "trusted" if trust.did_sign(operator, jwt) else "not issued by the operator"
    if isinstance(jwt.claims.body, User | Activation):
        return _standing_below(workspace, operator, jwt)
    return "unknown"


def _standing_below(workspace: Workspace, operator: Jwt[Operator], jwt: Jwt[Any]) -> str:
    identity = jwt.claims.body.issuer_account or str(jwt.issuer)
    account = next((a for a in workspace.readable_accounts() if a.claims.sub == identity), None)
    if account is None:
        return "account is not in the store"
    if not trust.did_sign(operator, account):
        return "its account is not issued by the operator"
    if not trust.did_sign(account, jwt):
        return "not issued by its account"
    return "revoked" if trust.is_revoked(account, jwt) else "trusted"
