"""Rehearse a ceremony: all of it on a temporary SoftHSM token, with a placeholder for each key."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from seedless.app.ceremony_keys import reported_by_driver
from seedless.app.ceremony_reviews import CeremonyReview
from seedless.ceremony import offline
from seedless.ceremony.check import CeremonyCheck, check
from seedless.ceremony.keys import CeremonyKey
from seedless.ceremony.rehearsal import KeyMapping, review_context_of, signers
from seedless.clock import Clock
from seedless.config import softhsm_module
from seedless.errors import UsageError
from seedless.keygen.check import KeygenCheck, check_keygen
from seedless.keygen.request import KeygenRequest, SpecifiedKey, rehearsed_keys
from seedless.keygen.run import KeygenRun, run_keygen
from seedless.keygen.transcript import content_of
from seedless.nkey import PublicKey, Role
from seedless.pin import environment_pin
from seedless.pkcs11.keys import label_for
from seedless.pkcs11.uri import KeyUri
from seedless.program import tool
from seedless.seeds import SoftwareKey
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.ceremonies_keygen import KeygenReview
    from seedless.app.workspace import Workspace
    from seedless.ceremony.judgement import ReviewContext
    from seedless.jwt import Draft, Jwt
    from seedless.pkcs11.token import Token
    from seedless.pkcs11.token_info import TokenInfo

__all__ = ["CeremonyRehearsal", "KeygenRehearsal", "keygen_rehearsal", "rehearsal", "require_softhsm"]

_LABEL = "REHEARSAL"
_CONFIGURATION = "SOFTHSM2_CONF"


class CeremonyRehearsal(Struct, frozen=True, kw_only=True):
    """A ceremony that was rehearsed, and the review of the real request.

    `rehearsed` is the request with the placeholder keys, which is marked, and `check` the verdict on its
    result; `placeholder_keys` are those that signed, by the key (text) that each replaces.
    """

    real: CeremonyReview
    rehearsed: CeremonyReview
    placeholder_keys: Mapping[str, str]
    check: CeremonyCheck
    result: bytes

    def write(self, folder: str | Path) -> None:
        """Write request and result of the rehearsal as new files into *folder*."""
        _write(Path(folder), self.rehearsed.request.data, self.result)


def _write(folder: Path, request: bytes, result: bytes) -> None:
    files = {offline.REQUEST_NAME: request, offline.RESULT_NAME: result}
    atomic.write_new({folder / name: data.decode() for name, data in files.items()})


class KeygenRehearsal(Struct, frozen=True, kw_only=True):
    """A ceremony that creates keys, rehearsed: the marked request, the verdict on its result, and that."""

    real: KeygenRequest
    rehearsed: KeygenRequest
    check: KeygenCheck
    result: bytes

    def write(self, folder: str | Path) -> None:
        """Write request and result of the rehearsal as new files into *folder*."""
        _write(Path(folder), self.rehearsed.data, self.result)


def rehearsal(review: CeremonyReview, module: Path | None) -> CeremonyRehearsal:
    """Rehearse the ceremony of *review*, see `Ceremonies.rehearse`."""
    with _temporary_token(module, signers(review.request)) as (stage, folder):
        return _held(review, stage, folder)


def keygen_rehearsal(review: KeygenReview, module: Path | None) -> KeygenRehearsal:
    """Rehearse the creation of the keys of *review*, see `Ceremonies.rehearse_keys`."""
    with _temporary_token(module, ()) as (stage, folder):
        return _created(review, stage, folder)


@contextlib.contextmanager
def _temporary_token(module: Path | None, real: Iterable[PublicKey]) -> Iterator[tuple[_Stage, Path]]:
    """Give a token of SoftHSM with placeholders for the *real* keys, and a folder; both are deleted."""
    softhsm = module or softhsm_module()
    if softhsm is None:
        raise UsageError(
            "SoftHSM is in none of its usual places", "install it, or name its module with --softhsm"
        )
    with (
        tempfile.TemporaryDirectory(prefix="seedless-rehearsal-") as folder,
        _stage(Path(folder), softhsm, real) as stage,
    ):
        yield stage, Path(folder)


def require_softhsm(info: TokenInfo) -> None:
    """Raise `UsageError` for a token that is not SoftHSM's: a rehearsal would initialise a real device."""
    if not info.model.startswith("SoftHSM"):
        raise UsageError(
            f"{info.where} is not a token of SoftHSM, and a rehearsal touches no other",
            "name SoftHSM's module with --softhsm",
        )


class _Stage:
    """A temporary token with a key for each that signs; the `CeremonyKeys` of a rehearsal."""

    def __init__(self, token: Token, real: Iterable[PublicKey]) -> None:
        """Create the placeholder keys on *token*."""
        self.token = token
        self.now = 0  # Unix seconds, for keys that state when they were created
        self.table: dict[str, str] = {}
        for number, key in enumerate(real, 1):
            made = token.generate(label_for(key.role, f"placeholder {number}"))
            self.table[str(key)] = str(PublicKey(key.role, made.raw or b""))

    def sign(self, drafts: Iterable[Draft[object]]) -> Iterator[Jwt[object]]:
        for draft in drafts:
            yield draft.complete(self.token.signer(draft.issuer).sign(draft.signing_input))

    def driver_report(self, public_key: PublicKey) -> Mapping[str, object]:
        return reported_by_driver(self.token, self.token.find(public_key.raw))

    def require_free(self, keys: Sequence[SpecifiedKey]) -> None:
        """Pass: the token is new."""

    def create(self, key: SpecifiedKey) -> tuple[CeremonyKey, int]:
        """Create *key* on the temporary token; return it, and how many challenges it has signed."""
        role = Role[key.role.upper()]
        public_key = PublicKey(role, self.token.generate(label_for(role, key.name)).raw or b"")
        made = CeremonyKey(
            public_key=public_key, name=key.name, holder=key.holder, uri=str(self.token.info.uri),
            at=self.now, driver_report=self.driver_report(public_key),
        )  # fmt: skip
        return made, 1

    def only(self, draft: Draft[object]) -> Jwt[object]:
        return next(iter(self.sign([draft])))


