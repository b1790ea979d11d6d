"""A ceremony with keys in software: fast, and the same walk as with a token."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from seedless import ledger
from seedless.ceremony import offline
from seedless.ceremony.check import check, recompute
from seedless.ceremony.judgement import ReviewContext
from seedless.ceremony.request import prepare
from seedless.change import Change
from seedless.claims import Account, Operator
from seedless.clock import Clock
from seedless.jwt import Claims, draft
from seedless.nkey import Role
from seedless.policy import read as read_policy
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from seedless.ceremony.check import CeremonyCheck
    from seedless.ceremony.request import CeremonyRequest
    from seedless.jwt import Draft, Jwt
    from seedless.nkey import PublicKey
    from seedless.policy import Policy

T0 = 1_800_000_000
"""When the first jwts of a hall were signed, Unix seconds."""


def made(role: Role, name: str) -> SoftwareKey:
    """The same key for the same name."""
    return SoftwareKey(role, hashlib.sha256(f"{role.name} {name}".encode()).digest())


@dataclass(frozen=True)
class SoftKeys:
    """Keys in software that sign as tokens do; `on_sign` is called before each signature."""

    keys: Mapping[PublicKey, SoftwareKey]
    on_sign: Callable[[], None] = lambda: None

    def sign(self, drafts: Iterable[Draft[Any]]) -> Iterator[Jwt[Any]]:
        for one in drafts:
            self.on_sign()
            yield one.complete(self.keys[one.issuer].sign(one.signing_input))

    def driver_report(self, public_key: PublicKey) -> Mapping[str, Any]:
        return {"token": "software", "label": f"{public_key.role.name.lower()}:{public_key}"[:20]}


@dataclass
class Hall:
    """Where a ceremony is held: the keys, the jwts that stand, the folder of the machine that signs."""

    folder: Path
    operator: SoftwareKey = field(default_factory=lambda: made(Role.OPERATOR, "ACME"))
    signing: SoftwareKey = field(default_factory=lambda: made(Role.OPERATOR, "signing"))
    orders: SoftwareKey = field(default_factory=lambda: made(Role.ACCOUNT, "ORDERS"))
    billing: SoftwareKey = field(default_factory=lambda: made(Role.ACCOUNT, "BILLING"))
    ada: SoftwareKey = field(default_factory=lambda: made(Role.USER, "ada"))
    bob: SoftwareKey = field(default_factory=lambda: made(Role.USER, "bob"))
    cyd: SoftwareKey = field(default_factory=lambda: made(Role.USER, "cyd"))

    @property
    def keys(self) -> SoftKeys:
        held = (self.operator, self.signing, self.orders, self.billing)
        return SoftKeys({key.public_key: key for key in held})

    @property
    def policy_text(self) -> str:
        return f'operator = "{self.operator.public_key}"\n'

    @property
    def witnessed_policy_text(self) -> str:
        names = json.dumps([str(one.public_key) for one in (self.ada, self.bob, self.cyd)])
        return f"{self.policy_text}[witnesses]\nkeys = {names}\nthreshold = 2\n"

    def policy(self, text: str = "") -> Policy:
        return read_policy((text or self.policy_text).encode())

    def operator_jwt(self, *signing: SoftwareKey, at: int = T0) -> Jwt[Operator]:
        keys = tuple(str(one.public_key) for one in signing or (self.signing,))
        body = msgspec.structs.replace(Operator.new(), signing_keys=keys)
        claims = Claims(sub=str(self.operator.public_key), name="ACME", body=body)
        return self.signed(draft(claims, self.operator.public_key, at))

    def account_jwt(self, key: SoftwareKey, name: str, at: int = T0, tag: str = "") -> Jwt[Account]:
        return self.signed(self.account_draft(key, name, at, tag))

    def account_draft(self, key: SoftwareKey, name: str, at: int, tag: str = "") -> Draft[Account]:
        body = msgspec.structs.replace(Account.new(), tags=(tag,) if tag else ())
        claims = Claims(sub=str(key.public_key), name=name, body=body)
        return draft(claims, self.signing.public_key, at)

    def signed(self, one: Draft[Any]) -> Jwt[Any]:
        (jwt,) = self.keys.sign([one])
        return jwt

    def plan(self, *changes: Change, at: int = T0 + 100) -> Plan:
        """A plan of *changes*; without any, of two accounts, one of them new."""
        before = self.account_jwt(self.orders, "ORDERS")
        usual = (
            Change(self.account_draft(self.orders, "ORDERS", at, "team:a"), before, "a tag", ("ORDERS",)),
            Change(self.account_draft(self.billing, "BILLING", at), None, "new account", ("BILLING",)),
        )
        return Plan(changes or usual, at, (self.operator_jwt(),))

    def request(self, plan: Plan | None = None, **header: object) -> CeremonyRequest:
        at = header.pop("at", T0 + 100)
        operator = header.pop("operator", self.operator_jwt())
        wanted = {
            "reason": "two accounts", "prepared_by": "Grace", "expires": at + 7 * 86400, "tool": "seedless 0",
        } | header  # fmt: skip
        return prepare(plan or self.plan(at=at), at=at, operator=operator, **wanted)

    def review_context(self, request: CeremonyRequest, **changes: object) -> ReviewContext:
        usual = {
            "policy": self.policy(), "ledger": ledger.load(self.folder / "ledger.json"), "now": T0 + 200,
            "first_use": ("all",),
        }  # fmt: skip
        return ReviewContext(request=request, **usual | changes)

    def run(self, review_context: ReviewContext, *statements: str) -> offline.CeremonyRun:
        return offline.CeremonyRun(
            review_context=review_context,
            folder=self.folder / "ceremonies" / review_context.request.digest,
            ledger=self.folder / "ledger.json",
            clock=lambda: review_context.clock,
            statements=statements,
            present=("Grace", "Ada"),
            tool="seedless 0",
            waits=Clock(time=lambda: math.inf),
        )

    def sit(self, review_context: ReviewContext, *statements: str, keys: SoftKeys | None = None) -> bytes:
        return offline.run_ceremony(
            self.run(review_context, *statements),
            review=lambda _plan, _report: True,
            keys=lambda: contextlib.nullcontext(keys or self.keys),
        )

    def sit_at(self, run: offline.CeremonyRun, keys: SoftKeys | None = None) -> bytes:
        return offline.run_ceremony(
            run,
            review=lambda _plan, _report: True,
            keys=lambda: contextlib.nullcontext(keys or self.keys),
        )

    def held(self) -> tuple[bytes, bytes]:
        """Hold a ceremony with two witnesses, and return its request and its result."""
        request = self.request()
        review_context = self.review_context(request, policy=self.policy(self.witnessed_policy_text))
        return request.data, self.sit(
            review_context, *(self.statement(review_context, key) for key in (self.ada, self.bob))
        )

    def statement(self, review_context: ReviewContext, key: SoftwareKey, at: int = T0 + 150) -> str:
        one = offline.statement_content(review_context, review_context.judge()).draft(key.public_key, at)
        return one.complete(key.sign(one.signing_input)).text

    def recomputed(self, request: bytes, result: bytes) -> bool:
        return recompute(request, result).agrees

    def check(self, request: bytes, result: bytes, **more: object) -> CeremonyCheck:
        return check(request, result, self.operator.public_key, **more)


@pytest.fixture
def hall(tmp_path: Path) -> Hall:
    return Hall(tmp_path)


@pytest.fixture(scope="session")
def new_hall() -> Callable[[Path], Hall]:
    return Hall
