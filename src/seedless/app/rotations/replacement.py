"""Which signing key takes the place of which, and the steps in which it does.

A replacement key is created under a name that states whose place it takes: `ORDERS after ABCDEFGHIJKL`. As
soon as it is listed it gets the name of the previous one, by which desired states and people know it; that is
then called `ORDERS/main before ABC…`. So a rotation that was interrupted is found again by what the parent
lists and by the inventory, and no other file is needed. Refused: a choice that is not clear, and a key that
the parent does not list.

Each step is shown before it is signed, and may hold what the one before has signed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from seedless.app.edits import stored
from seedless.app.pipeline import Notice, Preview, preview
from seedless.claims import Account, Operator, Scope, signing_key
from seedless.delegation import is_delegated
from seedless.errors import BadKey, UsageError
from seedless.jwt import Jwt
from seedless.nkey import PublicKey
from seedless.signing_pipeline import Intent, NewKey, Plan
from seedless.text import quoted, shown
from seedless.trust import is_expired

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seedless.app.workspace import Workspace
    from seedless.jwt import Claims


_BEFORE = " before "
_LONGEST_OWNER = 150
ENOUGH = 12
"""Characters of a key that distinguish it from all others of one owner."""


@dataclass(frozen=True, slots=True)
class KeyReplacement:
    """A signing key of *parent* and its replacement key, None while nobody has made it."""

    parent: Claims[Any]
    old: PublicKey
    new: PublicKey | None

    @property
    def replacement(self) -> NewKey:
        """The key that is to be made."""
        return replacement_key(self.parent.name.strip(), self.old)

    @property
    def is_begun(self) -> bool:
        """Whether both are listed: the two overlap."""
        return self.new is not None and str(self.new) in listed_keys(self.parent)


def replacement_key(owner: str, old: PublicKey) -> NewKey:
    """Return the key that takes the place of *old*, as it is called in the inventory and on its token."""
    return NewKey(old.role, f"{owner[:_LONGEST_OWNER]} after {str(old)[:ENOUGH]}")


def listed_keys(parent: Claims[object]) -> dict[str, Scope | str]:
    """Return the signing keys of *parent* (key text) with their entries, in their order."""
    body = parent.body
    entries: tuple[Scope | str, ...] = body.signing_keys if isinstance(body, Account | Operator) else ()
    return {signing_key(entry): entry for entry in entries}


def find_replacement(
    parent: Claims[object],
    made: Mapping[NewKey, PublicKey],
    *,
    key: str | None = None,
    new: PublicKey | None = None,
) -> KeyReplacement:
    """Return which key of *parent* is replaced, and by which.

    *key* (key text, the name of a key, or the role of a scope) is the one that is replaced: without it the
    one whose replacement key is listed already, else the only one. *made* are the keys of the inventory;
    *new* is a replacement key that is given. Raise `UsageError` when it is not clear.
    """
    old = _old(parent, made, key, new)
    found = new or made.get(replacement_key(parent.name.strip(), old))
    if found == old:
        raise UsageError(f"{old} cannot take its own place", "name another key, or leave it out")
    if found is not None and found.role is not old.role:
        raise UsageError(f"{found} is not the key of an {old.role.name.lower()}")
    return KeyReplacement(parent, old, found)


def accounts_by(key: PublicKey, accounts: Mapping[str, Jwt[Account]], now: int) -> dict[str, Jwt[Account]]:
    """Return those of *accounts* (by name) that *key* has signed and that have not expired at *now*."""
    return {name: jwt for name, jwt in accounts.items() if jwt.issuer == key and not is_expired(jwt, now)}


def overlapping(parent: Claims[object], made: Mapping[NewKey, PublicKey]) -> list[PublicKey]:
    """Return the keys of *parent* whose replacement keys it lists too."""
    listed = listed_keys(parent)
    owner = parent.name.strip()
    known = {new_key: str(key) for new_key, key in made.items()}
    keys = [PublicKey.parse(text) for text in listed if is_key(text)]
    return [key for key in keys if known.get(replacement_key(owner, key)) in listed]


def is_key(text: str) -> bool:
    """Report whether *text* is a public key: what a jwt lists need not be one."""
    try:
        PublicKey.parse(text)
    except BadKey:
        return False
    return True


def require_named(key: str | None) -> None:
    """Raise `UsageError` unless *key* is a public key: in an emergency nobody guesses which key must go.

    The same again, after it was killed, must not remove the key that has just been created.
    """
    if key is not None and not is_key(key):
        raise UsageError(
            f"{quoted(key)} is a name, and names pass to the replacement key: name the key itself",
            "--key A… or O…: seedless key list --long shows the keys",
        )
    if key is None:
        raise UsageError(
            "an emergency is about one key, and none is named", "--key PUBKEY names the key that must go"
        )


def with_new(claims: Claims[Any], old: PublicKey, new: PublicKey) -> Claims[Any]:
    """Return *claims* with *new* beside *old*, and with the same role and template where it is a scope."""
    entries = list(claims.body.signing_keys)
    entry = listed_keys(claims)[str(old)]
    beside = replace(entry, key=str(new)) if isinstance(entry, Scope) else str(new)
    # Directly behind the previous one: the order of signing keys is in the jwt, and reviews show the pair
    # side by side.
    entries.insert(entries.index(entry) + 1, beside)
    return _with(claims, entries)


def without(claims: Claims[Any], old: PublicKey) -> Claims[Any]:
    """Return *claims* without the signing key *old*."""
    return _with(claims, [entry for entry in claims.body.signing_keys if signing_key(entry) != str(old)])


def _with(claims: Claims[Any], entries: list[Scope | str]) -> Claims[Any]:
    return replace(claims, body=replace(claims.body, signing_keys=tuple(entries)))


def _old(
    parent: Claims[Any], made: Mapping[NewKey, PublicKey], key: str | None, new: PublicKey | None
) -> PublicKey:
    listed = listed_keys(parent)
    begun = overlapping(parent, made)
    if key is not None:
        named = _called(made, parent, begun, key)
        fitting = [
            text
            for text, entry in listed.items()
            if key in {text, getattr(entry, "role", None)} or text in named
        ]
        # A rotation that has begun comes first. While two keys of one role are listed, the role alone fits
        # both, and the same command must go on with the same key.
        candidates = [str(replacement) for replacement in begun if str(replacement) in fitting] or fitting
    else:
        candidates = [str(replacement) for replacement in begun] or [
            text for text, entry in listed.items() if text != str(new) and not is_delegated(entry)
        ]
    if len(candidates) == 1:
        return PublicKey.parse(candidates[0])
    kind, name = parent.body.kind, shown(parent.name)
    if key is not None and not candidates:
        raise UsageError(f"{quoted(key)} is not a signing key or role of {kind} {name}", _named(listed))
    if not candidates:
        raise UsageError(
            f"{kind} {name} has no signing key: it signs with its identity",
            "seedless operator reissue --convert-to-signing-key"
            if kind == "operator"
            else f"give it one, and sign its users with that: seedless account signing-key add -a {name}",
        )
    raise UsageError(f"{kind} {name} has {len(candidates)} signing keys that may be meant", _named(listed))


def _called(
    made: Mapping[NewKey, PublicKey], parent: Claims[object], begun: Sequence[PublicKey], name: str
) -> set[str]:
    """Return the keys that are called *name*; while a rotation lasts, the previous key and not the new one.

    The new one has the name of the previous one as soon as it is listed, and the same command again must go
    on with the same key.
    """
    owner = parent.name.strip()
    previous = {made.get(replacement_key(owner, key)): key for key in begun}
    called = (key for new_key, key in made.items() if new_key.name == name)
    return {str(previous.get(key, key)) for key in called}


def _named(listed: Mapping[str, Scope | str]) -> str:
    roles = {key: f" ({shown(entry.role)})" for key, entry in listed.items() if isinstance(entry, Scope)}
    named = ", ".join(f"{key}{roles.get(key, '')}" for key in listed)
    return f"name one with --key: {named}" if named else ""


def find(
    workspace: Workspace, parent: Claims[object], key: str | None, new: PublicKey | None, *, ending: bool
) -> KeyReplacement | None:
    """Return which signing key of *parent* is replaced; None with *ending* where nothing overlaps any more.

    Raise `UsageError` where it is not clear.
    """
    made = _created_keys(workspace, parent.name.strip())
    # A key that was named and is not listed any more was removed by the run that was interrupted: the
    # rotation is over, and no mistake.
    is_gone = key is not None and is_key(key) and key not in listed_keys(parent)
    is_idle = key is None and new is None and not overlapping(parent, made)
    if ending and (is_gone or is_idle):
        return None
    return find_replacement(parent, made, key=key, new=new)


def find_again(workspace: Workspace, parent: Claims[object], before: KeyReplacement) -> KeyReplacement:
    """Return the same replacement, as *parent* and the inventory are now."""
    new = before.new or _created_keys(workspace, parent.name.strip()).get(before.replacement)
    return KeyReplacement(parent, before.old, new)


def known_replacement(replacement: KeyReplacement | None) -> KeyReplacement:
    """Return *replacement*; raise `UsageError` where no key is replaced."""
    if replacement is None:
        raise UsageError("no key is replaced", "name one with --key")
    return replacement


def pass_name_on(workspace: Workspace, replacement: KeyReplacement) -> None:
    """Give the replacement key the name of the previous one in the inventory, once it is listed."""
    if not replacement.is_begun:
        return
    inventory = workspace.inventory()
    old = inventory.get(replacement.old)
    new = inventory.get(replacement.new) if replacement.new else None
    # The last of these: the names have been passed on already.
    if old is None or new is None or _BEFORE in old.name:
        return
    past = f"{old.name}{_BEFORE}{str(new.public_key)[:ENOUGH]}"
    with workspace.lock():
        # In one step: a run that is killed between the two names would no longer know what belongs together.
        workspace.note_key(replace(new, name=old.name), replace(old, name=past))


def _created_keys(workspace: Workspace, owner: str) -> dict[NewKey, PublicKey]:
    """Return the keys of the inventory by role and name; replacement keys of *owner* as they were created."""
    entries = tuple(workspace.inventory())
    found = {NewKey(entry.role, entry.name): entry.public_key for entry in entries}
    for entry in entries:
        _, before, beginning = entry.name.rpartition(_BEFORE)
        for other in entries if before else ():
            if other.role is entry.role and str(other.public_key)[:ENOUGH] == beginning:
                found[replacement_key(owner, entry.public_key)] = other.public_key
    return found


class RotationStep(msgspec.Struct, frozen=True):
    """The jwts that a step has signed, and the step that follows and holds some of them; None at the end."""

    jwts: tuple[Jwt[Any], ...]
    next: Preview[RotationStep] | None = None


def sign_all(
    first: Preview[RotationStep], sign: Callable[[Preview[RotationStep]], RotationStep] = Preview.sign
) -> tuple[Jwt[object], ...]:
    """Sign the step *first* and those that follow it, each by *sign*; return all jwts that were signed."""
    jwts: tuple[Jwt[object], ...] = ()
    following: Preview[RotationStep] | None = first
    while following is not None:
        done = sign(following)
        jwts, following = (*jwts, *done.jwts), done.next
    return jwts


def step(
    workspace: Workspace,
    address: tuple[str, ...],
    replacement: KeyReplacement,
    plan: Callable[[PublicKey], Plan] | None,
    *,
    notices: Sequence[Notice] = (),
    then: Callable[[tuple[Jwt[object], ...]], Preview[RotationStep] | None] = lambda _: None,
) -> Preview[RotationStep]:
    """Preview the step that signs the *plan* made of the replacement key, created where there is none yet.

    None: nothing is left to sign. *address* is of the operator or the account whose key is replaced; *then*
    makes the step that follows of the jwts. Whatever is signed, the names of the keys are put right.
    """
    key = replacement.new or replacement.replacement
    intent = Plan((), workspace.now).intent if plan is None else Intent.of_key(key, plan)

    def finish(jwts: tuple[Jwt[object], ...]) -> RotationStep:
        pass_name_on(workspace, find_again(workspace, stored(workspace, address).claims, replacement))
        return RotationStep(jwts, then(jwts))

    return preview(workspace, intent, finish, notices=notices)
