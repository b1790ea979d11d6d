"""The steps of a rotation: each is shown before it is signed, and may hold what the one before has signed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from seedless.app.edits import stored
from seedless.app.pipeline import Notice, Preview, preview
from seedless.app.rotations.replacement import KeyReplacement, find_again, pass_name_on
from seedless.jwt import Jwt
from seedless.nkey import PublicKey
from seedless.signing_pipeline import Intent, Plan

if TYPE_CHECKING:
    from seedless.app.workspace import Workspace

__all__ = ["RotationStep", "sign_all", "step"]


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
