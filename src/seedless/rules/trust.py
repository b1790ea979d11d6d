"""Who may sign for whom (Tnnn): what a server would refuse later is refused here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.claims import Account, Operator, Scope, User
from seedless.findings import Finding, Severity
from seedless.trust import carries_nothing, may_issue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.change import Change, Context


def t001_issuer_is_the_operator(change: Change, context: Context) -> Iterator[Finding]:
    """An operator or account jwt is issued by the operator's identity or one of its signing keys.

    A resolver stores an account that is signed by anybody, and refuses it at its next start.
    """
    draft = change.draft
    operator = draft.claims if isinstance(draft.claims.body, Operator) else context.operator
    if not isinstance(draft.claims.body, Operator | Account) or operator is None:
        return
    if not may_issue(operator, str(draft.issuer), draft.claims):
        strict = operator.body.strict_signing_key_usage and str(draft.issuer) == operator.sub
        yield Finding(
            "T001",
            Severity.ERROR,
            change.title,
            f"{draft.issuer} is no key that operator {operator.name} signs accounts with"
            + (": it is strict, and wants a signing key" if strict else ""),
            "sign with the operator's key or one of its signing keys",
        )


def t002_issuer_is_the_account(change: Change, context: Context) -> Iterator[Finding]:
    """A user is issued by its account or, with `issuer_account`, by one of the account's signing keys."""
    draft = change.draft
    if not isinstance(draft.claims.body, User):
        return
    account = context.claims.get(draft.claims.body.issuer_account or str(draft.issuer))
    if account is None or not may_issue(account, str(draft.issuer), draft.claims):
        yield Finding(
            "T002",
            Severity.ERROR,
            change.title,
            f"{draft.issuer} is not its account's key nor one of its signing keys",
            "sign with a key of the account; a signing key needs issuer_account",
        )


def t003_scoped_user_carries_nothing(change: Change, context: Context) -> Iterator[Finding]:
    """A user of a scoped signing key has no permissions or limits of its own: servers refuse it."""
    draft = change.draft
    body = draft.claims.body
    account = context.claims.get(body.issuer_account) if isinstance(body, User) else None
    if account is None or not isinstance(account.body, Account):
        return
    scopes = {entry.key for entry in account.body.signing_keys if isinstance(entry, Scope)}
    if str(draft.issuer) in scopes and not carries_nothing(body):
        yield Finding(
            "T003",
            Severity.ERROR,
            change.title,
            "carries permissions or limits, and is issued by a scoped signing key, which gives them",
            "leave them out, or sign with another key of the account",
        )


def t004_system_account_exists(change: Change, context: Context) -> Iterator[Finding]:
    """The system account that an operator names is known here."""
    body = change.draft.claims.body
    if isinstance(body, Operator) and body.system_account and body.system_account not in context.claims:
        yield Finding(
            "T004",
            Severity.WARNING,
            change.title,
            f"names the system account {body.system_account}, which is not in the store",
            "add it, or servers will not start",
        )
