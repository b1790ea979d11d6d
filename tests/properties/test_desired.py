"""A store as a desired-state file: applying it changes nothing, whatever names and claims there are."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedless.claims import Account, Operator, Scope, User
from seedless.claims.effective import effective_template
from seedless.desired.current_state import CurrentState
from seedless.desired.export import export_state, has_header, to_toml
from seedless.desired.planner import plan_desired
from seedless.desired.read import read
from seedless.errors import UsageError
from seedless.jwt import Claims, Jwt, draft
from seedless.nkey import Role
from seedless.seeds import SoftwareKey
from seedless.store.names import check_name

if TYPE_CHECKING:
    from collections.abc import Callable

    Strategies = Any  # the fixture in conftest.py

NOW = 1_800_000_000
_KEYS = {role: [SoftwareKey(role, bytes([n]) * 32) for n in range(1, 9)] for role in Role}
_ODD = ["users", "accounts", "operator", "a.b", 'q"', "#", "[x]", "\u200b", "é", "\\", "'", "=", "{{tenant}}"]


_LEAF = st.booleans() | st.integers() | st.text(max_size=8)
_INSIDE = _LEAF | st.lists(_LEAF, max_size=3) | st.dictionaries(st.text(max_size=5), _LEAF, max_size=3)
NESTED = _INSIDE | st.lists(_INSIDE, max_size=3) | st.dictionaries(st.text(max_size=5), _INSIDE, max_size=3)


def is_name(text: str) -> bool:
    try:
        check_name(text)
    except UsageError:
        return False
    return True


NAMES = st.sampled_from(_ODD) | st.text(max_size=6).filter(is_name)


def signed(claims: Claims[Any], issuer: SoftwareKey) -> Jwt[Any]:
    made = draft(claims, issuer.public_key, NOW - 5)
    return made.complete(issuer.sign(made.signing_input))


def key(role: Role, number: int) -> str:
    return str(_KEYS[role][number].public_key)


def fitting(body: Account) -> Account:
    """Return *body* with keys where a file wants keys or names, and with what Encode takes."""
    keys = [key(Role.ACCOUNT, number) for number in range(4, 8)]
    scopes = [
        msgspec.structs.replace(entry, key=one) if isinstance(entry, Scope) else one
        for one, entry in zip(keys, body.signing_keys, strict=False)
    ]
    exports = [
        msgspec.structs.replace(
            one, type=one.type or "stream", subject=one.subject or "s", service_latency=None
        )
        for one in body.exports
    ]
    imports = [
        msgspec.structs.replace(
            one, type=one.type or "stream", subject=one.subject or "s", account=key(Role.ACCOUNT, 0)
        )
        for one in body.imports
    ]
    authorization = msgspec.structs.replace(body.authorization, allowed_accounts=("*", key(Role.ACCOUNT, 1)))
    return msgspec.structs.replace(
        body,
        signing_keys=tuple(scopes),
        exports=tuple(exports),
        imports=tuple(imports),
        authorization=authorization,
    )


def blanked(claims: Claims[Any], body: Any) -> Claims[Any]:  # noqa: ANN401 - any body
    return msgspec.structs.replace(claims, body=body, exp=0)


def whole(claims: Claims[Any]) -> Claims[Any]:
    """Return *claims* with -1 where a template has no limit, which means the same."""
    if not isinstance(claims.body, Account):
        return claims
    entries = [
        msgspec.structs.replace(entry, template=effective_template(entry.template))
        if isinstance(entry, Scope)
        else entry
        for entry in claims.body.signing_keys
    ]
    return msgspec.structs.replace(
        claims, body=msgspec.structs.replace(claims.body, signing_keys=tuple(entries))
    )


def plan_of(text: str, current: CurrentState) -> Any:  # noqa: ANN401 - the types are those of planned
    return plan_desired(
        read(text.encode(), "f"), current, now=NOW, seed=lambda: SoftwareKey.generate(Role.USER), prune=True
    )


@pytest.mark.parametrize("write", [lambda said: to_toml(said, has_header), json.dumps], ids=["TOML", "JSON"])
@settings(max_examples=40)
@given(data=st.data())
def test_what_is_written_from_a_store_and_applied_to_it_changes_nothing(
    strategies: Strategies, write: Callable[[Any], str], data: st.DataObject
) -> None:
    operator_key, account_keys = _KEYS[Role.OPERATOR][0], _KEYS[Role.ACCOUNT]
    bodies = strategies.bodies
    drawn = st.tuples(
        bodies["operator"],
        st.lists(st.tuples(NAMES, bodies["account"]), min_size=1, max_size=2, unique_by=lambda pair: pair[0]),
        st.tuples(NAMES, bodies["user"]),
    )
    body, bodies_of_accounts, (user_name, user_body) = data.draw(drawn)
    body = msgspec.structs.replace(
        body,
        account_server_url="",
        system_account=key(Role.ACCOUNT, 0),
        signing_keys=(key(Role.OPERATOR, 1),),
    )
    operator = signed(Claims(sub=key(Role.OPERATOR, 0), name="OP", body=body), operator_key)
    accounts = {
        name: signed(
            Claims(sub=key(Role.ACCOUNT, n), name=name, body=fitting(account), exp=NOW + n), operator_key
        )
        for n, (name, account) in enumerate(bodies_of_accounts)
    }
    user_body = msgspec.structs.replace(user_body, issuer_account="")
    user = signed(Claims(sub=key(Role.USER, 0), name=user_name, body=user_body), account_keys[0])
    users = {(next(iter(accounts)), user_name): user}
    text = write(export_state(operator, accounts, users))
    found = plan_of(text, CurrentState(operator, accounts, users))
    assert found.is_empty, [change.title for change in found.intent.rehearsed().changes]
    # And it says everything: laid over blank ones, it makes the same claims.
    blank = CurrentState(
        signed(blanked(operator.claims, Operator.new()), operator_key),
        {name: signed(blanked(jwt.claims, Account.new()), operator_key) for name, jwt in accounts.items()},
        {where: signed(blanked(user.claims, User.new()), account_keys[0]) for where in users},
    )
    made = {change.address: change.draft.claims for change in plan_of(text, blank).intent.rehearsed().changes}
    wanted = {(): operator, **{(name,): jwt for name, jwt in accounts.items()}, **users}
    for where, claims in made.items():
        assert whole(claims) == whole(wanted[where].claims)


@given(
    st.dictionaries(
        st.text(max_size=6),
        NESTED,
        max_size=4,
    )
)
def test_toml_reads_back_as_what_was_written(members: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(members, has_header)) == members