@contextlib.contextmanager
def _stage(folder: Path, module: Path, real: Iterable[PublicKey]) -> Iterator[_Stage]:
    """Create a token in *folder*, with placeholders for the *real* keys."""
    from seedless.pkcs11.initialise import blank_or_named, initialise_token  # the binding takes long to load
    from seedless.pkcs11.token import open_token

    tokens = folder / "tokens"
    tokens.mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {tokens}\n", encoding="utf-8")
    with _configured(module, folder / "softhsm2.conf"):
        require_softhsm(blank_or_named(module, KeyUri()))
        pin = secrets.token_hex(16)
        made = initialise_token(module, KeyUri(), label=_LABEL, so_pin=secrets.token_hex(16), pin=pin)
        pins = environment_pin("PIN", {"PIN": pin})
        with open_token(made.uri, pins, module=module, writable=True) as token:
            yield _Stage(token, real)


@contextlib.contextmanager
def _configured(module: Path, configuration: Path) -> Iterator[None]:
    """Let *module*, which is SoftHSM, have its tokens in the folder that *configuration* names."""
    from seedless.pkcs11.module import is_loaded

    # SoftHSM reads its configuration once, when it is initialised. One that this process uses already would
    # show its own tokens, and the rehearsal would initialise one of them.
    if is_loaded(module):
        raise UsageError(
            f"this process uses {shown(module)} already, and a rehearsal needs it for itself",
            "rehearse in another process, before any token is opened",
        )
    before = os.environ.get(_CONFIGURATION)
    os.environ[_CONFIGURATION] = str(configuration)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_CONFIGURATION]
        else:
            os.environ[_CONFIGURATION] = before


def _held(review: CeremonyReview, stage: _Stage, folder: Path) -> CeremonyRehearsal:
    """Hold the ceremony with the placeholder keys, and check it."""
    real, workspace = review.context, review.job.workspace
    mapping = KeyMapping(stage.table, stage.only)
    wanted = real.policy.witnesses
    witnesses = [SoftwareKey.generate(Role.USER) for _ in wanted.keys] if wanted else []
    serial = stage.token.info.serial
    policy = mapping.policy(real.policy, tuple(key.public_key for key in witnesses), serial)
    context = review_context_of(mapping.request(real.request), policy, workspace.now)
    rehearsed = CeremonyReview(context=context, report=context.judge(), job=review.job)
    content = offline.statement_content(context, rehearsed.report)
    statements = []
    for key in witnesses[: wanted.threshold if wanted else 0]:
        draft = content.draft(key.public_key, workspace.now)
        statements.append(draft.complete(key.sign(draft.signing_input)).text)
    result = offline.run_ceremony(
        _run(workspace, context, folder, tuple(statements)),
        review=lambda _plan, _report: True,
        keys=lambda: contextlib.nullcontext(stage),
    )
    return CeremonyRehearsal(
        real=review,
        rehearsed=rehearsed,
        placeholder_keys=stage.table,
        check=check(context.request.data, result, PublicKey.parse(policy.operator)),
        result=result,
    )


def _run(
    workspace: Workspace, context: ReviewContext, folder: Path, statements: tuple[str, ...]
) -> offline.CeremonyRun:
    return offline.CeremonyRun(
        review_context=context,
        folder=folder / "ceremony",
        ledger=folder / "ledger.json",
        clock=lambda: workspace.now,
        statements=statements,
        present=("nobody: this is a rehearsal",),
        tool=tool(),
        waits=Clock(time=workspace.clock),
    )


def _created(review: KeygenReview, stage: _Stage, folder: Path) -> KeygenRehearsal:
    """Create the keys of *review* on the temporary token, and check that."""
    real, now = review.request, review.now
    wanted = real.specification.witnesses
    witnesses = [SoftwareKey.generate(Role.USER) for _ in wanted.keys] if wanted else []
    request = rehearsed_keys(real, tuple(str(key.public_key) for key in witnesses))
    content, stage.now = content_of(request), now
    drafts = [
        (key, content.draft(key.public_key, now)) for key in witnesses[: wanted.threshold if wanted else 0]
    ]
    run = KeygenRun(
        request=request,
        folder=folder / "ceremony",
        clock=lambda: now,
        statements=tuple(draft.complete(key.sign(draft.signing_input)).text for key, draft in drafts),
        present=("nobody: this is a rehearsal",),
        tool=tool(),
        readiness=lambda: review.readiness,
    )
    result = run_keygen(run, lambda: contextlib.nullcontext(stage))
    checked = check_keygen(request.data, result, recompute=True)
    return KeygenRehearsal(real=real, rehearsed=request, check=checked, result=result)
