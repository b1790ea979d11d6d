"""`seedless ceremony keygen`: the keys of an operator, and the policy that pins it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seedless import file_kind
from seedless import ledger as ledgers
from seedless.app import ceremonies
from seedless.app.ceremony_tokens import driver_says
from seedless.app.keys import ON_TOKENS
from seedless.app.tokens import open_tokens
from seedless.ceremony import documents, words
from seedless.ceremony.keys import (
    CeremonyKey,
    parse,
    policy_text,
    require_other_witnesses,
    require_root,
    to_bytes,
)
from seedless.cli import _ceremony_desk as desk
from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.key_options import PublicKeyType
from seedless.cli.options import Settings, change_options
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.ledger import OperatorRecord
from seedless.nkey import PublicKey, Role
from seedless.pkcs11.keys import label_for
from seedless.pkcs11.uri import KeyUri
from seedless.plan import SYSTEM_ACCOUNT
from seedless.policy import read as read_policy
from seedless.signing_pipeline import NewKey
from seedless.store import atomic, root_lock
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.app.tokens import OpenTokens
    from seedless.inventory import KeyEntry
    from seedless.policy import Policy

_FILE = click.Path(path_type=Path)


@command()
@click.argument("name")
@click.option("--holder", required=True, metavar="NAME", help="Who holds this token.")
@click.option(
    "--key",
    "wanted",
    multiple=True,
    metavar="ROLE:NAME",
    help='What to make [default: operator:NAME, "operator:NAME signing" and account:SYS].',
)
@click.option("--add", type=_FILE, metavar="FILE", help="The keys that were made before, on another token.")
@click.option(
    "--witness", multiple=True, type=PublicKeyType(), metavar="PUBKEY", help="A witness, for the policy."
)
@click.option("--witnesses", type=click.IntRange(1), metavar="N", help="How many of them must have signed.")
@click.option(
    "--attestation-root", "roots", multiple=True, metavar="SHA256",
    help="A root up to which devices have to attest the operator's keys, for the policy.",
)  # fmt: skip
@click.option("--policy-out", type=_FILE, metavar="FILE", help="Write the policy that pins the operator.")
@desk.output_option
@change_options
def keygen(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    name: str,
    holder: str,
    wanted: tuple[str, ...],
    add: Path | None,
    witness: tuple[PublicKey, ...],
    witnesses: int | None,
    roots: tuple[str, ...],
    policy_out: Path | None,
    output: Path,
) -> None:
    """Create an operator's keys, and the policy that pins it.

    The keys of the operator NAME are made on a token. Each signs a statement about itself: what it is called,
    who holds it, what the driver says of it. For several tokens, run it for each, with --add naming the file
    of the run before, and write the policy with the last. With --attestation-root the policy lets a key of an
    operator sign only if its device attests it: `seedless key attest` comes next. A ledger begins here. The
    file of keys goes to the machine online: `seedless ceremony keys`.

    \b
    Example:
      seedless ceremony keygen ACME --holder Ada --policy-out policy.toml -o keys.json
    """
    workspace = CommandWorkspace(settings)
    documents.require_plain(holder, "--holder")
    new_keys = _new_keys(wanted or _default_keys(name))
    _check_policy(witness, witnesses, roots)
    for path in (output, *([policy_out] if policy_out else [])):
        atomic.require_new(path)  # before a key is created
    before = parse(documents.read(add, file_kind.KEYS)) if add else ()
    require_other_witnesses((one for one, _ in before), witness)
    labels = [label_for(one.role, one.name) for one in new_keys]
    names = ", ".join(map(shown, labels))
    if settings.dry_run:
        printing.emit({"dry_run": True, "labels": labels}, f"would make {names}", as_json=settings.as_json)
        return
    consent.require(settings, f"Create {names} on the token?", done="no key was created")
    lock = root_lock(workspace.root).held(workspace.observer.waits)
    with lock, open_tokens(workspace, writable=True) as tokens:
        entries = tokens.create_and_report(new_keys)
        made = [_stated(tokens, entries[one], holder, workspace.now) for one in new_keys]
        everything = [*(one for one, _ in before), *(one for one, _ in made)]
        files = {output: to_bytes([text for _, text in (*before, *made)]).decode()}
        policy = None
        if policy_out is not None:
            files[policy_out] = policy_text(everything, [*map(str, witness)], witnesses or 0, roots)
            policy = read_policy(files[policy_out].encode(), shown(policy_out))
        atomic.write_new(files, _ledger(workspace, everything) | tokens.reported())
    _tell(settings, everything, output, policy)


def _check_policy(witness: tuple[PublicKey, ...], witnesses: int | None, roots: tuple[str, ...]) -> None:
    if (witnesses is None) != (not witness) or (witnesses or 0) > len(witness):
        raise UsageError("--witnesses says how many of the keys of --witness must have signed", "give both")
    for root in roots:
        require_root(root)


def _default_keys(name: str) -> tuple[str, ...]:
    return (f"operator:{name}", f"operator:{name} signing", f"account:{SYSTEM_ACCOUNT}")


def _new_keys(wanted: tuple[str, ...]) -> list[NewKey]:
    found = []
    for text in wanted:
        role, colon, name = text.partition(":")
        if not colon or role not in ON_TOKENS:
            raise UsageError(f"{shown(text)} is not ROLE:NAME", f"a role is one of {', '.join(ON_TOKENS)}")
        label_for(ON_TOKENS[role], name)
        found.append(NewKey(ON_TOKENS[role], name))
    return found


def _stated(tokens: OpenTokens, entry: KeyEntry, holder: str, now: int) -> tuple[CeremonyKey, str]:
    """Return a new key, and the statement about itself that it has signed."""
    token = tokens.holding(entry.public_key)
    made = CeremonyKey(
        public_key=entry.public_key, name=entry.name, holder=holder, uri=entry.uri, at=now,
        driver_report=driver_says(token, token.find(entry.public_key.raw, KeyUri.parse(entry.uri).id)),
    )  # fmt: skip
    (jwt,) = tokens.sign([made.draft()])
    return made, jwt.text


def _ledger(workspace: CommandWorkspace, made: list[CeremonyKey]) -> dict[Path, str | None]:
    """Return the file of a ledger that has a book for the operator; an older book stays."""
    path = ceremonies.ledger_path(workspace)
    ledger = ledgers.load(path)
    operator = next((one.public_key for one in made if one.public_key.role is Role.OPERATOR), None)
    if operator is None or str(operator) in ledger.books:
        return {}
    return {path: ledger.with_book(str(operator), OperatorRecord()).text()}


def _tell(settings: Settings, made: list[CeremonyKey], output: Path, policy: Policy | None) -> None:
    data: dict[str, Any] = {
        "file": str(output), "keys": [desk.key_data(one) for one in made],
        "policy": policy.digest if policy else None,
        "words": list(words.words(bytes.fromhex(policy.digest))) if policy else [],
    }  # fmt: skip
    lines = [desk.key_line(one) for one in made]
    if policy:
        lines += [f"policy sha256 {policy.digest}", *words.rows(bytes.fromhex(policy.digest))]
    printing.emit(data, "\n".join(lines), as_json=settings.as_json)
