"""`seedless token show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.cli import printing
from seedless.cli.command import command
from seedless.cli.options import token_options
from seedless.cli.workspace import CommandWorkspace
from seedless.text import shown

if TYPE_CHECKING:
    from seedless.pkcs11.token_info import TokenInfo


@command(name="list")
@token_options
def list_(workspace: CommandWorkspace) -> None:
    """List the tokens of the module.

    \b
    Example:
      seedless token list --module /usr/lib/softhsm/libsofthsm2.so
    """
    management = workspace.tokens
    tokens = management.list()
    rows = [
        (
            shown(info.label) or "(blank)",
            shown(info.serial),
            shown(info.model),
            info.state,
            str(info.uri),
        )
        for info in tokens
    ]
    data = {"module": str(management.module()), "tokens": [token_data(info) for info in tokens]}
    if not tokens:
        printing.report(f"the module {shown(management.module())} shows no token")
    workspace.emit(data, printing.table(rows, ("TOKEN", "SERIAL", "MODEL", "STATE", "URI")))


@command()
@token_options
def show(workspace: CommandWorkspace) -> None:
    """Show label, serial and state of a token; needs no PIN.

    \b
    Example:
      seedless token show --token pkcs11:token=ACME
    """
    data = token_data(workspace.tokens.show())
    rows = ((name.replace("_", " "), shown(str(value))) for name, value in data.items())
    text = "\n".join(printing.labelled(rows, 20))
    workspace.emit(data, text)


def token_data(info: TokenInfo) -> dict[str, object]:
    """Return *info* as --json prints it."""
    names = ("label", "serial", "manufacturer", "model", "slot_id", "hardware_version", "firmware_version")
    return printing.members(info, *names, "state", "uri")
