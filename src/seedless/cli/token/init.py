"""`seedless token init`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from seedless.app.token_choice import private_softhsm
from seedless.cli import consent, printing
from seedless.cli.command import command
from seedless.cli.options import Settings, change_options
from seedless.cli.token.show import token_data
from seedless.cli.workspace import CommandWorkspace
from seedless.pin import chosen_pin
from seedless.text import quoted, shown

if TYPE_CHECKING:
    from seedless.app.token_management import TokenInitialisation


@command()
@click.option("--label", required=True, metavar="TEXT", help="The label of the token, at most 32 bytes.")
@click.option("--so-pin-source", metavar="SOURCE", help="Where the SO PIN comes from [default: prompt].")
@click.option(
    "--erase",
    metavar="SERIAL",
    help="The serial of a token that holds keys and shall lose them; its label if it has none.",
)
@click.option("--softhsm", is_flag=True, help="Set up SoftHSM for yourself first, and use its module.")
@change_options
def init(
    workspace: CommandWorkspace, *, label: str, so_pin_source: str | None, erase: str | None, softhsm: bool
) -> None:
    """Initialise a token; one with keys only if named.

    A token that was initialised before loses all that is on it: its serial has to be typed, or given with
    --erase. On one that is blank nothing can be lost, so nobody is asked.

    PINs are asked twice on the terminal, or come from --so-pin-source and --pin-source.

    With --softhsm, SoftHSM gets a configuration and a folder of tokens that only you can read, where you have
    none yet, and its module is listed in your configuration: later commands find both by themselves.

    \b
    From nothing to a first account and user, on Debian (apt install softhsm2):
      seedless token init --softhsm --label ACME
      seedless operator add ACME --sys
      seedless account add ORDERS
      seedless user add -a ORDERS app

    \b
    Example:
      seedless token init --label ACME
    """
    if softhsm and not _set_softhsm_up(workspace.options, label):
        return
    initialisation = workspace.tokens.initialise(label)
    info = initialisation.token
    if not initialisation.is_blank:
        erase = _serial_to_erase(workspace.options, initialisation, erase)
    if workspace.options.dry_run:
        workspace.emit(
            {"dry_run": True, "token": token_data(info), "label": label}, f"would initialise {info.where}"
        )
        return
    pin_source, lengths = (
        workspace.options.pin_source or workspace.config.pin_source,
        initialisation.pin_lengths,
    )
    so_pin = chosen_pin(so_pin_source, label, "SO PIN", lengths)
    pin = chosen_pin(pin_source, label, "PIN", lengths)
    made = initialisation.run(so_pin=so_pin, pin=pin, erase=erase)
    if sum(token.label == made.label for token in workspace.tokens.list()) > 1:
        printing.report("another token has this label: name them by their serials")
    workspace.emit(token_data(made), f"initialised {made.where}\n{made.uri}")


def _set_softhsm_up(settings: Settings, label: str) -> bool:
    """Make the private set-up, and report what was written; return False for a dry run, which ends here."""
    setup = private_softhsm(os.environ, settings.module, dry_run=settings.dry_run)
    if settings.dry_run:
        paths = ", ".join(map(shown, setup.written)) or "nothing for SoftHSM"
        data = {"dry_run": True, "label": label, "would_write": [str(path) for path in setup.written]}
        settings.emit(data, f"would write {paths}, and initialise a token")
        return False
    for path in setup.written:
        printing.report(f"wrote {shown(path)}")
    printing.report(f"SoftHSM reads {shown(setup.configuration)}")
    return True


def _serial_to_erase(settings: Settings, initialisation: TokenInitialisation, erase: str | None) -> str:
    """Return the serial of a token that is to lose its keys: given, or typed by a person who saw them.

    --yes does not stand for it: a script that names no token would erase whichever is in the slot.
    """
    info = initialisation.token
    which = "serial" if info.serial else "label"
    printing.report(f"token {quoted(info.label)} is initialised already; all that is on it would be lost:")
    for item in initialisation.contents():
        printing.report(f"  {item.kind} {shown(item.label)} (id {item.id.hex() or 'none'})")
    printing.report("  and what cannot be seen without its PIN")
    if erase is None and settings.dry_run:
        return info.name_to_erase
    if erase is None:
        erase = consent.answer(f"Type its {which} to erase it: ", add=f"--erase {which.upper()}")
    initialisation.require_named(erase)
    return erase
