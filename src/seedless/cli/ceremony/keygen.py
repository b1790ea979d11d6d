"""`seedless ceremony keygen`: the keys of an operator, and the policy that pins it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from seedless import file_kind
from seedless.ceremony import documents
from seedless.cli import consent
from seedless.cli.ceremony import options
from seedless.cli.ceremony.confirmation import confirmed
from seedless.cli.ceremony.options import FILE
from seedless.cli.command import command
from seedless.cli.device_info import device_info_option, read_device_info
from seedless.cli.key_options import public_key_type
from seedless.cli.options import change_options
from seedless.cli.recovery.options import ways_option
from seedless.cli.render.keygen import emit_created, request_data, show_request
from seedless.errors import UsageError
from seedless.keygen.request import parse
from seedless.store import atomic
from seedless.text import shown

if TYPE_CHECKING:
    from pathlib import Path

    from seedless.cli.workspace import CommandWorkspace


@command()
@click.argument("name", required=False)
@click.option("--request", type=FILE, metavar="FILE", help="Create the keys of this request, and no others.")
@click.option(
    "--statement", "statements", multiple=True, type=FILE, metavar="FILE",
    help="The statement of a witness of the request.",
)  # fmt: skip
@click.option("--present", multiple=True, metavar="NAME", help="Who is in the room; for the transcript.")
@click.option(
    "--bag", "bags", multiple=True, metavar="NUMBER:TEXT", help="A bag of the request, and how it was found."
)
@click.option(
    "--exception", "exceptions", multiple=True, metavar="TEXT", help="What is not as in the script."
)
@device_info_option
@options.clock_checked_option
@options.expect_option
@click.option("--holder", metavar="NAME", help="Who holds this token.")
@click.option(
    "--key", "wanted", multiple=True, metavar="ROLE:NAME",
    help='What to make [default: operator:NAME, "operator:NAME signing" and account:SYS].',
)  # fmt: skip
@click.option("--add", type=FILE, metavar="FILE", help="The keys that were made before, on another token.")
@click.option(
    "--witness", multiple=True, type=public_key_type(), metavar="PUBKEY", help="A witness, for the policy."
)
@click.option("--witnesses", type=click.IntRange(1), metavar="N", help="How many of them must have signed.")
@click.option(
    "--attestation-root", "roots", multiple=True, metavar="SHA256",
    help="A root up to which devices have to attest the operator's keys, for the policy.",
)  # fmt: skip
@click.option("--policy-out", type=FILE, metavar="FILE", help="Write the policy that pins the operator.")
@ways_option
@options.output_option
@change_options
def keygen(  # noqa: PLR0913 - one for each option
    workspace: CommandWorkspace,
    *,
    name: str | None,
    request: Path | None,
    statements: tuple[Path, ...],
    present: tuple[str, ...],
    bags: tuple[str, ...],
    exceptions: tuple[str, ...],
    device_info: tuple[Path, ...],
    clock_checked: bool,
    expect: str | None,
    allowed: tuple[str, ...],
    policy_out: Path | None,
    output: Path,
    **plain: object,
) -> None:
    """Create an operator's keys, and the policy that pins it.

    With --request the keys are those of a key specification that was reviewed and witnessed (`ceremony
    prepare`, `review`, `witness`): labels that exist are refused, recoverable keys get shares, and everything
    is in a transcript, up to the number of signatures of each key. `ceremony check` checks the result.

    Without it, the keys of the operator NAME are made on one token. Each signs a statement about itself: what
    it is called, who holds it, what the driver reports of it. For several tokens, run it for each, with --add
    naming the file of the run before, and write the policy with the last. With --attestation-root the policy
    lets a key of an operator sign only if its device attests it: `seedless key attest` comes next. The file
    goes to the machine online: `seedless ceremony keys`.

    \b
    Example:
      seedless ceremony keygen --request request.json --present Ada -o keys.json
      seedless ceremony keygen ACME --holder Ada --policy-out p.toml -o keys.json
    """
    people = _People(statements, present, bags, exceptions, device_info, expect, clock_checked, allowed)
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
    bags: tuple[str, ...]
    exceptions: tuple[str, ...]
    device_info: tuple[Path, ...]
    expect: str | None
    clock_checked: bool
    allowed: tuple[str, ...]


def _of_request(
    workspace: CommandWorkspace, path: Path, people: _People, output: Path, policy_out: Path | None
) -> None:
    """Create the keys of the request at *path*, after somebody has agreed on its digest."""
    data = documents.read(path, file_kind.KEY_REQUEST)
    request = parse(data)
    outputs = read_device_info(people.device_info)
    statements = tuple(map(options.statement_text, people.statements))
    bags = [_bag(text) for text in people.bags]
    show_request(request, with_words=False)
    if workspace.options.dry_run:
        workspace.emit(request_data(request) | {"dry_run": True}, "would create these keys")
        return
    created = workspace.ceremonies.create_keys(
        data,
        approve=lambda asked: confirmed(
            asked.digest, workspace.now, people.expect, clock_checked=people.clock_checked
        ),
        output=output,
        policy=policy_out,
        statements=statements,
        present=people.present,
        bags=bags,
        exceptions=people.exceptions,
        device_info=outputs,
        allowed=people.allowed,
    )
    emit_created(workspace, created, output)


def _bag(text: str) -> tuple[str, str]:
    """Return the number of a bag and how it was found; raise `UsageError` for another form."""
    number, colon, found = text.partition(":")
    if not colon or not found.strip():
        raise UsageError(f"{shown(text)} is not NUMBER:TEXT", '--bag "4711: the seal was whole"')
    return number.strip(), found.strip()


def _plain(
    workspace: CommandWorkspace,
    name: str,
    output: Path,
    policy_out: Path | None,
    **given: Any,  # noqa: ANN401 - as the command has them
) -> None:
    """Create the keys of the operator *name* that no request names, after somebody has agreed."""
    add, witness, witnesses = given["add"], given["witness"], given["witnesses"]
    if (witnesses is None) != (not witness) or (witnesses or 0) > len(witness):
        raise UsageError("--witnesses is how many of the keys of --witness must have signed", "give both")
    new = workspace.ceremonies.new_keys(
        name,
        holder=given["holder"],
        keys=given["wanted"],
        previous=documents.read(add, file_kind.KEYS) if add else None,
        witnesses=witness,
        threshold=witnesses or 0,
        attestation_roots=given["roots"],
    )
    for path in (output, *([policy_out] if policy_out else [])):
        atomic.require_new(path)  # before somebody is asked
    names = ", ".join(map(shown, new.labels))
    if workspace.options.dry_run:
        workspace.emit({"dry_run": True, "labels": list(new.labels)}, f"would create {names}")
        return
    consent.require(workspace.options, f"Create {names} on the token?", done="no key was created")
    emit_created(workspace, new.create(output, policy=policy_out), output)
