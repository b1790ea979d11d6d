from __future__ import annotations

import json
from typing import Any, Protocol

import pytest

from seedless import jwt
from seedless.change import Context, Statement
from seedless.nkey import Role
from seedless.rules import judge_statement
from seedless.seeds import SoftwareKey

NOW = 1_000_000_000
_BODIES: dict[str, dict[str, Any]] = {
    "operator": {},
    "account": {
        "limits": {
            "subs": -1,
            "data": -1,
            "payload": -1,
            "imports": -1,
            "exports": -1,
            "conn": -1,
            "leaf": -1,
        }
        | {"wildcards": True}
    },
    "user": {"subs": -1, "data": -1, "payload": -1},
    "activation": {"subject": "orders", "kind": "stream"},
    "authorization_request": {"user_nkey": "<user>"},
    "authorization_response": {"jwt": "x"},
    "generic": {},
}
_STANDARD: dict[str, dict[str, Any]] = {
    "operator": {"sub": "<operator>", "iss": "<operator>"},
    "account": {"sub": "<account>", "iss": "<operator>"},
    "user": {"sub": "<user>", "iss": "<account>"},
    "activation": {"sub": "<other account>", "iss": "<account>"},
    "authorization_request": {"sub": "<user>", "iss": "<server>"},
    "authorization_response": {"sub": "<user>", "iss": "<account>", "aud": "<server>"},
    "generic": {"sub": "x", "iss": "<user>"},
}


class Say(Protocol):
    """Return a statement of claims that are right but for what is given; `<account>` becomes its key.

    A member that is None is left out.
    """

    def __call__(self, kind: str, nats: dict[str, Any] | None = ..., **standard: Any) -> Statement[Any]: ...  # noqa: ANN401 - members


class Found(Protocol):
    """Return code and place of what the rules of some letters find in claims that are right but for this."""

    def __call__(
        self,
        kind: str,
        nats: dict[str, Any] | None = ...,
        *,
        letters: str = ...,
        context: Context | None = ...,
        **standard: Any,  # noqa: ANN401 - members
    ) -> list[tuple[str, str]]: ...


@pytest.fixture(scope="session")
def named(keys: dict[Role, SoftwareKey]) -> dict[str, SoftwareKey]:
    """The keys by the names that stand for them."""
    others = {
        "<other account>": SoftwareKey(Role.ACCOUNT, bytes([21]) * 32),
        "<signing key>": SoftwareKey(Role.ACCOUNT, bytes([22]) * 32),
        "<operator signing key>": SoftwareKey(Role.OPERATOR, bytes([23]) * 32),
    }
    return {f"<{role.name.lower()}>": key for role, key in keys.items()} | others


@pytest.fixture(scope="session")
def say(named: dict[str, SoftwareKey]) -> Say:
    texts = {name: str(key.public_key) for name, key in named.items()}

    def say(kind: str, nats: dict[str, Any] | None = None, **standard: Any) -> Statement[Any]:  # noqa: ANN401
        body = {name: value for name, value in (_BODIES[kind] | (nats or {})).items() if value is not None}
        if "limits" in body:
            body["limits"] = _BODIES[kind]["limits"] | body["limits"]
        source = json.dumps({"name": "n"} | _STANDARD[kind] | standard | {"nats": body})
        for name, text in texts.items():
            source = source.replace(name, text)
        return Statement(jwt.claims_from_json(kind, source), json.loads(source)["iss"], NOW)

    return say


@pytest.fixture(scope="session")
def plain(say: Say) -> Context:
    """A context with an account that exports what activations are for."""
    account = say("account", {"exports": [{"subject": "orders", "type": "stream", "token_req": True}]}).claims
    return Context(now=NOW, claims={account.sub: account})


@pytest.fixture(scope="session")
def found(say: Say, plain: Context, named: dict[str, SoftwareKey]) -> Found:
    texts = {str(key.public_key): name for name, key in named.items()}

    def found(
        kind: str,
        nats: dict[str, Any] | None = None,
        *,
        letters: str = "C",
        context: Context | None = None,
        **standard: Any,  # noqa: ANN401
    ) -> list[tuple[str, str]]:
        said = say(kind, nats, **standard)
        places = []
        for finding in judge_statement(said, context or plain):
            where = finding.where
            for text, name in texts.items():
                where = where.replace(text, name)
            if finding.code[0] in letters:
                places.append((finding.code, where))
        return sorted(places)

    return found
