"""Signing keys that come and go: made on a token, taken up, given; and whom a removal would lock out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from seedless.claims import Account, Operator, Scope, signing_key
from seedless.cli import printing
from seedless.cli.edits import edit, found, issuer_of
from seedless.cli.key_options import say_taken_up
from seedless.cli.review import sign
from seedless.errors import BadKey, SeedlessError, UsageError
from seedless.jwt import Jwt
from seedless.nkey import PublicKey, Role
from seedless.plan import PlanSubject, changed
from seedless.signing_pipeline import Intent, Plan
from seedless.store import open_store, operators
from seedless.text import quoted, shown
from seedless.trust import is_expired

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from seedless.cli.workspace import CommandWorkspace
    from seedless.jwt import Claims
    from seedless.signing_pipeline import NewKey

    With = Callable[[Claims[Any], tuple[str, ...]], Claims[Any]]

GENERATE = "generate"
_SHOWN = 10

force_option = click.option(
    "--force", "-F", is_flag=True, help="Do it although somebody is locked out by it, or depends on it."
)


def edit_with_keys(
    workspace: CommandWorkspace,
    address: tuple[str, ...],
    change: With,
    subjects: Sequence[PlanSubject],
    *,
    reason: str,
    issuer: str | None = None,
) -> Jwt[Any] | None:
    """Sign what *change* makes of the jwt at *address* with the keys of *subjects*, made on a token or known.

    None when that changes nothing.
    """
    wanted = tuple(key for subject in subjects for key in subject.wanted)
    if not wanted:
        keys = tuple(str(subject.public_key) for subject in subjects)
        return edit(workspace, address, lambda claims: change(claims, keys), reason=reason, issuer=issuer)
    with workspace.lock():
        before = found(workspace, address)

        def after(made: dict[NewKey, PublicKey]) -> Claims[Any]:
            return change(before.claims, tuple(str(subject.resolve(made)) for subject in subjects))

        rehearsed = after({key: key.placeholder_key for key in wanted})
        key = issuer_of(workspace, before, rehearsed, issuer)
        around = workspace.around(rehearsed, keys=(str(key), str(before.issuer)))

        def plan(made: Any) -> Plan:  # noqa: ANN401 - a mapping, as Intent gives it
            step = changed(
                after(made), key, replaces=before, now=workspace.now, reason=reason, address=address
            )
            return Plan((step,), workspace.now, around)

        (jwt,) = sign(workspace, Intent(plan, wanted))
        return jwt


def subjects_for(
    workspace: CommandWorkspace, before: Jwt[Any], name: str, given: Sequence[str]
) -> tuple[PlanSubject, ...]:
    """Return whose keys *given* are, each `generate` or a public key of the role of *before*'s subject.

    A key that was made under *name* since *before*, and that nothing uses, is taken up: a run that was
    killed, or `seedless key new`, made it. Raise `UsageError` for a key of another role.
    """
    role = PublicKey.parse(before.claims.sub).role
    subjects: list[PlanSubject] = []
    for text in given:
        if text != GENERATE:
            subjects.append(PlanSubject(role=role, name=name, public_key=_signing_key(text, role)))
            continue
        count = sum(one.public_key is None or one.name.startswith(name) for one in subjects) + 1
        numbered = name if count == 1 else f"{name} {count}"
        left_over = _left_over(workspace, before, role, numbered)
        if left_over is not None:
            say_taken_up(left_over, numbered)
        subjects.append(PlanSubject(role=role, name=numbered, public_key=left_over))
    return tuple(subjects)


def _signing_key(text: str, role: Role) -> PublicKey:
    try:
        key = PublicKey.parse(text)
    except BadKey as error:
        hint = f"give a public key, {role.value}…, or {GENERATE}"
        raise UsageError(f"{quoted(text)} is no signing key: {error.message}", hint) from error
    if key.role is not role:
        raise UsageError(
            f"{key} is the key of an {key.role.name.lower()}, not of an {role.name.lower()}",
            f"give a public key, {role.value}…, or {GENERATE}",
        )
    return key


def _left_over(workspace: CommandWorkspace, before: Jwt[Any], role: Role, name: str) -> PublicKey | None:
    """Return a key that was made for this and is not used: never one that was removed, which is older."""
    made = [
        entry.public_key
        for entry in workspace.inventory().entries
        if (entry.role, entry.name) == (role, name) and entry.at >= before.issued_at
    ]
    used = set(_keys_in_use(workspace)) if made else set()
    return next((key for key in made if str(key) not in used), None)


def _keys_in_use(workspace: CommandWorkspace) -> Iterator[str]:
    """Yield the identities and signing keys of all operators and accounts below the root."""
    for name in operators(workspace.root):
        store = open_store(workspace.root, name)
        for address in ((), *((account,) for account in store.children())):
            try:
                jwt = store.get(*address)
            except SeedlessError:
                continue
            if jwt is not None:
                yield jwt.claims.sub
                yield from map(signing_key, jwt.claims.body.signing_keys)


def with_keys(
    claims: Claims[Any], added: Sequence[Scope | str], removed: Collection[str] = ()
) -> Claims[Any]:
    """Return *claims* of an operator or account with the signing keys *added*, and without *removed*.

    An entry for a key that is there already takes its place where it is a scope. Raise `UsageError` for a
    removed key that is none.
    """
    body: Account | Operator = claims.body
    entries: dict[str, Scope | str] = {signing_key(entry): entry for entry in body.signing_keys}
    for key in removed:
        if key not in entries:
            there = ", ".join(entries) or "none"
            raise UsageError(
                f"{quoted(key)} is no signing key of {body.kind} {shown(claims.name)}", f"there are: {there}"
            )
        del entries[key]
    for entry in added:
        if isinstance(entry, Scope) or entry not in entries:
            entries[signing_key(entry)] = entry
    return replace(claims, body=replace(body, signing_keys=tuple(entries.values())))


def issued_by(workspace: CommandWorkspace, address: tuple[str, ...], keys: Collection[str]) -> list[Jwt[Any]]:
    """Return what *keys* have issued below *address* and holds still: accounts of the operator, or users."""
    jwts = (jwt for _, jwt in workspace.each(*address))
    return [
        jwt
        for jwt in jwts
        if isinstance(jwt, Jwt) and str(jwt.issuer) in keys and not is_expired(jwt, workspace.now)
    ]


def refuse_locking_out(locked_out: Sequence[Jwt[Any]], why: str, cure: str, *, force: bool) -> None:
    """Raise `UsageError` when somebody is *locked_out*; with *force* only say so."""
    if not locked_out:
        return
    kind = locked_out[0].claims.body.kind
    names = ", ".join(shown(jwt.claims.name) for jwt in locked_out[:_SHOWN])
    more = f" and {len(locked_out) - _SHOWN} more" if locked_out[_SHOWN:] else ""
    count = f"{len(locked_out)} {kind}{'s' if len(locked_out) > 1 else ''}"
    sentence = f"{why}, which locks out {count}: {names}{more}"
    if not force:
        raise UsageError(sentence, f"{cure}, or say --force")
    printing.say(printing.printable(f"warning: {sentence}"))
