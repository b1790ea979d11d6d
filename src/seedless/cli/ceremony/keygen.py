"""`seedless ceremony keygen`: the keys of an operator, and the policy that pins it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from seedless import file_kind
from seedless.app import ceremonies_keygen
from seedless.app.ceremonies_keygen import KeygenPeople, begun_ledger, stated
from seedless.app.keys import ON_TOKENS
from seedless.app.tokens import open_tokens
from seedless.ceremony import documents
from seedless.ceremony.keys import (
    CeremonyKey,
    parse,
    policy_text,
    require_other_witnesses,
    require_root,
    to_bytes,
)
from seedless.cli import consent, printing
from seedless.cli.ceremony import key_requests
from seedless.cli.ceremony.confirmation import confirmed
from seedless.cli.ceremony.options import (
    FILE,
    clock_checked_option,
    expect_option,
    output_option,
    statement_text,
)
from seedless.cli.command import command
from seedless.cli.device_info import device_info_option, read_device_info
from seedless.cli.key_options import PublicKeyType
from seedless.cli.options import Settings, change_options
from seedless.cli.recovery.options import ways_option
from seedless.cli.render.ceremony import digest_lines, key_data, key_line, words_data
from seedless.cli.workspace import CommandWorkspace
from seedless.errors import UsageError
from seedless.pkcs11.keys import label_for
from seedless.plan import SYSTEM_ACCOUNT
from seedless.policy import read as read_policy
from seedless.signing_pipeline import NewKey
from seedless.store import atomic, root_lock
from seedless.text import shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from seedless.app.tokens import OpenTokens
    from seedless.inventory import KeyEntry
    from seedless.nkey import PublicKey
    from seedless.policy import Policy


@command()
@click.argument("name", required=False)
@click.option("--request", type=FILE, metavar="FILE", help="Create the keys of this request, and no others.")
@click.option(
    "--statement",
    "statements",
    multiple=True,
    type=FILE,
    metavar="FILE",
    help="The statement of a witness of the request.",
)
@click.option("--present", multiple=True, metavar="NAME", help="Who is in the room; for the transcript.")
@click.option(
    "--exception", "exceptions", multiple=True, metavar="TEXT", help="What is not as in the script."
)
@device_info_option
@clock_checked_option
@expect_option
@click.option("--holder", metavar="NAME", help="Who holds this token.")
@click.option(
    "--key",
    "wanted",
    multiple=True,
    metavar="ROLE:NAME",
    help='What to make [default: operator:NAME, "operator:NAME signing" and account:SYS].',
)
@click.option("--add", type=FILE, metavar="FILE", help="The keys that were made before, on another token.")
@click.option(
    "--witness", multiple=True, type=PublicKeyType(), metavar="PUBKEY", help="A witness, for the policy."
)
@click.option("--witnesses", type=click.IntRange(1), metavar="N", help="How many of them must have signed.")
@click.option(
    "--attestation-root", "roots", multiple=True, metavar="SHA256",
    help="A root up to which devices have to attest the operator's keys, for the policy.",
)  # fmt: skip
@click.option("--policy-out", type=FILE, metavar="FILE", help="Write the policy that pins the operator.")
@ways_option
@output_option
@change_options
def keygen(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    name: str | None,
    request: Path | None,
    statements: tuple[Path, ...],
    present: tuple[str, ...],
    exceptions: tuple[str, ...],
    device_info: tuple[Path, ...],
    clock_checked: bool,
    expect: str | None,
    allowed: tuple[str, ...],
    policy_out: Path | None,
    output: Path,
    **plain: Any,  # noqa: ANN401 - the options of keys that no request names
) -> None:
    """Create an operator's keys, and the policy that pins it.

    With --request the keys are those of a key specification that was reviewed and witnessed (`ceremony
    prepare`, `review`, `witness`): labels that exist are refused, recoverable keys get shares, and everything
    is in a transcript, up to the number of signatures of each key. `ceremony check` checks the result.

    Without it, the keys of the operator NAME are made on one token. Each signs a statement about itself: what
    it is called, who holds it, what the driver says of it. For several tokens, run it for each, with --add
    naming the file of the run before, and write the policy with the last. With --attestation-root the policy
    lets a key of an operator sign only if its device attests it: `seedless key attest` comes next. The file
    goes to the machine online: `seedless ceremony keys`.

    \b
    Example:
      seedless ceremony keygen --request request.json --statement ada.witness -o keys.json
      seedless ceremony keygen ACME --holder Ada --policy-out policy.toml -o keys.json
    """
    workspace = CommandWorkspace(settings)
    people = _People(statements, present, exceptions, device_info, expect, clock_checked, allowed)
    if request is not None:
        if name is not None or any(plain.values()):
            raise UsageError("--request has names, holders, witnesses and roots itself", "leave them out")
        _of_request(workspace, request, people, output, policy_out)
        return
    if any(people):
        raise UsageError("statements, people and digests belong to a request", "name it with --request")
    if name is None or not plain["holder"]:
        raise UsageError("no keys are named", "--request FILE, or NAME and --holder")
    _plain(workspace, name, output, policy_out, **plain)


class _People(NamedTuple):
    """The options of a request: who was there, what was found, and how it is agreed on."""

    statements: tuple[Path, ...]
    present: tuple[str, ...]
    exceptions: tuple[str, ...]
    device_info: tuple[Path, ...]
    expect: str | None
    clock_checked: bool
    allowed: tuple[str, ...]


def _of_request(
    workspace: CommandWorkspace, path: Path, people: _People, output: Path, policy_out: Path | None
) -> None:
    """Create the keys of the request at *path*, after somebody has agreed on its digest."""
    settings = workspace.options
    request = key_requests.read(path)
    outputs = read_device_info(people.device_info)
    read = tuple(map(statement_text, people.statements))
    key_requests.show(request, tell_words=False)
    if settings.dry_run:
        text = "would create these keys"
        printing.emit(key_requests.data_of(request) | {"dry_run": True}, text, as_json=settings.as_json)
        return
    confirmed(request.digest, workspace.now, people.expect, clock_checked=people.clock_checked)
    created = ceremonies_keygen.create(
        workspace,
        request,
        KeygenPeople(
            present=people.present, exceptions=people.exceptions,
            statements=read,
        ),
        output=output, policy=policy_out, outputs=outputs, allowed=people.allowed,
        clock=lambda: int(time.time()),
    )  # fmt: skip
    policy = read_policy(created.policy.encode(), shown(policy_out)) if policy_out else None
    _tell(settings, created.keys, output, policy, created.transcript)


def _plain(  # noqa: PLR0913 - one for each option
    workspace: CommandWorkspace,
    name: str,
    output: Path,
    policy_out: Path | None,
    *,
    holder: str,
    wanted: tuple[str, ...],
    add: Path | None,
    witness: tuple[PublicKey, ...],
    witnesses: int | None,
    roots: tuple[str, ...],
) -> None:
    settings = workspace.options
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
        atomic.write_new(files, begun_ledger(workspace, everything) | tokens.reported())
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
    key = CeremonyKey(public_key=entry.public_key, name=entry.name, holder=holder, uri=entry.uri, at=now)
    return stated(tokens, key)


def _tell(
    settings: Settings,
    made: Sequence[CeremonyKey],
    output: Path,
    policy: Policy | None,
    transcript: str | None = None,
) -> None:
    data: dict[str, Any] = {
        "file": str(output), "keys": [key_data(one) for one in made],
        "policy": policy.digest if policy else None,
        "words": words_data(policy.digest) if policy else [],
        "transcript": transcript,
    }  # fmt: skip
    lines = [key_line(one) for one in made]
    if policy:
        lines += digest_lines(policy.digest, "policy")
    if transcript:
        lines += digest_lines(transcript, "transcript")
    printing.emit(data, "\n".join(lines), as_json=settings.as_json)
