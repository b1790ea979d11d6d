"""The `pin-source` of a URI: honoured from the person who types it, never from the inventory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Cli = Any  # the fixture in tests/conftest.py


def test_the_pin_source_of_a_typed_uri_is_asked(cli: Cli) -> None:
    pin = cli.home / "pin-of-the-uri"
    pin.write_text(cli.token.pin)
    pin.chmod(0o600)
    uri = f"{cli.token.uri}?pin-source={pin}"
    made = cli.run("operator", "add", "ACME", "--token", uri, SEEDLESS_PIN_SOURCE=None)
    assert (made.code, made.out.partition(":")[0]) == (0, "operator ACME")


def test_an_inventory_that_names_a_pin_source_is_refused(cli: Cli) -> None:
    cli.ok("operator", "add", "ACME")
    path = cli.store / "keyring.json"
    inventory: dict[str, Any] = json.loads(path.read_text())
    for entry in inventory["keys"].values():
        entry["uri"] += "?pin-source=/etc/hostname"
    path.write_text(json.dumps(inventory))
    done = cli.run("account", "add", "ORDERS", SEEDLESS_PIN_SOURCE=None)
    assert done.code == 1
    assert "names a module or a PIN source" in done.err
