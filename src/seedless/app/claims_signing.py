"""Sign claims as they are given: from a file or a program, of any kind, or those of a jwt again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from seedless import jwt as jwts
from seedless.app.edits import Edited, unchanged
from seedless.app.pipeline import Preview, preview
from seedless.claims import Account, Activation, Operator, User
from seedless.desired.claims import is_same
from seedless.errors import BadClaims, SeedlessError, UsageError, about
from seedless.jwt import Claims, Jwt
from seedless.nkey import PublicKey
from seedless.plan import changed, issuing_key, resigned
from seedless.store.names import require_storable
from seedless.text import quoted

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["ClaimsSigning", "read_claims"]


def read_claims(text: str, kind: str | None = None, *, source: str = "") -> Claims[object] | Jwt[object]:
    """Return the claims in *text*, which is JSON, or the jwt that it is, bare or in a creds file.

    *kind* is that of the claims where `nats.type` does not report it; errors begin with *source*. Raise
    `BadClaims`, `BadJwt`, `BadSignature`; also for members that are not known, and would be lost.
    """
    bare = "" if text.lstrip().startswith("{") else jwts.bare(text)
    with about(source):
        if bare.count(".") != 2:  # noqa: PLR2004 - the parts of a jwt
            return jwts.claims_from_json(kind, text)
        given: Jwt[object] = jwts.read(bare)
    if given.unknown:
        paths = ", ".join(member.path for member in given.unknown)
        raise BadClaims(
            f"the jwt has members that would be lost: {paths}",
            "a newer seedless may know them",
            path=given.unknown[0].path,
        )
    return given


class ClaimsSigning:
    """Claims that are signed as they are given; `Workspace.claims`."""

    def __init__(self, workspace: Workspace) -> None:
        """Sign with the keys of *workspace*, beside what its store has; it may have none."""
        self._workspace = workspace

    def preview(
        self,
        given: Claims[object] | Jwt[object],
        *,
        issuer: str | PublicKey | None = None,
        record: bool = False,
        output: str | Path | None = None,
        upgrade: bool = False,
        source: str = "",
    ) -> Preview[Edited[object]]:
        """Preview *given* claims, or the same claims as in a jwt, which the new one replaces.

        What the store has for the same subject is replaced too: the new jwt is always later. *issuer* is the
        key that signs, or the role of a scope; by default that of the jwt, or the one that the store
        suggests. With *record* the jwt goes into the store, under its name; claims that the store has
        already are not signed again then, and the preview is empty. What is signed is written to the file
        *output* (0600) too. *upgrade* signs claims of version 1 as version 2. Errors about the claims begin
        with *source*. Raise `UsageError` where it is not known who signs, or where the store has another
        subject at that place.
        """
        workspace = self._workspace
        now = workspace.refresh()
        previous = given if isinstance(given, Jwt) else None
        claims = given.claims if isinstance(given, Jwt) else given
        if upgrade:  # reading has done to them what the official library does
            claims = msgspec.structs.replace(claims, version=2)
        named = None if issuer is None else str(issuer)
        around = workspace.around(claims, keys=[named or "", str(previous.issuer) if previous else ""])
        key = _issuer(workspace, around, claims, previous, named)
        address = _address(workspace, claims, key) if record else None
        replaces = _replaced(workspace, claims, previous, address)
        # Whoever gives a jwt requires that it is signed again; claims state how the store is to be.
        is_statement = record and previous is None and claims.sub not in workspace.settings.reset_time
        if is_statement and replaces and _is_recorded(claims, replaces, key if named else None):
            return unchanged(workspace, replaces)
        with about(source):
            change = changed(
                claims, key, replaces=replaces, now=now, reason="signed as given", address=address
            )
        path = None if output is None else Path(output)
        return preview(
            workspace,
            resigned(change, around, now),
            lambda signed: Edited(signed[0], changed=True),
            files=lambda signed: {path: signed[0][1].text} if path else {},
        )


def _is_recorded(claims: Claims[object], stored: Jwt[object], issuer: PublicKey | None) -> bool:
    """Return whether *stored* has these *claims*, by *issuer* where that is named."""
    return issuer in {None, stored.issuer} and is_same(claims, stored.claims)


def _issuer(
    workspace: Workspace,
    around: tuple[Jwt[object], ...],
    claims: Claims[object],
    previous: Jwt[object] | None,
    named: str | None,
) -> PublicKey:
    """Return the key that signs: the one *named*, that of the jwt, or the one that the store suggests."""
    parent = _parent(around, claims)
    if named and _is_key(named):
        return PublicKey.parse(named)
    if named is None and previous is not None:
        return previous.issuer
    if parent is None:
        raise UsageError("it is not known who signs this", "name the key with --issuer")
    return issuing_key(parent, workspace.known_keys(), named)


def _is_key(text: str) -> bool:
    try:
        PublicKey.parse(text)
    except SeedlessError:
        return False
    return True


def _parent(around: tuple[Jwt[object], ...], claims: Claims[object]) -> Claims[object] | None:
    known = {jwt.claims.sub: jwt.claims for jwt in around}
    match claims.body:
        case Operator():
            return claims
        case Account():
            return next((item for item in known.values() if isinstance(item.body, Operator)), None)
        case User() | Activation():
            return known.get(claims.body.issuer_account)
        case _:
            return None


def _replaced(
    workspace: Workspace,
    claims: Claims[object],
    previous: Jwt[object] | None,
    address: tuple[str, ...] | None,
) -> Jwt[object] | None:
    """Return the latest of the *previous* jwt and what the store has for the subject.

    Raise `UsageError` when what is to be recorded at *address* would take the place of another subject, or
    when the store has the subject elsewhere.
    """
    found = [previous] if previous else []
    if workspace.has_store:
        place = workspace.store.find(PublicKey.parse(claims.sub)) if _is_key(claims.sub) else None
        if address is not None:
            _refuse_other(workspace, claims, address, place)
        stored = workspace.store.get(*place) if place is not None else None
        found += [stored] if stored else []
    return max(found, key=lambda jwt: jwt.issued_at, default=None)


def _refuse_other(
    workspace: Workspace, claims: Claims[Any], address: tuple[str, ...], place: tuple[str, ...] | None
) -> None:
    existing = workspace.store.get(*address)
    what = f"{claims.body.kind} {quoted(claims.name)}"
    if existing is not None and existing.claims.sub != claims.sub:
        raise UsageError(
            f"{what} of the store is {existing.claims.sub}, these claims are about {claims.sub}",
            "give them another name, or leave out --record",
        )
    if place is not None and place != address:
        raise UsageError(
            f"the store has {claims.sub} as {quoted('/'.join(place))}, not as {quoted(claims.name)}",
            "keep the name, or leave out --record",
        )


def _address(workspace: Workspace, claims: Claims[Any], issuer: PublicKey) -> tuple[str, ...]:
    body = claims.body
    name = claims.name.strip()  # as nsc does
    require_storable(name)
    if isinstance(body, Operator):
        return ()
    if isinstance(body, Account):
        return (name,)
    if isinstance(body, User):
        key = body.issuer_account or str(issuer)
        account = workspace.account_with_key(key)
        if account is None:
            raise UsageError(
                "the account of this user is not in the store",
                "name it with issuer_account in the claims, or leave out --record",
            )
        return (account.claims.name.strip(), name)
    raise UsageError(f"{body.kind} claims have no place in a store", "leave out --record")
