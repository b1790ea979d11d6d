"""Which import is meant, and what a new one says: by its options, by an activation, by what is exported."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from seedless import jwt
from seedless.claims import Activation, Import
from seedless.cli.account.parts import listed
from seedless.cli.show import read_jwt
from seedless.errors import UsageError
from seedless.subject import is_contained_in
from seedless.text import quoted

if TYPE_CHECKING:
    from seedless.claims import Account
    from seedless.cli.workspace import CommandWorkspace

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_DOTS = 2  # of a jwt


def found(account: str, body: Account, subject: str, source: str | None, kind: str | None) -> Import:
    """Return the import of *subject*, the local or the remote one; raise `UsageError` for none or several."""
    fitting = [
        one
        for one in body.imports
        if subject in {one.subject, one.local_subject or one.subject}
        and source in {None, one.account}
        and kind in {None, one.type}
    ]
    exact = [one for one in fitting if subject == (one.local_subject or one.subject)]
    if not fitting:
        raise UsageError(
            f"account {quoted(account)} has no such import of {quoted(subject)}",
            f"it imports: {listed(body.imports)}",
        )
    if len(fitting) > 1 and len(exact) != 1:
        raise UsageError(
            f"account {quoted(account)} imports {quoted(subject)} {len(fitting)} times",
            "name it: --src-account, --service or --stream, or the local subject",
        )
    return exact[0] if len(exact) == 1 else fitting[0]


def activation_in(text: str) -> tuple[str, jwt.Jwt[Activation] | None]:
    """Return the token that *text* is or that lies in the file *text*, and the activation that it is.

    A URL is taken as it is, and is none. Raise `UsageError` for no such file, and for another jwt.
    """
    if _URL.match(text):
        return text, None
    is_jwt = text.startswith("eyJ") and text.count(".") == _DOTS
    found: jwt.Jwt[Any] = jwt.read(text) if is_jwt else read_jwt(text)
    if not isinstance(found.claims.body, Activation):
        raise UsageError(
            f"the token is a jwt of kind {found.claims.body.kind}, and not an activation",
            "seedless activation new makes one, in the exporting account",
        )
    return found.text, found


def described(
    workspace: CommandWorkspace, source: str | None, subject: str | None, kind: str | None, token: str | None
) -> Import:
    """Return the import that the options, and the activation *token*, describe.

    Raise `UsageError` when neither says from which account it is, or what.
    """
    text, leave = activation_in(token) if token is not None else ("", None)
    if leave is not None:
        body = leave.claims.body
        source = source or body.issuer_account or str(leave.issuer)
        subject = subject or body.subject
        kind = kind or body.import_type
    if not source or not subject:
        missing = "--remote-subject" if source else "--src-account"
        raise UsageError(f"{missing} is missing", "an import says from which account it is, and what")
    kind = kind or _exported_kind(workspace, source, subject)
    return Import(subject=subject, account=source, type=kind, token=text)  # type: ignore[arg-type]  # one of two words


def _exported_kind(workspace: CommandWorkspace, source: str, subject: str) -> str:
    """Return as what *source* exports *subject*; a stream where it does both or nobody here knows."""
    accounts = (one.claims for one in workspace.readable_accounts() if one.claims.sub == source)
    exports = (one for account in accounts for one in account.body.exports)
    kinds = {one.type for one in exports if is_contained_in(subject, one.subject)}
    return "service" if kinds == {"service"} else "stream"


def place(one: Import) -> tuple[str, str, str, str]:
    """Return what an account has once: type, account, and both subjects of an import."""
    return one.type, one.account, one.subject, one.local_subject or one.subject
