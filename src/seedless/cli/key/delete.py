"""`seedless key delete`: a key and its entry, gone for good; or the entry of a key whose token is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seedless.app.tokens import open_tokens
from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.key_options import PublicKeyType
from seedless.cli.options import Settings, change_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import NoKey, NoToken, Refused, SeedlessError, StoreError, UsageError
from seedless.store import atomic, open_store, operators, root_lock
from seedless.text import quoted, shown
from seedless.trust import dependents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedless.app.tokens import OpenTokens
    from seedless.jwt import Jwt
    from seedless.nkey import PublicKey
    from seedless.pkcs11.keys import Key
    from seedless.pkcs11.token import Token
    from seedless.store import Store

_NAMED = 10


@command()
@click.argument("public_key", type=PublicKeyType(), metavar="PUBLIC_KEY")
@click.option("--name", "-n", metavar="NAME", help="The name of the key; nobody is asked for it then.")
@click.option("--lost", is_flag=True, help="Its token is gone: only take it out of the inventory.")
@change_options
def delete(settings: Settings, *, public_key: PublicKey, name: str | None, lost: bool) -> None:
    """Delete a key from its token, for good.

    Its name has to be typed, or is given with --name; --yes leaves it out. Refused while a jwt of a store
    that has not expired is about the key, was signed by it, or lets it sign: first put others in their place.

    A key whose token is gone is taken out of the inventory with --lost; no token is opened then.

    \b
    Example:
      seedless key delete AB2X… --dry-run
      seedless key delete AB2X… --lost --name ORDERS
    """
    workspace = CommandWorkspace(settings)
    _refuse_needed(workspace, public_key)
    if lost:
        _drop(workspace, public_key, name)
    else:
        _delete(workspace, public_key, name)


def _delete(workspace: CommandWorkspace, public_key: PublicKey, name: str | None) -> None:
    settings = workspace.options
    if not settings.dry_run:
        name = _named(settings, name, f"{public_key} would be lost for good")
        entry = workspace.inventory().get(public_key)
        if entry is not None and entry.name:  # else its label tells, once the token is open
            _require_name(name, entry.name, public_key)
    with root_lock(workspace.root).held(), open_tokens(workspace, writable=not settings.dry_run) as tokens:
        _refuse_needed(workspace, public_key)  # again, with nobody else writing
        token, key = _found(workspace, tokens, public_key)
        called = _name_of(workspace, key, public_key)
        data = {"public_key": str(public_key), "name": called, "token": token.info.label}
        if settings.dry_run:
            text = f"would delete {public_key} ({shown(called)}) from {token.info.where}"
            printing.emit({"dry_run": True} | data, text, as_json=settings.as_json)
            return
        _require_name(name, called, public_key)
        token.destroy(key)
        left: list[Key] = token.keys()
        if any(other.raw == public_key.raw for other in left):
            raise NoKey(
                f"{token.info.where} says that {public_key} is deleted, and still has it",
                "delete it with the program of the token's maker",
            )
        atomic.sweep(workspace.root)
        workspace.inventory().without(public_key).save(workspace.inventory_path)
    text = f"deleted {public_key} ({shown(called)})"
    printing.emit({"deleted": True} | data, text, as_json=settings.as_json)


def _drop(workspace: CommandWorkspace, public_key: PublicKey, name: str | None) -> None:
    """Take a key out of the inventory, and say that no token was touched."""
    settings = workspace.options
    with root_lock(workspace.root).held():
        _refuse_needed(workspace, public_key)
        entry = workspace.inventory().get(public_key)
        if entry is None:
            raise NoKey(f"the inventory does not have {public_key}", "seedless key list shows what it has")
        called, where = entry.name or str(public_key), shown(entry.uri)
        data = {"public_key": str(public_key), "name": called, "uri": entry.uri}
        if settings.dry_run:
            text = f"would take {public_key} ({shown(called)}) out of the inventory alone"
            printing.emit({"dry_run": True, "deleted": False} | data, text, as_json=settings.as_json)
            return
        warning = f"{public_key} would be forgotten, and not deleted: if {where} turns up, it is on it"
        _require_name(_named(settings, name, warning), called, public_key)
        atomic.sweep(workspace.root)
        workspace.inventory().without(public_key).save(workspace.inventory_path)
    text = (
        f"took {public_key} ({shown(called)}) out of the inventory; no token was touched: it was at {where}"
    )
    printing.emit({"deleted": False, "forgotten": True} | data, text, as_json=settings.as_json)


def _found(workspace: CommandWorkspace, tokens: OpenTokens, public_key: PublicKey) -> tuple[Token, Key]:
    try:
        token = tokens.holding(public_key)
        return token, _on(token, public_key)
    except (NoToken, NoKey) as error:
        if workspace.inventory().get(public_key) is not None:
            lost = "if it is gone for good, --lost takes it out of the inventory"
            error.hint = f"{error.hint}; {lost}" if error.hint else lost
        raise


def _on(token: Token, public_key: PublicKey) -> Key:
    key = token.find(public_key.raw)
    if key.role not in {None, public_key.role}:
        raise NoKey(
            f"the key {key.named} is not {public_key}: its label has another role",
            "seedless key list --token shows the public key in its role",
        )
    # A key without a public object was found by a signature, and is on the token without those bytes.
    there: list[Key] = token.keys()
    on_it = [one for one in there if (one.id, one.label) == (key.id, key.label)]
    return on_it[0] if len(on_it) == 1 else key


def _name_of(workspace: CommandWorkspace, key: Key, public_key: PublicKey) -> str:
    """Return what is to be typed: the name in the inventory, else that of the label, else the key."""
    name = key.label.partition(":")[2] if key.role else key.label
    entry = workspace.inventory().get(public_key)
    return (entry.name if entry else "") or name or str(public_key)


def _named(settings: Settings, name: str | None, warning: str) -> str | None:
    """Return *name*, or what a person types who has read the *warning*; None with --yes."""
    if name is not None or settings.yes:
        return name
    printing.say(f"{warning}; nothing brings it back")
    return consent.answer("Type its name to delete it: ")


def _require_name(name: str | None, called: str, public_key: PublicKey) -> None:
    """Raise `UsageError` when a *name* was given, and the key is *called* something else."""
    if name not in {None, called}:
        raise UsageError(
            f"{public_key} was not deleted: its name is not {quoted(name or '')}",
            "seedless key list shows which key is which",
        )


def _refuse_needed(workspace: CommandWorkspace, public_key: PublicKey) -> None:
    """Raise `Refused` while a live jwt needs the key; `StoreError` where one cannot be read to know that."""
    found = []
    for operator in operators(workspace.root):
        for where, jwt in _all(open_store(workspace.root, operator)):
            if isinstance(jwt, SeedlessError):
                raise StoreError(
                    f"{where} cannot be read, and may need the key {public_key}: {jwt.message}", jwt.hint
                )
            tied = dependents(jwt, public_key, workspace.now)
            found += [f"{where} ({' and '.join(tied)})"] if tied else []
    if found:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise Refused(
            f"the key {public_key} is needed: it stands in {', '.join(found[:_NAMED])}{more}",
            "sign them with another key, or let them expire; a key that is lost cannot sign again",
        )


def _all(store: Store) -> Iterator[tuple[str, Jwt[Any] | SeedlessError]]:
    yield _read(store)
    for account in store.children():
        yield _read(store, account)
        for user in store.children(account):
            yield _read(store, account, user)


def _read(store: Store, *address: str) -> tuple[str, Jwt[Any] | SeedlessError]:
    kind = ("operator", "account", "user")[len(address)]
    where = f"{kind} {shown('/'.join(address) or store.operator)}"
    if address:
        where += f" of {shown(store.operator)}"
    try:
        return where, store.get(*address) or StoreError("it is not there", "import it again")
    except SeedlessError as error:
        return where, error
