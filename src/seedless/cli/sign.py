"""`seedless sign`: claims from a file, or a jwt again."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from seedless import file_kind, jwt
from seedless.change import Statement
from seedless.claims import Account, Activation, Operator, User
from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.options import Settings, bulk_options
from seedless.cli.render import describe
from seedless.cli.review import sign as walk
from seedless.cli.review import sign_preview
from seedless.cli.show import jwt_in, read_input
from seedless.cli.workspace import CommandWorkspace
from seedless.desired.claims import is_same
from seedless.errors import BadClaims, BadJwt, BadSignature, SeedlessError, UsageError
from seedless.nkey import PublicKey
from seedless.plan import changed, issuing_key, resigned
from seedless.store import atomic
from seedless.store.names import require_storable
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seedless.claims.codec import Body
    from seedless.jwt import Claims, Jwt

_KINDS = [
    "operator", "account", "user", "activation", "authorization_request", "authorization_response", "generic",
]  # fmt: skip


@command()
@click.argument("file", metavar="[FILE]", required=False)
@click.option("--kind", type=click.Choice(_KINDS), help="Kind of the claims [default: as nats.type says].")
@click.option("--issuer", "-K", metavar="KEY|ROLE", help="The key that signs, or the role of a scope.")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="Write the jwt here (0600)."
)
@click.option("--upgrade", is_flag=True, help="Sign a jwt of version 1 as version 2.")
@click.option("--record", is_flag=True, help="Put the jwt into the store, under its name.")
@click.option(
    "--expect", metavar="DIGEST", help="Sign --plan only if this is its digest; nobody is asked then."
)
@bulk_options
def sign(
    settings: Settings,
    *,
    file: str | None,
    kind: str | None,
    issuer: str | None,
    output: Path | None,
    upgrade: bool,
    record: bool,
    expect: str | None,
) -> None:
    """Sign a claims file, a jwt again, or a plan.

    FILE holds claims (JSON) or a jwt; - is stdin. The jwt goes to stdout, or into a file, or with --record
    into the store. What the store has for the same subject is taken as its predecessor: the new one is
    always later. With --record, claims that the store has already are not signed again; a jwt is.

    Without FILE, --plan names a plan that a command wrote before. It is signed as it is, into the store, and
    only where the store is still as it was. Without a terminal that requires --expect with its digest, or
    --yes.

    \b
    Example:
      seedless sign orders.json --issuer OAK3… -o ORDERS.jwt
      seedless sign ORDERS.jwt --record
      seedless sign --plan orders.plan --expect 6f0c…
    """
    if file is None:
        given = {"kind": kind, "issuer": issuer, "output": output, "upgrade": upgrade, "record": record}
        _refuse_together(settings, given)
        _sign_plan(settings, expect)
        return
    if expect is not None:
        raise UsageError("--expect is for a plan that is signed", "leave out FILE, or leave out --expect")
    workspace = CommandWorkspace(settings)
    claims, before = _input(file, kind)
    if upgrade:
        # Reading has done to them what the official library does.
        claims = msgspec.structs.replace(claims, version=2)
    _sign_file(workspace, file, (claims, before), issuer, output, record=record)


def _sign_plan(settings: Settings, expect: str | None) -> None:
    """Sign the plan in the file of --plan; whoever gives its digest has reviewed it, and is not asked."""
    from seedless.app.plans import read_file, with_store_of  # noqa: PLC0415 - only for plans

    workspace = CommandWorkspace(msgspec.structs.replace(settings, plan=None))
    approve = consent.ask_to_sign if expect is None else consent.given
    path = settings.plan or ""
    workspace = with_store_of(workspace, read_file(path, expect=expect)[0])
    with workspace.lock():
        signed = sign_preview(workspace, workspace.plans.preview(path, expect=expect), approve=approve)
    for file in signed.creds_left:
        printing.say(f"the creds stay: {shown(file)}; its user is removed")
    skipped = f"\nin the store already: {signed.passed}" if signed.passed else ""
    printing.emit(
        lambda: {
            "digest": signed.digest,
            "signed": [describe.data(jwt) for jwt in signed.jwts],
            "passed": signed.passed,
            "creds_left": [str(file) for file in signed.creds_left],
        },
        f"signed: {len(signed.jwts)}{skipped}",
        as_json=settings.as_json,
    )


def _refuse_together(settings: Settings, given: Mapping[str, object]) -> None:
    if settings.plan is None:
        raise UsageError("there is nothing to sign", "name a FILE of claims, or a plan with --plan")
    for name, value in given.items():
        if value:
            raise UsageError(
                f"--{name} is for a file of claims, and a plan says it all", f"leave out --{name}"
            )


def _sign_file(
    workspace: CommandWorkspace,
    file: str,
    given: tuple[Claims[Any], Jwt[Any] | None],
    issuer: str | None,
    output: Path | None,
    *,
    record: bool,
) -> None:
    claims, before = given
    issuers = [issuer or "", str(before.issuer) if before else ""]
    around = workspace.around(claims, keys=issuers)
    key = _issuer(workspace, around, claims, before, issuer)
    address = _address(claims, key, workspace) if record else None
    with workspace.lock() if record else contextlib.nullcontext():
        replaced = _predecessor(workspace, claims, before, address)
        # Whoever gives a jwt wants it signed again; claims state how the store is to be.
        states = record and before is None and claims.sub not in workspace.options.reset_time
        if states and replaced is not None and _is_as_recorded(claims, replaced, key if issuer else None):
            _print_unchanged(workspace, replaced, output)
            return
        with _named(file):
            change = changed(
                claims, key, replaces=replaced, now=workspace.now, reason="signed as given", address=address
            )
        (made,) = walk(
            workspace,
            resigned(change, around, workspace.now),
            files=lambda signed: {output: signed[0][1].text} if output else {},
        )
    data = describe.data(made) | ({"changed": True} if record else {})
    printing.emit(data, str(output) if output else made.text, as_json=workspace.options.as_json)


def _is_as_recorded(claims: Claims[Any], stored: Jwt[Any], issuer: PublicKey | None) -> bool:
    """Say whether *stored* has these *claims* by *issuer*, where the person names one."""
    is_same_issuer = issuer is None or issuer == stored.issuer
    return is_same_issuer and is_same(claims, stored.claims)


def _print_unchanged(workspace: CommandWorkspace, stored: Jwt[Any], output: Path | None) -> None:
    """Print the jwt of the store, or write it to *output*, as is done with one that was signed."""
    printing.say(f"{shown(Statement.of(stored).title)}: nothing to change")
    if output is not None and not workspace.options.dry_run:
        atomic.write({output: stored.text})
    data = describe.data(stored) | {"changed": False}
    printing.emit(data, str(output) if output else stored.text, as_json=workspace.options.as_json)


def _input(file: str, kind: str | None) -> tuple[Claims[Any], Jwt[Any] | None]:
    """Return the claims in *file*, and the jwt when it is one."""
    text = read_input(file)
    file_kind.require(
        text.encode(),
        file,
        file_kind.CLAIMS,
        file_kind.CREDS,
        *file_kind.JWTS.values(),
        *file_kind.OWN.values(),
    )
    bare = jwt_in(text)
    if bare.count(".") == 2 and not bare.lstrip().startswith("{"):  # noqa: PLR2004 - the parts of a jwt
        with _named(file):
            given = jwt.read(bare)
        if given.unknown:
            paths = ", ".join(member.path for member in given.unknown)
            raise BadClaims(
                f"the jwt has members that would be lost: {paths}",
                "a newer seedless may know them",
                path=given.unknown[0].path,
            )
        return given.claims, given
    with _named(file):
        return jwt.claims_from_json(kind, text), None


@contextlib.contextmanager
def _named(file: str) -> Iterator[None]:
    """Let an error about what is in *file* begin with its name."""
    try:
        yield
    except (BadClaims, BadJwt, BadSignature) as error:
        error.message = f"{'stdin' if file == '-' else shown(file)}: {error.message}"
        raise


def _issuer(
    workspace: CommandWorkspace,
    around: tuple[Jwt[Any], ...],
    claims: Claims[Any],
    given: Jwt[Any] | None,
    wanted: str | None,
) -> PublicKey:
    """Return the key that signs: the one *wanted*, that of the jwt, or the one that the store suggests."""
    parent = _parent(around, claims)
    if wanted and _is_key(wanted):
        return PublicKey.parse(wanted)
    if wanted is None and given is not None:
        return given.issuer
    if parent is None:
        raise UsageError("it is not known who signs this", "name the key with --issuer")
    return issuing_key(parent, workspace.known_keys(), wanted)


def _is_key(text: str) -> bool:
    try:
        PublicKey.parse(text)
    except SeedlessError:
        return False
    return True


def _parent(around: tuple[Jwt[Any], ...], claims: Claims[Any]) -> Claims[Any] | None:
    known = {jwt.claims.sub: jwt.claims for jwt in around}
    match claims.body:
        case Operator():
            return claims
        case Account():
            return next((said for said in known.values() if isinstance(said.body, Operator)), None)
        case User() | Activation():
            return known.get(claims.body.issuer_account)
        case _:
            return None


def _predecessor(
    workspace: CommandWorkspace, claims: Claims[Any], given: Jwt[Any] | None, address: tuple[str, ...] | None
) -> Jwt[Any] | None:
    """Return the latest of what was given and what the store has for the subject.

    Raise `UsageError` when what is to be recorded at *address* would take the place of another subject, or
    when the store has the subject elsewhere.
    """
    found = [given] if given else []
    if workspace.has_store:
        place = workspace.store.find(PublicKey.parse(claims.sub)) if _is_key(claims.sub) else None
        if address is not None:
            _refuse_other(workspace, claims, address, place)
        stored = workspace.store.get(*place) if place is not None else None
        found += [stored] if stored else []
    return max(found, key=lambda one: one.issued_at, default=None)


def _refuse_other(
    workspace: CommandWorkspace, claims: Claims[Any], address: tuple[str, ...], place: tuple[str, ...] | None
) -> None:
    there = workspace.store.get(*address)
    what = f"{claims.body.kind} {quoted(claims.name)}"
    if there is not None and there.claims.sub != claims.sub:
        raise UsageError(
            f"{what} of the store is {there.claims.sub}, these claims are about {claims.sub}",
            "give them another name, or leave out --record",
        )
    if place is not None and place != address:
        raise UsageError(
            f"the store has {claims.sub} as {quoted('/'.join(place))}, not as {quoted(claims.name)}",
            "keep the name, or leave out --record",
        )


def _address(claims: Claims[Any], issuer: PublicKey, workspace: CommandWorkspace) -> tuple[str, ...]:
    body: Body = claims.body
    name = claims.name.strip()  # as nsc does
    require_storable(name)
    if isinstance(body, Operator):
        return ()
    if isinstance(body, Account):
        return (name,)
    if isinstance(body, User):
        wanted = body.issuer_account or str(issuer)
        accounts = (jwt.claims for jwt in workspace.readable_accounts() if jwt.claims.sub == wanted)
        account = next(accounts, None)
        if account is None:
            raise UsageError(
                "the account of this user is not in the store",
                "say which with issuer_account in the claims, or leave out --record",
            )
        return (account.name.strip(), name)
    raise UsageError(f"{body.kind} claims have no place in a store", "leave out --record")
