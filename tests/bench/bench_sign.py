"""`seedless sign`, and `account add`, on a SoftHSM token, whole processes, beside the least that could do it.

The least is a script that imports the same three libraries, opens the token, signs as many bytes (for an
account, creates a key before) and prints what came. It reads no store, shows nothing, judges and verifies
nothing, and is not watched.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEEDLESS = str(Path(sysconfig.get_path("scripts"), "seedless"))
_LEAST = """
import sys
import click, nacl.signing, pkcs11
_, module, label, pin, message = sys.argv
token = pkcs11.lib(module).get_token(token_label=label)
with token.open(user_pin=pin) as session:
    key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label="operator:ACME")
    signature = key.sign(message.encode(), mechanism=pkcs11.Mechanism.EDDSA)
click.echo(signature.hex())
"""
_LEAST_WITH_KEY = """
import os, sys
import click, nacl.signing, pkcs11
_, module, label, pin, message = sys.argv
token = pkcs11.lib(module).get_token(token_label=label)
with token.open(user_pin=pin, rw=True) as session:
    parameters = session.create_domain_parameters(
        pkcs11.KeyType.EC_EDWARDS,
        {pkcs11.Attribute.EC_PARAMS: b"\\x13\\x0cedwards25519"},
        local=True,
    )
    public, _ = parameters.generate_keypair(
        mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN, label="account:A", id=os.urandom(8), store=True
    )
    key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label="operator:ACME")
    signature = key.sign(message.encode(), mechanism=pkcs11.Mechanism.EDDSA)
click.echo(signature.hex())
"""


def rows() -> Iterator[dict[str, object]]:
    """Yield the rows: processor time, in which other programs hardly count."""
    from _claims import NOW, OPERATOR, account
    from bench_bulk import _seedless
    from bench_signing import _token
    from bench_start import _run

    from seedless.jwt import draft

    folder = Path(tempfile.mkdtemp(prefix="seedless-bench-"))
    atexit.register(shutil.rmtree, folder)
    made = _token(folder)
    os.environ |= {
        "SEEDLESS_STORE": str(folder / "store"),
        "SEEDLESS_MODULE": str(made.module),
        "SEEDLESS_TOKEN": made.uri,
        "SEEDLESS_PIN_SOURCE": "env:TOKEN_PIN",
        "TOKEN_PIN": made.pin,
    }
    _seedless(dict(os.environ), "operator", "add", "ACME", "--yes")
    wanted = draft(account(), OPERATOR.public_key, NOW)
    file = folder / "claims.json"
    file.write_bytes(wanted.payload)
    module, message = str(made.module), wanted.signing_input.decode()
    yield {
        "name": "seedless sign FILE on a token, beside a bare script",
        "ours": _run(_SEEDLESS, "sign", str(file), "--yes"),
        "beside": _run(sys.executable, "-c", _LEAST, module, made.label, made.pin, message),
        "most": 1.5,
    }
    numbers = itertools.count()

    def add() -> object:
        return _run(_SEEDLESS, "account", "add", f"A{next(numbers)}", "--yes")()

    yield {
        "name": "seedless account add NAME on a token, beside a bare script",
        "ours": add,
        "beside": _run(sys.executable, "-c", _LEAST_WITH_KEY, module, made.label, made.pin, message),
        "most": 1.3,
    }
