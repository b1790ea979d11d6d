"""The same account in the words of `nats-jwt`, the other Python library that makes jwts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nkeys
from nats_jwt.v2 import account_claims as theirs
from nats_jwt.v2.revocation_list import RevocationList

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedless.claims import Account
    from seedless.jwt import Claims
    from seedless.seeds import SoftwareKey


def account_maker(claims: Claims[Account], key: SoftwareKey) -> Callable[[], str]:
    """Return what makes the jwt of *claims*; it knows no signing keys, so they have to have none."""
    pair = nkeys.from_seed(bytearray(key.reveal().encode()))
    body = claims.body
    revocations = RevocationList()
    revocations.update(body.revocations)
    account = theirs.Account(
        imports=[theirs.Import(i.name, i.subject, i.account, i.type) for i in body.imports],
        exports=[theirs.Export(e.name, e.subject, e.type) for e in body.exports],
        revocations=revocations,
        tags=list(body.tags),
    )

    def make() -> str:
        made = theirs.AccountClaims(sub=claims.sub, name=claims.name, nats=account)
        return str(made.encode(pair))

    return make
