"""The request that makes servers delete accounts: signed by the pipeline, and in a file only on demand.

Rule G004 refuses such requests everywhere. It is waived here alone, for the one draft that is shown as one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from seedless import jwt as jwts
from seedless.app.judgement import judged
from seedless.claims import Generic
from seedless.cli import consent, printing
from seedless.cli.review import sign
from seedless.errors import BadKey, Refused, UsageError
from seedless.nkey import PublicKey, Role
from seedless.resolver import delete_request
from seedless.store import atomic
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from seedless.app.workspace import Workspace
    from seedless.change import Change
    from seedless.cli._system_user import Temporary
    from seedless.cli.consent import Consent
    from seedless.cli.workspace import CommandWorkspace
    from seedless.findings import Report
    from seedless.jwt import Jwt
    from seedless.signing_pipeline import Plan

FOR_EVER = """\
What is signed for this is an order to delete. It never expires, and it works again after an account is made
anew: whoever gets it can delete these accounts at any time. So it is sent at once and kept nowhere.
A server that is down now brings the accounts back when it returns; push --prune finds them then."""
_IN_A_FILE = """\
What is signed is an order to delete. It never expires, and it works again after an account is made anew:
whoever gets this file can delete these accounts at any time. Keep it as a key; destroy it when it is sent."""
_ORDER = "G004"


def sign_order(
    workspace: CommandWorkspace,
    accounts: Sequence[str],
    issuer: PublicKey | None,
    visitor: Temporary | None = None,
    *,
    approve: Consent = consent.ask_to_sign,
) -> tuple[Jwt[Any], ...]:
    """Walk the order of *issuer* (None: there is one) to delete *accounts*, and the user *visitor*."""
    from seedless.plan import changed  # noqa: PLC0415 - likewise
    from seedless.signing_pipeline import Intent, Plan  # noqa: PLC0415 - only where it is signed

    now = int(time.time())  # not when the command began: somebody has been asked since
    changes: list[Change] = []
    if issuer is not None:
        what = "one account" if len(accounts) == 1 else f"{len(accounts)} accounts"
        reason = f"to delete {what} on servers, now and whenever it is sent again"
        claims = delete_request(accounts, issuer)
        changes.append(changed(claims, issuer, replaces=None, now=now, reason=reason))
    ordering = tuple(change.title for change in changes)
    changes += [visitor.change] if visitor else []
    around = visitor.around if visitor else (workspace.operator(),)
    return sign(
        workspace,
        Intent(lambda _: Plan(tuple(changes), now, around)),
        judge=lambda space, plan: _judged(space, plan, ordering),
        approve=approve,
    )


def write_order(workspace: CommandWorkspace, names: Sequence[str], path: Path) -> list[str]:
    """Sign an order to delete the accounts *names* (or keys) into the file *path*; return their keys."""
    from seedless.plan import issuing_key  # noqa: PLC0415 - only where it is signed

    operator = workspace.operator()
    accounts = [_key(workspace, name) for name in dict.fromkeys(names)]
    if operator.claims.body.system_account in accounts:
        raise Refused("nothing is signed: the system account is not deleted", "leave it out")
    printing.say(_IN_A_FILE)
    (signed,) = sign_order(workspace, accounts, issuing_key(operator.claims, workspace.known_keys()))
    atomic.write({path: signed.text})
    return accounts


def read_order(workspace: CommandWorkspace, path: Path) -> tuple[Jwt[Any], list[str]]:
    """Return the order in the file *path*, by a key of the store's operator, and the accounts it deletes."""
    data = atomic.read(path)
    if data is None:
        raise UsageError(f"there is no file {shown(path)}", "prune --write-order FILE writes one")
    found = jwts.read(data.decode("ascii", "replace").strip())
    body, operator = found.claims.body, workspace.operator().claims
    named = (body.data or {}).get("accounts") if isinstance(body, Generic) else None
    if not isinstance(named, list) or found.claims.sub != str(found.issuer):
        raise Refused(f"{shown(path)} is no order to delete accounts", "prune --write-order FILE writes one")
    if str(found.issuer) not in {operator.sub, *operator.body.signing_keys}:
        raise Refused(f"the order in {shown(path)} is by {found.issuer}, no key of {shown(operator.name)}")
    return found, [str(account) for account in named]


def _key(workspace: CommandWorkspace, name: str) -> str:
    try:
        if PublicKey.parse(name).role is Role.ACCOUNT:
            return name
    except BadKey:
        pass
    found = workspace.store.get(name)
    if found is None:
        raise UsageError(f"the store has no account {quoted(name)}", "give its key, A…")
    return found.claims.sub


def _judged(workspace: Workspace, plan: Plan, ordering: Sequence[str]) -> Report:
    """Judge *plan*; that what *ordering* names is an order to resolvers is what is wanted here."""
    report = judged(workspace, plan)
    kept = tuple(one for one in report.findings if not (one.code == _ORDER and one.about in ordering))
    return msgspec.structs.replace(report, findings=kept)
