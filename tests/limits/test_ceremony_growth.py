"""Ceremonies of thousands of changes: held, interrupted, gone on with, checked and shown in one pass each."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

import pytest

from seedless.app.ceremony_reviews import CeremonyReview, ReviewJob
from seedless.ceremony import offline, report
from seedless.ceremony.check import CeremonyVerdict, check
from seedless.ceremony.judgement import ReviewContext
from seedless.ceremony.request import parse, prepare
from seedless.change import Change
from seedless.claims import Account, Operator, User
from seedless.cli.options import Settings
from seedless.cli.render.ceremony import show_review
from seedless.cli.workspace import CommandWorkspace
from seedless.jwt import Claims, draft
from seedless.ledger import Ledger
from seedless.nkey import PublicKey, Role
from seedless.policy import read as read_policy
from seedless.seeds import SoftwareKey
from seedless.signing_pipeline import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from seedless.ceremony.request import CeremonyRequest
    from seedless.jwt import Draft, Jwt

pytestmark = pytest.mark.usefixtures("no_collector")
NOW = 1_750_000_000
SIZES = (40, 400)
OPERATOR = SoftwareKey(Role.OPERATOR, bytes(32))
ACCOUNT = SoftwareKey(Role.ACCOUNT, bytes(32))
KEYS = {key.public_key: key for key in (OPERATOR, ACCOUNT)}
POLICY = read_policy(f'operator = "{OPERATOR.public_key}"\n'.encode())


class Keys:
    """Keys in software, which stop after *stop* signatures."""

    def __init__(self, stop: int = -1) -> None:
        self.left = stop

    def sign(self, drafts: Iterable[Draft[Any]]) -> Iterator[Jwt[Any]]:
        for one in drafts:
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            yield one.complete(KEYS[one.issuer].sign(one.signing_input))

    def driver_report(self, public_key: PublicKey) -> Mapping[str, Any]:
        return {"label": str(public_key)}


def signed(one: Draft[Any]) -> Jwt[Any]:
    return next(iter(Keys().sign([one])))


def request_of(users: int) -> CeremonyRequest:
    operator = signed(
        draft(
            Claims(sub=str(OPERATOR.public_key), name="ACME", body=Operator.new()), OPERATOR.public_key, NOW
        )
    )
    account = signed(
        draft(
            Claims(sub=str(ACCOUNT.public_key), name="ORDERS", body=Account.new()), OPERATOR.public_key, NOW
        )
    )
    changes = []
    for number in range(users):
        key = PublicKey(Role.USER, number.to_bytes(32, "big"))
        claims = Claims(sub=str(key), name=f"user-{number:06}", body=User.new())
        before = signed(draft(claims, ACCOUNT.public_key, NOW))
        again = draft(claims, ACCOUNT.public_key, NOW + 1)
        changes.append(Change(again, before, "renewed", ("ORDERS", claims.name)))
    plan = Plan(tuple(changes), NOW + 1, (operator, account))
    header = {"reason": "renewal", "prepared_by": "Grace", "expires": NOW + 9999, "tool": "seedless 0"}
    return prepare(plan, at=NOW + 1, operator=operator, **header)


def hold(request: CeremonyRequest, folder: Path, keys: Keys) -> bytes:
    review_context = ReviewContext(
        request=request, policy=POLICY, ledger=Ledger(), now=NOW + 5, first_use=("all",)
    )
    run = offline.CeremonyRun(
        review_context=review_context,
        folder=folder,
        ledger=folder.with_suffix(".ledger"),
        clock=lambda: NOW + 5,
    )
    return offline.run_ceremony(run, review=lambda *_: True, keys=lambda: contextlib.nullcontext(keys))


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    """New folders, one after the other."""
    return (tmp_path / str(number) for number in range(1000))


def test_a_request_is_read_in_one_pass(growth: Callable[..., float], most: float) -> None:
    assert growth(lambda size: request_of(size).data, parse, rounds=2, sizes=SIZES) < most


def test_a_ceremony_is_held_in_one_pass(
    growth: Callable[..., float], most: float, folders: Iterator[Path]
) -> None:
    assert growth(request_of, lambda one: hold(one, next(folders), Keys()), rounds=2, sizes=SIZES) < most


def test_a_ceremony_that_was_interrupted_is_gone_on_with_in_one_pass(
    growth: Callable[..., float], most: float, folders: Iterator[Path]
) -> None:
    def interrupted(size: int) -> tuple[CeremonyRequest, Path]:
        request, folder = request_of(size), next(folders)
        with pytest.raises(KeyboardInterrupt):
            hold(request, folder, Keys(size - 1))
        return request, folder

    def go_on(given: tuple[CeremonyRequest, Path]) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            hold(*given, Keys(0))

    assert growth(interrupted, go_on, rounds=2, sizes=SIZES) < most


def test_a_ceremony_is_checked_and_reported_in_one_pass(
    growth: Callable[..., float], most: float, folders: Iterator[Path]
) -> None:
    def held(size: int) -> tuple[bytes, bytes]:
        request = request_of(size)
        return request.data, hold(request, next(folders), Keys())

    def checked(given: tuple[bytes, bytes]) -> None:
        found = check(*given, OPERATOR.public_key)
        assert found.verdict is CeremonyVerdict.COMPLETE, found.text
        assert report.report(found)

    assert growth(held, checked, rounds=2, sizes=SIZES) < most


def test_a_request_is_shown_in_one_pass(growth: Callable[..., float], most: float, tmp_path: Path) -> None:
    workspace = CommandWorkspace(Settings(store=str(tmp_path)))

    def shown(request: CeremonyRequest) -> None:
        review_context = ReviewContext(
            request=request, policy=POLICY, ledger=Ledger(), now=NOW + 5, first_use=("all",)
        )
        with contextlib.redirect_stderr(io.StringIO()):
            review = CeremonyReview(
                context=review_context, report=review_context.judge(), job=ReviewJob(workspace, ("all",))
            )
            show_review(workspace, review)

    assert growth(request_of, shown, rounds=2, sizes=SIZES) < most
